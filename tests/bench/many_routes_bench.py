#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""5 000 HTTPRoutes as YAML, each with a host and a path of its own, and 100 services; HAProxy with a map of them beside.

Start to answering: from the program's start to the first answer of the last route. A change: one route's file, or the one
file of all, is moved into the directory; from there to the first answer by the new route, to a client whose connection
stays open; beside it paced_load keeps 8 connections and 1 000 requests a second going, whose ends and failures are counted.
The gateway has one worker on the first CPU, all others are on the second. Figures are medians over the rounds.
"""
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "gateway"))
from loads import wrk
from objects import CLASS, gateway, http, route, service
from proxies import (LIMIT_S, OTHER_CPU, PROXY_CPU, Process, built, free_port, haproxy_text, lacking, start_backend,
                     start_configured)
from report import Report, cost, median_of, ratio
from support import Wire

ROUTES, SERVICES, CHANGED = 5000, 100, 2500
CHANGE_S = 5  # of changes, one after the other


def host(number: int) -> str:
    return f"host-{number}.example.com"


def route_text(number: int, version: int = 0) -> str:
    """A version other than 0 shows in the answers."""
    mark = "filters: [{type: ResponseHeaderModifier, responseHeaderModifier: {set: [{name: x-version, value: \"%d\"}]}}], " % version
    return route(f"route-{number}", f"{{matches: [{{path: {{type: PathPrefix, value: /any/{number}}}}}], {mark if version else ''}"
                                    f"backendRefs: [{{name: service-{number % SERVICES}, port: 80}}]}}", hostnames=[host(number)])


def base_text(port: int, backend: int) -> str:
    return "---\n".join([CLASS, gateway(http(port)), *(service(f"service-{i}", ("127.0.0.1", backend)) for i in range(SERVICES))])


def put(path: pathlib.Path, text: str) -> float:
    """Moves a whole file into place; when that began."""
    other = path.with_name(".next")
    other.write_text(text)
    begin = time.monotonic()
    os.replace(other, path)
    return begin


class Layout:
    """The objects of a gateway in a folder. change(version) gives when it began."""

    def __init__(self, work: pathlib.Path, backend: int, one_file: bool):
        self.name = "in one file" if one_file else f"in {ROUTES} files"
        self.one_file, self.work = one_file, work
        self.folder = work / ("one" if one_file else "many")
        self.folder.mkdir()
        self.port = free_port()
        (self.folder / "base.yaml").write_text(base_text(self.port, backend))
        self.texts = [route_text(number) for number in range(ROUTES)]
        if one_file:
            (self.folder / "routes.yaml").write_text("---\n".join(self.texts))
            return
        for number, text in enumerate(self.texts):
            (self.folder / f"route-{number}.yaml").write_text(text)

    def start(self) -> Process:
        return start_configured(self.folder.name, self.folder, self.work)

    def change(self, version: int) -> float:
        self.texts[CHANGED] = route_text(CHANGED, version)
        if self.one_file:
            return put(self.folder / "routes.yaml", "---\n".join(self.texts))
        return put(self.folder / f"route-{CHANGED}.yaml", self.texts[CHANGED])


class OneRoute:
    """The last route alone, with the same services."""

    def __init__(self, work: pathlib.Path, backend: int):
        self.work, self.port = work, free_port()
        self.path = work / "single.yaml"
        self.path.write_text(base_text(self.port, backend) + "---\n" + route_text(ROUTES - 1))

    def start(self) -> Process:
        return start_configured("single", self.path, self.work)


class HaproxyLayout:
    """The last `routes` of them in a map."""

    def __init__(self, work: pathlib.Path, backend: int, routes: int = ROUTES):
        services = min(routes, SERVICES)
        self.name, self.work, self.port = "in a map of HAProxy's", work, free_port()
        self.path = work / f"haproxy{routes}.cfg"
        table = work / f"haproxy{routes}.map"
        numbers = range(ROUTES - routes, ROUTES)
        table.write_text("".join(f"{host(number)}/any/{number} service-{number % services}\n" for number in numbers))
        servers = "".join(f"backend service-{i}\n    server one 127.0.0.1:{backend}\n" for i in range(services))
        self.path.write_text(haproxy_text(f"    bind 127.0.0.1:{self.port} backlog 4096\n"
                                          f"    use_backend %[base,map_beg({table})]\n{servers}"))

    def start(self) -> Process:
        return Process(PROXY_CPU, ["haproxy", "-db", "-f", self.path], self.path.with_suffix(".log"))


def request_of(number: int) -> bytes:
    return f"GET /any/{number} HTTP/1.1\r\nHost: {host(number)}\r\n\r\n".encode()


def await_answer(port: int, number: int) -> None:
    """Until the route answers; asks every 0.2 ms."""
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        try:
            with Wire(port) as wire:
                wire.send(request_of(number))
                if wire.answer()[0] == 200:
                    return
        except (ConnectionError, EOFError):
            pass
        time.sleep(0.0002)
    raise TimeoutError(f"route {number} does not answer on port {port}")


def started(layout) -> tuple:
    """(milliseconds to the first answer of the last route, of CPU until then, MiB of memory then)"""
    begin = time.monotonic()
    process = layout.start()
    try:
        await_answer(layout.port, ROUTES - 1)
        return (time.monotonic() - begin) * 1000, process.cpu_ns() / 1e6, process.pss_kib() / 1024
    finally:
        process.stop()


def measure_start(layouts: list, report: Report) -> None:
    found = report.turns({layout.name: layout for layout in layouts}, started)
    for name, rows in found.items():
        goals = (None, None) if "HAProxy" in name else (150, 25)
        report.add(f"{ROUTES} routes {name}: start to answering", median_of(rows, 0), "ms", goals[0],
                   detail=f"of it CPU {median_of(rows, 1):.0f} ms")
        report.add(f"{ROUTES} routes {name}: memory (PSS)", median_of(rows, 2), "MiB", goals[1])


class Client:
    """Asks for the changed route on one connection; counts what fails, and makes another connection where that one ends."""

    def __init__(self, port: int):
        self.port, self.wire = port, Wire(port)
        self.requests = self.failed = self.closed = 0

    def ask(self) -> bytes:
        """The head of the answer; empty: there is none."""
        self.requests += 1
        try:
            self.wire.send(request_of(CHANGED))
            status, head, _ = self.wire.answer()
        except (ConnectionError, EOFError):
            self.closed += 1
            self.failed += 1
            self.wire.socket.close()
            self.wire = Wire(self.port)
            return b""
        self.failed += status != 200
        return head.lower()


def take_changes(layout: Layout, client: Client, load: subprocess.Popen) -> list:
    """Milliseconds of each change, until the load ends."""
    took = []
    while load.poll() is None:
        version = len(took) + 1
        mark = b"\r\nx-version: %d\r\n" % version
        begin = layout.change(version)
        while mark not in client.ask():
            if time.monotonic() - begin > LIMIT_S:
                raise TimeoutError(f"change {version} {layout.name} is not seen")
        took.append((time.monotonic() - begin) * 1000)
        pause = time.monotonic() + 0.05
        while time.monotonic() < pause:
            client.ask()
    return took


def measure_change(layout: Layout, goal: float, report: Report) -> None:
    process = layout.start()
    try:
        await_answer(layout.port, ROUTES - 1)
        client = Client(layout.port)
        load = subprocess.Popen(["taskset", "-c", OTHER_CPU, built("paced_load"), f"http://127.0.0.1:{layout.port}/any/7", "1000",
                                 str(CHANGE_S), "8", host(7)], stdout=subprocess.PIPE)
        took = sorted(take_changes(layout, client, load))
        beside = json.loads(load.communicate()[0])
        client.wire.socket.close()
    finally:
        process.stop()
    name = f"one of {ROUTES} routes changed, {'all in one file' if layout.one_file else 'a file of its own'}"
    report.add(f"{name}: to traffic", statistics.median(took), "ms", goal,
               detail=f"{len(took)} changes, p90 {took[len(took) * 9 // 10]:.2f} ms; p99 of other requests {beside['p99_us']:.0f} us")
    report.add(f"{name}: connections closed", beside["closed"] + client.closed, "", 0, detail="of 9")
    report.add(f"{name}: requests failed", beside["failed"] + client.failed, "", 0, detail=f"of {beside['requests'] + client.requests}")


def measure_cpu(ways: dict, kind: str, goal, report: Report) -> None:
    """ways: a layout with one route and one with all."""
    processes = {name: layout.start() for name, layout in ways.items()}
    try:
        for layout in ways.values():
            await_answer(layout.port, ROUTES - 1)

        def load(name: str, seconds: float) -> int:
            number = ROUTES - 1
            return wrk(f"http://127.0.0.1:{ways[name].port}/any/{number}", seconds, "-H", f"Host: {host(number)}")
        for name in ways:
            load(name, 1)
        found = report.turns({name: name for name in ways}, lambda name: cost([processes[name]], lambda: load(name, report.seconds)))
    finally:
        for process in processes.values():
            process.stop()
    detail = "; ".join(f"{name} {median_of(rows, 0):.2f} us/request" for name, rows in found.items())
    report.add(f"{kind}: CPU at the last of {ROUTES} routes by that of one route", ratio(found["all"], found["one"], 0), "x", goal,
               detail=detail)


def main() -> int:
    report = Report("many_routes_bench", __doc__, rounds=7)
    backend = None
    with tempfile.TemporaryDirectory(prefix="fl-many-routes-bench.") as text:
        work = pathlib.Path(text)
        work.chmod(0o755)
        try:
            if lacking("nginx"):
                report.lack(f"{ROUTES} routes", lacking("nginx"))
                return report.finish()
            os.sched_setaffinity(0, {int(OTHER_CPU)})
            backend, at = start_backend(work)
            one, many = Layout(work, at, True), Layout(work, at, False)
            there = [HaproxyLayout(work, at)] if shutil.which("haproxy") else []
            report.row("start", lambda: measure_start([one, many, *there], report))
            report.row("change, own file", lambda: measure_change(many, 3, report), "paced_load")
            report.row("change, one file", lambda: measure_change(one, 10, report), "paced_load")
            report.row("CPU", lambda: measure_cpu({"one": OneRoute(work, at), "all": one}, "fairlead", 1.05, report), "wrk")
            report.row("CPU, HAProxy", lambda: measure_cpu({"one": HaproxyLayout(work, at, 1), "all": there[0]}, "HAProxy", None, report),
                       "wrk", "haproxy")
        finally:
            if backend:
                backend.stop()
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
