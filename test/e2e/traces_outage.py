#!/usr/bin/env python3
"""A real Collector that goes away and comes back, three times, under load: what it received and what weir says was lost are
what was offered, with a spool's directory and without. kill -9 of the service: what was spooled arrives at least once, and
only what was on its way may arrive twice."""
import collections
import pathlib
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import collector
import otlp_server
import otlp_wire
from traces import Service, run_cases, same, wait_for

CASES = []


def case(function):
    CASES.append(function)
    return function


def spooled(folder, signal_name="traces"):
    return sorted(p for p in pathlib.Path(folder).rglob(f"*.{signal_name}") if p.is_file())


def three_outages(**options):
    """(offered, received, how many of them twice, lost)"""
    with collector.Collector() as c:
        with Service(endpoint=c.url, interval_ms=200, timeout_ms=2000, **options) as s:
            s.ask("load 4 2000")
            wait_for(c.spans, what="spans")
            for _ in range(3):
                c.stop()  # not killed: it may have taken what is not in its file yet
                time.sleep(1.2)
                c.start()
                came = len(c.spans())
                wait_for(lambda: len(c.spans()) > came, 15, "spans after a restart")
            offered = int(s.ask("unload"))
            result = s.flush(30000)
            counts, status = s.counts(), s.status()
            same(result == "WEIR_OK" or s.lost() > status["dropped_spans"] and result == "WEIR_EIO", True, result)
            same([status["spans_ended"], status["spans_waiting"]], [offered, 0])
            lost = s.lost()
            c.wait_for(lambda: len({x["span_id"] for x in c.spans()}) + lost >= offered, 5)  # its file lags behind its answers
            ids = collections.Counter(x["span_id"] for x in c.spans())
            twice = {i for i, n in ids.items() if n > 1}
            newest = c.points("service_requests_total")[-1]["value"]
            same([newest, c.points("service_request_seconds")[-1]["count"]], 2 * [counts["requests"]], "the metrics' last word:")
            return offered, len(ids), len(twice), lost


@case
def outages_in_memory():
    offered, received, twice, lost = three_outages(queue=20000, spans_mib=64)
    same([received, lost, twice <= 3 * 512], [offered, 0, True])


@case
def outages_with_too_little_room():
    offered, received, twice, lost = three_outages(queue=600, bytes=150000)
    same([received + lost, twice <= 3 * 512], [offered, True], f"{received} received and {lost} counted, offered:")
    same(lost > 0, True, "it is tight:")


@case
def outages_with_a_spool():
    with tempfile.TemporaryDirectory() as folder:
        offered, received, twice, lost = three_outages(queue=20000, spans_mib=64, dir=folder)
        same([received, lost, twice <= 3 * 512], [offered, 0, True])
        same(spooled(folder), [], "nothing is left behind:")


@case
def collector_that_is_killed():
    """kill -9, three times, with a kept connection that it takes along: what ends while it is away arrives once it is back, once.
    Without metrics, of which half a line might be in its file when it dies, before the next one's spans."""
    with collector.Collector() as c, Service(endpoint=c.url, env={"OTEL_METRICS_EXPORTER": "none"}) as s:
        for n in range(3):
            s.ask("requests 50")
            same(s.flush(20000), "WEIR_OK")
            wait_for(lambda n=n: len(c.spans()) >= 100 + 200 * n, what="all of it in the file: what it has in memory dies with it")
            c.kill()
            s.ask("requests 50")
            same(s.flush(300), "WEIR_ETIMEOUT", "nobody is there:")
            c.start()
            same(s.flush(20000), "WEIR_OK")
        c.wait_for(lambda: len(c.spans()) >= 600, 5)
        same([len(c.spans()), len({x["span_id"] for x in c.spans()}), s.lost()], [600, 600, 0])


@case
def killed_with_a_spool():
    """Twice, while the collector is away and while it receives: what lay in the directory at the end of the first arrives."""
    with tempfile.TemporaryDirectory() as folder, collector.Collector() as c:
        with Service(endpoint=c.url, interval_ms=100000, queue=20000, spans_mib=64, dir=folder) as s:
            s.ask("load 2 2000")
            wait_for(c.spans, what="spans")
            c.stop()
            wait_for(lambda: len(spooled(folder)) >= 3, 15, "files in the spool")
            s.kill()
        files = len(spooled(folder))
        c.start()
        before = collections.Counter(x["span_id"] for x in c.spans())
        with Service(endpoint=c.url, interval_ms=100000, queue=20000, spans_mib=64, dir=folder) as s:
            same(s.flush(20000), "WEIR_OK")
            same(spooled(folder), [])
            exported = [r for r in s.lines("otel.sdk.exporter.span.exported") if 'error_type=""' in r or 'error.type=""' in r]
            redeemed = int(float(exported[0].split()[-1]))
        c.wait_for(lambda: len(c.spans()) >= sum(before.values()) + redeemed, 5)
        after = collections.Counter(x["span_id"] for x in c.spans())
        twice = [i for i, n in after.items() if n > 1]
        same(sum(after.values()) - sum(before.values()), redeemed, f"what the next one sent of {files} files:")
        same(max(after.values()) <= 2 and len(twice) <= 512, True, f"{len(twice)} twice:")


@case
def killed_amid_sending():
    """The receiver tells the bytes: each file that lay there comes once, but for the batch on its way, which may come again."""
    with tempfile.TemporaryDirectory() as folder, otlp_server.Server("status", 503) as server:
        with Service(endpoint=server.url, interval_ms=100000, queue=20000, spans_mib=64, dir=folder) as s:
            for _ in range(6):
                s.ask("requests 100")
                s.flush(50)
            wait_for(lambda: len(spooled(folder)) >= 6, what="files in the spool")
            server.set_mode("delay", 0.25)
            server.clear()
            wait_for(lambda: len(server.requests()) >= 3, 15, "half of it")
            s.kill()
        wait_for(lambda: not server.open, what="its connection's end")
        server.set_mode("ok")
        with Service(endpoint=server.url, interval_ms=100000, dir=folder) as s:
            same(s.flush(15000), "WEIR_OK")
        bodies = collections.Counter(r["sha256"] for r in server.requests("/v1/traces"))
        same([len([n for n in bodies.values() if n > 1]) <= 1, max(bodies.values()) <= 2], [True, True], f"{bodies}")
        spans = [x["span_id"] for x in server.spans()]
        same(len(set(spans)), 6 * 200, "each span is there:")


if __name__ == "__main__":
    sys.exit(run_cases("traces_outage", CASES, 2))
