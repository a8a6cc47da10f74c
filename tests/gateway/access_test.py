# SPDX-License-Identifier: Apache-2.0
"""Whether a caller may: rules, addresses and sizes of requests through a real gateway."""
import re
import time
import unittest

from callers import SECRET, Callers, consumer, hs256, policy
from support import ROOT, Wire, curl_status, eventually

FOLDER = ROOT / "docs/reference/request-policy"


def example(name):
    return re.search(r"```yaml\n(.*?)```", (FOLDER / f"{name}.md").read_text(), re.DOTALL).group(1)


class Access(Callers, unittest.TestCase):
    def test_rules_in_their_order(self):
        self.serve(
            policy("auth", "  authentication: {methods: {apiKey: {}, jwt: {}}, anonymous: {allow: true}}"),
            policy("rules", """  access:
    rules:
    - {action: Deny, consumers: [mallory]}
    - {action: Allow, paths: [{value: /public}], methods: [GET, HEAD]}
    - {action: Allow, groups: [staff, admin], paths: [{value: /orders}, {type: Exact, value: /head}]}
    - {action: Allow, scopes: [read, write], claims: [{claim: tenant, values: [a, b]}]}
    - {action: Allow, addresses: [192.0.2.0/24], authenticated: true}
"""),
            consumer("alice", "{groups: [staff], credentials: [{apiKey: {key: alice}}]}"),
            consumer("bob", "{groups: [guests], credentials: [{apiKey: {key: bob}}]}"),
            consumer("mallory", "{groups: [staff], credentials: [{apiKey: {key: mallory}}]}"),
            consumer("app", f"{{credentials: [{{jwt: {{secret: {SECRET}}}}}]}}"))

        def token(**claims):
            return "authorization: Bearer " + hs256({"iss": "app", "exp": int(time.time()) + 600, **claims})

        rows = [("/public/x", "", 200), ("/public", "", 200), ("/publicity", "", 403), ("/public/../head", "", 403),
                ("/orders/1", "", 403), ("/orders/1", "apikey: alice", 200), ("/%6frders", "apikey: alice", 200),
                ("/head", "apikey: alice", 200), ("/head/x", "apikey: alice", 403), ("/Orders", "apikey: alice", 403),
                ("/orders", "apikey: bob", 403), ("/public", "apikey: mallory", 403), ("/orders", "apikey: mallory", 403),
                ("/any", token(scope="read write admin", tenant="b"), 200), ("/any", token(scope="read", tenant="b"), 403),
                ("/any", token(scp=["read", "write"], tenant="a"), 200), ("/any", token(scope="read write", tenant="c"), 403),
                ("/any", token(scope="readwrite", tenant="a"), 403), ("/any", "x-forwarded-for: 192.0.2.1", 403)]
        for path, header, status in rows:
            with self.subTest(path=path, header=header):
                got = curl_status("--path-as-is", *(["-H", header] if header else []), self.url + path)
                self.assertEqual(got, str(status))
        self.assertEqual(curl_status("-X", "DELETE", self.url + "/public"), "403")
        self.refused("-H", "apikey: bob", status=403, why="may not")

    def test_addresses_behind_trusted_hops(self):
        trusting = """apiVersion: fairlead.io/v1alpha1
kind: ClientPolicy
metadata: {name: hops, namespace: default}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: edge}]
  forwarded: {numTrustedHops: 1}
"""
        self.serve(policy("addresses", "  addresses: {allow: [192.0.2.0/24, \"2001:db8::/32\"], deny: [192.0.2.128/25, 192.0.2.7/32]}\n"
                                       "  authentication: {methods: {apiKey: {}}, anonymous: {allow: true}}"),
                   **{"20.yaml": trusting})
        for address, status in (("192.0.2.1", 200), ("192.0.2.7", 403), ("192.0.2.127", 200), ("192.0.2.128", 403),
                                ("192.0.3.1", 403), ("2001:db8::1", 200), ("2001:db9::1", 403), ("9.9.9.9, 192.0.2.1", 200),
                                ("192.0.2.1, 9.9.9.9", 403)):
            with self.subTest(address):
                self.assertEqual(self.ask("-H", f"x-forwarded-for: {address}")[0], status)
        self.refused(status=403, why="address")
        self.followed.remove("20.yaml")
        self.assertTrue(eventually(lambda: self.ask("-H", "x-forwarded-for: 192.0.2.1")[0] == 403))

    def test_sizes(self):
        self.serve(policy("size", "  requestSize: {maxBytes: 1000}"))
        exact, more = "x" * 1000, "x" * 1001
        echo = ("-X", "POST", "-H", "expect:")
        self.assertEqual(self.ask(*echo, "-d", exact, path="/echo")[0], 200)
        self.refused(*echo, "-d", more, status=413, path="/echo")
        chunked = (*echo, "-H", "transfer-encoding: chunked")
        status, _, body = self.ask(*chunked, "-d", exact, path="/echo")
        self.assertEqual((status, body), (200, exact))
        before = len(self.web.requests())
        self.assertEqual(self.ask(*chunked, "-d", "x" * 100000, path="/echo")[0], 413)
        self.assertEqual(len(self.web.requests()), before)
        # By its length alone: nothing of the body has to come.
        port = int(self.url.rsplit(":", 1)[1])
        with Wire(port) as wire:
            wire.send(b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 1001\r\n\r\n")
            self.assertEqual(wire.answer()[0], 413)
        self.followed.write("10.yaml", policy("size", "  requestSize: {maxBytes: 1000, streamed: Refuse}"))
        self.assertTrue(eventually(lambda: self.ask(*chunked, "-d", "x", path="/echo")[0] == 411))
        self.followed.write("10.yaml", policy("size", "  requestSize: {maxBytes: 1000, streamed: Pass}"))
        self.assertTrue(eventually(lambda: self.ask(*chunked, "-d", more, path="/echo")[0] == 200))
        self.refused(*echo, "-d", more, status=413, path="/echo")

    def test_the_examples_of_the_pages(self):
        self.serve(example("access"))
        for key, path, status in (("alice", "/orders", 200), ("bob", "/orders", 403), ("bob", "/catalog", 200), ("alice", "/x", 403)):
            self.assertEqual(self.ask("-H", f"apikey: key-of-{key}", path=path)[0], status, (key, path))
        self.followed.write("10.yaml", example("addresses"))
        self.assertTrue(eventually(lambda: self.ask()[0] == 200))
        self.followed.write("10.yaml", example("addresses").replace("127.0.0.0/8", "10.0.0.0/8"))
        self.assertTrue(eventually(lambda: self.ask()[0] == 403))
        self.followed.write("10.yaml", example("userAgents"))
        for agent, status in (("GNU wget", 403), ("Googlebot/2.1", 403), ("our-crawler/1", 200), ("Mozilla/5.0", 200)):
            self.assertTrue(eventually(lambda: self.ask("-H", f"user-agent: {agent}")[0] == status), agent)
        self.refused("-H", "user-agent: okhttp", status=403, why="User-Agent")
        self.followed.write("10.yaml", example("requestSize"))
        self.assertTrue(eventually(lambda: self.ask("-X", "POST", "-H", "expect:", "-d", "x" * 70000, path="/echo")[0] == 413))
        self.assertEqual(self.ask("-X", "POST", "-H", "expect:", "-d", "x" * 60000, path="/echo")[0], 200)


if __name__ == "__main__":
    unittest.main()
