#!/usr/bin/env python3
"""weir top and weir watch as a user sees them: on a terminal (vt.py) and without one, on orders under load, on services that die, come
back, have no series, or a hundred thousand; and what they leave behind. The programs: WEIR_BUILD's."""
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
import threading
import time

ROOT = pathlib.Path(os.environ.get("WEIR_ROOT", pathlib.Path(__file__).resolve().parents[2]))
BUILD = pathlib.Path(os.environ.setdefault("WEIR_BUILD", str(ROOT / "build/release")))
sys.path.insert(0, str(ROOT / "test/integration"))
sys.path.insert(0, str(ROOT / "test/e2e"))
from orders_service import Orders  # noqa: E402
from vt import Terminal  # noqa: E402

WEIR = BUILD / "bin/weir"
SERVICE = BUILD / "test/segment_service"
QUICK = ("--interval", "50")


class Wrong(Exception):
    pass


class Skip(Exception):
    pass


def need(there, what):
    if not there:
        raise Wrong(what)


def weir(*args, **more):
    env = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "NO_COLOR")} | more.pop("env", {})
    done = subprocess.run([WEIR, *map(str, args)], capture_output=True, timeout=100, stdin=subprocess.DEVNULL, env=env, **more)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def good(*args, **more):
    code, out, err = weir(*args, **more)
    need(code == 0, f"{args} ends with {code}: {err.strip()}")
    return out


def refused(code, reason, *args, **more):
    got, out, err = weir(*args, **more)
    need(got == code, f"{args} ends with {got}, not {code}: {err.strip()}")
    need(re.search(reason, err), f"{args} says {err.strip()!r}, not {reason!r}")


class Service:
    """segment_service, under a name of its own: others may run here too."""

    def __init__(self, name=None, *args):
        program = SERVICE
        if name:
            program = WORK / name
            if not program.exists():
                shutil.copy(SERVICE, program)
        self.process = subprocess.Popen([program, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.pid = self.process.pid
        need(self.process.stdout.readline() == "ok\n", "the service does not start")

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        need(self.process.stdout.readline() == "ok\n", f"the service does not do {line}")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        self.process.stdin.close()
        self.process.stdout.close()


class Load:
    """Asks orders without end, on one connection a thread; counts the answers."""

    def __init__(self, orders, threads=2):
        self.orders, self.stop, self.codes = orders, False, {}
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run) for _ in range(threads)]
        for thread in self.threads:
            thread.start()

    def run(self):
        connection = self.orders.connect()
        n = 0
        while not self.stop:
            n += 1
            path = "/nowhere" if n % 10 == 0 else "/healthz" if n % 10 == 1 else f"/api/v1/orders/{n}"
            status = self.orders.ask("GET", path, connection=connection)[0]
            with self.lock:
                key = "other" if n % 10 == 0 else path if n % 10 == 1 else "/api/v1/orders/{id}", status
                self.codes[key] = self.codes.get(key, 0) + 1
        connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop = True
        for thread in self.threads:
            thread.join()


def top(*args, **more):
    return Terminal([WEIR, "top", *QUICK, *args], **more)


def number(text):
    """What a figure says, in its base unit; None for nothing to say."""
    found = re.fullmatch(r"(-?[0-9.]+(?:e[-+]\d+)?)(ns|us|ms|s|%|k|M|G)?", text)
    if not found:
        return None
    return float(found[1]) * {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "%": 1e-2, "k": 1e3, "M": 1e6, "G": 1e9}.get(found[2], 1)


def table(lines, title="REQUESTS"):
    """{name: {head: figure}} of the rows under a head line."""
    at = next(i for i, line in enumerate(lines) if line.startswith((title, f">{title}", f"<{title}")))
    heads = [h.lstrip("<>") for h in re.sub(r"IN SLO", "IN_SLO", lines[at]).split() if not re.match(rf"[<>]?{title}|[0-9]|of$", h)]
    rows = {}
    for line in lines[at + 1:]:
        words = line[1:].split()
        if len(words) <= len(heads) or not re.match(r"[ !]", line):
            break
        rows[" ".join(words[:-len(heads)])] = dict(zip(heads, words[-len(heads):]))
    return rows


# ---- help and usage --------------------------------------------------------------------------------------------------------
def help_is_as_written_down():
    script = f'. {ROOT}/src/cli/weir.bash; COMP_WORDS=(weir %s ""); COMP_CWORD=2; _weir; echo "${{COMPREPLY[@]}}"'
    manual = (ROOT / "doc/weir.1").read_text().replace("\\-", "-")
    for command in ("top", "watch"):
        wanted = (ROOT / f"test/golden/cli/weir-{command}.txt").read_text()
        need(good(command, "--help") == wanted, f"weir {command} --help is not test/golden/cli/weir-{command}.txt")
        completed = subprocess.run(["bash", "-c", script % command], capture_output=True, text=True, check=True).stdout.split()
        for flag in re.findall(r"^  (--[a-z-]+)", wanted, re.M):
            need(flag in manual, f"{flag} does not stand in weir(1)")
            need(flag in completed, f"{flag} of {command} is not completed")
    need(good("--help") == (ROOT / "test/golden/cli/weir.txt").read_text(), "weir --help")


def completed(*words):
    script = f'. {ROOT}/src/cli/weir.bash; COMP_WORDS=(weir "$@"); COMP_CWORD=$#; _weir; printf "%s\\n" "${{COMPREPLY[@]}}"'
    env = os.environ | {"PATH": f"{BUILD}/bin:{os.environ['PATH']}"}
    return subprocess.run(["bash", "-c", script, "bash", *words], capture_output=True, text=True, check=True, env=env, cwd=WORK).stdout.split("\n")


def completion_of_the_whole_command():
    rows = re.findall(r"^  (\w+)  ", good("--help"), re.M)
    need(set(rows) <= set(completed("")), f"{rows} are not all completed")
    for command in set(rows) - {"jwt"}:
        flags = set(re.findall(r"^  (--[a-z-]+)", good(command, "--help"), re.M))
        need(flags <= set(completed(command, "-")), f"weir {command}: {flags - set(completed(command, '-'))}")
    need("budget" in completed("top", "--sort", "b") and "tenants" in completed("top", "--view", ""), "values of flags")
    with Service("top_$(touch x)") as odd, Service("top_good") as s:
        for command in ("top", "dump"):
            words = completed(command, "")
            need(str(s.pid) in words and "top_good" in words and str(odd.pid) in words, f"processes for weir {command}")
            need(not (WORK / "x").exists(), "a name is run by bash")
            need(command == "dump" or not any("touch" in w for w in words), "a name that bash would run is offered") # dump: a file's
        need("top_good" in completed("watch", "seg_height", "top_g"), "weir watch")


def bad_usage_ends_with_2():
    for words in (["top", "1", "2"], ["top", "--frobnicate"], ["top", "--interval"], ["top", "--interval", "0"], ["top", "--interval", "x"],
                  ["top", "--interval", "99999999999"], ["top", "--count", "0"], ["top", "--count", "-1"], ["top", "--view", "all"],
                  ["top", "--sort", "size"], ["top", "--filter", "x" * 64], ["watch"], ["watch", "a", "b", "c"], ["watch", "a{"],
                  ["watch", '{a="b"}'], ["watch", 'a{b=c}'], ["watch", 'a{b="c'], ["watch", 'a{b="c"'], ["watch", 'a{b="c"}x'], ["watch", ""],
                  ["watch", 'a{b="c" d="e"}'], ["watch", "x" * 5000], ["watch", "--count", "2x", "a"]):
        refused(2, "^weir", *words)


def who_is_not_there():
    with Service("top_two") as one:
        for command in (["top"], ["watch", "seg_height"]):
            refused(1, "no process of this number", *command, 2**22 + 1)
            refused(1, "no process of this number", *command, 10**12)
            refused(1, "no segment of its own|no segment that can be read", *command, os.getpid())
            refused(1 if os.geteuid() == 0 else 2, "no segment of that name", *command, "top_nobody")
        refused(1, "no such series", "watch", "nothing_total", one.pid)
        refused(1, "no such series", "watch", 'seg_took_seconds{nolabel="x"}', one.pid)
        refused(1 if os.geteuid() == 0 else 2, "no process .*has such a series", "watch", "nothing_total")
        with Service("top_two"):
            refused(2, "2 segments are of that name", "top", "top_two")
            refused(2, "[0-9]+ processes have such a series", "watch", "seg_plain_total")


def anothers_process_needs_a_privilege():
    if os.geteuid() != 0:
        raise Skip("needs root, to become another")
    with Service() as s:
        try:
            refused(2, "may not be looked into", "top", s.pid, user=65534, group=65534, extra_groups=[])
            refused(2, "may not be looked into", "watch", "seg_height", s.pid, user=65534, group=65534, extra_groups=[])
        except PermissionError:
            raise Skip("the build lies where others may not go")


# ---- on orders -------------------------------------------------------------------------------------------------------------
SCREEN = r"""orders  pid \d+  up \d+s +\d\d:\d\d:\d\d
cpu [0-9.]+%  memory [0-9.]+M  threads \d+, \d+ record  fds \d+ of [0-9.k]+  (series \d+)?
requests [0-9.k]+/s  errors [0-9.]+%  p50 [<>]?[0-9.]+[num]?s  p99 [<>]?[0-9.]+m?s  in flight \d+  refused [0-9.]+%|(requests .*)
SLO 99.50% in 200ms  budget (100%|[0-9.]+%) left  (burns [0-9.]+ times as fast as allowed)?.*
drops none
REQUESTS +>RATE/s   ERRORS      P50      P99   IN SLO  BUDGET
[ !]/\S+ .*
[ !](/|other)\S* .*"""


def a_screen_of_orders_under_load():
    with Orders("--fail-ppm", "30000") as orders, Load(orders), top(orders.process.pid) as t:
        t.shows(r"requests [1-9]")
        lines = t.until(lambda s: s.lines() if len(table(s.lines())) >= 3 else None)
        for line, pattern in zip(lines, SCREEN.split("\n")):
            need(re.fullmatch(pattern, line), f"{line!r} is not {pattern!r}")
        need(lines[-1] == "q quit  ? help  Tab view  s sort  / filter  p pause  t since start", lines[-1])
        need(t.screen.is_marked("REQUESTS", 7) and t.screen.is_marked("orders", 1), "the heads are not marked")
        need(all(len(line) <= 80 for line in lines), "too wide")

        t.press("p")
        t.shows("PAUSED")
        lines = t.screen.lines()  # one picture: its numbers are of one moment
        rows = table(lines)
        total = number(re.search(r"requests (\S+)/s", lines[2])[1])
        parts = [number(r["RATE/s"]) for r in rows.values()]
        need(abs(sum(parts) - total) <= 0.011 * total + 1, f"{parts} are not {total} together")
        need(parts == sorted(parts, reverse=True), "not by rate")


def numbers_since_the_start_are_exact():
    with Orders("--fail-ppm", "100000", "--slow-ppm", "100000") as orders:
        with Load(orders) as load:
            deadline = time.monotonic() + 60
            while sum(load.codes.values()) < 600 and time.monotonic() < deadline:
                time.sleep(0.02)
        asked = load.codes
        dump = json.loads(good("dump", "--json", orders.process.pid))
        latency = next(i for i in dump["instruments"] if i["name"] == "http_request_duration_seconds")
        with top(orders.process.pid, cols=132) as t:
            t.press("t")
            t.shows("SINCE START")
            rows = table(t.screen.lines())
            for route in ("/api/v1/orders/{id}", "/healthz", "other"):
                mine = {status: n for (r, status), n in asked.items() if r == route}
                count, errors = sum(mine.values()), sum(n for status, n in mine.items() if status >= 500)
                refusals = sum(n for status, n in mine.items() if 400 <= status < 500)
                row = rows[route]
                need(abs(number(row["ERRORS"]) - errors / count) < 1e-3, f"{route}: {row} of {mine}")
                need(abs(number(row["REFUSED"]) - refusals / count) < 1e-3, f"{route}: {row} of {mine}")
                series = next(s for s in latency["series"] if s["labels"] == {"route": route})
                need(series["count"] == count, f"{route}: {series['count']} in the histogram, {count} asked")
                for head, q in (("P50", "0.5"), ("P99", "0.99")):
                    shown, exact = number(row[head].lstrip(">")), series["quantiles"][q]
                    need(abs(shown - exact) <= 0.006 * exact, f"{route}: {head} {row[head]}, not {exact}")
                good_share = series["good"] / count
                need(abs(number(row["IN_SLO"].lstrip("<>")) - good_share) < 1e-3, f"{route}: {row} of {good_share}")
                left = 1 - (1 - good_share) / 0.005
                need(row["BUDGET"] == "<-999%" or abs(number(row["BUDGET"]) - left) < 0.01, f"{route}: {row} of {left}")
            t.press("3/http_requests_total\n")
            t.shows(r'^ http_requests_total\{method="GET",route="other",code="404"\}')
            values = table(t.screen.lines(), "SERIES")
            for (route, status), n in asked.items():
                key = f'http_requests_total{{method="GET",route="{route}",code="{status}"}}'
                need(values[key]["VALUE"] == str(n), f"{key}: {values.get(key)}, not {n}")


def what_is_bad_is_marked():
    with Orders("--fail-ppm", "1000000") as orders, Load(orders), top(orders.process.pid) as t:
        t.shows(r"^requests .*  ! errors 9\d\.\d+%|^requests .*  ! errors [6789]")
        t.shows(r"^!/api/v1/orders/\{id\} ")
        need(t.until(lambda s: s.is_marked("! errors", 31)), "not in red")
        need(t.screen.graphics <= {0, 1, 7, 22, 27, 31, 39, 49}, f"colours {t.screen.graphics} are not for every background")
        with top(orders.process.pid, NO_COLOR="1") as plain:
            plain.shows("! errors")
            need(31 not in plain.screen.graphics and not any(30 <= g <= 49 for g in plain.screen.graphics), "colours though NO_COLOR is set")


def tenants_stand_below():
    """Claims, as orders has them: with a key of our own."""
    keys, key = WORK / "keys.json", WORK / "key.jwk"
    try:
        good("jwt", "keygen", "--alg", "ES256", "--out", key, "--jwks", keys)
    except Wrong:
        raise Skip("weir has no jwt")
    with Orders("--jwks", str(keys), "--issuer", "me") as orders:
        for tenant, n in (("tea", 30), ("lamp", 10), ("\u6f22\u5b57", 5)):
            token = good("jwt", "sign", "--key", key, "--iss", "me", "--claim", f"tenant={tenant}", "--claim", "scope=orders:read").strip()
            for _ in range(n):
                orders.ask("GET", "/api/v1/orders/1", headers={"Authorization": f"Bearer {token}"})
        orders.ask("GET", "/api/v1/orders/1")
        with top("--since-start", orders.process.pid) as t:
            t.shows(r"^ tea ")
            rows = table(t.screen.lines(), "TENANTS")
            need(list(rows) == ["tea", "lamp", "\u6f22\u5b57", "anonymous"], f"{list(rows)}")
            rates = [number(r["RATE/s"]) for r in rows.values()]
            need(all(abs(r / rates[0] - n / 30) < 0.01 for r, n in zip(rates, (30, 10, 5, 1))), f"{rates}")
            need("REFUSED" not in rows["tea"] or rows["anonymous"]["REFUSED"] == "100%", f"{rows}")
            t.press("2")
            t.shows(r"\A(?:.*\n){5}TENANTS")


# ---- services that come and go ---------------------------------------------------------------------------------------------
def one_that_dies_and_comes_back():
    with Service("top_phoenix") as first, top(first.pid) as t:
        t.shows(rf"^top_phoenix  pid {first.pid} ")
        first.kill()
        t.shows(rf"^top_phoenix  ! pid {first.pid} has ended")
        need(re.search(r"^requests ", t.screen.text(), re.M), "its last numbers are gone")
        with Service("top_phoenix") as second:
            t.shows(rf"^top_phoenix  pid {second.pid}  up ")
            second.ask("series 3")
            t.press("3/seg_many")
            t.shows(r'seg_many_total\{n="series 2"\} +2 ')


def one_without_series():
    name = b"weirseg\0"
    area = struct.pack("=IIQQ", 2, 16, 4096, 4) + struct.pack("=IIQQ", 3, 16, 8192, 1)
    header = struct.pack("=8sHHBBHIIQQQIIQ16s", name, 1, 1, 1 if sys.byteorder == "little" else 2, 8, 320, 4096, 4, 16384, 7, 7,
                         os.getpid(), 1, 0, bytes(16)).ljust(120, b"\0") + struct.pack("=II", 4, 2) + area
    fd = os.memfd_create("weir")
    try:
        os.write(fd, header)
        os.truncate(fd, 16384)
        with top(os.getpid()) as t:
            t.shows("^requests -")
            t.shows("^ nothing here measures requests: 3 shows all series")
            t.press("2")
            t.shows("^ nothing here says who asks")
            t.press("3")
            t.shows("^ it has no series")
        need("it has no series" in good("top", "--view", "series", *QUICK, os.getpid()), "without a terminal")
        os.pwrite(fd, bytes(8), 40)  # unfinished: it cannot be read
        refused(1, "has not finished it", "top", os.getpid())
    finally:
        os.close(fd)


def a_hundred_thousand_series():
    with Service() as s:
        s.ask("series 100000")
        with top("--view", "series", s.pid) as t:
            t.shows(r"series 1000\d\d")
            t.shows(r"^SERIES 1-\d+ of 1000\d\d")
            t.press("/series 4711\"\n")
            t.shows(r'^ seg_many_total\{n="series 4711"\} +4711 ')
            t.press("\x1b")
            t.shows("of 1000")
            t.press("s")
            t.press("\x1bOF")  # End
            t.shows(r"^SERIES 1000\d\d-1000\d\d of 1000\d\d|^SERIES 99\d+-1000\d\d of 1000\d\d")


def one_that_execs_has_another_segment():
    with Service("top_exec") as s, top("--view", "series", "--filter", "seg_many", s.pid) as t:
        s.ask("series 3")
        t.shows(r'seg_many_total\{n="series 2"\} +2 ')
        s.ask("exec")  # the same number and start time
        t.shows("none has this in its name")
        s.ask("series 2")
        t.shows(r'seg_many_total\{n="series 1"\} +1 ')


# ---- keys and sizes --------------------------------------------------------------------------------------------------------
def keys_do_what_the_help_says():
    with Service() as s, top("--view", "series", s.pid, rows=40, cols=100) as t:
        def names():
            return list(table(t.screen.lines(), "SERIES"))

        t.shows("^SERIES .* VALUE +>RATE/s")
        t.press("<<")
        t.shows("^>SERIES")
        t.until(lambda _: len(names()) > 20 and names() == sorted(names()))
        t.press("r")
        t.shows("^<SERIES")
        t.until(lambda _: names() == sorted(names(), reverse=True))
        t.press("r/seg_s\n")
        t.shows("^/seg_s ")
        t.until(lambda _: names() and all("seg_s" in n for n in names()))
        t.press("/")
        t.shows("^/seg_s_")
        t.press("\x7f\x7fxyzzy")
        t.shows("none has this in its name")
        t.press("\x1b")
        t.until(lambda _: names() and all("seg_s" in n for n in names()))
        t.press("\x1b")
        t.until(lambda _: len(names()) > 20)
        t.press("?")
        t.shows("^any key goes back")
        t.press("x")
        t.shows("^.?SERIES")
        t.press("p")
        t.shows("PAUSED")
        s.ask("series 1")
        s.ask("series 1")
        time.sleep(0.3)
        need("seg_many" not in t.screen.text(), "it goes on though it is paused")
        t.press("p/seg_many\n")
        t.shows("seg_many_total")
        t.press("t")
        t.shows("SINCE START")
        t.press("\t")
        t.shows("^REQUESTS")
        t.press("\t")
        t.shows("^TENANTS")
        t.press("q")
        need(t.state() == "exit 0", "q")


def every_size_is_borne():
    with Service() as s, top("--view", "series", s.pid) as t:
        for rows, cols in ((30, 100), (10, 40), (5, 20), (3, 10), (2, 5), (1, 1), (60, 200), (24, 80)):
            t.resize(rows, cols)
            if rows >= 5:
                t.shows(r"^>?SERIES|^>?SER")
            if cols >= 40:
                t.shows(r"segment_service  pid")
            time.sleep(0.15)
            t.drain(0.1)
            need(t.screen.bells == 0 and all(len(line) <= cols for line in t.screen.lines()), f"{rows}x{cols}")
        t.shows(r"^q quit")
        t.press("q")
        need(t.state() == "exit 0", "q")


def texts_of_strangers_move_no_terminal():
    with Service() as s:
        for locale in ("C.UTF-8", "C"):
            with top("--view", "series", s.pid, rows=50, LC_ALL=locale) as t:
                t.shows(r"^ seg_busy")
                need(locale == "C.UTF-8" or t.screen.text().isascii(), "not ASCII")
            need(not re.search("[\x00-\x09\x0b-\x1f\x7f]", good("top", "--view", "series", *QUICK, s.pid)), "controls in plain text")
        need(good("top", "--view", "series", *QUICK, s.pid, env={"LC_ALL": "C"}).isascii(), "not ASCII")


# ---- what is left behind ---------------------------------------------------------------------------------------------------
def the_terminal_is_always_given_back():
    with Service() as s:
        for command in (["top", *QUICK, s.pid], ["watch", *QUICK, "seg_height", s.pid]):
            for how, wanted in (("q", "exit 0"), ("\x03", "killed 2"), (signal.SIGTERM, "killed 15"), (signal.SIGHUP, "killed 1"), ("\x1c", "killed 3")):
                with Terminal([WEIR, *command]) as t:
                    t.shows(r"pid \d+")
                    need(t.screen.modes.get(25) is False and t.screen.modes.get(1049), "it did not take the terminal")
                    t.press(how) if isinstance(how, str) else os.kill(t.pid, how)
                    state = t.state()
                    need(state == wanted, f"{command[0]}, {how!r}: {state}, not {wanted}")
                    need(not t.is_as_before(), f"{command[0]}, {how!r}: {t.is_as_before()}")


def stopped_it_gives_the_terminal_back_and_takes_it_again():
    with Service() as s:
        for command in (["top", *QUICK, s.pid], ["watch", *QUICK, "seg_height", s.pid]):
            with Terminal([WEIR, *command]) as t:
                t.shows(r"pid \d+")
                for _ in range(3):
                    t.press("\x1a")
                    need(t.state() == "stopped", "^Z")
                    need(not t.is_as_before(), f"{command[0]}: {t.is_as_before()}")
                    t.screen.resize(30, 90)
                    t.resize(30, 90)
                    t.go_on()
                    need(t.state() == "continued", "fg")
                    t.shows(r"pid \d+")
                    t.until(lambda scr: scr.modes.get(1049) and scr.modes.get(25) is False)
                t.press("q")
                need(t.state() == "exit 0", "q")
                need(not t.is_as_before(), t.is_as_before())


def the_service_pays_nothing():
    """No descriptor of it is opened but for reading; none of what could stop or change it is even imported."""
    with Service() as s, top(s.pid) as t:
        t.shows(r"pid \d+")
        seen = 0
        for _ in range(200):
            for fd in os.listdir(f"/proc/{t.pid}/fd"):
                try:
                    target = os.readlink(f"/proc/{t.pid}/fd/{fd}")
                    flags = int(re.search(r"flags:\s+(\d+)", pathlib.Path(f"/proc/{t.pid}/fdinfo/{fd}").read_text())[1], 8)
                except OSError:
                    continue
                if "/dev/pts/" not in target and target != "/dev/ptmx":
                    need(flags & os.O_ACCMODE == os.O_RDONLY, f"{target} is open for writing")
                    seen += "memfd:weir" in target
            need("memfd:weir" not in pathlib.Path(f"/proc/{t.pid}/maps").read_text(), "it maps the segment")
            need(re.search(r"^TracerPid:\t0$", pathlib.Path(f"/proc/{s.pid}/status").read_text(), re.M), "it traces")
        need(seen, "it never had the segment open")
    if os.path.basename(BUILD) != "release":
        return  # a sanitizer's runtime imports more than weir does
    imports = subprocess.run(["nm", "-D", "--undefined-only", WEIR], capture_output=True, text=True, check=True).stdout
    need("pread" in imports, "nm says nothing")
    for name in ("ptrace", "kill", "tgkill", "killpg", "sigqueue", "pidfd_open", "pidfd_send_signal", "process_vm_readv", "process_vm_writev"):
        need(not re.search(rf"\b{name}(@|$)", imports, re.M), f"weir imports {name}")


# ---- without a terminal ----------------------------------------------------------------------------------------------------
def without_a_terminal_it_is_text():
    with Service("top_plain") as s:
        once = good("top", *QUICK, s.pid)
        need(once.startswith(f"top_plain  pid {s.pid}  up ") and once.count("REQUESTS") == 1 and "\x1b" not in once, once[:200])
        need("seg_took" in once or "/a" in once, once)
        thrice = good("top", "--count", "3", *QUICK, "top_plain")
        need(thrice.count(f"pid {s.pid}") == 3 and "q quit" not in thrice, thrice)
        narrow = good("top", *QUICK, s.pid, env={"COLUMNS": "40"})
        need(max(map(len, narrow.splitlines())) <= 40, narrow)
        sorted_ = list(table(good("top", "--view", "series", "--sort", "name", "--filter", "SEG_", *QUICK, s.pid).splitlines(), "SERIES"))
        need(len(sorted_) > 10 and sorted_ == sorted(sorted_), f"{sorted_}")
        for name in ("dumb", "no-such-terminal"):
            with Terminal([WEIR, "top", *QUICK, s.pid], TERM=name) as t:
                need(t.state() == "exit 0" and "\x1b" not in t.raw.decode() and f"pid {s.pid}" in t.screen.text(), t.raw[:200])
        with Terminal([WEIR, "top", "--count", "1", *QUICK, s.pid]) as t:
            need(t.state() == "exit 0" and b"\x1b" not in t.raw, "--count on a terminal")
        full = subprocess.run([WEIR, "top", *QUICK, str(s.pid)], stdout=open("/dev/full", "w"), stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        need(full.returncode == 1 and b"standard output" in full.stderr, "a full disk is not told")


# ---- watch -----------------------------------------------------------------------------------------------------------------
def watch_shows_each_kind():
    with Service("top_watched") as s:
        lines = good("watch", "--count", "3", *QUICK, "seg_height", s.pid).splitlines()
        need(len(lines) == 3 and all(re.match(r"\d\d:\d\d:\d\d +-\S+e\+18 ", line) or "-9.22E" in line for line in lines), f"{lines}")
        lines = good("watch", "--count", "2", *QUICK, "seg_real{of=\"tenth\"}", s.pid).splitlines()
        need(all(" 0.10 " in line and "\u2588" in line or " 0.10 " in line for line in lines), f"{lines}")
        lines = good("watch", "--count", "2", *QUICK, "seg_plain_total", s.pid).splitlines()
        need(all(" 0/s " in line for line in lines), f"{lines}")
        need(all(re.search(r" - *$| -\b", line) for line in good("watch", "--count", "2", *QUICK, "seg_took", s.pid).splitlines()), "no values, no p99")
        need(good("watch", "--count", "1", *QUICK, "seg.share", "top_watched").count("0.1") == 1, "names alike")
        s.ask("storm")
        lines = good("watch", "--count", "4", *QUICK, "seg_halves_total", s.pid).splitlines()
        need(all(re.search(r"[0-9.]+[GTPE]/s +[\u2581-\u2588]+$|e\+\d+/s +[\u2581-\u2588]+$", line) for line in lines), f"{lines}")
        ascii_ = good("watch", "--count", "4", *QUICK, "seg_halves_total", s.pid, env={"LC_ALL": "C"})
        need(ascii_.isascii() and re.search(r"/s +[_.:=+*#-]+$", ascii_, re.M), ascii_)


def watch_on_orders():
    with Orders("--slow-ppm", "100000") as orders, Load(orders):
        pid = orders.process.pid
        with Terminal([WEIR, "watch", *QUICK, 'http_requests_total{method="GET",route="/healthz"}', pid]) as t:
            t.shows(r"^[0-9.k]+/s  least [0-9.k]+/s  mean [0-9.k]+/s  most [0-9.k]+/s")
            t.shows(r"^counter, a second(, \d+ series together)?; the last 3s, 0.05s a column")
            t.shows(r"[\u2581-\u2588]{5}$")
            need(t.screen.lines()[0].endswith(f"orders, pid {pid}"), t.screen.lines()[0])
            t.press("p")
            t.shows("PAUSED")
            for rows, cols in ((24, 40), (3, 20), (2, 10), (1, 30), (1, 1), (40, 120)):
                t.resize(rows, cols)
                t.until(lambda s: re.search("[\u2581-\u2588]", s.text()))
            t.press("q")
            need(t.state() == "exit 0", "q")
        lines = good("watch", "--count", "6", "--interval", "200", "http.request.duration", pid).splitlines()
        need(any(re.search(r" >?[0-9.]+m?s +[\u2581-\u2588]", line) for line in lines), f"{lines}")
        with Terminal([WEIR, "watch", *QUICK, "http_request_duration_seconds", pid]) as t:
            t.shows(r"^>?[0-9.]+m?s  p50 [0-9.]+[mu]s  [0-9.k]+/s  least ")


def watch_goes_on_with_the_next():
    with Service("top_again") as first, Terminal([WEIR, "watch", *QUICK, "seg_height", "top_again"]) as t:
        t.shows(rf"top_again, pid {first.pid}$")
        first.kill()
        t.shows(rf"! top_again, pid {first.pid}, has ended")
        with Service("top_again") as second:
            t.shows(rf"top_again, pid {second.pid}$")


def main():
    global WORK
    failed = 0
    with tempfile.TemporaryDirectory() as work:
        WORK = pathlib.Path(work)
        only = sys.argv[1:]
        for case in (help_is_as_written_down, completion_of_the_whole_command, bad_usage_ends_with_2, who_is_not_there,
                     anothers_process_needs_a_privilege, a_screen_of_orders_under_load, numbers_since_the_start_are_exact, what_is_bad_is_marked,
                     tenants_stand_below, one_that_dies_and_comes_back,
                     one_that_execs_has_another_segment, one_without_series, a_hundred_thousand_series,
                     keys_do_what_the_help_says, every_size_is_borne, texts_of_strangers_move_no_terminal, the_terminal_is_always_given_back,
                     stopped_it_gives_the_terminal_back_and_takes_it_again, the_service_pays_nothing, without_a_terminal_it_is_text,
                     watch_shows_each_kind, watch_on_orders, watch_goes_on_with_the_next):
            if only and case.__name__ not in only:
                continue
            name = f"cli_top.{case.__name__}"
            try:
                case()
            except Skip as why:
                print(f"skip {name}: {why}", flush=True)
            except Exception as error:  # a case that breaks is a case that failed
                failed += 1
                print(f"not ok {name}: {type(error).__name__}: {str(error)[:3000]}".replace("\n", "\n    "), flush=True)
            else:
                print(f"ok {name}", flush=True)
    return 1 if failed else 0


sys.exit(main())
