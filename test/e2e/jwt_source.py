#!/usr/bin/env python3
"""A verifier whose keys come by weir_otlp_fetch from a server that does all that servers do: rotation, 304, errors, silence, slowness,
too much, redirects. The last good set stays, and no request waits."""
import os
import pathlib
import ssl
import sys
import tempfile
import threading
import time
import urllib.request

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from jwt_service import Service, Server, jwks, token
from otlp_certificates import certificates

CASES = []
REQUEST_US = 200_000  # far below what any of these servers takes to answer


def case(function):
    CASES.append(function)
    return function


def same(found, expected, what=""):
    if found != expected:
        raise AssertionError(f"{what} {found!r}, not {expected!r}")


class Keys:
    """What the server says; each case sets answer."""

    def __init__(self, *kids):
        self.serve(*kids)
        self.let_go = threading.Event()

    def __call__(self, request):
        self.answer(request)

    def serve(self, *kids, **headers):
        self.answer = lambda request: request.answer(200, jwks(*kids), **headers)


@case
def rotation():
    keys = Keys("k1")
    with Server(keys) as server, Service(url=server.url + "/keys") as service:
        same(service.started, "WEIR_OK")
        service.within(10, token("k1"), "ok")
        same(service.auth(token("k2")), "unknown_key")
        keys.serve("k2", ETag='"two"', Cache_Control="public, max-age=3600")
        same(service.timed("refresh", 5000)[0], "WEIR_OK")
        same(service.auth(token("k2")), "ok")
        time.sleep(0.05)
        same(service.auth(token("k1")), "unknown_key", "past its grace:")
        path, headers, _ = server.requests[-1]
        same(path, "/keys")
        same([headers.get(k) for k in ("User-Agent", "Authorization", "Cookie")], ["weir/0.1.0", None, None])
        same(service.lines("weir_jwt_key_refreshes_total").get("weir_jwt_key_refreshes_total changed"), "2")


@case
def not_modified():
    keys = Keys()
    keys.serve("k1", ETag='W/"x y"', Cache_Control="max-age=60")  # a space: never sent back
    with Server(keys) as server, Service(url=server.url) as service:
        service.within(10, token("k1"), "ok")
        keys.serve("k1", ETag='W/"xy"')
        same(service.timed("refresh", 5000)[0], "WEIR_OK")
        same(server.requests[-1][1].get("If-None-Match"), None)
        keys.answer = lambda request: request.answer(304)
        for _ in range(2):
            same(service.timed("refresh", 5000)[0], "WEIR_OK")
            same(server.requests[-1][1].get("If-None-Match"), 'W/"xy"')
        same(service.auth(token("k1")), "ok")


@case
def bad_answers():
    huge = b" " * (2 << 20)
    keys = Keys("k1")
    with tempfile.NamedTemporaryFile() as file, Server(Keys("k2")) as elsewhere, Server(keys) as server, Service(url=server.url) as service:
        file.write(jwks("k2"))
        file.flush()
        service.within(10, token("k1"), "ok")
        twice = jwks("k1")[:-2] + b"," + jwks("k1")[9:]
        for what, answer in {
            "500": lambda r: r.answer(500, jwks("k2")),
            "404": lambda r: r.answer(404),
            "204": lambda r: r.answer(204),
            "empty": lambda r: r.answer(200),
            "bad json": lambda r: r.answer(200, b"{\"keys\":["),
            "html": lambda r: r.answer(200, b"<html></html>"),
            "no keys": lambda r: r.answer(200, b"{\"keys\":[]}"),
            "a kid twice": lambda r: r.answer(200, twice),
            "huge": lambda r: r.answer(200, huge),
            "huge without a length": lambda r: (r.send_response(200), r.end_headers(), r.wfile.write(huge)),
            "cut": lambda r: (r.send_response(200), r.send_header("Content-Length", "1000"), r.end_headers(), r.wfile.write(b"{")),
            "redirect": lambda r: r.answer(302, Location=elsewhere.url),
            "redirect to a file": lambda r: r.answer(301, Location="file://" + file.name),
            "closed": lambda r: r.connection.close(),
        }.items():
            keys.answer = answer
            same(service.timed("refresh", 9000)[0], "WEIR_EIO", what)
            same(service.auth(token("k1", x=what)), "ok", what)
            same(service.auth(token("k2", x=what)), "unknown_key", what)
        same(elsewhere.requests, [], "where the redirect leads:")
        keys.serve("k2")
        same(service.timed("refresh", 5000)[0], "WEIR_OK")
        same(service.auth(token("k2")), "ok")


@case
def other_schemes():
    with tempfile.NamedTemporaryFile() as file:
        file.write(jwks("k1"))
        file.flush()
        for url in ("file://" + file.name, "gopher://127.0.0.1/", "ftp://127.0.0.1/", "data:text/plain,x", "no url", "http://"):
            with Service(url=url.replace(" ", "")) as service:
                same(service.started, "WEIR_OK", url)
                same(service.timed("refresh", 9000)[0], "WEIR_EIO", url)
                same(service.auth(token("k1")), "keys_unavailable", url)


@case
def silence():
    """It takes the request, and says nothing: requests are answered, exporters go on, and shutdown comes back."""
    keys = Keys("k1")
    with Server(lambda request: request.answer(200)) as collector, Server(keys) as server, \
            Service(url=server.url, otlp=collector.url, prometheus=1) as service:
        service.within(10, token("k1"), "ok")

        def hang(request):
            keys.let_go.wait(30)
            request.connection.close()

        keys.answer = hang
        result, ms = service.timed("refresh", 100)
        same((result, ms < 1500), ("WEIR_ETIMEOUT", True), f"{ms} ms:")
        most = 0
        for n in range(300):
            same(service.auth(token("k1", n=n)), "ok")  # each is verified anew
            most = max(most, service.us)
            same(service.auth(token("k9", n=n)), "unknown_key")
            most = max(most, service.us)
        same(most < REQUEST_US, True, f"{most} us:")
        sent = len(collector.requests)
        result, ms = service.timed("flush", 5000)
        same((result, ms < 1500), ("WEIR_OK", True), f"flush took {ms} ms:")
        same(len(collector.requests) > sent, True, "it has come to the collector:")
        with urllib.request.urlopen(f"http://127.0.0.1:{service.port}/metrics", timeout=5) as answer:
            same(b'weir_jwt_verifications_total{result="ok"} 3' in answer.read(), True, "/metrics:")
        same(len(server.requests), 2, "the fetch is still under way:")
        _, ms = service.timed("shutdown", 5000)
        same(ms < 1500, True, f"shutdown took {ms} ms:")
        same(service.auth(token("k1")), "ok")
        began = time.monotonic()
        service.process.stdin.close()  # and exit
        same(service.process.wait(10), 0)
        same(time.monotonic() - began < 3, True, "exit:")
        service.process.stdin = open(os.devnull, "w")
        keys.let_go.set()


@case
def slow():
    """A byte now and then: the fetch has 10 s, and takes no longer."""
    keys = Keys("k1")
    with Server(keys) as server, Service(url=server.url) as service:
        service.within(10, token("k1"), "ok")

        def drip(request):
            request.send_response(200)
            request.send_header("Content-Length", "100000")
            request.end_headers()
            while not keys.let_go.wait(0.1):
                request.wfile.write(b" ")

        keys.answer = drip
        result, ms = service.timed("refresh", 20000)
        same((result, 9000 < ms < 15000), ("WEIR_EIO", True), f"{ms} ms:")
        keys.let_go.set()
        same(service.auth(token("k1")), "ok")


@case
def unknown_keys():
    """Thousands of unknown names in two seconds are no reason to fetch: 30 s have not passed."""
    keys = Keys("k1")
    with Server(keys) as server, Service(url=server.url) as service:
        service.within(10, token("k1"), "ok")
        same(len(server.requests), 1)
        began, n = time.monotonic(), 0
        while time.monotonic() < began + 2:
            same(service.ask("load 1000 " + token("k9", n=n)), "0")
            n += 1000
        same(n >= 2000, True, f"only {n}:")
        same(len(server.requests), 1)


@case
def nobody_there_at_first():
    keys = Keys("k1")
    with Server(keys) as server:
        port = server.http.server_port
    with Service(url=f"http://127.0.0.1:{port}") as service:
        same(service.auth(token("k1")), "keys_unavailable")
        same(service.timed("refresh", 5000)[0], "WEIR_EIO")
        same("127.0.0.1" in service.text(), True, "the log says where:")


@case
def tls():
    with tempfile.TemporaryDirectory() as folder:
        certificates(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"{folder}/server.pem", f"{folder}/server.key")
        with Server(Keys("k1"), context) as server:
            with Service(url=server.url, ca=f"{folder}/ca.pem") as service:
                service.within(10, token("k1"), "ok")
            with Service(url=server.url) as service:
                same(service.timed("refresh", 9000)[0], "WEIR_EIO")
                same(service.auth(token("k1")), "keys_unavailable")


@case
def file():
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "keys.json")
        with Service(path=str(path)) as service:
            same(service.auth(token("k1")), "keys_unavailable")
            path.write_bytes(jwks("k1"))
            service.within(10, token("k1"), "ok")
            other = pathlib.Path(folder, "other")
            other.write_bytes(jwks("k2"))
            other.rename(path)
            service.within(10, token("k2"), "ok")
            same(service.lines("weir_jwt_key_set_age_seconds").keys(), {"weir_jwt_key_set_age_seconds 0"})


def main():
    failed = 0
    for run in CASES:
        name = "jwt source, " + run.__name__.replace("_", " ")
        try:
            run()
            print(f"ok {name}", flush=True)
        except Exception as error:  # a case that breaks is a case that fails
            print(f"not ok {name}: {str(error) or type(error).__name__}".replace("\n", " "), flush=True)
            failed += 1
    return failed != 0


sys.exit(main())
