# SPDX-License-Identifier: Apache-2.0
"""What Kong's plugins change and keep: transformers, correlation ids, cross-origin fields, stored responses."""
import json
import unittest
import urllib.parse

from kong_plugins_test import KongCase
from kong_test import ask


def tell(conversation, method, path, head, body, framing):
    """Answers with what the query asks for: _b the body, _t its type, _s the status, _h a field."""
    target = head.decode().split(" ")[1]
    asked = urllib.parse.parse_qs(urllib.parse.urlsplit(target).query)
    fields = [("content-type", asked.get("_t", ["application/json"])[0])]
    fields += [tuple(one.split(":", 1)) for one in asked.get("_h", [])]
    conversation.send(int(asked.get("_s", ["200"])[0]), asked.get("_b", [path])[0].encode(), fields, method)


class KongChanges(KongCase):
    def setUp(self):
        super().setUp()
        self.one.answer = tell

    def test_requests(self):
        changes = """plugins: [{name: request-transformer, config: {
          remove: {headers: [x-gone], querystring: [gone], body: [gone]}, rename: {headers: ['x-old:x-new'], querystring: ['old:new'], body: ['old:new']},
          replace: {headers: ['x-is:R', 'Host:other.example'], querystring: ['is:R'], body: ['is:R', 'absent:R']},
          add: {headers: ['x-add:1', 'x-is:no', 'empty:'], querystring: ['add:1'], body: ['add:1', 'is:no']},
          append: {headers: ['x-more:2'], querystring: ['more:2'], body: ['more:2']}}}]"""
        text = self.service("name: a, paths: [/a], " + " ".join(changes.split()))

        def check(http):
            fields = [part for name in ("gone", "old", "is", "more") for part in ("-H", f"x-{name}: 1")]
            self.assertEqual(ask(http, "/a?gone=1&old=1&is=1&more=1", *fields)[0], 200)
            self.assertEqual([self.sent(name) for name in ("x-gone", "x-old", "x-new", "x-is", "x-add", "x-more", "host")],
                             [None, None, "1", "R", "1", "2", "other.example"])  # x-more stands twice
            query = urllib.parse.urlsplit(self.one.requests()[-1][0]).query
            self.assertEqual(urllib.parse.parse_qs(query), {"new": ["1"], "is": ["R"], "add": ["1"], "more": ["1", "2"]})
            js, form = "content-type: application/json; charset=utf-8", "content-type: application/x-www-form-urlencoded"
            parts = "content-type: multipart/form-data; boundary=B"
            body = '{"gone":1,"old":[1],"is":"1","more":"1"}'
            self.assertEqual(ask(http, "/a", "-H", js, "-d", body)[0], 200)
            self.assertEqual(json.loads(self.one.requests()[-1][2]), {"new": [1], "is": "R", "more": ["1", "2"], "add": "1"})
            ask(http, "/a", "-H", form, "-d", "gone=1&old=%26&is=1&more=1&kept=a+b")
            self.assertEqual(self.one.requests()[-1][2], b"new=%26&is=R&more=1&kept=a+b&add=1&more=2")
            ask(http, "/a", "-H", parts, "--data-binary", '--B\r\nContent-Disposition: form-data; name="gone"\r\n\r\n1\r\n--B\r\n'
                'Content-Disposition: form-data; name="is"; filename="f"\r\nContent-Type: text/plain\r\n\r\n1\r\n--B--\r\n')
            sent = self.one.requests()[-1][2]
            for part, there in ((b'name="gone"', False), (b'name="is"\r\n\r\nR\r\n', True), (b'name="add"\r\n\r\n1\r\n', True)):
                self.assertEqual(part in sent, there, sent)
            for kind, body in ((js, "no json"), ("content-type: text/plain", "plain")):
                ask(http, "/a", "-H", kind, "-d", body)
                self.assertEqual(self.one.requests()[-1][2], body.encode())
            ask(http, "/a", "-X", "POST", "-H", js)
            self.assertEqual(json.loads(self.one.requests()[-1][2]), {"add": "1", "is": "no", "more": ["2"]})
        self.both(text, check)

    def test_templates(self):
        changes = """plugins: [{name: request-transformer, config: {replace: {uri: '/new/$(uri_captures["what"])/$(uri_captures.id)'},
          add: {headers: ['x-q:$(query_params.q)', 'x-h:<$(headers["x-in"])>', 'x-d:$(headers.none or "else")', 'x-2:$(uri_captures[2])']}}}]"""
        text = self.service("name: a, paths: ['~/a/(?<id>[0-9]+)/(?<what>.+)$'], " + " ".join(changes.split()))

        def check(http):
            self.assertEqual(ask(http, "/a/17/of/b%20c?q=a%26b", "-H", "x-in: in")[0], 200)
            self.assertEqual(self.one.requests()[-1][0], "/new/of/b%20c/17?q=a%26b")
            self.assertEqual([self.sent(name) for name in ("x-q", "x-h", "x-d", "x-2")], ["a&b", "<in>", "else", "of/b%20c"])
            self.assertEqual((self.sent("x-forwarded-path"), self.sent("x-forwarded-host")), ("/a/17/of/b%20c", "a.example"))
        self.both(text, check)

    def test_responses(self):
        changes = """plugins: [{name: response-transformer, config: {
          remove: {headers: [x-gone], json: [gone]}, rename: {headers: ['x-old:x-new'], json: ['old:new']}, replace: {headers: ['x-is:R'], json: ['is:5'], json_types: [number]},
          add: {headers: ['x-add:1'], json: ['n:1', 't:true', 'a/b.c:text'], json_types: [number, boolean, string]}, append: {headers: ['x-more:2'], json: ['more:2']}}}]"""
        text = self.service("name: a, paths: [/a], " + " ".join(changes.split()))

        def check(http):
            body = urllib.parse.quote('{"gone":1,"old":1,"is":"1","more":"1"}')
            fields = "&".join(f"_h=x-{name}:1" for name in ("gone", "old", "is"))
            _, told, out = ask(http, f"/a?_b={body}&{fields}")
            self.assertEqual(json.loads(out), {"new": 1, "is": 5, "more": ["1", "2"], "n": 1, "t": True, "a/b.c": "text"})
            self.assertEqual([told.get(name) for name in ("x-gone", "x-old", "x-new", "x-is", "x-add", "x-more", "server")],
                             [None, None, "1", "R", "1", "2", "kong/3.9.0"])
            for query in ("_b=plain&_t=text/plain", "_b=nojson"):
                self.assertIn(ask(http, "/a?" + query)[2], (b"plain", b"nojson"))
        self.both(text, check)

    def test_names_of_requests(self):
        text = self.service("name: a, paths: [/a], plugins: [{name: key-auth}, {name: correlation-id, config: {echo_downstream: true}}]",
                            "name: b, paths: [/b], plugins: [{name: correlation-id, config: {generator: tracker, header_name: X-Track}}]")

        def check(http):
            status, fields, _ = ask(http, "/a")
            self.assertEqual(status, 401)
            self.assertRegex(fields["kong-request-id"], "^[0-9a-f-]{36}#[0-9]+$")
            self.assertEqual(ask(http, "/a", "-H", "kong-request-id: mine")[1]["kong-request-id"], "mine")
            self.assertEqual(ask(http, "/b")[0], 200)
            self.assertRegex(self.sent("x-track"), rf"^127\.0\.0\.1-{http}-[0-9]+-[0-9]+-[0-9]+-[0-9]+\.[0-9]{{3}}$")
        self.both(text, check)

    def test_cross_origin(self):
        def cors(name, config, more=""):
            return f"name: {name}, paths: [/{name}], plugins: [{{name: cors, config: {{{config}}}}}{more}]"

        text = self.service(
            cors("all", "", ", {name: key-auth}"), cors("one", "origins: ['https://a.example'], methods: [GET, POST], headers: [X-A, X-B], "
                                                        "exposed_headers: [X-E], credentials: true, max_age: 5"),
            cors("some", "origins: ['https://a.example', 'http://b.example:8080', '(.+[.])?c[.]example']"), cors("own", "credentials: true"),
            cors("on", "preflight_continue: true"))
        asks = ("-X", "OPTIONS", "-H", "access-control-request-method: PUT")

        def allow(fields, *names):
            return [fields.get("access-control-" + name) for name in ("allow-origin", *names)]

        def check(http):
            a = ("-H", "origin: https://a.example")
            status, fields, body = ask(http, "/all", *asks, *a, "-H", "access-control-request-headers: x-y")
            self.assertEqual((status, body, fields["content-length"]), (200, b"", "0"))
            self.assertEqual(allow(fields, "allow-methods", "allow-headers", "max-age"),
                             ["*", "GET,HEAD,PUT,PATCH,POST,DELETE,OPTIONS,TRACE,CONNECT", "x-y", None])
            status, fields, _ = ask(http, "/all")
            self.assertEqual((status, allow(fields)), (401, ["*"]))
            fields = ask(http, "/one", *asks, *a)[1]
            self.assertEqual(allow(fields, "allow-methods", "allow-headers", "max-age", "allow-credentials", "expose-headers"),
                             ["https://a.example", "GET,POST", "X-A,X-B", "5", "true", None])
            fields = ask(http, "/one", "-H", "origin: https://z.example")[1]
            self.assertEqual((allow(fields, "expose-headers"), fields["vary"]), (["https://a.example", "X-E"], "Origin"))
            for origin, allowed in (("https://a.example:443", "https://a.example"), ("http://b.example:8080", "http://b.example:8080"),
                                    ("http://x.c.example:1", "http://x.c.example:1"), ("https://b.example", None), ("https://ac.example", None)):
                fields = ask(http, "/some", "-H", f"origin: {origin}")[1]
                self.assertEqual((allow(fields), fields["vary"]), ([allowed], "Origin"), origin)
            self.assertEqual(allow(ask(http, "/own", *a)[1], "allow-credentials"), ["https://a.example", "true"])
            self.assertEqual(allow(ask(http, "/own")[1], "allow-credentials"), ["*", None])
            before = len(self.one.requests())
            self.assertEqual(allow(ask(http, "/on", *asks, *a)[1]), [None])
            self.assertEqual(len(self.one.requests()), before + 1)
        self.both(text, check)

    def test_stored_responses(self):
        def cache(name, config=""):
            return f"name: {name}, paths: [/{name}], plugins: [{{name: proxy-cache, config: {{strategy: memory{config}}}}}]"

        text = self.service(cache("a"), cache("b", ", content_type: ['text/*; charset=utf-8'], response_code: [203], request_method: [POST]"),
                            cache("c", ", vary_headers: [X-V], vary_query_params: [v]"), cache("d", ", cache_control: true"),
                            cache("e", ", response_headers: {age: false, X-Cache-Key: false}"))

        def check(http):
            def status(path, *more):
                return ask(http, path, *more)[1].get("x-cache-status")

            for path, answers, more in (
                    ("/a/x?_h=cache-control:no-store", ("Miss", "Hit"), ()), ("/a/x", ("Bypass", "Bypass"), ("-d", "x")),
                    ("/a/y?_s=500", ("Bypass", "Bypass"), ()), ("/a/z?_t=text/html", ("Bypass", "Bypass"), ()),
                    ("/b/x?_s=203&_t=text/css;+charset=UTF-8", ("Miss", "Hit"), ("-d", "x")), ("/b/x?_s=203&_t=text/css", ("Bypass",), ("-d", "x")),
                    ("/d/x?_h=cache-control:max-age%3D60", ("Miss", "Hit"), ()), ("/d/y", ("Bypass", "Bypass"), ()),
                    ("/d/x?_h=cache-control:max-age%3D60", ("Bypass",), ("-H", "cache-control: no-store"))):
                self.assertEqual([status(path, *more) for _ in answers], list(answers), path)
            self.assertEqual([status("/a/q?1&2"), status("/a/q?2&1")], ["Miss", "Hit"])
            self.assertEqual([status("/c/x?v=1&w=1", "-H", "x-v: 1"), status("/c/x?v=1&w=2", "-H", "x-v: 1"), status("/c/x?v=2", "-H", "x-v: 1"),
                              status("/c/x?v=1", "-H", "x-v: 2")], ["Miss", "Hit", "Miss", "Miss"])
            self.assertEqual(ask(http, "/d/z", "-H", "cache-control: only-if-cached")[0], 504)
            fields = ask(http, "/a/x?_h=cache-control:no-store")[1]
            self.assertRegex(fields["x-cache-key"], "^[0-9a-f]{64}$")
            self.assertRegex(fields["age"], "^[0-9]+$")
            ask(http, "/e/x")
            self.assertEqual([ask(http, "/e/x")[1].get(name) for name in ("x-cache-status", "x-cache-key", "age")], ["Hit", None, None])
        self.both(text, check)


if __name__ == "__main__":
    unittest.main()
