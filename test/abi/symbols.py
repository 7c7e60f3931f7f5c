#!/usr/bin/env python3
"""What a shared library exports = what its version script names = what its headers declare, node by node."""
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(os.environ.get("WEIR_ROOT", pathlib.Path(__file__).resolve().parents[2]))
BUILD = pathlib.Path(os.environ.get("WEIR_BUILD", ROOT / "build/release"))
PRIVATE = "include/weir/abi/private.h"
API = '__attribute__((visibility("default")))'


def run(*command):
    return subprocess.run([str(c) for c in command], check=True, text=True, stdout=subprocess.PIPE).stdout


def without_attributes(text):
    """Attributes have parentheses within parentheses, which no regular expression counts."""
    out, at = [], 0
    for begin in re.finditer(r"__attribute__\s*\(", text):
        if begin.start() < at:
            continue
        out.append(text[at : begin.start()])
        depth, at = 1, begin.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(text[at], 0)
            at += 1
    return "".join(out) + text[at:]


def declared(header):
    """The names that a header itself marks WEIR_API; what it includes does not count."""
    text = run("cc", "-E", "-std=c11", "-DWEIR_BUILDING_SHARED_", "-DWEIR_NO_INLINE", f"-I{ROOT}/include", ROOT / header)
    own, here = [], False
    for line in text.splitlines():
        marker = re.match(r'# \d+ "([^"]*)"', line)
        if marker:
            here = marker[1] == str(ROOT / header)
        elif here:
            own.append(line)
    names = set()
    for piece in " ".join(own).split(API)[1:]:
        declaration = without_attributes(piece).split(";")[0]
        name = re.search(r"\b(weir_\w+)\s*\(", declaration) or re.search(r"((?:weir|otel)_\w+)\s*$", declaration)
        names.add(name[1])
    return names


def mapped(script):
    """{node: names}; a node is what stands before its brace, a name stands on a line of its own."""
    text = re.sub(r"/\*.*?\*/", "", (ROOT / script).read_text(), flags=re.S)
    nodes = {}
    for node, body in re.findall(r"([\w.]+)\s*\{(.*?)\}[^;]*;", text, re.S):
        names = re.search(r"global:(.*?)(local:|$)", body, re.S)[1]
        nodes[node] = {name.strip() for name in names.split(";") if name.strip()}
    return nodes


def exported(library):
    nodes = {}
    for line in run("nm", "-D", "--defined-only", BUILD / library).splitlines():
        kind, symbol = line.split()[-2:]
        name, _, node = symbol.partition("@")
        if kind != "A":  # the nodes' own names
            nodes.setdefault(node.lstrip("@") or "no node", set()).add(name)
    return nodes


def main():
    headers = {str(h.relative_to(ROOT)) for h in (ROOT / "include").rglob("*.h")}
    others = {"include/weir/jwt.h", "include/weir/otlp.h", "include/weir/prometheus.h", "include/weir/shm.h"}
    libraries = [
        ("libweir.so", "src/weir.map", headers - others - {PRIVATE}),
        ("libweir-jwt.so", "src/jwt/weir-jwt.map", {"include/weir/jwt.h"}),
        ("libweir-prometheus.so", "exporters/prometheus/weir-prometheus.map", {"include/weir/prometheus.h"}),
        ("libweir-otlp.so", "exporters/otlp/weir-otlp.map", {"include/weir/otlp.h"}),
        ("libweir-shm.so", "exporters/shm/weir-shm.map", {"include/weir/shm.h"}),
    ]
    failed = 0
    for library, script, own in libraries:
        wanted = {"WEIR_0.1": set().union(*(declared(h) for h in own))}
        if library == "libweir.so":
            wanted["WEIR_PRIVATE"] = declared(PRIVATE)
        in_map, out = mapped(script), exported(library)
        for what, got in (("version script", in_map), ("exported", out)):
            name = f"symbols {library} {what}"
            wrong = []
            for node in sorted(wanted.keys() | got.keys()):
                for missing in sorted(wanted.get(node, set()) - got.get(node, set())):
                    wrong.append(f"{missing} is declared for {node}, but not there")
                for extra in sorted(got.get(node, set()) - wanted.get(node, set())):
                    wrong.append(f"{extra} stands in {node}, but no header declares it so")
            total = sum(map(len, got.values()))
            if total == 0:
                wrong.append("nothing found")
            print(f"not ok {name}: " + "; ".join(wrong) if wrong else f"ok {name}: {total} names", flush=True)
            failed += bool(wrong)
    return failed != 0


sys.exit(main())
