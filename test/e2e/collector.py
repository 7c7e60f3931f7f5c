"""A real OpenTelemetry Collector for tests: started on a free loopback port, stopped, killed, restarted, read.

As a class:
    with Collector() as c:                      # tls=(cert, key), client_ca=path, port=N: see __init__
        ... post to c.url ("http://127.0.0.1:PORT") ...
        c.wait_for(lambda: len(c.spans()) >= 3, 10)
        c.print_tree(c.spans()[0]["trace_id"])
From bash:
    collector.py run [--port N] [--tls CERT KEY] [--client-ca CA] [--dir DIR]   prints `ready PORT FILE`; ends at SIGTERM
    collector.py spans FILE | points FILE [NAME] | tree FILE [TRACE_ID]         what a file has, a line of JSON each
Everything lies in a folder of its own, which close() removes. Its program: collector/build.sh.
"""
import argparse
import atexit
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import otlp_wire

HERE = pathlib.Path(__file__).resolve().parent
BUILD_SECONDS = 900
READY_SECONDS = 60
STOP_SECONDS = 15


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def binary():
    """The program's path; built if it is not there yet, which takes a minute or more."""
    done = subprocess.run([HERE / "collector/build.sh"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=BUILD_SECONDS)
    if done.returncode != 0:
        raise RuntimeError(f"no Collector: {done.stderr.strip()}")
    return done.stdout.strip()


def read_lines(path):
    """The whole lines of a file; one without its end is still being written."""
    try:
        data = pathlib.Path(path).read_bytes()
    except FileNotFoundError:
        return []
    return data[:data.rfind(b"\n") + 1].splitlines()


def read_requests(path, kind):
    """The requests of one kind ("trace", "metrics"). A killed Collector may leave half a line in the middle: passed over."""
    for line in read_lines(path):
        try:
            what, request = otlp_wire.json_line(line)
        except json.JSONDecodeError:
            continue
        if what == kind:
            yield request


def read_spans(path):
    return [s for request in read_requests(path, "trace") for s in otlp_wire.spans(request)]


def read_points(path, name=None):
    found = [p for request in read_requests(path, "metrics") for p in otlp_wire.points(request)]
    return [p for p in found if name is None or p["metric"] == name]


def nest(spans):
    """[span with "children"]: the roots, and spans whose parent is not among them; all in order of their start."""
    nodes = {s["span_id"]: {**s, "children": []} for s in sorted(spans, key=lambda s: s["start_time_unix_nano"])}
    roots = []
    for node in nodes.values():
        parent = nodes.get(node["parent_span_id"])
        (roots if parent is None or parent is node else parent["children"]).append(node)
    return roots


def print_tree(roots, out=None, depth=0):
    out = out or sys.stdout
    for node in roots:
        took = (node["end_time_unix_nano"] - node["start_time_unix_nano"]) / 1e6
        service = node["resource"].get("service.name", "?")
        lost = " (its parent is not here)" if depth == 0 and node["parent_span_id"] else ""
        print(f"{'  ' * depth}{node['name']}  {took:.3f} ms  {service}  {node['span_id']}{lost}", file=out)
        print_tree(node["children"], out, depth + 1)


class Collector:
    def __init__(self, port=None, tls=None, client_ca=None, folder=None, metrics_port=None, start=True, batch=False):
        """tls: (certificate, key) of the receiver; client_ca: clients must show a certificate of it. metrics_port: 0 or a
        port for the Collector's own figures in Prometheus' format (0: a free one); None: off."""
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="weir-collector-"))
        self.folder.mkdir(exist_ok=True)
        self.ours = folder is None
        self.file, self.log, self.config = self.folder / "otlp.jsonl", self.folder / "log", self.folder / "config.yaml"
        self.chosen, self.port, self.tls, self.client_ca, self.batch = port is not None, port, tls, client_ca, batch
        self.metrics_port = free_port() if metrics_port == 0 else metrics_port
        self.process, self.program = None, binary()
        atexit.register(self.close)
        if start:
            try:
                self.start()
            except BaseException:
                self.close()
                raise

    @property
    def url(self):
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def configure(self):
        http = {"endpoint": f"127.0.0.1:{self.port}"}
        if self.tls:
            http["tls"] = {"cert_file": str(self.tls[0]), "key_file": str(self.tls[1])}
            if self.client_ca:
                http["tls"]["client_ca_file"] = str(self.client_ca)
        telemetry = {"metrics": {"level": "none"}, "logs": {"level": "info"}}
        if self.metrics_port:
            reader = {"pull": {"exporter": {"prometheus": {"host": "127.0.0.1", "port": self.metrics_port}}}}
            telemetry["metrics"] = {"level": "detailed", "readers": [reader]}
        line = {"receivers": ["otlp"], "exporters": ["file", "debug"]}
        if self.batch:
            line["processors"] = ["batch"]
        config = {
            "receivers": {"otlp": {"protocols": {"http": http}}},
            "processors": {"batch": {"timeout": "100ms"}} if self.batch else {},
            # append: what came before a restart stays
            "exporters": {"file": {"path": str(self.file), "append": True, "flush_interval": "20ms"},
                          "debug": {"verbosity": "basic"}},
            "service": {"telemetry": telemetry, "pipelines": {"traces": line, "metrics": line}},
        }
        self.config.write_text(json.dumps(config, indent=1))  # JSON is YAML

    def start(self, seconds=READY_SECONDS):
        """Ready when it says so, which is after its receiver listens. On a port of ours another may have been quicker."""
        if self.process:
            raise RuntimeError("the Collector runs already")
        for attempt in range(5):
            if self.port is None:
                self.port = free_port()
            self.configure()
            try:
                self._start_once(seconds)
                self.chosen = True  # from here on restarts keep it
                return self
            except RuntimeError as error:
                if self.chosen or attempt == 4 or "address already in use" not in str(error):
                    raise
                self.port = None

    def _start_once(self, seconds):
        with open(self.log, "ab") as log:
            began = log.seek(0, os.SEEK_END)
            env = {k: v for k, v in os.environ.items() if not k.startswith("OTEL_") and not k.lower().endswith("_proxy")}
            self.process = subprocess.Popen([self.program, f"--config={self.config}"], stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=subprocess.STDOUT, env=env)
        until = time.monotonic() + seconds
        while True:
            said = self.log.read_bytes()[began:].decode(errors="replace")
            if self.process.poll() is not None:
                code, self.process = self.process.returncode, None
                raise RuntimeError(f"the Collector ended with {code}: {said[-1500:]}")
            if "Everything is ready" in said:
                return
            if time.monotonic() > until:
                self.kill()
                raise RuntimeError(f"the Collector is not ready after {seconds} s: {said[-1500:]}")
            time.sleep(0.05)

    def stop(self, seconds=STOP_SECONDS):
        """As an operator ends it: SIGTERM; what it has is written. Killed if it does not end."""
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()
            self.process = None

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def restart(self):
        """On the same port, with the same file."""
        self.stop()
        return self.start()

    def close(self):
        self.kill()
        if self.ours:
            shutil.rmtree(self.folder, ignore_errors=True)
        atexit.unregister(self.close)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # ---- what it received ----
    def spans(self, name=None):
        return [s for s in read_spans(self.file) if name is None or s["name"] == name]

    def points(self, name=None):
        """Data points, of all metrics or of one, in order of arrival."""
        return read_points(self.file, name)

    metrics = points

    def clear(self):
        """Forgets what it has received. The file is appended to, so that it may be cut while the Collector writes."""
        if self.file.exists():
            os.truncate(self.file, 0)

    def wait_for(self, predicate, seconds):
        """What predicate() gave as soon as it is true; its last value, false, when the time is over."""
        until = time.monotonic() + seconds
        while True:
            found = predicate()
            if found or time.monotonic() > until:
                return found
            time.sleep(0.05)

    def tree(self, trace_id):
        return nest([s for s in self.spans() if s["trace_id"] == trace_id])

    def print_tree(self, trace_id, out=None):
        print_tree(self.tree(trace_id), out)


def plain(value):
    return value.hex() if isinstance(value, bytes) else str(value)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run")
    run.add_argument("--port", type=int)
    run.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"))
    run.add_argument("--client-ca")
    run.add_argument("--dir")
    for name, more in (("spans", None), ("points", "name"), ("tree", "trace_id")):
        command = commands.add_parser(name)
        command.add_argument("file")
        if more:
            command.add_argument("more", nargs="?", metavar=more.upper())
    args = parser.parse_args()
    if args.command == "run":
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        try:
            c = Collector(args.port, args.tls, args.client_ca, args.dir)
        except RuntimeError as error:
            sys.exit(str(error))
        with c:
            print(f"ready {c.port} {c.file}", flush=True)
            code = c.process.wait()
            sys.exit(f"the Collector ended with {code}")
    if args.command == "tree":
        traces = {}
        for span in read_spans(args.file):
            traces.setdefault(span["trace_id"], []).append(span)
        for trace_id, spans in traces.items():
            if args.more in (None, trace_id):
                print(trace_id)
                print_tree(nest(spans), depth=0)
        return
    for found in read_spans(args.file) if args.command == "spans" else read_points(args.file, args.more):
        print(json.dumps(found, default=plain))


if __name__ == "__main__":
    main()
