#!/usr/bin/env python3
"""bench: runs the programs in turn, round after round, and tells what came of it. Called by run.sh.

A program prints one line a batch, "ROW WHO VALUE", in nanoseconds, bytes or a count. Floor, weir and each peer take
their turns within a round, so that a machine that speeds up or slows down does so for all; the figure is the median
over all batches of all rounds, beside it stands the minimum."""
import argparse
import atexit
import json
import os
import platform
import statistics
import subprocess
import sys

import orders
import orders_tokens
import orders_traces

PEERS = ["prometheus-cpp", "client_golang", "prometheus", "prometheus-client", "measured", "hdrhistogram"]
SPAN_PEERS = ["opentelemetry-cpp", "opentelemetry-go", "fastrace", "opentelemetry_sdk"]
ENCODE_PEERS = ["opentelemetry-go", "opentelemetry-proto", "prost"]
TOKEN_PEERS = ["golang-jwt", "jsonwebtoken"]
TENANT_PEERS = ["prometheus-cpp", "client_golang", "prometheus", "prometheus-client"]
PROGRAMS = ["floor", "floor_span", "idle", "weir_record", "weir_home", "weir_export", "weir_memory", "weir_span", "weir_clock",
            "weir_drain", "weir_probe", "idle_weir", "idle_endpoint", "floor_jwt", "weir_jwt", "peer-prometheus-cpp", "peer-client_golang",
            "peer-rust", "peer-opentelemetry-go", "peer-opentelemetry-cpp", "peer-golang-jwt", "peer-jsonwebtoken"]
IDLE = ["idle", "idle_weir", "idle_endpoint"]
PEER_PROGRAMS = ["peer-prometheus-cpp", "peer-client_golang", "peer-rust"]
RECORD = ["floor", "weir_record"] + PEER_PROGRAMS
EXPORT = ["floor", "weir_export"] + PEER_PROGRAMS
MEMORY = ["floor", "weir_memory"] + PEER_PROGRAMS
SPAN_PEER_PROGRAMS = ["peer-opentelemetry-cpp", "peer-opentelemetry-go", "peer-rust"]
SPAN = ["floor_span", "weir_span"] + SPAN_PEER_PROGRAMS
SPAN_ALONE = ["floor_span", "weir_span"]
DRAIN = ["floor_span", "weir_drain"] + SPAN_PEER_PROGRAMS
ENCODE = ["floor_span", "weir_drain", "peer-opentelemetry-go", "peer-rust"]
TOKEN = ["floor_jwt", "weir_jwt", "peer-golang-jwt", "peer-jsonwebtoken"]
TOKEN_ALONE = ["floor_jwt", "weir_jwt"] # nobody else has a cache
TENANT = ["floor_jwt", "weir_jwt"] + PEER_PROGRAMS


class Row:
    """budget: a number in the row's unit, or a function of the floor's median; None where the design has none. wide: the
    programs get two processors, though one thread records: what it hands over is somebody else's work."""

    def __init__(self, name, programs, unit="ns", divisor=1.0, budget=None, threads=1, rounds=7, batches=3,
                 batch_ms=20, wide=False):
        self.name, self.programs, self.unit, self.divisor = name, programs, unit, divisor
        self.budget, self.threads, self.wide = budget, threads, wide or threads > 1
        self.peers = ([] if len(programs) < 3 else ENCODE_PEERS if programs is ENCODE else TOKEN_PEERS if programs is TOKEN else
                      TENANT_PEERS if programs is TENANT else SPAN_PEERS if programs[0] == "floor_span" else
                      PEERS if PEER_PROGRAMS[0] in programs else [])
        self.rounds, self.batches, self.batch_ms = rounds, batches, batch_ms


def rows():
    table = [
        Row("empty_loop", ["floor"]),
        Row("counter_add", RECORD, budget=0.6),
        # Wall time of one add over all threads: two processors take half the time of one, more threads are no worse.
        Row("counter_add", RECORD, budget=0.3, threads=2, batch_ms=60),
        Row("counter_add", RECORD, budget=0.3, threads=8, batch_ms=60),
        Row("counter_add", RECORD, budget=0.3, threads=64, batch_ms=60),
        Row("counter_add_static", RECORD),
        Row("counter_add_labels", RECORD, budget=20),
        Row("histogram_explicit", RECORD, budget=1.5),
        Row("histogram_explicit_16_series", RECORD),
        Row("histogram_exponential", RECORD, budget=1.8),
        Row("gauge_set", RECORD),
        # The same loop in each home.
        Row("record_memfd", ["weir_home"]),
        Row("record_shm", ["weir_home"]),
        Row("record_bpfmap", ["weir_home"]),
        # By the reader's functions; the floor: by an offset that is known.
        Row("bpf_lookup", ["weir_home"], rounds=3, batches=1),
        Row("dump_100k", ["weir_home"], unit="ms", divisor=1e6, rounds=3, batches=2, batch_ms=200, wide=True),
        Row("ls_200_processes", ["weir_home"], unit="ms", divisor=1e6, rounds=3, batches=2, batch_ms=200, wide=True),
        Row("record_series_1", RECORD),
        Row("record_series_1k", RECORD),
        Row("record_series_100k", RECORD, rounds=4, batch_ms=40),
        # A batch goes through all of them.
        Row("record_series_1m", RECORD, rounds=2, batch_ms=200),
        Row("snapshot_1k", EXPORT, unit="ms", divisor=1e6, rounds=5, batch_ms=50),
        Row("snapshot_10k", EXPORT, unit="ms", divisor=1e6, rounds=5, batch_ms=100),
        Row("snapshot_100k", EXPORT, unit="ms", divisor=1e6, rounds=3, batches=1, batch_ms=200),
        Row("snapshot_1m", EXPORT, unit="ms", divisor=1e6, rounds=2, batches=1, batch_ms=200),
        Row("prometheus_text_1k", EXPORT, unit="ms", divisor=1e6, rounds=5, batch_ms=50),
        Row("prometheus_text_10k", EXPORT, unit="ms", divisor=1e6, budget=0.5, rounds=5, batch_ms=100),
        Row("prometheus_text_100k", EXPORT, unit="ms", divisor=1e6, rounds=3, batches=1, batch_ms=200),
        Row("prometheus_text_1m", EXPORT, unit="ms", divisor=1e6, rounds=2, batches=1, batch_ms=200),
        Row("prometheus_encode_10k", EXPORT, unit="ms", divisor=1e6, rounds=5, batch_ms=100),
        Row("prometheus_protobuf_10k", EXPORT, unit="ms", divisor=1e6, budget=0.5, rounds=5, batch_ms=100),
        Row("otlp_metrics_10k", ["floor", "weir_export"], unit="ms", divisor=1e6, rounds=5, batch_ms=100),
        Row("span_sampled", SPAN, budget=45, batch_ms=50),
        Row("span_sampled_no_tsc", SPAN, budget=70, batch_ms=50),
        Row("span_sampled_threaded", SPAN_ALONE, batch_ms=50, wide=True),
        Row("span_unsampled", SPAN, budget=4),
        Row("span_disabled", SPAN_ALONE, budget=4),
        Row("span_unsampled_timed", SPAN_ALONE, budget=lambda floor: floor + 4),
        Row("span_unsampled_root", SPAN, budget=lambda floor: floor + 4, batch_ms=50),
        Row("span_kept", SPAN_ALONE, budget=45, batch_ms=50),
        Row("request_sampled", ["weir_span"], batch_ms=50),
        Row("request_unsampled", ["weir_span"]),
        Row("exemplar_record", SPAN_ALONE, batch_ms=50),
        Row("ctx_attach_detach", SPAN),
        Row("extract_inject", SPAN, budget=40),
        Row("extract_inject_8_headers", SPAN_ALONE),
        # The bound that test_clock states, over two minutes; it sleeps meanwhile.
        Row("clock_minutes", ["weir_clock"], unit="ppm", budget=1000, rounds=1, batches=1, batch_ms=120000, wide=True),
        Row("probe_unattached", ["floor", "weir_probe"], budget=lambda floor: floor + 0.1),
        Row("probe_attached", ["weir_probe"]),
        Row("span_cpu_total", DRAIN, budget=500, rounds=5, batches=2, batch_ms=200, wide=True),
        Row("otlp_encode_1000_spans", ENCODE, unit="ms", divisor=1e6, budget=0.5, rounds=5, batch_ms=100),
        Row("span_flood", DRAIN, unit="spans lost", budget=0, rounds=3, batches=1, wide=True),
        Row("span_flood_default", DRAIN, unit="% lost", rounds=3, batches=1, wide=True),
        Row("bytes_per_span", DRAIN, unit="bytes", rounds=3, batches=1, wide=True),
        Row("jwt_cached", TOKEN_ALONE, unit="us", divisor=1e3, budget=0.5),
        Row("jwt_cached", TOKEN_ALONE, unit="us", divisor=1e3, threads=2, batch_ms=60),
        Row("jwt_cached", TOKEN_ALONE, unit="us", divisor=1e3, threads=8, batch_ms=60),
        Row("jwt_cached_1k", TOKEN_ALONE, unit="us", divisor=1e3, budget=0.5),
        Row("jwt_cached_1k", TOKEN_ALONE, unit="us", divisor=1e3, threads=2, batch_ms=60),
        Row("jwt_cached_1k", TOKEN_ALONE, unit="us", divisor=1e3, threads=8, batch_ms=60),
        # Seconds to make the tokens, in each program.
        Row("jwt_cached_1m", TOKEN_ALONE, unit="us", divisor=1e3, rounds=2, batch_ms=200),
        Row("jwt_cached_1m_default", TOKEN_ALONE, unit="us", divisor=1e3, rounds=2, batch_ms=200),
        Row("jwt_cached_1m_skewed", TOKEN_ALONE, unit="us", divisor=1e3, rounds=2, batch_ms=200),
        Row("jwt_hit_rate", ["weir_jwt"], unit="%", rounds=1, batches=1),
        Row("jwt_hit_rate_1k", ["weir_jwt"], unit="%", rounds=3, batches=1),
        Row("jwt_hit_rate_1m", ["weir_jwt"], unit="%", rounds=2, batches=1),
        Row("jwt_hit_rate_1m_default", ["weir_jwt"], unit="%", rounds=2, batches=1),
        Row("jwt_hit_rate_1m_skewed", ["weir_jwt"], unit="%", rounds=2, batches=1),
        Row("jwt_hs256", TOKEN, unit="us", divisor=1e3, budget=lambda floor: floor + 6),
        Row("jwt_hs256", TOKEN, unit="us", divisor=1e3, threads=2, batch_ms=60),
        Row("jwt_hs256", TOKEN, unit="us", divisor=1e3, threads=8, batch_ms=60),
        Row("jwt_rs256", TOKEN, unit="us", divisor=1e3, budget=lambda floor: floor + 6, batch_ms=50),
        Row("jwt_es256", TOKEN, unit="us", divisor=1e3, budget=lambda floor: floor + 6, batch_ms=50),
        Row("jwt_es256", TOKEN, unit="us", divisor=1e3, threads=2, batch_ms=100),
        Row("jwt_es256", TOKEN, unit="us", divisor=1e3, threads=8, batch_ms=100),
        Row("jwt_eddsa", TOKEN, unit="us", divisor=1e3, budget=lambda floor: floor + 6, batch_ms=50),
        Row("counter_add_tenant", TENANT),
        Row("counter_add_tenant", TENANT, threads=2, batch_ms=60),
        Row("counter_add_tenant", TENANT, threads=8, batch_ms=60),
        Row("counter_add_tenant_100k", TENANT, rounds=4),
        Row("thread_first_use", MEMORY, rounds=5, batches=1),
        Row("thread_first_use_new", MEMORY, rounds=5, batches=1),
        Row("bytes_per_series", MEMORY, unit="bytes", budget=328, rounds=3, batches=1),
        Row("bytes_per_thread", MEMORY, unit="bytes", budget=8192, rounds=3, batches=1),
        Row("rss_after_init", IDLE, unit="KiB", divisor=1024, budget=lambda floor: floor + 256, rounds=3, batches=1),
        Row("threads_after_init", IDLE, unit="threads", budget=lambda floor: floor + 1, rounds=1, batches=1),
        Row("rss_with_endpoint", IDLE, unit="KiB", divisor=1024, rounds=3, batches=1),
        Row("threads_with_endpoint", IDLE, unit="threads", budget=lambda floor: floor + 2, rounds=1, batches=1),
        Row("library_kib", [], unit="KiB", budget=150),
        Row("orders_throughput_ratio", [], unit="ratio", budget=0.97),
        Row("orders_cpu_us_per_request", [], unit="us", budget=lambda floor: floor + 2.5),
        Row("orders_request_cpu_us_per_request", [], unit="us", budget=lambda floor: floor + 1.0),
        Row("orders_requests_per_second", [], unit="1/s", budget=None),
        Row("orders_p99_us", [], unit="us", budget=None),
        Row("orders_traces_always_throughput_ratio", [], unit="ratio", budget=0.97),
        Row("orders_traces_always_cpu_us_per_request", [], unit="us", budget=lambda floor: floor + 2.5),
        Row("orders_traces_always_request_cpu_us_per_request", [], unit="us", budget=lambda floor: floor + 1.0),
        Row("orders_traces_tenth_throughput_ratio", [], unit="ratio", budget=0.97),
        Row("orders_traces_tenth_cpu_us_per_request", [], unit="us", budget=lambda floor: floor + 1.2),
        Row("orders_traces_tenth_request_cpu_us_per_request", [], unit="us", budget=lambda floor: floor + 1.0),
        Row("orders_tokens_always_throughput_ratio", [], unit="ratio", budget=0.97),
        Row("orders_tokens_always_cpu_us_per_request", [], unit="us", budget=lambda floor: floor + 2.5),
        Row("orders_tokens_always_request_cpu_us_per_request", [], unit="us", budget=lambda floor: floor + 1.0),
        Row("orders_tokens_tenth_throughput_ratio", [], unit="ratio", budget=0.97),
        Row("orders_tokens_tenth_cpu_us_per_request", [], unit="us", budget=lambda floor: floor + 1.2),
        Row("orders_tokens_tenth_request_cpu_us_per_request", [], unit="us", budget=lambda floor: floor + 1.0),
        Row("orders_tokens_pair_always_throughput_ratio", [], unit="ratio", budget=0.97),
        Row("orders_tokens_pair_always_cpu_us_per_request", [], unit="us", budget=lambda floor: floor + 2.5),
        Row("orders_tokens_pair_always_request_cpu_us_per_request", [], unit="us", budget=lambda floor: floor + 1.0),
        Row("orders_tokens_pair_tenth_throughput_ratio", [], unit="ratio", budget=0.97),
        Row("orders_tokens_pair_tenth_cpu_us_per_request", [], unit="us", budget=lambda floor: floor + 1.2),
        Row("orders_tokens_pair_tenth_request_cpu_us_per_request", [], unit="us", budget=lambda floor: floor + 1.0),
    ]
    return table


def more_is_better(row):
    return row.unit == "%" or row.name == "orders_requests_per_second" or row.name.endswith("_throughput_ratio")


class Failed(Exception):
    pass


def machine(compiler):
    model = platform.machine()
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        for line in info:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return f"{model}, {os.cpu_count()} processors, Linux {platform.release()}, {compiler}"


def put_session_first():
    """Where the kernel groups tasks by session (sched_autogroup_enabled), a nice value counts within one session only: ours goes
    before the others until the end, where that may be had. So services have their processor on a machine that does other work."""
    path = "/proc/self/autogroup"
    try:
        with open(path, encoding="ascii") as file:
            before = file.read().split()[-1]
        with open(path, "w", encoding="ascii") as file:
            file.write("-20")
    except OSError:
        return

    def back():
        with open(path, "w", encoding="ascii") as file:
            file.write(before)

    atexit.register(back)


def take_processor(row, cpus):
    """In a program that has not begun yet. What runs on one processor has it alone, where that may be had: half of a processor is
    a figure of twice the time."""
    os.sched_setaffinity(0, cpus)
    if row.wide:
        return
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        pass


def run_program(path, row, batches, batch_ms, cpus):
    """The program's samples: {who: [value]}."""
    call = [path, row.name, str(batch_ms), str(batches), str(row.threads)]
    done = subprocess.run(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=600,
                          preexec_fn=lambda: take_processor(row, cpus))
    if done.returncode != 0:
        raise Failed(f"{os.path.basename(path)} {row.name}: {done.stderr.strip() or done.returncode}")
    samples = {}
    for line in done.stdout.splitlines():
        name, who, value = line.split()
        if name != row.name:
            raise Failed(f"{os.path.basename(path)} answers {row.name} with {name}")
        samples.setdefault(who, []).append(float(value) / row.divisor)
    return samples


def run_row(row, out, cpus, quick):
    rounds, batches, batch_ms = row.rounds, row.batches, row.batch_ms
    if quick:
        rounds, batches, batch_ms = min(rounds, 2), min(batches, 2), max(1, batch_ms // 4)
    samples, failures = {}, []
    for _ in range(rounds):
        for program in row.programs:
            path = os.path.join(out, program)
            if not os.path.exists(path) or program in failures:
                continue
            try:
                for who, values in run_program(path, row, batches, batch_ms, cpus).items():
                    samples.setdefault(who, []).extend(values)
            except (Failed, subprocess.TimeoutExpired) as error:
                print(f"failed {error}", file=sys.stderr)
                failures.append(program)
    return samples, failures


def library_sizes(out):
    def kib(path):
        return os.path.getsize(path) / 1024

    samples = {"floor": [kib(os.path.join(out, "libbench-floor.stripped"))],
               "weir": [kib(os.path.join(out, "libweir.stripped"))]}
    peer = os.path.join(out, "peer-prometheus-cpp")
    if os.path.exists(peer):
        for line in subprocess.run(["ldd", peer], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines():
            if "libprometheus-cpp-core" in line:
                samples["prometheus-cpp"] = [kib(os.path.realpath(line.split()[2]))]
    return samples


def run_orders(report, wanted, what, measure):
    """Rows of a service under load, which are measured together: true where that failed."""
    if not wanted:
        return False
    try:
        samples, notes = measure()
        for row in wanted:
            report.add(row, samples[row.name], next((note for mode, note in notes.items() if f"_{mode}_" in row.name), None))
    except orders.Skip as reason:
        print(f"skip {what}: {reason}")
    except orders.Failed as reason:
        for row in wanted:
            print(f"\n{row.name}: FAILED")
        print(f"failed {what}: {reason}", file=sys.stderr)
        return True
    return False


def number(value):
    if value is None:
        return "-"
    if value == 0 or abs(value) >= 1000:
        return f"{value:.0f}"
    if abs(value) >= 100:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3g}"


class Report:
    def __init__(self, where, skips):
        self.where, self.skips = where, skips
        self.objects, self.misses = [], []

    def add(self, row, samples, note=None):
        median = {who: statistics.median(values) for who, values in samples.items()}
        best = max if more_is_better(row) else min
        floor, weir = median.get("floor"), median.get("weir")
        budget = row.budget
        if callable(budget):
            budget = budget(floor) if floor is not None else None
        peers = {who: value for who, value in median.items() if who not in ("floor", "weir")}
        self.objects.append({"row": row.name, "threads": row.threads, "unit": row.unit, "floor": rounded(floor),
                             "weir": rounded(weir), "budget": rounded(budget),
                             "peers": {who: rounded(value) for who, value in peers.items()}, "machine": self.where,
                             **({"note": note} if note else {})})

        threads = f", {row.threads} threads" if row.threads > 1 else ""
        print(f"\n{row.name}, {row.unit}{threads}")
        if note:
            print(f"  {note}")
        print(f"  {'':24}{'median':>12}{'best':>12}{'x floor':>10}")
        missing = [peer for peer in row.peers if peer not in peers]
        for who in ["floor", "weir", *peers, *missing]:
            if who not in median:
                print(f"  {who:24}{'skip' if who in self.skips else '-':>12}")
                continue
            ratio = f"{median[who] / floor:.2f}" if floor else ""
            print(f"  {who:24}{number(median[who]):>12}{number(best(samples[who])):>12}{ratio:>10}")
            if who == "weir" and budget is not None:
                kept = weir >= budget if more_is_better(row) else weir <= budget
                print(f"  {'budget':24}{number(budget):>12}{'kept' if kept else 'MISSED':>12}")
                if not kept:
                    self.misses.append(f"{row.name}{threads}: weir {number(weir)}, budget {number(budget)}, "
                                       f"floor {number(floor)} {row.unit}")
        sys.stdout.flush()

    def end(self, path):
        print(f"\n{self.where}")
        for peer, reason in self.skips.items():
            print(f"skip {peer}: {reason}")
        for miss in self.misses:
            print(f"budget missed: {miss}")
        if path:
            with open(path, "w", encoding="utf-8") as file:
                json.dump(self.objects, file, indent=1)
                file.write("\n")


def rounded(value):
    return None if value is None else float(f"{value:.6g}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("rows", nargs="*")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--out")
    parser.add_argument("--build")
    parser.add_argument("--compiler", default="")
    parser.add_argument("--json")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--skip", action="append", default=[])
    options = parser.parse_args()

    table = rows()
    names = list(dict.fromkeys(row.name for row in table))
    unknown = [name for name in options.rows if name not in names]
    if unknown:
        print(f"no such row: {', '.join(unknown)}; there are: {' '.join(names)}", file=sys.stderr)
        return 2
    if options.list:
        print("\n".join(names))
    if options.list or options.check:
        return 0
    wanted = [row for row in table if row.name in (options.rows or names)]
    if options.quick and not options.rows:
        wanted = [row for row in wanted if "_1m" not in row.name]

    cpus = sorted(os.sched_getaffinity(0))
    single, several = {cpus[-1]}, set(cpus[-2:])
    load = os.getloadavg()[0]
    if load > 0.3:
        print(f"note: the machine is busy (load {load:.1f}): figures will be noisy", file=sys.stderr)
    if len(several) < 2:
        print("note: one processor only: rows of several threads tell little, and orders cannot be measured",
              file=sys.stderr)
    put_session_first()
    skips = dict(reason.split(": ", 1) for reason in options.skip)
    report, failed = Report(machine(options.compiler), skips), False
    for row in wanted:
        if row.name.startswith("orders_"):
            continue
        if row.name == "library_kib":
            report.add(row, library_sizes(options.out))
            continue
        samples, failures = run_row(row, options.out, several if row.wide else single, options.quick)
        failed |= bool(failures)
        report.add(row, samples)
    traces = [row for row in wanted if row.name.startswith("orders_traces_")]
    pair = [row for row in wanted if row.name.startswith("orders_tokens_pair_")]
    tokens = [row for row in wanted if row.name.startswith("orders_tokens_") and row not in pair]
    alone = [row for row in wanted if row.name.startswith("orders_") and row not in traces + tokens + pair]
    failed |= run_orders(report, alone, "orders", lambda: (orders.measure(options.build, options.out, cpus, options.quick), {}))
    failed |= run_orders(report, traces, "orders_traces",
                         lambda: orders_traces.measure(options.build, options.out, cpus, options.quick))
    failed |= run_orders(report, tokens, "orders_tokens",
                         lambda: orders_tokens.measure(options.build, options.out, cpus, options.quick))
    failed |= run_orders(report, pair, "orders_tokens_pair",
                         lambda: orders_tokens.measure_pair(options.build, options.out, cpus, options.quick))
    report.end(options.json)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
