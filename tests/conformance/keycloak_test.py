# SPDX-License-Identifier: Apache-2.0
"""Keycloak before the gateway: tokens by its JWK Set with rotation, introspection and logout, logins of a browser.

KEYCLOAK names its folder, unpacked; scripts/conformance keycloak brings one. Needs a JRE of Java 17."""
import base64
import html
import json
import os
import pathlib
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
import urllib.request
from urllib.parse import urlencode

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "gateway"))
from browser import Browser  # noqa: E402
from callers import Callers, consumer, opaque, policy  # noqa: E402
from objects import free_port, service  # noqa: E402
from support import eventually  # noqa: E402

START_S = 600  # it builds itself first, on a busy machine for minutes
REALM, CLIENT, USER = "shop", "gateway", "alice"
ADMIN, PASSWORD, SECRET = secrets.token_hex(8), secrets.token_hex(8), secrets.token_hex(16)


class Keycloak:
    """A server of its own, in a folder that goes with it, with a realm, a confidential client and a user."""

    def __init__(self, installed):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="fl-keycloak-"))
        home = self.folder / "keycloak"
        shutil.copytree(installed, home)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.issuer = f"{self.url}/realms/{REALM}"
        self.log = open(self.folder / "log", "wb")
        self.process = subprocess.Popen(
            [home / "bin/kc.sh", "start-dev", "--http-host=127.0.0.1", f"--http-port={self.port}", "--health-enabled=false"],
            stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True,
            env={**os.environ, "KC_BOOTSTRAP_ADMIN_USERNAME": "root", "KC_BOOTSTRAP_ADMIN_PASSWORD": ADMIN,
                 "JAVA_OPTS_APPEND": "-Xmx512m"})
        try:
            if not eventually(self.answers, START_S):
                raise RuntimeError("Keycloak does not answer: " + (self.folder / "log").read_text(errors="replace")[-2000:])
            self.set_up()
        except BaseException:
            self.close()
            raise

    def answers(self):
        try:
            return "public_key" in self.ask("GET", "/realms/master")
        except (OSError, ValueError):  # nobody, or a page that says that it starts
            return False

    def ask(self, method, path, body=None, form=None, token=None):
        """What is answered, of JSON; errors raise."""
        data, fields = None, {}
        if body is not None:
            data, fields = json.dumps(body).encode(), {"content-type": "application/json"}
        if form is not None:
            data = urlencode(form).encode()
        if token:
            fields["authorization"] = f"Bearer {token}"
        with urllib.request.urlopen(urllib.request.Request(self.url + path, data, fields, method=method), timeout=30) as answer:
            text = answer.read()
        return json.loads(text) if text else {}

    def admin(self, method, path, body=None):
        token = self.ask("POST", "/realms/master/protocol/openid-connect/token",
                         form={"grant_type": "password", "client_id": "admin-cli", "username": "root", "password": ADMIN})
        return self.ask(method, "/admin/realms" + path, body, token=token["access_token"])

    def set_up(self):
        self.admin("POST", "", {"realm": REALM, "enabled": True, "sslRequired": "none"})
        self.admin("POST", f"/{REALM}/clients", {"clientId": CLIENT, "secret": SECRET, "redirectUris": ["*"],
                                                 "directAccessGrantsEnabled": True,
                                                 "attributes": {"post.logout.redirect.uris": "+"}})
        self.admin("POST", f"/{REALM}/users", {"username": USER, "enabled": True, "email": "alice@shop.example",
                                               "emailVerified": True, "firstName": "Alice", "lastName": "Shop",
                                               "credentials": [{"type": "password", "value": PASSWORD}]})

    def token(self):
        """An access token of the user's."""
        return self.ask("POST", f"/realms/{REALM}/protocol/openid-connect/token",
                        form={"grant_type": "password", "client_id": CLIENT, "client_secret": SECRET, "username": USER,
                              "password": PASSWORD, "scope": "openid email"})["access_token"]

    def end_sessions(self):
        user = self.admin("GET", f"/{REALM}/users?username={USER}")[0]["id"]
        self.admin("POST", f"/{REALM}/users/{user}/logout")

    def rotate(self):
        """Tokens are signed by another key from now on; the older ones stay known."""
        self.admin("POST", f"/{REALM}/components", {
            "name": f"key-{secrets.token_hex(4)}", "providerId": "rsa-generated", "providerType": "org.keycloak.keys.KeyProvider",
            "config": {"priority": [str(1000 + secrets.randbelow(1000000))], "keySize": ["2048"]}})

    def close(self):
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(60)
        self.log.close()
        shutil.rmtree(self.folder)


def kid_of(token):
    head = token.split(".")[0]
    return json.loads(base64.urlsafe_b64decode(head + "=="))["kid"]


class WithKeycloak(Callers, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.keycloak = Keycloak(os.environ["KEYCLOAK"])
        cls.addClassCleanup(cls.keycloak.close)

    def serve_method(self, method):
        for word, text in (("KEYCLOAK", "{name: keycloak, port: 80}"), ("ISSUER", self.keycloak.issuer),
                           ("HOST", f"127.0.0.1:{self.keycloak.port}")):
            method = method.replace(word, text)
        self.serve(policy("auth", f"  authentication: {{methods: {{{method}}}}}"),
                   service("keycloak", ("127.0.0.1", self.keycloak.port)),
                   opaque("gateway", secret=SECRET, cookies="k" * 40), consumer(USER, "{groups: [gold]}"))

    def test_tokens_by_its_keys_with_rotation(self):
        self.serve_method("jwt: {issuers: [{issuer: \"ISSUER\", remoteJwks: {backendRef: KEYCLOAK, "
                          f"path: /realms/{REALM}/protocol/openid-connect/certs}}, consumerClaim: preferred_username, "
                          "claimsToHeaders: [{claim: email, header: x-email}]}]}")
        first = self.keycloak.token()
        seen = self.seen("-H", f"authorization: Bearer {first}")
        self.assertEqual((seen["x-consumer-username"], seen["x-email"]), (USER, "alice@shop.example"))
        self.refused("-H", f"authorization: Bearer {first[:-6]}AAAAAA")
        self.keycloak.rotate()
        second = self.keycloak.token()
        self.assertNotEqual(kid_of(first), kid_of(second))
        # An unknown kid asks for the keys again, at most once in ten seconds.
        self.assertTrue(eventually(lambda: self.ask("-H", f"authorization: Bearer {second}")[0] == 200, 30))
        self.seen("-H", f"authorization: Bearer {first}")

    def test_introspection_until_the_session_ends(self):
        self.serve_method("introspection: {backendRef: KEYCLOAK, "
                          f"path: /realms/{REALM}/protocol/openid-connect/token/introspect, host: \"HOST\", "
                          f"client: {{id: {CLIENT}, secretRef: {{name: gateway, key: secret}}}}, activeFor: 1s, inactiveFor: 1s, "
                          "consumerClaim: preferred_username}")
        token = self.keycloak.token()
        self.assertEqual(self.seen("-H", f"authorization: Bearer {token}")["x-consumer-username"], USER)
        self.refused("-H", "authorization: Bearer nobody-gave-this", why="not active")
        self.keycloak.end_sessions()
        self.assertTrue(eventually(lambda: self.ask("-H", f"authorization: Bearer {token}")[0] == 401))
        self.seen("-H", f"authorization: Bearer {self.keycloak.token()}")

    def test_a_browser_logs_in_and_out(self):
        self.serve_method(f"login: {{issuer: \"ISSUER\", backendRef: KEYCLOAK, client: {{id: {CLIENT}, "
                          "secretRef: {name: gateway, key: secret}}, scopes: [openid, email], "
                          "cookies: {keys: [{name: gateway, key: cookies}], secure: false}, "
                          "claimsToHeaders: [{claim: email, header: x-email}], consumerClaim: preferred_username}")
        browser = Browser()
        form = browser.go(self.url + "/head?a=1")
        self.assertEqual(form.status, 200, form.body)
        action = html.unescape(re.search(r'<form[^>]*action="([^"]+)"', form.body)[1])
        self.assertTrue(action.startswith(self.keycloak.issuer), action)
        back = browser.one(action, "POST", {"content-type": "application/x-www-form-urlencoded"},
                           urlencode({"username": USER, "password": PASSWORD, "credentialId": ""}))
        self.assertEqual(back.status, 302, back.body)
        page = browser.go(back.field("location"))
        self.assertEqual(page.status, 200, page.body)
        self.assertTrue(page.url.endswith("/head?a=1"), page.url)
        self.assertIn("x-email: alice@shop.example", page.body)
        self.assertIn(f"x-consumer-username: {USER}", page.body)
        out = browser.one(self.url + "/oauth2/logout")
        self.assertEqual(out.status, 302)
        self.assertTrue(out.field("location").startswith(self.keycloak.issuer + "/protocol/openid-connect/logout?"))
        self.assertEqual(browser.one(out.field("location")).status, 200)  # it asks whether that is meant
        self.assertEqual(browser.one(self.url + "/head").status, 302)


if __name__ == "__main__":
    unittest.main(verbosity=2)
