#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What filters cost: API keys, limits, a chain that does nothing; exact limits in Redis beside redis-benchmark.

The gateway, or nginx, has one worker on the first CPU; the backend (nginx), the client (wrk, 64 connections) and Redis are
on the second. Ways that are compared take turns in each round; figures are medians over the rounds of their ratios or
differences. What a filter adds is the gateway's CPU per request on a route with it less that on a route without, in the
same process.
"""
import hashlib
import pathlib
import re
import statistics
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "gateway"))
from loads import client
from objects import CLASS, gateway, http, route, service, to
from proxies import (GATEWAY, LIMIT_S, OTHER_CPU, PROXY_CPU, Process, cpu_ns, free_port, lacking, nginx_text, start_backend,
                     wait_open)
from report import Report

KEYS = 1000
TEN = """addresses: {deny: [203.0.113.0/24]}
  requestSize: {maxBytes: 1048576}
  access: {rules: [{action: Allow, paths: [{value: /}]}]}
  rateLimits: {limits: [{name: a, requests: 1, per: Second, when: {paths: [/never]}}]}
  concurrency: {requests: 1, key: [{type: Header, name: x-never}], onMissing: Skip}
  fault: {abort: {percent: 100, status: 503}, when: {headers: [{name: x-never, value: "yes"}]}}
  validation: {body: {schema: {type: object}}}
  compression: {minLength: 1048576}
  transform: {response: {status: [{from: 499, to: 498}]}}
  cache: {bypass: {headers: [x-bypass]}, cacheStatusHeader: false}"""
LIMIT = "limits: [{name: a, requests: 1000000000, per: Second}]"
LASTING = "limits: [{name: a, requests: 1000000000, per: Day, algorithm: FixedWindow}]"  # counts that nobody forgets meanwhile


def policy(name, target, spec):
    return (f"apiVersion: fairlead.io/v1alpha1\nkind: RequestPolicy\nmetadata: {{name: {name}, namespace: default}}\nspec:\n"
            f"  targetRefs: [{{group: gateway.networking.k8s.io, kind: HTTPRoute, name: {target}}}]\n  {spec}\n")


def consumers(count):
    for number in range(count):
        digest = hashlib.sha256(f"key-{number}".encode()).hexdigest()
        yield (f"apiVersion: fairlead.io/v1alpha1\nkind: Consumer\nmetadata: {{name: c{number}, namespace: default}}\n"
               f"spec: {{credentials: [{{apiKey: {{keySha256: {digest}}}}}]}}\n")


def path_route(name, prefix):
    return route(name, f"{{matches: [{{path: {{type: PathPrefix, value: {prefix}}}}}], backendRefs: [{{name: b, port: 80}}], "
                       "filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /}}}]}")


class Bench:
    def __init__(self, report, work):
        self.report, self.options, self.work, self.started = report, report.options, work, []
        self.add = report.add
        if not lacking("nginx"):
            process, self.backend = start_backend(work)
            self.started.append(process)

    def close(self):
        for process in reversed(self.started):
            process.stop()

    def stop(self, process):
        process.stop()
        self.started.remove(process)

    def start(self, name, cpu, command, port, limit=LIMIT_S):
        process = Process(cpu, command, self.work / f"{name}.log")
        self.started.append(process)
        end = time.monotonic() + limit
        while True:
            try:
                wait_open(port, name, self.work)
                return process
            except TimeoutError:
                if time.monotonic() > end:
                    raise

    def fairlead(self, name, documents, limit=LIMIT_S):
        port = free_port()
        folder = self.work / name
        folder.mkdir()
        with (folder / "all.yaml").open("w") as out:
            for number, text in enumerate([CLASS, gateway(http(port)), service("b", ("127.0.0.1", self.backend)), *documents]):
                out.write(("---\n" if number else "") + text)
        command = [GATEWAY, "--config", folder / "all.yaml", "--workers", "1", "--socket", folder / "sock", "--admin", "127.0.0.1:0"]
        return self.start(name, PROXY_CPU, command, port, limit), port

    def load(self, url, *more, connections=64):
        """(requests, seconds, p99 in microseconds)"""
        text = client(["wrk", "-t1", f"-c{connections}", f"-d{self.options.seconds}s", "--latency", *more, url])
        bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
        if bad:
            raise RuntimeError(f"wrk {url}: {bad[0]}")
        count, seconds = re.search(r"(\d+) requests in ([\d.]+)s", text).groups()
        p99, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", text).groups()
        return int(count), float(seconds), float(p99) * {"us": 1, "ms": 1e3, "s": 1e6}[unit]

    def cost(self, process, url, *more):
        """Microseconds of the process' CPU for a request, and requests per second."""
        before = cpu_ns([process])
        count, seconds, _ = self.load(url, *more)
        return (cpu_ns([process]) - before) / 1000 / max(count, 1), count / seconds

    def added(self, process, port, path, *more):
        """Medians: CPU with and without, their difference."""
        base, with_it = [], []
        url = f"http://127.0.0.1:{port}"
        for _ in range(self.options.rounds + 1):  # the first warms
            base.append(self.cost(process, url + "/plain/100", *more)[0])
            with_it.append(self.cost(process, f"{url}/{path}/100", *more)[0])
        base, with_it = base[1:], with_it[1:]
        return statistics.median(a - b for a, b in zip(with_it, base)), statistics.median(base), statistics.median(with_it)

    def ten(self):
        process, port = self.fairlead("ten", [path_route("plain", "/plain"), path_route("ten", "/ten"), policy("ten", "ten", TEN)])
        more, base, with_it = self.added(process, port, "ten", "-H", "x-bypass: 1")
        self.stop(process)
        self.add("ten filters that do nothing, CPU added per request", more, "us", 1.0, detail=f"{base:.2f} -> {with_it:.2f} us")

    def keys(self, count):
        documents = [path_route("plain", "/plain"), path_route("keyed", "/keyed"), path_route("each", "/each"),
                     *(policy(name, name, f"authentication: {{methods: {{apiKey: {{}}}}}}\n  rateLimits: {{{limit}}}")
                       for name, limit in (("keyed", LIMIT), ("each", LASTING)))]
        empty, _ = self.fairlead(f"none{count}", documents)
        without = empty.pss_kib()
        self.stop(empty)
        begin = time.monotonic()
        process, port = self.fairlead(f"keys{count}", [*documents, *consumers(count)], limit=600)
        loaded = time.monotonic() - begin
        peak = process.peak_kib()
        script = self.work / "keys.lua"
        script.write_text(f"local n = {count}\nlocal i = 0\nrequest = function()\n  i = (i * 1103515245 + 12345) % 2147483648\n"
                          "  return wrk.format('GET', nil, {['apikey'] = 'key-' .. (i % n)})\nend\n")
        more, base, with_it = self.added(process, port, "keyed", "-s", str(script))
        if count > 1:
            self.memory(process, port, count, without, peak)
        self.stop(process)
        self.add(f"API key and local limit, {count} consumers, CPU added per request", more, "us", 2.0,
                 detail=f"{base:.2f} -> {with_it:.2f} us; read in {loaded:.0f} s")

    def memory(self, process, port, count, without, peak):
        """Of all that a consumer has: object, directory, and, once each has asked, its cell of the limit."""
        script = self.work / "each.lua"
        asked = 0
        while asked < count:
            script.write_text(f"local i = {asked - 1}\nrequest = function()\n  i = (i + 1) % {count}\n"
                              "  return wrk.format('GET', nil, {['apikey'] = 'key-' .. i})\nend\n")
            asked += self.load(f"http://127.0.0.1:{port}/each/100", "-s", str(script))[0]
        each = (process.pss_kib() - without) * 1024 / count
        self.add(f"memory a consumer, {count} with a key and a local limit each", each, "B", 300.0)
        self.add(f"the same while they are read, {count} consumers", (peak - without) * 1024 / count, "B")

    def beside_nginx(self):
        port = free_port()
        folder = self.work / "nginx"
        folder.mkdir()
        keys = "".join(f"key-{number} c{number};" for number in range(KEYS))
        (folder / "nginx.conf").write_text(nginx_text(
            folder, f"map_hash_max_size 8192; map_hash_bucket_size 128; map $http_apikey $consumer {{ default ''; {keys} }}\n"
                    "limit_req_zone $consumer zone=z:16m rate=1000000r/s;\n"
                    f"upstream backend {{ server 127.0.0.1:{self.backend}; keepalive 256; keepalive_requests 100000000; }}\n"
                    f"server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ if ($consumer = '') {{ return 401; }}\n"
                    "limit_req zone=z burst=1000000 nodelay; proxy_pass http://backend; proxy_http_version 1.1; "
                    "proxy_set_header Connection ''; } }"))
        nginx = self.start("nginx", PROXY_CPU, ["nginx", "-p", folder, "-c", folder / "nginx.conf", "-e", "stderr"], port)
        ours, our_port = self.fairlead("beside", [route("web", to("b")), *consumers(KEYS), policy(
            "keyed", "web", f"authentication: {{methods: {{apiKey: {{}}}}}}\n  rateLimits: {{headers: [], {LIMIT}}}")])
        rows = {"fairlead": (ours, our_port, [], []), "nginx": (nginx, port, [], [])}
        for number in range(self.options.rounds + 1):
            for process, at, costs, rates in rows.values():
                cost, rate = self.cost(process, f"http://127.0.0.1:{at}/100", "-H", "apikey: key-7")
                if number > 0:
                    costs.append(cost)
                    rates.append(rate)
        self.stop(ours)
        self.stop(nginx)
        detail = "; ".join(f"{name} {statistics.median(costs):.1f} us/request {statistics.median(rates):.0f}/s"
                           for name, (_, _, costs, rates) in rows.items())
        self.add("key and limit through the gateway on two cores, requests/s by nginx's",
                 statistics.median(a / b for a, b in zip(rows["fairlead"][3], rows["nginx"][3])), "x", 1.0, ">=", detail)
        self.add("the same, CPU per request by nginx's",
                 statistics.median(a / b for a, b in zip(rows["fairlead"][2], rows["nginx"][2])), "x", detail=detail)

    def redis(self):
        port = free_port()
        server = self.start("redis", OTHER_CPU, ["redis-server", "--port", port, "--bind", "127.0.0.1", "--save", ""], port)
        where = f"store: Redis, redis: {{addresses: [\"127.0.0.1:{port}\"], timeout: 5s, onFailure: Closed%s}}"
        spec = "rateLimits: {limits: [{name: a, requests: 1000000000, per: Second, key: [{type: Route}]}], %s}\n  answer: {body: ok}"
        ours, at = self.fairlead("redis-gateway", [
            *(path_route(name, f"/{name}") for name in ("exact", "lease", "local")),
            policy("exact", "exact", spec % (where % "")), policy("lease", "lease", spec % (where % ", mode: Lease")),
            policy("local", "local", spec % "store: Local")])
        ways = {name: [] for name in ("exact", "lease", "local")}
        benchmark = []
        self.load(f"http://127.0.0.1:{at}/exact")
        command = self.script_of()
        for _ in range(self.options.rounds):
            for name, found in ways.items():
                before = cpu_ns([ours])
                count, seconds, p99 = self.load(f"http://127.0.0.1:{at}/{name}")
                found.append((count / seconds, p99, (cpu_ns([ours]) - before) / 1000 / max(count, 1)))
            text = client(["redis-benchmark", "-p", port, "-c", "64", "-n", "100000", "-q", *command])
            benchmark.append(float(re.findall(r"([\d.]+) requests per second", text)[-1]))
        self.stop(ours)
        self.stop(server)
        rate = {name: statistics.median(one[0] for one in found) for name, found in ways.items()}
        cost = {name: statistics.median(one[2] for one in found) for name, found in ways.items()}
        detail = "; ".join([*(f"{name} {value:.0f}/s {cost[name]:.1f} us of the gateway's CPU" for name, value in rate.items()), f"redis-benchmark {statistics.median(benchmark):.0f}/s"])
        self.add("exact Redis limit through the gateway, 64 connections, of redis-benchmark's rate",
                 statistics.median(one[0] / other for one, other in zip(ways["exact"], benchmark)), "x", 0.8, ">=", detail)
        self.add("the same, p99 beside a local limit's", statistics.median(
            (a[1] - b[1]) / 1000 for a, b in zip(ways["exact"], ways["local"])), "ms", 1.0)
        self.add("leased Redis limit, requests/s by those of a local one", rate["lease"] / rate["local"], "x", detail=detail)

    @staticmethod
    def script_of():
        """The same script, which the gateway has loaded, by the same arguments."""
        source = (pathlib.Path(__file__).resolve().parents[2] / "gateway/dataplane/limit/redis_script.cpp").read_text()
        script = re.search(r'kScript = R"\((.*?)\)";', source, re.S).group(1)
        return ["EVALSHA", hashlib.sha1(script.encode()).hexdigest(), "1", "fairlead:{bench}:all", "T", "1", "1000000000", "1000000",
                str(10**15), "1", "0", "0", "0"]


def main() -> int:
    report = Report("filters_bench", __doc__)
    with tempfile.TemporaryDirectory(prefix="fl-filters-bench.") as text:
        work = pathlib.Path(text)
        work.chmod(0o755)
        bench = Bench(report, work)
        try:
            report.row("ten", bench.ten, "nginx", "wrk")
            report.row("keys 1", lambda: bench.keys(1), "nginx", "wrk")
            report.row("keys 1000000", lambda: bench.keys(1_000_000), "nginx", "wrk")
            report.row("nginx", bench.beside_nginx, "nginx", "wrk")
            report.row("redis", bench.redis, "nginx", "wrk", "redis-server", "redis-benchmark")
        finally:
            bench.close()
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
