#!/usr/bin/env python3
"""One slow trace, for examples/run.sh --collector.

    trace.py METRICS_URL COLLECTOR_FILE ACCESS_LOG

The gateway's metrics have exemplars: the slowest one names a trace. The Collector's file has its spans, of both processes,
and the gateway's access log the line that belongs to it. All three are shown."""

import json
import pathlib
import re
import sys
import time
import urllib.request

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "test/e2e"))
from collector import nest, read_spans  # noqa: E402

BOLD, DIM, PLAIN = ("\033[1m", "\033[2m", "\033[0m") if sys.stdout.isatty() else ("", "", "")
WIDTH = 24  # of the bars
QUIET = {"http.request.method", "http.route", "url.scheme", "url.path", "network.peer.address", "network.peer.port",
         "server.address", "server.port", "user_agent.original"}  # what a reader of the tree knows, or need not know


def head(text):
    print(f"\n{BOLD}{text}{PLAIN}")


def metrics(url, accept):
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": accept}), timeout=5) as response:
        return response.read().decode()


def exemplars(text):
    """[(seconds, trace id, the sample's name and labels)], slowest first."""
    found = re.findall(r'^(http_request_duration_seconds_bucket\{.*?\}) \d+ # \{trace_id="(\w+)",span_id="\w+"\} (\S+)', text, re.M)
    return sorted(((float(value), trace_id, sample) for sample, trace_id, value in found), reverse=True)


def whole(spans):
    """Its spans are all there: one root, whose every call has the store's span below it."""
    roots = nest(spans)
    return len(roots) == 1 and not roots[0]["parent_span_id"] and all(
        any(child["parent_span_id"] == span["span_id"] for child in spans) for span in spans if span["kind"] == 3)


def find(url, path):
    """An exemplar whose trace has arrived, and the trace: as soon as there is one."""
    end = time.monotonic() + 15
    while True:
        known = exemplars(metrics(url, "application/openmetrics-text"))
        traces = {trace_id: [] for _, trace_id, _ in known}
        total = 0
        for span in read_spans(path):
            total += 1
            if span["trace_id"] in traces:
                traces[span["trace_id"]].append(span)
        for exemplar in known:
            if whole(traces[exemplar[1]]):
                return exemplar, traces[exemplar[1]], total
        if time.monotonic() > end:
            sys.exit(f"none of the traces of {len(known)} exemplars is in the Collector's file, which has {total} spans")
        time.sleep(0.3)


def plain(value):
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def tree(nodes, begin, length, depth=0):
    for node in nodes:
        start, end = node["start_time_unix_nano"] - begin, node["end_time_unix_nano"] - begin
        left = min(WIDTH - 1, max(0, round(start / length * WIDTH)))
        bar = " " * left + "=" * max(1, min(WIDTH - left, round((end - start) / length * WIDTH)))
        failed = "  FAILED" if node["status"]["code"] == 2 else ""
        told = [f"{key}={plain(value)}" for key, value in node["attributes"].items() if key not in QUIET]
        print(f"{node['resource']['service.name']:<16}{'  ' * depth + node['name']:<34}{(end - start) / 1e6:>9.2f} ms  "
              f"|{bar:<{WIDTH}}|{failed}")
        print(f"{'':<16}{'  ' * depth}  {DIM}{', '.join(told)}{PLAIN}")
        for event in node["events"]:
            text = ", ".join(f"{key}={plain(value)}" for key, value in event["attributes"].items())
            at = (event["time_unix_nano"] - begin) / 1e6
            print(f"{'':<16}{'  ' * depth}  + {at:.2f} ms: {event['name']}{f' ({text})' if text else ''}")
        tree(node["children"], begin, length, depth + 1)


def line_of(path, trace_id):
    with open(path, encoding="utf-8") as file:
        for line in file:
            if trace_id in line:
                return line.rstrip("\n")
    sys.exit(f"no line of {path} has the trace id {trace_id}")


def main():
    url, path, log = sys.argv[1:]
    (seconds, trace_id, sample), spans, total = find(url, path)
    root = nest(spans)[0]
    head("a slow request, from its exemplar to its trace")
    print(f"exemplar  {sample}\n          {seconds * 1000:.1f} ms, trace_id={trace_id}")
    line = line_of(log, trace_id)
    print(f"log line  {line}")
    if json.loads(line)["span_id"] != root["span_id"]:
        sys.exit("the log line is of another span")
    head(f"{'service':<16}{'span':<34}{'took':>12}")
    tree([root], root["start_time_unix_nano"], root["end_time_unix_nano"] - root["start_time_unix_nano"])
    dropped = sum(int(float(n)) for n in re.findall(r"^weir_otlp_dropped_total\{.*\} (\S+)$", metrics(url, "text/plain"), re.M))
    print(f"\nthe Collector has {total:,} spans; the gateway could not deliver {dropped:,}")


main()
