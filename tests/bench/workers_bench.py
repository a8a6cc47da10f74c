#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Requests per second with two workers against one: HTTP/1.1 keep-alive, 100 B, 64 connections for each worker.

Two CPUs are the gateway's, all others the backend's (nginx) and the client's (wrk); where these had no time left, the
figure would be theirs, and is not given. One and two workers take turns.
"""
import os
import pathlib
import sys
import time

from loads import wrk
from proxies import CPUS, GATEWAY, Process, free_port, start_backend, wait_open, workplace
from report import Report, median_of, ratio

NAME = "HTTP/1.1 keep-alive, 100 B, requests/s with two workers by those with one"
LEFT = 0.1  # of the load's CPUs, at least


def idle_s(cpus: list) -> float:
    """Seconds that these CPUs have been idle since the machine's start, all together."""
    rows = {words[0]: words for words in map(str.split, pathlib.Path("/proc/stat").read_text().splitlines())}
    return sum(int(rows[f"cpu{cpu}"][4]) for cpu in cpus) / os.sysconf("SC_CLK_TCK")


def measure(report: Report, work: pathlib.Path, started: list) -> None:
    others = CPUS[2:]
    listed = ",".join(map(str, others))
    backend, at = start_backend(work, listed, len(others))
    started.append(backend)
    ways = {}
    for workers in (1, 2):
        port = free_port()
        started.append(Process(",".join(map(str, CPUS[:workers])), [
            GATEWAY, "--listen", f"127.0.0.1:{port}", "--to", f"http://127.0.0.1:{at}", "--workers", workers, "--socket", "",
            "--admin", ""], work / f"fairlead{workers}.log"))
        wait_open(port, f"fairlead{workers}", work)
        ways[workers] = port

    def one(way: tuple) -> tuple:
        workers, port = way
        before, begin = idle_s(others), time.monotonic()
        count = wrk(f"http://127.0.0.1:{port}/100", report.seconds, cpus=listed, threads=len(others),
                    connections=64 * workers)
        took = time.monotonic() - begin
        return count / took, (idle_s(others) - before) / took / len(others)
    for way in ways.items():
        one(way)
    found = report.turns({workers: (workers, port) for workers, port in ways.items()}, one)
    left = median_of(found[2], 1)
    detail = "; ".join(f"{workers}: {median_of(rows, 0):.0f}/s, {median_of(rows, 1):.0%} of the load's CPUs idle"
                       for workers, rows in found.items())
    report.tell(detail)
    if left < LEFT:
        report.lack(NAME, f"the load's {len(others)} CPUs were {1 - left:.0%} busy: more CPUs")
    else:
        report.add(NAME, ratio(found[2], found[1], 0), "x", 1.8, ">=", detail)


def main() -> int:
    report = Report("workers_bench", __doc__)
    if len(CPUS) < 4:
        report.lack(NAME, f"{len(CPUS)} CPUs: two for the workers and at least two for the load")
        return report.finish()
    with workplace("workers_bench") as (work, started):
        report.row("two workers", lambda: measure(report, work, started), "nginx", "wrk")
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
