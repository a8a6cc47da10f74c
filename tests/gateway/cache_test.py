# SPDX-License-Identifier: Apache-2.0
"""Sections cache and compression of a RequestPolicy, with two workers, curl, and decoders that are not ours."""
import collections
import concurrent.futures
import email
import gzip
import json
import re
import subprocess
import threading
import unittest

import brotli

from backend import Backend, Conversation, pattern
from objects import CLASS, Followed, free_port, gateway, http, of, route, service, to
from support import FAIRCTL, LIMIT, ROOT, Wire, curl, eventually

PAGES = ROOT / "docs/reference/request-policy"


def example(section):
    """The policy that the section's page shows."""
    return re.search(r"```yaml\n(.*?)```", (PAGES / f"{section}.md").read_text(), re.S).group(1)


def policy(section, name="p"):
    """A RequestPolicy of HTTPRoute web, the section in flow style."""
    return f"""apiVersion: fairlead.io/v1alpha1
kind: RequestPolicy
metadata: {{name: {name}, namespace: default}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: HTTPRoute, name: web}}]
  {section}
"""


class Origin(Backend):
    """A backend that answers as the test says: answers[path] is (status, fields, body), or a function of the head."""

    def __init__(self, **options):
        super().__init__(**options)
        self.answers = {}
        self.hold = None  # an event that answers wait for
        self.answer = self.say

    def say(self, conversation, method, path, head, body, framing):
        if self.hold is not None:
            self.hold.wait(LIMIT)
        found = self.answers.get(path)
        if found is None:
            return Conversation.answer(conversation, method, path, head, body, framing)
        status, fields, content = found(head.decode("latin-1").lower()) if callable(found) else found
        if status == 304:
            lines = ["HTTP/1.1 304 Here"] + [f"{name}: {value}" for name, value in fields]
            return conversation.peer.sendall("\r\n".join(lines).encode() + b"\r\n\r\n")
        return conversation.send(status, content, fields, method=method)


class Served(unittest.TestCase):
    """A gateway of two workers with one policy."""
    policies = ()

    @classmethod
    def setUpClass(cls):
        cls.origin = Origin()
        cls.addClassCleanup(cls.origin.close)
        cls.port = free_port()
        cls.followed = Followed({
            "gateway.yaml": CLASS + "---\n" + gateway(http(cls.port)),
            "web.yaml": route("web", to("web")) + "---\n" + service("web", of(cls.origin)),
            "policy.yaml": "---\n".join(cls.policies),
        }, workers=2)
        cls.addClassCleanup(cls.followed.close)

    def get(self, path, *fields, method="GET", host="a.example"):
        """(status, fields, body); a connection of its own, so that both workers are asked sooner or later."""
        rows = "".join(f"{row}\r\n" for row in fields)
        with Wire(self.port) as wire:
            wire.send(f"{method} {path} HTTP/1.1\r\nhost: {host}\r\n{rows}connection: close\r\n\r\n".encode())
            head = wire.until(b"\r\n\r\n").decode("latin-1")
            lines = head.split("\r\n")[1:-2]
            found = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in lines}
            body = b""
            if method != "HEAD" and " 304 " not in head.split("\r\n")[0]:
                body = wire.buffer
                while got := wire.socket.recv(65536):
                    body += got
            return int(head.split(" ")[1]), found, body

    def fetches(self, path):
        return len(self.origin.requests(path))

    def purge(self, what, value):
        out = subprocess.run([FAIRCTL, "--socket", self.followed.gateway.socket, "gateway", "purge", what, value],
                             capture_output=True, check=True, text=True).stdout
        return int(out)


FRESH = [("cache-control", "max-age=60"), ("etag", '"v1"'), ("content-type", "text/plain")]


class CacheTest(Served):
    policies = [example("cache")]

    def test_hits_come_from_both_workers(self):
        self.origin.answers["/hit"] = (200, FRESH, b"body")
        status, fields, body = self.get("/hit")
        self.assertEqual((status, body, fields["cache-status"]), (200, b"body", "fairlead; fwd=uri-miss; stored"))
        for _ in range(50):
            status, fields, body = self.get("/hit")
            self.assertEqual((status, body), (200, b"body"))
            self.assertRegex(fields["cache-status"], r"^fairlead; hit; ttl=\d+$")
            self.assertEqual(fields["content-length"], "4")
            self.assertIn("age", fields)
        self.assertEqual(self.fetches("/hit"), 1)

    def test_large_bodies_come_whole(self):
        body = pattern(90_000)
        self.origin.answers["/large"] = (200, FRESH, body)
        for _ in range(5):
            self.assertEqual(self.get("/large")[2], body)
        self.assertEqual(self.fetches("/large"), 1)
        self.origin.answers["/larger"] = (200, FRESH, pattern(100_001))
        for _ in range(2):
            self.assertEqual(self.get("/larger")[2], pattern(100_001))
        self.assertEqual(self.fetches("/larger"), 2)

    def test_chunks_are_stored_too(self):
        self.origin.answers.pop("/chunked/5000", None)
        first = self.get("/chunked/5000")
        self.assertNotIn("hit", first[1]["cache-status"])  # it says no time

    def test_head_conditions_and_ranges(self):
        self.origin.answers["/parts"] = (200, FRESH, b"0123456789")
        self.get("/parts")
        status, fields, body = self.get("/parts", method="HEAD")
        self.assertEqual((status, fields["content-length"], body), (200, "10", b""))
        status, fields, body = self.get("/parts", 'if-none-match: "v1"')
        self.assertEqual((status, body, fields["etag"]), (304, b"", '"v1"'))
        self.assertEqual(self.get("/parts", 'if-none-match: "v0"')[0], 200)
        self.assertEqual(curl("-r", "2-4", f"http://127.0.0.1:{self.port}/parts", "-H", "host: a.example"), b"234")
        status, fields, body = self.get("/parts", "range: bytes=-3")
        self.assertEqual((status, fields["content-range"], body), (206, "bytes 7-9/10", b"789"))
        self.assertEqual(self.get("/parts", "range: bytes=-3", 'if-range: "v0"')[0], 200)
        status, fields, body = self.get("/parts", "range: bytes=10-")
        self.assertEqual((status, fields["content-range"]), (416, "bytes */10"))
        self.assertEqual(self.fetches("/parts"), 1)

    def parts(self, asked, *more):
        """Status and (content-type, content-range, body) of each part."""
        status, fields, body = self.get("/many", f"range: bytes={asked}", *more)
        if not fields["content-type"].startswith("multipart/byteranges"):
            return status, fields["content-type"], fields.get("content-range"), body
        self.assertNotIn("content-range", fields)
        self.assertEqual(int(fields["content-length"]), len(body))
        message = email.message_from_bytes(f"content-type: {fields['content-type']}\r\n\r\n".encode() + body)
        self.assertTrue(message.is_multipart())
        return status, [(one["content-type"], one["content-range"], one.get_payload(decode=True)) for one in message.get_payload()]

    def test_several_ranges(self):
        whole = bytes(range(256)) * 8
        self.origin.answers["/many"] = (200, FRESH, whole)
        self.get("/many")
        kind = self.get("/many")[1]["content-type"]
        self.assertEqual(self.parts("0-9,1000-1009"),
                         (206, [(kind, "bytes 0-9/2048", whole[:10]), (kind, "bytes 1000-1009/2048", whole[1000:1010])]))
        self.assertEqual(self.parts("-5, 300-,0-0")[1], [(kind, "bytes 300-2047/2048", whole[300:]), (kind, "bytes 0-0/2048", whole[:1])])
        self.assertEqual(self.parts("0-9,5000-"), (206, kind, "bytes 0-9/2048", whole[:10]))
        self.assertEqual(self.parts("500-,0-600,100-700"), (206, kind, "bytes 0-2047/2048", whole))
        self.assertEqual(self.get("/many", "range: bytes=4000-,5000-")[0], 416)
        for passed_over in ("0-9,1000-999", ",".join(f"{i * 100}-{i * 100}" for i in range(17))):
            self.assertEqual(self.get("/many", f"range: bytes={passed_over}")[::2], (200, whole))
        self.assertEqual(self.parts("0-9,1000-1009", 'if-range: "v1"')[0], 206)
        self.assertEqual(self.get("/many", "range: bytes=0-9,1000-1009", 'if-range: "v0"')[::2], (200, whole))
        self.assertEqual(self.get("/many", "range: bytes=0-9,1000-1009", method="HEAD")[0], 200)
        self.assertEqual(self.fetches("/many"), 1)

    def test_fifty_clients_are_one_fetch(self):
        self.origin.answers["/herd"] = (200, FRESH, b"herd")
        self.origin.hold = threading.Event()
        try:
            with concurrent.futures.ThreadPoolExecutor(50) as pool:
                asked = [pool.submit(self.get, "/herd") for _ in range(50)]
                self.assertTrue(eventually(lambda: self.fetches("/herd") >= 1))
                # All of them are there before the backend answers.
                live = f"http://{self.followed.gateway.admin}/metrics"
                self.assertTrue(eventually(lambda: self.open_requests(live) >= 50), curl(live).decode()[:2000])
                self.origin.hold.set()
                answers = [one.result(LIMIT) for one in asked]
        finally:
            self.origin.hold.set()
            self.origin.hold = None
        self.assertEqual(self.fetches("/herd"), 1)
        self.assertEqual({(status, body) for status, _, body in answers}, {(200, b"herd")})
        states = collections.Counter(fields["cache-status"].split("; ttl")[0] for _, fields, _ in answers)
        self.assertEqual(states["fairlead; fwd=uri-miss; collapsed"], 49, states)

    def test_a_herd_of_each_variant_is_one_fetch(self):
        self.origin.answers["/herds"] = (200, [*FRESH, ("vary", "x-kind")], b"herd")
        self.origin.hold = threading.Event()
        try:
            with concurrent.futures.ThreadPoolExecutor(30) as pool:
                asked = [pool.submit(self.get, "/herds", f"x-kind: {number % 3}") for number in range(30)]
                live = f"http://{self.followed.gateway.admin}/metrics"
                self.assertTrue(eventually(lambda: self.open_requests(live) >= 30), curl(live).decode()[:2000])
                self.origin.hold.set()
                answers = [one.result(LIMIT) for one in asked]
        finally:
            self.origin.hold.set()
            self.origin.hold = None
        self.assertEqual({(status, body) for status, _, body in answers}, {(200, b"herd")})
        self.assertEqual(self.fetches("/herds"), 3)

    @staticmethod
    def open_requests(live):
        """How many requests are under way, by the gateway's own count."""
        text = curl(live).decode()
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines()
                   if re.match(r"fairlead_gateway_active_requests", line))

    def test_what_is_not_stored_is_fetched_by_each(self):
        self.origin.answers["/private"] = (200, [("cache-control", "private, max-age=60")], b"p")
        with concurrent.futures.ThreadPoolExecutor(10) as pool:
            answers = list(pool.map(lambda _: self.get("/private"), range(20)))
        self.assertEqual({status for status, _, _ in answers}, {200})
        self.assertEqual(self.fetches("/private"), 20)

    def test_validation(self):
        seen = []

        def say(head):
            seen.append('if-none-match: "v1"' in head)
            if seen[-1]:
                return 304, [("cache-control", "max-age=60"), ("x-new", "1")], b""
            return 200, [("cache-control", "max-age=0"), ("etag", '"v1"')], b"validated"
        self.origin.answers["/validate"] = say
        self.assertEqual(self.get("/validate")[2], b"validated")
        status, fields, body = self.get("/validate")
        self.assertEqual((status, body, fields.get("x-new")), (200, b"validated", "1"))
        self.assertRegex(fields["cache-status"], r"^fairlead; fwd=stale; fwd-status=304; ttl=\d+$")
        status, fields, body = self.get("/validate")
        self.assertEqual((status, body, fields.get("x-new")), (200, b"validated", "1"))
        self.assertEqual(seen, [False, True])

    def test_connections_outlive_validation(self):
        def say(head):
            fields = [("cache-control", "max-age=0"), ("etag", '"v1"')]
            return (304, fields, b"") if "if-none-match" in head else (200, fields, b"again")
        self.origin.answers["/always"] = say
        before = self.origin.connections
        for _ in range(20):
            self.assertEqual(self.get("/always")[2], b"again")
        self.assertEqual(self.fetches("/always"), 20)
        self.assertLessEqual(self.origin.connections - before, 4)  # a worker may have one or two

    def test_vary(self):
        def say(head):
            german = "accept-language: de" in head
            return 200, FRESH + [("vary", "Accept-Language")], b"guten Tag" if german else b"hello"
        self.origin.answers["/vary"] = say
        for _ in range(3):
            self.assertEqual(self.get("/vary", "accept-language: de")[2], b"guten Tag")
            self.assertEqual(self.get("/vary")[2], b"hello")
        self.assertEqual(self.fetches("/vary"), 2)

    def test_negative_and_query(self):
        self.origin.answers["/none"] = (404, [], b"no")
        for _ in range(3):
            self.assertEqual(self.get("/none")[0], 404)
        self.assertEqual(self.fetches("/none"), 1)
        self.origin.answers["/q"] = (200, FRESH, b"q")
        self.get("/q?a=1&utm_source=x")
        self.get("/q?a=1&utm_source=y")
        self.get("/q?utm_source=z&a=1")
        self.assertEqual(len(self.origin.requests("/q?a=1")), 1)

    def test_unsafe_methods_make_it_forget(self):
        for path in ("/item", "/list"):
            self.origin.answers[path] = lambda head: (200, FRESH + [("location", "/list")], head[:4].encode())
        for path in ("/item", "/list"):
            self.get(path)
        self.assertEqual(self.get("/item", "content-length: 0", method="POST")[0], 200)
        for path in ("/item", "/list"):
            self.assertIn("fwd=uri-miss", self.get(path)[1]["cache-status"], path)
            self.assertIn("hit", self.get(path)[1]["cache-status"], path)

    def test_poisoning(self):
        """What one client sends beside the key is never in another's answer."""
        self.origin.answers["/echo-head"] = lambda head: (200, [("cache-control", "max-age=60")], head.encode())
        evil = [("x-forwarded-host: evil.test",), ("x-forwarded-scheme: evil.test",), ("x-host: evil.test",),
                ("x-original-url: /evil.test",), ("x-rewrite-url: /evil.test",), ("x-http-method-override: evil.test",),
                ("forwarded: host=evil.test",), ("content-length: 9", "x-filler: 1\r\n\r\nevil.test"[:11]),
                ("authorization: evil.test",)]
        for number, fields in enumerate(evil):
            with self.subTest(fields=fields):
                path = f"/echo-head?n={number}"
                if fields[0].startswith("content-length"):
                    with Wire(self.port) as wire:
                        wire.send(f"GET {path} HTTP/1.1\r\nhost: a.example\r\ncontent-length: 9\r\n\r\nevil.test".encode())
                        wire.answer()
                else:
                    self.get(path, *fields)
                self.assertNotIn(b"evil.test", self.get(path)[2])
        self.get("/echo-head?n=port", host="a.example:1234")
        self.assertNotIn(b"1234", self.get("/echo-head?n=port")[2])
        self.get("/echo-head?n=utm&utm_source=evil.test")
        self.assertNotIn(b"evil.test", self.get("/echo-head?n=utm")[2])

    def test_purge(self):
        tagged = FRESH + [("surrogate-key", "red blue")]
        for path in ("/p/1", "/p/2", "/r/1"):
            self.origin.answers[path] = (200, tagged if path == "/p/1" else FRESH, b"p")

        def fill():
            for path in ("/p/1", "/p/2", "/r/1"):
                self.get(path)

        def hits():
            return [path for path in ("/p/1", "/p/2", "/r/1") if "; hit" in self.get(path)[1]["cache-status"]]
        fill()
        self.assertEqual(self.purge("url", "http://a.example/p/2"), 1)
        self.assertEqual(hits(), ["/p/1", "/r/1"])
        self.assertEqual(self.purge("tag", "blue"), 1)
        self.assertEqual(hits(), ["/p/2", "/r/1"])
        self.assertEqual(self.purge("prefix", "http://a.example/p/"), 2)
        self.assertEqual(hits(), ["/r/1"])
        self.assertEqual(self.purge("tag", "none"), 0)
        socket = self.followed.gateway.socket
        for question in ("", "?url=", "?url=a&tag=b"):
            said = json.loads(curl("-d", "", "--unix-socket", socket, f"http://localhost/v1/gateway/purge{question}"))
            self.assertIn("expected one", said["error"])

    def test_stored_is_kept_when_the_policy_changes(self):
        self.origin.answers["/kept"] = (200, FRESH, b"kept")
        self.get("/kept")
        before = self.followed.status()["changes"]
        self.followed.write("policy.yaml", example("cache").replace("1h", "2h"))
        self.followed.await_changes(before)
        self.assertIn("; hit", self.get("/kept")[1]["cache-status"])


class ControlHeadersTest(Served):
    policies = [policy("cache: {controlHeaders: [CDN-Cache-Control]}")]

    def test_what_is_said_to_this_cache_alone_counts(self):
        rows = {"/kept": ("max-age=60", "no-store", 1), "/gone": ("no-store", "max-age=60", 2),
                "/broken": ("max-age=60, &", "max-age=60", 1), "/wrong": ('max-age="60"', "no-store", 2)}
        for path, (targeted, general, fetches) in rows.items():
            with self.subTest(path=path):
                self.origin.answers[path] = (200, [("cdn-cache-control", targeted), ("cache-control", general)], b"x")
                seen = [self.get(path) for _ in range(2)]
                self.assertEqual(self.fetches(path), fetches)
                # Whoever stands between here and the client is told what the backend said.
                self.assertEqual({(fields["cdn-cache-control"], fields["cache-control"]) for _, fields, _ in seen},
                                 {(targeted, general)})


class StaleTest(Served):
    policies = [policy("cache: {staleIfError: 1h}")]

    def test_a_backend_that_is_gone(self):
        self.origin.answers["/old"] = (200, [("cache-control", "max-age=0"), ("etag", '"v1"')], b"old")
        self.origin.answers["/strict"] = (200, [("cache-control", "max-age=0, must-revalidate"), ("etag", '"v1"')], b"old")
        for path in ("/old", "/strict"):
            self.assertEqual(self.get(path)[0], 200)
        self.origin.close()
        status, fields, body = self.get("/old")
        self.assertEqual((status, body), (200, b"old"))
        self.assertRegex(fields["cache-status"], r"^fairlead; fwd=stale; fwd-status=50[234]; ttl=-?\d+$")
        self.assertIn(self.get("/strict")[0], (502, 503, 504))
        self.assertIn(self.get("/never")[0], (502, 503, 504))


class RevalidateTest(Served):
    policies = [policy("cache: {staleWhileRevalidate: 1h}")]

    def test_nobody_waits_for_the_backend(self):
        self.origin.answers["/swr"] = (200, [("cache-control", "max-age=0"), ("etag", '"v1"')], b"first")
        self.assertEqual(self.get("/swr")[2], b"first")
        self.origin.answers["/swr"] = (200, FRESH, b"second")
        self.origin.hold = threading.Event()
        try:
            for _ in range(10):
                status, fields, body = self.get("/swr")
                self.assertEqual((status, body), (200, b"first"))
                self.assertRegex(fields["cache-status"], r"^fairlead; hit; ttl=-?\d+$")
            self.assertTrue(eventually(lambda: self.fetches("/swr") == 2))
        finally:
            self.origin.hold.set()
        self.assertTrue(eventually(lambda: self.get("/swr")[2] == b"second"))
        asked = self.origin.requests("/swr")[1][1].decode().lower()
        self.assertIn('if-none-match: "v1"', asked)
        self.assertEqual(asked.count("x-forwarded-for"), 1)
        self.assertEqual(self.fetches("/swr"), 2)


class CompressionTest(Served):
    policies = [example("compression"), policy("cache: {}", "stored")]
    TEXT = b"".join(b"line %d of a text that repeats itself\n" % number for number in range(2000))

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.origin.answers["/text"] = (200, FRESH, cls.TEXT)
        cls.origin.answers["/image"] = (200, [("content-type", "image/png")], cls.TEXT)
        cls.origin.answers["/short"] = (200, [("content-type", "text/plain")], b"short")
        cls.origin.answers["/fixed"] = (200, [("content-type", "text/plain"), ("cache-control", "no-transform")], cls.TEXT)

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def raw(self, path, accept):
        """(fields, body as it came)."""
        out = curl("-i", "--raw", "--http1.0", "-H", f"accept-encoding: {accept}", self.url(path))
        head, _, body = out.partition(b"\r\n\r\n")
        return {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in head.decode().split("\r\n")[1:]}, body

    @staticmethod
    def decode(encoding, body):
        if encoding == "gzip":
            return gzip.decompress(body)
        if encoding == "br":
            return brotli.decompress(body)
        return subprocess.run(["zstd", "-dc"], input=body, capture_output=True, check=True).stdout

    def test_decoders_of_others_read_it(self):
        for encoding in ("gzip", "br", "zstd"):
            for _ in range(3):  # fetched, then stored
                with self.subTest(encoding=encoding):
                    fields, body = self.raw("/text", encoding)
                    self.assertEqual(fields["content-encoding"], encoding)
                    self.assertEqual(fields["vary"], "accept-encoding")
                    self.assertEqual(fields["etag"], 'W/"v1"')
                    self.assertNotIn("content-length", fields)
                    self.assertLess(len(body), len(self.TEXT) // 4)
                    self.assertEqual(self.decode(encoding, body), self.TEXT)
        self.assertEqual(self.fetches("/text"), 1)

    def test_curl_reads_what_it_asked_for(self):
        self.assertEqual(curl("--compressed", self.url("/text")), self.TEXT)
        self.assertEqual(curl(self.url("/text")), self.TEXT)

    def test_weights(self):
        for accept, encoding in (("gzip;q=1, br;q=0.9", "gzip"), ("gzip, br, zstd", "zstd"), ("zstd;q=0, *", "br"),
                                 ("identity, gzip;q=0.1", None), ("deflate", None)):
            with self.subTest(accept=accept):
                self.assertEqual(self.raw("/text", accept)[0].get("content-encoding"), encoding)

    def test_left_alone(self):
        for path, body in (("/image", self.TEXT), ("/short", b"short"), ("/fixed", self.TEXT)):
            with self.subTest(path=path):
                fields, got = self.raw(path, "gzip")
                self.assertNotIn("content-encoding", fields)
                self.assertEqual(got, body)

    def test_head_and_condition(self):
        self.get("/text")
        status, fields, body = self.get("/text", "accept-encoding: gzip", method="HEAD")
        self.assertEqual((status, fields["content-encoding"], body), (200, "gzip", b""))
        self.assertNotIn("content-length", fields)
        status, fields, body = self.get("/text", "accept-encoding: gzip", 'if-none-match: W/"v1"')
        self.assertEqual((status, body), (304, b""))

    def test_a_304_has_the_etag_of_what_the_client_has(self):
        never = [("cache-control", "no-store"), ("etag", '"v1"')]
        self.origin.answers["/asked"] = lambda head: (304, never, b"") if "if-none-match" in head else \
            (200, [*never, ("content-type", "text/plain")], self.TEXT)
        self.assertEqual(self.get("/asked", "accept-encoding: gzip")[1]["etag"], 'W/"v1"')
        for asked, etag, vary in (('W/"v1"', 'W/"v1"', "accept-encoding"), ('"v0", W/"v1"', 'W/"v1"', "accept-encoding"),
                                  ('"v1"', '"v1"', None)):
            with self.subTest(asked=asked):
                status, fields, _ = self.get("/asked", "accept-encoding: gzip", f"if-none-match: {asked}")
                self.assertEqual((status, fields["etag"], fields.get("vary")), (304, etag, vary))

    def test_events_can_be_read_as_they_come(self):
        import zlib
        decoder = zlib.decompressobj(31)
        with Wire(self.port) as wire:
            wire.send(b"GET /events/3 HTTP/1.1\r\nhost: a.example\r\naccept-encoding: gzip\r\n\r\n")
            self.origin.release()
            self.assertIn(b"content-encoding: gzip", wire.until(b"\r\n\r\n").lower())
            for number in range(3):
                text = b""
                while b"\n\n" not in text:  # gzip's head may come in a chunk of its own
                    size = int(wire.until(b"\r\n"), 16)
                    piece = b""
                    while len(piece) < size + 2:
                        piece += wire.buffer or wire.socket.recv(65536)
                        wire.buffer = b""
                    wire.buffer = piece[size + 2:]
                    text += decoder.decompress(piece[:size])
                self.assertEqual(text, b"data: %d\n\n" % number)
                self.origin.release()


if __name__ == "__main__":
    unittest.main()
