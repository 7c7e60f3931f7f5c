#!/usr/bin/env python3
"""Builds weir and runs its tests; called by test/run.sh, which sees to what they need. Counts cases: a line `ok NAME`,
`not ok NAME: why` or `skip NAME: reason`, or cmocka's own; a program that crashes, hangs or says nothing is one failure.
doc/proof.md names tests as `test: NAME`, NAME being a case or a path; a full run fails where one did not pass."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = ROOT / "build"
PREFIX = BUILD / "prefix"
TIMEOUT = 240  # a program's, in seconds
TIMEOUT_COMPILING = 900  # of those that compile much, which takes its time where others compile too
COLLECTOR = ROOT / "test/e2e/collector/build.sh"
COLLECTOR_TIMEOUT = 900  # its build's, where it is not cached
FUZZ_SECONDS = 120  # all targets together
SANITIZERS = {
    "ASAN_OPTIONS": "detect_stack_use_after_return=1:strict_string_checks=1:allocator_may_return_null=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1",
}


class Count:
    passed = failed = skipped = 0
    names = set()  # of cases and programs that passed

    @classmethod
    def case(cls, verdict, text):
        name = text.split(":")[0].strip()
        if verdict == "ok":
            cls.passed += 1
            cls.names.add(name)
        elif verdict == "skip":
            cls.skipped += 1
        else:
            cls.failed += 1


# ---- what there is ---------------------------------------------------------------------------------------------------------
def glob(pattern):
    return sorted(p for p in ROOT.glob(pattern) if p.is_file())


def plan(quick):
    """[(label, preset, kind, source)], in the order in which they run."""
    unit = glob("test/unit/test_*.c")
    programs = [p for p in glob("test/integration/*.c") + glob("test/integration/*.cpp") if not p.stem.endswith("_plugin")]
    scripts = glob("test/integration/*.sh")
    entries = [("release", "unit", p) for p in unit] + [("release", "integration", p) for p in programs + scripts]
    if not quick:
        for folder in ("abi", "package", "e2e"):
            scripts = glob(f"test/{folder}/*.sh") + glob(f"test/{folder}/*.py")
            entries += [("release", folder, p) for p in scripts if os.access(p, os.X_OK)]
        for preset in ("asan", "tsan"):
            stress = [p for p in programs if "stress" in p.stem]
            entries += [(preset, "unit", p) for p in unit] + [(preset, "integration", p) for p in stress]
        entries += [("asan", "e2e", p) for p in glob("test/e2e/cli_*.py")]
        entries += [("fuzz", "fuzz", p) for p in glob("fuzz/*.c")]
    return [(("fuzz/" if preset == "fuzz" else f"{preset}/{kind}/") + path.stem, preset, kind, path)
            for preset, kind, path in entries]


# ---- running ---------------------------------------------------------------------------------------------------------------
def run(command, log, env, timeout):
    """The exit code, None after a time-out. What a program leaves behind in its process group is killed."""
    with open(log, "wb") as out:
        process = subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                                   env=env, cwd=ROOT, start_new_session=True)
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()


def cases(text):
    """[(verdict, text)]. cmocka lists its failures again below the group's end: that part does not count."""
    found, in_group, reason = [], False, "no reason is given"
    for line in text.splitlines():
        if line.startswith("skipped: "):  # what cmocka's mark does not say
            reason = line[9:].strip()
        plain = re.match(r"(ok|not ok|skip) (.+)", line)
        mark = re.match(r"\[\s*(OK|FAILED|SKIPPED|ERROR)\s*\] (?!---)(.+)", line)
        if plain:
            found.append((plain[1], plain[2]))
        elif re.match(r"\[=+\] Running", line):
            in_group = True
        elif re.match(r"\[=+\] \d+ test\(s\) run", line):
            in_group = False
        elif mark and in_group:
            why = f": {reason}" if mark[1] == "SKIPPED" else ""
            found.append(({"OK": "ok", "SKIPPED": "skip"}.get(mark[1], "not ok"), mark[2] + why))
    return found


def finish(label, found, began, log):
    for verdict, text in found:
        Count.case(verdict, text)
    ok, bad, skipped = (sum(v == verdict for v, _ in found) for verdict in ("ok", "not ok", "skip"))
    state = f"{ok} ok" + (f", {bad} FAILED" if bad else "") + (f", {skipped} skipped" if skipped else "")
    print(f"{label:<44} {state:<28} {time.monotonic() - began:6.1f} s", flush=True)
    for verdict, text in found:
        if verdict == "skip":
            print(f"    skip {text}")
    if bad:
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        for line in lines[-200:]:
            print(f"    | {line}")
        for verdict, text in found:
            if verdict == "not ok":
                print(f"    not ok {text}")
    sys.stdout.flush()


def run_test(label, preset, kind, path, env):
    build, log = BUILD / preset, BUILD / "results" / (label.replace("/", ".") + ".log")
    compiled = path.suffix in (".c", ".cpp")
    command = [build / "test" / path.stem] if compiled else [path]
    if preset == "tsan":
        command = ["setarch", "-R", *command]  # what clang 14's runtime knows of address layouts
    began, timeout = time.monotonic(), TIMEOUT_COMPILING if kind in ("abi", "package") else TIMEOUT
    code = run(command, log, env, timeout)
    found = cases(log.read_text(errors="replace"))
    if code is None:
        found.append(("not ok", f"{label}: killed after {timeout} s"))
    elif code != 0 and not any(verdict == "not ok" for verdict, _ in found):
        found.append(("not ok", f"{label}: ended with {code}, and no case says why"))
    elif not found:
        found.append(("not ok", f"{label}: printed no case"))
    finish(label, found, began, log)
    if {verdict for verdict, _ in found} - {"skip"} == {"ok"}:
        Count.names.add(str(path.relative_to(ROOT)))


def run_fuzz(label, path, env, seconds):
    """One target for its share of the time, on a copy of its corpus. Executions are printed; none is a failure."""
    corpus, crashes = ROOT / "fuzz/corpus" / path.stem, BUILD / "fuzz/crashes"
    log, began, found = BUILD / "results" / (label.replace("/", ".") + ".log"), time.monotonic(), []
    crashes.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as fresh:
        command = [BUILD / "fuzz/fuzz" / path.stem, f"-max_total_time={max(1, int(seconds - max(3, seconds / 5)))}", "-timeout=10",
                   "-print_final_stats=1", f"-artifact_prefix={crashes}/{path.stem}-", fresh]
        code = run(command + ([corpus] if corpus.is_dir() else []), log, env, seconds)
    said = re.search(r"stat::number_of_executed_units:\s*(\d+)", log.read_text(errors="replace"))
    executed = int(said[1]) if said else 0
    name = f"fuzz {path.stem}"
    if not corpus.is_dir() or not any(corpus.iterdir()):
        found.append(("not ok", f"{name}: no corpus in fuzz/corpus/{path.stem}/"))
    elif code != 0:
        found.append(("not ok", f"{name}: ended with {code}; what did it lies in build/fuzz/crashes/"))
    elif executed == 0:
        found.append(("not ok", f"{name}: nothing was executed"))
    else:
        found.append(("ok", f"{name}: {executed} executions"))
        Count.names.add(str(path.relative_to(ROOT)))
    finish(label, found, began, log)
    print(f"    {executed} executions", flush=True)


# ---- building --------------------------------------------------------------------------------------------------------------
def build(preset, entries):
    """True if it is built. tsan builds only what it runs; the others everything, so that both compilers see every file."""
    folder, log, began = BUILD / preset, BUILD / "results" / f"build.{preset}.log", time.monotonic()
    compile_ = ["cmake", "--build", folder]
    if preset == "tsan":
        compile_ += ["--target", *(("" if kind == "unit" else "integration-") + p.stem for _, _, kind, p in entries)]
    if not sys.stdout.isatty():
        compile_ += ["--", "--quiet"]
    steps = [compile_]
    if not (folder / "build.ninja").exists():
        steps.insert(0, ["cmake", "--preset", preset])
    if preset == "release":
        shutil.rmtree(PREFIX, ignore_errors=True)
        steps.append(["cmake", "--install", folder, "--prefix", PREFIX])
    print(f"building {preset} ...", flush=True)
    with open(log, "wb") as out:
        for step in steps:
            shown = None if step is compile_ and sys.stdout.isatty() else out
            if subprocess.run([str(s) for s in step], cwd=ROOT, stdout=shown, stderr=subprocess.STDOUT).returncode != 0:
                finish(f"{preset}/build", [("not ok", f"{preset}/build: see {log.relative_to(ROOT)}")], began, log)
                return False
    print(f"built {preset} in {time.monotonic() - began:.1f} s", flush=True)
    return True


def needs_collector(kind, path):
    return kind == "e2e" and re.search(r"(import|from) collector\b|\bcollector\.py\b|collector/build\.sh", path.read_text())


def build_collector(env):
    """Why there is none; None and WEIR_COLLECTOR in env if it is built. Its time is no test's."""
    log, began = BUILD / "results/build.collector.log", time.monotonic()
    print("building the Collector ...", flush=True)
    code = run([COLLECTOR], log, env, COLLECTOR_TIMEOUT)
    lines = log.read_text(errors="replace").strip().splitlines()
    if code != 0:
        why = f"killed after {COLLECTOR_TIMEOUT} s" if code is None else lines[-1] if lines else f"ended with {code}"
        return f"the Collector does not build: {why}; see {log.relative_to(ROOT)}"
    env["WEIR_COLLECTOR"] = lines[-1]
    print(f"built the Collector in {time.monotonic() - began:.1f} s", flush=True)
    return None


def check_proof():
    """Each test that doc/proof.md names has run and passed here."""
    page, began, found = ROOT / "doc/proof.md", time.monotonic(), []
    names = re.findall(r"`test: ([^`]+)`", page.read_text()) if page.exists() else []
    for name in sorted(set(names)):
        there = name in Count.names
        found.append(("ok", f"proof {name}") if there else ("not ok", f"proof {name}: doc/proof.md names it, and no such test passed"))
    if not names:
        found.append(("not ok", "proof: doc/proof.md names no test"))
    finish("proof", found, began, page.with_suffix(".log"))


def main():
    quick, listing = "--quick" in sys.argv, "--list" in sys.argv
    words = [a for a in sys.argv[1:] if a not in ("--quick", "--list")]
    entries = [e for e in plan(quick) if not words or any(w in e[0] for w in words)]
    if listing:
        print("\n".join(e[0] for e in entries))
        return 0
    if not entries:
        print(f"no test's label holds {' or '.join(words)}; --list names them", file=sys.stderr)
        return 2
    began = time.monotonic()
    (BUILD / "results").mkdir(parents=True, exist_ok=True)
    env = {k: v for k, v in os.environ.items() if not k.startswith("OTEL_")}  # a test that wants one sets it
    env.update(SANITIZERS, LC_ALL="C.UTF-8", WEIR_ROOT=str(ROOT), WEIR_PREFIX=str(PREFIX))
    env["PYTHONDONTWRITEBYTECODE"] = "1"
    for preset in dict.fromkeys(e[1] for e in entries):
        mine = [e for e in entries if e[1] == preset]
        env["WEIR_BUILD"] = str(BUILD / preset)
        if not build(preset, mine):
            continue
        wanting = [e for e in mine if needs_collector(e[2], e[3])]
        without = build_collector(env) if wanting else None
        for entry in mine:
            label, _, kind, path = entry
            if without and entry in wanting:
                finish(label, [("not ok", f"{label}: {without}")], time.monotonic(), BUILD / "results/build.collector.log")
            elif kind == "fuzz":
                run_fuzz(label, path, env, FUZZ_SECONDS / len(mine))
            else:
                run_test(label, preset, kind, path, env)
    if not words and not quick:
        if not any(e[2] == "fuzz" for e in entries):
            finish("fuzz", [("not ok", "fuzz: there is no target")], time.monotonic(), BUILD / "none")
        check_proof()
    print(f"{time.monotonic() - began:.0f} s; logs in build/results/")
    print(f"{Count.passed} passed, {Count.failed} failed, {Count.skipped} skipped", flush=True)
    return 1 if Count.failed or Count.passed == 0 else 0


sys.exit(main())
