#!/usr/bin/env python3
"""weir ls, weir dump and weir gc as a user runs them, on processes that record meanwhile, rest, close their descriptors, vanish or
are killed; and on files that were segments. The programs: WEIR_BUILD's."""
import json
import os
import pathlib
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(os.environ.get("WEIR_ROOT", pathlib.Path(__file__).resolve().parents[2]))
BUILD = pathlib.Path(os.environ.get("WEIR_BUILD", ROOT / "build/release"))
WEIR = BUILD / "bin/weir"
SERVICE = BUILD / "test/segment_service"
NOT_RESTING = re.compile(r"(process_|weir_snapshot|weir_(heap|segment)_bytes|target_info)")


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
    need(code == 0, f"{args} ends with {code}: {err.strip()}")
    return out


def refused(code, reason, *args, **more):
    got, out, err = weir(*args, **more)
    need(got == code, f"{args} ends with {got}, not {code}: {err.strip()}")
    need(re.search(reason, err), f"{args} says {err.strip()!r}, not {reason!r}")
    return out


class Service:
    def __init__(self, *args, program=SERVICE):
        self.process = subprocess.Popen([program, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.pid = self.process.pid
        need(self.process.stdout.readline() == "ok\n", "the service does not start")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        first = self.process.stdout.readline()
        if first != "ok\n":
            self.process.stdout.readline()
        return first.strip()

    def metrics(self):
        path = WORK / f"metrics-{self.pid}"
        self.ask(f"metrics {path}")
        return path.read_text()


def listed():
    code, out, err = weir("ls", "--json")
    need(code == 0 or "was found" in err or "no process" in err, err)
    return json.loads(out)


def row(pid):
    rows = [r for r in listed() if r["pid"] == pid]
    need(len(rows) == 1, f"{len(rows)} rows for one process")
    return rows[0]


def dumped(what):
    return json.loads(good("dump", "--json", what))


def values(dump, name):
    found = [i for i in dump["instruments"] if i["name"] == name]
    need(len(found) == 1, f"{len(found)} instruments are called {name}")
    return {tuple(s["labels"].values()): s for s in found[0]["series"]}


def resting(text):
    return [line for line in text.splitlines() if not NOT_RESTING.match(re.sub(r"^# \w+ ", "", line))]


# ---- help and usage --------------------------------------------------------------------------------------------------------
COMMANDS = ("ls", "dump", "offsets", "gc")


def help_is_as_written_down():
    for command in COMMANDS:
        wanted = (ROOT / f"test/golden/cli/weir-{command}.txt").read_text()
        need(good(command, "--help") == wanted, f"weir {command} --help is not test/golden/cli/weir-{command}.txt")
        need(f"  {command} " in good("--help"), f"{command} does not stand in weir --help")


def manual_and_completion_know_every_flag():
    manual = (ROOT / "doc/weir.1").read_text().replace("\\-", "-")
    for command in COMMANDS:
        script = f'. {ROOT}/src/cli/weir.bash; COMP_WORDS=(weir {command} ""); COMP_CWORD=2; _weir; echo "${{COMPREPLY[@]}}"'
        completed = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout.split()
        for flag in re.findall(r"^  (--[a-z-]+)", (ROOT / f"test/golden/cli/weir-{command}.txt").read_text(), re.M):
            need(flag in manual, f"{flag} does not stand in weir(1)")
            need(flag in completed, f"{flag} of {command} is not completed")


def bad_usage_ends_with_2():
    for words in (["ls", "x"], ["ls", "--frobnicate"], ["dump"], ["dump", "--prom"], ["dump", "--prom", "--json", "1"], ["dump", "1", "2"],
                  ["dump", "--frobnicate", "1"], ["dump", ""], ["gc", "--frobnicate"], ["gc", "a", "b"], ["offsets"],
                  ["offsets", "--frobnicate", "1"], ["offsets", "1", "2"], ["offsets", ""], ["offsets", "0"], ["offsets", "-1"],
                  ["offsets", "1x"], ["offsets", "99999999999999999999"]):
        refused(2, "^weir", *words)


# ---- processes -------------------------------------------------------------------------------------------------------------
def ls_tells_what_there_is():
    with Service() as s:
        found = row(s.pid)
        need(found["service"] == "segment_service" and found["state"] == "alive" and found["home"] == "memfd", found)
        need(found["series"] > 30 and found["threads"] >= 2 and found["bytes"] >= 40960 and found["age_seconds"] < 100, found)
        need(re.search(rf"^ *{s.pid}  segment_service .* alive$", good("ls"), re.M), "no line of the table")


def prom_is_what_metrics_says():
    with Service() as s:
        time.sleep(0.3)
        for _ in range(20):  # weir's own metrics may change between the two
            said, read = s.metrics(), good("dump", "--prom", s.pid)
            if resting(said) == resting(read):
                break
            time.sleep(0.1)
        said, read = resting(said), resting(read)
        differ = [pair for pair in zip(said, read) if pair[0] != pair[1]]
        need(said == read, f"{len(said)} and {len(read)} lines; {differ[:1]}")
        need(len(read) > 150, f"only {len(read)} lines")


def prom_pleases_promtool():
    if not shutil.which("promtool"):
        raise Skip("promtool is not installed")
    with Service() as s:
        time.sleep(0.1)
        said = subprocess.run(["promtool", "check", "metrics"], input=good("dump", "--prom", s.pid).encode(), capture_output=True)
        need(said.returncode == 0 and not said.stdout + said.stderr, (said.stdout + said.stderr).decode())


def json_has_every_kind():
    with Service() as s:
        time.sleep(0.1)
        dump = dumped(s.pid)
        need(dump["segment"]["pid"] == s.pid and dump["segment"]["passed_over"] == 0, dump["segment"])
        one = {name: values(dump, f"seg_{name}")[()]["value"] for name in ("plain_total", "updown", "height", "share_ratio", "seen_total")}
        need(one == {"plain_total": 14, "updown": -10, "height": -(2**63) + 1, "share_ratio": 0.125, "seen_total": 42}, one)
        real = {k[0]: v["value"] for k, v in values(dump, "seg_real").items()}
        need(real == {"tenth": 0.1, "large": -1.5e300, "plain": 1e21, "none": "NaN", "least": "-Inf"}, real)
        need(values(dump, "seg_level")[("x",)]["value"] == 0.25, "the observed double")
        need(list(values(dump, "seg_build_info")) == [("2.0",)], "the info")
        capped = values(dump, "seg_capped_total")
        need(capped[("true",)]["value"] == 14 and len(capped) == 4, capped)
        size = values(dump, "seg_size_bytes")[()]
        need(size["count"] == 400 and size["sum"] == 39800 and size["good"] == 202, size)
        need(size["buckets"] == [[10, 22], [100, 180], [1000, 198], ["+Inf", 0]], size["buckets"])
        took = values(dump, "seg_took_seconds")[("/a",)]
        for q, exact in (("0.5", 0.5), ("0.9", 0.9), ("0.99", 0.99)):
            need(abs(took["quantiles"][q] - exact) < 0.1 * exact, took["quantiles"])
        need(values(dump, "seg_empty_seconds")[()]["quantiles"] == {"0.5": None, "0.9": None, "0.99": None}, "an empty histogram")
        instrument = next(i for i in dump["instruments"] if i["name"] == "seg_took_seconds")
        need(instrument["slo"] == {"objective": 0.999, "threshold": 0.2} and instrument["exponential"]["scale"] == 3, instrument["slo"])


def table_is_readable():
    with Service() as s:
        text = good("dump", s.pid)
        need(good("dump", "--text", s.pid).startswith(text[:30]), "the table is not the default")
        need(text.startswith(f"segment_service, pid {s.pid}, alive, memfd: "), text[:80])
        need(re.search(r"^seg_took_seconds  histogram, seconds, exponential at scale 3\n  route=/a +count 2002, sum 2201, p50 0.5", text, re.M), "histogram")
        need("\\x0a" in text and not re.search("[\x00-\x09\x0b-\x1f]", text), "control characters")


def by_name_and_by_descriptor():
    program = WORK / "seg_lonely"
    shutil.copy(SERVICE, program)
    with Service(program=program) as s:
        need(dumped("seg_lonely")["segment"]["pid"] == s.pid, "by name")
        need(dumped(row(s.pid)["path"])["segment"]["pid"] == s.pid, "by descriptor")
        # where the program lies there is a file of that name, too
        need(json.loads(good("dump", "--json", "seg_lonely", cwd=WORK))["segment"]["pid"] == s.pid, "beside the program")
        refused(1, "no segment of weir", "dump", "./seg_lonely", cwd=WORK)
        with Service(program=program):
            refused(2, "2 segments are of that name", "dump", "seg_lonely")
    refused(1, "no segment of that name|may not be looked into" if os.geteuid() else "no segment of that name", "dump", "seg_lonely")
    refused(1, "no segment of weir", "dump", "seg_lonely", cwd=WORK)


def sums_while_threads_record():
    with Service() as s:
        s.ask("storm")
        last = -1
        for _ in range(30):
            value = values(dumped(s.pid), "seg_halves_total")[()]["value"]
            need(value >> 32 == value & 0xFFFFFFFF, f"a torn word: {value:x}")
            need(value >= last, "it went back")
            last = value
        need(last > 0, "nothing was recorded")


def a_host_that_closed_its_descriptors():
    with Service() as s:
        s.ask("close")
        need("/task/" in row(s.pid)["path"], "not by weir's thread")
        need(values(dumped(s.pid), "seg_plain_total")[()]["value"] == 14, "another value")
    with Service("--bare") as s:  # without a thread of weir's it is only mapped
        s.ask("close")
        if os.geteuid() == 0 and os.access(f"/proc/{s.pid}/map_files", os.R_OK):
            need(values(dumped(s.pid), "seg_plain_total")[()]["value"] == 14, "another value")
        else:
            refused(1, "no segment that can be read", "dump", s.pid)


def an_unprivileged_user_reads_his_own_alone():
    if os.geteuid() != 0:
        raise Skip("needs root, to become another")
    WORK.chmod(0o755)
    other = {"user": 65534, "group": 65534, "extra_groups": []}
    with Service() as s:
        try:
            refused(2, "may not be looked into", "dump", s.pid, **other)
        except PermissionError:
            raise Skip("the build lies where others may not go")
        code, out, _ = weir("ls", "--json", **other)
        need(not any(r["pid"] == s.pid for r in json.loads(out)), "another user's process is listed")
    process = subprocess.Popen([SERVICE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, **other)
    try:
        need(process.stdout.readline() == "ok\n", "the service does not start")
        need(str(process.pid) in good("ls", **other), "one's own is not listed")
        need("seg_plain_total 14" in good("dump", "--prom", process.pid, **other), "one's own is not read")
    finally:
        process.kill()
        process.communicate()


def two_hundred_processes():
    services = [Service("--bare") for _ in range(200)]
    try:
        need({s.pid for s in services} <= {r["pid"] for r in listed()}, "some are missing")
    finally:
        for s in services:
            s.__exit__()


def processes_that_vanish():
    services = [Service("--bare") for _ in range(60)]
    try:
        looks = []
        for s in services:
            looks.append(subprocess.Popen([WEIR, "ls", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
            s.process.kill()
            if len(looks) == 4:
                for look in looks:
                    out, err = look.communicate(timeout=60)
                    need(look.returncode in (0, 1), f"{look.returncode}: {err}")
                    json.loads(out)
                looks = []
    finally:
        for s in services:
            s.__exit__()
    refused(1, "no process of this number", "dump", services[0].pid)


def a_memfd_whose_writer_is_dead():
    with Service() as s:
        child = int(s.ask("leave"))
        try:
            os.kill(s.pid, signal.SIGKILL)
            s.process.wait()
            found = row(s.pid)
            need(found["state"] == "dead" and f"/{child}/" in found["path"], found)
            need(dumped(child)["segment"]["state"] == "dead", "dump")
        finally:
            os.kill(child, signal.SIGKILL)


def a_child_of_fork_is_not_taken_for_its_parent():
    for how, state in (((), "alive"), (("--bare",), "unknown")):  # without a tick the start time is not known
        with Service(*how) as s:
            time.sleep(0.2)
            child = int(s.ask("leave"))
            try:
                found = row(s.pid)
                need(found["state"] == "alive" and f"/{s.pid}/" in found["path"], found)
                need(dumped(child)["segment"]["pid"] == s.pid and dumped(child)["segment"]["state"] == state, dumped(child)["segment"])
            finally:
                os.kill(child, signal.SIGKILL)


def a_process_of_another_version():
    header = struct.pack("=8sHHBBHIIQQQIIQ16s", b"weirseg\0", 2, 0, 1 if sys.byteorder == "little" else 2, 8, 320, 4096, 4, 16384, 7, 7,
                         os.getpid(), 1, 0, bytes(16))
    fd = os.memfd_create("weir")
    try:
        os.write(fd, header)
        os.truncate(fd, 16384)
        refused(1, "has a segment, but it is of another major version", "dump", os.getpid())
        need(not any(r["pid"] == os.getpid() for r in listed()), "it is listed")
        os.pwrite(fd, b"X", 0)
        refused(1, "but it is no segment of weir", "dump", os.getpid())
    finally:
        os.close(fd)
    refused(1, "has no segment", "dump", os.getpid())


# ---- files -----------------------------------------------------------------------------------------------------------------
def copy_of(service, name="copy"):
    """Holes stay holes: a segment is a sparse gigabyte."""
    path = WORK / name
    with open(row(service.pid)["path"], "rb") as segment, open(path, "wb") as out:
        size = os.fstat(segment.fileno()).st_size
        out.truncate(size)
        at = 0
        while at < size:
            try:
                at = os.lseek(segment.fileno(), at, os.SEEK_DATA)
            except OSError:
                break
            end = os.lseek(segment.fileno(), at, os.SEEK_HOLE)
            out.seek(at)
            out.write(os.pread(segment.fileno(), end - at, at))
            at = end
    return path


def patched(path, offset, form, *what):
    copy = path.with_name("patched")
    shutil.copyfile(path, copy) if path.stat().st_size < 1 << 24 else subprocess.run(["cp", "--sparse=always", path, copy], check=True)
    with open(copy, "r+b") as file:
        file.seek(offset)
        file.write(struct.pack(form, *what))
    return copy


def a_file_is_dead_once_its_writer_is():
    with Service() as s:
        time.sleep(0.2)  # the first tick tells the start time
        path = copy_of(s)
        need(dumped(path)["segment"] | {"bytes": 0} == dumped(s.pid)["segment"] | {"bytes": 0, "home": "file"}, "the copy says something else")
        os.kill(s.pid, signal.SIGKILL)
        s.process.wait()
        dump = dumped(path)
        need(dump["segment"]["state"] == "dead" and dump["segment"]["service"] is None, dump["segment"])
        need(values(dump, "seg_plain_total")[()]["value"] == 14, "another value")
    need(dumped(patched(path, 64, "16s", bytes(range(16))))["segment"]["state"] == "dead", "another boot")
    need(dumped(patched(path, 48, "I", os.getpid()))["segment"]["state"] == "dead", "another process of its number")
    need(dumped(patched(path, 48, "=IIQ", os.getpid(), 1, 0))["segment"]["state"] == "unknown", "without a start time")


def files_that_are_no_segments():
    with Service("--bare") as s:
        path = copy_of(s)
    cases = [(0, "8s", b"weirsag\0", "no segment of weir"), (12, "B", 3 - (1 if sys.byteorder == "little" else 2), "byte order"),
             (8, "H", 2, "another major version"), (8, "H", 0, "another major version"), (13, "B", 4, "8 bytes"), (14, "H", 312, "damaged"),
             (16, "I", 8192, "damaged"), (24, "Q", 1 << 40, "damaged"), (20, "IQ", (1 << 20) - 1, 4096 * ((1 << 20) - 1), "cut short"),
             (32, "Q", 1, "not finished"), (32, "QQ", 0, 0, "not finished"), (52, "I", 0, "does not let it be read"),
             (120, "I", 0xFFFFFFFF, "damaged"), (124, "I", 0, "damaged"), (132, "I", 8, "damaged"), (132, "I", 20, "damaged"),
             (136, "Q", 2**64 - 8, "damaged"), (144, "Q", 2**60, "damaged"), (156, "I", 0, "damaged"), (160, "Q", 2**63, "damaged")]
    for offset, form, *what, reason in cases:
        refused(1, reason, "dump", patched(path, offset, "=" + form, *what))
    for form in ("--text", "--prom", "--json"):
        need(good("dump", form, patched(path, 10, "H", 77)), "a newer minor version is refused")
    size = path.stat().st_size
    for cut in (0, 7, 319, 320, 4095, 4096, 8192, size // 2, size - 4096, size - 1):
        os.truncate(path, min(cut, size))
        refused(1, "no segment of weir|cut short", "dump", path)
        with open(path, "r+b") as file:
            file.truncate(size)
            file.seek(0)
    refused(1, "No such file", "dump", WORK / "none")
    refused(1, "no segment of weir", "dump", "/dev/null")
    refused(1, "no segment of weir", "dump", str(WORK) + "/")
    os.mkfifo(WORK / "fifo")
    refused(1, "no segment of weir", "dump", WORK / "fifo")


def offsets_are_where_the_variable_is():
    with Service() as s:
        said = json.loads(good("offsets", "--json", s.pid))
        need(said["pid"] == s.pid and said["symbol"] == "otel_thread_ctx_v1" and said["how"] == "program", said)
        need(said["module"].endswith("/segment_service") and said["tp_offset"] % 8 == 0, said)
        need(f"tp_offset     {said['tp_offset']}\n" in good("offsets", s.pid), "the text says another offset")
        copy = WORK / "gone"  # deleted since
        shutil.copy(SERVICE, copy)
        with Service(program=copy) as other:
            copy.unlink()
            need(json.loads(good("offsets", "--json", other.pid))["tp_offset"] == said["tp_offset"], "a deleted program's")
        if os.geteuid() == 0 and shutil.which("setpriv"):
            done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", WEIR, "offsets", str(s.pid)],
                                  capture_output=True, text=True, timeout=60, check=False)
            need(done.returncode == 2 and "may not be looked into" in done.stderr or "ermission denied" in done.stderr, done)
    refused(1, "no module of the process has otel_thread_ctx_v1", "offsets", os.getpid())
    refused(1, "there is no such process", "offsets", 2**31 - 2)


def gc_removes_what_is_certainly_dead():
    folder = WORK / "gc"
    folder.mkdir()
    with Service() as s:
        time.sleep(0.2)
        path = copy_of(s, "gc/weir-alive.segment")
        dead = patched(path, 48, "I", os.getpid())  # another has its number
        dead.rename(folder / "weir-dead.segment")
        for name in ("weir-open.segment", "weir-twice.segment", "weir-unknown.segment", "other.segment", "weir-dead"):
            subprocess.run(["cp", "--sparse=always", folder / "weir-dead.segment", folder / name], check=True)
        os.link(folder / "weir-twice.segment", folder / "second")
        patched(folder / "weir-unknown.segment", 48, "=IIQ", os.getpid(), 1, 0).rename(folder / "weir-unknown.segment")
        os.symlink("weir-dead.segment", folder / "weir-link.segment")
        (folder / "weir-text.segment").write_text("no segment")
        (folder / "weir-folder.segment").mkdir()
        os.mkfifo(folder / "weir-fifo.segment")
        there = set(os.listdir(folder))
        with open(folder / "weir-open.segment", "rb"):
            said = dict(line.split(" ", 1)[::-1] for line in good("gc", "--dry-run", folder).splitlines())
            need(set(os.listdir(folder)) == there, "a dry run removes")
            need([name for name, verdict in said.items() if verdict == "dead"] == ["weir-dead.segment"], said)
            said = good("gc", folder)
        need(there - set(os.listdir(folder)) == {"weir-dead.segment"}, there - set(os.listdir(folder)))
        for reason in ("removed weir-dead.segment\n", "alive.segment: its writer lives", "open.segment: somebody has it open", "twice.segment: it has other",
                       "unknown.segment: its writer may live", "link.segment: it is a symbolic link", "text.segment: it is no segment",
                       "folder.segment: it is no file", "fifo.segment: it is no file"):
            need(reason in said, f"{reason!r} does not stand in {said!r}")
        need("other.segment" not in said.replace("-other", ""), said)
    if os.geteuid() == 0:
        other = WORK / "gc" / "weir-others.segment"
        (folder / "weir-open.segment").rename(other)
        os.chown(other, 65534, 65534)
        need("weir-others.segment: it is another user's" in good("gc", folder), "another user's")
    refused(1, "No such file", "gc", WORK / "none")


def a_full_disk_is_an_error():
    with Service("--bare") as s, open("/dev/full", "wb") as full:
        for words in (["ls"], ["dump", s.pid], ["dump", "--json", s.pid]):
            done = subprocess.run([WEIR, *map(str, words)], stdout=full, stderr=subprocess.PIPE, timeout=60)
            need(done.returncode == 1 and b"standard output" in done.stderr, f"{words}: {done.returncode}")


TESTS = (help_is_as_written_down, manual_and_completion_know_every_flag, bad_usage_ends_with_2, ls_tells_what_there_is,
         prom_is_what_metrics_says, prom_pleases_promtool, json_has_every_kind, table_is_readable, by_name_and_by_descriptor,
         sums_while_threads_record, a_host_that_closed_its_descriptors, an_unprivileged_user_reads_his_own_alone, two_hundred_processes,
         processes_that_vanish, a_memfd_whose_writer_is_dead, a_process_of_another_version, a_child_of_fork_is_not_taken_for_its_parent,
         a_file_is_dead_once_its_writer_is, files_that_are_no_segments, offsets_are_where_the_variable_is, gc_removes_what_is_certainly_dead, a_full_disk_is_an_error)


def main():
    failed = 0
    for test in TESTS:
        try:
            test()
            print(f"ok cli_segment.{test.__name__}", flush=True)
        except Skip as why:
            print(f"skip cli_segment.{test.__name__}: {why}", flush=True)
        except (Wrong, ValueError, KeyError, OSError, StopIteration, subprocess.SubprocessError) as why:
            print(f"not ok cli_segment.{test.__name__}: {type(why).__name__}: {why}".replace("\n", " ")[:500], flush=True)
            failed = 1
    return failed


if not WEIR.exists() or not SERVICE.exists():
    print("skip cli_segment: built without WEIR_CLI or WEIR_PROMETHEUS")
    sys.exit(0)
with tempfile.TemporaryDirectory() as WORK:
    WORK = pathlib.Path(WORK)
    sys.exit(main())
