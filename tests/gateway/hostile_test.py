# SPDX-License-Identifier: Apache-2.0
"""Odd, repeated, oversized and encoded input for sections that look at the head alone: what the client gets, and what the
backend sees. Beside it what the examples of their pages do."""
import re
import unittest

from backend import Backend
from callers import Callers, consumer, policy
from ext_authz import Authorization, allowed, denied
from objects import of, service
from support import ROOT, Wire, eventually

HOPS = """apiVersion: fairlead.io/v1alpha1
kind: ClientPolicy
metadata: {name: hops, namespace: default}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: edge}]
  forwarded: {numTrustedHops: 1}
"""


class Hostile(Callers, unittest.TestCase):
    def send(self, *lines, method="GET", path="/head", body=b""):
        """(status, the answer's fields, what the backend saw: its fields, or None where it saw nothing)"""
        before = len(self.web.requests())
        rows = "".join(f"{line}\r\n" for line in lines)
        with Wire(int(self.url.rsplit(":", 1)[1])) as wire:
            wire.send(f"{method} {path} HTTP/1.1\r\nhost: a.example\r\n{rows}\r\n".encode("latin-1") + body)
            status, head, _ = wire.answer()
        new = self.web.requests()[before:]
        return status, fields_of(head), fields_of(new[-1][1]) if new else None


def fields_of(head):
    """[(name in lower case, value)] in their order."""
    lines = head.decode("latin-1").split("\r\n\r\n")[0].split("\r\n")[1:]
    return [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]


def values(fields, name):
    return [value for one, value in fields if one == name]


class Tables(Hostile):
    def test_correlation(self):
        self.serve(policy("p", "  correlation: {header: x-id, echo: true}"))
        made = r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"
        rows = [((), made), (("x-id: a",), "^a$"), (("X-ID: a",), "^a$"), (("x-id:",), made), (("x-id:   ",), made),
                (("x-id: a", "x-id: b"), "^a$"), (("x-id: a", "x-id:"), "^a$"), (("x-id:", "x-id: b"), made),
                (("x-id: a, b",), "^a, b$"), (("x-id: a%0d%0aset-cookie: b",), "^a%0d%0aset-cookie: b$"),
                (("x-id: \"><script>",), '^"><script>$'), (("x-id: " + "a" * 8000,), "^a{8000}$"),
                (("x-id: caf\xe9",), "^caf\xe9$")]
        for sent, wanted in rows:
            with self.subTest(sent=sent):
                status, told, seen = self.send(*sent)
                self.assertEqual(status, 200)
                (name,) = values(seen, "x-id")
                self.assertRegex(name, wanted)
                self.assertEqual(values(told, "x-id"), [name])
                self.assertEqual(values(told, "set-cookie"), [])
        for sent in ("x-id: a\0b", "x-id: a\rb", "x-id : a", " x-id: a"):  # no HTTP: nobody is asked
            with self.subTest(sent=sent):
                status, told, seen = self.send(sent)
                self.assertEqual((status, seen, values(told, "x-id")), (400, None, []))

    def test_cross_origin(self):
        self.serve(policy("p", "  crossOrigin: {origins: ['https://shop.example', 'https://[a-z]+[.]partner[.]example', "
                               "'[a-z]+[.]by-host[.]example'], credentials: true}"))
        good = ["https://shop.example", "https://a.partner.example", "https://a.by-host.example", "http://a.by-host.example"]
        bad = ["", "null", "*", "https://shop.example.evil.example", "https://evil.example/https://shop.example", "http://shop.example",
               "HTTPS://SHOP.EXAMPLE", "https://shop.example:444", "https://shop.example/", "https://a.partnerxexample",
               "https://a.partner.example.evil.example", "https://evil.example#.partner.example", "https://a.b.partner.example",
               "https://a.by-host.example@evil.example", "https://evil.example?a.by-host.example", "https://xn--.partner.example",
               "https://shop.example https://evil.example", "https://shop.example,https://evil.example", "\xff" * 1000,
               "https://" + "a" * 6000 + ".evil.example"]
        preflight = ("access-control-request-method: PUT", "access-control-request-headers: x-a")
        for origins, allowed_one in ([((one,), one) for one in good] + [((one,), None) for one in bad] +
                                     [((bad[3], good[0]), None), ((good[0], bad[3]), good[0])]):
            lines = tuple(f"origin: {one}" for one in origins)
            with self.subTest(origins=origins):
                status, told, seen = self.send(*lines)
                self.assertEqual(status, 200)
                self.assertEqual(values(seen, "origin"), [one for one in origins])
                self.assertEqual(values(told, "access-control-allow-origin"), [allowed_one] if allowed_one else [])
                self.assertEqual(values(told, "vary"), ["Origin"])
                status, told, seen = self.send(*lines, *preflight, method="OPTIONS")
                self.assertEqual(seen, None if status == 200 and values(told, "access-control-allow-methods") else seen)
                self.assertEqual(values(told, "access-control-allow-origin"), [allowed_one] if allowed_one else [])

    def test_access(self):
        self.serve(policy("p", "  authentication: {methods: {apiKey: {}}, anonymous: {allow: true}}\n  access: {rules: [{action: Deny, paths: "
                               "[{value: /head/admin}]}, {action: Allow, methods: [GET], paths: [{value: /head}]}, "
                               "{action: Allow, groups: [staff]}]}"),
                   consumer("ada", "{groups: [staff], credentials: [{apiKey: {key: k-ada}}]}"))
        for path, status in (("/head", 200), ("/head/x", 200), ("/header", 403), ("/HEAD", 403), ("/head/admin", 403),
                             ("/head/admin/", 403), ("/head/admin/x", 403), ("/head/x/../admin", 403), ("/head/./admin", 403),
                             ("/head//admin", 403), ("//head/admin", 403), ("/head/%61dmin", 403), ("/head/%2e%2e/head/admin", 403),
                             ("/x/../head/admin", 403), ("/head/admin?x=/head/y", 403), ("/head/administrator", 200),
                             ("/head/adminx/../admin", 403), ("/head/%2561dmin", 200), ("/head/\\admin", 400),
                             ("/head/%00admin", 400), ("/head/%", 400), ("/../head", 200),
                             # A slash that is encoded is none, here and for routes: it is part of a segment.
                             ("/head/admin%2fx", 200), ("/head/..%2fadmin", 200), ("/head%2fadmin", 403)):
            with self.subTest(path=path):
                got, _, seen = self.send(path=path)
                self.assertEqual(got, status)
                self.assertEqual(seen is not None, status == 200)
        for method, status in (("GET", 200), ("get", 403), ("POST", 403), ("GETT", 403), ("X" * 30, 403)):
            with self.subTest(method=method):
                got, _, seen = self.send(method=method)
                self.assertEqual((got, seen is not None), (status, status == 200))
        for lines in (("x-consumer-groups: staff",), ("x-consumer-username: ada",), ("X_Consumer_Groups: staff",),
                      ("x-http-method-override: GET",), ("x-original-url: /head/x",)):
            with self.subTest(lines=lines):
                self.assertEqual(self.send(*lines, method="POST")[0], 403)
        self.assertEqual(self.send("apikey: k-ada", "x-consumer-groups: none", method="POST")[0], 200)

    def test_addresses(self):
        self.serve(policy("p", "  addresses: {allow: [192.0.2.0/24, 'fd00::/8'], deny: [192.0.2.7, 'fd00::7']}"), HOPS)
        for lines, status in ((("192.0.2.1",), 200), (("192.0.2.7",), 403), (("192.0.3.1",), 403), (("fd00::1",), 200),
                              (("fd00::7",), 403), (("FD00::0:7",), 403), (("::ffff:192.0.2.7",), 403), (("::ffff:192.0.2.1",), 200),
                              (("192.0.2.7:80",), 403), (("[fd00::7]:80",), 403), (("192.0.2.007",), 403), (("0xc0.0.2.1",), 403),
                              (("3221225985",), 403), (("192.0.2.1.",), 403), (("unknown",), 403), (("_hidden",), 403), (("",), 403),
                              (("192.0.2.7, 192.0.2.1",), 200), (("192.0.2.1, 192.0.2.7",), 403), (("192.0.2.1,",), 200),
                              (("192.0.2.7", "192.0.2.1"), 200), (("192.0.2.1", "192.0.2.7"), 403),
                              (("192.0.2.1, " * 600 + "192.0.2.7",), 403), (("192.0.2.1%00",), 403), (("fd00::1%eth0",), 403)):
            with self.subTest(lines=lines):
                got, _, seen = self.send(*(f"x-forwarded-for: {one}" for one in lines))
                self.assertEqual((got, seen is not None), (status, status == 200))
        for line in ("forwarded: for=192.0.2.1", "x-real-ip: 192.0.2.1", "client-ip: 192.0.2.1", "x_forwarded_for: 192.0.2.1"):
            with self.subTest(line=line):
                self.assertEqual(self.send(line)[0], 403)

    def test_request_size(self):
        self.serve(policy("p", "  requestSize: {maxBytes: 10}"))
        def chunks(*sizes, more=b""):
            return b"".join(b"%x\r\n%s\r\n" % (size, b"x" * size) for size in sizes) + b"0\r\n" + more + b"\r\n"
        te = "transfer-encoding: chunked"
        rows = [(("content-length: 10",), b"x" * 10, 200), (("content-length: 11",), b"", 413), (("content-length: 0",), b"", 200),
                ((), b"", 200), (("content-length: 010",), b"x" * 10, 200), (("content-length: 99999999999999999999",), b"", 400),
                (("content-length: -1",), b"", 400), (("content-length: +5",), b"", 400), (("content-length: 0x5",), b"", 400),
                (("content-length: 5, 50",), b"", 400), (("content-length: 5", "content-length: 50"), b"", 400),
                (("content-length: 5", te), b"", 400), ((te,), chunks(10), 200), ((te,), chunks(*[1] * 10), 200),
                ((te,), chunks(11), 413), ((te,), chunks(*[1] * 11), 413), ((te,), chunks(100_000), 413),
                ((te,), b"ffffffffffffffffff\r\n", 400), ((te,), b"5;a=b\r\nxxxxx\r\n0\r\n\r\n", 200),
                ((te, "content-encoding: gzip"), chunks(10), 200), ((te, te), chunks(5), 400),
                (("content-length: 11", "expect: 100-continue"), b"", 417)]
        for lines, body, status in rows:
            with self.subTest(lines=lines, body=body[:20]):
                got, _, seen = self.send(*lines, method="POST", path="/echo", body=body)
                self.assertEqual((got, seen is not None), (status, status == 200))

    def test_canary(self):
        new = Backend("new")
        self.addCleanup(new.close)
        self.serve(policy("p", "  canary: {backendRef: {name: new, port: 80}, always: {headers: [{name: x-canary, value: 'yes'}], "
                               "cookies: [{name: beta, value: '1'}]}, share: {percent: 0.0001, by: Cookie}}", "HTTPRoute", "web"),
                   service("new", of(new)))
        rows = [((), False), (("x-canary: yes",), True), (("x-canary: YES",), False), (("x-canary: yes, no",), False),
                (("x-canary: yes",) * 2, True), (("x-canary: no", "x-canary: yes"), True), (("x-canary:",), False),
                (("x-canary: y%65s",), False), (("cookie: beta=1",), True), (("cookie: a=b", "cookie: beta=1"), True),
                (('cookie: beta="1"',), True), (("cookie: beta=1; beta=2",), True), (("cookie: beta=2; beta=1",), False),
                (("cookie: xbeta=1",), False), (("cookie: beta",), False), (("cookie: ;;; beta=1",), True),
                (("cookie: fairlead-canary=" + "f" * 6000,), False), (("cookie: fairlead-canary=\xff;fairlead-canary=1",), False),
                (("cookie: fairlead-canary=",), False)]
        for lines, canary in rows:
            with self.subTest(lines=[line[:60] for line in lines]):
                before = len(new.requests())
                status, told, seen = self.send(*lines)
                self.assertEqual((status, len(new.requests()) - before), (200, int(canary)))
                if not canary and lines != ("cookie: fairlead-canary=",):  # our own cookie is for nobody behind us
                    self.assertNotIn("fairlead-canary", str(values(seen, "cookie")))
                own = any("fairlead-canary=" in line and not line.endswith("=") for line in lines)
                self.assertEqual(len(values(told, "set-cookie")), int(not canary and not own))


class Pages(Hostile):
    """The examples of pages, with what they say."""

    def example(self, section):
        page = (ROOT / f"docs/reference/request-policy/{section}.md").read_text()
        return re.search(r"```yaml\n(.*?)```", page, re.DOTALL).group(1)

    def test_correlation(self):
        self.serve(self.example("correlation"))
        _, told, seen = self.send("x-correlation-id: mine")
        self.assertEqual((values(told, "x-correlation-id"), values(seen, "x-correlation-id")), (["mine"], ["mine"]))
        _, told, seen = self.send()
        self.assertEqual(values(told, "x-correlation-id"), values(seen, "x-correlation-id"))

    def test_cross_origin(self):
        self.serve(self.example("crossOrigin"))
        for origin, may in (("https://shop.example", True), ("https://north.partner.example", True), ("https://evil.example", False)):
            _, told, seen = self.send(f"origin: {origin}", "access-control-request-method: PUT", method="OPTIONS")
            self.assertIsNone(seen)
            self.assertEqual(values(told, "access-control-allow-origin"), [origin] if may else [])
            self.assertEqual(values(told, "access-control-max-age"), ["3600"])
            _, told, _ = self.send(f"origin: {origin}")
            self.assertEqual(values(told, "access-control-allow-origin"), [origin] if may else [])

    def test_canary(self):
        new = Backend("new")
        self.addCleanup(new.close)
        keys = policy("keys", "  authentication: {methods: {apiKey: {}}, anonymous: {allow: true}}")
        self.serve(self.example("canary"), service("web-v2", of(new)), keys,
                   consumer("ada", "{groups: [staff], credentials: [{apiKey: {key: k-ada}}]}"),
                   consumer("bob", "{groups: [partners, staff], credentials: [{apiKey: {key: k-bob}}]}"))
        self.assertEqual([self.ask(*more, path="/name")[2] for more in (
            ("-H", "x-canary: yes"), ("-H", "apikey: k-ada"), ("-H", "apikey: k-bob"),
            ("-H", "apikey: k-bob", "-H", "x-canary: yes"))], ["new", "new", "web", "web"])

    def test_external_auth(self):
        authorization = Authorization(lambda asked: allowed() if asked.path == "/head" else denied(403, "no"))
        self.addCleanup(authorization.close)
        self.serve(self.example("externalAuth"), service("auth", of(authorization), app_protocol="kubernetes.io/h2c"))
        self.assertTrue(eventually(lambda: self.ask()[0] == 200))
        self.assertEqual(self.ask(path="/name")[0], 403)
        self.assertEqual(self.web.requests("/name"), [])


if __name__ == "__main__":
    unittest.main()
