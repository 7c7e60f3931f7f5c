#!/usr/bin/env python3
"""What a home meets that is not as it should be, one by one: the cells stay where they are, the status says why, the service records on,
and a reader says what is wrong."""
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import threading

from shm_rig import (BPFTOOL, NOBODY, Service, Skip, as_nobody, bpftool, dumped, good, main, memory, need, pins, plain, refused, row, weir)


def create(pin, value=4 << 20, entries=1, kind="array", flags=0x400):
    bpftool("map", "create", pin, "type", kind, "key", 4, "value", value, "entries", entries, "name", "t", "flags", flags)


# ---- no privilege, no bpffs ------------------------------------------------------------------------------------------------
def without_the_privilege_the_cells_stay_in_a_memfd():
    if os.geteuid() != 0 or pathlib.Path("/proc/sys/kernel/unprivileged_bpf_disabled").read_text().strip() == "0":
        raise Skip("everybody may make maps here, or nobody can give up a privilege")
    with Service() as s:
        s.does("record 5", f"user {NOBODY}", "init")
        s.refuses("map -", "WEIR_EIO", r"^memfd: bpf\(2\) makes no map: Operation not permitted$")
        need(plain(s.pid) == 15, "dump")


def a_pin_that_is_on_no_bpffs():
    with tempfile.TemporaryDirectory() as folder, Service() as s:
        s.refuses(f"map {folder}/pin", "WEIR_EINVAL", "^memfd: .*on no bpffs")
        s.refuses(f"map {folder}/none/pin", "WEIR_EIO", "^memfd: .*No such file")
        s.refuses(f"adopt {folder}/pin", "WEIR_EIO", "^memfd: .*No such file")


def a_folder_of_pins_that_is_not_ours():
    with pins() as folder, Service() as s:
        create(folder / "agent")
        s.does("record 1", f"user {NOBODY}")
        s.refuses(f"map {folder}/pin", "WEIR_EIO", "^memfd: .*Permission denied")
        s.refuses(f"adopt {folder}/agent", "WEIR_EIO", "^memfd: .*Permission denied")  # 0600, and root's
        (folder / "agent").chmod(0o444)
        s.refuses(f"adopt {folder}/agent", "WEIR_EIO", "^memfd: ")


# ---- what is pinned is something else --------------------------------------------------------------------------------------
def maps_that_are_none_of_ours():
    with pins() as folder, Service() as s:
        create(folder / "hash", 4096, 1024, "hash", 0)
        create(folder / "plain", flags=0)
        create(folder / "small", 65536)
        create(folder / "odd", 100, 50000)
        for name, why in (("hash", "no array"), ("plain", "BPF_F_MMAPABLE"), ("small", "smaller than 1 MiB"), ("odd", "no whole pages")):
            s.refuses(f"adopt {folder}/{name}", "WEIR_EINVAL", f"^memfd: .*{why}")
            s.refuses(f"given {folder}/{name}", "WEIR_EINVAL", f"^memfd: .*{why}")
            s.refuses(f"map {folder}/{name}", "WEIR_ECONFLICT", "^memfd: another thing is pinned there")
            need((folder / name).exists(), f"{name} is taken away")
        s.refuses("given /etc/passwd", "WEIR_EINVAL", "^memfd: it is no array")
        refused(1, "no segment of weir", "dump", folder / "plain")
        refused(1, "no segment of weir", "dump", folder / "hash")


def a_program_is_pinned_there():
    with pins() as folder, Service() as s:
        from shm_rig import PROGRAM
        if not PROGRAM.exists() or not BPFTOOL:
            raise Skip("built without libbpf, bpftool or clang")
        done = subprocess.run([BPFTOOL, "prog", "loadall", PROGRAM, folder / "programs"], capture_output=True, text=True)
        need(done.returncode == 0, done.stderr[-300:])
        for line, error in (("adopt", "WEIR_EINVAL"), ("given", "WEIR_EINVAL"), ("map", "WEIR_ECONFLICT")):
            s.refuses(f"{line} {folder}/programs/one_total", error, "^memfd: (it is no array|another thing)")
        refused(1, "no segment of weir", "dump", folder / "programs/one_total")
        s.refuses(f"map {folder}/programs", "WEIR_ECONFLICT", "^memfd: another thing")


def a_map_of_a_process_that_lives():
    with pins() as folder, Service() as a, Service() as b:
        a.does("record 3", f"map {folder}/a")
        b.refuses(f"map {folder}/a", "WEIR_ECONFLICT", "^memfd: the map of a process that lives")
        b.refuses(f"adopt {folder}/a", "WEIR_ECONFLICT", "^memfd: another process writes")
        need(plain(folder / "a") == 3, "its numbers are gone")
        a.does("stop", "record 1")
        a.kill()


def a_map_that_is_full():
    with pins(), Service() as s:  # before the move: it does not fit
        s.does("series 120000")
        s.refuses("map - 1048576", "WEIR_ELIMIT", "^memfd: what is counted does not fit into the map")
    with pins() as folder, Service() as s:  # behind it
        s.does("record 5", f"map {folder}/m 1048576", "series 200000", "record 5")
        home, dropped, count = s.status()
        need(home == f"map: {folder}/m" and dropped > 0 and count >= 5, (home, dropped, count))
        need(plain(folder / "m") == count and dumped(folder / "m")["segment"]["passed_over"] == 0, "dump")
        s.does("fork 10")


def options_that_cannot_be():
    with Service() as s:
        s.refuses("map - 4096", "WEIR_EINVAL", "^memfd: a map has 1 MiB to 1 GiB")
        s.refuses("map - 2000000000", "WEIR_EINVAL", "^memfd: a map has 1 MiB to 1 GiB")
        s.refuses("file - a/b", "WEIR_EINVAL", "^memfd: the name is not allowed")
        s.refuses(f"file - {'n' * 65}", "WEIR_EINVAL", "^memfd: the name is not allowed")
        with memory() as folder:
            s.does(f"file {folder}")
            need(s.ask(f"file {folder}")[1] == "WEIR_ECONFLICT" and s.status()[0].startswith("file: "), "a second start")


# ---- files -----------------------------------------------------------------------------------------------------------------
def a_full_tmpfs_costs_counted_drops_and_no_signal():
    with memory("16k") as folder, Service() as s:
        s.does("record 5")
        s.refuses(f"file {folder}", "WEIR_ENOMEM", "^memfd: there is no room")
        need(not list(folder.iterdir()), "a file is left")
    with memory("1m") as folder, Service() as s:
        s.does("record 5", f"file {folder}", "init", "series 100000", "record 5 4")
        home, dropped, count = s.status()
        need(home.startswith("file: ") and dropped > 1000 and count >= 5, (home, dropped, count))
        need(plain(s.path()) == count, "dump")


def folders_that_will_not_do():
    with memory() as folder, tempfile.TemporaryDirectory(dir="/var/tmp") as disk, Service() as s:
        s.does("record 1")
        if os.statvfs(disk).f_bsize and subprocess.run(["stat", "-f", "-c", "%T", disk], capture_output=True, text=True).stdout.strip() != "tmpfs":
            s.refuses(f"file {disk}", "WEIR_EINVAL", "^memfd: the folder is on no tmpfs")
        s.refuses(f"file {folder}/none", "WEIR_EIO", "^memfd: the folder: No such file")
        for mode in (0o777, 0o775, 0o757):
            (folder / "wide").mkdir(exist_ok=True)
            (folder / "wide").chmod(mode)
            s.refuses(f"file {folder}/wide", "WEIR_EINVAL", "^memfd: others may take files away")
        if os.geteuid() == 0:
            (folder / "wide").chmod(0o755)
            os.chown(folder / "wide", NOBODY, NOBODY)
            s.refuses(f"file {folder}/wide", "WEIR_EINVAL", "^memfd: others may take files away")
        (folder / "wide").chmod(0o1777)
        if os.geteuid() == 0:
            os.chown(folder / "wide", 0, 0)
        s.does(f"file {folder}/wide")


def a_name_that_somebody_took_before_is_neither_followed_nor_touched():
    with memory() as folder:
        victim = folder / "victim"
        victim.write_text("precious")
        victim.chmod(0o666)
        for what in ("link", "dangling", "file", "folder", "hard"):
            with Service() as s:
                name = folder / f"weir-shop-{s.pid}.segment"
                if what == "link":
                    name.symlink_to(victim)
                elif what == "dangling":
                    name.symlink_to(folder / "made")
                elif what == "file":
                    name.write_text("theirs")
                elif what == "folder":
                    name.mkdir()
                else:
                    os.link(victim, name)
                if os.geteuid() == 0:
                    os.chown(name, NOBODY, NOBODY, follow_symlinks=False)
                s.does("record 5", f"file {folder} shop", "record 5")
                got = s.path()
                need(got != name and got.is_file() and not got.is_symlink() and plain(got) == 10, f"{what}: {got}")
                need(victim.read_text() == "precious" and not (folder / "made").exists(), f"{what}: it was followed")
                need(what != "file" or name.read_text() == "theirs", "it was overwritten")
                s.does("stop")
                need(not got.exists() and (name.exists() or name.is_symlink()), f"{what}: the wrong name is taken away")


def files_of_others_are_not_cleaned_up():
    with memory() as folder:
        with Service() as s:
            s.does("record 5", f"file {folder} shop")
            dead = s.path()
            s.kill()
        copies = {what: folder / f"weir-shop-{n}.segment" for n, what in enumerate(("other", "hard", "short", "link"), 1000)}
        shutil.copyfile(dead, copies["other"], follow_symlinks=False) if dead.stat().st_blocks * 512 > 1 << 24 else sparse(dead, copies["other"])
        if os.geteuid() == 0:
            os.chown(copies["other"], NOBODY, NOBODY)
        sparse(dead, copies["hard"])
        os.link(copies["hard"], folder / "second")
        copies["short"].write_bytes(dead.open("rb").read(4096))
        copies["link"].symlink_to(dead)
        with Service() as s:
            s.does(f"file {folder} shop")
            need(not dead.exists(), "the dead one's is there")
            for what, path in copies.items():
                need(path.is_symlink() or path.exists() or (what == "other" and os.geteuid() != 0), f"{what} is gone")


def a_number_that_another_process_has_now():
    with memory() as folder:
        with Service() as s:
            s.does("record 5", f"file {folder} shop")
            dead = s.path()
            s.kill()
        reused = folder / "weir-shop-1.segment"
        sparse(dead, reused)
        with open(reused, "r+b") as file:  # this process' number, another start time
            file.seek(48)
            file.write(struct.pack("<I", os.getpid()))
        need(dumped(reused)["segment"]["state"] == "dead", "it counts as alive")
        with Service() as s:
            s.does(f"file {folder} shop")
            need(not reused.exists(), "it stays")


def a_limit_on_files_raises_no_signal():
    with memory() as folder, Service() as s:
        s.does("record 5", "small 1000000")
        s.refuses(f"file {folder}", "WEIR_EIO", "^memfd: the file: File too large")


def sparse(source, target):
    """A copy of what the directory lists, and of the areas: the rest is holes."""
    subprocess.run(["cp", "--sparse=always", source, target], check=True)


# ---- readers ---------------------------------------------------------------------------------------------------------------
def a_file_cut_short_under_its_reader():
    with memory() as folder, Service() as s:
        s.does("record 50", "series 20000", f"file {folder} shop")
        path, stop, ends = s.path(), threading.Event(), set()
        s.kill()
        whole = folder / "whole"
        sparse(path, whole)

        def cut():
            while not stop.is_set():
                os.truncate(path, 8192)
                shutil.copyfile(whole, path)

        small = path.stat().st_size <= 1 << 24
        thread = threading.Thread(target=cut)
        if small:
            thread.start()
        for _ in range(40):
            ends.add(weir("dump", "--json", path)[0])
            if not small:
                os.truncate(path, 8192)
        stop.set()
        if small:
            thread.join()
        need(ends <= {0, 1} and 1 in ends, f"it ends with {ends}")
        os.truncate(path, 100)
        refused(1, "no segment|cut short", "dump", path)
        os.truncate(path, 8192)
        refused(1, "cut short", "dump", path)


def files_of_other_machines_and_times():
    with memory() as folder, Service() as s:
        s.does("record 5", f"file {folder} shop")
        path = s.path()
        s.kill()
        for offset, value, why in ((12, b"\x02", "another byte order"), (13, b"\x04", "do not have 8 bytes"), (8, b"\x02\x00", "another major"),
                                   (8, b"\x00\x01", "another major"), (0, b"W", "no segment of weir"), (52, b"\0\0\0\0", "does not let it be read"),
                                   (40, b"\0" * 8, "has not finished it"), (16, b"\0\x20\0\0", "damaged")):
            bad = folder / "bad"
            sparse(path, bad)
            with open(bad, "r+b") as file:
                file.seek(offset)
                file.write(value)
            refused(1, why, "dump", bad)
        refused(1, "no segment of weir", "dump", "/etc/passwd")
        newer = folder / "newer"
        sparse(path, newer)
        with open(newer, "r+b") as file:  # a higher minor is read
            file.seek(10)
            file.write(b"\x63\0")
        need(plain(newer) == 5, "a newer minor is refused")


def nobody_else_reads_what_is_0600():
    if os.geteuid() != 0:
        raise Skip("only root can be another user")
    with memory() as folder, pins() as folder_of_pins, Service() as a, Service() as b:
        a.does("record 5", f"file {folder}")
        b.does("record 5", f"map {folder_of_pins}/b")
        for path in (a.path(), b.path()):
            refused(2, "Permission denied", "dump", path, preexec_fn=as_nobody)
        refused(2, "may not be looked into", "dump", b.pid, preexec_fn=as_nobody)
        need(row(a.pid)["home"] == "file" and "file" in good("ls"), "ls")


TESTS = (without_the_privilege_the_cells_stay_in_a_memfd, a_pin_that_is_on_no_bpffs, a_folder_of_pins_that_is_not_ours,
         maps_that_are_none_of_ours, a_program_is_pinned_there, a_map_of_a_process_that_lives, a_map_that_is_full, options_that_cannot_be,
         a_full_tmpfs_costs_counted_drops_and_no_signal, folders_that_will_not_do,
         a_name_that_somebody_took_before_is_neither_followed_nor_touched, files_of_others_are_not_cleaned_up,
         a_number_that_another_process_has_now, a_limit_on_files_raises_no_signal, a_file_cut_short_under_its_reader,
         files_of_other_machines_and_times, nobody_else_reads_what_is_0600)
sys.exit(main("shm_bad_input", TESTS))
