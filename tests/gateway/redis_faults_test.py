# SPDX-License-Identifier: Apache-2.0
"""What becomes of limits that are counted in Redis as it is killed, slow, silent, full and so on: in each mode what the
policy says, without a worker that waits, and exact again by itself. Clocks of gateways do not count."""
import collections
import datetime
import os
import re
import socket
import threading
import time
import unittest

from backend import Backend
from limits_test import ask, exchange, statuses
from objects import CLASS, Followed, free_port, gateway, http, of, route, service
from observe import folder_of
from redis_test import Redis, redis_policy
from support import LIMIT, WallClock, Wire, curl, eventually

# Another release than the one of redis_test.py, where there is one; else the same, without what releases after 5 have brought.
OTHER = os.environ.get("FAIRLEAD_OTHER_REDIS", "redis-server")
REQUESTS = 40  # of the limit
SHARE = 10     # of one of four gateways, with onFailure: Local


class Between:
    """A proxy before a Redis: passes all on, answers late, not at all, or in place of it (a server of another release)."""

    def __init__(self, test, redis):
        self.redis, self.late, self.passes, self.unknown, self.refused = redis, 0, threading.Event(), (), collections.Counter()
        self.passes.set()
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.ended, self.threads = False, []
        test.addCleanup(self.close)
        self.begin(self.accept)

    def begin(self, run, *arguments):
        self.threads.append(threading.Thread(target=run, args=arguments, daemon=True))
        self.threads[-1].start()

    def accept(self):
        while True:
            try:
                client = self.server.accept()[0]
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.redis.port), LIMIT)
            except OSError:
                client.close()
                continue
            self.begin(self.pump, client, server, self.ask)
            self.begin(self.pump, server, client, self.answer)

    def pump(self, source, sink, hand_on):
        try:
            while data := source.recv(65536):
                hand_on(data, source, sink)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        if hand_on == self.answer:
            source.close()
            sink.close()

    def ask(self, data, client, server):
        for word in self.unknown:
            if data.split(b"\r\n")[2:3] == [word] or word in data.split(b"\r\n"):
                self.refused[word] += 1
                return client.sendall(b"-ERR unknown command\r\n")
        server.sendall(data)

    def answer(self, data, server, client):
        self.passes.wait(LIMIT)
        if self.late:
            time.sleep(self.late)  # which is what it is for: the answer comes late
        client.sendall(data)

    def close(self):
        self.passes.set()
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        for thread in self.threads:
            thread.join(LIMIT)


class Fault:
    """What happens to Redis, and how it ends. The policy waits for an answer as long as a busy machine may take."""
    timeout = "2s"
    counted_as = "error"  # of fairlead_gateway_redis_failures_total

    def __init__(self, test, redis, between):
        self.test, self.redis, self.between = test, redis, between


class Killed(Fault):
    counted_as = "not_connected"

    def begin(self):
        self.redis.kill()

    def end(self):
        self.redis.start()


class Slow(Fault):
    """Each answer comes, behind the time that the policy waits."""
    timeout = "300ms"
    counted_as = "timeout"

    def begin(self):
        self.between.late = 0.5

    def end(self):
        self.between.late = 0


class Silent(Fault):
    counted_as = "timeout"

    def begin(self):
        self.between.passes.clear()

    def end(self):
        self.between.passes.set()


class Full(Fault):
    def begin(self):
        self.redis.call("CONFIG", "SET", "maxmemory-policy", "noeviction")
        self.redis.call("CONFIG", "SET", "maxmemory", "1")

    def end(self):
        self.redis.call("CONFIG", "SET", "maxmemory", "0")


class FailingOver(Fault):
    """It has become the replica of another, and takes no writes."""

    def begin(self):
        other = Redis(self.test)
        self.redis.call("REPLICAOF", "127.0.0.1", str(other.port))
        self.test.assertTrue(eventually(lambda: b"master_link_status:up" in self.redis.call("INFO", "replication")))

    def end(self):
        self.redis.call("REPLICAOF", "NO", "ONE")


FAULTS = (Killed, Slow, Silent, Full, FailingOver)
ANSWERS = {"Open": [200] * 14, "Closed": [503] * 14, "Local": [200] * SHARE + [429] * (14 - SHARE)}


class RedisFaultsTest(unittest.TestCase):
    def start(self, policies, workers=1, environment=({},)):
        backend = Backend("one")
        self.addCleanup(backend.close)
        self.gateways, self.ports = [], []
        for variables in environment:
            port = free_port()
            objects = "---\n".join([
                CLASS, gateway(http(port)), service("a", of(backend)), route("web", "{matches: [{path: {value: /name}}], "
                                                                             "backendRefs: [{name: a, port: 80}]}"),
                route("other", "{matches: [{path: {value: /head}}], backendRefs: [{name: a, port: 80}]}")])
            followed = Followed({"base.yaml": objects, "policy.yaml": policies}, workers=workers, environment=variables)
            self.addCleanup(followed.close)
            self.gateways.append(followed)
            self.ports.append(port)
        self.port = self.ports[0]

    def limit(self, port, mode, name="all", timeout="5s"):
        class At:
            pass
        at = At()
        at.port = port
        return redis_policy(at, f"name: {name}, algorithm: FixedWindow, requests: {REQUESTS}, per: 744h, costHeader: x-cost",
                            f", onFailure: {mode}, gateways: 4").replace("timeout: 5s", f"timeout: {timeout}")

    def away(self):
        """Whether a worker decides without Redis now."""
        text = curl(f"http://{self.gateways[0].gateway.admin}/metrics").decode()
        rows = [line for line in text.splitlines() if line.startswith("fairlead_gateway_redis_clients") and '"fallback"' in line]
        self.assertEqual(len(rows), 1, rows)
        return float(rows[0].split()[-1]) > 0

    def failures(self, reason):
        text = curl(f"http://{self.gateways[0].gateway.admin}/metrics").decode()
        return sum(float(line.split()[-1]) for line in text.splitlines()
                   if line.startswith("fairlead_gateway_redis_failures_total") and f'reason="{reason}"' in line)

    def left(self):
        """What Redis says is left, once it is asked again."""
        def told():
            if self.away():
                ask(self.port, fields=[("x-cost", "0")])
                return None
            fields = ask(self.port, fields=[("x-cost", "0")])[1]
            return None if self.away() else fields.get("ratelimit")
        text = eventually(told)
        self.assertTrue(text)
        return int(text.split(";")[1].removeprefix("r="))

    def test_each_mode_at_each_fault(self):
        for kind in FAULTS:
            redis = Redis(self)
            between = Between(self, redis)
            for mode, expected in ANSWERS.items():
                with self.subTest(fault=kind.__name__, mode=mode):
                    self.start(self.limit(between.port, mode, f"{mode.lower()}-{kind.__name__.lower()}", kind.timeout))
                    self.assertEqual(self.left(), REQUESTS)
                    self.assertEqual(ask(self.port)[0], 200)
                    self.assertEqual(self.left(), REQUESTS - 1)
                    fault = kind(self, redis, between)
                    fault.begin()
                    self.assertEqual([ask(self.port)[0] for _ in range(14)], expected)
                    self.assertGreater(self.failures(kind.counted_as), 0)
                    fault.end()
                    left = self.left()
                    # What Redis has counted of those that it answered too late counts; a new one, or an emptied one, knows nothing.
                    self.assertLessEqual(REQUESTS - 15, left)
                    self.assertLessEqual(left, REQUESTS)
                    seen = [ask(self.port)[0] for _ in range(left + 3)]
                    self.assertEqual((seen.count(200), seen.count(429)), (left, 3), "exact again")
                    self.gateways[0].close()

    def test_restarted_and_flushed_while_clients_ask(self):
        """Neither needs a mode: Redis is there, and what it has lost is its scripts, or all."""
        redis = Redis(self)
        self.start(self.limit(redis.port, "Closed"))
        self.assertEqual(ask(self.port)[0], 200)
        for again in range(3):
            self.assertEqual(redis.call("SCRIPT", "FLUSH"), b"+OK\r\n")
            self.assertEqual(ask(self.port)[0], 200)
            self.assertEqual(self.left(), REQUESTS - 2 - again)
        redis.kill()
        redis.start()
        self.assertTrue(eventually(lambda: self.left() == REQUESTS))
        self.assertEqual([ask(self.port)[0] for _ in range(REQUESTS + 2)].count(200), REQUESTS)

    def test_no_worker_waits_while_redis_says_nothing(self):
        redis = Redis(self)
        between = Between(self, redis)
        self.start(self.limit(between.port, "Closed", timeout="10s"), workers=2)
        self.assertEqual(statuses(self.ports, clients=8, each=1), {200: 8})
        between.passes.clear()
        held, waiting = collections.Counter(), threading.Barrier(17)

        def wait_for_redis():
            with Wire(self.port) as wire:
                waiting.wait(LIMIT)
                status = exchange(wire)[0]
                with lock:
                    held[status] += 1

        lock = threading.Lock()
        threads = [threading.Thread(target=wait_for_redis) for _ in range(16)]
        for thread in threads:
            thread.start()
        waiting.wait(LIMIT)
        for _ in range(5):  # on connections of their own, which both workers get
            others = [ask(self.port, "/head")[0] for _ in range(16)]
            self.assertEqual(others, [200] * 16)
        self.assertEqual(held, {}, "nobody has got past the limit meanwhile")
        between.passes.set()
        for thread in threads:
            thread.join()
        self.assertEqual(held, {200: 16})
        self.assertEqual(self.left(), REQUESTS - 24)

    def test_another_release_in_its_place(self):
        """The first has gone, and another one has its port."""
        first = Redis(self)
        between = Between(self, first)
        self.start(self.limit(between.port, "Closed"))
        self.assertEqual(ask(self.port)[0], 200)
        first.kill()
        self.assertEqual(ask(self.port)[0], 503)
        between.redis = Redis(self, name=OTHER)
        between.unknown = (b"HELLO", b"FUNCTION", b"FCALL", b"EVAL_RO", b"EVALSHA_RO", b"GETEX", b"GETDEL", b"EXPIRETIME",
                           b"CLIENT", b"COPY", b"RESET")
        self.assertTrue(eventually(lambda: ask(self.port)[0] == 200))
        left = self.left()
        self.assertLess(left, REQUESTS)
        seen = [ask(self.port)[0] for _ in range(left + 2)]
        self.assertEqual((seen.count(200), seen.count(429)), (left, 2))
        self.assertEqual(between.refused, {})

    def test_clocks_of_gateways_may_differ(self):
        """One of two is 40 days ahead: a window of 31 days would be another one there."""
        ahead = WallClock(folder_of(self), ahead=40 * 86400)
        redis = Redis(self)
        for algorithm in ("TokenBucket", "FixedWindow", "SlidingWindow"):
            with self.subTest(algorithm=algorithm):
                self.start(redis_policy(redis, f"name: {algorithm.lower()}, algorithm: {algorithm}, requests: 503, per: 744h"),
                           environment=({}, ahead.environment))
                clocks = [datetime.datetime.fromisoformat(re.search(r"lastTransitionTime: \"?([0-9T:-]+)", one.conditions())[1])
                          for one in self.gateways]
                self.assertGreater(clocks[1] - clocks[0], datetime.timedelta(days=39))
                seen = statuses(self.ports, clients=64, each=12)
                self.assertEqual(seen, {200: 503, 429: 64 * 12 - 503})
                for followed in self.gateways:
                    followed.close()


if __name__ == "__main__":
    unittest.main(verbosity=2)
