#!/usr/bin/env python3
"""weir-otlp behind a proxy, as the variables of libcurl say: http_proxy, HTTPS_PROXY (CONNECT), no_proxy. What the proxy sees
and what it does not; a proxy that refuses, or goes away, loses nothing."""
import http.client
import http.server
import pathlib
import socket
import socketserver
import sys
import tempfile
import threading
import urllib.parse

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import otlp_server
from otlp_certificates import certificates
from traces import Service, run_cases, same, wait_for

CASES = []


def case(function):
    CASES.append(function)
    return function


# ---- a proxy of our own ----------------------------------------------------------------------------------------------
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def setup(self):
        super().setup()
        self.server.proxy.connections.append(self.connection)

    def see(self):
        """True: it is to be served."""
        proxy = self.server.proxy
        with proxy.lock:
            proxy.seen.append({"method": self.command, "target": self.path, "headers": {k.lower(): v for k, v in self.headers.items()}})
            refuse = proxy.refusals.pop(0) if proxy.refusals else None
        if refuse is not None:
            self.send_response(refuse)
            self.send_header("Content-Length", "0")
            self.end_headers()
        return refuse is None

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.see():
            return
        parts = urllib.parse.urlsplit(self.path)
        other = http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)
        other.request("POST", parts.path, body, {k: v for k, v in self.headers.items() if not k.lower().startswith("proxy-")})
        answer = other.getresponse()
        text = answer.read()
        self.send_response(answer.status)
        for k, v in answer.getheaders():
            if k.lower() not in ("content-length", "connection", "transfer-encoding"):
                self.send_header(k, v)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
        other.close()

    def do_CONNECT(self):
        if not self.see():
            return
        self.close_connection = True
        host, port = self.path.rsplit(":", 1)
        with socket.create_connection((host, int(port)), 20) as other:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=self.pump, args=(other, self.connection), daemon=True)
            back.start()
            self.pump(self.connection, other)
            back.join(20)

    @staticmethod
    def pump(source, sink):
        try:
            while piece := source.recv(65536):
                sink.sendall(piece)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Proxy:
    """refusals: statuses of the first requests."""

    def __init__(self, port=0, refusals=()):
        self.lock, self.seen, self.refusals, self.connections = threading.Lock(), [], list(refusals), []
        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", port), Handler, bind_and_activate=False)
        self.server.allow_reuse_address, self.server.daemon_threads, self.server.proxy = True, True, self
        self.server.server_bind()
        self.server.server_activate()
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def url(self, credentials=""):
        return f"http://{credentials}127.0.0.1:{self.port}"

    def requests(self):
        with self.lock:
            return list(self.seen)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def delivers(service, server, requests=10, spans=20):
    service.ask(f"requests {requests}")
    same(service.flush(20000), "WEIR_OK")
    same([len({s["span_id"] for s in server.spans()}), service.lost()], [spans, 0], "arrived, and lost:")


# ---- plain -----------------------------------------------------------------------------------------------------------
@case
def http_proxy():
    with otlp_server.Server("ok") as server, Proxy() as proxy:
        env = {"http_proxy": proxy.url("user:s3cret@"), "OTEL_EXPORTER_OTLP_HEADERS": "x-key=of-the-server"}
        with Service(env=env, endpoint=server.url, interval_ms=100000) as s:
            delivers(s, server)
            log = s.text()
        seen = proxy.requests()
        same(len(seen), len(server.requests()), "all of them by the proxy:")
        same({r["target"] for r in seen}, {f"{server.url}/v1/traces", f"{server.url}/v1/metrics"})
        same({r["headers"].get("proxy-authorization") for r in seen}, {"Basic dXNlcjpzM2NyZXQ="})
        same([[r["headers"].get(k) for k in ("x-key", "proxy-authorization")] for r in server.requests()],
             [["of-the-server", None]] * len(seen))
        same("s3cret" in log, False, "the proxy's password in the log:")


@case
def no_proxy():
    with otlp_server.Server("ok") as server, Proxy() as proxy:
        for name in ("no_proxy", "NO_PROXY"):
            server.clear()
            env = {"http_proxy": proxy.url(), "all_proxy": proxy.url(), name: "example.com,127.0.0.1"}
            with Service(env=env, endpoint=server.url, interval_ms=100000) as s:
                delivers(s, server)
        same(proxy.requests(), [])


@case
def in_capitals_http_proxy_is_a_header_of_cgi():
    with otlp_server.Server("ok") as server, Proxy() as proxy:
        with Service(env={"HTTP_PROXY": proxy.url()}, endpoint=server.url, interval_ms=100000) as s:
            delivers(s, server)
        same(proxy.requests(), [])


@case
def a_proxy_that_is_busy_is_asked_again():
    with otlp_server.Server("ok") as server, Proxy(refusals=[502, 503]) as proxy:
        with Service(env={"http_proxy": proxy.url(), "OTEL_METRICS_EXPORTER": "none"}, endpoint=server.url) as s:
            delivers(s, server)
        same([len(proxy.requests()), len(server.requests())], [3, 1])


@case
def a_proxy_that_wants_a_password_is_final():
    with otlp_server.Server("ok") as server, Proxy(refusals=[407]) as proxy:
        with Service(env={"http_proxy": proxy.url(), "OTEL_METRICS_EXPORTER": "none"}, endpoint=server.url) as s:
            s.ask("requests 10")
            same([s.flush(8000), s.lost(), "407" in s.text()], ["WEIR_EIO", 20, True])


@case
def a_proxy_that_goes_away():
    with otlp_server.Server("ok") as server:
        with Proxy() as proxy:
            port = proxy.port
            s = Service(env={"http_proxy": proxy.url(), "OTEL_METRICS_EXPORTER": "none"}, endpoint=server.url)
            delivers(s, server)
        with s:
            s.ask("requests 10")
            same(s.flush(500), "WEIR_ETIMEOUT")
            with Proxy(port) as proxy:
                delivers(s, server, 10, 60)
                same(len(proxy.requests()) >= 2, True)


# ---- by TLS ----------------------------------------------------------------------------------------------------------
def by_tls(variables, refusals=(), **more):
    """What the proxy saw, and the server's requests."""
    with tempfile.TemporaryDirectory() as folder, otlp_server.Server("ok", tls=certificates(folder)) as server:
        with Proxy(refusals=refusals) as proxy:
            env = {**{v: proxy.url("user:s3cret@") for v in variables}, **more,
                   "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20of-the-server", "OTEL_METRICS_EXPORTER": "none"}
            with Service(env=env, endpoint=server.url, ca=f"{folder}/ca.pem") as s:
                delivers(s, server)
                delivers(s, server, spans=40)
                same(["s3cret" in s.text(), "of-the-server" in s.text()], [False, False], "secrets in the log:")
            same({r["headers"].get("authorization") for r in server.requests()}, {"Bearer of-the-server"})
            return proxy.requests(), server.port


@case
def https_proxy():
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        seen, port = by_tls([name])
        same([(r["method"], r["target"]) for r in seen], [("CONNECT", f"127.0.0.1:{port}")], f"{name}: one tunnel, kept:")
        same([seen[0]["headers"].get(k) for k in ("proxy-authorization", "authorization", "content-type")],
             ["Basic dXNlcjpzM2NyZXQ=", None, None], "what is the server's is not the proxy's:")


@case
def https_no_proxy():
    same(by_tls(["https_proxy"], no_proxy="127.0.0.1")[0], [])


@case
def a_tunnel_that_is_refused_is_asked_for_again():
    seen, _ = by_tls(["https_proxy"], refusals=[503, 407])
    same([r["method"] for r in seen], ["CONNECT"] * 3)


@case
def a_proxy_sees_no_certificate_but_the_servers():
    """A tunnel changes nothing about who is trusted."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as stranger:
        certificates(stranger)
        with otlp_server.Server("ok", tls=certificates(folder)) as server, Proxy() as proxy:
            with Service(env={"https_proxy": proxy.url(), "OTEL_METRICS_EXPORTER": "none"}, endpoint=server.url,
                         ca=f"{stranger}/ca.pem") as s:
                s.ask("requests 1")
                same(s.flush(1000), "WEIR_ETIMEOUT")
                wait_for(lambda: "certificate" in s.text(), what="the log says so")
            same([server.requests(), len(proxy.requests()) >= 1], [[], True])


if __name__ == "__main__":
    sys.exit(run_cases("otlp_proxy", CASES, 4))
