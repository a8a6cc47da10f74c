# SPDX-License-Identifier: Apache-2.0
"""Limits whose cost the response tells, by a header or in its body: counted here, in Redis, and by leases."""
import gzip
import json
import unittest

import redis_test
from limits_test import ask, policy
from redis_test import Redis
from support import ROOT, Wire, eventually


def tokens(conversation, method, path, head, body, framing):
    """/json/N, /gzip/N, /header/N, /text/N: an answer that says N in its way; /cut/N: half of one."""
    word, _, number = path[1:].partition("/")
    told = json.dumps({"choices": ["x" * 300], "usage": {"total_tokens": int(number) if number.isdigit() else number}}).encode()
    if word == "header":
        return conversation.send(200, b"{}", [("x-tokens", number)])
    if word == "gzip":
        return conversation.send(200, gzip.compress(told), [("content-type", "application/json"), ("content-encoding", "gzip")])
    if word == "cut":
        conversation.peer.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(told) + told[:-1])
        raise EOFError
    return conversation.send(200, told, [("content-type", "text/plain" if word == "text" else "application/json; charset=utf-8")])


class ResponseCostTest(unittest.TestCase):
    def start(self, cost, more="", algorithm="FixedWindow"):
        redis_test.RedisTest.start(self, policy(
            "limits", f"rateLimits: {{limits: [{{name: tokens, algorithm: {algorithm}, requests: 1000, per: 744h, costHeader: x-cost, "
                      f"key: [{{type: Route}}], responseCost: {cost}}}]{more}}}"), workers=2)
        self.backend.answer = tokens

    def left(self):
        """A request of cost 0 that the answer says nothing of."""
        status, fields, _ = ask(self.port, "/text/9", fields=[("x-cost", "0")])
        return int(fields["ratelimit"].split(";r=")[1].split(";")[0]) if status == 200 else 0

    def test_counted_here(self):
        for algorithm in ("FixedWindow", "TokenBucket", "SlidingWindow"):
            with self.subTest(algorithm=algorithm):
                self.start("{json: usage.total_tokens}", algorithm=algorithm)
                rows = [("/json/100", 900), ("/gzip/50", 850), ("/json/0", 849), ("/text/70", 848), ("/json/x", 847), ("/json/1", 846)]
                for path, left in rows:
                    self.assertEqual(ask(self.port, path)[0], 200)
                    self.assertEqual(self.left(), left, path)
                with Wire(self.port) as wire:
                    wire.send(b"GET /cut/500 HTTP/1.1\r\nhost: a.example\r\n\r\n")
                    wire.until(b"usage")
                    self.assertRaises((EOFError, ConnectionResetError), wire.until, b"}}")
                self.assertEqual(self.left(), 845, "what was cut off tells nothing")
                self.assertEqual(ask(self.port, "/json/900000")[0], 200, "the limit was not reached before it")
                status, fields, _ = ask(self.port, "/json/1")
                self.assertEqual(status, 429)
                if algorithm == "TokenBucket":  # a whole limit is owed, and no more: 744h for that and one request's time
                    self.assertAlmostEqual(int(fields["retry-after"]), 744 * 3600 * 1.001, delta=60)

    def test_by_a_header(self):
        self.start("{header: X-Tokens}")
        status, fields, _ = ask(self.port, "/header/300")
        self.assertEqual((status, fields["ratelimit"].split(";")[1]), (200, "r=700"), "the answer itself tells what is left")
        self.assertEqual(ask(self.port, "/header/-5")[1]["ratelimit"].split(";")[1], "r=699")
        self.assertEqual(ask(self.port, "/header/99999999999999999999")[0], 200)
        self.assertEqual(ask(self.port, "/header/1")[0], 429)

    def test_counted_in_redis(self):
        for mode in ("Exact", "Lease"):
            with self.subTest(mode=mode):
                redis = Redis(self)
                self.start("{json: usage.total_tokens}", f", store: Redis, redis: {{mode: {mode}, addresses: [\"127.0.0.1:{redis.port}\"], "
                           "timeout: 5s, onFailure: Closed}")
                spent = lambda: ask(self.port, "/json/1", fields=[("x-cost", "1")])[0]
                self.assertEqual(ask(self.port, "/json/400")[0], 200)
                self.assertEqual(ask(self.port, "/gzip/500")[0], 200)
                self.assertTrue(eventually(lambda: self.left() <= 100))
                passed = 0
                while spent() == 200:
                    passed += 1
                self.assertLessEqual(passed, 100)
                self.assertGreaterEqual(passed, 100 if mode == "Exact" else 50)

    def test_the_page_s_limits_of_what_responses_use(self):
        example = (ROOT / "docs/reference/request-policy/responseLimits.md").read_text().split("```yaml\n")[1].split("```")[0]
        for more in (False, True):
            with self.subTest(redis=more):
                store = f"    store: Redis\n    redis: {{addresses: [\"127.0.0.1:{Redis(self).port}\"]}}\n" if more else ""
                redis_test.RedisTest.start(self, example + store, workers=2)
                self.backend.answer = lambda conversation, method, path, *_: conversation.send(200, b"", [("x-used", path[1:])])
                for used, left, status in (("images=4", "1", 200), ("images=9,rows=1", "0", 200), ("rows=5", "0", 200), ("images=1", "0", 429)):
                    got, fields, _ = ask(self.port, "/" + used)
                    self.assertEqual((got, fields["x-ratelimit-remaining-images-hour"]), (status, left), used)
                    self.assertEqual(fields["x-ratelimit-limit-images-day"], "20")
                    # Redis hears of it in no request's time: the next question may come before.
                    self.assertTrue(eventually(lambda: ask(self.port, "/")[1]["x-ratelimit-remaining-images-hour"] == left), used)
                self.assertTrue(eventually(lambda: ask(self.port, "/")[1]["x-ratelimit-remaining-rows-hour"] == "994"))

    def test_backends_are_asked_for_what_can_be_read(self):
        self.start("{json: usage.total_tokens}")
        ask(self.port, "/json/1", fields=[("accept-encoding", "br, gzip"), ("range", "bytes=0-1")])
        head = self.backend.received[-1][1].lower()
        self.assertIn(b"accept-encoding: br, gzip\r\n", head + b"\r\n")
        self.assertNotIn(b"range", head)


if __name__ == "__main__":
    unittest.main(verbosity=2)
