# SPDX-License-Identifier: Apache-2.0
"""Local quotas survive what ends a gateway: SIGTERM, kill -9, another build in its place."""
import json
import os
import pathlib
import shutil
import signal
import tempfile
import unittest

from backend import Backend
from limits_test import ask, policy
from objects import CLASS, free_port, gateway, http, of, route, service, to
from support import Gateway, curl, curl_status, eventually

LIMITS = ("rateLimits: {limits: [{name: monthly, algorithm: FixedWindow, requests: 10, per: Month, timeZone: Europe/Berlin, "
          "key: [{type: Header, name: x-id}]}, {name: all, algorithm: FixedWindow, requests: 1000, per: 744h, key: [{type: Route}]}]}")


class QuotaStateTest(unittest.TestCase):
    def setUp(self):
        self.backend = Backend("one")
        self.addCleanup(self.backend.close)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="fl-quotas-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.state, self.port = self.folder / "state", free_port()
        self.state.mkdir()
        (self.folder / "objects").mkdir()
        self.write(policy("limits", LIMITS))

    def write(self, text):
        (self.folder / "new").write_text("---\n".join([CLASS, gateway(http(self.port)), route("web", to("a")),
                                                       service("a", of(self.backend)), text]))
        os.replace(self.folder / "new", self.folder / "objects/all.yaml")

    def start(self, *more, state=True, environment=None):
        self.gateway = Gateway("--config", self.folder / "objects", *(("--state-dir", self.state) if state else ()), *more, workers=2,
                               socket_path=self.folder / "gateway.sock", environment=environment)
        self.addCleanup(self.gateway.close)
        return self.gateway

    def quotas(self, of=None):
        return json.loads(curl(f"http://{(of or self.gateway).admin}/v1/status"))["quotas"]

    def pass_some(self, client, count):
        self.assertEqual([ask(self.port, fields=[("x-id", client)])[0] for _ in range(count)], [200] * count)

    def left(self, client):
        """Asks: one less of `all`, and of the client's."""
        fields = ask(self.port, fields=[("x-id", client)])[1]
        return [int(part.split(";r=")[1].split(";")[0]) for part in fields["ratelimit"].split(", ")]

    def end(self, number=signal.SIGTERM):
        self.gateway.signal(number)
        return self.gateway.wait()

    def test_nothing_is_lost_by_sigterm(self):
        self.start()
        self.pass_some("a", 7)
        self.pass_some("b", 2)
        self.assertEqual(self.end(), 0)
        self.assertEqual(oct((self.state / "quotas").stat().st_mode & 0o777), "0o600")
        self.start()
        self.assertEqual(self.left("a"), [2, 990])
        self.assertEqual(self.left("b"), [7, 989])
        self.assertEqual(self.left("c"), [9, 988])
        self.assertEqual(self.end(), 0)
        self.start()
        self.pass_some("a", 2)
        self.assertEqual(ask(self.port, fields=[("x-id", "a")])[0], 429)

    def test_kill_loses_what_was_counted_since_the_last_write(self):
        self.start()
        self.pass_some("a", 6)
        before = self.quotas()["writes"]  # the next one has all of them
        self.assertTrue(eventually(lambda: self.quotas()["writes"] > before, limit=20), "every five seconds")
        self.end(signal.SIGKILL)
        self.start()
        self.assertEqual(self.left("a"), [3, 993])
        self.assertEqual(self.quotas(), {"directory": str(self.state), "limits": 2, "writes": 1, "failures": 0})

    def test_another_build_in_its_place(self):
        before = self.start()
        self.pass_some("a", 4)
        after = self.start("--upgrade")
        self.assertEqual(before.wait(), 0)
        self.assertEqual(self.left("a"), [5, 995])
        self.assertEqual(self.quotas(after)["failures"], 0)
        self.assertEqual(self.end(), 0)
        self.start()
        self.assertEqual(self.left("a"), [4, 994])

    def test_files_that_are_none(self):
        self.start()
        self.pass_some("a", 4)
        self.assertEqual(self.end(), 0)
        good = (self.state / "quotas").read_bytes()
        rows = (("torn", good[:-40]), ("changed", good[:60] + bytes([good[60] ^ 1]) + good[61:]), ("foreign", b"#!/bin/sh\n"), ("empty", b""),
                ("longer", good + b"x"))
        for name, content in rows:
            with self.subTest(name=name):
                (self.state / "quotas").write_bytes(content)
                self.start()
                self.assertTrue(eventually(lambda: any(str(self.state / "quotas") in line for line in self.gateway.errors)),
                                self.gateway.errors)
                self.assertIn("quotas.bad", self.quotas()["failure"])
                self.assertEqual((self.state / "quotas.bad").read_bytes(), content)
                self.assertEqual(self.left("a"), [9, 999])
                self.assertEqual(self.end(), 0)
        (self.state / "quotas").write_bytes(good)
        self.start()
        self.assertEqual(self.left("a"), [5, 995])

    def test_a_half_written_file_is_of_no_account(self):
        self.start()
        self.pass_some("a", 4)
        self.assertEqual(self.end(), 0)
        (self.state / "quotas.new").write_bytes(b"half")
        self.start()
        self.assertEqual(self.left("a"), [5, 995])

    def test_limits_that_come_later_find_their_counts(self):
        self.start()
        self.pass_some("a", 4)
        self.assertEqual(self.end(), 0)
        self.write("")
        self.start()
        self.assertEqual(ask(self.port)[0], 200)
        self.assertEqual(self.end(), 0)
        self.start()
        self.write(policy("limits", LIMITS))
        self.assertTrue(eventually(lambda: "ratelimit" in ask(self.port, fields=[("x-id", "z")])[1]))
        self.assertEqual(self.left("a")[0], 5)

    def test_another_limit_of_that_name_begins_anew(self):
        self.start()
        self.pass_some("a", 4)
        self.assertEqual(self.end(), 0)
        self.write(policy("limits", LIMITS.replace("per: Month", "per: Day")))
        self.start()
        self.assertEqual(self.left("a"), [9, 995])

    def test_off_without_a_directory(self):
        self.start(state=False, environment={"STATE_DIRECTORY": ""})
        self.assertIsNone(self.quotas())
        self.assertEqual(self.end(), 0)
        self.start(state=False, environment={"STATE_DIRECTORY": str(self.state) + ":/nowhere"})
        self.assertEqual(self.quotas()["directory"], str(self.state))

    def test_a_directory_whose_name_is_no_utf8(self):
        self.state = os.fsdecode(os.path.join(os.fsencode(self.folder), b"st\xe4te"))
        os.mkdir(self.state)
        self.start()
        self.assertEqual(self.quotas()["directory"], f"{self.folder}/st\ufffdte")
        self.pass_some("a", 1)

    def test_a_directory_that_is_none(self):
        failed = Gateway("--config", self.folder / "objects", "--state-dir", self.folder / "nowhere", ready=False)
        self.addCleanup(failed.close)
        self.assertEqual(failed.wait(), 1)
        self.assertTrue(eventually(lambda: any("--state-dir" in line for line in failed.errors)))

    def refused(self, *more, socket_path=None):
        """What a gateway says that ends at once."""
        failed = Gateway("--config", self.folder / "objects", "--state-dir", self.state, *more, ready=False,
                         socket_path=socket_path)
        self.addCleanup(failed.close)
        self.assertEqual(failed.wait(), 1)
        self.assertTrue(eventually(lambda: [line for line in failed.errors if "another gateway" in line]), failed.errors)
        return "\n".join(failed.errors)

    def test_a_directory_is_of_one_gateway(self):
        first = self.start()
        self.pass_some("a", 4)
        told = self.refused()
        self.assertIn(f"--state-dir {self.state}: found another gateway (process {first.process.pid})", told)
        self.refused("--upgrade")  # of nobody: its socket is another
        self.pass_some("a", 1)
        second = self.start("--upgrade")
        self.assertEqual(first.wait(), 0)
        self.assertIn(f"(process {second.process.pid})", self.refused())
        self.assertEqual(self.left("a"), [4, 994])
        second.signal(signal.SIGKILL)
        second.wait()
        third = self.start()
        self.assertIn(f"(process {third.process.pid})", self.refused())

    def test_a_successor_of_another_directory_takes_nobody_elses(self):
        self.start()
        other = Gateway("--listen", "127.0.0.1:0", "--to", f"http://{self.backend.address}:{self.backend.port}", workers=1)
        self.addCleanup(other.close)
        self.refused("--upgrade", socket_path=other.socket)
        self.assertEqual(curl_status(other.url + "/"), "200")
        self.pass_some("a", 1)

    def test_a_full_disk_is_told_and_counts_go_on(self):
        self.start()
        self.state.rename(self.folder / "moved")
        self.pass_some("a", 3)
        self.assertTrue(eventually(lambda: self.quotas()["failures"] > 0, limit=20))
        self.assertIn("quotas.new", self.quotas()["failure"])
        (self.folder / "moved").rename(self.state)
        self.assertTrue(eventually(lambda: "failure" not in self.quotas(), limit=20))
        self.assertEqual(self.end(), 0)
        self.start()
        self.assertEqual(self.left("a"), [6, 996])


if __name__ == "__main__":
    unittest.main(verbosity=2)
