#!/usr/bin/env python3
"""The table of layers (layers.txt) against the #include lines."""
import os
import pathlib
import re
import sys

ROOT = pathlib.Path(os.environ.get("WEIR_ROOT", pathlib.Path(__file__).resolve().parents[2]))
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.M)


def sources(folder):
    return sorted(p for p in (ROOT / folder).rglob("*") if p.suffix in (".c", ".h", ".cpp", ".hpp"))


def includes(path):
    return [(kind == '"', name) for kind, name in INCLUDE.findall(path.read_text())]


def report(name, wrong, checked):
    if not checked:
        wrong = ["no file found"]
    print(f"not ok {name}: " + "; ".join(wrong) if wrong else f"ok {name}: {checked} files", flush=True)
    return bool(wrong)


def check_src():
    layer = {}
    for line in (ROOT / "test/abi/layers.txt").read_text().splitlines():
        if re.match(r"L\d ", line):
            number, *modules = line.split()
            layer.update({m: int(number[1:]) for m in modules})
    wrong, files = [], [p for p in sources("src") if p.parent == ROOT / "src"]  # folders below are libraries of their own
    for path in files:
        own = layer.get(path.stem)
        if own is None:
            wrong.append(f"{path.name} has no layer in test/abi/layers.txt")
            continue
        for quoted, name in includes(path):
            if quoted:
                other = layer.get(pathlib.Path(name).stem)
                if "/" in name or not (path.parent / name).exists():
                    wrong.append(f"{path.name} includes {name}, which is not a file of src/")
                elif other is None or other > own:
                    wrong.append(f"{path.name} (L{own}) includes {name} (L{other})")
            elif name.startswith("weir/") and not (ROOT / "include" / name).exists():
                wrong.append(f"{path.name} includes {name}, which is not in include/")
            elif name in ("weir/jwt.h", "weir/prometheus.h", "weir/otlp.h", "weir/shm.h"):
                wrong.append(f"{path.name} includes {name}: another library's")
    return report("layers of src", wrong, len(files))


def check_outside(folder, private_allowed=False):
    """Only include/weir/ and the own folder: no path into src/ or into another exporter."""
    wrong, files = [], sources(folder)
    for path in files:
        for quoted, name in includes(path):
            if quoted and not (path.parent / name).resolve().is_relative_to(path.parent.resolve()):
                wrong.append(f"{path.name} includes {name}, outside its folder")
            elif quoted and not (path.parent / name).exists():
                wrong.append(f"{path.name} includes {name}, which is not in its folder")
            elif name.startswith("weir/") and not (ROOT / "include" / name).exists():
                wrong.append(f"{path.name} includes {name}, which is not in include/")
            elif name == "weir/abi/private.h" and not private_allowed:
                wrong.append(f"{path.name} includes {name}, which is not installed")
    return report(f"layers of {folder}", wrong, len(files))


def check_headers():
    """Public headers include public headers, by <weir/...>, and nothing of a dependency."""
    allowed = re.compile(r"weir/|std(bool|def|int)\.h$|(chrono|cstddef|cstdint|initializer_list|iterator|optional|string_view|type_traits|utility)$")
    wrong, files = [], sources("include")
    for path in files:
        for quoted, name in includes(path):
            if quoted or not allowed.match(name):
                wrong.append(f"{path.name} includes {name}")
            elif name == "weir/abi/private.h":
                wrong.append(f"{path.name} includes {name}, which is not installed")
    return report("layers of include", wrong, len(files))


def main():
    failed = [
        check_src(),
        check_headers(),
        # The command is no part of the libraries: it has what every user has.
        *(check_outside(str(p.relative_to(ROOT)), p.name != "cli") for p in sorted((ROOT / "src").iterdir()) if p.is_dir()),
        *(check_outside(str(p.relative_to(ROOT)), True) for p in sorted((ROOT / "exporters").iterdir())),
        check_outside("examples"),
        check_outside("test/integration"),
    ]
    return any(failed)


sys.exit(main())
