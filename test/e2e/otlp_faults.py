#!/usr/bin/env python3
"""weir-otlp's sender against a receiver that misbehaves in every way it can: what is sent again, what never, what is counted,
whether deadlines hold. Each case has a server and a process (otlp_sender) of its own; a few run at a time. otlp_spool.py has the spool."""
import pathlib
import re
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import otlp_server
from otlp_certificates import certificates
from otlp_sender import AT_ONCE, body_hash, no_overlap, Sender
from traces import HERE, run_cases, same

SLACK_MS = 50  # of a deadline
CASES = []


def case(function):
    CASES.append(function)
    return function


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
    with Sender(endpoint="http://127.0.0.1:1", gzip=1) as s:
        same(s.offer("traces", (64 << 20) + 1).split()[0], "WEIR_ELIMIT", "however small it would be packed:")
        same(s.counts()["lost_size"], 1)


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
            server.wait_for(lambda: len(server.requests()) == 2, 10)  # a flush would try at once what waits
            same(s.flush(8000)[0], "WEIR_OK", status)
            first, second = server.requests()
            same(first["sha256"], second["sha256"])
            apart = second["arrived"] - first["arrived"]
            same(0.4 < apart < 6, True, f"{status}: back after about a second, {apart:.2f} s:")
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
        server.set_mode("partial_success", 0, "old, but taken")
        for _ in range(2):
            s.offer()
            same(s.flush(5000)[0], "WEIR_OK", "a warning is no loss:")
        same([s.counts()[k] for k in ("attempts", "rejected_items")], [4, 13])
        same([s.text().count(words) for words in ("took the traces, and warns: old, but taken", "old, but taken")], [1, 1], "told once:")


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


@case
def tls_by_the_environment():
    """Client certificate and key for both signals, authorities each its own: the stranger's, who is trusted by nobody here."""
    with tempfile.TemporaryDirectory() as folder:
        made = certificates(folder)
        with otlp_server.Server("ok", tls=made, mutual=True) as server, Sender(env={
                "OTEL_EXPORTER_OTLP_ENDPOINT": server.url, "OTEL_EXPORTER_OTLP_CERTIFICATE": made["stranger_ca"],
                "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE": made["ca"], "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": made["client"],
                "OTEL_EXPORTER_OTLP_CLIENT_KEY": made["client_key"]}) as s:
            same(s.started, "WEIR_OK")
            s.offer("traces")
            s.wait_counts(delivered_0=1)
            same([r["peer"] for r in server.requests()], ["weir test client"])
            s.offer("metrics")
            same(s.flush(700)[0], "WEIR_ETIMEOUT", "the general one, which did not sign this server's:")
            same([r["path"] for r in server.requests()], ["/v1/traces"])
        with otlp_server.Server("ok", tls=made, mutual=True) as server, Sender(env={
                "OTEL_EXPORTER_OTLP_ENDPOINT": server.url, "OTEL_EXPORTER_OTLP_CERTIFICATE": made["ca"],
                "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": made["stranger"], "OTEL_EXPORTER_OTLP_CLIENT_KEY": made["stranger_key"],
                "OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE": made["client"],
                "OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY": made["client_key"]}) as s:
            s.offer("metrics")
            s.wait_counts(delivered_1=1)
            s.offer("traces")
            same(s.flush(700)[0], "WEIR_ETIMEOUT", "a stranger's certificate:")
            same([(r["path"], r["peer"]) for r in server.requests()], [("/v1/metrics", "weir test client")])


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


if __name__ == "__main__":
    sys.exit(run_cases("otlp_faults", CASES, AT_ONCE))
