# SPDX-License-Identifier: Apache-2.0
"""Kong's plugins that tell of requests: file-log, http-log, statsd and datadog, to a real file and real receivers."""
import json
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from backend import Backend
from kong_test import ask
from log_receivers import DatagramServer, LogServer
from objects import free_port
from observe import Metrics
from support import PROGRAM, Gateway, curl, eventually

NAMES = {"request", "response", "latencies", "tries", "upstream_uri", "upstream_status", "client_ip", "started_at",
         "source", "workspace", "workspace_name"}


class KongLogsTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="fl-kong-logs-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.backend = Backend("one")
        self.addCleanup(self.backend.close)
        self.http = free_port()

    def file(self, plugins, of_route="[]"):
        return f"""_format_version: "3.0"
_transform: true
services:
- name: Orders.v1
  id: 0c61e164-6171-4837-8836-8f5298726d53
  url: http://127.0.0.1:{self.backend.port}/base
  routes:
  - {{name: Api, id: 1d7a3f5e-92a6-4b77-9d2e-8a1e8f1ab9d0, paths: [/api]}}
  - {{name: own, paths: [/own], plugins: {of_route}}}
  - {{name: keyed, paths: [/keyed], plugins: [{{name: key-auth, config: {{key_names: [x-key]}}}}]}}
consumers:
- {{username: alice, custom_id: "4711", keyauth_credentials: [{{key: key-of-alice}}]}}
plugins: {plugins}
"""

    def start(self, plugins, of_route="[]", converted=False):
        path = self.folder / "kong.yaml"
        path.write_text(self.file(plugins, of_route))
        listen = ["--listen", f"127.0.0.1:{self.http}"]
        if converted:
            done = subprocess.run([PROGRAM, "convert", "kong", path, *listen], capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            path, listen = self.folder / "objects", []
            path.mkdir()
            (path / "all.yaml").write_text(done.stdout)
        self.gateway = Gateway("--config", path, *listen, workers=2)
        self.addCleanup(self.gateway.close)

    def metrics(self):
        return Metrics(curl(f"http://{self.gateway.admin}/metrics").decode())

    def lines(self, path):
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def wait_lines(self, path, count):
        self.assertTrue(eventually(lambda: len(self.lines(path)) == count), self.lines(path))
        return self.lines(path)

    def check_line(self, line):
        """Of one request for /api/x?a=1&b=x%20y&b=z&flag&token=t with secrets in its fields."""
        self.assertLessEqual(NAMES, set(line))
        request, response, latencies = line["request"], line["response"], line["latencies"]
        self.assertEqual(request["uri"], "/api/x?a=1&b=x%20y&b=z&flag&token=[redacted]")
        self.assertEqual(request["url"], f"http://a.example:{self.http}" + request["uri"])
        self.assertEqual(request["querystring"], {"a": "1", "b": ["x y", "z"], "flag": True, "token": "REDACTED"})
        self.assertEqual((request["method"], request["headers"]["host"]), ("GET", "a.example"))
        self.assertEqual(request["headers"]["authorization"], "REDACTED")
        self.assertEqual(request["headers"]["proxy-authorization"], "REDACTED")
        self.assertEqual(request["headers"]["x-list"], ["1", "2"])
        self.assertGreater(request["size"], 50)
        self.assertTrue(request["id"])
        self.assertNotIn("tls", request)
        self.assertEqual((response["status"], response["headers"]["via"]), (200, "1.1 kong/3.9.0"))
        self.assertEqual(response["headers"]["x-kong-request-id"], request["id"])
        self.assertGreater(response["size"], 50)
        self.assertEqual(set(latencies), {"kong", "proxy", "request", "receive"})
        self.assertTrue(all(latencies[name] >= 0 for name in latencies), latencies)
        self.assertEqual(line["tries"], [{"ip": "127.0.0.1", "port": self.backend.port}])
        self.assertEqual(line["upstream_uri"], "/base/x?a=1&b=x%20y&b=z&flag&token=[redacted]")
        self.assertEqual((line["upstream_status"], line["client_ip"], line["source"]), ("200", "127.0.0.1", "upstream"))
        self.assertGreater(line["started_at"], 1_600_000_000_000)
        self.assertEqual(line["route"]["name"], "Api")
        self.assertEqual((line["route"]["id"], line["route"]["paths"]), ("1d7a3f5e-92a6-4b77-9d2e-8a1e8f1ab9d0", ["/api"]))
        self.assertEqual({name: line["service"][name] for name in ("name", "host", "port", "path")},
                         {"name": "Orders.v1", "host": "127.0.0.1", "port": self.backend.port, "path": "/base"})
        self.assertNotIn("consumer", line)

    def check_file(self, converted):
        path = self.folder / "requests.log"
        self.start(f"[{{name: file-log, config: {{path: {path}}}}}]", converted=converted)
        ask(self.http, "/api/x?a=1&b=x%20y&b=z&flag&token=t", "-H", "authorization: Basic c2VjcmV0", "-H",
            "proxy-authorization: Basic c2VjcmV0", "-H", "x-list: 1", "-H", "x-list: 2")
        self.check_line(self.wait_lines(path, 1)[0])
        self.assertNotIn("c2VjcmV0", path.read_text())
        ask(self.http, "/keyed", "-H", "x-key: key-of-alice")
        line = self.wait_lines(path, 2)[1]
        self.assertEqual(line["consumer"], {"username": "alice", "custom_id": "4711"})
        self.assertTrue(line["authenticated_entity"]["id"])
        ask(self.http, "/nowhere")
        line = self.wait_lines(path, 3)[2]
        self.assertEqual((line["response"]["status"], line["source"], line["tries"]), (404, "kong", []))
        self.assertEqual((line["upstream_uri"], line["upstream_status"], line["latencies"]["proxy"]), ("", "", -1))
        self.assertFalse({"route", "service"} & set(line))
        self.assertTrue(eventually(lambda: self.metrics().sum("fairlead_gateway_log_lines_total", target=str(path)) == 3))

    def test_file_log(self):
        self.check_file(converted=False)

    def test_file_log_converted(self):
        self.check_file(converted=True)

    def test_the_most_special_log_counts(self):
        for_all, own = self.folder / "all.log", self.folder / "own.log"
        self.start(f"[{{name: file-log, config: {{path: {for_all}}}}}]", f"[{{name: file-log, config: {{path: {own}}}}}]")
        for path in ("/own", "/api", "/own", "/nowhere"):
            ask(self.http, path)
        self.assertEqual([line["route"]["name"] for line in self.wait_lines(own, 2)], ["own", "own"])
        lines = self.wait_lines(for_all, 2)
        self.assertEqual({line.get("route", {}).get("name") for line in lines}, {"Api", None})

    def test_a_file_is_opened_anew(self):
        path = self.folder / "requests.log"
        self.start(f"[{{name: file-log, config: {{path: {path}, reopen: true}}}}]")
        ask(self.http, "/api")
        self.wait_lines(path, 1)
        path.rename(self.folder / "old.log")
        ask(self.http, "/own")
        self.assertEqual(self.wait_lines(path, 1)[0]["route"]["name"], "own")
        self.assertEqual(len(self.lines(self.folder / "old.log")), 1)

    def test_a_file_that_cannot_be_opened_stops_nothing(self):
        self.start(f"[{{name: file-log, config: {{path: {self.folder}/none/x.log}}}}]")
        self.assertEqual(ask(self.http, "/api/name")[0], 200)
        self.assertTrue(eventually(lambda: any("none/x.log" in text for text in self.gateway.errors)), self.gateway.errors)

    def test_http_log(self):
        server = LogServer()
        self.addCleanup(server.close)
        self.start(f"[{{name: http-log, config: {{http_endpoint: 'http://user:pass@127.0.0.1:{server.port}/take?x=y', "
                   "method: PUT, headers: {x-from: kong}}}]")
        ask(self.http, "/api/x?a=1&b=x%20y&b=z&flag&token=t", "-H", "authorization: Basic c2VjcmV0", "-H",
            "proxy-authorization: Basic c2VjcmV0", "-H", "x-list: 1", "-H", "x-list: 2")
        self.assertTrue(eventually(lambda: len(server.requests) == 1))
        method, path, fields, body = server.requests[0]
        self.assertEqual((method, path, fields["content-type"]), ("PUT", "/take?x=y", "application/json"))
        self.assertEqual((fields["x-from"], fields["authorization"]), ("kong", "Basic dXNlcjpwYXNz"))
        self.check_line(body)
        target = f"http://127.0.0.1:{server.port}/take"
        self.assertTrue(eventually(lambda: self.metrics().sum("fairlead_gateway_log_lines_total", target=target) == 1))

    def test_http_log_sends_batches(self):
        server = LogServer()
        self.addCleanup(server.close)
        self.start(f"[{{name: http-log, config: {{http_endpoint: 'http://127.0.0.1:{server.port}/', "
                   "queue: {max_batch_size: 3, max_coalescing_delay: 3600}}}]")
        for _ in range(3):
            ask(self.http, "/api")
        self.assertTrue(eventually(lambda: len(server.requests) == 1))
        self.assertEqual([one["route"]["name"] for one in server.requests[0][3]], ["Api"] * 3)
        ask(self.http, "/own")
        self.gateway.close()  # does not wait for the rest of the batch
        self.assertEqual([one["route"]["name"] for one in server.requests[1][3]], ["own"])

    def test_http_log_tries_again(self):
        server = LogServer([500, 404])
        self.addCleanup(server.close)
        self.start(f"[{{name: http-log, config: {{http_endpoint: 'http://127.0.0.1:{server.port}/'}}}}]")
        ask(self.http, "/api")
        self.assertTrue(eventually(lambda: len(server.requests) == 3))
        self.assertEqual(len({one[3]["request"]["id"] for one in server.requests}), 1)

    def test_what_a_dead_server_does_not_take_is_counted(self):
        nobody = free_port()
        self.start(f"[{{name: http-log, config: {{http_endpoint: 'http://127.0.0.1:{nobody}/', "
                   "queue: {max_retry_time: 0.02, initial_retry_delay: 0.01}}}]")
        for _ in range(3):
            self.assertEqual(ask(self.http, "/api/name")[0], 200)
        self.assertTrue(eventually(
            lambda: self.metrics().sum("fairlead_gateway_log_lines_dropped_total", reason="unavailable") == 3))

    def test_a_queue_that_is_full_drops(self):
        nobody = free_port()
        self.start(f"[{{name: http-log, config: {{http_endpoint: 'http://127.0.0.1:{nobody}/', "
                   "queue: {max_entries: 2, initial_retry_delay: 3600, max_retry_delay: 3600, max_retry_time: 36000}}}]")
        for _ in range(5):
            self.assertEqual(ask(self.http, "/api/name")[0], 200)
        self.assertTrue(eventually(
            lambda: self.metrics().sum("fairlead_gateway_log_lines_dropped_total", reason="ring_full") == 3))

    def test_statsd(self):
        server = DatagramServer()
        self.addCleanup(server.close)
        self.start(f"[{{name: statsd, config: {{host: 127.0.0.1, port: {server.port}, prefix: edge}}}}]")
        ask(self.http, "/keyed", "-H", "x-key: key-of-alice")
        self.assertTrue(eventually(lambda: len(server.datagrams) == 12), server.datagrams)
        scope = "edge.service.Orders_v1."
        for expected in (scope + "request.count:1|c", scope + "status.200:1|c", scope + "user.uniques:4711|s",
                         scope + "user.4711.request.count:1|c", scope + "user.4711.status.200:1|c",
                         scope + "workspace.default.status.200:1|c", "edge.route.keyed.user.4711.status.200:1|c"):
            self.assertIn(expected, server.datagrams)
        for name, kind in (("latency", "ms"), ("upstream_latency", "ms"), ("kong_latency", "ms"), ("request.size", "c"),
                           ("response.size", "c")):
            self.assertTrue(any(one.startswith(scope + name + ":") and one.endswith("|" + kind)
                                for one in server.datagrams), (name, server.datagrams))
        server.datagrams.clear()
        ask(self.http, "/nowhere")
        self.assertTrue(eventually(lambda: "edge.global.unmatched.status.404:1|c" in server.datagrams), server.datagrams)

    def test_statsd_by_its_settings(self):
        server = DatagramServer()
        self.addCleanup(server.close)
        self.start(f"[{{name: statsd, config: {{host: localhost, port: {server.port}, udp_packet_size: 1400, "
                   "allow_status_codes: [200-299], consumer_identifier_default: username, metrics: ["
                   "{name: request_count, stat_type: counter, sample_rate: 0.5, service_identifier: service_host}, "
                   "{name: status_count_per_user, stat_type: counter, sample_rate: 1}]}}]")
        ask(self.http, "/nowhere")
        ask(self.http, "/keyed", "-H", "x-key: key-of-alice")
        self.assertTrue(eventually(lambda: server.datagrams))
        self.assertEqual(server.datagrams, ["kong.service.127_0_0_1.request.count:1|c|@0.5\n"
                                            "kong.service.Orders_v1.user.alice.status.200:1|c"])

    def test_datadog(self):
        server = DatagramServer()
        self.addCleanup(server.close)
        self.start(f"[{{name: datadog, config: {{host: 127.0.0.1, port: {server.port}, service_name_tag: service}}}}]")
        ask(self.http, "/keyed", "-H", "x-key: key-of-alice")
        self.assertTrue(eventually(lambda: len(server.datagrams) == 6), server.datagrams)
        tags = "|#service:Orders_v1,status:200,consumer:4711,app:kong"
        self.assertIn("kong.request.count:1|c" + tags, server.datagrams)
        for name in ("latency", "request.size", "response.size", "upstream_latency", "kong_latency"):
            self.assertTrue(any(one.startswith(f"kong.{name}:") and one.endswith("|ms" + tags)
                                for one in server.datagrams), (name, server.datagrams))

    def test_datagrams_that_nobody_takes_are_counted(self):
        with_socket = DatagramServer()
        port = with_socket.port
        with_socket.close()
        self.start(f"[{{name: statsd, config: {{host: 127.0.0.1, port: {port}}}}}]")

        def lost():
            self.assertEqual(ask(self.http, "/api/name")[0], 200)
            return self.metrics().sum("fairlead_gateway_log_lines_dropped_total", reason="write_error",
                                      target=f"udp://127.0.0.1:{port}") > 0
        self.assertTrue(eventually(lost))

    def test_a_change_moves_the_log(self):
        first, second = LogServer(), LogServer()
        for server in (first, second):
            self.addCleanup(server.close)
        plugins = "[{{name: http-log, config: {{http_endpoint: 'http://127.0.0.1:{}/'}}}}]"
        self.start(plugins.format(first.port))
        ask(self.http, "/api")
        self.assertTrue(eventually(lambda: len(first.requests) == 1))
        (self.folder / "kong.yaml").write_text(self.file(plugins.format(second.port)))
        self.assertTrue(eventually(lambda: ask(self.http, "/api") and second.requests))
        ask(self.http, "/own")

        def told_of_own(server):
            return any(one[3]["route"]["name"] == "own" for one in server.requests)
        self.assertTrue(eventually(lambda: told_of_own(second)))
        self.assertFalse(told_of_own(first))  # what was asked before the change may still come there


if __name__ == "__main__":
    unittest.main()
