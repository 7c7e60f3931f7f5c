#!/usr/bin/env python3
"""The current trace, read from outside: by a libbpf program and by a bpftrace script, at write(2) and where sockets change their
state: the right trace in each thread, and none behind detach. Root, BTF and tracefs are needed. The programs: WEIR_BUILD's."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(os.environ.get("WEIR_ROOT", pathlib.Path(__file__).resolve().parents[2]))
BUILD = pathlib.Path(os.environ.get("WEIR_BUILD", ROOT / "build/release"))
THREADS = 6
failed = 0


class Wrong(Exception):
    pass


def need(there, what):
    if not there:
        raise Wrong(what)


def lacks():
    if os.geteuid() != 0:
        return "root is missing"
    if not os.path.exists("/sys/kernel/btf/vmlinux"):
        return "the kernel has no BTF"
    if not os.path.exists("/sys/kernel/tracing/events/raw_syscalls"):
        subprocess.run(["mount", "-t", "tracefs", "tracefs", "/sys/kernel/tracing"], check=False, capture_output=True)
        if not os.path.exists("/sys/kernel/tracing/events/raw_syscalls"):
            return "tracefs is missing"
    return None


class Service:
    def __enter__(self):
        self.process = subprocess.Popen([BUILD / "test/context_service", str(THREADS)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.traces = {}
        for line in iter(self.process.stdout.readline, "ready\n"):
            need(line.startswith("thread "), f"the service says {line!r}")
            _, thread, trace, span = line.split()
            self.traces[int(thread)] = (trace, span)
        return self

    def offsets(self):
        done = subprocess.run([BUILD / "bin/weir", "offsets", "--json", str(self.process.pid)], capture_output=True, text=True, timeout=30)
        need(done.returncode == 0, f"weir offsets: {done.stderr}")
        return json.loads(done.stdout)

    def work(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        need(self.process.stdout.readline() == "done\n", "the service did not do its work")

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def check(service, seen):
    """seen: (what, bytes, thread, trace, span) of each event."""
    mine = [s for s in seen if s[2] in service.traces]
    for thread, (trace, span) in service.traces.items():
        events = [s for s in mine if s[2] == thread]
        inside = [s for s in events if s[1] == 7]
        behind = [s for s in events if s[1] == 9]
        states = [s for s in events if s[0] == "state"]
        need(len(inside) == 1 and len(behind) == 1 and len(states) >= 2, f"thread {thread} was seen as {events}")
        need(inside[0][3:5] == (trace, span), f"write in thread {thread}: {inside[0]}, not {trace} {span}")
        need(behind[0][3] == "none", f"behind detach: {behind[0]}")
        for state in states:
            need(state[3:5] == (trace, span), f"a socket's state in thread {thread}: {state}, not {trace} {span}")
    need(len({t for t, _ in service.traces.values()}) == THREADS, "traces are one another's")


def libbpf():
    watch = BUILD / "test/bpf_watch"
    if not watch.exists():
        return "it was built without libbpf, bpftool or clang"
    with Service() as service:
        place = service.offsets()
        need(place["how"] == "program", f"{place}")
        watcher = subprocess.Popen([watch, str(service.process.pid), str(place["tp_offset"])], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True)
        try:
            need(watcher.stdout.readline() == "ready\n", "bpf_watch does not start")
            service.work()
            out, _ = watcher.communicate("end\n", timeout=30)
        finally:
            watcher.kill()
            watcher.wait()
        seen = []
        for line in out.splitlines():
            words = line.split()
            if words[0] == "state":
                words.insert(1, "0")
            seen.append((words[0], int(words[1]), int(words[2]), words[3], words[4]))
            if words[3] != "none":
                need(words[5].startswith("/work/"), f"no route: {line}")
        check(service, seen)
    return None


STRANGER = """
__thread char large[1 << 16];  /* no static place is left for it */
__thread const void *otel_thread_ctx_v1;
static struct { unsigned char trace[16], span[8], valid, flags; unsigned short bytes; } __attribute__((aligned(8))) record;
void show(void) { __builtin_memset(&record, 0xab, 24); record.valid = 1; large[5] = 1; otel_thread_ctx_v1 = &record; }
"""
HOST = """
import ctypes, os, sys, threading
library = ctypes.CDLL(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
sink = os.open("/dev/null", os.O_WRONLY)
def run(show):
    if show:
        library.show()
    os.write(sink, b"7 bytes")
for show in (0, 1, 0):
    thread = threading.Thread(target=run, args=(show,))
    thread.start()
    thread.join()
print("done", flush=True)
sys.stdin.readline()
"""


def dynamic():
    """A stranger's library, whose variable each thread gets at first use."""
    watch, compiler = BUILD / "test/bpf_watch", shutil.which("cc")
    if not watch.exists() or compiler is None:
        return "it was built without libbpf, bpftool or clang, or there is no compiler"
    with tempfile.TemporaryDirectory() as folder:
        library = f"{folder}/libstranger.so"
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-x", "c", "-", "-o", library], input=STRANGER, text=True, check=True)
        with subprocess.Popen([sys.executable, "-c", HOST, library], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as host:
            try:
                need(host.stdout.readline() == "ready\n", "the host does not start")
                place = json.loads(subprocess.run([BUILD / "bin/weir", "offsets", "--json", str(host.pid)], capture_output=True, check=True).stdout)
                need(place["how"] == "dynamic" and place["module"] == library, place)
                with subprocess.Popen([watch, str(host.pid), "0", str(place["module_id"]), str(place["module_offset"])], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, text=True) as watcher:
                    try:
                        need(watcher.stdout.readline() == "ready\n", "bpf_watch does not start")
                        host.stdin.write("go\n")
                        host.stdin.flush()
                        need(host.stdout.readline() == "done\n", "the host does not do its work")
                        out, _ = watcher.communicate("end\n", timeout=30)
                    finally:
                        watcher.kill()
            finally:
                host.kill()
    seen = [line.split()[3] for line in out.splitlines() if line.startswith("write 7 ")]
    need(seen == ["none", "ab" * 16, "none"], f"three threads are seen as {seen}")
    return None


SCRIPT = """
tracepoint:syscalls:sys_enter_write /pid == PID/ {
  $r = *(uint64 *)uptr((uint64)curtask->thread.fsbase + OFFSET);
  if ($r != 0) { printf("write %d %d %r\\n", args->count, tid, buf(uptr($r), 26)); } else { printf("write %d %d none\\n", args->count, tid); }
}
tracepoint:sock:inet_sock_set_state /pid == PID/ {
  $r = *(uint64 *)uptr((uint64)curtask->thread.fsbase + OFFSET);
  if ($r != 0) { printf("state 0 %d %r\\n", tid, buf(uptr($r), 26)); } else { printf("state 0 %d none\\n", tid); }
}
BEGIN { printf("ready\\n"); }
"""


def bytes_of(text):
    """What bpftrace prints of a buffer: characters, and \\xNN."""
    return bytes(int(m[1], 16) if m[1] else ord(m[0]) for m in re.finditer(r"\\x([0-9a-f]{2})|.", text))


def bpftrace():
    if shutil.which("bpftrace") is None:
        return "bpftrace is missing"
    with Service() as service:
        place = service.offsets()
        script = SCRIPT.replace("PID", str(service.process.pid)).replace("OFFSET", str(place["tp_offset"] % 2**64))
        tracer = subprocess.Popen(["bpftrace", "-B", "line", "-e", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            for line in iter(tracer.stdout.readline, ""):
                if line == "ready\n":
                    break
            else:
                raise Wrong(f"bpftrace: {tracer.stderr.read()[-600:]}")
            time.sleep(0.5)  # BEGIN runs before the others are attached
            service.work()
            time.sleep(0.5)
            tracer.send_signal(2)
            out, _ = tracer.communicate(timeout=60)
        finally:
            tracer.kill()
            tracer.wait()
        seen = []
        for line in out.splitlines():
            found = re.match(r"(write|state) (\d+) (\d+) (.*)$", line)
            if not found:
                continue
            record = b"" if found[4] == "none" else bytes_of(found[4])
            valid = len(record) == 26 and record[24] == 1
            seen.append((found[1], int(found[2]), int(found[3]), record[:16].hex() if valid else "none", record[16:24].hex()))
        check(service, seen)
    return None


def main():
    global failed
    lacking = lacks()
    for name, run in (("a_libbpf_program_sees_each_threads_trace", libbpf), ("a_bpftrace_script_sees_each_threads_trace", bpftrace),
                      ("a_strangers_dynamic_variable_is_found", dynamic)):
        try:
            why = lacking or run()
            print(f"skip context.{name}: {why}" if why else f"ok context.{name}", flush=True)
        except (Wrong, subprocess.SubprocessError, OSError, ValueError) as wrong:
            print(f"not ok context.{name}: {wrong}", flush=True)
            failed = 1


main()
sys.exit(failed)
