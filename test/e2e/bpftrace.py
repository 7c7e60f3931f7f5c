"""bpftrace for tests: a program that is known to be attached before anything is counted, and its maps afterwards. Also where a
probe's semaphore stands in a running process, and probes held open by perf_event_open alone. Imported by probes.py and its like."""
import ctypes
import json
import os
import pathlib
import re
import signal
import struct
import subprocess
import time

TRACING = pathlib.Path("/sys/kernel/tracing")
UPROBE = pathlib.Path("/sys/bus/event_source/devices/uprobe")


def missing():
    """Why nothing can be watched here; None: it can. Mounts what root may mount."""
    if os.geteuid() != 0:
        return "bpftrace needs root"
    for kind, path in (("tracefs", TRACING), ("bpf", pathlib.Path("/sys/fs/bpf"))):
        if path.is_dir() and not any(path.iterdir()):
            subprocess.run(["mount", "-t", kind, kind, path], capture_output=True)
    if not (TRACING / "events").is_dir():
        return "there is no tracefs, and it cannot be mounted"
    if not UPROBE.is_dir():
        return "this kernel has no uprobes"
    try:
        tried = subprocess.run(["bpftrace", "-e", "BEGIN { exit(); }"], capture_output=True, text=True, timeout=60)
    except FileNotFoundError:
        return "bpftrace is not installed"
    return None if tried.returncode == 0 else f"bpftrace does not run here: {tried.stderr.strip()[-200:]}"


class Watch:
    """A bpftrace process. program: its text; or command: what runs one. Attached when the constructor returns: the program is put
    between two clocks, of which each has to tick (probes are attached one by one); a command's probes are waited for by ready()."""

    def __init__(self, program=None, args=(), command=None, ready=None, seconds=60, env=None):
        clock = 'interval:ms:50 /@ticks[%d] == 0/ { @ticks[%d] = 1; printf("tick\\n"); }\n'
        if program is not None:
            command = ["bpftrace", "-kk", "-f", "json", "-e", clock % (1, 1) + program + clock % (2, 2) + "END { clear(@ticks); }", *args]
        self.process = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        env={**os.environ, "BPFTRACE_STRLEN": "64", **(env or {})})
        self.out = []
        end = time.monotonic() + seconds
        if ready is not None:
            while not (ready() and self.waits_for_events()):  # a semaphore is up before the program is in its place
                if self.process.poll() is not None or time.monotonic() > end:
                    self.fail("is not attached")
                time.sleep(0.02)
            return
        while sum("tick" in line for line in self.out) < 2:
            line = self.process.stdout.readline()
            if not line:
                self.fail("ended before it was attached")
            self.out.append(line)

    def waits_for_events(self):
        """Whether it is in epoll_wait, as it is once all is attached."""
        try:
            return pathlib.Path(f"/proc/{self.process.pid}/syscall").read_text().split()[0] in ("232", "281", "22")
        except (OSError, IndexError):
            return False

    def fail(self, what):
        self.process.kill()
        out, err = self.process.communicate()
        raise AssertionError(f"bpftrace {what}: {err.strip()[-400:]} {out.strip()[-200:]}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()

    def end(self):
        """(what it printed, what it complained of), after Ctrl-C."""
        for tries in range(4):
            self.process.send_signal(signal.SIGINT)
            try:
                out, err = self.process.communicate(timeout=20)
                return "".join(self.out) + out, err
            except subprocess.TimeoutExpired:
                continue
        self.fail("does not end")

    def maps(self):
        """{map: {key: value}} of a program; keys of several parts as bpftrace writes them. No helper may have failed."""
        out, err = self.end()
        # a key that is not there yet is a look-up that finds nothing; all else is a pointer that leads nowhere, or worse
        bad = [line for line in err.splitlines() if re.search("WARNING|ERROR", line) and "map_lookup_elem: 0" not in line
               and "RLIMIT_MEMLOCK" not in line]
        assert not bad, f"bpftrace complains: {bad[:3]}"
        found = {}
        for line in out.splitlines():
            said = json.loads(line) if line.startswith("{") else {}
            if said.get("type") in ("map", "hist"):
                for name, value in said["data"].items():
                    found.setdefault(name, {}).update(value if isinstance(value, dict) else {"": value})
        return found


# ---- notes, semaphores -------------------------------------------------------------------------------------------------------
def notes(path):
    """{name: [(provider, location, semaphore, arguments)]} by readelf."""
    said = subprocess.run(["readelf", "-nW", path], capture_output=True, text=True, check=True).stdout
    found = {}
    for provider, name, location, semaphore, arguments in re.findall(
            r"Provider: (\S+)\s+Name: (\S+)\s+Location: (0x\w+), Base: 0x\w+, Semaphore: (0x\w+)\s+Arguments: ?(.*)", said):
        found.setdefault(name, []).append((provider, int(location, 16), int(semaphore, 16), arguments.strip()))
    return found


def file_offset(path, address):
    """Of an address, by the segments that are loaded."""
    said = subprocess.run(["readelf", "-lW", path], capture_output=True, text=True, check=True).stdout
    for offset, start, size in re.findall(r"^\s+LOAD\s+(0x\w+)\s+(0x\w+)\s+0x\w+\s+(0x\w+)", said, re.M):
        if int(start, 16) <= address < int(start, 16) + int(size, 16):
            return int(offset, 16) + address - int(start, 16)
    raise AssertionError(f"{address:#x} is nowhere in {path}")


def semaphore(pid, path, name):
    """A probe's semaphore in a running process."""
    address, real = notes(path)[name][0][2], os.path.realpath(path)
    base = None
    for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
        if line.endswith(real):
            base = int(line.split("-")[0], 16)
            break
    assert base is not None, f"{pid} does not have {path}"
    kind = subprocess.run(["readelf", "-hW", path], capture_output=True, text=True, check=True).stdout
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        memory.seek(address + (0 if "EXEC (" in kind else base))
        return struct.unpack("H", memory.read(2))[0]


# ---- without bpftrace: one probe as a perf event ------------------------------------------------------------------------------
class Attr(ctypes.Structure):
    _fields_ = [("type", ctypes.c_uint32), ("size", ctypes.c_uint32), ("config", ctypes.c_uint64), ("sample_period", ctypes.c_uint64),
                ("sample_type", ctypes.c_uint64), ("read_format", ctypes.c_uint64), ("flags", ctypes.c_uint64),
                ("wakeup", ctypes.c_uint32), ("bp_type", ctypes.c_uint32), ("path", ctypes.c_uint64), ("offset", ctypes.c_uint64)]


libc = ctypes.CDLL(None, use_errno=True)
PERF_EVENT_OPEN, BPF = {"x86_64": (298, 321)}.get(os.uname().machine, (241, 280))


class Attached:
    """One probe, attached in all processes for as long as this is open; count() says how often it was hit, on the processors given.
    spots(): where the probes of a file are. To let one go takes the kernel some 100 ms."""

    def __init__(self, path, spot, processors=None):
        offset, guard = spot
        self.text = ctypes.create_string_buffer(str(path).encode())
        self.fds = []
        attr = Attr(type=int((UPROBE / "type").read_text()), size=ctypes.sizeof(Attr), config=guard << 32,
                    path=ctypes.addressof(self.text), offset=offset)
        for cpu in processors or sorted(os.sched_getaffinity(0)):
            self.fds.append(libc.syscall(PERF_EVENT_OPEN, ctypes.byref(attr), -1, cpu, -1, 8))
            assert self.fds[-1] >= 0, f"perf_event_open: {os.strerror(ctypes.get_errno())}"

    @staticmethod
    def spots(path):
        return {name: (file_offset(path, sites[0][1]), file_offset(path, sites[0][2])) for name, sites in notes(path).items()}

    def count(self):
        return sum(struct.unpack("Q", os.read(fd, 8))[0] for fd in self.fds)

    def hits_within(self, seconds):
        """Whether it is hit at all, waited for so long at most."""
        end = time.monotonic() + seconds
        while self.count() == 0 and time.monotonic() < end:
            time.sleep(0.001)
        return self.count()

    def close(self):
        for fd in self.fds:
            os.close(fd)


class Together:
    """Several probes of a file, attached to a BPF program that does nothing, all at once: the kernel waits once to let them go."""

    def __init__(self, path, spots):
        offsets, guards = (ctypes.c_uint64 * len(spots))(*(o for o, _ in spots)), (ctypes.c_uint64 * len(spots))(*(g for _, g in spots))
        name = ctypes.create_string_buffer(str(path).encode())
        self.fd = bpf(28, struct.pack("IIIIQQQQIII", program(), 0, UPROBE_MULTI, 0, ctypes.addressof(name), ctypes.addressof(offsets),
                                      ctypes.addressof(guards), 0, len(spots), 0, 0))

    def close(self):
        os.close(self.fd)


UPROBE_MULTI = 48
loaded = []


def program():
    """r0 = 0; exit."""
    if not loaded:
        code, license_ = ctypes.create_string_buffer(struct.pack("<QQ", 0xB7, 0x95), 16), ctypes.create_string_buffer(b"GPL")
        loaded.append(bpf(5, struct.pack("IIQQIIQII16sII", 2, 2, ctypes.addressof(code), ctypes.addressof(license_), 0, 0, 0, 0, 0, b"",
                                         0, UPROBE_MULTI)))
    return loaded[0]


def bpf(command, attr):
    fd = libc.syscall(BPF, command, ctypes.create_string_buffer(attr, 128), 128)
    if fd < 0:
        raise OSError(ctypes.get_errno(), f"bpf({command}): {os.strerror(ctypes.get_errno())}")
    return fd
