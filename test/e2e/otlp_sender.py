"""The sender's process (otlp_sender.c) for otlp_faults.py and otlp_spool.py, and what its bodies are. Not a test itself."""
import hashlib
import time

from traces import Program, numbers, same

AT_ONCE = 4  # cases


class Sender(Program):
    """The process, and its answers."""

    def __init__(self, prefix=(), env=None, **options):
        super().__init__("otlp_sender", prefix, env)
        self.started = self.ask("start " + " ".join(f"{k}={v}" for k, v in options.items()))

    def offer(self, signal_name="traces", length=100, group=""):
        return self.ask(f"offer {signal_name} {length} {group}")

    def flush(self, ms):
        result, took = self.ask(f"flush {ms}", ms / 1000 + 20).split()
        return result, int(took)

    def counts(self):
        return numbers(self.ask("counts"))

    def wait_counts(self, seconds=10, **wanted):
        until = time.monotonic() + seconds
        while True:
            counts = self.counts()
            if all(counts[k] == v for k, v in wanted.items()):
                return counts
            if time.monotonic() > until:
                raise AssertionError(f"after {seconds} s not {wanted}: {counts}; log: {self.text()[-400:]}")
            time.sleep(0.02)


def body_hash(number, length):
    return hashlib.sha256((number.to_bytes(8, "little") * (length // 8 + 1))[:length]).hexdigest()


def no_overlap(server):
    same([r for r in server.requests() if r["overlapped"]], [], "requests of one signal at the same time:")
