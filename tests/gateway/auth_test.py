# SPDX-License-Identifier: Apache-2.0
"""Who calls: API keys, Basic, JWT, the hmac scheme and client certificates through a real gateway of two workers."""
import base64
import collections
import concurrent.futures
import email.utils
import hashlib
import hmac
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time
import unittest

from backend import Backend
from callers import SECRET, Callers, b64, consumer, hs256, opaque, policy
from objects import CLASS, Followed, free_port, gateway, http, https, make_certificate, of, route, secret, service, to
from support import ROOT, curl, eventually

PAGE = ROOT / "docs/reference/request-policy/authentication.md"


class Key:
    """A key pair by openssl, its JWK, and tokens that it signs."""

    def __init__(self, folder, kid, kind):
        self.kid, self.kind, self.path = kid, kind, pathlib.Path(folder) / f"{kid}.pem"
        how = {"RS256": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
               "PS384": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
               "ES256": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
               "EdDSA": ["-algorithm", "ED25519"]}[kind]
        subprocess.run(["openssl", "genpkey", *how, "-out", self.path], check=True, capture_output=True)
        self.public = subprocess.run(["openssl", "pkey", "-in", self.path, "-pubout"], check=True,
                                     capture_output=True).stdout.decode()
        self.der = subprocess.run(["openssl", "pkey", "-in", self.path, "-pubout", "-outform", "DER"], check=True,
                                  capture_output=True).stdout

    def jwk(self):
        if self.kind in ("RS256", "PS384"):
            text = subprocess.run(["openssl", "rsa", "-in", self.path, "-noout", "-modulus"], check=True,
                                  capture_output=True).stdout.decode()
            return {"kty": "RSA", "kid": self.kid, "n": b64(bytes.fromhex(text.strip().split("=")[1])), "e": "AQAB"}
        if self.kind == "ES256":
            return {"kty": "EC", "kid": self.kid, "crv": "P-256", "x": b64(self.der[-64:-32]), "y": b64(self.der[-32:])}
        return {"kty": "OKP", "kid": self.kid, "crv": "Ed25519", "x": b64(self.der[-32:])}

    def sign(self, data):
        with tempfile.NamedTemporaryFile() as text:
            text.write(data)
            text.flush()
            command = ["openssl", "pkeyutl", "-sign", "-inkey", self.path, "-rawin", "-in", text.name]
            if self.kind in ("RS256", "ES256"):
                command += ["-digest", "sha256"]
            if self.kind == "PS384":
                command += ["-digest", "sha384", "-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt", "rsa_pss_saltlen:digest"]
            out = subprocess.run(command, check=True, capture_output=True).stdout
        if self.kind != "ES256":
            return out
        length = out[3]  # DER: two integers
        r, s = out[4:4 + length], out[6 + length:]
        return r.lstrip(b"\0").rjust(32, b"\0") + s.lstrip(b"\0").rjust(32, b"\0")

    def token(self, claims, **header):
        head = {"alg": self.kind, "kid": self.kid, **header}
        text = b64(json.dumps(head).encode()) + "." + b64(json.dumps(claims).encode())
        return text + "." + b64(self.sign(text.encode()))


class Auth(Callers, unittest.TestCase):
    # -- API keys

    def test_api_keys_say_who_calls(self):
        self.serve(policy("auth", "  authentication: {methods: {apiKey: {hideCredentials: true, headers: [apikey], query: "
                                  "[apikey], cookies: [key]}}}"),
                   consumer("alice", "{customId: \"4711\", groups: [gold, beta], credentials: [{apiKey: {key: k-alice}}]}"),
                   consumer("bob", "{credentials: [{apiKey: {keySha256: "
                            f"{hashlib.sha256(b'k-bob').hexdigest()}, name: phone}}}}]}}"),
                   consumer("eve", "{credentials: [{apiKey: {key: k-eve}}]}", namespace="other"))
        head = self.refused(why="no credentials")
        self.assertIn('www-authenticate: Key realm="fairlead"', head)
        seen = self.seen("-H", "apikey: k-alice", "-H", "X-Consumer-Username: root", "-H", "x_consumer_groups: admin",
                         "-H", "X-Anonymous-Consumer: true", "-H", "X-Credential-Identifier: x")
        self.assertEqual(seen["x-consumer-username"], "alice")
        self.assertEqual(seen["x-consumer-custom-id"], "4711")
        self.assertEqual(seen["x-consumer-groups"], "beta, gold")
        self.assertEqual(seen["x-credential-identifier"], "alice/apikey-1")
        for name in ("x_consumer_groups", "x-anonymous-consumer", "apikey"):
            self.assertNotIn(name, seen)
        self.assertEqual(self.seen("--http2-prior-knowledge", "-H", "apikey: k-alice")["x-consumer-username"], "alice")
        seen = self.seen(path="/head?a=1&apikey=k%2Dbob&b=2")
        self.assertEqual((seen["x-consumer-username"], seen["x-credential-identifier"]), ("bob", "bob/phone"))
        self.assertEqual(seen["target"], "/head?a=1&b=2")
        seen = self.seen("-H", "cookie: a=b; key=k-alice; c=d")
        self.assertEqual((seen["x-consumer-username"], seen["cookie"]), ("alice", "a=b; c=d"))
        seen = self.seen("-H", "cookie: a=b;\tkey=k-alice; c=d")
        self.assertEqual((seen["x-consumer-username"], seen["cookie"]), ("alice", "a=b; c=d"))
        for arguments in (["-H", "apikey: wrong"], ["-H", "apikey;"], ["-H", "apikey: k-eve"], ["-H", "apikey: K-alice"],
                          ["-H", "apikey: k-alice", "-H", "apikey: k-bob"], ["-H", "apikey: " + "x" * 5000],
                          ["-H", "apikey: " + hashlib.sha256(b"k-alice").hexdigest()]):
            self.refused(*arguments)

    def test_consumers_change_while_it_serves(self):
        self.serve(policy("auth", "  authentication: {methods: {apiKey: {}}}"),
                   consumer("alice", "{credentials: [{apiKey: {secretRef: {name: keys, key: alice}}}]}"),
                   **{"20.yaml": opaque("keys", alice="first")})
        self.seen("-H", "apikey: first")
        self.followed.write("20.yaml", opaque("keys", alice="second"))
        self.assertTrue(eventually(lambda: self.ask("-H", "apikey: second")[0] == 200))
        for _ in range(8):  # both workers
            self.refused("-H", "apikey: first")
        self.followed.write("30.yaml", consumer("bob", "{credentials: [{apiKey: {key: k-bob}}]}"))
        self.assertTrue(eventually(lambda: self.ask("-H", "apikey: k-bob")[0] == 200))
        self.followed.remove("30.yaml")
        self.assertTrue(eventually(lambda: self.ask("-H", "apikey: k-bob")[0] == 401))
        self.followed.write("30.yaml", consumer("bob", "{credentials: [{apiKey: {key: second}}]}"))
        self.assertTrue(eventually(lambda: any("alice already" in line for line in self.followed.gateway.errors)))
        self.assertEqual(self.seen("-H", "apikey: second")["x-consumer-username"], "alice")

    def test_credentials_in_files_change_while_it_serves(self):
        side = pathlib.Path(tempfile.mkdtemp(prefix="fl-side-"))
        self.addCleanup(shutil.rmtree, side)
        side.chmod(0o755)
        key, mac = side / "key", side / "current" / "mac"
        key.write_text("hunter2-first\n")
        for name, text in (("1", SECRET), ("2", SECRET[::-1])):
            (side / name).mkdir()
            (side / name / "mac").write_text(text)
        (side / "current").symlink_to("1")
        self.serve(policy("auth", "  authentication: {methods: {apiKey: {}, jwt: {}}}"),
                   consumer("alice", f"{{credentials: [{{apiKey: {{file: {key}}}}}]}}"),
                   consumer("bob", f"{{credentials: [{{jwt: {{file: {mac}}}}}, {{apiKey: {{file: sub/key}}}}]}}"))
        self.seen("-H", "apikey: hunter2-first")
        self.refused("-H", f"authorization: Bearer {hs256({'iss': 'bob'})}")  # sub/key is not there yet
        self.assertTrue(any("apiKey.file: found \"sub/key\": No such file" in line
                            for line in self.followed.gateway.errors), self.followed.gateway.errors)
        self.followed.folder.joinpath("sub").mkdir()
        self.followed.folder.joinpath("sub", "key").write_text("k-bob")
        self.assertTrue(eventually(lambda: self.ask("-H", "apikey: k-bob")[0] == 200))
        self.assertEqual(self.seen("-H", f"authorization: Bearer {hs256({'iss': 'bob'})}")["x-consumer-username"], "bob")

        key.write_text("hunter2-second")
        self.assertTrue(eventually(lambda: self.ask("-H", "apikey: hunter2-second")[0] == 200))
        for _ in range(8):  # both workers
            self.refused("-H", "apikey: hunter2-first")
        (side / "next").symlink_to("2")
        os.replace(side / "next", side / "current")
        swapped = f"authorization: Bearer {hs256({'iss': 'bob'}, SECRET[::-1])}"
        self.assertTrue(eventually(lambda: self.ask("-H", swapped)[0] == 200))
        self.refused("-H", f"authorization: Bearer {hs256({'iss': 'bob'})}")

        # The gateway gave up the rights of root: what belongs to another is not for it. What was read stays in force.
        other = side / "other"
        other.write_text("hunter2-other")
        other.chmod(0o600)
        os.chown(other, 65534, 65534)
        os.replace(other, key)
        denied = f"found \"{key}\": Permission denied"
        self.assertTrue(eventually(lambda: any(denied in line for line in self.followed.gateway.errors)))
        self.seen("-H", "apikey: hunter2-second")
        key.chmod(0o644)
        self.assertTrue(eventually(lambda: self.ask("-H", "apikey: hunter2-other")[0] == 200))
        key.unlink()
        self.assertTrue(eventually(lambda: f'{key}": No such file' in self.followed.conditions()))
        self.seen("-H", "apikey: hunter2-other")
        self.assertNotIn("hunter2", self.followed.conditions() + "".join(self.followed.gateway.errors))

    def test_secrets_are_shown_nowhere(self):
        self.serve(policy("auth", "  authentication: {methods: {apiKey: {}, basic: {}}}"),
                   consumer("alice", "{credentials: [{apiKey: {key: hunter2-key}}, {basic: {password: hunter2-password}}]}"))
        self.seen("-u", "alice:hunter2-password")
        admin = f"http://{self.followed.gateway.admin}"
        for path in ("/v1/status", "/v1/gateway/status"):
            self.assertNotIn("hunter2", curl(admin + path).decode())
        self.followed.write("30.yaml", consumer("bob", "{credentials: [{basic: {password: [hunter2]}}]}"))
        self.assertTrue(eventually(lambda: any("bob" in line for line in self.followed.gateway.errors)))
        self.assertFalse([line for line in self.followed.gateway.errors if "hunter2" in line])

    def test_anonymous_is_a_choice(self):
        self.serve(policy("auth", "  authentication: {methods: {apiKey: {}}, anonymous: {allow: true, consumer: guest}}"),
                   consumer("alice", "{credentials: [{apiKey: {key: k-alice}}]}"), consumer("guest", "{groups: [free]}"))
        seen = self.seen()
        self.assertEqual((seen["x-consumer-username"], seen["x-anonymous-consumer"], seen["x-consumer-groups"]),
                         ("guest", "true", "free"))
        self.assertNotIn("x-anonymous-consumer", self.seen("-H", "apikey: k-alice"))
        self.refused("-H", "apikey: wrong")

    def test_wrong_credentials_may_count_as_none(self):
        self.serve(policy("auth", "  authentication: {methods: {apiKey: {hideCredentials: true}, basic: {}}, failures: {max: 5, window: 1h}, "
                                  "anonymous: {allow: true, consumer: guest, wrongCredentials: Ignore}}"),
                   consumer("alice", "{credentials: [{apiKey: {key: k-alice}}, {basic: {password: secret}}]}"), consumer("guest", "{}"))
        for fields in ((), ("-H", "apikey: wrong"), ("-u", "alice:wrong"), ("-H", "apikey: wrong", "-u", "alice:wrong")):
            seen = self.seen(*fields)
            self.assertEqual((seen["x-consumer-username"], seen["x-anonymous-consumer"], seen.get("apikey")), ("guest", "true", None), fields)
        seen = self.seen("-H", "apikey: wrong", "-u", "alice:secret")
        self.assertEqual((seen["x-consumer-username"], seen.get("x-anonymous-consumer")), ("alice", None))
        self.assertEqual(self.seen("-u", "alice:wrong")["x-consumer-username"], "guest")
        self.refused(status=429)

    def test_all_ask_for_what_was_not_shown(self):
        self.serve(policy("auth", "  authentication: {methods: {apiKey: {}, basic: {}}, mode: All}"),
                   consumer("alice", "{credentials: [{apiKey: {key: k-alice}}, {basic: {password: secret}}]}"))
        for fields, told in (((), ["Basic", "Key"]), (("-H", "apikey: k-alice"), ["Basic"]), (("-u", "alice:secret"), ["Basic", "Key"])):
            status, head, _ = self.ask(*fields)
            self.assertEqual(status, 401)
            self.assertEqual(sorted(line.split()[1] for line in str(head).lower().replace("www-authenticate", "\nwww-authenticate").splitlines()
                                    if line.startswith("www-authenticate")), [one.lower() for one in told], head)

    def test_who_guesses_is_stopped(self):
        self.serve(policy("auth", "  authentication: {methods: {apiKey: {}}, failures: {max: 5, window: 1h}}"),
                   """apiVersion: fairlead.io/v1alpha1
kind: ClientPolicy
metadata: {name: hops, namespace: default}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: edge}]
  forwarded: {numTrustedHops: 1}
""", consumer("alice", "{credentials: [{apiKey: {key: k-alice}}]}"))

        def of_source(address, key=None):
            return ["-H", f"x-forwarded-for: {address}"] + (["-H", f"apikey: {key}"] if key else [])

        for number in range(5):
            self.refused(*of_source(f"2001:db8::{number}", f"guess-{number}"))
            self.refused(*of_source("192.0.2.1"))  # none is no guess
        head = self.refused(*of_source("2001:db8::99", "k-alice"), status=429, why="too many")
        self.assertRegex(head, r"retry-after: 3[56]\d\d\r\n")
        self.seen(*of_source("192.0.2.1", "k-alice"))
        self.seen(*of_source("2001:db8:0:1::1", "k-alice"))

    def test_guesses_at_a_time_are_no_more_than_one_after_the_other(self):
        self.serve(policy("auth", "  authentication: {methods: {basic: {}}, failures: {max: 5, window: 1h}}"),
                   consumer("alice", "{credentials: [{basic: {password: pw}}]}"))
        with concurrent.futures.ThreadPoolExecutor(60) as pool:
            statuses = list(pool.map(lambda number: self.ask("-u", f"alice:guess-{number}")[0], range(60)))
        self.assertEqual(collections.Counter(statuses), {401: 5, 429: 55})
        self.assertTrue(json.loads(self.ask("-u", "alice:pw")[2])["type"].endswith("#abnormal-usage-detected"))

    def test_nobody_is_who_he_says_beside_routes_that_authenticate(self):
        keys = json.dumps({"keys": [{"kty": "oct", "k": b64(SECRET.encode())}]})
        claims = f"jwt: {{issuers: [{{issuer: i, jwks: '{keys}', claimsToHeaders: [{{claim: role, header: x-role}}]}}]}}"
        other = free_port()
        guarded = policy("auth", f"  authentication: {{methods: {{apiKey: {{}}, {claims}}}}}", "HTTPRoute", "keyed")
        elsewhere = (gateway(http(other), name="other"),
                     route("open", to("web"), gateway_name="edge").replace("{name: edge}", "{name: edge}, {name: other}"),
                     route("keyed", to("web"), hostnames=["keyed.example"]))
        self.serve(*elsewhere, guarded, consumer("alice", "{credentials: [{apiKey: {key: k-alice}}]}"))
        forged = ("-H", "x-consumer-username: root", "-H", "X_Consumer_Groups: admin", "-H", "x-role: root",
                  "-H", "x-anonymous-consumer: no", "-H", "x-consumer-note: kept")
        names = {"x-consumer-username", "x_consumer_groups", "x-role", "x-anonymous-consumer"}
        self.assertFalse(names & set(self.seen(*forged)))
        self.assertEqual(self.seen(*forged)["x-consumer-note"], "kept")
        keyed = self.seen(*forged, "-H", "host: keyed.example", "-H", "apikey: k-alice")
        self.assertEqual(keyed["x-consumer-username"], "alice")
        self.assertFalse((names - {"x-consumer-username"}) & set(keyed))
        own, self.url = self.url, f"http://127.0.0.1:{other}"
        self.assertLessEqual(names, set(self.seen(*forged)), "a listener where nobody authenticates")
        self.url = own
        self.followed.write("10.yaml", *elsewhere)
        self.assertTrue(eventually(lambda: names <= set(self.seen(*forged))))
        self.followed.write("10.yaml", *elsewhere, guarded.replace("kind: HTTPRoute, name: keyed", "kind: Service, name: web")
                            .replace("group: gateway.networking.k8s.io, kind: Service", 'group: "", kind: Service'))
        self.assertTrue(eventually(lambda: self.ask(*forged)[0] == 401))

    # -- Basic

    def test_basic_takes_slow_hashes_without_waiting(self):
        hashed = "$6$rounds=1000$saltsalt$4GMtaIz3E1AdDi2SmCokEW0ehi.HdxNDcL3fGE1XXuzvo6kbx7UOloZKONqEk5H3JrQA4NOfU8BmqFPrpGqwA1"
        self.serve(policy("auth", "  authentication: {methods: {basic: {hideCredentials: true}}, realm: shop}"),
                   consumer("alice", f"{{credentials: [{{basic: {{username: al, passwordHash: \"{hashed}\"}}}}]}}"),
                   consumer("bob", "{credentials: [{basic: {secretRef: {name: pw, key: bob}}}]}"),
                   consumer("eve", "{credentials: [{basic: {username: Éve von Ü, password: pä:ß}}]}"),
                   opaque("pw", bob="pass:word"))
        head = self.refused()
        self.assertIn('www-authenticate: Basic realm="shop", charset="UTF-8"', head)
        for _ in range(4):
            seen = self.seen("-u", "al:correct horse")
            self.assertEqual((seen["x-consumer-username"], seen["x-credential-identifier"]), ("alice", "alice/basic-1"))
            self.assertNotIn("authorization", seen)
        self.assertEqual(self.seen("-u", "bob:pass:word")["x-consumer-username"], "bob")
        self.assertEqual(self.seen("-u", "Éve von Ü:pä:ß")["x-consumer-username"], "eve")
        for user in ("al:wrong", "al:", "alice:correct horse", "bob:pass", ":", "bob:pass:word\x00"):
            self.refused("-H", "authorization: Basic " + base64.b64encode(user.encode()).decode())
        good = base64.b64encode(b"bob:pass:word").decode()
        for value in ("Basic", "Basic !!!", "Basic " + good + "=", "Basic " + good.rstrip("="),
                      "Basic " + base64.b64encode(b"nocolon").decode(), "Basic " + base64.b64encode(b"a" * 3000).decode()):
            self.refused("-H", "authorization: " + value)
        self.refused("-H", "authorization: Basic " + good, "-H", "authorization: Basic " + good)
        self.seen("-H", "authorization: bASIC " + good)

    # -- JWT

    def test_jwt_of_each_algorithm(self):
        with tempfile.TemporaryDirectory() as folder:
            keys = [Key(folder, kid, kid) for kid in ("RS256", "PS384", "ES256", "EdDSA")]
            jwks = json.dumps({"keys": [key.jwk() for key in keys]})
            self.serve(policy("auth", f"""  authentication:
    methods:
      jwt:
        issuers:
        - issuer: https://i.example
          jwks: '{jwks}'
          audiences: [shop]
          requiredClaims: [{{claim: realm.roles, values: [buyer]}}]
          claimsToHeaders: [{{claim: realm.roles, header: x-roles}}, {{claim: email, header: x-email}}]
          consumerClaim: sub
          clockSkew: 0s
"""), consumer("alice", "{groups: [gold]}"))
            now = int(time.time())
            good = {"iss": "https://i.example", "aud": ["x", "shop"], "sub": "alice", "exp": now + 600, "nbf": now - 5,
                    "realm": {"roles": ["buyer", "admin"]}, "email": "a@i.example"}

            def bearer(token):
                return "-H", f"authorization: Bearer {token}"

            for key in keys:
                for _ in range(3):  # from the cache of a worker, too
                    seen = self.seen(*bearer(key.token(good)), "-H", "x-roles: root", "-H", "X_Email: forged")
                    self.assertEqual((seen["x-consumer-username"], seen["x-roles"], seen["x-email"]),
                                     ("alice", "buyer,admin", "a@i.example"))
                    self.assertNotIn("x_email", seen)
            rsa, edwards = keys[0], keys[3]
            head = self.refused(*bearer(rsa.token({**good, "exp": now - 5})), why="expired")
            self.assertIn('Bearer realm="fairlead", error="invalid_token", error_description="the token has expired"', head)
            for claims, why in (({**good, "nbf": now + 60}, "not valid yet"), ({**good, "aud": "other"}, "audience"),
                                ({**good, "iss": "https://j.example"}, "issuer"), ({**good, "realm": {"roles": []}}, "claims"),
                                ({key: value for key, value in good.items() if key != "aud"}, "audience"),
                                ({**good, "exp": str(now + 60)}, "claims")):
                self.refused(*bearer(rsa.token(claims)), why=why)
            token = rsa.token(good)
            head, payload, signature = token.split(".")
            other = b64(json.dumps({**good, "sub": "root"}).encode())
            hostile = {
                "another payload": f"{head}.{other}.{signature}", "no signature": f"{head}.{payload}.",
                "none": f"{b64(json.dumps({'alg': 'none'}).encode())}.{payload}.",
                "None": f"{b64(json.dumps({'alg': 'None', 'kid': 'RS256'}).encode())}.{payload}.{signature}",
                "key confusion": hs256(good, rsa.public, {"alg": "HS256", "kid": "RS256"}),
                "another key's name": rsa.token(good, kid="ES256"), "an unknown key": rsa.token(good, kid="x"),
                "another algorithm": rsa.token(good, alg="PS256"), "padded": token + "=", "five parts": token + ".a.b",
                "plain base64": token.replace("_", "/").replace("-", "+") + "+", "white space": token + " x",
                "critical": edwards.token(good, crit=["exp"]), "embedded key": hs256(good, header={"alg": "HS256", "jwk": {}}),
                "huge": edwards.token({**good, "x": "y" * 20000}), "empty": "", "dots": "..",
                "deep": hs256('{"a":' + "[" * 500 + "]" * 500 + "}")}
            for name, text in hostile.items():
                with self.subTest(name):
                    self.refused(*bearer(text))
            self.refused(*bearer(token), *bearer(edwards.token(good)))
            self.refused("-H", "authorization: Basic abc")

    def test_jwt_of_consumers_by_their_keys(self):
        with tempfile.TemporaryDirectory() as folder:
            rsa = Key(folder, "rsa", "RS256")
            indented = "".join(f"        {line}\n" for line in rsa.public.splitlines())
            self.serve(policy("auth", "  authentication: {methods: {jwt: {from: {headers: [authorization], query: [jwt], "
                                      "cookies: [session]}, requireExpiry: true, hideCredentials: true}}}"),
                       consumer("alice", f"{{credentials: [{{jwt: {{key: app-1, secret: {SECRET}}}}}]}}"),
                       "apiVersion: fairlead.io/v1alpha1\nkind: Consumer\nmetadata: {name: bob, namespace: default}\n"
                       f"spec:\n  credentials:\n  - jwt:\n      algorithm: RS256\n      publicKey: |\n{indented}")
            exp = int(time.time()) + 600
            token = hs256({"iss": "app-1", "exp": exp})
            self.assertEqual(self.seen("-H", f"authorization: Bearer {token}")["x-credential-identifier"], "alice/jwt-1")
            seen = self.seen("-H", f"cookie: session={token}; a=b", "-H", "authorization: Basic abc")
            self.assertEqual((seen["x-consumer-username"], seen["cookie"], seen["authorization"]), ("alice", "a=b", "Basic abc"))
            self.assertEqual(self.seen(path=f"/head?jwt={token}")["target"], "/head")
            self.assertEqual(self.seen("-H", "authorization: Bearer " + rsa.token({"iss": "bob", "exp": exp}))["x-consumer-username"],
                             "bob")
            for text in (hs256({"iss": "app-1"}), hs256({"iss": "bob", "exp": exp}, rsa.public), hs256({"exp": exp}),
                         hs256({"iss": "app-2", "exp": exp}), hs256({"iss": "app-1", "exp": exp}, "other"),
                         hs256({"iss": "app-1", "exp": exp}, SECRET, {"alg": "HS512"}),
                         hs256('{"iss":"app-1","exp":%d,"exp":%d}' % (exp, exp)),
                         hs256({"iss": "app-1", "exp": exp}, SECRET, '{"alg":"HS256","alg":"HS256"}')):
                self.refused("-H", f"authorization: Bearer {text}")

    def test_remote_keys_rotate_and_outlive_an_outage(self):
        with tempfile.TemporaryDirectory() as folder:
            old, new = Key(folder, "old", "ES256"), Key(folder, "new", "EdDSA")
            keys = Backend("keys")
            self.addCleanup(keys.close)
            state = {"keys": [old], "status": 200}

            def answer(conversation, *_):
                body = json.dumps({"keys": [key.jwk() for key in state["keys"]]}).encode()
                conversation.send(state["status"], body, [("content-type", "application/json")])

            keys.answer = answer
            self.serve(policy("auth", """  authentication:
    methods:
      jwt:
        issuers:
        - issuer: i
          remoteJwks: {backendRef: {name: keys, port: 80}, path: /jwks.json, cacheDuration: 1h}
"""), service("keys", of(keys)))
            exp = int(time.time()) + 600

            def with_token(key, **claims):
                return "-H", "authorization: Bearer " + key.token({"iss": "i", "exp": exp, **claims})

            self.assertEqual(self.seen(*with_token(old, sub="s"))["x-credential-identifier"], "i/s")
            for number in range(6):
                self.seen(*with_token(old, n=number))
            self.assertEqual(len(keys.requests("/jwks.json")), 1)
            # A storm of unknown kids asks at most once more in its time.
            for number in range(20):
                self.refused(*with_token(new, n=number))
            asked = len(keys.requests("/jwks.json"))
            self.assertLessEqual(asked, 2)
            state["keys"] = [old, new]
            self.assertTrue(eventually(lambda: self.ask(*with_token(new, t=time.monotonic()))[0] == 200))
            state["status"] = 500
            self.seen(*with_token(old, n=100))
            self.seen(*with_token(new, n=100))

    def test_no_keys_is_no_fault_of_the_client(self):
        keys = Backend("keys")
        self.addCleanup(keys.close)
        keys.answer = lambda conversation, *_: conversation.send(200, b"<html>")
        self.serve(policy("auth", """  authentication:
    methods:
      jwt: {issuers: [{issuer: i, remoteJwks: {backendRef: {name: keys, port: 80}, path: /}}]}
"""), service("keys", of(keys)))
        self.refused("-H", "authorization: Bearer " + hs256({"iss": "i"}), status=503)
        self.refused("-H", "authorization: Bearer " + hs256({"iss": "j"}), status=401)

    # -- hmac

    def test_hmac_signs_head_and_body(self):
        self.serve(policy("auth", "  authentication: {methods: {hmac: {enforceHeaders: [date, request-line], validateBody: true}}}"),
                   consumer("alice", "{credentials: [{hmac: {keyId: id-1, secret: s3cret}}]}"))

        def signed(names="date request-line", body=b"", path="/head", secret="s3cret", date=None, user="id-1",
                   algorithm="hmac-sha256", digest=None):
            date = date or email.utils.formatdate(usegmt=True)
            digest = digest or "SHA-256=" + base64.b64encode(hashlib.sha256(body).digest()).decode()
            method = "POST" if body else "GET"
            values = {"date": f"date: {date}", "request-line": f"{method} {path} HTTP/1.1", "digest": f"digest: {digest}"}
            text = "\n".join(values[name] for name in names.split(" "))
            signature = base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()).decode()
            out = ["-H", f"date: {date}", "-H", f'authorization: hmac username="{user}", algorithm="{algorithm}", '
                   f'headers="{names}", signature="{signature}"']
            return out + (["-H", f"digest: {digest}", "--data-binary", body.decode()] if body else [])

        self.assertEqual(self.seen(*signed())["x-consumer-username"], "alice")
        head = self.refused()
        self.assertIn('www-authenticate: hmac realm="fairlead"', head)
        for arguments in (signed(names="date"), signed(names="request-line"), signed(secret="x"), signed(user="id-2"),
                          signed(path="/other"), signed(algorithm="hmac-sha1"), signed(algorithm="none"),
                          signed(date=email.utils.formatdate(time.time() - 3600, usegmt=True)), signed(date="yesterday"),
                          signed(body=b"hello"), signed() + signed()[2:]):
            self.refused(*arguments)
        to_proxy = [one.replace("authorization:", "proxy-authorization:") for one in signed()]
        self.assertEqual(self.seen(*to_proxy)["x-consumer-username"], "alice")
        self.assertEqual(self.seen(*to_proxy, "-H", "authorization: Bearer x")["x-consumer-username"], "alice")
        self.assertEqual(self.seen(*signed(), "-H", "proxy-authorization: Basic eDp5")["x-consumer-username"], "alice")
        wrong = [one.replace("authorization:", "proxy-authorization:") for one in signed(secret="x")]
        self.refused(*wrong, *signed()[2:], why="signature is wrong")
        names = "date request-line digest"
        status, _, body = self.ask(*signed(names, b"hello", "/echo"), path="/echo")
        self.assertEqual((status, body), (200, "hello"))
        wrong = "SHA-256=" + base64.b64encode(hashlib.sha256(b"other").digest()).decode()
        self.refused(*signed(names, b"hello", "/echo", digest=wrong), path="/echo", why="body")

    # -- client certificates

    def test_a_certificate_names_a_consumer(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            certificate, key = make_certificate(folder, "a.example")

            def openssl(*arguments):
                subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=folder)

            openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj",
                    "/CN=ca", "-keyout", "ca.key", "-out", "ca.crt")
            clients = {  # file: subject, subjectAltName, who it is
                "alice": ("/CN=alice", "DNS:alice", "alice"),
                "uri": ("/CN=x", "URI:spiffe://td/ns/a/sa/bob, DNS:alice", "spiffe://td/ns/a/sa/bob"),
                "uris": ("/CN=alice", "URI:spiffe://td/x, URI:spiffe://td/ns/a/sa/bob", "spiffe://td/ns/a/sa/bob"),
                "later": ("/CN=x", "URI:spiffe://td/x, DNS:y, DNS:alice", "alice"),
                "common": ("/O=org/CN=alice", "", "alice"),
                "subject": ("/O=org/CN=carol", "", "CN=carol,O=org"),
                "both": ("/CN=x", "DNS:both", None),
                "mallory": ("/CN=mallory", "DNS:mallory", None)}
            for who, (subject, names, _) in clients.items():
                (folder / "more").write_text(f"subjectAltName={names}\n" if names else "basicConstraints=CA:FALSE\n")
                openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", subject,
                        "-keyout", f"{who}.key", "-out", "request")
                openssl("x509", "-req", "-in", "request", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days",
                        "30", "-extfile", "more", "-out", f"{who}.crt")
            authority = "".join(f"    {line}\n" for line in (folder / "ca.crt").read_text().splitlines())
            port = free_port()
            self.followed = Followed({"00.yaml": "---\n".join([
                CLASS, gateway(https(port, "tls", "a.example", "tls")), secret("tls", certificate, key),
                service("web", of(self.web)), route("web", to("web")),
                f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: ca, namespace: default}}\ndata:\n  ca.crt: |\n{authority}",
                """apiVersion: fairlead.io/v1alpha1
kind: ClientPolicy
metadata: {name: mutual, namespace: default}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: edge}]
  tls: {clientValidation: {optional: true, caCertificateRefs: [{group: "", kind: ConfigMap, name: ca}]}}
""", policy("auth", "  authentication: {methods: {clientCertificate: {requireConsumer: true}}}"),
                consumer("alice", "{groups: [gold]}"), consumer("bob", "{username: 'spiffe://td/ns/a/sa/bob'}"),
                consumer("carol", "{username: 'CN=carol,O=org'}"), consumer("one", "{username: both}"),
                consumer("two", "{username: both}")])})
            self.addCleanup(self.followed.close)
            self.url = f"https://a.example:{port}"
            tls = ("--resolve", f"a.example:{port}:127.0.0.1", "--cacert", folder / "crt.pem")

            def of_client(who):
                return *tls, "--http1.1", "--cert", folder / f"{who}.crt", "--key", folder / f"{who}.key"

            seen = self.seen(*of_client("alice"))
            self.assertEqual((seen["x-consumer-username"], seen["x-consumer-groups"]), ("alice", "gold"))
            for who, (_, _, wanted) in clients.items():
                with self.subTest(who=who):
                    if wanted is None:
                        self.refused(*of_client(who), why="not a consumer's")
                    else:
                        self.assertEqual(self.seen(*of_client(who))["x-consumer-username"], wanted)
            self.assertNotIn("www-authenticate", self.refused(*tls, "--http1.1"))

    # -- together

    def test_any_and_all(self):
        consumers = (consumer("alice", f"{{credentials: [{{apiKey: {{key: k-alice}}}}, {{basic: {{password: pw}}}}, "
                                       f"{{jwt: {{secret: {SECRET}}}}}]}}"),
                     consumer("bob", "{credentials: [{apiKey: {key: k-bob}}]}"))
        methods = "apiKey: {}, basic: {}, jwt: {}"
        self.serve(policy("auth", f"  authentication: {{methods: {{{methods}}}}}"), *consumers)
        head = self.refused()
        for scheme in ("Key", "Basic", "Bearer"):
            self.assertIn(f"www-authenticate: {scheme} ", head)
        self.seen("-H", "apikey: k-alice")
        self.seen("-u", "alice:pw")
        self.assertEqual(self.seen("-H", "apikey: wrong", "-u", "alice:pw")["x-consumer-username"], "alice")
        self.followed.write("10.yaml", policy("auth", "  authentication: {methods: {apiKey: {}, basic: {}}, mode: All}"), *consumers)
        self.assertTrue(eventually(lambda: self.ask("-u", "alice:pw")[0] == 401))
        self.seen("-u", "alice:pw", "-H", "apikey: k-alice")
        self.refused("-u", "alice:pw", "-H", "apikey: k-bob", why="different consumers")
        self.refused("-H", "apikey: k-alice")

    def test_a_policy_that_cannot_serve_lets_nobody_pass(self):
        self.serve(policy("auth", "  authentication: {methods: {jwt: {issuers: [{issuer: i, jwksSecretRef: {name: none, key: k}}]}}}"))
        self.assertEqual(self.ask()[0], 500)
        self.followed.write("20.yaml", opaque("none", k=json.dumps({"kty": "oct", "k": b64(SECRET.encode())})))
        self.assertTrue(eventually(lambda: self.ask()[0] == 401))
        self.seen("-H", "authorization: Bearer " + hs256({"iss": "i", "sub": "s"}))

    def test_the_example_of_the_page(self):
        example = re.search(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL).group(1)
        self.serve(example)
        self.refused()
        self.assertEqual(self.seen("-H", "apikey: correct-horse-battery-staple")["x-consumer-username"], "alice")


if __name__ == "__main__":
    unittest.main()
