#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The gateway beside nginx, HAProxy and Envoy: CPU of the proxy for each unit of work, as ratios within rounds.

One worker each on the first CPU; the backend (nginx) and the client on the second. The proxies take turns in each
round; a figure is the median over the rounds of the proxy's CPU by that of the best or named peer. Beside the rows of
handshakes stands a loop on OpenSSL alone (tls_floor) that answers the same client itself.
"""
import pathlib
import resource
import socket
import ssl
import sys

from loads import h2load, s_time, wrk
from proxies import (LIMIT_S, PATHS, PROXY_CPU, Process, built, certificate, free_port, lacking, pss_kib, start_backend,
                     start_peers, wait_open, workplace)
from report import Report, best, cost, median_of, ratio

# (row, work, kind of port, goal, against: a peer or "best", unit)
ROWS = [
    ("HTTP/1.1 keep-alive, 100 B", "h1_100", "plain", 0.85, "best", "request"),
    ("16 KiB answers", "h1_16k", "plain", 0.85, "best", "request"),
    ("64 KiB uploads", "h1_post", "plain", 0.75, "best", "request"),
    ("1 MiB answers", "h1_1m", "plain", 0.35, "nginx", "GiB"),
    ("1 MiB uploads", "h1_post_1m", "plain", 0.35, "nginx", "GiB"),
    ("h2c in, HTTP/1.1 out, 100 B", "h2_100", "h2c", 0.85, "best", "request"),
    ("HTTP/2 over TLS in, HTTP/1.1 out, 100 B", "h2_100", "tls", 0.85, "best", "request"),
    ("TLS, HTTP/1.1 keep-alive, 100 B", "h1_100", "tls", 0.85, "best", "request"),
    ("TLS 1.3 full handshake and a request", "tls_new", "tls", 0.9, "best", "handshake"),
    ("TLS 1.3 resumed and a request", "tls_reuse", "tls", 0.9, "best", "handshake"),
    ("new connection per request", "h1_close", "plain", 0.9, "best", "request"),
]
UPLOADS = {"h1_post": 64 << 10, "h1_post_1m": 1 << 20}  # bytes
IDLE = [("plain", 10000, 1), ("tls", 5000, 12)]  # kind, connections, goal in KiB


def run_work(work: str, port: int, kind: str, seconds: float, folder: pathlib.Path) -> int:
    """Units done."""
    url = f"{'https' if kind == 'tls' else 'http'}://127.0.0.1:{port}"
    if work in UPLOADS:
        script = folder / f"{work}.lua"
        script.write_text(f'wrk.method = "POST"\nwrk.body = string.rep("x", {UPLOADS[work]})\n')
        return wrk(url + "/post", seconds, "-s", str(script))
    if work == "h1_close":
        return wrk(url + "/100", seconds, "-H", "Connection: close")
    if work.startswith("h1_"):
        return wrk(f"{url}/{work[3:]}", seconds)
    if work.startswith("h2_"):
        return h2load(f"{url}/{work[3:]}", seconds)
    return s_time(port, seconds, "-new" if work == "tls_new" else "-reuse")


def spent(us: float, unit: str) -> str:
    """CPU for a unit; a GiB is 1024 requests of 1 MiB."""
    return f"{us * 1024 / 1e6:.3f} s/GiB" if unit == "GiB" else f"{us:.1f} us/{unit}"


def measure(row: tuple, proxies: dict, report: Report, folder: pathlib.Path) -> None:
    name, work, kind, goal, against, unit = row
    ways = {proxy: way for proxy, way in proxies.items() if kind in way[1]}
    if not work.startswith("tls_"):
        ways.pop("OpenSSL alone", None)
    for _, ports in ways.values():  # pools and tables warm
        run_work(work, ports[kind], kind, 1, folder)
    found = report.turns(ways, lambda way: cost(way[0], lambda: run_work(work, way[1][kind], kind, report.seconds, folder)))
    peers = [proxy for proxy in ways if proxy not in ("fairlead", "OpenSSL alone")]
    base = against if against != "best" else best(found, 0, peers)
    detail = "; ".join(f"{proxy} {spent(median_of(rows, 0), unit)} {median_of(rows, 1):.0f}/s" for proxy, rows in found.items())
    report.add(f"{name}: CPU by that of {base}", ratio(found["fairlead"], found[base], 0), "x", goal, detail=detail)
    if "OpenSSL alone" in found:
        report.add(f"{name}: CPU by that of OpenSSL alone, the floor", ratio(found["fairlead"], found["OpenSSL alone"], 0), "x",
                   detail=detail)


def one_answer(port: int, kind: str, context: ssl.SSLContext) -> socket.socket:
    """A connection that has had an answer."""
    one = socket.create_connection(("127.0.0.1", port), LIMIT_S)
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if kind == "tls":
        one = context.wrap_socket(one, server_hostname="bench.test")
    one.sendall(b"GET /100 HTTP/1.1\r\nHost: bench.test\r\n\r\n")
    got = b""
    while not got.endswith(b"x" * PATHS["100"]):
        if not (more := one.recv(4096)):
            raise ConnectionError(f"closed after {got[:200]}")
        got += more
    return one


def idle_kib(kind: str, count: int, way: tuple) -> float:
    """KiB (PSS) for each of `count` connections that have had one answer and stay open."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    processes, ports = way
    open_ones = [one_answer(ports[kind], kind, context)]
    try:
        before = pss_kib(processes)
        while len(open_ones) <= count:
            open_ones.append(one_answer(ports[kind], kind, context))
        return (pss_kib(processes) - before) / count
    finally:
        for one in open_ones:
            one.close()


def measure_idle(kind: str, count: int, goal: float, proxies: dict, report: Report) -> None:
    name = f"idle connection, {kind}, of {count}"
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if most != resource.RLIM_INFINITY and most < count + 1000:
        report.lack(name, f"{most} open files allowed: ulimit -Hn {count + 1000}")
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    costs, texts = {}, []
    for proxy, way in proxies.items():
        if proxy == "OpenSSL alone":
            continue
        try:
            costs[proxy] = idle_kib(kind, count, way)
            texts.append(f"{proxy} {costs[proxy]:.2f} KiB")
        except OSError as error:
            if proxy == "fairlead":
                raise
            texts.append(f"{proxy} did not hold them: {error}")
    report.add(name, costs["fairlead"], "KiB", goal, detail="; ".join(texts))


def start_floor(work: pathlib.Path) -> tuple:
    port = free_port()
    process = Process(PROXY_CPU, [built("tls_floor"), port, work / "cert.pem", work / "key.pem"], work / "floor.log")
    wait_open(port, "floor", work)
    return [process], {"tls": port}


def main() -> int:
    report = Report("gateway_bench", __doc__)
    proxies = {}
    with workplace("gateway_bench") as (work, started):
        if not lacking("nginx", "openssl"):
            certificate(work)
            backend, port = start_backend(work)
            started.append(backend)
            proxies = start_peers(work, port, report, started)
            if not lacking("tls_floor"):
                proxies["OpenSSL alone"] = start_floor(work)
                started += proxies["OpenSSL alone"][0]
        for row in ROWS:
            client = {"h1": "wrk", "h2": "h2load"}.get(row[1][:2], "openssl")
            report.row(row[0], lambda row=row: measure(row, proxies, report, work), "nginx", "openssl", client)
        for kind, count, goal in IDLE:
            report.row(f"idle {kind} connections", lambda of=(kind, count, goal): measure_idle(*of, proxies, report),
                       "nginx", "openssl")
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
