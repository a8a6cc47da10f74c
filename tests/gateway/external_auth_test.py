# SPDX-License-Identifier: Apache-2.0
"""Requests that another server must allow: Envoy's gRPC protocol and plain HTTP, as a route's filter and by a policy."""
import re
import select
import socket
import threading
import types
import unittest

from backend import Backend, says
from ext_authz import Authorization, allowed, denied
from objects import CLASS, Followed, free_port, gateway, http, of, route, service, to
from support import LIMIT, Wire, curl, curl_status, eventually


def policy(name, kind, target, spec, section=""):
    group = {"Service": '""', "Consumer": "fairlead.io"}.get(kind, "gateway.networking.k8s.io")
    more = f", sectionName: {section}" if section else ""
    return f"""apiVersion: fairlead.io/v1alpha1
kind: RequestPolicy
metadata: {{name: {name}, namespace: default}}
spec:
  targetRefs: [{{group: {group}, kind: {kind}, name: {target}{more}}}]
{spec}"""


def join(*documents):
    return "---\n".join(documents)


class World(unittest.TestCase):
    def start(self, rule, *documents, services=(), workers=1):
        self.backend = Backend()
        self.addCleanup(self.backend.close)
        self.port = free_port()
        self.followed = Followed({"edge.yaml": join(CLASS, gateway(http(self.port))),
                                  "backend.yaml": join(service("web", of(self.backend))),
                                  "auth.yaml": join(*(service(name, of(server), app_protocol=protocol)
                                                for name, server, protocol in services)),
                                  "route.yaml": join(route("web", rule), *documents)}, workers=workers)
        self.addCleanup(self.followed.close)

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"


class Grpc(World):
    RULE = to("web", more="filters: [{type: ExternalAuth, externalAuth: {protocol: GRPC, "
                          "backendRef: {name: auth, port: 80}, grpc: {}}}]")

    def serve(self, decide, rule=RULE, *documents, workers=1):
        self.authorization = Authorization(decide)
        self.addCleanup(self.authorization.close)
        self.start(rule, *documents, services=[("auth", self.authorization, "kubernetes.io/h2c")], workers=workers)

    def test_allowed_denied_and_what_was_asked(self):
        def decide(asked):
            if asked.path.startswith("/head"):
                return allowed(headers=[("x-user", "ada", False), ("x-kept", "more", True)], remove=["x-secret"],
                               response_headers=[("x-checked", "yes")])
            return denied(401, "who are you?", [("www-authenticate", "Bearer")])
        self.serve(decide)
        head = curl("-i", "-H", "x-user: forged", "-H", "x-kept: one", "-H", "x-secret: s", self.url("/head?q=1")).decode()
        self.assertIn("x-checked: yes", head.lower())
        self.assertIn("x-user: ada", head.lower())
        self.assertNotIn("forged", head)
        self.assertNotIn("x-secret", head.lower())
        self.assertEqual(sorted(re.findall(r"(?im)^x-kept: (\w+)", head)), ["more", "one"])
        answer = curl("-i", "-X", "DELETE", self.url("/other")).decode()
        self.assertRegex(answer, r"^HTTP/1.1 401")
        self.assertIn("www-authenticate: Bearer", answer)
        self.assertTrue(answer.endswith("who are you?"))
        self.assertEqual(self.backend.requests("/other"), [])
        first, second = (one.request.http for one in self.authorization.asked)
        self.assertEqual((first.method, first.path, first.scheme, first.protocol, first.size),
                         ("GET", "/head?q=1", "http", "HTTP/1.1", 0))
        self.assertEqual(first.host, f"127.0.0.1:{self.port}")
        self.assertEqual({entry.key: entry.value for entry in first.headers}["x-secret"], "s")
        self.assertRegex(first.id, r"^[0-9a-f-]{36}$")
        self.assertEqual(second.method, "DELETE")
        self.assertEqual(self.authorization.asked[0].source.address.socket.address, "127.0.0.1")

    def test_nobody_passes_without_an_answer(self):
        self.serve(lambda asked: allowed())
        self.assertEqual(curl_status(self.url("/name")), "200")
        self.authorization.close()
        self.assertEqual(curl_status(self.url("/name")), "403")
        self.assertEqual(len(self.backend.requests("/name")), 1)

    def test_headers_that_would_break_messages_are_left_out(self):
        self.serve(lambda asked: allowed(headers=[("x-evil", "a\r\nx-more: b", False), ("content-length", "5", False),
                                                  ("transfer-encoding", "chunked", False), (":path", "/x", False)],
                                         remove=["host", "content-length"]))
        head = curl("-d", "hello", self.url("/head")).decode().lower()
        for word in ("x-evil", "x-more", "transfer-encoding"):
            self.assertNotIn(word, head)
        self.assertIn("content-length: 5", head)
        self.assertIn("host: ", head)

    def test_a_body_is_shown_and_sent_on_whole(self):
        rule = self.RULE.replace("grpc: {}", "grpc: {}, forwardBody: {maxSize: 4}")
        self.serve(lambda asked: allowed(), rule)
        self.assertEqual(curl("-H", "expect: 100-continue", "-d", "hello world", self.url("/echo")), b"hello world")
        self.assertEqual(self.authorization.asked[0].request.http.body, "hell")
        big = "x" * 300_000
        self.assertEqual(curl("--data-binary", "@-", "-H", "transfer-encoding: chunked", self.url("/echo"),
                              input=big.encode()), big.encode())

    def test_a_body_longer_than_what_is_shown_streams_on(self):
        rule = self.RULE.replace("grpc: {}", "grpc: {}, forwardBody: {maxSize: 1000}")
        self.serve(lambda asked: allowed(), rule)
        big = bytes(range(65, 91)) * 400_000
        for version in ("--http1.1", "--http2-prior-knowledge"):
            for framing in ((), ("-H", "transfer-encoding: chunked"), ("-H", "expect: 100-continue")):
                for body in (big, big[:1001], big[:1000]):
                    with self.subTest(version=version, framing=framing, size=len(body)):
                        self.assertEqual(curl(version, *framing, "-H", "x-envoy-auth-partial-body: forged", "--data-binary", "@-",
                                              self.url("/echo"), input=body), body)
                        asked = self.authorization.asked[-1].request.http
                        self.assertEqual(asked.body.encode(), big[:1000])
                        self.assertEqual({entry.key: entry.value for entry in asked.headers}["x-envoy-auth-partial-body"],
                                         "true" if len(body) > 1000 else "false")

    def test_a_long_body_is_held_back_until_it_is_allowed(self):
        rule = self.RULE.replace("grpc: {}", "grpc: {}, forwardBody: {maxSize: 1000}")
        asked, go_on = threading.Event(), threading.Event()
        self.serve(lambda unused: (asked.set(), go_on.wait(LIMIT), allowed())[-1], rule)
        self.addCleanup(go_on.set)  # the first thing then: who waits for it holds back the others
        size = 24 << 20  # far more than sockets hold
        with Wire(self.port) as wire:
            wire.send(b"POST /count HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % size)
            wire.send(b"z" * 65536)
            self.assertTrue(asked.wait(LIMIT), "it is asked before the body is whole")
            sent = 65536
            wire.socket.setblocking(False)
            while sent < size and select.select([], [wire.socket], [], 0.5)[1]:
                try:
                    sent += wire.socket.send(b"z" * min(65536, size - sent))
                except BlockingIOError:
                    pass
            self.assertLess(sent, size, "the rest waits in the sockets' queues, and at the client")
            self.assertEqual(self.backend.requests("/count"), [])
            go_on.set()
            wire.socket.settimeout(LIMIT)
            wire.send(b"z" * (size - sent))
            self.assertEqual(wire.answer()[0], 200)

    def test_a_long_body_that_is_denied(self):
        rule = self.RULE.replace("grpc: {}", "grpc: {}, forwardBody: {maxSize: 10}")
        self.serve(lambda unused: denied(403, "no"), rule)
        for version in ("--http1.1", "--http2-prior-knowledge"):
            self.assertEqual(curl_status(version, "-H", "expect:", "-H", "transfer-encoding: chunked", "-d", "x" * 100_000,
                                         self.url("/echo")), "403")
        self.assertEqual(self.backend.requests("/echo"), [])

    def test_bodies_wait_with_their_request(self):
        self.serve(lambda asked: allowed())
        big = b"y" * 3_000_000
        for version in ("--http1.1", "--http2-prior-knowledge"):
            for framing in ((), ("-H", "transfer-encoding: chunked")):
                with self.subTest(version=version, framing=framing):
                    self.assertEqual(curl(version, *framing, "--data-binary", "@-", self.url("/echo"), input=big), big)

    def test_grpc_clients_are_told_in_trailers(self):
        self.serve(lambda asked: denied(403))
        head = curl("-i", "-X", "POST", "-H", "content-type: application/grpc", self.url("/svc/Call")).decode().lower()
        self.assertRegex(head, r"^http/1.1 200")
        self.assertIn("grpc-status: 7", head)


class Silent(World):
    """An authorization server that never answers."""

    def serve(self, more=""):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.listener.close)
        address, port = self.listener.getsockname()
        server = types.SimpleNamespace(address=address, port=port)
        self.start(to("web", more="filters: [{type: ExternalAuth, externalAuth: {protocol: HTTP, "
                                  f"backendRef: {{name: auth, port: 80}}, http: {{}}}}}}]{more}"),
                   services=[("auth", server, "")])

    def test_the_request_timeout_ends_the_wait(self):
        self.serve(", timeouts: {request: 300ms}")
        self.assertEqual(curl_status(self.url("/name")), "504")
        self.assertEqual(self.backend.requests("/name"), [])

    def test_a_client_that_goes_takes_its_question_along(self):
        self.serve()
        with Wire(self.port) as wire:
            wire.send(b"GET /name HTTP/1.1\r\nhost: a\r\n\r\n")
            peer, _ = self.listener.accept()
            peer.settimeout(LIMIT)
            self.assertTrue(peer.recv(65536).startswith(b"GET /name HTTP/1.1\r\n"))
        try:
            self.assertEqual(peer.recv(65536), b"")  # given up with its client
        except ConnectionResetError:
            pass
        peer.close()
        self.assertEqual(self.backend.requests("/name"), [])


class Http(World):
    def serve(self, answer, more="", rule=None, *documents):
        self.auth = Backend("auth")
        self.auth.answer = answer
        self.addCleanup(self.auth.close)
        own = to("web", more="filters: [{type: ExternalAuth, externalAuth: {protocol: HTTP, "
                             f"backendRef: {{name: auth, port: 80}}, http: {{{more}}}}}}}]")
        self.start(rule or own, *documents, services=[("auth", self.auth, "")])

    def test_names_of_headers_are_no_patterns(self):
        self.serve(says(200, "x-user: ada"), "allowedHeaders: [\"x-*\"], allowedResponseHeaders: [\"*\"]")
        self.assertNotIn("x-user", curl("-H", "x-asks: 1", self.url("/head")).decode().lower())
        self.assertNotIn(b"x-asks", self.auth.requests()[0][1].lower())

    def test_headers_both_ways(self):
        self.serve(says(200, "x-user: ada", "x-other: no"),
                   "path: /check, allowedHeaders: [x-asks], allowedResponseHeaders: [x-user]")
        head = curl("-H", "x-asks: 1", "-H", "x-hidden: 2", "-H", "authorization: Basic x", "-H", "x-user: forged",
                    self.url("/head?a=b")).decode().lower()
        self.assertIn("x-user: ada", head)
        self.assertNotIn("forged", head)
        self.assertNotIn("x-other", head)
        path, asked, _ = self.auth.requests()[0]
        self.assertEqual(path, "/check/head?a=b")
        asked = asked.decode().lower()
        self.assertIn("x-asks: 1", asked)
        self.assertIn("authorization: basic x", asked)
        self.assertNotIn("x-hidden", asked)

    def test_a_refusal_is_the_servers_own(self):
        self.serve(says(302, "location: https://login.example/", "x-why: login", body=b"go there"))
        answer = curl("-i", self.url("/head")).decode()
        self.assertRegex(answer, r"^HTTP/1.1 302")
        self.assertIn("location: https://login.example/", answer)
        self.assertTrue(answer.endswith("go there"))
        self.assertEqual(self.backend.requests(), [])

    def test_by_a_policy_for_the_gateway_a_route_and_a_rule(self):
        spec = "  externalAuth: {protocol: HTTP, backendRef: {name: auth, port: 80}, http: {path: %s}}\n"
        self.serve(says(200), "", to("web", more="name: first"),
                   policy("all", "Gateway", "edge", spec % "/gateway"))
        def asked():
            curl(self.url("/name"))
            return self.auth.requests()[-1][0]
        self.assertEqual(asked(), "/gateway/name")
        for name, kind, target, section in (("route", "HTTPRoute", "web", ""), ("rule", "HTTPRoute", "web", "first"),
                                            ("backend", "Service", "web", "")):
            self.followed.write(f"policy-{name}.yaml", policy(name, kind, target, spec % f"/{name}", section))
            self.assertTrue(eventually(lambda: asked() == f"/{name}/name"), (name, self.followed.gateway.errors))
        for name, then in (("backend", "rule"), ("rule", "route"), ("route", "gateway")):
            self.followed.remove(f"policy-{name}.yaml")
            self.assertTrue(eventually(lambda: asked() == f"/{then}/name"), name)

    def test_what_one_is_answered_no_other_gets_from_the_cache(self):
        def who(head):
            return re.search(r"(?im)^x-api-key: *(\S*)", head.decode()).group(1)
        spec = ("  externalAuth: {protocol: HTTP, backendRef: {name: auth, port: 80}, "
                "http: {allowedHeaders: [x-api-key], allowedResponseHeaders: [x-user]}}\n"
                "  cache: {key: {consumer: true}}\n")
        self.serve(lambda conversation, method, path, head, *rest:
                   conversation.send(200, b"", [("x-user", who(head))], method=method),
                   "", to("web"), policy("all", "HTTPRoute", "web", spec))
        control = {"/own": "max-age=60", "/all": "public, max-age=60"}
        self.backend.answer = lambda conversation, method, path, head, *rest: conversation.send(
            200, re.search(rb"(?im)^x-user: *(\S*)", head).group(1), [("cache-control", control[path])], method=method)
        asked = {path: [curl("-H", f"x-api-key: {name}", self.url(path)) for name in ("ada", "bob", "ada")]
                 for path in control}
        self.assertEqual(asked, {"/own": [b"ada", b"bob", b"ada"], "/all": [b"ada"] * 3})
        self.assertEqual(len(self.auth.requests()), 6)

    def test_a_policy_without_its_backend_lets_nobody_pass(self):
        spec = "  externalAuth: {protocol: HTTP, backendRef: {name: %s, port: 80}, http: {}}\n"
        self.serve(says(200), "", to("web"), policy("all", "Gateway", "edge", spec % "missing"))
        self.assertEqual(curl_status(self.url("/name")), "500")
        self.assertIn("there is no such backend", "\n".join(self.followed.gateway.errors))
        self.followed.write("route.yaml", route("web", to("web")), policy("all", "Gateway", "edge", spec % "auth"))
        self.assertTrue(eventually(lambda: curl_status(self.url("/name")) == "200"))

    def test_a_backend_may_come_later_and_go(self):
        spec = "  externalAuth: {protocol: HTTP, backendRef: {name: late, port: 80}, http: {}}\n"
        for kind, target in (("Gateway", "edge"), ("HTTPRoute", "web"), ("Service", "web")):
            with self.subTest(kind=kind):
                self.serve(says(200), "", to("web"), policy("all", kind, target, spec))
                self.assertEqual(curl_status(self.url("/name")), "500")
                self.followed.write("late.yaml", service("late", of(self.auth)))
                self.assertTrue(eventually(lambda: curl_status(self.url("/name")) == "200"))
                self.followed.remove("late.yaml")
                self.assertTrue(eventually(lambda: curl_status(self.url("/name")) == "500"))

    def test_older_policies_stand_and_status_says_so(self):
        spec = "  externalAuth: {protocol: HTTP, backendRef: {name: auth, port: 80}, http: {path: %s}}\n"
        self.serve(says(200), "", to("web"), policy("a", "HTTPRoute", "web", spec % "/a"),
                   policy("b", "HTTPRoute", "web", spec % "/b"), policy("c", "HTTPRoute", "other", spec % "/c"))
        curl(self.url("/name"))
        self.assertEqual(self.auth.requests()[-1][0], "/a/name")
        conditions = {}
        for document in self.followed.conditions().split("---\n"):
            if "kind: RequestPolicy" in document:
                conditions[re.search(r"(?m)^  name: (\w+)", document).group(1)] = document
        self.assertIn("reason: Accepted", conditions["a"])
        self.assertIn("reason: Conflicted", conditions["b"])
        self.assertIn("reason: TargetNotFound", conditions["c"])


if __name__ == "__main__":
    unittest.main()
