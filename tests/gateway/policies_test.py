# SPDX-License-Identifier: Apache-2.0
"""Where RequestPolicies are attached, which of them count, and what is said of them."""
import asyncio
import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

import websockets
from backend import Backend
from objects import CLASS, Followed, free_port, gateway, http, https, make_certificate, of, route, secret, service, to
from support import LIMIT, curl, curl_status, eventually

FAIRCTL = os.environ.get("FAIRLEAD_FAIRCTL", str(pathlib.Path(__file__).resolve().parents[2] / "build/bin/fairctl"))
KEY = {"ada": "key-of-ada", "bob": "key-of-bob"}


def join(*documents):
    return "---\n".join(documents)


def policy(name, kind, target, spec, section=""):
    group = {"Service": '""', "Consumer": "fairlead.io"}.get(kind, "gateway.networking.k8s.io")
    more = f", sectionName: {section}" if section else ""
    return f"""apiVersion: fairlead.io/v1alpha1
kind: RequestPolicy
metadata: {{name: {name}, namespace: default}}
spec:
  targetRefs: [{{group: {group}, kind: {kind}, name: {target}{more}}}]
{spec}"""


def consumer(name):
    return f"""apiVersion: fairlead.io/v1alpha1
kind: Consumer
metadata: {{name: {name}, namespace: default}}
spec: {{credentials: [{{apiKey: {{key: {KEY[name]}}}}}]}}
"""


def says(text):
    return f"  answer: {{body: \"{text}\"}}\n"


class Policies(unittest.TestCase):
    def setUp(self):
        self.backend = Backend()
        self.addCleanup(self.backend.close)
        self.port = free_port()

    def start(self, *documents, listeners=None, workers=1):
        self.followed = Followed(
            {"edge.yaml": join(CLASS, gateway(*(listeners or [http(self.port)]))),
             "web.yaml": join(service("web", of(self.backend)), route("web", to("web", more="name: first"))),
             "policies.yaml": join(*documents) if documents else consumer("ada")}, workers=workers)
        self.addCleanup(self.followed.close)

    def ask(self, *arguments, host="a.example", path="/name"):
        return curl("-H", f"host: {host}", *arguments, f"http://127.0.0.1:{self.port}{path}").decode()

    def becomes(self, wanted, *arguments):
        self.assertTrue(eventually(lambda: self.ask(*arguments) == wanted), self.followed.gateway.errors)

    def test_the_more_special_level_counts(self):
        self.start(consumer("ada"), consumer("bob"),
                   policy("keys", "Gateway", "edge", "  authentication: {methods: {apiKey: {}}, anonymous: {allow: true}}\n"))
        self.assertEqual(self.ask(), "backend")
        levels = [("gateway", "Gateway", "edge", ""), ("listener", "Gateway", "edge", "http"),
                  ("route", "HTTPRoute", "web", ""), ("rule", "HTTPRoute", "web", "first"),
                  ("backend", "Service", "web", ""), ("consumer", "Consumer", "ada", "")]
        ada = ("-H", "apikey: " + KEY["ada"])
        for name, kind, target, section in levels:
            self.followed.write(f"{name}.yaml", policy(name, kind, target, says(name + "-level"), section))
            self.becomes(name + "-level", *ada)
        self.assertEqual(self.ask("-H", "apikey: " + KEY["bob"]), "backend-level")
        self.assertEqual(self.ask(), "backend-level")
        for number in range(len(levels) - 1, 0, -1):
            self.followed.remove(f"{levels[number][0]}.yaml")
            self.becomes(levels[number - 1][0] + "-level", *ada)
        self.followed.remove("gateway.yaml")
        self.becomes("backend", *ada)

    def test_policies_for_some_consumers(self):
        def of_ada(name, target, kind="HTTPRoute", who="[ada]"):
            return policy(name, kind, target, f"  consumers: {who}\n" + says(name))

        self.start(consumer("ada"), consumer("bob"), policy("all", "Service", "web", says("all")),
                   policy("keys", "Gateway", "edge", "  authentication: {methods: {apiKey: {}}, anonymous: {allow: true}}\n"))
        ada, bob = (("-H", "apikey: " + KEY[name]) for name in ("ada", "bob"))
        self.assertEqual(self.ask(*ada), "all")
        self.followed.write("listener.yaml", of_ada("on-listener", "edge", "Gateway"))
        self.becomes("on-listener", *ada)
        self.followed.write("rule.yaml", of_ada("on-rule", "web"))
        self.becomes("on-rule", *ada)
        done = subprocess.run([FAIRCTL, "--socket", self.followed.gateway.socket, "gateway", "why", "GET",
                               f"http://a.example:{self.port}/name", *ada, "-o", "json"], capture_output=True, text=True, check=True)
        self.assertEqual([(row["policy"], row["level"]) for row in json.loads(done.stdout)["policies"] if row["filter"] == "answer"],
                         [("RequestPolicy default/on-rule", "consumer at rule")])
        self.assertEqual((self.ask(*bob), self.ask()), ("all", "all"))
        self.followed.write("rule.yaml", of_ada("on-rule", "web", who="[bob, ada]").replace("body: \"on-rule", "body: \"on-rule-too"))
        self.becomes("on-rule-too", *bob)
        self.becomes("on-rule-too", *ada)
        self.followed.write("own.yaml", policy("own", "Consumer", "ada", says("own")))
        self.becomes("own", *ada)
        for name in ("own.yaml", "rule.yaml"):
            self.followed.remove(name)
        self.becomes("on-listener", *ada)
        self.assertEqual(self.ask(*bob), "all")
        self.followed.remove("listener.yaml")
        self.becomes("all", *ada)

    def test_sections_are_decided_one_by_one(self):
        self.start(policy("all", "Gateway", "edge", says("gateway") + "  addresses: {deny: [192.0.2.0/24]}\n"),
                   policy("one", "HTTPRoute", "web", says("route")))
        self.assertEqual(self.ask(), "route")
        self.followed.write("policies.yaml", policy("all", "Gateway", "edge", "  addresses: {deny: [127.0.0.0/8]}\n"),
                            policy("one", "HTTPRoute", "web", says("route")))
        self.assertTrue(eventually(lambda: '"status":403' in self.ask()))

    def test_listeners_of_one_port_have_their_own(self):
        self.start(policy("a", "Gateway", "edge", says("listener-a"), "a"),
                   listeners=[http(self.port, "a", "a.example"), http(self.port, "b", "b.example")])
        self.assertEqual(self.ask(host="a.example"), "listener-a")
        self.assertEqual(self.ask(host="b.example"), "backend")

    def test_consumers_of_one_name_in_two_namespaces_are_two(self):
        other = consumer("ada").replace("namespace: default", "namespace: other")
        self.start(consumer("ada"), other,
                   policy("keys", "Gateway", "edge", "  authentication: {methods: {apiKey: {}}}\n"),
                   policy("not-mine", "Consumer", "ada", says("other")).replace("namespace: default", "namespace: other"))
        self.assertEqual(self.ask("-H", "apikey: " + KEY["ada"]), "backend")

    def test_what_stands_in_a_secret_follows_it(self):
        def keys(key):
            return ("apiVersion: v1\nkind: Secret\nmetadata: {name: keys, namespace: default}\nstringData: {ada: "
                    f"{key}}}\n")
        of_secret = consumer("ada").replace("{key: key-of-ada}", "{secretRef: {name: keys, key: ada}}")
        self.start(of_secret, keys("first"), policy("keys", "Gateway", "edge", "  authentication: {methods: {apiKey: {}}}\n"))
        self.assertEqual(self.ask("-H", "apikey: first"), "backend")
        self.followed.write("policies.yaml", of_secret, keys("second"),
                            policy("keys", "Gateway", "edge", "  authentication: {methods: {apiKey: {}}}\n"))
        self.becomes("backend", "-H", "apikey: second")
        self.assertIn('"status":401', self.ask("-H", "apikey: first"))

    def test_bad_objects_leave_the_last_good_ones_in_force(self):
        self.start(policy("one", "HTTPRoute", "web", says("good")))
        self.assertEqual(self.ask(), "good")
        self.followed.write("policies.yaml", policy("one", "HTTPRoute", "web", "  answer: {status: 99}\n"))
        self.assertTrue(eventually(lambda: any("spec.answer.status" in line for line in self.followed.gateway.errors)))
        self.assertEqual(self.ask(), "good")

    def test_what_was_never_right_closes_what_it_names(self):
        closed = "a policy of this route cannot be served"

        def closes(*arguments):
            problem = json.loads(self.ask(*arguments))
            self.assertEqual((problem["status"], problem["detail"]), (500, closed))
            self.assertTrue(problem["request_id"])

        for section in ("  authenticaton: {methods: {apiKey: {}}}\n",  # no such section
                        "  authentication: {methods: {apiKey: {header: x}}}\n",
                        "  rateLimits: {limits: [{name: a, requests: none, per: Day}]}\n",
                        "  answer: {status: 99}\n"):
            with self.subTest(section=section):
                self.port = free_port()
                self.start(policy("one", "HTTPRoute", "web", section))
                closes()
                self.assertIn("Invalid", self.followed.conditions())
                self.followed.write("policies.yaml", policy("one", "HTTPRoute", "web", says("good")))
                self.becomes("good")
                self.followed.write("policies.yaml", policy("one", "HTTPRoute", "web", section))
                self.assertTrue(eventually(lambda: self.followed.gateway.errors[-1:] and "error" in self.followed.gateway.errors[-1]))
                self.assertEqual(self.ask(), "good")
        self.port = free_port()
        self.start(policy("one", "HTTPRoute", "web", "  correlation: {}\n  access: {rules: [{action: Allow}]}\n"),
                   policy("two", "Gateway", "edge", "  authenticaton: {methods: {apiKey: {}}}\n"))
        closes()  # a more special policy has the same sections
        self.port = free_port()
        self.start(policy("one", "HTTPRoute", "web", "  compression: {minLength: x}\n"))
        self.assertEqual(self.ask(), "backend", "it lets nobody in")
        self.port = free_port()
        self.start(policy("one", "Gateway", "edge", "  authentication: {methods: {apiKey: {}}, anonymous: {allow: true}}\n"),
                   policy("two", "Consumer", "ada", "  answr: {}\n"), consumer("ada"), consumer("bob"))
        closes("-H", f"apikey: {KEY['ada']}")
        self.assertEqual(self.ask("-H", f"apikey: {KEY['bob']}"), "backend")

    def test_a_backend_is_not_asked_in_plain_text_for_an_error(self):
        self.start("""apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {name: tls, namespace: default}
spec:
  targetRefs: [{group: "", kind: Service, name: web}]
  validation: {hostname: b.example, wellKnownCACertificates: System, subjectAltName: [x]}
""")
        self.assertEqual(curl_status("-H", "host: a.example", f"http://127.0.0.1:{self.port}/name"), "500")
        self.assertEqual(self.backend.requests(), [])
        self.assertIn("Invalid", self.followed.conditions())

    def test_clients_without_a_certificate_do_not_come_in_for_an_error(self):
        asks = """apiVersion: fairlead.io/v1alpha1
kind: ClientPolicy
metadata: {name: mutual, namespace: default}
spec: {targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: edge}], tls: {%s}}
"""
        with tempfile.TemporaryDirectory() as folder:
            pair = make_certificate(pathlib.Path(folder), "a.example")
        port = free_port()
        self.start(asks % "clientValidaton: {caCertificateRefs: []}", secret("tls", *pair),
                   listeners=[http(self.port), https(port, "tls", "a.example", "tls")])

        def over_tls():
            done = subprocess.run(["curl", "-sk", "--connect-to", f"::127.0.0.1:{port}", "https://a.example/name"], capture_output=True)
            return done.stdout if done.returncode == 0 else None

        self.assertEqual(self.ask(), "backend")
        self.assertIsNone(over_tls())
        self.assertIn("Invalid", self.followed.conditions())
        self.followed.write("policies.yaml", asks % 'minVersion: "1.3"', secret("tls", *pair))
        self.assertTrue(eventually(lambda: over_tls() == b"backend"))

    def test_changes_fail_no_request(self):
        self.start(policy("one", "HTTPRoute", "web", says("0")), workers=2)
        for number in range(1, 30):
            self.followed.write("policies.yaml", policy("one", "HTTPRoute", "web", says(number)))
            self.assertTrue(eventually(lambda: (answer := self.ask()).isdigit() and int(answer) == number))

    def test_websockets_pass_filters(self):
        async def talk():
            async def echo(socket):
                async for message in socket:
                    await socket.send(message)
            async with websockets.serve(echo, "127.0.0.1", 0) as server:
                address = server.sockets[0].getsockname()
                self.followed.write("web.yaml", service("web", address), route("web", to("web")))
                url = f"ws://127.0.0.1:{self.port}/"
                while True:
                    try:
                        async with websockets.connect(url, extra_headers={"apikey": KEY["ada"]}) as client:
                            await client.send("x" * 100_000)
                            self.assertEqual(await client.recv(), "x" * 100_000)
                        break
                    except websockets.exceptions.InvalidStatusCode:
                        continue  # the change is not there yet
                with self.assertRaises(websockets.exceptions.InvalidStatusCode) as refused:
                    await websockets.connect(url)
                self.assertEqual(refused.exception.status_code, 401)
        self.start(consumer("ada"), policy("keys", "Gateway", "edge",
                                           "  authentication: {methods: {apiKey: {}}}\n  compression: {}\n"
                                           "  rateLimits: {limits: [{name: a, requests: 1000, per: Second}]}\n"
                                           "  cache: {defaultTtl: 60s}\n"))
        asyncio.run(asyncio.wait_for(talk(), LIMIT))

    def test_why_names_filters_policies_and_levels(self):
        self.start(policy("all", "Gateway", "edge", says("gateway") + "  addresses: {deny: [192.0.2.0/24]}\n"),
                   policy("one", "HTTPRoute", "web", says("route")))
        done = subprocess.run([FAIRCTL, "--socket", self.followed.gateway.socket, "gateway", "why", "GET",
                               f"http://a.example:{self.port}/", "-o", "json"], capture_output=True, text=True, check=True)
        self.assertEqual(json.loads(done.stdout)["policies"],
                         [{"filter": "addresses", "policy": "RequestPolicy default/all", "level": "listener",
                           "verdict": "passes"},
                          {"filter": "answer", "policy": "RequestPolicy default/one", "level": "rule", "verdict": "answers",
                           "status": 200, "why": "fixed answer"}])

    def test_status_names_what_counts(self):
        self.start(policy("older", "HTTPRoute", "web", says("a")), policy("younger", "HTTPRoute", "web", says("b")),
                   policy("partly", "HTTPRoute", "web", says("c") + "  addresses: {deny: [192.0.2.0/24]}\n"),
                   policy("lost", "HTTPRoute", "missing", says("d")), policy("rule", "HTTPRoute", "web", says("e"), "none"))
        reasons = {}
        for document in self.followed.conditions().split("---\n"):
            if "kind: RequestPolicy" in document:
                reasons[re.search(r"(?m)^  name: (\w+)", document).group(1)] = re.search(r"reason: (\w+)", document).group(1)
        self.assertEqual(reasons, {"older": "Accepted", "younger": "Conflicted", "partly": "Accepted",
                                   "lost": "TargetNotFound", "rule": "TargetNotFound"})


if __name__ == "__main__":
    unittest.main()
