# SPDX-License-Identifier: Apache-2.0
"""AuthorizationPolicies of action CUSTOM: a provider of the mesh is asked, by HTTP or gRPC, through a real gateway."""
import json
import re
import unittest

from backend import Backend, says
from callers import Callers
from ext_authz import Authorization, allowed, denied
from objects import of, service
from support import ROOT, curl, eventually

PAGE = ROOT / "docs/reference/istio.md"
EDGE = "  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: edge}]\n"


def policy(name, action, rules, more=""):
    return (f"apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: {name}, namespace: default}}\n"
            f"spec:\n{EDGE}  action: {action}\n{more}  rules: [{rules}]\n")


def custom(rules="{}", provider="ext", name="ask"):
    return policy(name, "CUSTOM", rules, f"  provider: {{name: {provider}}}\n")


def mesh(*providers):
    text = "trustDomain: cluster.local\nextensionProviders:\n" + "".join(f"- {one}\n" for one in providers)
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: istio, namespace: istio-system}}\ndata: {{mesh: {json.dumps(text)}}}\n"


def http(more="", name="ext", host="auth.default.svc.cluster.local"):
    return f"{{name: {name}, envoyExtAuthzHttp: {{service: {host}, port: 80{more}}}}}"


class Custom(Callers, unittest.TestCase):
    def ask_http(self, answer, more="", *documents):
        self.auth = Backend("auth")
        self.auth.answer = answer
        self.addCleanup(self.auth.close)
        self.serve(mesh(http(more)), service("auth", of(self.auth)), *(documents or [custom()]))

    def test_only_what_a_rule_matches_is_asked(self):
        self.ask_http(says(403, body=b"no"), "", custom("{to: [{operation: {paths: [/head/admin*]}}]}"))
        self.assertEqual(self.ask()[0], 200)
        self.assertEqual(self.auth.requests(), [])
        status, _, body = self.ask(path="/head/admin/x")
        self.assertEqual((status, body), (403, "no"))
        self.assertEqual(len(self.auth.requests()), 1)
        self.assertEqual(self.web.requests("/head/admin/x"), [])

    def test_headers_go_where_the_provider_says(self):
        self.ask_http(says(200, "x-user: ada", "x-passed: yes", "x-other: no"),
                      ", pathPrefix: /check, includeRequestHeadersInCheck: [x-asks, x-all-*], "
                      "includeAdditionalHeadersInCheck: {x-static: here}, headersToUpstreamOnAllow: [x-us*], "
                      "headersToDownstreamOnAllow: [x-passed]")
        status, head, body = self.ask("-H", "x-asks: 1", "-H", "x-all-of: 2", "-H", "x-hidden: 3", "-H", "x-user: forged",
                                      "-H", "x-static: forged")
        self.assertEqual(status, 200)
        self.assertIn("x-passed: yes", head)
        self.assertNotIn("x-user", head)
        self.assertIn("x-user: ada", body.lower())
        self.assertNotIn("x-other", body.lower())
        path, asked, _ = self.auth.requests()[0]
        asked = asked.decode().lower()
        self.assertEqual(path, "/check/head")
        for wanted in ("x-asks: 1", "x-all-of: 2", "x-static: here"):
            self.assertIn(wanted, asked)
        self.assertNotIn("x-hidden", asked)
        self.assertNotIn("forged", asked)

    def test_a_denial_has_the_headers_that_are_named(self):
        self.ask_http(says(302, "location: /login", "x-why: w", "x-other: o"), ", headersToDownstreamOnDeny: [x-why]")
        status, head, _ = self.ask()
        self.assertEqual(status, 302)
        self.assertIn("location: /login", head)
        self.assertIn("x-why: w", head)
        self.assertNotIn("x-other", head)

    def test_a_server_that_cannot_be_asked_closes_or_opens(self):
        self.ask_http(says(500), ', statusOnError: "503"')
        self.assertEqual(self.ask()[0], 503)
        self.followed.write("10.yaml", "---\n".join([mesh(http(", failOpen: true")), service("auth", of(self.auth)), custom()]))
        self.assertTrue(eventually(lambda: self.ask()[0] == 200))
        self.auth.close()
        self.assertEqual(self.ask()[0], 200)
        self.assertEqual(curl("--data-binary", "@-", self.url + "/echo", input=b"body"), b"body")

    def test_bodies_are_told_and_longer_ones_refused(self):
        self.ask_http(says(200), ", includeRequestBodyInCheck: {maxRequestBytes: 8}")
        self.assertEqual(curl("-d", "12345678", self.url + "/echo"), b"12345678")
        self.assertEqual(self.auth.requests()[0][2], b"12345678")
        self.assertEqual(self.ask("-d", "123456789", path="/echo")[0], 413)

    def test_the_other_actions_follow(self):
        self.ask_http(says(200), "", custom(), policy("deny", "DENY", "{to: [{operation: {paths: [/head/a]}}]}"),
                      policy("allow", "ALLOW", "{to: [{operation: {paths: [/head/a, /head/b]}}]}"))
        self.assertEqual(self.ask(path="/head/b")[0], 200)
        self.assertEqual(self.ask(path="/head/a")[0], 403)
        self.assertEqual(self.ask(path="/head/c")[0], 403)
        self.assertEqual(len(self.auth.requests()), 3)

    def test_by_grpc(self):
        server = Authorization(lambda asked: allowed(headers=[("x-user", "ada", False)]) if asked.path == "/head"
                               else denied(401, "who?"))
        self.addCleanup(server.close)
        self.serve(mesh("{name: ext, envoyExtAuthzGrpc: {service: default/auth.default, port: 80}}"),
                   service("auth", of(server)), custom())
        self.assertEqual(self.seen()["x-user"], "ada")
        self.assertEqual(self.ask(path="/head/x")[0], 401)

    def test_the_page_shows_what_works(self):
        text = re.search(r"### CUSTOM.*?```yaml\n(.*?)```", PAGE.read_text(), re.S).group(1)
        self.auth = Backend("auth")
        self.auth.answer = says(200, "x-user: ada")
        self.addCleanup(self.auth.close)
        self.serve(text.replace("port: 8000", "port: 80"), service("who-may", of(self.auth)))
        self.assertEqual(self.seen(path="/head/admin")["target"], "/head/admin")
        self.assertEqual(self.auth.requests(), [])  # its paths begin with /admin
        self.assertEqual(self.ask(path="/admin")[0], 200)
        self.assertEqual(len(self.auth.requests()), 1)

    def test_what_is_missing_closes_until_it_comes(self):
        self.serve(custom())
        self.assertEqual(self.ask()[0], 500)
        said = lambda text: eventually(lambda: text in "\n".join(self.followed.gateway.errors))
        self.assertTrue(said("there is no ConfigMap istio-system/istio with an entry mesh"))
        self.followed.write("20.yaml", mesh(http(name="other")))
        self.assertTrue(said("has no extensionProvider ext"))
        self.followed.write("20.yaml", mesh(http(", statusOnError: many")))
        self.assertTrue(said("found \"many\", expected a status"))
        self.followed.write("20.yaml", mesh(http()))
        self.assertTrue(said("needs a Service that is called auth.default.svc.cluster.local"))
        self.assertEqual(self.ask()[0], 500)
        auth = Backend("auth")
        auth.answer = says(200)
        self.addCleanup(auth.close)
        self.followed.write("30.yaml", service("auth", of(auth)))
        self.assertTrue(eventually(lambda: self.ask()[0] == 200))
        self.followed.write("40.yaml", custom(provider="another", name="second"))
        self.assertTrue(said("has providers ext and another"))
        self.assertTrue(eventually(lambda: self.ask()[0] == 500))


if __name__ == "__main__":
    unittest.main()
