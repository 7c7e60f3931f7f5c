#!/usr/bin/env python3
"""weir-otlp's spool, with a real process (otlp_sender) that dies, meets another one, a damaged file, a full disk, an outage. Each case has
a server and processes of its own; a few run at a time."""
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import otlp_server
from otlp_sender import AT_ONCE, body_hash, no_overlap, Sender
from traces import run_cases, same, wait_for

CASES = []


def case(function):
    CASES.append(function)
    return function


# ---- the spool -------------------------------------------------------------------------------------------------------
def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def files(folder):
    return sorted(p.name for p in pathlib.Path(folder).rglob("*") if p.is_file() and p.name != "lock")


@case
def an_outage_loses_nothing():
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        with Sender(endpoint=f"http://127.0.0.1:{port}", dir=folder) as s:
            for _ in range(50):
                s.offer("traces", 5000)
                s.offer("metrics", 3000)
            s.wait_counts(memory=8000)  # the first of each
            same(len(files(folder)), 100)
            with otlp_server.Server("ok", port=port) as server:
                same(s.flush(15000)[0], "WEIR_OK")
                same([r["sha256"] for r in server.requests("/v1/traces")], [body_hash(n, 5000) for n in range(1, 101, 2)])
                same(len(server.requests("/v1/metrics")), 50)
                no_overlap(server)
            same(files(folder), [])
            same(s.ask("stop 1000").split()[0], "WEIR_OK")
        same(os.listdir(folder), [], "nothing is left behind:")


@case
def a_death_loses_nothing_that_was_spooled():
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        with Sender(endpoint=f"http://127.0.0.1:{port}", dir=folder, gzip=1) as s:
            for _ in range(20):
                s.offer("traces", 5000)
            until = time.monotonic() + 5
            while len(files(folder)) < 20 and time.monotonic() < until:
                time.sleep(0.01)
            s.process.send_signal(signal.SIGKILL)
            s.process.wait()
        same(len(files(folder)), 20)
        pathlib.Path(folder, os.listdir(folder)[0], "0000000000000001-00000001.traces.tmp").write_text("half")
        with otlp_server.Server("ok", port=port) as server, Sender(endpoint=server.url, dir=folder) as s:
            s.offer("traces", 4000)
            same(s.flush(10000)[0], "WEIR_OK")
            same([r["sha256"] for r in server.requests()], [body_hash(n, 5000) for n in range(1, 21)] + [body_hash(1, 4000)])
            same([s.counts()[k] for k in ("found", "delivered_0")], [20, 21])
            same(files(folder), [])
            same(s.lines("otel.sdk.exporter.span.exported")[0].split()[-1], "210")
            same(s.lines("otel.sdk.exporter.span.inflight")[0].split()[-1], "0")


@case
def two_processes_share_a_directory():
    with tempfile.TemporaryDirectory() as folder, otlp_server.Server("status", 503) as server:
        with Sender(endpoint=server.url, dir=folder) as one, Sender(endpoint=server.url, dir=folder) as two:
            for s in (one, two):
                s.offer("traces", 1000)
                s.offer("traces", 1000)
            for s in (one, two):
                s.wait_counts(waiting_0=2, found=0, memory=1000)
            server.set_mode("ok")
            server.clear()
            same([one.flush(8000)[0], two.flush(8000)[0]], ["WEIR_OK", "WEIR_OK"])
            same(sorted(r["sha256"] for r in server.requests()), sorted(2 * [body_hash(1, 1000), body_hash(2, 1000)]))


@case
def damaged_files_are_set_aside():
    with tempfile.TemporaryDirectory() as folder:
        with Sender(endpoint="http://127.0.0.1:1", dir=folder) as s:
            for _ in range(4):
                s.offer("traces", 1000)
            s.wait_counts(memory=1000)
            s.process.kill()
            s.process.wait()
        inside = pathlib.Path(folder, next(n for n in os.listdir(folder)))
        cut, flipped, foreign, _ = sorted(p for p in inside.iterdir() if p.name != "lock")
        os.truncate(cut, 500)
        data = bytearray(flipped.read_bytes())
        data[300] ^= 1
        flipped.write_bytes(data)
        foreign.write_bytes(b"something else that is no request at all, but long enough for a head")
        (inside / "README").write_text("who put this here?")
        with otlp_server.Server("ok") as server, Sender(endpoint=server.url, dir=folder) as s:
            s.wait_counts(waiting_0=0)
            same([r["sha256"] for r in server.requests()], [body_hash(4, 1000)])
            same([s.counts()[k] for k in ("lost_spool", "delivered_0")], [3, 1])
            same([n.endswith(".bad") for n in files(folder)], [True] * 4)
            same(s.lines("weir_otlp_spool_set_aside_total")[0].split()[-1], "4")
            for i in range(40):  # bounded
                (inside.parent / f"{i}.bad").write_text("")
            s.process.kill()


@case
def bounds_of_the_spool():
    with tempfile.TemporaryDirectory() as folder, Sender(endpoint="http://127.0.0.1:1", dir=folder, bytes=64 * 4096) as s:
        for _ in range(100):
            s.offer("traces", 3000)
        counts = s.wait_counts(waiting_0=64)
        same(counts["lost_limit"], 36)
        same(len(files(folder)), 64)


@case
def old_files_are_dropped():
    """Of a process and of the one before it: past their age they go, unsent, and are counted by their spans."""
    with tempfile.TemporaryDirectory() as folder:
        with Sender(endpoint="http://127.0.0.1:1", dir=folder, age_ms=2000) as s:
            for _ in range(2):
                s.offer("traces", 1000)
            wait_for(lambda: len(files(folder)) == 2, 5, "files")
            s.wait_counts(lost_age=2, waiting_0=0)
            same(files(folder), [])
        with Sender(endpoint="http://127.0.0.1:1", dir=folder) as s:
            for _ in range(3):
                s.offer("traces", 1000)
            s.wait_counts(memory=1000)
            s.kill()
        same(len(files(folder)), 3)
        time.sleep(0.1)
        with otlp_server.Server("ok") as server, Sender(endpoint=server.url, dir=folder, age_ms=50) as s:
            s.wait_counts(found=3, lost_age=3)
            same([files(folder), server.requests()], [[], []])
            same([r.split()[-1] for r in s.lines("weir_otlp_dropped_total") if 'reason="age"' in r], ["30"])


@case
def directories_that_cannot_be_used():
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "file")
        file.write_text("")
        for path in (f"{folder}/no/such", file, "/proc/nothing", "/proc/self"):  # in the last nothing can be made, by root either
            with Sender(endpoint="http://127.0.0.1:1", dir=path) as s:
                same(s.started, "WEIR_EIO", path)
                same("cannot be used" in s.text(), True)


@case
def a_full_disk():
    mount = "mkdir -p $1 && mount -t tmpfs -o size=64k tmpfs $1 && shift && exec \"$@\""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    if subprocess.run(["unshare", *user, "--mount", "true"], capture_output=True).returncode != 0:
        return "no mount namespaces here"
    with tempfile.TemporaryDirectory() as folder, otlp_server.Server("status", 503) as server:
        disk = f"{folder}/disk"
        prefix = ["unshare", *user, "--mount", "bash", "-c", mount, "-", disk]
        with Sender(prefix=prefix, endpoint=server.url, dir=disk) as s:
            same(s.started, "WEIR_OK")
            for _ in range(10):
                s.offer("traces", 12000)
            counts = s.wait_counts(waiting_0=10)
            time.sleep(0.3)
            same("it is full" in s.text(), True)
            server.set_mode("ok")
            server.clear()
            same(s.flush(8000)[0], "WEIR_OK")
            same([r["sha256"] for r in server.requests()], [body_hash(n, 12000) for n in range(1, 11)])
        fill = mount.replace("&& shift", "&& { head -c 1M /dev/zero >$1/fill || true; } 2>/dev/null && shift")
        with Sender(prefix=["unshare", *user, "--mount", "bash", "-c", fill, "-", disk], endpoint=server.url, dir=disk) as s:
            same(s.started, "WEIR_EIO")
            same("it is full" in s.text(), True)


if __name__ == "__main__":
    sys.exit(run_cases("otlp_spool", CASES, AT_ONCE))
