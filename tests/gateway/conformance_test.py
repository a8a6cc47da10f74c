# SPDX-License-Identifier: Apache-2.0
"""Features of Gateway API, each by its conformance name: docs/reference/gateway-conformance.md names these tests."""
import base64
import hashlib
import http.server
import json
import os
import pathlib
import re
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest

import yaml

from backend import Backend
from objects import (CLASS, Followed, free_port, gateway, http as listener, https, make_certificate, of, route, secret,
                     service, to)
from support import LIMIT, Wire, curl, eventually


def redirect(path, more):
    return f"{{matches: [{{path: {{value: {path}}}}}], filters: [{{type: RequestRedirect, requestRedirect: {{{more}}}}}]}}"


class FeaturesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.one, cls.two = Backend("one"), Backend("two")
        for backend in (cls.one, cls.two):
            cls.addClassCleanup(backend.close)
        cls.port, cls.other, cls.isolated = free_port(), free_port(), free_port()
        match = "matches: [{%s}]"
        by_backend = '{backendRefs: [{name: one, port: 80, filters: [{type: RequestHeaderModifier, requestHeaderModifier: ' \
                     '{set: [{name: x-of-backend, value: "1"}]}}]}]}'
        response = 'filters: [{type: ResponseHeaderModifier, responseHeaderModifier: {set: [{name: x-backend, value: gone}], ' \
                   'add: [{name: x-new, value: "1"}]}}]'
        host = "filters: [{type: URLRewrite, urlRewrite: {hostname: inner.example}}]"
        path = "matches: [{path: {value: /from}}], filters: [{type: URLRewrite, urlRewrite: {path: {type: " \
               "ReplacePrefixMatch, replacePrefixMatch: /head/to}}}]"
        full = "matches: [{path: {value: /whole}}], filters: [{type: URLRewrite, urlRewrite: {path: {type: " \
               "ReplaceFullPath, replaceFullPath: /head}}}]"
        cors = 'filters: [{type: CORS, cors: {allowOrigins: ["https://a.example"], allowMethods: [GET, PUT], maxAge: 7}}]'
        cls.followed = Followed({
            "gateway.yaml": "---\n".join([CLASS, gateway(
                listener(cls.port), listener(cls.other, "other"), listener(cls.isolated, "wide"),
                listener(cls.isolated, "narrow", "narrow.example"))]),
            "services.yaml": "---\n".join([service("one", of(cls.one)), service("two", of(cls.two)),
                                           service("gone", ("127.0.0.1", free_port()))]),
            "routes.yaml": "---\n".join([
                route("query", to("one"), to("two", more=match % 'queryParams: [{name: to, value: two}]'),
                      hostnames=["query.example"]),
                route("method", to("one"), to("two", more=match % "method: PUT"), hostnames=["method.example"]),
                route("backend-header", by_backend, hostnames=["backend-header.example"]),
                route("response", to("one", more=response), hostnames=["response.example"]),
                route("rewrites", to("one", more=host), to("one", more=path), to("one", more=full),
                      hostnames=["rewrite.example"]),
                route("redirects", redirect("/port", "port: 8443"), redirect("/scheme", "scheme: https"),
                      redirect("/prefix", "path: {type: ReplacePrefixMatch, replacePrefixMatch: /new}"),
                      redirect("/full", "path: {type: ReplaceFullPath, replaceFullPath: /all}"),
                      *(redirect(f"/{code}", f"statusCode: {code}") for code in (303, 307, 308)),
                      hostnames=["redirect.example"]),
                route("time", to("one", more="timeouts: {request: 50ms}"),
                      to("one", more="matches: [{path: {value: /hang/backend}}], timeouts: {backendRequest: 50ms}"),
                      hostnames=["time.example"]),
                route("cors", to("one", more=cors), to("gone", more="matches: [{path: {value: /gone}}], " + cors),
                      "{matches: [{path: {value: /moved}}], filters: [{type: RequestRedirect, requestRedirect: {port: 8443}}, "
                      + cors.removeprefix("filters: [") + "}", hostnames=["cors.example"]),
                route("named", to("one", more="name: first"), hostnames=["named.example"]),
                route("grpc-named", to("one", more="name: first"), hostnames=["grpc-named.example"], kind="GRPCRoute"),
                route("retries", to("one", more="matches: [{path: {value: /hang}}], timeouts: {backendRequest: 100ms}, "
                                                "retry: {attempts: 2, backoff: 1ms}"),
                      to("one", more="retry: {codes: [503], attempts: 2, backoff: 1ms}"), hostnames=["retry.example"]),
                route("mirrors", to("one", more="filters: [%s]" % ", ".join(
                    f"{{type: RequestMirror, requestMirror: {{backendRef: {{name: {name}, port: 80}}}}}}"
                    for name in ("one", "two"))), hostnames=["mirrors.example"]),
                route("by-port", to("one"), hostnames=["by-port.example"])
                .replace("parentRefs: [{name: edge}]", f"parentRefs: [{{name: edge, port: {cls.other}}}]"),
                route("no-such-port", to("one"), hostnames=["no-such-port.example"])
                .replace("parentRefs: [{name: edge}]", "parentRefs: [{name: edge, port: 1}]"),
                route("wide", to("one"), hostnames=["narrow.example", "wide.example"])
                .replace("parentRefs: [{name: edge}]", "parentRefs: [{name: edge, sectionName: wide}]"),
                route("narrow", to("two"), hostnames=["narrow.example"])
                .replace("parentRefs: [{name: edge}]", "parentRefs: [{name: edge, sectionName: narrow}]")])})
        cls.addClassCleanup(cls.followed.close)

    def ask(self, host, path="/name", method="GET", port=None, **fields):
        """(status, head, body)"""
        with Wire(port or self.port) as wire:
            rows = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
            rows += "content-length: 0\r\n" if method == "PUT" else ""
            wire.send(f"{method} {path} HTTP/1.1\r\nhost: {host}\r\n{rows}\r\n".encode())
            status, head, body = wire.answer()
            return status, head.decode().lower(), body.decode()

    def test_HTTPRouteQueryParamMatching(self):
        for path, name in (("/name", "one"), ("/name?to=two", "two"), ("/name?to=twofold", "one"), ("/name?a=b&to=two", "two")):
            self.assertEqual(self.ask("query.example", path)[::2], (200, name), path)

    def test_HTTPRouteMethodMatching(self):
        self.assertEqual(self.ask("method.example")[2], "one")
        self.assertEqual(self.ask("method.example", method="PUT")[2], "two")

    def test_HTTPRouteBackendRequestHeaderModification(self):
        self.assertIn("x-of-backend: 1", self.ask("backend-header.example", "/head")[2].lower())

    def test_HTTPRouteResponseHeaderModification(self):
        head = self.ask("response.example")[1]
        self.assertIn("x-new: 1", head)
        self.assertIn("x-backend: gone", head)
        self.assertNotIn("x-backend: one", head)

    def test_HTTPRouteHostRewrite(self):
        self.assertIn("host: inner.example", self.ask("rewrite.example", "/head")[2].lower())

    def test_HTTPRoutePathRewrite(self):
        self.assertEqual(self.one.requests("/head/to/x?q"), [])
        self.ask("rewrite.example", "/from/x?q")
        self.assertEqual(len(self.one.requests("/head/to/x?q")), 1)
        self.assertTrue(self.ask("rewrite.example", "/whole/x")[2].startswith("GET /head HTTP/1.1"))

    def moved(self, path):
        status, head, _ = self.ask("redirect.example", path)
        return status, re.search(r"location: (\S+)", head)[1]

    def test_HTTPRoutePortRedirect(self):
        self.assertEqual(self.moved("/port"), (302, "http://redirect.example:8443/port"))

    def test_HTTPRouteSchemeRedirect(self):
        self.assertEqual(self.moved("/scheme"), (302, "https://redirect.example/scheme"))

    def test_HTTPRoutePathRedirect(self):
        self.assertEqual(self.moved("/prefix/x"), (302, f"http://redirect.example:{self.port}/new/x"))
        self.assertEqual(self.moved("/full/x"), (302, f"http://redirect.example:{self.port}/all"))

    def test_HTTPRoute303RedirectStatusCode(self):
        self.assertEqual(self.moved("/303")[0], 303)

    def test_HTTPRoute307RedirectStatusCode(self):
        self.assertEqual(self.moved("/307")[0], 307)

    def test_HTTPRoute308RedirectStatusCode(self):
        self.assertEqual(self.moved("/308")[0], 308)

    def test_HTTPRouteRequestTimeout(self):
        self.assertEqual(self.ask("time.example", "/hang")[0], 504)
        self.assertEqual(self.ask("time.example")[0], 200)

    def test_HTTPRouteBackendTimeout(self):
        self.assertEqual(self.ask("time.example", "/hang/backend")[0], 504)

    def test_HTTPRouteCORS(self):
        asked = {"origin": "https://a.example", "access_control_request_method": "PUT"}
        status, head, _ = self.ask("cors.example", method="OPTIONS", **asked)
        self.assertIn(status, (200, 204))
        for row in ("access-control-allow-origin: https://a.example", "access-control-max-age: 7"):
            self.assertIn(row, head)
        self.assertIn("access-control-allow-origin: https://a.example", self.ask("cors.example", origin="https://a.example")[1])
        self.assertNotIn("access-control", self.ask("cors.example", origin="https://b.example")[1])
        for path, status in (("/gone", 503), ("/moved", 302)):  # a page sees what is wrong, and where to go
            got, head, _ = self.ask("cors.example", path, origin="https://a.example")
            self.assertEqual(got, status)
            self.assertIn("access-control-allow-origin: https://a.example", head)

    def test_HTTPRouteNamedRouteRule(self):
        self.assertEqual(self.ask("named.example")[::2], (200, "one"))
        self.assertEqual(self.followed.status()["errors"], 0)

    def test_GRPCRouteNamedRouteRule(self):
        asked = f"http://{self.followed.gateway.admin}/v1/gateway/why?method=POST&url=" \
                f"http://grpc-named.example:{self.port}/a.Service/Method&headers=content-type:%20application/grpc"
        told = json.loads(curl(asked))
        self.assertEqual(told["route"], "GRPCRoute default/grpc-named")
        self.assertEqual(self.followed.status()["errors"], 0)

    def tries(self, path, **fields):
        status = self.ask("retry.example", path, **fields)[0]
        return status, len(self.one.requests(path))

    def test_HTTPRouteRetry(self):
        self.assertEqual(self.tries("/status/503?retry"), (503, 3))
        self.assertEqual(self.tries("/status/501?retry"), (501, 1))

    def test_HTTPRouteRetryConnectionError(self):
        self.assertEqual(self.tries("/reset?retry"), (502, 3))

    def test_HTTPRouteRetryBackendTimeout(self):
        self.assertEqual(self.ask("retry.example", "/hang?retry")[0], 504)
        # The backend may be slower than the time-out: it sees the last try when the answer is there already.
        self.assertTrue(eventually(lambda: len(self.one.requests("/hang?retry")) == 3))

    def test_HTTPRouteRequestMultipleMirrors(self):
        self.assertEqual(self.ask("mirrors.example", "/name?mirrored")[::2], (200, "one"))
        for backend, count in ((self.one, 2), (self.two, 1)):
            self.assertTrue(eventually(lambda: len(backend.requests("/name?mirrored")) == count), backend.name)

    def test_HTTPRouteParentRefPort(self):
        self.assertEqual(self.ask("by-port.example", port=self.other)[0], 200)
        self.assertEqual(self.ask("by-port.example")[0], 404)

    def test_HTTPRouteDestinationPortMatching(self):
        """A parentRef with a port that no listener has finds no parent."""
        route_status = next(one["status"] for one in yaml.safe_load_all(self.followed.conditions())
                            if one and one["metadata"]["name"] == "no-such-port")
        accepted = next(one for one in route_status["parents"][0]["conditions"] if one["type"] == "Accepted")
        self.assertEqual((accepted["status"], accepted["reason"]), ("False", "NoMatchingParent"))
        self.assertEqual(self.ask("no-such-port.example")[0], 404)

    def test_GatewayHTTPListenerIsolation(self):
        """A request belongs to the most special listener, and to its routes alone."""
        self.assertEqual(self.ask("narrow.example", port=self.isolated)[2], "two")
        self.assertEqual(self.ask("wide.example", port=self.isolated)[2], "one")

    def test_GatewayPort8080(self):
        """Any port that is free is served, so that one too."""
        self.assertNotIn(self.port, (80, 443))
        self.assertEqual(self.ask("named.example")[0], 200)


AUTHORITY = """apiVersion: v1
kind: ConfigMap
metadata: {name: ca, namespace: default}
data:
  ca.crt: |
"""


def authority(certificate):
    return AUTHORITY + "".join(f"    {line}\n" for line in certificate.splitlines())


class AloneTest(unittest.TestCase):
    """Features that need a gateway of their own."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.backend = Backend("one")
        self.addCleanup(self.backend.close)
        self.port = free_port()

    def follow(self, *documents, listeners=None, backend=None, protocol=""):
        texts = [CLASS, listeners or gateway(listener(self.port)), route("a", to("s")),
                 service("s", backend or of(self.backend), app_protocol=protocol), *documents]
        followed = Followed({"all.yaml": "---\n".join(texts)})
        self.addCleanup(followed.close)
        return followed

    def status(self):
        with Wire(self.port) as wire:
            wire.send(b"GET /name HTTP/1.1\r\nhost: a.example\r\n\r\n")
            return wire.answer()[0]

    def test_ListenerSet(self):
        more = free_port()
        allowing = gateway(listener(self.port)).replace("spec:\n", "spec:\n  allowedListeners: {namespaces: {from: Same}}\n")
        of_set = "apiVersion: gateway.networking.k8s.io/v1\nkind: ListenerSet\nmetadata: {name: set, namespace: default}\n" \
                 f"spec: {{parentRef: {{name: edge}}, listeners: [{{name: more, port: {more}, protocol: HTTP}}]}}\n"
        its_own = route("b", to("s"), hostnames=["set.example"]).replace("{name: edge}", "{kind: ListenerSet, name: set}")
        self.follow(of_set, its_own, listeners=allowing)
        with Wire(more) as wire:
            wire.send(b"GET /name HTTP/1.1\r\nhost: set.example\r\n\r\n")
            self.assertEqual(wire.answer()[0], 200)

    def test_GatewayStaticAddresses(self):
        good, both = gateway(listener(self.port)), gateway(listener(self.port)).replace(
            'value: "127.0.0.1"}', 'value: "127.0.0.1"}, {type: IPAddress, value: "192.0.2.1"}')  # nobody's (RFC 5737)
        followed = self.follow(listeners=good)

        def programmed():
            """(status, reason, since) of the Gateway, and its addresses."""
            status = next(one["status"] for one in yaml.safe_load_all(followed.conditions())
                          if one and one["kind"] == "Gateway")
            one = next(one for one in status["conditions"] if one["type"] == "Programmed")
            return (one["status"], one["reason"], one["lastTransitionTime"]), \
                [address["value"] for address in status.get("addresses", ())]

        def change(before, after):
            followed.write("all.yaml", (followed.folder / "all.yaml").read_text().replace(before, after))

        first, addresses = programmed()
        self.assertEqual((first[:2], addresses), (("True", "Programmed"), ["127.0.0.1"]))
        self.assertTrue(eventually(lambda: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()) > first[2]))
        change(good, both)
        self.assertTrue(eventually(lambda: programmed()[0][0] == "False"))
        second, addresses = programmed()
        self.assertEqual((second[1], addresses), ("AddressNotUsable", ["127.0.0.1"]))
        self.assertGreater(second[2], first[2])
        self.assertEqual(self.status(), 200, "the address that can be used is served")
        change(both, good)
        self.assertTrue(eventually(lambda: programmed()[0][0] == "True"))
        self.assertEqual(programmed()[1], ["127.0.0.1"])

    def test_GatewayAddressEmpty(self):
        followed = self.follow(listeners=gateway(listener(self.port)).replace(', value: "127.0.0.1"', ""))
        self.assertEqual(self.status(), 200)
        status = next(one["status"] for one in yaml.safe_load_all(followed.conditions()) if one and one["kind"] == "Gateway")
        shown = json.loads(subprocess.check_output(["ip", "-json", "address", "show", "up", "scope", "global"]))
        own = {row["local"] for interface in shown for row in interface.get("addr_info", ()) if "local" in row}
        self.assertEqual({one["value"] for one in status.get("addresses", ())}, own)

    def test_GatewayRouteHostnameIntersectionPrecedence(self):
        """The listeners narrow all routes to one name; what these ask for themselves decides, then age and name."""
        other = Backend("other")
        self.addCleanup(other.close)
        routes = [route("b-wide", to("s"), hostnames=["*.example"]), route("c-own", to("other"), hostnames=["own.a.example"]),
                  route("d-wild", to("other"), hostnames=["*.a.example"])]
        self.follow(service("other", of(other)), *routes,
                    listeners=gateway(listener(self.port, "own", "own.a.example"), listener(self.port, "wild", "*.a.example"),
                                      listener(self.port, "all")))
        for host, backend in (("own.a.example", "other"), ("b.a.example", "other"), ("b.example", "one")):
            with self.subTest(host=host), Wire(self.port) as wire:
                wire.send(f"GET /name HTTP/1.1\r\nhost: {host}\r\n\r\n".encode())
                self.assertEqual(wire.answer()[2].decode(), backend)

    def test_a_start_serves_what_can_be_opened(self):
        nobodys = gateway(listener(self.port)).replace("name: edge", "name: other", 1).replace("127.0.0.1", "192.0.2.1")
        followed = self.follow(nobodys)
        self.assertEqual(self.status(), 200)
        reasons = {one["metadata"]["name"]: condition["reason"] for one in yaml.safe_load_all(followed.conditions())
                   if one and one["kind"] == "Gateway"
                   for condition in one["status"]["conditions"] if condition["type"] == "Programmed"}
        self.assertEqual(reasons, {"edge": "Programmed", "other": "AddressNotUsable"})

    def handshake(self, client=None, name="a.example", host="a.example"):
        """The status of a request over TLS to one name for a host, or the error."""
        context = ssl.create_default_context(cafile=self.folder / "site.pem")
        if client is not None:
            context.load_cert_chain(self.folder / client)
        try:
            with socket.create_connection(("127.0.0.1", self.port), LIMIT) as plain, \
                    context.wrap_socket(plain, server_hostname=name) as peer:
                peer.sendall(f"GET /name HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n".encode())
                return int(peer.recv(65536).split(b" ")[1])
        except (OSError, IndexError) as error:
            return type(error).__name__

    def ask_for_certificates(self, mode):
        site, client, stranger = (make_certificate(self.folder, name) for name in ("a.example", "client", "stranger"))
        (self.folder / "site.pem").write_text(site[0])
        for name, pair in (("client.pem", client), ("stranger.pem", stranger)):
            (self.folder / name).write_text("".join(pair))
        asking = gateway(https(self.port, "tls", "a.example", "site")).replace(
            "spec:\n", "spec:\n  tls: {frontend: {default: {validation: {" + mode +
            'caCertificateRefs: [{group: "", kind: ConfigMap, name: ca}]}}}}\n')
        self.follow(secret("site", *site), authority(client[0]), listeners=asking)

    def test_GatewayFrontendClientCertificateValidation(self):
        self.ask_for_certificates("")
        self.assertEqual(self.handshake("client.pem"), 200)
        self.assertNotEqual(self.handshake("stranger.pem"), 200)
        self.assertNotEqual(self.handshake(), 200)

    def test_GatewayFrontendClientCertificateValidationInsecureFallback(self):
        self.ask_for_certificates("mode: AllowInsecureFallback, ")
        for client in ("client.pem", "stranger.pem", None):
            self.assertEqual(self.handshake(client), 200, client)

    def test_GatewayHTTPSListenerDetectMisdirectedRequests(self):
        """Who has shown no certificate to one listener does not reach another that asks for one by its host name."""
        sites = {name: make_certificate(self.folder, f"{name}.example") for name in ("a", "b", "client")}
        (self.folder / "site.pem").write_text(sites["a"][0] + sites["b"][0])
        (self.folder / "client.pem").write_text("".join(sites["client"]))
        policy = "apiVersion: fairlead.io/v1alpha1\nkind: ClientPolicy\nmetadata: {name: certified, namespace: default}\n" \
                 "spec: {targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: edge, sectionName: b}], " \
                 "tls: {clientValidation: {caCertificateRefs: [{group: \"\", kind: ConfigMap, name: ca}]}}}\n"
        listeners = gateway(https(self.port, "a", "a.example", "site-a"), https(self.port, "b", "b.example", "site-b"))
        self.follow(secret("site-a", *sites["a"]), secret("site-b", *sites["b"]), authority(sites["client"][0]), policy,
                    listeners=listeners)
        self.assertEqual(self.handshake(), 200)
        self.assertEqual(self.handshake("client.pem", "b.example", "b.example"), 200)
        self.assertNotEqual(self.handshake(None, "b.example", "b.example"), 200)
        self.assertEqual(self.handshake(None, "a.example", "b.example"), 421)
        self.assertEqual(self.handshake("client.pem", "b.example", "A.example:443"), 421)
        self.assertEqual(self.handshake(None, "a.example", "c.example"), 404)

    def test_BackendTLSPolicySANValidation(self):
        certificate = make_certificate(self.folder, "a.example")
        (self.folder / "chain.pem").write_text("".join(certificate))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "chain.pem")
        secure = Backend("secure", context=context)
        self.addCleanup(secure.close)
        policy = """apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {name: secure, namespace: default}
spec:
  targetRefs: [{group: "", kind: Service, name: s}]
  validation: {hostname: other.example, subjectAltNames: [{type: Hostname, hostname: NAME}],
               caCertificateRefs: [{group: "", kind: ConfigMap, name: ca}]}
"""
        followed = self.follow(backend=of(secure))
        followed.write("policy.yaml", authority(certificate[0]), policy.replace("NAME", "a.example"))
        self.assertTrue(eventually(lambda: self.status() == 200))
        followed.write("policy.yaml", authority(certificate[0]), policy.replace("NAME", "b.example"))
        self.assertTrue(eventually(lambda: self.status() == 503))

    def test_GatewayBackendClientCertificate(self):
        """A backend that asks for a certificate gets the Gateway's, and a new one once its Secret has another."""
        site, first, second = (make_certificate(self.folder, name) for name in ("a.example", "first", "second"))
        (self.folder / "chain.pem").write_text("".join(site))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "chain.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=first[0] + second[0])
        secure = Backend("secure", context=context)
        self.addCleanup(secure.close)
        policy = """apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {name: secure, namespace: default}
spec:
  targetRefs: [{group: "", kind: Service, name: s}]
  validation: {hostname: a.example, caCertificateRefs: [{group: "", kind: ConfigMap, name: ca}]}
"""
        plain = gateway(listener(self.port))
        showing = plain.replace("spec:\n", "spec:\n  tls: {backend: {clientCertificateRef: {name: own}}}\n")
        followed = self.follow(authority(site[0]), policy, backend=of(secure), listeners=plain)
        refused = (502, 503)  # TLS 1.3: by the backend, when the handshake is over for us
        self.assertIn(self.status(), refused)
        common = [CLASS, route("a", to("s")), service("s", of(secure)), authority(site[0]), policy]
        followed.write("all.yaml", *common, showing, secret("own", *first))
        self.assertTrue(eventually(lambda: self.status() == 200))
        self.assertEqual(secure.certified[-1], "first")
        followed.write("all.yaml", *common, showing, secret("own", *second))
        self.assertTrue(eventually(lambda: self.status() == 200 and secure.certified[-1] == "second"))
        followed.write("all.yaml", *common, plain)
        self.assertTrue(eventually(lambda: self.status() in refused))

    def test_HTTPRouteBackendProtocolWebSocket(self):
        key = base64.b64encode(os.urandom(16)).decode()

        class Echo(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                accept = hashlib.sha1((self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode())
                self.send_response(101)
                self.send_header("Upgrade", "websocket")
                self.send_header("Connection", "Upgrade")
                self.send_header("Sec-WebSocket-Accept", base64.b64encode(accept.digest()).decode())
                self.end_headers()
                self.wfile.write(self.rfile.read(5).upper())
                self.close_connection = True

            def log_message(self, *words):
                pass
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
        self.addCleanup(server.server_close)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.shutdown)
        self.follow(backend=("127.0.0.1", server.server_port), protocol="kubernetes.io/ws")
        with Wire(self.port) as wire:
            wire.send(f"GET / HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-key: {key}\r\n"
                      "sec-websocket-version: 13\r\n\r\n".encode())
            self.assertIn(b" 101 ", wire.until(b"\r\n\r\n"))
            wire.send(b"hello")
            self.assertEqual(wire.until(b"HELLO"), b"HELLO")


if __name__ == "__main__":
    unittest.main()
