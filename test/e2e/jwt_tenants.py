#!/usr/bin/env python3
"""Over a thousand tenants change places under a real Prometheus: its sum of rates is never above the pace at which requests were sent,
and at each scrape what is there and what has retired add up to all that was sent."""
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE), str(HERE.parent / "integration")]
from orders_service import Report, equal, parse, read_line, total, until  # noqa: E402

PROGRAM = f"{os.environ['WEIR_BUILD']}/test/jwt_tenants"
WAVES, TENANTS, WAVE_MS, PACE, WINDOW = 16, 80, 1500, 600, 3
SERIES = 'host_requests_total'
ALL = f'(sum({SERIES}) or vector(0)) + (sum(weir_series_retired_total{{metric="{SERIES}"}}) or vector(0))'
THERE = 'and on () (up == 1)'  # a scrape that a busy machine let time out says nothing
report = Report()


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Prometheus:
    def __init__(self, folder, target):
        pathlib.Path(f"{folder}/prometheus.yml").write_text(
            "global: {scrape_interval: 250ms, scrape_timeout: 250ms}\n"
            f"scrape_configs: [{{job_name: tenants, static_configs: [{{targets: ['{target}']}}]}}]\n")
        port = free_port()
        self.base = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb",
             f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"], stderr=subprocess.DEVNULL)

    def query(self, text, **more):
        url = f"{self.base}/api/v1/{'query_range' if more else 'query'}?" + urllib.parse.urlencode({"query": text, **more})
        with urllib.request.urlopen(url, timeout=20) as response:
            return json.load(response)["data"]["result"]

    def scrapes(self):
        try:
            equal([sample["value"][1] for sample in self.query("up")], ["1"], "up")
        except OSError as error:
            raise AssertionError(str(error)) from error

    def stop(self):
        self.process.kill()
        self.process.wait()


def scrape(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as response:
        return parse(response.read().decode())


def tenants(samples):
    return {dict(s[1:])["tenant"] for s in samples if s[0] == SERIES} - {"other", "anonymous"}


def everything(samples):
    return total(samples, SERIES) + total(samples, "weir_series_retired_total", metric=SERIES)


def run(folder):
    """What was sent, the last of /metrics, and Prometheus' answers."""
    service = subprocess.Popen([PROGRAM, str(WAVES), str(TENANTS), str(WAVE_MS), str(PACE)], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE)
    prometheus = None
    try:
        port = int(read_line(service.stdout, 10).split()[1])
        prometheus = Prometheus(folder, f"127.0.0.1:{port}")
        until(prometheus.scrapes, 30)
        began = time.time()
        service.stdin.write(b"\n")
        service.stdin.flush()
        sent = int(read_line(service.stdout, 3 * WAVES * WAVE_MS / 1000).split()[1])
        ended = time.time()
        # The last ones retire as well: idle for a second, looked after each second, shown for half of one.
        until(lambda: equal(tenants(scrape(port)), set(), "tenants that have not retired"), 20)
        time.sleep(0.6)  # two scrapes
        text = scrape(port)
        over = {"start": began, "end": ended, "step": "0.25"}
        answers = {
            "rates": prometheus.query(f"sum(rate({SERIES}[{WINDOW}s]))", **over),
            "stays": prometheus.query(f'{SERIES}{{tenant="stays"}}', **over),
            "all": prometheus.query(f"({ALL}) {THERE}", start=began, end=time.time(), step="0.25"),
            "pace": sent / (ended - began),
            "now": prometheus.query(ALL),
            "seen": prometheus.query(f"count(count by (tenant) (max_over_time({SERIES}[{int(time.time() - began) + 5}s])))"),
        }
        service.stdin.close()
        equal(service.wait(10), 0, "exit code")
        return sent, text, answers
    finally:
        if service.poll() is None:
            service.kill()
            service.wait()
        if prometheus:
            prometheus.stop()


def values(answer):
    return [float(value) for _, value in answer[0]["values"]]


def main():
    got = []
    with tempfile.TemporaryDirectory() as folder:
        report.case("jwt_tenants.the_service_ran", lambda: got.extend(run(folder)))
    if not got:
        return report.code()
    sent, text, answers = got

    def a_thousand_changed():
        seen = float(answers["seen"][0]["value"][1])
        if seen < 1000:
            raise AssertionError(f"Prometheus has seen {seen} tenants")
        equal(tenants(text), set(), "tenants that have not retired")

    def no_spike():
        rates = values(answers["rates"])
        if max(rates) > 1.2 * PACE:
            raise AssertionError(f"{max(rates):.0f} a second, where {PACE} were sent at most: {[round(r) for r in rates]}")
        if sorted(rates)[len(rates) // 2] < 0.5 * answers["pace"]:
            raise AssertionError(f"little was measured: {[round(r) for r in rates]}")

    def the_total_is_exact():
        equal(everything(text), sent, "what is there and what has retired")
        equal(float(answers["now"][0]["value"][1]), sent, "the same, by Prometheus")
        steps = values(answers["all"])
        if any(b < a for a, b in zip(steps, steps[1:])) or steps[-1] != sent:
            raise AssertionError(f"it went back, or did not come to {sent}: {steps}")

    def who_is_busy_stays():
        steps = values(answers["stays"])
        if any(b < a for a, b in zip(steps, steps[1:])):
            raise AssertionError(f"it went back: {steps}")
        equal(steps[-1] > sent / 3 - 3 * PACE, True, f"it has a third of the traffic: {steps[-1]} of {sent}")

    report.case("jwt_tenants.a_thousand_change_places", a_thousand_changed)
    report.case("jwt_tenants.no_sum_of_rates_shows_a_spike", no_spike)
    report.case("jwt_tenants.what_retired_and_what_is_there_is_all", the_total_is_exact)
    report.case("jwt_tenants.who_is_busy_keeps_the_series", who_is_busy_stays)
    return report.code()


if not os.path.exists(PROGRAM):
    print("skip jwt_tenants: built without WEIR_JWT or WEIR_PROMETHEUS")
    sys.exit(0)
if not shutil.which("prometheus"):
    print("skip jwt_tenants: prometheus is not installed")
    sys.exit(0)
sys.exit(main())
