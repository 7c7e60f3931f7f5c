"""What the tests of probes share: a host that passes them, built in every form, and cases that are run and told. Imported."""
import atexit
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import bpftrace

ROOT = pathlib.Path(os.environ.get("WEIR_ROOT", pathlib.Path(__file__).resolve().parents[2]))
BUILD = pathlib.Path(os.environ.get("WEIR_BUILD", ROOT / "build/release"))
HOST = ROOT / "test/e2e/probes_host.c"
WORK = pathlib.Path(tempfile.mkdtemp())
atexit.register(shutil.rmtree, WORK, ignore_errors=True)


class Skip(Exception):
    pass


def need(there, what):
    if not there:
        raise AssertionError(what)


def watching():
    why = bpftrace.missing()
    if why:
        raise Skip(why)


# ---- programs ----------------------------------------------------------------------------------------------------------------
def compiled(name, *how, linker=None, source=HOST):
    """WORK/name, made of a host; None: this linker is not here."""
    if linker and not shutil.which(f"ld.{linker}"):
        return None
    command = ["gcc", "-std=c11", "-O2", f"-I{ROOT}/include", source, "-o", WORK / name, *how, "-pthread"]
    done = subprocess.run([str(c) for c in command + ([f"-fuse-ld={linker}"] if linker else [])], capture_output=True, text=True)
    need(done.returncode == 0, f"{name} does not build: {done.stderr[-300:]}")
    return WORK / name


def with_library(folder):
    return ("-L", folder, "-lweir", f"-Wl,-rpath,{folder}")


class Host:
    def __init__(self, program, *args):
        self.process = subprocess.Popen([str(word) for word in (program, *args)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.pid = self.process.pid
        self.answer()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def answer(self):
        line = self.process.stdout.readline()
        need(line.startswith("ok "), f"the host answers {line!r}, and has ended with {self.process.poll()}")
        return int(line.split()[1])

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.answer()

    def end(self):
        self.process.stdin.write("end\n")
        self.process.stdin.close()
        need(self.process.wait(timeout=30) == 0, "the host does not end well")


# ---- cases -------------------------------------------------------------------------------------------------------------------
def run(who, tests):
    """The exit code; with words on the command line, only the tests of these names."""
    failed, only = 0, sys.argv[1:]
    for test in tests:
        if only and test.__name__ not in only:
            continue
        try:
            test()
            print(f"ok {who}.{test.__name__}", flush=True)
        except Skip as why:
            print(f"skip {who}.{test.__name__}: {why}", flush=True)
        except Exception as why:  # a case that breaks is a case that failed
            print(f"not ok {who}.{test.__name__}: {type(why).__name__}: {why}".replace("\n", " ")[:700], flush=True)
            failed = 1
    return failed
