"""bench: the service orders under real load: built without weir (bare), with telemetry off, and with telemetry on.

The three take turns in rounds, in another order each time. The service has one processor to itself, the load the other;
nothing is slow or fails by design. A round counts only where the service had 95 % of its processor, so that what is
measured is its work, and not the load's, nor what else runs. CPU time is the scheduler's own, in ns: of the whole
process, and of its threads but weir's own (those whose names begin with weir). While telemetry is on, /metrics is read
in the midst of a round, and at its end weir must have counted what wrk has sent."""
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.request

CONNECTIONS = 64
BUSY = 0.95
PATH = "/api/v1/orders/42"


class Skip(Exception):
    pass


class Failed(Exception):
    pass


def cpu_of(pid):
    """ns that the process has run, and ns of its threads that are not weir's."""
    requests = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/comm", encoding="utf-8") as file:
                name = file.read()
            with open(f"/proc/{pid}/task/{task}/schedstat", encoding="utf-8") as file:
                ran = int(file.read().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            continue
        if not name.startswith("weir"):
            requests += ran
    # The clock of another process, as clock_getcpuclockid makes it: ended threads count.
    return int(time.clock_gettime_ns(~pid << 3 | 2)), requests


class Service:
    """orders, started on one processor; address is where it listens. call: its options but these; environment: beside ours."""

    def __init__(self, program, cpu, call, log, environment=None, metrics=None):
        call = [program, "--listen", "127.0.0.1:0", "--slow-ppm", "0", "--fail-ppm", "0", "--threads", "2", *call]
        self.metrics = metrics
        if metrics is not None:
            call += ["--metrics", f"127.0.0.1:{metrics}"]
        self.process = subprocess.Popen(call, stdout=subprocess.PIPE, stderr=log, text=True,
                                        env={**os.environ, **(environment or {})},
                                        preexec_fn=lambda: os.sched_setaffinity(0, {cpu}))
        watch = threading.Timer(10, self.process.kill)
        watch.start()
        line = self.process.stdout.readline()
        watch.cancel()
        found = re.match(r"ready (\S+)", line)
        if not found:
            self.process.kill()
            self.process.wait()
            raise Failed(f"{os.path.basename(program)} did not say ready, but {line!r}")
        self.address = found[1]

    def scrape(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics}/metrics", timeout=5) as answer:
            return answer.read().decode()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Failed("orders did not end at SIGTERM") from None
        if code != 0:
            raise Failed(f"orders ended with {code}")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def load(address, cpu, seconds, headers=()):
    """(requests, requests a second, p99 in us), by wrk on a processor of its own."""
    call = ["wrk", "-t", "1", "-c", str(CONNECTIONS), "-d", f"{seconds}s", "--latency", f"http://{address}{PATH}"]
    for header in headers:
        call += ["-H", header]
    done = subprocess.run(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=seconds + 30,
                          preexec_fn=lambda: os.sched_setaffinity(0, {cpu}))
    text = done.stdout
    total = re.search(r"(\d+) requests in", text)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", text)
    if done.returncode != 0 or not (total and rate and p99) or "Non-2xx" in text or "Socket errors" in text:
        raise Failed(f"wrk: {text} {done.stderr}")
    return int(total[1]), float(rate[1]), float(p99[1]) * {"us": 1, "ms": 1e3, "s": 1e6}[p99[2]]


def check_count(text, sent):
    """What wrk has counted is what weir has counted, but for the answers that were under way when wrk ended, twice."""
    found = re.search(r'^http_request_duration_seconds_count\{route="/api/v1/orders/\{id\}"[^}]*\} (\d+)', text, re.M)
    if not found:
        raise Failed("telemetry is on, but /metrics has no count of the requests")
    if not sent <= int(found[1]) <= sent + 2 * CONNECTIONS:
        raise Failed(f"wrk sent {sent} requests, weir counted {found[1]}")


def one_round(program, telemetry, cpus, seconds, log):
    """(the service's share of its processor, {row: value}) of one service in one round."""
    call = ["--telemetry", telemetry] if telemetry is not None else []
    metrics = free_port() if telemetry == "on" else 0 if telemetry == "off" else None
    service = Service(program, cpus[0], call, log, metrics=metrics)
    try:
        warm, _, _ = load(service.address, cpus[1], 1)
        if service.metrics:
            timer = threading.Timer(seconds / 2, service.scrape)
            timer.start()
        before, began = cpu_of(service.process.pid), time.monotonic_ns()
        requests, rate, p99 = load(service.address, cpus[1], seconds)
        after, ended = cpu_of(service.process.pid), time.monotonic_ns()
        if service.metrics:
            timer.join()
            time.sleep(0.3)  # past the age of the snapshot that scrapes share
            check_count(service.scrape(), warm + requests)
        return (after[0] - before[0]) / (ended - began), {
            "orders_requests_per_second": rate,
            "orders_cpu_us_per_request": (after[0] - before[0]) / requests / 1e3,
            "orders_request_cpu_us_per_request": (after[1] - before[1]) / requests / 1e3,
            "orders_p99_us": p99,
        }
    finally:
        service.stop()


def measure(build, out, cpus, quick):
    """{row: {floor, weir, orders-off: [values]}}; floor is orders-bare."""
    bare, service = (os.path.join(build, "bin", name) for name in ("orders-bare", "orders"))
    if not (os.path.exists(bare) and os.path.exists(service)):
        raise Skip(f"no orders and orders-bare in {build}/bin")
    if not shutil.which("wrk"):
        raise Skip("no wrk command")
    if len(cpus) < 2:
        raise Skip("two processors are needed, one for the service, one for the load")
    turns = [("floor", bare, None), ("orders-off", service, "off"), ("weir", service, "on")]
    rounds, seconds = (3, 2) if quick else (7, 5)
    samples = {}
    with open(os.path.join(out, "orders.log"), "w", encoding="utf-8") as log:
        for _ in range(rounds):
            figures = {}
            for who, program, telemetry in turns:
                for _ in range(3):
                    busy, figures[who] = one_round(program, telemetry, cpus[-2:], seconds, log)
                    if busy >= BUSY:
                        break
                else:
                    raise Failed(f"the service had {busy:.1%} of its processor, {BUSY:.0%} is needed: "
                                 "something else runs, or the load is too slow")
            for who, values in figures.items():
                values["orders_throughput_ratio"] = (values["orders_requests_per_second"] /
                                                     figures["floor"]["orders_requests_per_second"])
                for row, value in values.items():
                    samples.setdefault(row, {}).setdefault(who, []).append(value)
            turns = turns[1:] + turns[:1]
    return samples
