# SPDX-License-Identifier: Apache-2.0
"""fairctl without an agent: completion as bash, zsh and fish run it, manual pages as man and mandoc read them, what a
terminal of any width shows, and what is said of a socket where something else answers."""
import fcntl
import http.server
import json
import os
import pathlib
import pty
import re
import select
import signal
import socketserver
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import unittest

FAIRCTL = sys.argv[1]
FOLDER = str(pathlib.Path(FAIRCTL).parent)
# What is typed, and what stands there after Tab; each option and argument is the only one that begins so.
TYPED = {
    "fairctl gra": "fairctl graph",
    "fairctl graph --form": "fairctl graph --format",
    "fairctl graph --format s": "fairctl graph --format svg",
    "fairctl graph -F d": "fairctl graph -F dot",
    "fairctl -o j": "fairctl -o json",
    "fairctl -o json stat": "fairctl -o json status",
    "fairctl --socket /x back": "fairctl --socket /x backends",
    "fairctl flows --reason policy_m": "fairctl flows --reason policy_missing",
    "fairctl top -s fai": "fairctl top -s failures",
    "fairctl completion z": "fairctl completion zsh",
    "fairctl help unin": "fairctl help uninstall",
    "fairctl manual wor": "fairctl manual workloads",
    "fairctl gate": "fairctl gateway",
    "fairctl gateway log": "fairctl gateway log-level",
    "fairctl gateway status -o y": "fairctl gateway status -o yaml",
    "fairctl gateway why --hea": "fairctl gateway why --header",
    "fairctl gateway why DEL": "fairctl gateway why DELETE",
    "fairctl gateway config di": "fairctl gateway config diff",
    "fairctl gateway config diff /proc/self/mounti": "fairctl gateway config diff /proc/self/mountinfo",
    "fairctl --socket /x gateway log-level de": "fairctl --socket /x gateway log-level debug",
    "fairctl conv": "fairctl convert",
    "fairctl convert kong /proc/self/mounti": "fairctl convert kong /proc/self/mountinfo",
    "fairctl check /proc/self/moun": None,  # several: mountinfo, mounts, mountstats
    "fairctl check /proc/self/mounti": "fairctl check /proc/self/mountinfo",
    "fairctl --socket /proc/self/mounti": "fairctl --socket /proc/self/mountinfo",
    "fairctl uninstall --pin-dir /proc/self/mounti": "fairctl uninstall --pin-dir /proc/self/mountinfo",
}


def ctl(*words, **more):
    done = subprocess.run([FAIRCTL, *words], capture_output=True, text=True, timeout=60, **more)
    return done.returncode, done.stdout, done.stderr


def names():
    return re.findall(r"^  ([a-z]+)  +[a-z]", ctl("--help")[1].split("Options of every")[0], re.M)


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, command, columns=80, **environment):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(environment)
            os.environ["PATH"] = FOLDER + ":" + os.environ["PATH"]
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
            os.execvp(command[0], command)

    def type(self, text):
        os.write(self.fd, text.encode())

    def until(self, pattern, seconds=60):
        """Reads up to where the pattern is seen."""
        read = ""
        while not (found := re.search(pattern, read)):
            if not select.select([self.fd], [], [], seconds)[0]:
                raise AssertionError(f"not seen: {pattern} in {read!r}")
            read += os.read(self.fd, 65536).decode(errors="replace")
        return found

    def rest(self):
        read = b""
        while True:
            try:
                piece = os.read(self.fd, 65536)
            except OSError:  # EIO: the program has ended
                piece = b""
            if not piece:
                break
            read += piece
        return read.decode().replace("\r\n", "\n"), os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


class Completion(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def script(self, shell, name):
        (self.folder / name).write_text(ctl("completion", shell)[1])
        return self.folder / name

    def type_all(self, terminal):
        """Each line is completed, then shown by the shell itself: Ctrl-A, and a command in front of it."""
        self.addCleanup(terminal.kill)
        for typed, expected in TYPED.items():
            if expected is None:
                continue
            with self.subTest(typed):
                terminal.type(typed + "\t\x01echo '[['; echo \x05']]'\r")
                shown = terminal.until(r"\[\[\r?\n(fairctl [^\r\n]*?) *\]\]\r?\n").group(1)
                self.assertEqual(shown.strip(), expected)

    def test_bash(self):
        script = self.script("bash", "c.bash")
        # What is typed before the shell has its terminal may be lost: it says when it reads.
        terminal = Terminal(["bash", "--norc", "--noprofile", "-i"], columns=200, PS1="", TERM="dumb", HISTFILE="",
                            PROMPT_COMMAND="unset PROMPT_COMMAND; echo here")
        terminal.until("here\r?\n")
        terminal.type(f"bind 'set enable-bracketed-paste off'; source {script}; echo rea''dy\r")
        terminal.until("ready\r?\n")
        self.type_all(terminal)

    def test_zsh(self):
        self.script("zsh", "_fairctl")
        terminal = Terminal(["zsh", "-f", "-i"], columns=200, PS1="", TERM="dumb")
        terminal.type(f"unsetopt zle_bracketed_paste; bindkey -e; fpath=({self.folder} $fpath); autoload -Uz compinit; "
                      f"compinit -u -d {self.folder}/dump; echo rea''dy\r")
        terminal.until("ready\r?\n")
        self.type_all(terminal)

    def test_fish(self):
        """fish says by itself what it would offer."""
        script = self.script("fish", "c.fish")
        for typed, expected in TYPED.items():
            done = subprocess.run(["fish", "--no-config", "-c", f"source {script}; complete -C {typed!r}"], text=True,
                                  capture_output=True, timeout=60,
                                  env={**os.environ, "PATH": FOLDER + ":" + os.environ["PATH"], "HOME": str(self.folder)})
            self.assertEqual(done.stderr, "", typed)
            offered = [line.split("\t")[0] for line in done.stdout.splitlines()]
            if expected is None:
                self.assertGreater(len(offered), 1, typed)
            else:
                self.assertEqual(offered, [expected.split(" ")[-1]], typed)

    def test_every_script_is_sound(self):
        for shell, check in (("bash", ["bash", "-n"]), ("zsh", ["zsh", "-n"]), ("fish", ["fish", "-n"])):
            done = subprocess.run([*check, self.script(shell, "c")], capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr), (0, ""), shell)
            for name in names():
                self.assertIn(name, (self.folder / "c").read_text())


class Manual(unittest.TestCase):
    def test_pages_read_without_warnings(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in ["", *names()]:
                path = pathlib.Path(folder, f"fairctl{'-' if name else ''}{name}.1")
                path.write_text(ctl("manual", *([name] if name else []))[1])
                lint = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", path], capture_output=True, text=True)
                # mandoc looks for the pages that are named in the system's folders.
                said = [line for line in lint.stdout.splitlines() if "referenced manual not found" not in line]
                self.assertEqual(said, [], name)
                man = subprocess.run(["man", "--warnings", "-l", path], capture_output=True, text=True,
                                     env={**os.environ, "MANWIDTH": "70", "LC_ALL": "C.UTF-8"})
                self.assertEqual((man.returncode, man.stderr), (0, ""), name)
                if name:
                    self.assertIn("EXAMPLES", man.stdout)
                    self.assertIn("--socket PATH", man.stdout)


SERVICE = {"namespace": "a-namespace", "name": "a-service-of-a-long-name", "port_name": "http", "port": 80, "protocol": "tcp",
           "frontends": [{"address": "[2001:db8:1234:5678::1]:8080", "kind": "ClusterIP"}], "algorithm": "round-robin",
           "affinity_seconds": 10800, "outlier_detection": True, "max_connections": 0, "endpoints": 12, "ready": 7,
           "active": 5, "pending": 0, "ejected": 0, "connections": 123456, "no_backend": 3, "over_limit": 0}


class Agent:
    """Answers on a unix socket as told."""

    def __init__(self, folder, status=200, body=None, raw=None, hold=False):
        self.path = str(pathlib.Path(folder, "agent.sock"))
        if body is None:
            body = json.dumps({"services": [SERVICE]})

        self.asked, self.end = asked, end = threading.Event(), threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                asked.set()
                if raw is not None:
                    self.wfile.write(raw)
                    if hold:
                        end.wait()
                    return
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def address_string(self):
                return "unix"

            def log_message(self, *_):
                pass
        self.server = socketserver.ThreadingUnixStreamServer(self.path, Handler)
        self.server.handle_error = lambda *_: None  # fairctl looks whether somebody listens, and connects again
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end.set()
        self.server.shutdown()
        self.server.server_close()


class Screen(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def shown(self, columns, *words, body=None, **environment):
        with Agent(self.folder, body=body) as agent:
            text, status = Terminal([FAIRCTL, "--socket", agent.path, *words], columns, **environment).rest()
        os.unlink(agent.path)
        self.assertEqual(status, 0, text)
        return text

    def test_lines_fit_any_terminal(self):
        for columns in (20, 40, 60, 80, 132, 200):
            text = re.sub("\033\\[[0-9;]*m", "", self.shown(columns, "services"))
            self.assertLessEqual(max(map(len, text.splitlines())), columns, text)
            self.assertIn("a-ser", text)
        self.assertIn("+6 columns: widen, or -o json", re.sub("\033\\[[0-9;]*m", "", self.shown(40, "services")))
        self.assertNotIn("columns:", self.shown(200, "services"))

    def test_characters_are_cut_whole(self):
        body = json.dumps({"services": [{**SERVICE, "name": "é" * 60}]})
        text = re.sub("\033\\[[0-9;]*m", "", self.shown(60, "services", body=body))  # decodes, or raises
        self.assertLessEqual(max(map(len, text.splitlines())), 60, text)
        self.assertIn("ééééééé…", text)

    def test_colours_only_where_a_terminal_shows_them(self):
        self.assertIn("\033[", self.shown(80, "services"))
        self.assertNotIn("\033", self.shown(80, "services", NO_COLOR="1"))
        with Agent(self.folder) as agent:
            for words in (("services",), ("services", "-o", "json"), ("--help",), ("help", "top")):
                status, text, _ = ctl("--socket", agent.path, *words)
                self.assertEqual(status, 0)
                self.assertNotIn("\033", text)

    def test_not_a_terminal_means_every_column(self):
        with Agent(self.folder) as agent:
            self.assertIn("a-service-of-a-long-name", ctl("--socket", agent.path, "services")[1])


class Graph(unittest.TestCase):
    def test_protocols_and_calls_past_a_service_stand_apart(self):
        def pair(service, protocol, opened):
            return {"reporter": "source", "source": "default/a", "destination": "default/dns", "service": service, "port": 53,
                    "protocol": protocol, "opened": opened, "closed": 0, "failed": {}, "request_bytes": 1, "response_bytes": 0,
                    "redirected_bytes": 0, "retransmissions": 0, "rtt_us_sum": 0, "rtt_samples": 0, "connect_us_sum": 0}
        pairs = [pair("default/dns", "tcp", 1), pair("default/dns", "udp", 2), pair("", "tcp", 3), pair("", "udp", 4)]
        with tempfile.TemporaryDirectory() as folder, Agent(folder, body=json.dumps({"time_ns": 1, "pairs": pairs})) as agent:
            graph = ctl("--socket", agent.path, "graph", "-i", "0")[1]
            top = ctl("--socket", agent.path, "top", "--once", "-i", "0")[1]
        for line in ("default/dns:53  1 conn, 1 B", "default/dns:53/udp  2 conns, 1 B", "default/dns:53 (no service)  3 conns",
                     "default/dns:53/udp (no service)  4 conns"):
            self.assertIn("─ " + line, graph)
        for row in (r"default/dns:53 +default/dns ", r"default/dns:53/udp +default/dns ", r"- +default/dns:53 "):
            self.assertRegex(top, row)


class Picture(unittest.TestCase):
    def test_labels_of_crossing_lines_stand_apart(self):
        pairs = [{"reporter": "source", "source": f"default/caller-{caller}", "destination": f"default/called-{called}",
                  "service": f"default/service-{called}", "port": 80, "protocol": "tcp", "opened": 1000 + caller,
                  "closed": 0, "failed": {"refused": 3}, "request_bytes": 10**6, "response_bytes": 10**7,
                  "redirected_bytes": 0, "retransmissions": 0, "rtt_us_sum": 0, "rtt_samples": 0, "connect_us_sum": 0}
                 for caller in range(5) for called in range(5)]
        with tempfile.TemporaryDirectory() as folder, Agent(folder, body=json.dumps({"time_ns": 1, "pairs": pairs})) as agent:
            status, text, errors = ctl("--socket", agent.path, "graph", "-i", "0", "-F", "svg")
        self.assertEqual((status, errors), (0, ""))
        places = re.findall(r'<text x="(\d+)" y="(\d+)" text-anchor="middle" class="l">', text)
        self.assertEqual(len(places), 30)
        for column in {x for x, _ in places}:
            rows = sorted(int(y) for x, y in places if x == column)
            self.assertGreaterEqual(min(lower - upper for upper, lower in zip(rows, rows[1:])), 12)
        height = int(re.search(r' height="(\d+)"', text)[1])
        self.assertLess(max(int(y) for _, y in places), height)


class OtherAnswers(unittest.TestCase):
    def ask(self, *words, **agent):
        with tempfile.TemporaryDirectory() as folder, Agent(folder, **agent) as other:
            return ctl("--socket", other.path, *words)

    def test_an_agent_that_does_not_know_the_question(self):
        for words in (("services",), ("why", "10.96.0.10:80"), ("maps", "-o", "json"), ("flows", "-f")):
            status, text, errors = self.ask(*words, status=404, body="")
            self.assertEqual((status, text), (1, ""), words)
            self.assertRegex(errors, r"^fairctl: /\S+: the daemon does not know this question: it is of another version, "
                                     r"or not the one that was meant\n$")

    def test_an_agent_whose_answer_lacks_something(self):
        for body in ('{"services": [{"name": "web"}]}', "[]", "{", ""):
            status, _, errors = self.ask("services", body=body)
            self.assertEqual(status, 1, body)
            self.assertIn("is not what fairctl", errors)
            self.assertIn("the daemon is of another version, or not the one that was meant", errors)

    def test_an_agent_that_says_what_is_wrong(self):
        self.assertEqual(self.ask("services", status=503, body='{"error": "the agent is busy"}'),
                         (1, "", "fairctl: the agent is busy\n"))
        self.assertEqual(self.ask("services", status=500, body="<html>")[2], "fairctl: HTTP status 500\n")

    def test_something_that_is_no_agent(self):
        status, text, errors = self.ask("services", raw=b"SSH-2.0-OpenSSH_9.2\r\n")
        self.assertEqual((status, text), (1, ""))
        self.assertRegex(errors, r"^fairctl: .*agent\.sock: ")

    def test_paths_that_are_no_socket(self):
        with tempfile.TemporaryDirectory() as folder:
            plain = pathlib.Path(folder, "file")
            plain.write_text("")
            for path, what in ((plain, " is no socket"), (plain / "below", " is no socket"),
                               (folder + "/" + "x" * 200, ": too long for a socket's path")):
                status, _, errors = ctl("--socket", str(path), "status")
                self.assertEqual((status, errors),
                                 (3, f"fairctl: {path}{what}: give the path of the agent's with --socket PATH\n"))


FLOW = {"time": "2026-01-02T03:04:05.678901Z", "type": "fail", "reason": "refused", "protocol": "tcp", "reporter": "source",
        "source": {"address": "10.0.0.1", "port": 1}, "destination": {"address": "10.0.0.2", "port": 2}, "pid": 7}
STEERS = "a\x1b[2J\n\x07\x7f\u009bb"


class Output(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def test_a_full_disk_is_an_error(self):
        pathlib.Path(self.folder, "a.yaml").write_text("{apiVersion: v1, kind: Namespace, metadata: {name: a}}\n")
        agent = str(pathlib.Path(FOLDER, "fairlead-agent"))
        for command in ([FAIRCTL, "--help"], [FAIRCTL, "manual"], [FAIRCTL, "check", self.folder, "-o", "json"],
                        [agent, "check", self.folder]):
            with open("/dev/full", "w") as full:
                done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
            self.assertEqual(done.returncode, 1, command)
            self.assertIn("writing to standard output: No space left on device", done.stderr)

    def test_names_do_not_steer_the_terminal(self):
        with Agent(self.folder, body=json.dumps({"on": True, "flows": [{**FLOW, "program": STEERS}]})) as agent:
            line = ctl("--socket", agent.path, "flows")[1]
            self.assertIn("  a [2J     b[7]\n", line)
            self.assertEqual(json.loads(ctl("--socket", agent.path, "flows", "-o", "json")[1])["program"], STEERS)
        os.unlink(agent.path)
        with Agent(self.folder, body=json.dumps({"services": [{**SERVICE, "name": STEERS}]})) as agent:
            self.assertIn("a [2J     b", ctl("--socket", agent.path, "services")[1])
        pathlib.Path(self.folder, "a.yaml").write_text('{apiVersion: v1, kind: Pod, metadata: {name: "a\\e[2J\\nb"}}\n')
        text = ctl("check", self.folder)[1]
        self.assertIn("error: Pod default/a [2J b: metadata.name: found", text)
        self.assertNotIn("\x1b", text)

    def test_what_both_ends_report_is_shown_once(self):
        flows = [{**FLOW, "type": kind, "reason": "none", "reporter": end,
                  "source": {**FLOW["source"], "local": True}} for kind in ("open", "audit") for end in ("source", "destination")]
        with Agent(self.folder, body=json.dumps({"on": True, "flows": flows})) as agent:
            shown = [json.loads(line) for line in ctl("--socket", agent.path, "flows", "-o", "json")[1].splitlines()]
            self.assertEqual([(one["type"], one["reporter"]) for one in shown], [("open", "source"), ("audit", "source")])
            self.assertEqual(len(ctl("--socket", agent.path, "flows", "--reporter", "any")[1].splitlines()), 4)

    def test_check_counts_objects(self):
        pathlib.Path(self.folder, "a.yaml").write_text(
            "{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {clusterIP: x, ports: [{port: 0}, {port: 80000}]}}\n")
        self.assertTrue(ctl("check", self.folder)[1].endswith(": 1 documents in 1 files, 1 refused\n"))

    def test_following_ends_with_its_reader(self):
        with Agent(self.folder, raw=b"HTTP/1.1 200 OK\r\n\r\n", hold=True) as agent:
            follows = subprocess.Popen([FAIRCTL, "--socket", agent.path, "flows", "-f"], stdout=subprocess.PIPE)
            self.assertTrue(agent.asked.wait(60))
            follows.stdout.close()
            self.assertEqual(follows.wait(60), -signal.SIGPIPE)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
