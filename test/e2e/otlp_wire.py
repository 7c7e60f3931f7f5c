"""Reads OTLP requests, as protobuf's bytes or as the Collector's JSON, into the same dicts: a second witness in tests.

Knows nothing of the code under test: field numbers come from the protocol's published definition. It is strict, so that
a test can fail: a wrong wire type, a length beyond the end, bad UTF-8, a repeated attribute key raise ValueError;
unknown fields are kept under "?" as [(number, wire type, value)].

    trace(data) / metrics(data)     the whole request, nested, fields by their names in the definition
    spans(request)                  one dict a span, with "resource" and "scope" in it
    points(request)                 one dict a data point, with "metric", "kind", "resource" and "scope" in it
    fields(data)                    any message: [(number, wire type, value)]

Ids are lower-case hex, bytes values are bytes, attributes a dict, what is absent has its default (None where absence
has a meaning: sum, min, max, as_int, as_double).
"""
import base64
import json
import struct

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


# ---- the wire --------------------------------------------------------------------------------------------------------
def varint(data, at):
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise ValueError("a varint is cut short")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >= 1 << 64:
                raise ValueError("a varint has more than 64 bits")
            return value, at
    raise ValueError("a varint has more than 10 bytes")


def fields(data):
    """[(number, wire type, value)] of one message; value is an int, or bytes where the wire type is 2."""
    found, at = [], 0
    while at < len(data):
        key, at = varint(data, at)
        number, wire = key >> 3, key & 7
        if number == 0:
            raise ValueError("field number 0")
        if wire == VARINT:
            value, at = varint(data, at)
        else:
            if wire == BYTES:
                size, at = varint(data, at)
            elif wire in (FIXED64, FIXED32):
                size = 8 if wire == FIXED64 else 4
            else:
                raise ValueError(f"wire type {wire}")
            if size > len(data) - at:
                raise ValueError(f"field {number} reaches past the end")
            value = bytes(data[at:at + size])
            at += size
            if wire != BYTES:
                value = int.from_bytes(value, "little")
        found.append((number, wire, value))
    return found


def put_varint(value):
    out = bytearray()
    value &= (1 << 64) - 1
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def put(number, value):
    """One field: bytes, str, an int as varint, a float as double, ("fixed64", n), ("fixed32", n)."""
    if isinstance(value, tuple):
        size = {"fixed64": 8, "fixed32": 4}[value[0]]
        wire = FIXED64 if size == 8 else FIXED32
        return put_varint(number << 3 | wire) + (value[1] & (1 << 8 * size) - 1).to_bytes(size, "little")
    if isinstance(value, float):
        return put_varint(number << 3 | FIXED64) + struct.pack("<d", value)
    if isinstance(value, (bool, int)):
        return put_varint(number << 3 | VARINT) + put_varint(int(value))
    if isinstance(value, str):
        value = value.encode()
    return put_varint(number << 3 | BYTES) + put_varint(len(value)) + value


# ---- the definition --------------------------------------------------------------------------------------------------
# number: (name, type, rule). Types in lower case are scalars; rule "?" may be absent, "*" repeats, "" has a default.
MESSAGES = {
    "TraceRequest": {1: ("resource_spans", "ResourceSpans", "*")},
    "ResourceSpans": {1: ("resource", "Resource", ""), 2: ("scope_spans", "ScopeSpans", "*"), 3: ("schema_url", "string", "")},
    "Resource": {1: ("attributes", "attributes", ""), 2: ("dropped_attributes_count", "uint32", "")},
    "ScopeSpans": {1: ("scope", "Scope", ""), 2: ("spans", "Span", "*"), 3: ("schema_url", "string", "")},
    "Scope": {1: ("name", "string", ""), 2: ("version", "string", ""), 3: ("attributes", "attributes", ""),
              4: ("dropped_attributes_count", "uint32", "")},
    "Span": {1: ("trace_id", "id", ""), 2: ("span_id", "id", ""), 3: ("trace_state", "string", ""),
             4: ("parent_span_id", "id", ""), 5: ("name", "string", ""), 6: ("kind", "enum", ""),
             7: ("start_time_unix_nano", "fixed64", ""), 8: ("end_time_unix_nano", "fixed64", ""),
             9: ("attributes", "attributes", ""), 10: ("dropped_attributes_count", "uint32", ""),
             11: ("events", "Event", "*"), 12: ("dropped_events_count", "uint32", ""), 13: ("links", "Link", "*"),
             14: ("dropped_links_count", "uint32", ""), 15: ("status", "Status", ""), 16: ("flags", "fixed32", "")},
    "Event": {1: ("time_unix_nano", "fixed64", ""), 2: ("name", "string", ""), 3: ("attributes", "attributes", ""),
              4: ("dropped_attributes_count", "uint32", "")},
    "Link": {1: ("trace_id", "id", ""), 2: ("span_id", "id", ""), 3: ("trace_state", "string", ""),
             4: ("attributes", "attributes", ""), 5: ("dropped_attributes_count", "uint32", ""), 6: ("flags", "fixed32", "")},
    "Status": {2: ("message", "string", ""), 3: ("code", "enum", "")},
    "MetricsRequest": {1: ("resource_metrics", "ResourceMetrics", "*")},
    "ResourceMetrics": {1: ("resource", "Resource", ""), 2: ("scope_metrics", "ScopeMetrics", "*"),
                        3: ("schema_url", "string", "")},
    "ScopeMetrics": {1: ("scope", "Scope", ""), 2: ("metrics", "Metric", "*"), 3: ("schema_url", "string", "")},
    "Metric": {1: ("name", "string", ""), 2: ("description", "string", ""), 3: ("unit", "string", ""),
               5: ("gauge", "Gauge", "?"), 7: ("sum", "Sum", "?"), 9: ("histogram", "Histogram", "?"),
               10: ("exponential_histogram", "ExponentialHistogram", "?"), 11: ("summary", "Summary", "?"),
               12: ("metadata", "attributes", "")},
    "Gauge": {1: ("data_points", "Number", "*")},
    "Sum": {1: ("data_points", "Number", "*"), 2: ("aggregation_temporality", "enum", ""), 3: ("is_monotonic", "bool", "")},
    "Histogram": {1: ("data_points", "HistogramPoint", "*"), 2: ("aggregation_temporality", "enum", "")},
    "ExponentialHistogram": {1: ("data_points", "ExponentialPoint", "*"), 2: ("aggregation_temporality", "enum", "")},
    "Summary": {1: ("data_points", "SummaryPoint", "*")},
    "Number": {2: ("start_time_unix_nano", "fixed64", ""), 3: ("time_unix_nano", "fixed64", ""), 4: ("as_double", "double", "?"),
               5: ("exemplars", "Exemplar", "*"), 6: ("as_int", "sfixed64", "?"), 7: ("attributes", "attributes", ""),
               8: ("flags", "uint32", "")},
    "HistogramPoint": {2: ("start_time_unix_nano", "fixed64", ""), 3: ("time_unix_nano", "fixed64", ""),
                       4: ("count", "fixed64", ""), 5: ("sum", "double", "?"), 6: ("bucket_counts", "fixed64", "*"),
                       7: ("explicit_bounds", "double", "*"), 8: ("exemplars", "Exemplar", "*"),
                       9: ("attributes", "attributes", ""), 10: ("flags", "uint32", ""), 11: ("min", "double", "?"),
                       12: ("max", "double", "?")},
    "ExponentialPoint": {1: ("attributes", "attributes", ""), 2: ("start_time_unix_nano", "fixed64", ""),
                         3: ("time_unix_nano", "fixed64", ""), 4: ("count", "fixed64", ""), 5: ("sum", "double", "?"),
                         6: ("scale", "sint32", ""), 7: ("zero_count", "fixed64", ""), 8: ("positive", "Buckets", ""),
                         9: ("negative", "Buckets", ""), 10: ("flags", "uint32", ""), 11: ("exemplars", "Exemplar", "*"),
                         12: ("min", "double", "?"), 13: ("max", "double", "?"), 14: ("zero_threshold", "double", "")},
    "Buckets": {1: ("offset", "sint32", ""), 2: ("bucket_counts", "uint64", "*")},
    "SummaryPoint": {2: ("start_time_unix_nano", "fixed64", ""), 3: ("time_unix_nano", "fixed64", ""),
                     4: ("count", "fixed64", ""), 5: ("sum", "double", ""), 6: ("quantile_values", "Quantile", "*"),
                     7: ("attributes", "attributes", ""), 8: ("flags", "uint32", "")},
    "Quantile": {1: ("quantile", "double", ""), 2: ("value", "double", "")},
    "Exemplar": {2: ("time_unix_nano", "fixed64", ""), 3: ("as_double", "double", "?"), 4: ("span_id", "id", ""),
                 5: ("trace_id", "id", ""), 6: ("as_int", "sfixed64", "?"), 7: ("filtered_attributes", "attributes", "")},
}
WIRES = {"string": BYTES, "id": BYTES, "fixed64": FIXED64, "sfixed64": FIXED64, "double": FIXED64, "fixed32": FIXED32,
         "uint32": VARINT, "uint64": VARINT, "enum": VARINT, "bool": VARINT, "sint32": VARINT, "attributes": BYTES}
DEFAULTS = {"string": "", "id": "", "double": 0.0, "bool": False}


def empty(message):
    out = {}
    for name, kind, rule in MESSAGES[message].values():
        if rule:
            out[name] = [] if rule == "*" else None
        elif kind == "attributes":
            out[name] = {}
        else:
            out[name] = empty(kind) if kind in MESSAGES else DEFAULTS.get(kind, 0)
    return out


def add_attribute(attributes, key, value):
    if key in attributes:
        raise ValueError(f"attribute {key!r} stands there twice")
    attributes[key] = value


# ---- from the wire ---------------------------------------------------------------------------------------------------
def scalar(kind, value):
    if kind == "string":
        return value.decode()  # UnicodeDecodeError is a ValueError
    if kind == "id":
        return value.hex()
    if kind == "double":
        return struct.unpack("<d", value.to_bytes(8, "little"))[0]
    if kind == "sfixed64":
        return value - (1 << 64) if value >> 63 else value
    if kind == "sint32":
        return value >> 1 ^ -(value & 1)
    if kind == "bool":
        return bool(value)
    if kind == "uint32" and value >> 32:
        raise ValueError("a uint32 of more than 32 bits")
    return value


def packed(kind, data):
    if WIRES[kind] == FIXED64:
        if len(data) % 8:
            raise ValueError("a packed field of odd length")
        return [scalar(kind, int.from_bytes(data[i:i + 8], "little")) for i in range(0, len(data), 8)]
    values, at = [], 0
    while at < len(data):
        value, at = varint(data, at)
        values.append(scalar(kind, value))
    return values


def any_value(data):
    value = None
    for number, wire, raw in fields(data):
        if wire != {1: BYTES, 2: VARINT, 3: VARINT, 4: FIXED64, 5: BYTES, 6: BYTES, 7: BYTES}.get(number):
            raise ValueError(f"AnyValue's field {number} with wire type {wire}")
        if number == 5:
            value = [any_value(item) for n, _, item in fields(raw) if n == 1]
        elif number == 6:
            value = {}
            for n, _, item in fields(raw):
                if n == 1:
                    add_attribute(value, *key_value(item))
        elif number == 3:
            value = scalar("sfixed64", raw)
        else:
            value = raw if number == 7 else scalar({1: "string", 2: "bool", 4: "double"}[number], raw)
    return value


def key_value(data):
    key, value = "", None
    for number, wire, raw in fields(data):
        if wire != BYTES or number not in (1, 2):
            raise ValueError(f"KeyValue's field {number} with wire type {wire}")
        if number == 1:
            key = raw.decode()
        else:
            value = any_value(raw)
    return key, value


def decode(message, data):
    out = empty(message)
    for number, wire, raw in fields(data):
        if number not in MESSAGES[message]:
            out.setdefault("?", []).append((number, wire, raw))
            continue
        name, kind, rule = MESSAGES[message][number]
        expected = WIRES.get(kind, BYTES)
        if rule == "*" and kind in WIRES and wire == BYTES:
            out[name] += packed(kind, raw)
            continue
        if wire != expected:
            raise ValueError(f"{message}.{name} with wire type {wire}, not {expected}")
        if kind == "attributes":
            add_attribute(out[name], *key_value(raw))
            continue
        value = decode(kind, raw) if kind in MESSAGES else scalar(kind, raw)
        if rule == "*":
            out[name].append(value)
        else:
            out[name] = value
    return out


def trace(data):
    return decode("TraceRequest", data)


def metrics(data):
    return decode("MetricsRequest", data)


# ---- from JSON -------------------------------------------------------------------------------------------------------
def json_any(value):
    for name, read in (("stringValue", str), ("boolValue", bool), ("intValue", int), ("doubleValue", float),
                       ("bytesValue", base64.b64decode)):
        if name in value:
            return read(value[name])
    if "arrayValue" in value:
        return [json_any(v) for v in value["arrayValue"].get("values", [])]
    if "kvlistValue" in value:
        return json_attributes(value["kvlistValue"].get("values", []))
    return None


def json_attributes(pairs):
    out = {}
    for pair in pairs:
        add_attribute(out, pair.get("key", ""), json_any(pair.get("value", {})))
    return out


def json_scalar(kind, value):
    if kind in ("string", "id"):
        return value
    if kind == "bool":
        return bool(value)
    return float(value) if kind == "double" else int(value)


def from_json(message, found):
    out, taken = empty(message), set()
    for name, kind, rule in MESSAGES[message].values():
        words = name.split("_")
        camel = words[0] + "".join(w.capitalize() for w in words[1:])
        taken.add(camel)
        if camel not in found:
            continue
        value = found[camel]
        if kind == "attributes":
            out[name] = json_attributes(value)
        else:
            read = (lambda v, k=kind: from_json(k, v)) if kind in MESSAGES else (lambda v, k=kind: json_scalar(k, v))
            out[name] = [read(v) for v in value] if rule == "*" else read(value)
    unknown = [(k, v) for k, v in found.items() if k not in taken]
    if unknown:
        out["?"] = unknown
    return out


def json_line(line):
    """("trace" or "metrics" or None, request) of one line of the Collector's file."""
    found = json.loads(line)
    if "resourceSpans" in found:
        return "trace", from_json("TraceRequest", found)
    if "resourceMetrics" in found:
        return "metrics", from_json("MetricsRequest", found)
    return None, found


# ---- flat ------------------------------------------------------------------------------------------------------------
def spans(request):
    """Each span, with its resource's attributes and its scope in it."""
    for group in request["resource_spans"]:
        for scoped in group["scope_spans"]:
            for span in scoped["spans"]:
                yield {**span, "resource": group["resource"]["attributes"], "scope": scoped["scope"],
                       "resource_schema_url": group["schema_url"], "scope_schema_url": scoped["schema_url"]}


KINDS = ("gauge", "sum", "histogram", "exponential_histogram", "summary")


def points(request):
    """Each data point, with what its metric, scope and resource say in it. "value" is as_int or as_double."""
    for group in request["resource_metrics"]:
        for scoped in group["scope_metrics"]:
            for metric in scoped["metrics"]:
                kinds = [k for k in KINDS if metric[k] is not None]
                if len(kinds) > 1:
                    raise ValueError(f"metric {metric['name']!r} is of two kinds")
                for kind in kinds:
                    for point in metric[kind]["data_points"]:
                        flat = {**point, "metric": metric["name"], "description": metric["description"],
                                "unit": metric["unit"], "kind": kind,
                                "aggregation_temporality": metric[kind].get("aggregation_temporality"),
                                "is_monotonic": metric[kind].get("is_monotonic"),
                                "resource": group["resource"]["attributes"], "scope": scoped["scope"]}
                        if "as_int" in point:
                            flat["value"] = point["as_double"] if point["as_int"] is None else point["as_int"]
                        yield flat
