"""The service orders for tests: started on free ports, asked, its metrics read, ended. Imported by the orders_* tests."""

import http.client
import os
import re
import selectors
import signal
import subprocess
import time
import urllib.request

BUILD = os.environ["WEIR_BUILD"]


def read_line(stream, seconds):
    """One line, or what came of it in that time: a wait that ends."""
    end, got = time.monotonic() + seconds, b""
    with selectors.DefaultSelector() as ready:
        ready.register(stream, selectors.EVENT_READ)
        while not got.endswith(b"\n") and ready.select(max(0, end - time.monotonic())):
            byte = os.read(stream.fileno(), 1)
            if not byte:
                break
            got += byte
    return got.decode()


class Orders:
    """One process. Ends with the with-block, whatever happens in it."""

    def __init__(self, *args, program="orders", telemetry=True):
        self.process = subprocess.Popen(
            [f"{BUILD}/bin/{program}", "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0", *args],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.metrics = None
        self.ready = read_line(self.process.stdout, 10)
        match = re.fullmatch(r"ready (127\.0\.0\.1):([1-9][0-9]*)\n", self.ready)
        if match is None:
            self.__exit__()
            raise AssertionError(f"no ready line: {self.ready!r}")
        self.host, self.port = match[1], int(match[2])
        if telemetry and program == "orders":
            line = read_line(self.process.stderr, 10)
            match = re.fullmatch(r"metrics (127\.0\.0\.1:[1-9][0-9]*)\n", line)
            if match is None:
                self.__exit__()
                raise AssertionError(f"no metrics line: {line!r}")
            self.metrics = match[1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()

    def connect(self):
        return http.client.HTTPConnection(self.host, self.port, timeout=10)

    def ask(self, method, path, body=None, connection=None, headers=None):
        """(status, headers, body) of one request, on a connection of its own if none is given."""
        own = connection or self.connect()
        try:
            own.request(method, path, body=body, headers=headers or {})
            response = own.getresponse()
            return response.status, response.headers, response.read().decode()
        finally:
            if connection is None:
                own.close()

    def scrape(self):
        """{(name, (label, value), ...): number}, labels by name."""
        # Snapshots are shared by scrapers for 100 ms: what was asked before this call shall be in.
        time.sleep(0.15)
        with urllib.request.urlopen(f"http://{self.metrics}/metrics", timeout=10) as response:
            return parse(response.read().decode())

    def end(self, sig=signal.SIGTERM):
        """(exit code, seconds until it was gone)."""
        began = time.monotonic()
        self.process.send_signal(sig)
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            return None, time.monotonic() - began
        return self.process.returncode, time.monotonic() - began


def parse(text):
    samples = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        match = re.fullmatch(r'([A-Za-z_:][\w:]*)(?:\{(.*)\})? (\S+)', line)
        labels = re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', match[2] or "")
        samples[(match[1], *sorted(labels))] = float(match[3])
    return samples


def total(samples, name, **labels):
    """The sum of a name's samples that have these labels."""
    want = set(labels.items())
    return sum(v for (n, *have), v in samples.items() if n == name and want <= set(have))


def until(check, seconds=10):
    """Runs check until it raises nothing, for so long at most."""
    end = time.monotonic() + seconds
    while True:
        try:
            return check()
        except AssertionError:
            if time.monotonic() > end:
                raise


class Report:
    """Cases by the names they are counted by; main's exit code."""

    def __init__(self):
        self.failed = 0

    def case(self, name, function):
        try:
            function()
        except Exception as error:  # a case that breaks is a case that failed
            self.failed += 1
            print(f"not ok {name}: {type(error).__name__}: {error}".replace("\n", " "), flush=True)
        else:
            print(f"ok {name}", flush=True)

    def code(self):
        return 1 if self.failed else 0


def equal(got, want, what):
    if got != want:
        raise AssertionError(f"{what}: {got!r}, not {want!r}")
