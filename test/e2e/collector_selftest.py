#!/usr/bin/env python3
"""The parts that OTLP's end-to-end tests stand on: the real Collector, the fault server, both witnesses, the namespaces."""
import gzip
import http.client
import json
import pathlib
import ssl
import subprocess
import sys
import time
import urllib.request

sys.dont_write_bytecode = True
import collector
import otlp_server
import otlp_wire
from otlp_wire import put

HERE = pathlib.Path(__file__).resolve().parent
TRACE, ROOT, CHILD = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "00f067aa0ba902b7"
failed = 0


def case(name, test):
    global failed
    try:
        test()
        print(f"ok collector.{name}", flush=True)
    except Exception as error:  # whatever it is, it is this case's
        failed = 1
        print(f"not ok collector.{name}: {type(error).__name__}: {str(error)[:600]!r}", flush=True)


def same(found, expected, what=""):
    if found != expected:
        raise AssertionError(f"{what} {found!r}, not {expected!r}")


def wait(predicate, what, seconds=20):
    until = time.monotonic() + seconds
    while not predicate():
        if time.monotonic() > until:
            raise AssertionError(f"after {seconds} s still not: {what}")
        time.sleep(0.02)


def key_value(number, key, value):
    return put(number, put(1, key) + put(2, value))


def span(name, span_id, parent, start):
    values = [("s", put(1, "text")), ("b", put(2, True)), ("i", put(3, -7)), ("d", put(4, 1.5)), ("y", put(7, b"\0\xff")),
              ("a", put(5, put(1, put(1, "x")) + put(1, put(3, 2)))), ("k", put(6, key_value(1, "in", put(3, 1))))]
    link = put(1, bytes.fromhex(TRACE)) + put(2, bytes.fromhex(ROOT)) + put(6, ("fixed32", 0x101))
    event = put(1, ("fixed64", start + 1)) + put(2, "happened") + key_value(3, "n", put(3, 1)) + put(4, 2)
    return (put(1, bytes.fromhex(TRACE)) + put(2, bytes.fromhex(span_id)) + put(3, "a=b") + put(4, bytes.fromhex(parent)) +
            put(5, name) + put(6, 2) + put(7, ("fixed64", start)) + put(8, ("fixed64", start + 1000000)) +
            b"".join(key_value(9, k, v) for k, v in values) + put(10, 3) + put(11, event) + put(12, 4) + put(13, link) +
            put(14, 5) + put(15, put(2, "why") + put(3, 2)) + put(16, ("fixed32", 0x301)))


def scoped(*items):
    scope = put(1, put(1, "scope") + put(2, "1.0"))
    resource = put(1, key_value(1, "service.name", put(1, "selftest")))
    return put(1, resource + put(2, scope + b"".join(put(2, i) for i in items)))


SPANS = scoped(span("child", CHILD, ROOT, 1700000000000000001), span("root", ROOT, "", 1700000000000000000))


def metrics_request():
    fixed = lambda *values: b"".join(v.to_bytes(8, "little") for v in values)
    times = put(2, ("fixed64", 1700000000000000000)) + put(3, ("fixed64", 1700000001000000000))
    exemplar = (put(2, ("fixed64", 1700000000500000000)) + put(3, 0.25) + put(4, bytes.fromhex(ROOT)) +
                put(5, bytes.fromhex(TRACE)))
    import struct
    number = put(1, times + put(6, ("fixed64", -3)) + key_value(7, "l", put(1, "v")))
    histogram = put(1, times + put(4, ("fixed64", 3)) + put(5, 2.5) + put(6, fixed(1, 2)) + put(7, struct.pack("<d", 0.5)) +
                    put(8, exemplar) + put(11, 0.1) + put(12, 2.0)) + put(2, 2)
    exponential = put(1, times + put(4, ("fixed64", 4)) + put(5, 2.5) + put(6, 5) + put(7, ("fixed64", 1)) +
                      put(8, put(1, 3) + put(2, b"\x01\xac\x02"))) + put(2, 1)
    return scoped(put(1, "g") + put(3, "1") + put(5, put(1, times + put(4, 1.5))), put(1, "s") + put(7, number + put(2, 2) + put(3, 1)),
                  put(1, "h") + put(9, histogram), put(1, "e") + put(10, exponential))


METRICS = metrics_request()


def post(port, body, path="/v1/traces", timeout=20, context=None, headers=None):
    """(status, headers, body), by Python's own client, which follows nothing."""
    kind = http.client.HTTPSConnection if context else http.client.HTTPConnection
    client = kind("127.0.0.1", port, timeout=timeout, **({"context": context} if context else {}))
    try:
        client.request("POST", path, body, {"Content-Type": "application/x-protobuf", **(headers or {})})
        answer = client.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        client.close()


def fails(kind, *arguments, **named):
    try:
        found = post(*arguments, **named)
    except kind:
        return
    raise AssertionError(f"{found[0]} was answered")


# ---- the Collector ---------------------------------------------------------------------------------------------------
def test_collector(folder):
    with collector.Collector() as c:
        same(post(c.port, SPANS)[0], 200)
        same(post(c.port, gzip.compress(METRICS), "/v1/metrics", headers={"Content-Encoding": "gzip"})[0], 200)
        if not c.wait_for(lambda: len(c.spans()) == 2 and len(c.points()) == 4, 20):
            raise AssertionError(f"{len(c.spans())} spans, {len(c.points())} points")
        case("witnesses_agree_on_spans", lambda: same(c.spans(), list(otlp_wire.spans(otlp_wire.trace(SPANS)))))
        case("witnesses_agree_on_points", lambda: same(c.points(), list(otlp_wire.points(otlp_wire.metrics(METRICS)))))
        roots = c.tree(TRACE)
        case("tree", lambda: same([(r["name"], [k["name"] for k in r["children"]]) for r in roots], [("root", ["child"])]))
        port = c.port
        c.restart()
        same(c.port, port, "the port after a restart")
        same(post(c.port, SPANS)[0], 200)
        if not c.wait_for(lambda: len(c.spans()) == 4, 20):
            raise AssertionError(f"after a restart {len(c.spans())} spans")
        c.kill()
        fails(OSError, c.port, SPANS)
        c.file.open("ab").write(b'{"resourceSpans":[')
        same(len(c.spans()), 4, "with half a line at the end")
        left = c.folder
    same(left.exists(), False, "what it leaves")
    made = otlp_server.certificates(folder)
    trusting = ssl.create_default_context(cafile=made["ca"])
    with collector.Collector(tls=(made["server"], made["server_key"]), client_ca=made["ca"], metrics_port=0) as c:
        fails(OSError, c.port, SPANS, context=trusting)
        trusting.load_cert_chain(made["client"], made["client_key"])
        same(post(c.port, SPANS, context=trusting)[0], 200, "with a client's certificate")
        own = urllib.request.urlopen(f"http://127.0.0.1:{c.metrics_port}/metrics", timeout=20).read().decode()
        same("otelcol_receiver_accepted_spans" in own, True, "its own figures")


# ---- the fault server ------------------------------------------------------------------------------------------------
def test_wire():
    found = list(otlp_wire.spans(otlp_wire.trace(SPANS)))[0]
    same(found["attributes"], {"s": "text", "b": True, "i": -7, "d": 1.5, "y": b"\0\xff", "a": ["x", 2], "k": {"in": 1}})
    same((found["flags"], found["links"][0]["flags"], found["dropped_links_count"], found["status"]["code"]), (0x301, 0x101, 5, 2))
    by_name = {p["metric"]: p for p in otlp_wire.points(otlp_wire.metrics(METRICS))}
    same((by_name["s"]["value"], by_name["s"]["is_monotonic"], by_name["g"]["value"]), (-3, True, 1.5))
    same((by_name["h"]["bucket_counts"], by_name["h"]["exemplars"][0]["trace_id"]), ([1, 2], TRACE))
    same((by_name["e"]["scale"], by_name["e"]["positive"]), (-3, {"offset": -2, "bucket_counts": [1, 300]}))
    for bad in (SPANS[:-1], b"\x0f", put(1, 3), scoped(put(5, b"\xff")), scoped(put(9, put(1, "k")) * 2)):
        try:
            otlp_wire.trace(bad)
        except ValueError:
            continue
        raise AssertionError(f"{bad[-20:]!r} was read")


def test_answers():
    with otlp_server.Server() as s:
        def to(mode, *arguments, **named):
            s.set_mode(mode, *arguments, **named)
            return post(s.port, SPANS)
        same(to("ok")[0], 200)
        same(to("status", 429)[0], 429)
        status, headers, _ = to("retry_after", "seconds", 2)
        same((status, headers["Retry-After"]), (503, "2"))
        same(to("retry_after", "http-date", 5, 429)[1]["Retry-After"][-3:], "GMT")
        same(to("partial_success", 3, "no")[2], b"\x0a\x06\x08\x03\x12\x02no")
        _, headers, body = to("gzip_bomb")
        same((headers["Content-Encoding"], len(body) < 1 << 20, len(gzip.decompress(body)) > 64 << 20), ("gzip", True, True))
        same(len(to("big_body")[2]) >= 8 << 20, True)
        same(to("wrong_content_type")[1]["Content-Type"], "text/html")
        same(to("garbage")[2], b"\xff" * 40)
        status, headers, _ = to("redirect")
        same((status, s.hits), (301, 0))
        post(int(headers["Location"].split(":")[2].split("/")[0]), b"")
        same(s.hits, 1, "hits of the other port")
        same([to("status_then_ok", 2)[0], post(s.port, b"")[0], post(s.port, b"")[0]], [503, 503, 200])
        to("ok")
        same(s.requests()[-1]["sha256"], otlp_server.hashlib.sha256(SPANS).hexdigest())
        s.clear()
        same(post(s.port, gzip.compress(SPANS), headers={"Content-Encoding": "gzip"})[0], 200)
        found = s.requests()[0]
        same((found["length"], found["error"], len(s.spans()), found["overlapped"]), (len(SPANS), None, 2, False))


def test_silence():
    with otlp_server.Server("cut") as s:
        fails((OSError, http.client.HTTPException), s.port, SPANS)
        s.set_mode("cut", "reset")
        fails((OSError, http.client.HTTPException), s.port, SPANS)
        s.set_mode("not_http")
        fails(http.client.HTTPException, s.port, SPANS)
        s.set_mode("cut_mid_body")
        fails(http.client.IncompleteRead, s.port, SPANS)
        for mode in ("slow_body", "accept_never_answer", "never_read", "tls_never_handshake"):
            s.set_mode(mode)
            began = time.monotonic()
            fails(OSError, s.port, SPANS, timeout=1.2) if mode != "slow_body" else slow(s.port)
            same(time.monotonic() - began >= 1, True, mode)
        s.set_mode("delay", 1)
        import threading
        s.clear()
        both = [threading.Thread(target=post, args=(s.port, b"")) for _ in range(2)]
        [t.start() for t in both]
        [t.join() for t in both]
        same([r["overlapped"] for r in s.requests()], [True, True])


def slow(port):
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    client.request("POST", "/v1/traces", SPANS)
    same(len(client.getresponse().read(2)), 2, "bytes")
    client.close()


def test_tls(folder):
    made = otlp_server.certificates(folder)
    trusting = ssl.create_default_context(cafile=made["ca"])
    with otlp_server.Server("tls", tls=made) as s:
        same(post(s.port, SPANS, context=trusting)[0], 200)
        fails(ssl.SSLError, s.port, SPANS, context=ssl.create_default_context(cafile=made["stranger_ca"]))
    with otlp_server.Server(tls=made, server_name="wrong_host") as s:
        fails(ssl.SSLError, s.port, SPANS, context=trusting)
    with otlp_server.Server(tls=made, mutual=True) as s:
        fails(OSError, s.port, SPANS, context=trusting)
        trusting.load_cert_chain(made["client"], made["client_key"])
        same(post(s.port, SPANS, context=trusting)[0], 200)
        same(s.requests()[-1]["peer"], "weir test client")


def test_command(folder):
    record = folder / "record"
    process = subprocess.Popen([sys.executable, "-B", HERE / "otlp_server.py", "--record", record, "status", "500"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        ready, port, control = process.stdout.readline().split()
        ask = lambda what: urllib.request.urlopen(f"http://127.0.0.1:{control}/_control/{what}", timeout=20).read().decode()
        same((ready, post(int(port), SPANS)[0]), ("ready", 500))
        ask("mode/partial_success/2/some?times=1")
        same([post(int(port), SPANS)[0], ask("count")], [200, "2\n"])
        same(len(ask("spans").splitlines()), 4)
        wait(lambda: len(record.read_text().splitlines()) == 2, "two records")
        same([json.loads(line)["answered"] for line in record.read_text().splitlines()], [500, 200])
    finally:
        process.stdin.close()
        same(process.wait(20), 0, "its end")


def test_hanging_dns():
    ask = "import socket; socket.getaddrinfo('collector.example', 4318)"
    done = subprocess.run(["bash", HERE / "with_hanging_dns.sh", "timeout", "2", sys.executable, "-c", ask], timeout=60)
    same(done.returncode, 124)


def test_black_hole():
    ask = "import socket; s = socket.socket(); s.settimeout(1.5); s.connect(('192.0.2.1', 4318))"
    done = subprocess.run(["bash", HERE / "with_black_hole.sh", sys.executable, "-c", ask], timeout=60, stderr=subprocess.PIPE, text=True)
    same(done.stderr.strip().splitlines()[-1:], ["TimeoutError: timed out"])


def main():
    import tempfile
    case("wire", test_wire)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        case("real", lambda: test_collector(folder / "c"))
        case("fault_answers", test_answers)
        case("fault_silence", test_silence)
        case("fault_tls", lambda: test_tls(folder / "t"))
        case("fault_command", lambda: test_command(folder))
    case("hanging_dns", test_hanging_dns)
    case("black_hole", test_black_hole)
    sys.exit(failed)


main()
