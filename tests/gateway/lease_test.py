# SPDX-License-Identifier: Apache-2.0
"""Limits of which gateways lease shares from a real Redis: never one request over, short by what others hold at most."""
import collections
import json
import signal
import socket
import struct
import time
import unittest

import redis_test
from limits_test import ask, exchange, policy, statuses
from redis_test import Redis
from support import Wire, curl, eventually

KEY = "key: [{type: Route}]"


def lease_policy(redis, limit, more="", lease="percent: 5, duration: 1s"):
    return policy("limits", f"rateLimits: {{limits: [{{{limit}, {KEY}, costHeader: x-cost}}], store: Redis, redis: {{mode: Lease, "
                            f"lease: {{{lease}}}, addresses: [\"127.0.0.1:{redis.port}\"], timeout: 5s{more}}}}}")


class LeaseTest(unittest.TestCase):
    start, again = redis_test.RedisTest.start, redis_test.RedisTest.again

    def asked(self, redis):
        """How often a script was run in Redis."""
        found = [line for line in redis.call("INFO", "commandstats").decode().split("\r\n") if line.startswith("cmdstat_evalsha:")]
        return int(found[0].split("calls=")[1].split(",")[0]) if found else 0

    def test_four_gateways_never_pass_more_and_few_less(self):
        redis = Redis(self)
        self.start(lease_policy(redis, "name: none, algorithm: FixedWindow, requests: 1000, per: 744h"), gateways=4, workers=2)
        for algorithm, most in (("FixedWindow", 2003), ("TokenBucket", 2003), ("SlidingWindow", 2003)):
            with self.subTest(algorithm=algorithm):
                self.again(lease_policy(redis, f"name: {algorithm.lower()}, algorithm: {algorithm}, requests: {most}, per: 744h"))
                share = most // 20
                before = self.asked(redis)
                seen = statuses(self.ports, clients=64, each=25)  # as many as pass whatever the others hold
                self.assertEqual(seen, {200: 64 * 25})
                self.assertLess(self.asked(redis) - before, 64 * 25 / 3, "most need no round trip")
                seen += statuses(self.ports, clients=64, each=23)
                self.assertLessEqual(seen[200], most, "never one over")
                self.assertGreaterEqual(seen[200], most - 4 * share - 1, "short by what the others held at most")
                passed = seen[200]

                def rest():
                    nonlocal passed
                    passed += statuses(self.ports, clients=8, each=4)[200]
                    return passed >= most - 1
                self.assertTrue(eventually(rest), "what was not used is given back")
                self.assertLessEqual(passed, most)

    def test_the_lease_of_a_killed_gateway_counts_as_used(self):
        redis = Redis(self)
        self.start(lease_policy(redis, "name: a, algorithm: FixedWindow, requests: 1000, per: 744h"), gateways=4)
        for port in self.ports:
            self.assertEqual(ask(port)[0], 200)
        killed = self.gateways[0].gateway
        killed.signal(signal.SIGKILL)
        killed.wait()
        passed = 4
        ports = self.ports[1:]

        def all_back():
            nonlocal passed
            passed += statuses(ports, clients=48, each=8)[200]
            status = {ask(port, fields=[("x-cost", "0")])[1]["ratelimit"].split(";")[1] for port in ports}
            return status == {"r=0"}
        self.assertTrue(eventually(all_back))
        self.assertLessEqual(passed, 1000)
        self.assertGreaterEqual(passed, 1000 - 50, "one share of the dead one is lost, and no more")
        self.assertLess(passed, 1000, "it was leased")

    def test_a_gateway_that_ends_gives_back_at_once(self):
        redis = Redis(self)
        self.start(lease_policy(redis, "name: a, algorithm: FixedWindow, requests: 1000, per: 744h", lease="percent: 50, duration: 1m"),
                   gateways=2)
        self.assertEqual(ask(self.port)[0], 200)
        self.assertEqual(int(ask(self.ports[1], fields=[("x-cost", "0")])[1]["ratelimit"].split(";r=")[1].split(";")[0]),
                         1000 - 1 - 499, "a half of what was left is the first one's")
        self.gateways[0].gateway.signal(signal.SIGTERM)
        self.assertEqual(self.gateways[0].gateway.wait(), 0)
        seen = 0
        with Wire(self.ports[1]) as wire:
            while exchange(wire)[0] == 200:
                seen += 1
        self.assertEqual(seen, 999)

    def test_redis_away_leases_serve_on_and_then_the_mode_counts(self):
        redis = Redis(self)
        self.start(lease_policy(redis, "name: a, algorithm: FixedWindow, requests: 1000, per: 744h", ", onFailure: Closed",
                                lease="percent: 5, duration: 1m"))
        self.assertEqual(ask(self.port)[0], 200)
        redis.kill()
        seen = collections.Counter(ask(self.port)[0] for _ in range(60))
        self.assertEqual(seen, {200: 50, 503: 10})
        redis.start()
        self.assertTrue(eventually(lambda: ask(self.port)[0] == 200))

    def test_a_client_that_leaves_takes_no_lease_with_it(self):
        redis = Redis(self)
        self.start(lease_policy(redis, "name: a, algorithm: FixedWindow, requests: 100, per: 744h", lease="percent: 50, duration: 1m")
                   .replace(KEY, "key: [{type: Header, name: x-id}]"))
        self.assertEqual(ask(self.port, fields=[("x-id", "other")])[0], 200)
        redis.process.send_signal(signal.SIGSTOP)
        status = lambda: json.loads(curl(f"http://{self.gateways[0].gateway.admin}/v1/status"))
        with Wire(self.port) as wire:
            wire.send(b"GET /name HTTP/1.1\r\nhost: a.example\r\nx-id: one\r\n\r\n")
            self.assertTrue(eventually(lambda: status()["activeRequests"] == 1))
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.assertTrue(eventually(lambda: status()["activeRequests"] == 0))
        redis.process.send_signal(signal.SIGCONT)
        with Wire(self.port) as wire:
            seen = collections.Counter(exchange(wire, fields=[("x-id", "one")])[0] for _ in range(110))
        self.assertEqual(seen, {200: 99, 429: 11})

    def test_who_is_over_the_limit_does_not_ask_each_time(self):
        redis = Redis(self)
        self.start(lease_policy(redis, "name: a, algorithm: FixedWindow, requests: 100, per: 744h", lease="percent: 5, duration: 1s"))
        self.assertEqual(statuses([self.port], clients=4, each=50)[200], 100)
        before, begun = self.asked(redis), time.monotonic()
        seen = statuses([self.port], clients=4, each=500)
        spent = time.monotonic() - begun
        self.assertEqual(seen, {429: 2000})
        # One client asks in each quarter of a second, and those that come before its answer.
        self.assertLessEqual(self.asked(redis) - before, 8 * (spent * 4 + 2))
        status, fields, _ = ask(self.port)
        self.assertEqual(status, 429)
        self.assertIn(";r=0;", fields["ratelimit"])
        self.assertGreater(int(fields["retry-after"]), 1, "as Redis has it, and not when it is asked again")

    def test_what_others_give_back_is_found(self):
        redis = Redis(self)
        self.start(lease_policy(redis, "name: a, algorithm: FixedWindow, requests: 100, per: 744h", lease="percent: 50, duration: 4s"),
                   gateways=2)
        self.assertEqual(ask(self.port)[0], 200)
        self.assertEqual(set(statuses([self.ports[1]], clients=1, each=80)), {200, 429})
        self.assertTrue(eventually(lambda: ask(self.ports[1])[0] == 200))

    def test_small_limits_are_exact(self):
        redis = Redis(self)
        self.start(lease_policy(redis, "name: a, algorithm: FixedWindow, requests: 19, per: 744h"), gateways=4)
        self.assertEqual(statuses(self.ports, clients=16, each=4), {200: 19, 429: 64 - 19})


if __name__ == "__main__":
    unittest.main(verbosity=2)
