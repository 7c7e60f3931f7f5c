#!/usr/bin/env python3
"""What the OTEL_ variables do to a whole service, as a receiver sees it: where it sends, how, what, how much at a time, and
who it says it is."""
import pathlib
import sys
import time
import urllib.request

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import otlp_server
import otlp_wire
from traces import Service, run_cases, same, wait_for

NOWHERE = "http://127.0.0.1:1"
CASES = []


def case(function):
    CASES.append(function)
    return function


def sent(variables, requests=10, expected="WEIR_OK", **options):
    """(server, service's lost spans, log) after so many requests and a flush."""
    with otlp_server.Server("ok") as server:
        env = {k: v.replace("URL", server.url) for k, v in {"OTEL_EXPORTER_OTLP_ENDPOINT": "URL", **variables}.items()}
        with Service(env=env, **options) as s:
            same(s.started, "WEIR_OK")
            s.ask(f"requests {requests}")
            same(s.flush(8000), expected)
            return server, s.lost(), s.text()


# ---- where and how ---------------------------------------------------------------------------------------------------
@case
def endpoint_headers_compression():
    server, _, log = sent({"OTEL_EXPORTER_OTLP_ENDPOINT": "URL/base/", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
                           "OTEL_EXPORTER_OTLP_HEADERS": "api-key=k%20ey,tenant=7"})
    same(sorted({r["path"] for r in server.requests()}), ["/base/v1/metrics", "/base/v1/traces"])
    for r in server.requests():
        h = r["headers"]
        same([h.get("api-key"), h.get("tenant"), h.get("content-encoding"), r["error"]], ["k ey", "7", "gzip", None])
    same([len(server.spans("/base/v1/traces")), "k ey" in log], [20, False])


@case
def traces_have_their_own():
    server, *_ = sent({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "URL/just/here", "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION": "gzip",
                       "OTEL_EXPORTER_OTLP_HEADERS": "who=all", "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "who=traces"})
    seen = {(r["path"], r["headers"].get("content-encoding"), r["headers"]["who"]) for r in server.requests()}
    same(seen, {("/just/here", "gzip", "traces"), ("/v1/metrics", None, "all")})


@case
def options_win():
    with otlp_server.Server("ok") as server, otlp_server.Server("ok") as other:
        with Service(env={"OTEL_EXPORTER_OTLP_ENDPOINT": other.url, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": other.url + "/x"},
                     endpoint=server.url) as s:
            s.ask("requests 1")
            same(s.flush(8000), "WEIR_OK")
        same([len(server.spans()), len(server.points()) > 0, other.requests()], [2, True, []])


@case
def timeout():
    """Of one attempt: the next one comes after it, and after a pause."""
    with otlp_server.Server("accept_never_answer", times=1) as server:
        env = {"OTEL_EXPORTER_OTLP_ENDPOINT": server.url, "OTEL_EXPORTER_OTLP_TIMEOUT": "300", "OTEL_METRICS_EXPORTER": "none"}
        with Service(env=env) as s:
            s.ask("requests 1")
            same(s.flush(8000), "WEIR_OK")
        first, second = server.requests()
        same([first["sha256"] == second["sha256"], 0.3 <= second["arrived"] - first["arrived"] < 5], [True, True])


@case
def timeout_is_counted():
    """The server holds its answer: each attempt ends at the limit, is told, counted as one to be made again, and loses nothing."""
    for variable, signal in (("OTEL_EXPORTER_OTLP_TIMEOUT", "traces"), ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "traces"),
                             ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "metrics")):
        with otlp_server.Server("delay", 5, times=2) as server:
            other = "OTEL_TRACES_EXPORTER" if signal == "metrics" else "OTEL_METRICS_EXPORTER"
            with Service(env={"OTEL_EXPORTER_OTLP_ENDPOINT": server.url, variable: "200", other: "none"}) as s:
                s.ask("requests 10")
                began = time.monotonic()
                same(s.flush(500), "WEIR_ETIMEOUT", variable)
                same(s.flush(15000), "WEIR_OK", variable)
                same(time.monotonic() - began < 4, True, "it did not wait for the answers:")
                retries = [int(float(l.split()[-1])) for l in s.lines("weir_otlp_retries_total") if signal in l]
                same([retries, s.lost(), "will be tried again: " in s.text()], [[2], 0, True], variable)
            same(len({r["sha256"] for r in server.requests()[:3]}), 1, "the same, three times:")


@case
def timeout_of_zero_is_none():
    with otlp_server.Server("delay", 2, times=1) as server:
        env = {"OTEL_EXPORTER_OTLP_ENDPOINT": server.url, "OTEL_EXPORTER_OTLP_TIMEOUT": "0", "OTEL_METRICS_EXPORTER": "none"}
        with Service(env=env) as s:
            s.ask("requests 10")
            same([s.flush(10000), s.lost(), len(server.requests())], ["WEIR_OK", 0, 1])


@case
def a_batchs_timeout_is_not_the_servers():
    """OTEL_BSP_EXPORT_TIMEOUT is how long an exporter may take over a batch: weir-otlp takes it at once."""
    with otlp_server.Server("delay", 0.5) as server:
        env = {"OTEL_EXPORTER_OTLP_ENDPOINT": server.url, "OTEL_BSP_EXPORT_TIMEOUT": "1", "OTEL_METRICS_EXPORTER": "none"}
        with Service(env=env) as s:
            s.ask("requests 100")
            same([s.flush(10000), s.lost(), s.status()["exports_failed"], len(server.spans())], ["WEIR_OK", 0, 0, 200])


@case
def what_is_refused():
    for variable, value, expected in (("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "WEIR_EUNSUPPORTED"),
                                      ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json", "WEIR_EUNSUPPORTED"),
                                      ("OTEL_EXPORTER_OTLP_ENDPOINT", "no url at all", "WEIR_EINVAL"),
                                      ("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://127.0.0.1/", "WEIR_EINVAL"),
                                      ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/no/such/file", "WEIR_EIO")):
        with Service(env={variable: value}) as s:
            same([s.started, variable in s.text() or value in s.text()], [expected, True], f"{variable}={value}")
            same(s.ask("requests 1"), "ok", "it works on without")


# ---- what is exported ------------------------------------------------------------------------------------------------
@case
def exporters_none():
    for variable, paths in (("OTEL_TRACES_EXPORTER", {"/v1/metrics"}), ("OTEL_METRICS_EXPORTER", {"/v1/traces"})):
        server, lost, _ = sent({variable: "none"})
        same([{r["path"] for r in server.requests()}, lost], [paths, 0], variable)
    for variables in ({"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"}, {"OTEL_SDK_DISABLED": "true"}):
        server, *_ = sent(variables)
        same(server.requests(), [], variables)


@case
def samplers():
    for sampler, argument, low, high in (("always_on", "", 1000, 1000), ("always_off", "", 0, 0),
                                         ("parentbased_always_on", "", 1000, 1000), ("parentbased_always_off", "", 0, 0),
                                         ("traceidratio", "0.25", 180, 320), ("parentbased_traceidratio", "0.5", 420, 580),
                                         ("traceidratio", "0", 0, 0), ("traceidratio", "1", 1000, 1000)):
        server, lost, _ = sent({"OTEL_TRACES_SAMPLER": sampler, "OTEL_TRACES_SAMPLER_ARG": argument}, 1000, queue=4000)
        spans = server.spans()
        traces = {}
        for s in spans:
            traces.setdefault(s["trace_id"], []).append(s)
        same([low <= len(traces) <= high, lost], [True, 0], f"{sampler} {argument}: {len(traces)} traces:")
        same({len(t) for t in traces.values()} <= {2}, True, "traces are whole:")
        same(server.points("service_requests_total")[-1]["value"], 1000, "metrics are not sampled:")
        if "ratio" in sampler and 0 < float(argument) < 1:
            same({s["trace_state"][:6] for s in spans}, {"ot=th:"}, "the threshold is told:")


@case
def batches():
    server, lost, _ = sent({"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "64", "OTEL_BSP_SCHEDULE_DELAY": "100"}, 500)
    sizes = [len(list(otlp_wire.spans(r))) for r in server.decoded("/v1/traces", otlp_wire.trace)]
    same([max(sizes), sum(sizes), lost], [64, 1000, 0])


@case
def delay():
    with otlp_server.Server("ok") as server:
        for ms, soon in ((60000, False), (100, True)):
            env = {"OTEL_EXPORTER_OTLP_ENDPOINT": server.url, "OTEL_BSP_SCHEDULE_DELAY": str(ms)}
            with Service(env=env) as s:
                time.sleep(0.3)
                server.clear()
                s.ask("requests 5")
                time.sleep(0.5)
                if not soon:
                    same(server.spans(), [], f"{ms} ms:")
                    s.ask("requests 300")  # over a batch: it does not wait
                wait_for(server.spans, 5, f"spans with {ms} ms")


@case
def queue():
    """What is over its size is dropped and counted, the rest arrives."""
    with otlp_server.Server("ok") as server:
        env = {"OTEL_EXPORTER_OTLP_ENDPOINT": server.url, "OTEL_BSP_MAX_QUEUE_SIZE": "64", "OTEL_BSP_SCHEDULE_DELAY": "60000",
               "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "64"}
        with Service(env=env, tick_ms=20) as s:
            s.ask("exporter 1500")  # nobody takes spans meanwhile
            time.sleep(0.2)
            s.ask("requests 500")
            s.flush(20000)
            same([len(server.spans()) + s.lost(), s.status()["dropped_spans_queue"] > 0], [1000, True])


@case
def metrics_interval():
    with otlp_server.Server("ok") as server:
        env = {"OTEL_EXPORTER_OTLP_ENDPOINT": server.url, "OTEL_METRIC_EXPORT_INTERVAL": "100"}
        with Service(env=env, tick_ms=20):
            wait_for(lambda: len(server.requests("/v1/metrics")) >= 4, 5, "metrics by themselves")


@case
def temporality():
    for preference, counter, histogram in (("cumulative", 2, 2), ("delta", 1, 1), ("lowmemory", 1, 1)):
        with otlp_server.Server("ok") as server:
            env = {"OTEL_EXPORTER_OTLP_ENDPOINT": server.url, "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": preference}
            with Service(env=env, interval_ms=100000) as s:
                for n in (10, 5):
                    s.ask(f"requests {n}")
                    same(s.flush(8000), "WEIR_OK")
            points = server.points("service_requests_total")
            same([p["value"] for p in points if p["value"]], [10, 15] if counter == 2 else [10, 5], preference)
            same({p["aggregation_temporality"] for p in points}, {counter}, preference)
            same({p["aggregation_temporality"] for p in server.points("service_request_seconds")}, {histogram}, preference)


@case
def weirs_own_health_in_both_exporters():
    """By one name in OTLP, by Prometheus' form of it on /metrics: spans, queue, retries, the time of an export."""
    with otlp_server.Server("status", 503, times=1) as server:
        with Service(env={"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": server.url + "/v1/traces", "OTEL_METRICS_EXPORTER": "none",
                          "OTEL_BSP_MAX_QUEUE_SIZE": "777"}, prometheus=1) as s:
            s.ask("requests 10")
            same(s.flush(8000), "WEIR_OK")
            with urllib.request.urlopen(f"http://127.0.0.1:{s.port}/metrics", timeout=10) as answer:
                lines = dict(line.rsplit(" ", 1) for line in answer.read().decode().splitlines() if line[:1] != "#")
        span = 'otel_component_type="otlp_http_span_exporter",otel_component_name="otlp_http_span_exporter/0"'
        wanted = {'otel_sdk_processor_span_processed_total{error_type=""}': 20, "otel_sdk_processor_span_queue_size": 0,
                  "otel_sdk_processor_span_queue_capacity": 777, "weir_spans_ended_total": 20,
                  f'otel_sdk_exporter_span_exported_total{{{span},error_type=""}}': 20,
                  f"otel_sdk_exporter_span_inflight{{{span}}}": 0,
                  'weir_otlp_retries_total{signal="traces"}': 1}
        same({k: float(lines.get(k, "nan")) for k in wanted}, wanted, "/metrics:")
        took = [float(v) for k, v in lines.items() if k.startswith("otel_sdk_exporter_operation_duration_seconds_count")
                and "span_exporter" in k]
        same(sum(took), 1, "operations:")
    with otlp_server.Server("ok") as server:
        with Service(env={"OTEL_EXPORTER_OTLP_ENDPOINT": server.url, "OTEL_BSP_MAX_QUEUE_SIZE": "777"}, interval_ms=100000) as s:
            s.ask("requests 10")
            same([s.flush(8000), s.flush(8000)], 2 * ["WEIR_OK"], "the second tells of the first:")
        newest = {p["metric"]: p for p in server.points()}
    missing = {"otel.sdk.processor.span.processed", "otel.sdk.processor.span.queue.size", "otel.sdk.processor.span.queue.capacity",
               "otel.sdk.exporter.span.exported", "otel.sdk.exporter.span.inflight", "otel.sdk.exporter.operation.duration",
               "weir_spans_ended_total"} - set(newest)
    same([missing, newest["otel.sdk.processor.span.queue.capacity"]["value"]], [set(), 777], "by OTLP:")
    same(newest["otel.sdk.exporter.span.exported"]["value"], 20)


# ---- who it is -------------------------------------------------------------------------------------------------------
@case
def resource():
    server, *_ = sent({"OTEL_SERVICE_NAME": "orders", "OTEL_RESOURCE_ATTRIBUTES":
                       "service.name=other,deployment.environment.name=te%20st,k8s.pod.name=p-1"})
    for found in server.spans() + server.points():
        r = found["resource"]
        same([r.get(k) for k in ("service.name", "deployment.environment.name", "k8s.pod.name", "telemetry.sdk.name")],
             ["orders", "te st", "p-1", "weir"])
        same(sorted(k for k in ("service.instance.id", "process.pid", "host.name", "telemetry.sdk.language") if k not in r), [])
    same(len({x["resource"]["service.instance.id"] for x in server.spans() + server.points()}), 1)
    server, *_ = sent({"OTEL_RESOURCE_ATTRIBUTES": "service.name=by-attribute,service.instance.id=me"})
    same([server.spans()[0]["resource"][k] for k in ("service.name", "service.instance.id")], ["by-attribute", "me"])


if __name__ == "__main__":
    sys.exit(run_cases("traces_environment", CASES, 3))
