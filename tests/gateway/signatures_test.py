# SPDX-License-Identifier: Apache-2.0
"""HTTP Message Signatures (RFC 9421) of each algorithm, and Argon2 hashes, through a real gateway of two workers."""
import base64
import hashlib
import hmac
import json
import subprocess
import tempfile
import textwrap
import time
import unittest
import urllib.parse

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

from callers import SECRET, Callers, consumer, hs256, opaque, policy
from support import eventually

AUTHENTICATION = "  authentication: {methods: {signature: %s}}"


def raw_ecdsa(signature, size):
    r, s = utils.decode_dss_signature(signature)
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


class Signer:
    """A key of one algorithm, as RFC 9421 section 3.3 has it."""

    def __init__(self, algorithm):
        self.algorithm = algorithm
        if algorithm == "hmac-sha256":
            self.key = b"0123456789abcdef0123456789abcdef"
        elif algorithm.startswith("rsa"):
            self.key = rsa.generate_private_key(65537, 2048)
        elif algorithm == "ed25519":
            self.key = ed25519.Ed25519PrivateKey.generate()
        else:
            self.key = ec.generate_private_key(ec.SECP256R1() if "p256" in algorithm else ec.SECP384R1())

    def credential(self, key_id, more=""):
        if self.algorithm == "hmac-sha256":
            material = f"secret: {self.key.decode()}"
        else:
            material = "publicKey: " + json.dumps(self.public())
        return f"{{signature: {{keyId: {key_id}, {material}{more}}}}}"

    def public(self):
        return self.key.public_key().public_bytes(serialization.Encoding.PEM,
                                                  serialization.PublicFormat.SubjectPublicKeyInfo).decode()

    def sign(self, base):
        if self.algorithm == "hmac-sha256":
            return hmac.new(self.key, base, hashlib.sha256).digest()
        if self.algorithm == "rsa-pss-sha512":
            return self.key.sign(base, padding.PSS(padding.MGF1(hashes.SHA512()), 64), hashes.SHA512())
        if self.algorithm == "rsa-v1_5-sha256":
            return self.key.sign(base, padding.PKCS1v15(), hashes.SHA256())
        if self.algorithm == "ed25519":
            return self.key.sign(base)
        if self.algorithm == "ecdsa-p256-sha256":
            return raw_ecdsa(self.key.sign(base, ec.ECDSA(hashes.SHA256())), 32)
        return raw_ecdsa(self.key.sign(base, ec.ECDSA(hashes.SHA384())), 48)


def digest(body, name="sha-256"):
    made = hashlib.new(name.replace("-", ""), body).digest()
    return f"{name}=:{base64.b64encode(made).decode()}:"


class Signatures(Callers, unittest.TestCase):
    def signed(self, signer, key_id="id-1", path="/head", method=None, body=None, fields=(), label="sig", created=0,
               components=("@method", "@target-uri"), more="", sign_path=None, drop_created=False):
        """Arguments for curl. `fields`: (name, value), sent and known to components."""
        method = method or ("POST" if body is not None else "GET")
        target = sign_path or path
        authority = self.url.removeprefix("http://")
        parts = urllib.parse.urlsplit(target)
        values = {'"@method"': method, '"@target-uri"': self.url + target, '"@authority"': authority, '"@scheme"': "http",
                  '"@request-target"': target, '"@path"': parts.path, '"@query"': "?" + parts.query,
                  '"host"': authority}
        for name, value in fields:
            key = f'"{name}"'
            values[key] = f"{values[key]}, {value}" if key in values else value
        names = [name if name.startswith('"') else f'"{name}"' for name in components]
        for name in names:
            if name.startswith('"@query-param"'):
                wanted = name.split('name="')[1].rstrip('"')
                values[name] = [urllib.parse.quote(v, safe="*-._") for k, v in urllib.parse.parse_qsl(parts.query, True)
                                if k == wanted][0]
        time_of = "" if drop_created else f";created={int(time.time()) + created}"
        parameters = f'({" ".join(names)}){time_of};keyid="{key_id}"{more}'
        base = "".join(f"{name}: {values.get(name, '')}\n" for name in names) + f'"@signature-params": {parameters}'
        value = base64.b64encode(signer.sign(base.encode())).decode()
        out = ["-X", method, "-H", f"signature-input: {label}={parameters}", "-H", f"signature: {label}=:{value}:"]
        for name, value in fields:
            out += ["-H", f"{name}: {value}" if value else f"{name};"]
        return out + (["--data-binary", body.decode()] if body is not None else [])

    def test_each_algorithm_proves_a_consumer(self):
        names = ("hmac-sha256", "rsa-pss-sha512", "rsa-v1_5-sha256", "ecdsa-p256-sha256", "ecdsa-p384-sha384", "ed25519")
        signers = {name: Signer(name) for name in names}
        credentials = [signer.credential(name, ", algorithm: rsa-v1_5-sha256" if name == "rsa-v1_5-sha256" else "")
                       for name, signer in signers.items()]
        self.serve(policy("auth", AUTHENTICATION % "{}"), consumer("alice", f"{{credentials: [{', '.join(credentials)}]}}"))
        head = self.refused(why="no credentials")
        self.assertIn('www-authenticate: Signature realm="fairlead"', head)
        for name, signer in signers.items():
            with self.subTest(name):
                seen = self.seen(*self.signed(signer, name))
                self.assertEqual(seen["x-consumer-username"], "alice")
                self.assertIn("signature-input", seen)
                self.seen(*self.signed(signer, name, more=f';alg="{name}"'))
                # The key says which algorithm, and nobody else.
                for other in names:
                    if other != name:
                        self.refused(*self.signed(signers[other], name), why="wrong")
                        self.refused(*self.signed(signer, name, more=f';alg="{other}"'), why="wrong")
        self.seen("--http2-prior-knowledge", *self.signed(signers["ed25519"], "ed25519"))
        # A public key is no secret: who knows it signs nothing with it.
        forged = Signer("hmac-sha256")
        forged.key = signers["ed25519"].public().encode()
        self.refused(*self.signed(forged, "ed25519", more=';alg="hmac-sha256"'))

    def test_what_must_be_signed_is(self):
        signer = Signer("ed25519")
        self.serve(policy("auth", AUTHENTICATION % ('{components: ["@method", "@authority", "@path", "@query", x-order], '
                                                    'maxAge: 1m, clockSkew: 5s, hideCredentials: true}')),
                   consumer("alice", f"{{credentials: [{signer.credential('id-1')}]}}"))
        names = ("@method", "@authority", "@path", "@query", "x-order")
        order = (("x-order", "7"),)

        def one(**more):
            return self.signed(signer, **{"components": names, "fields": order, **more})

        seen = self.seen(*one())
        self.assertNotIn("signature", seen)
        self.assertNotIn("signature-input", seen)
        self.seen(*one(path="/head?a=b%20c"), path="/head?a=b%20c")
        self.seen(*one(components=("@method", "@target-uri", "x-order")))
        self.seen(*one(components=("@method", "@authority", "@request-target", "x-order")))
        self.assertEqual(self.ask(*one(fields=(("x-order", "7"), ("x-order", "8"))))[0], 200)
        self.seen(*one(created=-50))
        self.seen(*one(more=f';expires={int(time.time()) + 60};nonce="n";tag="t";other=1.5'))
        self.seen(*one(path="/head?id=a+b&x=1", components=names + ('"@query-param";name="id"',)), path="/head?id=a+b&x=1")
        for why, arguments in (
                ("cover", one(components=names[1:])),
                ("cover", one(components=("@method", "@authority", "@path", "x-order"))),
                ("cover", one(components=("@method", "@authority", "@path", "@query", '"x-order";key="a"'))),
                ("too old", one(created=-70)),
                ("time to come", one(created=20)),
                ("created", one(drop_created=True)),
                ("expired", one(more=f";expires={int(time.time()) - 10}")),
                ("wrong", one(sign_path="/other")),
                ("wrong", one() + ["-H", "x-order: 8"]),
                ("wrong", one(components=names + ("x-missing",))),
                ("wrong", one(components=names + ("@path",))),
                ("wrong", one(components=names + ('"x-order";tr',))),
                ("wrong", one(components=names + ("@status",))),
                ("wrong", self.signed(Signer("ed25519"), components=names, fields=order)),
                ("known", one(key_id="id-2")),
                ("malformed", one()[:4]),
                ("malformed", one() + ["-H", "signature: sig=:AAAA"]),
                ("malformed", one(more=";keyid=1"))):
            self.refused(*arguments, why=why)
        # A header that a signature does not cover is anybody's.
        self.seen(*one(), "-H", "x-other: 1")

    def test_bodies_are_those_of_their_digest(self):
        signer = Signer("ecdsa-p256-sha256")
        self.serve(policy("auth", AUTHENTICATION % "{maxBodyBytes: 1000}"),
                   consumer("alice", f"{{credentials: [{signer.credential('id-1')}]}}"))
        names = ("@method", "@target-uri", "content-digest")

        def post(body, field, **more):
            return self.signed(signer, **{"path": "/echo", "body": body, "components": names,
                                          "fields": (("content-digest", field),), **more})

        body = b"hello"
        for field in (digest(body), digest(body, "sha-512"), digest(body) + ", " + digest(body, "sha-512"),
                      "md5=:AAAA:, " + digest(body)):
            status, _, got = self.ask(*post(body, field), path="/echo")
            self.assertEqual((status, got), (200, "hello"), field)
        status, _, got = self.ask(*post(body, digest(body)), "-H", "transfer-encoding: chunked", path="/echo")
        self.assertEqual((status, got), (200, "hello"))
        for field in (digest(b"other"), "md5=:AAAA:", "sha-256=:AAAA:", digest(body) + ", " + digest(b"x", "sha-512"), "x"):
            self.refused(*post(body, field), path="/echo", why="the body is not that of")
        self.refused(*post(body, digest(body), components=names[:2]), path="/echo", why="Content-Digest")
        self.refused(*post(body, digest(body), components=names[:2] + ('"content-digest";key="sha-512"',)), path="/echo",
                     why="Content-Digest")
        self.assertEqual(self.ask(*post(b"x" * 1001, digest(b"x" * 1001)), path="/echo")[0], 413)
        self.seen(*self.signed(signer))  # without a body there is nothing to digest
        self.seen(*self.signed(signer, components=names, fields=(("content-digest", digest(b"")),)))
        self.refused(*self.signed(signer, components=names, fields=(("content-digest", digest(b"x")),)))

    def test_bodies_are_looked_at_behind_methods_that_wait(self):
        signer = Signer("ed25519")
        credentials = f"{{basic: {{password: pw}}}}, {{jwt: {{secret: {SECRET}}}}}, {signer.credential('id-1')}"
        body, components = b"x" * 300_000, ("@method", "@target-uri", "content-digest")
        token = "authorization: Bearer " + hs256({"iss": "alice"})
        for methods, shown in (("basic: {}", ("-u", "alice:pw")), ("jwt: {}", ("-H", token)),
                               ("basic: {}, jwt: {}", ("-H", token, "-H", "proxy-authorization: Basic " +
                                                       base64.b64encode(b"alice:pw").decode()))):
            self.serve(policy("auth", f"  authentication: {{methods: {{signature: {{}}, {methods}}}, mode: All}}"),
                       consumer("alice", f"{{credentials: [{credentials}]}}"))
            for version in ("--http1.1", "--http2-prior-knowledge"):
                with self.subTest(methods=methods, version=version):
                    def ask(sent, signed_body=body):
                        signed = self.signed(signer, path="/echo", method="POST", components=components,
                                             fields=[("content-digest", digest(signed_body))])
                        return self.ask(version, *signed, *sent, "-H", "expect:", "--data-binary", "@" + self.file(body),
                                        path="/echo")
                    before = len(self.web.requests("/echo"))
                    status, _, answer = ask(shown)
                    self.assertEqual((status, answer), (200, body.decode()))
                    self.assertEqual(ask(shown, b"other")[0], 401)
                    self.assertEqual(ask(())[0], 401)
                    self.assertEqual(len(self.web.requests("/echo")) - before, 1)

    def file(self, data):
        made = tempfile.NamedTemporaryFile(prefix="fl-signed-")
        self.addCleanup(made.close)
        made.write(data)
        made.flush()
        return made.name

    def test_a_nonce_is_good_once(self):
        one, two = Signer("hmac-sha256"), Signer("ed25519")
        who = (consumer("alice", f"{{credentials: [{one.credential('id-1')}]}}"), consumer("bob", f"{{credentials: [{two.credential('id-2')}]}}"))
        serves = policy("auth", AUTHENTICATION % "{replays: Refuse}")
        self.serve(serves, *who)
        first = self.signed(one, more=';nonce="a"')
        self.assertEqual(self.seen(*first)["x-consumer-username"], "alice")
        for again in (first, self.signed(one, more=';nonce="a"', created=-1)):
            self.refused(*again, why="nonce was used")
        self.refused(*self.signed(one, more=';nonce="a"', path="/name"), path="/name", why="nonce was used")
        self.refused(*self.signed(one), why="no nonce")
        self.refused(*self.signed(one, more=';nonce=""'), why="no nonce")
        self.assertEqual(self.seen(*self.signed(one, more=';nonce="b"'))["x-consumer-username"], "alice")
        self.assertEqual(self.seen(*self.signed(two, key_id="id-2", more=';nonce="a"'))["x-consumer-username"], "bob", "another key")
        # Of a wrong signature the nonce is not used up.
        wrong = [part.replace("signature: sig=:", "signature: sig=:AAAA") for part in self.signed(one, more=';nonce="c"')]
        self.refused(*wrong)
        kept = self.signed(one, more=';nonce="c"')
        self.assertEqual(self.seen(*kept)["x-consumer-username"], "alice")
        self.refused(*self.signed(one, more=f';nonce="d";expires={int(time.time()) - 5}'), why="expires before")
        before = self.followed.status()["changes"]
        self.followed.write("10.yaml", serves.replace("{replays", "{maxAge: 4m, replays"), *who)
        self.followed.await_changes(before)
        self.refused(*kept, why="nonce was used")

    def test_tags_algorithms_and_several_signatures(self):
        good, other = Signer("ed25519"), Signer("hmac-sha256")
        self.serve(policy("auth", AUTHENTICATION % "{tag: app, algorithms: [ed25519]}"),
                   consumer("alice", "{credentials: [{signature: {keyId: id-1, secretRef: {name: keys, key: alice}}}, "
                            f"{other.credential('id-2')}]}}"), **{"20.yaml": opaque("keys", alice=good.public())})
        tag = ';tag="app"'
        self.seen(*self.signed(good, more=tag))
        self.refused(*self.signed(good, more=';tag="other"'), why="known")
        self.refused(*self.signed(good), why="known")
        self.refused(*self.signed(other, "id-2", more=tag), why="algorithm")
        strange = self.signed(Signer("ed25519"), "id-9", label="a", more=tag)
        self.assertEqual(self.ask(*strange, *self.signed(good, label="b", more=tag)[2:])[0], 200)
        self.refused(*self.signed(good, label="a", more=tag), *self.signed(good, label="a", path="/x", more=tag)[2:])
        # A key that is replaced counts at once, and the old one no more.
        new = Signer("ed25519")
        self.followed.write("20.yaml", opaque("keys", alice=new.public()))
        self.assertTrue(eventually(lambda: self.ask(*self.signed(new, more=tag))[0] == 200))
        for _ in range(8):
            self.refused(*self.signed(good, more=tag))

    def test_argon2_hashes_of_passwords(self):
        def hash_of(password, *options):
            return subprocess.run(["argon2", "saltsalt", *options, "-e"], input=password.encode(), check=True,
                                  capture_output=True).stdout.decode().strip()

        spec = ", ".join(f"{{basic: {{username: u{kind}, passwordHash: {json.dumps(hash_of('s3cret', '-' + kind, '-k', '1024'))}}}}}"
                         for kind in ("id", "i", "d"))
        self.serve(policy("auth", "  authentication: {methods: {basic: {}}}"),
                   consumer("alice", f"{{credentials: [{spec}, {{basic: {{username: s, secretRef: {{name: hashes, key: s}}}}}}]}}"),
                   **{"20.yaml": opaque("hashes", s=hash_of("s3cret", "-id", "-t", "2", "-k", "4096", "-p", "2"))})
        for user in ("uid", "ui", "ud", "s"):
            self.assertEqual(self.seen("-u", f"{user}:s3cret")["x-consumer-username"], "alice")
            self.refused("-u", f"{user}:S3cret")

    def test_what_asks_for_too_much_is_refused_with_its_line(self):
        self.serve(policy("auth", "  authentication: {methods: {basic: {}}}"),
                   consumer("alice", "{credentials: [{basic: {password: s3cret}}]}"))
        costly = "$argon2id$v=19$m=4194304,t=3,p=4$c2FsdHNhbHQ$vcTe528UKu2x47/R4EZ/f7BXX0WIeKJM"
        self.followed.write("30.yaml", textwrap.dedent(f"""\
            apiVersion: fairlead.io/v1alpha1
            kind: Consumer
            metadata: {{name: bob, namespace: default}}
            spec:
              credentials:
              - basic: {{passwordHash: "{costly}"}}
            """))
        wanted = "spec.credentials[0].basic.passwordHash"
        self.assertTrue(eventually(lambda: wanted in "\n".join(self.followed.gateway.errors)))
        self.assertNotIn("c2FsdHNhbHQ", "\n".join(self.followed.gateway.errors))
        self.assertEqual(self.seen("-u", "alice:s3cret")["x-consumer-username"], "alice")


if __name__ == "__main__":
    unittest.main()
