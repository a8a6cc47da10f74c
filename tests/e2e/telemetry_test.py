# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus reads the agent's numbers and answers for them; they go on over a restart of the agent; bytes that
went from socket to socket are counted like others."""
import json
import signal
import subprocess
import sys
import unittest
import urllib.parse

import ctl_test
from ctl_test import CONNECTIONS, ISTIO, REQUEST, RESPONSE

eventually = ctl_test.lab_module.eventually
PROMETHEUS = """
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs: [{job_name: fairlead, static_configs: [{targets: ["127.0.0.1:9464"]}]}]
"""
PING, PONG = b"PING\r\n", b"+PONG\r\n"
# Non-blocking, as redirection wants its readers; goes on until its input ends, and says how often it asked.
PINGER = f"""
import select, socket, sys
peer = socket.create_connection(("10.96.0.20", 6379), 10)
peer.setblocking(False)
asked = 0
while not select.select([sys.stdin], [], [], 0)[0]:
    peer.sendall({PING!r})
    asked += 1
    got = b""
    while len(got) < {len(PONG)}:
        assert select.select([peer], [], [], 10)[0]
        got += peer.recv({len(PONG)} - len(got))
    assert got == {PONG!r}, got
peer.close()
print(asked)
"""
# Says what it has done, and goes on at each line.
TALKER = """
import socket, sys
peer = socket.create_connection(("10.96.0.20", 6379), 10)
for line in sys.stdin:
    peer.sendall(b"PING\\r\\n")
    got = b""
    while len(got) < 7:
        got += peer.recv(7 - len(got))
    print("talked", flush=True)
"""


class TelemetryTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = ctl_test.lab_module.Lab(name=f"fl-tele-{ctl_test.os.getpid()}")
        cls.addClassCleanup(cls.lab.close)
        cls.lab.make_network()
        cls.lab.write_config()
        (cls.lab.config / "exact.yaml").write_text(ctl_test.SERVICE)
        cls.lab.start_agent()
        cls.lab.start_servers()
        cls.lab.start("exact", cls.lab.pod_command("web-1", [sys.executable, "-c", ctl_test.SERVER]))
        assert eventually(lambda: "listening" in cls.lab.log("exact"))
        status, output = cls.lab.run("shop", sys.executable, "-c", ctl_test.CLIENT)
        assert status == 0, output
        (cls.lab.folder / "prometheus.yaml").write_text(PROMETHEUS)
        cls.lab.start("prometheus", cls.lab.pod_command("node", [
            "prometheus", f"--config.file={cls.lab.folder}/prometheus.yaml", f"--storage.tsdb.path={cls.lab.folder}/tsdb",
            "--web.listen-address=127.0.0.1:9090"]))

    @classmethod
    def get(cls, url):
        done = subprocess.run(cls.lab.inside("node") + ["curl", "-fsS", url], capture_output=True, text=True)
        return done.stdout if done.returncode == 0 else None

    @classmethod
    def sample(cls, name, **labels):
        found = [value for having, labelled, value in ctl_test.parse(cls.get("http://127.0.0.1:9464/metrics"))
                 if having == name and labels.items() <= labelled.items()]
        return sum(found) if found else None

    def becomes(self, expected, name, **labels):
        eventually(lambda: self.sample(name, **labels) == expected)
        self.assertEqual(self.sample(name, **labels), expected, (name, labels))

    def query(self, text):
        """[(labels, value)] of an instant vector."""
        answer = self.get("http://127.0.0.1:9090/api/v1/query?" + urllib.parse.urlencode({"query": text}))
        if answer is None:
            return []
        return [(one["metric"], float(one["value"][1])) for one in json.loads(answer)["data"]["result"]]

    def test_prometheus_scrapes_and_answers(self):
        expected = {"istio_tcp_connections_opened_total": CONNECTIONS, "istio_tcp_connections_closed_total": CONNECTIONS,
                    "istio_tcp_received_bytes_total": CONNECTIONS * REQUEST,
                    "istio_tcp_sent_bytes_total": CONNECTIONS * RESPONSE}
        for name, value in expected.items():
            for reporter in ("source", "destination"):
                text = f'{name}{{destination_service_name="exact",reporter="{reporter}"}}'
                eventually(lambda: [found for _, found in self.query(text)] == [value], 60)
                answer = self.query(text)
                self.assertEqual([found for _, found in answer], [value], (text, self.lab.log("prometheus")))
                labels = answer[0][0]
                self.assertEqual(set(labels), ISTIO | {"__name__", "instance", "job"})
                wanted = {"source_workload": "shop", "source_canonical_service": "shop", "destination_workload": "web-1",
                          "destination_service": "exact.default.svc.cluster.local", "destination_app": "web",
                          "request_protocol": "tcp", "destination_workload_namespace": "default"}
                self.assertEqual({key: labels[key] for key in wanted}, wanted)
        # As Kiali asks for the edges of its graph.
        edges = self.query("sum(istio_tcp_sent_bytes_total{reporter='source',source_workload='shop'}) by "
                           "(destination_service_name) > 0")
        self.assertIn("exact", [labels["destination_service_name"] for labels, _ in edges])

    def test_prometheus_has_no_complaint_of_the_page(self):
        def targets():
            answer = self.get("http://127.0.0.1:9090/api/v1/targets")
            return [(one["health"], one["lastError"]) for one in json.loads(answer)["data"]["activeTargets"]] if answer else []
        eventually(lambda: targets() == [("up", "")], 60)
        self.assertEqual(targets(), [("up", "")], self.lab.log("prometheus"))
        types = json.loads(self.get("http://127.0.0.1:9090/api/v1/metadata?metric=istio_tcp_sent_bytes_total") or
                           '{"data": {}}')["data"]
        bare = json.loads(self.get("http://127.0.0.1:9090/api/v1/metadata?metric=istio_tcp_sent_bytes"))["data"]
        self.assertEqual([one["type"] for found in (types, bare) for ones in found.values() for one in ones], ["counter"])
        log = self.lab.log("prometheus")
        self.assertNotIn("level=warn", log)
        self.assertNotIn("level=error", log)

    def test_what_went_from_socket_to_socket_is_counted(self):
        ends = {"source": "default/shop", "service": "default/redis"}
        def bytes_now():
            return [self.sample(f"fairlead_{way}_bytes_total", reporter=reporter, **ends) or 0
                    for reporter in ("source", "destination") for way in ("request", "response")]
        def redirected():
            return [self.sample("fairlead_connection_redirected_bytes_total", reporter=reporter, **ends) or 0
                    for reporter in ("source", "destination")]
        before = bytes_now()
        pinger = subprocess.Popen(self.lab.pod_command("shop", [sys.executable, "-c", PINGER]), stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True)
        begun = eventually(lambda: min(redirected()) > 0)
        asked = int(pinger.communicate(timeout=30)[0])
        self.assertTrue(begun, asked)
        expected = [was + asked * len(one) for was, one in zip(before, (PING, PONG, PING, PONG))]
        eventually(lambda: bytes_now() == expected)
        self.assertEqual(bytes_now(), expected)
        self.assertEqual(redirected(), [self.sample("fairlead_redirected_bytes_total")] * 2)
        self.assertLess(redirected()[0], asked * len(PING + PONG))  # the first of them went by TCP

    def test_counters_go_on_over_a_restart_of_the_agent(self):
        names = [f"fairlead_{what}_total" for what in ("connections_opened", "connections_closed", "request_bytes",
                                                       "response_bytes")]
        ends = {"reporter": "source", "source": "default/shop-tcp", "service": "default/redis"}
        talker = subprocess.Popen(self.lab.pod_command("shop-tcp", [sys.executable, "-c", TALKER]), stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True)

        def talk():
            talker.stdin.write("go\n")
            talker.stdin.flush()
            self.assertEqual(talker.stdout.readline(), "talked\n")

        def expect(*values):
            for name, value in zip(names, values):
                self.becomes(value, name, **ends)
        counters = ("fairlead_balanced_connects_total", "fairlead_redirect_pairs_total", "fairlead_redirected_bytes_total")
        try:
            talk()
            expect(1, 0, 6, 7)
            before = [self.sample(name) for name in counters]
            self.lab.agent.send_signal(signal.SIGTERM)
            self.assertEqual(self.lab.agent.wait(30), 0)
            talk()  # nobody reads meanwhile
            self.lab.start_agent()
            self.assertEqual([self.sample(name) for name in counters], before)
            expect(1, 0, 12, 14)
            talk()
        finally:
            talker.stdin.close()
            self.assertEqual(talker.wait(30), 0)
            talker.stdout.close()
        expect(1, 1, 18, 21)


if __name__ == "__main__":
    unittest.main()
