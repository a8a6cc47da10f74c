# SPDX-License-Identifier: Apache-2.0
"""What fairlead-gateway does with its backends: health checks, balancing, retries, mirrors, sessions, names, TLS."""
import collections
import json
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from backend import Backend
from name_server import A, NameServer
from objects import CLASS, Followed, free_port, gateway, http, make_certificate, route, service, to
from support import LIMIT, Gateway, Wire, curl, eventually


def join(*documents):
    return "---\n".join(documents)


def policy(target, spec, name=None):
    return f"""apiVersion: fairlead.io/v1alpha1
kind: BackendPolicy
metadata: {{name: {name or target}, namespace: default}}
spec:
  targetRefs: [{{group: "", kind: Service, name: {target}}}]
""" + "".join(f"  {line}\n" for line in spec.splitlines())


def pool_of(name, *backends, zones=(), more=()):
    """A Service whose backends have ports of their own: a slice for each. `more`: further fields of their endpoints."""
    out = f"apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: default}}\n" \
          f"spec: {{ports: [{{name: http, port: 80}}]}}\n"
    for number, backend in enumerate(backends):
        zone = f", zone: {zones[number]}" if zones else ""
        rest = more[number] if more else ""
        out += f"""---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}-{number}, namespace: default, labels: {{kubernetes.io/service-name: {name}}}}}
addressType: IPv4
ports: [{{name: http, port: {backend.port}}}]
endpoints: [{{addresses: ["{backend.address}"]{zone}{rest}}}]
"""
    return out


def ask(port, path="/name", fields=(), method="GET", body=b"", host="a.example"):
    """(status, head in lower case, body) of one request on a connection of its own."""
    with Wire(port) as wire:
        rows = "".join(f"{name}: {value}\r\n" for name, value in fields)
        length = f"content-length: {len(body)}\r\n" if body or method == "POST" else ""
        wire.send(f"{method} {path} HTTP/1.1\r\nhost: {host}\r\n{rows}{length}\r\n".encode() + body)
        status, head, answer = wire.answer()
        return status, head.decode(), answer.decode()


class FamiliesTest(unittest.TestCase):
    """A dual-stack Service has a slice of each family: a pod is one backend all the same."""

    @staticmethod
    def slice_of(family, *endpoints):
        rows = "".join(f"- {{addresses: ['{address}'], targetRef: {{kind: Pod, namespace: default, name: {pod}}}}}\n" if pod
                       else f"- {{addresses: ['{address}']}}\n" for address, pod in endpoints)
        return (f"apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{name: web-{family.lower()}, namespace: default, "
                f"labels: {{kubernetes.io/service-name: web}}}}\naddressType: {family}\n"
                f"ports: [{{name: http, port: 80}}]\nendpoints:\n{rows}")

    def test_a_pod_counts_once(self):
        v4 = self.slice_of("IPv4", ("192.0.2.1", "a"), ("192.0.2.2", "b"), ("192.0.2.9", None))
        v6 = self.slice_of("IPv6", ("2001:db8::1", "a"), ("2001:db8::3", "c"), ("2001:db8::9", None))
        rows = [("", ["192.0.2.1", "192.0.2.2", "192.0.2.9", "2001:db8::3", "2001:db8::9"]),
                ("clusterIPs: ['10.0.0.1', 'fd00::1'], ", ["192.0.2.1", "192.0.2.2", "192.0.2.9", "2001:db8::3", "2001:db8::9"]),
                ("clusterIPs: ['fd00::1', '10.0.0.1'], ", ["192.0.2.2", "192.0.2.9", "2001:db8::1", "2001:db8::3", "2001:db8::9"])]
        for addresses, expected in rows:
            with self.subTest(addresses=addresses):
                web = f"apiVersion: v1\nkind: Service\nmetadata: {{name: web, namespace: default}}\n" \
                      f"spec: {{{addresses}ports: [{{name: http, port: 80}}]}}\n"
                followed = Followed({"all.yaml": join(CLASS, gateway(http(free_port())), route("web", to("web")), web, v4, v6)})
                self.addCleanup(followed.close)
                page = json.loads(curl(f"http://{followed.gateway.admin}/v1/gateway/backends"))
                found = [backend["address"].rsplit(":", 1)[0].strip("[]") for backend in page["clusters"][0]["backends"]]
                self.assertEqual(sorted(found), expected)


class BackendsCase(unittest.TestCase):
    def backend(self, name, **options):
        backend = Backend(name, **options)
        self.addCleanup(backend.close)
        return backend

    def follow(self, *documents, arguments=(), workers=1):
        self.port = free_port()
        followed = Followed({"gateway.yaml": join(CLASS, gateway(http(self.port))), "objects.yaml": join(*documents)},
                            workers=workers, arguments=arguments)
        self.addCleanup(followed.close)
        return followed

    def metric(self, followed, name):
        page = curl(f"http://{followed.gateway.admin}/metrics").decode()
        found = re.search("^" + re.escape(name) + r" (\S+)$", page, re.MULTILINE)
        return float(found.group(1)) if found else None

    def names(self, count=40, **options):
        return collections.Counter(ask(self.port, **options)[2] for _ in range(count))


class HealthTest(BackendsCase):
    CHECK = "healthCheck: {panicThreshold: 0, active: {type: HTTP, interval: 50ms, timeout: 2s, unhealthyThreshold: 2, " \
            "healthyThreshold: 2, http: {path: %s}}}"

    def checks(self, followed):
        return json.loads(curl(f"http://{followed.gateway.admin}/v1/status"))["healthChecks"]

    def test_a_backend_that_fails_leaves_and_returns(self):
        bad = free_port()
        good = self.backend("good")
        folder = pathlib.Path(tempfile.mkdtemp(prefix="fl-nginx-"))
        self.addCleanup(shutil.rmtree, folder)

        class Late:
            address, port = "127.0.0.1", bad
        followed = self.follow(pool_of("web", good, Late), route("web", to("web")), policy("web", self.CHECK % "/name"))
        self.assertTrue(eventually(lambda: self.checks(followed)["failing"] == 1))
        row = next(row for row in self.checks(followed)["backends"] if not row["healthy"])
        self.assertEqual((row["cluster"], row["backend"]), ("default/web:80", f"127.0.0.1:{bad}"))
        self.assertTrue(row["why"])
        self.assertEqual(self.names(), {"good": 40})
        self.assertEqual(self.metric(followed, "fairlead_gateway_health_targets_failing"), 1)
        self.assertEqual(self.metric(followed, 'fairlead_gateway_health_changes_total{to="unhealthy"}'), 1)
        (folder / "nginx.conf").write_text(
            f"daemon off; master_process off; pid {folder}/pid; error_log stderr;\nevents {{}}\n"
            f"http {{ access_log off; client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; "
            f"fastcgi_temp_path {folder}/3; uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;\n"
            f"server {{ listen 127.0.0.1:{bad}; location / {{ return 200 nginx; }} }} }}\n")
        nginx = subprocess.Popen(["/usr/sbin/nginx", "-c", folder / "nginx.conf", "-e", "stderr"], stderr=subprocess.DEVNULL)
        self.addCleanup(nginx.wait)
        self.addCleanup(nginx.kill)
        self.assertTrue(eventually(lambda: self.checks(followed)["failing"] == 0))
        self.assertTrue(eventually(lambda: ask(self.port)[2] == "nginx"))
        self.assertEqual(self.metric(followed, 'fairlead_gateway_health_changes_total{to="healthy"}'), 1)

    def test_the_status_is_judged(self):
        only = self.backend("only")
        followed = self.follow(pool_of("web", only), route("web", to("web")), policy("web", self.CHECK % "/status/500"))
        self.assertTrue(eventually(lambda: self.checks(followed)["failing"] == 1))
        self.assertEqual(self.checks(followed)["backends"][0]["why"], "status 500")
        self.assertEqual(ask(self.port)[0], 503)
        before = followed.status()["changes"]
        followed.write("objects.yaml", pool_of("web", only), route("web", to("web")), policy("web", self.CHECK % "/status/204"))
        followed.await_changes(before)
        self.assertTrue(eventually(lambda: ask(self.port)[0] == 200))

    def test_each_backend_is_probed_once(self):
        """Two routes, two Services and two workers: one connection at a time asks."""
        one = self.backend("one")
        followed = self.follow(pool_of("a", one), pool_of("b", one), route("a", to("a"), to("b", more="matches: [{path: {value: /b}}]")),
                               route("other", to("a"), hostnames=["other.example"]), policy("a", self.CHECK % "/probe"),
                               policy("b", self.CHECK % "/probe"), workers=2)
        self.assertTrue(eventually(lambda: len(one.requests("/probe")) >= 3))
        checks = self.checks(followed)
        self.assertEqual((checks["targets"], len(checks["backends"])), (1, 2))

    def test_tcp_and_grpc_checks(self):
        plain = self.backend("plain")
        tcp = "healthCheck: {panicThreshold: 0, active: {type: TCP, interval: 50ms, timeout: 2s, " \
              "tcp: {send: \"GET /name HTTP/1.1\\r\\nhost: a\\r\\n\\r\\n\", receive: %s}}}"
        grpc = "healthCheck: {panicThreshold: 0, active: {type: GRPC, interval: 50ms, timeout: 300ms, unhealthyThreshold: 1}}"
        followed = self.follow(pool_of("good", plain), pool_of("bad", plain), pool_of("grpc", plain),
                               route("r", to("good"), to("bad", more="matches: [{path: {value: /bad}}]"),
                                     to("grpc", more="matches: [{path: {value: /grpc}}]")),
                               policy("good", tcp % "200 Here"), policy("bad", tcp % "nobody says this"), policy("grpc", grpc))
        self.assertTrue(eventually(lambda: self.checks(followed)["failing"] == 2))
        self.assertEqual([ask(self.port, path)[0] for path in ("/name", "/bad", "/grpc")], [200, 503, 503])


class BalancingTest(BackendsCase):
    def three(self, spec, zones=(), arguments=()):
        backends = [self.backend(name) for name in ("one", "two", "three")]
        return self.follow(pool_of("web", *backends, zones=zones), route("web", to("web")), policy("web", spec),
                           arguments=arguments), backends

    def test_consistent_hash(self):
        rows = [("type: Header, header: X-User", lambda user: dict(fields=[("x-user", user)])),
                ("type: Cookie, cookie: user", lambda user: dict(fields=[("cookie", f"a=1; user={user}")])),
                ("type: QueryParam, queryParam: user", lambda user: dict(path=f"/name?user={user}"))]
        for by, request in rows:
            for table in ("Maglev", "RingHash"):
                with self.subTest(by=by, table=table):
                    followed, backends = self.three(f"loadBalancer: {{type: ConsistentHash, consistentHash: {{{by}, table: {table}}}}}")
                    seen = {}
                    for user in range(24):
                        names = self.names(3, **request(f"user-{user}"))
                        self.assertEqual(len(names), 1, names)
                        seen[user] = next(iter(names))
                    self.assertEqual(len(set(seen.values())), 3)
                    followed.close()

    def test_source_address_stays(self):
        self.three("loadBalancer: {type: ConsistentHash, consistentHash: {type: SourceIP}}")
        self.assertEqual(len(self.names()), 1)

    def test_a_backend_that_goes_moves_only_its_keys(self):
        followed, backends = self.three("loadBalancer: {type: ConsistentHash, consistentHash: {type: Header, header: x-user}}")
        def owners():
            return {user: ask(self.port, fields=[("x-user", user)])[2] for user in "abcdefghijklmnopqrstuvwxyz"}
        before = owners()
        changes = followed.status()["changes"]
        followed.write("objects.yaml", pool_of("web", *backends[:2]), route("web", to("web")),
                       policy("web", "loadBalancer: {type: ConsistentHash, consistentHash: {type: Header, header: x-user}}"))
        followed.await_changes(changes)
        after = owners()
        stayed = [user for user in before if before[user] != "three"]
        self.assertLess(sum(before[user] != after[user] for user in stayed), 4)  # Maglev moves few others
        self.assertNotIn("three", after.values())

    def test_own_zone_first_then_others(self):
        followed, backends = self.three("locality: {preferLocal: true}", zones=("a", "b", "b"), arguments=("--zone", "a"))
        self.assertEqual(self.names(), {"one": 40})
        changes = followed.status()["changes"]
        followed.write("objects.yaml", pool_of("web", *backends[1:], zones=("b", "b")), route("web", to("web")),
                       policy("web", "locality: {preferLocal: true}"))
        followed.await_changes(changes)
        self.assertEqual(set(self.names()), {"two", "three"})

    def test_what_terminates_is_asked_where_nothing_is_ready(self):
        old, new = self.backend("old"), self.backend("new")
        going = "{ready: false, serving: true, terminating: true}"

        def pool(*states):
            return pool_of("web", old, new, more=[f", conditions: {state}" for state in states])
        followed = self.follow(pool(going, "{ready: false}"), route("web", to("web")))
        self.assertEqual(self.names(), {"old": 40})
        changes = followed.status()["changes"]
        followed.write("objects.yaml", pool(going, "{ready: true}"), route("web", to("web")))
        changes = followed.await_changes(changes)
        self.assertEqual(self.names(), {"new": 40})
        followed.write("objects.yaml", pool(going.replace("serving: true", "serving: false"), "{ready: false}"),
                       route("web", to("web")))
        followed.await_changes(changes)
        self.assertEqual(ask(self.port)[0], 503)

    def test_without_a_zone_it_is_said(self):
        followed, _ = self.three("locality: {preferLocal: true}", zones=("a", "b", "b"))
        self.assertIn("no --zone", followed.conditions())
        self.assertEqual(len(self.names(80)), 3)

    def test_hedging(self):
        slow, quick = self.backend("slow"), self.backend("quick")
        followed = self.follow(pool_of("web", slow, quick), route("web", to("web")),
                               policy("web", "loadBalancer: {type: RoundRobin}\nhedging: {delay: 20ms}"))
        hung = threading.Event()

        def answer(conversation, *rest):
            hung.wait(LIMIT)
            raise EOFError
        slow.answer = answer
        self.addCleanup(hung.set)
        self.assertEqual(self.names(6), {"quick": 6})
        self.assertGreaterEqual(self.metric(followed, 'fairlead_gateway_hedges_total{what="won"}'), 3)


class TimeoutTest(BackendsCase):
    def test_what_a_policy_says_of_time(self):
        rows = [("timeouts: {request: 300ms}", 504), ("timeouts: {streamIdle: 300ms}", 504),
                ("retry: {attempts: 1, perTryTimeout: 300ms}", 504)]
        for spec, status in rows:
            with self.subTest(spec=spec):
                one = self.backend("one")
                followed = self.follow(pool_of("web", one), route("web", to("web")), policy("web", spec))
                self.assertEqual(ask(self.port, "/hang")[0], status)
                self.assertEqual(ask(self.port, "/name")[0], 200)
                tries = 2 if "retry" in spec else 1
                self.assertTrue(eventually(lambda: len(one.requests("/hang")) == tries))
                followed.close()

    def test_a_route_says_that_there_is_no_limit(self):
        one = self.backend("one")
        self.follow(pool_of("web", one), route("web", to("web", more="timeouts: {request: 0s}")),
                    policy("web", "timeouts: {request: 50ms}"))
        with Wire(self.port) as wire:
            wire.send(b"GET /events/1 HTTP/1.1\r\nhost: a\r\n\r\n")
            wire.until(b"\r\n\r\n")
            self.assertEqual(ask(self.port, "/name")[0], 200)
            one.release()
            self.assertIn(b"data: 0", wire.until(b"data: 0\n\n"))


    def test_what_is_spliced_counts_as_movement_and_silence_ends_it(self):
        idle_s = 0.4
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(LIMIT)
            address, port = listener.getsockname()
            hand = collections.namedtuple("Hand", "address port")(address, port)
            followed = self.follow(pool_of("web", hand), route("web", to("web")),
                                   policy("web", f"timeouts: {{streamIdle: {idle_s * 1000:.0f}ms}}"))
            with Wire(self.port) as wire:
                wire.send(b"GET / HTTP/1.1\r\nhost: a.example\r\n\r\n")
                backend, _ = listener.accept()
                with backend:
                    backend.recv(65536)
                    backend.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (1 << 40))
                    wire.until(b"\r\n\r\n")
                    end = time.monotonic() + 4 * idle_s
                    while time.monotonic() < end:  # the answer of each piece is what paces the next
                        backend.sendall(b"x" * 65536)
                        left = 65536 - len(wire.buffer)
                        wire.buffer = b""
                        while left > 0:
                            got = wire.socket.recv(left)
                            self.assertTrue(got, "ended while it moved")
                            left -= len(got)
                    self.assertGreater(self.metric(followed, "fairlead_gateway_spliced_bytes_total"), 1 << 20)
                    with self.assertRaises((EOFError, ConnectionResetError)):
                        wire.until(b"never")


class RetryTest(BackendsCase):
    def test_a_rule_says_which_codes_and_how_often(self):
        one = self.backend("one")
        self.follow(pool_of("web", one), route(
            "web", to("web", more="retry: {codes: [500, 503], attempts: 3, backoff: 1ms}"),
            to("web", more="matches: [{path: {value: /status/501}}]")), policy("web", "retry: {attempts: 0}"))
        rows = [("/status/503", "GET", 4), ("/status/500", "GET", 4), ("/status/502", "GET", 1), ("/status/501", "GET", 1),
                ("/status/503", "POST", 1)]
        for path, method, count in rows:
            with self.subTest(path=path, method=method):
                before = len(one.requests(path))
                self.assertEqual(ask(self.port, path, method=method)[0], int(path[-3:]))
                self.assertEqual(len(one.requests(path)) - before, count)


class SessionTest(BackendsCase):
    def three(self, persistence, **options):
        backends = [self.backend(name) for name in ("one", "two", "three")]
        followed = self.follow(*[pool_of(backend.name, backend) for backend in backends],
                               route("web", to("one", "two", ("three", 0), more=f"sessionPersistence: {persistence}")), **options)
        return followed

    def test_a_cookie_keeps_the_backend(self):
        self.three("{sessionName: where, type: Cookie}")
        seen = set()
        for _ in range(20):
            status, head, name = ask(self.port)
            cookie = re.search(r"(?i)set-cookie: (where=\S+); Path=/; HttpOnly", head)
            self.assertTrue(cookie, head)
            seen.add(name)
            for _ in range(4):
                status, again, same = ask(self.port, fields=[("cookie", f"x=1; {cookie.group(1)}")])
                self.assertEqual((status, same), (200, name))
                self.assertNotIn("set-cookie", again.lower())
        self.assertEqual(seen, {"one", "two"})

    def test_a_cookie_has_the_name_and_path_that_the_rule_gives_it(self):
        self.three("{cookie: {name: mine, path: /shop}}")
        self.assertRegex(ask(self.port)[1], r"(?i)set-cookie: mine=\S+; Path=/shop; HttpOnly")

    def test_of_several_cookies_of_one_name_the_good_one_counts(self):
        self.three("{sessionName: where}")
        _, head, name = ask(self.port)
        good = re.search(r"(?i)set-cookie: (where=\S+);", head).group(1)
        for row in (f"where=of-another-rule; {good}", f"where=; x=1; where=a; {good}; where=b"):
            with self.subTest(row=row):
                for _ in range(8):
                    status, head, same = ask(self.port, fields=[("cookie", row)])
                    self.assertEqual((status, same), (200, name))
                    self.assertNotIn("set-cookie", head.lower())

    def test_a_session_stays_within_a_service(self):
        backends = [self.backend(name) for name in ("one", "two", "three")]
        followed = self.follow(pool_of("web", *backends), route("web", to("web", more="sessionPersistence: {sessionName: where}")))
        _, head, name = ask(self.port)
        cookie = re.search(r"(?i)set-cookie: (where=\S+);", head).group(1)
        self.assertEqual(self.names(20, fields=[("cookie", cookie)]), {name: 20})
        left = [backend for backend in backends if backend.name != name]
        changes = followed.status()["changes"]
        followed.write("objects.yaml", pool_of("web", *left),
                       route("web", to("web", more="sessionPersistence: {sessionName: where}")))
        followed.await_changes(changes)
        status, head, other = ask(self.port, fields=[("cookie", cookie)])  # its backend is gone: another, and told so
        self.assertEqual(status, 200)
        self.assertNotEqual(other, name)
        self.assertIn("set-cookie: where=", head.lower())

    def test_a_session_stays_while_its_backend_terminates(self):
        backends = [self.backend(name) for name in ("one", "two")]
        rule = route("web", to("web", more="sessionPersistence: {sessionName: where}"))
        followed = self.follow(pool_of("web", *backends), rule)
        _, head, name = ask(self.port)
        cookie = re.search(r"(?i)set-cookie: (where=\S+);", head).group(1)
        changes = followed.status()["changes"]
        followed.write("objects.yaml", pool_of("web", *backends, more=[
            ", conditions: {ready: false, serving: true, terminating: true}" if one.name == name else "" for one in backends]), rule)
        followed.await_changes(changes)
        self.assertEqual(self.names(20, fields=[("cookie", cookie)]), {name: 20})
        self.assertEqual(self.names(20), {one.name: 20 for one in backends if one.name != name})

    def test_a_header_keeps_the_backend(self):
        self.three("{sessionName: X-Where, type: Header}")
        _, head, name = ask(self.port)
        token = re.search(r"(?i)x-where: (\S+)", head).group(1)
        self.assertEqual(self.names(12, fields=[("x-where", token)]), {name: 12})

    def test_a_forged_session_is_none(self):
        self.three("{sessionName: where, type: Cookie}")
        _, head, _ = ask(self.port, fields=[("cookie", "where=" + "A" * 74)])
        self.assertIn("set-cookie: where=", head.lower())

    def test_a_secret_outlives_the_process(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="fl-key-"))
        self.addCleanup(shutil.rmtree, folder)
        (folder / "key").write_text("a secret of many characters\n")
        followed = self.three("{sessionName: where, type: Cookie}", arguments=("--session-key", folder / "key"))
        _, head, name = ask(self.port)
        cookie = re.search(r"(?i)set-cookie: (where=\S+);", head).group(1)
        followed.gateway.close()
        (folder / "key").write_text("another one of many characters\na secret of many characters\n")
        again = Gateway("--config", followed.folder, "--session-key", folder / "key")
        self.addCleanup(again.close)
        self.assertEqual(self.names(12, fields=[("cookie", cookie)]), {name: 12})


class MirrorTest(BackendsCase):
    MIRROR = "filters: [{type: RequestMirror, requestMirror: {backendRef: {name: copy, port: 80}%s}}]"

    def two(self, more="", copy=None):
        self.main, self.copy = self.backend("main"), copy or self.backend("copy")
        return self.follow(pool_of("main", self.main), pool_of("copy", self.copy), route("web", to("main", more=self.MIRROR % more)))

    def test_requests_are_copied_with_their_bodies(self):
        followed = self.two()
        body = b"x" * 50_000
        self.assertEqual(ask(self.port, "/echo", method="POST", body=body)[0], 200)
        self.assertTrue(eventually(lambda: self.copy.requests("/echo")))
        self.assertEqual(self.copy.requests("/echo")[0][2], body)
        self.assertEqual(self.metric(followed, 'fairlead_gateway_mirrors_total{what="begun"}'), 1)

    def test_a_share_is_copied(self):
        self.two(", percent: 0")
        self.assertEqual(self.names(20), {"main": 20})
        self.assertEqual(self.copy.requests(), [])

    def test_a_fraction_is_copied(self):
        followed = self.two(", fraction: {numerator: 1, denominator: 2}")
        self.assertEqual(self.names(80), {"main": 80})
        begun = self.metric(followed, 'fairlead_gateway_mirrors_total{what="begun"}')
        self.assertGreater(begun, 10)
        self.assertLess(begun, 70)

    def test_a_copy_that_fails_hurts_nobody(self):
        gone = self.backend("gone")
        gone.close()
        followed = self.two(copy=gone)
        self.assertEqual(self.names(20), {"main": 20})
        self.assertTrue(eventually(lambda: self.metric(followed, 'fairlead_gateway_mirrors_total{what="failed"}') == 20))

    def test_a_copy_that_takes_no_body_is_given_up(self):
        """Its connection stands and nobody reads: the original is through all the same."""
        silent = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(silent.close)

        class Silent:
            address, port = "127.0.0.1", silent.getsockname()[1]
        followed = self.two(copy=Silent)
        body = b"y" * (16 << 20)
        self.assertEqual(curl("--data-binary", "@-", f"http://127.0.0.1:{self.port}/echo", input=body), body)
        self.assertEqual(self.metric(followed, 'fairlead_gateway_mirrors_total{what="dropped"}'), 1)


def external(name, host, port):
    return f"apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: default}}\n" \
           f"spec: {{type: ExternalName, externalName: {host}, ports: [{{name: http, port: {port}}}]}}\n"


def to_port(name, port):
    return f"{{backendRefs: [{{name: {name}, port: {port}}}]}}"


class NameTest(BackendsCase):
    def setUp(self):
        self.server = NameServer()
        self.addCleanup(self.server.close)

    def test_external_names_follow_their_answers(self):
        one = self.backend("one")
        two = None
        while two is None:  # the same port at another address: names have no ports
            try:
                two = Backend("two", address="127.0.0.2", port=one.port)
            except OSError:
                one = self.backend("one")
        self.addCleanup(two.close)
        self.server.records["api.example"] = ["127.0.0.1"]
        followed = self.follow(external("api", "api.example", one.port), route("web", to_port("api", one.port)),
                               arguments=("--dns", self.server.address))
        self.assertEqual(ask(self.port)[2], "one")
        self.server.records["api.example"] = ["127.0.0.2"]
        self.assertTrue(eventually(lambda: ask(self.port)[2] == "two"))
        self.server.records["api.example"] = ["127.0.0.1", "127.0.0.2"]
        self.assertTrue(eventually(lambda: set(self.names(10)) == {"one", "two"}))
        del self.server.records["api.example"]  # no such name: what was known stays
        asked = len(self.server.asked)
        self.assertTrue(eventually(lambda: len(self.server.asked) >= asked + 2))
        self.assertEqual(set(self.names(10)), {"one", "two"})
        self.assertGreaterEqual(self.metric(followed, 'fairlead_gateway_dns_changes_total'), 3)
        self.assertEqual({name for name, _ in self.server.asked}, {"api.example"})

    def test_a_name_without_answer_is_asked_again(self):
        one = self.backend("one")
        followed = self.follow(external("api", "late.example", one.port), route("web", to_port("api", one.port)),
                    arguments=("--dns", self.server.address))
        self.assertEqual(ask(self.port)[0], 503)
        page = curl(f"http://{followed.gateway.admin}/metrics").decode()
        self.assertRegex(page, r'response_flags_total\{flag="DF",reason="\w+"\} 1\b')
        names = json.loads(curl(f"http://{followed.gateway.admin}/v1/status"))["names"]
        self.assertEqual(names, [{"name": "late.example.", "addresses": [], "lastAnswer": "negative"}])
        self.server.records["late.example"] = ["127.0.0.1"]
        self.assertTrue(eventually(lambda: ask(self.port)[0] == 200))

    def test_a_server_that_falls_silent_changes_nothing(self):
        one = self.backend("one")
        self.server.records["api.example"] = ["127.0.0.1"]
        followed = self.follow(external("api", "api.example", one.port), route("web", to_port("api", one.port)),
                               arguments=("--dns", self.server.address))
        self.server.silent = True
        self.assertTrue(eventually(
            lambda: self.metric(followed, 'fairlead_gateway_dns_answers_total{result="failure"}') >= 1))
        self.assertEqual(self.names(10), {"one": 10})

    def test_ipv6(self):
        six = self.backend("six", address="::1")
        self.server.records["six.example"] = ["::1"]
        self.follow(external("api", "six.example", six.port), route("web", to_port("api", six.port)),
                    arguments=("--dns", self.server.address))
        self.assertEqual(ask(self.port)[2], "six")

    def test_names_on_the_command_line(self):
        one = self.backend("one")
        self.server.records["plain.example"] = ["127.0.0.1"]
        served = Gateway("--listen", "127.0.0.1:0", "--to", f"http://plain.example:{one.port}", "--dns", self.server.address)
        self.addCleanup(served.close)
        self.assertEqual(ask(served.port)[2], "one")
        self.assertIn(("plain.example", A), self.server.asked)


class AlpnTest(BackendsCase):
    """nginx by TLS, which says what it was asked by."""

    def nginx(self, http2):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="fl-nginx-"))
        self.addCleanup(shutil.rmtree, folder)
        certificate = make_certificate(folder, "a.example")[0]
        port = free_port()
        (folder / "nginx.conf").write_text(
            f"daemon off; master_process off; pid {folder}/pid; error_log stderr;\nevents {{}}\n"
            f"http {{ access_log off; client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; "
            f"fastcgi_temp_path {folder}/3; uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;\n"
            f"ssl_certificate {folder}/crt.pem; ssl_certificate_key {folder}/key.pem;\n"
            f"server {{ listen 127.0.0.1:{port} ssl{' http2' if http2 else ''}; location / {{ return 200 $server_protocol; }} }} }}\n")
        nginx = subprocess.Popen(["/usr/sbin/nginx", "-c", folder / "nginx.conf", "-e", "stderr"], stderr=subprocess.DEVNULL)
        self.addCleanup(nginx.wait)
        self.addCleanup(nginx.kill)
        return port, certificate

    def served(self, http2, app_protocol):
        port, certificate = self.nginx(http2)
        pem = "".join(f"    {line}\n" for line in certificate.splitlines())
        tls = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ca, namespace: default}\ndata:\n  ca.crt: |\n" + pem + """---
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {name: web, namespace: default}
spec:
  targetRefs: [{group: "", kind: Service, name: web}]
  validation: {hostname: a.example, caCertificateRefs: [{group: "", kind: ConfigMap, name: ca}]}
"""
        return self.follow(service("web", ("127.0.0.1", port), app_protocol=app_protocol), route("web", to("web")), tls)

    def test_the_backend_and_its_port_agree(self):
        rows = [(True, "https", "HTTP/2.0"), (False, "https", "HTTP/1.1"), (True, "", "HTTP/1.1"),
                (True, "kubernetes.io/h2c", "HTTP/2.0")]
        for http2, app_protocol, expected in rows:
            with self.subTest(http2=http2, app_protocol=app_protocol):
                followed = self.served(http2, app_protocol)
                self.assertTrue(eventually(lambda: ask(self.port)[0] == 200))
                self.assertEqual(self.names(6), {expected: 6})
                followed.close()

    def test_http2_is_not_sent_to_who_does_not_agree(self):
        self.served(False, "kubernetes.io/h2c")
        self.assertEqual(ask(self.port)[0], 503)


if __name__ == "__main__":
    unittest.main(verbosity=2)
