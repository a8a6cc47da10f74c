# SPDX-License-Identifier: Apache-2.0
"""Clients on the second CPU: each gives what it got done, and fails where something was refused."""
import json
import re
import subprocess

from proxies import OTHER_CPU, built


def client(command: list, cpus: str = OTHER_CPU) -> str:
    done = subprocess.run(["taskset", "-c", cpus, *map(str, command)], capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with status {done.returncode}: {done.stderr[-500:]}")
    return done.stdout


def wrk(url: str, seconds: float, *more: str, cpus: str = OTHER_CPU, threads: int = 1, connections: int = 64) -> int:
    """Requests that were answered."""
    text = client(["wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds:g}s", *more, url], cpus)
    bad = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+)|Non-2xx or 3xx responses: (\d+)", text)
    if bad and (bad[4] or bad[1] != "0"):
        raise RuntimeError(f"wrk {url}: {bad[0]}")
    return int(re.search(r"(\d+) requests in", text)[1])


def h2load(url: str, seconds: float, *more: str) -> int:
    text = client(["h2load", "-t1", "-c10", "-m32", f"-D{max(1, round(seconds))}", *more, url])
    found = re.search(r"requests: (\d+) total, \d+ started, \d+ done, (\d+) succeeded, (\d+) failed", text)
    if not found or int(found[3]):
        raise RuntimeError(f"h2load {url}: {found[0] if found else text[-300:]}")
    return int(found[2])


def s_time(port: int, seconds: float, way: str) -> int:
    """Handshakes, each with a request. What is given as a path becomes HTTP/1.1 with a Host; by itself s_time speaks 1.0."""
    path = "/100 HTTP/1.1\r\nHost: bench.test\r\nConnection: close\r\nX-End:"
    text = client(["openssl", "s_time", "-connect", f"127.0.0.1:{port}", way, "-www", path, "-tls1_3", "-time",
                   max(1, round(seconds))])
    return int(re.findall(r"(\d+) connections in \d+ real seconds", text)[-1])


def paced(url: str, rate: float, seconds: float, *more) -> dict:
    """What paced_load tells: requests, failed, closed, and latencies in microseconds from when each was to be sent."""
    return json.loads(client([built("paced_load"), url, f"{rate:.0f}", f"{seconds:g}", *more]))
