"""bench: what traces cost a gateway and its store: orders twice, every span received, against orders-bare twice.

Three take turns in rounds, in another order each time: bare, traces always on, traces at ratio 0.1. Gateway and store share
one processor, so that a request's work is all on it; wrk and the receiver (otlp_sink.c) share the other. That is where the
receiver disturbs least while there are two: it takes a few per cent of wrk's processor, and wrk has time left, which a round
makes sure of: it counts only where gateway and store had 95 % of theirs. What reaches into theirs is the loopback's work for
a request with spans, which the kernel does in the sender's time: it is the sender's cost.

A span that is lost is work that was not done, so a round says how many spans were expected and received. Expected are
4 a request that the gateway has counted (2 in each process); at a ratio those that weir says ended, which must be the same in
both processes, and as many as the ratio lets expect. Received must be that, and nothing dropped: else the row has failed."""
import math
import os
import re
import shutil
import subprocess
import threading
import time
import urllib.request

from orders import BUSY, CONNECTIONS, Failed, Service, Skip, cpu_of, free_port, load

SPANS = 2  # a request, in each of the two processes
RATIO = 0.1
MODES = {
    "always": {"OTEL_TRACES_SAMPLER": "parentbased_always_on"},
    "tenth": {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": str(RATIO)},
}
# Of the default, 2048, a service that is saturated loses a part: its exporter gets too little of the processor in time. The
# delay is that of the last spans, which make no whole batch: a round waits for them.
QUEUE = {"OTEL_BSP_MAX_QUEUE_SIZE": "65536", "OTEL_BSP_SCHEDULE_DELAY": "500"}


class Sink:
    """otlp_sink: what it has counted is in count()."""

    def __init__(self, program, cpu):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        preexec_fn=lambda: os.sched_setaffinity(0, {cpu}))
        watch = threading.Timer(10, self.process.kill)
        watch.start()
        line = self.process.stdout.readline()
        watch.cancel()
        if not line.startswith("ready "):
            self.stop()
            raise Failed(f"otlp_sink did not say ready, but {line!r}")
        self.url = f"http://127.0.0.1:{line.split()[1]}"

    def count(self):
        with urllib.request.urlopen(f"{self.url}/count", timeout=5) as answer:
            words = answer.read().decode().split()
        return dict(zip(words[::2], map(int, words[1::2])))

    def stop(self):
        self.process.stdin.close()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def health(service):
    """{counter: value} of what becomes of spans, from /metrics, and how many requests were counted."""
    found, text = {}, service.scrape()
    for name, labels, value in re.findall(r"^(\w+)(?:\{(.*)\})? (\d+)$", text, re.M):
        if name == "http_requests_total":
            found["requests"] = found.get("requests", 0) + int(value)
        elif name in ("weir_spans_ended_total", "weir_spans_export_failed_total", "otel_sdk_processor_span_queue_size"):
            found[name] = int(value)
        elif name == "otel_sdk_processor_span_processed_total":
            found[re.search(r'error_type="(\w*)"', labels)[1] or "processed"] = int(value)
        elif name == "weir_otlp_dropped_total" and int(value) > 0:
            found[f"otlp {labels}"] = int(value)
    if "requests" not in found or "weir_spans_ended_total" not in found:
        raise Failed(f"/metrics does not tell requests and spans: {text}")
    return found


LOSSES = ("queue_full", "pool_dry", "malformed", "reentry", "weir_spans_export_failed_total")


def dropped(counters):
    return sum(value for name, value in counters.items() if name in LOSSES or name.startswith("otlp "))


def settled(services, sink):
    """The services' counters, once all of their spans were handed over and received, or after 10 s as they stand."""
    until = time.monotonic() + 10
    while True:
        time.sleep(0.3)  # past the age of the snapshot that scrapes share
        counters, received = [health(service) for service in services], sink.count()
        ended = sum(c["weir_spans_ended_total"] for c in counters)
        if ended == received["spans"] + sum(map(dropped, counters)) or time.monotonic() > until:
            return counters, received


def check_spans(mode, sent, counters, received):
    """(requests, spans expected, received); Failed, with all counters, where these differ or any span was dropped."""
    gateway, store = counters
    requests, ended = gateway["requests"], [c["weir_spans_ended_total"] for c in counters]
    expected = 2 * SPANS * requests if mode == "always" else sum(ended)
    wrong = []
    if not sent <= requests <= sent + 2 * CONNECTIONS:
        wrong.append(f"wrk has sent {sent} requests")
    if mode == "tenth":
        if ended[0] != ended[1]:
            wrong.append(f"the gateway has sampled {ended[0]} spans, its store {ended[1]}")
        if abs(ended[0] / SPANS - RATIO * requests) > 6 * math.sqrt(RATIO * (1 - RATIO) * requests):
            wrong.append(f"{ended[0]} spans of the gateway are not those of a tenth of its requests")
    if received["spans"] != expected or received["malformed"] or dropped(gateway) or dropped(store):
        wrong.append("SPANS WERE LOST")
    if wrong:
        raise Failed(f"traces {mode}: {requests} requests, spans expected {expected}, received {received['spans']}, dropped "
                     f"{dropped(gateway) + dropped(store)}: {', '.join(wrong)}; gateway {gateway}; store {store}; "
                     f"receiver {received}")
    return requests, expected, received["spans"]


class Pair:
    """A store, and a gateway in front of it, on one processor. call: options of the gateway's."""

    def __init__(self, program, cpu, sink, environment, log, call=()):
        def start(role, *call):
            call = ["--role", role, *call] + (["--otlp", sink.url] if sink else [])
            service = Service(program, cpu, call, log, environment, free_port() if sink else None)
            self.services.insert(0, service)
            return service

        self.services = []
        try:
            self.address = start("gateway", "--store", f"http://{start('store').address}", *call).address
        except Failed:
            self.stop()
            raise

    def cpu(self):
        return [cpu_of(service.process.pid) for service in self.services]

    def stop(self):
        for service in self.services:
            service.stop()


def one_round(mode, programs, cpus, seconds, log, tokens=None):
    """(the two's share of their processor, check_spans' answer or None, {row: {who: value}}) of one pair in one round. tokens:
    what the load sends, and the gateway checks; bare does not look at it."""
    bare, service, receiver = programs
    headers, call = ([tokens.header], tokens.call) if tokens else ((), ())
    sink = Sink(receiver, cpus[1]) if mode != "bare" else None
    pair = None
    try:
        pair = Pair(service if sink else bare, cpus[0], sink, {**QUEUE, **MODES.get(mode, {})}, log, call if sink else ())
        warm, _, _ = load(pair.address, cpus[1], 1, headers)
        before = pair.cpu()
        requests, rate, _ = load(pair.address, cpus[1], seconds, headers)
        after = pair.cpu()
        spans = check_spans(mode, warm + requests, *settled(pair.services, sink)) if sink else None
        if sink and tokens:
            tokens.check(pair.services[0], spans[0])
        spent = [[(b - a) / 1e3 / requests for a, b in zip(*both)] for both in zip(before, after)]
    finally:
        if pair:
            pair.stop()
        if sink:
            sink.stop()
    figures = {"rate": rate}
    for i, row in enumerate(("cpu_us_per_request", "request_cpu_us_per_request")):
        figures[row] = {"both": spent[0][i] + spent[1][i], "gateway": spent[0][i], "store": spent[1][i]}
    return figures["cpu_us_per_request"]["both"] * rate / 1e6, spans, figures  # of wrk's own time, without its start


def add(samples, mode, bare, weir, rows):
    """One round's figures of a mode beside the bare pair's."""
    def put(row, who, value):
        samples.setdefault(f"{rows}_{mode}_{row}", {}).setdefault(who, []).append(value)

    put("throughput_ratio", "floor", 1.0)
    put("throughput_ratio", "weir", weir["rate"] / bare["rate"])
    for row in ("cpu_us_per_request", "request_cpu_us_per_request"):
        for who, figures in (("floor", bare), ("weir", weir)):
            put(row, who, figures[row]["both"])
        for process in ("gateway", "store"):
            put(row, f"{process}-bare", bare[row][process])
            put(row, process, weir[row][process])


def measure(build, out, cpus, quick, rows="orders_traces", tokens=None):
    """({row: {floor, weir, gateway-bare, gateway, store-bare, store: [values]}}, {mode: what became of its spans}); floor is
    the bare pair."""
    programs = [os.path.join(build, "bin", "orders-bare"), os.path.join(build, "bin", "orders"), os.path.join(out, "otlp_sink")]
    for path in programs:
        if not os.path.exists(path):
            raise Skip(f"no {path}")
    if not shutil.which("wrk"):
        raise Skip("no wrk command")
    if len(cpus) < 2:
        raise Skip("two processors are needed, one for gateway and store, one for the load and the receiver")
    turns, samples, sums = ["bare", *MODES], {}, {mode: [0, 0, 0] for mode in MODES}
    rounds, seconds = (3, 2) if quick else (9, 4)
    with open(os.path.join(out, f"{rows}.log"), "w", encoding="utf-8") as log:
        for _ in range(rounds):
            figures = {}
            for mode in turns:
                for _ in range(3):
                    busy, spans, figures[mode] = one_round(mode, programs, cpus[-2:], seconds, log, tokens)
                    if spans:
                        sums[mode] = [a + b for a, b in zip(sums[mode], spans)]
                    if busy >= BUSY:
                        break
                else:
                    raise Failed(f"gateway and store had {busy:.1%} of their processor, {BUSY:.0%} is needed: "
                                 "something else runs, or the load is too slow")
            for mode in MODES:
                add(samples, mode, figures["bare"], figures[mode], rows)
            turns = turns[1:] + turns[:1]
    return samples, {mode: f"{requests} requests, spans expected {expected}, received {received}, dropped 0"
                     for mode, (requests, expected, received) in sums.items()}
