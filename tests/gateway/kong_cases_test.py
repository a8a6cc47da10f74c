# SPDX-License-Identifier: Apache-2.0
"""Corner cases of Kong's routes and plugins, from its own file and from what that converts to."""
import base64
import email.utils
import hashlib
import hmac
import json
import time
import unittest
import urllib.parse

from kong_plugins_test import KongCase
from kong_test import ask
from objects import free_port
from support import Gateway, eventually

FORM, JSON = "content-type: application/x-www-form-urlencoded", "content-type: application/json"


class KongCases(KongCase):
    def test_hosts_that_are_no_names_of_gateway_api(self):
        text = self.service("name: a, hosts: [a_b.example, '*suffix', 'prefix*'], paths: [/a], strip_path: false",
                            "name: b, hosts: [a-b.example], paths: [/a/b], strip_path: false")

        def check(http):
            for host, status in (("a_b.example", 200), ("A_B.example:80", 200), ("any.suffix", 200), ("suffix", 200), ("prefix.x", 200),
                                 ("prefix", 200), ("aab.example", 404), ("suffix.x", 404), ("a-b.example", 404)):
                self.assertEqual(ask(http, "/a", host=host)[0], status, host)
            self.assertEqual(ask(http, "/a/b", host="a-b.example")[0], 200)
        self.both(text, check)

    def test_terminations_with_bodies_of_any_kind(self):
        rows = (("'<h1>down</h1>'", "", "<h1>down</h1>", "text/html; charset=utf-8"),
                ("'gone fishing'", "", "gone fishing", "text/plain; charset=utf-8"),
                ("'{\"a\": 1}'", "", '{"a": 1}', "application/json; charset=utf-8"),
                ("'not { json'", ", content_type: application/json", "not { json", "application/json"),
                ("'a'", ", content_type: text/css", "a", "text/css"))
        text = self.service(*(f"name: r{i}, paths: [/r{i}], plugins: [{{name: request-termination, config: {{body: {body}{more}}}}}]"
                              for i, (body, more, _, _) in enumerate(rows)))

        def check(http):
            for i, (_, _, body, kind) in enumerate(rows):
                status, fields, got = ask(http, f"/r{i}")
                self.assertEqual((status, got.decode(), fields["content-type"]), (503, body, kind))
        self.both(text, check)

    def test_where_keys_may_stand(self):
        body = "{name: key-auth, config: {key_in_header: false, key_in_query: false, key_in_body: true}}"
        text = self.service(f"name: body, paths: [/body], plugins: [{body}]",
                            "name: any, paths: [/any], plugins: [{name: key-auth, config: {key_names: [api_key], hide_credentials: true}}]") + (
            "consumers: [{username: alice, keyauth_credentials: [{key: right}]}]\n")

        def check(http):
            for sent, kind, message in (("apikey=right", FORM, None), ('{"apikey":"right"}', JSON, None), ("apikey=wrong", FORM, "Unauthorized"),
                                        ("apikey=right&apikey=right", FORM, "Duplicate API key found"),
                                        ('{"apikey":["right","right"]}', JSON, "Duplicate API key found")):
                answer = ask(http, "/body?apikey=right", "-H", "apikey: right", "-H", kind, "-d", sent)
                if message is None:
                    self.assertEqual(answer[0], 200, sent)
                else:
                    self.says(answer, 401, message)
            self.says(ask(http, "/body?apikey=right", "-H", "apikey: right"), 401, "No API key found in request")
            for name in ("api_key", "api-key"):
                self.assertEqual(ask(http, "/any", "-H", f"{name}: right")[0], 200, name)
                self.assertEqual((self.sent("api_key"), self.sent("api-key")), (None, None))
            self.assertEqual(ask(http, "/any?b=1&api%5F%6Bey=right&a=2")[0], 200)
            self.assertEqual(urllib.parse.urlsplit(self.one.requests()[-1][0]).query, "b=1&a=2")
        self.both(text, check)

    def test_basic_in_proxy_authorization(self):
        text = self.service("name: a, paths: [/a], plugins: [{name: basic-auth, config: {hide_credentials: true}}]") + (
            "consumers: [{username: alice, basicauth_credentials: [{username: alice, password: secret}]}]\n")
        right, wrong = (base64.b64encode(b"alice:" + word).decode() for word in (b"secret", b"x"))

        def check(http):
            for fields, status in ((("proxy-authorization: Basic " + right,), 200), (("proxy-authorization: Basic " + wrong,), 401),
                                   (("proxy-authorization: Bearer x", "authorization: Basic " + right), 200)):
                answer = ask(http, "/a", *(part for field in fields for part in ("-H", field)))
                self.assertEqual(answer[0], status, fields)
            self.assertEqual(self.sent("authorization"), None)
        self.both(text, check)

    def test_what_hmac_signs(self):
        text = self.service("name: a, paths: [/a], plugins: [{name: hmac-auth, config: {validate_request_body: true}}]") + (
            "consumers: [{username: alice, hmacauth_credentials: [{username: alice, secret: secret}]}]\n")

        def signed(fields):
            signature = base64.b64encode(hmac.digest(b"secret", "\n".join(f"{name}: {value}" for name, value in fields).encode(), "sha256")).decode()
            names = " ".join(name for name, _ in fields)
            return f'hmac username="alice", algorithm="hmac-sha256", headers="{names}", signature="{signature}"'

        def check(http):
            now, later = email.utils.formatdate(usegmt=True), email.utils.formatdate(time.time() + 9999, usegmt=True)
            digest = "SHA-256=" + base64.b64encode(hashlib.sha256(b"body").digest()).decode()
            rows = (([("date", now)], [], ("-X", "POST", "-H", "content-length: 0"), 200), ([("date", now)], [], ("-d", "body"), 401),
                    ([("date", now), ("digest", digest)], [], ("-d", "body"), 200),
                    ([("x-date", "at noon"), ("date", now)], [], (), 200), ([("x-date", later), ("date", now)], [], (), 200),
                    ([("x-date", "at noon"), ("date", later)], [], (), 401), ([("date", now)], ["proxy-authorization: hmac none"], (), 200))
            for fields, more, arguments, status in rows:
                sent = [f"{name}: {value}" for name, value in fields] + more + ["authorization: " + signed(fields)]
                answer = ask(http, "/a", *(part for field in sent for part in ("-H", field)), *arguments)
                self.assertEqual(answer[0], status, (fields, more, arguments, answer[2]))
                if arguments == ("-d", "body") and status == 401:
                    self.says(answer, 401, "HMAC signature does not match")
        self.both(text, check)

    def test_templates_of_hosts_and_of_text(self):
        changes = ("config: {replace: {uri: '/tést a/$(uri_captures.id)'}, add: {querystring: ['host:$(headers.host)', "
                   "\"literal:$('$(uri_captures.id)')\"]}}")
        text = self.service(f"name: a, paths: ['~/a/(?<id>[0-9]+)'], plugins: [{{name: request-transformer, {changes}}}]")

        def check(http):
            self.assertEqual(ask(http, "/a/17", host="shop.example")[0], 200)
            sent = urllib.parse.urlsplit(self.one.requests()[-1][0])
            self.assertEqual(sent.path, "/t%C3%A9st%20a/17")
            self.assertEqual(urllib.parse.parse_qs(sent.query), {"host": ["shop.example"], "literal": ["$(uri_captures.id)"]})
        self.both(text, check)

    def test_a_body_is_read_by_the_type_that_it_gets(self):
        changes = "config: {http_method: POST, add: {headers: ['Content-Type:application/json'], body: ['a:b']}}"
        text = self.service(f"name: a, paths: [/a], plugins: [{{name: request-transformer, {changes}}}]")

        def check(http):
            self.assertEqual(ask(http, "/a")[0], 200)
            self.assertEqual(json.loads(self.one.requests()[-1][2]), {"a": "b"})
            self.assertEqual(self.sent("content-type"), "application/json")
        self.both(text, check)

    def test_large_bodies_are_changed(self):
        plugin = "{name: response-transformer, config: {add: {json: ['a:b']}}}"
        text = self.service(f"name: a, paths: [/a], plugins: [{plugin}]")
        self.one.answer = lambda conversation, method, path, head, body, framing: conversation.send(
            200, json.dumps({"long": "x" * 3_000_000}).encode(), [("content-type", "application/json")])

        def check(http):
            self.assertEqual(json.loads(ask(http, "/a")[2])["a"], "b")
        self.both(text, check)

    def test_stored_responses_are_backends(self):
        text = self.service("name: a, paths: [/a], plugins: [{name: proxy-cache, config: {strategy: memory}}]")
        self.one.answer = lambda conversation, method, path, head, body, framing: conversation.send(
            200, b"{}", [("content-type", "application/json"), ("server", "mine/1")])

        def check(http):
            for status in ("Miss", "Hit"):
                _, fields, _ = ask(http, "/a")
                self.assertEqual((fields["x-cache-status"], fields["server"], fields["via"]), (status, "mine/1", "1.1 kong/3.9.0"))
                for name in ("x-kong-upstream-latency", "x-kong-proxy-latency"):
                    self.assertRegex(fields[name], "^[0-9]+$")
                self.assertNotIn("x-kong-response-latency", fields)
        self.both(text, check)

    def partly(self, *routes):
        """A gateway that leaves out what it does not serve, and its port."""
        path = self.folder / "kong.yaml"
        path.write_text("_format_version: '3.0'\n" + self.service(*routes))
        port = free_port()
        gateway = Gateway("--config", path, "--listen", f"127.0.0.1:{port}", "--allow-partial")
        self.addCleanup(gateway.close)
        return gateway, port

    def test_a_route_is_left_out_with_its_condition(self):
        gateway, port = self.partly("name: a, paths: [/a]", "name: b, expression: http.path == \"/b\"",
                                    "name: c, paths: [/c], sources: [{ip: 10.0.0.0/8}]")
        self.assertEqual([ask(port, path)[0] for path in ("/a", "/b", "/c", "/")], [200, 404, 404, 404])
        self.assertTrue(eventually(lambda: any("sources" in line for line in gateway.errors)), gateway.errors)

    def test_routes_are_closed_without_the_plugin_that_guards_them(self):
        _, port = self.partly("name: a, paths: [/a]", "name: b, paths: [/b], plugins: [{name: ldap-auth}]",
                              "name: c, paths: [/c], plugins: [{name: zipkin}]")
        self.assertEqual([ask(port, path)[0] for path in ("/a", "/b", "/c")], [200, 503, 200])
        self.assertIn("not served", json.loads(ask(port, "/b")[2])["message"])

    def test_no_way_out_of_a_services_path(self):
        text = (f"services: [{{name: s, url: 'http://127.0.0.1:{self.one.port}/base'}}]\nroutes:\n- {{name: a, service: s, paths: [/a]}}\n"
                "- {name: b, service: s, paths: ['~/b[0-9]']}\n")

        def check(http):
            for path, sent in (("/a../x", "/base/x"), ("/a%2E%2e/x", "/base/x"), ("/a./x", "/base/x"), ("/a..", "/base"), ("/b1../x", "/base/x"),
                               ("/a.../x", "/base/.../x"), ("/a/../a/x", "/base/x")):
                self.assertEqual(ask(http, path)[0], 200, path)
                self.assertEqual(self.one.requests()[-1][0], sent, path)
        self.both(text, check)

    def test_hosts_with_ports(self):
        text = self.service("name: any, hosts: [a.example], paths: [/x], strip_path: false", "name: one, hosts: ['a.example:8080'], paths: [/x]",
                            "name: wild, hosts: ['*.b.example:8080'], paths: [/x]")

        def check(http):
            for host, path in (("a.example", "/x"), ("a.example:81", "/x"), ("a.example:8080", "/"), ("x.b.example:8080", "/")):
                self.assertEqual(ask(http, "/x", host=host)[0], 200, host)
                self.assertEqual(self.one.requests()[-1][0], path, host)
            for host in ("x.b.example", "x.b.example:81", "b.example:8080"):
                self.assertEqual(ask(http, "/x", host=host)[0], 404, host)
        self.both(text, check)

    def test_what_grpc_is_told(self):
        text = "services: [{name: gone, protocol: grpc, host: 127.0.0.1, port: %d, retries: 0}]\nroutes:\n" % free_port() + "".join(
            f"- {{name: {name}, service: gone, protocols: [grpc], paths: [/{name}], plugins: [{{name: {plugin}}}]}}\n"
            for name, plugin in (("key", "key-auth"), ("often", "rate-limiting, config: {hour: 1}"), ("closed", "ip-restriction, config: {deny: [127.0.0.1]}")))

        def check(http):
            rows = (("/key/Call", "16", "No API key found in request"), ("/often/Call", "13", "An invalid response was received from the upstream server"),
                    ("/often/Call", "8", "API rate limit exceeded"), ("/closed/Call", "7", "IP address not allowed: 127.0.0.1"),
                    ("/none/Call", "5", "no Route matched with those values"))
            for path, code, message in rows:
                status, fields, _ = ask(http, path, "--http2-prior-knowledge", "-X", "POST", "-H", "content-type: application/grpc")
                self.assertEqual((status, fields["grpc-status"], fields["grpc-message"]), (200, code, message), path)
                self.assertEqual(fields.get("www-authenticate"), "Key" if code == "16" else None)
        self.both(text, check)


if __name__ == "__main__":
    unittest.main()
