# SPDX-License-Identifier: Apache-2.0
"""Traces: contexts that go on to backends, spans that go to a collector."""
import os
import subprocess
import time
import unittest

from collector import Collector
from objects import free_port
from observe import ask_many, backend_of, scrape, started
from support import LIMIT, PROGRAM, curl, curl_status, eventually

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def sent_to(backend, path="/head"):
    """Fields of the one request that the backend got, by name."""
    (row,) = backend.requests(path)
    lines = row[1].decode().lower().split("\r\n")[1:]
    return dict(line.split(": ", 1) for line in lines)


class TracesTest(unittest.TestCase):
    def setUp(self):
        self.backend = backend_of(self)
        self.collector = Collector()
        self.addCleanup(self.collector.close)

    def start(self, *arguments, environment=None):
        return started(self, self.backend, *arguments, environment=environment or {})

    def await_spans(self, count):
        self.assertTrue(eventually(lambda: len(self.collector.spans) >= count), self.collector.spans)
        self.assertEqual(len(self.collector.spans), count)
        return self.collector.spans

    def test_a_trace_goes_on_to_the_backend_and_its_spans_to_the_collector(self):
        made = self.start("--otlp-endpoint", self.collector.url)
        curl("-H", f"traceparent: 00-{TRACE}-{CALLER}-01", "-H", "tracestate: a=1", "-A", "test/1",
             made.url + "/head?token=s3cret&q=1")
        server, client = sorted(self.await_spans(2), key=lambda span: span["kind"])
        got = sent_to(self.backend, "/head?token=s3cret&q=1")
        self.assertEqual(got["traceparent"], f"00-{TRACE}-{client['span']}-01")
        self.assertEqual(got["tracestate"], "a=1")
        self.assertEqual((server["trace"], server["parent"], server["kind"], server["name"], server["state"]),
                         (TRACE, CALLER, 2, "GET --to", "a=1"))
        self.assertEqual((client["trace"], client["parent"], client["kind"]), (TRACE, server["span"], 3))
        self.assertLessEqual(server["start"], client["start"])
        self.assertLessEqual(client["start"], client["end"])
        self.assertLessEqual(client["end"], server["end"])
        self.assertLess(abs(server["start"] / 1e9 - time.time()), LIMIT)
        told = server["attributes"]
        expected = {"http.request.method": "GET", "url.path": "/head", "url.query": "token=[redacted]&q=1",
                    "http.response.status_code": 200, "client.address": "127.0.0.1", "user_agent.original": "test/1",
                    "fairlead.request_id": got["x-request-id"], "fairlead.route": "--to", "fairlead.backend": "to"}
        self.assertEqual({name: told.get(name) for name in expected}, expected)
        self.assertEqual(client["attributes"]["server.port"], self.backend.port)
        self.assertEqual(client["attributes"]["url.full"], self.backend.url + "/head?token=[redacted]&q=1")
        self.assertEqual(server["resource"]["service.name"], "fairlead-gateway")
        self.assertEqual(self.collector.requests[0][0], "/v1/traces")
        self.assertTrue(eventually(lambda: scrape(made).sum("fairlead_gateway_spans_exported_total") == 2))

    def test_a_trace_begins_here_and_failures_are_errors(self):
        made = self.start("--otlp-endpoint", self.collector.url)
        curl_status("-X", "POST", made.url + "/garbage")
        server, client = sorted(self.await_spans(2), key=lambda span: span["kind"])
        self.assertEqual(server["parent"], "")
        self.assertTrue(server["error"] and client["error"])
        self.assertEqual(server["attributes"]["fairlead.response_flags"], "UPE")
        self.assertEqual(server["attributes"]["http.response.status_code"], 502)

    def test_the_callers_decision_holds(self):
        made = self.start("--otlp-endpoint", self.collector.url, "--trace-sample", "0")
        curl("-H", f"traceparent: 00-{TRACE}-{CALLER}-00", made.url + "/head")
        curl(made.url + "/name")
        self.assertTrue(sent_to(self.backend)["traceparent"].endswith("-00"))
        other = "1" * 32
        curl("-H", f"traceparent: 00-{other}-{CALLER}-01", made.url + "/name")
        self.assertEqual({span["trace"] for span in self.await_spans(2)}, {other})

    def test_each_format_is_read_and_written(self):
        short = TRACE[16:]
        rows = [  # format, what comes, a field that goes on
            ("b3", {"b3": f"{TRACE}-{CALLER}-1"}, "b3", rf"^{TRACE}-[0-9a-f]{{16}}-1-[0-9a-f]{{16}}$"),
            ("b3multi", {"x-b3-traceid": TRACE, "x-b3-spanid": CALLER, "x-b3-sampled": "1"}, "x-b3-traceid", f"^{TRACE}$"),
            ("jaeger", {"uber-trace-id": f"{TRACE}:{CALLER}:0:1"}, "uber-trace-id", rf"^{TRACE}:[0-9a-f]{{16}}:0:1$"),
            ("datadog", {"x-datadog-trace-id": str(int(short, 16)), "x-datadog-parent-id": str(int(CALLER, 16)),
                         "x-datadog-sampling-priority": "1", "x-datadog-tags": f"_dd.p.tid={TRACE[:16]}"},
             "x-datadog-trace-id", f"^{int(short, 16)}$")]
        for number, (name, sent, field, pattern) in enumerate(rows):
            with self.subTest(format=name):
                backend = backend_of(self)
                made = started(self, backend, "--otlp-endpoint", self.collector.url, "--trace-headers", name)
                curl(*(word for each, value in sent.items() for word in ("-H", f"{each}: {value}")), made.url + "/head")
                self.assertRegex(sent_to(backend)[field], pattern)
                self.assertTrue(eventually(lambda: len(self.collector.of(TRACE)) == 2 * (number + 1)))
                self.assertEqual({span["parent"] for span in self.collector.of(TRACE) if span["kind"] == 2}, {CALLER})

    def test_opentelemetrys_variables_are_followed(self):
        made = self.start(environment={"OTEL_EXPORTER_OTLP_ENDPOINT": self.collector.url + "/base/",
                                       "OTEL_SERVICE_NAME": "shop",
                                       "OTEL_EXPORTER_OTLP_HEADERS": "x-key=a%20b", "OTEL_PROPAGATORS": "b3,tracecontext",
                                       "OTEL_RESOURCE_ATTRIBUTES": "zone=z1,service.name=other"})
        curl(made.url + "/head")
        span = self.await_spans(2)[0]
        self.assertEqual((span["resource"]["service.name"], span["resource"]["zone"]), ("shop", "z1"))
        path, fields = self.collector.requests[0]
        self.assertEqual((path, fields["x-key"]), ("/base/v1/traces", "a b"))
        self.assertLessEqual({"b3", "traceparent"}, set(sent_to(self.backend)))

    def test_without_traces_headers_pass_as_they_are(self):
        made = self.start()
        curl("-H", f"traceparent: 00-{TRACE}-{CALLER}-01", made.url + "/head")
        self.assertEqual(sent_to(self.backend)["traceparent"], f"00-{TRACE}-{CALLER}-01")
        self.assertFalse([name for name in scrape(made).names() if "span" in name])

    def test_a_collector_that_hangs_or_is_gone_holds_nothing_up(self):
        self.collector.open.clear()
        made = self.start("--otlp-endpoint", self.collector.url)
        self.assertEqual(set(ask_many(made.port, 3000)), {200})
        self.assertTrue(eventually(
            lambda: scrape(made).sum("fairlead_gateway_spans_dropped_total", reason="queue_full") > 0))
        self.collector.open.set()
        gone = free_port()
        other = started(self, self.backend, "--otlp-endpoint", f"http://127.0.0.1:{gone}")
        self.assertEqual(set(ask_many(other.port, 10)), {200})
        self.assertTrue(eventually(lambda: scrape(other).sum("fairlead_gateway_otlp_failures_total") > 0))

    def test_what_is_wrong_is_said(self):
        rows = [(["--otlp-endpoint", "ftp://a"], {}, "http"), (["--trace-headers", "zipkin"], {}, "b3multi"),
                ([], {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_TRACES_SAMPLER_ARG": "2"}, "OTEL_TRACES_SAMPLER_ARG"),
                ([], {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "http/protobuf"),
                ([], {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_EXPORTER_OTLP_HEADERS": "hunter2"}, "name=value")]
        for arguments, environment, expected in rows:
            with self.subTest(arguments=arguments, environment=environment):
                done = subprocess.run([PROGRAM, "--listen", "127.0.0.1:0", "--to", "http://127.0.0.1:1", *arguments,
                                       "--socket", "", "--admin", ""],
                                      capture_output=True, text=True, timeout=LIMIT, check=False,
                                      env={**os.environ, **environment})
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertIn(expected, done.stderr)
                self.assertNotIn("hunter2", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
