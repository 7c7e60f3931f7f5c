#!/usr/bin/env python3
"""Asks the servers of examples/run.sh: for a free port, until one is ready, for metrics, and Prometheus in PromQL.

    ask.py port                          a port that is free on 127.0.0.1
    ask.py ready URL SECONDS             until it answers 200
    ask.py scraped BASE                  until Prometheus has scraped all its targets
    ask.py metrics URL FILE              orders' metrics, as soon as no request is under way
    ask.py prometheus BASE FILE RANGE AT once it has what stands in FILE: three answers, over RANGE seconds up to AT
"""

import json
import re
import socket
import sys
import time
import urllib.parse
import urllib.request


def get(url):
    with urllib.request.urlopen(url, timeout=5) as response:
        return response.read().decode()


def port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        print(found.getsockname()[1])


def ready(url, seconds):
    end = time.monotonic() + float(seconds)
    while True:
        try:
            get(url)
            return
        except OSError as error:
            if time.monotonic() > end:
                sys.exit(f"{url} does not answer: {error}")
            time.sleep(0.05)


def metrics(url, path):
    end = time.monotonic() + 5
    while True:
        text = get(url)
        if re.search(r"^http_requests_in_flight 0$", text, re.M) or time.monotonic() > end:
            break
        time.sleep(0.15)
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)


def query(base, text, at=None):
    parameters = {"query": text} | ({"time": at} if at else {})
    answer = json.loads(get(f"{base}/api/v1/query?{urllib.parse.urlencode(parameters)}"))
    return [(sample["metric"], float(sample["value"][1])) for sample in answer["data"]["result"]]


def scraped(base):
    end = time.monotonic() + 15
    while not (up := query(base, "up")) or any(value != 1 for _, value in up):
        if time.monotonic() > end:
            sys.exit("Prometheus does not scrape orders")
        time.sleep(0.1)


def prometheus(base, path, seconds, at):
    with open(path, encoding="utf-8") as metrics_file:
        sent = sum(int(n) for n in re.findall(r"^http_requests_total\{.*\} (\d+)$", metrics_file.read(), re.M))
    end = time.monotonic() + 10
    while (seen := sum(v for _, v in query(base, "sum(http_requests_total)"))) != sent and time.monotonic() < end:
        time.sleep(0.2)
    window = f"[{seconds}s]"
    print(f"Prometheus has {seen:,.0f} requests; orders counted {sent:,}. Of the {seconds} s of load it says:")
    asked = f"sum by (route) (rate(http_requests_total{window}))"
    print(f"\n  {asked}")
    for labels, value in sorted(query(base, asked, at), key=lambda sample: -sample[1]):
        print(f"    {labels['route']:<24}{value:>10,.1f} a second")
    asked = f"histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket{window})))"
    print(f"\n  {asked}")
    for _, value in query(base, asked, at):
        print(f"    {value * 1000:.1f} ms")
    asked = (f'sum(rate(http_request_duration_seconds_bucket{{le="0.2"}}{window}))'
             f" / sum(rate(http_request_duration_seconds_count{window}))")
    print(f"\n  {asked}")
    for _, value in query(base, asked, at):
        print(f"    {value * 100:.3f} % within the SLO")
    if seen != sent:
        sys.exit("Prometheus has not seen all requests within 10 s")


{"port": port, "ready": ready, "scraped": scraped, "metrics": metrics, "prometheus": prometheus}[sys.argv[1]](*sys.argv[2:])
