# SPDX-License-Identifier: Apache-2.0
"""What backends and authorization servers are told of who calls is not the client's word, and what they answer to one
caller no other gets: sections together, where each is right alone."""
import json
import pathlib
import re
import tempfile
import unittest

from backend import Backend, says
from callers import SECRET, Callers, b64, consumer, hs256, policy
from ext_authz import Authorization, allowed
from objects import CLASS, Followed, free_port, gateway, https, make_certificate, of, route, secret, service, to
from support import Wire, curl, eventually

KEYS = json.dumps({"keys": [{"kty": "oct", "k": b64(SECRET.encode())}]})
FORGED = ("x-forwarded-for: 192.0.2.9", "x-real-ip: 192.0.2.9", "x-forwarded-proto: ftp", "x_forwarded_for: 192.0.2.9",
          "x-forwarded-client-cert: Subject=\"CN=forged\"", "x-forwarded-host: forged.example")
REQUEST_AUTHENTICATION = f"""apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {{name: tokens, namespace: default}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: edge}}]
  jwtRules:
  - issuer: i
    jwks: '{KEYS}'
    fromHeaders: [{{name: x-jwt}}]
    outputClaimToHeaders: [{{claim: sub, header: x-user}}]
"""


def asks(name, protocol, more=""):
    return policy("ask", f"  externalAuth: {{protocol: {protocol}, backendRef: {{name: {name}, port: 80}}, "
                         f"{protocol.lower()}: {{{more}}}}}")


def fields(lines):
    return [part for line in lines for part in ("-H", line)]


def told(head):
    """The user that a backend was told of."""
    found = re.search(rb"(?im)^x-user: *(\S*)", head)
    return found.group(1) if found else b"nobody"


def answers_user(conversation, method, path, head, body, framing):
    """What only that user may see, for a minute; of /all it says that anybody may."""
    control = "max-age=60, public" if path.startswith("/all") else "max-age=60"
    conversation.send(200, told(head), [("cache-control", control)], method=method)


class ServersThatAreAsked(Callers, unittest.TestCase):
    def by_http(self, answer, more, *documents):
        self.server = Backend("server")
        self.server.answer = answer
        self.addCleanup(self.server.close)
        self.serve(asks("server", "HTTP", more), service("server", of(self.server)), *documents)

    def by_grpc(self):
        self.server = Authorization(lambda asked: allowed())
        self.addCleanup(self.server.close)
        self.serve(asks("server", "GRPC"), service("server", of(self.server), app_protocol="kubernetes.io/h2c"))

    PATHS = {"/head/public/../admin": "/head/admin", "/head/%61dmin?a=%62": "/head/admin?a=%62", "//head//admin": "/head/admin",
             "/head/x/%2e%2e/admin?": "/head/admin?", "/head/a%2fb": "/head/a%2Fb"}

    def test_by_http_they_are_asked_about_the_path_that_the_backend_gets(self):
        self.by_http(says(200), "path: /check")
        for sent, normal in self.PATHS.items():
            with self.subTest(path=sent):
                self.assertEqual(self.seen("--path-as-is", path=sent)["target"], normal)
                self.assertEqual(self.server.requests()[-1][0], "/check" + normal)

    def test_by_grpc_they_are_asked_about_the_path_that_the_backend_gets(self):
        self.by_grpc()
        for sent, normal in self.PATHS.items():
            with self.subTest(path=sent):
                self.assertEqual(self.seen("--path-as-is", path=sent)["target"], normal)
                asked = self.server.asked[-1].request.http
                self.assertEqual((asked.path, {entry.key: entry.value for entry in asked.headers}[":path"]), (normal, normal))

    def test_by_http_they_see_no_forged_client(self):
        self.by_http(says(200), "allowedHeaders: [x-forwarded-for, x-real-ip, x-forwarded-client-cert, x-forwarded-proto]")
        self.seen(*fields(FORGED))
        asked = self.server.requests()[-1][1].decode().lower()
        for line in ("x-forwarded-for: 127.0.0.1", "x-real-ip: 127.0.0.1", "x-forwarded-proto: http\r\n"):
            self.assertIn(line, asked + "\r\n")
        self.assertNotIn("forged", asked)
        self.assertNotIn("192.0.2.9", asked)

    def test_by_grpc_they_see_no_forged_client(self):
        self.by_grpc()
        self.seen(*fields(FORGED))
        asked = {entry.key: entry.value for entry in self.server.asked[-1].request.http.headers}
        self.assertEqual((asked["x-forwarded-for"], asked["x-real-ip"], asked["x-forwarded-proto"]),
                         ("127.0.0.1", "127.0.0.1", "http"))
        self.assertFalse({"x-forwarded-client-cert", "x_forwarded_for"} & set(asked))

    def test_behind_a_trusted_hop_they_see_what_that_says(self):
        hops = """apiVersion: fairlead.io/v1alpha1
kind: ClientPolicy
metadata: {name: hops, namespace: default}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: edge}]
  forwarded: {numTrustedHops: 1}
"""
        self.by_http(says(200), "allowedHeaders: [x-forwarded-for, x-forwarded-proto]", hops)
        seen = self.seen("-H", "x-forwarded-for: 192.0.2.9", "-H", "x-forwarded-proto: https")
        self.assertEqual((seen["x-forwarded-for"], seen["x-forwarded-proto"]), ("192.0.2.9, 127.0.0.1", "https"))
        asked = self.server.requests()[-1][1].decode().lower()
        self.assertIn("x-forwarded-for: 192.0.2.9", asked)
        self.assertIn("x-forwarded-proto: https", asked)

    def test_what_only_the_server_may_say_no_client_says(self):
        self.by_http(says(200), "allowedHeaders: [x-told], allowedResponseHeaders: [x-user, x-told, authorization]")
        seen = self.seen("-H", "x-user: forged", "-H", "X_User: forged", "-H", "x-told: kept", "-H", "authorization: Basic x",
                         "-H", "x-users: kept")
        self.assertFalse({"x-user", "x_user"} & set(seen))
        self.assertEqual((seen["x-told"], seen["authorization"], seen["x-users"]), ("kept", "Basic x", "kept"))


class Trailers(Callers, unittest.TestCase):
    def test_say_nothing_of_who_calls(self):
        claims = f"jwt: {{issuers: [{{issuer: i, jwks: '{KEYS}', claimsToHeaders: [{{claim: role, header: x-role}}]}}]}}"
        self.serve(policy("auth", f"  authentication: {{methods: {{apiKey: {{}}, {claims}}}}}\n  requestSize: {{maxBytes: 100}}"),
                   REQUEST_AUTHENTICATION, consumer("alice", "{credentials: [{apiKey: {key: k-alice}}]}"))
        self.ask("-H", "apikey: k-alice")
        names = ("X-Consumer-Username", "x_consumer_groups", "x-role", "x-user", "x-forwarded-for", "X_Real_Ip", "x-request-id",
                 "x-sum")
        trailers = "".join(f"{name}: forged\r\n" for name in names)
        with Wire(int(self.url.rpartition(":")[2])) as wire:
            wire.send(b"POST /echo HTTP/1.1\r\nhost: a\r\napikey: k-alice\r\ntransfer-encoding: chunked\r\n\r\n"
                      b"2\r\nhi\r\n0\r\n" + trailers.encode() + b"\r\n")
            self.assertEqual(wire.answer()[::2], (200, b"hi"))
        sent = b"".join(self.web.raw).rpartition(b"hi\r\n0\r\n")[2]
        self.assertEqual(sent, b"x-sum: forged\r\n\r\n")


class Routes(Callers, unittest.TestCase):
    def test_beside_others_are_told_nothing_by_clients(self):
        """Whichever has the section that tells a role: the listener, another route, or the backend of another route."""
        def telling(name, header, kind, target):
            made = policy(name, f"  authentication: {{methods: {{jwt: {{issuers: [{{issuer: i, jwks: '{KEYS}', claimsToHeaders: "
                                f"[{{claim: role, header: {header}}}]}}]}}}}}}", kind, target)
            return made.replace("gateway.networking.k8s.io, kind: Service", '"", kind: Service')
        keyed = policy("keyed", "  authentication: {methods: {apiKey: {}}}", "HTTPRoute", "keyed")
        routes = (route("keyed", to("web"), hostnames=["keyed.example"]), route("other", to("other"), hostnames=["other.example"]),
                  service("other", of(self.web)), consumer("alice", "{credentials: [{apiKey: {key: k-alice}}]}"))
        self.serve(*routes)
        listener, beside, behind = (telling("a", "x-role", "Gateway", "edge"), telling("b", "x-group", "HTTPRoute", "other"),
                                    telling("b", "x-group", "Service", "other"))
        token = ("-H", "authorization: Bearer " + hs256({"iss": "i", "role": "admin"}))
        cases = [((listener, keyed), ["x-role"]), ((keyed, listener, beside), ["x-role", "x-group"]),
                 ((keyed, telling("a", "x-role", "HTTPRoute", "other"), behind), ["x-role", "x-group"]),
                 ((listener, behind), ["x-role", "x-group"])]
        for number, (documents, names) in enumerate(cases):
            forged = [part for name in names for part in ("-H", f"{name}: forged")]
            with self.subTest(number):
                self.followed.write("10.yaml", *routes, *documents)
                alone = keyed in documents
                caller = ("-H", "host: keyed.example", *(("-H", "apikey: k-alice") if alone else token))
                self.assertTrue(eventually(lambda: self.ask(*caller)[0] == 200 and "forged" not in self.ask(*forged, *caller)[2]))
                self.assertEqual({name: value for name, value in self.seen(*forged, *caller).items() if name in names},
                                 {} if alone else {"x-role": "admin"})
                self.assertNotIn("forged", self.seen(*forged, "-H", "host: other.example", *token).values())


class Guesses(Callers, unittest.TestCase):
    def test_beside_a_good_credential_are_counted(self):
        self.serve(policy("auth", "  authentication: {methods: {apiKey: {}, basic: {}}, failures: {max: 3, window: 1h}}"),
                   consumer("alice", "{credentials: [{apiKey: {key: k-alice}}]}"),
                   consumer("bob", "{credentials: [{basic: {password: pw}}]}"))
        statuses = [self.ask("-u", "bob:pw", "-H", f"apikey: guess-{number}")[0] for number in range(5)]
        self.assertEqual(statuses, [200, 200, 200, 429, 429])

    def test_all_methods_are_of_one_consumer_also_where_a_token_names_nobody(self):
        keyed = f"jwt: {{issuers: [{{issuer: i, jwks: '{KEYS}', consumerClaim: sub}}, {{issuer: any, jwks: '{KEYS}'}}]}}"
        self.serve(policy("auth", f"  authentication: {{mode: All, methods: {{apiKey: {{}}, {keyed}}}}}"),
                   consumer("alice", "{credentials: [{apiKey: {key: k-alice}}]}"))
        def of_token(**claims):
            return "-H", "apikey: k-alice", "-H", "authorization: Bearer " + hs256(claims)
        self.seen(*of_token(iss="i", sub="alice"))
        for claims in ({"sub": "mallory"}, {}, {"sub": ""}):
            with self.subTest(claims=claims):
                self.refused(*of_token(iss="i", **claims), why="different consumers")
        self.seen(*of_token(iss="any", sub="mallory"))


class Stored(Callers, unittest.TestCase):
    """Answers for one caller."""

    def setUp(self):
        super().setUp()
        self.web.answer = answers_user

    def answers(self, path, *callers):
        return [curl(*arguments, self.url + path) for arguments in callers]

    def test_of_issuers_with_the_same_subjects(self):
        issuers = ", ".join(f"{{issuer: {name}, jwks: '{KEYS}', claimsToHeaders: [{{claim: mail, header: x-user}}]}}"
                            for name in ("one", "one/a"))
        self.serve(policy("auth", f"  authentication: {{methods: {{jwt: {{issuers: [{issuers}]}}}}}}\n"
                                  "  cache: {key: {consumer: true}}"))
        def bearer(issuer, subject, mail):
            return "-H", "authorization: Bearer " + hs256({"iss": issuer, "sub": subject, "mail": mail})
        callers = [bearer("one", "1", "ada"), bearer("one/a", "1", "bob"), bearer("one", "a/1", "eve")]
        for _ in range(2):
            self.assertEqual(self.answers("/own", *callers), [b"ada", b"bob", b"eve"])
        self.assertEqual(len(self.web.requests("/own")), 3)

    def test_of_subjects_of_one_consumer(self):
        issuer = f"{{issuer: i, jwks: '{KEYS}', consumerClaim: azp, claimsToHeaders: [{{claim: sub, header: x-user}}]}}"
        self.serve(policy("auth", f"  authentication: {{methods: {{jwt: {{issuers: [{issuer}]}}}}}}\n"
                                  "  cache: {key: {consumer: true}}"), consumer("app", "{}"))
        callers = [("-H", "authorization: Bearer " + hs256({"iss": "i", "sub": who, "azp": "app"})) for who in ("ada", "bob")]
        for _ in range(2):
            self.assertEqual(self.answers("/own", *callers), [b"ada", b"bob"])

    def test_of_a_token_in_front_of_somebody_anonymous(self):
        self.serve(REQUEST_AUTHENTICATION, policy("auth", "  authentication: {methods: {apiKey: {}}, anonymous: {allow: true}}\n"
                                                          "  cache: {key: {consumer: true}}"))
        callers = [("-H", "x-jwt: " + hs256({"iss": "i", "sub": who})) for who in ("ada", "bob")]
        self.assertEqual(self.answers("/own", *callers, ()), [b"ada", b"bob", b"nobody"])
        self.assertEqual(self.answers("/all", *callers), [b"ada", b"ada"])

    def test_a_token_in_front_is_no_key(self):
        self.serve(REQUEST_AUTHENTICATION, policy("auth", "  authentication: {methods: {apiKey: {body: [key]}}}"),
                   consumer("alice", "{credentials: [{apiKey: {key: k-alice}}]}"))
        token = ("-H", "x-jwt: " + hs256({"iss": "i", "sub": "ada"}), "-H", "content-type: application/json", "--data-binary")
        self.refused(*token, "{}")
        self.assertEqual(self.ask(*token, '{"key": "k-alice"}')[0], 200)

    def test_fields_by_their_names_for_cgi(self):
        self.web.answer = lambda conversation, method, path, head, *rest: conversation.send(
            200, head, [("cache-control", "max-age=60")], method=method)
        self.serve(policy("cache", "  cache: {}"))
        for number, field in enumerate(("x_original_url", "x_http_method_override", "X_Rewrite-Url", "front-end-https",
                                        "x-forwarded-path")):
            with self.subTest(field=field):
                path = f"/head?n={number}"
                self.assertIn(b"evil.test", curl("-H", f"{field}: evil.test", self.url + path))
                self.assertNotIn(b"evil.test", curl(self.url + path))
        for _ in range(2):
            curl("-H", "x-forwarded-host: evil.test", self.url + "/ours")
            curl(self.url + "/ours")
        self.assertEqual(len(self.web.requests("/ours")), 1, "what is replaced in any case tells no entries apart")


class Certificates(unittest.TestCase):
    """A listener that tells backends of client certificates."""

    def setUp(self):
        self.web, self.server = Backend("web"), Backend("server")
        self.server.answer = says(200)
        for backend in (self.web, self.server):
            self.addCleanup(backend.close)
        self.web.answer = lambda conversation, method, path, head, *rest: conversation.send(
            200, (re.search(rb"(?im)^x-forwarded-client-cert:.*CN=(\w+)", head) or [b"", b"nobody"])[1],
            [("cache-control", "max-age=60")], method=method)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        certificate, key = make_certificate(self.folder, "a.example")
        for name in ("ada", "bob"):
            (self.folder / name).mkdir()
            make_certificate(self.folder / name, name, f"spiffe://{name}.example/ns/web/sa/{name}")
        authorities = "".join(f"    {line}\n" for name in ("ada", "bob")
                              for line in (self.folder / name / "crt.pem").read_text().splitlines())
        port = free_port()
        self.followed = Followed({"00.yaml": "---\n".join([
            CLASS, gateway(https(port, "tls", "a.example", "tls")), secret("tls", certificate, key),
            service("web", of(self.web)), service("server", of(self.server)), route("web", to("web")),
            f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: ca, namespace: default}}\ndata:\n  ca.crt: |\n{authorities}",
            """apiVersion: fairlead.io/v1alpha1
kind: ClientPolicy
metadata: {name: mutual, namespace: default}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: edge}]
  tls:
    clientValidation:
      optional: true
      forwardIdentity: true
      caCertificateRefs: [{group: "", kind: ConfigMap, name: ca}]
"""])})
        self.addCleanup(self.followed.close)
        self.address = port

    def get(self, path, who=None, *more):
        own = ("--cert", self.folder / who / "crt.pem", "--key", self.folder / who / "key.pem") if who else ()
        return curl("--resolve", f"a.example:{self.address}:127.0.0.1", "--cacert", self.folder / "crt.pem", *own, *more,
                    f"https://a.example:{self.address}{path}")

    def test_servers_that_are_asked_see_the_certificate_and_no_forged_one(self):
        self.followed.write("10.yaml", asks("server", "HTTP", "allowedHeaders: [x-forwarded-client-cert]"))
        self.assertTrue(eventually(lambda: self.get("/who") and self.server.requests()))
        for who in ("ada", None):
            self.assertEqual(self.get("/who", who, "-H", 'x-forwarded-client-cert: Subject="CN=forged"'),
                             (who or "nobody").encode())
            asked = self.server.requests()[-1][1]
            self.assertEqual(re.findall(rb"(?im)^x-forwarded-client-cert:.*CN=(\w+)", asked), [who.encode()] if who else [])

    def test_principals_are_of_all_names_of_the_trust_domain(self):
        def allow(*principals):
            return f"""apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {{name: who, namespace: default}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: edge}}]
  rules: [{{from: [{{source: {{principals: {json.dumps(principals)}}}}}]}}]
"""

        def mesh(text):
            return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: istio, namespace: istio-system}}\ndata: {{mesh: {json.dumps(text)}}}\n"

        def seen():
            return [self.get("/", who).decode()[:4] for who in ("ada", "bob", None)]

        rows = (("trustDomain: ada.example", "cluster.local/ns/web/sa/*", ["ada", "RBAC", "RBAC"]),
                ("trustDomainAliases: [ada.example, bob.example]", "cluster.local/ns/web/sa/*", ["ada", "bob", "RBAC"]),
                ("trustDomain: new.example\ntrustDomainAliases: [bob.example]", "new.example/ns/web/sa/bob", ["RBAC", "bob", "RBAC"]),
                ("trustDomain: ada.example\ntrustDomainAliases: [old.example]", "bob.example/ns/web/sa/bob", ["RBAC", "bob", "RBAC"]),
                ("trustDomain: a/b", "ada.example/ns/web/sa/ada", ['{"ty', '{"ty', '{"ty']))
        for text, principal, passes in rows:
            with self.subTest(mesh=text):
                self.followed.write("10.yaml", mesh(text), allow(principal))
                self.assertTrue(eventually(lambda passes=passes: seen() == passes), (passes, seen()))
        self.assertIn("line 1 of mesh: trustDomain: found \"a/b\", expected a name without slashes", "".join(self.followed.gateway.errors))

    def test_what_one_is_answered_no_other_gets_from_the_cache(self):
        self.followed.write("10.yaml", policy("cache", "  cache: {}", "HTTPRoute", "web"))
        self.assertTrue(eventually(lambda: b"cache-status" in self.get("/other", None, "-i").lower()))
        self.assertEqual([self.get("/own", who) for who in ("ada", "bob", "ada", None)], [b"ada", b"bob", b"ada", b"nobody"])


if __name__ == "__main__":
    unittest.main()
