#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""CPU of a cache hit beside nginx's proxy_cache: one worker each on the first CPU, wrk with 64 connections on the second.

The two take turns in each round; a figure is the median over the rounds of the gateway's CPU by nginx's.
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "gateway"))
from loads import wrk
from objects import CLASS, gateway, http, route, service, to
from proxies import (PATHS, PROXY_CPU, Process, free_port, lacking, nginx_text, start_backend, start_configured,
                     wait_open, workplace)
from report import Report, cost, median_of, ratio

POLICY = """apiVersion: fairlead.io/v1alpha1
kind: RequestPolicy
metadata: {name: cached, namespace: default}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: web}]
  cache: {defaultTtl: 1h}
"""


def start_nginx(work, backend, port):
    folder = work / "nginx"
    folder.mkdir()
    (folder / "nginx.conf").write_text(nginx_text(
        folder, f"proxy_cache_path {folder}/cache keys_zone=z:10m; sendfile on; open_file_cache max=100;\n"
                f"server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ proxy_pass http://127.0.0.1:{backend};\n"
                "proxy_cache z; proxy_cache_valid 200 1h; add_header x-cache $upstream_cache_status; } }"))
    return Process(PROXY_CPU, ["nginx", "-p", folder, "-c", folder / "nginx.conf", "-e", "stderr"], work / "nginx.log")


def start_fairlead(work, backend, port):
    (work / "all.yaml").write_text("---\n".join([CLASS, gateway(http(port)), route("web", to("web")),
                                                 service("web", ("127.0.0.1", backend)), POLICY]))
    return start_configured("fairlead", work / "all.yaml", work)


def measure(path: str, proxies: dict, backend: Process, report: Report) -> None:
    for _, port in proxies.values():
        wrk(f"http://127.0.0.1:{port}/{path}", 1)
    before = backend.cpu_ns()
    found = report.turns(proxies, lambda way: cost([way[0]], lambda: wrk(f"http://127.0.0.1:{way[1]}/{path}", report.seconds)))
    asked = (backend.cpu_ns() - before) / 1e6
    if asked > 50:
        raise RuntimeError(f"the backend worked {asked:.0f} ms while all should have been hits")
    detail = "; ".join(f"{name} {median_of(rows, 0):.2f} us/hit {median_of(rows, 1):.0f}/s" for name, rows in found.items())
    report.add(f"cache hit, {PATHS[path]} B: CPU by that of nginx", ratio(found["fairlead"], found["nginx"], 0), "x", 1.0, detail=detail)


def main() -> int:
    report = Report("cache_bench", __doc__)
    proxies = {}
    with workplace("cache_bench") as (work, started):
        if not lacking("nginx", "wrk"):
            backend, at = start_backend(work)
            started.append(backend)
            for name, start in (("nginx", start_nginx), ("fairlead", start_fairlead)):
                port = free_port()
                started.append(start(work, at, port))
                wait_open(port, name, work)
                proxies[name] = started[-1], port
        for path in ("100", "16k"):
            report.row(f"cache hit, {path}", lambda path=path: measure(path, proxies, started[0], report), "nginx", "wrk")
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
