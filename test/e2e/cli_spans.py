#!/usr/bin/env python3
"""weir spans as a user runs it: on orders, on a host that passes a known number of spans, on a service that lies, and where it may not.
The programs: WEIR_BUILD's."""
import collections
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
for name in [n for n in os.environ if n.startswith("OTEL_")]:
    del os.environ[name]
os.environ.update(OTEL_TRACES_SAMPLER="always_on")
os.environ.setdefault("WEIR_BUILD", str(pathlib.Path(__file__).resolve().parents[2] / "build/release"))

import bpftrace  # noqa: E402
from probed import BUILD, ROOT, WORK, Host, Skip, compiled, need, run, with_library  # noqa: E402
from orders_service import Orders  # noqa: E402

WEIR = BUILD / "bin/weir"
PLAIN = BUILD.parent / "release" if BUILD.name == "asan" else BUILD  # what a program is linked with here, also where the command has a sanitizer
HOST = BUILD / "test/probes_host"
NOBODY = {"user": 65534, "group": 65534, "extra_groups": []}
ORDER = "/api/v1/orders/{id}"
# A service whose probes do not tell the truth, in its own file; each line of its input makes it pass them once.
LIAR = r"""
#include <weir/usdt.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
int main(void)
{
	static char longer[400];
	static const unsigned char id[16] = {1};
	char line[16];
	memset(longer, 'x', sizeof longer - 1);
	puts("ok 0");
	fflush(stdout);
	while (fgets(line, sizeof line, stdin) != NULL) {
		WEIR_PROBE(weir, span_end, id, "a\x1b[31mred\x7f\n\t\xc2\x9b" "2J\xff", UINT64_C(12), 2, 0);
		WEIR_PROBE(weir, span_end, id, UINT64_C(8), UINT64_MAX, 77, 1);
		WEIR_PROBE(weir, span_end, UINT64_C(8), longer, UINT64_C(0), 0, 2);
		WEIR_PROBE(weir, request_end, "/\r\x1b]0;title\x07", 503, UINT64_C(5));
	}
	return 0;
}
"""


def why_not():
    why = bpftrace.missing() if os.geteuid() == 0 else "needs root"
    if why is None or "bpftrace is not installed" in why:
        why = None if os.path.exists("/sys/kernel/btf/vmlinux") else "this kernel has no BTF"
    if why is None and "was built without" in weir("spans", os.getpid())[2]:
        why = "weir was built without libbpf"
    return why


def weir(*args, **more):
    done = subprocess.run([WEIR, *map(str, args)], capture_output=True, timeout=60, **more)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def refused(code, reason, *args, **more):
    got, out, err = weir("spans", *args, **more)
    need(got == code and re.search(reason, err) and out == "", f"{args} ends with {got}, not {code}: {err.strip()!r}, not {reason!r}")


class Tail:
    """weir spans, attached when the constructor returns. The lines come by a thread of their own, so that no pipe is ever full."""

    def __init__(self, pid, *args, command=()):
        if WHY:
            raise Skip(WHY)
        self.process = subprocess.Popen([*command, WEIR, "spans", *args, str(pid)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        first = self.process.stderr.readline().decode()
        if first != f"weir spans: watching process {pid}\n":
            self.process.kill()
            raise AssertionError(f"weir spans begins with {first!r}")
        self.out, self.err = b"", b""
        self.readers = [threading.Thread(target=self.read, args=("out", self.process.stdout)), threading.Thread(target=self.read, args=("err", self.process.stderr))]
        for reader in self.readers:
            reader.start()

    def read(self, name, stream):
        while chunk := stream.read1(65536):
            setattr(self, name, getattr(self, name) + chunk)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for reader in self.readers:
            reader.join()
        self.process.stdout.close()
        self.process.stderr.close()

    def ends(self, number=None):
        """What it has said, once it has ended well: by this signal, or by itself."""
        if number is not None:
            self.process.send_signal(number)
        code = self.process.wait(timeout=30)
        for reader in self.readers:
            reader.join()
        need(code == 0, f"it ends with {code}: {self.err}")
        return self.out.decode(), self.err.decode()

    def events(self, number=signal.SIGTERM):
        out, err = self.ends(number)
        events = [json.loads(line) for line in out.splitlines()]
        lost = sum(e["number"] for e in events if e["type"] == "lost")
        events = [e for e in events if e["type"] != "lost"]
        need(err.endswith(f"weir spans: {len(events)} shown, {lost} lost\n"), f"{len(events)} events, and {err!r}")
        return events


def ask(orders, count, method="GET", path="/api/v1/orders/{}"):
    """{trace id that the client was told of: status}."""
    seen, connection = {}, orders.connect()
    for n in range(count):
        status, headers, _ = orders.ask(method, path.format(n + 1), None, connection)
        seen[headers["X-Trace-ID"]] = status
    connection.close()
    need(len(seen) == count, f"{len(seen)} traces of {count} requests")
    return seen


def kinds(events):
    return dict(collections.Counter(e.get("kind", e["type"]) for e in events))


# ---- on orders ---------------------------------------------------------------------------------------------------------------
def each_request_and_span_of_orders_once():
    """The gateway has three of a request: its server span, its client span, and the request; the client's own trace ids."""
    with Orders("--role", "store") as store, \
            Orders("--role", "gateway", "--store", f"http://127.0.0.1:{store.port}", "--otlp", "http://127.0.0.1:1") as gateway:
        with Tail(gateway.process.pid, "--json") as tail, Tail(gateway.process.pid) as plain:
            seen = ask(gateway, 200)
            events, (text, _) = tail.events(), plain.ends(signal.SIGTERM)
    need(kinds(events) == {"request": 200, "server": 200, "client": 200}, kinds(events))
    for kind in ("request", "server", "client"):
        need({e["trace_id"] for e in events if e.get("kind", e["type"]) == kind} == set(seen), f"traces of {kind}")
    need({e["route"] for e in events if e["type"] == "request"} == {ORDER}, "routes")
    need({e["trace_id"]: e["status"] for e in events if e["type"] == "request"} == seen, "statuses")
    need({e["name"] for e in events if e.get("kind") == "server"} == {f"GET {ORDER}"}, "names")
    need(len({e["span_id"] for e in events if e["type"] == "span"}) == 400, "span ids")
    need(all(e["duration_ns"] > 0 and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", e["time"]) for e in events), "durations, times")
    head, *lines = text.splitlines()
    rows = [re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3} ([0-9a-f]{32}) (\w+) +\d\S*s +(\S+) +(\S.*)", line) for line in lines]
    need(head.split()[:3] == ["TIME", "TRACE", "KIND"] and len(rows) == 600 and all(rows), [line for line, row in zip(lines, rows) if not row][:3])
    need({row[1] for row in rows if row[2] == "request" and row[3] == "200" and row[4] == ORDER} == {t for t in seen if seen[t] == 200}, "the text")


def slow_ones_alone():
    with Orders("--otlp", "http://127.0.0.1:1", "--slow-ppm", "200000") as orders:
        with Tail(orders.process.pid, "--json") as every, Tail(orders.process.pid, "--json", "--slow", "15.5") as slow:
            ask(orders, 60)
            every, slow = every.events(), slow.events()
    need(len(every) == 120, kinds(every))
    wanted = {(e["trace_id"], e["type"]) for e in every if e["duration_ns"] >= 15500000}
    need(0 < len(wanted) < 120, f"{len(wanted)} slow ones of 120")
    need({(e["trace_id"], e["type"]) for e in slow} == wanted and len(slow) == len(wanted), f"{len(slow)} are shown of {len(wanted)}")


def failed_ones_alone():
    with Orders("--otlp", "http://127.0.0.1:1", "--fail-ppm", "300000") as orders:
        with Tail(orders.process.pid, "--json", "--failed") as tail:
            seen = ask(orders, 80)
            events = tail.events()
    bad = {trace for trace, status in seen.items() if status >= 500}
    need(0 < len(bad) < 80, f"{len(bad)} failed of 80")
    need(all(e["failed"] for e in events), "one that has not failed")
    need({e["trace_id"] for e in events if e["type"] == "request"} == bad, "requests")
    need({e["trace_id"] for e in events if e["type"] == "span"} == bad, "spans")


def both_filters_hold():
    with Orders("--otlp", "http://127.0.0.1:1", "--fail-ppm", "300000") as orders:
        with Tail(orders.process.pid, "--json", "--failed", "--slow", "999999") as tail:
            ask(orders, 40)
            need(tail.events() == [], "they are failed, but not slow")


# ---- on a host that passes a known number ---------------------------------------------------------------------------------------
def threads_count_and_forked_children_do_not():
    with Host(HOST) as host, Tail(host.pid, "--json") as tail:
        host.ask("threads 4 100")
        host.ask("fork 50")
        events = tail.events()
    need(kinds(events) == {"request": 400, "server": 400, "internal": 400}, kinds(events))
    need(sum(e["failed"] for e in events) == 200, "half of the server spans have failed")


def of_two_processes_each_has_its_own():
    """Both run into the same probes, of the same file."""
    with Host(HOST) as one, Host(HOST) as two, Tail(one.pid, "--json") as first, Tail(two.pid, "--json") as second:
        one.ask("run 20")
        two.ask("run 30")
        need((len(first.events()), len(second.events())) == (60, 90), "60 and 90")


def count_ends_it():
    with Host(HOST) as host, Tail(host.pid, "--json", "--count", "5") as tail:
        host.ask("run 10")
        need(len(tail.events(None)) == 5, "five")


def it_ends_with_the_process():
    with Host(HOST) as host, Tail(host.pid) as tail:
        host.ask("run 3")
        host.end()
        out, err = tail.ends()
        need(len(out.splitlines()) == 10 and "the process has ended" in err and err.endswith("9 shown, 0 lost\n"), (out, err))


def signals_end_it():
    for number in (signal.SIGINT, signal.SIGTERM):
        with Host(HOST) as host, Tail(host.pid) as tail:
            host.ask("run 1")
            out, err = tail.ends(number)
            need(len(out.splitlines()) == 4 and err.endswith("weir spans: 3 shown, 0 lost\n"), (out, err))
            need(host.ask("run 1") == 4, "the host goes on")


def what_is_lost_is_counted():
    """The reader stands still while more comes than the ring holds."""
    for words in (("--json",), ()):
        with Host(HOST) as host, Tail(host.pid, *words) as tail:
            tail.process.send_signal(signal.SIGSTOP)
            host.ask("run 4000")
            tail.process.send_signal(signal.SIGCONT)
            if words:
                shown = len(tail.events())
            else:
                out, err = tail.ends(signal.SIGTERM)
                shown = len(out.splitlines()) - 1
                need(re.search(r"^weir spans: \d+ lost: more than could be shown$", err, re.M), err)
            lost = int(re.search(r"(\d+) lost\n$", tail.err.decode())[1])
            need(lost > 0 and shown + lost == 12000, f"{shown} shown, {lost} lost")


def every_form_of_the_library():
    """Stripped; replaced since the start; and the archive in a program."""
    if not (PLAIN / "libweir.so").exists():
        raise Skip("no build without a sanitizer beside this one")
    folder = WORK / "stripped"
    folder.mkdir()
    for file in PLAIN.glob("libweir.so*"):
        shutil.copy(file, folder / file.name, follow_symlinks=True)
    for file in folder.iterdir():
        subprocess.run(["strip", file], check=True)
    for name, how, gone in (("with_stripped", with_library(folder), False), ("replaced", with_library(folder), True),
                            ("with_archive", (PLAIN / "libweir.a",), False)):
        with Host(compiled(name, *how)) as host:
            if gone:
                shutil.rmtree(folder)
            with Tail(host.pid, "--json") as tail:
                host.ask("run 7")
                need(kinds(tail.events()) == {"request": 7, "server": 7, "internal": 7}, name)


def first_of_a_namespace():
    """A program that runs the host as the first of a namespace."""
    script = WORK / "first"
    script.write_text(f"#!/bin/sh\nexec unshare --pid --fork --mount-proc {HOST}\n")
    script.chmod(0o755)
    return script


def in_a_namespace_of_processes():
    """By the number there, from within; and by the one here, from here."""
    made = subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", "true"], capture_output=True)
    if made.returncode != 0:
        raise Skip("no namespaces here")
    with Host(first_of_a_namespace()) as outer:
        inner = int(pathlib.Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text())
        with Tail(1, "--json", command=["nsenter", "-t", str(inner), "-p", "-m"]) as within, Tail(inner, "--json") as here:
            outer.ask("run 6")
            outer.end()
            need(kinds(here.events(None)) == {"request": 6, "server": 6, "internal": 6}, "from here")
            need(within.process.wait(timeout=30) is not None, "within")
            for reader in within.readers:
                reader.join()
            out = [json.loads(line) for line in within.out.decode().splitlines()]
            need(kinds(out) == {"request": 6, "server": 6, "internal": 6}, f"from within: {kinds(out)}, {within.err}")


def a_service_that_lies():
    if not (PLAIN / "libweir.so").exists():
        raise Skip("no build without a sanitizer beside this one")
    (WORK / "liar.c").write_text(LIAR)
    subprocess.run(["gcc", "-O2", f"-I{ROOT}/include", WORK / "liar.c", "-o", WORK / "liar", "-L", PLAIN, "-lweir", f"-Wl,-rpath,{PLAIN}"], check=True)
    with Host(WORK / "liar") as liar, Tail(liar.pid) as plain, Tail(liar.pid, "--json") as tail, Tail(liar.pid, "--failed", "--json") as failed, \
            Tail(liar.pid, "--slow", "0.000012", "--json") as slow:
        liar.process.stdin.write("go\n")
        liar.process.stdin.close()
        liar.process.wait()
        out, _ = plain.ends()
        events, bad, long = tail.events(None), failed.events(None), slow.events(None)
        raw = tail.out
    for text in (out.encode(), raw):
        need(not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]", text), f"control characters: {text!r}")
    need(len(out.splitlines()) == 5, out)
    need(events[0]["name"] == "a\x1b[31mred\x7f\n\t\x9b2J\ufffd", events[0])
    need((events[1]["name"], events[1]["duration_ns"], events[1]["kind"], events[1]["failed"]) == ("", 2**64 - 1, "other", True), events[1])
    need((events[2]["name"], events[2]["span_id"]) == ("x" * 255, "0" * 16), events[2])
    need((events[3]["type"], events[3]["status"], events[3]["route"], events[3]["failed"]) == ("request", 503, "/\r\x1b]0;title\x07", True), events[3])
    need([e["duration_ns"] for e in bad] == [2**64 - 1, 0, 5], bad)
    need([e["duration_ns"] for e in long] == [12, 2**64 - 1], long)


# ---- where it may not, or there is nothing ---------------------------------------------------------------------------------------
def help_is_as_written_down():
    code, said, _ = weir("spans", "--help")
    need(code == 0 and said == (ROOT / "test/golden/cli/weir-spans.txt").read_text(), "weir spans --help is not test/golden/cli/weir-spans.txt")
    manual = (ROOT / "doc/weir.1").read_text().replace("\\-", "-")
    flags = re.findall(r"^  (--[a-z-]+)", said, re.M)
    need(len(flags) == 5 and all(flag in manual for flag in flags), f"{flags} do not all stand in weir(1)")


def bad_usage_ends_with_2():
    for words in ([], [""], ["orders"], ["1", "2"], ["-1"], ["--slow", "1"], ["1", "--slow"], ["1", "--frobnicate"], ["1", "--failed=x"]):
        refused(2, "^weir spans: ", *words)
    for slow in ("", "x", "1.", ".5", "-1", "1e3", "1.0000001", "1 ", "9999999999"):
        refused(2, "--slow is milliseconds", "1", f"--slow={slow}")
    for count in ("0", "-1", "x", "1000000001", ""):
        refused(2, "--count is a whole number", "1", f"--count={count}")


def who_is_not_there():
    for pid in ("0", str(2**22 + 1), "4294967297", "9" * 30):
        refused(1, "no process of this number", pid)


def who_has_no_probes():
    if WHY:
        raise Skip(WHY)
    refused(1, "no probes of weir", os.getpid())


def without_privilege_it_ends_with_2():
    if os.geteuid() != 0:
        refused(2, "privilege is missing|was built without", os.getpid())
        return
    with Host(HOST) as host:
        try:
            refused(2, "privilege is missing|was built without", host.pid, **NOBODY)
        except PermissionError:
            raise Skip("the build lies where others may not go")
        own = subprocess.Popen(["sleep", "60"], **NOBODY)
        try:
            refused(2, "privilege is missing|was built without", own.pid, **NOBODY)
        finally:
            own.kill()
            own.wait()


def a_full_disk_is_an_error():
    if WHY:
        raise Skip(WHY)
    with Host(HOST) as host, open("/dev/full", "wb") as full:
        done = subprocess.run([WEIR, "spans", str(host.pid)], stdout=full, stderr=subprocess.PIPE, timeout=60)
        need(done.returncode == 1 and b"standard output" in done.stderr, done)


if not WEIR.exists() or not HOST.exists():
    print("skip cli_spans: built without WEIR_CLI")
    sys.exit(0)
WHY = why_not()
sys.exit(run("cli_spans", (help_is_as_written_down, bad_usage_ends_with_2, who_is_not_there, who_has_no_probes, without_privilege_it_ends_with_2,
                           a_full_disk_is_an_error, each_request_and_span_of_orders_once, slow_ones_alone, failed_ones_alone, both_filters_hold,
                           threads_count_and_forked_children_do_not, of_two_processes_each_has_its_own, count_ends_it, it_ends_with_the_process, signals_end_it,
                           what_is_lost_is_counted, every_form_of_the_library, in_a_namespace_of_processes, a_service_that_lies)))
