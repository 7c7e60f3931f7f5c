#!/usr/bin/env python3
"""A real Prometheus scrapes native histograms by its own negotiation, and answers histogram_quantile from them; exemplars
come with protobuf and with OpenMetrics."""
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

sys.path.insert(0, os.path.join(os.environ["WEIR_ROOT"], "test/integration"))
sys.dont_write_bytecode = True
from orders_service import Report, equal, read_line, until  # noqa: E402

DELIMITED = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"


def get(base, path, **arguments):
    with urllib.request.urlopen(f"{base}{path}?" + urllib.parse.urlencode(arguments), timeout=10) as response:
        return json.load(response)["data"]


def query(base, text):
    return get(base, "/api/v1/query", query=text)["result"]


def number(base, text):
    found = query(base, text)
    equal(len(found), 1, f"answers to {text}")
    return float(found[0]["value"][1])


def near(base, text, wanted, share):
    got = number(base, text)
    if abs(got - wanted) > share * wanted:
        raise AssertionError(f"{text} is {got}, not {wanted} within {share}")


def exemplars(base, text):
    """{(trace id, span id): value} of a query."""
    now = time.time()
    found = get(base, "/api/v1/query_exemplars", query=text, start=now - 600, end=now + 60)
    return {(e["labels"]["trace_id"], e["labels"]["span_id"]): float(e["value"]) for s in found for e in s["exemplars"]}


def ids(n):
    return f"ab{n:030x}", f"cd{n:014x}"


class Prometheus:
    """On a port that was free a moment ago: tried again where somebody else has it by now."""

    def __init__(self, target, features):
        self.folder = tempfile.TemporaryDirectory()
        with open(f"{self.folder.name}/prometheus.yml", "w", encoding="utf-8") as config:
            config.write("global: {scrape_interval: 200ms, scrape_timeout: 200ms}\n"
                         f"scrape_configs: [{{job_name: e2e, static_configs: [{{targets: ['{target}']}}]}}]\n")
        for _ in range(3):
            with socket.socket() as found:
                found.bind(("127.0.0.1", 0))
                port = found.getsockname()[1]
            self.process = subprocess.Popen(
                ["prometheus", f"--config.file={self.folder.name}/prometheus.yml", "--log.level=error",
                 f"--storage.tsdb.path={self.folder.name}/tsdb", f"--web.listen-address=127.0.0.1:{port}",
                 f"--enable-feature={features}"], stderr=subprocess.DEVNULL)
            self.base = f"http://127.0.0.1:{port}"
            try:
                until(lambda: self.ready(target), 30)
                return
            except AssertionError:
                self.process.kill()
                self.process.wait()
        raise AssertionError("Prometheus does not start, or does not scrape")

    def ready(self, target):
        try:
            equal(number(self.base, f'up{{instance="{target}"}}'), 1, "up")
        except OSError as error:
            raise AssertionError(str(error)) from error

    def __enter__(self):
        return self.base

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.folder.cleanup()


def content_type(target, accept):
    request = urllib.request.Request(f"http://{target}/metrics", headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=10) as response:
        return response.headers["Content-Type"]


def by_protobuf(report, target):
    with Prometheus(target, "native-histograms,exemplar-storage") as base:
        def native(name):
            found = query(base, name)
            equal((len(found), list(found[0])), (1, ["metric", "histogram"]), f"what {name} is")
            return found[0]["histogram"][1]

        def quantiles():
            for q in (0.1, 0.5, 0.9, 0.99):  # a bucket is 2^(1/8) wide; of the wide one, merged, 2^(1/4)
                near(base, f"histogram_quantile({q}, e2e_took_seconds)", q, 0.09)
                near(base, f"histogram_quantile({q}, e2e_wide_seconds)", q, 0.19)
            near(base, "histogram_quantile(1, e2e_wide_seconds)", 60, 0.19)  # above the range: in its last bucket
            near(base, "histogram_fraction(0, 0.2, e2e_took_seconds)", 0.2, 0.09)

        def numbers():
            equal(number(base, "histogram_count(e2e_took_seconds)"), 1000, "count")
            equal(number(base, "histogram_sum(e2e_took_seconds)"), 500.5, "sum")
            equal(number(base, "histogram_count(e2e_wide_seconds)"), 1001, "count of the wide one")
            equal(number(base, "e2e_done_total"), 1000, "the counter")
            equal(number(base, 'e2e_classic_seconds_bucket{le="0.5"}'), 500, "the classic one's bucket")
            equal(number(base, "weir_slo_threshold"), 0.2, "the threshold")
            equal(number(base, "target_info"), 1, "target_info")

        def buckets():
            """Prometheus' own bounds: each holds the whole milliseconds that lie in it."""
            for low, high, count in ((float(b[1]), float(b[2]), float(b[3])) for b in native("e2e_took_seconds")["buckets"]):
                if high <= 1 and low > 0.001:
                    equal(count, sum(low < ms / 1000 <= high for ms in range(1, 1001)), f"count in ({low}, {high}]")

        report.case("native_histogram.is_native", lambda: until(lambda: native("e2e_took_seconds"), 20))
        report.case("native_histogram.buckets_are_where_they_were", buckets)
        report.case("native_histogram.quantiles", quantiles)
        report.case("native_histogram.numbers", numbers)
        def has_exemplars():
            """Of a native histogram Prometheus 2.42 takes one, later ones all."""
            equal([exemplars(base, name) for name in ("e2e_classic_seconds_bucket", "e2e_done_total")],
                  [{ids(3): 0.3}, {ids(4): 7}], "exemplars")
            got = exemplars(base, "e2e_took_seconds")
            equal((ids(1) in got, got.items() <= {ids(1): 0.15, ids(2): 0.85}.items()), (True, True), f"exemplars {got}")

        report.case("native_histogram.exemplars", lambda: until(has_exemplars, 20))


def by_openmetrics(report, target):
    with Prometheus(target, "exemplar-storage") as base:
        report.case("openmetrics.exemplars", lambda: until(lambda: equal(
            [exemplars(base, name) for name in ("e2e_took_seconds_bucket", "e2e_classic_seconds_bucket", "e2e_done_total")],
            [{ids(1): 0.15, ids(2): 0.85}, {ids(3): 0.3}, {ids(4): 7}], "exemplars"), 20))
        report.case("openmetrics.threshold_is_a_bucket", lambda: equal(
            number(base, 'e2e_took_seconds_bucket{le="0.2"}'), 200, "up to the threshold"))


def main():
    report = Report()
    if shutil.which("prometheus") is None:
        print("skip native_histogram: prometheus is not installed")
        return 0
    with subprocess.Popen([f"{os.environ['WEIR_BUILD']}/test/native_histogram"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as process:
        try:
            line = read_line(process.stdout, 10)
            target = re.fullmatch(r"metrics (127\.0\.0\.1:[1-9][0-9]*)\n", line)[1]
            report.case("native_histogram.content_type", lambda: equal(
                content_type(target, DELIMITED.replace(" ", "")), DELIMITED, "Content-Type"))
            by_protobuf(report, target)
            by_openmetrics(report, target)
        finally:
            process.stdin.close()
        report.case("native_histogram.target_ends", lambda: equal(process.wait(10), 0, "its exit code"))
    return report.code()


sys.exit(main())
