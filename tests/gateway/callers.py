# SPDX-License-Identifier: Apache-2.0
"""Policies and consumers as YAML, tokens, and a gateway that is asked by curl and refuses with problem details."""
import base64
import hashlib
import hmac
import json

from backend import Backend
from objects import CLASS, Followed, free_port, gateway, http, of, route, service, to
from support import curl

SECRET = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def policy(name, spec, kind="Gateway", target="edge"):
    return f"""apiVersion: fairlead.io/v1alpha1
kind: RequestPolicy
metadata: {{name: {name}, namespace: default}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: {kind}, name: {target}}}]
{spec.rstrip()}
"""


def consumer(name, spec, namespace="default"):
    return f"""apiVersion: fairlead.io/v1alpha1
kind: Consumer
metadata: {{name: {name}, namespace: {namespace}}}
spec: {spec}
"""


def opaque(name, **data):
    return f"apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: default}}\nstringData: {json.dumps(data)}\n"


def hs256(claims, secret=SECRET, header=None):
    head = header if isinstance(header, str) else json.dumps(header or {"alg": "HS256"})
    body = claims if isinstance(claims, str) else json.dumps(claims)
    text = b64(head.encode()) + "." + b64(body.encode())
    return text + "." + b64(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest())


class Callers:
    """Of a test case: a backend, a gateway in front of it, and what either says."""

    def setUp(self):
        self.web = Backend("web")
        self.addCleanup(self.web.close)

    def serve(self, *documents, workers=2, **more):
        port = free_port()
        self.followed = Followed({"00.yaml": "---\n".join([CLASS, gateway(http(port)), service("web", of(self.web)),
                                                           route("web", to("web"))]),
                                  "10.yaml": "---\n".join(documents), **more}, workers=workers)
        self.addCleanup(self.followed.close)
        self.url = f"http://127.0.0.1:{port}"

    def ask(self, *arguments, path="/head"):
        """(status, the answer's head in lower case, body)"""
        out = curl("-i", *arguments, self.url + path).decode("latin-1")
        head, _, body = out.partition("\r\n\r\n")
        return int(head.split(" ")[1]), head, body

    def seen(self, *arguments, path="/head"):
        """The fields that the backend saw of a request that passes."""
        status, _, body = self.ask(*arguments, path=path)
        self.assertEqual(status, 200, body)
        fields = {}
        for line in body.split("\r\n")[1:]:
            name, _, value = line.partition(": ")
            self.assertNotIn(name.lower(), fields, body)
            fields[name.lower()] = value
        fields["target"] = body.split(" ")[1]
        return fields

    def refused(self, *arguments, status=401, why=None, path="/head"):
        before = len(self.web.requests())
        got, head, body = self.ask(*arguments, path=path)
        self.assertEqual(got, status, (arguments, body))
        self.assertIn("content-type: application/problem+json", head.lower())
        problem = json.loads(body)
        self.assertEqual(problem["status"], status)
        if why:
            self.assertIn(why, problem["detail"])
        self.assertEqual(len(self.web.requests()), before, arguments)
        return head
