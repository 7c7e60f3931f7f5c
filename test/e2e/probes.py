#!/usr/bin/env python3
"""weir's probes as others see them: their notes, their bytes, and what bpftrace, perf and the kernel make of them: exact counts and
texts that are there, in the shared library (as installed and stripped), a program with the archive inside (by three linkers, and fully
static), a plugin, and a forked child; attached beforehand and meanwhile."""
import os
import re
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
import bpftrace  # noqa: E402
from probed import BUILD, ROOT, WORK, Host, Skip, compiled, need, run, watching, with_library  # noqa: E402

LIBRARIES = {"libweir": BUILD / "libweir.so", "libweir-jwt": BUILD / "libweir-jwt.so"}
GOLDEN = ROOT / "test/golden/probes.txt"


# ---- what the file says ------------------------------------------------------------------------------------------------------
def described(path, skip=()):
    """Lines of the golden file: provider, name, arguments' sizes, semaphore."""
    lines = []
    for name, sites in sorted(bpftrace.notes(path).items()):
        for provider, _, guard, arguments in sites:
            if provider not in skip:
                sizes = " ".join(re.sub("@.*", "", a) for a in arguments.split())
                lines.append(f"{provider}:{name} {sizes} {'semaphore' if guard else 'none'}")
    return lines


def notes_are_as_written_down():
    wanted = GOLDEN.read_text().split("\n\n")
    for (name, path), lines in zip(LIBRARIES.items(), wanted):
        stripped = WORK / f"{name}.stripped"
        subprocess.run(["strip", "-o", stripped, path], check=True)
        for file in (path, stripped):
            said = described(file)
            need(said == lines.strip().splitlines()[1:], f"{file.name} has {said}, which is not test/golden/probes.txt")


def notes_are_as_documented():
    page = re.sub(r"\\-", "-", (ROOT / "doc/weir-probes.7").read_text())
    for path in LIBRARIES.values():
        said = subprocess.run([BUILD / "bin/weir", "probes", path], capture_output=True, text=True, check=True).stdout
        for line in described(path):
            name, sizes = re.match(r"weir:(\w+) ([0-9 -]*) semaphore", line).groups()
            shown = re.search(rf":weir:{name}  (.*)", said)
            need(shown and len(shown[1].split()) == len(sizes.split()), f"weir probes says {shown and shown[1]!r} of {name} ({sizes})")
            entry = re.search(rf'^\.BR {name} " \((.*)\)"$', page, re.M)
            need(entry and entry[1].replace(",", "").split() == shown[1].split(), f"weir-probes(7) has {entry and entry[1]!r} of {name}")
        need(len(said.splitlines()) == len(described(path)), "weir probes shows more or less")


def sites_are_nops_of_one_byte():
    machine = os.uname().machine
    if machine != "x86_64":
        raise Skip(f"the bytes of {machine} are others")
    programs = [p for p in (compiled("nop", BUILD / "libweir.a"), compiled("nop_static", BUILD / "libweir.a", "-static")) if p]
    for path in [*LIBRARIES.values(), *programs]:
        code = subprocess.run(["objdump", "-d", "--no-show-raw-insn", path], capture_output=True, text=True, check=True).stdout
        nops = {int(at, 16) for at in re.findall(r"^\s+([0-9a-f]+):\tnop\s*$", code, re.M)}
        count = 0
        for name, sites in bpftrace.notes(path).items():
            for provider, location, *_ in sites:
                if provider not in ("weir", "shop"):
                    continue
                with open(path, "rb") as file:
                    file.seek(bpftrace.file_offset(path, location))
                    need(file.read(1) == b"\x90" and location in nops, f"{path.name} {name}: no nop of one byte at {location:#x}")
                count += 1
        need(count >= (12 if path in programs else 2), f"{path.name} has {count} sites")


def bpftrace_lists_every_probe():
    watching()
    for path in LIBRARIES.values():
        said = subprocess.run(["bpftrace", "-l", f"usdt:{path}:*"], capture_output=True, text=True, check=True).stdout
        need(sorted(line.split(":")[-1] for line in said.splitlines()) == sorted(bpftrace.notes(path)), f"bpftrace -l says {said!r}")


def perf_lists_every_probe():
    if not shutil.which("perf"):
        raise Skip("perf is not installed")
    perf = ["perf", "--buildid-dir", WORK / "buildid"]
    for path in LIBRARIES.values():
        subprocess.run([*perf, "buildid-cache", "--add", os.path.realpath(path)], check=True, capture_output=True)
    said = subprocess.run([*perf, "list", "sdt"], capture_output=True, text=True).stdout
    found = sorted(re.findall(r"sdt_weir:(\w+)", said))
    need(found == sorted(name for path in LIBRARIES.values() for name in bpftrace.notes(path)), f"perf list says {found}")


# ---- what is counted -----------------------------------------------------------------------------------------------------------
TRACE = "af7651916cd43dd8448eb211c80319c"  # after a first digit of 0
PROGRAM = """
usdt:LIB:weir:request_begin { @n["request_begin", str(arg1), *(uint8*)arg0, *(uint8*)(arg0 + 15), arg2, arg3] = count(); }
usdt:LIB:weir:request_end { @n["request_end", str(arg1), *(uint8*)arg0, *(uint8*)(arg0 + 15), arg2, arg5] = count();
	@tenant[str(arg4)] = count(); @quick[arg3 > 0 && arg3 < 10000000000] = count(); }
usdt:LIB:weir:span_begin { @n["span_begin", str(arg3), *(uint8*)arg0, *(uint8*)(arg0 + 15), arg4, *(uint64*)arg1 != *(uint64*)arg2] = count(); }
usdt:LIB:weir:span_end { @n["span_end", str(arg2), *(uint8*)arg0, *(uint8*)(arg0 + 15), arg4, arg5] = count();
	@ids[*(uint64*)arg1 != 0, arg3 > 0 && arg3 < 10000000000] = count(); }
usdt:LIB:weir:slo_miss { @n["slo_miss", str(arg1), *(uint8*)arg0, *(uint8*)(arg0 + 15), arg2, arg4] = count(); @tenant2[str(arg5)] = count(); }
usdt:LIB:weir:drop { @drop[str(arg0)] = sum(arg1); }
usdt:LIB:weir:overflow { @overflow[str(arg0), arg1] = count(); }
usdt:LIB:weir:config { @config[str(arg0), str(arg1)] = count(); }
usdt:LIB:weir:export_begin { @begun[str(arg0), str(arg1)] = sum(arg2); }
usdt:LIB:weir:export_end { @ended[str(arg0), str(arg1), arg3, arg4 < 10000000000] = sum(arg2); }
usdt:EXE:shop:sold { @sold[str(arg2), *(uint8*)arg0, *(uint8*)(arg0 + 15)] = sum(arg1); }
usdt:EXE:shop:bare { @bare[*(uint8*)arg0] = count(); }
"""
SCRIPT = ("run 10", "others", "fork 3", "threads 2 5")  # 23 requests, of which 10 have an odd number; shop:sold sums 45 + 3 + 20


def wanted(requests, odd, sold, times=1):
    name, ids, route = "GET /probes/{id}", "10,156", "/probes/{id}"
    n = {f"request_begin,{name},{ids},2,1": requests, f"request_end,{route},{ids},200,1": requests,
         f"span_begin,{name},{ids},2,1": requests, f"span_begin,probes.look,{ids},1,1": requests,
         f"span_end,{name},{ids},2,0": requests - odd, f"span_end,{name},{ids},2,1": odd,
         f"span_end,probes.look,{ids},1,0": requests, f"slo_miss,{route},{ids},200,1": requests}
    return {"@n": n, "@tenant": {"-": requests}, "@tenant2": {"-": requests}, "@quick": {"1": requests}, "@ids": {"1,1": 2 * requests},
            "@drop": {"labels": 2 * times}, "@overflow": {"probes_sold_total,1": 3 * times},
            "@config": {"instrument,probes_sold_total": times, "sampling,-": times}, "@begun": {"sink,spans": 2 * requests},
            "@ended": {"sink,spans,0,1": 2 * requests}, "@sold": {f"tea,{ids}": sold}, "@bare": {"10": requests}}


def same(got, want, what):
    for name in want:
        need(got.get(name) == want[name], f"{what}: {name} is {got.get(name)}, not {want[name]}")
    need(set(got) <= set(want), f"{what}: there is more: {set(got) - set(want)}")


def counted(program, library, own=None, script=SCRIPT, want=None, whens=("beforehand", "meanwhile")):
    """In a process that starts while probes are attached, and in one to which they are attached; afterwards no semaphore is left."""
    watching()
    text = PROGRAM.replace("LIB", str(library)).replace("EXE", str(own or program))
    want = want or wanted(23, 10, 68)
    for when in whens:
        host = Host(program) if when == "meanwhile" else None
        with bpftrace.Watch(text) as watch, host or Host(program) as host:
            for line in script:
                host.ask(line)
            same(watch.maps(), want, f"attached {when}")
            if library != own:
                need([bpftrace.semaphore(host.pid, library, p) for p in ("span_end", "drop")] == [0, 0], "a semaphore is left")
            host.end()


def counts_in_the_shared_library():
    counted(compiled("shared", *with_library(BUILD)), BUILD / "libweir.so")


def counts_in_the_stripped_library():
    folder = WORK / "lib"
    folder.mkdir()
    subprocess.run(["strip", "-o", folder / "libweir.so.0", BUILD / "libweir.so"], check=True)
    (folder / "libweir.so").symlink_to("libweir.so.0")
    program = compiled("stripped", *with_library(folder), "-s")
    counted(program, folder / "libweir.so.0", whens=("beforehand",))


def counts_in_the_archive_by(linker, whens=("beforehand",)):
    program = compiled(f"archive_{linker}", BUILD / "libweir.a", linker=linker)
    if program is None:
        raise Skip(f"ld.{linker} is not here")
    counted(program, program, whens=whens)


def counts_in_the_archive_by_ld():
    counts_in_the_archive_by("bfd")


def counts_in_the_archive_by_gold():
    counts_in_the_archive_by("gold")


def counts_in_the_archive_by_lld():
    counts_in_the_archive_by("lld", ("beforehand", "meanwhile"))


def counts_in_a_library_linked_by_lld():
    if not shutil.which("ld.lld") or not shutil.which("cmake"):
        raise Skip("ld.lld is not here")
    folder = WORK / "lld"
    for step in (["cmake", "-S", ROOT, "-B", folder, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DBUILD_SHARED_LIBS=ON",
                  "-DCMAKE_SHARED_LINKER_FLAGS=-fuse-ld=lld", *(f"-DWEIR_{x}=OFF" for x in ("TESTS", "EXAMPLES", "CLI", "JWT", "OTLP", "PROMETHEUS"))],
                 ["cmake", "--build", folder]):
        done = subprocess.run([str(s) for s in step], capture_output=True, text=True)
        need(done.returncode == 0, f"it does not build: {done.stdout[-300:]} {done.stderr[-300:]}")
    said = subprocess.run(["readelf", "-lW", folder / "libweir.so"], capture_output=True, text=True, check=True).stdout
    pages = [range(int(at, 16) >> 12, int(at, 16) + int(size, 16) + 4095 >> 12) for at, size in
             re.findall(r"^\s+LOAD\s+(0x\w+)\s+0x\w+\s+0x\w+\s+(0x\w+)\s+0x\w+\s+RW", said, re.M)]
    need(len(pages) >= 2 and not any(set(a) & set(b) for a in pages for b in pages if a is not b), f"segments share pages of the file: {pages}")
    counted(compiled("by_lld", *with_library(folder)), folder / "libweir.so", whens=("beforehand",))


def counts_in_a_static_program():
    program = compiled("static", BUILD / "libweir.a", "-static")
    counted(program, program)


def counts_in_a_plugin():
    plugin = compiled("plugin.so", "-fPIC", "-shared", "-DPLUGIN", BUILD / "libweir.a")
    counted(compiled("loads", *with_library(BUILD)), plugin, plugin, (f"load 5 {plugin}", f"load 5 {plugin}"), wanted(10, 4, 20, 2))


TESTS = (notes_are_as_written_down, notes_are_as_documented, sites_are_nops_of_one_byte, bpftrace_lists_every_probe, perf_lists_every_probe,
         counts_in_the_shared_library, counts_in_the_stripped_library, counts_in_the_archive_by_ld, counts_in_the_archive_by_gold,
         counts_in_the_archive_by_lld, counts_in_a_library_linked_by_lld, counts_in_a_static_program, counts_in_a_plugin)
sys.exit(run("probes", TESTS))
