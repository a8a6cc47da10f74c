# SPDX-License-Identifier: Apache-2.0
"""Token introspection (RFC 7662) and logins by OpenID Connect, with a provider that checks what it is asked."""
import base64
import concurrent.futures
import json
import pathlib
import re
import shutil
import socket
import struct
import tempfile
import threading
import time
import unittest
from urllib.parse import parse_qs, urlencode, urlsplit

from browser import PAGE, Browser
from callers import SECRET, Callers, b64, consumer, hs256, opaque, policy
from objects import of, service
from provider import PATH, Provider, SigningKey
from support import ROOT, Wire, eventually

REFERENCE = ROOT / "docs/reference/request-policy/authentication.md"
KEY, OTHER_KEY = "k" * 40, "o" * 40


def bearer(token):
    return "-H", f"authorization: Bearer {token}"


def claims_of(token):
    return json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))


def rubbish(conversation):
    conversation.send(200, b"<html>sign in here</html>")


def failing(conversation):
    conversation.send(500, b"{}")


class WithProvider(Callers):
    def start(self, **more):
        self.provider = Provider(**more)
        self.addCleanup(self.provider.close)

    def serve_method(self, method, *documents, rest="", **more):
        """`method`: YAML of methods in flow style; PROVIDER stands for the backendRef."""
        method = method.replace("PROVIDER", "{name: provider, port: 80}")
        self.serve(policy("auth", f"  authentication: {{methods: {{{method}}}{rest}}}"),
                   service("provider", of(self.provider.backend)),
                   opaque("login", key=KEY, other=OTHER_KEY, secret=self.provider.secret + "\n"), *documents, **more)


class Introspection(WithProvider, unittest.TestCase):
    def introspection(self, more="", client="secretRef: {name: login, key: secret}"):
        return (f"introspection: {{backendRef: PROVIDER, path: {PATH}/introspect, "
                f"client: {{id: \"{self.provider.client}\", {client}}}{more}}}")

    def give(self, token, **claims):
        self.provider.tokens[token] = {"active": True, "sub": "alice", "exp": int(time.time()) + 600, **claims}
        return token

    def test_a_token_says_what_the_server_says_of_it(self):
        self.start(client="shop: a+b", secret="p%:& ä")
        self.serve_method(self.introspection(", claimsToHeaders: [{claim: email, header: x-email}], consumerClaim: sub, "
                                             "hideCredentials: true"),
                          consumer("alice", "{groups: [gold]}"))
        head = self.refused(why="no credentials")
        self.assertIn('www-authenticate: Bearer realm="fairlead"', head)
        self.give("opaque-1", email="a@shop.example", iss="https://i.example")
        for _ in range(6):  # both workers
            seen = self.seen(*bearer("opaque-1"), "-H", "x-email: forged")
            self.assertEqual((seen["x-consumer-username"], seen["x-email"], seen["x-credential-identifier"]),
                             ("alice", "a@shop.example", "https://i.example/alice"))
            self.assertNotIn("authorization", seen)
        self.assertEqual(self.provider.count("/introspect"), 1)
        head = self.refused(*bearer("unknown"), why="not active")
        self.assertIn('error="invalid_token", error_description="the token is not active"', head)
        self.refused(*bearer("unknown"))
        self.assertEqual(self.provider.count("/introspect"), 2)
        self.assertEqual(self.provider.refused, [])
        for token in ("x" * 20000, "a\u00e4"):
            self.refused(*bearer(token), why="malformed")
        self.refused(*bearer("opaque-1"), *bearer("unknown"))
        self.assertEqual(self.provider.count("/introspect"), 2)

    def test_a_secret_in_a_file_that_changes(self):
        self.start(secret="hunter2-first")
        side = pathlib.Path(tempfile.mkdtemp(prefix="fl-side-"))
        self.addCleanup(shutil.rmtree, side)
        side.chmod(0o755)
        (side / "secret").write_text("hunter2-first\n")
        self.serve_method(self.introspection(client=f"file: {side}/secret"))
        self.seen(*bearer(self.give("one")))
        self.provider.secret = "hunter2-second"
        self.refused(*bearer(self.give("two")), status=503)
        (side / "secret").write_text("hunter2-second\n")
        self.assertTrue(eventually(lambda: self.ask(*bearer(self.give("three")))[0] == 200))
        (side / "secret").unlink()
        self.assertTrue(eventually(lambda: 'secret": No such file' in self.followed.conditions()))
        self.seen(*bearer(self.give("four")))
        self.assertNotIn("hunter2", self.followed.conditions() + "".join(self.followed.gateway.errors))

    def test_what_is_asked_of_tokens(self):
        self.start(way="post")
        self.serve_method(self.introspection(", issuer: i, audiences: [shop, bar], scopes: [read, write], requiredClaims: "
                                             "[{claim: tenant, values: [t1]}]", f"secret: {self.provider.secret}, "
                                             "authentication: Post"))
        good = {"iss": "i", "aud": ["x", "shop"], "scope": "write read", "tenant": "t1"}
        self.seen(*bearer(self.give("good", **good)))
        now = int(time.time())
        for number, (wrong, why) in enumerate((
                ({"iss": "j"}, "issuer"), ({"aud": "x"}, "audience"), ({"scope": "read"}, "claims"),
                ({"scope": "read writer"}, "claims"), ({"tenant": "t2"}, "claims"), ({"exp": now - 1}, "expired"),
                ({"nbf": now + 60}, "not valid yet"), ({"exp": "soon"}, "claims"), ({"iss": 5}, "issuer"))):
            with self.subTest(str(wrong)):
                self.refused(*bearer(self.give(f"bad-{number}", **{**good, **wrong})), why=why)

    def test_an_answer_serves_its_time_and_no_longer(self):
        self.start()
        self.serve_method(self.introspection(", activeFor: 1s, inactiveFor: 1h"))
        self.seen(*bearer(self.give("one")))
        self.provider.tokens["one"] = {"active": False}
        self.assertTrue(eventually(lambda: self.ask(*bearer("one"))[0] == 401))
        asked = self.provider.count("/introspect")
        self.give("one")
        self.refused(*bearer("one"))
        self.assertEqual(self.provider.count("/introspect"), asked)
        end = int(time.time()) + 2
        self.give("short", exp=end)
        self.seen(*bearer("short"))
        self.assertTrue(eventually(lambda: self.ask(*bearer("short"))[0] == 401))
        self.assertGreaterEqual(time.time(), end)

    def test_many_who_ask_the_same_ask_once(self):
        self.start()
        self.serve_method(self.introspection(", timeout: 1m"))
        self.give("one")
        all_here = threading.Event()
        plain = self.provider.say
        self.provider.say = lambda *arguments: (all_here.wait(60), plain(*arguments))
        with concurrent.futures.ThreadPoolExecutor(32) as pool:
            asking = [pool.submit(self.ask, *bearer("one")) for _ in range(32)]
            eventually(lambda: self.provider.count("/introspect") > 0)
            self.assertTrue(eventually(lambda: self.active() >= 32))
            all_here.set()
            self.assertEqual({one.result()[0] for one in asking}, {200})
        self.assertEqual(self.provider.count("/introspect"), 1)

    def test_who_asks_and_leaves_leaves_the_question_to_another(self):
        self.start()
        self.serve_method(self.introspection(", timeout: 1m"))
        self.give("one")
        go_on = threading.Event()
        self.addCleanup(go_on.set)
        plain = self.provider.say
        self.provider.say = lambda *arguments: (go_on.wait(60), plain(*arguments))
        request = b"GET /head HTTP/1.1\r\nhost: a\r\nauthorization: Bearer one\r\n\r\n"
        port = int(self.url.rpartition(":")[2])
        with Wire(port) as first:
            first.send(request)
            self.assertTrue(eventually(lambda: self.provider.count("/introspect") == 1))
            others = [Wire(port) for _ in range(6)]  # of both workers
            for other in others:
                other.send(request)
            self.assertTrue(eventually(lambda: self.active() >= 7))
            first.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset
        self.assertTrue(eventually(lambda: self.provider.count("/introspect") == 2))
        go_on.set()
        for other in others:
            with other:
                self.assertEqual(other.answer()[0], 200)
        self.assertEqual(self.provider.count("/introspect"), 2)

    def active(self):
        """Connections of clients, most of which wait."""
        rows = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
        port = f"{int(self.url.rpartition(':')[2]):04X}"
        return sum(row[1].endswith(":" + port) and row[3] == "01" for row in rows)

    def test_a_server_that_fails(self):
        self.start()
        self.serve_method(self.introspection(", timeout: 2s"))
        self.seen(*bearer(self.give("known")))
        hanging = threading.Event()
        self.addCleanup(hanging.set)
        cases = {"rubbish": rubbish, "failing": failing, "no boolean": lambda c: Provider.say(c, {"active": "true"}),
                 "a list": lambda c: Provider.say(c, []), "slow": lambda c: hanging.wait(60),
                 "too long": lambda c: Provider.say(c, {"active": True, "x": "y" * 100_000}),
                 "no client of its own": lambda c: Provider.say(c, {"error": "invalid_client"}, 401)}
        for name, trouble in cases.items():
            with self.subTest(name):
                self.provider.trouble = trouble
                self.seen(*bearer("known"))
                head = self.refused(*bearer(self.give("new " + name).replace(" ", "-")), status=503)
                self.assertIn("retry-after", head)
        self.provider.trouble = None
        self.give("new-slow")
        self.assertTrue(eventually(lambda: self.ask(*bearer("new-slow"))[0] == 200))
        self.provider.close()
        self.seen(*bearer("known"))
        self.refused(*bearer("other"), status=503)

    def test_whose_a_token_is_follows_from_its_form(self):
        self.start()
        jwks = json.dumps({"kty": "oct", "k": b64(SECRET.encode())})
        jwt = f"jwt: {{issuers: [{{issuer: i, jwks: '{jwks}'}}]}}, "
        self.serve_method(jwt + self.introspection())
        opaque_token = self.give("opaque.with.dots")
        token = hs256({"iss": "i", "sub": "bob"})
        self.assertEqual(self.seen(*bearer(opaque_token))["x-credential-identifier"], "provider/alice")
        self.assertEqual(self.seen(*bearer(token))["x-credential-identifier"], "i/bob")
        foreign = self.give(hs256({"iss": "j", "sub": "eve"}))
        head = self.refused(*bearer(foreign), why="issuer")
        self.assertEqual(head.count('Bearer realm="fairlead"'), 1)
        self.assertEqual(self.provider.count("/introspect"), 1)

    def test_all_methods_see_a_jwt(self):
        self.start()
        jwks = json.dumps({"kty": "oct", "k": b64(SECRET.encode())})
        self.serve_method(f"jwt: {{issuers: [{{issuer: i, jwks: '{jwks}'}}]}}, " + self.introspection(), rest=", mode: All")
        token = hs256({"iss": "i", "sub": "bob"})
        self.refused(*bearer(token), why="not active")  # good, and taken back by its server
        self.seen(*bearer(self.give(hs256({"iss": "i", "sub": "carol"}))))


class Login(WithProvider, unittest.TestCase):
    def login(self, more="", client="secretRef: {name: login, key: secret}", keys="{name: login, key: key}"):
        return (f"login: {{issuer: \"{self.provider.issuer}\", backendRef: PROVIDER, client: {{id: shop, {client}}}, "
                f"cookies: {{keys: [{keys}], secure: false}}{more}}}")

    def begin(self, browser=None, path="/head?a=1&b=2"):
        """A browser that stands before the callback, and its URL."""
        browser = browser or Browser()
        return browser, browser.go(self.url + path, until="/oauth2/callback")

    def logged_in(self, path="/head"):
        browser = Browser()
        answer = browser.go(self.url + path)
        self.assertEqual(answer.status, 200, answer.body)
        return browser

    @staticmethod
    def fields(answer):
        lines = answer.body.split("\r\n")
        return {"target": lines[0].split(" ")[1],
                **{name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}}

    def assert_refused(self, answer, why=None, status=401):
        self.assertEqual(answer.status, status, answer.body)
        self.assertEqual(answer.field("content-type"), "application/problem+json")
        if why:
            self.assertIn(why, json.loads(answer.body)["detail"])
        self.assertFalse([text for text in answer.all("set-cookie") if text.startswith("fairlead=") and "=;" not in text])

    # -- how it goes

    def test_a_browser_logs_in_and_out(self):
        self.start()
        self.serve_method(self.login(", scopes: [openid, email], claimsToHeaders: [{claim: email, header: x-email}], "
                                     "consumerClaim: sub"), consumer("alice", "{groups: [gold]}"))
        browser = Browser()
        answer = browser.go(self.url + "/head?a=1&b=%2F%2Fx")
        seen = self.fields(answer)
        self.assertEqual((answer.status, seen["target"]), (200, "/head?a=1&b=%2F%2Fx"))
        self.assertEqual((seen["x-consumer-username"], seen["x-email"], seen["x-credential-identifier"]),
                         ("alice", "alice@shop.example", self.provider.issuer + "/alice"))
        self.assertNotIn("cookie", seen)
        self.assertEqual(self.provider.refused, [])
        asked = parse_qs(urlsplit(browser.history[0].field("location")).query)
        self.assertEqual(asked["scope"], ["openid email"])
        self.assertEqual(set(browser.cookies(self.url)), {"fairlead"})  # the login's own is gone
        for one in browser.history[:3:2]:
            self.assertEqual(one.field("cache-control"), "no-store")
            for text in one.all("set-cookie"):
                self.assertRegex(text, r"; Path=/; HttpOnly; SameSite=Lax; Max-Age=\d+$")
                self.assertNotIn("alice", text)
        # The session serves all workers without the provider.
        count = len(self.provider.asked)
        self.provider.trouble = failing
        browser.cookies(self.url)["other"] = "1"
        for _ in range(6):
            seen = self.fields(browser.one(self.url + "/head", fields={}))
            self.assertEqual((seen["x-consumer-username"], seen["cookie"]), ("alice", "other=1"))
        self.assertEqual(len(self.provider.asked), count)
        self.provider.trouble = None
        gone = browser.go(self.url + "/oauth2/logout", until=PATH + "/end")
        self.assertEqual(parse_qs(urlsplit(gone).query),
                         {"client_id": ["shop"], "post_logout_redirect_uri": [self.url + "/"]})
        self.assertEqual(set(browser.cookies(self.url)), {"other"})
        self.assertEqual(browser.one(self.url + "/head", fields={}).status, 401)

    def test_who_is_no_browser_is_not_sent_anywhere(self):
        self.start()
        self.serve_method("apiKey: {}, " + self.login(), consumer("bot", "{credentials: [{apiKey: {key: k-bot}}]}"))
        self.seen("-H", "apikey: k-bot")
        page = {"accept": PAGE["accept"]}
        self.assertEqual(Browser().one(self.url + "/head", fields=page).status, 302)
        for fields, method in (({}, "GET"), ({"accept": "application/json"}, "GET"), ({"accept": "*/*"}, "GET"), (page, "POST"),
                               ({**page, "x-requested-with": "XMLHttpRequest"}, "GET"),
                               ({**page, "sec-fetch-mode": "cors"}, "GET"), ({**page, "apikey": "wrong"}, "GET")):
            answer = Browser().one(self.url + "/head", method=method, fields=fields)
            self.assert_refused(answer)
            self.assertIsNone(answer.field("location"))
        self.assertEqual(self.provider.count("/authorize"), 0)

    def test_pages_that_all_may_see(self):
        self.start()
        self.serve_method(self.login(", loginPath: /login"), rest=", anonymous: {allow: true}")
        browser = Browser()
        self.assertEqual(self.fields(browser.go(self.url + "/head"))["x-anonymous-consumer"], "true")
        answer = browser.go(self.url + "/login?to=%2Fhead%3Fx%3D1")
        self.assertEqual(self.fields(answer)["target"], "/head?x=1")
        self.assertNotIn("x-anonymous-consumer", self.fields(answer))

    def test_clients_of_each_kind(self):
        for way, client in (("post", "secretRef: {name: login, key: secret}, authentication: Post"),
                            ("none", "authentication: Basic")):
            with self.subTest(way):
                self.start(way=way, algorithm="ES256")
                self.serve_method(self.login(client=client))
                self.logged_in()
                self.assertEqual(self.provider.refused, [])

    def test_endpoints_may_be_said(self):
        self.start()
        at = self.provider.issuer
        self.serve_method(self.login(f", baseUrl: \"https://shop.example\", endpoints: {{authorization: \"{at}/authorize?x=1\", "
                                     f"token: {PATH}/token, jwks: {PATH}/jwks}}, afterLogout: /name"))
        browser = Browser()
        first = browser.one(self.url + "/head").field("location")
        self.assertTrue(first.startswith(at + "/authorize?x=1&response_type=code&"))
        self.assertEqual(parse_qs(urlsplit(first).query)["redirect_uri"], ["https://shop.example/oauth2/callback"])
        self.assertEqual(self.provider.count("/.well-known/openid-configuration"), 0)

    def test_keys_of_the_provider_rotate(self):
        self.start()
        self.serve_method(self.login())
        old = self.logged_in()
        self.provider.rotate()
        self.assertTrue(eventually(lambda: Browser().go(self.url + "/head").status == 200))
        self.assertEqual(old.one(self.url + "/head").status, 200)

    def test_several_tabs_begin_and_all_end(self):
        self.start()
        self.serve_method(self.login())
        browser = Browser()
        backs = [browser.go(self.url + f"/head?tab={tab}", until="/oauth2/callback") for tab in range(3)]
        for tab in (1, 0, 2):
            answer = browser.go(backs[tab])
            self.assertEqual(self.fields(answer)["target"], f"/head?tab={tab}")
        other = Browser()
        for _ in range(20):
            other.go(self.url + "/head", until="/oauth2/callback")
        self.assertLessEqual(len(other.cookies(self.url)), 4)

    # -- the session

    def test_large_sessions_are_cut_and_bounded(self):
        self.start()
        self.serve_method(self.login())
        self.provider.claims["groups"] = ["g" * 50] * 120
        browser = self.logged_in()
        names = set(browser.cookies(self.url))
        self.assertEqual(names, {"fairlead", "fairlead-1", "fairlead-2"})
        for name, value in browser.cookies(self.url).items():
            self.assertLessEqual(len(name) + len(value), 4096)
        self.assertNotIn("cookie", self.fields(browser.one(self.url + "/head")))
        # A piece that is missing, of another session, or in another's place ends it.
        kept = dict(browser.cookies(self.url))
        other = self.logged_in().cookies(self.url)
        for wrong in ({"fairlead-2": None}, {"fairlead-1": other["fairlead-1"]},
                      {"fairlead-1": kept["fairlead-2"], "fairlead-2": kept["fairlead-1"]}, {"fairlead": "1" + kept["fairlead"][1:]},
                      {"fairlead": "9" + kept["fairlead"][1:]}, {"fairlead-2": kept["fairlead-2"] + "A"}):
            jar = {name: value for name, value in {**kept, **wrong}.items() if value is not None}
            browser.jars = {urlsplit(self.url).netloc: jar}
            self.assertEqual(browser.one(self.url + "/head", fields={}).status, 401, wrong.keys())
        # The next session is short again, and leaves nothing of the long one.
        self.provider.claims["groups"] = []
        browser.cookies(self.url).update(kept)
        browser.cookies(self.url)["fairlead"] = "x"
        browser.go(self.url + "/head")
        self.assertEqual(set(browser.cookies(self.url)), {"fairlead"})
        self.provider.claims["groups"] = ["g" * 50] * 212
        self.assert_refused(Browser().go(self.url + "/head"), "too large")

    def test_sessions_are_refreshed_once_for_all(self):
        self.start()
        self.provider.expires_in = 10
        self.serve_method(self.login(", claimsToHeaders: [{claim: email, header: x-email}], timeout: 2s"))
        browser = self.logged_in()
        old = dict(browser.cookies(self.url))
        for given in self.provider.refresh_tokens.values():
            given["claims"]["email"] = "new@shop.example"
        answer = None

        def refreshed():
            nonlocal answer
            answer = browser.one(self.url + "/head", fields={})
            return self.fields(answer)["x-email"] == "new@shop.example"

        self.assertTrue(eventually(refreshed))
        self.assertEqual(answer.field("cache-control"), "no-store")
        self.assertNotEqual(browser.cookies(self.url), old)
        # Others that still have the old cookie do not use the refresh token again: the provider would end the session.
        asked = self.provider.count("/token")

        def again(_):
            one = Browser()
            one.jars = {urlsplit(self.url).netloc: dict(old)}
            return self.fields(one.one(self.url + "/head", fields={}))["x-email"]

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            self.assertEqual(set(pool.map(again, range(16))), {"new@shop.example"})
        self.assertEqual(self.provider.count("/token"), asked)
        self.assertEqual(self.provider.refused, [])

        # Without the provider it serves until its time is over, and no longer.
        self.provider.trouble = failing
        states = []

        def ended():
            states.append(browser.one(self.url + "/head", fields={}).status)
            return states[-1] == 503

        self.assertTrue(eventually(ended))
        self.assertEqual(set(states), {200, 503})
        # A provider that refuses ends it: pages begin a login, others are refused.
        self.provider.trouble = None
        self.provider.refresh_tokens.clear()
        self.assertTrue(eventually(lambda: browser.one(self.url + "/head", fields={}).status == 401))
        self.assertEqual(self.provider.refused[-1], ("/token", "refresh_token"))
        self.assertEqual(browser.go(self.url + "/head").status, 200)

    def test_a_refresh_for_somebody_else_ends_the_session(self):
        self.start()
        self.provider.expires_in = 10
        self.serve_method(self.login())
        browser = self.logged_in()
        self.provider.spoil = lambda claims: {**claims, "sub": "eve"}
        self.assertTrue(eventually(lambda: browser.one(self.url + "/head", fields={}).status == 401))

    def test_keys_of_cookies_rotate(self):
        self.start()
        self.serve_method(self.login())
        browser = self.logged_in()

        def with_keys(*names):
            keys = ", ".join(f"{{name: login, key: {name}}}" for name in names)
            before = self.followed.status()["changes"]
            self.followed.write("10.yaml", policy("auth", "  authentication: {methods: {" + self.login(keys=keys).replace(
                "PROVIDER", "{name: provider, port: 80}") + "}}"), service("provider", of(self.provider.backend)),
                opaque("login", key=KEY, other=OTHER_KEY, secret="s3cret"))
            self.followed.await_changes(before)

        with_keys("other", "key")
        for _ in range(4):
            self.assertEqual(browser.one(self.url + "/head", fields={}).status, 200)
        newer = self.logged_in()
        with_keys("other")
        self.assertTrue(eventually(lambda: browser.one(self.url + "/head", fields={}).status == 401))
        self.assertEqual(newer.one(self.url + "/head", fields={}).status, 200)

    def test_secure_cookies_are_bound_to_the_host(self):
        self.start()
        self.serve_method(self.login().replace(", secure: false", ", name: shop"))
        text = Browser().one(self.url + "/head").field("set-cookie")
        self.assertRegex(text, r"^__Host-shop-login-[\w-]{8}=[\w-]+; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=600$")

    # -- who attacks

    def test_answers_that_nobody_asked_for(self):
        self.start()
        self.serve_method(self.login(), rest=", failures: {max: 1000}")
        browser, back = self.begin()
        query = {name: values[0] for name, values in parse_qs(urlsplit(back).query).items()}

        def answered(of=browser, **changes):
            changed = {name: value for name, value in {**query, **changes}.items() if value is not None}
            return of.one(self.url + "/oauth2/callback?" + urlencode(changed))

        stranger, strangers = self.begin()
        theirs = {name: values[0] for name, values in parse_qs(urlsplit(strangers).query).items()}
        jar = dict(browser.cookies(self.url))
        begun = "begun elsewhere"
        for name, answer, why in (
                ("a forged state", answered(state=b64(b"x" * 16)), begun), ("no state", answered(state=None), begun),
                ("an odd state", answered(state="../../" + query["state"]), begun),
                ("the state's beginning", answered(state=query["state"][:8] + "A" * 14), begun),
                ("another browser's state", answered(state=theirs["state"]), begun),
                ("another browser", answered(of=Browser()), begun),
                ("another browser with a login of its own", answered(of=stranger), begun),
                ("another issuer", answered(iss="https://evil.example"), "another provider"),
                ("an error", answered(error="access_denied", code=None), "did not let you in"),
                ("no code", answered(code=None), "did not let you in"), ("a made-up code", answered(code="x"), "did not accept"),
                # A code of another's login, put into this browser: its verifier is not the one that it was asked with.
                ("an injected code", answered(code=theirs["code"]), "did not accept")):
            with self.subTest(name):
                self.assert_refused(answer, why)
        doubled = browser.one(self.url + "/oauth2/callback?" + urlencode(query) + "&state=" + theirs["state"])
        self.assert_refused(doubled, begun)
        self.assertEqual(browser.cookies(self.url), jar)
        self.assertEqual(browser.go(back).status, 200)  # none of this has hurt it
        self.assert_refused(browser.one(back), begun)   # and it is good once
        self.assertEqual(self.provider.refused.count(("/token", "code")), 2)

    def test_id_tokens_that_are_not_what_they_must_be(self):
        self.start()
        self.serve_method(self.login(", clockSkew: 0s"))
        now = int(time.time())
        foreign = SigningKey("key-1")
        strange = {
            "another nonce": (lambda c: {**c, "nonce": "x"}, None), "no nonce": (lambda c: {**c, "nonce": None}, None),
            "another client's": (lambda c: {**c, "aud": "bank"}, None), "no audience": (lambda c: {**c, "aud": []}, None),
            "several without azp": (lambda c: {**c, "aud": ["shop", "bank"]}, None),
            "another party": (lambda c: {**c, "azp": "bank"}, None),
            "another issuer": (lambda c: {**c, "iss": c["iss"] + "/"}, None), "old": (lambda c: {**c, "exp": now - 1}, None),
            "without end": (lambda c: {key: value for key, value in c.items() if key != "exp"}, None),
            "nobody": (lambda c: {**c, "sub": ""}, None),
            "alg none": (None, lambda t: b64(b'{"alg":"none"}') + "." + t.split(".")[1] + "."),
            "no signature": (None, lambda t: t.rpartition(".")[0] + "."),
            "key confusion": (None, lambda t: hs256(claims_of(t),
                                                    json.dumps(self.provider.keys[0].jwk()), {"alg": "HS256", "kid": "key-1"})),
            "client secret": (None, lambda t: hs256(claims_of(t),
                                                    "s3cret", {"alg": "HS256", "kid": "key-1"})),
            "another's key": (lambda c: c, lambda t: foreign.sign(claims_of(t))),
            "no token at all": (None, lambda t: "x"),
        }
        for name, (spoil, spoil_token) in strange.items():
            with self.subTest(name):
                self.provider.spoil = spoil or (lambda claims: claims)
                self.provider.spoil_token = spoil_token or (lambda token: token)
                browser = Browser()
                self.assert_refused(browser.go(self.url + "/head"))
                self.assertNotIn("fairlead", browser.cookies(self.url))
        self.provider.spoil, self.provider.spoil_token = lambda c: {**c, "aud": ["shop", "x"], "azp": "shop"}, lambda t: t
        self.logged_in()

    def test_cookies_that_are_not_ours(self):
        self.start()
        self.serve_method(self.login())
        browser, back = self.begin()
        login = next(iter(browser.cookies(self.url)))
        sealed = browser.cookies(self.url)[login]
        session = self.logged_in().cookies(self.url)["fairlead"]
        turned = "B" if session[40] == "A" else "A"
        wrong = {"empty": "", "a letter": "x", "no number": session[2:], "cut": session[:-4], "half": session[:len(session) // 2],
                 "longer": session + "AAAA", "turned": session[:40] + turned + session[41:],
                 "the nonce turned": session[:4] + ("B" if session[4] == "A" else "A") + session[5:],
                 "padded": session + "=", "a login": "1." + sealed, "zero": "0." + session[2:], "huge": "1." + "A" * 20000,
                 "nothing sealed": "1.", "JSON": '1.{"sub":"root"}', "a forged one": "1." + b64(b"\0" * 64)}
        for name, value in wrong.items():
            with self.subTest(name):
                one = Browser()
                one.cookies(self.url)["fairlead"] = value
                self.assertEqual(one.one(self.url + "/head", fields={}).status, 401)
                self.assertEqual(one.one(self.url + "/head").status, 302)
        for name, value in {"a session": session[2:], "cut": sealed[:-1], "turned": "A" + sealed[1:] if sealed[0] != "A" else
                            "B" + sealed[1:]}.items():
            with self.subTest("login: " + name):
                browser.cookies(self.url)[login] = value
                self.assert_refused(browser.one(back), "begun elsewhere")
        one = Browser()
        doubled = one.one(self.url + "/head", fields={"cookie": f"fairlead={session}; fairlead=x"})
        self.assertEqual(doubled.status, 401)

    def test_a_session_of_another_client_or_key_is_none(self):
        self.start()
        self.serve_method(self.login())
        session = self.logged_in().cookies(self.url)["fairlead"]
        self.provider.client = "bank"
        for client, key in (("bank", KEY), ("shop", OTHER_KEY)):
            before = self.followed.status()["changes"]
            self.followed.write("10.yaml", policy("auth", "  authentication: {methods: {" + self.login().replace(
                "PROVIDER", "{name: provider, port: 80}").replace("id: shop", f"id: {client}") + "}}"),
                service("provider", of(self.provider.backend)), opaque("login", key=key, secret="s3cret"))
            self.followed.await_changes(before)
            one = Browser()
            one.cookies(self.url)["fairlead"] = session
            self.assertTrue(eventually(lambda one=one: one.one(self.url + "/head", fields={}).status == 401))

    def test_nobody_is_sent_elsewhere(self):
        self.start()
        self.serve_method(self.login(", loginPath: /login"))
        host = urlsplit(self.url).netloc
        for to in ("//evil.example", "/\\evil.example", "\\\\evil.example", "https://evil.example", "evil.example",
                   "/%0d%0aset-cookie:x=1", "/\r\nset-cookie: x=1", "/\t/evil.example", "javascript:alert(1)", "/x y", "",
                   "/" + "a" * 5000, "@evil.example", ".evil.example", "/head?u=//evil.example", "///evil.example"):
            with self.subTest(to):
                browser = Browser()
                back = browser.go(self.url + "/login?" + urlencode({"to": to}), until="/oauth2/callback")
                answer = browser.one(back)
                self.assertEqual(answer.status, 302)
                gone = urlsplit(answer.field("location"))
                self.assertEqual((gone.scheme, gone.netloc), ("http", host))
                self.assertFalse(gone.path.startswith("//"))
                self.assertEqual([text.split("=")[0] for text in answer.all("set-cookie")][-1], "fairlead")
        for path in ("//evil.example/x", "/%2F/evil.example", "/%5Cevil.example", "/.//evil.example"):
            with self.subTest(path):
                browser = Browser()
                back = browser.go(self.url + path, until="/oauth2/callback")
                self.assertEqual(urlsplit(browser.one(back).field("location")).netloc, host)

    def test_a_provider_in_trouble(self):
        self.start()
        self.serve_method(self.login(", timeout: 2s"))
        hanging = threading.Event()
        self.addCleanup(hanging.set)
        wrong_issuer = {**self.provider.discovery(), "issuer": "https://evil.example"}
        no_token = {key: value for key, value in self.provider.discovery().items() if key != "token_endpoint"}
        troubles = {"rubbish": rubbish, "failing": failing, "slow": lambda c: hanging.wait(60), "nothing": lambda c: c.peer.close(),
                    "wrong issuer": lambda c: Provider.say(c, wrong_issuer), "no token endpoint": lambda c: Provider.say(c, no_token),
                    "script": lambda c: Provider.say(c, {**self.provider.discovery(), "authorization_endpoint": "javascript:x"})}

        def begins():
            return Browser().one(self.url + "/head").status

        for name, trouble in troubles.items():
            with self.subTest(name):
                self.provider.trouble = trouble
                self.assertTrue(eventually(lambda: begins() == 503))
        self.provider.trouble = None
        self.assertTrue(eventually(lambda: begins() == 302))
        for name, trouble in {"rubbish": rubbish, "failing": failing, "slow": lambda c: hanging.wait(60),
                              "no ID token": lambda c: Provider.say(c, {"access_token": "x"}),
                              "our client refused": lambda c: Provider.say(c, {"error": "invalid_client"}, 401)}.items():
            with self.subTest("token endpoint: " + name):
                browser, back = self.begin()
                self.provider.trouble = trouble
                self.assert_refused(browser.one(back), status=503)
                self.provider.trouble = None
        # Logging out needs nobody.
        browser = self.logged_in()
        self.provider.trouble = failing
        self.assertEqual(browser.one(self.url + "/oauth2/logout").status, 302)
        self.assertEqual(browser.cookies(self.url), {})

    def test_another_site_logs_nobody_out(self):
        self.start()
        self.serve_method(self.login())
        browser = self.logged_in()
        answer = browser.one(self.url + "/oauth2/logout", fields={"accept": "image/*", "sec-fetch-site": "cross-site",
                                                                  "sec-fetch-mode": "no-cors"})
        self.assertEqual(answer.all("set-cookie"), [])
        self.assertIn("fairlead", browser.cookies(self.url))

    def test_a_policy_without_its_key_serves_nobody(self):
        self.start()
        self.serve_method(self.login(keys="{name: login, key: none}"))
        self.assertEqual(self.ask()[0], 500)
        self.assertTrue(eventually(lambda: any('no key "none"' in line for line in self.followed.gateway.errors)))
        self.start()
        self.serve_method(self.login(keys="{name: short, key: key}"), opaque("short", key="too short"))
        self.assertEqual(self.ask()[0], 500)
        self.assertTrue(eventually(lambda: any("less than 32 bytes" in line for line in self.followed.gateway.errors)))

    def test_the_examples_of_the_page(self):
        examples = re.findall(r"```yaml\n(.*?)```", REFERENCE.read_text(), re.DOTALL)
        for mark in ("introspection:", "login:"):
            with self.subTest(mark):
                self.start(client="gateway", secret="what-the-server-knows")
                example = next(text for text in examples if mark in text)
                example = example.replace("/protocol/openid-connect/token/introspect", "/introspect")
                example = re.sub(r"issuer: https://\S+", f"issuer: {self.provider.issuer}", example)
                self.serve(example, service("keycloak", of(self.provider.backend)))
                if mark == "login:":
                    self.assertEqual(Browser().one(self.url + "/head").status, 302)
                else:
                    self.refused(*bearer("x"))


if __name__ == "__main__":
    unittest.main()
