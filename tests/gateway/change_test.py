# SPDX-License-Identifier: Apache-2.0
"""What is sent on and sent back: sections transform, validation, answer and fault, with two workers."""
import gzip
import json
import shutil
import subprocess
import tempfile
import time
import unittest

import brotli
from backend import Backend, Conversation
from objects import CLASS, Followed, free_port, gateway, http, of, route, service
from support import ROOT, Wire, curl, eventually, raw

PAGES = ROOT / "docs/reference/request-policy"


def example(section):
    """The policy that a page shows."""
    text = (PAGES / f"{section}.md").read_text()
    return text.split("```yaml\n")[1].split("```")[0]


def policy(name, spec, kind="HTTPRoute", target=None):
    """A RequestPolicy; spec in flow style, without targetRefs."""
    group = "\"\"" if kind == "Service" else "gateway.networking.k8s.io"
    return (f"apiVersion: fairlead.io/v1alpha1\nkind: RequestPolicy\nmetadata: {{name: {name}, namespace: default}}\n"
            f"spec: {{targetRefs: [{{group: {group}, kind: {kind}, name: {target or name}}}], {spec}}}\n")


def run(*words):
    return lambda data: subprocess.run(words, input=data, capture_output=True, check=True).stdout


PACK = {"gzip": gzip.compress, "br": brotli.compress, "zstd": run("zstd", "-q", "-c")}
UNPACK = {"gzip": gzip.decompress, "br": brotli.decompress, "zstd": run("zstd", "-q", "-d", "-c")}
BOMBS = {coding: PACK[coding](b'"' + b"a" * 10_000_000 + b'"') for coding in ("br", "zstd")}


def answer(conversation, method, path, head, body, framing):
    """/json/NAME says what it got as JSON; /packed the same in gzip; /text no JSON; else as any backend."""
    if path.startswith(("/json", "/v2", "/packed", "/br", "/zstd", "/missing")):
        said = json.dumps({"method": method, "head": head.decode("latin-1"), "internal": 1})
        text = said[:-1] + ', "big": 12345678901234567890123, "decimal": 0.10, "huge": 1e400}'
        fields = [("content-type", "application/json"), ("etag", '"e"')]
        data = text.encode()
        if path.startswith(("/packed", "/br", "/zstd")):
            coding = {"/br": "br", "/zstd": "zstd"}.get("/" + path.split("/")[1].split("?")[0], "gzip")
            fields.append(("content-encoding", coding))
            data = PACK[coding](data)
        return conversation.send(404 if path.startswith("/missing") else 200, data, fields, method)
    if path in ("/bomb-br", "/bomb-zstd"):
        coding = path.partition("-")[2]
        return conversation.send(200, BOMBS[coding], [("content-type", "application/json"), ("content-encoding", coding)], method)
    if path == "/bomb":
        return conversation.send(200, gzip.compress(b'"' + b"a" * 50_000_000 + b'"'),
                                 [("content-type", "application/json"), ("content-encoding", "gzip")], method)
    return Conversation.answer(conversation, method, path, head, body, framing)


def routes(*names):
    """Each below the path of its name, which goes away on the way."""
    return [route(name, f"{{matches: [{{path: {{value: /{name}}}}}], filters: [{{type: URLRewrite, urlRewrite: "
                        "{path: {type: ReplacePrefixMatch, replacePrefixMatch: /}}}], "
                        "backendRefs: [{name: web, port: 80}]}") for name in names]


class ChangeTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.backend = Backend()
        cls.backend.answer = answer
        cls.addClassCleanup(cls.backend.close)
        folder = tempfile.mkdtemp(prefix="fl-change-")
        cls.addClassCleanup(shutil.rmtree, folder)
        cls.log = f"{folder}/access.log"
        plain = ["hello", "chaos", "down", "schema", "packed", "strict", "pathed", "page", "asked", "watched"]
        cls.followed = Followed({
            "base.yaml": "---\n".join([
                CLASS, gateway(http(cls.port())), service("web", of(cls.backend)),
                route("orders", "{matches: [{path: {value: /orders}}], backendRefs: [{name: web, port: 80}]}"),
                route("users", "{matches: [{path: {value: /users}}], backendRefs: [{name: web, port: 80}]}"),
                *routes(*plain)]),
            "examples.yaml": "---\n".join(example(name) for name in ("transform", "answer", "fault", "validation")),
            "more.yaml": "---\n".join([
                policy("down", "answer: {maintenance: {message: \"back soon, {{ request.header.x }}\", retryAfter: 90s, "
                               "allow: {header: {name: x-pass, value: word}}}}"),
                policy("schema", "validation: {maxDepth: 10, body: {schema: {type: object, properties: {n: {maximum: "
                                 "12345678901234567890123}}, required: [n]}}}"),
                policy("packed", "transform: {response: {body: {json: {remove: [internal], set: [{path: status, value: "
                                 "\"{{ response.status | number }}\"}]}}}}"),
                policy("strict", "transform: {maxBodyBytes: 100000, response: {onFailure: Fail, body: {json: {remove: [internal]}}}}"),
                policy("pathed", "transform: {request: {path: \"/json/{{ request.query.id }}\", headers: {set: [{name: x-said, "
                                 "value: \"{{ request.header.say }}{{ request.query.say }}\"}]}}}"),
                policy("watched", "validation: {openapi: {responses: Warn, basePath: /watched, document: {openapi: 3.1.0, paths: "
                                  "{/json: {get: {responses: {\"200\": {content: {application/json: {schema: {properties: "
                                  "{internal: {type: string}}}}}}}}}, /bytes/9: {get: {responses: {2XX: {headers: {X-Total: {required: true}, "
                                  "Content-Length: {required: true}}}}}}, /bytes/10: {get: {responses: {default: {headers: "
                                  "{Content-Length: {required: true}, X-Backend: {schema: {type: integer}}}}}}}, /name: {get: {responses: {\"201\": {}}}}}}}}"),
                policy("asked", "transform: {request: {query: {rename: [{from: a, to: b}], add: [{name: id, value: "
                                "\"{{ request.id }}\"}]}}}"),
                policy("page", "answer: {body: \"<p>{{ request.query.q }}</p>\", contentType: text/html}"),
            ])}, workers=2,
            arguments=("--access-log", f"json:{cls.log}"))
        cls.addClassCleanup(cls.followed.close)
        cls.url = cls.followed.gateway.url

    @staticmethod
    def port():
        return free_port()

    def ask(self, path, *arguments, body=None, kind="application/json"):
        """(status, headers, body)."""
        more = [] if body is None else ["-H", f"content-type: {kind}", "--data-binary", "@-"]
        out = curl("-i", "-g", "--path-as-is", *more, *arguments, self.url + path, input=body)
        head, _, rest = out.partition(b"\r\n\r\n")
        while head.startswith(b"HTTP/1.1 100"):
            head, _, rest = rest.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        return int(lines[0].split(" ")[1]), fields, rest

    def last(self):
        """What the backend was sent last: (path with query, head, body)."""
        return self.backend.requests()[-1]

    def test_the_example_of_transform(self):
        sent = b'{"customer": 12345678901234567890123, "password": "p", "price": 0.10}'
        status, _, body = self.ask("/orders?id=a/b&x=1", "-H", "x-debug: 1", body=sent)
        path, head, got = self.last()
        self.assertEqual(path, "/v2/orders/a%2Fb?x=1")
        self.assertEqual(got, b'{"price":0.10,"account":{"id":12345678901234567890123},"source":"edge/127.0.0.1"}')
        self.assertIn(b"x-client: 127.0.0.1", head)
        self.assertNotIn(b"x-debug", head)
        self.assertIn(f"content-length: {len(got)}".encode(), head.lower())
        self.assertEqual(status, 200)
        self.assertNotIn(b"internal", body)
        self.assertTrue(body.endswith(b'"big":12345678901234567890123,"decimal":0.10,"huge":1e400}'), body)

    def test_queries_alone_are_changed(self):
        self.ask("/asked/name?a=1&c=%20&a=2")
        path, head, _ = self.last()
        self.assertRegex(path, "^/name\\?b=1&c=%20&b=2&id=[0-9a-f-]{36}$")
        self.assertIn(b"x-request-id: " + path.rpartition("=")[2].encode(), head)

    def test_chunked_and_expected_bodies_are_changed(self):
        for more in (["-H", "transfer-encoding: chunked"], ["-H", "expect: 100-continue"]):
            with self.subTest(more=more):
                self.ask("/orders?id=1", *more, body=b'{"password":1}')
                self.assertEqual(self.last()[2], b'{"source":"edge/127.0.0.1"}')

    def test_hostile_bodies_are_refused_before_the_backend(self):
        before = len(self.backend.requests())
        bomb = gzip.compress(b'"' + b"a" * 10_000_000 + b'"')
        coded = {coding: ["-H", f"content-encoding: {coding}"] for coding in ("br", "zstd")}
        for sent, more, expected in (
                (b"{", [], 400), (b'{"a":1,"a":2}', [], 400), (b"[" * 100000, [], 400), (b'"\xff"', [], 400),
                (bomb, ["-H", "content-encoding: gzip"], 413), (b"x" * 1_100_000, [], 413),
                (b"{}", ["-H", "content-encoding: compress"], 415),
                (BOMBS["br"], coded["br"], 413), (BOMBS["zstd"], coded["zstd"], 413), (b"{}", coded["br"], 400), (b"{}", coded["zstd"], 400),
                (PACK["br"](b'{"a":1}')[:-2], coded["br"], 400), (PACK["zstd"](b'{"a":1}')[:-2], coded["zstd"], 400), (b"{}", ["-H", "content-encoding: gzip"], 400)):
            with self.subTest(sent=sent[:20], more=more):
                status, fields, _ = self.ask("/orders?id=1", *more, body=sent)
                self.assertEqual(status, expected)
                if status != 413 or sent in (bomb, *BOMBS.values()):
                    self.assertEqual(fields["content-type"], "application/problem+json")
        self.assertEqual(len(self.backend.requests()), before)

    def test_packed_requests_go_on_unpacked(self):
        for coding, pack in PACK.items():
            with self.subTest(coding=coding):
                self.ask("/orders?id=1", "-H", f"content-encoding: {coding}", body=pack(b'{"a":1}'))
                path, head, got = self.last()
                self.assertEqual(got, b'{"a":1,"source":"edge/127.0.0.1"}')
                self.assertNotIn(b"content-encoding", head.lower())

    def test_no_value_turns_a_path(self):
        before = len(self.backend.requests())
        for value in ("..", "%2e%2e", "..%2Fadmin", "..%5Cadmin", "", "%2e"):
            with self.subTest(value=value):
                self.assertEqual(self.ask(f"/pathed?id={value}")[0], 400)
        self.assertEqual(len(self.backend.requests()), before)
        self.assertEqual(self.ask("/pathed?id=a%3Fb%23c%0d%0a")[0], 200)  # the rule's own rewrite finds nothing to replace
        self.assertTrue(self.last()[0].startswith("/json/a%3Fb%23c%0D%0A?"), self.last()[0])

    def test_no_value_makes_a_header(self):
        self.ask("/pathed?id=1&say=a%0d%0aevil:%20b%00c", "-H", "say: it is ")
        head = self.last()[1]
        self.assertIn(b"x-said: it isa  evil: b c", head)
        self.assertNotIn(b"\r\nevil", head)

    def test_responses_keep_their_coding(self):
        for path, coding in (("packed", "gzip"), ("br", "br"), ("zstd", "zstd")):
            with self.subTest(coding=coding):
                status, fields, body = self.ask(f"/packed/{path}", "-H", "accept-encoding: gzip;q=0.5, br, deflate, *, zstd")
                self.assertEqual((status, fields["content-encoding"], fields["etag"]), (200, coding, 'W/"e"'))
                text = UNPACK[coding](body)
                self.assertTrue(text.endswith(b'"big":12345678901234567890123,"decimal":0.10,"huge":1e400,"status":200}'), text)
                self.assertIn(b"accept-encoding: gzip;q=0.5, br, zstd\r\n", self.last()[1].lower() + b"\r\n")
        self.ask("/packed/json", "-H", "accept-encoding: deflate, *")
        self.assertIn(b"accept-encoding: identity\r\n", self.last()[1].lower() + b"\r\n")

    def test_head_has_no_length_of_what_was(self):
        status, fields, _ = self.ask("/packed/json", "-I")
        self.assertEqual(status, 200)
        self.assertNotIn("content-length", fields)

    def test_statuses_are_mapped(self):
        self.assertEqual(self.ask("/orders?id=1", "-X", "GET")[0], 200)
        got = curl("-s", "-o", "/dev/null", "-w", "%{http_code}", self.url + "/packed/missing").decode()
        self.assertEqual(got, "404")

    def test_bombs_of_backends_pass_unread_or_fail(self):
        packed = gzip.compress(b'"' + b"a" * 50_000_000 + b'"')
        self.assertEqual(len(self.ask("/packed/bomb")[2]), len(packed))
        for coding, bomb in BOMBS.items():
            self.assertEqual(self.ask(f"/packed/bomb-{coding}")[2], bomb)
        status, _, _ = self.ask("/strict/json")
        self.assertEqual(status, 200)
        got = raw(self.followed.gateway.port, b"GET /strict/bomb HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        self.assertFalse(got.endswith(b"0\r\n\r\n"), "a broken body has no end")

    def test_the_example_of_answer(self):
        status, fields, body = self.ask("/hello?name=%22%2C%22admin%22%3Atrue")
        self.assertEqual((status, fields["cache-control"], fields["content-type"]), (200, "no-store", "application/json"))
        self.assertEqual(json.loads(body), {"hello": '","admin":true', "from": "127.0.0.1", "echo": None})
        self.assertEqual(self.ask("/hello", body=b'{"message": 1e400}')[2],
                         b'{"hello":"world","from":"127.0.0.1","echo":1e400}')

    def test_html_holds_no_script_of_clients(self):
        self.assertEqual(self.ask("/page?q=%3Cscript%3E%22")[2], b"<p>&lt;script&gt;&quot;</p>")

    def test_maintenance(self):
        status, fields, body = self.ask("/down/name", "-H", 'x: "a"')
        self.assertEqual((status, fields["retry-after"], fields["content-type"]), (503, "90", "application/problem+json"))
        self.assertEqual(json.loads(body)["detail"], 'back soon, "a"')
        self.assertEqual(self.ask("/down/name", "-H", "x-pass: word")[0], 200)

    def test_the_example_of_fault(self):
        self.assertEqual(self.ask("/chaos/name")[0], 200)
        begin = time.monotonic()
        status, _, body = self.ask("/chaos/name", "-H", "x-chaos: yes")
        self.assertGreaterEqual(time.monotonic() - begin, 0.05)
        said = json.loads(body)
        self.assertEqual((status, said["title"]), (503, "Service Unavailable"))
        self.assertRegex(said["request_id"], "^[0-9a-f-]{36}$")
        self.assertIn("FI", self.logged("/chaos/name", 503))

    def logged(self, path, status):
        """A line of the access log."""
        def found():
            with open(self.log, encoding="utf-8") as lines:
                return [line for line in lines if path in line and f":{status}," in line]
        self.assertTrue(eventually(found))
        return found()[-1]

    def test_a_client_that_goes_while_it_is_delayed(self):
        with Wire(self.followed.gateway.port) as peer:
            peer.send(b"GET /chaos/name HTTP/1.1\r\nhost: a\r\nx-chaos: yes\r\n\r\n")
        self.assertEqual(self.ask("/chaos/name")[0], 200)

    def test_the_example_of_validation(self):
        for path, sent, expected in (("/users?limit=5", None, 200), ("/users?limit=500", None, 400),
                                     ("/users?limit=x", None, 400), ("/users/none", None, 404),
                                     ("/users", b'{"name":"a","age":3}', 200), ("/users", b'{"name":"","age":-1}', 400)):
            with self.subTest(path=path, sent=sent):
                status, _, body = self.ask(path, body=sent)
                self.assertEqual(status, expected, body)
        self.assertEqual(json.loads(body)["errors"], [{"pointer": "/name", "detail": "expected at least 1 characters, found 0"},
                                                      {"pointer": "/age", "detail": "expected at least 0"}])
        status, fields, _ = self.ask("/users", "-X", "DELETE")
        self.assertEqual((status, fields["allow"]), (405, "GET, POST"))

    def test_schemas_compare_large_numbers(self):
        self.assertEqual(self.ask("/schema/echo", body=b'{"n":12345678901234567890123}')[2], b'{"n":12345678901234567890123}')
        for sent in (b'{"n":12345678901234567890124}', b'{"n":1e400}', b'{"n":' + b"[" * 20 + b"]" * 20 + b"}", b'{"n":1}}'):
            with self.subTest(sent=sent):
                self.assertEqual(self.ask("/schema/echo", body=sent)[0], 400)
        self.assertEqual(self.ask("/schema/echo", body=b"{}", kind="text/plain")[0], 415)

    def test_answers_that_are_not_what_openapi_says_are_logged(self):
        for path, what in (("/watched/json", "/internal expected a string, found a number"),
                           ("/watched/bytes/9", "header.x-total is missing"),
                           ("/watched/bytes/10", "header.x-backend expected an integer"),
                           ("/watched/name", "its status or its content type is not described")):
            with self.subTest(path=path):
                def seen():
                    status, _, body = self.ask(path)
                    self.assertEqual(status, 200)
                    self.assertTrue(body)
                    return any(what in line and f"GET {path}" in line for line in self.followed.gateway.errors + self.followed.gateway.lines)
                self.assertTrue(eventually(seen), self.followed.gateway.errors[-3:])

    def test_what_cannot_be_read_is_refused_with_its_place(self):
        self.followed.write("bad.yaml", policy("bad", "answer: {body: \"{{ nothing }}\"}", target="hello"))
        self.assertTrue(eventually(lambda: any("bad.yaml" in line and "is no value" in line
                                               for line in self.followed.gateway.errors)), self.followed.gateway.errors)
        self.followed.remove("bad.yaml")


if __name__ == "__main__":
    unittest.main()
