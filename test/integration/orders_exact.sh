#!/usr/bin/env bash
# orders: a client sends exactly N requests: N is the sum of the counters, the histogram's count, and each route's own.
set -euo pipefail
export PYTHONPATH=$WEIR_ROOT/test/integration PYTHONDONTWRITEBYTECODE=1
exec python3 - <<'PY'
import collections
import sys
import threading
from orders_service import Orders, Report, equal, total, until

report = Report()
ORDER, ORDERS = "/api/v1/orders/{id}", "/api/v1/orders"
SENT = [("GET", f"{ORDERS}/5", None, ORDER), ("GET", f"{ORDERS}/888888888", None, ORDER), ("HEAD", "/healthz", None, "/healthz"),
        ("GET", "/healthz", None, "/healthz"), ("POST", ORDERS, '{"item":"tea","quantity":2}', ORDERS),
        ("POST", ORDERS, "tea", ORDERS), ("POST", ORDERS, "t" * 3000, ORDERS), ("DELETE", ORDERS, None, ORDERS),
        ("GET", "/wp-login.php", None, "other"), ("BREW", "/coffee", None, "other")]


def exact():
    seen, lock = collections.Counter(), threading.Lock()
    with Orders("--threads", "4", "--fail-ppm", "50000") as orders:
        def client(rounds):
            mine, connection = collections.Counter(), orders.connect()
            for _ in range(rounds):
                for method, path, body, route in SENT:
                    status, _, _ = orders.ask(method, path, body, connection)
                    mine[method if method != "BREW" else "other", route, str(status)] += 1
            connection.close()
            with lock:
                seen.update(mine)

        threads = [threading.Thread(target=client, args=(40 + i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        sent = len(SENT) * sum(40 + i for i in range(8))
        equal(seen.total(), sent, "answers")
        metrics = orders.scrape()
        for (method, route, code), count in seen.items():
            equal(total(metrics, "http_requests_total", method=method, route=route, code=code), count, f"{method} {route} {code}")
        equal(total(metrics, "http_requests_total"), sent, "sum of the counters")
        equal(total(metrics, "http_request_duration_seconds_count"), sent, "count of the histogram")
        equal(total(metrics, "http_request_duration_seconds_bucket", le="+Inf"), sent, "its last bucket")
        for route in (ORDER, ORDERS, "/healthz", "other"):
            equal(total(metrics, "http_request_duration_seconds_count", route=route),
                  sum(n for (_, r, _), n in seen.items() if r == route), f"count of {route}")
        if not any(code == "500" for _, _, code in seen):
            raise AssertionError("the store never failed")
        equal(total(metrics, "http_requests_in_flight"), 0, "in flight")
        equal(total(metrics, "orders_stored"), 10240 + seen["POST", ORDERS, "201"], "stored")
        equal(total(metrics, "weir_dropped_records_total"), 0, "dropped")
        equal(total(metrics, "orders_build_info"), 1, "build info")


def slow_is_measured():
    with Orders("--threads", "1", "--slow-ppm", "1000000") as orders:
        for _ in range(3):
            equal(orders.ask("GET", "/api/v1/orders/5")[0], 200, "status")
        metrics = orders.scrape()
        equal(total(metrics, "http_request_duration_seconds_bucket", route=ORDER, le="0.01"), 0, "faster than 10 ms")
        equal(total(metrics, "http_request_duration_seconds_count", route=ORDER), 3, "count")


def gone_client_is_counted():
    with Orders("--threads", "1") as orders:
        connection = orders.connect()
        connection.putrequest("POST", ORDERS)
        connection.putheader("Content-Length", "100")
        connection.endheaders(b"half")
        until(lambda: equal(total(orders.scrape(), "http_requests_in_flight"), 1, "in flight"))
        connection.close()
        until(lambda: equal(total(orders.scrape(), "http_requests_total", route=ORDERS, code="499"), 1, "counted"))
        metrics = orders.scrape()
        equal(total(metrics, "http_request_duration_seconds_count", route=ORDERS), 1, "measured")
        equal(total(metrics, "http_requests_in_flight"), 0, "in flight")


def known_from_the_start():
    with Orders() as orders:
        metrics = orders.scrape()
        for method, route, code in (("GET", ORDER, "200"), ("GET", ORDER, "500"), ("POST", ORDERS, "201"), ("GET", "other", "404")):
            key = ("http_requests_total", ("code", code), ("method", method), ("route", route))
            equal(metrics.get(key), 0, str(key))


def off_is_off():
    with Orders("--telemetry", "off", telemetry=False) as orders:
        equal(orders.ask("GET", "/api/v1/orders/5")[0], 200, "status")
        with open(f"/proc/{orders.process.pid}/maps", encoding="utf-8") as maps:
            if "memfd:" in maps.read():
                raise AssertionError("cells are there")
        code, _ = orders.end()
        equal((code, orders.process.stderr.read()), (0, b""), "code and standard error")


report.case("orders_exact.n_requests_are_n", exact)
report.case("orders_exact.slow_is_measured", slow_is_measured)
report.case("orders_exact.gone_client_is_counted", gone_client_is_counted)
report.case("orders_exact.known_series_from_the_start", known_from_the_start)
report.case("orders_exact.telemetry_off_records_nothing", off_is_off)
sys.exit(report.code())
PY
