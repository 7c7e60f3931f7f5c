#!/usr/bin/env python3
"""Deltas, as weir_otlp_start sends them, to a receiver that refuses, cuts, holds its answers and is away: what it took adds up
to what was recorded, exactly; what was refused for good is missing, and told."""
import pathlib
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import otlp_server
import otlp_wire
from traces import Service, run_cases, same, wait_for

DELTA = {"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "delta", "OTEL_TRACES_EXPORTER": "none"}
CASES = []


def case(function):
    CASES.append(function)
    return function


def sums(server, status=200):
    """(requests, requests in the histogram), of what was answered so. Each delta begins where the one before ended."""
    with server.lock:
        bodies = [b for e, b in zip(server.found, server.bodies) if e["answered"] == status and e["path"] == "/v1/metrics"]
    points = [p for b in bodies for p in otlp_wire.points(otlp_wire.metrics(b))]
    counter = [p for p in points if p["metric"] == "service_requests_total"]
    histogram = [p for p in points if p["metric"] == "service_request_seconds"]
    same({p["aggregation_temporality"] for p in counter + histogram} <= {1}, True, "all are deltas:")
    for row in (counter, histogram):
        for before, after in zip(row, row[1:]):
            same(after["start_time_unix_nano"] >= before["time_unix_nano"], True, "no two speak of one moment:")
    return sum(p["value"] for p in counter), sum(p["count"] for p in histogram)


def exact(server, service):
    service.ask("unload")
    same(service.flush(20000), "WEIR_OK")
    recorded = service.counts()["requests"]
    same([*sums(server)], [recorded, recorded], "deltas add up:")
    return recorded


@case
def through_retries():
    with otlp_server.Server("ok") as server, Service(env=DELTA, endpoint=server.url, interval_ms=20, tick_ms=10) as s:
        s.ask("load 4 300")
        for mode in (["status_then_ok", 3, 503], ["status_then_ok", 2, 429], ["status_then_ok", 1, 502]):
            server.set_mode(*mode)
            time.sleep(0.3)
            s.flush(5000)
        for mode in (["cut"], ["cut", "reset"]):
            server.set_mode(*mode, times=1)
            time.sleep(0.2)
            s.flush(5000)
        same(exact(server, s) > 500, True)
        same(s.lines("weir_otlp_dropped_total"), [])


@case
def what_finds_no_room_is_in_the_next():
    """A queue of two small requests, to a server that says nothing: no delta is taken meanwhile, and none is lost."""
    with otlp_server.Server("accept_never_answer") as server:
        with Service(env=DELTA, endpoint=server.url, interval_ms=20, tick_ms=10, bytes=8000, timeout_ms=300) as s:
            s.ask("load 4 300")
            wait_for(lambda: len(server.requests()) >= 2, what="attempts")
            time.sleep(1)
            server.set_mode("ok")
            same(exact(server, s) > 1000, True)
            same(s.lines("weir_otlp_dropped_total"), [])


@case
def a_server_that_is_away():
    with otlp_server.Server("ok") as server:
        port = server.port
        with Service(env=DELTA, endpoint=server.url, interval_ms=20, tick_ms=10, bytes=8000) as s:
            s.ask("load 4 300")
            wait_for(lambda: server.points("service_requests_total"), what="metrics")
            first = (server.close(), wait_for(lambda: not server.open), sums(server))[-1]
            time.sleep(0.5)
            with otlp_server.Server("ok", port=port) as again:
                s.ask("unload")
                same(s.flush(20000), "WEIR_OK")
                recorded = s.counts()["requests"]
                second = sums(again)
                same([a + b for a, b in zip(first, second)], [recorded, recorded], f"{first} and {second}:")


@case
def by_a_spool_over_a_restart():
    """What a process left in the spool is sent by the next one, and counts once."""
    with tempfile.TemporaryDirectory() as folder, otlp_server.Server("status", 503) as server:
        with Service(env=DELTA, endpoint=server.url, interval_ms=100000, dir=folder) as s:
            for n in (10, 20, 30):
                s.ask(f"requests {n}")
                s.flush(300)
            s.shutdown(300)
        server.set_mode("ok")
        with Service(env=DELTA, endpoint=server.url, interval_ms=100000, dir=folder) as s:
            s.ask("requests 5")
            same(s.flush(20000), "WEIR_OK")
        with server.lock:
            bodies = [b for e, b in zip(server.found, server.bodies) if e["answered"] == 200]
        points = [p for b in bodies for p in otlp_wire.points(otlp_wire.metrics(b)) if p["metric"] == "service_requests_total"]
        same(sum(p["value"] for p in points), 65)


@case
def stopped_and_started_again():
    """What was sent before counts no second time."""
    with otlp_server.Server("ok") as server, Service(env=DELTA, endpoint=server.url, interval_ms=100000) as s:
        for n in (10, 20, 30):
            s.ask(f"requests {n}")
            same(s.shutdown(8000), "WEIR_OK")
            s.ask("requests 1")  # it has no exporter now, and comes with the next one
            same(s.ask(f"start endpoint={server.url} interval_ms=100000").split()[0], "WEIR_OK")
        same(exact(server, s), 63)


@case
def what_is_refused_for_good_is_missing_and_told():
    with otlp_server.Server("ok") as server, Service(env=DELTA, endpoint=server.url, interval_ms=100000) as s:
        s.ask("requests 10")
        same(s.flush(8000), "WEIR_OK")
        server.set_mode("status", 400, times=1)
        s.ask("requests 20")
        same(s.flush(8000), "WEIR_EIO")
        s.ask("requests 30")
        same(s.flush(8000), "WEIR_OK")
        same([sums(server), sums(server, 400)], [(40, 40), (20, 20)], "arrived, and refused:")
        lost = [l for l in s.lines("weir_otlp_dropped_total") if 'reason="refused"' in l and 'signal="metrics"' in l]
        same(len(lost) == 1 and float(lost[0].split()[-1]) > 0, True, f"{lost}:")


if __name__ == "__main__":
    sys.exit(run_cases("otlp_delta", CASES, 3))
