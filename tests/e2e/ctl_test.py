# SPDX-License-Identifier: Apache-2.0
"""fairctl, metrics and flows of an agent on a node made of namespaces: exact counts of real connections, every
subcommand as text and as JSON, what is said where the agent cannot be asked, and that the documents match."""
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts/demo"))
import lab as lab_module  # noqa: E402
from objects import NODE_ADDRESS  # noqa: E402

FAIRCTL = str(ROOT / "build/bin/fairctl")
ISTIO = {"reporter", "request_protocol", "response_flags", "connection_security_policy", "destination_service",
         "destination_service_name", "destination_service_namespace"} | {
    f"{side}_{label}" for side in ("source", "destination") for label in (
        "workload", "workload_namespace", "canonical_service", "canonical_revision", "principal", "app", "version",
        "cluster")}
CONNECTIONS, REQUEST, RESPONSE = 20, 1000, 3000
SERVER = f"""
import socket
listener = socket.create_server(("10.244.0.11", 9000))
print("listening", flush=True)
while True:
    peer, _ = listener.accept()
    left = {REQUEST}
    while left > 0:
        left -= len(peer.recv(left))
    peer.sendall(b"y" * {RESPONSE})
    peer.close()
"""
CLIENT = f"""
import socket
for _ in range({CONNECTIONS}):
    peer = socket.create_connection(("10.96.7.7", 90), 10)
    peer.sendall(b"x" * {REQUEST})
    got = 0
    while data := peer.recv(65536):
        got += len(data)
    assert got == {RESPONSE}, got
    peer.close()
"""
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: exact, namespace: default}
spec: {clusterIPs: [10.96.7.7], ports: [{name: main, port: 90, targetPort: 9000}, {name: dead, port: 91, targetPort: 9001}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: exact-1, namespace: default, labels: {kubernetes.io/service-name: exact}}
addressType: IPv4
ports: [{name: main, port: 9000, protocol: TCP}, {name: dead, port: 9001, protocol: TCP}]
endpoints: [{addresses: [10.244.0.11], conditions: {ready: true}}]
---
apiVersion: v1
kind: Service
metadata: {name: empty, namespace: default}
spec: {clusterIPs: [10.96.7.8], ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: draining, namespace: default}
spec: {clusterIPs: [10.96.7.10], ports: [{port: 80, targetPort: 9010}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: draining-1, namespace: default, labels: {kubernetes.io/service-name: draining}}
addressType: IPv4
ports: [{port: 9010, protocol: TCP}]
endpoints: [{addresses: [10.244.0.11], conditions: {ready: false, serving: true, terminating: true}}]
---
{apiVersion: v1, kind: Service, metadata: {name: twin, namespace: another}, spec: {clusterIPs: [10.96.7.11], ports: [{port: 80}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: twin, namespace: default}, spec: {clusterIPs: [10.96.7.12], ports: [{port: 80}]}}
"""

RULE = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: exact, namespace: default}
spec: {host: exact, subsets: [{name: v1, labels: {version: v1}}]}
---
apiVersion: v1
kind: Service
metadata: {name: refused, namespace: default}
spec: {clusterIPs: [10.96.7.9], ports: [{port: 80000}]}
"""


def ctl(*words, socket_path="/nonexistent/agent.sock", **more):
    done = subprocess.run([FAIRCTL, "--socket", str(socket_path), *words], capture_output=True, text=True, timeout=60, **more)
    return done.returncode, done.stdout, done.stderr


def parse(metrics):
    """[(name, labels, value)] of the Prometheus text format."""
    samples = []
    for line in metrics.splitlines():
        if line.startswith("#"):
            continue
        name, labels, value = re.fullmatch(r'(\w+)(?:\{(.*)\})? (\S+)', line).groups()
        samples.append((name, dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels or "")), float(value)))
    return samples


class AgentTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = lab_module.Lab()
        cls.addClassCleanup(cls.lab.close)
        cls.lab.make_network()
        cls.lab.write_config()
        (cls.lab.config / "exact.yaml").write_text(SERVICE)
        (cls.lab.config / "rule.yaml").write_text(RULE)
        cls.flow_log = pathlib.Path(cls.lab.folder) / "flows.jsonl"
        command = cls.lab.agent_command
        cls.lab.agent_command = lambda: command() + ["--flow-log", str(cls.flow_log)]
        cls.lab.start_agent()
        cls.lab.start_servers()
        cls.lab.start("exact", cls.lab.pod_command("web-1", [sys.executable, "-c", SERVER]))
        assert lab_module.eventually(lambda: "listening" in cls.lab.log("exact"))
        for client in (CLIENT,):
            status, output = cls.lab.run("shop", sys.executable, "-c", client)
            assert status == 0, output
        connect = "import socket, sys; print(socket.socket().connect_ex((sys.argv[1], int(sys.argv[2]))))"
        cls.errors = [cls.lab.run(pod, sys.executable, "-c", connect, *target)[1] for pod, target in (
            ("shop", ("10.96.7.8", "80")), ("shop", ("10.96.7.7", "91")), ("intruder", ("10.96.0.20", "6379")))]
        lab_module.eventually(lambda: cls.sample("istio_tcp_connections_closed_total", cls.exact("source")) == CONNECTIONS)

    @classmethod
    def scrape(cls, accept="text/plain", path="/metrics"):
        return subprocess.run(cls.lab.inside("node") + ["curl", "-fsS", "-H", f"Accept: {accept}",
                              f"http://127.0.0.1:9464{path}"], capture_output=True, text=True, check=True).stdout

    @staticmethod
    def exact(reporter):
        return {"reporter": reporter, "destination_service_name": "exact"}

    @classmethod
    def sample(cls, name, labels):
        return sum(value for found, having, value in parse(cls.scrape())
                   if found == name and all(having.get(key) == wanted for key, wanted in labels.items()))

    def ask(self, *words):
        status, output, errors = ctl(*words, socket_path=self.lab.socket)
        self.assertEqual((status, errors), (0, ""), words)
        return output

    def ask_json(self, *words):
        return json.loads(self.ask(*words, "-o", "json"))

    def test_bytes_and_connections_are_counted_exactly_by_both_ends(self):
        for reporter in ("source", "destination"):
            labels = self.exact(reporter)
            self.assertEqual(self.sample("istio_tcp_connections_opened_total", labels), CONNECTIONS, reporter)
            self.assertEqual(self.sample("istio_tcp_connections_closed_total", labels), CONNECTIONS, reporter)
            self.assertEqual(self.sample("istio_tcp_received_bytes_total", labels), CONNECTIONS * REQUEST, reporter)
            self.assertEqual(self.sample("istio_tcp_sent_bytes_total", labels), CONNECTIONS * RESPONSE, reporter)
        histogram = {"service": "default/exact", "port": "90"}
        self.assertEqual(self.sample("fairlead_connect_duration_seconds_count", histogram), CONNECTIONS)

    def test_failures_are_counted_by_reason(self):
        self.assertEqual(self.errors, ["111", "111", "13"])
        failed = "fairlead_connections_failed_total"
        self.assertEqual(self.sample(failed, {"service": "default/empty", "reason": "no_backend"}), 1)
        self.assertEqual(self.sample(failed, {"service": "default/exact", "port": "91", "reason": "refused"}), 1)
        self.assertEqual(self.sample(failed, {"source": "default/intruder", "reason": "policy"}), 1)

    def test_series_have_every_label_that_kiali_needs(self):
        series = [labels for name, labels, _ in parse(self.scrape()) if name.startswith("istio_tcp_")]
        self.assertTrue(series)
        for labels in series:
            self.assertEqual(set(labels), ISTIO)
            self.assertNotIn("", labels.values())

    def test_promtool_has_nothing_to_say(self):
        done = subprocess.run(["promtool", "check", "metrics"], input=self.scrape(), capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))

    def test_openmetrics_ends_as_it_must_and_names_counters_without_total(self):
        page = self.scrape("application/openmetrics-text; version=1.0.0")
        self.assertTrue(page.endswith("# EOF\n"))
        self.assertIn("# TYPE istio_tcp_sent_bytes counter\n", page)
        self.assertIn("\nistio_tcp_sent_bytes_total{", page)

    def test_health(self):
        self.assertEqual(self.scrape(path="/healthz"), "ok\n")
        self.assertEqual(self.scrape(path="/readyz"), "ok\n")

    def test_every_metric_is_documented_and_every_documented_one_exists(self):
        page = (ROOT / "docs/reference/metrics.md").read_text()
        documented = set(re.findall(r"^\| `(\w+)`", page, re.M))
        types = dict(re.findall(r"^# TYPE (\w+) (\w+)", self.scrape(), re.M))
        self.assertEqual(set(types) - documented, set())
        rare = set(re.findall(r"^\| `(\w+)`.*\(only .*\)", page, re.M))
        self.assertEqual(documented - set(types) - rare, set())

    def test_the_flow_log_is_json_lines(self):
        def closed():
            lines = [json.loads(line) for line in self.flow_log.read_text().splitlines()]
            return [line for line in lines if line["type"] == "close" and line.get("service", {}).get("name") == "exact"]
        lab_module.eventually(lambda: len(closed()) == CONNECTIONS)
        flows = closed()
        self.assertEqual(len(flows), CONNECTIONS)
        for flow in flows:
            self.assertEqual((flow["request_bytes"], flow["response_bytes"], flow["reason"]), (REQUEST, RESPONSE, "none"))
            self.assertEqual((flow["source"]["workload"], flow["destination"]["workload"]), ("shop", "web-1"))

    def test_flows_filters(self):
        denied = [json.loads(line) for line in self.ask("flows", "--reason", "policy", "-o", "json").splitlines()]
        self.assertEqual([flow["source"]["workload"] for flow in denied], ["intruder"])
        self.assertIn("redis-for-shop-only", denied[0]["rule"])
        self.assertEqual(self.ask("flows", "--from", "nobody"), "no flows that fit\n")
        failed = self.ask("flows", "--failed", "--namespace", "default")
        self.assertEqual(len(failed.splitlines()), 3, failed)
        self.assertNotIn("\033", failed)

    def test_flows_can_be_followed(self):
        follower = subprocess.Popen([FAIRCTL, "--socket", str(self.lab.socket), "flows", "-f", "-o", "json"],
                                    stdout=subprocess.PIPE, text=True)
        try:
            seen = []

            def opened():
                self.lab.run("shop", "curl", "-sS", "http://10.96.0.10/")
                seen.append(json.loads(follower.stdout.readline()))
                return seen[-1]["type"] == "open"
            self.assertTrue(lab_module.eventually(opened), seen)
        finally:
            follower.send_signal(signal.SIGTERM)
            follower.wait()
            follower.stdout.close()

    def test_tables_and_their_json(self):
        self.assertIn("fairlead-agent", self.ask("status"))
        status = self.ask_json("status")
        self.assertEqual({feature["name"]: feature["on"] for feature in status["features"]}["balancing"], True)
        services = {service["name"]: service for service in self.ask_json("services")["services"] if service["port"] != 91}
        self.assertEqual((services["exact"]["connections"], services["exact"]["ready"]), (CONNECTIONS, 1))
        self.assertEqual(services["empty"]["no_backend"], 1)
        self.assertRegex(self.ask("services"), r"default +exact +90/tcp +10\.96\.7\.7:90 +random ")
        backends = {backend["address"]: backend for backend in self.ask_json("backends")["backends"]}
        self.assertEqual(backends["10.244.0.11:9001"]["connect_failures"], 1)
        self.assertEqual(backends["10.244.0.11:9001"]["failed"], {"refused": 1})
        exact = backends["10.244.0.11:9000"]
        self.assertEqual(exact["workload"], "default/web-1")
        self.assertEqual((exact["closed"], sum(exact["connect_us_buckets"]), exact["failed"]), (CONNECTIONS, CONNECTIONS, {}))
        self.assertGreater(exact["connect_us_sum"], 0)
        self.assertEqual((exact["request_bytes"], exact["response_bytes"]), (CONNECTIONS * REQUEST, CONNECTIONS * RESPONSE))
        table = self.ask("backends") + "\n"
        self.assertRegex(table, r"10\.244\.0\.11:9000 .* 19\.5 KiB +58\.6 KiB +-\n")
        self.assertRegex(table, r"10\.244\.0\.11:9001 .* 0 B +0 B +1 refused\n")
        self.assertNotIn("redis", self.ask("backends", "--service", "web"))
        workloads = {workload["address"]: workload for workload in self.ask_json("workloads")["workloads"]}
        self.assertEqual(workloads["10.244.0.21"]["policies"], ["NetworkPolicy default/redis-for-shop-only"])
        self.assertRegex(self.ask("workloads"), r"default +web-1 +Pod +web-1 +10\.244\.0\.11 +yes ")
        self.assertEqual((workloads["10.244.0.21"]["pod"], workloads[NODE_ADDRESS]["pod"]), ("redis-1", ""))
        self.assertEqual(self.ask_json("policy")["policies"][0]["state"], "in force")
        self.assertIn("redis-for-shop-only", self.ask("policy"))
        maps = {one["name"]: one for one in self.ask_json("maps")["maps"]}
        self.assertEqual(maps["fl_pairs"]["capacity"], 16384)
        self.assertIn("fl_pairs", self.ask("maps"))

    def test_json_keeps_to_the_filters(self):
        self.assertEqual({one["service"] for one in self.ask_json("backends", "--service", "web")["backends"]}, {"default/web"})
        for words, key in ((("services",), "services"), (("backends",), "backends"), (("workloads",), "workloads"),
                           (("policy",), "policies")):
            self.assertEqual(self.ask_json(*words, "-n", "nowhere"), {key: []}, words)
            self.assertTrue(self.ask_json(*words, "-n", "default")[key], words)
        links = [one for one in self.ask_json("workloads", "--all")["workloads"] if one["address"].startswith("fe80:")]
        self.assertTrue(links)
        self.assertEqual([one for one in self.ask_json("workloads")["workloads"] if one in links], [])

    def test_labels_of_the_picture_leave_room_for_each_other(self):
        picture = xml.etree.ElementTree.fromstring(self.ask("graph", "-i", "0", "-F", "svg"))
        svg = "{http://www.w3.org/2000/svg}"
        places = [(float(text.get("x")), float(text.get("y")), len(text.text or "")) for text in picture.iter(svg + "text")
                  if text.get("class") == "l"]
        self.assertGreater(len(places), 3)
        for number, (x, y, letters) in enumerate(places):  # 11 px letters are 6.5 px wide on average
            for other_x, other_y, other_letters in places[number + 1:]:
                self.assertFalse(abs(x - other_x) < 6.5 * (letters + other_letters) / 2 and abs(y - other_y) < 12, places)
        boxes = [(float(box.get("x")), float(box.get("x")) + float(box.get("width"))) for box in picture.iter(svg + "rect")
                 if box.get("class")]
        for x, _, letters in places:
            self.assertFalse([box for box in boxes if box[0] < x + 3.25 * letters and x - 3.25 * letters < box[1]], places)

    def test_top_and_graph(self):
        self.assertRegex(self.ask("top", "--once", "-i", "0", "--sort", "total"), r"CALLER .*\n.*default/shop +default/exact:90")
        edges = [edge for edge in self.ask_json("graph", "-i", "0")["edges"] if edge["service"] == "default/exact:90"]
        self.assertEqual([(edge["opened"], edge["bytes"]) for edge in edges], [(CONNECTIONS, CONNECTIONS * (REQUEST + RESPONSE))])
        self.assertIn("default/intruder\n└─ default/redis:6379", self.ask("graph", "-i", "0"))
        self.assertEqual(self.lab.run("shop", "curl", "-sS", "http://10.244.0.11:8080/"), (0, "web-1"))
        self.assertIn("─ default/web-1:8080 (no service)  1 conn, ", self.ask("graph", "-i", "0"))
        self.assertRegex(self.ask("top", "--once", "-i", "0"), r"default/shop +- +default/web-1:8080 ")
        self.assertEqual([edge["port"] for edge in self.ask_json("graph", "-i", "0")["edges"] if not edge["service"]], [8080])
        picture = xml.etree.ElementTree.fromstring(self.ask("graph", "-i", "0", "-F", "svg"))
        names = [title.text for title in picture.iter("{http://www.w3.org/2000/svg}title")]
        self.assertIn("default/exact:90", names)
        dot = subprocess.run(["dot", "-Tplain"], input=self.ask("graph", "-i", "0", "-F", "dot"), capture_output=True, text=True)
        self.assertEqual(dot.returncode, 0, dot.stderr)
        self.assertIn("service default/exact:90", dot.stdout)

    def test_why(self):
        why = self.ask_json("why", "--from", "default/intruder", "10.96.0.20:6379")
        self.assertEqual((why["policy"]["allowed"], why["result"]), (False, "refused: EACCES, denied by policy"))
        self.assertIn("redis-for-shop-only", self.ask("why", "--from", "intruder", "10.96.0.20:6379"))
        why = self.ask_json("why", "--from", "default/shop", "10.96.0.10:80")
        self.assertEqual(len(why["service"]["candidates"]), 3)
        self.assertEqual([one["chosen"] for one in why["service"]["candidates"]].count(True), 1)
        self.assertIn("ECONNREFUSED", self.ask("why", "10.96.7.8:80"))
        self.assertIsNone(self.ask_json("why", "192.0.2.200:80")["service"])
        stranger = self.ask_json("why", "--from", "198.51.100.7", "10.96.0.20:6379")["policy"]
        self.assertEqual((stranger["allowed"], stranger.get("side")), (False, "ingress of the called"))
        self.assertTrue(self.ask_json("why", "--from", "198.51.100.7", "10.96.0.10:80")["policy"]["allowed"])
        self.assertEqual(self.ask_json("why", "10.96.0.10:80")["from_address"], NODE_ADDRESS)
        status, _, errors = ctl("why", "--from", "nobody", "10.96.0.10:80", socket_path=self.lab.socket)
        self.assertEqual(status, 1)
        self.assertIn("nobody", errors)

    def test_why_takes_the_names_that_a_pod_would_ask_dns_for(self):
        def asked(name):
            return self.ask_json("why", "--from", "default/shop", name)["asked"]
        self.assertEqual(asked("twin:80"), "10.96.7.12:80")
        for name in ("another/twin", "twin.another", "twin.another.svc", "twin.another.svc.cluster.local"):
            self.assertEqual(asked(name + ":80"), "10.96.7.11:80", name)
        status, _, errors = ctl("why", "twin.third:80", socket_path=self.lab.socket)
        self.assertEqual((status, errors), (1, "fairctl: found no service twin.third with port 80/tcp; fairctl services lists them\n"))

    def test_why_of_a_service_that_drains(self):
        service = self.ask_json("why", "--from", "default/shop", "10.96.7.10:80")["service"]
        self.assertEqual([(one["chosen"], one["usable"], one["why_not"]) for one in service["candidates"]], [(True, True, "")])
        self.assertEqual(service["remarks"], ["nothing is ready: a terminating endpoint is used"])

    def test_status_shows_what_is_refused_and_what_is_not_served(self):
        found = {(each["severity"], each["text"].partition("rule.yaml:")[2]) for each in self.ask_json("status")["diagnostics"]}
        self.assertIn(("warning", "5:30: warning: DestinationRule default/exact: spec.subsets: understood, but not served: it has "
                       "no effect"), found)
        self.assertIn(("error", "10:48: error: Service default/refused: spec.ports[0].port: found 80000, expected a number from 1 "
                       "to 65535"), found)
        text = self.ask("status")
        self.assertRegex(text, r"CONFIGURATION  1 refused, \d+ warnings")
        self.assertIn("spec.subsets: understood, but not served", text)
        said = ctl("check", str(self.lab.config))[1]
        for each in self.ask_json("status")["diagnostics"]:
            if each["text"].startswith("/"):
                self.assertIn(each["text"], said)

    def test_why_takes_addresses_of_both_families(self):
        self.assertEqual(self.ask_json("why", "[::1]:80")["asked"], "[::1]:80")
        self.assertEqual(self.ask_json("why", "--protocol", "udp", "[2001:db8::53]:53")["asked"], "[2001:db8::53]:53")
        self.assertEqual(self.ask_json("why", "[::ffff:10.96.7.7]:90")["asked"], "10.96.7.7:90")
        self.assertEqual(self.ask_json("why", "--from", "10.244.0.11", "default/exact:90")["asked"], "10.96.7.7:90")
        for target, says in (("::1:80", "IPv6 addresses stand in brackets"), ("2001:db8::1", "stand in brackets"),
                             ("[::1]", "expected ADDRESS:PORT"), ("10.96.7.7:0", "expected ADDRESS:PORT"),
                             ("10.96.7.7:65536", "expected ADDRESS:PORT"), ("10.96.7.7:80x", "expected ADDRESS:PORT"),
                             ("nobody:90", "found no service nobody with port 90/tcp"),
                             ("exact:92", "found no service exact with port 92/tcp"), ("Exact:90", "expected ADDRESS:PORT")):
            status, text, errors = ctl("why", target, socket_path=self.lab.socket)
            self.assertEqual((status, text), (1 if "found no" in says else 2, ""), target)
            self.assertIn(says, errors)
        status, _, errors = ctl("why", "--from", "nobody", "exact:90", socket_path=self.lab.socket)
        self.assertEqual(status, 1)
        self.assertIn("found no workload, pod or address nobody", errors)

    def test_why_by_name_and_what_else_has_the_address(self):
        self.assertEqual(self.ask_json("why", "--from", "shop", "exact:90")["asked"], "10.96.7.7:90")
        self.assertIn("default/exact 90/tcp", self.ask("why", "10.96.7.7:95"))

    def test_status_names_counters_as_the_metrics_do(self):
        metrics = {name for name, _, _ in parse(self.scrape())}
        counters = self.ask_json("status")["counters"]
        self.assertEqual({counter["name"].split("{")[0] for counter in counters} - metrics, set())
        self.assertTrue(all(counter["what"] for counter in counters))

    def test_each_flow_is_shown_once(self):
        shown = json.loads("[" + ",".join(self.ask("flows", "--last", "4000", "-o", "json").splitlines()) + "]")
        both = self.ask("flows", "--last", "4000", "--reporter", "any", "-o", "json").splitlines()
        self.assertEqual({flow["reporter"] for flow in shown if flow["type"] == "close"}, {"source"})
        self.assertGreater(len(both), len(shown))

    def test_uninstall_is_refused_while_the_agent_runs(self):
        status, _, errors = ctl("uninstall", "--pin-dir", str(self.lab.pins), "--run-dir", str(self.lab.folder),
                                socket_path=self.lab.socket)
        self.assertEqual(status, 1)
        self.assertIn("an agent runs", errors)
        self.ask("status")

    def test_the_socket_is_for_its_owner_alone(self):
        self.assertEqual(os.stat(self.lab.socket).st_mode & 0o777, 0o600)
        os.chmod(self.lab.folder, 0o755)
        status, _, errors = ctl("status", socket_path=self.lab.socket, user=65534)
        self.assertEqual(status, 4)
        self.assertIn("no permission", errors)


class NoAgentTest(unittest.TestCase):
    def test_no_socket(self):
        status, _, errors = ctl("status")
        self.assertEqual(status, 3)
        self.assertIn("no agent runs", errors)

    def test_a_dead_socket_and_a_file(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "agent.sock")
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(str(path))
            listener.close()
            status, _, errors = ctl("top", "--once", socket_path=path)
            self.assertEqual(status, 3)
            self.assertIn("nobody listens", errors)
            file = pathlib.Path(folder, "agent.yaml")
            file.write_text("")
            status, _, errors = ctl("status", socket_path=file)
            self.assertEqual(status, 3)
            self.assertIn(f"{file} is no socket", errors)

    def test_wrong_words(self):
        for words in (("nonsense",), ("status", "--nonsense"), ("graph", "-F", "gif"), ("why",), ("top", "--once", "-i", "x"),
                      ("flows", "--last", "many"), ("completion", "csh"), ("manual", "nonsense"), ("why", "10.96.0.10"),
                      ("why", "web:"), ("why", "10.96.0.10:0"), ("why", ":80"), ("why", "10.96.0.10:65536")):
            status, _, errors = ctl(*words)
            self.assertEqual(status, 2, words)
            self.assertTrue(errors.startswith("fairctl: "), errors)

    def test_check(self):
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "a.yaml").write_text(SERVICE)
            self.assertEqual(ctl("check", folder)[0], 0)
            pathlib.Path(folder, "b.yaml").write_text(SERVICE.replace("port: 80", "port: 80000").replace("name: e", "name: f"))
            status, output, _ = ctl("check", folder, "-o", "json")
            self.assertEqual(status, 1)
            self.assertIn("ports[0].port", json.loads(output)["diagnostics"][0]["field"])

    def test_help_names_every_command_and_each_has_examples(self):
        status, output, _ = ctl("--help")
        self.assertEqual(status, 0)
        names = re.findall(r"^  ([a-z]+)  +[a-z]", output.split("Options of every")[0], re.M)
        pages = re.findall(r"^## ([a-z]+)$", (ROOT / "docs/reference/fairctl.md").read_text(), re.M)
        self.assertEqual(sorted(names), sorted(pages))
        for name in names:
            status, output, _ = ctl(name, "--help")
            self.assertEqual(status, 0, name)
            self.assertIn("Examples", output)
            page = ctl("manual", name)[1]
            self.assertTrue(page.startswith(f".TH FAIRCTL-{name.upper()} 1"), page)

    def test_bash_completes(self):
        script = ctl("completion", "bash")[1] + 'COMP_WORDS=(fairctl graph -F s); COMP_CWORD=3; _fairctl; echo "${COMPREPLY[@]}"\n' \
            'COMP_WORDS=(fairctl back); COMP_CWORD=1; _fairctl; echo "${COMPREPLY[@]}"\n'
        self.assertEqual(subprocess.run(["bash", "-c", script], capture_output=True, text=True).stdout, "svg\nbackends\n")
        self.assertIn("-l sort", ctl("completion", "fish")[1])
        self.assertIn("#compdef fairctl", ctl("completion", "zsh")[1])

    def test_the_reference_is_what_fairctl_says(self):
        self.assertEqual((ROOT / "docs/reference/fairctl.md").read_text(), ctl("manual", "--markdown")[1])


if __name__ == "__main__":
    unittest.main()
