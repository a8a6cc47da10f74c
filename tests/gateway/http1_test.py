# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 in, HTTP/1.1 out, without any configuration: --listen and --to."""
import hashlib
import pathlib
import re
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
import unittest
from email.utils import parsedate_to_datetime

from backend import Backend, pattern, says
from support import LIMIT, PROGRAM, Gateway, Wire, curl, curl_status, eventually, raw


class Http1Test(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.backend = Backend()
        cls.addClassCleanup(cls.backend.close)
        cls.gateway = Gateway("--listen", "127.0.0.1:0", "--to", cls.backend.url)
        cls.addClassCleanup(cls.gateway.close)

    def url(self, path):
        return self.gateway.url + path

    def test_get(self):
        self.assertEqual(curl(self.url("/name")), b"backend")

    def test_bodies_of_many_sizes_come_whole(self):
        for size in (0, 1, 100, 4095, 16384, 16385, 65536, 1 << 20, (8 << 20) + 3):
            with self.subTest(size=size):
                self.assertEqual(curl(self.url(f"/bytes/{size}")), pattern(size))

    def test_uploads_of_many_sizes_arrive_whole(self):
        for size in (0, 1, 100, 16384, 65537, (4 << 20) + 1):
            with self.subTest(size=size):
                sent = pattern(size)
                self.assertEqual(curl("--data-binary", "@-", self.url("/echo"), input=sent), sent)

    def test_chunks_both_ways(self):
        sent = pattern(300_000)
        got = curl("-H", "Transfer-Encoding: chunked", "--data-binary", "@-", "-i", self.url("/echo"), input=sent)
        head, _, body = got.partition(b"\r\n\r\n")
        self.assertIn(b"x-framing: chunked", head)
        self.assertEqual(body, sent)
        self.assertEqual(curl(self.url("/chunked/123456")), pattern(123456))

    def test_426_says_what_to_change_to(self):
        for lines, said in ((("Upgrade: TLS/1.3", "Connection: upgrade, x-hop", "x-hop: 1"), b"TLS/1.3"),
                            (("Upgrade: a/1", "Upgrade: b/2"), b"a/1")):
            backend = Backend()
            self.addCleanup(backend.close)
            backend.answer = says(426, *lines, body=b"no")
            gateway = Gateway("--listen", "127.0.0.1:0", "--to", backend.url)
            self.addCleanup(gateway.close)
            with Wire(gateway.port) as wire:
                wire.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
                status, head, body = wire.answer()
            self.assertEqual((status, body), (426, b"no"))
            self.assertIn(b"\r\nupgrade: " + said + b"\r\nconnection: upgrade\r\n", head)
            self.assertNotIn(b"x-hop", head)
            # Elsewhere it is an offer of the backend's connection, however many lines it has.
            backend.answer = says(200, "Upgrade: a/1", "Upgrade: b/2", body=b"yes")
            with Wire(gateway.port) as wire:
                wire.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
                status, head, body = wire.answer()
            self.assertEqual((status, body), (200, b"yes"))
            self.assertNotIn(b"upgrade", head)

    def test_trailers_pass(self):
        with Wire(self.gateway.port) as wire:
            wire.send(b"GET /chunked/2500 HTTP/1.1\r\nhost: a\r\nte: trailers\r\n\r\n")
            wire.until(b"\r\n\r\n")
            tail = wire.until(b"0\r\nx-sum: ") and wire.until(b"\r\n\r\n")
        self.assertEqual(tail.strip().decode(), hashlib.sha256(pattern(2500)).hexdigest())

    def test_trailers_of_requests_say_nothing_that_only_the_gateway_says(self):
        with Wire(self.gateway.port) as wire:
            wire.send(b"POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n"
                      b"X-Forwarded-For: 6.6.6.6\r\nX-Mark-Trailer: 1\r\nX_Real-IP: 6.6.6.6\r\n\r\n")
            self.assertEqual(wire.answer()[2], b"abc")
        sent = b"".join(self.backend.raw[-3:])  # head and body come together, or one after the other
        self.assertIn(b"0\r\nx-mark-trailer: 1\r\n\r\n", sent)
        self.assertNotIn(b"6.6.6.6", sent)

    def test_a_later_minor_version_is_read_as_one_that_is_known(self):
        with Wire(self.gateway.port) as wire:
            wire.send(b"GET /name HTTP/1.7\r\nhost: a\r\n\r\n")  # RFC 9110 2.5
            status, head, body = wire.answer()
            self.assertEqual((status, head[:9], body), (200, b"HTTP/1.1 ", b"backend"))

    def test_head_has_a_length_and_no_body(self):
        with Wire(self.gateway.port) as wire:
            wire.send(b"HEAD /bytes/1000 HTTP/1.1\r\nhost: a\r\n\r\n")
            head = wire.until(b"\r\n\r\n")
            self.assertIn(b"content-length: 1000", head.lower())
            wire.send(b"GET /name HTTP/1.1\r\nhost: a\r\n\r\n")  # nothing of a body is in the way
            self.assertEqual(wire.answer()[2], b"backend")

    def test_one_connection_for_many_requests(self):
        before = self.backend.connections
        with Wire(self.gateway.port) as wire:
            for number in range(50):
                wire.send(b"GET /bytes/%d HTTP/1.1\r\nhost: a\r\n\r\n" % number)
                self.assertEqual(wire.answer()[2], pattern(number))
        self.assertLessEqual(self.backend.connections - before, 1)

    def test_pipelined_requests_are_answered_in_order(self):
        with Wire(self.gateway.port) as wire:
            wire.send(b"".join(b"GET /bytes/%d HTTP/1.1\r\nhost: a\r\n\r\n" % (number * 37) for number in range(20)))
            for number in range(20):
                self.assertEqual(wire.answer()[2], pattern(number * 37))

    def test_http_10_closes_unless_asked(self):
        answer = raw(self.gateway.port, b"GET /chunked/5000 HTTP/1.0\r\n\r\n")
        head, _, body = answer.partition(b"\r\n\r\n")
        self.assertNotIn(b"transfer-encoding", head.lower())
        self.assertEqual(body, pattern(5000))

    def test_http_10_may_have_no_host_and_the_backend_gets_its_own(self):
        raw(self.gateway.port, b"GET /name HTTP/1.0\r\nx-mark: none\r\n\r\n")
        head = next(head for _, head, _ in reversed(self.backend.requests("/name")) if b"x-mark: none" in head)
        self.assertIn(b"\r\nhost: 127.0.0.1:%d\r\n" % self.backend.port, head)

    def test_continue_comes_before_the_body_is_sent(self):
        with Wire(self.gateway.port) as wire:
            wire.send(b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n")
            self.assertTrue(wire.until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 "))
            wire.send(b"hello")
            self.assertEqual(wire.answer()[2], b"hello")

    def test_early_hints_pass(self):
        with Wire(self.gateway.port) as wire:
            wire.send(b"GET /early HTTP/1.1\r\nhost: a\r\n\r\n")
            self.assertTrue(wire.until(b"\r\n\r\n").startswith(b"HTTP/1.1 103 "))
            self.assertEqual(wire.answer()[0], 200)

    def test_events_come_one_by_one(self):
        with Wire(self.gateway.port) as wire:
            wire.send(b"GET /events/3 HTTP/1.1\r\nhost: a\r\n\r\n")
            wire.until(b"\r\n\r\n")
            for number in range(3):
                self.backend.release()
                wire.until(b"data: %d\n\n\r\n" % number)
            wire.until(b"0\r\n\r\n")

    def test_answers_have_a_date(self):
        """RFC 9110 6.6.1: of our own and of backends that send none; theirs is kept."""
        for path, method in (("/name", "GET"), ("/status/204", "GET"), ("/name", "OPTIONS"), ("/short%zz", "GET")):
            with self.subTest(path=path), Wire(self.gateway.port) as wire:
                wire.send(f"{method} {path} HTTP/1.1\r\nhost: a\r\nmax-forwards: 0\r\n\r\n".encode())
                head = wire.until(b"\r\n\r\n").decode().lower()
                dates = re.findall(r"\ndate: (.*)\r\n", head)
                self.assertEqual(len(dates), 1, head)
                self.assertLess(abs(parsedate_to_datetime(dates[0]).timestamp() - time.time()), LIMIT)
        old = "Tue, 15 Nov 1994 08:12:31 GMT"
        self.answer_with(f"HTTP/1.1 200 OK\r\nDate: {old}\r\nContent-Length: 0\r\n\r\n")
        with Wire(self.gateway.port) as wire:
            wire.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            self.assertEqual(re.findall(r"\ndate: (.*)\r\n", wire.until(b"\r\n\r\n").decode()), [old])

    def answer_with(self, text):
        """Until the test ends."""
        self.backend.answer = lambda conversation, *unused: conversation.peer.sendall(text.encode())
        self.addCleanup(setattr, self.backend, "answer", None)

    def test_max_forwards_counts_hops_of_options_and_trace(self):
        """RFC 9110 7.6.2."""
        rows = [("OPTIONS", "5", b"max-forwards: 4"), ("TRACE", "1", b"max-forwards: 0"), ("GET", "0", b"max-forwards: 0"),
                ("OPTIONS", "x", b"max-forwards: x")]
        for method, sent, told in rows:
            with self.subTest(method=method, sent=sent), Wire(self.gateway.port) as wire:
                wire.send(f"{method} /head HTTP/1.1\r\nhost: a\r\nmax-forwards: {sent}\r\n\r\n".encode())
                self.assertIn(told, wire.answer()[2].lower())
        with Wire(self.gateway.port) as wire:
            before = len(self.backend.requests())
            wire.send(b"OPTIONS * HTTP/1.1\r\nhost: a\r\nmax-forwards: 0\r\n\r\n")
            self.assertEqual(wire.answer()[::2], (200, b""))
            wire.send(b"TRACE /x?y HTTP/1.1\r\nhost: a\r\nmax-forwards: 00\r\ncookie: a=b\r\nx-mine: 1\r\n\r\n")
            status, head, body = wire.answer()
            self.assertEqual((status, body), (200, b"TRACE /x?y HTTP/1.1\r\nhost: a\r\nmax-forwards: 00\r\nx-mine: 1\r\n\r\n"))
            self.assertIn(b"content-type: message/http", head.lower())
            self.assertEqual(len(self.backend.requests()), before)

    def test_options_of_the_whole_server_pass(self):
        with Wire(self.gateway.port) as wire:
            wire.send(b"OPTIONS * HTTP/1.1\r\nhost: a\r\nx-mark: star\r\n\r\n")
            wire.answer()
        head = next(head for _, head, _ in reversed(self.backend.requests("*")) if b"x-mark: star" in head)
        self.assertTrue(head.startswith(b"OPTIONS * HTTP/1.1\r\n"))

    def test_a_204_ends_with_its_head(self):
        """Whatever its fields say (RFC 9112 6.3), and nothing behind it is taken for an answer."""
        for framing in ("Content-Length: 2\r\n\r\nno", "Transfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n"):
            with self.subTest(framing=framing), Wire(self.gateway.port) as wire:
                self.answer_with("HTTP/1.1 204 No Content\r\n" + framing)
                for _ in range(2):
                    wire.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
                    head = wire.until(b"\r\n\r\n").lower()
                    self.assertTrue(head.startswith(b"http/1.1 204 "))
                    self.assertNotIn(b"content-length", head)
                    self.assertNotIn(b"transfer-encoding", head)

    def test_fields_of_the_connection_stay_on_it(self):
        with Wire(self.gateway.port) as wire:
            wire.send(b"GET /head HTTP/1.1\r\nhost: a\r\nconnection: x-mine, keep-alive\r\nx-mine: 1\r\nkeep-alive: 5\r\n"
                      b"proxy-connection: x\r\nx-kept: 2\r\n\r\n")
            head = wire.answer()[2].lower()
        self.assertIn(b"x-kept: 2", head)
        for name in (b"x-mine", b"keep-alive:", b"proxy-connection"):
            self.assertNotIn(name, head)

    def test_the_client_is_named_to_the_backend(self):
        with Wire(self.gateway.port) as wire:
            wire.send(b"GET /head HTTP/1.1\r\nhost: shop.example\r\nx-forwarded-for: 192.0.2.1\r\n\r\n")
            head = wire.answer()[2].lower().decode()
        self.assertIn("\r\nhost: shop.example", head)
        self.assertIn("x-forwarded-for: 127.0.0.1", head)  # nobody is trusted without configuration
        self.assertNotIn("192.0.2.1", head)
        self.assertIn("x-forwarded-proto: http", head)
        self.assertRegex(head, r"x-request-id: \S{16,}")

    def test_what_is_ambiguous_reaches_nobody(self):
        rows = [
            (b"POST /evil HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
            (b"POST /evil HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello", 400),
            (b"POST /evil HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
            (b"GET /evil HTTP/1.1\r\nhost: a\r\nx-a : 1\r\n\r\n", 400),
            (b"GET /evil HTTP/1.1\r\nhost: a\r\nx-a: 1\r\n x\r\n\r\n", 400),
            (b"GET /evil HTTP/1.1\nhost: a\n\n", 400),
            (b"GET /evil HTTP/1.1\r\n\r\n", 400),
            (b"GET /evil HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400),
            (b"GET /evil\x00 HTTP/1.1\r\nhost: a\r\n\r\n", 400),
            (b"GET /evil HTTP/9.9\r\nhost: a\r\n\r\n", 505),
            (b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\nhost: a\r\n\r\n", 414),
            (b"GET /evil HTTP/1.1\r\nhost: a\r\nx: " + b"a" * 200000 + b"\r\n\r\n", 431),
        ]
        for data, status in rows:
            with self.subTest(data=data[:80]):
                answer = raw(self.gateway.port, data)
                self.assertTrue(answer.startswith(b"HTTP/1.1 %d " % status), answer[:100])
                self.assertEqual(answer.count(b"HTTP/1.1 "), 1)
        self.assertFalse([row for row in self.backend.requests() if b"evil" in row[1]])

    def test_a_backend_that_hangs_up_is_a_502(self):
        for path in ("/garbage", "/reset"):
            with self.subTest(path=path):
                self.assertEqual(curl_status("-X", "POST", self.url(path)), "502")

    def test_a_body_that_breaks_off_breaks_off(self):
        done = subprocess.run(["curl", "-sS", "--max-time", str(LIMIT), self.url("/short")], capture_output=True, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(done.stdout, b"0123456789")

    def test_a_kept_connection_that_closed_costs_no_request(self):
        for _ in range(20):
            self.assertEqual(curl_status(self.url("/drop-reused")), "200")

    def test_a_body_is_sent_twice_where_that_is_safe(self):
        body = pattern(60_000)
        for method, status in (("PUT", 200), ("POST", 502)):  # the backend has closed, or has begun with it: who knows?
            with self.subTest(method=method), Wire(self.gateway.port) as wire:
                eventually(lambda: curl_status(self.url("/drop-reused")) == "200")  # keeps a connection
                for _ in range(5 if method == "PUT" else 1):
                    wire.send(b"%b /drop-reused?%b HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n"
                              % (method.encode(), method.encode(), len(body)) + body)
                    self.assertEqual(wire.answer()[0], status)
                bodies = [row[2] for row in self.backend.requests("/drop-reused?" + method)]
                self.assertGreater(len(bodies), 1 if method == "PUT" else 0)
                self.assertTrue(all(one == body for one in bodies))

    def test_a_client_that_leaves_frees_the_backend(self):
        with Wire(self.gateway.port) as wire:
            wire.send(b"GET /hang HTTP/1.1\r\nhost: a\r\n\r\n")
            eventually(lambda: self.backend.requests("/hang"))
            standing = len(self.backend.open)
            # RST: a FIN alone may come from a client that still waits for its answer.
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.assertTrue(eventually(lambda: len(self.backend.open) < standing))

    def test_a_slow_reader_holds_the_backend_back(self):
        def memory():
            return int(pathlib.Path(f"/proc/{self.gateway.process.pid}/statm").read_text().split()[1]) * 4096

        before = memory()
        with Wire(self.gateway.port) as wire:
            wire.send(b"GET /bytes/%d HTTP/1.1\r\nhost: a\r\n\r\n" % (64 << 20))
            wire.until(b"\r\n\r\n")
            # The backend has met the end of what the way takes; a gateway without bounds would hold nearly all of it.
            eventually(lambda: memory() - before > 32 << 20, limit=1)
            self.assertLess(memory() - before, 32 << 20)


class ManyClientsTest(unittest.TestCase):
    def test_requests_of_many_connections_are_spread(self):
        backends = [Backend(f"b{number}") for number in range(3)]
        for backend in backends:
            self.addCleanup(backend.close)
        gateway = Gateway("--listen", "127.0.0.1:0", *(word for one in backends for word in ("--to", one.url)), workers=2)
        self.addCleanup(gateway.close)
        seen, lock = [], threading.Lock()

        def client():
            with Wire(gateway.port) as wire:
                for _ in range(30):
                    wire.send(b"GET /name HTTP/1.1\r\nhost: a\r\n\r\n")
                    body = wire.answer()[2]
                    with lock:
                        seen.append(body.decode())

        threads = [threading.Thread(target=client) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(seen), 16 * 30)
        for backend in backends:
            self.assertGreater(seen.count(backend.name), 40)


class RetryTest(unittest.TestCase):
    def test_the_next_try_goes_to_another_backend(self):
        gone, alive = Backend("gone"), Backend("alive")
        self.addCleanup(alive.close)
        gateway = Gateway("--listen", "127.0.0.1:0", "--to", gone.url, "--to", alive.url)
        self.addCleanup(gateway.close)
        gone.close()
        with Wire(gateway.port) as wire:
            for _ in range(60):
                wire.send(b"POST /name HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n")
                self.assertEqual(wire.answer()[::2], (200, b"alive"))


class LifeTest(unittest.TestCase):
    def test_it_ends_after_what_is_under_way(self):
        backend = Backend()
        self.addCleanup(backend.close)
        gateway = Gateway("--listen", "127.0.0.1:0", "--to", backend.url)
        self.addCleanup(gateway.close)
        with Wire(gateway.port) as wire:
            wire.send(b"GET /events/1 HTTP/1.1\r\nhost: a\r\n\r\n")
            wire.until(b"\r\n\r\n")
            gateway.signal(signal.SIGTERM)
            self.assertTrue(eventually(lambda: refused(gateway.port)))
            backend.release()
            wire.until(b"data: 0\n\n\r\n")
            wire.until(b"0\r\n\r\n")
            self.assertTrue(wire.at_end())
        self.assertEqual(gateway.wait(), 0)

    def test_who_comes_after_sigterm_is_served_for_a_while(self):
        backend = Backend()
        self.addCleanup(backend.close)
        gateway = Gateway("--listen", "127.0.0.1:0", "--to", backend.url, "--drain-delay", 3600)
        self.addCleanup(gateway.close)
        ready = f"http://{gateway.admin}/readyz"
        self.assertEqual(curl_status(ready), "200")
        with Wire(gateway.port) as stays:
            stays.send(b"GET /name HTTP/1.1\r\nhost: a\r\n\r\n")
            self.assertNotIn(b"connection: close", stays.answer()[1].lower())
            stays.send(b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nab")
            gateway.signal(signal.SIGTERM)
            self.assertTrue(eventually(lambda: curl_status(ready) == "503"))
            stays.send(b"cd")
            status, head, _ = stays.answer()
            self.assertEqual((status, b"connection: close" in head.lower()), (200, True))
            self.assertTrue(stays.at_end())
            with Wire(gateway.port) as new:
                new.send(b"GET /name HTTP/1.1\r\nhost: a\r\n\r\n")
                status, head, _ = new.answer()
                self.assertEqual((status, b"connection: close" in head.lower()), (200, True))
                self.assertTrue(new.at_end())
            self.assertEqual(curl_status("--http2-prior-knowledge", gateway.url + "/name"), "200")
            self.assertEqual(curl_status(ready), "503")
            gateway.signal(signal.SIGTERM)  # does not wait
            self.assertEqual(gateway.wait(), 0)

    def test_after_the_delay_nothing_new_is_taken(self):
        backend = Backend()
        self.addCleanup(backend.close)
        gateway = Gateway("--listen", "127.0.0.1:0", "--to", backend.url, "--drain-delay", 1)
        self.addCleanup(gateway.close)
        with Wire(gateway.port) as wire:
            wire.send(b"GET /events/1 HTTP/1.1\r\nhost: a\r\n\r\n")
            wire.until(b"\r\n\r\n")
            gateway.signal(signal.SIGTERM)
            self.assertTrue(eventually(lambda: refused(gateway.port)))
            backend.release()
            wire.until(b"0\r\n\r\n")
        self.assertEqual(gateway.wait(), 0)

    def test_no_backend_is_a_503(self):
        backend = Backend()
        gateway = Gateway("--listen", "127.0.0.1:0", "--to", backend.url)
        self.addCleanup(gateway.close)
        backend.close()
        self.assertEqual(curl_status(gateway.url + "/name"), "503")

    def test_a_wrong_command_line_says_what_is_expected(self):
        rows = [(["--listen", "x"], "--listen"), (["--listen", ":0", "--to", "ftp://a"], "--to"),
                (["--listen", ":0"], "--to"), ([], "--listen"),
                (["--listen", ":9", "--listen", ":9", "--to", "http://a"], "more than once")]
        for arguments, word in rows:
            with self.subTest(arguments=arguments):
                done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=LIMIT, check=False)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(word, done.stderr)

    def test_the_version_is_told(self):
        for option in ("--version", "-V"):
            done = subprocess.run([PROGRAM, option], capture_output=True, text=True, timeout=LIMIT, check=True)
            self.assertRegex(done.stdout, r"^fairlead-gateway \d+\.\d+\.\d+\n$")

    def test_a_wrong_admin_address_is_named(self):
        done = subprocess.run([PROGRAM, "--listen", "127.0.0.1:0", "--to", "http://127.0.0.1:1", "--socket", "", "--admin", "x"],
                              capture_output=True, text=True, timeout=LIMIT, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn('--admin: found "x", expected ADDRESS:PORT', done.stderr)

    def test_an_option_may_have_an_empty_value(self):
        backend = Backend()
        self.addCleanup(backend.close)
        gateway = Gateway("--listen", "127.0.0.1:0", "--to", backend.url, "--zone=", "--session-key=")
        self.addCleanup(gateway.close)
        self.assertEqual(curl(gateway.url + "/name"), b"backend")

    def test_a_secret_that_is_too_short_is_named_by_its_line(self):
        with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:
            file.write("a secret of many characters\n\n\nshort\n")
            file.flush()
            done = subprocess.run([PROGRAM, "--listen", "127.0.0.1:0", "--to", "http://127.0.0.1:1", "--socket", "", "--admin", "",
                                   "--session-key", file.name], capture_output=True, text=True, timeout=LIMIT, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"--session-key {file.name}: line 4 has 5 characters, expected at least 16", done.stderr)

    def test_a_port_that_is_taken_is_named(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            done = subprocess.run([PROGRAM, "--listen", f"127.0.0.1:{port}", "--to", "http://127.0.0.1:1", "--socket", "",
                                   "--admin", ""], capture_output=True, text=True, timeout=LIMIT, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(str(port), done.stderr)


def refused(port):
    try:
        socket.create_connection(("127.0.0.1", port), LIMIT).close()
        return False
    except ConnectionResetError:  # the listener went with the connection in its queue
        return False
    except ConnectionRefusedError:
        return True


if __name__ == "__main__":
    unittest.main(verbosity=2)
