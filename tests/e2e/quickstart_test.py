# SPDX-License-Identifier: Apache-2.0
"""scripts/quickstart keeps what it promises, and leaves nothing: at its end, after Ctrl-C, after kill -9, after --keep."""
import os
import pathlib
import pty
import re
import signal
import subprocess
import sys
import threading
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts/demo"))
from lab import cgroup2_mount, eventually  # noqa: E402

LIMIT = 240


class Tour:
    """scripts/quickstart as a process group of its own; its output is collected while it runs."""
    def __init__(self, *words, terminal=False):
        ours, theirs = pty.openpty() if terminal else os.pipe()
        self.process = subprocess.Popen([ROOT / "scripts/quickstart", "--no-build", *words], stdin=subprocess.DEVNULL,
                                        stdout=theirs, stderr=theirs, start_new_session=True,
                                        env={**os.environ, "TERM": "xterm"})
        os.close(theirs)
        self.name = f"fl-quick-{self.process.pid}"
        self.output = ""
        self.reader = threading.Thread(target=self._read, args=(ours,))
        self.reader.start()

    def _read(self, ours):
        with open(ours, "rb", buffering=0) as stream:
            try:
                while data := stream.read(65536):
                    self.output += data.decode(errors="replace")
            except OSError:
                pass  # what a terminal says when its other side is closed

    def reach(self, text):
        assert eventually(lambda: text in self.output or self.process.poll() is not None, LIMIT), self.output
        assert text in self.output, self.output

    def signal_group(self, number):
        os.killpg(self.process.pid, number)

    def end(self):
        status = self.process.wait(LIMIT)
        self.reader.join(LIMIT)
        return status

    def left(self):
        """What is still on the machine under its name."""
        places = (pathlib.Path("/run"), pathlib.Path("/run/netns"), pathlib.Path("/sys/fs/bpf"), cgroup2_mount())
        found = [str(path) for place in places for path in place.glob(f"{self.name}*")]
        for path in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                words = (path / "cmdline").read_bytes() + os.fsencode(os.readlink(path / "cwd"))
            except OSError:
                continue
            if self.name.encode() in words:
                found.append(f"{path.name} {words}")
        return found


class QuickstartTest(unittest.TestCase):
    def assert_nothing_left(self, tour):
        self.assertEqual(tour.left(), [], tour.output)

    def test_the_whole_tour_in_a_pipe_after_one_that_was_killed(self):
        killed = Tour()
        killed.reach("all three backends answered")
        killed.signal_group(signal.SIGKILL)
        killed.end()
        self.assertNotEqual(killed.left(), [])
        tour = Tour()
        self.assertEqual(tour.end(), 0, tour.output)
        self.assertIn(f"removed {killed.name}\n", tour.output)
        self.assert_nothing_left(killed)
        self.assert_nothing_left(tour)
        self.assertNotIn("\033", tour.output)
        self.assertRegex(tour.output, r"\n1[0-9] checks worked, 0 failed\n$")
        for shown in ("CALLER ", "default/web:80", "redirected)", "denied (ingress of the called)", "Permission denied",
                      "saved: ", "web-2 is back"):
            self.assertIn(shown, tour.output)
        titles = re.findall(r"^\[(\d)/8\]", tour.output, re.MULTILINE)
        self.assertEqual(titles, list("12345678"))

    def test_it_is_kept_until_it_is_ended_by_name(self):
        tour = Tour("--keep")
        self.assertEqual(tour.end(), 0, tour.output)
        try:
            status = re.search(r"Ask: +(\S+fairctl --socket \S+)", tour.output)[1].split()
            answer = subprocess.run([*status, "status"], capture_output=True, text=True, timeout=LIMIT)
            self.assertIn("demo-node", answer.stdout, answer.stderr)
        finally:
            ended = subprocess.run([ROOT / "scripts/quickstart", "--clean", tour.name], capture_output=True, text=True,
                                   timeout=LIMIT)
        self.assertEqual((ended.returncode, ended.stdout), (0, f"removed {tour.name}\n"), ended.stderr)
        self.assert_nothing_left(tour)

    def test_a_terminal_has_colours_and_its_interrupt_cleans_up(self):
        tour = Tour(terminal=True)
        tour.reach("all three backends answered")
        tour.signal_group(signal.SIGINT)
        self.assertEqual(tour.end(), 130, tour.output)
        self.assertIn("\033[1;36m[1/8]", tour.output)
        self.assertIn("no namespace, cgroup, program, map, process or file is left", tour.output)
        self.assert_nothing_left(tour)

    def test_what_fails_is_said_and_gives_a_status(self):
        tour = Tour()
        tour.reach("nginx (3 pods), Redis and dnsmasq listen")
        (cgroup2_mount() / tour.name / "web-1" / "cgroup.kill").write_text("1")  # a server of three ends
        self.assertEqual(tour.end(), 1, tour.output)
        self.assertIn("FAIL all three backends answered", tour.output)
        self.assert_nothing_left(tour)

    def test_wrong_words(self):
        for words in (("--nonsense",), ("--clean", "fl-quick-nobody")):
            done = subprocess.run([ROOT / "scripts/quickstart", *words], capture_output=True, text=True, timeout=LIMIT)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("expected", done.stderr)


if __name__ == "__main__":
    unittest.main()
