# SPDX-License-Identifier: Apache-2.0
"""Circuit breakers and passive ejection of a gateway with two workers: limits are those of the whole gateway."""
import contextlib
import json
import select
import threading
import unittest

from backend import Backend
from backends_test import join, policy, pool_of
from objects import CLASS, Followed, free_port, gateway, http, route, to
from support import Wire, curl, eventually

CONNECTIONS = 40  # the kernel spreads them: all to one worker is a chance of 2 in a billion
GET = b"GET /%s HTTP/1.1\r\nhost: a.example\r\n\r\n"


class Held:
    """A backend that answers once it may, and knows how many requests it has at a time."""

    def __init__(self):
        self.backend = Backend("held")
        self.backend.answer = self.answer
        self.lock = threading.Lock()
        self.inside = self.most = self.served = 0
        self.gate = threading.Semaphore(0)

    def answer(self, conversation, *_):
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        self.gate.acquire()
        with self.lock:
            self.inside -= 1
            self.served += 1
        conversation.send(200, b"held")

    def release(self, count):
        self.gate.release(count)

    def close(self):
        self.release(1000)
        self.backend.close()


class BreakersCase(unittest.TestCase):
    def follow(self, spec, *backends):
        self.port = free_port()
        self.followed = Followed({"gateway.yaml": join(CLASS, gateway(http(self.port))),
                                  "objects.yaml": join(pool_of("web", *backends), route("web", to("web"))),
                                  "policy.yaml": policy("web", spec)}, workers=2)
        self.addCleanup(self.followed.close)

    def held(self):
        held = Held()
        self.addCleanup(held.close)
        return held

    def wires(self, count=CONNECTIONS):
        stack = contextlib.ExitStack()
        self.addCleanup(stack.close)
        return [stack.enter_context(Wire(self.port)) for _ in range(count)]

    def change(self, spec):
        before = self.followed.status()["changes"]
        self.followed.write("policy.yaml", policy("web", spec))
        self.followed.await_changes(before)

    def live(self):
        return json.loads(curl(f"http://{self.followed.gateway.admin}/v1/gateway/live"))

    def cluster(self):
        return self.live()["clusters"][0]

    @staticmethod
    def ask(wires):
        for wire in wires:
            wire.send(GET % b"x")

    @staticmethod
    def statuses(wires):
        return [wire.answer()[0] for wire in wires]

    @staticmethod
    def answered(wires):
        """Those that something has come for."""
        found, _, _ = select.select([wire.socket for wire in wires], [], [], 0)
        return [wire for wire in wires if wire.socket in found]

    def await_inside(self, held, count):
        self.assertTrue(eventually(lambda: held.inside == count), held.inside)


class RequestsTest(BreakersCase):
    def test_a_limit_of_requests_is_exact_over_all_workers(self):
        held = self.held()
        self.follow("circuitBreaker: {maxParallelRequests: 10}", held.backend)
        wires = self.wires()
        for turn in range(3):
            # Others each time, so that they fall on the workers differently.
            first, rest = wires[turn * 10:turn * 10 + 10], wires[:turn * 10] + wires[turn * 10 + 10:]
            self.ask(first)
            self.await_inside(held, 10)
            self.ask(rest)
            self.assertEqual(self.statuses(rest), [503] * 30)
            self.assertEqual(self.answered(first), [])
            held.release(10)
            self.assertEqual(self.statuses(first), [200] * 10)
        self.assertEqual(held.most, 10)
        live = self.live()
        self.assertEqual(live["counters"]["byFlag"], {"UO": 90})
        self.assertEqual({row["reason"] for row in live["failed"]}, {"requests-overflow"})
        self.assertEqual(self.cluster()["counters"]["overflow_requests"], 90)
        self.assertTrue(eventually(lambda: self.cluster()["backends"][0]["active"] == 0))

    def test_one_at_a_time_is_one(self):
        held = self.held()
        self.follow("circuitBreaker: {perBackend: {maxParallelRequests: 1}}", held.backend)
        wires = self.wires()
        self.ask(wires)
        self.await_inside(held, 1)
        self.assertTrue(eventually(lambda: len(self.answered(wires)) == CONNECTIONS - 1))
        held.release(1)
        self.assertEqual(sorted(self.statuses(wires)), [200] + [503] * (CONNECTIONS - 1))
        self.assertEqual(held.most, 1)

    def test_a_limit_that_changes_counts_what_is_under_way(self):
        held = self.held()
        self.follow("loadBalancer: {type: RoundRobin}", held.backend)
        wires = self.wires()
        self.ask(wires[:20])
        self.await_inside(held, 20)
        self.change("circuitBreaker: {maxParallelRequests: 10}")
        self.ask(wires[20:])
        self.assertEqual(self.statuses(wires[20:]), [503] * 20)
        held.release(11)
        self.await_inside(held, 9)
        self.assertTrue(eventually(lambda: len(self.answered(wires[:20])) == 11))
        self.assertTrue(eventually(lambda: self.cluster()["backends"][0]["active"] == 9))
        self.ask(wires[20:])
        self.await_inside(held, 10)
        self.assertTrue(eventually(lambda: len(self.answered(wires[20:])) == 19))
        self.change("circuitBreaker: {maxParallelRequests: 12}")
        refused = self.answered(wires[20:])
        self.assertEqual(self.statuses(refused), [503] * 19)
        self.ask(refused)
        self.await_inside(held, 12)
        self.assertTrue(eventually(lambda: len(self.answered(refused)) == 17))
        held.release(100)
        self.assertEqual(sorted(self.statuses(wires[20:])), [200] * 3 + [503] * 17)
        self.assertEqual(self.statuses(wires[:20]), [200] * 20)


class ConnectionsTest(BreakersCase):
    def test_who_waits_gets_a_connection_whatever_worker_has_it(self):
        held = self.held()
        self.follow("circuitBreaker: {maxConnections: 3}\ntimeouts: {connect: 80s}", held.backend)
        wires = self.wires()
        self.ask(wires)
        self.await_inside(held, 3)
        self.assertTrue(eventually(lambda: self.cluster()["counters"]["pool_waits"] == CONNECTIONS))
        held.release(CONNECTIONS)
        self.assertEqual(self.statuses(wires), [200] * CONNECTIONS)
        self.assertEqual(held.most, 3)
        # What is idle by now on one worker serves the other.
        for wire in wires:
            held.release(1)
            self.ask([wire])
            self.assertEqual(wire.answer()[0], 200)
        self.assertEqual(self.cluster()["counters"]["pending_timeouts"], 0)

    def test_the_only_connection_serves_both(self):
        held = self.held()
        self.follow("circuitBreaker: {perBackend: {maxConnections: 1}}\ntimeouts: {connect: 80s}", held.backend)
        wires = self.wires()
        self.ask(wires)
        for _ in wires:
            self.await_inside(held, 1)
            held.release(1)
        self.assertEqual(self.statuses(wires), [200] * CONNECTIONS)
        self.assertEqual(held.most, 1)

    def test_a_limit_of_those_who_wait_is_exact(self):
        held = self.held()
        self.follow("circuitBreaker: {maxConnections: 1, maxPendingRequests: 7}\ntimeouts: {connect: 80s}", held.backend)
        wires = self.wires()
        self.ask(wires[:1])
        self.await_inside(held, 1)
        self.ask(wires[1:])
        self.assertTrue(eventually(lambda: len(self.answered(wires)) == CONNECTIONS - 8))
        self.assertGreaterEqual(self.cluster()["counters"]["overflow_pending"], CONNECTIONS - 8)
        held.release(CONNECTIONS)
        self.assertEqual(sorted(self.statuses(wires)), [200] * 8 + [503] * (CONNECTIONS - 8))


class EjectionTest(BreakersCase):
    SPEC = "healthCheck: {panicThreshold: 0, passive: {consecutive5xxErrors: 5, baseEjectionTime: %s}}"

    def backends(self):
        good, bad = Backend("good"), Backend("bad")
        for backend in (good, bad):
            self.addCleanup(backend.close)
        self.bad_status = lambda number: 500
        seen = [0]

        def answer(conversation, *_):
            seen[0] += 1
            conversation.send(self.bad_status(seen[0]))
        bad.answer = answer
        return good, bad

    def one_after_the_other(self, wires, count):
        statuses = []
        for number in range(count):
            wire = wires[number % len(wires)]
            self.ask([wire])
            statuses.append(wire.answer()[0])
        return statuses

    def test_failures_in_a_row_are_counted_over_all_workers(self):
        good, bad = self.backends()
        self.follow(self.SPEC % "60s", good, bad)
        statuses = self.one_after_the_other(self.wires(), 200)
        self.assertEqual(len(bad.requests()), 5)
        self.assertEqual(statuses.count(500), 5)
        row = next(row for row in self.cluster()["backends"] if row["state"] == "ejected")
        self.assertEqual((row["responses5xx"], row["ejections"]), (5, 1))
        self.assertEqual(self.cluster()["counters"]["ejections"], 1)

    def test_one_success_anywhere_begins_the_row_anew(self):
        good, bad = self.backends()
        self.bad_status = lambda number: 200 if number in (5, 10) else 500
        self.follow(self.SPEC % "60s", good, bad)
        self.one_after_the_other(self.wires(), 300)
        self.assertEqual(len(bad.requests()), 15)

    def test_it_returns_once_for_all(self):
        good, bad = self.backends()
        self.bad_status = lambda number: 500 if number <= 5 else 200
        self.follow(self.SPEC % "300ms", good, bad)
        wires = self.wires()
        self.assertTrue(eventually(lambda: self.one_after_the_other(wires, 10) and len(bad.requests()) > 20))
        counters = self.cluster()["counters"]
        self.assertEqual((counters["ejections"], counters["ejection_returns"]), (1, 1))


if __name__ == "__main__":
    unittest.main(verbosity=2)
