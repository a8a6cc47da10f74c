# SPDX-License-Identifier: Apache-2.0
"""fairlead-gateway --config: Gateway API objects that are served, and followed as they change."""
import asyncio
import base64
import collections
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import unittest

import websockets
import yaml
from backend import Backend
from objects import (CLASS, Followed, free_port, gateway, http, https, make_certificate, of, route, secret, service, to)
from support import LIMIT, PROGRAM, Gateway, Wire, curl, eventually


def join(*documents):
    return "---\n".join(documents)


def ask(port, path="/name", host="a.example", method="GET", fields=()):
    """(status, head, body) of one request on a connection of its own."""
    with Wire(port) as wire:
        rows = "".join(f"{name}: {value}\r\n" for name, value in fields)
        wire.send(f"{method} {path} HTTP/1.1\r\nhost: {host}\r\n{rows}\r\n".encode())
        status, head, body = wire.answer()
        return status, head.decode().lower(), body.decode()


def answer_all(listener, body):
    """Until the listener is closed: one answer for each connection."""
    def answer(one):
        with one:
            if one.recv(4096):
                one.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))

    while True:
        try:
            one = listener.accept()[0]
        except OSError:
            return
        threading.Thread(target=answer, args=(one,), daemon=True).start()


class Asker:
    """Asks all the time on one connection, and keeps what is not a 200."""

    def __init__(self, test, port, host="a.example", path="/name", wrap=None):
        self.wire = Wire(port)
        if wrap is not None:
            self.wire.socket = wrap(self.wire.socket)
        self.request = f"GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n".encode()
        self.seen, self.wrong, self.running = collections.Counter(), [], True
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        test.addCleanup(self.stop)

    def run(self):
        try:
            while self.running:
                self.wire.send(self.request)
                status, head, body = self.wire.answer()
                if status != 200 or b"connection: close" in head.lower():
                    self.wrong.append((status, head, body))
                self.seen[body.decode()] += 1
        except (OSError, EOFError) as error:
            self.wrong.append(error)

    def await_more(self, name, count=50):
        """Until so many more answers were `name`'s."""
        before = self.seen[name]
        return eventually(lambda: self.wrong or self.seen[name] >= before + count) and not self.wrong

    def stop(self):
        self.running = False
        self.thread.join(LIMIT)
        self.wire.socket.close()
        return self.wrong


class ServedTest(unittest.TestCase):
    """What a configuration means, without changes."""

    @classmethod
    def setUpClass(cls):
        cls.backends = {name: Backend(name) for name in ("one", "two", "three")}
        for backend in cls.backends.values():
            cls.addClassCleanup(backend.close)
        cls.port = free_port()
        services = [service(name, of(backend)) for name, backend in cls.backends.items()] + [service("empty")]
        header = 'filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-set, value: "1"}], ' \
                 'remove: [x-gone]}}, {type: ResponseHeaderModifier, responseHeaderModifier: {add: [{name: x-added, ' \
                 'value: "2"}]}}]'
        rewrite = 'matches: [{path: {value: /old}}], filters: [{type: URLRewrite, urlRewrite: {hostname: inner.example, ' \
                  'path: {type: ReplacePrefixMatch, replacePrefixMatch: /head}}}]'
        redirect = '{matches: [{path: {value: /away}}], filters: [{type: RequestRedirect, requestRedirect: {scheme: https, ' \
                   'hostname: other.example, statusCode: 301}}]}'
        cls.followed = Followed({
            "gateway.yaml": join(CLASS, gateway(http(cls.port))),
            "services.yaml": join(*services),
            "routes.yaml": join(
                route("a", to("one"), to("two", more="matches: [{path: {value: /two}}]"),
                      to("three", more="matches: [{path: {value: /two}, method: POST}]"),
                      to("three", more='matches: [{headers: [{name: x-canary, value: "yes"}]}]'),
                      hostnames=["a.example"]),
                route("split", to(("one", 9), ("two", 1), ("three", 0)), hostnames=["split.example"]),
                route("wild", to("three"), hostnames=["*.wild.example"]),
                route("headers", to("one", more=header), hostnames=["headers.example"]),
                route("rewrite", to("one", more=rewrite), redirect, hostnames=["paths.example"]),
                route("empty", to("empty"), hostnames=["empty.example"]),
                route("missing", to("missing"), hostnames=["missing.example"]),
                route("half", to("one", "missing"), hostnames=["half.example"]),
                route("slow", to("one", more='timeouts: {request: 50ms}'), hostnames=["slow.example"]))})
        cls.addClassCleanup(cls.followed.close)

    def test_host_path_method_and_header_choose_the_rule(self):
        rows = [("a.example", "/name", "GET", (), "one"), ("a.example", "/two/x", "GET", (), "two"),
                ("a.example", "/twofold", "GET", (), "one"), ("a.example", "/two", "POST", (), "three"),
                ("a.example", "/name", "GET", [("X-Canary", "yes")], "three"),
                ("a.example", "/name", "GET", [("X-Canary", "no")], "one"),
                ("A.EXAMPLE", "/name", "GET", (), "one"), (f"a.example:{self.port}", "/name", "GET", (), "one"),
                ("x.wild.example", "/name", "GET", (), "three"), ("x.y.wild.example", "/name", "GET", (), "three")]
        for host, path, method, fields, name in rows:
            with self.subTest(host=host, path=path, method=method, fields=fields):
                fields = list(fields) + ([("content-length", "0")] if method == "POST" else [])
                self.assertEqual(ask(self.port, path, host, method, fields)[::2], (200, name))

    def test_what_nobody_serves_gets_its_status(self):
        rows = [("unknown.example", 404), ("wild.example", 404), ("empty.example", 503), ("missing.example", 500)]
        for host, status in rows:
            with self.subTest(host=host):
                self.assertEqual(ask(self.port, host=host)[0], status)

    def test_weights_share_requests(self):
        seen = collections.Counter(ask(self.port, host="split.example")[2] for _ in range(400))
        self.assertEqual(set(seen), {"one", "two"})
        self.assertTrue(10 <= seen["two"] <= 90, seen)  # 40 are expected; 5 standard deviations

    def test_an_invalid_backend_takes_its_share(self):
        seen = collections.Counter(ask(self.port, host="half.example")[0] for _ in range(200))
        self.assertEqual(set(seen), {200, 500})

    def test_headers_are_changed_both_ways(self):
        _, head, body = ask(self.port, "/head", "headers.example", fields=[("x-gone", "3"), ("x-set", "0")])
        self.assertIn("x-added: 2", head)
        self.assertIn("x-set: 1", body)
        self.assertNotIn("x-set: 0", body)
        self.assertNotIn("x-gone", body)

    def test_paths_are_rewritten(self):
        status, _, body = ask(self.port, "/old/x", "paths.example")
        self.assertEqual(status, 200)
        self.assertTrue(body.startswith("GET /head/x HTTP/1.1"), body)
        self.assertIn("host: inner.example", body.lower())

    def test_redirects(self):
        status, head, _ = ask(self.port, "/away/x?q=1", "paths.example")
        self.assertEqual(status, 301)
        self.assertIn("location: https://other.example/away/x?q=1", head)

    def test_a_route_s_timeout_is_a_504(self):
        self.assertEqual(ask(self.port, "/hang", "slow.example")[0], 504)

    def test_status_says_what_a_controller_would(self):
        text = self.followed.conditions()
        documents = {part.split("\nmetadata:")[0].split("kind: ")[1] + " " + part.split("name: ")[1].split("\n")[0]: part
                     for part in text.split("---\n") if "kind: " in part}
        self.assertIn("attachedRoutes: 9", documents["Gateway edge"])
        self.assertIn("reason: BackendNotFound", documents["HTTPRoute missing"])
        self.assertIn("reason: ResolvedRefs", documents["HTTPRoute a"])
        counts = self.followed.status()
        self.assertEqual((counts["listeners"], counts["routes"], counts["errors"]), (1, 9, 0))
        self.assertEqual(counts["clusters"], 4)

    def test_metrics_count_the_configuration(self):
        page = curl(f"http://{self.followed.gateway.admin}/metrics").decode()
        self.assertIn("fairlead_gateway_routes 9", page)
        self.assertIn("fairlead_gateway_config_errors 0", page)


class ChangeTest(unittest.TestCase):
    def setUp(self):
        self.one, self.two = Backend("one"), Backend("two")
        self.addCleanup(self.one.close)
        self.addCleanup(self.two.close)
        self.port = free_port()

    def follow(self, files, **options):
        followed = Followed(files, **options)
        self.addCleanup(followed.close)
        return followed

    def plain(self, **options):
        return self.follow({"gateway.yaml": join(CLASS, gateway(http(self.port))), "route.yaml": route("a", to("s")),
                            "service.yaml": join(service("s", of(self.one)), service("t", of(self.two)))}, **options)

    def test_routes_and_endpoints_change_under_load_and_nothing_fails(self):
        followed = self.plain(workers=2)
        askers = [Asker(self, self.port) for _ in range(4)]
        for asker in askers:
            self.assertTrue(asker.await_more("one"))
        followed.write("route.yaml", route("a", to("t")))
        for asker in askers:
            self.assertTrue(asker.await_more("two"), asker.wrong)
        followed.write("service.yaml", join(service("s", of(self.one)), service("t", of(self.one))))
        for asker in askers:
            self.assertTrue(asker.await_more("one"), asker.wrong)
        for number in range(30):  # others come, change and go
            away = "{filters: [{type: RequestRedirect, requestRedirect: {statusCode: 301}}]}"
            followed.write("more.yaml", route(f"more-{number % 3}", away, hostnames=[f"h{number}.example"]))
        self.assertTrue(eventually(lambda: ask(self.port, host="h29.example")[0] == 301))
        self.assertEqual({ask(self.port, host=f"h{number}.example")[0] for number in range(29)}, {200})  # a's again
        followed.remove("more.yaml")
        self.assertTrue(eventually(lambda: followed.status()["routes"] == 1))
        self.assertEqual(followed.status()["clusters"], 1)
        for asker in askers:
            self.assertTrue(asker.await_more("one"), asker.wrong)
        self.assertEqual([asker.stop() for asker in askers], [[], [], [], []])

    def test_files_that_are_copied_one_after_the_other_are_one_change(self):
        """A route to a new Service first, that Service last, and hundreds between, as `cp` and `sed -i` write them."""
        between = {f"m{number:03}.yaml": route(f"m{number}", to("s"), hostnames=[f"m{number}.example"])
                   for number in range(300)}
        followed = self.follow({"0.yaml": join(CLASS, gateway(http(self.port)), service("s", of(self.one))),
                                "a.yaml": route("a", to("s")), **between})
        source = pathlib.Path(tempfile.mkdtemp(prefix="fl-source-"))
        self.addCleanup(shutil.rmtree, source)
        for name, text in between.items():
            (source / name).write_text(text.replace(".example", ".example.org"))
        (source / "a.yaml").write_text(route("a", to("fresh")))
        (source / "z.yaml").write_text(service("fresh", of(self.two)))
        asker = Asker(self, self.port)
        self.assertTrue(asker.await_more("one"))
        before = followed.status()["changes"]
        subprocess.run(["cp", *sorted(source.iterdir()), followed.folder], check=True)
        self.assertTrue(asker.await_more("two"), asker.wrong)
        self.assertLess(followed.status()["changes"], before + 10)  # one, unless cp is not let run
        self.assertEqual(ask(self.port, host="m299.example.org")[2], "one")
        text = "s/example.org/example.net/"
        subprocess.run(["sed", "-i", text, *sorted(followed.folder.glob("m*.yaml"))], check=True)
        self.assertTrue(eventually(lambda: ask(self.port, "/name", "m299.example.net")[2] == "one"))
        self.assertLess(followed.status()["changes"], before + 20)  # two: a rename alone is not held up for long
        self.assertEqual(asker.stop(), [])

    def test_who_waits_for_a_backend_that_leaves_is_answered(self):
        """The Service goes while a request waits for a connection to it: its backend takes none before."""
        with socket.create_server(("127.0.0.1", 0), backlog=0) as full, socket.create_connection(full.getsockname()):
            followed = self.follow({"gateway.yaml": join(CLASS, gateway(http(self.port))), "route.yaml": route("a", to("s")),
                                    "service.yaml": join(service("s", full.getsockname()), service("t", of(self.two)))})
            wire = Wire(self.port)
            self.addCleanup(wire.socket.close)
            wire.send(b"GET /name HTTP/1.1\r\nhost: a\r\n\r\n")
            waits = 'fairlead_gateway_backend_pool_total{backend="default/s:80",result="wait"}'
            self.assertTrue(eventually(lambda: waits in curl(f"http://{followed.gateway.admin}/metrics").decode()))
            before = followed.status()["changes"]
            followed.write("route.yaml", route("a", to("t")))
            followed.await_changes(before)
            threading.Thread(target=answer_all, args=(full, b"late"), daemon=True).start()
            self.assertEqual(wire.answer()[::2], (200, b"late"))
            wire.send(b"GET /name HTTP/1.1\r\nhost: a\r\n\r\n")
            self.assertEqual(wire.answer()[::2], (200, b"two"))

    def test_a_bad_file_leaves_the_last_good_one_in_force(self):
        followed = self.plain()
        before = followed.status()["changes"]
        followed.write("route.yaml", route("a", '{matches: [{path: {type: Sideways, value: /}}], backendRefs: []}'))
        self.assertTrue(eventually(lambda: followed.status()["errors"] == 1))
        self.assertEqual(followed.status()["changes"], before)
        self.assertEqual(ask(self.port)[::2], (200, "one"))
        told = [line for line in followed.gateway.errors if "route.yaml:" in line and "Sideways" in line]
        self.assertEqual(len(told), 1, followed.gateway.errors)
        for word in ("spec.rules[0].matches[0].path.type", "expected"):
            self.assertIn(word, told[0])
        self.assertIn("Sideways", followed.conditions())
        followed.write("more.yaml", route("b", to("t"), hostnames=["b.example"]))  # another reading tells nothing twice
        followed.await_changes(before)
        self.assertEqual(ask(self.port, host="b.example")[2], "two")
        self.assertEqual(sum("Sideways" in line for line in followed.gateway.errors), 1)
        followed.write("route.yaml", route("a", to("t")))
        self.assertTrue(eventually(lambda: followed.status()["errors"] == 0))
        self.assertTrue(eventually(lambda: ask(self.port)[2] == "two"))

    def test_http2_fails_at_no_change(self):
        followed = self.plain(workers=2)
        followed.write("both.yaml", route("both", to("s", "t"), hostnames=["both.example"]))
        changes = followed.await_changes(1)
        load = subprocess.Popen(["h2load", "-c", "4", "-m", "4", "-n", "1200", "--rps", "100", f"http://127.0.0.1:{self.port}/name"],
                                stdout=subprocess.PIPE, text=True)
        for number in itertools.count():
            mark = f"filters: [{{type: RequestHeaderModifier, requestHeaderModifier: {{set: [{{name: x-n, value: '{number}'}}]}}}}]"
            followed.write("route.yaml", route("a", to("st"[number % 2], more=mark)))
            try:
                out = load.communicate(timeout=0.1)[0]  # the time between two changes
                break
            except subprocess.TimeoutExpired:
                pass
        self.assertIn("1200 succeeded, 0 failed, 0 errored, 0 timeout", out)
        self.assertIn("1200 2xx, 0 3xx, 0 4xx, 0 5xx", out)
        self.assertGreater(followed.status()["changes"], changes + 5)

    def test_the_swap_of_a_link_is_one_change(self):
        """As kubelet changes ConfigMap mounts."""
        mount = pathlib.Path(tempfile.mkdtemp(prefix="fl-mount-"))
        self.addCleanup(shutil.rmtree, mount)

        def fill(version, *documents):
            (mount / version).mkdir()
            (mount / version / "all.yaml").write_text(join(CLASS, gateway(http(self.port)), *documents))
            (mount / "..data.new").symlink_to(version)
            os.replace(mount / "..data.new", mount / "..data")

        fill("..1", route("a", to("s")), service("s", of(self.one)))
        (mount / "all.yaml").symlink_to("..data/all.yaml")
        followed = self.follow({}, path=mount)
        self.assertEqual(ask(self.port)[2], "one")
        asker = Asker(self, self.port)
        before = followed.status()["changes"]
        fill("..2", route("a", to("t")), service("t", of(self.two)))
        self.assertTrue(asker.await_more("two"), asker.wrong)
        self.assertEqual(asker.stop(), [])
        self.assertEqual(followed.status()["changes"], before + 1)

    def test_ports_open_and_close(self):
        followed = self.plain()
        other = free_port()
        followed.write("gateway.yaml", CLASS, gateway(http(self.port), http(other, "other")))
        self.assertTrue(eventually(lambda: other in followed.gateway.ports))
        self.assertEqual(ask(other)[::2], (200, "one"))
        asker = Asker(self, other)
        self.assertTrue(asker.await_more("one"))
        followed.write("gateway.yaml", CLASS, gateway(http(other, "other")))
        self.assertTrue(eventually(lambda: f"no longer listening on http://127.0.0.1:{self.port}" in followed.gateway.lines))
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", self.port), LIMIT)
        self.assertTrue(asker.await_more("one"))
        self.assertEqual(asker.stop(), [])

    def test_listeners_that_share_a_port_have_routes_of_their_own(self):
        self.follow({"all.yaml": join(
            CLASS, gateway(http(self.port, "a", "*.a.example"), http(self.port, "b", "b.example")),
            route("everywhere", to("s")), service("s", of(self.one)))})
        for host, status in (("x.a.example", 200), ("b.example", 200), ("c.example", 404)):
            with self.subTest(host=host):
                self.assertEqual(ask(self.port, host=host)[0], status)

    def test_a_host_belongs_to_the_most_special_listener(self):
        """GatewayHTTPListenerIsolation: what its routes do not take is a 404, whatever routes the others have."""
        files = {"gateway.yaml": join(CLASS, gateway(http(self.port, "all"), http(self.port, "wild", "*.a.example"),
                                                     http(self.port, "one", "x.a.example")))}
        parents = {"all": "one", "wild": "two", "one": "one"}
        for section, name in parents.items():
            text = route(section, to("s" if name == "one" else "t", more=f"matches: [{{path: {{value: /{section}}}}}]"))
            files[f"{section}.yaml"] = text.replace("{name: edge}", f"{{name: edge, sectionName: {section}}}")
        exact = route("exact", to("s"), hostnames=["y.a.example"])
        files["exact.yaml"] = exact.replace("{name: edge}", "{name: edge, sectionName: all}")
        files["services.yaml"] = join(service("s", of(self.one)), service("t", of(self.two)))
        followed = self.follow(files)
        rows = [("b.example", "/all", 200), ("b.example", "/wild", 404), ("y.a.example", "/wild", 200),
                ("y.a.example", "/all", 404), ("y.a.example", "/", 404), ("x.a.example", "/one", 200),
                ("x.a.example", "/wild", 404), ("x.a.example", "/all", 404)]
        for host, path, status in rows:
            with self.subTest(host=host, path=path):
                self.assertEqual(ask(self.port, path, host)[0], status)
        followed.write("gateway.yaml", CLASS, gateway(http(self.port, "all")))  # now every host is its
        self.assertTrue(eventually(lambda: ask(self.port, "/all", "x.a.example")[0] == 200))
        self.assertEqual(ask(self.port, "/", "y.a.example")[0], 200)

    def test_backends_are_asked_by_the_protocol_that_they_speak(self):
        inner = Gateway("--listen", "127.0.0.1:0", "--to", self.one.url)  # takes both, and only with a preface HTTP/2
        self.addCleanup(inner.close)
        self.follow({"all.yaml": join(
            CLASS, gateway(http(self.port)), route("h2", to("h2"), hostnames=["h2.example"]),
            route("g", to("g"), hostnames=["g.example"], kind="GRPCRoute"),
            route("plain", to("g"), hostnames=["plain.example"]),
            service("h2", ("127.0.0.1", inner.port), app_protocol="kubernetes.io/h2c"), service("g", of(self.two)))})
        self.assertEqual(ask(self.port, host="h2.example")[::2], (200, "one"))
        self.assertEqual(ask(self.port, host="plain.example")[::2], (200, "two"))
        self.assertFalse(any(b"HTTP/2" in piece for piece in self.two.raw))
        _, head, _ = ask(self.port, "/a.Service/Method", "g.example", "POST",
                         [("content-type", "application/grpc"), ("content-length", "0")])
        self.assertRegex(head, r"grpc-status: \d+")  # the backend does not speak HTTP/2 and said so
        self.assertTrue(any(piece.startswith(b"PRI * HTTP/2.0") for piece in self.two.raw))

    def test_grpc_without_a_valid_backend_is_unavailable(self):
        """So Gateway API asks for it, whatever gRPC makes of a 500."""
        self.follow({"all.yaml": join(CLASS, gateway(http(self.port)), route("g", to("nobody"), kind="GRPCRoute"))})
        status, head, _ = ask(self.port, "/a.Service/Method", "g.example", "POST",
                              [("content-type", "application/grpc"), ("content-length", "0")])
        self.assertEqual(status, 200)
        self.assertRegex(head, r"grpc-status: 14\b")

    def test_without_addresses_every_address_is_served(self):
        self.follow({"all.yaml": join(CLASS, gateway(http(self.port), address=None), route("a", to("s")),
                                      service("s", of(self.one)))})
        self.assertEqual(ask(self.port)[2], "one")
        with Wire(self.port, "::1") as wire:
            wire.send(b"GET /name HTTP/1.1\r\nhost: a\r\n\r\n")
            self.assertEqual(wire.answer()[2], b"one")

    def test_a_port_that_is_taken_is_told_and_the_others_go_on(self):
        followed = self.plain()
        with socket.create_server(("127.0.0.1", 0)) as taken:
            other = taken.getsockname()[1]
            followed.write("gateway.yaml", CLASS, gateway(http(self.port), http(other, "other")))
            self.assertTrue(eventually(lambda: any(str(other) in line for line in followed.gateway.errors)))
            self.assertEqual(ask(self.port)[2], "one")
        followed.gateway.signal(signal.SIGHUP)
        self.assertTrue(eventually(lambda: other in followed.gateway.ports))
        self.assertEqual(ask(other)[2], "one")

    def test_what_is_not_served_is_said(self):
        policy = """apiVersion: fairlead.io/v1alpha1
kind: BackendPolicy
metadata: {name: near, namespace: default}
spec:
  targetRefs: [{group: "", kind: Service, name: s}]
  locality: {preferLocal: true}
"""
        followed = self.follow({"all.yaml": join(CLASS, gateway(http(self.port)), route("a", to("s")),
                                                 service("s", of(self.one)), policy)})
        self.assertEqual(ask(self.port)[0], 200)
        status = followed.conditions()
        text = "locality.preferLocal: no --zone is given"
        self.assertIn("# ", status)
        self.assertIn(text, status)
        self.assertEqual(sum(text in line for line in followed.gateway.errors), 1, followed.gateway.errors)

    def test_sighup_and_sigterm(self):
        followed = self.plain()
        followed.gateway.signal(signal.SIGHUP)
        self.assertTrue(eventually(lambda: any("SIGHUP" in line for line in followed.gateway.errors)))
        self.assertEqual(ask(self.port)[2], "one")
        followed.gateway.signal(signal.SIGTERM)
        self.assertEqual(followed.gateway.wait(), 0)


class WebSocketTest(unittest.IsolatedAsyncioTestCase):
    async def test_one_lives_on_whatever_changes(self):
        async def echo(connection):
            async for message in connection:
                await connection.send(message)

        port = free_port()
        async with websockets.serve(echo, "127.0.0.1", 0) as server:
            backend = server.sockets[0].getsockname()
            followed = Followed({"gateway.yaml": join(CLASS, gateway(http(port))), "route.yaml": route("a", to("s")),
                                 "service.yaml": service("s", backend)}, workers=2)
            self.addCleanup(followed.close)
            async with websockets.connect(f"ws://127.0.0.1:{port}/", open_timeout=LIMIT) as peer:
                changes = followed.status()["changes"]

                async def talk(message):
                    await peer.send(message)
                    self.assertEqual(await asyncio.wait_for(peer.recv(), LIMIT), message)

                for number in range(30):
                    mark = f"filters: [{{type: RequestHeaderModifier, requestHeaderModifier: {{set: [{{name: x-n, value: '{number}'}}]}}}}]"
                    followed.write("route.yaml", route("a", to("s", more=mark)))
                    changes = followed.await_changes(changes)
                    await talk(str(number))
                followed.write("service.yaml", service("s", ("127.0.0.1", 1)))
                changes = followed.await_changes(changes)
                await talk("its backend is none any more")
                followed.remove("route.yaml")
                changes = followed.await_changes(changes)
                self.assertEqual(ask(port)[0], 404)
                await talk("nor has it a route")


class TlsTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="fl-tls-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.one, self.two = Backend("one"), Backend("two")
        self.addCleanup(self.one.close)
        self.addCleanup(self.two.close)
        self.port = free_port()
        self.a, self.b = make_certificate(self.folder, "a.example"), make_certificate(self.folder, "*.b.example")
        self.files = {
            "gateway.yaml": join(CLASS, gateway(https(self.port, "a", "a.example", "a"),
                                                https(self.port, "b", "*.b.example", "b"))),
            "secrets.yaml": join(secret("a", *self.a), secret("b", *self.b)),
            "routes.yaml": join(route("a", to("one"), hostnames=["a.example"]),
                                route("b", to("two"), hostnames=["*.b.example"])),
            "services.yaml": join(service("one", of(self.one)), service("two", of(self.two)))}

    def follow(self):
        followed = Followed(self.files)
        self.addCleanup(followed.close)
        return followed

    def wrap(self, name, *trusted):
        context = ssl.create_default_context(cadata="".join(trusted or (self.a[0], self.b[0])))
        return lambda plain: context.wrap_socket(plain, server_hostname=name)

    def answer_of(self, name, *trusted):
        with socket.create_connection(("127.0.0.1", self.port), LIMIT) as plain, self.wrap(name, *trusted)(plain) as peer:
            peer.sendall(f"GET /name HTTP/1.1\r\nhost: {name}\r\nconnection: close\r\n\r\n".encode())
            out = b""
            while got := peer.recv(65536):
                out += got
        return out.rpartition(b"\r\n\r\n")[2].decode()

    def test_certificates_are_chosen_by_server_name(self):
        self.follow()
        self.assertEqual(self.answer_of("a.example", self.a[0]), "one")
        self.assertEqual(self.answer_of("x.b.example", self.b[0]), "two")
        with self.assertRaises(ssl.SSLError):
            self.answer_of("a.example", self.b[0])
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            self.answer_of("c.example")

    def test_a_certificate_is_replaced_and_no_connection_is_lost(self):
        followed = self.follow()
        asker = Asker(self, self.port, "a.example", wrap=self.wrap("a.example"))
        self.assertTrue(asker.await_more("one"), asker.wrong)
        new = make_certificate(self.folder, "a.example")
        before = followed.status()["changes"]
        followed.write("secrets.yaml", secret("a", *new), secret("b", *self.b))
        followed.await_changes(before)
        self.assertEqual(self.answer_of("a.example", new[0]), "one")
        with self.assertRaises(ssl.SSLError):
            self.answer_of("a.example", self.a[0])
        self.assertTrue(asker.await_more("one"), asker.wrong)
        self.assertEqual(asker.stop(), [])

    def test_a_bad_certificate_leaves_the_one_before_in_force(self):
        followed = self.follow()
        other_key = make_certificate(self.folder, "a.example")[1]
        followed.write("secrets.yaml", secret("a", self.a[0], other_key), secret("b", *self.b))
        self.assertTrue(eventually(lambda: "the certificate before stays in force" in followed.conditions()))
        self.assertEqual(self.answer_of("a.example", self.a[0]), "one")
        self.assertEqual(self.answer_of("x.b.example", self.b[0]), "two")

    def test_the_status_tells_of_certificates_that_cannot_be_used(self):
        """Conditions of a's listener, first without a certificate before, then with one."""
        other_key = make_certificate(self.folder, "a.example")[1]
        bad, good = ((secret("a", self.a[0], key), secret("b", *self.b)) for key in (other_key, self.a[1]))
        self.files["secrets.yaml"] = join(*bad)
        followed = self.follow()

        def conditions():
            found = next(one for one in yaml.safe_load_all(followed.conditions()) if one and one["kind"] == "Gateway")
            listener = next(one for one in found["status"]["listeners"] if one["name"] == "a")
            return {one["type"]: (one["status"], one["reason"]) for one in listener["conditions"]}

        self.assertEqual(conditions()["ResolvedRefs"], ("False", "InvalidCertificateRef"))
        self.assertEqual(conditions()["Programmed"], ("False", "Invalid"))
        followed.write("secrets.yaml", *good)
        self.assertTrue(eventually(lambda: conditions()["Programmed"] == ("True", "Programmed")))
        self.assertEqual(conditions()["ResolvedRefs"], ("True", "ResolvedRefs"))
        followed.write("secrets.yaml", *bad)
        self.assertTrue(eventually(lambda: conditions()["ResolvedRefs"] == ("False", "InvalidCertificateRef")))
        self.assertEqual(conditions()["Programmed"], ("True", "Programmed"))

    def test_a_listener_without_certificate_stays_closed(self):
        self.files["secrets.yaml"] = secret("unused", *self.a)
        followed = self.follow()
        self.assertEqual(followed.gateway.ports, [])
        self.assertIn("InvalidCertificateRef", followed.conditions())
        followed.write("secrets.yaml", secret("a", *self.a))
        self.assertTrue(eventually(lambda: self.port in followed.gateway.ports))
        self.assertEqual(self.answer_of("a.example", self.a[0]), "one")

    def test_backends_by_tls(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        (self.folder / "chain.pem").write_text("".join(self.a))
        context.load_cert_chain(self.folder / "chain.pem")
        secure = Backend("secure", context=context)
        self.addCleanup(secure.close)
        authority = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ca, namespace: default}\ndata:\n  ca.crt: |\n"
        policy = """apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {name: secure, namespace: default}
spec:
  targetRefs: [{group: "", kind: Service, name: one}]
  validation: {hostname: a.example, caCertificateRefs: [{group: "", kind: ConfigMap, name: ca}]}
"""

        def trusting(certificate):
            return join(authority + "".join(f"    {line}\n" for line in certificate.splitlines()), policy)

        self.files["services.yaml"] = join(service("one", of(secure)), service("two", of(self.two)))
        self.files["policy.yaml"] = trusting(self.a[0])
        followed = self.follow()
        self.assertEqual(self.answer_of("a.example"), "secure")
        followed.write("policy.yaml", trusting(self.b[0]))  # an authority that did not sign the backend's
        self.assertTrue(eventually(lambda: self.answer_of("a.example") != "secure"))


class StapleTest(unittest.TestCase):
    """Certificates of an authority, and OCSP responses of `openssl ocsp`, as `openssl s_client -status` gets them."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="fl-staple-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.backend = Backend("one")
        self.addCleanup(self.backend.close)
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj",
                     "/CN=authority", "-keyout", "ca.key", "-out", "ca.pem")
        for serial, name in ((1, "site"), (2, "other")):
            self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=a.example",
                         "-addext", "subjectAltName=DNS:a.example", "-keyout", f"{name}.key", "-out", f"{name}.csr")
            self.openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-set_serial", serial,
                         "-days", "30", "-copy_extensions", "copy", "-out", f"{name}.pem")

    def openssl(self, *arguments):
        subprocess.run(["openssl", *map(str, arguments)], cwd=self.folder, check=True, capture_output=True)

    def response(self, name="site", status="V\t491231235959Z\t"):
        """What the authority says of a certificate, as a file."""
        serials = {"site": "01", "other": "02"}
        (self.folder / "index.txt").write_text(f"{status}\t{serials[name]}\tunknown\t/CN=a.example\n")
        self.openssl("ocsp", "-issuer", "ca.pem", "-cert", f"{name}.pem", "-no_nonce", "-reqout", "request.der")
        self.openssl("ocsp", "-index", "index.txt", "-CA", "ca.pem", "-rsigner", "ca.pem", "-rkey", "ca.key", "-ndays", "7",
                     "-reqin", "request.der", "-respout", f"{name}.ocsp")
        return self.folder / f"{name}.ocsp"

    def secret(self, staple=None, chain=("site.pem",)):
        rows = {"tls.crt": chain, "tls.key": ["site.key"]}
        data = {key: base64.b64encode(b"".join((self.folder / name).read_bytes() for name in names)).decode()
                for key, names in rows.items()}
        if staple is not None:
            data["tls.ocsp-staple"] = base64.b64encode(staple).decode()
        return yaml.dump({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a", "namespace": "default"},
                          "type": "kubernetes.io/tls", "data": data})

    @staticmethod
    def stapled(port):
        """What s_client says of the response; it has checked who signed it."""
        done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "a.example", "-status"],
                              input="", capture_output=True, text=True, timeout=LIMIT, check=False)
        if "OCSP response: no response sent" in done.stdout:
            return None
        return re.search(r"Cert Status: (\w+)", done.stdout)[1]

    def test_a_chain_in_disorder_is_served_with_a_remark(self):
        port = free_port()
        files = {"gateway.yaml": join(CLASS, gateway(https(port, "a", "a.example", "a"))),
                 "secret.yaml": self.secret(chain=("site.pem", "other.pem", "ca.pem")),
                 "rest.yaml": join(route("a", to("one")), service("one", of(self.backend)))}
        followed = Followed(files)
        self.addCleanup(followed.close)
        shown = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "a.example", "-CAfile",
                                self.folder / "ca.pem", "-showcerts", "-verify_return_error"], input="", capture_output=True,
                               text=True, timeout=LIMIT, check=True).stdout
        self.assertEqual(shown.count("BEGIN CERTIFICATE"), 3)
        self.assertIn("chain out of order: certificate 1 (CN=a.example)", followed.conditions())
        followed.write("secret.yaml", self.secret(chain=("site.pem", "ca.pem")))
        self.assertTrue(eventually(lambda: "chain out of order" not in followed.conditions()))

    def test_a_secret_s_response_is_stapled_and_followed(self):
        port = free_port()
        followed = Followed({"gateway.yaml": join(CLASS, gateway(https(port, "a", "a.example", "a"))), "secret.yaml": self.secret(),
                             "rest.yaml": join(route("a", to("one")), service("one", of(self.backend)))})
        self.addCleanup(followed.close)
        self.assertIsNone(self.stapled(port))
        good = self.response().read_bytes()
        followed.write("secret.yaml", self.secret(good))
        self.assertTrue(eventually(lambda: self.stapled(port) == "good"))
        rows = [(b"garbage", "unreadable DER"), (self.response("other").read_bytes(), "is for another certificate"),
                (self.response(status="R\t491231235959Z\t250101000000Z").read_bytes(), "found status revoked")]
        for staple, why in rows:
            with self.subTest(why=why):
                followed.write("secret.yaml", self.secret(staple))
                self.assertTrue(eventually(lambda why=why: why in followed.conditions()))
                self.assertIsNone(self.stapled(port))
                self.assertTrue(any(why in line and "nothing is stapled" in line for line in followed.gateway.errors))
        followed.write("secret.yaml", self.secret(good))
        self.assertTrue(eventually(lambda: self.stapled(port) == "good"))
        self.assertNotIn("nothing is stapled", followed.conditions())

    def test_that_of_the_command_line(self):
        served = ["--listen", "127.0.0.1:0", "--to", self.backend.url, "--cert", self.folder / "site.pem", "--key",
                  self.folder / "site.key", "--ocsp"]
        plain = Gateway(*served, self.response())
        self.addCleanup(plain.close)
        self.assertEqual(self.stapled(plain.port), "good")
        wrong = Gateway(*served, self.response("other"))
        self.addCleanup(wrong.close)
        self.assertIsNone(self.stapled(wrong.port))
        self.assertTrue(eventually(lambda: any("is for another certificate" in line for line in wrong.errors)))


class CheckTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="fl-check-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def check(self, *arguments):
        return subprocess.run([PROGRAM, "check", *map(str, arguments)], capture_output=True, text=True, timeout=LIMIT,
                              check=False)

    def test_what_cannot_be_written_is_an_error(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run([PROGRAM, "check", self.folder], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("writing to standard output: No space left on device", done.stderr)

    def test_good_and_bad(self):
        (self.folder / "good.yaml").write_text(join(CLASS, gateway(http(8080))))
        good = self.check(self.folder)
        self.assertEqual((good.returncode, good.stdout), (0, f"{self.folder}: 2 documents in 1 files, 0 refused\n"))
        (self.folder / "bad.yaml").write_text(gateway(http(70000), name="other"))
        bad = self.check(self.folder)
        self.assertEqual(bad.returncode, 1)
        for word in ("bad.yaml:", "spec.listeners[0].port", "70000", "expected", "1 refused"):
            self.assertIn(word, bad.stdout)
        found = json.loads(self.check(self.folder, "-o", "json").stdout)
        self.assertEqual((found["refused"], found["diagnostics"][0]["found"]), (1, "70000"))

    def test_what_shows_when_objects_meet_is_a_warning(self):
        policy = """apiVersion: fairlead.io/v1alpha1
kind: ClientPolicy
metadata: {name: limits, namespace: default}
spec: {targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: egde}], limits: {maxHeaders: 50}}
"""
        (self.folder / "all.yaml").write_text(join(
            CLASS, gateway(http(8080), https(8443, "tls", "a.example", "site")), route("a", to("nobody")), policy,
            route("lost", to("nobody"), gateway_name="egde")))
        done = self.check(self.folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        said = done.stdout.splitlines()
        no_secret = "Secret default/site is no Secret with tls.crt and tls.key in PEM"
        unused = "has no effect: its class, parent or target is not here, or not in use"
        self.assertEqual(set(said[:-1]), {
            f"warning: Gateway default/edge, listener tls: ResolvedRefs is False (InvalidCertificateRef): {no_secret}",
            "warning: HTTPRoute default/a at Gateway edge: ResolvedRefs is False (BackendNotFound): "
            "Service default/nobody port 80 does not exist",
            f"warning: HTTPRoute default/lost: {unused}", f"warning: ClientPolicy default/limits: {unused}"})
        self.assertEqual(len(json.loads(self.check(self.folder, "-o", "json").stdout)["warnings"]), 4)

    def test_what_is_answered_by_500_is_a_warning(self):
        reference = "filters: [{type: ExtensionRef, extensionRef: {group: a.b, kind: C, name: d}}]"
        for kind in ("HTTPRoute", "GRPCRoute"):
            with self.subTest(kind=kind):
                (self.folder / "all.yaml").write_text(join(CLASS, gateway(http(8080)), route("a", to("s", more=reference), kind=kind)))
                done = self.check(self.folder)
                self.assertEqual(done.returncode, 0)
                self.assertRegex(done.stdout, r"all\.yaml:\d+:.*warning.*spec\.rules\[0\]\.filters\[0\]\.type.*500")

    def test_a_path_that_is_not_there(self):
        done = self.check(self.folder / "none")
        self.assertEqual(done.returncode, 1)
        self.assertIn("none", done.stderr)

    def test_a_start_without_a_port_ends(self):
        (self.folder / "all.yaml").write_text(CLASS + "---\n" + gateway(http(free_port()), address="192.0.2.1"))
        done = subprocess.run([PROGRAM, "--config", str(self.folder), "--admin", ""], capture_output=True, text=True,
                              timeout=LIMIT, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("192.0.2.1", done.stderr)

    def test_one_of_the_two_ways(self):
        done = subprocess.run([PROGRAM, "--config", str(self.folder), "--listen", ":0"], capture_output=True, text=True,
                              timeout=LIMIT, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("--config", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
