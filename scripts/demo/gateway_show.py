# SPDX-License-Identifier: Apache-2.0
"""The tour that scripts/quickstart gateway gives: real backends behind fairlead-gateway, and what it says of them."""
import collections
import http.client
import json
import os
import pathlib
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

import gateway_objects as objects
import tours
from gateway_lab import HOST, PREFIX, EdgeLab, eventually, free_ports
from screen import Screen


class Client(http.client.HTTPSConnection):
    """A client of the gateway that trusts the tour's CA alone; counts its connections."""

    def __init__(self, lab, port):
        super().__init__(HOST, port, timeout=10, context=ssl.create_default_context(cafile=lab.folder / "ca.pem"))
        self.connections = 0

    def connect(self):
        self.connections += 1
        plain = socket.create_connection(("127.0.0.1", self.port), self.timeout)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = self._context.wrap_socket(plain, server_hostname=HOST)

    def ask(self, path="/", **headers):
        """(status, text)"""
        self.request("GET", path, headers=headers)
        answer = self.getresponse()
        return answer.status, answer.read().decode().strip()


class Load:
    """Asks without a pause on one connection, and keeps what is no 200."""

    def __init__(self, lab, port):
        self.client, self.running = Client(lab, port), True
        self.answers, self.failed = collections.Counter(), []
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        while self.running:
            try:
                status, text = self.client.ask()
            except (OSError, http.client.HTTPException) as error:
                status, text = 0, repr(error)
                self.client.close()
            self.answers[text] += 1
            if status != 200:
                self.failed.append((status, text))

    def stop(self):
        self.running = False
        self.thread.join()
        self.client.close()


class Tour:
    def __init__(self, lab):
        self.lab = lab
        self.port = free_ports(1)[0]
        self.url = f"https://{HOST}:{self.port}/"
        self.parts = (self.start, self.tls, self.split, self.retry, self.change, self.why, self.api, self.page)
        self.screen = Screen(len(self.parts) + 1)
        self.title, self.say, self.check = self.screen.title, self.screen.say, self.screen.check

    def run(self):
        for part in self.parts:
            part()

    def tell(self, *words):
        """Prints what fairctl answers, and gives it."""
        status, output = self.lab.ctl(*words)
        self.screen.shell(f"fairctl gateway {' '.join(words)}", output)
        if status != 0:
            self.check(f"fairctl gateway {words[0]} answers", False, f"exit status {status}")
        return output

    def answers(self, times, path="/", **headers):
        client = Client(self.lab, self.port)
        seen = collections.Counter(client.ask(path, **headers) for _ in range(times))
        client.close()
        return seen

    # ---- the parts ----
    def start(self):
        self.title("A gateway: Gateway API objects in a folder, nginx twice and a server that always fails behind it")
        self.check("nginx (blue, green) and the failing server listen", self.lab.start_backends())
        self.lab.make_certificates()
        certificate, key = ((self.lab.folder / name).read_text() for name in ("site.pem", "site.key"))
        self.lab.write("gateway.yaml", objects.gateway_yaml(self.port, HOST, certificate, key))
        self.lab.write("services.yaml", objects.services_yaml(**self.lab.ports))
        self.lab.write("routes.yaml", objects.routes_yaml(HOST))
        self.check(f"fairlead-gateway is ready after {self.lab.start_gateway() * 1000:.0f} ms", True)
        status = self.tell("status")
        self.check("every object is accepted", "HTTPRoute default/shop" in status and "default/edge" in status
                   and not re.search(r"error:|warning:|NotFound|Invalid|Conflicted", status), status)

    def tls(self):
        self.title("TLS: a certificate from a CA of its own")
        words = ["curl", "-sS", "--max-time", "10", "--resolve", f"{HOST}:{self.port}:127.0.0.1", "--cacert",
                 str(self.lab.folder / "ca.pem"), "-w", "HTTP/%{http_version} %{ssl_verify_result}", self.url]
        done = subprocess.run(words, capture_output=True, text=True)
        self.screen.shell(f"curl --cacert ca.pem {self.url}", done.stdout + done.stderr)
        self.check("curl trusts it, and speaks HTTP/2", done.returncode == 0 and "HTTP/2 0" in done.stdout, done.stderr)
        words.remove("--cacert")
        words.remove(str(self.lab.folder / "ca.pem"))
        refused = subprocess.run(words, capture_output=True, text=True)
        self.check("a client that does not know the CA refuses it", refused.returncode == 60, refused.stdout)

    def split(self):
        self.title("A weighted split: 300 requests, 90 % to blue and 10 % to green")
        seen = collections.Counter()
        for (status, text), count in self.answers(300).items():
            seen[text if status == 200 else status] += count
        for name, count in sorted(seen.items(), key=str):
            self.say(f"  {name:6} {'#' * (count // 6)} {count}")
        # 30 are expected; five standard deviations are 26.
        self.check("both answered, in about these shares", set(seen) == {"blue", "green"} and 4 <= seen["green"] <= 56, seen)

    def retry(self):
        self.title("A retry: /retry goes to nginx and to the server that always answers 503, in turn")
        seen = self.answers(40, "/retry")
        self.check("40 requests, 40 answers of 200: none saw a 503", set(seen) == {(200, "blue")}, seen)
        table = self.tell("backends")
        row = re.search(rf"default/mixed:80 +127\.0\.0\.1:{self.lab.ports['flaky']}.*", table)
        counts = re.findall(r"\d+", row[0].split("  ", 2)[2]) if row else []
        self.check("the failing server was asked, and its 503s are counted", row is not None and "0" not in counts[-3:-2],
                   table)

    def change(self):
        self.title("A live change: under load, the shares turn 20 times")
        loads = [Load(self.lab, self.port) for _ in range(4)]
        try:
            slowest = 0.0
            for number in range(20):
                wanted = ("blue", "green")[number % 2]
                began = time.monotonic()
                self.lab.write("routes.yaml", objects.routes_yaml(HOST, **{"blue": 0, "green": 0, wanted: 1}))
                before = [load.answers[wanted] for load in loads]
                done = eventually(lambda: all(load.failed or load.answers[wanted] > count + 5
                                              for load, count in zip(loads, before)))
                if not done:
                    return self.check(f"change {number} takes effect", False)
                slowest = max(slowest, time.monotonic() - began)
        finally:
            for load in loads:
                load.stop()
        requests = sum(sum(load.answers.values()) for load in loads)
        failed = [one for load in loads for one in load.failed]
        self.say(f"  {requests} requests; from a file's change to five answers by it on each connection at most "
                 f"{slowest * 1000:.0f} ms")
        self.check("no request failed", not failed and requests > 100, failed[:5])
        self.check("no connection was closed", all(load.client.connections == 1 for load in loads))
        self.lab.write("routes.yaml", objects.routes_yaml(HOST))
        self.check("the first shares are back", eventually(lambda: "90%" in self.lab.ctl("routes")[1]))

    def why(self):
        self.title("Why: which route takes a request, and by what the others lost")
        text = self.tell("why", "GET", self.url, "-H", "x-canary: yes")
        self.check("the canary's rule takes it, the split loses by the number of headers",
                   "rules[1]" in text and "number of headers" in text and "default/green:80" in text)
        seen = self.answers(5, **{"x-canary": "yes"})
        self.check("so it is: five requests with that header went to green", set(seen) == {(200, "green")}, seen)

    def api(self):
        self.title("An API: keys, a limit that two gateways share in Redis, an answer of two backends, a stored one")
        redis = self.lab.start_redis()
        self.check("redis-server listens", redis is not None)
        second = free_ports(1)[0]
        certificate, key = ((self.lab.folder / name).read_text() for name in ("site.pem", "site.key"))
        for port, config in ((self.port, self.lab.config), (second, self.lab.second)):
            self.lab.write("gateway.yaml", objects.gateway_yaml(port, HOST, certificate, key), config)
            self.lab.write("services.yaml", objects.services_yaml(**self.lab.ports), config)
            self.lab.write("api.yaml", objects.api_yaml(HOST, redis), config)
        self.lab.start_second()
        client = Client(self.lab, self.port)
        refused = eventually(lambda: (answer := client.ask("/api"))[0] == 401 and answer)
        self.check("without a key: 401, as problem details", refused and json.loads(refused[1])["status"] == 401, refused)
        for name, key in objects.KEYS.items():
            seen = self.ask_both((self.port, second), 3 * objects.LIMIT, key)
            self.say(f"  {name}: " + ", ".join(f"{status} {'#' * count} {count}" for status, count in sorted(seen.items())))
            self.check(f"of {name}'s {3 * objects.LIMIT} requests to two gateways at once exactly {objects.LIMIT} pass",
                       seen == {200: objects.LIMIT, 429: 2 * objects.LIMIT}, seen)
        status, text = client.ask("/colours")
        self.say(f"  GET /colours: {text}")
        self.check("one answer of two backends", status == 200 and json.loads(text) ==
                   {"one": {"colour": "blue"}, "other": {"colour": "green"}}, text)
        stored = {client.ask("/stored") for _ in range(20)}
        client.close()
        self.check("the first answer of /stored stands for the next", len(stored) == 1, stored)
        text = self.tell("why", "GET", f"{self.url}api")
        self.check("why names the policy, and says that its first filter refuses who has no key",
                   re.search(r"authentication answers 401: .*; by RequestPolicy default/keyed", text), text)

    def ask_both(self, ports, times, key):
        """Statuses of so many requests with a key, by eight clients at once."""
        seen, left = collections.Counter(), iter(range(times))

        def ask(port):
            client = Client(self.lab, port)
            for _ in left:
                seen[client.ask("/api", apikey=key)[0]] += 1
            client.close()
        threads = [threading.Thread(target=ask, args=(ports[number % 2],)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return dict(seen)

    def page(self):
        self.title("The live page")
        address = f"http://{self.lab.admin}/"
        with urllib.request.urlopen(address, timeout=10) as answer:
            text = answer.read().decode()
        self.say(f"  {address}")
        self.check("it is there: routes, backends, rates, latencies, recent errors", "Recent errors" in text)
        self.say("\n" + self.lab.ctl("top", "--once")[1])


def how_to_go_on(tour):
    lab = tour.lab
    ctl = " ".join(lab.ctl_command())
    tour.title("It keeps running")
    tour.say(f"""
  Look:       http://{lab.admin}/
  Ask:        {ctl} top        (also: status, routes, backends, why, config, --help)
  Be a client: curl --resolve {HOST}:{tour.port}:127.0.0.1 --cacert {lab.folder}/ca.pem {tour.url}
  Configure:  {lab.config}/*.yaml   (changes are taken when a file is closed or moved into place)
  Logs:       {lab.folder}/*.log

  End it:     scripts/quickstart gateway --clean {lab.name}""")


def give_tour(keep):
    return tours.give(Tour(EdgeLab()), keep, how_to_go_on, "no process and no file is left")


def earlier():
    """{name: lab} of tours that no process is giving, and that are this user's."""
    found = {}
    for folder in pathlib.Path(tempfile.gettempdir()).glob(PREFIX + "*"):
        try:
            lab = EdgeLab(folder)
            if folder.is_dir() and folder.stat().st_uid == os.geteuid() and not lab.given():
                found[folder.name] = lab
        except OSError:
            continue
    return found


if __name__ == "__main__":
    sys.exit(tours.main("scripts/quickstart gateway", __doc__, earlier, give_tour))
