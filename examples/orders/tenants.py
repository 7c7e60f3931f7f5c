#!/usr/bin/env python3
"""The table of examples/run.sh --tenants, and its check: no good request was refused, and every bad one was.

    tenants.py LOAD METRICS

LOAD holds tenants.lua's line, METRICS what /metrics said after it. Ends with 1 where the two do not agree.
"""

import re
import sys

from report import Histogram, head, read, samples, span

REASONS = {  # what tenants.lua sends, what it is refused for, and with which code
    "expired": ("expired", 401), "forged": ("bad_signature", 401), "missing": ("missing", 401), "reader": ("forbidden", 403),
    "headerless": ("header_missing", 400)}


def time_at(histogram, q):
    at, (low, high) = histogram.quantile(q), histogram.edges(histogram.bucket(q))
    return f"> {span(low)}" if at is None else span(at) if low > 0 else f"< {span(high)}"


def by_tenant(text, seconds):
    head(f"{'requests by tenant':<24}{'count':>12}{'a second':>12}{'refused':>12}{'p50':>12}{'p99':>12}")
    refused, counts = {}, {}
    for labels, value in samples(text, "orders_refusals_total"):
        refused[labels["tenant"]] = refused.get(labels["tenant"], 0) + value
    for labels, value in samples(text, "orders_tenant_requests_total"):
        counts[labels["tenant"]] = counts.get(labels["tenant"], 0) + value
    for tenant in sorted(counts, key=lambda t: (t in ("anonymous", "other"), -counts[t])):
        if counts[tenant] == 0:
            continue
        histogram = Histogram(text, "orders_tenant_request_duration_seconds", tenant=tenant)
        shown = [time_at(histogram, q) for q in (0.5, 0.99)]
        print(f"{tenant:<24}{counts[tenant]:>12,.0f}{counts[tenant] / seconds:>12,.0f}{refused.get(tenant, 0):>12,.0f}{shown[0]:>12}{shown[1]:>12}")
    return sum(counts.values())


def by_reason(text, load):
    head(f"{'refusals by reason':<24}{'code':>6}  {'tenant':<16}{'count':>12}")
    found = {}
    for labels, value in sorted(samples(text, "orders_refusals_total"), key=lambda s: (s[0]["reason"], s[0]["tenant"])):
        reason = labels["reason"]
        if value == 0:
            continue
        code = next((str(c) for r, c in REASONS.values() if r == reason), "401")
        print(f"{reason:<24}{code:>6}  {labels['tenant']:<16}{value:>12,.0f}")
        found[reason] = found.get(reason, 0) + value
    wrong = [f"{reason}: sent {load.get('sent_' + kind, 0):,}, counted {found.get(reason, 0):,.0f}"
             for kind, (reason, _) in REASONS.items() if load.get("sent_" + kind, 0) != found.get(reason, 0)]
    return wrong + [f"{reason}: {found[reason]:,.0f}" for reason in found.keys() - {reason for reason, _ in REASONS.values()}]


def main():
    line = re.search(r"^load (.*)$", read(sys.argv[1]), re.M)
    load = {name: int(value) for name, value in (pair.split("=") for pair in line[1].split())} if line else {}
    if not load.get("requests"):
        sys.exit("wrk got no answer")
    text = read(sys.argv[2])
    by_tenant(text, load["duration_us"] / 1e6)
    wrong = by_reason(text, load)
    for status in (400, 401, 403):
        asked = sum(load.get("sent_" + kind, 0) for kind, (_, code) in REASONS.items() if code == status)
        if load.get(f"status_{status}", 0) != asked:
            wrong.append(f"{status}: {asked:,} asked for it, {load.get(f'status_{status}', 0):,} got it")
    wrong += [f"{status[7:]}: {n:,}" for status, n in load.items() if status[:7] == "status_" and status[7:] not in ("200", "201", "400", "401", "403")]
    first, second = load.get("sent_good_1", 0), load.get("sent_good_2", 0)
    if not first or not second:
        wrong.append(f"good requests by the first key: {first:,}, by the second: {second:,}")
    head("key rotation")
    print(f"good requests by the first key {first:,}, by the second {second:,}; "
          + ("NOT AS IT SHOULD BE: " + "; ".join(wrong) if wrong else "0 of them refused, and every bad one for its reason"))
    return bool(wrong)


sys.exit(main())
