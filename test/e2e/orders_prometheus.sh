#!/usr/bin/env bash
# A client sends exactly N requests to orders, a real Prometheus scrapes it: N is the sum of the counters, the histogram's
# count, and what Prometheus answers.
set -euo pipefail
if ! command -v prometheus >/dev/null; then
	echo "skip orders_prometheus: prometheus is not installed"
	exit 0
fi
export PYTHONPATH=$WEIR_ROOT/test/integration PYTHONDONTWRITEBYTECODE=1
exec python3 - <<'PY'
import collections
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from orders_service import Orders, Report, equal, total, until

SENT = [("GET", "/api/v1/orders/5", None), ("GET", "/api/v1/orders/888888888", None), ("GET", "/healthz", None),
        ("POST", "/api/v1/orders", '{"item":"tea","quantity":2}'), ("POST", "/api/v1/orders", "tea"), ("DELETE", "/none", None)]
ROUNDS = 500
N = ROUNDS * len(SENT)
report = Report()


def query(base, text):
    url = f"{base}/api/v1/query?" + urllib.parse.urlencode({"query": text})
    with urllib.request.urlopen(url, timeout=10) as response:
        return [(sample["metric"], float(sample["value"][1])) for sample in json.load(response)["data"]["result"]]


def number(base, text):
    found = query(base, text)
    equal(len(found), 1, f"answers to {text}")
    return found[0][1]


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=1) as response:
            equal(response.status, 200, url)
    except OSError as error:
        raise AssertionError(str(error)) from error


def start_prometheus(folder, target):
    """On a port that was free a moment ago: tried again where somebody else has it by now."""
    with open(f"{folder}/prometheus.yml", "w", encoding="utf-8") as config:
        config.write("global: {scrape_interval: 200ms, scrape_timeout: 200ms}\n"
                     f"scrape_configs: [{{job_name: orders, static_configs: [{{targets: ['{target}']}}]}}]\n")
    for _ in range(3):
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            port = found.getsockname()[1]
        process = subprocess.Popen(
            ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb",
             f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"], stderr=subprocess.DEVNULL)
        base = f"http://127.0.0.1:{port}"
        try:
            until(lambda: answers(f"{base}/-/ready"), 30)
            return process, base
        except AssertionError:
            process.kill()
            process.wait()
    raise AssertionError("Prometheus does not start")


with tempfile.TemporaryDirectory() as folder, Orders("--fail-ppm", "20000") as orders:
    process, base = start_prometheus(folder, orders.metrics)
    try:
        until(lambda: equal(number(base, "up"), 1, "up"), 30)
        seen, connection = collections.Counter(), orders.connect()
        for _ in range(ROUNDS):
            for method, path, body in SENT:
                seen[str(orders.ask(method, path, body, connection)[0])] += 1
        connection.close()
        metrics = orders.scrape()
        report.case("orders_prometheus.n_requests_counted",
                    lambda: equal((seen.total(), total(metrics, "http_requests_total")), (N, N), "sent, counted"))
        report.case("orders_prometheus.n_requests_measured",
                    lambda: equal(total(metrics, "http_request_duration_seconds_count"), N, "count of the histogram"))

        def prometheus_says():
            for text in ("sum(http_requests_total)", "sum(http_request_duration_seconds_count)",
                         'sum(http_request_duration_seconds_bucket{le="+Inf"})'):
                until(lambda: equal(number(base, text), N, text), 20)
            got = {labels["code"]: value for labels, value in query(base, "sum by (code) (http_requests_total) > 0")}
            equal(got, dict(seen), "by code")

        report.case("orders_prometheus.n_requests_in_prometheus", prometheus_says)
        report.case("orders_prometheus.slo_in_prometheus", lambda: equal(
            (number(base, "weir_slo_objective_ratio"), number(base, "weir_slo_threshold"),
             number(base, 'sum(http_request_duration_seconds_bucket{le="0.2"}) / sum(http_request_duration_seconds_count)')),
            (0.995, 0.2, total(metrics, "http_request_duration_seconds_bucket", le="0.2") / N), "objective, threshold, share"))
    finally:
        process.terminate()
        process.wait()
sys.exit(report.code())
PY
