# SPDX-License-Identifier: Apache-2.0
"""Runs a test suite of others alone and with every socket of its under the agent (--redirect all), and compares the
results test by test."""
import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "scripts/demo"))
from lab import ROOT, cgroup2_mount, eventually  # noqa: E402

# A test may fail now and then by itself (timing): a difference counts when it shows in each of this many runs.
TRIES = 3

# In the emulated machine of vm-tests all is tens of times slower.
EMULATED = "FAIRLEAD_VM" in os.environ
LIMIT = 800 if EMULATED else 400  # seconds for one run of a suite


# An event-driven program that redirection is for.
PING_PONG = """
import select, socket
listener = socket.create_server(("127.0.0.1", 0))
ends = [socket.create_connection(listener.getsockname()), listener.accept()[0]]
for end in ends:
    end.setblocking(False)
for turn in range(2000):
    ends[turn % 2].send(b"ping")
    select.select([ends[1 - turn % 2]], [], [])
    ends[1 - turn % 2].recv(4)
"""


class Suite:
    """To be filled in: name, program (its processes' command name), at_least (tests that must give a result), build(),
    command(only), environment, cwd and results(text) -> {test: verdict}."""
    name = ""
    program = ""
    at_least = 0
    cwd = "/"

    def __init__(self, folder):
        self.folder = folder

    def build(self):
        pass

    def run(self, label, prefix, only=None):
        """Test -> verdict. The whole output stays in a file."""
        output = pathlib.Path(os.environ.get("FAIRLEAD_VM_OUT", self.folder)) / f"{self.name.replace('/', '_')}.{label}.log"
        with open(output, "wb") as log:
            subprocess.run([*prefix, *self.command(only)], cwd=self.cwd, stdout=log, stderr=subprocess.STDOUT,
                           stdin=subprocess.DEVNULL, timeout=LIMIT)
        return self.results(output.read_text(errors="replace"))


def counter_index(name):
    """The place of a counter in fl_counters, from the header that kernel and agent share."""
    text = (ROOT / "include/fairlead/abi/metric.h").read_text()
    body = re.search(r"enum fl_counter \{(.*?)\};", text, re.DOTALL).group(1)
    return re.findall(r"^\s*(FL_C_\w+)", body, re.MULTILINE).index(name)


class Node:
    """A network namespace with a loopback, and a cgroup with an agent of its own."""
    def __init__(self, folder):
        self.name = f"fl-suite-{os.getpid()}"
        self.folder = folder
        self.cgroup = cgroup2_mount() / self.name
        self.pins = pathlib.Path("/sys/fs/bpf") / self.name
        self.agent = None

    def __enter__(self):
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        subprocess.run(["ip", "-n", self.name, "link", "set", "lo", "up"], check=True)
        self.cgroup.mkdir()
        (self.folder / "config").mkdir()
        return self

    def alone(self):
        return ["nsenter", f"--net=/run/netns/{self.name}"]

    def under_agent(self):
        return ["sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"', str(self.cgroup), *self.alone()]

    def start_agent(self, programs):
        """The programs are redirected also where the kernel cannot see whether they splice."""
        log = self.folder / "agent.log"
        with open(log, "wb") as output:
            self.agent = subprocess.Popen(
                [ROOT / "build/bin/fairlead-agent", "--config", self.folder / "config", "--cgroup", self.cgroup,
                 "--pin-dir", self.pins, "--run-dir", self.folder, "--socket", self.folder / "agent.sock",
                 "--metrics", "off", "--node", "suite", "--redirect", "all",
                 "--redirect-programs", ",".join({*programs, pathlib.Path(sys.executable).name})],
                stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        if not eventually(lambda: "ready" in log.read_text().split("\n") or self.agent.poll() is not None, 60) or \
                self.agent.poll() is not None:
            raise RuntimeError("fairlead-agent did not say ready:\n" + log.read_text())

    def counter(self, name):
        """Of fl_counters, summed over the CPUs."""
        text = subprocess.run(["bpftool", "-j", "map", "dump", "pinned", self.pins / "fl_counters"],
                              capture_output=True, text=True, check=True).stdout
        row = json.loads(text)[counter_index(name)]
        return sum(cpu["value"] for cpu in row["formatted"]["values"])

    def redirects(self):
        """Whether a program of the cgroup is redirected. The streams of a suite may all be over before a busy agent lets
        a direction begin, so that they show nothing."""
        def once():
            subprocess.run([*self.under_agent(), sys.executable, "-c", PING_PONG], check=True, timeout=60)
            return self.counter("FL_C_REDIRECT_MESSAGES") > 0
        return eventually(once, 60)

    def __exit__(self, *_):
        if self.agent:
            self.agent.terminate()
            self.agent.wait()
        (self.cgroup / "cgroup.kill").write_text("1")
        shutil.rmtree(self.pins, ignore_errors=True)
        eventually(self._remove_cgroup, 10)
        subprocess.run(["ip", "netns", "delete", self.name], check=True)

    def _remove_cgroup(self):
        try:
            self.cgroup.rmdir()
        except OSError:
            return not self.cgroup.exists()
        return True


def differences(plain, served):
    return {test for test in plain.keys() | served.keys() if plain.get(test) != served.get(test)}


def compare(suite, node):
    plain = suite.run("plain", node.alone())
    if len(plain) < suite.at_least:
        print(f"{suite.name}: only {len(plain)} tests gave a result without the agent, expected {suite.at_least} or more")
        return False
    served = suite.run("served", node.under_agent())
    different = differences(plain, served)
    for number in range(1, TRIES):
        if not different:
            break
        again_plain = suite.run(f"plain{number}", node.alone(), only=different)
        again_served = suite.run(f"served{number}", node.under_agent(), only=different)
        different &= differences(again_plain, again_served)
    passed = sum(verdict == "PASS" for verdict in served.values())
    print(f"{suite.name}: {len(plain)} tests, {passed} passed under the agent, {len(different)} with another result")
    for test in sorted(different):
        print(f"  {test}: {plain.get(test)} alone, {served.get(test)} under the agent")
    return not different


def run_all(suites, description):
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep-output", metavar="FOLDER", help="where the suites' logs go")
    parser.add_argument("--build", metavar="FOLDER", type=pathlib.Path,
                        help="only makes the programs of the suites there, for a machine that takes too long for it")
    arguments = parser.parse_args()
    if arguments.build:
        folder = arguments.build.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        for make in suites:
            make(folder).build()
        return 0
    with tempfile.TemporaryDirectory(prefix="fl-suite-") as name:
        folder = pathlib.Path(name)
        same = True
        with Node(folder) as node:
            node.start_agent([make.program for make in suites])
            for suite in (make(folder) for make in suites):
                suite.build()
                before = node.counter("FL_C_REDIRECT_MESSAGES"), node.counter("FL_C_REDIRECT_BYTES")
                same &= compare(suite, node)
                print(f"{suite.name}: {node.counter('FL_C_REDIRECT_MESSAGES') - before[0]} messages redirected, "
                      f"{node.counter('FL_C_REDIRECT_BYTES') - before[1]} bytes")
            connects = node.counter("FL_C_CONNECT")
            print(f"connects seen by the agent's programs: {connects}")
            if connects < 100 or not node.redirects():
                print("too few: the suites were not under the agent" if connects < 100 else "nothing is redirected")
                same = False
        if arguments.keep_output:
            for log in folder.glob("*.log"):
                shutil.copy(log, arguments.keep_output)
    return 0 if same else 1
