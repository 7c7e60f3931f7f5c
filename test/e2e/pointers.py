#!/usr/bin/env python3
"""Every pointer that a probe of libweir or libweir-jwt passes is readable where it is passed, by the kernel, which takes no page fault:
bpf_probe_read_user answers 0, and no text is empty; in a process and in a child that it has just forked."""
import re
import subprocess
import sys

sys.dont_write_bytecode = True
import bpftrace  # noqa: E402
from probed import BUILD, ROOT, WORK, Host, Skip, compiled, need, run, watching, with_library  # noqa: E402

PROGRAM = BUILD / "test/bpf_pointers"
KINDS = {"trace_id": "I", "span_id": "i", "parent_id": "i",
         **dict.fromkeys(("name", "route", "tenant", "peer", "reason", "instrument", "exporter", "signal", "what"), "t"),
         **dict.fromkeys(("kind", "decision", "status", "duration_ns", "threshold_ns", "failed", "cached", "number", "cap", "error"), "n")}


def probes_of(library):
    """{probe: its arguments' kinds}, by the names that weir probes gives them."""
    said = subprocess.run([BUILD / "bin/weir", "probes", library], capture_output=True, text=True, check=True).stdout
    found = {name: "".join(KINDS[arg] for arg in args.split()) for name, args in re.findall(r":weir:(\w+)  (.*)", said)}
    need(sorted(found) == sorted(bpftrace.notes(library)), f"weir probes says {said!r} of {library}")
    return found


class Looks:
    def __init__(self, *libraries):
        watching()
        if not PROGRAM.exists():
            raise Skip("built without libbpf, bpftool or clang")
        self.probes = {}
        words = []
        for library in libraries:
            for name, kinds in probes_of(library).items():
                self.probes[name] = kinds
                words += [library, name, kinds]
        self.process = subprocess.Popen([str(w) for w in (PROGRAM, *words)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            self.process.kill()
            raise AssertionError(f"bpf_pointers does not attach: {self.process.communicate()[1][-400:]}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def end(self):
        """[(process, probe, argument, bytes, text, what)]"""
        out, err = self.process.communicate("\n", timeout=60)
        need(self.process.returncode == 0 and out.endswith("lost 0\n"), f"bpf_pointers ends with {self.process.returncode}: {out[-100:]} {err[-300:]}")
        return [(int(process), probe, int(arg), int(read), int(text), of)
                for process, probe, arg, read, text, of in (line.split(" ") for line in out.splitlines()[:-1])]


def all_readable(looked, probes, parent):
    """Each pointer of each of these probes was met, in the parent and in a child, and could be read each time."""
    for process, probe, arg, read, text, of in looked:
        where = f"argument {arg} of {probe} in the {'parent' if process == parent else 'child'}"
        need(read == 0, f"{where}: bpf_probe_read_user answers {read}")
        need(probes[probe][arg] != "t" or text > 1, f"{where}: a text of {text} bytes, {of!r}")
    for whose in ("parent", "child"):
        met = {(probe, arg) for process, probe, arg, *_ in looked if (process == parent) == (whose == "parent")}
        wanted = {(probe, arg) for probe, kinds in probes.items() for arg, kind in enumerate(kinds) if kind != "n"}
        need(met == wanted, f"in the {whose} were not met: {sorted(wanted - met)}")


def of_libweir_are_readable_in_a_child_too():
    library = BUILD / "libweir.so"
    with Looks(library) as looks, Host(compiled("host", *with_library(BUILD))) as host:
        for line in ("run 10", "others", "forkall 3"):
            host.ask(line)
        host.end()
        looked = looks.end()
    all_readable(looked, looks.probes, host.pid)
    names = {of for _, probe, arg, _, _, of in looked if probe == "span_begin" and arg == 3}
    need(names == {"GET%20/probes/{id}", "probes.look"}, f"span names are {names}")


def of_libweir_jwt_are_readable_in_a_child_too():
    library = BUILD / "libweir-jwt.so"
    if not library.exists():
        raise Skip("built without WEIR_JWT")
    weir = [BUILD / "bin/weir", "jwt"]
    subprocess.run([*weir, "keygen", "--alg", "ES256", "--out", WORK / "key.jwk", "--jwks", WORK / "jwks.json"], check=True, capture_output=True)
    token = subprocess.run([*weir, "sign", "--key", WORK / "key.jwk", "--sub", "u", "--claim", "tenant=tea"], check=True, capture_output=True,
                           text=True).stdout.strip()
    program = compiled("jwt_host", *with_library(BUILD), "-lweir-jwt", source=ROOT / "test/e2e/jwt_probes_host.c")
    with Looks(library) as looks, Host(program, WORK / "jwks.json", token) as host:
        for line in ("run 3", "fork 3"):
            host.ask(line)
        host.end()
        looked = looks.end()
    all_readable(looked, looks.probes, host.pid)
    tenants = {of for _, probe, arg, _, _, of in looked if probe == "auth_ok" and arg == 3}
    need(tenants == {"tea"}, f"tenants are {tenants}")


sys.exit(run("pointers", (of_libweir_are_readable_in_a_child_too, of_libweir_jwt_are_readable_in_a_child_too)))
