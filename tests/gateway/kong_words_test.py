# SPDX-License-Identifier: Apache-2.0
"""What Kong answers itself: the words of its core and plugins, the form that a client asks for, and who is let in."""
import base64
import email.utils
import hashlib
import hmac
import json
import time
import unittest

from kong_plugins_test import KongCase
from kong_test import ask

CONSUMERS = """consumers:
- username: alice
  keyauth_credentials: [{key: k-alice, id: 1d7a3f5e-92a6-4b77-9d2e-8a1e8f1ab9d0}]
  basicauth_credentials: [{username: alice-b, password: pw}]
  jwt_secrets: [{key: i-alice, secret: c2VjcmV0IQ==}]
  hmacauth_credentials: [{username: alice-h, secret: hush}]
  acls: [{group: gold}]
- username: bob
  keyauth_credentials: [{key: k-bob}]
  basicauth_credentials: [{username: bob, password: pw}]
- {username: nobody}
"""


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(claims, secret=b"secret!", **header):
    head = {"typ": "JWT", "alg": "HS256", **header}
    signed = ".".join(base64url(json.dumps(part).encode()) for part in (head, claims))
    return signed + "." + base64url(hmac.new(secret, signed.encode(), hashlib.sha256).digest())


def plugin(name, config=""):
    return f"plugins: [{{name: {name}, config: {{{config}}}}}]"


class KongWords(KongCase):
    def test_errors_have_the_form_that_is_asked_for(self):
        text = self.service("name: keyed, paths: [/keyed], " + plugin("key-auth"))

        def check(http):
            for accept, content_type, part in (
                    ("*/*", "application/json; charset=utf-8", b'"message":"no Route matched with those values"'),
                    ("text/html", "text/html; charset=utf-8", b"<p>no Route matched with those values.</p>"),
                    ("application/xml", "application/xml; charset=utf-8", b"<message>no Route matched with those values</message>"),
                    ("text/plain;q=0.9, text/html;q=0.1", "text/plain; charset=utf-8", b"no Route matched with those values\nrequest_id: ")):
                status, fields, body = ask(http, "/nowhere", "-H", f"accept: {accept}")
                self.assertEqual((status, fields["content-type"], part in body), (404, content_type, True), body)
                self.assertIn(fields["x-kong-request-id"].encode(), body)
                self.assertRegex(fields["x-kong-request-id"], "^[0-9a-f]{32}$")
            status, fields, body = ask(http, "/keyed", "-H", "accept: text/html")
            self.assertEqual((status, fields["www-authenticate"], b"<p>No API key found in request.</p>" in body), (401, "Key", True))
        self.both(text, check)

    def test_keys_in_any_place(self):
        text = self.service("name: a, paths: [/a], " + plugin("key-auth", "key_in_body: true, hide_credentials: true"),
                            "name: o, paths: [/o], " + plugin("key-auth", "run_on_preflight: false")) + CONSUMERS

        def check(http):
            form, js = "content-type: application/x-www-form-urlencoded", "content-type: application/json"
            parts = '--B\r\nContent-Disposition: form-data; name="apikey"\r\n\r\nk-alice\r\n--B--\r\n'
            for kind, body, left in ((form, "x=1&apikey=k-alice", b"x=1"), (js, '{"apikey":"k-alice","x":[1]}', b'{"x":[1]}'),
                                     ("content-type: multipart/form-data; boundary=B", parts, b"--B--\r\n")):
                self.assertEqual(ask(http, "/a/echo", "-H", kind, "--data-binary", body)[0], 200, kind)
                self.assertEqual(self.one.requests()[-1][2], left)
                self.assertEqual(self.sent("x-credential-identifier"), "1d7a3f5e-92a6-4b77-9d2e-8a1e8f1ab9d0")
            self.says(ask(http, "/a", "-H", js, "-d", '{"x":1}'), 401, "No API key found in request")
            self.says(ask(http, "/a?apikey=k-alice&apikey=k-alice"), 401, "Duplicate API key found")
            self.says(ask(http, "/a?apikey=k"), 401, "Unauthorized")
            self.assertEqual([ask(http, "/o", "-X", method)[0] for method in ("OPTIONS", "GET")], [200, 401])
        self.both(text, check)

    def test_tokens(self):
        text = self.service(
            "name: a, paths: [/a], " + plugin("jwt", "secret_is_base64: true"),
            "name: b, paths: [/b], " + plugin("jwt", "secret_is_base64: true, claims_to_verify: [exp, nbf], maximum_expiration: 300, realm: here"),
            "name: c, paths: [/c], " + plugin("jwt", "secret_is_base64: true, key_claim_name: kid, cookie_names: [t]")) + CONSUMERS

        def check(http):
            def bearer(*claims, **more):
                return "-H", "authorization: Bearer " + token(*claims, **more)

            now = int(time.time())
            rows = (("/a", (), 401, {"message": "Unauthorized"}), ("/a", bearer({"iss": "i-alice", "exp": 1}), 200, None),
                    ("/a", ("-H", "authorization: Bearer x"), 401, {"message": "Bad token; invalid JSON"}),
                    ("/a", bearer({"sub": "x"}), 401, {"message": "No mandatory 'iss' in claims"}),
                    ("/a", bearer({"iss": "x"}), 401, {"message": "No credentials found for given 'iss'"}),
                    ("/a", bearer({"iss": "i-alice"}, b"other"), 401, {"message": "Invalid signature"}),
                    ("/a", bearer({"iss": "i-alice"}, alg="HS512"), 401, {"message": "Invalid algorithm"}),
                    ("/a?jwt=" + token({"iss": "i-alice"}), bearer({"iss": "x"}), 401, {"message": "Multiple tokens provided"}),
                    ("/b", bearer({"iss": "i-alice", "exp": 1, "nbf": 1}), 401, {"exp": "token expired"}),
                    ("/b", bearer({"iss": "i-alice", "exp": now + 100, "nbf": now + 90}), 401, {"nbf": "token not valid yet"}),
                    ("/b", bearer({"iss": "i-alice", "nbf": 1}), 401, {"exp": "must be a number"}),
                    ("/b", bearer({"iss": "i-alice", "exp": now + 900, "nbf": 1}), 401, {"exp": "exceeds maximum allowed expiration"}),
                    ("/b", bearer({"iss": "i-alice", "exp": now + 100, "nbf": 1}), 200, None),
                    ("/c", bearer({"sub": "x"}, kid="i-alice"), 200, None),
                    ("/c", ("-H", "cookie: s=1; t=" + token({"kid": "i-alice"})), 200, None))
            for path, shown, status, said in rows:
                got, fields, body = ask(http, path, *shown)
                self.assertEqual((got, json.loads(body) if status == 401 else None), (status, said), (path, shown))
                if path == "/b" and status == 401:
                    self.assertEqual(fields["www-authenticate"], 'Bearer realm="here", error="invalid_token"')
                if status == 200:
                    self.assertEqual((self.sent("x-consumer-username"), self.sent("x-credential-identifier")), ("alice", "i-alice"))
        self.both(text, check)

    def test_signatures(self):
        text = self.service("name: a, paths: [/a], " + plugin("hmac-auth")) + CONSUMERS

        def check(http):
            date = email.utils.formatdate(usegmt=True)

            def signed(text="date: " + date, user="alice-h", date=date):
                made = base64.b64encode(hmac.new(b"hush", text.encode(), hashlib.sha256).digest()).decode()
                return ("-H", f"date: {date}", "-H", f'authorization: hmac username="{user}", algorithm="hmac-sha256", '
                                                     f'headers="date", signature="{made}"')

            self.says(ask(http, "/a"), 401, "Unauthorized")
            self.says(ask(http, "/a", *signed(date="x")), 401, "HMAC signature cannot be verified, a valid date or x-date header is "
                                                               "required for HMAC Authentication")
            self.says(ask(http, "/a", *signed(user="x")), 401, "HMAC signature cannot be verified")
            self.says(ask(http, "/a", *signed("date: x")), 401, "HMAC signature does not match")
            self.assertEqual(ask(http, "/a", *signed())[0], 200)
            self.assertEqual(self.sent("x-credential-identifier"), "alice-h")
        self.both(text, check)

    def test_several_one_after_the_other(self):
        """The last says who calls; with anonymous in some, the others decide."""
        text = self.service("name: a, paths: [/a], plugins: [{name: basic-auth}, {name: key-auth}]",
                            "name: b, paths: [/b], plugins: [{name: basic-auth}, {name: key-auth, config: {anonymous: nobody}}]") + CONSUMERS
        key, basic = ("-H", "apikey: k-alice"), ("-u", "bob:pw")

        def check(http):
            self.assertEqual(ask(http, "/a", *key, *basic)[0], 200)
            self.assertEqual(self.sent("x-consumer-username"), "bob")
            for shown, challenge in ((basic, "Key"), (key, 'Basic realm="service"')):
                status, fields, _ = ask(http, "/a", *shown)
                self.assertEqual((status, fields["www-authenticate"]), (401, challenge))
            self.assertEqual([ask(http, "/b", *shown)[0] for shown in (basic, key, ())], [200, 401, 401])
        self.both(text, check)

    def test_groups(self):
        def routes(name, acl, before="{name: key-auth}, "):
            return f"name: {name}, paths: [/{name}], plugins: [{before}{{name: acl, config: {{{acl}}}}}]"

        text = self.service(routes("allow", "allow: [gold]"), routes("hide", "deny: [silver], hide_groups_header: true"),
                            routes("alone", "allow: [gold]", ""), routes("guest", "allow: [gold]", "{name: key-auth, config: {anonymous: nobody}}, ")) + CONSUMERS

        def check(http):
            self.assertEqual(ask(http, "/allow?apikey=k-alice")[0], 200)
            self.assertEqual(self.sent("x-consumer-groups"), "gold")
            self.assertEqual(ask(http, "/hide?apikey=k-alice")[0], 200)
            self.assertIsNone(self.sent("x-consumer-groups"))
            self.says(ask(http, "/allow?apikey=k-bob"), 403, "You cannot consume this service")
            for path in ("/alone", "/guest"):
                self.says(ask(http, path), 401, "Unauthorized")
        self.both(text, check)

    def test_fixed_answers(self):
        text = self.service(
            "name: a, paths: [/a], " + plugin("request-termination"), "name: b, paths: [/b], " + plugin("request-termination", "status_code: 404"),
            "name: c, paths: [/c], " + plugin("request-termination", "status_code: 403, trigger: x-stop, message: 'no \"more\"'"),
            "name: d, paths: [/d], " + plugin("request-termination", "status_code: 403"),
            "name: e, paths: [/e], " + plugin("redirect", "location: 'https://new.example/x?y=1', keep_incoming_path: true, status_code: 307"),
            "name: f, paths: [/f], " + plugin("ip-restriction", "deny: [127.0.0.0/8], status: 429, message: Not from there"),
            "name: g, paths: [/g], " + plugin("request-size-limiting", "allowed_payload_size: 4, size_unit: bytes, require_content_length: true"),
            "name: h, paths: [/h], " + plugin("request-size-limiting")) + "- {name: none, paths: [/none]}\n"

        def check(http):
            for path, shown, status, said in (("/a", (), 503, {"message": "Service unavailable"}), ("/b", (), 404, {"message": "Not found"}),
                                              ("/c?x-stop", (), 403, {"message": 'no "more"'}),
                                              ("/c", ("-H", "X-Stop: 1"), 403, {"message": 'no "more"'})):
                got, _, body = ask(http, path, *shown)
                self.assertEqual((got, json.loads(body)), (status, said), path)
            self.assertEqual(ask(http, "/c")[0], 200)
            self.assertEqual(ask(http, "/d")[::2], (403, b""))
            status, fields, body = ask(http, "/e/f?g=h")
            self.assertEqual((status, fields["location"], body), (307, "https://new.example/e/f?g=h", b"redirecting"))
            self.assertEqual(ask(http, "/e/f")[1]["location"], "https://new.example/e/f")
            self.says(ask(http, "/f"), 429, "Not from there")
            self.says(ask(http, "/g"), 411, "A valid Content-Length header is required")
            for shown in (("-d", "12345"), ("-d", "12345", "-H", "transfer-encoding: chunked")):
                self.says(ask(http, "/g", *shown), 413, "Request size limit exceeded")
            self.says(ask(http, "/g", "-d", "12345", "-H", "expect: 100-continue"), 417, "Request size limit exceeded")
            self.assertEqual([ask(http, path, "-d", "1234")[0] for path in ("/g", "/h")], [200, 200])
            self.says(ask(http, "/none"), 503, "no Service found with those values")
        self.both(text, check)

    def test_limits_by_service_path_and_year(self):
        text = self.service("name: a, paths: [/a]", "name: b, paths: [/b]", "name: y, paths: [/y], " + plugin("rate-limiting", "year: 1, error_message: Next year"),
                            "name: p, paths: [/p], " + plugin("rate-limiting", "day: 1, limit_by: path, path: /p/one"))

        def check(http):
            self.assertEqual([ask(http, path)[0] for path in ("/a", "/b")], [200, 429])
            self.assertEqual(ask(http, "/y")[1]["x-ratelimit-limit-year"], "1")
            self.says(ask(http, "/y"), 429, "Next year")
            self.assertEqual([ask(http, path)[0] for path in ("/p/one", "/p/two", "/p/one")], [200, 200, 429])
        self.both(text + "plugins: [{name: rate-limiting, config: {day: 1, limit_by: service}}]\n", check)


if __name__ == "__main__":
    unittest.main()
