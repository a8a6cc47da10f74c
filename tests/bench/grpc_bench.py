#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Unary gRPC calls, HTTP/2 on both sides, beside nginx (grpc_pass), HAProxy and Envoy: CPU of the proxy for each call.

One worker each on the first CPU; a server that answers a message of 100 bytes (grpc_backend) and h2load (10 connections,
32 calls at a time on each) on the second. The proxies take turns; a figure is the median of the ratios within rounds.
"""
import pathlib
import shutil
import subprocess
import sys

from loads import h2load
from proxies import (ENVOY, GATEWAY, NO_ENVOY, OTHER_CPU, PROXY_CPU, Process, built, envoy_text, free_port, haproxy_text,
                     nginx_text, wait_open, workplace)
from report import Report, cost, median_of, ratio

CALL = ["-H", "content-type: application/grpc", "-H", "te: trailers"]


def start_fairlead(work: pathlib.Path, backend: int, port: int) -> Process:
    return Process(PROXY_CPU, [GATEWAY, "--listen", f"127.0.0.1:{port}", "--to", f"h2c://127.0.0.1:{backend}", "--socket", "",
                               "--admin", ""], work / "fairlead.log")


def start_nginx(work: pathlib.Path, backend: int, port: int) -> Process:
    folder = work / "nginx"
    folder.mkdir()
    (folder / "nginx.conf").write_text(nginx_text(
        folder, f"upstream backend {{ server 127.0.0.1:{backend}; keepalive 400; keepalive_requests 100000000; }}\n"
                f"server {{ listen 127.0.0.1:{port} http2 backlog=4096; location / {{ grpc_pass grpc://backend; }} }}"))
    return Process(PROXY_CPU, ["nginx", "-p", folder, "-c", folder / "nginx.conf", "-e", "stderr"], work / "nginx.log")


def start_haproxy(work: pathlib.Path, backend: int, port: int) -> Process:
    (work / "haproxy.cfg").write_text(haproxy_text(
        f"    bind 127.0.0.1:{port} proto h2 backlog 4096\n    default_backend servers\n"
        f"backend servers\n    server one 127.0.0.1:{backend} proto h2\n"))
    return Process(PROXY_CPU, ["haproxy", "-db", "-f", work / "haproxy.cfg"], work / "haproxy.log")


def start_envoy(work: pathlib.Path, backend: int, port: int) -> Process:
    (work / "envoy.yaml").write_text(envoy_text(work, backend, {"h2c": port}, h2=True))
    return Process(PROXY_CPU, [ENVOY, "-c", work / "envoy.yaml", "--concurrency", "1", "-l", "error", "--disable-hot-restart"],
                   work / "envoy.log")


def check(port: int, message: pathlib.Path) -> None:
    """A call through the proxy has its message and, behind it, its status."""
    text = subprocess.run(["nghttp", "-v", "--no-dep", "-d", message, *CALL, f"http://127.0.0.1:{port}/bench.Echo/Call"],
                          capture_output=True, text=True, timeout=30, check=True).stdout
    if "grpc-status: 0" not in text or "x" * 100 not in text:
        raise RuntimeError(f"no gRPC through port {port}: {text[-500:]}")


def measure(report: Report, work: pathlib.Path, started: list) -> None:
    message = work / "message"
    message.write_bytes(b"\0\0\0\0\x64" + b"x" * 100)
    backend = free_port()
    started.append(Process(OTHER_CPU, [built("grpc_backend"), backend], work / "backend.log"))
    wait_open(backend, "backend", work)
    starts = {"fairlead": start_fairlead, "nginx": start_nginx}
    starts |= {"haproxy": start_haproxy} if shutil.which("haproxy") else {}
    starts |= {"envoy": start_envoy} if ENVOY else {}
    ways = {}
    for name, start in starts.items():
        port = free_port()
        started.append(start(work, backend, port))
        wait_open(port, name, work)
        check(port, message)
        ways[name] = (started[-1], port)

    def calls(port: int, seconds: float) -> int:
        return h2load(f"http://127.0.0.1:{port}/bench.Echo/Call", seconds, "-d", str(message), *CALL)
    for _, port in ways.values():
        calls(port, 1)
    found = report.turns(ways, lambda way: cost([way[0]], lambda: calls(way[1], report.seconds)))
    detail = "; ".join(f"{name} {median_of(rows, 0):.1f} us/call {median_of(rows, 1):.0f}/s" for name, rows in found.items())
    if ENVOY:
        report.add("gRPC unary, CPU by that of envoy", ratio(found["fairlead"], found["envoy"], 0), "x", 0.5, detail=detail)
    else:
        report.lack("gRPC unary, CPU by that of envoy", NO_ENVOY)
    report.add("gRPC unary, CPU by that of nginx", ratio(found["fairlead"], found["nginx"], 0), "x", 1.0, "<", detail)
    if "haproxy" in found:
        report.add("gRPC unary, CPU by that of haproxy", ratio(found["fairlead"], found["haproxy"], 0), "x", detail=detail)


def main() -> int:
    report = Report("grpc_bench", __doc__)
    with workplace("grpc_bench") as (work, started):
        report.row("gRPC unary", lambda: measure(report, work, started), "nginx", "h2load", "nghttp", "grpc_backend")
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
