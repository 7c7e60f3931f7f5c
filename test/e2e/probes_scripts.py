#!/usr/bin/env python3
"""examples/bpftrace/ as an operator runs it, on orders while it answers: what each program says is what a client asked, what arrived
at a receiver, or what /metrics has. And what run.sh says where something is missing."""
import collections
import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE), str(HERE.parent / "integration")]
for variable in [n for n in os.environ if n.startswith("OTEL_") or n.lower().endswith("_proxy")]:
    del os.environ[variable]
os.environ.update(OTEL_TRACES_SAMPLER="always_on", OTEL_BSP_SCHEDULE_DELAY="100")

import bpftrace  # noqa: E402
from orders_service import Orders, equal, total, until  # noqa: E402
from otlp_server import Server  # noqa: E402
from probed import BUILD, ROOT, WORK, Skip, need, run, watching  # noqa: E402

RUN = ROOT / "examples/bpftrace/run.sh"
ORDER, ORDERS = "/api/v1/orders/{id}", "/api/v1/orders"
WEIR = {"WEIR": str(BUILD / "bin/weir")}


def script(name, pid, *args):
    """A program of examples/bpftrace that is attached to a process."""
    probes = re.findall(r"^usdt:\$1:weir:(\w+)", (ROOT / f"examples/bpftrace/{name}.bt").read_text(), re.M)
    library = BUILD / ("libweir-jwt.so" if probes[0].startswith("auth_") else "libweir.so")
    need(probes, f"{name}.bt has no probe")
    return bpftrace.Watch(command=[RUN, name, pid, *args], env=WEIR,
                          ready=lambda: all(bpftrace.semaphore(pid, library, probe) for probe in probes))


def maps(text, name):
    """{key: number} of a map in bpftrace's own words."""
    return {key: int(value) for key, value in re.findall(rf"^@{name}\[(.*)\]: (\d+)$", text, re.M)}


def histogram(text, name, key):
    """[(from, count)] of one of its histograms; K and M are powers of 1024."""
    block = re.search(rf"^@{name}\[{re.escape(key)}\]:\s*\n((?:[\[(].*\n)+)", text, re.M)
    need(block, f"no histogram {name} of {key} in {text[-500:]!r}")
    unit = {"": 1, "K": 1 << 10, "M": 1 << 20}
    return [(int(at) * unit[u], int(n)) for at, u, n in re.findall(r"^[\[(](\d+)([KM]?)[,\]].*?\s(\d+) \|", block[1], re.M)]


def clean(err):
    bad = [line for line in err.splitlines() if line.strip() and "RLIMIT_MEMLOCK" not in line and "ulimit" not in line]
    need(not bad, f"bpftrace complains: {bad[:3]}")


def latency_by_route():
    watching()
    asked = [("GET", "/api/v1/orders/5", None, 200, ORDER), ("GET", "/api/v1/orders/888888888", None, 404, ORDER),
             ("POST", ORDERS, '{"item":"tea","quantity":2}', 201, ORDERS), ("DELETE", "/api/v1/orders/5", None, 405, ORDER)]
    rounds = 25
    with Server("ok") as collector, Orders("--otlp", collector.url) as orders:
        with script("latency_by_route", orders.process.pid) as watch:
            for _ in range(rounds):
                for method, path, body, status, _ in asked:
                    equal(orders.ask(method, path, body)[0], status, f"{method} {path}")
            out, err = watch.end()
    clean(err)
    want = collections.Counter({f"{route}, {status}": 0 for *_, status, route in asked})
    for *_, status, route in asked:
        want[f"{route}, {status}"] += rounds
    equal(maps(out, "requests"), dict(want), "requests by route and status")
    for route, count in ((ORDER, 3 * rounds), (ORDERS, rounds)):
        equal(sum(n for _, n in histogram(out, "time_us", route)), count, f"the times of {route}")


def slow_spans():
    """A store that always takes 20 ms or more: the spans that it, and who waits for it, took; each with the trace that the client was told."""
    watching()
    rounds, limit = 15, 10
    with Server("ok") as collector, Orders("--otlp", collector.url, "--slow-ppm", "1000000") as orders:
        with script("slow_spans", orders.process.pid, limit) as watch:
            traces = {orders.ask("GET", "/api/v1/orders/5")[1]["X-Trace-ID"] for _ in range(rounds)}
            equal(orders.ask("GET", "/healthz")[0], 200, "a quick one")
            out, err = watch.end()
        orders.end()
        spans = [s for s in collector.spans() if s["end_time_unix_nano"] - s["start_time_unix_nano"] >= limit * 1000000]
    clean(err)
    lines = re.findall(r"^ *(\d+) us (.+) trace=([0-9a-f]{32})$", out, re.M)
    need(len(spans) >= rounds, f"only {len(spans)} slow spans arrived")
    equal(sorted((name, trace) for _, name, trace in lines), sorted((s["name"], s["trace_id"]) for s in spans), "slow spans")
    equal({trace for *_, trace in lines}, traces, "traces")
    equal(sum(maps(out, "slow").values()), len(spans), "their number")


def drops_by_reason():
    watching()
    malformed, few = 12, {"OTEL_BSP_MAX_QUEUE_SIZE": "4", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "4", "OTEL_BSP_SCHEDULE_DELAY": "2000"}
    os.environ.update(few)
    try:
        with Server("ok") as collector, Orders("--otlp", collector.url) as orders:
            with script("drops_by_reason", orders.process.pid) as watch:
                for _ in range(malformed):
                    orders.ask("GET", "/healthz", headers={"traceparent": "00-rubbish"})
                connection = orders.connect()
                for _ in range(300):
                    orders.ask("GET", "/api/v1/orders/5", connection=connection)
                connection.close()
                until(lambda: resting(orders))
                samples = orders.scrape()
                out, err = watch.end()
    finally:
        for name in few:
            del os.environ[name]
        os.environ["OTEL_BSP_SCHEDULE_DELAY"] = "100"
    clean(err)
    dropped = maps(out, "dropped")
    queue = total(samples, "otel_sdk_processor_span_processed_total", error_type="queue_full") or total(
        samples, "otel_sdk_processor_span_processed", error_type="queue_full")
    need(queue > 0, f"nothing was dropped: {[k for k in samples if 'span_processed' in k[0]]}")
    equal(dropped, {"header_malformed": malformed, "queue_full": queue}, "drops by reason")


def resting(orders):
    first, second = orders.scrape(), orders.scrape()
    spans = [[v for k, v in sorted(s.items()) if k[0].startswith(("otel_sdk", "weir_spans"))] for s in (first, second)]
    equal(spans[0], spans[1], "spans are on their way")


def signed(*claims):
    """A folder with keys, and a token by them."""
    folder = WORK / "keys"
    if not folder.exists():
        folder.mkdir()
        weir("keygen", "--alg", "ES256", "--out", folder / "key.jwk", "--jwks", folder / "jwks.json")
    return weir("sign", "--key", folder / "key.jwk", "--iss", "me", "--aud", "orders", "--sub", "u", *claims).split()[0]


def weir(*args):
    done = subprocess.run([str(BUILD / "bin/weir"), "jwt", *map(str, args)], capture_output=True, text=True, timeout=60)
    need(done.returncode == 0, f"weir jwt {args[0]}: {done.stderr}")
    return done.stdout


def refusals_by_reason():
    watching()
    if "auth_refused" not in bpftrace.notes(BUILD / "libweir-jwt.so"):
        raise Skip("built without WEIR_JWT")
    good = signed("--claim", "tenant=tea", "--claim", "scope=orders:read")
    asked = {"ok": (7, good), "missing": (5, None), "malformed": (4, "rubbish"),
             "expired": (3, signed("--claim", "tenant=tea", "--expires-in", "-1m")), "claim": (2, signed("--claim", "scope=orders:read"))}
    with Server("ok") as collector, Orders("--otlp", collector.url, "--jwks", str(WORK / "keys/jwks.json"), "--issuer", "me", "--audience", "orders") as orders:
        with script("refusals_by_reason", orders.process.pid) as watch:
            for count, token in asked.values():
                for _ in range(count):
                    orders.ask("GET", "/api/v1/orders/5", headers={"Authorization": f"Bearer {token}"} if token else {})
            samples = orders.scrape()
            out, err = watch.end()
    clean(err)
    want = {reason: count for reason, (count, _) in asked.items() if reason != "ok"}
    equal(maps(out, "refused"), want, "refusals by reason")
    equal(maps(out, "peers"), {f"{reason}, 127.0.0.1": count for reason, count in want.items()}, "refusals by peer")
    for reason, count in want.items():
        equal(total(samples, "weir_jwt_verifications_total", result=reason), count, f"weir_jwt_verifications_total of {reason}")


WHO = """
usdt:JWT:weir:auth_ok { @ok[str(arg1), str(arg2), str(arg3), arg4] = count(); @traced[*(uint64*)arg0 != 0] = count(); }
usdt:JWT:weir:auth_refused { @refused[str(arg1), str(arg2), str(arg3), str(arg4)] = count(); }
usdt:LIB:weir:request_end { @tenant[str(arg1), arg2, str(arg4)] = count(); }
"""


def who_asks():
    """A tenant is told, since orders' policy lets it out; who has no good token has none; of the second on the token is a cached one."""
    watching()
    if "auth_ok" not in bpftrace.notes(BUILD / "libweir-jwt.so"):
        raise Skip("built without WEIR_JWT")
    good, scopeless = signed("--claim", "tenant=tea", "--claim", "scope=orders:read"), signed("--claim", "tenant=lamp")
    text = WHO.replace("JWT", str(BUILD / "libweir-jwt.so")).replace("LIB", str(BUILD / "libweir.so"))
    with Server("ok") as collector, Orders("--otlp", collector.url, "--jwks", str(WORK / "keys/jwks.json"), "--issuer", "me", "--audience",
                                           "orders") as orders, bpftrace.Watch(text) as watch:
        for token, times, status in ((good, 5, 200), (scopeless, 3, 403), ("rubbish", 2, 401)):
            for _ in range(times):
                equal(orders.ask("GET", "/api/v1/orders/5", headers={"Authorization": f"Bearer {token}"})[0], status, "status")
        said = watch.maps()
    who = f"127.0.0.1,{ORDER}"
    equal(said["@ok"], {f"{who},tea,0": 1, f"{who},tea,1": 4, f"{who},lamp,0": 1, f"{who},lamp,1": 2}, "auth_ok")
    equal(said["@traced"], {"1": 8}, "with a trace id")
    equal(said["@refused"], {f"malformed,{who},-": 2, f"forbidden,{who},lamp": 3}, "auth_refused")
    equal(said["@tenant"], {f"{ORDER},200,tea": 5, f"{ORDER},403,lamp": 3, f"{ORDER},401,-": 2}, "request_end")


def offcpu_by_route():
    """Who sleeps 20 ms or more is off the processor for as long."""
    watching()
    rounds = 15
    with Server("ok") as collector, Orders("--otlp", collector.url, "--slow-ppm", "1000000") as orders:
        with script("offcpu_by_route", orders.process.pid) as watch:
            for _ in range(rounds):
                orders.ask("GET", "/api/v1/orders/5")
            out, err = watch.end()
    clean(err)
    equal(maps(out, "requests"), {ORDER: rounds}, "requests by route")
    waited = histogram(out, "offcpu_us", ORDER)
    equal(sum(n for _, n in waited), rounds, "their times")
    need(min(at for at, n in waited if n) >= 16384, f"off the processor for less than they slept: {waited}")


# ---- what is missing -------------------------------------------------------------------------------------------------------------
def refused(reason, *args, **more):
    done = subprocess.run([RUN, *map(str, args)], capture_output=True, text=True, timeout=60, env={**os.environ, **WEIR, **more.pop("env", {})},
                          **more)
    need(done.returncode == 2 and re.search(reason, done.stderr), f"{args} ends with {done.returncode}: {done.stderr.strip()!r}, not {reason!r}")


def run_sh_says_what_is_missing():
    watching()
    refused("usage:", "latency_by_route")
    refused("no such script", "frobnicate", os.getpid())
    refused("no process of this number.*\n.*no probes there", "latency_by_route", 2**22 + 1)
    refused("no probes", "latency_by_route", ROOT / "README.md")
    refused("no probe weir:auth_refused: not built with weir, or .* not with weir-jwt", "refusals_by_reason", BUILD / "libweir.so")
    refused("the command weir is not in PATH", "latency_by_route", os.getpid(), env={"WEIR": "/none"})
    bare = WORK / "bare"
    bare.mkdir()
    for tool in ("bash", "cat", "dirname", "id", "env", "grep", "sed", "head"):
        (bare / tool).symlink_to(f"/usr/bin/{tool}" if os.path.exists(f"/usr/bin/{tool}") else f"/bin/{tool}")
    refused("bpftrace is not installed", "latency_by_route", os.getpid(), env={"PATH": str(bare)})
    try:
        refused("bpftrace needs root", "latency_by_route", os.getpid(), user=65534, group=65534, extra_groups=[])
    except PermissionError:
        raise Skip("the sources lie where others may not go")


def without_a_tracefs():
    """In a namespace of mounts of its own, where it cannot be mounted either."""
    watching()
    inner = f"mount -t tmpfs none /sys/kernel/tracing && mount -t tmpfs none /sys/kernel/debug && mount() {{ return 1; }} && export -f mount && {RUN} latency_by_route $$"
    done = subprocess.run(["unshare", "-m", "bash", "-c", inner], capture_output=True, text=True, timeout=60, env={**os.environ, **WEIR})
    if done.returncode not in (2,) and "unshare" in done.stderr:
        raise Skip("there are no namespaces")
    need(done.returncode == 2 and "there is no tracefs" in done.stderr, f"it ends with {done.returncode}: {done.stderr.strip()!r}")


if not (BUILD / "bin/orders").exists() or not (BUILD / "bin/weir").exists():
    print("skip probes_scripts: built without the examples, or without WEIR_CLI")
    sys.exit(0)
sys.exit(run("probes_scripts", (latency_by_route, slow_spans, drops_by_reason, refusals_by_reason, who_asks, offcpu_by_route, run_sh_says_what_is_missing,
                                without_a_tracefs)))
