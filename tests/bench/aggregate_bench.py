#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What putting one answer together from four calls adds to the slowest of them.

Four services, which one program (slow_backend) serves, answer 5 ms after a request has come; the same client (paced_load)
asks for the aggregate, and through the same gateway for each of the four alone. They take turns; a figure is the median
over the rounds of the aggregate's p50 less the highest p50 of a call in that round.
"""
import json
import pathlib
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "gateway"))
from loads import paced
from objects import CLASS, gateway, http, route, service
from proxies import OTHER_CPU, Process, built, free_port, start_configured, wait_open, workplace
from report import Report
from support import Wire

CALLS, DELAY_MS, RATE, CONNECTIONS = 4, 5, 200, 8


def documents(port: int, backend: int) -> list:
    match = "{matches: [{path: {value: /%s}}]%s}"
    calls = ", ".join(f"{{name: c{i}, backendRef: {{name: b{i}, port: 80}}, path: /x}}" for i in range(CALLS))
    return [CLASS, gateway(http(port)), *(service(f"b{i}", ("127.0.0.1", backend)) for i in range(CALLS)),
            *(route(f"call{i}", match % (f"call{i}", f", backendRefs: [{{name: b{i}, port: 80}}]")) for i in range(CALLS)),
            route("all", match % ("all", "")),
            "apiVersion: fairlead.io/v1alpha1\nkind: RequestPolicy\nmetadata: {name: all, namespace: default}\nspec:\n"
            "  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: all}]\n"
            f"  aggregate: {{calls: [{calls}]}}\n"]


def ask(port: int, path: str) -> tuple:
    with Wire(port) as wire:
        wire.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        return wire.answer()


def measure(report: Report, work: pathlib.Path, started: list) -> None:
    backend, port = free_port(), free_port()
    started.append(Process(OTHER_CPU, [built("slow_backend"), backend, DELAY_MS], work / "backend.log"))
    (work / "all.yaml").write_text("---\n".join(documents(port, backend)))
    started.append(start_configured("fairlead", work / "all.yaml", work))
    wait_open(backend, "backend", work)
    wait_open(port, "fairlead", work)
    status, _, body = ask(port, "/all")
    if status != 200 or list(json.loads(body)) != [f"c{i}" for i in range(CALLS)]:
        raise RuntimeError(f"/all answers {status}: {body}")
    names = ["all", *(f"call{i}" for i in range(CALLS))]

    def one(name: str) -> float:
        got = paced(f"http://127.0.0.1:{port}/{name}", RATE, report.seconds + 0.5, CONNECTIONS)
        if got["failed"] or got["closed"]:
            raise RuntimeError(f"/{name}: {got}")
        return got["p50_us"]
    for name in names:
        one(name)
    found = report.turns({name: name for name in names}, one)
    added = [whole - max(calls) for whole, *calls in zip(*found.values())]
    detail = f"{RATE}/s; p50: " + "; ".join(f"{name} {statistics.median(rows):.0f} us" for name, rows in found.items())
    report.add(f"aggregate of {CALLS} calls: p50 beyond the slowest call's", statistics.median(added), "us", 150, detail=detail)


def main() -> int:
    report = Report("aggregate_bench", __doc__)
    with workplace("aggregate_bench") as (work, started):
        report.row(f"aggregate of {CALLS} calls", lambda: measure(report, work, started), "slow_backend", "paced_load")
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
