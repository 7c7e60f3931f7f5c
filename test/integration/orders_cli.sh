#!/usr/bin/env bash
# orders: its command line, its lines, its end, and what each route answers; orders-bare likewise.
set -euo pipefail
export PYTHONPATH=$WEIR_ROOT/test/integration PYTHONDONTWRITEBYTECODE=1
exec python3 - <<'PY'
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from orders_service import BUILD, Orders, Report, equal, until

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
       ["--verbose", "1"], ["stray"], ["--threads=2"], ["--role", "queue"], ["--role", ""], ["--role"], ["--store", "127.0.0.1:80"],
       ["--store", "https://127.0.0.1:80"], ["--store", "http://127.0.0.1"], ["--store", "http://127.0.0.1:0"],
       ["--store", "http://127.0.0.1:80/path"], ["--store", "http://" + "h" * 90 + ":80"], ["--rate", "-1"], ["--rate", "1000001"],
       ["--otlp", ""], ["--access-log", ""], ["--jwks", ""], ["--issuer", "me"], ["--audience", "x"], ["--require-header", "X"],
       ["--tenants", "5"], ["--tenant-idle", "5"], ["--jwks", "x", "--tenants", "0"], ["--jwks", "x", "--tenants", "1001"],
       ["--jwks", "x", "--role", "store"], ["--home", ""], ["--home", "memory"], ["--home", "map:"], ["--home", "map:relative"],
       ["--home", "file", "--telemetry", "off"]]
for program in ("orders", "orders-bare"):
    report.case(f"orders_cli.{program}_bad_arguments", lambda: [refused(program, args) for args in bad])


def helps():
    got = subprocess.run([f"{BUILD}/bin/orders", "--help"], capture_output=True, timeout=10)
    equal((got.returncode, got.stderr), (0, b""), "code and standard error")
    for option in (b"--home", b"--jwks", b"--issuer", b"--audience", b"--require-header", b"--tenants", b"--tenant-idle", b"--role", b"--store", b"--rate", b"--otlp", b"--access-log", b"--listen", b"--metrics", b"--telemetry", b"--threads", b"--slow-ppm", b"--fail-ppm"):
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


def no_log(role):
    got = subprocess.run([f"{BUILD}/bin/orders", *role, "--listen", "127.0.0.1:0", "--access-log", "/nowhere/at/all"],
                         capture_output=True, timeout=10)
    equal((got.returncode, got.stdout), (1, b""), "code and standard output")
    if b"/nowhere/at/all: No such file" not in got.stderr:
        raise AssertionError(f"why not, it does not say: {got.stderr!r}")


def no_url(role):
    got = subprocess.run([f"{BUILD}/bin/orders", *role, "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--otlp", "no url"],
                         capture_output=True, timeout=10)
    equal((got.returncode, got.stdout), (1, b""), "code and standard output")
    if b"orders: no export to no url: " not in got.stderr:
        raise AssertionError(f"why not, it does not say: {got.stderr!r}")


def no_home(role):
    got = subprocess.run([f"{BUILD}/bin/orders", *role, "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--home", "map:/nowhere/at/all"],
                         capture_output=True, timeout=10)
    equal((got.returncode, got.stdout), (1, b""), "code and standard output")
    if b"orders: no home map:/nowhere/at/all: " not in got.stderr:
        raise AssertionError(f"why not, it does not say: {got.stderr!r}")


def home_file(role):
    """There while it runs, readable by others' means, and gone with it."""
    with Orders(*role, "--home", "file") as orders:
        file = f"/dev/shm/weir-orders-{orders.process.pid}.segment"
        with open(file, "rb") as segment:
            equal(segment.read(8), b"weirseg\0", "how it begins")
        equal(orders.end(signal.SIGTERM)[0], 0, "exit code")
    if os.path.exists(file):
        raise AssertionError(f"{file} is still there")


roles = ([], ["--role", "gateway"], ["--role", "store"])
report.case("orders_cli.a_home_that_cannot_be", lambda: [no_home(role) for role in roles])
report.case("orders_cli.a_home_in_a_file", lambda: [home_file(role) for role in roles])
report.case("orders_cli.a_log_that_cannot_be_written", lambda: [no_log(role) for role in roles])
report.case("orders_cli.an_export_to_no_url", lambda: [no_url(role) for role in roles])
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


# ---- the two roles ----
def pair(test, program="orders", store=(), gateway=()):
    with Orders("--role", "store", *store, program=program) as s:
        with Orders("--role", "gateway", "--store", f"http://127.0.0.1:{s.port}", *gateway, program=program) as g:
            return test(g, s)


def pair_routes(gateway, _):
    ask = gateway.ask
    equal(ask("GET", "/healthz")[0::2], (200, '{"status":"ok"}\n'), "health")
    equal(ask("GET", "/api/v1/orders/1")[0::2], (200, '{"id":1,"item":"tea","quantity":1,"state":"accepted"}\n'), "the first order")
    status, headers, text = ask("POST", "/api/v1/orders", '{"quantity": 3, "item": "red tea"}')
    equal(status, 201, "a new order")
    equal(ask("GET", headers["Location"])[0::2], (200, text), "the new order")
    equal(ask("HEAD", "/api/v1/orders/1")[0::2], (200, ""), "HEAD")
    for path in ("/", "/api/v1/orders/", "/api/v1/orders/x", "/api/v1/orders/0", "/api/v1/orders/777777777"):
        equal(ask("GET", path)[0::2], (404, '{"error":"not found"}\n'), path)
    for body in ("", "{}", '{"item":"tea","quantity":0}', "\0"):
        equal(ask("POST", "/api/v1/orders", body.encode())[0], 400, body)
    equal(ask("POST", "/api/v1/orders", " " * 1100)[0], 413, "a body too long")
    status, headers, _ = ask("DELETE", "/healthz")
    equal((status, headers["Allow"]), (405, "GET, HEAD"), "DELETE")


def store_routes(_, store):
    ask = store.ask
    equal(ask("GET", "/healthz")[0::2], (200, '{"status":"ok"}\n'), "health")
    equal(ask("GET", "/orders/1")[0::2], (200, '{"id":1,"item":"tea","quantity":1,"state":"accepted"}\n'), "the first order")
    equal(ask("POST", "/orders", '{"quantity": 3, "item": "red tea"}')[0], 201, "a new order")
    for path in ("/", "/orders/", "/orders/x", "/orders/-1", "/orders/1/", "/orders/0", "/orders/99999999999999999999999", "/ordersx"):
        equal(ask("GET", path)[0::2], (404, '{"error":"not found"}\n'), path)
    for body in ("", "tea", '{"item":"tea","quantity":0}'):
        equal(ask("POST", "/orders", body)[0], 400, body)
    equal(ask("POST", "/orders", " " * 5000)[0], 413, "a body too long")
    for method, path in (("POST", "/orders/1"), ("GET", "/orders"), ("BREW", "/healthz")):
        equal(ask(method, path)[0], 405, f"{method} {path}")


def pair_is_slow(gateway, _):
    """One thread each, ten slow answers at once: they sleep together, and hold no thread in either process."""
    began = time.monotonic()
    held = [gateway.connect() for _ in range(10)]
    for connection in held:
        connection.request("GET", "/api/v1/orders/3")
    equal(gateway.ask("GET", "/healthz")[0], 200, "health")
    for connection in held:
        equal(connection.getresponse().status, 200, "a slow answer")
        connection.close()
    if not 0.02 <= time.monotonic() - began < 10 * 0.15:
        raise AssertionError(f"ten slow answers took {time.monotonic() - began:.3f} s")


def pair_ends(busy):
    def test(gateway, store):
        held = [gateway.connect() for _ in range(8)]
        for connection in held:
            connection.request("GET", "/api/v1/orders/3")
        if not busy:
            for connection in held:
                equal(connection.getresponse().status, 200, "status")
        for process in (gateway, store):
            code, seconds = process.end()
            equal((code, seconds < 1, process.process.stderr.read()), (0, True, b""), f"code, time ({seconds:.2f} s), what it said")
        for connection in held:
            connection.close()
    return test


def store_is_gone(gateway, store):
    store.end(signal.SIGKILL)
    equal(gateway.ask("GET", "/api/v1/orders/1")[0::2], (502, '{"error":"the store failed"}\n'), "without a store")
    equal(gateway.ask("GET", "/api/v1/orders/1")[0::2], (503, '{"error":"the store is unavailable"}\n'), "the breaker is open")
    equal(gateway.ask("GET", "/healthz")[0], 200, "health")


def breaker_closes():
    """A store that comes back, on its port, is asked again."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    with Orders("--role", "gateway", "--store", f"http://127.0.0.1:{port}") as gateway:
        equal([gateway.ask("GET", "/api/v1/orders/1")[0] for _ in range(2)], [502, 503], "without a store")
        with subprocess.Popen([f"{BUILD}/bin/orders", "--role", "store", "--listen", f"127.0.0.1:{port}", "--metrics", "127.0.0.1:0"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as store:
            try:
                until(lambda: equal(gateway.ask("GET", "/api/v1/orders/1")[0], 200, "with a store"))
                equal([gateway.ask("GET", "/api/v1/orders/1")[0] for _ in range(5)], [200] * 5, "afterwards")
            finally:
                store.kill()


def never_answers():
    """A store that accepts, and says nothing."""
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen(64)
        with Orders("--role", "gateway", "--store", f"http://127.0.0.1:{mute.getsockname()[1]}") as gateway:
            began = time.monotonic()
            equal(gateway.ask("GET", "/api/v1/orders/1")[0::2], (504, '{"error":"the store took too long"}\n'), "answer")
            if not 0.9 < time.monotonic() - began < 3:
                raise AssertionError(f"it took {time.monotonic() - began:.2f} s")
            held = gateway.connect()
            held.request("GET", "/api/v1/orders/1")
            code, seconds = gateway.end()
            equal((code, seconds < 1), (0, True), f"code, time ({seconds:.2f} s)")


def limited(gateway, _):
    got = [gateway.ask("GET", "/api/v1/orders/1") for _ in range(20)]
    refused = [answer for answer in got if answer[0] == 429]
    if len(refused) < 10:
        raise AssertionError([answer[0] for answer in got])
    equal((refused[0][1]["Retry-After"], refused[0][2]), ("1", '{"error":"too many requests"}\n'), "a refusal")


def logged(program, traced):
    with tempfile.TemporaryDirectory() as folder:
        def test(gateway, store):
            gateway.ask("GET", "/api/v1/orders/7")
            gateway.ask("GET", "/wp-login.php?\"")
            for process in (gateway, store):
                process.end()
        pair(test, program, store=("--access-log", f"{folder}/store"), gateway=("--access-log", f"{folder}/gateway"))
        with open(f"{folder}/gateway", encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
        with open(f"{folder}/store", encoding="utf-8") as file:
            lines += [json.loads(line) for line in file]
        equal([(line["service"], line["method"], line["route"], line["status"], line.get("order"), line.get("calls")) for line in lines],
              [("gateway", "GET", "/api/v1/orders/{id}", 200, 7, 1), ("gateway", "GET", "other", 404, None, None),
               ("store", "GET", "/orders/{id}", 200, 7, None)], "lines")
        equal(["trace_id" in line for line in lines], [traced] * 3, "trace ids")
        if traced:
            equal(lines[0]["trace_id"], lines[2]["trace_id"], "the trace of both")


for program in ("orders", "orders-bare"):
    report.case(f"orders_cli.{program}_pair_routes", lambda: pair(pair_routes, program))
    report.case(f"orders_cli.{program}_store_routes", lambda: pair(store_routes, program))
    report.case(f"orders_cli.{program}_pair_slow_answers_hold_no_thread", lambda: pair(
        pair_is_slow, program, ("--slow-ppm", "1000000", "--threads", "1"), ("--threads", "1")))
    for busy in (False, True):
        report.case(f"orders_cli.{program}_pair_ends_{'busy' if busy else 'idle'}", lambda: pair(
            pair_ends(busy), program, ("--slow-ppm", "1000000" if busy else "0")))
    report.case(f"orders_cli.{program}_pair_without_its_store", lambda: pair(store_is_gone, program))
    report.case(f"orders_cli.{program}_pair_limits_its_rate", lambda: pair(limited, program, gateway=("--rate", "5")))
    report.case(f"orders_cli.{program}_pair_logs", lambda: logged(program, program == "orders"))
report.case("orders_cli.breaker_closes_when_the_store_is_back", breaker_closes)
report.case("orders_cli.store_that_never_answers", never_answers)


def off():
    with Orders("--role", "store", "--telemetry", "off", telemetry=False) as s:
        with Orders("--role", "gateway", "--telemetry", "off", "--store", f"http://127.0.0.1:{s.port}", telemetry=False) as g:
            pair_routes(g, s)
            status, headers, _ = g.ask("GET", "/api/v1/orders/1")
            equal((status, "X-Trace-ID" in headers), (200, False), "status, X-Trace-ID")
            equal([process.end()[0] for process in (g, s)], [0, 0], "codes")


report.case("orders_cli.pair_with_telemetry_off", off)


def bare_is_bare():
    for program in ("orders-bare", "orders-bare-store"):
        needed = subprocess.run(["readelf", "-d", "-s", "-W", f"{BUILD}/bin/{program}"], capture_output=True, text=True,
                                check=True).stdout
        if "weir" in needed:
            raise AssertionError(f"{program} has weir in it")


report.case("orders_cli.bare_has_no_weir", bare_is_bare)
sys.exit(report.code())
PY
