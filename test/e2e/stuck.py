#!/usr/bin/env python3
"""The whole library beside a collector, or a callback, that is stuck: /metrics answers, callbacks run, another exporter gets
its metrics, weir_flush and weir_shutdown hold their deadlines while 100 threads record, and say truly how it went. The
sender by itself: otlp_faults.py."""
import http.client
import pathlib
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import otlp_server
from otlp_certificates import certificates
from traces import HERE, NO_NAMESPACES, Service, run_cases, same, wait_for

SCRAPE_MS, SLACK_MS = 100, 50
TRIES = 4  # of what has a deadline: the machine has others to serve
CASES = []


def case(function):
    CASES.append(function)
    return function


def scrape(port):
    """Its time in ms; the whole answer is there."""
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/metrics")
    answer = connection.getresponse()
    text = answer.read().decode()
    took = (time.monotonic() - began) * 1000
    connection.close()
    same([answer.status, "\nservice_requests_total " in text], [200, True])
    return took


def answers_meanwhile(service, count=20):
    """Each of count scrapes in its time; a slow one is forgiven if the same happens to none of the next count."""
    for _ in range(TRIES):
        before, took = service.counts(), []
        for _ in range(count):
            took.append(scrape(service.port))
            time.sleep(0.02)
        after = service.counts()
        if max(took) <= SCRAPE_MS:
            return before, after
    raise AssertionError(f"/metrics took {max(took):.0f} ms of {SCRAPE_MS}")


# ---- nobody is held up -----------------------------------------------------------------------------------------------
def all_goes_on(server, service):
    service.ask("callback 0")
    service.ask("exporter")
    service.ask("load 4 1000")
    wait_for(lambda: service.counts()["taken"], what="the other exporter's metrics")
    wait_for(lambda: server.open, what="a connection")
    before, after = answers_meanwhile(service)
    for what in ("requests", "taken", "c0"):
        same(after[what] > before[what] + 2, True, f"{what} {before[what]} -> {after[what]}:")
    wait_for(lambda: service.counts()["taken"] > after["taken"])


@case
def collector_that_never_answers():
    with otlp_server.Server("accept_never_answer") as server:
        with Service(endpoint=server.url, prometheus=1, interval_ms=50, tick_ms=20) as s:
            all_goes_on(server, s)
            same(len(server.requests()) >= 2, True, "traces and metrics are on their way:")


@case
def collector_that_never_reads():
    with otlp_server.Server("never_read") as server:
        with Service(endpoint=server.url, prometheus=1, interval_ms=50, tick_ms=20) as s:
            all_goes_on(server, s)


def exporters_have_their_turns(server, service):
    """/metrics, another exporter, and OTLP with spans and metrics go on, and nothing is lost."""
    before, after = answers_meanwhile(service)
    same([after["requests"] > before["requests"], after["taken"] > before["taken"] + 2], [True, True], f"{before} -> {after}:")
    spans, points = len(server.spans()), len(server.points("service_requests_total"))
    wait_for(lambda: len(server.spans()) > spans + 100, what="more spans")
    wait_for(lambda: len(server.points("service_requests_total")) > points + 2, what="more metrics")
    same(service.lost(), 0)


@case
def slow_callback():
    """A second in a callback, again and again."""
    with otlp_server.Server("ok") as server, Service(endpoint=server.url, prometheus=1, interval_ms=50, tick_ms=20) as s:
        s.ask("exporter")
        s.ask("load 4 2000")
        wait_for(server.spans, what="spans")
        s.ask("callback 1000")
        for _ in range(3):
            runs = s.counts()["c0"]
            exporters_have_their_turns(server, s)
            same(s.counts()["c0"] <= runs + 8, True, "it was in it, for most of the time:")
        wait_for(lambda: s.counts()["c0"] >= 2)
        result, took = s.timed("flush", 300)
        same(result in ("WEIR_OK", "WEIR_ETIMEOUT") and took <= 300 + SLACK_MS, True, f"a flush of 300 ms: {result} after {took}:")
        offered = int(s.ask("unload"))
        same(s.flush(15000), "WEIR_OK")
        same([len(server.spans()), s.lost()], [offered, 0], "arrived, and lost:")


@case
def callback_that_takes_for_ever():
    """What callbacks said last is exported on; how late they are is told; a flush sends all else, and does not say that it
    was all."""
    with otlp_server.Server("ok") as server, Service(endpoint=server.url, prometheus=1, interval_ms=50, tick_ms=20) as s:
        s.ask("exporter")
        s.ask("load 4 2000")
        s.ask("callback 0")
        wait_for(lambda: server.points("service_observed"), what="what a callback reports")
        s.ask("callback 100000")
        wait_for(lambda: s.status()["callbacks_late"] > 2, what="it is seen to be late")
        runs = s.counts()["c0"]
        exporters_have_their_turns(server, s)
        same(s.counts()["c0"], runs, "callbacks take turns:")
        last = len(server.points("service_observed"))
        wait_for(lambda: len(server.points("service_observed")) > last + 2, what="the last values, again and again")
        wait_for(lambda: any(p["value"] > 2 for p in server.points("weir_callbacks_late_total")), what="how late they are")
        in_time(lambda: s.timed("flush", 300), 300)
        offered = int(s.ask("unload"))
        same(s.flush(4000), "WEIR_ETIMEOUT")
        same([len(server.spans()), s.lost()], [offered, 0], "arrived, and lost:")
        in_time(lambda: s.timed("shutdown", 300), 300)


# ---- deadlines -------------------------------------------------------------------------------------------------------
def in_time(take, ms, expected="WEIR_ETIMEOUT"):
    """take() gives a result and its ms. The result is right each time; the time once."""
    seen = []
    for _ in range(TRIES):
        result, took = take()
        same(result, expected)
        seen.append(round(took, 1))
        if took <= ms + SLACK_MS:
            return
    raise AssertionError(f"{ms} ms took {seen}")


def deadlines(make, arrived):
    """Of weir_flush, then of weir_shutdown, each with 100 threads recording, who record on after it."""
    with make() as s:
        s.ask("load 100 10000")
        arrived()
        in_time(lambda: s.timed("flush", 300), 300)
        in_time(lambda: s.timed("flush", 20), 20)

    def shut_down():
        with make() as s:
            s.ask("load 100 10000")
            arrived()
            result, took = s.timed("shutdown", 300)
            before = s.counts()["requests"]
            wait_for(lambda: s.counts()["requests"] > before, what="recording goes on")
            same(s.shutdown(300), "WEIR_OK", "twice is harmless:")
            same(int(s.ask("unload")) > 0, True)
            return result, took
    in_time(shut_down, 300)


def against(mode, **options):
    def make_case():
        with otlp_server.Server(mode) as server:
            def arrived():
                wait_for(lambda: server.open, what="a connection")
            url = options.pop("url", lambda s: s.url)(server)
            deadlines(lambda: Service(endpoint=url, interval_ms=100, **options), arrived)
    return make_case


@case
def deadlines_accepts_and_never_answers():
    against("accept_never_answer")()


@case
def deadlines_one_byte_a_second():
    against("slow_body")()


@case
def deadlines_during_a_tls_handshake():
    against("tls_never_handshake", url=lambda s: s.url.replace("http:", "https:"))()


def inside(script, url):
    """In namespaces of its own, by a script; a skip's reason where there are none."""
    if subprocess.run(["bash", HERE / script, "true"], capture_output=True).returncode == NO_NAMESPACES:
        return "no namespaces here"
    deadlines(lambda: Service(prefix=["bash", HERE / script], endpoint=url, interval_ms=100), lambda: time.sleep(0.4))
    return None


@case
def deadlines_black_hole():
    return inside("with_black_hole.sh", "http://192.0.2.1:4318")


@case
def deadlines_hanging_dns():
    return inside("with_hanging_dns.sh", "http://collector.example.com:4318")


# ---- truth -----------------------------------------------------------------------------------------------------------
@case
def results_are_true():
    with otlp_server.Server("ok") as server:
        with Service(endpoint=server.url, interval_ms=100000) as s:
            for n, (mode, expected) in enumerate(((["ok"], "WEIR_OK"), (["status", 400], "WEIR_EIO"), (["ok"], "WEIR_OK"),
                                                  (["status", 503], "WEIR_ETIMEOUT"), (["ok"], "WEIR_OK"))):
                server.set_mode(*mode)
                s.ask("requests 10")
                same(s.flush(600 if expected == "WEIR_ETIMEOUT" else 8000), expected, f"{n} {mode}")
            same([len({x["span_id"] for x in server.spans()}), s.lost()], [100, 20], "arrived, also where it was refused, and lost:")
            s.ask("requests 10")
            same(s.shutdown(8000), "WEIR_OK")
            same(len({x["span_id"] for x in server.spans()}), 120)
        server.set_mode("status", 400)
        with Service(endpoint=server.url, interval_ms=100000) as s:
            s.ask("requests 10")
            same(s.shutdown(8000), "WEIR_EIO")
            same(s.lost(), 20)


@case
def flush_delivers_while_all_record():
    """Each time it says ok, what was recorded before it is there."""
    with tempfile.TemporaryDirectory() as folder, otlp_server.Server("ok", tls=certificates(folder)) as server:
        with Service(endpoint=server.url, ca=f"{folder}/ca.pem", interval_ms=100, queue=100000, spans_mib=64) as s:
            s.ask("load 100 20000")
            for _ in range(5):
                time.sleep(0.2)
                offered = s.counts()["spans"]
                same(s.flush(10000), "WEIR_OK")
                same(len(server.spans()) + s.lost() >= offered - 200, True, "but for what was between its end and its count:")
            offered = int(s.ask("unload"))
            same(s.shutdown(10000), "WEIR_OK")
            same([len(server.spans()), s.lost()], [offered, 0])


if __name__ == "__main__":
    sys.exit(run_cases("stuck", CASES, 1))
