# SPDX-License-Identifier: Apache-2.0
"""Corner cases of Kong's routes and plugins, from its own file and from what that converts to."""
import json

from kong_plugins_test import KongCase
from kong_test import ask
from objects import free_port
from support import Gateway


class KongCases(KongCase):
    def test_hosts_that_are_no_names_of_gateway_api(self):
        text = self.service("name: a, hosts: [a_b.example, '*suffix', 'prefix*'], paths: [/a], strip_path: false",
                            "name: b, hosts: [a-b.example], paths: [/a/b], strip_path: false")

        def check(http):
            for host, status in (("a_b.example", 200), ("A_B.example:80", 200), ("any.suffix", 200), ("suffix", 200), ("prefix.x", 200),
                                 ("prefix", 200), ("aab.example", 404), ("suffix.x", 404), ("a-b.example", 404)):
                self.assertEqual(ask(http, "/a", host=host)[0], status, host)
            self.assertEqual(ask(http, "/a/b", host="a-b.example")[0], 200)
        self.both(text, check)

    def test_terminations_with_bodies_of_any_kind(self):
        rows = (("'<h1>down</h1>'", "", "<h1>down</h1>", "text/html; charset=utf-8"),
                ("'gone fishing'", "", "gone fishing", "text/plain; charset=utf-8"),
                ("'{\"a\": 1}'", "", '{"a": 1}', "application/json; charset=utf-8"),
                ("'not { json'", ", content_type: application/json", "not { json", "application/json"),
                ("'a'", ", content_type: text/css", "a", "text/css"))
        text = self.service(*(f"name: r{i}, paths: [/r{i}], plugins: [{{name: request-termination, config: {{body: {body}{more}}}}}]"
                              for i, (body, more, _, _) in enumerate(rows)))

        def check(http):
            for i, (_, _, body, kind) in enumerate(rows):
                status, fields, got = ask(http, f"/r{i}")
                self.assertEqual((status, got.decode(), fields["content-type"]), (503, body, kind))
        self.both(text, check)

    def test_a_route_is_left_out_with_its_condition(self):
        path = self.folder / "kong.yaml"
        path.write_text("_format_version: '3.0'\n" + self.service("name: a, paths: [/a]", "name: b, expression: http.path == \"/b\"",
                                                                 "name: c, paths: [/c], sources: [{ip: 10.0.0.0/8}]"))
        port = free_port()
        gateway = Gateway("--config", path, "--listen", f"127.0.0.1:{port}", "--allow-partial")
        self.addCleanup(gateway.close)
        self.assertEqual([ask(port, path)[0] for path in ("/a", "/b", "/c", "/")], [200, 404, 404, 404])
        self.assertTrue(any("sources" in line for line in gateway.errors), gateway.errors)

    def test_no_way_out_of_a_services_path(self):
        text = (f"services: [{{name: s, url: 'http://127.0.0.1:{self.one.port}/base'}}]\nroutes:\n- {{name: a, service: s, paths: [/a]}}\n"
                "- {name: b, service: s, paths: ['~/b[0-9]']}\n")

        def check(http):
            for path, sent in (("/a../x", "/base/x"), ("/a%2E%2e/x", "/base/x"), ("/a./x", "/base/x"), ("/a..", "/base"), ("/b1../x", "/base/x"),
                               ("/a.../x", "/base/.../x"), ("/a/../a/x", "/base/x")):
                self.assertEqual(ask(http, path)[0], 200, path)
                self.assertEqual(self.one.requests()[-1][0], sent, path)
        self.both(text, check)

    def test_hosts_with_ports(self):
        text = self.service("name: any, hosts: [a.example], paths: [/x], strip_path: false", "name: one, hosts: ['a.example:8080'], paths: [/x]",
                            "name: wild, hosts: ['*.b.example:8080'], paths: [/x]")

        def check(http):
            for host, path in (("a.example", "/x"), ("a.example:81", "/x"), ("a.example:8080", "/"), ("x.b.example:8080", "/")):
                self.assertEqual(ask(http, "/x", host=host)[0], 200, host)
                self.assertEqual(self.one.requests()[-1][0], path, host)
            for host in ("x.b.example", "x.b.example:81", "b.example:8080"):
                self.assertEqual(ask(http, "/x", host=host)[0], 404, host)
        self.both(text, check)


if __name__ == "__main__":
    unittest.main()
