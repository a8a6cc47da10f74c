# SPDX-License-Identifier: Apache-2.0
"""Section canary: which requests go to another backend, who stays there, and what counts for them."""
import concurrent.futures
import json
import re
import subprocess
import unittest

import grpc

from backend import Backend
from callers import consumer
from objects import CLASS, Followed, free_port, gateway, http, of, route, service, to
from observe import scrape
from support import FAIRCTL, LIMIT, curl, curl_status, eventually

KEYS = "authentication: {methods: {apiKey: {}}, anonymous: {allow: true}}"
TO = "canary: {backendRef: {name: new, port: 80}, %s}"
GRANT = """apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: g, namespace: other}
spec: {from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: default}], to: [{group: "", kind: Service}]}
"""


def policy(name, spec, kind="HTTPRoute", target="web", section="", group="gateway.networking.k8s.io"):
    more = f", sectionName: {section}" if section else ""
    return f"""apiVersion: fairlead.io/v1alpha1
kind: RequestPolicy
metadata: {{name: {name}, namespace: default}}
spec: {{targetRefs: [{{group: "{group}", kind: {kind}, name: {target}{more}}}], {spec}}}
"""


def grpc_server(name):
    """A gRPC server that says its name, and its port."""
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
    say = grpc.unary_unary_rpc_method_handler(lambda request, context: name.encode())
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("t.Names", {"Get": say}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


class GrpcCanary(unittest.TestCase):
    def test_of_a_grpc_route(self):
        servers = [grpc_server(name) for name in ("old", "new")]
        for server, _ in servers:
            self.addCleanup(server.stop, None)
        port = free_port()
        followed = Followed({"all.yaml": "---\n".join([
            CLASS, gateway(http(port)), route("calls", to("old"), kind="GRPCRoute"),
            *(service(name, ("127.0.0.1", at)) for name, (_, at) in zip(("old", "new"), servers)),
            policy("p", TO % "always: {headers: [{name: x-canary, value: \"yes\"}]}", kind="GRPCRoute", target="calls")])})
        self.addCleanup(followed.close)
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            call = channel.unary_unary("/t.Names/Get")

            def name(*metadata):
                return call(b"", timeout=LIMIT, metadata=metadata, wait_for_ready=True).decode()
            self.assertEqual([name(), name(("x-canary", "yes")), name(("x-canary", "no"))], ["old", "new", "old"])


class Canary(unittest.TestCase):
    def start(self, *documents, rules=None):
        self.old, self.new = Backend("old"), Backend("new")
        self.addCleanup(self.old.close)
        self.addCleanup(self.new.close)
        self.port = free_port()
        self.services = [service("old", of(self.old)), service("new", of(self.new))]
        objects = [CLASS, gateway(http(self.port)), route("web", *(rules or [to("old")]))]
        self.followed = Followed({"base.yaml": "---\n".join(objects), "services.yaml": "---\n".join(self.services),
                                  "policies.yaml": "---\n".join(documents)})
        self.addCleanup(self.followed.close)
        self.gateway = self.followed.gateway

    @property
    def said(self):
        return "\n".join(self.gateway.errors)

    def get(self, *arguments, path="/name"):
        return curl(*arguments, f"http://127.0.0.1:{self.port}{path}").decode()

    def status(self, *arguments, path="/name"):
        return int(curl_status(*arguments, f"http://127.0.0.1:{self.port}{path}"))

    def head(self, *arguments):
        """The answer's body and its Set-Cookie."""
        text = curl("-i", *arguments, f"http://127.0.0.1:{self.port}/name").decode()
        found = re.search(r"^set-cookie: (.*?)\r$", text, re.MULTILINE | re.IGNORECASE)
        return text.rpartition("\r\n")[2], found and found[1]

    def why(self, *words):
        done = subprocess.run([FAIRCTL, "--socket", str(self.gateway.socket), "gateway", "why", "GET", "http://a.example/name",
                               *words, "-o", "json"], capture_output=True, text=True, timeout=LIMIT)
        self.assertEqual(done.returncode, 0, done.stderr)
        answer = json.loads(done.stdout)
        (row,) = [row for row in answer["policies"] if row["filter"] == "canary"]
        return row["verdict"], row["why"], answer["result"]

    def change(self, *documents):
        before = self.followed.status()["changes"]
        self.followed.write("policies.yaml", *documents)
        self.followed.await_changes(before)

    def test_headers_cookies_consumers_and_groups(self):
        self.start(policy("auth", KEYS), policy("new", TO % "always: {headers: [{name: X-Canary, value: 'yes'}, {name: x-any}], "
                                                "cookies: [{name: beta, value: '1'}], consumers: [ada], groups: [staff]}, "
                                                "never: {headers: [{name: x-stable}]}"),
                   consumer("ada", "{credentials: [{apiKey: {key: k-ada}}]}"),
                   consumer("bob", "{groups: [staff], credentials: [{apiKey: {key: k-bob}}]}"),
                   consumer("eve", "{credentials: [{apiKey: {key: k-eve}}]}"))
        rows = [((), "old", "not to the canary"), (("x-canary: yes",), "new", "to the canary: header x-canary"),
                (("x-canary: no",), "old", "not to the canary"), (("x-any: 1",), "new", "to the canary: header x-any"),
                (("cookie: a=b; beta=1",), "new", "to the canary: cookie beta"), (("cookie: beta=2",), "old", "not to the canary"),
                (("apikey: k-ada",), "new", "to the canary: consumer ada"),
                (("apikey: k-bob",), "new", "to the canary: group staff"), (("apikey: k-eve",), "old", "not to the canary"),
                (("apikey: k-ada", "x-stable: 1"), "old", "not to the canary: header x-stable")]
        for headers, name, why in rows:
            words = [word for one in headers for word in ("-H", one)]
            with self.subTest(headers=headers):
                self.assertEqual(self.get(*words), name)
                result = f"to {'the canary' if name == 'new' else 'a backend'} of HTTPRoute default/web"
                self.assertEqual(self.why(*words), ("passes", why, result))
        news = sum(row[1] == "new" for row in rows)
        seen = scrape(self.gateway)
        for place, count in (("canary", news), ("stable", len(rows) - news)):
            self.assertEqual(seen.sum("fairlead_gateway_canary_requests_total", to=place,
                                      policy="RequestPolicy default/new", section="canary"), count)

    def test_a_share_grows_and_moves_nobody_back(self):
        share = "share: {percent: %s, by: Header, name: x-user}"
        self.start(policy("new", TO % (share % 5)))
        before = set()
        for percent in (0, 20, 50, 100):
            self.change(policy("new", TO % (share % percent)))
            now = {user for user in range(60) if self.get("-H", f"x-user: u{user}") == "new"}
            self.assertEqual(now, {user for user in range(60) if self.get("-H", f"x-user: u{user}") == "new"})
            self.assertLessEqual(before, now)
            if percent in (20, 50):
                self.assertTrue(0 < len(now) < 60, now)
                self.assertEqual(self.get(), "old")
            before = now
        self.assertEqual(len(before), 60)
        self.assertEqual(self.why()[1], "not to the canary: no header x-user")
        self.assertEqual(self.why("-H", "x-user: u1")[1], "to the canary: among 100 % by header x-user")

    def test_another_salt_draws_anew(self):
        share = "share: {percent: 50, by: Header, name: x-user, salt: %s}"
        self.start(policy("new", TO % (share % "zero")))
        drawn = []
        for salt in ("one", "two", "one"):
            self.change(policy("new", TO % (share % salt)))
            drawn.append([self.get("-H", f"x-user: u{user}") for user in range(40)])
        self.assertEqual(drawn[0], drawn[2])
        self.assertNotEqual(drawn[0], drawn[1])

    def test_a_cookie_keeps_clients_where_they_are(self):
        self.start(policy("new", TO % "share: {percent: 50, by: Cookie, name: side}"))
        seen = set()
        for _ in range(30):
            name, cookie = self.head()
            self.assertRegex(cookie, r"^side=[0-9a-f]{16}; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax$")
            seen.add(name)
            pair = cookie.partition(";")[0]
            for _ in range(3):
                self.assertEqual(self.head("-H", f"cookie: a=b; {pair}; c=d"), (name, None))
        self.assertEqual(seen, {"old", "new"})
        # It is the gateway's own: backends do not see it.
        sent = b"".join(head for backend in (self.old, self.new) for _, head, _ in backend.requests())
        self.assertIn(b"a=b; c=d", sent)
        self.assertNotIn(b"side=", sent)
        self.assertEqual(self.why()[:2], ("depends", "50 % of new clients go to the canary, and stay by cookie side"))

    def test_a_session_cookie_without_a_max_age(self):
        self.start(policy("new", TO % "share: {percent: 100, by: Cookie, maxAge: 0s}"))
        name, cookie = self.head()
        self.assertEqual(name, "new")
        self.assertRegex(cookie, r"^fairlead-canary=[0-9a-f]{16}; Path=/; HttpOnly; SameSite=Lax$")

    def test_by_consumer_and_by_address(self):
        people = [consumer(f"c{i}", f"{{credentials: [{{apiKey: {{key: k-{i}}}}}]}}") for i in range(24)]
        self.start(policy("auth", KEYS), policy("new", TO % "share: {percent: 50, by: Consumer}"), *people)
        names = [self.get("-H", f"apikey: k-{i}") for i in range(24)]
        self.assertEqual(set(names), {"old", "new"})
        self.assertEqual(names, [self.get("-H", f"apikey: k-{i}") for i in range(24)])
        self.assertEqual(self.get(), "old")
        self.change(policy("new", TO % "share: {percent: 50, by: ClientIP}"))
        self.assertEqual({self.why("--client", f"192.0.2.{i}")[2] for i in range(24)},
                         {"to the canary of HTTPRoute default/web", "to a backend of HTTPRoute default/web"})
        self.assertEqual(self.why("--client", "2001:db8::1"), self.why("--client", "2001:db8::2:3:4:5"))
        self.assertEqual(len({self.get() for _ in range(10)}), 1)

    def test_one_rule_by_its_name(self):
        self.start(policy("new", TO % "always: {headers: [{name: x-canary}]}", section="second"),
                   rules=[to("old", more="name: first, matches: [{path: {value: /head}}]"), to("old", more="name: second")])
        self.assertIn("/head", self.get("-H", "x-canary: 1", path="/head"))
        self.assertEqual(self.get("-H", "x-canary: 1"), "new")
        self.assertEqual([path for path, *_ in self.new.requests()], ["/name"])

    def test_a_backend_that_is_not_there_gets_500_for_its_requests_only(self):
        self.start(policy("new", "canary: {backendRef: {name: none, port: 80}, always: {headers: [{name: x-canary}]}}"))
        self.assertEqual((self.status(), self.status("-H", "x-canary: 1")), (200, 500))
        remark = "rules[0]: canary of RequestPolicy default/new: there is no such Service, or no such port of it"
        self.assertTrue(eventually(lambda: remark in self.said), self.said)
        self.assertEqual(self.why("-H", "x-canary: 1")[2], "500: the rule has no valid backend")
        # It comes, and goes.
        self.followed.write("late.yaml", service("none", of(self.new)))
        self.assertTrue(eventually(lambda: self.status("-H", "x-canary: 1") == 200))
        self.assertEqual(self.get("-H", "x-canary: 1"), "new")
        self.followed.remove("late.yaml")
        self.assertTrue(eventually(lambda: self.status("-H", "x-canary: 1") == 500))

    def test_another_namespace_needs_a_grant(self):
        self.start(policy("new", "canary: {backendRef: {name: far, namespace: other, port: 80}, always: {headers: [{name: x-canary}]}}"))
        far = service("far", of(self.new)).replace("namespace: default", "namespace: other")
        self.followed.write("far.yaml", far)
        self.assertTrue(eventually(lambda: "no ReferenceGrant permits this Service" in self.said))
        self.assertEqual(self.status("-H", "x-canary: 1"), 500)
        self.followed.write("grant.yaml", GRANT)
        self.assertTrue(eventually(lambda: self.status("-H", "x-canary: 1") == 200))
        self.assertEqual(self.get("-H", "x-canary: 1"), "new")

    def test_policies_of_its_service_count(self):
        by = "always: {headers: [{name: x-canary}]}"
        self.start(policy("new", TO % by + ", rateLimits: {limits: [{name: r, requests: 1, per: Hour, key: [{type: ClientIP}]}]}"),
                   policy("old", "transform: {response: {headers: {set: [{name: x-of, value: old}]}}}", "Service", "old", group=""),
                   policy("gate", "addresses: {deny: [127.0.0.1/32]}", "Service", "new", group=""))
        self.assertEqual(self.status("-H", "x-canary: 1"), 403)  # a section in front of canary, of its Service
        self.change(policy("new", TO % by), policy("old", "answer: {body: of-old}", "Service", "old", group=""),
                    policy("gate", "transform: {response: {headers: {set: [{name: x-of, value: new}]}}}", "Service", "new", group=""))
        self.assertEqual(self.get(), "of-old")
        text = curl("-i", "-H", "x-canary: 1", f"http://127.0.0.1:{self.port}/name").decode()
        self.assertIn("x-of: new", text)
        self.assertTrue(text.endswith("new"))

    def test_a_cache_keeps_both_apart(self):
        self.start(policy("new", TO % "always: {headers: [{name: x-canary}]}" + ", cache: {defaultTtl: 60s}"))
        for _ in range(2):
            self.assertEqual((self.get(), self.get("-H", "x-canary: 1")), ("old", "new"))
        self.assertEqual((len(self.old.requests()), len(self.new.requests())), (1, 1))

    def test_sessions_stay_within_the_service(self):
        self.start(policy("new", TO % "always: {headers: [{name: x-canary}]}"),
                   rules=[to("old", more="sessionPersistence: {sessionName: s}")])
        name, cookie = self.head()
        of_old = cookie.partition(";")[0]
        self.assertEqual(name, "old")
        name, cookie = self.head("-H", "x-canary: 1", "-H", f"cookie: {of_old}")
        of_new = cookie.partition(";")[0]
        self.assertEqual(name, "new")
        self.assertEqual(self.head("-H", "x-canary: 1", "-H", f"cookie: {of_new}"), ("new", None))
        self.assertEqual(self.head("-H", f"cookie: {of_old}"), ("old", None))
        self.assertEqual(self.head("-H", f"cookie: {of_new}")[0], "old")

    def test_only_routes_may_have_one(self):
        self.start(policy("new", TO % "share: {percent: 100, by: ClientIP}", "Gateway", "edge"))
        expected = "canary only in policies whose targetRefs are HTTPRoutes and GRPCRoutes"
        self.assertTrue(eventually(lambda: expected in self.said), self.said)
        self.assertEqual(self.get(), "old")


if __name__ == "__main__":
    unittest.main()
