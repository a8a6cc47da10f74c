# SPDX-License-Identifier: Apache-2.0
"""scripts/quickstart gateway keeps what it promises, and leaves nothing: at its end, after Ctrl-C, after kill -9, after
--keep."""
import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIMIT = 120


def eventually(condition, limit=LIMIT):
    end = time.monotonic() + limit
    while not (value := condition()) and time.monotonic() < end:
        time.sleep(0.02)
    return value


class Tour:
    """The script as a process group of its own, with a folder for temporary files that nobody else uses."""

    def __init__(self, folder, *words):
        self.folder = folder
        self.process = subprocess.Popen([ROOT / "scripts/quickstart", "gateway", "--no-build", *words],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                        start_new_session=True, env={**os.environ, "TMPDIR": folder})
        self.output = ""
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self):
        with self.process.stdout as stream:
            for line in stream:
                self.output += line

    def reach(self, text):
        assert eventually(lambda: text in self.output or self.process.poll() is not None), self.output
        assert text in self.output, self.output

    def end(self):
        status = self.process.wait(LIMIT)
        self.reader.join(LIMIT)
        return status

    def left(self):
        """Files, and processes that work in the tour's folder or name it."""
        found = [str(path) for path in pathlib.Path(self.folder).glob("fl-edge-*")]
        for path in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                words = (path / "cmdline").read_bytes()
            except OSError:
                continue
            if os.fsencode(self.folder) in words:
                found.append(f"{path.name} {words}")
        return found


class GatewayQuickstartTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def test_the_whole_tour_after_one_that_was_killed(self):
        killed = Tour(self.folder)
        killed.reach("fairlead-gateway is ready")
        os.killpg(killed.process.pid, signal.SIGKILL)
        killed.end()
        self.assertNotEqual(killed.left(), [])
        tour = Tour(self.folder)
        self.assertEqual(tour.end(), 0, tour.output)
        self.assertEqual(tour.left(), [])
        self.assertRegex(tour.output, r"(?m)^removed fl-edge-")
        self.assertNotIn("  FAIL ", tour.output)
        self.assertRegex(tour.output, r"\n2[0-9] checks worked, 0 failed\n$")
        self.assertEqual(re.findall(r"^\[(\d)/9\]", tour.output, re.MULTILINE), list("123456789"))
        for shown in ("curl trusts it, and speaks HTTP/2", "no request failed", "no connection was closed",
                      "number of headers", "exactly 20 pass", "one answer of two backends", "http://127.0.0.1:"):
            self.assertIn(shown, tour.output)

    def test_it_is_kept_until_it_is_ended_by_name(self):
        tour = Tour(self.folder, "--keep")
        self.assertEqual(tour.end(), 0, tour.output)
        name = re.search(r"--clean (fl-edge-\S+)", tour.output)[1]
        try:
            command = re.search(r"Ask: +(\S+fairctl --socket \S+ gateway)", tour.output)[1].split()
            asked = subprocess.run([*command, "status"], capture_output=True, text=True, timeout=LIMIT)
            self.assertIn("HTTPRoute default/shop", asked.stdout, asked.stderr)
            with urllib.request.urlopen(re.search(r"Look: +(\S+)", tour.output)[1], timeout=LIMIT) as page:
                self.assertIn(b"fairlead-gateway", page.read())
        finally:
            ended = Tour(self.folder, "--clean", name)
            status = ended.end()
        self.assertEqual((status, ended.output), (0, f"removed {name}\n"))
        self.assertEqual(tour.left(), [])

    def test_an_interrupt_cleans_up(self):
        tour = Tour(self.folder)
        tour.reach("fairlead-gateway is ready")
        os.killpg(tour.process.pid, signal.SIGINT)
        self.assertEqual(tour.end(), 130, tour.output)
        self.assertIn("no process and no file is left", tour.output)
        self.assertEqual(tour.left(), [])

    def test_what_fails_is_said_and_gives_a_status(self):
        tour = Tour(self.folder)
        tour.reach("fairlead-gateway is ready")
        [noted] = pathlib.Path(self.folder).glob("fl-edge-*/processes")
        [green] = [pid for what, pid, _ in map(json.loads, noted.read_text().splitlines()) if what == "green"]
        os.killpg(green, signal.SIGKILL)  # with its worker
        self.assertEqual(tour.end(), 1, tour.output)
        self.assertIn("  FAIL both answered", tour.output)
        self.assertEqual(tour.left(), [])

    def test_wrong_words(self):
        for words in (("--nonsense",), ("--clean", "fl-edge-nobody")):
            tour = Tour(self.folder, *words)
            self.assertNotEqual(tour.end(), 0)
            self.assertIn("expected", tour.output)


if __name__ == "__main__":
    unittest.main()
