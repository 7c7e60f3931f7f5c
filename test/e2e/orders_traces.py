#!/usr/bin/env python3
"""orders as gateway and store, and a real Collector: what a client asked is what arrives, span by span.

A request that asks the store makes four spans: the gateway's server and client span, the store's server span, and its
work (orders.get or orders.put). One that the gateway answers by itself makes one."""
import collections
import json
import os
import pathlib
import re
import sys
import tempfile
import threading
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE), str(HERE.parent / "integration")]
for name in [n for n in os.environ if n.startswith("OTEL_") or n.lower().endswith("_proxy")]:
    del os.environ[name]
os.environ.update(OTEL_TRACES_SAMPLER="always_on", OTEL_BSP_SCHEDULE_DELAY="100", OTEL_BSP_MAX_QUEUE_SIZE="32768")

from collector import Collector  # noqa: E402
from orders_service import Orders, Report, equal, total, until  # noqa: E402

SERVER, CLIENT, INTERNAL = 2, 3, 1
GATEWAY, STORE = "orders-gateway", "orders-store"
ORDER, ORDERS = "/api/v1/orders/{id}", "/api/v1/orders"
PARENT = "7a1b2c3d4e5f6071"  # what the client says that it is
# What is asked, what it is answered, and how many spans that makes.
ASKED = [("GET", f"{ORDERS}/5", None, 200, 4), ("GET", f"{ORDERS}/888888888", None, 404, 4), ("HEAD", f"{ORDERS}/7", None, 200, 4),
         ("POST", ORDERS, '{"item":"tea","quantity":2}', 201, 4), ("POST", ORDERS, "tea", 400, 1), ("GET", "/healthz", None, 200, 1),
         ("DELETE", f"{ORDERS}/5", None, 405, 1), ("GET", "/wp-login.php", None, 404, 1)]
CLIENTS, ROUNDS = 4, 50
N = CLIENTS * ROUNDS * len(ASKED)
SPANS = CLIENTS * ROUNDS * sum(asked[4] for asked in ASKED)
report = Report()


class Pair:
    """A gateway, its store, and what they left: the lines of their logs, and their last words in metrics."""

    def __init__(self, collector, folder, store=(), gateway=()):
        self.collector, self.folder = collector, pathlib.Path(folder)
        self.logs = {GATEWAY: self.folder / "gateway.log", STORE: self.folder / "store.log"}
        self.store = Orders("--role", "store", "--otlp", collector.url, "--access-log", str(self.logs[STORE]), *store)
        try:
            self.gateway = Orders("--role", "gateway", "--store", f"http://127.0.0.1:{self.store.port}", "--otlp", collector.url,
                                  "--access-log", str(self.logs[GATEWAY]), *gateway)
        except BaseException:
            self.store.__exit__()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.gateway.__exit__()
        self.store.__exit__()

    def end(self):
        """[(exit code, seconds, standard error)] of the two, gateway first."""
        return [(*process.end(), process.process.stderr.read()) for process in (self.gateway, self.store)]

    def lines(self, who):
        return [json.loads(line) for line in self.logs[who].read_text().splitlines()]


def spans_of(collector, count):
    """As soon as they are all there; a little later, so that one too many would be there too."""
    collector.wait_for(lambda: len(collector.spans()) >= count, 20)
    time.sleep(0.3)
    return collector.spans()


def last_points(collector, service, name):
    """The newest point of each series: {labels: point}."""
    found = {}
    for point in collector.points(name):
        if point["resource"]["service.name"] == service:
            found[tuple(sorted(point["attributes"].items()))] = point
    return found


def openmetrics(orders):
    """With its exemplars, which weir's thread brings in at its ticks."""
    request = urllib.request.Request(f"http://{orders.metrics}/metrics", headers={"Accept": "application/openmetrics-text"})

    def scrape():
        with urllib.request.urlopen(request, timeout=10) as response:
            text = response.read().decode()
        equal("trace_id=" in text, True, "an exemplar is there")
        return text

    return until(scrape)


def events(spans, name):
    return [event for span in spans for event in span["events"] if event["name"] == name]


# ---- exactly N requests ----------------------------------------------------------------------------------------------------
def ask_n(gateway):
    """Every other request has a context of the client's own. {trace id: [method, status]}."""
    seen, lock = {}, threading.Lock()

    def client(number):
        mine, connection = {}, gateway.connect()
        for i in range(ROUNDS):
            for j, (method, path, body, status, _) in enumerate(ASKED):
                headers = {}
                if j % 2:
                    headers = {"traceparent": f"00-{number + 1:016x}{i * 100 + j + 1:016x}-{PARENT}-01",
                               "tracestate": "client=1", "baggage": "tenant=acme"}
                got, answer, _ = gateway.ask(method, path, body, connection, headers)
                equal(got, status, f"{method} {path}")
                mine[answer["X-Trace-ID"]] = (method, status)
                if headers:
                    equal(answer["X-Trace-ID"], headers["traceparent"][3:35], "X-Trace-ID")
        connection.close()
        with lock:
            seen.update(mine)

    failed = []

    def guarded(number):
        try:
            client(number)
        except Exception as error:  # told below, in the main thread
            failed.append(error)

    threads = [threading.Thread(target=guarded, args=(n,)) for n in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return seen


def exactly(collector, folder):
    with Pair(collector, folder) as pair:
        seen = ask_n(pair.gateway)
        equal(len(seen), N, "traces that the client was told of")
        scraped = {GATEWAY: pair.gateway.scrape(), STORE: pair.store.scrape()}
        texts = openmetrics(pair.gateway)
        ends = pair.end()
        report.case("orders_traces.ends_within_a_second", lambda: [
            equal((code, seconds < 1, said), (0, True, b""), f"code, time ({seconds:.2f} s), standard error")
            for code, seconds, said in ends])
        spans = spans_of(collector, SPANS)
        by_id = {span["span_id"]: span for span in spans}

        def all_arrive():
            equal(len(spans), SPANS, f"spans of {N} requests")
            equal(len(by_id), SPANS, "different spans")
            for who, metrics in scraped.items():
                for (name, *labels), value in metrics.items():
                    if "dropped" in name and value != 0:
                        raise AssertionError(f"{who}: {name} {labels} is {value}")

        def parents_are_whole():
            above = {}
            for span in spans:
                parent = by_id.get(span["parent_span_id"])
                if parent is None:
                    if span["parent_span_id"] not in ("", PARENT):
                        raise AssertionError(f"{span['name']}: its parent {span['parent_span_id']} did not arrive")
                    above[span["span_id"]] = None
                else:
                    equal(parent["trace_id"], span["trace_id"], "the trace of a parent")
                    above[span["span_id"]] = (parent["resource"]["service.name"], parent["kind"])
                    if not (parent["start_time_unix_nano"] - 2e6 <= span["start_time_unix_nano"] and
                            span["end_time_unix_nano"] <= parent["end_time_unix_nano"] + 2e6):
                        raise AssertionError(f"{span['name']} does not lie within {parent['name']}")
            shape = collections.Counter((span["resource"]["service.name"], span["kind"], above[span["span_id"]]) for span in spans)
            stored = sum(asked[4] == 4 for asked in ASKED) * CLIENTS * ROUNDS
            equal(dict(shape), {(GATEWAY, SERVER, None): N, (GATEWAY, CLIENT, (GATEWAY, SERVER)): stored,
                                (STORE, SERVER, (GATEWAY, CLIENT)): stored, (STORE, INTERNAL, (STORE, SERVER)): stored}, "who is whose")
            each = collections.Counter(span["trace_id"] for span in spans)
            equal(set(each), set(seen), "traces")

        def conventions():
            for span in spans:
                has, method = span["attributes"], span["attributes"].get("http.request.method")
                if span["resource"]["service.name"] == GATEWAY and span["kind"] == SERVER:
                    equal((method, has["http.response.status_code"]), seen[span["trace_id"]], "method and status")
                    equal((has["url.scheme"], has["network.peer.address"]), ("http", "127.0.0.1"), "scheme and peer")
                    equal(span["name"], f"{method} {has['http.route']}" if "http.route" in has else method, "name")
                    equal(span["status"]["code"], 0, "status")
                elif span["kind"] == CLIENT:
                    equal(span["name"], method, "a client's name")
                    equal((has["server.address"], has["server.port"]), ("127.0.0.1", pair.store.port), "server")
                    equal(has["url.full"].split("/orders")[0], f"http://127.0.0.1:{pair.store.port}", "url.full")
                    equal(span["status"]["code"], 2 if has["http.response.status_code"] >= 400 else 0, "a client's status")
                elif span["kind"] == SERVER:
                    equal(span["name"], f"{method} {has['http.route']}", "the store's name")
                equal((span["dropped_attributes_count"], span["dropped_events_count"]), (0, 0), "dropped")
                equal(span["trace_state"], "client=1" if span["trace_id"].startswith("0000") else "", "tracestate")

        def logs():
            for who, log in pair.logs.items():
                lines = pair.lines(who)
                servers = {(s["trace_id"], s["span_id"]): s for s in spans
                           if s["resource"]["service.name"] == who and s["kind"] == SERVER}
                equal({(line["trace_id"], line["span_id"]) for line in lines}, set(servers), f"ids of {log.name}")
                equal(len(lines), len(servers), f"lines of {log.name}")
                for line in lines:
                    span = servers[line["trace_id"], line["span_id"]]
                    equal(line["status"], span["attributes"]["http.response.status_code"], "status")
                    took = (span["end_time_unix_nano"] - span["start_time_unix_nano"]) / 1e6
                    if not line["duration_ms"] <= took + 2:
                        raise AssertionError(f"{line}: its span took {took} ms")

        def sums_agree():
            for who, metrics in scraped.items():
                points = last_points(collector, who, "http_requests_total")
                equal({labels: point["value"] for labels, point in points.items()},
                      {tuple(labels): value for (name, *labels), value in metrics.items() if name == "http_requests_total"},
                      f"{who}: http_requests_total")
                points = last_points(collector, who, "http_request_duration_seconds")
                for labels, point in points.items():
                    equal(point["count"], metrics[("http_request_duration_seconds_count", *labels)], f"{who}: count of {labels}")
                    apart = abs(point["sum"] - metrics[("http_request_duration_seconds_sum", *labels)])
                    if apart > 1e-9 * max(1, point["count"]):
                        raise AssertionError(f"{who}: sums of {labels} are {apart} apart")
                    running = 0
                    for bound, count in zip([*point["explicit_bounds"], float("inf")], point["bucket_counts"]):
                        running += count
                        le = next(value for (name, *have), value in metrics.items()
                                  if name == "http_request_duration_seconds_bucket" and set(labels) <= set(have)
                                  and float(dict(have)["le"]) == bound)
                        equal(running, le, f"{who}: {labels} up to {bound}")
                equal(sum(point["count"] for point in points.values()),
                      N if who == GATEWAY else CLIENTS * ROUNDS * sum(asked[4] == 4 for asked in ASKED), f"{who}: measured")

        def exemplars():
            shown = re.findall(r'^http_request_duration_seconds_bucket\{.*\} \d+ # \{trace_id="(\w+)",span_id="(\w+)"\} (\S+)', texts, re.M)
            if not shown:
                raise AssertionError("no exemplar in OpenMetrics")
            sent = [(e["trace_id"], e["span_id"], e["as_double"]) for p in collector.points("http_request_duration_seconds")
                    for e in p["exemplars"]]
            if not sent:
                raise AssertionError("no exemplar in OTLP")
            for trace_id, span_id, value in [(t, s, float(v)) for t, s, v in shown] + sent:
                span = by_id[span_id]
                equal((span["trace_id"], span["kind"]), (trace_id, SERVER), "an exemplar's span")
                took = (span["end_time_unix_nano"] - span["start_time_unix_nano"]) / 1e9
                if abs(took - value) > 1e-6:
                    raise AssertionError(f"an exemplar of {value} s, its span took {took} s")

        report.case("orders_traces.n_requests_are_n_times_their_spans", all_arrive)
        report.case("orders_traces.parents_are_whole_across_processes", parents_are_whole)
        report.case("orders_traces.semantic_conventions", conventions)
        report.case("orders_traces.logged_ids_are_the_collectors", logs)
        report.case("orders_traces.prometheus_and_collector_agree", sums_agree)
        report.case("orders_traces.exemplars_lead_to_spans", exemplars)


# ---- what the links do is seen ---------------------------------------------------------------------------------------------
def slow_and_failing(collector, folder):
    """One in ten slow, one in ten failing: every one is marked, counted and, a GET, asked again."""
    with Pair(collector, folder, store=("--slow-ppm", "100000", "--fail-ppm", "100000", "--threads", "4")) as pair:
        def client():
            connection = pair.gateway.connect()
            for i in range(60):
                status, _, _ = pair.gateway.ask("GET", f"{ORDERS}/{i + 1}", None, connection)
                if status not in (200, 502, 503):
                    raise AssertionError(status)
            connection.close()

        threads = [threading.Thread(target=client) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        gateway, store = pair.gateway.scrape(), pair.store.scrape()
        pair.end()
        equal(total(gateway, "http_requests_total"), 300, "answers")
        calls = total(store, "http_requests_total")
        spans = spans_of(collector, 300 + 3 * calls)
        equal(len(spans), 300 + 3 * calls, "spans: one a request, three a call")
        equal(calls, 300 + total(gateway, "orders_retries_total") - total(gateway, "orders_breaker_rejected_total"), "calls")
        for name, metrics, metric in (("retry", gateway, "orders_retries_total"), ("slow answer", store, "orders_store_slow_total"),
                                      ("store failed", store, "orders_store_failures_total")):
            equal(len(events(spans, name)), total(metrics, metric), f"events {name!r}")
            if not events(spans, name):
                raise AssertionError(f"no {name} at all")
        for event in events(spans, "slow answer"):
            if not 20 <= event["attributes"]["store.delay_ms"] <= 220:
                raise AssertionError(f"a slow answer of {event['attributes']}")
        failed = [s for s in spans if s["name"] == "orders.get" and s["status"]["code"] == 2]
        equal(len(failed), total(store, "orders_store_failures_total"), "failed work")
        for parent in {s["parent_span_id"] for s in failed}:
            server = next(s for s in spans if s["span_id"] == parent)
            equal((server["status"]["code"], server["attributes"]["error.type"]), (2, "503"), "the store's span of it")
        again = [s["attributes"]["http.request.resend_count"] for s in spans if "http.request.resend_count" in s["attributes"]]
        equal(len(again), total(gateway, "orders_retries_total"), "client spans that are told to be repetitions")
        equal(sum(line.get("calls", 0) for line in pair.lines(GATEWAY)), calls, "calls in the log")


def breaker(collector, folder):
    """A store that always fails: after five calls the breaker is open, and the store is spared."""
    with Pair(collector, folder, store=("--fail-ppm", "1000000")) as pair:
        connection = pair.gateway.connect()
        statuses = [pair.gateway.ask("GET", f"{ORDERS}/1", None, connection)[0] for _ in range(20)]
        status, headers, _ = pair.gateway.ask("GET", f"{ORDERS}/1", None, connection)
        gateway, store = pair.gateway.scrape(), pair.store.scrape()
        connection.close()
        pair.end()
        equal((status, headers["Retry-After"]), (503, "1"), "an open breaker's answer")
        equal(statuses[0], 502, "the first answer")
        spans = spans_of(collector, 1)
        refused, turned = events(spans, "circuit breaker refused"), events(spans, "circuit breaker changed")
        equal(len(refused), total(gateway, "orders_breaker_rejected_total"), "refusals")
        equal(len(turned), total(gateway, "orders_breaker_changes_total"), "changes")
        equal(total(gateway, "orders_breaker_open"), 1, "open")
        equal(turned[0]["attributes"]["breaker.state"], "open", "the first change")
        if not 5 <= total(store, "http_requests_total") <= 8:  # 5, and one each time the breaker was half open
            raise AssertionError(f"the store was asked {total(store, 'http_requests_total')} times")
        bad = [s for s in spans if s["kind"] == SERVER and s["resource"]["service.name"] == GATEWAY]
        equal({(s["status"]["code"], s["attributes"]["error.type"]) for s in bad}, {(2, "502"), (2, "503")}, "status, error.type")


def limited(collector, folder):
    with Pair(collector, folder, gateway=("--rate", "20")) as pair:
        connection = pair.gateway.connect()
        answers = [pair.gateway.ask("GET", f"{ORDERS}/1", None, connection) for _ in range(50)]
        gateway = pair.gateway.scrape()
        connection.close()
        pair.end()
        refused = [headers for status, headers, _ in answers if status == 429]
        if len(refused) < 10:
            raise AssertionError(f"only {len(refused)} of 50 were refused")
        equal({headers["Retry-After"] for headers in refused}, {"1"}, "Retry-After")
        spans = spans_of(collector, 50 + 3 * (50 - len(refused)))
        equal(len(spans), 50 + 3 * (50 - len(refused)), "spans")
        equal(len(events(spans, "rate limited")), len(refused), "events")
        equal(total(gateway, "orders_rate_limited_total"), len(refused), "counted")
        equal({s["trace_id"] for s in spans if s["attributes"].get("http.response.status_code") == 429},
              {headers["X-Trace-ID"] for headers in refused}, "their traces")


def ends_under_load(collector, folder):
    """Ended in the middle: what was answered is logged, and what is logged arrives."""
    with Pair(collector, folder, store=("--slow-ppm", "200000")) as pair:
        stop, answered = threading.Event(), []

        def client():
            connection = pair.gateway.connect()
            while not stop.is_set():
                try:
                    answered.append(pair.gateway.ask("GET", f"{ORDERS}/3", None, connection)[1]["X-Trace-ID"])
                except OSError:
                    return
                except Exception:  # http.client's, of a connection that was closed
                    return

        threads = [threading.Thread(target=client) for _ in range(8)]
        for thread in threads:
            thread.start()
        until(lambda: equal(len(answered) > 200, True, "200 answers"))
        ends = pair.end()
        stop.set()
        for thread in threads:
            thread.join()
        for code, seconds, said in ends:
            equal((code, seconds < 1, said), (0, True, b""), f"code, time ({seconds:.2f} s), standard error")
        logged = {who: {line["span_id"]: line["trace_id"] for line in pair.lines(who)} for who in pair.logs}
        if not set(answered) <= set(logged[GATEWAY].values()):
            raise AssertionError("a request was answered, and is not in the log")
        collector.wait_for(lambda: {i for log in logged.values() for i in log} <= {s["span_id"] for s in collector.spans()}, 10)
        arrived = {s["span_id"] for s in collector.spans()}
        for who, log in logged.items():
            equal(len(set(log) - arrived), 0, f"spans of {who} that are logged, and did not arrive")


def whole_process(collector, _):
    with Orders("--otlp", collector.url) as orders:
        for _ in range(30):
            equal(orders.ask("GET", f"{ORDERS}/3")[0], 200, "status")
        equal(orders.end()[0], 0, "code")
    spans = spans_of(collector, 30)
    equal({(s["name"], s["resource"]["service.name"], s["parent_span_id"]) for s in spans}, {(f"GET {ORDER}", "orders", "")}, "spans")
    equal(len(spans), 30, "spans of one process: one a request")


def nobody_there(collector, folder):
    """No Collector at all: requests are answered, and the process ends within its second."""
    collector.stop()
    with Pair(collector, folder) as pair:
        for _ in range(50):
            equal(pair.gateway.ask("GET", f"{ORDERS}/3")[0], 200, "status")
        for code, seconds, _ in pair.end():
            equal((code, seconds < 1), (0, True), f"code, time ({seconds:.2f} s)")


def main():
    with Collector() as collector:
        try:
            with tempfile.TemporaryDirectory() as folder:
                exactly(collector, folder)
        except Exception as error:  # before its cases
            report.case("orders_traces.n_requests_are_asked", lambda: equal(f"{type(error).__name__}: {error}", None, "error"))
        for name, test in (("slow_and_failing_are_marked", slow_and_failing), ("the_breaker_opens", breaker),
                           ("what_comes_too_fast_is_marked", limited), ("nothing_is_lost_at_an_end_under_load", ends_under_load),
                           ("one_process_traces_too", whole_process), ("without_a_collector_it_ends_in_time", nobody_there)):
            collector.clear()
            with tempfile.TemporaryDirectory() as folder:
                report.case(f"orders_traces.{name}", lambda: test(collector, folder))
    return report.code()


sys.exit(main())
