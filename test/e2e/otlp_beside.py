#!/usr/bin/env python3
"""A host that uses libcurl and its TLS itself, in four threads, beside weir-otlp (otlp_host.c): none of its transfers fails,
whoever is set up first and whoever ends first; and no SIGPIPE comes to it when weir's connections are reset amid a write.
The same of a host that uses OpenSSL itself (otlp_openssl.c), up to exit() in each order."""
import pathlib
import socket
import struct
import subprocess
import sys
import tempfile
import threading

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import otlp_server
from otlp_certificates import certificates
from traces import BUILD, clean_environment, numbers, run_cases, same

ROUNDS, PHASES, THREADS = 10, 4, 4
CASES = []


def case(function):
    CASES.append(function)
    return function


def run_host(first, url, ca="-", patience_ms=20000, **env):
    done = subprocess.run([BUILD / "test/otlp_host", first, url, ca, str(ROUNDS), str(patience_ms)], capture_output=True, text=True, timeout=90,
                          env={**clean_environment(), **env})
    same(done.returncode, 0, done.stderr[-3000:])
    return numbers(done.stdout)


def unharmed(said, received=None):
    same([said[k] for k in ("transfers", "failed", "sigpipes", "handler_kept")], [ROUNDS * PHASES * THREADS, 0, 0, 1], f"{said}")
    if received is not None:
        same([said["flushes_failed"], said["shutdown"], said["dropped"]], [0, 0, 0], f"{said}")
        # what is recorded between shutdown and the next start may come with it, or not
        same(received in range(ROUNDS * 3 * THREADS, ROUNDS * PHASES * THREADS + 1), True, f"{received} spans:")


def both(first, tls):
    with tempfile.TemporaryDirectory() as folder:
        made = certificates(folder) if tls else None
        ca = f"{folder}/ca.pem" if tls else "-"
        with otlp_server.Server("ok", tls=made) as weirs, otlp_server.Server("ok", tls=made) as hosts:
            env = {"OTEL_EXPORTER_OTLP_ENDPOINT": weirs.url, **({"OTEL_EXPORTER_OTLP_CERTIFICATE": ca} if tls else {})}
            unharmed(run_host(first, hosts.url + "/own", ca, **env), len(weirs.spans()))
            same(len(hosts.requests("/own")), ROUNDS * PHASES * THREADS)


@case
def host_first():
    both("host", False)


@case
def weir_first():
    both("weir", False)


@case
def host_first_with_tls():
    both("host", True)


@case
def weir_first_with_tls():
    both("weir", True)


# ---- connections that are reset --------------------------------------------------------------------------------------
class Resetting:
    """Reads a little of what comes, then resets; speaks TLS first where it has a context."""

    def __init__(self, context=None):
        self.context, self.resets, self.stopping = context, 0, False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while not self.stopping:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.reset, args=(connection,), daemon=True).start()

    def reset(self, connection):
        try:
            connection.settimeout(10)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            if self.context:
                connection = self.context.wrap_socket(connection, server_side=True)
            connection.recv(1000)
            self.resets += 1
        except OSError:
            pass
        finally:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stopping = True
        self.listener.close()


def reset_amid_writing(tls, **env):
    with tempfile.TemporaryDirectory() as folder, otlp_server.Server("ok") as hosts:
        made = certificates(folder)
        context = None
        if tls:
            import ssl
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(made["server"], made["server_key"])
        with Resetting(context) as weirs:
            url = f"{'https' if tls else 'http'}://127.0.0.1:{weirs.port}"
            said = run_host("host", hosts.url + "/own", patience_ms=1500, OTEL_EXPORTER_OTLP_ENDPOINT=url,
                            OTEL_EXPORTER_OTLP_CERTIFICATE=made["ca"], **env)
            unharmed(said)
            same(weirs.resets > 3, True, f"{weirs.resets} resets:")


@case
def no_sigpipe():
    reset_amid_writing(False)


@case
def no_sigpipe_with_tls():
    reset_amid_writing(True)


@case
def the_default_sigpipe_ends_nobody():
    """A host that has left SIGPIPE as it was: libcurl's and OpenSSL's writes to a connection that was reset."""
    reset_amid_writing(False, HOST_SIGPIPE="default")
    reset_amid_writing(True, HOST_SIGPIPE="default")


# ---- a host with OpenSSL of its own ----------------------------------------------------------------------------------
def with_openssl(ends):
    program = BUILD / "test/otlp_openssl"
    if not program.exists():
        return "OpenSSL's headers are not here"
    with tempfile.TemporaryDirectory() as folder:
        made = certificates(folder)
        with otlp_server.Server("ok", tls=made) as server:
            env = {**clean_environment(), "OTEL_EXPORTER_OTLP_ENDPOINT": server.url, "OTEL_EXPORTER_OTLP_CERTIFICATE": made["ca"],
                   "OTEL_BSP_SCHEDULE_DELAY": "5"}
            for n, end in enumerate(ends):
                done = subprocess.run([program, made["server"], made["server_key"], made["ca"], end], capture_output=True,
                                      text=True, timeout=60, env=env)
                same([done.returncode, "Sanitizer" in done.stderr], [0, False], f"{n} {end}: {done.stderr[-800:]}")
            same(server.connections >= len(ends) // 2 and len(server.requests()) > 0, True, "it was busy:")
    return None


@case
def openssl_before_during_and_after():
    return with_openssl(["shutdown"] * 3)


@case
def openssl_at_exit():
    """50 exits, in each order of the host's end, OpenSSL's and weir's, amid handshakes and requests."""
    return with_openssl(["plain", "thread", "own", "early", "late"] * 10)


if __name__ == "__main__":
    sys.exit(run_cases("otlp_beside", CASES, 3))
