#!/usr/bin/env python3
"""The table of examples/run.sh.

    report.py LOAD [METRICS [ROUNDS]]

LOAD holds load.lua's line; METRICS what /metrics said after it, "" where telemetry was off; ROUNDS a line for each round
of the comparison with orders-bare: NAME REQUESTS MICROSECONDS CPU_NANOSECONDS.
"""

import bisect
import re
import statistics
import sys

BOLD, PLAIN = ("\033[1m", "\033[0m") if sys.stdout.isatty() else ("", "")


def head(text):
    print(f"\n{BOLD}{text}{PLAIN}")


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def span(seconds):
    """A time as people say it: 5 ms, 0.12 ms, 2.5 s."""
    if seconds >= 1:
        return f"{seconds:g} s"
    return f"{seconds * 1000:.0f} ms" if seconds >= 0.0995 else f"{seconds * 1000:.3g} ms"


def samples(text, name):
    """[({label: value}, number)] of one name."""
    found = []
    for labels, value in re.findall(rf"^{name}(?:\{{(.*)\}})? (\S+)$", text, re.M):
        found.append((dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels)), float(value)))
    return found


class Histogram:
    """All series of it that have these labels together: bounds, and what is at most each of them."""

    def __init__(self, text, name="http_request_duration_seconds", **having):
        at_most = {}
        for labels, value in samples(text, f"{name}_bucket"):
            if not having.items() <= labels.items():
                continue
            bound = float(labels["le"])
            at_most[bound] = at_most.get(bound, 0) + value
        self.bounds = sorted(at_most)
        self.at_most = [at_most[bound] for bound in self.bounds]
        self.count = self.at_most[-1]

    def bucket(self, q):
        return bisect.bisect_left(self.at_most, q * self.count)

    def bucket_of(self, seconds):
        return bisect.bisect_left(self.bounds, seconds)

    def edges(self, i):
        return (self.bounds[i - 1] if i > 0 else 0.0), self.bounds[i]

    def quantile(self, q):
        """Evenly spread within its bucket, as PromQL's histogram_quantile takes it; None above the last bound."""
        i = self.bucket(q)
        low, high = self.edges(i)
        if high == float("inf"):
            return None
        below = self.at_most[i - 1] if i > 0 else 0
        return low + (high - low) * (q * self.count - below) / (self.at_most[i] - below)


def requests_table(text, load):
    seconds = load["duration_us"] / 1e6
    rows = [(labels["route"], labels["method"], labels["code"], value)
            for labels, value in samples(text, "http_requests_total") if value > 0]
    rows.sort(key=lambda row: (row[0] == "other", row[0], row[1], row[2]))
    total = sum(row[3] for row in rows)
    head(f"{'requests':<24}{'method':<8}{'code':<6}{'count':>12}{'a second':>12}")
    for route, method, code, value in rows:
        print(f"{route:<24}{method:<8}{code:<6}{value:>12,.0f}{value / seconds:>12,.0f}")
    print(f"{'all':<38}{total:>12,.0f}{total / seconds:>12,.0f}")
    late = total - load["requests"]
    print(f"wrk counts {load['requests']:,} answers" + (f"; {late:,.0f} more were under way when it stopped" if late else ""))


def latency_table(histogram, load):
    apart = []
    head(f"{'time to answer':<24}{'weir':>10}  {'its bucket':<20}{'wrk':>10}")
    for p in (50, 95, 99):
        i, wrk = histogram.bucket(p / 100), load[f"p{p}_us"] / 1e6
        low, high = histogram.edges(i)
        at = histogram.quantile(p / 100)
        if high == float("inf"):
            value, edges = f"> {span(low)}", f"over {span(low)}"
        else: # within the lowest bucket there is nothing to tell a time by
            value = span(at) if i > 0 else f"< {span(high)}"
            edges = f"{span(low)} to {span(high)}" if i > 0 else f"up to {span(high)}"
        apart.append(abs(histogram.bucket_of(wrk) - i))
        verdict = {0: "the same bucket", 1: "one bucket apart"}.get(apart[-1], f"{apart[-1]} BUCKETS APART")
        print(f"{'p' + str(p):<24}{value:>10}  {edges:<20}{span(wrk):>10}  {verdict}")
    print("weir and wrk agree within one bucket (wrk's time without the samples that it adds: load.lua)" if max(apart) <= 1 else
          "weir and wrk DO NOT agree within one bucket: the machine was too busy for wrk to keep its own time")


def slo_table(text, histogram):
    objective = samples(text, "weir_slo_objective_ratio")[0][1]
    threshold = samples(text, "weir_slo_threshold")[0][1]
    good = histogram.at_most[histogram.bounds.index(threshold)]
    allowed, bad = (1 - objective) * histogram.count, histogram.count - good
    left = 1 - bad / allowed
    full = max(0, min(20, round(left * 20)))
    head("SLO")
    print(f"{f'{objective * 100:g} % within {span(threshold)}':<24}{good / histogram.count * 100:.3f} % were: "
          f"{bad:,.0f} of {histogram.count:,.0f} were slower, {allowed:,.0f} may be")
    print(f"{'error budget':<24}[{'#' * full}{'.' * (20 - full)}] "
          + (f"{left * 100:.0f} % left" if left >= 0 else f"spent {1 - left:.1f} times over"))


def cost_table(text):
    rounds = {"orders": [], "orders-bare": []}
    for line in text.splitlines():
        name, *numbers = line.split()
        requests, micros, cpu = map(int, numbers)
        if requests == 0 or micros == 0: # a machine so busy that wrk got nowhere in its second
            continue
        rounds[name].append((cpu / requests / 1000, requests / micros * 1e6, cpu / micros / 10))
    head(f"{'what telemetry costs':<24}{'CPU a request':>16}{'requests a second':>20}{'core busy':>12}")
    if not all(rounds.values()):
        print("not to be told: the machine was too busy for a single round")
        return
    middle = {}
    for name, label in (("orders-bare", "without (orders-bare)"), ("orders", "with (orders)")):
        middle[name] = [statistics.median(column) for column in zip(*rounds[name])]
        cpu, rate, busy = middle[name]
        print(f"{label:<24}{cpu:>13.2f} us{rate:>20,.0f}{busy:>10.0f} %")
    more = middle["orders"][0] - middle["orders-bare"][0]
    ratio = middle["orders"][1] / middle["orders-bare"][1]
    bare = [cpu for cpu, _, _ in rounds["orders-bare"]]
    print(f"{'difference':<24}{more:>+13.2f} us{ratio:>19.3f}x")
    print(f"medians of {len(bare)} rounds each, one thread; rounds of orders-bare alone differ by {max(bare) - min(bare):.2f} us")
    if min(busy for _, _, busy in middle.values()) < 95:
        print("the core was not kept busy, by wrk or by others: requests a second say little here, CPU a request says more")


def main():
    path, metrics, rounds = (sys.argv[1:] + ["", ""])[:3]
    line = re.search(r"^load (.*)$", read(path), re.M)
    load = {name: int(value) for name, value in (pair.split("=") for pair in line[1].split())} if line else {}
    if not load.get("requests"):
        sys.exit("wrk got no answer")
    if metrics:
        text = read(metrics)
        histogram = Histogram(text)
        requests_table(text, load)
        latency_table(histogram, load)
        slo_table(text, histogram)
    else:
        head(f"{'telemetry is off':<24}{'by wrk alone':>10}")
        print(f"{'answers':<24}{load['requests']:>12,}{load['requests'] / load['duration_us'] * 1e6:>12,.0f} a second")
        for p in (50, 95, 99):
            print(f"{'p' + str(p):<24}{span(load[f'p{p}_us'] / 1e6):>12}")
    if load["failed"]:
        print(f"{load['failed']} connections failed or timed out")
    if rounds:
        cost_table(read(rounds))


if __name__ == "__main__":
    main()
