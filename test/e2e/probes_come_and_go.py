#!/usr/bin/env python3
"""Probes that are attached and let go all the time: 1000 times under load, and while a library with probes is opened and closed."""
import os
import sys
import threading

sys.dont_write_bytecode = True
import bpftrace  # noqa: E402
from probed import BUILD, Host, compiled, need, run, watching, with_library  # noqa: E402


def come_and_go(path, spots, turns, going_on):
    """All of these probes are attached and let go that many times by each of ten threads, as long as going_on: how often that was in
    all. By threads, since the kernel waits at each for all processors, and then for several at once."""
    done = []
    bpftrace.program()

    def turn_after_turn():
        for _ in range(turns):
            if going_on():
                bpftrace.Together(path, spots).close()
                done.append(1)

    threads = [threading.Thread(target=turn_after_turn) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(done)


def attached_1000_times_under_load():
    watching()
    library = os.path.realpath(BUILD / "libweir.so")
    spots = bpftrace.Attached.spots(library)
    with Host(compiled("load", *with_library(BUILD))) as host:
        steady = bpftrace.Attached(library, spots["request_end"])  # counts all the time
        stop, spans, requests = threading.Event(), [0], [0]

        def load():
            while not stop.is_set():
                spans[0] = host.ask("threads 4 500")
                requests[0] += 4 * 500
                stop.wait(0.05)  # who attaches needs a processor, too

        thread = threading.Thread(target=load)
        thread.start()
        try:
            turns = come_and_go(library, list(spots.values()), 10, lambda: host.process.poll() is None)
            probe = bpftrace.Attached(library, spots["span_end"])
            need(probe.hits_within(10) > 0, "the probe is not hit: nothing is under load")
            probe.close()
        finally:
            stop.set()
            thread.join(timeout=60)
        need(turns * len(spots) == 1000, f"the host has ended with {host.process.poll()} after {turns} turns of {len(spots)} probes")
        need(spans[0] == 2 * requests[0], f"{spans[0]} spans were exported of {2 * requests[0]}")
        need(steady.count() == requests[0], f"request_end was hit {steady.count()} times by {requests[0]} requests")
        steady.close()
        need([bpftrace.semaphore(host.pid, library, n) for n in spots] == [0] * len(spots), "a semaphore is left")
        host.end()


def attached_while_a_library_is_closed():
    """A plugin with weir inside is opened and closed, while its probes are attached and let go."""
    watching()
    plugin = compiled("closed.so", "-fPIC", "-shared", "-DPLUGIN", BUILD / "libweir.a")
    spots = bpftrace.Attached.spots(plugin)
    bare, loads = spots.pop("bare"), 100
    with Host(compiled("closes", *with_library(BUILD))) as host:
        steady = bpftrace.Attached(plugin, bare)
        thread = threading.Thread(target=lambda: [host.ask(f"load 3 {plugin}") for _ in range(loads)])
        thread.start()
        turns = come_and_go(plugin, list(spots.values()), 1000, thread.is_alive)
        thread.join()
        need(turns >= 5, f"probes were attached {turns} times only meanwhile")
        need(steady.count() == 3 * loads, f"shop:bare was hit {steady.count()} times by {3 * loads} requests")
        steady.close()
        host.end()


TESTS = (attached_1000_times_under_load, attached_while_a_library_is_closed)
sys.exit(run("probes_come_and_go", TESTS))
