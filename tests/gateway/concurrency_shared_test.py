# SPDX-License-Identifier: Apache-2.0
"""Section concurrency with a Redis that gateways share: never one request too many under way, places that come back from
gateways which die, and what becomes of it all as Redis goes."""
import collections
import re
import signal
import socket
import struct
import threading
import unittest

from backend import Backend
from objects import CLASS, Followed, free_port, gateway, http, of, route, service, to
from observe import scrape
from redis_test import Redis
from support import LIMIT, Wire, eventually

MOST = 5


def policy(redis, more="", lease="1m"):
    return f"""apiVersion: fairlead.io/v1alpha1
kind: RequestPolicy
metadata: {{name: at-a-time, namespace: default}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: HTTPRoute, name: web}}]
  concurrency:
    requests: {MOST}
    key: [{{type: Host}}]
    store: Redis
    lease: {lease}
    redis: {{addresses: ["127.0.0.1:{redis.port}"], timeout: 5s{more}}}
"""


class Concurrency(unittest.TestCase):
    def setUp(self):
        self.redis = Redis(self)
        self.backend = Backend()
        self.addCleanup(self.backend.close)
        self.backend.answer = self.hold
        self.go_on, self.here, self.most, self.lock = threading.Event(), 0, 0, threading.Lock()
        self.gateways, self.ports = [], []

    def tearDown(self):
        self.go_on.set()  # gateways wait for what is under way

    def hold(self, conversation, method, path, head, body, framing):
        """Answers when the test says so, and counts how many wait for it at a time."""
        with self.lock:
            self.here += 1
            self.most = max(self.most, self.here)
        if path != "/quick":
            self.go_on.wait(LIMIT)
        with self.lock:
            self.here -= 1
        conversation.send(200, b"ok", method=method)

    def start(self, *policies, gateways=2, workers=2):
        for _ in range(gateways):
            port = free_port()
            followed = Followed({"base.yaml": "---\n".join([CLASS, gateway(http(port)), route("web", to("web")),
                                                            service("web", of(self.backend))]),
                                 "policy.yaml": "---\n".join(policies)}, workers=workers)
            self.addCleanup(followed.close)
            self.gateways.append(followed)
            self.ports.append(port)

    def begin(self, number=0, host="a", path="/"):
        """A request under way; its connection."""
        wire = Wire(self.ports[number % len(self.ports)])
        self.addCleanup(wire.socket.close)
        wire.send(f"GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n".encode())
        return wire

    def status(self, number=0, host="a"):
        return self.begin(number, host, "/quick").answer()[0]

    def fill(self, number=None, host="a"):
        wires = [self.begin(i if number is None else number, host) for i in range(MOST)]
        self.assertTrue(eventually(lambda: self.here == MOST), self.here)
        return wires

    def places(self):
        """How many Redis has, of all keys."""
        out = 0
        for key in re.findall(rb"\r\n(fairlead:\S+:at-a-time)\r\n", b"\r\n" + self.redis.call("KEYS", "*:at-a-time")):
            out += int(re.match(rb":(\d+)", self.redis.call("ZCARD", key.decode())).group(1))
        return out

    def test_exact_over_gateways(self):
        self.start(policy(self.redis), gateways=3)
        wires = [self.begin(i) for i in range(8 * MOST)]
        self.assertTrue(eventually(lambda: self.here == MOST), self.here)
        refused = [wire for wire in wires if self.answered(wire)]
        self.assertTrue(eventually(lambda: len([wire for wire in wires if self.answered(wire)]) == 7 * MOST), len(refused))
        self.assertEqual(self.status(host="b"), 200, "another key")
        self.go_on.set()
        self.assertEqual(collections.Counter(wire.answer()[0] for wire in wires), {200: MOST, 503: 7 * MOST})
        self.assertEqual(self.most, MOST + 1)
        self.assertTrue(eventually(lambda: self.places() == 0))
        self.assertEqual([self.status(i) for i in range(4 * MOST)], [200] * 4 * MOST, "one after the other")

    @staticmethod
    def answered(wire):
        wire.socket.setblocking(False)
        try:
            return bool(wire.buffer) or bool(wire.socket.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            return False
        finally:
            wire.socket.settimeout(LIMIT)

    def test_a_gateway_that_dies_gives_its_places_back_with_their_leases(self):
        self.start(policy(self.redis, lease="2s"))
        self.fill(0)
        self.assertEqual(self.status(1), 503)
        self.gateways[0].gateway.signal(signal.SIGKILL)
        self.gateways[0].gateway.wait()
        self.assertTrue(eventually(lambda: self.status(1) == 200))

    def test_a_long_request_keeps_its_place(self):
        self.start(policy(self.redis, lease="1s"))
        wires = self.fill(0)
        began = float(self.redis_time())
        while float(self.redis_time()) < began + 3:
            self.assertEqual(self.status(1), 503)
        self.go_on.set()
        self.assertEqual([wire.answer()[0] for wire in wires], [200] * MOST)
        self.assertTrue(eventually(lambda: self.places() == 0))

    def redis_time(self):
        return re.findall(rb"\r\n(\d+)\r\n", self.redis.call("TIME"))[0]

    def test_what_redis_forgets_stands_there_again(self):
        self.start(policy(self.redis, lease="3s"))
        self.fill(0)
        self.redis.call("FLUSHALL")
        self.assertTrue(eventually(lambda: self.places() == MOST))
        self.assertEqual(self.status(1), 503)

    def active(self):
        return scrape(self.gateways[0].gateway).sum("fairlead_gateway_active_requests")

    def test_a_client_that_goes_takes_no_place_along(self):
        self.start(policy(self.redis).replace("timeout: 5s", "timeout: 10s"), gateways=1, workers=1)
        self.assertEqual(self.status(), 200)
        self.assertTrue(eventually(lambda: self.places() == 0))
        self.redis.process.send_signal(signal.SIGSTOP)
        wires = [self.begin() for _ in range(10)]
        self.assertTrue(eventually(lambda: self.active() == 10))
        for wire in wires:  # before Redis has answered
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            wire.socket.close()
        self.assertTrue(eventually(lambda: self.active() == 0))
        self.redis.process.send_signal(signal.SIGCONT)
        self.assertTrue(eventually(lambda: self.places() == 0 and self.here == 0))
        self.fill()

    def fallbacks(self, how):
        return scrape(self.gateways[0].gateway).sum("fairlead_gateway_concurrency_fallbacks_total", to=how.lower())

    def asks_redis(self, how):
        before = self.fallbacks(how)
        return self.status() == 200 and self.fallbacks(how) == before

    def test_who_waits_for_redis_as_it_fails_shares_what_is_here(self):
        self.start(policy(self.redis, ", onFailure: Local, gateways: 2"), gateways=1)
        self.assertEqual(self.status(), 200)
        self.redis.process.send_signal(signal.SIGSTOP)
        self.addCleanup(self.redis.process.send_signal, signal.SIGCONT)
        wires = [self.begin() for _ in range(MOST)]
        self.assertTrue(eventually(lambda: sum(self.answered(wire) for wire in wires) == MOST - 2 and self.here == 2, 20))
        self.go_on.set()
        self.assertEqual(collections.Counter(wire.answer()[0] for wire in wires), {200: 2, 503: MOST - 2})

    def test_without_redis_it_is_as_the_policy_says(self):
        wanted = {"Open": MOST, "Closed": 0, "Local": 2}
        for how, passes in wanted.items():
            with self.subTest(how=how):
                self.gateways.clear(), self.ports.clear(), self.go_on.clear()
                self.start(policy(self.redis, f", onFailure: {how}, gateways: 2"), gateways=1)
                self.assertEqual(self.status(), 200)
                self.redis.kill()
                wires = [self.begin() for _ in range(MOST)]
                self.assertTrue(eventually(lambda: self.here == passes), self.here)
                self.assertTrue(eventually(lambda: sum(self.answered(wire) for wire in wires) == MOST - passes))
                self.go_on.set()
                self.assertEqual(collections.Counter(wire.answer()[0] for wire in wires),
                                 {key: count for key, count in ((200, passes), (503, MOST - passes)) if count})
                self.assertEqual(self.fallbacks(how), MOST)
                self.redis.start()
                self.assertTrue(eventually(lambda: self.asks_redis(how)))
                self.go_on.clear()
                wires = self.fill()
                self.assertEqual(self.status(), 503, "exact again by itself")
                self.go_on.set()
                self.assertEqual([wire.answer()[0] for wire in wires], [200] * MOST)
                self.gateways[0].close()


if __name__ == "__main__":
    unittest.main()
