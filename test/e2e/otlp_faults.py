#!/usr/bin/env python3
"""weir-otlp's sender against a receiver that misbehaves in every way it can: what is sent again, what never, what is counted,
whether deadlines hold. Each case has a server and a process (otlp_sender) of its own; a few run at a time."""
import concurrent.futures
import hashlib
import os
import pathlib
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import otlp_server
from otlp_certificates import certificates

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("WEIR_BUILD", ROOT / "build/release"))
PROGRAM = BUILD / "test/otlp_sender"
HERE = pathlib.Path(__file__).resolve().parent
AT_ONCE = 4
SLACK_MS = 50  # of a deadline
CASES = []


def case(function):
    CASES.append(function)
    return function


def same(found, expected, what=""):
    if found != expected:
        raise AssertionError(f"{what} {found!r}, not {expected!r}")


class Sender:
    """The process, and its answers."""

    def __init__(self, prefix=(), env=None, **options):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("OTEL_") and not k.lower().endswith("_proxy")}
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen([*prefix, str(PROGRAM)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log,
                                        env={**environment, **(env or {})})
        self.buffer = b""
        self.started = self.ask("start " + " ".join(f"{k}={v}" for k, v in options.items()))

    def ask(self, line, seconds=30):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
        return self.read(seconds)

    def read(self, seconds=30):
        until = time.monotonic() + seconds
        while b"\n" not in self.buffer:
            if not select.select([self.process.stdout], [], [], max(0, until - time.monotonic()))[0]:
                raise AssertionError("the sender does not answer; its log: " + self.text()[-500:])
            piece = os.read(self.process.stdout.fileno(), 65536)
            if not piece:
                raise AssertionError(f"the sender has ended: {self.process.wait(10)}; its log: " + self.text()[-500:])
            self.buffer += piece
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.decode()

    def offer(self, signal_name="traces", length=100, group=""):
        return self.ask(f"offer {signal_name} {length} {group}")

    def flush(self, ms):
        result, took = self.ask(f"flush {ms}", ms / 1000 + 20).split()
        return result, int(took)

    def counts(self):
        return {k: int(v) for k, v in (w.split("=") for w in self.ask("counts").split())}

    def lines(self, name):
        found = [self.ask(f"lines {name}")]
        while found[-1] != ".":
            found.append(self.read())
        return found[:-1]

    def text(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def wait_counts(self, seconds=10, **wanted):
        until = time.monotonic() + seconds
        while True:
            counts = self.counts()
            if all(counts[k] == v for k, v in wanted.items()):
                return counts
            if time.monotonic() > until:
                raise AssertionError(f"after {seconds} s not {wanted}: {counts}; log: {self.text()[-400:]}")
            time.sleep(0.02)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.log.close()


def body_hash(number, length):
    return hashlib.sha256((number.to_bytes(8, "little") * (length // 8 + 1))[:length]).hexdigest()


def no_overlap(server):
    same([r for r in server.requests() if r["overlapped"]], [], "requests of one signal at the same time:")


# ---- what is sent ----------------------------------------------------------------------------------------------------
@case
def what_is_sent():
    with otlp_server.Server("ok") as server, Sender(endpoint=server.url, env={
            "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20s3cret,x-empty=",
            "OTEL_EXPORTER_OTLP_METRICS_HEADERS": "x-only=metrics"}) as s:
        same(s.started, "WEIR_OK")
        for _ in range(3):
            s.offer("traces", 1000)
            s.offer("metrics", 500)
        same(s.flush(5000)[0], "WEIR_OK")
        traces, metrics = server.requests("/v1/traces"), server.requests("/v1/metrics")
        same([r["sha256"] for r in traces], [body_hash(n, 1000) for n in (1, 3, 5)], "in order, unharmed:")
        same(len(metrics), 3)
        h = traces[0]["headers"]
        same([h.get(k) for k in ("content-type", "user-agent", "authorization", "x-empty", "content-encoding", "expect", "cookie",
                                 "accept-encoding")],
             ["application/x-protobuf", "OTel-OTLP-Exporter-C/0.1.0", "Bearer s3cret", "", None, None, None, "gzip"])
        same([metrics[0]["headers"].get(k) for k in ("authorization", "x-only")], [None, "metrics"])
        same(len({r["connection"] for r in traces + metrics}) <= 2, True, "kept connections:")
        same({r["method"] for r in traces}, {"POST"})
        same("s3cret" in s.text(), False, "a header's value in the log:")
        no_overlap(server)
        same(s.lines("otel.sdk.exporter.span.exported")[0].split()[-1], "30")


@case
def gzip_is_sent():
    with otlp_server.Server("ok") as server, Sender(endpoint=server.url, gzip=1) as s:
        s.offer("traces", 100000)
        same(s.flush(5000)[0], "WEIR_OK")
        found = server.requests()[0]
        same([found["sha256"], found["error"], found["headers"]["content-encoding"]], [body_hash(1, 100000), None, "gzip"])
        same(found["wire_length"] < 10000, True)


@case
def over_64_mib():
    with otlp_server.Server("ok") as server, Sender(endpoint=server.url) as s:
        same(s.offer("traces", (64 << 20) + 1).split()[0], "WEIR_ELIMIT")
        same(s.offer("traces", 64 << 20).split()[0], "WEIR_OK")
        same(s.flush(20000)[0], "WEIR_EIO", "what was refused is told")
        same(s.flush(1000)[0], "WEIR_OK", "once")
        same([r["length"] for r in server.requests()], [64 << 20])
        same(s.counts()["lost_size"], 1)
        same([line.split()[-1] for line in s.lines("weir_otlp_dropped_total")], ["10"])


# ---- answers ---------------------------------------------------------------------------------------------------------
@case
def statuses_that_are_final():
    with otlp_server.Server("ok") as server, Sender(endpoint=server.url) as s:
        final = (301, 302, 307, 308, 400, 401, 403, 404, 405, 408, 413, 415, 422, 500, 501, 505, 511)
        for status in final:
            server.set_mode("status", status)
            s.offer()
            same(s.flush(5000)[0], "WEIR_EIO", status)
        same(len(server.requests()), len(final), "attempts:")
        same(s.counts()["lost_refused"], len(final))
        same("status 400: status 400 as told" in s.text(), True, "the message of google.rpc.Status in the log:")
        same(server.hits, 0)


@case
def statuses_that_are_tried_again():
    for status in (429, 502, 503, 504):
        with otlp_server.Server("status", status, times=1) as server, Sender(endpoint=server.url) as s:
            s.offer()
            same(s.flush(8000)[0], "WEIR_OK", status)
            first, second = server.requests()
            same(first["sha256"], second["sha256"])
            same(0.4 < second["arrived"] - first["arrived"] < 2.5, True, f"{status}: back after about a second:")
            same([s.counts()[k] for k in ("retries", "delivered_0", "lost_refused")], [1, 1, 0])


@case
def retry_after():
    for form in ("seconds", "http-date"):
        with otlp_server.Server("retry_after", form, 3, 429, times=1) as server, Sender(endpoint=server.url) as s:
            s.offer()
            same(s.flush(400)[0], "WEIR_ETIMEOUT", "a flush does not go before the server's time:")
            same(s.flush(8000)[0], "WEIR_OK")
            first, second = server.requests()
            low, high = (2.9, 4) if form == "seconds" else (1.9, 4.1)
            same(low < second["arrived"] - first["arrived"] < high, True, f"{form} {second['arrived'] - first['arrived']}")


@case
def flush_tries_at_once_what_waits():
    with otlp_server.Server("status", 503, times=3) as server, Sender(endpoint=server.url) as s:
        s.offer()
        s.wait_counts(retries=1)
        before = len(server.requests())
        s.flush(200)
        same(len(server.requests()) > before, True)


@case
def partial_success():
    with otlp_server.Server("partial_success", 3, "three\x07of them") as server, Sender(endpoint=server.url) as s:
        s.offer()
        same(s.flush(5000)[0], "WEIR_EIO")
        same([s.counts()[k] for k in ("attempts", "delivered_0", "rejected_items")], [1, 1, 3])
        same("three of them" in s.text(), True)
        rows = {re.search(r'error.type="(\w*)"', line).group(1): line.split()[-1] for line in s.lines("otel.sdk.exporter.span.exported")}
        same(rows, {"": "7", "rejected": "3"})
        server.set_mode("partial_success", 99999999999)
        s.offer()
        s.flush(5000)
        same(s.counts()["rejected_items"], 13, "no more than were sent:")


@case
def answers_that_are_too_large():
    with otlp_server.Server("gzip_bomb") as server, Sender(endpoint=server.url) as s:
        for mode in ("gzip_bomb", "big_body"):
            server.set_mode(mode)
            s.offer()
            same(s.flush(8000)[0], "WEIR_EIO", mode)
        same(len(server.requests()), 2)
        same(s.counts()["lost_refused"], 2)
        status = pathlib.Path(f"/proc/{s.process.pid}/status").read_text()
        same(int(re.search(r"VmHWM:\s+(\d+)", status).group(1)) < 60000, True, "memory in KiB:")


@case
def connections_that_break():
    with otlp_server.Server("cut", times=1) as server, Sender(endpoint=server.url, timeout_ms=500) as s:
        s.offer()
        same(s.flush(8000)[0], "WEIR_OK", "cut before an answer: again")
        server.set_mode("cut", "reset", times=1)
        s.offer()
        same(s.flush(8000)[0], "WEIR_OK", "reset before an answer: again")
        server.set_mode("accept_never_answer", times=1)
        s.offer()
        same(s.flush(8000)[0], "WEIR_OK", "no answer in time: again")
        for mode in ("cut_mid_body", "slow_body", "not_http"):
            server.set_mode(mode)
            server.clear()
            s.offer()
            same(s.flush(8000)[0], "WEIR_EIO", mode)
            same(len(server.requests()), 1, mode)
        same(s.ask("sigpipe"), "0")


@case
def answers_that_are_odd():
    with otlp_server.Server("wrong_content_type") as server, Sender(endpoint=server.url) as s:
        for mode, words in (("wrong_content_type", "answers as no OTLP receiver does"), ("garbage", "is no protobuf")):
            server.set_mode(mode)
            s.offer()
            same(s.flush(5000)[0], "WEIR_OK", mode)
            same(words in s.text(), True, mode)
        same(len(server.requests()), 2)


@case
def redirects_are_never_followed():
    with otlp_server.Server("redirect") as server, Sender(endpoint=server.url) as s:
        for status in (301, 302, 303, 307, 308):
            server.set_mode("redirect", status)
            s.offer()
            same(s.flush(5000)[0], "WEIR_EIO", status)
        same([server.hits, len(server.requests())], [0, 5])


# ---- TLS -------------------------------------------------------------------------------------------------------------
@case
def tls():
    with tempfile.TemporaryDirectory() as folder:
        made = certificates(folder)
        with otlp_server.Server("ok", tls=made, mutual=True) as server:
            with Sender(endpoint=server.url, ca=made["ca"], cert=made["client"], key=made["client_key"]) as s:
                s.offer()
                same(s.flush(5000)[0], "WEIR_OK")
                same(server.requests()[0]["peer"], "weir test client")
            with Sender(endpoint=server.url, ca=made["ca"]) as s:  # no certificate
                s.offer()
                same(s.flush(700)[0], "WEIR_ETIMEOUT")
        with otlp_server.Server("ok", tls=made) as server:
            for options in ({}, {"ca": made["stranger_ca"]}):
                with Sender(endpoint=server.url, **options) as s:
                    s.offer()
                    same(s.flush(700)[0], "WEIR_ETIMEOUT")
                    same("could not be sent" in s.text(), True)
            same(server.requests(), [], "sent to whom nobody vouches for:")
        with otlp_server.Server("ok", tls=made, server_name="wrong_host") as server, Sender(endpoint=server.url, ca=made["ca"]) as s:
            s.offer()
            same(s.flush(700)[0], "WEIR_ETIMEOUT")
            same(server.requests(), [])
        empty = pathlib.Path(folder, "empty.pem")
        empty.write_text("no certificate\n")
        for options, words in (({"ca": empty}, "holds no PEM"), ({"ca": "/nowhere/ca.pem"}, "cannot be read"),
                               ({"cert": made["client"]}, "come together")):
            with Sender(endpoint="https://127.0.0.1:1", **options) as s:
                same(s.started, "WEIR_EIO")
                same(words in s.text(), True, words)


# ---- deadlines -------------------------------------------------------------------------------------------------------
def holds(ask, ms):
    """Three tries: the machine has others to serve."""
    took = []
    for _ in range(3):
        took.append(ask())
        if ms - 1 <= took[-1] <= ms + SLACK_MS:
            return
    raise AssertionError(f"{ms} ms took {took}")


def deadlines(sender):
    sender.offer("traces")
    sender.offer("metrics")
    time.sleep(0.1)

    def flush():
        result, took = sender.flush(300)
        same(result, "WEIR_ETIMEOUT")
        return took
    holds(flush, 300)
    result, took = sender.ask("stop 200").split()
    same(result, "WEIR_OK", "the thread ends:")
    if took and int(took) > SLACK_MS + 50:
        raise AssertionError(f"stop took {took} ms")


@case
def deadlines_hold_when_stuck():
    for mode in (["accept_never_answer"], ["never_read"], ["slow_body"], ["delay", 20], ["tls_never_handshake"]):
        with otlp_server.Server(*mode) as server:
            url = server.url.replace("http:", "https:") if mode[0] == "tls_never_handshake" else server.url
            with Sender(endpoint=url) as s:
                deadlines(s)


@case
def deadlines_hold_when_refused():
    with Sender(endpoint="http://127.0.0.1:1") as s:
        deadlines(s)


def within(script, endpoint):
    process = subprocess.run(["bash", str(HERE / script), "true"], capture_output=True, text=True, timeout=60)
    if process.returncode == 77:
        return process.stderr.strip() or "no namespaces"
    with Sender(prefix=["bash", str(HERE / script)], endpoint=endpoint) as s:
        same(s.started, "WEIR_OK")
        deadlines(s)
    return None


@case
def deadlines_hold_in_a_black_hole():
    return within("with_black_hole.sh", "http://192.0.2.1:4318")


@case
def deadlines_hold_without_dns():
    return within("with_hanging_dns.sh", "http://collector.example.com:4318")


@case
def exit_is_not_held_up():
    for mode in (["accept_never_answer"], ["ok"], ["tls_never_handshake"]):
        with otlp_server.Server(*mode) as server:
            url = server.url.replace("http:", "https:") if mode[0] == "tls_never_handshake" else server.url

            def leave():
                with Sender(endpoint=url) as s:
                    s.offer()
                    time.sleep(0.6)  # past the reading of the authorities, which is computing, and is waited for
                    began = time.monotonic()
                    s.process.stdin.write(b"exit\n")
                    s.process.stdin.flush()
                    same(s.process.wait(10), 0)
                    return (time.monotonic() - began) * 1000
            holds(leave, 1)


@case
def exit_in_the_midst_of_tls():
    with tempfile.TemporaryDirectory() as folder:
        with otlp_server.Server("cut", tls=certificates(folder)) as server:
            for i in range(20):
                with Sender(endpoint=server.url, ca=f"{folder}/ca.pem") as s:
                    for _ in range(3):
                        s.offer("traces", 100000)
                        s.offer("metrics", 100000)
                    time.sleep(i * 0.0007)
                    s.process.stdin.write(b"exit\n")
                    s.process.stdin.flush()
                    same(s.process.wait(10), 0)


# ---- queues ----------------------------------------------------------------------------------------------------------
@case
def signals_do_not_wait_for_each_other():
    with otlp_server.Server("accept_never_answer") as stuck, otlp_server.Server("ok") as server:
        with Sender(env={"OTEL_EXPORTER_OTLP_ENDPOINT": server.url,
                         "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": stuck.url + "/own/path"}) as s:
            s.offer("traces")
            stuck.wait_for(lambda: stuck.requests("/own/path"), 5)
            for _ in range(20):
                s.offer("metrics")
            s.wait_counts(delivered_1=20)
            same(len(server.requests("/v1/metrics")), 20)
            same(len(stuck.requests()), 1)
            no_overlap(server)
            no_overlap(stuck)


@case
def bounds_in_memory():
    with Sender(endpoint="http://127.0.0.1:1", bytes=20000) as s:
        for group in range(1, 31):
            s.offer("metrics", 1000, group)
        counts = s.counts()
        same(counts["memory"] <= 10000, True)
        same(counts["waiting_1"] + counts["lost_limit"], 30, "all are accounted for:")
        while s.ask("room traces") == "1":
            s.offer("traces", 1000)
        same(s.counts()["waiting_0"], 10)
        rows = s.lines("weir_otlp_dropped_total")
        same([r.split()[-1] for r in rows if 'reason="limit"' in r], [str(10 * counts["lost_limit"])])


@case
def old_ones_are_dropped():
    with Sender(endpoint="http://127.0.0.1:1", age_ms=300) as s:
        s.offer()
        s.wait_counts(lost_age=1, waiting_0=0)


@case
def children_send_by_themselves():
    with otlp_server.Server("delay", 0.3) as server, Sender(endpoint=server.url) as s:
        s.offer("traces", 64)  # 1, the parent's, on its way while it forks
        same(s.ask("fork"), "WEIR_OK")
        s.offer("traces", 64)  # 2, the child's
        same(s.flush(5000)[0], "WEIR_OK")
        same(s.ask("end"), "parent")
        s.offer("traces", 64)  # 2 again, the parent's
        same(s.flush(5000)[0], "WEIR_OK")
        same(sorted(r["sha256"] for r in server.requests()), sorted(body_hash(n, 64) for n in (1, 2, 2)))


# ---- the spool -------------------------------------------------------------------------------------------------------
def free_port():
    import socket
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
def directories_that_cannot_be_used():
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "file")
        file.write_text("")
        for path in (f"{folder}/no/such", file, "/proc/nothing"):
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


def run(function):
    try:
        return function.__name__, None, function()
    except Exception as error:  # whatever it is, it is this case's
        return function.__name__, f"{type(error).__name__}: {str(error)[:700]!r}", None


def main():
    wanted = [c for c in CASES if len(sys.argv) < 2 or sys.argv[1] in c.__name__]
    failed = 0
    if not PROGRAM.exists():
        print(f"not ok otlp_faults: there is no {PROGRAM}")
        return 1
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        for name, error, skipped in pool.map(run, wanted):
            if error:
                failed = 1
            print(f"not ok otlp_faults.{name}: {error}" if error else f"skip otlp_faults.{name}: {skipped}" if skipped
                  else f"ok otlp_faults.{name}", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
