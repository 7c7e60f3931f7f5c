"""A terminal for tests: a program runs in it as a shell would run it, and what it draws is a screen of characters. Knows what curses
sends to xterm and its like; anything else is an error. Not a test itself."""
import codecs
import fcntl
import os
import re
import select
import signal
import struct
import termios
import time
import unicodedata

SEQUENCE = re.compile(r"\x1b(?:\[([?>]?)([0-9;]*)([@A-Za-z`])|([()])([0AB])|([78=>MDEc])|\][0-9;]*\x07)")


class Screen:
    def __init__(self, rows, cols):
        self.modes = {}
        self.graphics = set()  # every SGR parameter that came
        self.bells = 0
        self.resize(rows, cols)

    def resize(self, rows, cols):
        self.rows, self.cols = rows, cols
        self.cells = [[(" ", ())] * cols for _ in range(rows)]
        self.row = self.col = 0
        self.top, self.bottom = 0, rows - 1
        self.attributes = set()
        self.rest = ""
        self.last = " "

    def lines(self):
        return ["".join(c for c, _ in row).rstrip() for row in self.cells]

    def text(self):
        return "\n".join(self.lines())

    def is_marked(self, text, attribute):
        """Every character of the first such text has this attribute: 1 bold, 7 reverse, 31 red."""
        for row in self.cells:
            line = "".join(c or "\0" for c, _ in row)
            at = line.find(text)
            if at >= 0:
                return all(attribute in a for _, a in row[at:at + len(text)])
        return False

    def feed(self, data):
        data, self.rest = self.rest + data, ""
        at = 0
        while at < len(data):
            c = data[at]
            if c == "\x1b":
                found = SEQUENCE.match(data, at)
                if not found:
                    if len(data) - at < 16:
                        self.rest = data[at:]
                        return
                    raise AssertionError(f"the terminal does not know {data[at:at + 12]!r}")
                self.obey(found)
                at = found.end()
                continue
            at += 1
            if c == "\r":
                self.col = 0
            elif c == "\n":
                self.down()
            elif c == "\b":
                self.col = max(0, self.col - 1)
            elif c == "\a":
                self.bells += 1
            elif c < " " or "\x7f" <= c < "\xa0":
                raise AssertionError(f"a control character reached the terminal: {c!r}")
            else:
                self.put(c)

    def down(self):
        if self.row == self.bottom:
            self.scroll(1)
        else:
            self.row = min(self.rows - 1, self.row + 1)

    def scroll(self, lines):
        for _ in range(abs(lines)):
            if lines > 0:
                del self.cells[self.top]
                self.cells.insert(self.bottom, [(" ", ())] * self.cols)
            else:
                del self.cells[self.bottom]
                self.cells.insert(self.top, [(" ", ())] * self.cols)

    def put(self, c):
        wide = 2 if unicodedata.east_asian_width(c) in "WF" else 1
        if self.col + wide > self.cols:
            self.col = 0
            self.down()
        self.cells[self.row][self.col] = (c, tuple(self.attributes))
        if wide == 2:
            self.cells[self.row][self.col + 1] = ("", tuple(self.attributes))
        self.col += wide
        self.last = c

    def blank(self, row, start, end):
        for col in range(max(0, start), min(self.cols, end)):
            self.cells[row][col] = (" ", tuple(a for a in self.attributes if a == 7))

    def obey(self, found):
        private, numbers, final, charset, _, single = found.groups()
        if charset or not final and not single:  # another alphabet; the palette as it was
            return
        if single:
            if single == "M":
                if self.row == self.top:
                    self.scroll(-1)
                else:
                    self.row -= 1
            elif single not in "=>78":
                raise AssertionError(f"the terminal does not know ESC {single}")
            return
        given = [int(n) if n else 0 for n in numbers.split(";")]
        n = max(1, given[0])
        if private:
            for mode in given:
                self.modes[mode] = final == "h"
        elif final == "m":
            self.graphics.update(given)
            for g in given:
                self.attributes = set() if g == 0 else self.attributes - {31} if g == 39 else self.attributes | {g}
        elif final in "Hf":
            self.row = min(self.rows, n) - 1
            self.col = min(self.cols, max(1, (given + [1])[1])) - 1
        elif final == "d":
            self.row = min(self.rows, n) - 1
        elif final in "G`":
            self.col = min(self.cols, n) - 1
        elif final == "A":
            self.row = max(0, self.row - n)
        elif final == "B":
            self.row = min(self.rows - 1, self.row + n)
        elif final == "C":
            self.col = min(self.cols - 1, self.col + n)
        elif final == "D":
            self.col = max(0, self.col - n)
        elif final == "J":
            if given[0] == 0:
                self.blank(self.row, self.col, self.cols)
            for row in range(self.rows):
                if given[0] >= 2 or (given[0] == 0 and row > self.row) or (given[0] == 1 and row < self.row):
                    self.blank(row, 0, self.cols)
        elif final == "K":
            self.blank(self.row, 0 if given[0] else self.col, self.col + 1 if given[0] == 1 else self.cols)
        elif final == "X":
            self.blank(self.row, self.col, self.col + n)
        elif final == "P":
            row = self.cells[self.row]
            self.cells[self.row] = (row[:self.col] + row[self.col + n:] + [(" ", ())] * n)[:self.cols]
        elif final == "@":
            row = self.cells[self.row]
            self.cells[self.row] = (row[:self.col] + [(" ", ())] * n + row[self.col:])[:self.cols]
        elif final == "b":
            for _ in range(n):
                self.put(self.last)
        elif final in "LM":
            for _ in range(n):
                if final == "L":
                    del self.cells[self.bottom]
                    self.cells.insert(self.row, [(" ", ())] * self.cols)
                else:
                    del self.cells[self.row]
                    self.cells.insert(self.bottom, [(" ", ())] * self.cols)
        elif final == "S":
            self.scroll(n)
        elif final == "T":
            self.scroll(-n)
        elif final == "r":
            self.top, self.bottom = n - 1, (given[1] if len(given) > 1 and given[1] else self.rows) - 1
            self.row = self.col = 0
        elif final not in "lht":
            raise AssertionError(f"the terminal does not know {found.group()!r}")


class Terminal:
    """A program on a terminal, in the foreground of a session of its own, whose leader waits for it as a shell does."""

    def __init__(self, command, rows=24, cols=80, **environment):
        self.screen = Screen(rows, cols)
        self.raw, self.decoder = b"", codecs.getincrementaldecoder("utf-8")()
        self.states, states = os.pipe()
        commands, self.commands = os.pipe()
        self.master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS", "LINES")}
        env.update({"TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}, **environment)
        self.leader = os.fork()
        if self.leader == 0:
            try:
                os.close(self.master)
                os.close(self.commands)
                self.lead(slave, states, commands, [str(c) for c in command], env)
            finally:
                os._exit(127)
        os.close(states)
        os.close(commands)
        self.pid = int(self.state())

    @staticmethod
    def lead(slave, states, commands, command, env):
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        child = os.fork()
        if child == 0:
            os.setpgid(0, 0)
            os.tcsetpgrp(slave, os.getpid())
            for sig in (signal.SIGTTOU, signal.SIGHUP, signal.SIGPIPE, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGTSTP):
                signal.signal(sig, signal.SIG_DFL)
            for fd in (0, 1, 2):
                os.dup2(slave, fd)
            os.closerange(3, 256)
            os.execve(command[0], command, env)
        os.write(states, f"{child}\n".encode())
        while True:
            _, status = os.waitpid(child, os.WUNTRACED | os.WCONTINUED)
            if os.WIFSTOPPED(status):
                os.tcsetpgrp(slave, os.getpid())
                os.write(states, b"stopped\n")
                if os.read(commands, 1):
                    os.tcsetpgrp(slave, child)
                    os.kill(-child, signal.SIGCONT)
            elif os.WIFCONTINUED(status):
                os.write(states, b"continued\n")
            else:
                what = f"killed {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"exit {os.WEXITSTATUS(status)}"
                os.write(states, what.encode() + b"\n")
                os._exit(0)

    def state(self, seconds=60):
        """The next thing that happened to the program: its number, stopped, continued, exit N, killed N."""
        end, line = time.monotonic() + seconds, b""
        while not line.endswith(b"\n"):
            if time.monotonic() > end:
                raise AssertionError(f"nothing happens to the program; the screen is\n{self.screen.text()}")
            self.drain(0.05)
            if select.select([self.states], [], [], 0)[0]:
                got = os.read(self.states, 1)
                if not got:
                    raise AssertionError("the program does not start")
                line += got
        self.drain(0.05)
        return line.decode().strip()

    def drain(self, seconds):
        end = time.monotonic() + seconds
        while True:
            if not select.select([self.master], [], [], max(0, end - time.monotonic()))[0]:
                return
            try:
                data = os.read(self.master, 65536)
            except OSError:
                return
            self.raw += data
            self.screen.feed(self.decoder.decode(data))

    def until(self, check, seconds=60):
        """Reads until check(screen) is true; what it returned."""
        end = time.monotonic() + seconds
        while True:
            self.drain(0.05)
            got = check(self.screen)
            if got:
                return got
            if time.monotonic() > end:
                raise AssertionError(f"the screen stays\n{self.screen.text()}")

    def shows(self, pattern, seconds=60):
        return self.until(lambda s: re.search(pattern, s.text(), re.M), seconds)

    def press(self, text):
        os.write(self.master, text.encode())

    def resize(self, rows, cols):
        self.drain(0.05)
        self.screen.resize(rows, cols)
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def is_as_before(self):
        """The line discipline is as it was, and so is the screen: cursor, keypad, alternate buffer, attributes."""
        self.drain(0.05)
        now = termios.tcgetattr(self.slave)
        bad = []
        if now != self.before:
            bad.append("the terminal's settings are others")
        for mode, wanted in ((25, True), (1049, False), (1, False), (1000, False)):
            if self.screen.modes.get(mode, wanted) != wanted:
                bad.append(f"mode {mode} is {not wanted}")
        if self.screen.attributes:
            bad.append(f"attributes are left: {self.screen.attributes}")
        return bad

    def go_on(self):
        """As fg does."""
        os.write(self.commands, b"g")

    def close(self):
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        for fd in (self.commands, self.master, self.slave, self.states):
            os.close(fd)
        os.waitpid(self.leader, 0)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
