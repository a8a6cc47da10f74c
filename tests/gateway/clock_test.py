# SPDX-License-Identifier: Apache-2.0
"""The wall clock jumps a day ahead and back: what is under way goes on, and what goes by that clock goes by it."""
import datetime
import json
import re
import threading
import time
import unittest

from backend import Backend
from callers import SECRET, consumer, hs256, policy
from objects import CLASS, Followed, free_port, gateway, http, of, route, service, to
from observe import LogFile, folder_of, scrape
from support import WallClock, Wire, eventually

DAY = 86400
CHECKED = """apiVersion: fairlead.io/v1alpha1
kind: BackendPolicy
metadata: {name: web, namespace: default}
spec:
  targetRefs: [{group: "", kind: Service, name: web}]
  healthCheck: {active: {type: HTTP, interval: 1h, http: {path: /health}}}
"""


class Asker(threading.Thread):
    """Asks without a pause, on one connection."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.done, self.failed, self.stopping = port, 0, None, threading.Event()
        self.start()

    def run(self):
        try:
            with Wire(self.port) as wire:
                while not self.stopping.is_set():
                    wire.send(b"GET /name HTTP/1.1\r\nhost: a\r\n\r\n")
                    status, _, body = wire.answer()
                    if (status, body) != (200, b"web"):
                        self.failed = (status, body)
                        return
                    self.done += 1
        except (OSError, EOFError) as failed:
            self.failed = failed

    def stop(self):
        self.stopping.set()
        self.join()
        return self.failed


class ClockTest(unittest.TestCase):
    def setUp(self):
        self.folder = folder_of(self)
        self.clock = WallClock(self.folder)
        self.backend = Backend("web")
        self.addCleanup(self.backend.close)
        self.backend.answer = self.answer
        self.port = free_port()
        self.log = LogFile(self.folder / "log")
        parts = ("stored", "limited", "known")
        policies = {"stored": "  cache: {}", "limited": "  rateLimits: {limits: [{name: a, algorithm: FixedWindow, requests: 3, "
                    "per: Minute}]}", "known": "  authentication: {methods: {jwt: {requireExpiry: true}}}"}
        self.followed = Followed(
            {"all.yaml": "---\n".join([
                CLASS, gateway(http(self.port)), service("web", of(self.backend)), CHECKED, route("web", to("web")),
                *(route(name, to("web", more=f"matches: [{{path: {{value: /{name}}}}}]")) for name in parts),
                *(policy(name, policies[name], "HTTPRoute", name) for name in parts),
                consumer("ada", f"{{credentials: [{{jwt: {{key: app, secret: {SECRET}}}}}]}}")])},
            workers=1, arguments=("--access-log", f"json:{self.log.path}"),
            environment=self.clock.environment)
        self.addCleanup(self.followed.close)

    @staticmethod
    def answer(conversation, method, path, head, body, framing):
        conversation.send(200, conversation.backend.name.encode(), [("cache-control", "max-age=600")])

    def ask(self, path, *fields):
        with Wire(self.port) as wire:
            wire.send("\r\n".join([f"GET {path} HTTP/1.1", "host: a", *fields, "", ""]).encode())
            status, head, _ = wire.answer()
            return status, head.decode().lower()

    def known(self, token):
        return self.ask("/known", f"authorization: Bearer {token}")[0]

    def check(self, seconds, token):
        """What holds at any time."""
        self.assertEqual(self.known(token), 200)
        for _ in range(2):
            status, head = self.ask("/stored")
            age = re.search(r"\r\nage: (-?\d+)", head)
            self.assertEqual(status, 200)
            self.assertTrue(age is None or 0 <= int(age[1]) <= 600, head)
        for _ in range(4):
            status, head = self.ask("/limited")
            self.assertIn(status, (200, 429))
        self.assertEqual(status, 429)
        self.assertLessEqual(int(re.search(r"\r\nretry-after: (\d+)", head)[1]), 60)
        said = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
        days = {said.date(), (said - datetime.timedelta(minutes=5)).date()}
        lines = len(self.log.lines())
        self.assertTrue(eventually(lambda: len(self.log.lines()) > lines))
        when = datetime.datetime.fromisoformat(json.loads(self.log.lines()[-1])["start_time"].replace("Z", "+00:00"))
        self.assertIn(when.date(), days)

    def test_jumps(self):
        now = int(time.time())
        today, tomorrow = (hs256({"iss": "app", "exp": now + more}) for more in (3600, DAY + 3600))
        asker = Asker(self.port)
        self.assertTrue(eventually(lambda: scrape(self.followed.gateway).sum("fairlead_gateway_health_checks_total") == 1))
        self.check(0, today)
        self.clock.jump(DAY)
        self.assertEqual(self.known(today), 401)
        self.check(DAY, tomorrow)
        self.clock.jump(0)
        self.check(0, today)
        self.clock.jump(-DAY)
        self.check(-DAY, today)
        self.clock.jump(0)
        self.check(0, today)
        done = asker.done
        self.assertTrue(eventually(lambda: asker.done > done or asker.failed))
        self.assertIsNone(asker.stop())
        # Timers go by a clock that does not jump: nothing was due.
        self.assertEqual(scrape(self.followed.gateway).sum("fairlead_gateway_health_checks_total"), 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
