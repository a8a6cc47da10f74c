# SPDX-License-Identifier: Apache-2.0
"""An OpenID provider for tests: discovery, authorization code flow with PKCE, refresh with rotation, introspection, end of
session. It signs with real keys, checks who asks it, and says in `refused` what it did not like."""
import base64
import hashlib
import json
import secrets
import time
from urllib.parse import parse_qs, unquote_plus, urlencode

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from backend import Backend
from callers import b64

PATH = "/realms/shop"


def number(value, size=None):
    return b64(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


class SigningKey:
    """RS256 or ES256."""

    def __init__(self, kid, algorithm="RS256"):
        self.kid, self.algorithm = kid, algorithm
        rs = algorithm == "RS256"
        self.key = rsa.generate_private_key(65537, 2048) if rs else ec.generate_private_key(ec.SECP256R1())

    def jwk(self):
        numbers = self.key.public_key().public_numbers()
        head = {"kid": self.kid, "use": "sig", "alg": self.algorithm}
        if self.algorithm == "RS256":
            return {**head, "kty": "RSA", "n": number(numbers.n), "e": number(numbers.e)}
        return {**head, "kty": "EC", "crv": "P-256", "x": number(numbers.x, 32), "y": number(numbers.y, 32)}

    def sign(self, claims, **header):
        head = {"alg": self.algorithm, "kid": self.kid, "typ": "JWT", **header}
        text = b64(json.dumps(head).encode()) + "." + b64(json.dumps(claims).encode())
        if self.algorithm == "RS256":
            signature = self.key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
        else:
            r, s = decode_dss_signature(self.key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
            signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
        return text + "." + b64(signature)


class Provider:
    def __init__(self, client="shop", secret="s3cret", way="basic", algorithm="RS256", port=0):
        self.client, self.secret, self.way, self.algorithm = client, secret, way, algorithm
        self.backend = Backend("provider", port=port)
        self.backend.answer = self.answer
        self.issuer = self.backend.url + PATH
        self.keys = [SigningKey("key-1", algorithm)]
        self.claims = {"sub": "alice", "email": "alice@shop.example"}  # of whoever logs in now
        self.codes, self.refresh_tokens = {}, {}                       # code or token -> what it was given for
        self.tokens = {}                                               # opaque tokens -> what introspection says
        self.asked = []                                                # paths, in their order
        self.refused = []
        self.spoil = lambda claims: claims                             # of ID tokens before they are signed
        self.spoil_token = lambda token: token                         # and after
        self.trouble = None                                            # instead of every answer
        self.expires_in = 300
        self.refreshes = True                                          # gives refresh tokens

    def close(self):
        self.backend.close()

    def count(self, path):
        return self.asked.count(path)

    def rotate(self):
        """A new key alone signs and is shown from now on."""
        self.keys = [SigningKey(f"key-{secrets.token_hex(4)}", self.algorithm)]

    def answer(self, conversation, method, path, head, body, _framing):
        lines = head.decode("latin-1").split("\r\n")
        target = lines[0].split(" ")[1]
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        name = path.removeprefix(PATH)
        self.asked.append(name)
        if self.trouble is not None:
            return self.trouble(conversation)
        query = {key: values[0] for key, values in parse_qs(target.partition("?")[2]).items()}
        form = {key: values[0] for key, values in parse_qs(body.decode(), keep_blank_values=True).items()}
        if name == "/.well-known/openid-configuration":
            return self.say(conversation, self.discovery())
        if name == "/jwks":
            return self.say(conversation, {"keys": [key.jwk() for key in self.keys]})
        if name == "/authorize":
            return self.authorize(conversation, query)
        if name == "/end":
            return conversation.send(200, b"bye")
        if method != "POST" or not self.authenticated(fields, form):
            self.refused.append((name, "client"))
            return self.say(conversation, {"error": "invalid_client"}, 401)
        if name == "/introspect":
            return self.say(conversation, self.tokens.get(form.get("token"), {"active": False}))
        if name == "/token":
            return self.token(conversation, form)
        return conversation.send(404)

    @staticmethod
    def say(conversation, value, status=200):
        conversation.send(status, json.dumps(value).encode(), [("content-type", "application/json")])

    def discovery(self):
        return {"issuer": self.issuer, "authorization_endpoint": self.issuer + "/authorize",
                "token_endpoint": self.issuer + "/token", "jwks_uri": self.issuer + "/jwks",
                "end_session_endpoint": self.issuer + "/end", "introspection_endpoint": self.issuer + "/introspect",
                "response_types_supported": ["code"], "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": [self.algorithm]}

    def authenticated(self, fields, form):
        if self.way == "none":
            return form.get("client_id") == self.client and "client_secret" not in form and "authorization" not in fields
        if self.way == "post":
            return (form.get("client_id"), form.get("client_secret")) == (self.client, self.secret) \
                and "authorization" not in fields
        scheme, _, value = fields.get("authorization", "").partition(" ")
        if scheme != "Basic" or "client_secret" in form:
            return False
        name, _, secret = base64.b64decode(value).decode().partition(":")
        return (unquote_plus(name), unquote_plus(secret)) == (self.client, self.secret)

    def authorize(self, conversation, query):
        """Whoever comes is logged in already."""
        good = (query.get("response_type") == "code" and query.get("client_id") == self.client
                and "openid" in query.get("scope", "").split(" ") and query.get("code_challenge_method") == "S256"
                and len(query.get("code_challenge", "")) == 43 and query.get("state") and query.get("nonce")
                and query.get("redirect_uri", "").endswith("/oauth2/callback"))
        if not good:
            self.refused.append(("/authorize", query))
            return conversation.send(400, b"bad request")
        code = secrets.token_urlsafe(16)
        self.codes[code] = {**query, "claims": dict(self.claims)}
        back = urlencode({"code": code, "state": query["state"], "iss": self.issuer})
        return conversation.send(302, b"", [("location", query["redirect_uri"] + "?" + back)])

    def token(self, conversation, form):
        kind = form.get("grant_type")
        if kind == "authorization_code":
            given = self.codes.pop(form.get("code"), None)
            challenge = b64(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
            if given is None or challenge != given["code_challenge"] or form.get("redirect_uri") != given["redirect_uri"]:
                return self.refuse(conversation, "code")
            return self.give(conversation, given, nonce=given["nonce"])
        if kind == "refresh_token":
            given = self.refresh_tokens.pop(form.get("refresh_token"), None)
            return self.give(conversation, given) if given else self.refuse(conversation, "refresh_token")
        return self.refuse(conversation, "grant")

    def refuse(self, conversation, why):
        self.refused.append(("/token", why))
        self.say(conversation, {"error": "invalid_grant"}, 400)

    def give(self, conversation, given, **more):
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": self.client, "iat": now, "exp": now + 300, **given["claims"], **more}
        out = {"access_token": secrets.token_urlsafe(16), "token_type": "Bearer", "expires_in": self.expires_in,
               "id_token": self.spoil_token(self.keys[0].sign(self.spoil(claims)))}
        if self.refreshes:
            out["refresh_token"] = secrets.token_urlsafe(16)
            self.refresh_tokens[out["refresh_token"]] = given
        self.say(conversation, out)
