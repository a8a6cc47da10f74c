# SPDX-License-Identifier: Apache-2.0
"""Kong's plugins, one by one: its own file, and the objects that are made of it, which answer alike."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest
import uuid

from backend import Backend
from kong_test import ask
from objects import free_port
from support import PROGRAM, Gateway


class KongCase(unittest.TestCase):
    """A backend, and gateways before it by either way."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="fl-kong-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.one = Backend("one")
        self.addCleanup(self.one.close)

    def both(self, text, check):
        """check(port) of a gateway that serves the file, then of one that serves what it converts to."""
        path = self.folder / "kong.yaml"
        path.write_text("_format_version: '3.0'\n_transform: true\n" + text)
        port = free_port()
        done = subprocess.run([PROGRAM, "convert", "kong", path, "--listen", f"127.0.0.1:{port}"], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        objects = self.folder / "objects"
        objects.mkdir(exist_ok=True)
        (objects / "all.yaml").write_text(done.stdout)
        for way in ((path, "--listen", f"127.0.0.1:{port}"), (objects,)):
            with self.subTest(way=way[0].name):
                gateway = Gateway("--config", *way, workers=2)
                try:
                    check(port)
                finally:
                    gateway.close()

    def service(self, *routes):
        return f"services:\n- {{name: first, url: 'http://127.0.0.1:{self.one.port}'}}\nroutes:\n" + "".join(
            f"- {{service: first, {route}}}\n" for route in routes)

    def sent(self, name):
        """A field of the last request that the backend had; None: it was not there."""
        lines = self.one.requests()[-1][1].decode().split("\r\n")[1:]
        return dict((line.split(":", 1)[0].lower(), line.split(":", 1)[1].strip()) for line in lines if ":" in line).get(name)

    def says(self, answer, status, message):
        """The answer is Kong's, with these words."""
        self.assertEqual((answer[0], json.loads(answer[2])["message"]), (status, message))
        self.assertEqual(json.loads(answer[2])["request_id"], answer[1]["x-kong-request-id"])


class KongPlugins(KongCase):
    def test_bot_detection(self):
        text = self.service("name: own, paths: [/own], plugins: [{name: bot-detection, config: {allow: ['^ours/'], deny: [curl]}}]",
                            "name: all, paths: [/all]", "name: keyed, paths: [/keyed], plugins: [{name: key-auth}]")

        def check(http):
            rows = (("/all", "curl/8.0", 200), ("/all", "Mozilla/5.0 (compatible; Googlebot/2.1)", 403), ("/all", "", 200),
                    ("/own", "curl/8.0", 403), ("/own", "okhttp/4", 403), ("/own", "ours/1 Googlebot/2.1 curl", 200),
                    ("/keyed", "Go-http-client/1.1", 403), ("/keyed", "Mozilla/5.0", 401))
            for path, agent, status in rows:
                answer = ask(http, path, "-H", f"user-agent: {agent}" if agent else "user-agent:")
                self.assertEqual(answer[0], status, (path, agent))
                if status == 403:
                    self.says(answer, 403, "Forbidden")
            self.says(ask(http, "/all", "-H", "user-agent: a", "-H", "user-agent: b"), 400, "Only one User-Agent header allowed")
        self.both(text + "plugins: [{name: bot-detection}]\n", check)

    def test_response_ratelimiting(self):
        limits = "limits: {videos: {hour: 3, day: 10}, images: {day: 2}}"
        text = self.service(
            f"name: a, paths: [/a], plugins: [{{name: response-ratelimiting, config: {{{limits}}}}}, {{name: rate-limiting, config: {{hour: 100}}}}]",
            f"name: b, paths: [/b], plugins: [{{name: response-ratelimiting, config: {{{limits}, header_name: X-Use, "
            "block_on_first_violation: true, hide_client_headers: true}}]")

        def says(conversation, method, path, head, body, framing):
            conversation.send(200, b"done", [("x-kong-limit", path[1:]), ("x-use", path[1:])])

        self.one.answer = says

        def check(http):
            for used, status, videos, images in (("videos=2,%20none=7", 200, "1", "2"), ("images=1", 200, "1", "1"), ("videos=1", 200, "0", "1"),
                                                 ("images=x", 200, "0", "1"), ("videos=1,images=1", 429, "0", "0")):
                got, fields, body = ask(http, "/a/" + used)
                self.assertEqual((got, body), (status, b"done" if status == 200 else b""), used)
                self.assertEqual((fields["x-ratelimit-remaining-videos-hour"], fields["x-ratelimit-remaining-images-day"]), (videos, images))
                self.assertEqual((fields["x-ratelimit-limit-videos-hour"], fields["x-ratelimit-limit-videos-day"]), ("3", "10"))
                self.assertEqual(fields["x-ratelimit-limit-hour"], "100")
                self.assertNotIn("x-kong-limit", fields)
            self.assertEqual((self.sent("x-ratelimit-remaining-videos"), self.sent("x-ratelimit-remaining-images")), ("0", "1"))
            _, fields, _ = ask(http, "/b/images=2")
            self.assertFalse([name for name in fields if "ratelimit" in name or name == "x-use"], fields)
            before = len(self.one.requests())
            self.says(ask(http, "/b/videos=1"), 429, "API rate limit exceeded for 'images'")
            self.assertEqual(len(self.one.requests()), before)
        self.both(text, check)

    def test_anonymous_consumers(self):
        """A wrong credential is none, and of several plugins one is enough."""
        nobody = "1d7a3f5e-92a6-4b77-9d2e-8a1e8f1ab9d0"
        text = self.service(
            f"name: key, paths: [/key], plugins: [{{name: key-auth, config: {{anonymous: {nobody}, hide_credentials: true}}}}]",
            "name: any, paths: [/any], plugins: [{name: key-auth, config: {anonymous: guest}}, {name: basic-auth, config: "
            "{anonymous: nobody}}, {name: acl, config: {allow: [people]}}]",
            "name: all, paths: [/all], plugins: [{name: key-auth}, {name: basic-auth}]") + f"""consumers:
- username: alice
  keyauth_credentials: [{{key: k-alice}}]
  basicauth_credentials: [{{username: alice, password: secret}}]
  acls: [{{group: people}}]
- {{username: nobody, id: {nobody}, acls: [{{group: guests}}]}}
- {{username: guest, acls: [{{group: people}}]}}
"""
        key, wrong, right, bad = ("-H", "apikey: k-alice"), ("-H", "apikey: x"), ("-u", "alice:secret"), ("-u", "alice:x")

        def check(http):
            for shown, who in (((), "nobody"), (wrong, "nobody"), (key, "alice")):
                self.assertEqual(ask(http, "/key", *shown)[0], 200)
                self.assertEqual((self.sent("x-consumer-username"), self.sent("x-anonymous-consumer"), self.sent("apikey")),
                                 (who, "true" if who == "nobody" else None, None), shown)
            for shown, status in (((), 403), (wrong, 403), (wrong + bad, 403), (key, 200), (key + bad, 200), (wrong + right, 200)):
                answer = ask(http, "/any", *shown)
                self.assertEqual(answer[0], status, shown)
                if status == 403:  # the last plugin has the last word: who is anonymous is nobody, and not guest
                    self.says(answer, 403, "You cannot consume this service")
            for shown, status, message in (((), 401, "No API key found in request"), (right, 401, "No API key found in request"),
                                           (key, 401, "Unauthorized"), (key + bad, 401, "Unauthorized"), (wrong + right, 401, "Unauthorized")):
                self.says(ask(http, "/all", *shown), status, message)
            self.assertEqual(ask(http, "/all", *key, *right)[0], 200)
        self.both(text, check)

    def test_plugins_of_consumers(self):
        def add(value, scope):
            return f"- {{name: request-transformer, {scope}, config: {{add: {{headers: ['x-who:{value}']}}}}}}\n"

        text = self.service(
            "name: a, paths: [/a], plugins: [{name: response-transformer, config: {add: {headers: ['x-a:1']}}}]", "name: b, paths: [/b]") + """consumers:
- {username: alice, keyauth_credentials: [{key: k-alice}]}
- {username: bob, keyauth_credentials: [{key: k-bob}]}
plugins:
- {name: key-auth}
- {name: rate-limiting, config: {hour: 10}}
- {name: rate-limiting, consumer: alice, route: a, config: {hour: 2}}
- {name: request-termination, consumer: bob, route: b, config: {status_code: 403, message: not for bob}}
""" + add("all", "service: first") + add("alice", "consumer: alice") + add("alice-on-a", "consumer: alice, route: a")

        def check(http):
            rows = (("/a", "alice", 200, "alice-on-a", "2"), ("/a", "bob", 200, "all", "10"), ("/b", "alice", 200, "alice", "10"),
                    ("/b", "bob", 403, None, "10"), ("/a", "alice", 200, "alice-on-a", "2"), ("/a", "alice", 429, None, "2"))
            for path, key, status, who, limit in rows:
                got, fields, _ = ask(http, path, "-H", f"apikey: k-{key}")
                self.assertEqual((got, fields["x-ratelimit-limit-hour"]), (status, limit), (path, key))
                if who is not None:
                    self.assertEqual((self.sent("x-who"), fields.get("x-a")), (who, "1" if path == "/a" else None), (path, key))
        self.both(text, check)

    def test_plugins_and_acls_of_consumer_groups(self):
        os.environ["FL_KONG_ANN"] = "key-of-ann"
        self.addCleanup(os.environ.pop, "FL_KONG_ANN")
        text = self.service("name: a, paths: [/a]", "name: b, paths: [/b], plugins: [{name: acl, config: {allow: [gold], "
                            "include_consumer_groups: true}}]") + """plugins:
- {name: key-auth}
- {name: rate-limiting, config: {hour: 1}}
consumers:
- {username: ann, groups: [{name: gold}, {name: silver}], keyauth_credentials: [{key: '{vault://env/fl-kong-ann}'}]}
- {username: bob, groups: [{name: silver}], keyauth_credentials: [{key: key-of-bob}]}
- {username: cid, keyauth_credentials: [{key: key-of-cid}]}
consumer_groups:
- {name: silver, plugins: [{name: rate-limiting, config: {hour: 2}}]}
- {name: gold, plugins: [{name: rate-limiting, config: {hour: 3}}]}
"""

        def check(http):
            for who, most in (("ann", 3), ("bob", 2), ("cid", 1)):
                seen = [ask(http, "/a", "-H", f"apikey: key-of-{who}") for _ in range(most + 1)]
                self.assertEqual([one[0] for one in seen], [200] * most + [429], who)
                self.assertEqual(seen[0][1]["x-ratelimit-limit-hour"], str(most))
            self.assertEqual(ask(http, "/b", "-H", "apikey: key-of-bob")[0], 403)
            self.assertEqual(ask(http, "/b", "-H", "apikey: key-of-ann")[0], 429, "she may, but not so often")
        self.both(text, check)

    def test_what_backends_are_told(self):
        text = self.service("name: a, paths: [/a]", "name: b, paths: ['~/b(?<n>[0-9]+)'], plugins: [{name: key-auth}]",
                            "name: kept, paths: [/kept], strip_path: false", "name: root, paths: [/]") + """consumers:
- {username: alice, keyauth_credentials: [{key: k-alice}]}
- {username: bob, id: 1d7a3f5e-92a6-4b77-9d2e-8a1e8f1ab9d0, keyauth_credentials: [{key: k-bob}]}
"""
        made = str(uuid.uuid5(uuid.uuid5(uuid.UUID("fd02801f-0957-4a15-a55a-c8d9606f30b5"), "consumers"), "alice"))

        def check(http):
            for path, prefix in (("/a/x", "/a"), ("/ab", "/a"), ("/kept/x", None), ("/x", None)):
                self.assertEqual(ask(http, path, "-H", "x-forwarded-prefix: /of-the-client")[0], 200)
                self.assertEqual((self.sent("x-forwarded-prefix"), self.sent("x-forwarded-path")), (prefix, path))
                self.assertEqual(self.sent("via"), "1.1 kong/3.9.0")
            for key, name in (("k-alice", made), ("k-bob", "1d7a3f5e-92a6-4b77-9d2e-8a1e8f1ab9d0")):
                self.assertEqual(ask(http, "/b12/x", "-H", f"apikey: {key}", "-H", "x-consumer-id: root")[0], 200)
                self.assertEqual((self.sent("x-consumer-id"), self.sent("x-forwarded-prefix")), (name, "/b12"))
        self.both(text, check)

    def test_fields_of_rate_limiting(self):
        text = self.service("name: a, paths: [/a], plugins: [{name: rate-limiting, config: {hour: 2, day: 2, month: 9}}]",
                            "name: b, paths: [/b], plugins: [{name: rate-limiting, config: {hour: 1, hide_client_headers: true}}]")

        def check(http):
            for left, status in (("1", 200), ("0", 200), ("0", 429)):
                got, fields, _ = ask(http, "/a")
                self.assertEqual((got, fields["ratelimit-limit"], fields["ratelimit-remaining"]), (status, "2", left))
                self.assertTrue(1 <= int(fields["ratelimit-reset"]) <= 86400)  # of the day, as both have as much left
                self.assertEqual((fields["x-ratelimit-limit-hour"], fields["x-ratelimit-remaining-day"]), ("2", left))
                self.assertEqual(fields["x-ratelimit-limit-month"], "9")
                self.assertEqual(fields.get("retry-after"), fields["ratelimit-reset"] if status == 429 else None)
            for status in (200, 429):
                got, fields, _ = ask(http, "/b")
                self.assertEqual(got, status)
                self.assertFalse([name for name in fields if "ratelimit" in name or name == "retry-after"], fields)
        self.both(text, check)


if __name__ == "__main__":
    unittest.main()
