# SPDX-License-Identifier: Apache-2.0
"""The tour that scripts/quickstart gives: real servers and clients behind services, and what fairlead says of them."""
import argparse
import collections
import os
import pathlib
import signal
import subprocess
import sys

import objects
from lab import Lab

REDIRECTED = "fairlead_redirected_bytes_total"


class Tour:
    def __init__(self, lab):
        self.lab = lab
        self.worked = 0
        self.failed = []

    def check(self, what, ok, found=""):
        print(f"  {'ok  ' if ok else 'FAIL'} {what}")
        if ok:
            self.worked += 1
        else:
            self.failed.append(what)
            if found:
                print("       " + str(found).replace("\n", "\n       "))

    def tell(self, title, *words):
        """Prints what fairctl answers."""
        if not pathlib.Path(self.lab.ctl_command()[0]).exists():
            self.check(f"fairctl {words[0]}", False, "build/bin/fairctl is missing")
            return
        print(f"\n== {title}\n$ fairctl {' '.join(words)}")
        status, output = self.lab.ctl(*words)
        print(output)
        self.check(f"fairctl {words[0]} answers", status == 0, f"exit status {status}")

    def balancing(self):
        _, direct = self.lab.run("shop", "curl", "-sS", "--max-time", "5", "http://10.244.0.11:8080/")
        self.check("shop reaches web-1 at its own address", direct == "web-1", direct)
        print("\n== 30 requests of pod `shop` to the service web, 10.96.0.10:80")
        answers = collections.Counter()
        for _ in range(30):
            status, answer = self.lab.run("shop", "curl", "-sS", "--max-time", "5", "http://10.96.0.10/")
            answers[answer] += 1
            if status != 0:
                break  # the rest would only wait for the same
        for answer, count in sorted(answers.items()):
            print(f"  {count:3} {answer}")
        self.check("all three backends answered, nothing else did", set(answers) == {"web-1", "web-2", "web-3"})

    def redis_cli(self, pod, address):
        return self.lab.run(pod, "timeout", "5", "redis-cli", "-h", address, "ping")

    def redis(self):
        print("\n== Redis behind 10.96.0.20:6379, for pod `shop` only (NetworkPolicy redis-for-shop-only)")
        status, output = self.redis_cli("shop", "10.96.0.20")
        self.check("shop: PING is answered by PONG", output == "PONG", output)
        if status != 0:
            return
        status, output = self.lab.run("shop", "redis-benchmark", "-h", "10.96.0.20", "-q", "-n", "20000", "-c", "4",
                                      "-t", "ping_mbulk")
        print("  " + output.split("\r")[-1].strip())
        self.check("shop: 20 000 small requests over 4 connections", status == 0, output)
        status, output = self.redis_cli("intruder", "10.96.0.20")
        self.check("intruder: refused (Permission denied)", "Permission denied" in output, output)
        status, output = self.redis_cli("intruder", "10.244.0.21")
        self.check("intruder: refused at the backend's own address too", "Permission denied" in output, output)

    def dns(self):
        print("\n== DNS by UDP behind 10.96.0.53:53")
        _, output = self.lab.run("shop", "dig", "@10.96.0.53", "+short", "+time=2", "+tries=2", "shop.example.test")
        self.check("shop: shop.example.test is 192.0.2.80", output == "192.0.2.80", output)

    def redirected(self):
        print("\n== What went from socket to socket instead of through TCP")
        lines = self.metrics(REDIRECTED)
        print("\n".join("  " + line for line in lines) or "  no series yet")
        self.check("redirected bytes were counted", any(float(line.split()[-1]) > 0 for line in lines))

    def metrics(self, prefix):
        """Lines of the agent's metrics that begin with prefix."""
        command = self.lab.inside("node") + ["curl", "-sS", "--max-time", "5", "http://127.0.0.1:9464/metrics"]
        text = subprocess.run(command, capture_output=True, text=True).stdout
        return [line for line in text.splitlines() if line.startswith(prefix)]

    def views(self):
        self.tell("Who talks to whom", "graph")
        self.tell("The busiest pairs", "top", "--once")
        self.tell("How it was spread", "backends")
        self.tell("Why the intruder is refused", "why", "--from", "default/intruder", "10.96.0.20:6379")


def how_to_go_on(lab):
    curl = " ".join(lab.inside("shop"))
    print(f"""
It keeps running. Go on:
  {' '.join(lab.ctl_command('status'))}
  {' '.join(lab.ctl_command('graph'))}
  {' '.join(lab.ctl_command('flows', '-f'))}
  a shell in pod `shop`:  sh -c 'echo $$ > {lab.cgroup}/shop/cgroup.procs; exec {curl} bash'
    then: curl http://10.96.0.10/   redis-cli -h 10.96.0.20   dig @10.96.0.53 a.example.test
  change something:       $EDITOR {lab.config}/policy.yaml
Stop it all:
  scripts/quickstart --clean {lab.name} {lab.folder}""")


def clean(name, folder):
    """Ends what an earlier --keep left."""
    Lab(name, pathlib.Path(folder)).close()


def tour(keep):
    lab, kept = Lab(), False
    try:
        print("== A node in miniature: 7 pods in network namespaces, 3 services, 1 policy")
        lab.make_network()
        lab.write_config()
        print(f"  agent: ready after {lab.start_agent():.2f} s", flush=True)
        lab.start_servers()
        show = Tour(lab)
        for part in (show.balancing, show.redis, show.dns, show.views, show.redirected):
            part()
        print(f"\n{show.worked} checks worked, {len(show.failed)} failed")
        if keep:
            kept = True
            how_to_go_on(lab)
        return 1 if show.failed else 0
    finally:
        if not kept:
            lab.close()


def main():
    parser = argparse.ArgumentParser(prog="scripts/quickstart", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave it running and print how to go on")
    parser.add_argument("--clean", nargs=2, metavar=("NAME", "FOLDER"), help="end what --keep left")
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("scripts/quickstart needs root: it makes namespaces and loads BPF programs")
    # Being told to end must clean up as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if options.clean:
        clean(*options.clean)
        return 0
    return tour(options.keep)


if __name__ == "__main__":
    sys.exit(main())
