# SPDX-License-Identifier: Apache-2.0
"""Clients of the lab's services: a steady traffic to look at, and the same work by TCP and from socket to socket."""
import csv
import statistics

REDIS = "10.96.0.20"
PINGS = ["-t", "ping_mbulk"]
ROUND_SECONDS = 0.5
STEADY = (
    ("shop", "curl -sS --max-time 5 -o /dev/null http://10.96.0.10/", 0.1),
    ("shop", f"redis-benchmark -h {REDIS} -q -n 300 -c 2 -t ping_mbulk", 0.3),
    ("shop-tcp", f"redis-benchmark -h {REDIS} -q -n 300 -c 2 -t ping_mbulk", 0.3),
    ("shop", "dig @10.96.0.53 +short +time=2 item.example.test", 0.5),
    ("intruder", f"timeout 5 redis-cli -h {REDIS} ping", 1),
)


def start_steady(lab):
    """They run until the lab's cgroup is emptied."""
    for number, (pod, command, pause) in enumerate(STEADY):
        loop = f"while :; do {command} >/dev/null 2>&1; sleep {pause}; done"
        lab.start(f"client-{number}", lab.pod_command(pod, ["sh", "-c", loop]))


def _cpu_us(lab, *pods):
    total = 0
    for pod in pods:
        fields = dict(line.split() for line in (lab.cgroup / pod / "cpu.stat").read_text().splitlines())
        total += int(fields["usage_usec"])
    return total


def _ping(lab, pod, count):
    """(requests per second, p50 in us, CPU us of client and server for a request) of one connection."""
    before = _cpu_us(lab, pod, "redis-1")
    status, output = lab.run(pod, "redis-benchmark", "-h", REDIS, "-n", str(count), "-c", "1", *PINGS, "--csv")
    if status != 0:
        raise RuntimeError(f"redis-benchmark in {pod}: {output}")
    row = next(csv.DictReader(output.splitlines()))
    return float(row["rps"]), float(row["p50_latency_ms"]) * 1000, (_cpu_us(lab, pod, "redis-1") - before) / count


def compare(lab, rounds=5):
    """Medians by pod of interleaved rounds: `shop` has opted in to redirection, `shop-tcp` has not."""
    measured = {"shop": [], "shop-tcp": []}
    for pod in measured:
        lab.run(pod, "true")  # makes its cgroup
    rate, _, _ = _ping(lab, "shop-tcp", 500)
    count = int(min(max(rate * ROUND_SECONDS, 500), 8000))  # a slow machine does less, not longer
    for _ in range(rounds):
        for pod, results in measured.items():
            results.append(_ping(lab, pod, count))
    return {pod: tuple(statistics.median(column) for column in zip(*results)) for pod, results in measured.items()}
