#!/usr/bin/env python3
"""Takes the inline record path apart: in a benchmark's loops (disasm.c, and test/bench's own) and in examples/hello.

The hot path of a function is all that can be reached from its entry without entering a slow path: code that, without
another branch, ends in a call of a weir_*_slow_v1_ function. There a counter's add is one add to memory, a histogram's
record two; there is no call and no locked instruction."""
import os
import pathlib
import platform
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(os.environ.get("WEIR_ROOT", pathlib.Path(__file__).resolve().parents[2]))
SLOW = re.compile(r"weir_\w+_slow_v1_")
ADD = re.compile(r"(add|inc)[lq]?\s.*\)$")  # AT&T order: the destination is the last operand
LOCKED = re.compile(r"lock\b|xadd|cmpxchg|xchg\s.*\(|[lms]fence")


class Instruction:
    def __init__(self, address, text):
        self.address, self.text, self.symbol = address, text, ""
        self.target = None  # of a jump within the object: an address in its own section


def disassemble(path):
    """{function: its instructions}, each list in order; relocations name what calls and jumps leave for."""
    out = subprocess.run(["objdump", "-dr", "--no-show-raw-insn", path], check=True, text=True, stdout=subprocess.PIPE)
    functions, current = {}, None
    for line in out.stdout.splitlines():
        head = re.match(r"[0-9a-f]+ <(.+)>:$", line)
        code = re.match(r"\s+([0-9a-f]+):\t(.+)$", line)
        relocation = re.match(r"\s+[0-9a-f]+: (R_\S+)\t(\S+)", line)
        if head:
            current = functions.setdefault(head[1], [])
        elif relocation:
            current[-1].symbol = relocation[2]
        elif code:
            instruction = Instruction(int(code[1], 16), re.sub(r"\s+(#|<).*", "", code[2]).strip())
            jump = re.match(r"j\w+\s+([0-9a-f]+)$", instruction.text)
            instruction.target = int(jump[1], 16) if jump else None
            current.append(instruction)
    return functions


def is_slow(code, index):
    """Whether straight on from here, without another choice, a slow function is called."""
    place = {i.address: n for n, i in enumerate(code)}
    for _ in range(40):
        if index is None or index >= len(code):
            return False
        i = code[index]
        if SLOW.search(i.symbol) and re.match(r"(call|jmp)", i.text):
            return True
        if i.text.startswith("jmp") and not i.symbol and i.target in place:
            index = place[i.target]
        elif re.match(r"(j|ret|call)", i.text):
            return False
        else:
            index += 1
    return False


def hot_path(code, cold):
    """(the hot instructions, the number of ways out into slow paths)"""
    place = {i.address: n for n, i in enumerate(code)}
    hot, todo, exits = set(), [0], 0
    while todo:
        n = todo.pop()
        if n in hot or n >= len(code):
            continue
        hot.add(n)
        i = code[n]
        if i.text.startswith("ret"):
            continue
        ways = []
        if i.target is not None:
            if i.symbol:  # out of the section: gcc's .cold part, or a tail call
                if i.text.startswith("jmp"):
                    continue
                if cold and any(SLOW.search(c.symbol) for c in cold):
                    exits += 1
                else:
                    raise ValueError(f"a branch to {i.symbol}, which is no slow path")
            elif i.target in place:
                ways.append(place[i.target])
        if not i.text.startswith("jmp"):
            ways.append(n + 1)
        for way in ways:
            if len(ways) == 2 and is_slow(code, way):
                exits += 1
            else:
                todo.append(way)
    return [code[n] for n in sorted(hot)], exits


def judge(code, cold, adds):
    """What is wrong with a function's hot path; None if nothing."""
    hot, exits = hot_path(code, cold)
    found = [i.text for i in hot if ADD.match(i.text)]
    calls = [i.text for i in hot if i.text.startswith("call") or (i.text.startswith("jmp") and i.symbol)]
    locked = [i.text for i in hot if LOCKED.search(i.text)]
    if len(found) != adds:
        return f"{len(found)} adds to memory, wanted {adds}: {found}"
    if calls:
        return f"calls: {calls}"
    if locked:
        return f"locked: {locked}"
    if not exits:
        return "no way to the slow path: that is not weir's add"
    if not any("%fs:" in i.text for i in hot):
        return "no thread-local pointer is read"
    return None


def judge_in_passing(functions):
    """Where the function does other things too (hello): from each read of the thread's table to its add."""
    adds = 0
    for code in functions.values():
        for n, i in enumerate(code):
            if not ADD.match(i.text):
                continue
            begin = next((m for m in range(n, -1, -1) if "%fs:" in code[m].text and "%fs:0x28" not in code[m].text), None)
            if begin is None:
                continue
            between = code[begin : n + 1]
            if any(c.text.startswith("ret") for c in between):
                continue  # the table was read for something else
            adds += 1
            tests = [c for c in between if re.match(r"(test|cmp)", c.text)]
            bad = [c.text for c in between if c.text.startswith("call") or LOCKED.search(c.text)]
            if bad or not tests:
                return f"on the way to the add: {bad}" if bad else "an add without a test of the block"
    return None if adds else "no add to memory found"


def report(name, wrong):
    print(f"not ok {name}: {wrong}" if wrong else f"ok {name}", flush=True)
    return bool(wrong)


def compile_object(scratch, compiler, source, *flags):
    out = pathlib.Path(scratch) / "out.o"
    command = [compiler, "-O2", f"-I{ROOT}/include", *flags, "-c", str(source), "-o", str(out)]
    if subprocess.run(command).returncode != 0:
        return {}  # of which every test then fails
    return disassemble(out)


def check_functions(name, functions, wanted):
    failed = False
    for function, adds in wanted.items():
        try:
            code = functions.get(function)
            wrong = judge(code, functions.get(function + ".cold", []), adds) if code else "not found in the object"
        except ValueError as error:
            wrong = str(error)
        failed |= report(f"disassembly {function} {name}", wrong)
    return failed


def main():
    if platform.machine() != "x86_64":
        print(f"skip disassembly: written for x86-64, this is {platform.machine()}")
        return False
    own = {"once_counter_add": 1, "loop_counter_add": 1, "once_counter_series_add": 1, "loop_counter_series_add": 1,
           "once_histogram_record": 2}
    failed = False
    with tempfile.TemporaryDirectory() as scratch:
        for compiler, cxx in (("gcc", "g++"), ("clang", "clang++")):
            for flags in (["-std=c11"], ["-std=c11", "-fPIC"]):
                functions = compile_object(scratch, compiler, ROOT / "test/abi/disasm.c", *flags)
                failed |= check_functions(" ".join([compiler, *flags[1:]]), functions, own)
            functions = compile_object(scratch, compiler, ROOT / "test/bench/weir_record.c", "-std=gnu11")
            wanted = {"loop_counter_add": 1, "loop_counter_add_static": 1}
            failed |= check_functions(f"of test/bench {compiler}", functions, wanted)
            for source, tool, standard in (("hello.c", compiler, "-std=c11"), ("hello.cpp", cxx, "-std=c++17")):
                functions = compile_object(scratch, tool, ROOT / "examples" / source, standard)
                failed |= report(f"disassembly {source} {tool}", judge_in_passing(functions))
    return failed


sys.exit(main())
