#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""p99 at half of what the best peer can do, beside nginx, HAProxy and Envoy.

One worker each on the first CPU; the backend (nginx) and the client on the second. What a peer can do is measured first:
wrk, 64 connections, answers of 100 B. Then paced_load sends at half of the best rate, to every proxy the same, over 64
connections; a latency counts from when the request was to be sent, so that waiting for a proxy that lags is in it. The
proxies take turns; a p99 is the median over the rounds.
"""
import sys

from loads import paced, wrk
from proxies import certificate, start_backend, start_peers, workplace
from report import Report, best, cost, median_of

PERCENTILES = ("p50_us", "p99_us", "p999_us")


def measure(proxies: dict, backend: int, report: Report) -> None:
    urls = {name: f"http://127.0.0.1:{ports['plain']}/100" for name, (_, ports) in proxies.items()}
    rates = {name: cost(processes, lambda name=name: wrk(urls[name], 3))[1] for name, (processes, _) in proxies.items()}
    peers = [name for name in rates if name != "fairlead"]
    rate = max(rates[name] for name in peers) / 2
    report.tell("at most: " + ", ".join(f"{name} {one:.0f}/s" for name, one in rates.items()))
    ways = urls | {"the backend alone": f"http://127.0.0.1:{backend}/100"}

    def one(url: str) -> tuple:
        got = paced(url, rate, report.seconds + 0.5)
        if got["failed"] or got["closed"]:
            raise RuntimeError(f"{url}: {got}")
        return tuple(got[name] for name in PERCENTILES)
    found = report.turns(ways, one)
    detail = f"{rate:.0f}/s; p50, p99, p99.9: " + "; ".join(
        f"{name} " + ", ".join(f"{median_of(rows, at):.0f}" for at in range(len(PERCENTILES))) + " us" for name, rows in found.items())
    peer = best(found, 1, peers)
    report.add(f"HTTP/1.1, 100 B, p99 at half of the best peer's rate; goal: {peer}'s", median_of(found["fairlead"], 1), "us",
               median_of(found[peer], 1), detail=detail)


def main() -> int:
    report = Report("latency_bench", __doc__, seconds=5, rounds=7)
    with workplace("latency_bench") as (work, started):
        def run() -> None:
            certificate(work)
            backend, at = start_backend(work)
            started.append(backend)
            measure(start_peers(work, at, report, started), at, report)
        report.row("p99 at half of the best peer's rate", run, "nginx", "wrk", "openssl", "paced_load")
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
