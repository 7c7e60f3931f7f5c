#!/usr/bin/env bash
# orders: its command line, its lines, its end, and what each route answers; orders-bare likewise.
set -euo pipefail
export PYTHONPATH=$WEIR_ROOT/test/integration PYTHONDONTWRITEBYTECODE=1
exec python3 - <<'PY'
import signal
import socket
import subprocess
import sys
import time
from orders_service import BUILD, Orders, Report, equal

report = Report()


def ends(program, sig, busy):
    with Orders("--threads", "3", "--slow-ppm", "1000000" if busy else "0", program=program) as orders:
        held = [orders.connect() for _ in range(8)]
        for connection in held:
            connection.request("GET", "/api/v1/orders/7" if busy else "/healthz")
        if not busy:
            for connection in held:
                equal(connection.getresponse().read(), b'{"status":"ok"}\n', "answer")
        code, seconds = orders.end(sig)
        equal(code, 0, "exit code")
        if seconds >= 1:
            raise AssertionError(f"it took {seconds:.2f} s to end")
        equal(orders.process.stdout.read(), b"", "standard output after the ready line")
        equal(orders.process.stderr.read(), b"", "standard error")


for program in ("orders", "orders-bare"):
    for sig in (signal.SIGTERM, signal.SIGINT):
        for busy in (False, True):
            report.case(f"orders_cli.{program}_ends_{sig.name}_{'busy' if busy else 'idle'}",
                        lambda: ends(program, sig, busy))


def refused(program, args):
    got = subprocess.run([f"{BUILD}/bin/{program}", *args], capture_output=True, timeout=10)
    equal(got.returncode, 2, f"exit code of {args}")
    equal(got.stdout, b"", "standard output")
    if b"usage: orders" not in got.stderr:
        raise AssertionError(f"no usage: {got.stderr!r}")


bad = [["--listen"], ["--listen", "8080"], ["--listen", "127.0.0.1:"], ["--listen", "127.0.0.1:65536"],
       ["--listen", ":80"], ["--listen", "::1:80"], ["--listen", "h" * 80 + ":80"], ["--metrics", "x"],
       ["--telemetry", "yes"], ["--telemetry", ""], ["--threads", "0"], ["--threads", "65"], ["--threads", "-1"],
       ["--threads", "2x"], ["--slow-ppm", "1000001"], ["--fail-ppm", "-5"], ["--fail-ppm", "99999999999999999999"],
       ["--verbose", "1"], ["stray"], ["--threads=2"]]
for program in ("orders", "orders-bare"):
    report.case(f"orders_cli.{program}_bad_arguments", lambda: [refused(program, args) for args in bad])


def helps():
    got = subprocess.run([f"{BUILD}/bin/orders", "--help"], capture_output=True, timeout=10)
    equal((got.returncode, got.stderr), (0, b""), "code and standard error")
    for option in (b"--listen", b"--metrics", b"--telemetry", b"--threads", b"--slow-ppm", b"--fail-ppm"):
        if option not in got.stdout:
            raise AssertionError(f"{option} is missing")


report.case("orders_cli.help", helps)


def taken(option, other):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        got = subprocess.run([f"{BUILD}/bin/orders", option, f"127.0.0.1:{port}", other, "127.0.0.1:0"],
                             capture_output=True, timeout=10)
    equal((got.returncode, got.stdout), (1, b""), "code and standard output")
    if str(port).encode() not in got.stderr:
        raise AssertionError(f"which address, it does not say: {got.stderr!r}")


report.case("orders_cli.listen_address_taken", lambda: taken("--listen", "--metrics"))
report.case("orders_cli.metrics_address_taken", lambda: taken("--metrics", "--listen"))


def routes(program):
    with Orders(program=program) as orders:
        ask = orders.ask
        equal(ask("GET", "/healthz")[0::2], (200, '{"status":"ok"}\n'), "health")
        equal(ask("GET", "/api/v1/orders/1")[0::2],
              (200, '{"id":1,"item":"tea","quantity":1,"state":"accepted"}\n'), "the first order")
        status, headers, text = ask("POST", "/api/v1/orders", '{"quantity": 3, "item": "red tea"}')
        equal(status, 201, "a new order")
        equal(ask("GET", headers["Location"])[0::2], (200, text), "the new order")
        equal(ask("HEAD", "/api/v1/orders/1")[0::2], (200, ""), "HEAD")
        for path in ("/", "/api/v1/orders/", "/api/v1/orders/1/x", "/api/v1/ordersx", "/api/v1/orders/0",
                     "/api/v1/orders/x", "/api/v1/orders/99999999999999999999999999", "/api/v1/orders/777777777"):
            equal(ask("GET", path)[0::2], (404, '{"error":"not found"}\n'), path)
        for method, path, allow in (("DELETE", "/healthz", "GET, HEAD"), ("POST", "/api/v1/orders/1", "GET, HEAD"),
                                    ("GET", "/api/v1/orders", "POST"), ("BREW", "/api/v1/orders", "POST")):
            status, headers, _ = ask(method, path)
            equal((status, headers["Allow"]), (405, allow), f"{method} {path}")
        for body in ("", "{}", "[]", '{"item":"tea"}', '{"quantity":1}', '{"item":"tea","quantity":0}',
                     '{"item":"tea","quantity":1000001}', '{"item":"","quantity":1}', '{"item":"t\\"","quantity":1}',
                     '{"item":"tea","quantity":1,}', '{"item":"tea","quantity":1}x', '{"item":"tea","item":"tea"}',
                     '{"item":"' + "t" * 64 + '","quantity":1}', '{"item":"t\u00e4","quantity":1}', "\0"):
            equal(ask("POST", "/api/v1/orders", body.encode())[0], 400, body)
        equal(ask("POST", "/api/v1/orders", " " * 1100)[0], 413, "a body too long")
        equal(ask("POST", "/api/v1/orders", iter([b" " * 600] * 3))[0], 413, "chunks too long")


def routes_on_one_connection(program):
    with Orders("--threads", "1", program=program) as orders:
        connection = orders.connect()
        asked = (("GET", "/healthz", None, 200), ("POST", "/api/v1/orders", " " * 5000, 413), ("PUT", "/x", "y", 404),
                 ("POST", "/api/v1/orders", '{"item":"tea","quantity":3}', 201), ("GET", "/api/v1/orders/2", None, 200))
        for method, path, body, status in asked:
            equal(orders.ask(method, path, body, connection)[0], status, path)
            if connection.sock is None:
                raise AssertionError(f"{method} {path} cost the connection")
        connection.close()


def fails(program):
    with Orders("--fail-ppm", "1000000", program=program) as orders:
        for method, path, body in (("GET", "/api/v1/orders/1", None), ("POST", "/api/v1/orders", '{"item":"a","quantity":1}')):
            equal(orders.ask(method, path, body)[0::2], (500, '{"error":"internal error"}\n'), path)
        equal(orders.ask("GET", "/healthz")[0], 200, "health")


def slow(program):
    """One thread, ten slow answers at once: they sleep together, and a fast one goes by."""
    with Orders("--threads", "1", "--slow-ppm", "1000000", program=program) as orders:
        began = time.monotonic()
        held = [orders.connect() for _ in range(10)]
        for connection in held:
            connection.request("GET", "/api/v1/orders/3")
        equal(orders.ask("GET", "/healthz")[0], 200, "health")
        fast = time.monotonic() - began
        took = []
        for connection in held:
            equal(connection.getresponse().status, 200, "a slow answer")
            took.append(time.monotonic() - began)
            connection.close()
        if min(took) < 0.02:
            raise AssertionError(f"a slow answer after {min(took):.3f} s")
        if max(took) >= 10 * 0.15:
            raise AssertionError(f"they sleep one after the other: {max(took):.3f} s")
        if fast >= max(took):
            raise AssertionError("the fast answer waited for the slow ones")


for program in ("orders", "orders-bare"):
    report.case(f"orders_cli.{program}_routes", lambda: routes(program))
    report.case(f"orders_cli.{program}_keeps_connections", lambda: routes_on_one_connection(program))
    report.case(f"orders_cli.{program}_fails_with_500", lambda: fails(program))
    report.case(f"orders_cli.{program}_slow_answers_hold_no_thread", lambda: slow(program))


def bare_is_bare():
    needed = subprocess.run(["readelf", "-d", "-s", "-W", f"{BUILD}/bin/orders-bare"], capture_output=True, text=True,
                            check=True).stdout
    if "weir" in needed:
        raise AssertionError("orders-bare has weir in it")


report.case("orders_cli.bare_has_no_weir", bare_is_bare)
sys.exit(report.code())
PY
