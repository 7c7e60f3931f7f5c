#!/usr/bin/env python3
"""weir probes as a user runs it: on libraries, on processes, on itself, and on what has no probes. The programs: WEIR_BUILD's."""
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys

sys.dont_write_bytecode = True
from probed import BUILD, ROOT, WORK, Skip, need, run  # noqa: E402

WEIR = BUILD / "bin/weir"
HOST = BUILD / "test/probes_host"


def weir(*args, **more):
    done = subprocess.run([WEIR, *map(str, args)], capture_output=True, timeout=60, **more)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def good(*args, **more):
    code, out, err = weir(*args, **more)
    need(code == 0, f"{args} ends with {code}: {err.strip()}")
    return out


def refused(code, reason, *args, **more):
    got, out, err = weir(*args, **more)
    need(got == code and re.search(reason, err), f"{args} ends with {got}, not {code}: {err.strip()!r}, not {reason!r}")


class Running:
    """A program that waits for its standard input."""

    def __init__(self, program, **more):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **more)
        need(self.process.stdout.readline().startswith(b"ok"), "the host does not start")

    def __enter__(self):
        return self.process.pid

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def help_is_as_written_down():
    for words, name in ((("probes", "--help"), "weir-probes"), (("--help",), "weir")):
        wanted = (ROOT / f"test/golden/cli/{name}.txt").read_text()
        said = good(*words)
        if name == "weir" and "  jwt " not in said:
            wanted = re.sub(r"  jwt .*\n", "", wanted)
        need(said == wanted, f"weir {' '.join(words)} is not test/golden/cli/{name}.txt")


def manual_and_completion_know_every_flag():
    manual = (ROOT / "doc/weir.1").read_text().replace("\\-", "-")
    script = f'. {ROOT}/src/cli/weir.bash; COMP_WORDS=(weir probes ""); COMP_CWORD=2; _weir; echo "${{COMPREPLY[@]}}"'
    completed = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, cwd=ROOT).stdout.split()
    flags = re.findall(r"^  (--[a-z-]+)", (ROOT / "test/golden/cli/weir-probes.txt").read_text(), re.M)
    need(len(flags) == 3, flags)
    for flag in flags:
        need(flag in manual, f"{flag} does not stand in weir(1)")
        need(flag in completed, f"{flag} is not completed")
    need("README.md" in completed, "files are not completed")


def bad_usage_ends_with_2():
    for words in (["--frobnicate"], ["1", "2"], ["-a"], [""], ["--json=x"]):
        refused(2, "^weir probes", "probes", *words)


def a_library():
    lines = good("probes", BUILD / "libweir.so").splitlines()
    need(len(lines) == 10 and f"usdt:{BUILD}/libweir.so:weir:drop  reason number" in lines, lines)


def the_command_itself():
    lines = good("probes").splitlines()
    need(any(re.fullmatch(r"usdt:/.*libweir\.so[^:]*:weir:drop  reason number", line) for line in lines), lines)


def a_process():
    """One with the archive inside, and a probe of its own, whose arguments are told as they are passed."""
    with Running(HOST) as pid:
        lines = good("probes", pid).splitlines()
        need(f"usdt:{HOST}:weir:drop  reason number" in lines, lines)
        need(any(re.fullmatch(rf"usdt:{HOST}:shop:sold  8@\S+ 8@\S+ 8@\S+", line) for line in lines), lines)
        need(not any("libc" in line for line in lines), "the C library's are shown")
        said = json.loads(good("probes", "--json", pid))
        need({"path": str(HOST), "provider": "weir", "name": "drop", "arguments": "reason number", "semaphore": True, "sites": 1} in said, said)
        need(len(said) == len(lines), f"{len(said)} objects, {len(lines)} lines")


def a_process_whose_file_is_gone():
    program = WORK / "gone"
    shutil.copy(HOST, program)
    with Running(program) as pid:
        need(f"usdt:{program}:weir:drop" in good("probes", pid), "while it is there")
        program.unlink()
        refused(1, "none of the process' files can be read|there are no probes", "probes", pid)


def probes_without_a_semaphore():
    names = [p for p in pathlib.Path("/usr/lib").glob("*/libstdc++.so.6") if "stapsdt" in
             subprocess.run(["readelf", "-n", p], capture_output=True, text=True).stdout]
    if not names:
        raise Skip("libstdc++ has no probes here")
    refused(1, "there are no probes", "probes", names[0])
    need(":libstdcxx:throw  " in good("probes", "--all", names[0]), "those of libstdc++")
    said = json.loads(good("probes", "--all", "--json", names[0]))
    need(all(p["semaphore"] is False for p in said) and len(said) >= 3, said)


def nothing_to_show():
    refused(1, "no process of this number", "probes", 2**22 + 1)
    refused(1, "no process of this number", "probes", "9" * 30)
    refused(1, "No such file", "probes", WORK / "none")
    refused(1, "it is no file", "probes", WORK)
    refused(1, "it is no file", "probes", "/dev/null")
    refused(1, "it is no ELF file", "probes", ROOT / "README.md")
    (WORK / "empty").touch()
    refused(1, "it is no ELF file", "probes", WORK / "empty")
    os.mkfifo(WORK / "fifo")
    refused(1, "it is no file", "probes", WORK / "fifo")
    whole = (BUILD / "libweir.so").resolve().read_bytes()
    (WORK / "cut").write_bytes(whole[: len(whole) // 2])
    refused(1, "cut short", "probes", WORK / "cut")
    other = bytearray(whole[:4096])
    other[4] = 1
    (WORK / "narrow").write_bytes(other)
    refused(1, "another kind of machine", "probes", WORK / "narrow")
    other[4], other[40:48] = 2, struct.pack("=Q", 2**64 - 1)
    (WORK / "damaged").write_bytes(other)
    refused(1, "damaged", "probes", WORK / "damaged")
    need(json.loads(weir("probes", "--json", WORK / "cut")[1]) == [], "what is printed of one that is cut is no JSON")


def another_users_process():
    if os.geteuid() != 0:
        raise Skip("needs root, to become another")
    with Running(HOST) as pid:
        try:
            refused(2, "may not be looked into", "probes", pid, user=65534, group=65534, extra_groups=[])
        except PermissionError:
            raise Skip("the build lies where others may not go")


def a_full_disk_is_an_error():
    with open("/dev/full", "wb") as full:
        done = subprocess.run([WEIR, "probes", BUILD / "libweir.so"], stdout=full, stderr=subprocess.PIPE, timeout=60)
        need(done.returncode == 1 and b"standard output" in done.stderr, done)


if not WEIR.exists() or not HOST.exists():
    print("skip cli_probes: built without WEIR_CLI")
    sys.exit(0)
sys.exit(run("cli_probes", (help_is_as_written_down, manual_and_completion_know_every_flag, bad_usage_ends_with_2, a_library, the_command_itself,
                            a_process, a_process_whose_file_is_gone, probes_without_a_semaphore, nothing_to_show, another_users_process,
                            a_full_disk_is_an_error)))
