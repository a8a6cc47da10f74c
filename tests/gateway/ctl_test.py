# SPDX-License-Identifier: Apache-2.0
"""fairctl gateway against a real fairlead-gateway, and the admin API that it asks."""
import contextlib
import json
import os
import pathlib
import re
import select
import socket
import subprocess
import tempfile
import time
import unittest
from http.client import HTTPConnection

import yaml

from backend import Backend
from objects import CLASS, Followed, free_port, gateway, http, https, make_certificate, of, route, secret, service, to
from support import FAIRCTL, LIMIT, Gateway, curl, curl_status, eventually, raw


def fairctl(socket, *words):
    """(exit status, standard output, standard error)"""
    done = subprocess.run([FAIRCTL, "--socket", str(socket), "gateway", *map(str, words)], capture_output=True, text=True,
                          timeout=LIMIT)
    return done.returncode, done.stdout, done.stderr


class Asking(unittest.TestCase):
    """One gateway for all questions that change nothing."""

    @classmethod
    def setUpClass(cls):
        cls.one, cls.two = Backend("one"), Backend("two")
        for backend in (cls.one, cls.two):
            cls.addClassCleanup(backend.close)
        cls.port, cls.tls_port = free_port(), free_port()
        with tempfile.TemporaryDirectory() as folder:
            certificate, cls.key = make_certificate(pathlib.Path(folder), "tls.example")
        hidden = 'filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: authorization, value: ' \
                 '"Bearer hunter2"}, {name: x-plain, value: seen}]}}]'
        redirect = '{matches: [{path: {value: /away}}], filters: [{type: RequestRedirect, requestRedirect: {statusCode: 301}}]}'
        cls.followed = Followed({
            "gateway.yaml": "---\n".join([CLASS, gateway(http(cls.port), https(cls.tls_port, "tls", "tls.example", "site")),
                                          secret("site", certificate, cls.key)]),
            "services.yaml": "---\n".join([service("one", of(cls.one)), service("two", of(cls.two)), service("empty")]),
            "routes.yaml": "---\n".join([
                route("shop", to(("one", 9), ("two", 1)), to("two", more="matches: [{path: {value: /cart}}]"),
                      to("one", more='matches: [{path: {value: /cart}, headers: [{name: x-canary, value: "yes"}]}]'),
                      redirect, hostnames=["shop.example"]),
                route("hidden", to("one", more=hidden), hostnames=["hidden.example"]),
                route("missing", to("missing"), hostnames=["missing.example"]),
                route("empty", to("empty"), hostnames=["empty.example"]),
                route("cors", to("one", more="filters: [{type: CORS, cors: {allowOrigins: ['https://a.example']}}]"),
                      hostnames=["cors.example"]),
                route("tls", to("one"), hostnames=["tls.example"])])}, workers=2)
        cls.addClassCleanup(cls.followed.close)
        cls.socket, cls.admin = cls.followed.gateway.socket, cls.followed.gateway.admin

    def tell(self, *words, status=0):
        code, output, errors = fairctl(self.socket, *words)
        self.assertEqual((code, errors), (status, ""), output)
        return output

    def ask(self, *words, status=0):
        return json.loads(self.tell(*words, "-o", "json", status=status))

    def get(self, host="shop.example", path="/name"):
        return curl_status("-H", f"host: {host}", f"http://127.0.0.1:{self.port}{path}")

    def test_status_is_the_same_in_every_form(self):
        text = self.tell("status", "-o", "yaml")
        documents = [one for one in yaml.safe_load_all(text) if one]
        items = self.ask("status")["items"]
        self.assertEqual(documents, items)
        by_name = {(item["kind"], item["metadata"]["name"]): item["status"] for item in items}
        self.assertEqual(by_name["HTTPRoute", "missing"]["parents"][0]["conditions"][1]["reason"], "BackendNotFound")
        self.assertEqual([one["attachedRoutes"] for one in by_name["Gateway", "edge"]["listeners"]], [6, 1])
        for words in (("status",), ("status", "-o", "table")):
            rows = self.tell(*words).splitlines()
            self.assertRegex(rows[0], r"^OBJECT +PART +ACCEPTED +PROGRAMMED +RESOLVED +ROUTES +WHY")
            self.assertRegex("\n".join(rows), r"HTTPRoute default/missing +at Gateway edge +yes +- +BackendNotFound .*does not exist")
            self.assertRegex("\n".join(rows), r"Gateway default/edge +listener http +yes +yes +yes +6")

    def test_routes(self):
        table = self.tell("routes")
        self.assertRegex(table, r"default/edge:\d+ +HTTPRoute default/shop +0 +shop\.example +/\* +default/one:80 90%, default/two:80 10%")
        self.assertRegex(table, r"HTTPRoute default/shop +2 +shop\.example +/cart/\* x-canary=yes +default/one:80")
        self.assertIn("RequestRedirect", table)
        self.assertIn("(invalid: 500)", table)
        by_protocol = {one["protocol"]: one for one in self.ask("routes")["listeners"]}
        self.assertEqual(set(by_protocol), {"HTTP", "HTTPS"})
        self.assertEqual([one["route"] for one in by_protocol["HTTPS"]["routes"]], ["HTTPRoute default/tls"])

    def test_backends_count_requests_of_all_workers(self):
        def counted():
            return {backend["address"]: backend for cluster in self.ask("backends")["clusters"]
                    if cluster["name"] == "default/two:80" for backend in cluster["backends"]}
        address = f"127.0.0.1:{self.two.port}"
        before = counted()[address]
        for _ in range(20):
            self.assertEqual(self.get(path="/cart"), "200")
        after = counted()[address]
        self.assertEqual((after["requests"] - before["requests"], after["state"]), (20, "available"))
        self.assertRegex(self.tell("backends"), rf"default/two:80 +{re.escape(address)} +available +1 +0 +\d+ +0 +0 +0")

    def test_why_names_the_route_and_what_each_other_lost_by(self):
        found = self.ask("why", "GET", f"http://shop.example:{self.port}/cart/1?x=y")
        self.assertEqual((found["route"], found["rule"], found["status"]), ("HTTPRoute default/shop", 1, None))
        self.assertEqual([one["cluster"] for one in found["backends"]], ["default/two:80"])
        self.assertEqual(found["backends"][0]["endpoints"], [{"address": f"127.0.0.1:{self.two.port}", "ready": True}])
        lost = {(one["route"], one["rule"]): (one["result"], one["field"], one["found"], one["expected"])
                for one in found["candidates"] if one["result"] != "taken"}
        self.assertEqual(lost["HTTPRoute default/shop", 2], ("no match", "header x-canary", "none", "yes"))
        self.assertEqual(lost["HTTPRoute default/shop", 0][:2], ("beaten", "path kind"))
        self.assertEqual(lost["HTTPRoute default/hidden", 0][:3], ("no match", "host", "shop.example"))
        text = self.tell("why", "GET", f"http://shop.example:{self.port}/cart", "-H", "X-Canary: yes", "-H", "x-other: 1")
        self.assertRegex(text, r"route +HTTPRoute default/shop rules\[2\]\.matches\[0\] for shop\.example")
        self.assertRegex(text, r"HTTPRoute default/shop rules\[1\]\.matches\[0\] .*number of headers +1 +0")

    def test_why_agrees_with_what_requests_get(self):
        rows = [("shop.example", "/", None), ("shop.example", "/away", 301), ("missing.example", "/", 500),
                ("nobody.example", "/", 404), ("SHOP.example.", "/a/../away", 301), ("empty.example", "/", 503)]
        for host, path, status in rows:
            with self.subTest(host=host, path=path):
                found = self.ask("why", "GET", f"http://127.0.0.1:{self.port}{path}", "-H", f"Host: {host}")
                self.assertEqual(found["status"], status, found["result"])
                got = curl_status("--path-as-is", "-H", f"host: {host}", f"http://127.0.0.1:{self.port}{path}")
                self.assertEqual(got, str(status or 200))
        for origin, status in (("https://a.example", 204), ("https://b.example", 403)):
            asked = ("-H", "Host: cors.example", "-H", f"Origin: {origin}", "-H", "Access-Control-Request-Method: PUT")
            url = f"http://127.0.0.1:{self.port}/"
            found = self.ask("why", "OPTIONS", url, *asked)
            self.assertEqual((found["status"], str(found["status"])), (status, curl_status("-X", "OPTIONS", *asked, url)))
            self.assertEqual(found["result"], f"{status}: CORS of HTTPRoute default/cors answers the preflight")
        text = self.tell("why", "GET", "http://missing.example/")
        self.assertRegex(text, r"backend +\(invalid: 500\)\n")
        self.assertIn("500: the rule has no valid backend\n", text)
        self.assertIn("503: no endpoint of its backends is ready\n", self.tell("why", "GET", "http://empty.example/"))
        found = self.ask("why", "GET", "https://tls.example/")
        self.assertEqual((found["route"], found["listener"]["protocol"]), ("HTTPRoute default/tls", "HTTPS"))
        self.assertEqual(self.ask("why", "GET", "/cart", "-H", "Host: shop.example")["rule"], 1)

    def test_questions_that_are_none(self):
        for words, said in ((("why", "GET", "ftp://a/"), "expected http or https"),
                            (("why", "GET", "http://a:1/"), "no listener has the URL's scheme and port"),
                            (("why", "GET", "http://a/%00"), "nul"),
                            (("why", "GET", "http://a/", "-H", "nonsense"), '"Name: value"'),
                            (("log-level", "loud"), "expected trace, debug, info, warn or err"),
                            (("config", "diff", "/nonexistent"), "/nonexistent")):
            with self.subTest(words=words):
                code, output, errors = fairctl(self.socket, *words)
                self.assertEqual((code, output), (1, ""), errors)
                self.assertIn(said, errors)
        for words in ((), ("nonsense",), ("why", "GET"), ("config",), ("config", "nonsense"), ("config", "diff"), ("purge", "url"),
                      ("purge", "all", "x")):
            with self.subTest(words=words):
                self.assertEqual(fairctl(self.socket, *words)[0], 2)
        code, _, errors = fairctl("/nonexistent/gateway.sock", "status")
        self.assertEqual(code, 3)
        self.assertIn("no gateway runs", errors)

    def test_every_action_has_help_with_examples(self):
        code, text, _ = fairctl(self.socket, "--help")
        actions = re.findall(r"^  ([a-z-]+)  +[a-z]", text.split("Options of every")[0].split("Actions")[1], re.M)
        self.assertEqual((code, actions), (0, ["status", "routes", "backends", "filters", "top", "why", "log-level", "config",
                                              "purge"]))
        for action in actions:
            code, text, _ = fairctl(self.socket, action, "--help")
            self.assertEqual(code, 0)
            self.assertIn(f"Usage: fairctl gateway {action}", text)
            self.assertRegex(text, rf"Examples\n  fairctl gateway {action}")

    def test_no_secret_is_told(self):
        lines = [line for line in self.key.splitlines() if len(line) > 20]
        with open(self.followed.folder / "gateway.yaml") as stream:
            self.assertIn(lines[0], stream.read())
        told = [self.tell("config", "dump"), self.tell("routes", "-o", "json"), self.tell("status", "-o", "yaml"),
                self.tell("why", "GET", f"http://hidden.example:{self.port}/", "-o", "json"),
                *(curl(f"http://{self.admin}/v1/gateway/{name}").decode() for name in ("live", "routes", "backends", "status"))]
        for text in told:
            self.assertNotIn("hunter2", text)
            for line in lines:
                self.assertNotIn(line, text)
        self.assertIn("(hidden ", told[0])
        self.assertIn('"x-plain": "seen"', told[0])
        self.assertEqual(raw(self.port, b"GET /head HTTP/1.1\r\nhost: hidden.example\r\nconnection: close\r\n\r\n")
                         .count(b"Bearer hunter2"), 1)

    def test_what_is_for_the_owner_is_at_the_socket_alone(self):
        for path in ("config", "config/diff?path=/tmp"):
            self.assertEqual(curl_status(f"http://{self.admin}/v1/gateway/{path}"), "404")
        self.assertEqual(curl_status("-d", "", f"http://{self.admin}/v1/gateway/log-level?level=trace"), "405")
        self.assertEqual(os.stat(self.socket).st_mode & 0o777, 0o600)

    def test_other_methods_are_told_which_there_are(self):
        for method, path in (("POST", "metrics"), ("DELETE", "readyz"), ("OPTIONS", "v1/status")):
            with self.subTest(method=method):
                head = curl("-i", "-X", method, f"http://{self.admin}/{path}").decode()
                self.assertRegex(head, r"^HTTP/1.1 405 [\s\S]*\nAllow: GET, HEAD\r\n")
        self.assertEqual(curl_status("-I", f"http://{self.admin}/readyz"), "200")

    def test_who_connects_and_asks_nothing_is_in_nobodys_way(self):
        def answered_beside_them():
            host, port = self.admin.split(":")
            with contextlib.ExitStack() as held:
                idle = [held.enter_context(socket.create_connection((host, int(port)), LIMIT)) for _ in range(40)]
                self.assertEqual(curl_status(f"http://{self.admin}/readyz"), "200")
                return not select.select(idle, [], [], 0)[0]  # none had to be closed first
        self.assertTrue(eventually(answered_beside_them))

    def test_top_measures(self):
        process = subprocess.Popen([FAIRCTL, "--socket", str(self.socket), "gateway", "top", "--once", "-i", "1", "-o",
                                    "json"], stdout=subprocess.PIPE, text=True)
        while process.poll() is None:
            self.get(path="/cart")
            self.get(host="nobody.example")
        with process.stdout as stream:
            measured = json.loads(stream.read())
        self.assertEqual(process.returncode, 0)
        self.assertGreater(measured["requestsPerSecond"], 0)
        self.assertGreater(measured["byClass"]["4xx"], 0)
        self.assertGreater(measured["p99Us"], 0)
        self.assertEqual(measured["backends"][0]["cluster"], "default/two:80")
        self.assertRegex(self.tell("top", "--once", "-i", "0"), r"requests/s .*\n.*connections.*\n\nCLUSTER")

    def test_failed_requests_are_kept_without_their_query(self):
        self.assertEqual(self.get("missing.example", "/where?token=hunter3"), "500")
        raw(self.port, b"GET / HTTP/1.1\r\nhost: a b\r\n\r\n")
        failed = json.loads(curl(f"http://{self.admin}/v1/gateway/live"))["failed"]
        self.assertEqual({one["status"] for one in failed} - {404}, {400, 500})
        found = next(one for one in failed if one["path"] == "/where")
        self.assertEqual((found["method"], found["host"], found["status"], found["flags"], found["route"]),
                         ("GET", "missing.example", 500, "NC", "HTTPRoute default/missing"))
        self.assertNotIn("hunter3", json.dumps(failed))


class Changing(unittest.TestCase):
    def setUp(self):
        self.backend = Backend("one")
        self.addCleanup(self.backend.close)
        self.port = free_port()
        self.files = {"gateway.yaml": "---\n".join([CLASS, gateway(http(self.port))]),
                      "service.yaml": service("s", of(self.backend)),
                      "route.yaml": route("a", to("s"), hostnames=["a.example"])}
        self.followed = Followed(self.files)
        self.addCleanup(self.followed.close)

    def ctl(self, *words):
        return fairctl(self.followed.gateway.socket, *words)

    def folder(self, **changes):
        made = tempfile.TemporaryDirectory()
        self.addCleanup(made.cleanup)
        for name, text in {**self.files, **changes}.items():
            pathlib.Path(made.name, name).write_text(text)
        return made.name

    def test_the_log_level_changes_while_it_runs(self):
        self.assertEqual(self.ctl("log-level"), (0, "info\n", ""))
        self.assertEqual(self.ctl("log-level", "err"), (0, "error\n", ""))
        self.followed.write("more.yaml", route("b", to("s"), hostnames=["b.example"]))
        self.followed.await_changes(1)
        lines = len(self.followed.gateway.errors)
        self.assertEqual(self.ctl("log-level", "debug"), (0, "debug\n", ""))
        self.followed.remove("more.yaml")
        self.assertTrue(eventually(lambda: any("configuration" in line
                                               for line in self.followed.gateway.errors[lines:])))

    def times(self):
        """{(kind, name, listener, condition): (its status, since when)}"""
        found = {}
        for item in json.loads(self.ctl("status", "-o", "json")[1])["items"]:
            status = item["status"]
            for part in (status, *status.get("listeners", ()), *status.get("parents", ())):
                for one in part.get("conditions", ()):
                    found[item["kind"], item["metadata"]["name"], part.get("name", ""), one["type"]] = \
                        (one["status"], one["lastTransitionTime"])
        return found

    def test_a_condition_s_time_is_kept_while_its_status_is(self):
        self.followed.write("more.yaml", route("b", to("s"), hostnames=["b.example"]))
        self.assertTrue(eventually(lambda: ("HTTPRoute", "b", "", "Accepted") in self.times()))
        before = self.times()
        for _, since in before.values():
            self.assertRegex(since, r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        latest = max(since for _, since in before.values())
        self.assertTrue(eventually(lambda: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()) > latest))
        self.followed.write("more.yaml", route("b", to("nobody"), hostnames=["b.example"]))
        turned = ("HTTPRoute", "b", "", "ResolvedRefs")
        self.assertTrue(eventually(lambda: self.times()[turned][0] == "False"))
        after = self.times()
        self.assertGreater(after.pop(turned)[1], before.pop(turned)[1])
        self.assertEqual(after, before)

    def test_settings_that_few_have_are_compared_too(self):
        def policy(kind, target, spec):
            return f"""apiVersion: fairlead.io/v1alpha1
kind: {kind}
metadata: {{name: more, namespace: default}}
spec: {{targetRefs: [{target}], {spec}}}
"""
        edge = "{group: gateway.networking.k8s.io, kind: Gateway, name: edge}"
        backends = "{group: '', kind: Service, name: s}"
        routes = "{group: gateway.networking.k8s.io, kind: HTTPRoute, name: a}"

        def of_route(more):
            return route("a", to("s", more=more), hostnames=["a.example"])
        for file, text, where, said in (
                ("route.yaml", of_route("retry: {attempts: 5, codes: [503]}"), "retry", '"attempts":5'),
                ("route.yaml", of_route("sessionPersistence: {sessionName: mine}"), "session", '"name":"mine"'),
                ("more.yaml", policy("ClientPolicy", edge, "limits: {maxBodyBytes: 5}"), "limits / bodyBytes", "5"),
                ("more.yaml", policy("ClientPolicy", edge, "forwarded: {trustedCIDRs: [192.0.2.0/24]}"), "limits / forwarded / trusted",
                 "192.0.2.0/24"),
                ("more.yaml", policy("BackendPolicy", backends, "slowStart: {window: 5s}"), "slowStartMs", "5000"),
                ("more.yaml", policy("BackendPolicy", backends, "hedging: {delay: 20ms}"), "hedgeAfterMs", "20"),
                ("more.yaml", policy("RequestPolicy", routes, "addresses: {deny: [192.0.2.0/24]}"), "sections",
                 '"addresses":"RequestPolicy default/more"')):
            with self.subTest(where=where):
                code, told, errors = self.ctl("config", "diff", self.folder(**{file: text}))
                self.assertEqual((code, errors), (1, ""))
                self.assertIn(f" / {where}", told)
                self.assertIn(said, told)
                self.assertNotIn("error", told)

    def test_differences_are_told_and_nothing_changes(self):
        same = self.folder()
        self.assertEqual(self.ctl("config", "diff", same), (0, "no differences\n", ""))
        other = self.folder(**{"route.yaml": route("a", to("s", more="timeouts: {request: 1s}"), hostnames=["a.example"]),
                               "more.yaml": route("b", to("nobody"), hostnames=["b.example"])})
        changes = self.followed.status()["changes"]
        logged = len(self.followed.gateway.errors)
        code, text, errors = self.ctl("config", "diff", other)
        self.assertEqual((code, errors), (1, ""))
        self.assertRegex(text, r"routes / default/edge:\d+ / HTTPRoute default/a\[0\] / rules\[0\] / requestTimeoutMs\n\+ 1000\n")
        self.assertRegex(text, r"routes / default/edge:\d+ / HTTPRoute default/b\n\+ \[\{")
        code, text, _ = self.ctl("config", "diff", other, "-o", "json")
        self.assertEqual((code, {one["change"] for one in json.loads(text)["changes"]}), (1, {"added"}))
        self.assertEqual(self.followed.status()["changes"], changes)
        self.assertEqual(len(self.followed.gateway.errors), logged)
        for name, content in (("route.yaml", pathlib.Path(other, "route.yaml").read_text()),
                              ("more.yaml", pathlib.Path(other, "more.yaml").read_text())):
            self.followed.write(name, content)
        self.assertTrue(eventually(lambda: self.followed.status()["routes"] == 2))
        self.assertTrue(eventually(lambda: self.ctl("config", "diff", other)[:2] == (0, "no differences\n")))
        code, text, _ = self.ctl("config", "diff", same)
        self.assertEqual(code, 1)
        self.assertRegex(text, r"HTTPRoute default/b\n- \[\{")


class AdminTest(unittest.TestCase):
    def test_threads_begin_as_they_are_needed(self):
        one = Gateway("--listen", "127.0.0.1:0", "--to", "http://127.0.0.1:9", workers=1)
        self.addCleanup(one.close)
        threads = pathlib.Path(f"/proc/{one.process.pid}/task")
        before = len(list(threads.iterdir()))
        peers = [HTTPConnection(one.admin, timeout=LIMIT) for _ in range(8)]
        for peer in peers:  # each holds the thread that answers it
            self.addCleanup(peer.close)
            peer.request("GET", "/v1/status")
            answer = peer.getresponse()
            self.assertEqual((answer.status, bool(answer.read())), (200, True))
        self.assertGreaterEqual(len(list(threads.iterdir())), before + len(peers))


class WithoutConfigurationTest(unittest.TestCase):
    def test_what_flags_alone_serve_is_told_too(self):
        backend = Backend("one")
        self.addCleanup(backend.close)
        served = Gateway("--listen", "127.0.0.1:0", "--to", backend.url)
        self.addCleanup(served.close)
        self.assertEqual(curl_status(served.url), "200")
        code, text, _ = fairctl(served.socket, "why", "GET", served.url, "-o", "json")
        found = json.loads(text)
        self.assertEqual((code, found["route"], found["backends"][0]["cluster"]), (0, "--to", "to"))
        self.assertRegex(fairctl(served.socket, "backends")[1], rf"to +127\.0\.0\.1:{backend.port} +available +1 +0 +1 ")
        for words in (["status"], ["filters"], ["config", "diff", "/"]):
            with self.subTest(words=words):
                code, text, errors = fairctl(served.socket, *words)
                self.assertEqual((code, text), (1, ""))
                self.assertIn("found a gateway of --listen and --to, expected one of --config", errors)
        self.assertEqual(curl_status(served.url), "200")  # it is still there
        self.assertIn(", 0 requests under way\n", fairctl(served.socket, "top", "--once")[1])


if __name__ == "__main__":
    unittest.main()
