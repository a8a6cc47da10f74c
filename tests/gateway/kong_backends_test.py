# SPDX-License-Identifier: Apache-2.0
"""Backends, listeners and shared limits of Kong's own file: what its users write, served as they expect."""
import json
import pathlib
import shutil
import socket
import ssl
import tempfile
import threading
import unittest

from backend import Backend
from kong_test import ask, last
from name_server import NameServer
from objects import free_port, make_certificate
from redis_test import Redis
from support import Gateway, curl, eventually


class KongBackendsTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="fl-kong-backends-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.http, self.https = free_port(), free_port()

    def backend(self, name, **more):
        made = Backend(name, **more)
        self.addCleanup(made.close)
        return made

    def start(self, text, *arguments, workers=1):
        path = self.folder / "kong.yaml"
        path.write_text('_format_version: "3.0"\n' + text)
        gateway = Gateway("--config", path, "--listen", f"127.0.0.1:{self.http}", "--listen", f"127.0.0.1:{self.https}",
                          *arguments, workers=workers)
        self.addCleanup(gateway.close)
        return gateway

    def counts(self, backends, requests):
        """How many of so many requests each has got."""
        before = [len(backend.requests()) for backend in backends]
        for _ in range(requests):
            self.assertEqual(ask(self.http)[0], 200)
        return [len(backend.requests()) - count for backend, count in zip(backends, before)]

    def pool(self, targets, more=""):
        rows = "".join(f"  - {{target: '{target}', weight: {weight}}}\n" for target, weight in targets)
        return (f"upstreams:\n- name: pool\n{more}  targets:\n{rows}"
                "services: [{name: s, host: pool, routes: [{name: r, paths: [/]}]}]\n")

    def test_targets_share_by_weight_and_are_asked_by_their_own_names(self):
        one, two, none = self.backend("one"), self.backend("two"), self.backend("none")
        at = [f"127.0.0.1:{backend.port}" for backend in (one, two, none)]
        self.start(self.pool([(at[0], 300), (at[1], 100), (at[2], 0)]))
        self.assertEqual(self.counts((one, two, none), 40), [30, 10, 0])
        self.assertEqual([fields["host"] for _, fields in last(one, two)], at[:2])

    def test_a_host_header_is_that_of_all_targets(self):
        one, two = self.backend("one"), self.backend("two")
        self.start(self.pool([(f"127.0.0.1:{one.port}", 100), (f"127.0.0.1:{two.port}", 100)],
                             "  host_header: shop.example\n"))
        self.assertEqual(self.counts((one, two), 10), [5, 5])
        self.assertEqual([fields["host"] for _, fields in last(one, two)], ["shop.example"] * 2)

    def test_targets_by_name(self):
        names = NameServer()
        self.addCleanup(names.close)
        names.records.update({"one.test": ["127.0.0.1"], "two.test": ["127.0.0.1"]})
        one, two = self.backend("one"), self.backend("two")
        at = [f"one.test:{one.port}", f"Two.test:{two.port}"]
        self.start(self.pool([(at[0], 10), (at[1], 30)]), "--dns", names.address)
        self.assertEqual(self.counts((one, two), 40), [10, 30])
        self.assertEqual([fields["host"] for _, fields in last(one, two)], [text.lower() for text in at])

    def test_a_target_that_fails_gets_nothing_for_a_while(self):
        one = self.backend("one")
        self.start(self.pool([(f"127.0.0.1:{one.port}", 100)],
                             "  healthchecks: {passive: {unhealthy: {http_failures: 3}}}\n"))
        self.assertEqual([ask(self.http, "/status/500")[0] for _ in range(5)], [500, 500, 500, 503, 503])

    def test_statuses_that_count_are_those_of_the_file(self):
        one = self.backend("one")
        self.start(self.pool([(f"127.0.0.1:{one.port}", 100)], "  healthchecks: {passive: {unhealthy: "
                             "{http_failures: 2, http_statuses: [429, 404]}}}\n"))
        asked = [500, 500, 500, 404, 500, 429, 429]
        self.assertEqual([ask(self.http, f"/status/{status}")[0] for status in asked], [500, 500, 500, 404, 500, 429, 503])

    def test_statuses_of_checks_are_those_of_the_file(self):
        """An answer that is in neither list says nothing: the target stays as it is."""
        one = self.backend("one")
        checks = ("  healthchecks: {{active: {{http_path: /status/404, healthy: {{interval: 0.05, http_statuses: [200]}}, "
                  "unhealthy: {{interval: 0.05, http_failures: 1{0}}}}}}}\n")
        gateway = self.start(self.pool([(f"127.0.0.1:{one.port}", 100)], checks.format(", http_statuses: [500]")))
        self.assertTrue(eventually(lambda: len(one.requests("/status/404")) >= 5))
        self.assertEqual(ask(self.http)[0], 200)
        gateway.close()
        self.start(self.pool([(f"127.0.0.1:{one.port}", 100)], checks.format("")))
        self.assertTrue(eventually(lambda: ask(self.http)[0] == 503), "404 is among the failures that are usual")

    def test_an_upstream_needs_as_much_as_its_threshold(self):
        one, two, gone = self.backend("one"), self.backend("two"), free_port()
        checks = "  healthchecks: {{threshold: {0}, active: {{type: tcp, healthy: {{interval: 0.05}}, unhealthy: {{interval: 0.05, tcp_failures: 1}}}}}}\n"
        targets = [(f"127.0.0.1:{one.port}", 25), (f"127.0.0.1:{two.port}", 25), (f"127.0.0.1:{gone}", 50)]

        def served_by(threshold):
            gateway = self.start(self.pool(targets, checks.format(threshold)))
            self.assertTrue(eventually(lambda: json.loads(curl(f"http://{gateway.admin}/v1/status"))["healthChecks"]["failing"] == 1))
            seen = {ask(self.http)[0] for _ in range(8)}
            gateway.close()
            return seen

        self.assertEqual(served_by(50), {200})
        self.assertEqual(served_by(51), {503})

    def test_a_certificate_that_a_service_shows_its_backends(self):
        certificate, key = make_certificate(self.folder, "gateway.example")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        pem = self.folder / "backend.pem"
        pem.write_text("".join(make_certificate(self.folder, "backend.example")))
        context.load_cert_chain(pem)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=certificate)
        one = self.backend("one", context=context)
        rows = [f"- {{name: {name}, protocol: https, host: {host}, port: {one.port}, {more}routes: [{{paths: [/{name}]}}]}}\n"
                for name, host, more in (("with", "127.0.0.1", "client_certificate: {id: mine}, "), ("without", "127.0.0.1", ""),
                                         ("pooled", "pool", ""))]
        text = "".join(f"    {line}\n" for line in certificate.splitlines()), "".join(f"    {line}\n" for line in key.splitlines())
        self.start("services:\n" + "".join(rows) + f"certificates:\n- id: mine\n  cert: |\n{text[0]}  key: |\n{text[1]}"
                   f"upstreams: [{{name: pool, client_certificate: mine, targets: [{{target: '127.0.0.1:{one.port}'}}]}}]\n")
        self.assertEqual([ask(self.http, f"/{name}")[0] for name in ("with", "without", "pooled")], [200, 502, 200])
        self.assertEqual(set(one.certified) - {None}, {"gateway.example"})
        shown = ssl.get_server_certificate(("127.0.0.1", self.https))
        self.assertNotEqual(shown.split(), certificate.split(), "it is shown to backends alone")

    def test_requests_stay_at_what_their_path_cookie_or_caller_hashes_to(self):
        targets = [(f"127.0.0.1:{self.backend(name).port}", 100) for name in ("one", "two", "three")]
        keys = "".join(f"- {{username: c{number}, keyauth_credentials: [{{key: '{number}'}}]}}\n" for number in range(12))
        keyed = f"consumers:\n{keys}plugins: [{{name: key-auth, config: {{anonymous: nobody}}}}]\n"
        nobody = "- {username: nobody}\nplugins"
        for hash_on, more, of in (("hash_on: path", "", lambda n: [f"/path/{n}"]),
                                  ("hash_on: cookie, hash_on_cookie: c", "", lambda n: ["/", "-H", f"cookie: c={n}"]),
                                  ("hash_on: consumer", keyed.replace("plugins", nobody), lambda n: ["/", "-H", f"apikey: {n}"]),
                                  ("hash_on: header, hash_on_header: x-k", "", lambda n: ["/", "-H", f"x-k: {n}"]),
                                  ("hash_on: header, hash_on_header: x-k, hash_fallback: path", "", lambda n: [f"/path/{n}"]),
                                  ("hash_on: header, hash_on_header: x-k, hash_fallback: header, hash_fallback_header: x-f", "",
                                   lambda n: ["/", "-H", f"x-f: {n}"]),
                                  ("hash_on: cookie, hash_on_cookie: c, hash_fallback: query_arg, hash_fallback_query_arg: q", "",
                                   lambda n: [f"/?q={n}"])):
            with self.subTest(hash_on):
                rows = "".join(f"  {row}\n" for row in hash_on.split(", "))
                gateway = self.start(self.pool(targets, "  algorithm: consistent-hashing\n" + rows) + more)
                asked = [{ask(self.http, *of(number))[1]["x-backend"] for _ in range(3)} for number in range(12)]
                self.assertEqual({len(names) for names in asked}, {1})
                self.assertGreater(len(set().union(*asked)), 1)
                gateway.close()

    def test_a_client_gets_the_cookie_that_it_is_hashed_by(self):
        targets = [(f"127.0.0.1:{self.backend(name).port}", 100) for name in ("one", "two", "three")]
        self.start(self.pool(targets, "  hash_on: cookie\n  hash_on_cookie: stay\n  hash_on_cookie_path: /app\n"))
        fields = ask(self.http, "/")[1]
        self.assertIn("; Path=/app;", fields["set-cookie"])
        cookie = fields["set-cookie"].split(";")[0]
        self.assertRegex(cookie, "^stay=.+")
        self.assertEqual({ask(self.http, "/", "-H", f"cookie: {cookie}")[1]["x-backend"] for _ in range(5)},
                         {fields["x-backend"]})

    def test_grpc(self):
        one, grpc = self.backend("one"), ("--http2-prior-knowledge", "-X", "POST", "-H", "content-type: application/grpc")
        inner = Gateway("--listen", "127.0.0.1:0", "--to", f"http://127.0.0.1:{one.port}")
        self.addCleanup(inner.close)
        first = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(first.close)
        row = "- {{name: {0}, protocol: grpc, host: 127.0.0.1, port: {1}, routes: [{{paths: [/{0}.], protocols: [{2}]}}]}}\n"
        self.start("services:\n" + row.format("a", inner.ports[0], "grpc, grpcs")
                   + row.format("b", first.getsockname()[1], "grpc") + row.format("c", inner.ports[0], "grpcs"))
        self.assertEqual(ask(self.http, "/a.Service/Call", *grpc)[0], 200)
        self.assertEqual(last(one)[0][0], "/a.Service/Call")
        status, fields, body = ask(self.http, "/a.Service/Call", "-H", "content-type: application/json")
        self.assertEqual((status, json.loads(body)["message"]), (415, "Non-gRPC request matched gRPC route"))
        self.assertEqual(ask(self.http, "/c.Service/Call")[0], 426)
        self.assertEqual(ask(self.https, "/c.Service/Call", "-X", "POST", "-H", grpc[-1], "--http2", scheme="https")[0], 200)
        asking = threading.Thread(target=ask, args=(self.http, "/b.Service/Call", *grpc))
        asking.start()
        connection = first.accept()[0]
        self.assertEqual(connection.recv(14), b"PRI * HTTP/2.0")
        connection.close()
        first.close()
        asking.join()

    def test_a_certificate_is_there_where_the_file_has_none(self):
        one = self.backend("one")
        self.start(f"services: [{{url: 'http://127.0.0.1:{one.port}', routes: [{{paths: [/]}}]}}]\n")
        self.assertEqual(ask(self.https, "/name", scheme="https")[2], b"one")

    def test_certificates_of_backends_are_verified_where_the_file_says_so(self):
        certificate, key = make_certificate(self.folder, "backend.example")
        pem = self.folder / "backend.pem"
        pem.write_text(certificate + key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        names = []
        context.sni_callback = lambda connection, name, of: names.append(name)
        one = self.backend("one", context=context)
        row = "- {{name: {0}, protocol: https, host: 127.0.0.1, port: {1}, {2}routes: [{{paths: [/{0}]}}]}}\n"
        pooled = ("- {name: verified, protocol: https, host: pool, tls_verify: true, "
                  "routes: [{paths: [/verified]}]}\n")
        self.start("services:\n" + row.format("silent", one.port, "") + row.format("not", one.port, "tls_verify: false, ")
                   + pooled + f"upstreams: [{{name: pool, host_header: backend.example, targets: "
                   f"[{{target: '127.0.0.1:{one.port}'}}]}}]\n")
        self.assertEqual(ask(self.http, "/silent")[0], 200)
        self.assertEqual(ask(self.http, "/not")[0], 200)
        self.assertEqual(set(names), {None}, "an address has no name")
        self.assertEqual(ask(self.http, "/verified")[0], 502)
        self.assertEqual(names[-1], "backend.example")

    def test_a_correlation_id_is_kept_or_made_and_told(self):
        one = self.backend("one")
        self.start(f"services:\n- url: http://127.0.0.1:{one.port}\n  routes:\n"
                   "  - {paths: [/counted], plugins: [{name: correlation-id, config: {echo_downstream: true}}]}\n"
                   "  - {paths: [/random], plugins: [{name: correlation-id, config: {generator: uuid, header_name: X-ID}}]}\n")
        uuid = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
        told = [ask(self.http, "/counted")[1]["kong-request-id"] for _ in range(2)]
        self.assertEqual(last(one)[0][1]["kong-request-id"], told[1])
        for text in told:
            self.assertRegex(text, f"^{uuid}#[0-9]+$")
        (made, first), (again, second) = (text.split("#") for text in told)
        self.assertEqual(made, again)
        self.assertLess(int(first), int(second))
        self.assertEqual(ask(self.http, "/counted", "-H", "kong-request-id: mine")[1]["kong-request-id"], "mine")
        self.assertNotIn("x-id", ask(self.http, "/random")[1])
        self.assertRegex(last(one)[0][1]["x-id"], f"^{uuid}$")

    def test_limits_in_a_redis_with_tls(self):
        """Kong verifies its certificate only where ssl_verify says so."""
        make_certificate(self.folder, "redis.example")
        tls_port, one = free_port(), self.backend("one")
        Redis(self, "--tls-port", tls_port, "--tls-cert-file", self.folder / "crt.pem", "--tls-key-file", self.folder / "key.pem",
              "--tls-ca-cert-file", self.folder / "crt.pem", "--tls-auth-clients", "no")
        for verify, expected in (("", [200, 200, 429]), (", ssl_verify: true, server_name: redis.example", [500, 500, 500])):
            with self.subTest(verify=verify):
                gateway = self.start(f"services: [{{url: 'http://127.0.0.1:{one.port}', routes: [{{name: r, paths: [/]}}]}}]\n"
                                     "plugins: [{name: rate-limiting, config: {month: 2, policy: redis, fault_tolerant: false, "
                                     f"redis: {{host: 127.0.0.1, port: {tls_port}, ssl: true{verify}}}}}}}]\n")
                self.assertEqual([ask(self.http)[0] for _ in range(3)], expected)
                gateway.close()

    def test_consumers_have_any_names(self):
        one = self.backend("one")
        names = ["Bob@Example.com", "bob_example_com", "plain"]
        rows = "".join(f"- {{username: '{name}', keyauth_credentials: [{{key: key-{number}}}]}}\n"
                       for number, name in enumerate(names))
        self.start(f"services:\n- url: http://127.0.0.1:{one.port}\n  routes: [{{name: r, paths: [/]}}]\n"
                   "  plugins: [{name: key-auth}]\n"
                   f"consumers:\n{rows}- {{custom_id: only-this, keyauth_credentials: [{{key: key-3}}]}}\n"
                   "plugins: [{name: rate-limiting, consumer: 'Bob@Example.com', config: {hour: 2, policy: local}}]\n")
        for number, name in enumerate(names + ["only-this"]):
            self.assertEqual(ask(self.http, "/", "-H", f"apikey: key-{number}")[0], 200)
            fields = last(one)[0][1]
            self.assertEqual(fields["x-consumer-username"], name)
            self.assertEqual(fields.get("x-consumer-custom-id"), "only-this" if number == 3 else None)
        self.assertEqual([ask(self.http, "/", "-H", "apikey: key-0")[0] for _ in range(2)], [200, 429])
        self.assertEqual(ask(self.http, "/", "-H", "apikey: key-1")[0], 200)

    def test_one_limit_counts_for_however_many_routes(self):
        one = self.backend("one")
        routes = "".join(f"  - {{name: r{number}, paths: [/{number}/]}}\n" for number in range(40))
        self.start(f"services:\n- url: http://127.0.0.1:{one.port}\n  routes:\n{routes}"
                   "plugins: [{name: rate-limiting, config: {hour: 3, policy: local, limit_by: ip}}]\n")
        self.assertEqual([ask(self.http, f"/{number}/")[0] for number in (0, 17, 39, 5)], [200, 200, 200, 429])


if __name__ == "__main__":
    unittest.main()
