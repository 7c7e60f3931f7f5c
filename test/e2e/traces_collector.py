#!/usr/bin/env python3
"""One of everything (traces_values.c) to a real Collector, and each value looked at in the JSON that it wrote; the same bytes
read by strangers: the Collector, protoc --decode_raw and otlp_wire.py find the same in them; and what weir reads back at
home are the Collector's sums."""
import math
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import collector
import otlp_server
import otlp_wire
from otlp_certificates import certificates
from traces import BUILD, clean_environment, run_cases, same, wait_for

LIMITS = {"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "20", "OTEL_SPAN_EVENT_COUNT_LIMIT": "3", "OTEL_SPAN_LINK_COUNT_LIMIT": "2",
          "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT": "4", "OTEL_RESOURCE_ATTRIBUTES": "from.environment=y%C3%A9s"}
INTS = [0, -1, (1 << 63) - 1, -(1 << 63)]
SPANS = 11
INTERNAL, SERVER = 1, 2
DELTA, CUMULATIVE = 1, 2
CASES = []


def case(function):
    CASES.append(function)
    return function


def record(url, **env):
    """What the program said: {name: [value, ...]}."""
    done = subprocess.run([BUILD / "test/traces_values"], capture_output=True, text=True, timeout=60,
                          env={**clean_environment(), **LIMITS, "OTEL_EXPORTER_OTLP_ENDPOINT": url, **env})
    same([done.returncode, done.stderr], [0, ""])
    said = {}
    for line in done.stdout.splitlines():
        name, value = line.split("=")
        said.setdefault(name, []).append(value)
    return said


def collected(**env):
    """(what it said, spans, points)"""
    with collector.Collector() as c:
        said = record(c.url, **env)
        c.wait_for(lambda: len(c.spans()) >= SPANS and len(c.points("values_level")) >= 3, 10)  # two flushes, and shutdown's
        return said, c.spans(), c.points()


def only(found, **wanted):
    found = [x for x in found if all(x[k] == v for k, v in wanted.items())]
    same(len(found), 1, f"{wanted}:")
    return found[0]


# ---- spans -----------------------------------------------------------------------------------------------------------
@case
def spans():
    said, found, _ = collected()
    same([len(found), int(said["spans_ended"][0]), int(said["spans_exported"][0]), int(said["dropped_spans"][0])],
         [SPANS, SPANS, SPANS, 0])
    span = only(found, name="every attribute")
    same(f"{span['trace_id']}:{span['span_id']}", said["every"][0])
    same([span[k] for k in ("trace_id", "parent_span_id", "trace_state", "kind", "flags", "status")],
         ["0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "vendor=abc,other=1", SERVER, 0x303, {"message": "", "code": 0}])
    same(span["attributes"], {
        "a.string": "grüß", "a.empty": "", "a.true": True, "a.false": False, "a.int": -42, "a.most": INTS[2], "a.double": 2.5,
        "a.zero": 0.0, "a.bytes": b"\x00\xff\n\x80", "a.strings": ["one", "", "zwölf"], "a.bools": [True, False, True],
        "a.ints": INTS, "a.doubles": [0.0, -0.5, 1e308], "a.no_strings": [], "a.no_ints": [], "a.replaced": 7})
    same({k: type(v) for k, v in span["attributes"].items() if k in ("a.true", "a.int", "a.zero")},
         {"a.true": bool, "a.int": int, "a.zero": float})
    inside = {"e.string": "in an event", "e.ints": INTS, "e.bool": True}
    same([(e["name"], e["attributes"], e["dropped_attributes_count"]) for e in span["events"]],
         [("bare event", {}, 0), ("full event", inside, 0), ("early event", {}, 0)])
    times = [e["time_unix_nano"] for e in span["events"]]
    same([times[2], span["start_time_unix_nano"] <= times[0] <= times[1] <= span["end_time_unix_nano"]], [1700000000000000001, True])
    same([(k["trace_id"], k["span_id"], k["attributes"], k["flags"] & 0xFF) for k in span["links"]],
         [("0102030405060708090a0b0c0d0e0f10", "0101020305080d15", a, 1) for a in ({}, inside)])
    same({x["scope"]["name"] for x in found}, {"weir"})
    check_kinds(found)
    check_limits(found)
    check_resource([x["resource"] for x in found])


def check_kinds(found):
    every = only(found, name="every attribute")
    for kind, (name, code, message) in enumerate((("internal", 0, ""), ("server", 0, ""), ("client", 2, "no route"), ("producer", 1, ""),
                                                  ("consumer", 0, "")), 1):
        span = only(found, name=f"kind {name}")
        same([span["kind"], span["status"], span["trace_id"], span["parent_span_id"] in (every["span_id"], every["parent_span_id"])],
             [kind, {"message": message, "code": code}, every["trace_id"], True], name)
    span = only(found, name="given times")
    same([span["start_time_unix_nano"], span["end_time_unix_nano"]], [1700000000000000000, 1700000000001500000])
    for span in [x for x in found if x["name"] == "exemplary request"]:
        same([span["parent_span_id"], span["trace_state"], span["flags"] & 0x301], ["", "", 0x101], "a root:")
    same(len({x["span_id"] for x in found}), SPANS)


def check_limits(found):
    span = only(found, name="over the limits")
    same([span[f"dropped_{k}_count"] for k in ("attributes", "events", "links")], [5, 2, 2])
    same(span["attributes"], {f"k{n}": n for n in range(20)})
    same([(len(e["attributes"]), e["dropped_attributes_count"]) for e in span["events"]], [(4, 2), (0, 0), (0, 0)])
    same(len(span["links"]), 2)
    span = only(found, name="over its memory")
    same([span["attributes"], span["dropped_attributes_count"]], [{"small": "fits"}, 1], "what does not fit goes whole:")


def check_resource(resources):
    first = resources[0]
    same([r for r in resources if r != first], [], "one resource:")
    wanted = {"service.name": "values", "service.version": "9.8.7", "answer": 42, "of.strings": ["one", "", "zwölf"],
              "of.double": 0.5, "of.bool": True, "from.environment": "yés", "telemetry.sdk.name": "weir"}
    same({k: first.get(k) for k in wanted}, wanted)
    same(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", first["service.instance.id"]) is not None, True)
    same("process.command_line" in first or "process.command_args" in first, False)


# ---- metrics ---------------------------------------------------------------------------------------------------------
def sums(points, **attributes):
    return [p["value"] for p in points if p["attributes"] == attributes]


def check_metrics(said, points, counters, delta_points):
    """counters: the temporality of what only grows. delta_points: rounds come one by one, and nothing after the last."""
    of = {name: [p for p in points if p["metric"] == name] for name in {p["metric"] for p in points}}
    rounds = [1, 1] if delta_points else [1, 2, 2]

    def growing(name, each, **attributes):
        found = [v for v in sums(of[name], **attributes) if v or not delta_points]
        same(found, [each * n for n in rounds], name)
        same({(p["aggregation_temporality"], p["is_monotonic"]) for p in of[name]}, {(counters, True)}, name)
        return each * rounds[-1] if not delta_points else sum(found)

    same([growing("values_hits_total", 5, code="200"), growing("values_hits_total", 2, code="500")],
         [int(said["hits_200"][0]), int(said["hits_500"][0])])
    same(growing("values_busy_seconds_total", 1.5) * 1e9, int(said["busy"][0]))
    same([(p["value"], p["aggregation_temporality"], p["is_monotonic"]) for p in of["values_open"]],
         [(-3 * n, CUMULATIVE, False) for n in (1, 2, 2)], "up-down is never a delta")
    same(of["values_open"][-1]["value"], int(said["open"][0]))
    for name, value, key in (("values_level", -9, "level"), ("values_ratio", 0.75, "ratio")):
        same([(p["kind"], p["value"], type(p["value"])) for p in of[name]], 3 * [("gauge", value, type(value))], name)
        same(float(said[key][0]), value)
    same([sums(of["values_observed_level"], k="left")[-1], sums(of["values_observed_level"], k="right")[-1]], [-3, 0.25])
    same({p["attributes"]["version"] for p in of["values_build_info"]}, {"1.2.3"})
    check_histogram(said, of["values_size_bytes"], counters, delta_points)
    check_exponential(said, of["values_time_seconds"], counters, delta_points)
    exemplars = [e for p in of["values_hits_total"] for e in p["exemplars"]]
    same({f"{e['trace_id']}:{e['span_id']}" for e in exemplars} == set(said["exemplary"]) and {e["as_int"] for e in exemplars} == {5}, True,
         f"{exemplars}")
    for p in points:
        same(p["start_time_unix_nano"] <= p["time_unix_nano"], True, p["metric"])
    return of


def total(points, key, delta_points):
    return sum(p[key] or 0 for p in points) if delta_points else points[-1][key]


def check_histogram(said, points, temporality, delta_points):
    points = [p for p in points if p["count"]]
    same([total(points, k, delta_points) for k in ("count", "sum")], [int(said["sizes_count"][0]), int(said["sizes_sum"][0])])
    same([p["bucket_counts"] for p in points], [[n, n, 0, n] for n in ([1, 1] if delta_points else [1, 2, 2])])
    for p in points:
        same([p["explicit_bounds"], p["unit"], p["aggregation_temporality"]], [[10, 100, 1000], "By", temporality])
        e, = p["exemplars"]
        same([e["as_int"] or e["as_double"], f"{e['trace_id']}:{e['span_id']}" in said["exemplary"]], [50, True])


def check_exponential(said, points, temporality, delta_points):
    points = [p for p in points if p["count"]]
    same(total(points, "count", delta_points), int(said["times_count"][0]))
    same(round(total(points, "sum", delta_points) * 1e9), int(said["times_sum"][0]))
    durations = [int(d) / 1e9 for d in said["duration"]]
    seen = [durations[:1], durations[1:]] if delta_points else [durations[:1], durations, durations]
    for p, took in zip(points, seen, strict=True):
        n = len(took)
        same([p["kind"], p["unit"], p["aggregation_temporality"], p["zero_count"], p["count"], p["negative"]["bucket_counts"]],
             ["exponential_histogram", "s", temporality, n, 4 * n, []])
        same(0 < p["zero_threshold"] <= 1e-6 and p["scale"] <= 3, True)
        counts = {p["positive"]["offset"] + i: c for i, c in enumerate(p["positive"]["bucket_counts"]) if c}
        wanted = {}
        for value in n * [0.003, 1.0] + took:
            index = math.ceil(math.log2(value) * 2 ** p["scale"]) - 1  # upper-inclusive; 1 s is a bound
            wanted[index] = wanted.get(index, 0) + 1
        same(counts, wanted, f"buckets at scale {p['scale']}:")
        for e in p["exemplars"]:
            at = said["exemplary"].index(f"{e['trace_id']}:{e['span_id']}")
            same(e["as_double"], durations[at])


@case
def metrics_cumulative():
    said, _, points = collected()
    of = check_metrics(said, points, CUMULATIVE, False)
    same([(p["value"], p["is_monotonic"]) for p in of["values_observed_total"]], 3 * [(77, True)])
    same({p["start_time_unix_nano"] for p in of["values_busy_seconds_total"]}.__len__(), 1, "one start:")
    health = [p for p in points if p["metric"] == "otel.sdk.exporter.span.exported" and p["value"] == SPANS]
    same(len(health) > 0, True, "weir's own health goes along:")
    check_resource([p["resource"] for p in points])


@case
def metrics_delta():
    said, _, points = collected(OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE="delta")
    of = check_metrics(said, points, DELTA, True)
    same(sum(p["value"] for p in of["values_observed_total"]), 77, "what a callback reports is a delta too:")
    first, second = [p for p in of["values_busy_seconds_total"] if p["value"]]
    same(first["time_unix_nano"], second["start_time_unix_nano"], "one begins where the other ends:")


@case
def metrics_lowmemory():
    said, _, points = collected(OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE="lowmemory")
    of = check_metrics(said, points, DELTA, True)
    same([(p["value"], p["aggregation_temporality"]) for p in of["values_observed_total"]], 3 * [(77, CUMULATIVE)],
         "what a callback reports is cumulative:")


# ---- by other roads --------------------------------------------------------------------------------------------------
@case
def packed_and_by_mutual_tls():
    """The Collector's own gzip and TLS read what ours wrote, and all is as it came plain."""
    with tempfile.TemporaryDirectory() as folder:
        made = certificates(folder)
        with collector.Collector(tls=(made["server"], made["server_key"]), client_ca=made["ca"]) as c:
            said = record(c.url, OTEL_EXPORTER_OTLP_COMPRESSION="gzip", OTEL_EXPORTER_OTLP_CERTIFICATE=made["ca"],
                          OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE=made["client"], OTEL_EXPORTER_OTLP_CLIENT_KEY=made["client_key"])
            c.wait_for(lambda: len(c.spans()) >= SPANS and len(c.points("values_level")) >= 3, 10)
            same([len(c.spans()), int(said["spans_exported"][0]), int(said["dropped_spans"][0])], [SPANS, SPANS, 0])
            check_limits(c.spans())
            check_metrics(said, c.points(), CUMULATIVE, False)


# ---- strangers -------------------------------------------------------------------------------------------------------
def decode_raw(data):
    """protoc's reading: [(number, text or list)], nested."""
    done = subprocess.run(["protoc", "--decode_raw"], input=data, capture_output=True, timeout=60)
    same([done.returncode, done.stderr], [0, b""], "protoc:")
    stack = [[]]
    for line in done.stdout.decode().splitlines():
        line = line.strip()
        if line == "}":
            stack.pop()
        elif line.endswith("{") and not line.endswith('"'):
            inner = []
            stack[-1].append((int(line.split()[0]), inner))
            stack.append(inner)
        else:
            number, text = line.split(": ", 1)
            stack[-1].append((int(number), text))
    return stack[0]


def down(message, *path):
    found = [message]
    for number in path:
        found = [value for m in found if isinstance(m, list) for n, value in m if n == number]
    return found


@case
def the_same_bytes_for_all():
    if shutil.which("protoc") is None:
        return "no protoc here"
    with otlp_server.Server("ok") as server:
        record(server.url)
        bodies = [(e["path"], b) for e, b in zip(server.requests(), list(server.bodies))]
        ours, points = server.spans(), server.points()
    with collector.Collector() as c:
        for path, body in bodies:
            request = urllib.request.Request(c.url + path, body, {"Content-Type": "application/x-protobuf"})
            with urllib.request.urlopen(request, timeout=10) as answer:
                same(answer.status, 200)
        wait_for(lambda: len(c.spans()) >= len(ours) and len(c.points()) >= len(points), 10, "all of it in the file")
        same(c.spans() == ours, True, "the Collector's spans are otlp_wire's:")
        same(c.points() == points, True, "and so are its points:")
    raw = [span for path, body in bodies if path == "/v1/traces" for span in down(decode_raw(body), 1, 2, 2)]
    same([down(s, 5) for s in raw], [[f'"{s["name"]}"'] for s in ours], "protoc finds the spans' names:")
    same([[int(x, 16) for x in down(s, 7) + down(s, 8)] for s in raw],
         [[s["start_time_unix_nano"], s["end_time_unix_nano"]] for s in ours], "and times:")
    same([[int(x, 16) for x in down(s, 16)] for s in raw], [[s["flags"]] for s in ours], "and flags:")
    same([len(down(s, 9)) for s in raw], [len(s["attributes"]) for s in ours], "and attributes:")
    same([len(down(s, 11)) for s in raw], [len(s["events"]) for s in ours], "and events:")
    raw = [m for path, body in bodies if path == "/v1/metrics" for m in down(decode_raw(body), 1, 2, 2)]
    names = list(dict.fromkeys(p["metric"] for p in points))
    same([n for n in names if f'"{n}"' not in {x for m in raw for x in down(m, 1)}], [], "metrics that protoc does not find:")
    counts = sorted(int(x, 16) for m in raw for x in down(m, 10, 1, 4))
    same(counts, sorted(p["count"] for p in points if p["kind"] == "exponential_histogram"), "exponential histograms' counts:")


if __name__ == "__main__":
    sys.exit(run_cases("traces_collector", CASES, 2))
