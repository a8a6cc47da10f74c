# SPDX-License-Identifier: Apache-2.0
"""What the tour prints: numbered titles, commands with their output, and a line for each thing that has to work."""
import os
import sys
import time

COLOURS = {"title": "1;36", "ok": "32", "fail": "1;31", "command": "1", "faint": "2"}


class Screen:
    def __init__(self, parts):
        self.live = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self.coloured = self.live and "NO_COLOR" not in os.environ
        self.parts = parts
        self.part = 0
        self.worked = 0
        self.failed = 0
        self.begin = time.monotonic()

    def paint(self, text, colour):
        return f"\033[{COLOURS[colour]}m{text}\033[0m" if self.coloured else text

    def say(self, text=""):
        print(text, flush=True)

    def title(self, text):
        self.part += 1
        took = self.paint(f"  ({time.monotonic() - self.begin:.0f} s)", "faint")
        self.say("\n" + self.paint(f"[{self.part}/{self.parts}] {text}", "title") + took)

    def check(self, what, ok, found=""):
        """One promise: kept or not. `found` is shown when it was not."""
        self.say(f"  {self.paint('ok  ', 'ok') if ok else self.paint('FAIL', 'fail')} {what}")
        if ok:
            self.worked += 1
            return
        self.failed += 1
        for line in str(found).splitlines():
            self.say("       " + line)

    def shell(self, command, output):
        self.say(self.paint(f"  $ {command}", "command"))
        for line in output.splitlines():
            self.say("  " + line)

    def frames(self, make, count):
        """The same picture `count` times; on a terminal each is drawn over the one before."""
        height = 0
        for _ in range(count):
            lines = make().splitlines()
            if self.live and height:
                sys.stdout.write(f"\033[{height}A\033[J")
            self.say("\n".join("  " + line for line in lines))
            height = len(lines)
