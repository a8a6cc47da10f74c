# SPDX-License-Identifier: Apache-2.0
"""More requests than a worker has time for."""
import json
import subprocess
import unittest

from objects import CLASS, Followed, free_port, gateway, http, route
from observe import LogFile, folder_of, scrape
from support import Wire, eventually

PATH = "/" + "ab" * 1000
REDIRECT = "filters: [{type: RequestRedirect, requestRedirect: {scheme: https}}]"


def slow_rules():
    """Rules whose expressions read the whole path in vain, then one that takes all."""
    def rule(number):
        matches = ", ".join(f"{{path: {{type: RegularExpression, value: \"/(a|b)*c{number}{each}\"}}}}" for each in range(8))
        return f"{{matches: [{matches}], {REDIRECT}}}"
    return [*map(rule, range(15)), f"{{{REDIRECT}}}"]


class OverloadTest(unittest.TestCase):
    def serve(self, limit_ms):
        self.port = free_port()
        self.log = LogFile(folder_of(self) / "log")
        served = Followed({"all.yaml": "---\n".join((CLASS, gateway(http(self.port)), route("slow", *slow_rules())))},
                          arguments=("--queue-limit", limit_ms, "--access-log", f"json:{self.log.path}"))
        self.addCleanup(served.close)
        return served

    def load(self):
        """As many connections as keep the worker busy for far longer than its limit, once each."""
        load = subprocess.Popen(["h2load", "--h1", "-c", "400", "-n", "4000000", f"http://127.0.0.1:{self.port}{PATH}"],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(load.wait)
        self.addCleanup(load.kill)
        return load

    def ask(self, wire):
        wire.send(f"GET {PATH} HTTP/1.1\r\nhost: a\r\n\r\n".encode())
        status, head, body = wire.answer()
        return status, head.lower(), body

    def test_requests_that_would_wait_for_too_long_are_shed(self):
        served = self.serve(10)
        with Wire(self.port) as wire:
            self.assertEqual(self.ask(wire)[0], 302)
            load = self.load()
            answer = eventually(lambda: (lambda got: got if got[0] == 503 else None)(self.ask(wire)))
            load.kill()
            load.wait()
            self.assertIsNotNone(answer)
            self.assertIn(b"\r\nretry-after: 1\r\n", answer[1])
            self.assertIn(b"wait for too long", answer[2])
            self.assertTrue(eventually(lambda: self.ask(wire)[0] == 302))
            self.assertEqual([self.ask(wire)[0] for _ in range(20)], [302] * 20)
        self.assertGreater(scrape(served.gateway).sum("fairlead_gateway_response_flags_total", flag="OM"), 0)
        shed = eventually(lambda: next((line for line in self.log.lines() if '"OM"' in line), None))
        row = json.loads(shed)
        self.assertEqual(row["response_code"], 503)
        self.assertTrue(row["response_code_details"].startswith("overloaded,_requests_wait"), row)

    def test_without_a_limit_they_wait(self):
        served = self.serve(0)
        self.load()
        with Wire(self.port) as wire:
            self.assertEqual([self.ask(wire)[0] for _ in range(20)], [302] * 20)
        self.assertEqual(scrape(served.gateway).sum("fairlead_gateway_response_flags_total", flag="OM"), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
