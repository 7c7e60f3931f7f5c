"""An OTLP/HTTP receiver that misbehaves as it is told to, on a free loopback port; it records each request.

As a class:   with Server("status", 503, times=2, tls=...) as s: ... s.port, s.url, s.requests(), s.spans(), s.points()
As a command: otlp_server.py [--port N] [--times N] [--tls DIR] [--mutual] [--record FILE] MODE [ARGUMENT...]
              prints `ready PORT CONTROL_PORT`, ends at SIGTERM or when its standard input closes (--stay: at SIGTERM only).

MODES below names the modes. times: how many requests are treated so; those after are answered as by `ok` (0: all).
The control port, always plain HTTP: GET /_control/requests (JSON lines), /_control/count, /_control/hits (of redirect's
other port), /_control/connections, /_control/spans, /_control/points, /_control/clear,
/_control/mode/MODE/ARGUMENT.../?times=N; whatever a client does, this one answers.
A record: path, method, headers (lower case), length and sha256 of the body decompressed, wire_length, arrived (seconds
of the epoch), answered (None where no status was sent), overlapped (another request of this path was under way),
connection (its number), peer (the client certificate's common name), error (why the body could not be read).
"""
import argparse
import email.utils
import hashlib
import http.server
import json
import os
import shutil
import signal
import socket
import socketserver
import ssl
import struct
import sys
import tempfile
import threading
import time
import urllib.parse
import zlib

import otlp_wire
from otlp_certificates import certificates

PROTOBUF = "application/x-protobuf"
MODES = {
    "ok": "200 and an empty message",
    "status": "N: this status, with a google.rpc.Status",
    "retry_after": "SECONDS | seconds N | http-date N [STATUS]: 503 (or STATUS) with Retry-After",
    "partial_success": "REJECTED [MESSAGE]: 200",
    "gzip_bomb": "[MIB]: 200, Content-Encoding: gzip, inflates to 80 MiB",
    "big_body": "[MIB]: 200, a valid message of 8 MiB",
    "cut": "reads the request, closes; `cut reset` resets",
    "cut_mid_body": "200, a Content-Length of 100, 10 bytes, closes",
    "slow_body": "200, a body of 1000 bytes, one a second",
    "accept_never_answer": "reads the request, says nothing",
    "never_read": "accepts, reads nothing",
    "wrong_content_type": "200, text/html",
    "garbage": "200, a body that is no protobuf",
    "not_http": "answers with what is not HTTP",
    "redirect": "[STATUS]: 301 to another port, which counts its hits",
    "status_then_ok": "N [STATUS]: N times 503 (or STATUS), then as ok",
    "delay": "SECONDS: 200 after so long",
    "tls": "as ok, with TLS",
    "tls_never_handshake": "accepts, never speaks",
}
BODY_LIMIT = 256 << 20


# ---- bodies ----------------------------------------------------------------------------------------------------------
def partial_success(rejected, message=""):
    """ExportTraceServiceResponse and ExportMetricsServiceResponse have the same shape."""
    return otlp_wire.put(1, otlp_wire.put(1, int(rejected)) + otlp_wire.put(2, message))


def rpc_status(code, message):
    return otlp_wire.put(1, code) + otlp_wire.put(2, message)


def zeros(mib):
    """A gzip of so many MiB: an unknown field, then nothing but zeros in it."""
    pack = zlib.compressobj(9, zlib.DEFLATED, 31)
    head = otlp_wire.put_varint(15 << 3 | 2) + otlp_wire.put_varint(mib << 20)
    out = [pack.compress(head)] + [pack.compress(bytes(1 << 20)) for _ in range(mib)]
    return b"".join(out) + pack.flush()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 300

    def log_message(self, *_):
        pass

    def do_POST(self):
        self.server.owner.serve(self)

    do_GET = do_PUT = do_HEAD = do_POST

    def read_body(self):
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            size = int(self.headers.get("Content-Length") or 0)
            data = self.rfile.read(size)
            if len(data) != size:
                raise ValueError(f"{len(data)} of {size} bytes came")
            return data
        parts = []
        while True:
            size = int(self.rfile.readline().split(b";")[0], 16)
            if size == 0:
                while self.rfile.readline().strip():
                    pass
                return b"".join(parts)
            parts.append(self.rfile.read(size))
            self.rfile.readline()

    def answer(self, status, body=b"", content_type=PROTOBUF, **headers):
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class Listener(socketserver.ThreadingMixIn, socketserver.TCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, owner, port, handler):
        self.owner = owner
        super().__init__(("127.0.0.1", port), handler)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def finish_request(self, request, address):  # in the connection's own thread
        self.owner.connect(self, request, address)

    def handle_error(self, *_):  # clients that go away are what is tested here
        pass

    def end(self):
        self.shutdown()
        self.server_close()


class Control(Handler):
    def do_GET(self):
        status, text = self.server.owner.owner.control(self.path)
        self.answer(status, text.encode(), "text/plain")


class Plain:
    """The owner of a listener that only answers: its handler does all of it."""

    def __init__(self, owner, handler):
        self.owner, self.handler, self.hits = owner, handler, 0

    def connect(self, listener, request, address):
        self.hits += 1
        self.handler(request, address, listener)

    def serve(self, handler):
        handler.answer(200)


class Server:
    def __init__(self, mode="ok", *arguments, times=0, port=0, tls=None, mutual=False, record=None, server_name="server"):
        """tls: what certificates() gave, or a folder to make them in; True: in one of its own. mutual: clients must show
        a certificate of that CA. server_name: which certificate it shows ("server", "wrong_host", "stranger")."""
        self.lock, self.stopping = threading.Lock(), threading.Event()
        self.found, self.bodies, self.open, self.under_way, self.connections = [], [], {}, {}, 0
        self.record = open(record, "a") if record else None
        self.folder, self.context, self.certificates = None, None, None
        self.other_owner, self.control_owner = Plain(self, Handler), Plain(self, Control)
        if mode == "tls" or mutual:
            tls = tls or True
        if tls:
            if tls is True:
                tls = self.folder = tempfile.mkdtemp(prefix="weir-otlp-server-")
            self.certificates = tls if isinstance(tls, dict) else certificates(tls)
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(self.certificates[server_name], self.certificates[server_name + "_key"])
            if mutual:
                self.context.verify_mode = ssl.CERT_REQUIRED
                self.context.load_verify_locations(self.certificates["ca"])
        self.set_mode(mode, *arguments, times=times)
        self.other = Listener(self.other_owner, 0, Handler)
        self.controller = Listener(self.control_owner, 0, Control)
        self.listener = Listener(self, port, Handler)
        self.port, self.control_port = self.listener.server_address[1], self.controller.server_address[1]

    @property
    def url(self):
        return f"{'https' if self.context else 'http'}://127.0.0.1:{self.port}"

    def set_mode(self, mode, *arguments, times=0):
        """From the next request on."""
        if mode not in MODES:
            raise ValueError(f"there is no mode {mode!r}: {', '.join(MODES)}")
        arguments = [str(a) for a in arguments]
        if mode == "status_then_ok":
            mode, times, arguments = "status", int(arguments[0]), arguments[1:] or ["503"]
        elif mode in ("status", "retry_after", "partial_success", "delay") and not arguments:
            raise ValueError(f"{mode}: {MODES[mode]}")
        with self.lock:
            self.mode, self.arguments, self.left = mode, arguments, times or None

    def close(self):
        self.stopping.set()
        for listener in (self.listener, self.controller, self.other):
            listener.end()
        with self.lock:
            left = list(self.open.values())
        for connection in left:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        if self.record:
            self.record.close()
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # ---- connections ----
    def connect(self, listener, request, address):
        with self.lock:
            self.connections += 1
            number, mode = self.connections, self.mode
            self.open[number] = request
        try:
            if mode in ("tls_never_handshake", "never_read"):
                self.hold(request)
                return
            if self.context:
                request.settimeout(30)
                request = self.context.wrap_socket(request, server_side=True)
                with self.lock:
                    self.open[number] = request
            Handler(request, address, listener)
        except (OSError, ValueError):
            pass
        finally:
            with self.lock:
                del self.open[number]
            try:
                request.close()  # a wrapped socket has taken the descriptor over
            except OSError:
                pass

    def hold(self, connection):
        """Until we stop or the client goes."""
        while not self.stopping.wait(0.05):
            try:
                plain = socket.socket.recv(connection, 1, socket.MSG_PEEK | socket.MSG_DONTWAIT) \
                    if not isinstance(connection, ssl.SSLSocket) else b"?"
                if not plain:
                    return
            except BlockingIOError:
                continue
            except OSError:
                return

    # ---- requests ----
    def serve(self, handler):
        arrived, path = time.time(), handler.path
        connection = handler.connection
        entry = {"path": path, "method": handler.command, "arrived": arrived, "answered": None, "overlapped": False,
                 "headers": {k.lower(): v for k, v in handler.headers.items()}, "error": None,
                 "connection": self.number(connection), "peer": self.peer(connection)}
        with self.lock:
            others = self.under_way.setdefault(path, [])
            for other in others:
                if other["answered"] is None:  # who has the answer may send again before we are out of here
                    other["overlapped"] = entry["overlapped"] = True
            others.append(entry)
        try:
            self.take(handler, entry)
            with self.lock:
                mode, arguments = self.mode, self.arguments
                if self.left is not None:
                    if self.left == 0:
                        mode, arguments = "ok", []
                    else:
                        self.left -= 1
            entry["mode"] = mode
            getattr(self, "mode_" + mode)(handler, entry, *arguments)
        except (OSError, ValueError) as error:
            entry["error"] = entry["error"] or f"{type(error).__name__}: {error}"
            handler.close_connection = True
        finally:
            with self.lock:
                self.under_way[path].remove(entry)
            self.write(entry)

    def number(self, connection):
        with self.lock:
            return next((n for n, c in self.open.items() if c is connection), None)

    def peer(self, connection):
        certificate = connection.getpeercert() if isinstance(connection, ssl.SSLSocket) else None
        for part in (certificate or {}).get("subject", ()):
            for name, value in part:
                if name == "commonName":
                    return value
        return None

    def take(self, handler, entry):
        """The body, unpacked; a record of it, before anything is answered: a client that has its answer finds it."""
        body = b""
        try:
            raw = body = handler.read_body()
            entry["wire_length"] = len(raw)
            if entry["headers"].get("content-encoding") == "gzip":
                unpack = zlib.decompressobj(31)
                body = unpack.decompress(raw, BODY_LIMIT)
                if not unpack.eof or unpack.unused_data:
                    raise ValueError("the gzip body is not one whole member")
        except (ValueError, zlib.error) as error:
            entry["error"] = f"{type(error).__name__}: {error}"
        entry["length"], entry["sha256"] = len(body), hashlib.sha256(body).hexdigest()
        with self.lock:
            self.found.append(entry)
            self.bodies.append(body)

    def write(self, entry):
        if self.record:
            with self.lock:
                if not self.record.closed:
                    self.record.write(json.dumps(entry) + "\n")
                    self.record.flush()

    # ---- modes ----
    def reply(self, handler, entry, status, body=b"", content_type=PROTOBUF, **headers):
        entry["answered"] = status
        handler.answer(status, body, content_type, **headers)

    def mode_ok(self, handler, entry):
        self.reply(handler, entry, 200)

    mode_tls = mode_never_read = mode_tls_never_handshake = mode_ok  # for what came on a connection of an earlier mode

    def mode_status(self, handler, entry, status):
        self.reply(handler, entry, int(status), rpc_status(14, f"status {status} as told"))

    def mode_retry_after(self, handler, entry, form, value=None, status="503"):
        if form not in ("seconds", "http-date"):
            form, value, status = "seconds", form, value or "503"
        when = value if form == "seconds" else email.utils.formatdate(time.time() + float(value), usegmt=True)
        self.reply(handler, entry, int(status), rpc_status(14, "later"), Retry_After=when)

    def mode_partial_success(self, handler, entry, rejected, message="rejected as told"):
        self.reply(handler, entry, 200, partial_success(rejected, message))

    def mode_gzip_bomb(self, handler, entry, mib="80"):
        self.reply(handler, entry, 200, zeros(int(mib)), Content_Encoding="gzip")

    def mode_big_body(self, handler, entry, mib="8"):
        self.reply(handler, entry, 200, otlp_wire.put(15, bytes(int(mib) << 20)))

    def mode_cut(self, handler, entry, how="close"):
        handler.close_connection = True
        if how == "reset":
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def begin(self, handler, entry, size):
        entry["answered"] = 200
        handler.close_connection = True
        handler.send_response(200)
        handler.send_header("Content-Type", PROTOBUF)
        handler.send_header("Content-Length", str(size))
        handler.end_headers()

    def mode_cut_mid_body(self, handler, entry):
        self.begin(handler, entry, 100)
        handler.wfile.write(bytes(10))

    def mode_slow_body(self, handler, entry):
        self.begin(handler, entry, 1000)
        for byte in otlp_wire.put(15, bytes(997)):
            handler.wfile.write(bytes([byte]))
            if self.stopping.wait(1):
                return

    def mode_accept_never_answer(self, handler, entry):
        handler.close_connection = True
        self.hold(handler.connection)

    def mode_wrong_content_type(self, handler, entry):
        self.reply(handler, entry, 200, b"<html>It works!</html>", "text/html")

    def mode_garbage(self, handler, entry):
        self.reply(handler, entry, 200, b"\xff" * 40)

    def mode_not_http(self, handler, entry):
        handler.close_connection = True
        handler.wfile.write(b"SSH-2.0-not-what-you-want\r\n")

    def mode_redirect(self, handler, entry, status="301"):
        where = f"http://127.0.0.1:{self.other.server_address[1]}{handler.path}"
        self.reply(handler, entry, int(status), Location=where)

    def mode_delay(self, handler, entry, seconds):
        if not self.stopping.wait(float(seconds)):
            self.reply(handler, entry, 200)

    # ---- what it received ----
    @property
    def hits(self):
        """Connections to the port that redirect names."""
        return self.other_owner.hits

    def requests(self, path=None):
        with self.lock:
            return [dict(e) for e in self.found if path is None or e["path"] == path]

    def decoded(self, path, read):
        with self.lock:
            bodies = [b for e, b in zip(self.found, self.bodies) if e["path"] == path and e["error"] is None]
        return [read(b) for b in bodies]

    def spans(self, path="/v1/traces"):
        return [s for request in self.decoded(path, otlp_wire.trace) for s in otlp_wire.spans(request)]

    def points(self, name=None, path="/v1/metrics"):
        found = [p for request in self.decoded(path, otlp_wire.metrics) for p in otlp_wire.points(request)]
        return [p for p in found if name is None or p["metric"] == name]

    def clear(self):
        with self.lock:
            self.found, self.bodies = [], []

    def wait_for(self, predicate, seconds):
        until = time.monotonic() + seconds
        while True:
            found = predicate()
            if found or time.monotonic() > until:
                return found
            time.sleep(0.02)

    def control(self, target):
        parts = urllib.parse.urlsplit(target)
        words = [urllib.parse.unquote(w) for w in parts.path.split("/") if w]
        what = words[1] if len(words) > 1 and words[0] == "_control" else ""

        def lines(values):
            hexed = {"default": lambda v: v.hex()}
            return 200, "".join(json.dumps(v, **hexed) + "\n" for v in values)

        try:
            if what == "mode":
                times = urllib.parse.parse_qs(parts.query).get("times", ["0"])[0]
                self.set_mode(*words[2:], times=int(times))
                return 200, "ok\n"
            if what == "clear":
                self.clear()
                return 200, "ok\n"
            if what in ("requests", "spans", "points"):
                return lines(getattr(self, what)())
            numbers = {"count": len(self.found), "hits": self.hits, "connections": self.connections}
            return (200, f"{numbers[what]}\n") if what in numbers else (404, f"no {target}\n")
        except (ValueError, TypeError) as error:
            return 400, f"{error}\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     epilog="modes:\n" + "\n".join(f"  {k:20} {v}" for k, v in MODES.items()))
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--times", type=int, default=0)
    parser.add_argument("--tls", metavar="DIR", help="certificates are made there: ca.pem, client.pem, client.key, ...")
    parser.add_argument("--mutual", action="store_true")
    parser.add_argument("--server-name", default="server", choices=("server", "wrong_host", "stranger"))
    parser.add_argument("--record", metavar="FILE")
    parser.add_argument("--stay", action="store_true")
    parser.add_argument("mode", choices=MODES, metavar="MODE")
    parser.add_argument("arguments", nargs="*")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        server = Server(args.mode, *args.arguments, times=args.times, port=args.port, tls=args.tls, mutual=args.mutual,
                        record=args.record, server_name=args.server_name)
    except (OSError, ValueError, RuntimeError) as error:
        sys.exit(f"otlp_server: {error}")
    with server:
        print(f"ready {server.port} {server.control_port}", flush=True)
        while args.stay or os.read(0, 4096):
            if args.stay:
                signal.pause()


if __name__ == "__main__":
    main()
