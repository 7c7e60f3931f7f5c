"""What shm_homes.py and shm_bad_input.py stand on: the service and the command of WEIR_BUILD, folders of shared memory and of a bpffs
that are theirs alone, and the cases' lines."""
import contextlib
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
WEIR = BUILD / "bin/weir"
SERVICE = BUILD / "test/shm_service"
SUMS = BUILD / "test/shm_sums"
PROGRAM = BUILD / "test/bpf/shm_sums.bpf.o"
NOBODY = 65534
BPFTOOL = shutil.which("bpftool") or shutil.which("bpftool", path="/usr/sbin:/sbin")


class Wrong(Exception):
    pass


class Skip(Exception):
    pass


def need(there, what):
    if not there:
        raise Wrong(what)


def weir(*args, **more):
    done = subprocess.run([WEIR, *map(str, args)], capture_output=True, timeout=100, **more)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def good(*args, **more):
    code, out, err = weir(*args, **more)
    need(code == 0, f"weir {args} ends with {code}: {err.strip()}")
    return out


def refused(code, reason, *args, **more):
    got, _, err = weir(*args, **more)
    need(got == code, f"weir {args} ends with {got}, not {code}: {err.strip()}")
    need(re.search(reason, err), f"weir {args} says {err.strip()!r}, not {reason!r}")


def bpftool(*args):
    if not BPFTOOL:
        raise Skip("bpftool is not installed")
    done = subprocess.run([BPFTOOL, "-j", *map(str, args)], capture_output=True, text=True, timeout=100)
    need(done.returncode == 0, f"bpftool {args}: {done.stdout} {done.stderr}")
    return json.loads(done.stdout or "null")


class Service:
    """Lines in, answers out."""

    def __init__(self):
        self.process = subprocess.Popen([SERVICE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.pid = self.process.pid
        need(self.process.stdout.readline() == "ready\n", "the service does not start")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def kill(self):
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            pipe.close()

    def ask(self, line):
        """What it prints before its answer, and the answer."""
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        printed = []
        while True:
            answer = self.process.stdout.readline()
            if not answer:
                raise Wrong(f"the service died of {line!r}: {self.process.wait()}")
            if answer.startswith("WEIR_"):
                return printed, answer.strip()
            printed.append(answer.strip())

    def does(self, *lines):
        for line in lines:
            _, answer = self.ask(line)
            if answer != "WEIR_OK":
                raise Wrong(f"{line!r} is answered {answer}: {self.status()}")

    def refuses(self, line, error, home):
        """It fails so, tells why in its home, and records all the same."""
        before = self.status()[2]
        _, answer = self.ask(line)
        need(answer == error, f"{line!r} is answered {answer}, not {error}")
        need(re.search(home, self.status()[0]), f"{line!r}: home {self.status()[0]!r}, not {home!r}")
        self.does("record 10")
        need(self.status()[2] == before + 10, "it does not record on")

    def status(self):
        home, dropped, plain = self.ask("status")[0]
        return home, int(dropped), int(plain)

    def path(self):
        return pathlib.Path(self.status()[0].split(": ", 1)[1])


def values(dump, name):
    found = [i for i in dump["instruments"] if i["name"] == name]
    need(len(found) == 1, f"{len(found)} instruments are called {name}")
    return {tuple(s["labels"].values()): s for s in found[0]["series"]}


def dumped(what, **more):
    return json.loads(good("dump", "--json", what, **more))


def plain(what, **more):
    return values(dumped(what, **more), "shm_plain_total")[()]["value"]


def row(pid):
    code, out, err = weir("ls", "--json")
    need(code == 0, err)
    rows = [r for r in json.loads(out) if r["pid"] == pid]
    need(len(rows) == 1, f"{len(rows)} rows for {pid}")
    return rows[0]


@contextlib.contextmanager
def memory(size="16m"):
    """A tmpfs of its own; without the privilege a folder of /dev/shm, where no size is asked."""
    folder = pathlib.Path(tempfile.mkdtemp(dir="/dev/shm", prefix="weir-test-"))
    mounted = os.geteuid() == 0 and subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0755", "tmpfs", folder],
                                                   capture_output=True).returncode == 0
    try:
        if not mounted and size != "16m":
            raise Skip("no tmpfs may be mounted")
        yield folder
    finally:
        if mounted:
            subprocess.run(["umount", "-l", folder], check=True)
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def pins():
    """A bpffs of its own."""
    if os.geteuid() != 0:
        raise Skip("a bpffs is mounted by root alone")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="weir-bpffs-"))
    folder.chmod(0o755)
    done = subprocess.run(["mount", "-t", "bpf", "-o", "mode=0755", "bpf", folder], capture_output=True, text=True)
    if done.returncode != 0:
        folder.rmdir()
        raise Skip(f"no bpffs may be mounted: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
        folder.rmdir()


def tracefs():
    if not os.path.exists("/sys/kernel/tracing/events"):
        subprocess.run(["mount", "-t", "tracefs", "tracefs", "/sys/kernel/tracing"], capture_output=True)
    if not os.path.exists("/sys/kernel/tracing/events"):
        raise Skip("there is no tracefs")


def as_nobody():
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


def wait_for(what, seconds=10):
    end = time.monotonic() + seconds
    while not what():
        need(time.monotonic() < end, f"not within {seconds} s")
        time.sleep(0.005)


def main(name, tests):
    if not WEIR.exists() or not SERVICE.exists():
        print(f"skip {name}: built without WEIR_CLI")
        return 0
    failed = 0
    for test in tests:
        try:
            test()
            print(f"ok {name}.{test.__name__}", flush=True)
        except Skip as why:
            print(f"skip {name}.{test.__name__}: {why}", flush=True)
        except (Wrong, ValueError, KeyError, OSError, subprocess.SubprocessError) as why:
            print(f"not ok {name}.{test.__name__}: {type(why).__name__}: {why}".replace("\n", " ")[:700], flush=True)
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit("shm_homes.py and shm_bad_input.py are the tests")
