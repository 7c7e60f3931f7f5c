#!/usr/bin/env python3
"""The example syscalls on the service orders and a real Collector: its table has the routes that were asked, the slowest call's
trace is in the Collector's file; and what is missing is said, with exit code 2."""
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(os.environ.get("WEIR_ROOT", pathlib.Path(__file__).resolve().parents[2]))
BUILD = pathlib.Path(os.environ.setdefault("WEIR_BUILD", str(ROOT / "build/release")))
sys.path[:0] = [str(ROOT / "test/integration"), str(ROOT / "test/e2e")]
from collector import Collector  # noqa: E402
from orders_service import Orders  # noqa: E402

SYSCALLS = BUILD / "bin/syscalls"
failed = 0


class Wrong(Exception):
    pass


def need(there, what):
    if not there:
        raise Wrong(what)


def run(*args, **more):
    return subprocess.run([str(a) for a in args], capture_output=True, text=True, timeout=60, **more)


def ask(orders, count):
    connection = orders.connect()
    for number in range(count):
        connection.request("POST", "/api/v1/orders", body='{"item":"tea","quantity":1}', headers={"Content-Type": "application/json"})
        connection.getresponse().read()
        connection.request("GET", f"/api/v1/orders/{number + 1}")
        connection.getresponse().read()
    connection.close()


def table():
    with Collector() as collector, Orders("--role", "store") as store, \
            Orders("--role", "gateway", "--store", f"http://127.0.0.1:{store.port}", "--otlp", collector.url) as gateway:
        watch = subprocess.Popen([SYSCALLS, str(gateway.process.pid), "--seconds", "60"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            first = watch.stdout.readline()
            need(first == "watching\n", f"syscalls says {first!r}, {watch.stderr.read() if watch.poll() is not None else ''}")
            ask(gateway, 50)
            time.sleep(0.3)
            watch.terminate()
            out, err = watch.communicate(timeout=30)
        finally:
            watch.kill()
            watch.wait()
        need(watch.returncode == 0, f"syscalls ends with {watch.returncode}: {err}")
        rows = re.findall(r"^(\S+|\(no \w+\)) +([a-z0-9_]+) +(\d+) +([0-9.]+) +([0-9.]+) +([0-9.]+)$", out, re.M)
        for route in ("/api/v1/orders", "/api/v1/orders/{id}"):
            calls = {name: int(count) for r, name, count, *_ in rows if r == route}
            need(sum(calls.values()) >= 50, f"{route} has {calls} in:\n{out}")
        need("\nlost: 0 calls" in out, f"calls were lost: {out[-200:]}")
        slowest = re.search(r"^slowest \w+ of (\S+): [0-9.]+ us, trace ([0-9a-f]{32}), span ([0-9a-f]{16})$", out, re.M)
        need(slowest, f"no slowest call: {out[-300:]}")
        collector.wait_for(lambda: slowest[2] in {s["trace_id"] for s in collector.spans()}, 20)
        spans = {s["span_id"]: s for s in collector.spans() if s["trace_id"] == slowest[2]}
        need(slowest[3] in spans, f"the span {slowest[3]} is not among {sorted(spans)}")
    return None


def what_is_missing():
    here = str(os.getpid())
    bad = run(SYSCALLS)
    need(bad.returncode == 2 and "process' number" in bad.stderr, f"without an argument: {bad}")
    if os.geteuid() == 0:
        nobody = run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", SYSCALLS, here)
        if "Permission denied" not in nobody.stderr:  # the build's folder may be closed to others
            need(nobody.returncode == 2 and "root is missing" in nobody.stderr, f"as nobody: {nobody}")
        for hidden, said in (("/sys/kernel/btf", "BTF is missing"), ("/sys/kernel/tracing", "tracefs is missing")):
            also = "; mount -t tmpfs none /sys/kernel/debug 2>/dev/null || true" if "tracing" in hidden else ""
            lack = run("unshare", "-m", "sh", "-c", f"mount -t tmpfs none {hidden}{also}; exec {SYSCALLS} {here}")
            need(lack.returncode == 2 and said in lack.stderr, f"without {hidden}: {lack}")
    other = run(SYSCALLS, here)  # python has no weir
    need(other.returncode == 2 and (os.geteuid() != 0 or "weir offsets" in other.stderr), f"without weir: {other}")
    return None


def main():
    global failed
    for name, test, needs_root in (("the_slowest_calls_trace_is_in_the_collector", table, True), ("what_is_missing_is_said", what_is_missing, False)):
        try:
            why = None
            if not SYSCALLS.exists():
                why = "it was built without libbpf, bpftool or clang"
            elif needs_root and (os.geteuid() != 0 or not os.path.exists("/sys/kernel/tracing/events/raw_syscalls")):
                why = "root or tracefs is missing"
            else:
                why = test()
            print(f"skip syscalls.{name}: {why}" if why else f"ok syscalls.{name}", flush=True)
        except Exception as wrong:  # pylint: disable=broad-except
            text = str(wrong).replace("\n", " | ")
            print(f"not ok syscalls.{name}: {type(wrong).__name__}: {text}", flush=True)
            failed = 1


main()
sys.exit(failed)
