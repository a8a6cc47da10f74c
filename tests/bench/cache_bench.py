#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""CPU of a cache hit beside nginx's proxy_cache: one worker each on the first CPU, wrk with 64 connections on the second.

The two take turns in each round; a figure is the median over the rounds of the gateway's CPU by nginx's.
"""
import argparse
import pathlib
import shutil
import statistics
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "gateway"))
from gateway_bench import (GATEWAY, PROXY_CPU, Process, cpu_ns, free_port, nginx_text, start_backend, wait_open, wrk)
from objects import CLASS, gateway, http, route, service, to

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
    return [Process(PROXY_CPU, ["nginx", "-p", folder, "-c", folder / "nginx.conf", "-e", "stderr"], work / "nginx.log")]


def start_fairlead(work, backend, port):
    (work / "all.yaml").write_text("---\n".join([CLASS, gateway(http(port)), route("web", to("web")),
                                                 service("web", ("127.0.0.1", backend)), POLICY]))
    return [Process(PROXY_CPU, [GATEWAY, "--config", work / "all.yaml", "--workers", "1", "--socket", work / "sock",
                                "--admin", "127.0.0.1:0"], work / "fairlead.log")]


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=int, default=2)
    options = options.parse_args()
    work = pathlib.Path(tempfile.mkdtemp(prefix="fl-cache-bench-"))
    work.chmod(0o755)
    started, proxies = [], {}
    try:
        process, backend = start_backend(work)
        started.append(process)
        for name, start in (("nginx", start_nginx), ("fairlead", start_fairlead)):
            port = free_port()
            processes = start(work, backend, port)
            started += processes
            wait_open(port, name, work)
            proxies[name] = processes, port
        for path, goal in (("100", 1.0), ("16k", 1.0)):
            costs = {name: [] for name in proxies}
            before = started[0].cpu_ns()
            for name, (_, port) in proxies.items():
                wrk(f"http://127.0.0.1:{port}/{path}", 1)
            warm = started[0].cpu_ns()
            for _ in range(options.rounds):
                for name, (processes, port) in proxies.items():
                    begin = cpu_ns(processes)
                    units = wrk(f"http://127.0.0.1:{port}/{path}", options.seconds)
                    costs[name].append((cpu_ns(processes) - begin) / 1000 / max(units, 1))
            ratio = statistics.median(mine / other for mine, other in zip(costs["fairlead"], costs["nginx"]))
            detail = ", ".join(f"{name} {statistics.median(cost):.2f} us" for name, cost in costs.items())
            print(f"cache hit, {path}: {ratio:.2f} of nginx (goal {goal}) | {detail}; the backend's CPU meanwhile: "
                  f"{(started[0].cpu_ns() - warm) / 1e6:.1f} ms, {(warm - before) / 1e6:.1f} ms before", flush=True)
    finally:
        for process in started:
            process.stop()
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
