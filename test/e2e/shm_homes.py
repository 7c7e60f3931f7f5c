#!/usr/bin/env python3
"""Where the cells live: a memfd, a file, a map for BPF programs: numbers are exact in each, from outside too, and behind kill -9. With
the real bpftool and libbpf."""
import contextlib
import mmap
import os
import pathlib
import random
import stat
import struct
import subprocess
import sys
import time

from shm_rig import (BPFTOOL, NOBODY, PROGRAM, SUMS, Service, Skip, as_nobody, bpftool, dumped, good, main, memory, need, pins, plain, row,
                     tracefs, values, wait_for, weir)


def bpf_sums(pin, cell, cells):
    """calls, missed and time of the totals; [(total, live)]"""
    if not SUMS.exists() or not PROGRAM.exists():
        raise Skip("built without libbpf, bpftool or clang")
    tracefs()
    done = subprocess.run([SUMS, PROGRAM, pin, str(cell), str(cells)], capture_output=True, text=True, timeout=60)
    need(done.returncode == 0, done.stderr[-400:])
    first, *rest = [tuple(map(int, line.split())) for line in done.stdout.splitlines()]
    return first, rest


# ---- a file ----------------------------------------------------------------------------------------------------------------
def what_was_counted_before_is_in_the_file():
    with memory() as folder, Service() as s:
        s.does("record 1000 4", f"file {folder} shop", "record 500 2")
        home, dropped, count = s.status()
        need(home == f"file: {folder}/weir-shop-{s.pid}.segment" and dropped == 0 and count == 5000, (home, dropped, count))
        dump = dumped(s.path())
        need(values(dump, "shm_plain_total")[()]["value"] == 5000, "plain")
        need(values(dump, "shm_updown")[()]["value"] == -5000 and values(dump, "shm_gauge")[()]["value"] == 5000, "updown, gauge")
        need(sum(v["value"] for v in values(dump, "shm_labelled_total").values()) == 10000, "labelled")
        need(values(dump, "shm_sizes_bytes")[("x",)]["count"] == 5000, "histogram")
        need(dump["segment"]["home"] == "file" and dump["segment"]["pid"] == s.pid, dump["segment"])
        is_ = s.path().stat()
        need(stat.S_IMODE(is_.st_mode) == 0o600 and is_.st_uid == os.geteuid(), oct(is_.st_mode))


def the_file_outlives_its_process():
    with memory() as folder, Service() as s:
        s.does("record 100", f"file {folder} shop", "init", "record 23")
        path = s.path()
        need(row(s.pid)["state"] == "alive" and row(s.pid)["home"] == "file", row(s.pid))
        s.kill()
        dump = dumped(path)
        need(values(dump, "shm_plain_total")[()]["value"] == 123 and dump["segment"]["state"] == "dead", dump["segment"])


def shutdown_and_stop_take_the_name_away():
    with memory() as folder:
        for end in ("stop", "shutdown"):
            with Service() as s:
                s.does("init", f"file {folder} shop", "record 5", end, "record 5")
                need(not list(folder.iterdir()), f"{end} leaves the name")
                need(s.status()[2] == 10 and s.status()[0] == "file: its name is taken away", s.status())
                s.does(f"file {folder} shop")
                need(plain(s.path()) == 10, "it does not begin again")
        with Service() as s:
            s.does("keep", f"file {folder} kept", "stop")
            need(len(list(folder.iterdir())) >= 1, "keep does not keep")


def the_next_start_removes_what_the_dead_left():
    with memory() as folder:
        with Service() as other, Service() as s:
            other.does("record 1", f"file {folder} shop-two")
            s.does("record 1", f"file {folder} shop")
            left, alive = s.path(), other.path()
            s.kill()
            need(left.exists(), "the file is gone with its process")
            with Service() as next_one:
                next_one.does("record 1", f"file {folder} shop")
                need(not left.exists(), "the dead one's file is still there")
                need(alive.exists() and next_one.path().exists(), "a living one's file is gone")
                with Service() as third:
                    third.does(f"file {folder} shop")
                    need(next_one.path().exists(), "a living one's file of the same name is gone")
        need("removed weir-shop" in good("gc", folder) and not list(folder.iterdir()), "gc leaves files")


def a_forked_child_leaves_the_parents_numbers_alone():
    with memory() as folder, pins() as folder_of_pins:
        for start in (f"file {folder} shop", f"map {folder_of_pins}/shop"):
            with Service() as s:
                s.does("record 10", start, "init", "fork 1000")
                need(s.status()[2] == 10 and plain(s.path()) == 10, f"{start}: {s.status()}, {plain(s.path())}")
                child = int(s.ask("leave")[0][0])
                s.does("record 5")
                need(plain(s.path()) == 15 and row(s.pid)["state"] == "alive", row(s.pid))
                s.kill()
                os.kill(child, 9)


def mode_and_group_are_as_asked():
    with memory() as folder, pins() as folder_of_pins:
        for start in (f"file {folder}", f"map {folder_of_pins}/m"):
            with Service() as s:
                s.does(f"mode 640 {NOBODY}", start)
                is_ = s.path().stat()
                need(stat.S_IMODE(is_.st_mode) == 0o640 and is_.st_gid == NOBODY, f"{start}: {oct(is_.st_mode)} {is_.st_gid}")
                need(s.ask("mode 777")[1] == "WEIR_OK" and s.ask("stop")[1] == "WEIR_OK", "stop")
                need(s.ask(start)[1] == "WEIR_EINVAL", "0777 is taken")


LOOKED_AT = (1, 2, 3, 17, 40)  # blocks whose words are compared


def killed_amid_a_flush_the_file_is_whole_and_never_goes_back():
    amid = 0
    with memory("64m") as folder:
        for round_ in range(200):
            with Service() as s:
                s.does("record 50", "series 20000", f"file {folder} storm", "init 1", "storm")
                path = s.path()
                time.sleep(random.uniform(0.002, 0.02))
                with opened(path) as data:
                    before = numbers(data)
                    at, = struct.unpack_from("<Q", data, 128 + 24 + 8)  # of the first block: it begins each flush
                    active, end = data[at + 16 + 12], time.monotonic() + random.uniform(0.01, 0.03)
                    while data[at + 16 + 12] == active and time.monotonic() < end:
                        pass
                    s.process.kill()
            with opened(path) as data:
                after = numbers(data)
                # A flush counts active up, block by block: where they differ it was killed in one.
                amid += len({value for (kind, _, _), value in after.items() if kind == "active"}) > 1
            for cell, value in before.items():
                need(after.get(cell, 0) >= value, f"round {round_}: {cell} goes back from {value} to {after.get(cell)}")
            totals = [cell for cell in after if cell[0] == "total"]
            need(totals, "there are no totals")
            need(all(after[cell] <= after[("live", *cell[1:])] for cell in totals), f"round {round_}: a total is above its sum")
            if round_ % 10 == 0:
                read = values(dumped(path), "shm_halves_total")[()]["value"]
                need(read & 0xFFFFFFFF == read >> 32, f"round {round_}: halves {read:x} differ")
                need(plain(path) == 50, "plain")
            path.unlink(missing_ok=True)
    need(amid >= 10, f"only {amid} of 200 met a flush")


@contextlib.contextmanager
def opened(path):
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as data:
        yield data


def numbers(data):
    """{(kind, block, word): value} of a segment: active of each block; of some blocks the sums over shards, and the totals that are
    shown; by the layout alone. Touches what is listed: the rest is holes."""
    need(data[:8] == b"weirseg\0" and struct.unpack_from("<QQ", data, 32)[0] == struct.unpack_from("<QQ", data, 32)[1] != 0, "header")
    used, = struct.unpack_from("<I", data, 120)
    directory, = struct.unpack_from("<Q", data, 128 + 8)
    index, blocks = struct.unpack_from("<QQ", data, 128 + 24 + 8)
    found = {}
    for block in range(1, blocks):
        first, *totals, active = struct.unpack_from("<IIII", data, index + 16 * block)
        page, steps = first, 0
        while page != 0:
            kind, _, number, following = struct.unpack_from("<IIII", data, directory + 16 * page)
            steps += 1
            need(page < used and kind in (6, 7) and number == block and steps <= used, f"page {page} of block {block}: {kind} {number}")
            if kind == 6 and block in LOOKED_AT:
                for word, value in enumerate(struct.unpack_from("<512Q", data, page * 4096)):
                    if value:
                        found["live", block, word] = (found.get(("live", block, word), 0) + value) & (1 << 64) - 1
            page = following
        shown = totals[active & 1]
        if first == 0 or shown == 0:
            continue
        found["active", block, 0] = active
        need(struct.unpack_from("<I", data, directory + 16 * shown)[0] == 8, f"page {shown} holds no totals")
        if block in LOOKED_AT and struct.unpack_from("<I", data, directory + 16 * first)[0] == 6:
            for word, value in enumerate(struct.unpack_from("<512Q", data, shown * 4096)):
                if value:
                    found["total", block, word] = value
    return {cell: value for cell, value in found.items() if value < 1 << 63}  # an up-down counter's go down


# ---- a map -----------------------------------------------------------------------------------------------------------------
def bpftool_prints_the_map_by_name():
    with pins() as folder, Service() as s:
        s.does("record 10", f"map {folder}/shop", "init", "record 5")
        wait_for(lambda: bpftool("map", "dump", "pinned", folder / "shop")[0]["formatted"]["value"]["header"]["totals_time_ns"] != 0)
        shown = bpftool("map", "show", "pinned", folder / "shop")
        need(shown["type"] == "array" and shown["name"] == "weir" and shown["bytes_value"] == 4 << 20 and shown["max_entries"] == 1 and
             shown["flags"] == 0x400, shown)
        h = bpftool("map", "dump", "pinned", folder / "shop")[0]["formatted"]["value"]["header"]
        need(h["magic"] == "weirseg" and (h["major"], h["minor"]) == (1, 1) and h["pid"] == s.pid, h)
        need(h["pages"] == 1024 and h["total_bytes"] == 4 << 20 and h["generation_begin"] == h["generation_end"] != 0, h)
        need(h["start_time"] == int(pathlib.Path(f"/proc/{s.pid}/stat").read_text().rsplit(")")[1].split()[19]), h)
        need(abs(h["totals_time_ns"] / 1e9 - time.time()) < 10 and h["heartbeat_ns"] != 0 and h["records_dropped"] == 0, h)
        need([a["type"] for a in h["areas"]][:3] == [2, 3, 0] and h["areas_count"] == 2 and len(h["boot_id"]) == 16, h)
        need(stat.S_IMODE((folder / "shop").stat().st_mode) == 0o600, "mode")


def a_bpf_programs_sums_are_exact():
    with pins() as folder, Service() as s:
        s.does("record 1000 8", f"map {folder}/shop", "record 20000 8", "init", "record 3000 8")
        labelled, sizes = map(int, s.ask("cells")[0][0].split())
        asked = time.time()

        def fresh():
            (calls, missed, at), _ = bpf_sums(folder / "shop", labelled, 1)
            need(calls == 1 and missed == 0, f"{calls} calls, {missed} missed")
            return at / 1e9 > asked

        wait_for(fresh)
        _, [(total, live)] = bpf_sums(folder / "shop", labelled, 1)
        need(total == live == 2 * 24000, f"a series: {total}, {live}")
        _, histogram = bpf_sums(folder / "shop", sizes, 5)
        need(all(total == live for total, live in histogram), histogram)
        user = values(dumped(folder / "shop"), "shm_sizes_bytes")[("x",)]
        need(sum(total for total, _ in histogram[1:]) == user["count"] == 8 * 24000 and histogram[0][0] == user["sum"], (histogram, user))


def a_pinned_map_outlives_its_process():
    with pins() as folder, Service() as s:
        s.does("record 77", f"map {folder}/shop")
        s.kill()
        need(plain(folder / "shop") == 77 and dumped(folder / "shop")["segment"]["state"] == "dead", "dump")
        with Service() as next_one:
            next_one.does("record 5", f"map {folder}/shop")
            need(plain(folder / "shop") == 5, "the dead one's map is not replaced")
            next_one.kill()
        need("dead shop" in good("gc", "--dry-run", folder) and (folder / "shop").exists(), "dry run")
        need("removed shop" in good("gc", folder) and not (folder / "shop").exists(), "gc")


def a_helpers_map_serves_an_unprivileged_process():
    with pins() as folder:
        pin = folder / "agent"
        if not BPFTOOL:
            raise Skip("bpftool is not installed")
        for size, entries in ((4 << 20, 1), (4096, 1024)):
            bpftool("map", "create", pin, "type", "array", "key", 4, "value", size, "entries", entries, "name", "weir", "flags", 0x400)
            pin.chmod(0o666)
            with Service() as s:
                s.does(f"user {NOBODY}", "record 1000 8", f"adopt {pin}", "init", "record 500 8")
                home, dropped, count = s.status()
                need(home == f"map: {pin}" and dropped == 0 and count == 12000, (home, dropped, count))
                need(plain(pin) == 12000, "dump")
                need(plain(pin, preexec_fn=as_nobody) == 12000 and plain(s.pid, preexec_fn=as_nobody) == 12000, "dump as nobody")
                pin.chmod(0o644)  # read-only: by look-ups
                need(plain(pin, preexec_fn=as_nobody) == 12000, "dump by look-ups")
                if entries == 1:
                    need(bpf_sums(pin, int(s.ask("cells")[0][0].split()[0]), 1)[1][0][1] == 2 * 1500, "a BPF program's sum")
                pin.chmod(0o666)
                s.does("shutdown")
                need(pin.exists(), "the helper's pin is taken away")
            with Service() as s:
                s.does("record 3", f"given {pin}", "record 4")
                need(s.status()[0] == "map: not pinned" and plain(pin) == 7, s.status())
                s.does(f"user {NOBODY}", "record 5")
                need(plain(pin) == 12, "it stops where privileges go")
            pin.unlink()


def ls_finds_services_by_any_home():
    with memory() as folder, pins() as folder_of_pins, Service() as a, Service() as b, Service() as c, Service() as d:
        a.does("record 1", "init")
        b.does("record 1", f"file {folder}", "init")
        c.does("record 1", f"map {folder_of_pins}/c", "init")
        d.does("record 1", "map -", "init")
        need([(row(s.pid)["home"], row(s.pid)["state"]) for s in (a, b, c, d)] == [(h, "alive") for h in ("memfd", "file", "map", "map")],
             good("ls"))
        need([plain(s.pid) for s in (a, b, c, d)] == [1] * 4, "dump by number")


def ls_finds_what_the_dead_left():
    with Service() as s:
        s.does("record 9", "file - weirtest", "init")
        path = s.path()
        need(path.parent == pathlib.Path("/dev/shm"), path)
        s.does("close")
        need(row(s.pid)["state"] == "alive" and row(s.pid)["service"] == "shm_service", row(s.pid))
        s.kill()
        try:
            need(row(s.pid)["state"] == "dead" and row(s.pid)["path"] == str(path) and plain(path) == 9, row(s.pid))
        finally:
            path.unlink()


def the_former_home_says_that_it_counts_no_more():
    with memory() as folder, Service() as s:
        s.does("init", "record 5")
        need(row(s.pid)["home"] == "memfd", row(s.pid))
        fd = os.open(row(s.pid)["path"], os.O_RDONLY)
        s.does(f"file {folder}", "record 5")
        code, _, err = weir("dump", f"/proc/{os.getpid()}/fd/{fd}")
        os.close(fd)
        need(code == 1 and "has not finished it" in err, err)
        need(row(s.pid)["home"] == "file" and plain(s.pid) == 10, row(s.pid))


TESTS = (what_was_counted_before_is_in_the_file, the_file_outlives_its_process, shutdown_and_stop_take_the_name_away,
         the_next_start_removes_what_the_dead_left, a_forked_child_leaves_the_parents_numbers_alone, mode_and_group_are_as_asked,
         killed_amid_a_flush_the_file_is_whole_and_never_goes_back, bpftool_prints_the_map_by_name, a_bpf_programs_sums_are_exact,
         a_pinned_map_outlives_its_process, a_helpers_map_serves_an_unprivileged_process, ls_finds_services_by_any_home,
         ls_finds_what_the_dead_left, the_former_home_says_that_it_counts_no_more)
sys.exit(main("shm_homes", TESTS))
