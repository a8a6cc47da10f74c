# SPDX-License-Identifier: Apache-2.0
"""Load while everything changes: routes every 100 ms, certificates, backends that are killed, gateways that take over.

    python3 tests/gateway/chaos.py --minutes 10      # by hand; FAIRLEAD_GATEWAY names the program, as for the suites

Ends with 1 where a request failed that was not on a backend as it was killed, and could be sent again.
"""
import argparse
import collections
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from chaos_clients import BODY, Calls, CallServer, Http1, Http2, WebSockets, WebSocketServer
from objects import CLASS, Objects, free_port, gateway, http as listener, https, make_certificate, route, secret, service, to
from support import Gateway, curl, eventually

NEAR = 1.0  # seconds around a kill in which a request may have met it
RETRY = "retry: {attempts: 4, backoff: 10ms}"

# A kill meets all clients at once.
BUDGET = """apiVersion: fairlead.io/v1alpha1
kind: BackendPolicy
metadata: {name: all, namespace: default}
spec:
  targetRefs: [{group: "", kind: Service, name: all}]
  retryBudget: {minRetryConcurrency: 100}
"""


class Nginx:
    """One backend that can be killed and started again."""

    def __init__(self, name):
        self.name, self.port, self.kills = name, free_port(), []
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="fl-nginx-"))
        paths = "".join(f"{kind}_temp_path {self.folder}/{kind}; "
                        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (self.folder / "nginx.conf").write_text(
            f"daemon off; master_process off; pid {self.folder}/pid; error_log stderr;\nevents {{ worker_connections 4096; }}\n"
            f"http {{ access_log off; {paths}\nserver {{ listen 127.0.0.1:{self.port}; keepalive_requests 1000000;\n"
            f"location / {{ add_header x-backend {name}; return 200 '{BODY}'; }} }} }}\n")
        self.start()

    def start(self):
        self.process = subprocess.Popen(["/usr/sbin/nginx", "-c", self.folder / "nginx.conf", "-e", "stderr"],
                                        stderr=subprocess.DEVNULL)

    def kill(self):
        self.kills.append(time.monotonic())
        self.process.kill()
        self.process.wait()

    def close(self):
        self.kill()
        shutil.rmtree(self.folder)


class Chaos:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="fl-chaos-"))
        self.backends = [Nginx(name) for name in ("one", "two", "three")]
        self.certificates = [make_certificate(self.folder, "a.example") for _ in range(2)]
        self.port, self.secure, self.calls = free_port(), free_port(), free_port()
        self.counts = collections.Counter()
        secure = https(self.secure, "tls", "", "site").replace(', hostname: ""', "")
        services = [service(each.name, ("127.0.0.1", each.port)) for each in self.backends]
        self.servers = {"calls": CallServer(), "chat": WebSocketServer()}
        services += [service(name, ("127.0.0.1", server.port)) for name, server in self.servers.items()]
        services += [service("all", *(("127.0.0.1", each.port) for each in self.backends)), BUDGET]
        self.objects = Objects({
            "gateway.yaml": "---\n".join((CLASS, gateway(listener(self.port), secure),
                                          gateway(listener(self.calls), name="calls"))),
            "secret.yaml": secret("site", *self.certificates[0]), "route.yaml": self.routes(0),
            "others.yaml": "---\n".join((route("calls", to("calls"), kind="GRPCRoute", gateway_name="calls"),
                                         route("chat", to("chat", more="matches: [{path: {value: /chat}}]")))),
            "services.yaml": "---\n".join(services)})
        self.gateway = None

    def start(self):
        self.take_over()
        assert eventually(lambda: self.serves(3)), self.gateway.errors

    def serves(self, times):
        return all(curl("-o", "/dev/null", "-w", "%{http_code}", f"http://127.0.0.1:{self.port}/") == b"200"
                   for _ in range(times))

    def routes(self, number):
        """The same backends by other rules: headers, matches, routes of other names."""
        header = "filters: [{type: RequestHeaderModifier, requestHeaderModifier: " \
                 f"{{set: [{{name: x-n, value: \"{number}\"}}]}}}}]"
        rules = [to("all", more=f"{header}, {RETRY}")]
        if number % 3 == 1:
            rules.append(to("one", more=f"matches: [{{path: {{value: /only/{number}}}}}]"))
        more = [route(f"r{each}", to("two"), hostnames=[f"r{each}.example"]) for each in range(number % 7)]
        return "---\n".join([route("web", *rules), *more])

    def change_route(self):
        self.counts["changes"] += 1
        self.objects.write("route.yaml", self.routes(self.counts["changes"]))

    def change_certificate(self):
        self.counts["certificates"] += 1
        self.objects.write("secret.yaml", secret("site", *self.certificates[self.counts["certificates"] % 2]))

    def kill_or_start(self):
        down = next((each for each in self.backends if each.process.poll() is not None), None)
        if down is not None:
            return down.start()
        self.counts["kills"] += 1
        return self.random.choice(self.backends).kill()

    def take_over(self):
        old = self.gateway
        self.gateway = Gateway("--config", self.objects.folder, "--log-level", "warn", *(["--upgrade"] if old else []),
                               workers=2, socket_path=self.folder / "gateway.sock")
        if old is None:
            return
        self.counts["upgrades"] += 1
        assert old.wait() == 0, old.errors
        old.close()

    def run(self, seconds, upgrade_every):
        clients = [Http1(self.port), Http1(self.port, kept=False), Http1(self.secure, secure=True),
                   Http1(self.secure, secure=True, kept=False), Http1(self.port, method="POST"), Http2(self.port),
                   Http2(self.secure, secure=True), Calls(self.calls), WebSockets(self.port)]
        for client in clients:
            client.start()
        end = time.monotonic() + seconds
        plan = [[0.1, self.change_route], [1.0, self.change_certificate], [1.5, self.kill_or_start],
                [upgrade_every, self.take_over]]
        due = [time.monotonic() + every for every, _ in plan]
        while time.monotonic() < end:
            for number, (every, act) in enumerate(plan):
                if time.monotonic() >= due[number]:
                    act()
                    due[number] = time.monotonic() + every
            time.sleep(0.01)
        for client in clients:
            client.stop()
        for client in clients:
            self.counts[f"by {client.what.split()[0]}"] += client.done
        return [failure for client in clients for failure in self.judge(client)]

    def judge(self, client):
        """Failures that nothing excuses. What was sent to a backend as it was killed may fail where it cannot be sent
        again: a POST, and an answer that had begun."""
        kills = [when for backend in self.backends for when in backend.kills]
        for began, ended, what in client.failures:
            near = any(began - NEAR <= when <= ended + NEAR for when in kills)
            lost = client.method == "POST" or "IncompleteRead" in what
            if near and lost:
                self.counts["excused"] += 1
            else:
                yield (client.method, "TLS" if client.secure else "plain", client.what, what)

    def close(self):
        if self.gateway is not None:
            self.gateway.close()
        self.objects.close()
        for server in (*self.backends, *self.servers.values()):
            server.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--upgrade-every", type=float, default=60, metavar="SECONDS")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))
    chaos = Chaos(options.seed)
    try:
        chaos.start()
        failed = chaos.run(options.minutes * 60, options.upgrade_every)
    finally:
        chaos.close()
    print(f"seed {options.seed}:", ", ".join(f"{count} {name}" for name, count in sorted(chaos.counts.items())))
    for what in failed[:20]:
        print("failed:", *what)
    print(f"{len(failed)} requests failed without excuse")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
