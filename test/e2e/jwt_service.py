"""A service that verifies tokens (jwt_service.c), its tokens, and the servers around it: for jwt_source.py and jwt_secrets.py."""
import base64
import gzip
import hashlib
import hmac
import http.server
import json
import os
import pathlib
import select
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("WEIR_BUILD", ROOT / "build/release"))
KEYS = {"k1": b"0123456789abcdef0123456789abcdef", "k2": b"fedcba9876543210fedcba9876543210"}


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(kid="k1", seconds=600, **claims):
    parts = [{"alg": "HS256", "kid": kid}, {"exp": int(time.time()) + seconds, **claims}]
    signed = ".".join(base64url(json.dumps(p).encode()) for p in parts)
    return signed + "." + base64url(hmac.digest(KEYS.get(kid, KEYS["k1"]), signed.encode(), "sha256"))


def jwks(*kids):
    return json.dumps({"keys": [{"kty": "oct", "alg": "HS256", "kid": k, "k": base64url(KEYS[k])} for k in kids]}).encode()


class Service:
    """The process, and its answers."""

    def __init__(self, env=None, **options):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("OTEL_") and not k.lower().endswith("_proxy")}
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen([str(BUILD / "test/jwt_service")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log,
                                        env={**environment, **(env or {})})
        self.buffer = b""
        self.started, self.port = self.ask("start " + " ".join(f"{k}={v}" for k, v in options.items())).split()

    def ask(self, line, seconds=30):
        try:
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise AssertionError(f"the service has ended: {self.process.wait(10)}; its log: {self.text()[-2000:]}") from None
        return self.read(seconds)

    def read(self, seconds=30):
        until = time.monotonic() + seconds
        while b"\n" not in self.buffer:
            if not select.select([self.process.stdout], [], [], max(0, until - time.monotonic()))[0]:
                raise AssertionError("the service does not answer; its log: " + self.text()[-500:])
            piece = os.read(self.process.stdout.fileno(), 65536)
            if not piece:
                raise AssertionError(f"the service has ended: {self.process.wait(10)}; its log: " + self.text()[-500:])
            self.buffer += piece
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.decode()

    def auth(self, text):
        result, us = self.ask("auth " + text).split()
        self.us = int(us)
        return result

    def within(self, seconds, text, result):
        until = time.monotonic() + seconds
        while (got := self.auth(text)) != result:
            if time.monotonic() > until:
                raise AssertionError(f"after {seconds} s {got}, not {result}; log: {self.text()[-400:]}")
            time.sleep(0.02)

    def timed(self, what, ms):
        result, took = self.ask(f"{what} {ms}", ms / 1000 + 20).split()
        return result, int(took)

    def lines(self, name):
        found = [self.ask(f"lines {name}")]
        while found[-1] != ".":
            found.append(self.read())
        return dict(line.split(" = ") for line in found[:-1])

    def text(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.log.close()


class Server:
    """An HTTP server on a free port; handle(request) answers. Records each request's path, headers and body, unpacked."""

    def __init__(self, handle, tls=None):
        server = self
        self.requests = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                server.requests.append((self.path, dict(self.headers), body))
                try:
                    handle(self)
                except OSError:
                    pass  # it has gone

            do_POST = do_GET

            def answer(self, status, body=b"", **headers):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        if tls is not None:
            self.http.socket = tls.wrap_socket(self.http.socket, server_side=True)
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()
