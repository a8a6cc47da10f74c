# SPDX-License-Identifier: Apache-2.0
"""Figures of a bench program in Python: for people on standard error as they come, for programs (--json) as one object on
standard output. Ways that are compared take turns; a ratio is taken within a round, and its median is the figure."""
import argparse
import json
import re
import statistics
import subprocess
import sys
import time
import traceback

from proxies import cpu_ns, lacking


class Report:
    def __init__(self, program: str, text: str, seconds: int = 2, rounds: int = 5):
        parser = argparse.ArgumentParser(prog=program, description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
        parser.add_argument("--rounds", type=int, default=rounds, help="default %(default)s")
        parser.add_argument("--seconds", type=int, default=seconds, help="of one way in one round (default %(default)s)")
        parser.add_argument("--row", default="", help="only rows whose name matches this expression")
        self.options = parser.parse_args()
        self.rounds, self.seconds = self.options.rounds, self.options.seconds
        self.figures, self.failed = [], False

    def add(self, name: str, value: float, unit: str, goal: float | None = None, sign: str = "<=", detail: str = "") -> None:
        figure = {"name": name, "value": round(value, 3), "unit": unit}
        if goal is not None:
            met = {"<=": value <= goal, "<": value < goal, ">=": value >= goal}[sign]
            figure |= {"goal": round(goal, 3), "sign": sign, "met": met}
        if detail:
            figure["detail"] = detail
        text = "" if goal is None else f" ({sign} {goal:g}: {'met' if figure['met'] else 'MISSED'})"
        self.tell(f"{name}: {value:.2f} {unit}{text}" + (f" | {detail}" if detail else ""))
        self.figures.append(figure)

    def lack(self, name: str, why: str) -> None:
        self.tell(f"{name}: lacking: {why}")
        self.figures.append({"name": name, "lacking": why})

    @staticmethod
    def tell(text: str) -> None:
        print(f"  {text}", file=sys.stderr, flush=True)

    def row(self, name: str, work, *needs: str) -> None:
        """work(), which adds its figures, where the row is asked for and there are the programs that it needs."""
        if not re.search(self.options.row, name):
            return
        if why := lacking(*needs):
            self.lack(name, why)
            return
        try:
            work()
        except (OSError, RuntimeError, TimeoutError, ValueError, subprocess.SubprocessError) as error:
            traceback.print_exc()
            self.figures.append({"name": name, "error": str(error) or type(error).__name__})
            self.failed = True

    def finish(self) -> int:
        if self.options.json:
            print(json.dumps({"figures": self.figures}))
        return 1 if self.failed else 0

    def turns(self, ways: dict, measure) -> dict:
        """What measure(way) gives in each round, by the ways' names."""
        found = {name: [] for name in ways}
        for _ in range(self.rounds):
            for name, way in ways.items():
                found[name].append(measure(way))
        return found


def cost(processes: list, work) -> tuple:
    """Microseconds of their CPU for each unit that work() does, and units per second."""
    before, begin = cpu_ns(processes), time.monotonic()
    units = max(work(), 1)
    return (cpu_ns(processes) - before) / 1000 / units, units / (time.monotonic() - begin)


def median_of(rows: list, at: int) -> float:
    return statistics.median(row[at] for row in rows)


def ratio(mine: list, other: list, at: int) -> float:
    """The median over the rounds."""
    return statistics.median(a[at] / b[at] for a, b in zip(mine, other))


def best(found: dict, at: int, names: list) -> str:
    """The one of these with the lowest median."""
    return min(names, key=lambda name: median_of(found[name], at))
