# SPDX-License-Identifier: Apache-2.0
"""What can be seen of requests: access logs and metrics."""
import calendar
import json
import os
import re
import signal
import socket
import struct
import subprocess
import threading
import time
import unittest

from backend import Backend
from objects import CLASS, Followed, free_port, gateway, http, of, route, service, to
from observe import LogFile, ask_many, backend_of, folder_of, scrape, scrape_openmetrics, started
from support import LIMIT, PROGRAM, Wire, curl, curl_status, eventually, raw


def reset(wire):
    """The next close of it is an RST."""
    wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def frame(kind, flags, stream, payload=b""):
    """A frame of HTTP/2."""
    return struct.pack("!I", len(payload))[1:] + struct.pack("!BBI", kind, flags, stream) + payload


HEADERS, RST_STREAM, SETTINGS = 1, 3, 4
CANCEL = struct.pack("!I", 8)
STATUS_200 = b"\x88"  # of the static table
H2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0)
# GET http://a/hang: the static table's :method and :scheme, then literals of :authority and :path.
GET_HANG = frame(HEADERS, 5, 1, b"\x82\x86\x01\x01a\x04\x05/hang")


class ResettingBackend:
    """Speaks HTTP/2 as far as to reset the streams of each connection, but for so many first ones, which get 200."""

    def __init__(self, answered=0):
        self.answered = answered
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"h2c://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            with peer, peer.makefile("rb") as received:
                peer.sendall(frame(SETTINGS, 0, 0))
                received.read(24)  # the preface
                streams = 0
                while head := received.read(9):
                    received.read(int.from_bytes(head[:3], "big"))
                    if head[3] == HEADERS:
                        streams += 1
                        stream = int.from_bytes(head[5:], "big")
                        answered = streams <= self.answered
                        peer.sendall(frame(HEADERS, 5, stream, STATUS_200) if answered else frame(RST_STREAM, 0, stream, CANCEL))

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class ResetTest(unittest.TestCase):
    """A stream that a peer resets is told from a connection that ends."""

    def test_of_the_client(self):
        backend = backend_of(self)
        log = LogFile(folder_of(self) / "access.log")
        running = started(self, backend, "--access-log", f"json:{log.path}")
        with Wire(running.port) as wire:
            wire.send(H2_PREFACE + GET_HANG)
            self.assertTrue(eventually(lambda: backend.requests("/hang")))
            wire.send(frame(RST_STREAM, 0, 1, CANCEL))
            (row,) = log.await_rows(1)
        self.assertEqual((row["response_code"], row["response_flags"]), (499, "DR"))

    def test_of_the_backend(self):
        backend = ResettingBackend()
        self.addCleanup(backend.close)
        log = LogFile(folder_of(self) / "access.log")
        running = started(self, backend, "--access-log", f"json:{log.path}")
        self.assertEqual(curl_status("-X", "POST", running.url + "/hang"), "502")
        (row,) = log.await_rows(1)
        self.assertEqual((row["response_code"], row["response_flags"], row["response_code_details"]),
                         (502, "UR", "the_backend_reset_the_stream"))


    def test_of_a_stream_on_a_kept_connection_says_nothing_of_the_connection(self):
        backend = ResettingBackend(answered=1)
        self.addCleanup(backend.close)
        log = LogFile(folder_of(self) / "access.log")
        running = started(self, backend, "--access-log", f"json:{log.path}")
        self.assertEqual([curl_status(running.url), curl_status(running.url)], ["200", "502"])
        row = log.await_rows(2)[1]
        self.assertEqual((row["response_flags"], row["response_code_details"], row["upstream_attempts"]),
                         ("UR", "the_backend_reset_the_stream", 1))


class JsonLogTest(unittest.TestCase):
    def setUp(self):
        self.backend = backend_of(self)
        self.log = LogFile(folder_of(self) / "access.log")
        self.gateway = started(self, self.backend, "--access-log", f"json:{self.log.path}")

    def test_a_line_says_what_happened(self):
        trace = "0af7651916cd43dd8448eb211c80319c"
        started_at = time.time()
        curl("-A", "test/1", "-H", "Host: shop.example", "-H", "X-Forwarded-For: 192.0.2.9",
             "-H", f"traceparent: 00-{trace}-b7ad6b7169203331-01", "--data-binary", "12345",
             self.gateway.url + "/echo?q=1&token=s3cret")
        (row,) = self.log.await_rows(1)
        head = self.backend.requests()[0][1].decode()
        expected = {
            "method": "POST", "path": "/echo?q=1&token=[redacted]", "protocol": "HTTP/1.1", "authority": "shop.example",
            "response_code": 200, "response_flags": "-", "response_code_details": "via_upstream", "bytes_received": 5,
            "bytes_sent": 5, "listener": "127.0.0.1:0", "route_name": "--to", "rule": "0", "upstream_cluster": "to",
            "upstream_host": f"127.0.0.1:{self.backend.port}", "upstream_attempts": 1, "trace_id": trace,
            "upstream_transport_failure_reason": None, "requested_server_name": None, "user_agent": "test/1",
            "x_forwarded_for": "192.0.2.9", "downstream_local_address": f"127.0.0.1:{self.gateway.port}",
            "request_id": re.search(r"x-request-id: (\S+)", head)[1]}
        self.assertEqual({name: row[name] for name in expected}, expected)
        self.assertRegex(row["request_id"], r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")
        self.assertRegex(row["downstream_remote_address"], r"^127\.0\.0\.1:\d+$")  # nobody is trusted
        self.assertRegex(row["upstream_local_address"], r"^127\.0\.0\.1:\d+$")
        self.assertLessEqual(0, row["connected_us"])
        self.assertLessEqual(row["connected_us"], row["first_byte_us"])
        self.assertLessEqual(row["first_byte_us"], row["duration_us"])
        self.assertEqual(row["duration"], row["duration_us"] // 1000)
        began = time.strptime(row["start_time"][:19], "%Y-%m-%dT%H:%M:%S")
        self.assertLess(abs(calendar.timegm(began) - started_at), LIMIT)

    def test_http2_and_bytes_of_long_bodies(self):
        curl("--http2-prior-knowledge", "--data-binary", "@-", self.gateway.url + "/echo", input=b"x" * 300_000)
        (row,) = self.log.await_rows(1)
        self.assertEqual((row["protocol"], row["bytes_received"], row["bytes_sent"]), ("HTTP/2", 300_000, 300_000))

    def test_what_was_rewritten_or_is_forged_stays_in_its_field(self):
        with Wire(self.gateway.port) as wire:
            wire.send(b'GET /a/../name?x="}%0a{ HTTP/1.1\r\nhost: a\r\nuser-agent: "},{"forged":1\r\n\r\n')
            wire.until(b"\r\n\r\n")
        for row in self.log.await_rows(1):
            self.assertNotIn("forged", row)

    def test_each_refusal_and_failure_has_its_flag(self):
        def asked(path):
            return lambda: curl_status("-X", "POST", self.gateway.url + path)

        def given_up():
            with Wire(self.gateway.port) as wire:
                wire.send(b"GET /hang HTTP/1.1\r\nhost: a\r\n\r\n")
                self.assertTrue(eventually(lambda: self.backend.requests("/hang")))
                reset(wire)

        def bad_body():
            raw(self.gateway.port, b"POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n")

        def short():
            subprocess.run(["curl", "-s", "--max-time", str(LIMIT), self.gateway.url + "/short"], capture_output=True,
                           check=False)

        rows = [  # what is done, status, flags, details
            (asked("/garbage"), 502, "UPE", "the_backend_sent_no_valid_response"),
            (asked("/reset"), 502, "UC", "the_backend's_connection_ended"),
            (short, 200, "UC", "via_upstream"),
            (given_up, 499, "DC", "the_client_ended_the_request"),
            (bad_body, 400, "DPE", "the_request's_body_is_malformed"),
            (lambda: raw(self.gateway.port, b"GET /%zz HTTP/1.1\r\nhost: a\r\n\r\n"), 400, "DPE", None),
            (lambda: raw(self.gateway.port, b"GET / HTTP/1.1\r\nhost: a\r\nx : 1\r\n\r\n"), 400, "DPE", None),
            (lambda: raw(self.gateway.port, b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nhost: a\r\n\r\n"), 414, "DPE,TL", None),
            (lambda: raw(self.gateway.port, b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"a" * 90000 + b"\r\n\r\n"), 431, "DPE,TL",
             None),
        ]
        for number, (act, status, flags, details) in enumerate(rows, 1):
            with self.subTest(number=number, flags=flags):
                act()
                row = self.log.await_rows(number)[-1]
                self.assertEqual((row["response_code"], row["response_flags"]), (status, flags))
                self.assertRegex(row["response_code_details"], r"^\S+$")
                if details:
                    self.assertEqual(row["response_code_details"], details)
        page = scrape(self.gateway)
        for flag, count in (("UPE", 1), ("UC", 2), ("DC", 1), ("DPE", 5), ("TL", 2), ("UF", 0)):
            self.assertEqual(page.sum("fairlead_gateway_response_flags_total", flag=flag), count, flag)
        self.assertEqual(page.sum("fairlead_gateway_requests_total", flags="DPE,TL", code="414"), 1)
        self.assertEqual(page.sum("fairlead_gateway_refused_requests_total"), 4)
        self.assertEqual(page.sum("fairlead_gateway_requests_begun_total"), 5)
        self.assertEqual(page.sum("fairlead_gateway_active_requests"), 0)

    def test_what_a_refused_client_is_told_counts_as_sent(self):
        head = b"POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n"
        requests = [b"GET /%zz HTTP/1.1\r\nhost: a\r\n\r\n", head + b"\r\nzz\r\n", head + b"x : 1\r\n\r\n",
                    head + b"\r\n0\r\nhost: b\r\n\r\n"]
        for number, request in enumerate(requests, 1):
            with self.subTest(request=request):
                _, _, body = raw(self.gateway.port, request).partition(b"\r\n\r\n")
                self.assertNotEqual(body, b"")
                self.assertEqual(self.log.await_rows(number)[-1]["bytes_sent"], len(body))

    def test_a_backend_that_is_not_there_is_named_with_the_reason(self):
        self.backend.close()
        self.assertEqual(curl_status("-X", "POST", self.gateway.url + "/name"), "503")
        (row,) = self.log.await_rows(1)
        self.assertEqual(row["response_flags"], "UF,URX")
        self.assertIn("refused", row["upstream_transport_failure_reason"].lower())
        self.assertEqual((row["upstream_attempts"], row["upstream_host"]), (3, f"127.0.0.1:{self.backend.port}"))
        self.assertIsNone(row["upstream_local_address"])
        self.assertIsNone(row["first_byte_us"])


class FormatsTest(unittest.TestCase):
    def line(self, *arguments, path="/bytes/100?a=1"):
        backend = backend_of(self)
        log = LogFile(folder_of(self) / "access.log")
        made = started(self, backend, *(str(word).replace("FILE", str(log.path)) for word in arguments))
        curl("-A", "test/1", "-e", "http://from.example/", made.url + path)
        return log.await_lines(1)[0]

    def test_common_and_combined_are_those_of_others(self):
        common = r'127\.0\.0\.1 - - \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\] '
        common += r'"GET /bytes/100\?a=1 HTTP/1\.1" 200 100'
        self.assertRegex(self.line("--access-log", "common:FILE"), f"^{common}$")
        self.assertRegex(self.line("--access-log", "combined:FILE"), f'^{common} "http://from.example/" "test/1"$')

    def test_templates_show_fields_of_requests_and_answers(self):
        template = "%RESPONSE_CODE% %REQ(user-agent)% %RESP(x-backend)% %RESP(nothing)% %PATH_NORMALIZED% %TRAILER(x-sum)%"
        line = self.line("--access-log", "template:FILE", "--access-log-template", template, path="/a/../bytes/7")
        self.assertEqual(line, "200 test/1 backend - /bytes/7 -")
        line = self.line("--access-log", "template:FILE", "--access-log-template", template, path="/chunked/10")
        self.assertRegex(line, r"^200 test/1 - - /chunked/10 [0-9a-f]{64}$")

    def test_standard_output_has_lines_among_its_own(self):
        made = started(self, backend_of(self), "--access-log", "json")
        curl(made.url + "/name")
        self.assertTrue(eventually(lambda: any(line.startswith("{") for line in made.lines)))
        self.assertEqual(json.loads(made.lines[-1])["response_code"], 200)

    def test_nothing_is_logged_unless_asked(self):
        made = started(self, backend_of(self))
        ask_many(made.port, 5)
        self.assertFalse([name for name in scrape(made).names() if "_log_" in name])

    def test_syslog_is_one_datagram_a_line(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.bind(("127.0.0.1", 0))
            server.settimeout(LIMIT)
            made = started(self, backend_of(self), "--access-log", f"json:udp://127.0.0.1:{server.getsockname()[1]}")
            ask_many(made.port, 3)
            for _ in range(3):
                head, _, body = server.recv(65536).decode().partition(" access - ")
                self.assertRegex(head, rf"^<134>1 \d{{4}}-\d\d-\d\dT[\d:.]+Z \S+ fairlead-gateway {made.process.pid}$")
                self.assertEqual(json.loads(body)["response_code"], 200)

    def test_sampling_leaves_lines_out_and_counts_all(self):
        log = LogFile(folder_of(self) / "access.log")
        made = started(self, backend_of(self), "--access-log", f"json:{log.path}", "--access-log-sample", "20")
        self.assertEqual(set(ask_many(made.port, 1000)), {200})
        self.assertEqual(scrape(made).sum("fairlead_gateway_requests_total"), 1000)
        made.close()  # what waits is written
        self.assertTrue(100 < len(log.lines()) < 320, len(log.lines()))

    def test_what_is_wrong_is_said(self):
        rows = [("xml", "json, common"), ("json:relative", "absolute path"), ("json:udp://nobody", "udp://"),
                ("template", "--access-log-template"), ("json:/nonexistent/x.log", "/nonexistent/x.log")]
        for value, expected in rows:
            with self.subTest(value=value):
                done = subprocess.run([PROGRAM, "--listen", "127.0.0.1:0", "--to", "http://127.0.0.1:1",
                                       "--access-log", value, "--socket", "", "--admin", ""],
                                      capture_output=True, text=True, timeout=LIMIT, check=False)
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertIn(expected, done.stderr)


class TargetsTest(unittest.TestCase):
    """A request never waits for its log."""

    def test_rotation_loses_nothing(self):
        for number in (signal.SIGUSR1, signal.SIGHUP):
            with self.subTest(signal=number):
                folder = folder_of(self)
                made = started(self, backend_of(self), "--access-log", f"json:{folder}/access.log", workers=2)
                done, running = [], True

                def load():
                    while running:
                        done.extend(ask_many(made.port, 50))

                clients = [threading.Thread(target=load) for _ in range(2)]
                for client in clients:
                    client.start()
                for turn in range(5):
                    current = LogFile(folder / "access.log")
                    self.assertTrue(eventually(lambda: len(current.lines()) > 20))
                    current.path.rename(folder / f"old.{turn}")
                    made.signal(number)
                    self.assertTrue(eventually(current.path.exists))
                running = False
                for client in clients:
                    client.join()
                # A machine that gives the writer no time lets lines go, which are counted.
                dropped = scrape(made).sum("fairlead_gateway_log_lines_dropped_total")
                made.close()
                rows = [json.loads(line) for path in folder.iterdir() for line in LogFile(path).lines()]
                self.assertEqual(set(done), {200})
                self.assertEqual(len(rows) + dropped, len(done))

    def test_a_pipe_that_nobody_reads_holds_nothing_up(self):
        path = folder_of(self) / "pipe"
        os.mkfifo(path)
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        made = started(self, backend_of(self), "--access-log", f"json:{path}")
        count = 4000
        self.assertEqual(set(ask_many(made.port, count)), {200})
        page = scrape(made)
        dropped = page.sum("fairlead_gateway_log_lines_dropped_total", target=str(path), reason="ring_full")
        self.assertGreater(dropped, 0)
        got = b""

        def read():
            nonlocal got
            try:
                while piece := os.read(reader, 65536):
                    got += piece
            except BlockingIOError:
                pass
            return got.count(b"\n") == count - dropped

        self.assertTrue(eventually(read), (got.count(b"\n"), dropped))
        self.assertEqual(len([json.loads(line) for line in got.decode().splitlines()]), count - dropped)
        self.assertTrue(eventually(lambda: scrape(made).sum("fairlead_gateway_log_lines_total") == count - dropped))

    def test_a_full_disk_holds_nothing_up(self):
        made = started(self, backend_of(self), "--access-log", "json:/dev/full")
        self.assertEqual(set(ask_many(made.port, 300)), {200})
        self.assertTrue(eventually(
            lambda: scrape(made).sum("fairlead_gateway_log_lines_dropped_total", reason="disk_full") == 300))


class MetricsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.one, cls.two = Backend("one"), Backend("two")
        cls.port, cls.other = free_port(), free_port()
        gone = free_port()
        cls.followed = Followed({
            "base.yaml": "---\n".join([CLASS, gateway(http(cls.port), http(cls.other, "other"))]),
            "services.yaml": "---\n".join([service("one", of(cls.one)), service("two", of(cls.two)),
                                           service("gone", ("127.0.0.1", gone)), service("empty"),
                                           service("full", of(cls.one)), BREAKER]),
            "one.yaml": route("one", to("one", more="name: main"), to("two", more="matches: [{path: {value: /two}}]"),
                              hostnames=["one.example"]),
            "full.yaml": route("full", to("full"), hostnames=["full.example"]),
            "wrong.yaml": route("wrong",
                                "{matches: [{path: {value: /gone}}], backendRefs: [{name: gone, port: 80}]}",
                                "{matches: [{path: {value: /empty}}], backendRefs: [{name: empty, port: 80}]}",
                                "{matches: [{path: {value: /none}}], backendRefs: [{name: none, port: 80}]}",
                                "{matches: [{path: {value: /moved}}], filters: [{type: RequestRedirect, "
                                "requestRedirect: {hostname: b.example}}]}",
                                "{matches: [{path: {value: /hang}}], timeouts: {request: 50ms}, "
                                "backendRefs: [{name: one, port: 80}]}",
                                hostnames=["wrong.example"])})
        cls.addClassCleanup(cls.one.close)
        cls.addClassCleanup(cls.two.close)
        cls.addClassCleanup(cls.followed.close)

    def ask(self, host, path, port=None, method="GET"):
        return curl_status("-X", method, "-H", f"Host: {host}", f"http://127.0.0.1:{port or self.port}{path}")

    def test_requests_by_listener_route_rule_backend_and_code(self):
        before = scrape(self.followed.gateway)
        for path, port, count in (("/name", self.port, 3), ("/name", self.other, 2), ("/two", self.port, 4),
                                  ("/status/404", self.port, 1)):
            for _ in range(count):
                self.ask("one.example", path, port)
        after = scrape(self.followed.gateway)

        def grown(name, **labels):
            return after.sum(name, **labels) - before.sum(name, **labels)

        here = {"listener": f"default/edge:{self.port}", "route": "HTTPRoute default/one"}
        main = {"rule": "main", "backend": "default/one:80"}
        self.assertEqual(grown("fairlead_gateway_requests_total", code="200", flags="-", grpc_status="", **here, **main), 3)
        self.assertEqual(grown("fairlead_gateway_requests_total", code="404", flags="-", **here, **main), 1)
        self.assertEqual(grown("fairlead_gateway_requests_total", rule="1", backend="default/two:80", **here), 4)
        self.assertEqual(grown("fairlead_gateway_requests_total", listener=f"default/edge:{self.other}"), 2)
        seconds = "fairlead_gateway_request_duration_seconds"
        self.assertEqual(grown(seconds + "_count", code_class="2xx", **here, **main), 3)
        self.assertEqual(grown(seconds + "_bucket", le="+Inf", code_class="4xx", **here, **main), 1)
        self.assertGreater(grown(seconds + "_sum", code_class="2xx", **here, **main), 0)
        self.assertGreater(grown("fairlead_gateway_response_bytes_total", **here, **main), 4 * len("HTTP/1.1 200 Here"))

    def test_each_answer_of_ours_has_its_flag(self):
        gateway_ = self.followed.gateway
        before = scrape(gateway_)
        rows = [("wrong.example", "/nowhere", "404", "NR", ""), ("wrong.example", "/none", "500", "NC", ""),
                ("wrong.example", "/gone", "503", "UF,URX", "default/gone:80"),
                ("wrong.example", "/empty", "503", "UH", "default/empty:80"),
                ("wrong.example", "/hang", "504", "UT", "default/one:80"), ("wrong.example", "/moved", "302", "-", "")]
        for host, path, status, _, _ in rows:
            self.assertEqual(self.ask(host, path, method="POST"), status, path)
        with Wire(self.port) as held:
            held.send(b"GET /hang?held HTTP/1.1\r\nhost: full.example\r\n\r\n")
            self.assertTrue(eventually(lambda: self.one.requests("/hang?held")))
            self.assertEqual(self.ask("full.example", "/name"), "503")
            reset(held)  # or it is taken to be waiting still
        after = scrape(gateway_)
        rows.append(("full.example", "/name", "503", "UO", "default/full:80"))
        for _, path, status, flags, backend in rows:
            with self.subTest(path=path):
                labels = {"code": status, "flags": flags, "backend": backend}
                name = "fairlead_gateway_requests_total"
                self.assertEqual(after.sum(name, **labels) - before.sum(name, **labels), 1, after.rows(name))

    def test_what_became_of_tries_at_each_cluster(self):
        before = scrape(self.followed.gateway)
        for host, path in (("one.example", "/name"), ("one.example", "/status/503"), ("wrong.example", "/gone"),
                           ("wrong.example", "/empty")):
            self.ask(host, path)
        after = scrape(self.followed.gateway)

        def grown(name, cluster, **labels):
            labels["backend"] = f"default/{cluster}:80"
            name = f"fairlead_gateway_backend_{name}_total"
            return after.sum(name, **labels) - before.sum(name, **labels)

        self.assertEqual((grown("tries", "one", result="response"), grown("tries", "one", result="failure")), (2, 0))
        self.assertEqual(grown("pool", "one"), 2)
        # A refused connect is tried again as often as the default says, and each is a connection that did not come.
        failures = grown("tries", "gone", result="failure")
        self.assertEqual((failures, grown("tries", "gone", result="response")), (1 + grown("retries", "gone"), 0))
        self.assertEqual(grown("connects", "gone", result="begun"), grown("connects", "gone", result="failure"))
        self.assertEqual(grown("refusals", "empty", reason="no_endpoints"), 1)
        stand = "fairlead_gateway_backend_endpoints"
        self.assertEqual(after.sum(stand, backend="default/one:80", state="available"), 1)
        self.assertEqual(after.rows(stand, backend="default/empty:80"),
                         [({"backend": "default/empty:80", "state": "available"}, 0)])

    def test_connections_are_counted_and_gone_again(self):
        listener = f"default/edge:{self.other}"

        def opened():
            return scrape(self.followed.gateway).sum("fairlead_gateway_open_connections", listener=listener)

        before = scrape(self.followed.gateway).sum("fairlead_gateway_connections_total", listener=listener)
        wires = [Wire(self.other) for _ in range(5)]
        self.assertTrue(eventually(lambda: opened() == 5))
        for wire in wires:
            wire.socket.close()
        self.assertTrue(eventually(lambda: opened() == 0))
        self.assertEqual(scrape(self.followed.gateway).sum("fairlead_gateway_connections_total", listener=listener) - before,
                         5)

    def test_openmetrics_is_the_same_page_in_its_own_form(self):
        self.ask("one.example", "/name")
        made = scrape_openmetrics(self.followed.gateway)
        self.assertEqual(made.types["fairlead_gateway_requests"], "counter")
        self.assertEqual(made.names(), scrape(self.followed.gateway).names())
        self.assertEqual(made.units["fairlead_gateway_request_duration_seconds"], "seconds")

    def test_status_and_metrics_agree(self):
        self.ask("one.example", "/name")
        status = json.loads(curl(f"http://{self.followed.gateway.admin}/v1/status"))
        page = scrape(self.followed.gateway)
        self.assertEqual(status["requests"], page.sum("fairlead_gateway_requests_begun_total"))

        def at_rest():
            page = scrape(self.followed.gateway)
            return (page.sum("fairlead_gateway_requests_ended_total") == status["requests"] and
                    page.sum("fairlead_gateway_active_requests") == page.sum("fairlead_gateway_open_connections") == 0)

        self.assertTrue(eventually(at_rest))


BREAKER = """apiVersion: fairlead.io/v1alpha1
kind: BackendPolicy
metadata: {name: full, namespace: default}
spec:
  targetRefs: [{group: "", kind: Service, name: full}]
  circuitBreaker: {maxParallelRequests: 1}
"""


def client_policy(spec, section=""):
    target = f", sectionName: {section}" if section else ""
    return f"""apiVersion: fairlead.io/v1alpha1
kind: ClientPolicy
metadata: {{name: clients, namespace: default}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: edge{target}}}]
  {spec}
"""


class PolicyTest(unittest.TestCase):
    def setUp(self):
        self.backend = backend_of(self)
        self.folder = folder_of(self)
        self.port = free_port()

    def follow(self, policy, *arguments):
        made = Followed({"base.yaml": "---\n".join([CLASS, gateway(http(self.port)), service("one", of(self.backend)),
                                                    route("one", to("one"))]), "policy.yaml": policy}, arguments=arguments)
        self.addCleanup(made.close)
        return made

    def test_a_policy_turns_the_log_on_and_off_as_it_changes(self):
        first, second = (LogFile(self.folder / name) for name in ("first", "second"))
        followed = self.follow(client_policy(f"accessLog: {{path: {first.path}}}"))
        with Wire(self.port) as wire:  # on a connection that stands

            def ask():
                wire.send(b"GET /name HTTP/1.1\r\nhost: a\r\n\r\n")
                self.assertEqual(wire.answer()[0], 200)

            ask()
            (row,) = first.await_rows(1)
            self.assertEqual((row["route_name"], row["upstream_cluster"]), ("HTTPRoute default/one", "default/one:80"))
            changes = followed.status()["changes"]
            followed.write("policy.yaml", client_policy(f"accessLog: {{path: {second.path}, format: Template, "
                                                        "template: \"%RESPONSE_CODE% %LISTENER_NAME%\"}"))
            changes = followed.await_changes(changes)
            ask()
            self.assertEqual(second.await_lines(1), [f"200 default/edge:{self.port}"])
            followed.write("policy.yaml", client_policy(f"accessLog: {{enabled: false, path: {second.path}}}"))
            followed.await_changes(changes)
            ask()
        followed.gateway.close()
        self.assertEqual((len(first.lines()), len(second.lines())), (1, 1))

    def test_the_programs_log_is_for_listeners_without_one(self):
        log = LogFile(self.folder / "log")
        followed = self.follow(client_policy("limits: {maxHeaders: 50}"), "--access-log", f"common:{log.path}")
        ask_many(self.port, 2)
        log.await_lines(2)
        followed.write("policy.yaml", client_policy("accessLog: {enabled: false}"))
        followed.await_changes(1)
        ask_many(self.port, 2)
        followed.gateway.close()
        self.assertEqual(len(log.lines()), 2)

    def test_a_file_that_cannot_be_opened_is_a_remark_and_no_failure(self):
        followed = self.follow(client_policy("accessLog: {path: /nonexistent/log}"))
        self.assertEqual(ask_many(self.port, 1), [200])
        self.assertIn("/nonexistent/log", followed.conditions())

    def test_the_client_is_who_trusted_hops_say(self):
        log = LogFile(self.folder / "log")
        self.follow(client_policy(f"accessLog: {{path: {log.path}}}\n  forwarded: {{numTrustedHops: 1}}"))
        curl("-H", "X-Forwarded-For: 192.0.2.1, 192.0.2.9", "-H", "X-Request-Id: hop-1",
             f"http://127.0.0.1:{self.port}/name")
        (row,) = log.await_rows(1)
        self.assertTrue(row["downstream_remote_address"].startswith("192.0.2.9"), row)
        self.assertEqual(row["request_id"], "hop-1")

    def test_request_ids_are_kept_where_the_policy_says_so(self):
        log = LogFile(self.folder / "log")
        self.follow(client_policy(f"accessLog: {{path: {log.path}}}\n  forwarded: {{preserveRequestId: true}}"))
        for sent in ("mine-1", "not valid!"):
            curl("-H", f"X-Request-Id: {sent}", f"http://127.0.0.1:{self.port}/head")
        rows = log.await_rows(2)
        got = [re.search(r"x-request-id: (.*)\r", row[1].decode() + "\r")[1] for row in self.backend.requests("/head")]
        self.assertEqual([row["request_id"] for row in rows], got)
        self.assertEqual(got[0], "mine-1")
        self.assertRegex(got[1], r"^[0-9a-f-]{36}$")


if __name__ == "__main__":
    unittest.main(verbosity=2)
