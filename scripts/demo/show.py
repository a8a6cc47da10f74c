# SPDX-License-Identifier: Apache-2.0
"""The tour that scripts/quickstart gives: real servers and clients behind services, and what fairlead says of them."""
import collections
import json
import os
import pathlib
import re
import sys
import time

import clients
import objects
import tours
from lab import Lab, cgroup2_mount, eventually
from screen import Screen

PREFIX = "fl-quick-"
FOLDERS = pathlib.Path("/run")  # only root makes names here


class Tour:
    def __init__(self, lab):
        self.lab = lab
        self.parts = (self.node, self.balancing, self.datagrams, self.endpoint_goes, self.refusal, self.redirection,
                      self.live_view)
        self.screen = Screen(len(self.parts) + 1)
        self.title, self.say, self.check = self.screen.title, self.screen.say, self.screen.check

    def run(self):
        for part in self.parts:
            part()

    # ---- asking fairctl ----
    def tell(self, *words, keep=lambda line: True):
        """Prints what fairctl answers, and gives it."""
        status, output = self.lab.ctl(*words)
        self.screen.shell(f"fairctl {' '.join(words)}", "\n".join(filter(keep, output.splitlines())))
        if status != 0:
            self.check(f"fairctl {words[0]} answers", False, f"exit status {status}")
        return output

    def ask(self, *words):
        status, output = self.lab.ctl(*words, "-o", "json")
        if status != 0:
            raise RuntimeError(f"fairctl {words[0]}: {output}")
        return json.loads(output)

    def counter(self, name):
        return next(one["value"] for one in self.ask("status")["counters"] if one["name"] == name)

    def web_backends(self):
        return sum(backend["service"] == "default/web" for backend in self.ask("backends")["backends"])

    # ---- the parts ----
    def node(self):
        self.title(f"A node: {len(objects.PODS)} pods in network namespaces, {len(objects.SERVICES)} services, "
                   "1 NetworkPolicy")
        self.lab.make_network()
        self.lab.write_config()
        self.check(f"fairlead-agent is ready after {self.lab.start_agent():.2f} s", True)
        self.lab.start_servers()
        self.check("nginx (3 pods), Redis and dnsmasq listen", True)
        self.tell("services")

    def web(self, times):
        """Who answered, of so many requests of pod `shop` to the service web."""
        answers = collections.Counter()
        for _ in range(times):
            status, answer = self.lab.run("shop", "curl", "-sS", "--max-time", "5", "http://10.96.0.10/")
            answers[answer] += 1
            if status != 0:
                break  # the rest would only wait for the same
        return answers

    def balancing(self):
        self.title("Balancing: 30 requests of pod shop to the service web, http://10.96.0.10/")
        answers = self.web(30)
        for answer, count in sorted(answers.items()):
            self.say(f"  {answer:10} {'#' * count} {count}")
        self.check("all three backends answered, nothing else did", set(answers) == {"web-1", "web-2", "web-3"})

    def datagrams(self):
        self.title("UDP: a name asked of the DNS service, 10.96.0.53:53")
        words = ["dig", "@10.96.0.53", "+short", "+time=2", "+tries=2", "shop.example.test"]
        _, output = self.lab.run("shop", *words)
        self.screen.shell(" ".join(words), output)
        self.check("the answer came, from the address that was asked", output == "192.0.2.80", output)

    def endpoint_goes(self):
        self.title("A change: web-2 is taken out of its service")
        file = self.lab.config / "services.yaml"
        before = file.read_text()
        file.write_text(objects.services_yaml(without=("web-2",)))
        began = time.monotonic()
        gone = eventually(lambda: self.web_backends() == 2)
        self.check(f"noticed: fairctl shows two backends after {(time.monotonic() - began) * 1000:.0f} ms", gone)
        answers = self.web(12)
        self.check("12 requests went to the other two", set(answers) == {"web-1", "web-3"}, answers)
        file.write_text(before)
        back = eventually(lambda: self.web_backends() == 3)
        self.check("web-2 is back", back)

    def refusal(self):
        self.title("Authorization: Redis is for pods app=shop only (NetworkPolicy redis-for-shop-only)")
        _, output = self.lab.run("shop", "timeout", "5", "redis-cli", "-h", "10.96.0.20", "ping")
        self.check("shop: PING is answered", output == "PONG", output)
        for address in ("10.96.0.20", "10.244.0.21"):
            words = ["redis-cli", "-h", address, "ping"]
            _, output = self.lab.run("intruder", "timeout", "5", *words)
            self.screen.shell(f"{' '.join(words)}    # in pod intruder", output)
            self.check("intruder: refused at once", "Permission denied" in output, output)
        flow = self.tell("flows", "--failed", "--last", "1")
        self.check("the flow names the policy", "redis-for-shop-only" in flow)
        why = self.tell("why", "--from", "default/intruder", "10.96.0.20:6379")
        self.check("fairctl why says the same before anybody connects", "EACCES" in why and "redis-for-shop-only" in why)

    def redirection(self):
        self.title("Redirection: PING and PONG from socket to socket (pod shop), and by TCP (pod shop-tcp)")
        before = self.counter("fairlead_redirected_bytes_total")
        measured = clients.compare(self.lab)
        redirected = self.counter("fairlead_redirected_bytes_total") - before
        self.say("                         requests/s    p50    CPU of both ends")
        for name, pod in (("by TCP", "shop-tcp"), ("socket to socket", "shop")):
            rate, p50, cpu = measured[pod]
            self.say(f"  {name:20} {rate:12.0f} {p50:5.0f} us {cpu:9.1f} us a request")
        saved = 100 - 100 * measured["shop"][2] / measured["shop-tcp"][2]
        self.say(f"  saved: {saved:.0f} % of the CPU (medians of 5 interleaved rounds on this machine, now)")
        counters = {one["name"]: one["value"] for one in self.ask("status")["counters"]
                    if "redirect" in one["name"] and one["value"]}
        self.check(f"{redirected} bytes went from socket to socket", redirected > 0, counters)
        edges = self.ask("top", "--once", "-i", "0")["edges"]
        share = {edge["source"]: edge["redirected_bytes"] for edge in edges if edge["service"] == "default/redis:6379"}
        self.check("of shop only: the other pod has not opted in", share["default/shop"] > 0 == share["default/shop-tcp"], share)

    def live_view(self):
        self.title("Who talks to whom, live")
        clients.start_steady(self.lab)
        self.screen.say(self.screen.paint("  $ fairctl top", "command"))
        self.screen.frames(lambda: self.lab.ctl("top", "--once", "--interval", "1")[1], 5 if self.screen.live else 2)
        graph = self.tell("graph")
        seen = ("default/shop-tcp", "default/intruder", "default/web:80", "default/redis:6379", "default/dns:53", "policy",
                "now ")
        self.check("callers, services, rates and refusals are all there", all(name in graph for name in seen))
        self.tell("backends", "--service", "web")


def how_to_go_on(tour):
    lab = tour.lab
    ctl = " ".join(lab.ctl_command())
    lab_shell = f"sh -c 'echo $$ >{lab.cgroup}/shop/cgroup.procs && exec {' '.join(lab.inside('shop'))} bash'"
    tour.title("It keeps running")
    tour.say(f"""
  Ask:        {ctl} top        (also: status, graph, flows -f, why, --help)
  Be a pod:   {lab_shell}
              then: curl http://10.96.0.10/   redis-cli -h 10.96.0.20   dig @10.96.0.53 a.example.test
  Metrics:    {' '.join(lab.inside('node'))} curl -s http://127.0.0.1:9464/metrics
  Configure:  {lab.config}/*.yaml   (changes are taken when a file is closed)
  Logs:       {lab.folder}/*.log

  End it:     scripts/quickstart --clean {lab.name}""")


def give_tour(keep):
    name = f"{PREFIX}{os.getpid()}"
    folder = FOLDERS / name
    folder.mkdir(mode=0o700)
    return tours.give(Tour(Lab(name, folder)), keep, how_to_go_on,
                      "no namespace, cgroup, program, map, process or file is left")


def earlier():
    """{name: lab} of tours that no process is giving."""
    if os.geteuid() != 0:
        sys.exit("scripts/quickstart needs root: it makes namespaces and loads BPF programs")
    names = {path.name for place in (FOLDERS, cgroup2_mount(), pathlib.Path("/sys/fs/bpf"))
             for path in place.glob(PREFIX + "*")}
    names |= {match[1] for path in pathlib.Path("/run/netns").glob(PREFIX + "*")
              if (match := re.match(rf"({PREFIX}\d+)-", path.name))}
    found = {}
    for name in sorted(names):
        pid = name.removeprefix(PREFIX)
        try:
            given = str(pathlib.Path(__file__).name) in pathlib.Path("/proc", pid, "cmdline").read_text()
        except OSError:
            given = False
        if not given:
            found[name] = Lab(name, FOLDERS / name)
    return found


if __name__ == "__main__":
    sys.exit(tours.main("scripts/quickstart", __doc__, earlier, give_tour))
