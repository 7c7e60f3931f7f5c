#!/usr/bin/env python3
"""Keep what matters, to the end: nothing is sampled, one request of a hundred fails and one is slow; a real Collector receives the
whole local tree of exactly those, what ran on another thread included, and says why."""
import collections
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import collector
from traces import Service, run_cases, same

CASES = []
REQUESTS, FAILS = 1000, 37
ROOM = 32 << 10  # for ten children of 3000 bytes


def case(function):
    CASES.append(function)
    return function


def check_tree(spans, n):
    by_name = {s["name"]: s for s in spans}
    same([len(spans), sorted(by_name)], [4, ["beside", "call", "inner", "request"]], f"request {n}:")
    root = by_name["request"]
    same([root["parent_span_id"], by_name["call"]["parent_span_id"], by_name["beside"]["parent_span_id"]],
         ["", root["span_id"], root["span_id"]], f"request {n}: parents")
    same(by_name["inner"]["parent_span_id"], by_name["beside"]["span_id"], f"request {n}: on the other thread")
    same({s["flags"] & 1 for s in spans}, {0}, f"request {n}: what was sent on was that it is not sampled;")
    same({s["attributes"].get("weir.kept") for s in spans}, {"failed" if n % 100 == FAILS else "slow"}, f"request {n}:")


@case
def exactly_what_failed_or_was_slow():
    with collector.Collector() as c, Service(endpoint=c.url, keep=8 << 20) as s:
        *bad, each = map(int, s.ask(f"judged {REQUESTS}", 120).split())
        same([len(bad) >= 2 * REQUESTS // 100, each], [True, 4])
        same(s.flush(20000), "WEIR_OK")
        status = s.status()
        same([status["kept_spans"], status["evicted_spans"], status["dropped_spans"]], [4 * len(bad), 0, 0])
        c.wait_for(lambda: len(c.spans()) >= 4 * len(bad), 10)
        traces = collections.defaultdict(list)
        for span in c.spans():
            traces[span["trace_id"]].append(span)
        found = {next(x["attributes"]["n"] for x in t if x["name"] == "request"): t for t in traces.values()}
        same([sorted(found), len(traces)], [bad, len(bad)])
        for n, spans in found.items():
            check_tree(spans, n)


@case
def with_room_for_ten():
    """100 requests fail at once, whose children are large: kept and evicted are all there were, and what is said to be kept
    is what the Collector has: each root, and the newest ten or so of the children."""
    with collector.Collector() as c, Service(endpoint=c.url, keep=ROOM) as s:
        same(s.ask("pile 100"), "WEIR_OK 200")
        same(s.flush(20000), "WEIR_OK")
        status = s.status()
        same([status["kept_spans"] + status["evicted_spans"], status["dropped_spans"], s.lost()], [200, 0, 0])
        c.wait_for(lambda: len(c.spans()) >= status["kept_spans"], 10)
        spans = c.spans()
        same([len(spans), len({x["span_id"] for x in spans})], 2 * [status["kept_spans"]])
        roots = {x["span_id"]: x["attributes"]["n"] for x in spans if x["name"] == "request"}
        same(sorted(roots.values()), list(range(100)), "a root comes right before its verdict:")
        children = [x for x in spans if x["name"] == "large"]
        same(sorted(x["attributes"]["n"] for x in children), list(range(100 - len(children), 100)), "the newest:")
        same([5 <= len(children) <= 11, status["evicted_spans"]], [True, 100 - len(children)], f"{len(children)} children:")
        same([n for x in children if (n := x["attributes"]["n"]) != roots[x["parent_span_id"]]], [], "of another request:")
        same({(x["attributes"]["weir.kept"], x["flags"] & 1) for x in spans}, {("failed", 0)})


@case
def nothing_where_it_is_off():
    with collector.Collector() as c, Service(endpoint=c.url, env={"OTEL_TRACES_SAMPLER": "always_off"}) as s:
        s.ask("judged 100", 60)
        same(s.flush(20000), "WEIR_OK")
        status = s.status()
        same([status["kept_spans"], status["spans_ended"]], [0, 0])
        c.wait_for(lambda: c.points("service_judged_seconds"), 10)
        same(list(collector.read_requests(c.file, "trace")), [], "not even an envelope:")


if __name__ == "__main__":
    sys.exit(run_cases("traces_keep", CASES))
