# SPDX-License-Identifier: Apache-2.0
"""Istio's RequestAuthentication and AuthorizationPolicy through a real gateway of two workers, and fairctl's word on them."""
import base64
import json
import pathlib
import re
import subprocess
import tempfile
import time
import unittest

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from backend import Backend
from callers import SECRET, Callers, b64, hs256, policy
from objects import free_port, gateway, of, route, service
from observe import scrape
from support import FAIRCTL, ROOT, eventually

EDGE = "  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: edge}]\n"
KEYS = json.dumps({"keys": [{"kty": "oct", "k": b64(SECRET.encode())}]})
PAGE = ROOT / "docs/reference/istio.md"


def istio(kind, name, spec, namespace="default"):
    return (f"apiVersion: security.istio.io/v1\nkind: {kind}\nmetadata: {{name: {name}, namespace: {namespace}}}\n"
            f"spec:\n{spec.rstrip()}\n")


def tokens(*rules, target=EDGE, name="tokens"):
    rows = "".join(f"  - {rule}\n" for rule in rules)
    return istio("RequestAuthentication", name, f"{target}  jwtRules:\n{rows}")


def authorize(name, action, *rules, target=EDGE):
    rows = "".join(f"  - {rule}\n" for rule in rules)
    return istio("AuthorizationPolicy", name, f"{target}  action: {action}\n" + (f"  rules:\n{rows}" if rules else ""))


def issuer(name="i", more=""):
    return f"{{issuer: {name}, jwks: {json.dumps(KEYS)}{more}}}"


def bearer(claims, **more):
    return ["-H", "authorization: Bearer " + hs256(claims, **more)]


class Rsa:
    """A key pair, its JWK Set, and tokens that it signs."""

    def __init__(self, kid):
        self.kid = kid
        self.key = rsa.generate_private_key(65537, 2048)
        numbers = self.key.public_key().public_numbers()
        self.jwk = {"kty": "RSA", "kid": kid, "e": "AQAB", "n": b64(numbers.n.to_bytes(256, "big"))}

    def bearer(self, claims):
        text = b64(json.dumps({"alg": "RS256", "kid": self.kid}).encode()) + "." + b64(json.dumps(claims).encode())
        signature = self.key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
        return ["-H", f"authorization: Bearer {text}.{b64(signature)}"]


class Istio(Callers, unittest.TestCase):
    def passes(self, *arguments, path="/head"):
        status, _, body = self.ask(*arguments, path=path)
        self.assertEqual(status, 200, (arguments, path, body))

    def denied(self, *arguments, path="/head"):
        before = len(self.web.requests())
        status, _, body = self.ask(*arguments, path=path)
        self.assertEqual((status, body), (403, "RBAC: access denied"), (arguments, path))
        self.assertEqual(len(self.web.requests()), before)

    def unauthorized(self, *arguments, why, status=401):
        got, head, body = self.ask(*arguments)
        self.assertEqual((got, body), (status, why), arguments)
        if status == 401:
            self.assertIn('error="invalid_token"', head)

    def fairctl(self, *arguments):
        return subprocess.run([FAIRCTL, "--socket", str(self.followed.gateway.socket), "gateway", *arguments],
                              capture_output=True, text=True, check=False).stdout

    def test_tokens_must_be_good_where_they_are_sent(self):
        self.serve(tokens(issuer(more=", audiences: [shop], outputPayloadToHeader: x-payload, outputClaimToHeaders: "
                                      "[{header: x-sub, claim: sub}, {header: x-deep, claim: a.b}]")))
        later = int(time.time()) + 600
        claims = {"iss": "i", "sub": "alice", "aud": ["shop"], "exp": later, "a": {"b": 7}}
        seen = self.seen("-H", "x-sub: root", "-H", "X_Payload: root")
        for name in ("x-sub", "x_payload", "x-payload"):
            self.assertNotIn(name, seen)
        for _ in range(4):  # verified, and remembered
            seen = self.seen(*bearer(claims), "-H", "x-sub: root")
            self.assertEqual((seen["x-sub"], seen["x-deep"]), ("alice", "7"))
            padded = seen["x-payload"] + "=" * (-len(seen["x-payload"]) % 4)
            self.assertEqual(json.loads(base64.urlsafe_b64decode(padded)), claims)
            self.assertNotIn("authorization", seen)
        seen = self.seen(path="/head?x=1&access_token=" + hs256(claims))
        self.assertEqual((seen["x-sub"], seen["target"]), ("alice", "/head?x=1"))
        self.seen("-H", "authorization: Basic YTpi")
        self.unauthorized("-H", "authorization: Bearer x",
                          why="Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections")
        self.unauthorized(*bearer({**claims, "iss": "j"}), why="Jwt issuer is not configured")
        self.unauthorized(*bearer({**claims, "exp": int(time.time()) - 61}), why="Jwt is expired")
        self.seen(*bearer({**claims, "exp": int(time.time()) - 30}))  # clocks differ
        self.unauthorized(*bearer({**claims, "nbf": later}), why="Jwt not yet valid")
        self.unauthorized(*bearer(claims, secret="x" * 64), why="Jwt verification fails")
        self.unauthorized(*bearer(claims, header={"alg": "none"}), why="Jwt header [alg] is not supported")
        self.unauthorized(*bearer({**claims, "aud": "other"}), why="Audiences in Jwt are not allowed", status=403)
        self.assertEqual(self.ask("-X", "OPTIONS", "-H", "origin: https://a", "-H", "access-control-request-method: PUT",
                                  "-H", "authorization: Bearer x")[0], 200)

    def test_claims_that_are_lists_of_words(self):
        may = [authorize(name, "ALLOW", f'when: [{{key: "request.auth.claims[{name}]", values: [write]}}]')
               for name in ("roles", "scope", "other")]
        self.serve(tokens(issuer("i", ", spaceDelimitedClaims: [roles]"), issuer("j")), *may)
        for claims, passes in (({"roles": "read write"}, True), ({"scope": "read write"}, True), ({"other": "write"}, True),
                               ({"other": "read write"}, False), ({"roles": "read writes"}, False),
                               ({"roles": ["read", "write"]}, True)):
            with self.subTest(claims=claims):
                (self.passes if passes else self.denied)(*bearer({"iss": "i", "sub": "s", **claims}))
        self.denied(*bearer({"iss": "j", "sub": "s", "roles": "read write"}))  # the other issuer's are texts

    def test_where_tokens_stand_and_which_go_on(self):
        self.serve(tokens(issuer("i", ", forwardOriginalToken: true"),
                          issuer("j", ', fromHeaders: [{name: x-token, prefix: "T "}], fromParams: [t], fromCookies: [c]')))
        i, j = hs256({"iss": "i", "sub": "1"}), hs256({"iss": "j", "sub": "2"})
        self.assertEqual(self.seen("-H", f"authorization: Bearer {i}")["authorization"], f"Bearer {i}")
        self.assertNotIn("x-token", self.seen("-H", f"x-token: T {j}"))
        self.assertEqual(self.seen(path=f"/head?t={j}&u=1")["target"], "/head?u=1")
        self.assertEqual(self.seen("-H", f"cookie: a=b; c={j}")["cookie"], "a=b")
        self.unauthorized("-H", f"authorization: Bearer {j}", why="Jwt issuer is not configured")
        self.unauthorized("-H", "x-token: T x", why="Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections")
        self.passes("-H", f"authorization: Bearer {i}", "-H", "x-token: T x")  # one good token is enough
        self.seen("-H", "x-token: x")  # without the prefix it is no token

    def test_deny_goes_before_allow(self):
        self.serve(authorize("admin", "DENY", "to: [{operation: {paths: [/head/admin*]}}]"),
                   authorize("tried", "AUDIT", "to: [{operation: {paths: [/head*]}}]"))
        self.passes(path="/head/x")
        self.denied(path="/head/admin")
        self.denied(path="/head/%61dmin/x")  # paths are compared as routes see them
        self.denied(path="/head/x/../admin")
        self.assertEqual(scrape(self.followed.gateway).sum("fairlead_gateway_istio_audits_total", audit="default/tried",
                                                           result="matched"), 4)
        self.followed.write("20.yaml", authorize("readers", "ALLOW", 'to: [{operation: {methods: [GET], paths: ["/head/{*}/p/{**}", "/head/admin"]}}]'))
        self.assertTrue(eventually(lambda: self.ask(path="/head/x")[0] == 403))
        self.passes(path="/head/x/p/y/z")
        self.denied(path="/head/x/y/p/z")
        self.denied(path="/head/admin")
        self.denied("-X", "POST", path="/head/x/p/y")
        self.followed.write("30.yaml", authorize("writers", "ALLOW", "to: [{operation: {methods: [POST]}}]"))
        self.assertTrue(eventually(lambda: self.ask("-X", "POST", path="/head/x")[0] == 200))
        self.denied("-X", "POST", path="/head/admin")
        self.denied(path="/head/x")

    def test_an_allow_policy_without_rules_allows_nothing(self):
        self.serve(authorize("nothing", "ALLOW"))
        self.denied()

    def test_rules_ask_for_callers_and_requests(self):
        self.serve(tokens(issuer()), authorize(
            "rules", "ALLOW",
            '{from: [{source: {requestPrincipals: ["i/alice"]}}], to: [{operation: {paths: [/head/alice]}}]}',
            '{from: [{source: {requestPrincipals: ["*"]}}], when: [{key: "request.auth.claims[roles]", values: [admin, "op*"]}]}',
            '{to: [{operation: {hosts: ["*.example"], notPaths: ["*/secret"]}}]}',
            '{when: [{key: "request.headers[x-team]", values: [blue, green], notValues: [green]}]}',
            '{from: [{source: {notRequestPrincipals: ["*"], ipBlocks: [127.0.0.1]}}], to: [{operation: {paths: [/head/local]}}]}',
            '{to: [{operation: {ports: ["1"], paths: [/head/port]}}]}',
            '{to: [{operation: {notPorts: ["1"], methods: [PATCH]}}], when: [{key: destination.ip, values: [127.0.0.0/8]}]}'))
        alice = bearer({"iss": "i", "sub": "alice"})
        self.denied()
        self.denied(path="/head/alice")
        self.passes(*alice, path="/head/alice")
        self.denied(*alice)
        self.denied(*bearer({"iss": "i", "sub": "bob"}), path="/head/alice")
        self.passes(*bearer({"iss": "i", "sub": "bob", "roles": ["x", "admin"]}))
        self.passes(*bearer({"iss": "i", "sub": "bob", "roles": "operator"}))
        self.denied(*bearer({"iss": "i", "sub": "bob", "roles": ["x"]}))
        self.denied(*bearer({"iss": "i", "roles": ["admin"]}))  # without a subject there is no principal
        self.passes("-H", "host: A.Example:99")
        self.denied("-H", "host: a.example", path="/head/secret")
        self.passes("-H", "x-team: blue")
        self.denied("-H", "x-team: green")
        self.denied("-H", "x-team: blue", "-H", "x-team: red")
        self.passes(path="/head/local")
        self.denied(*alice, path="/head/local")
        self.denied(path="/head/port")
        self.passes("-X", "PATCH")

    def test_addresses_behind_trusted_hops(self):
        hops = ("apiVersion: fairlead.io/v1alpha1\nkind: ClientPolicy\nmetadata: {name: hops}\nspec:\n" + EDGE +
                "  forwarded: {numTrustedHops: 1}\n")
        self.serve(hops, authorize("net", "ALLOW", "from: [{source: {remoteIpBlocks: [192.0.2.0/24], notRemoteIpBlocks: [192.0.2.9/32]}}]",
                                   '{from: [{source: {ipBlocks: [192.0.2.0/24]}}]}'))
        self.denied()
        self.passes("-H", "x-forwarded-for: 192.0.2.1")
        self.denied("-H", "x-forwarded-for: 192.0.2.9")
        self.denied("-H", "x-forwarded-for: 198.51.100.1")

    def test_gateway_and_service_must_both_let_pass(self):
        other = Backend("other")
        self.addCleanup(other.close)
        web = "  targetRefs: [{group: \"\", kind: Service, name: web}]\n"
        self.serve(authorize("edge", "ALLOW", 'to: [{operation: {paths: ["/head*"]}}]'),
                   authorize("web", "DENY", "to: [{operation: {methods: [DELETE]}}]", target=web),
                   **{"20.yaml": service("other", of(other)) + "---\n" + route(
                       "other", "{matches: [{path: {value: /head/other}}], backendRefs: [{name: other, port: 80}]}")})
        self.passes()
        self.denied("-X", "DELETE")
        self.assertEqual(self.ask("-X", "DELETE", path="/head/other")[0], 200)
        self.denied(path="/echo")
        said = self.fairctl("why", "GET", self.url + "/head")
        self.assertRegex(said, r"istioGateway\s+.*AuthorizationPolicy default/edge")
        self.assertRegex(said, r"istioService\s+.*AuthorizationPolicy default/web")

    def test_labels_and_the_root_namespace_select_too(self):
        self.serve(istio("AuthorizationPolicy", "mesh", "  action: DENY\n  rules: [{to: [{operation: {paths: [/head/a]}}]}]",
                         "istio-system"),
                   istio("AuthorizationPolicy", "named", "  selector: {matchLabels: {istio.io/gateway-name: edge}}\n"
                         "  action: DENY\n  rules: [{to: [{operation: {paths: [/head/b]}}]}]"),
                   istio("AuthorizationPolicy", "pods", "  selector: {matchLabels: {app: web}}\n  action: DENY\n  rules: [{}]"),
                   istio("AuthorizationPolicy", "abroad", "  action: DENY\n  rules: [{}]", "other"))
        self.passes()
        self.denied(path="/head/a")
        self.denied(path="/head/b")

    def test_a_field_that_is_not_served_closes_and_the_last_good_version_stays(self):
        self.serve(authorize("p", "DENY", "to: [{operation: {paths: [/head/a]}}]"))
        self.denied(path="/head/a")
        self.passes()
        bad = authorize("p", "DENY", 'when: [{key: "experimental.envoy.filters.x[y]", values: [z]}]')
        self.followed.write("10.yaml", bad)
        wanted = "spec.rules[0].when[0].key"
        self.assertTrue(eventually(lambda: wanted in "\n".join(self.followed.gateway.errors)))
        self.denied(path="/head/a")
        self.passes()
        self.assertIn("Invalid", self.followed.conditions())
        self.followed.write("20.yaml", bad.replace("name: p,", "name: q,"))
        self.assertTrue(eventually(lambda: self.ask()[0] == 403))
        self.denied()
        self.followed.remove("20.yaml")
        self.assertTrue(eventually(lambda: self.ask()[0] == 200))

    def test_a_listener_that_is_not_http_is_said_to_be_open(self):
        raw = gateway(f"{{name: tcp, protocol: TCP, port: {free_port()}}}", name="raw")
        self.serve(authorize("p", "DENY", "{}", target=EDGE.replace("edge", "raw")), **{"05.yaml": raw})
        said = 'listener "tcp" is not HTTP, and what passes it is not judged by AuthorizationPolicy default/p'
        self.assertTrue(eventually(lambda: said in self.followed.conditions()))

    def test_keys_come_from_a_server_and_rotate(self):
        first, second = Rsa("one"), Rsa("two")
        with tempfile.TemporaryDirectory() as folder:
            place = pathlib.Path(folder) / "jwks.json"
            place.write_text(json.dumps({"keys": [first.jwk]}))
            port = free_port()
            server = subprocess.Popen(["/usr/bin/python3", "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory",
                                       folder], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.addCleanup(server.wait)
            self.addCleanup(server.kill)
            self.assertTrue(eventually(lambda: subprocess.run(["curl", "-s", f"http://127.0.0.1:{port}/"],
                                                              capture_output=True, check=False).returncode == 0))
            self.serve(tokens("{issuer: i, jwksUri: \"http://keys.default.svc.cluster.local/jwks.json\"}"),
                       service("keys", ("127.0.0.1", port)))
            self.seen()
            self.seen(*first.bearer({"iss": "i", "sub": "a"}))
            unknown = "Jwks doesn't have key to match kid or alg from Jwt"
            self.unauthorized(*second.bearer({"iss": "i", "sub": "a"}), why=unknown)
            place.write_text(json.dumps({"keys": [second.jwk]}))  # asked for again within ten seconds of the last time
            self.assertTrue(eventually(lambda: self.ask(*second.bearer({"iss": "i", "sub": "a"}))[0] == 200))
            self.unauthorized(*first.bearer({"iss": "i", "sub": "a"}), why=unknown)

    def test_keys_are_found_at_the_issuer(self):
        issuer, key = "http://keys.default.svc.cluster.local/tenant/", Rsa("one")
        said = {}
        def answer(conversation, method, path, head, body, framing):
            conversation.send(200 if path in said else 404, json.dumps(said.get(path)).encode(), [("content-type", "application/json")])
        server = Backend("keys")
        self.addCleanup(server.close)
        server.answer = answer
        configuration = "/tenant/.well-known/openid-configuration"
        said.update({configuration: {"issuer": issuer, "jwks_uri": "http://keys.default.svc.cluster.local/keys?of=tenant"},
                     "/keys": {"keys": [key.jwk]}})
        self.serve(tokens(f'{{issuer: "{issuer}"}}'), service("keys", of(server)))
        self.seen()
        self.seen(*key.bearer({"iss": issuer, "sub": "a"}))
        self.unauthorized(*Rsa("one").bearer({"iss": issuer, "sub": "a"}), why="Jwt verification fails")
        self.assertEqual([row[0] for row in server.requests()], [configuration, "/keys?of=tenant"])
        for number, wrong in enumerate(({"issuer": issuer, "jwks_uri": "http://elsewhere.example/keys"}, {"issuer": issuer},
                                        {"issuer": issuer + "x", "jwks_uri": "http://keys.default.svc.cluster.local/keys"})):
            with self.subTest(wrong=wrong):
                other = issuer.replace("tenant", f"other{number}")
                said[configuration.replace("tenant", f"other{number}")] = {**wrong, "issuer": wrong["issuer"].replace("tenant", f"other{number}")}
                self.followed.write("10.yaml", tokens(f'{{issuer: "{other}"}}'), service("keys", of(server)))
                why = "Jwks remote fetch is failed"
                self.assertTrue(eventually(lambda: self.ask(*key.bearer({"iss": other, "sub": "a"}))[2] == why))
        self.assertFalse(server.requests("/keys"))

    def test_keys_that_cannot_be_had_close(self):
        self.serve(tokens('{issuer: i, jwksUri: "https://keys.example/jwks.json"}'))
        self.assertEqual(self.ask()[0], 500)
        self.assertTrue(eventually(lambda: "externalName keys.example" in "\n".join(self.followed.gateway.errors)))
        self.followed.write("20.yaml", service("keys", ("127.0.0.1", 1)) + "---\n" +
                            tokens('{issuer: i, jwksUri: "http://keys.default/jwks.json"}', name="tokens2"))
        self.followed.write("10.yaml", authorize("x", "DENY", "to: [{operation: {paths: [/head/a]}}]"))
        self.assertTrue(eventually(lambda: self.ask()[0] == 200))
        self.unauthorized(*bearer({"iss": "i", "sub": "a"}), why="Jwks remote fetch is failed")

    def test_sections_behind_know_the_token(self):
        self.serve(tokens(issuer()), policy("p", "  access: {rules: [{action: Allow, claims: [{claim: role, values: [admin]}]}]}"))
        self.refused(status=403)
        self.refused(*bearer({"iss": "i", "role": "user"}), status=403)
        self.passes(*bearer({"iss": "i", "role": "admin"}))

    def test_the_page_shows_what_works(self):
        text = re.search(r"```yaml\n(.*?)```", PAGE.read_text(), re.S).group(1)
        self.serve(text.replace("http://keys.default.svc.cluster.local:8080/jwks.json", "http://keys.default/jwks.json"),
                   service("keys", ("127.0.0.1", 1)))
        self.denied(path="/reports/1/pages/2")
        self.unauthorized(*bearer({"iss": "https://issuer.example", "sub": "a"}), why="Jwks remote fetch is failed")


if __name__ == "__main__":
    unittest.main()
