"""bench: what a request costs with everything on: orders in one process, which checks a token, counts by tenant, and sends each
span to a receiver (otlp_sink.c), against orders-bare, which is sent the same token and does not look at it.

Five take turns in rounds, in another order each time: bare; telemetry off; telemetry off, but tokens checked; all of it, with
traces always on; all of it, at ratio 0.1. The service has one processor, wrk and the receiver the other. A round counts only
where the service had 90 % of its processor: wrk sends a longer head than elsewhere, and is nearly as busy. A process by itself
has one span a request. measure_pair is orders_traces.py with a gateway that checks tokens: two spans in each process.
As there a round fails where a span was lost, and besides where a request is not counted under its tenant, or was verified
otherwise than from the cache but the first few."""
import contextlib
import os
import re
import shutil
import subprocess
import tempfile

import orders_traces
from orders import CONNECTIONS, Failed, Service, Skip, cpu_of, free_port, load
from orders_traces import MODES, QUEUE, RATIO, Sink, dropped, settled

BUSY = 0.9
TURNS = ["bare", "off", "checked", *MODES]


def weir(build, *call):
    return subprocess.run([os.path.join(build, "bin", "weir"), "jwt", *call], stdout=subprocess.PIPE, check=True, text=True,
                          stderr=subprocess.DEVNULL, timeout=60).stdout


class Tokens:
    """A key set in a folder, and the header of who asks."""

    def __init__(self, build, folder):
        key, jwks = f"{folder}/key.jwk", f"{folder}/jwks.json"
        weir(build, "keygen", "--alg", "ES256", "--out", key, "--jwks", jwks)
        token = weir(build, "sign", "--key", key, "--iss", "https://login.example.com/", "--aud", "orders", "--sub", "user-0000000",
                     "--claim", "tenant=tenant-00", "--claim", "scope=orders:read orders:write", "--expires-in", "1d")
        self.header = f"Authorization: Bearer {token.strip()}"
        self.call = ["--jwks", jwks, "--issuer", "https://login.example.com/", "--audience", "orders"]

    def check(self, service, requests):
        """Each request is its tenant's, and was verified, from the cache."""
        text = service.scrape()

        def value(name, labels):
            return sum(int(n) for n in re.findall(rf"^{name}{{[^}}]*{labels}[^}}]*}} (\d+)$", text, re.M))

        tenant, good = value("orders_tenant_requests_total", 'tenant="tenant-00"'), value("weir_jwt_verifications_total", 'result="ok"')
        missed = value("weir_jwt_cache_lookups_total", 'outcome="miss"')
        if tenant != requests or good != requests or missed > 8:
            raise Failed(f"of {requests} requests {tenant} are the tenant's, {good} were verified, {missed} not from the cache")


def check(mode, sent, service, sink, tokens):
    """(requests, spans expected, received); Failed where a span, a tenant or a token is missing."""
    (counters,), received = settled([service], sink)
    requests, ended = counters["requests"], counters["weir_spans_ended_total"]
    expected = requests if mode == "always" else ended
    wrong = []
    if not sent <= requests <= sent + 2 * CONNECTIONS:
        wrong.append(f"wrk has sent {sent} requests")
    if mode == "tenth" and abs(ended - RATIO * requests) > 6 * (RATIO * (1 - RATIO) * requests) ** 0.5:
        wrong.append(f"{ended} spans are not those of a tenth of the requests")
    if received["spans"] != expected or received["malformed"] or dropped(counters):
        wrong.append("SPANS WERE LOST")
    if wrong:
        raise Failed(f"tokens {mode}: {requests} requests, spans expected {expected}, received {received['spans']}: {', '.join(wrong)}; "
                     f"{counters}; receiver {received}")
    tokens.check(service, requests)
    return requests, expected, received["spans"]


def one_round(mode, programs, tokens, cpus, seconds, log):
    """(the service's share of its processor, check's answer or None, {row: value}) of one service in one round."""
    bare, service, receiver = programs
    sink = Sink(receiver, cpus[1]) if mode in MODES else None
    call, metrics, environment = [], None, {}
    if mode == "off" or mode == "checked":
        call, metrics = ["--telemetry", "off"], 0
    if sink:
        call, metrics, environment = ["--otlp", sink.url], free_port(), {**QUEUE, **MODES[mode]}
    if mode == "checked" or sink:
        call += tokens.call
    running = None
    try:
        running = Service(bare if mode == "bare" else service, cpus[0], call, log, environment, metrics)
        warm, _, _ = load(running.address, cpus[1], 1, [tokens.header])
        before = cpu_of(running.process.pid)
        requests, rate, _ = load(running.address, cpus[1], seconds, [tokens.header])
        after = cpu_of(running.process.pid)
        spans = check(mode, warm + requests, running, sink, tokens) if sink else None
    finally:
        if running:
            running.stop()
        if sink:
            sink.stop()
    whole, own = ((b - a) / 1e3 / requests for a, b in zip(before, after))
    return whole * rate / 1e6, spans, {"throughput_ratio": rate, "cpu_us_per_request": whole, "request_cpu_us_per_request": own}


@contextlib.contextmanager
def tokens_of(build):
    if not os.path.exists(os.path.join(build, "bin", "weir")):
        raise Skip(f"no {build}/bin/weir, which makes tokens")
    with tempfile.TemporaryDirectory() as folder:
        yield Tokens(build, folder)


def measure_pair(build, out, cpus, quick):
    with tokens_of(build) as tokens:
        return orders_traces.measure(build, out, cpus, quick, "orders_tokens_pair", tokens)


def measure(build, out, cpus, quick):
    """({row: {floor, weir, orders-off, orders-checked: [values]}}, {mode: what became of its spans}); floor is orders-bare."""
    programs = [os.path.join(build, "bin", "orders-bare"), os.path.join(build, "bin", "orders"), os.path.join(out, "otlp_sink")]
    for path in programs:
        if not os.path.exists(path):
            raise Skip(f"no {path}")
    if not shutil.which("wrk"):
        raise Skip("no wrk command")
    if len(cpus) < 2:
        raise Skip("two processors are needed, one for the service, one for the load and the receiver")
    turns, samples, sums = TURNS, {}, {mode: [0, 0, 0] for mode in MODES}
    rounds, seconds = (3, 2) if quick else (7, 4)
    with open(os.path.join(out, "orders_tokens.log"), "w", encoding="utf-8") as log, tokens_of(build) as tokens:
        for _ in range(rounds):
            figures = {}
            for mode in turns:
                for _ in range(3):
                    busy, spans, figures[mode] = one_round(mode, programs, tokens, cpus[-2:], seconds, log)
                    if spans:
                        sums[mode] = [a + b for a, b in zip(sums[mode], spans)]
                    if busy >= BUSY:
                        break
                else:
                    raise Failed(f"the service had {busy:.1%} of its processor, {BUSY:.0%} is needed: "
                                 "something else runs, or the load is too slow")
            for mode in MODES:
                for row in figures["bare"]:
                    for who, of in (("floor", "bare"), ("orders-off", "off"), ("orders-checked", "checked"), ("weir", mode)):
                        value = figures[of][row] / (figures["bare"][row] if row == "throughput_ratio" else 1)
                        samples.setdefault(f"orders_tokens_{mode}_{row}", {}).setdefault(who, []).append(value)
            turns = turns[1:] + turns[:1]
    return samples, {mode: f"{requests} requests, spans expected {expected}, received {received}, dropped 0"
                     for mode, (requests, expected, received) in sums.items()}
