#!/usr/bin/env python3
"""The children of a running service, ten at a time, by weir_after_fork and by export_in_child: each sends its own spans and
its own metrics to a real Collector as an instance of its own, the parent loses nothing, and a child's flush ends although
its parent was amid sending."""
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import collector
import otlp_server
from traces import Service, run_cases, same, wait_for

CHILDREN, REQUESTS = 10, 50
CASES = []


def case(function):
    CASES.append(function)
    return function


def by_instance(found):
    groups = {}
    for one in found:
        groups.setdefault(one["resource"]["service.instance.id"], []).append(one)
    return groups


def fork(service, how, seconds=60):
    *codes, took = map(int, service.ask(f"fork {CHILDREN} {how} {REQUESTS}", seconds).split())
    same(codes, CHILDREN * [0], "how the children ended (100: weir_after_fork; 101: they did not begin at 0; 5: time-out; 6: lost; "
         "1014: hung):")
    return took


def check(spans, points, parent_spans, parent_requests):
    """All are there, each under its own instance, and no id twice."""
    groups = by_instance(spans)
    same(len(groups), CHILDREN + 1, "instances:")
    parents = [i for i, g in groups.items() if len(g) == parent_spans]
    same(len(parents), 1, f"one instance has the parent's {parent_spans}: {[len(g) for g in groups.values()]}")
    same(sorted(len(g) for i, g in groups.items() if i not in parents), CHILDREN * [2 * REQUESTS])
    same(len({s["span_id"] for s in spans}), len(spans), "span ids:")
    traces = {}
    for s in spans:
        traces.setdefault(s["trace_id"], set()).add((s["resource"]["service.instance.id"], s["resource"]["process.pid"]))
    same([len(traces), {len(v) for v in traces.values()}], [len(spans) // 2, {1}], "a trace belongs to one process:")
    pids = {i: {s["attributes"]["process.pid"] for s in g if "process.pid" in s["attributes"]} for i, g in groups.items()}
    same({i: {s["resource"]["process.pid"] for s in g} for i, g in groups.items()}, pids, "process.pid:")
    newest = {i: g[-1]["value"] for i, g in by_instance(points).items()}
    same(newest, {i: parent_requests if i in parents else REQUESTS for i in groups}, "sums of service_requests_total:")


def ten_children(how, **options):
    with collector.Collector() as c, Service(endpoint=c.url, interval_ms=100000, queue=50000, spans_mib=64, **options) as s:
        s.ask("callback 0")
        s.ask("load 2 2000")
        wait_for(c.spans, what="spans")
        fork(s, how)
        offered = int(s.ask("unload"))
        same(s.flush(20000), "WEIR_OK")
        same(s.lost(), 0)
        total = offered + CHILDREN * 2 * REQUESTS
        c.wait_for(lambda: len(c.spans()) >= total and len(by_instance(c.points("service_requests_total"))) > CHILDREN, 10)
        check(c.spans(), c.points("service_requests_total"), offered, s.counts()["requests"])


@case
def children_that_say_so():
    ten_children("explicit")


@case
def children_that_just_go_on():
    ten_children("itself", child=1)


@case
def children_of_one_that_is_amid_sending():
    """Of the parent both requests hang; its children's do not."""
    with otlp_server.Server("accept_never_answer", times=2) as server:
        with Service(endpoint=server.url, interval_ms=50, tick_ms=10, timeout_ms=60000, queue=50000, spans_mib=64) as s:
            s.ask("load 2 2000")
            wait_for(lambda: len(server.requests()) == 2, what="both signals on their way")
            took = fork(s, "explicit")
            same(took < 10000, True, f"{took} ms:")
            offered = int(s.ask("unload"))
            same(s.timed("flush", 300)[0], "WEIR_ETIMEOUT", "the parent's are still on their way")
            groups = by_instance(server.spans())
            first = server.spans()[0]["resource"]["service.instance.id"]
            same([len(g) for i, g in groups.items() if i != first], CHILDREN * [2 * REQUESTS])
            status = s.status()
            same([status["spans_ended"], s.lost()], [offered, 0], "the parent has all of its own:")


@case
def children_that_do_not_export():
    """Who is forked and says nothing exports nothing, and takes nothing of its parent's."""
    with otlp_server.Server("ok") as server, Service(endpoint=server.url, interval_ms=100000) as s:
        s.ask("requests 20")
        *codes, _ = s.ask(f"fork 3 itself {REQUESTS}").split()
        same(codes, 3 * ["1"], "weir_flush is refused: not started here:")
        s.ask("requests 20")
        same(s.flush(5000), "WEIR_OK")
        same(len({x["span_id"] for x in server.spans()}), 80)
        same(len(by_instance(server.spans())), 1)


if __name__ == "__main__":
    sys.exit(run_cases("traces_fork", CASES, 2))
