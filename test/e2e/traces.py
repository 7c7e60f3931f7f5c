"""What the tests of traces and of the sender end to end share: a program that is driven by lines (traces_service.c, otlp_sender.c) as a
process, and how cases are run.

    with Service(env={...}, endpoint=URL, dir=DIR) as s:  s.ask("requests 10"); s.flush(5000); s.counts(); s.lost()
A case that returns text is skipped, for that reason. Not a test itself."""
import concurrent.futures
import os
import pathlib
import re
import select
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = pathlib.Path(os.environ.get("WEIR_BUILD", ROOT / "build/release"))
NO_NAMESPACES = 77


def same(found, expected, what=""):
    if found != expected:
        raise AssertionError(f"{what} {found!r}, not {expected!r}")


def wait_for(predicate, seconds=10, what=""):
    until = time.monotonic() + seconds
    while True:
        found = predicate()
        if found:
            return found
        if time.monotonic() > until:
            raise AssertionError(f"not within {seconds} s: {what or predicate.__name__}: {found!r}")
        time.sleep(0.02)


def clean_environment():
    return {k: v for k, v in os.environ.items() if not k.startswith("OTEL_") and not k.lower().endswith("_proxy")}


class Program:
    """A process that answers lines, and its log."""

    def __init__(self, name, prefix=(), env=None):
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen([*map(str, prefix), str(BUILD / "test" / name)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=self.log, env={**clean_environment(), **(env or {})})
        self.buffer = b""

    def send(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def ask(self, line, seconds=40):
        self.send(line)
        return self.read(seconds)

    def read(self, seconds=40):
        until = time.monotonic() + seconds
        while b"\n" not in self.buffer:
            if not select.select([self.process.stdout], [], [], max(0, until - time.monotonic()))[0]:
                raise AssertionError("it does not answer; its log: " + self.text()[-500:])
            piece = os.read(self.process.stdout.fileno(), 65536)
            if not piece:
                raise AssertionError(f"it has ended: {self.process.wait(10)}; its log: " + self.text()[-500:])
            self.buffer += piece
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.decode()

    def lines(self, name):
        found = [self.ask(f"lines {name}")]
        while found[-1] != ".":
            found.append(self.read())
        return found[:-1]

    def text(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.log.close()


def numbers(line):
    return {k: int(v) for k, v in (word.split("=") for word in line.split())}


class Service(Program):
    def __init__(self, prefix=(), env=None, **options):
        super().__init__("traces_service", prefix, env)
        self.started, port = self.ask("start " + " ".join(f"{k}={v}" for k, v in options.items())).split()
        self.port = int(port)

    def timed(self, what, ms):
        """("WEIR_OK", ms as a float)"""
        result, took = self.ask(f"{what} {ms}", ms / 1000 + 30).split()
        return result, int(took) / 1000

    def flush(self, ms):
        return self.timed("flush", ms)[0]

    def shutdown(self, ms):
        return self.timed("shutdown", ms)[0]

    def counts(self):
        return numbers(self.ask("counts"))

    def status(self):
        return numbers(self.ask("status"))

    def lost(self):
        """Spans that weir says were lost, on either side of the exporter."""
        rows = [r for r in self.lines("weir_otlp_dropped_total") if 'signal="traces"' in r]
        return self.status()["dropped_spans"] + sum(int(float(r.split()[-1])) for r in rows)


def run_one(prefix, function):
    try:
        return function(), None
    except Exception as error:  # whatever it is, it is this case's
        return None, f"{type(error).__name__}: {re.sub(chr(10), ' | ', str(error))[:900]}"


def run_cases(prefix, cases, at_once=1):
    """Lines and the exit code; an argument chooses cases whose name holds it."""
    cases = [c for c in cases if len(sys.argv) < 2 or sys.argv[1] in c.__name__]
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        for function, (skipped, error) in zip(cases, pool.map(lambda c: run_one(prefix, c), cases)):
            name = f"{prefix}.{function.__name__}"
            failed |= error is not None
            print(f"not ok {name}: {error}" if error else f"skip {name}: {skipped}" if skipped else f"ok {name}", flush=True)
    return int(failed)
