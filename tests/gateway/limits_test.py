# SPDX-License-Identifier: Apache-2.0
"""Sections rateLimits and concurrency of RequestPolicy, counted in the process: real clients on two workers."""
import collections
import json
import pathlib
import re
import socket
import struct
import threading
import time
import unittest

from backend import Backend
from objects import CLASS, Followed, free_port, gateway, http, of, route, service, to
from support import LIMIT, Wire, curl, eventually

PAGES = pathlib.Path(__file__).resolve().parents[2] / "docs/reference/request-policy"


def policy(name, spec, target="{group: gateway.networking.k8s.io, kind: HTTPRoute, name: web}"):
    """A RequestPolicy; spec as YAML in flow style, without its braces."""
    return f"""apiVersion: fairlead.io/v1alpha1
kind: RequestPolicy
metadata: {{name: {name}, namespace: default}}
spec: {{targetRefs: [{target}], {spec}}}
"""


def ask(port, path="/name", fields=(), method="GET", address="127.0.0.1"):
    """(status, {field: value}, body) of one request on a connection of its own."""
    with Wire(port, address) as wire:
        return exchange(wire, path, fields, method)


def exchange(wire, path="/name", fields=(), method="GET"):
    rows = "".join(f"{name}: {value}\r\n" for name, value in fields)
    wire.send(f"{method} {path} HTTP/1.1\r\nhost: a.example\r\n{rows}\r\n".encode())
    status, head, body = wire.answer()
    lines = head.decode().split("\r\n")[1:]
    return status, {line.split(":", 1)[0].lower(): line.split(":", 1)[1].strip() for line in lines if ":" in line}, body


def statuses(ports, clients, each, fields=lambda client: ()):
    """How often each status came: that many clients at the same time, each on its own connection, in turn on the ports."""
    seen, wrong, lock = collections.Counter(), [], threading.Lock()
    barrier = threading.Barrier(clients)

    def run(number):
        mine = collections.Counter()
        try:
            with Wire(ports[number % len(ports)]) as wire:
                barrier.wait(LIMIT)
                for _ in range(each):
                    mine[exchange(wire, fields=fields(number))[0]] += 1
        except (OSError, EOFError, threading.BrokenBarrierError) as error:
            wrong.append(error)
        with lock:
            seen.update(mine)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong
    return seen


class LimitsTest(unittest.TestCase):
    def start(self, *policies, workers=2, **more):
        self.backend = Backend("one")
        self.addCleanup(self.backend.close)
        self.port = free_port()
        objects = "---\n".join([CLASS, gateway(http(self.port)), route("web", to("a")), service("a", of(self.backend))])
        self.followed = Followed({"base.yaml": objects, "policy.yaml": "---\n".join(policies), **more}, workers=workers)
        self.addCleanup(self.followed.close)

    def test_exact_for_many_clients_on_two_workers(self):
        for algorithm in ("TokenBucket", "FixedWindow", "SlidingWindow"):
            with self.subTest(algorithm=algorithm):
                self.start(policy("limits", f"rateLimits: {{limits: [{{name: all, algorithm: {algorithm}, requests: 503, "
                                            "per: 744h}]}"))
                seen = statuses([self.port], clients=64, each=20)
                self.assertEqual(seen, {200: 503, 429: 64 * 20 - 503})

    def test_fields_of_every_world_and_problem_details(self):
        self.start(policy("limits", "rateLimits: {headers: [RateLimit, XRateLimit, XRateLimitPeriod, RetryAfter], "
                                    "limits: [{name: per-day, algorithm: FixedWindow, requests: 2, per: Day}]}"))
        status, fields, body = ask(self.port)
        self.assertEqual((status, body), (200, b"one"))
        self.assertEqual(fields["ratelimit-policy"], '"per-day";q=2;w=86400')
        self.assertRegex(fields["ratelimit"], r'^"per-day";r=1;t=\d+$')
        self.assertEqual((fields["x-ratelimit-limit"], fields["x-ratelimit-remaining"]), ("2", "1"))
        self.assertEqual((fields["x-ratelimit-limit-day"], fields["x-ratelimit-remaining-day"]), ("2", "1"))
        self.assertNotIn("retry-after", fields)
        self.assertEqual(ask(self.port)[0], 200)
        status, fields, body = ask(self.port)
        self.assertEqual(status, 429)
        self.assertEqual(fields["content-type"], "application/problem+json")
        self.assertRegex(fields["ratelimit"], r'^"per-day";r=0;t=\d+$')
        self.assertTrue(0 < int(fields["retry-after"]) <= 86400)
        problem = json.loads(body)
        self.assertEqual((problem["title"], problem["status"]), ("Too Many Requests", 429))
        self.assertEqual(problem["detail"], "The limit per-day is reached.")
        self.assertEqual((problem["type"].partition("#")[2], problem["violated-policies"]), ("quota-exceeded", ["per-day"]))
        self.assertTrue(problem["request_id"])
        self.assertEqual(len(self.backend.requests("/name")), 2, "a refused request does not reach the backend")

    def test_clients_of_grpc_are_told_in_words(self):
        self.start(policy("limits", "rateLimits: {limits: [{name: all, requests: 1, per: 744h}], refusal: {status: 503, detail: 50% is müßig}}"))
        call = {"method": "POST", "fields": [("content-type", "application/grpc"), ("content-length", "0")]}
        self.assertEqual(ask(self.port, **call)[0], 200)
        status, fields, _ = ask(self.port, **call)
        self.assertEqual((status, fields["grpc-status"], fields["content-type"]), (200, "14", "application/grpc"))
        self.assertEqual(fields["grpc-message"], "50%25 is m%C3%BC%C3%9Fig")
        self.assertIn("retry-after", fields)
        self.assertIn("r=0", fields["ratelimit"])

    def test_refused_requests_do_not_count_and_limits_are_taken_together(self):
        self.start(policy("limits", "rateLimits: {limits: ["
                                    "{name: client, algorithm: FixedWindow, requests: 10, per: 744h, key: [{type: Header, name: x-id}]},"
                                    "{name: writes, algorithm: FixedWindow, requests: 2, per: 744h, when: {methods: [POST]}, "
                                    "key: [{type: Route}]}]}"))
        posts = [ask(self.port, fields=[("x-id", "a"), ("content-length", "0")], method="POST")[0] for _ in range(6)]
        self.assertEqual(posts, [200, 200, 429, 429, 429, 429])
        gets = [ask(self.port, fields=[("x-id", "a")])[0] for _ in range(10)]
        self.assertEqual(gets, [200] * 8 + [429] * 2)

    def test_weeks_end_at_the_midnight_before_a_monday(self):
        self.start(policy("weekly", "rateLimits: {quotas: [{name: weekly, requests: 2, per: Week, timeZone: '+02:00', key: [{type: "
                                    "ClientIP}]}], headers: [XRateLimitPeriod, RetryAfter]}"))
        answers = [ask(self.port) for _ in range(3)]
        self.assertEqual([status for status, _, _ in answers], [200, 200, 429])
        fields = answers[-1][1]
        self.assertEqual((fields["x-ratelimit-limit-week"], fields["x-ratelimit-remaining-week"]), ("2", "0"))
        ends = time.time() + int(fields["retry-after"]) + 2 * 3600  # as a clock of that zone shows it
        monday = (round(ends / 86400) - 4) % 7  # 1970-01-01 was a Thursday
        self.assertEqual(monday, 0)
        self.assertLess(abs(ends - round(ends / 86400) * 86400), 60)

    def test_words_of_the_configuration(self):
        self.start(policy("limits", "rateLimits: {headers: [], limits: [{name: a, requests: 1, per: 744h}], refusal: "
                                    "{status: 420, body: '{\"message\":\"slow down\"}', contentType: application/json}}"))
        self.assertEqual(ask(self.port)[0], 200)
        status, fields, body = ask(self.port)
        self.assertEqual((status, fields["content-type"], body), (420, "application/json", b'{"message":"slow down"}'))
        self.assertFalse([name for name in fields if "ratelimit" in name or name == "retry-after"])

    def test_hostile_keys_neither_meet_nor_fill_the_memory(self):
        self.start(policy("limits", "rateLimits: {maxKeys: 1024, limits: [{name: a, algorithm: FixedWindow, requests: 3, "
                                    "per: 744h, key: [{type: Header, name: a}, {type: Header, name: b}]}]}"))
        known = [("a", "x"), ("b", "yz")]
        self.assertEqual([ask(self.port, fields=known)[0] for _ in range(4)], [200, 200, 200, 429])
        for other in ([("a", "xy"), ("b", "z")], [("a", "x"), ("a", "y"), ("b", "z")], [("a", "x"), ("b", "yz,")],
                      [("b", "yz"), ("a", "x%00")], [("a", "x" * 5000), ("b", "yz")], [("a", "x,yz")]):
            self.assertEqual(ask(self.port, fields=other)[0], 200, other)
        with Wire(self.port) as wire:  # a flood of keys, more than are kept
            for number in range(6000):
                self.assertEqual(exchange(wire, fields=[("a", f"{number}"), ("b", "")])[0], 200)
        self.assertEqual(ask(self.port, fields=known)[0], 429, "who is at the limit is not forgotten")

    def test_tiers_of_consumers(self):
        consumer = ("apiVersion: fairlead.io/v1alpha1\nkind: Consumer\nmetadata: {name: %s, namespace: default}\n"
                    "spec: {groups: [%s], credentials: [{apiKey: {key: key-of-%s}}]}\n")
        self.start(policy("limits", "authentication: {methods: {apiKey: {}}}, rateLimits: {limits: [{name: a, algorithm: "
                                    "FixedWindow, requests: 3, per: 744h, tiers: [{group: gold, requests: 30}]}]}"),
                   consumer % ("alice", "gold", "alice"), consumer % ("bob", "staff", "bob"))
        for name, passes in (("alice", 30), ("bob", 3)):
            seen = statuses([self.port], clients=8, each=5, fields=lambda client: [("apikey", f"key-of-{name}")])
            self.assertEqual(seen, {200: passes, 429: 40 - passes})
        self.assertEqual(ask(self.port)[0], 401)

    def test_counts_go_on_as_the_configuration_changes(self):
        limit = "rateLimits: {{limits: [{{name: a, algorithm: FixedWindow, requests: {}, per: 744h}}]}}"
        self.start(policy("limits", limit.format(3)))
        self.assertEqual([ask(self.port)[0] for _ in range(4)], [200, 200, 200, 429])
        before = self.followed.status()["changes"]
        self.followed.write("policy.yaml", policy("limits", limit.format(5)))
        self.followed.await_changes(before)
        self.assertTrue(eventually(lambda: ask(self.port)[0] == 200))
        self.assertEqual([ask(self.port)[0] for _ in range(3)], [200, 429, 429])

    def test_concurrent_requests(self):
        self.start(policy("limits", "concurrency: {requests: 3, key: [{type: Header, name: x-id}], refusal: {status: 429}}"))
        held = []
        for _ in range(3):
            wire = Wire(self.port)
            self.addCleanup(wire.socket.close)
            wire.send(b"GET /hang HTTP/1.1\r\nhost: a.example\r\nx-id: a\r\n\r\n")
            held.append(wire)
        self.assertTrue(eventually(lambda: len(self.backend.requests("/hang")) == 3))
        status, fields, body = ask(self.port, fields=[("x-id", "a")])
        self.assertEqual(status, 429)
        self.assertEqual(json.loads(body)["title"], "Too Many Requests")
        self.assertTrue(json.loads(body)["type"].endswith("#temporary-reduced-capacity"))
        self.assertEqual(ask(self.port, fields=[("x-id", "b")])[0], 200)
        held[0].socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        held[0].socket.close()  # the client goes away by RST: its place is free
        self.assertTrue(eventually(lambda: ask(self.port, fields=[("x-id", "a")])[0] == 200))
        seen = statuses([self.port], clients=32, each=20, fields=lambda client: [("x-id", f"c{client % 20}")])
        self.assertEqual(seen, {200: 640}, "two at a time are below the limit")

    def test_the_page_s_example(self):
        for section in ("rateLimits", "concurrency"):
            with self.subTest(section=section):
                text = (PAGES / f"{section}.md").read_text()
                example = re.search(r"```yaml\n(.*?)```", text, re.S).group(1)
                self.start(example)
                self.assertEqual(ask(self.port)[0], 200)
                status = curl(f"http://{self.followed.gateway.admin}/v1/gateway/status").decode()
                self.assertIn("RequestPolicy", status)
                self.assertFalse([line for line in self.followed.gateway.errors if "error" in line.lower()],
                                 self.followed.gateway.errors)


if __name__ == "__main__":
    unittest.main(verbosity=2)
