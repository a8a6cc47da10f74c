# SPDX-License-Identifier: Apache-2.0
"""What passes without being read: long bodies by splice, the PROXY protocol, TLS passthrough, TCP routes."""
import functools
import hashlib
import json
import pathlib
import random
import re
import resource
import shutil
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import unittest

import backend as backends
from backend import Backend
from objects import (CLASS, Followed, free_port, gateway, http, https, make_certificate, of, route, secret, service,
                     to)
from observe import LogFile, folder_of
from support import LIMIT, Gateway, Wire, curl, eventually

MIB = 1 << 20


@functools.lru_cache(maxsize=64)
def pattern(size):
    """Bytes that do not repeat."""
    return random.Random(size).randbytes(size)


backends.pattern = pattern  # many MiB, sooner made


def body_of(wire):
    """(status, head, body) of a response with a Content-Length, however long."""
    head = wire.until(b"\r\n\r\n")
    left = int(re.search(rb"(?i)\r\ncontent-length: *(\d+)", head).group(1)) - len(wire.buffer)
    pieces, wire.buffer = [wire.buffer[:left] if left < 0 else wire.buffer], wire.buffer[left:] if left < 0 else b""
    while left > 0:
        pieces.append(wire.socket.recv(min(left, MIB)))
        if not pieces[-1]:
            raise EOFError(left)
        left -= len(pieces[-1])
    return int(head.split(b" ")[1]), head, b"".join(pieces)


def metric(served, name, labels=""):
    """The sum of those series of /metrics that have all of `labels`, written as there."""
    page = curl(f"http://{served.admin}/metrics").decode()
    found = re.findall(rf"^fairlead_gateway_{name}(?:{{(.*)}})? (\S+)$", page, re.M)
    wanted = [part for part in labels.strip("{}").split(",") if part]
    return sum(int(float(value)) for have, value in found if all(part in have for part in wanted))


def reset(peer):
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


class Held:
    """An HTTP/1.1 backend for one connection, spoken by hand."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(LIMIT)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def accept(self):
        peer, _ = self.listener.accept()
        peer.settimeout(LIMIT)
        return peer

    def close(self):
        self.listener.close()


class SpliceTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.backend = Backend()
        cls.addClassCleanup(cls.backend.close)
        cls.gateway = Gateway("--listen", "127.0.0.1:0", "--to", cls.backend.url)
        cls.addClassCleanup(cls.gateway.close)

    def spliced(self):
        return metric(self.gateway, "spliced_bytes_total")

    def quiet(self):
        return eventually(lambda: metric(self.gateway, "active_requests") == 0)

    def assert_counted(self, counted, bodies, messages):
        """Heads are counted with the bodies."""
        self.assertGreater(counted, bodies)
        self.assertLess(counted, bodies + 256 * messages)

    def test_answers_are_spliced_whole_and_counted_and_connections_used_again(self):
        spliced, counted = self.spliced(), metric(self.gateway, "response_bytes_total")
        connections = self.backend.connections
        sizes = [3 * MIB, 65536 * 3 + 1, 16 * MIB + 7, 100, MIB]
        with Wire(self.gateway.port) as wire:
            for size in sizes:
                wire.send(b"GET /bytes/%d HTTP/1.1\r\nhost: a\r\n\r\n" % size)
                status, _, body = body_of(wire)
                self.assertEqual((status, hashlib.sha256(body).hexdigest()),
                                 (200, hashlib.sha256(pattern(size)).hexdigest()))
        self.assertLessEqual(self.backend.connections - connections, 1)
        self.assertTrue(self.quiet())
        self.assert_counted(metric(self.gateway, "response_bytes_total") - counted, sum(sizes), len(sizes))
        self.assertGreater(self.spliced() - spliced, 18 * MIB)

    def test_uploads_are_spliced_and_what_is_pipelined_behind_is_answered(self):
        spliced, counted = self.spliced(), metric(self.gateway, "request_bytes_total")
        size = 8 * MIB + 5
        body = pattern(size)
        with Wire(self.gateway.port) as wire:
            for _ in range(2):
                wire.send(b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % size)
                sender = threading.Thread(target=wire.send, args=(body + b"GET /name HTTP/1.1\r\nhost: a\r\n\r\n",))
                sender.start()
                status, head, echoed = body_of(wire)
                sender.join()
                self.assertEqual((status, hashlib.sha256(echoed).digest()), (200, hashlib.sha256(body).digest()))
                self.assertIn(b"x-sum: " + hashlib.sha256(body).hexdigest().encode(), head)
                self.assertEqual(body_of(wire)[2], b"backend")
        self.assertTrue(self.quiet())
        self.assert_counted(metric(self.gateway, "request_bytes_total") - counted, 2 * size, 4)
        self.assertGreater(self.spliced() - spliced, 16 * MIB)

    def test_a_slow_client_holds_the_backend_back(self):
        size = 32 * MIB
        with Wire(self.gateway.port) as wire:
            wire.send(b"GET /bytes/%d HTTP/1.1\r\nhost: a\r\n\r\n" % size)
            head = wire.until(b"\r\n\r\n")
            sent = metric(self.gateway, "spliced_bytes_total")
            # It stands still once the kernel's buffers are full.
            self.assertTrue(eventually(lambda: self.stands_still()))
            self.assertLess(metric(self.gateway, "buffer_bytes"), MIB)
            self.assertLess(metric(self.gateway, "spliced_bytes_total") - sent, size - MIB)
            wire.buffer = head + wire.buffer
            self.assertEqual(hashlib.sha256(body_of(wire)[2]).digest(), hashlib.sha256(pattern(size)).digest())
        self.assertTrue(self.quiet())

    def stands_still(self):
        before = self.spliced()
        curl(self.gateway.url + "/name")
        return before == self.spliced() and before == self.spliced()

    def test_a_client_that_resets_ends_its_request_alone(self):
        with Wire(self.gateway.port) as other:
            wire = Wire(self.gateway.port)
            wire.send(b"GET /bytes/%d HTTP/1.1\r\nhost: a\r\n\r\n" % (32 * MIB))
            wire.until(b"\r\n\r\n")
            reset(wire.socket)
            self.assertTrue(self.quiet())
            other.send(b"GET /bytes/%d HTTP/1.1\r\nhost: a\r\n\r\n" % MIB)
            self.assertEqual(body_of(other)[2], pattern(MIB))

    def test_many_at_a_time(self):
        sums = []

        def ask(size):
            sums.append(hashlib.sha256(curl(f"{self.gateway.url}/bytes/{size}")).hexdigest())

        sizes = [MIB * (1 + number % 5) + number for number in range(40)]
        asking = [threading.Thread(target=ask, args=(size,)) for size in sizes]
        for each in asking:
            each.start()
        for each in asking:
            each.join()
        self.assertEqual(sorted(sums), sorted(hashlib.sha256(pattern(size)).hexdigest() for size in sizes))


class SpliceByHandTest(unittest.TestCase):
    def setUp(self):
        self.backend = Held()
        self.addCleanup(self.backend.close)
        self.gateway = Gateway("--listen", "127.0.0.1:0", "--to", self.backend.url)
        self.addCleanup(self.gateway.close)

    def ask(self, head):
        wire = Wire(self.gateway.port)
        self.addCleanup(wire.socket.close)
        wire.send(head)
        backend = self.backend.accept()
        self.addCleanup(backend.close)
        got = b""
        while b"\r\n\r\n" not in got:
            got += backend.recv(65536)
        return wire, backend, got

    def spliced(self, more_than=0):
        return eventually(lambda: metric(self.gateway, "spliced_bytes_total") > more_than)

    def test_a_backend_that_resets_in_mid_body_is_no_whole_answer(self):
        wire, backend, _ = self.ask(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        backend.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (16 * MIB) + pattern(2 * MIB))
        self.assertTrue(self.spliced())
        reset(backend)
        got = 0
        try:
            while piece := wire.socket.recv(MIB):
                got += len(piece)
        except ConnectionResetError:
            pass
        self.assertLess(got, 3 * MIB)
        self.assertTrue(eventually(lambda: metric(self.gateway, "active_requests") == 0))

    def test_an_answer_until_the_close_that_is_reset_is_no_end(self):
        wire, backend, _ = self.ask(b"GET / HTTP/1.0\r\nhost: a\r\n\r\n")
        backend.sendall(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n" + pattern(2 * MIB))
        self.assertTrue(self.spliced())
        reset(backend)
        with self.assertRaises(ConnectionResetError):
            while wire.socket.recv(MIB):
                pass

    def test_an_answer_until_the_close_is_whole(self):
        wire, backend, _ = self.ask(b"GET / HTTP/1.0\r\nhost: a\r\n\r\n")
        sender = threading.Thread(
            target=lambda: (backend.sendall(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n" + pattern(9 * MIB)),
                            backend.close()))
        sender.start()
        got = b""
        while piece := wire.socket.recv(MIB):
            got += piece
        sender.join()
        self.assertEqual(hashlib.sha256(got.partition(b"\r\n\r\n")[2]).digest(),
                         hashlib.sha256(pattern(9 * MIB)).digest())
        self.assertGreater(metric(self.gateway, "spliced_bytes_total"), MIB)

    def test_a_backend_that_resets_in_mid_upload_gives_502(self):
        size = 32 * MIB
        wire, backend, _ = self.ask(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % size)

        def send():
            try:
                wire.send(pattern(size))
            except OSError:
                pass

        sender = threading.Thread(target=send)
        sender.start()
        got = 0
        while got < 4 * MIB:
            got += len(backend.recv(MIB))
        reset(backend)
        try:
            self.assertIn(b" 502 ", wire.until(b"\r\n\r\n"))
        except ConnectionResetError:
            pass  # the answer may be overtaken, as what we still send is not read
        sender.join()
        self.assertEqual(metric(self.gateway, "requests_total", '{code="502"}'), 1)
        self.assertTrue(eventually(lambda: metric(self.gateway, "active_requests") == 0))

    def test_a_slow_backend_holds_the_client_back(self):
        size = 32 * MIB
        wire, backend, got = self.ask(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % size)
        sender = threading.Thread(target=wire.send, args=(pattern(size),))
        sender.start()
        self.assertTrue(self.spliced())
        self.assertLess(metric(self.gateway, "buffer_bytes"), MIB)
        total = hashlib.sha256(body := got.partition(b"\r\n\r\n")[2])
        count = len(body)
        while count < size:
            piece = backend.recv(MIB)
            self.assertNotEqual(piece, b"")
            total.update(piece)
            count += len(piece)
        sender.join()
        self.assertEqual(total.digest(), hashlib.sha256(pattern(size)).digest())
        backend.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        self.assertEqual(body_of(wire)[2], b"ok")

    def test_without_pipes_bytes_are_copied(self):
        wire, backend, _ = self.ask(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        backend.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        self.assertEqual(body_of(wire)[2], b"ok")
        self.assertTrue(eventually(lambda: metric(self.gateway, "active_requests") == 0))
        pid = self.gateway.process.pid
        standing = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, standing[1]))  # no more descriptors
        wire.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        self.assertNotEqual(backend.recv(65536), b"")
        sender = threading.Thread(target=backend.sendall, args=(
            b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (8 * MIB) + pattern(8 * MIB),))
        sender.start()
        self.assertEqual(hashlib.sha256(body_of(wire)[2]).digest(), hashlib.sha256(pattern(8 * MIB)).digest())
        sender.join()
        resource.prlimit(pid, resource.RLIMIT_NOFILE, standing)
        self.assertGreater(metric(self.gateway, "pipes_refused_total"), 0)
        self.assertEqual(metric(self.gateway, "spliced_bytes_total"), 0)


def client_policy(spec, gateway_name="edge"):
    return f"""apiVersion: fairlead.io/v1alpha1
kind: ClientPolicy
metadata: {{name: clients, namespace: default}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: {gateway_name}}}]
{spec}"""


class SpliceLimitsTest(unittest.TestCase):
    def test_a_client_that_takes_nothing_is_cut_off(self):
        backend = Backend()
        self.addCleanup(backend.close)
        port = free_port()
        served = Followed({"all.yaml": "---\n".join((
            CLASS, gateway(http(port)), route("web", to("web")), service("web", of(backend)),
            client_policy("  timeouts: {write: 300ms, bodyIdle: 300ms}\n")))})
        self.addCleanup(served.close)
        with Wire(port) as wire:
            wire.send(b"GET /bytes/%d HTTP/1.1\r\nhost: a\r\n\r\n" % (32 * MIB))
            wire.until(b"\r\n\r\n")
            self.assertTrue(eventually(lambda: metric(served.gateway, "active_requests") == 0))
        with Wire(port) as wire:  # one that stops in an upload
            wire.send(b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % (32 * MIB) + pattern(2 * MIB))
            self.assertIn(b" 408 ", wire.until(b"\r\n\r\n"))


def tls_listener(port, name, hostname, mode="Passthrough", secret=""):
    certificates = f", certificateRefs: [{{name: {secret}}}]" if secret else ""
    return (f"{{name: {name}, protocol: TLS, port: {port}, hostname: \"{hostname}\", "
            f"tls: {{mode: {mode}{certificates}}}}}")


def tcp_listener(port, name="tcp"):
    return f"{{name: {name}, protocol: TCP, port: {port}}}"


def attached(text, section):
    """The same route, at one listener."""
    return text.replace("parentRefs: [{name: edge}]", f"parentRefs: [{{name: edge, sectionName: {section}}}]")


def backend_policy(name, spec):
    return f"""apiVersion: fairlead.io/v1alpha1
kind: BackendPolicy
metadata: {{name: {name}, namespace: default}}
spec:
  targetRefs: [{{group: "", kind: Service, name: {name}}}]
{spec}"""


class Told:
    """A TCP server that keeps what its connections begin with, answers `answer`, and echoes what comes then."""

    def __init__(self, answer=b""):
        self.answer, self.begun, self.open = answer, [], 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address, self.port = self.listener.getsockname()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(peer,), daemon=True).start()

    def serve(self, peer):
        self.open += 1
        with peer:
            try:
                first = True
                if self.answer:
                    peer.sendall(self.answer)
                while got := peer.recv(65536):
                    if first:
                        self.begun.append(got)
                        first = False
                    peer.sendall(got)
                peer.sendall(b"the end")  # of the half that is left
            except OSError:
                pass
        self.open -= 1

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def v2(source, destination, command=1):
    body = socket.inet_aton(source[0]) + socket.inet_aton(destination[0]) + struct.pack(">HH", source[1], destination[1])
    return b"\r\n\r\n\0\r\nQUIT\n" + bytes([0x20 | command, 0x11]) + struct.pack(">H", len(body)) + body


class ProxyProtocolTest(unittest.TestCase):
    def serve(self, policy, trusted=""):
        backend = Backend()
        self.addCleanup(backend.close)
        port = free_port()
        served = Followed({"all.yaml": "---\n".join((
            CLASS, gateway(http(port)), route("web", to("web")), service("web", of(backend)), client_policy(policy)))})
        self.addCleanup(served.close)
        return port, served

    def refused(self, served, reason):
        return eventually(lambda: metric(served.gateway, "stream_refusals_total", f'{{reason="{reason}"}}') > 0)

    def test_the_client_is_who_the_header_says(self):
        port, _ = self.serve("  proxyProtocol: true\n")
        request = b"GET /head HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
        for header in (b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 80\r\n", v2(("192.0.2.7", 4711), ("192.0.2.1", 80))):
            for cut in (len(header), 5, len(header) - 1):  # with the request, or in two pieces
                with self.subTest(header=header[:5], cut=cut), Wire(port) as wire:
                    wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    wire.send(header[:cut])
                    wire.send(header[cut:] + request)
                    self.assertIn(b"x-forwarded-for: 192.0.2.7\r\n", body_of(wire)[2].lower() + b"\r\n")

    def test_a_health_check_of_the_balancer_is_itself(self):
        port, _ = self.serve("  proxyProtocol: true\n")
        with Wire(port) as wire:
            wire.send(v2(("192.0.2.7", 1), ("192.0.2.1", 2), command=0) + b"GET /head HTTP/1.1\r\nhost: a\r\n\r\n")
            self.assertIn(b"x-forwarded-for: 127.0.0.1\r\n", body_of(wire)[2].lower() + b"\r\n")

    def test_by_haproxy(self):
        port, _ = self.serve("  proxyProtocol: true\n")
        for word in ("send-proxy", "send-proxy-v2"):
            front = free_port()
            with tempfile.NamedTemporaryFile("w", suffix=".cfg") as config:
                config.write(f"""defaults
  mode tcp
  timeout connect 5s
  timeout client 30s
  timeout server 30s
listen l
  bind 127.0.0.1:{front}
  server s 127.0.0.1:{port} {word}
""")
                config.flush()
                balancer = subprocess.Popen(["haproxy", "-db", "-f", config.name], stdout=subprocess.DEVNULL,
                                            stderr=subprocess.DEVNULL)
                try:
                    self.assertTrue(eventually(lambda: connects(front)))
                    head = curl("--interface", "127.0.0.9", f"http://127.0.0.1:{front}/head").lower()
                    self.assertIn(b"x-forwarded-for: 127.0.0.9\r\n", head + b"\r\n")
                finally:
                    balancer.kill()
                    balancer.wait()

    def test_what_is_no_header_closes_and_is_counted(self):
        port, served = self.serve("  proxyProtocol: true\n")
        with Wire(port) as wire:
            wire.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            self.assertTrue(wire.at_end())
        self.assertTrue(self.refused(served, "proxy_header"))
        with Wire(port) as wire:
            wire.send(b"PROXY TCP4 1")
            wire.socket.shutdown(socket.SHUT_WR)
            self.assertTrue(wire.at_end())
        self.assertTrue(self.refused(served, "truncated"))

    def test_half_a_header_is_not_waited_for_for_long(self):
        port, served = self.serve("  proxyProtocol: true\n  timeouts: {requestHeader: 200ms}\n")
        with Wire(port) as wire:
            wire.send(b"PROXY TCP4 192.0")
            self.assertTrue(wire.at_end())
        self.assertTrue(self.refused(served, "timeout"))

    def test_only_trusted_hops_are_heard(self):
        port, served = self.serve("  proxyProtocol: true\n  forwarded: {trustedCIDRs: [192.0.2.0/24]}\n")
        self.assertTrue(is_closed(port))
        self.assertTrue(self.refused(served, "untrusted"))


def is_closed(port):
    """Accepted, and closed at once, be it before connect() returns."""
    try:
        with Wire(port) as wire:
            return wire.at_end()
    except ConnectionResetError:
        return True


def connects(port):
    try:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    except OSError:
        return False


class StreamTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.certificates = {}
        for name in ("a.example", "b.wild.example", "web.example"):
            cls.certificates[name] = make_certificate(cls.folder, name)
            (cls.folder / f"{name}.pem").write_text("".join(cls.certificates[name]))
        cls.a, cls.b = cls.https("a.example"), cls.https("b.wild.example")
        cls.plain, cls.told, cls.wrapped = Backend("plain"), Told(), Told()
        for backend in (cls.plain, cls.told, cls.wrapped):
            cls.addClassCleanup(backend.close)
        cls.tls, cls.tcp, cls.tcp2, cls.sick, cls.none = (free_port() for _ in range(5))
        cls.served = Followed({"all.yaml": "---\n".join((
            CLASS,
            gateway(tls_listener(cls.tls, "pass", "*.example"),
                    tls_listener(cls.tls, "end", "ends.example", "Terminate", "web"),
                    tls_listener(cls.tls, "narrow", "one.narrow.example"),
                    https(cls.tls, "web", "web.example", "web"),
                    tcp_listener(cls.tcp), tcp_listener(cls.tcp2, "tcp2"), tcp_listener(cls.sick, "sick"),
                    tcp_listener(cls.none, "none")),
            secret("web", *cls.certificates["web.example"]),
            attached(route("a", to("a"), hostnames=["a.example"], kind="TLSRoute"), "pass"),
            attached(route("b", to("b"), hostnames=["*.wild.example"], kind="TLSRoute"), "pass"),
            attached(route("narrow-first", to("a"), hostnames=["*.narrow.example"], kind="TLSRoute"), "narrow"),
            attached(route("narrow-own", to("b"), hostnames=["one.narrow.example"], kind="TLSRoute"), "narrow"),
            attached(route("ends", to("plain"), hostnames=["ends.example"], kind="TLSRoute"), "end"),
            attached(route("web", to("plain")), "web"),
            attached(route("tcp", to("told"), kind="TCPRoute"), "tcp"),
            attached(route("tcp2", to("wrapped"), kind="TCPRoute"), "tcp2"),
            attached(route("sick", to("sick"), kind="TCPRoute"), "sick"),
            service("a", of(cls.a)), service("b", of(cls.b)), service("plain", of(cls.plain)),
            service("told", of(cls.told)), service("wrapped", of(cls.wrapped)),
            service("sick", ("127.0.0.1", free_port()), of(cls.told)),
            backend_policy("wrapped", "  proxyProtocol: {version: V2}\n  timeouts: {streamIdle: 400ms}\n")))})
        cls.addClassCleanup(cls.served.close)

    @classmethod
    def https(cls, name):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cls.folder / f"{name}.pem")
        backend = Backend(name, context=context)
        cls.addClassCleanup(backend.close)
        return backend

    def ask(self, name, path="/name", authority=None):
        """By TLS verified against the certificate of `authority`, so that it is known who has ended it."""
        return curl("--cacert", self.folder / f"{authority or name}.pem", "--resolve", f"{name}:{self.tls}:127.0.0.1",
                    f"https://{name}:{self.tls}{path}")

    def refusals(self, reason):
        return metric(self.served.gateway, "stream_refusals_total", f'{{reason="{reason}"}}')

    def test_tls_passes_by_server_name(self):
        self.assertEqual(self.ask("a.example"), b"a.example")
        self.assertEqual(self.ask("b.wild.example"), b"b.wild.example")
        self.assertEqual(hashlib.sha256(self.ask("a.example", f"/bytes/{8 * MIB}")).digest(),
                         hashlib.sha256(pattern(8 * MIB)).digest())

    def test_of_routes_narrowed_to_one_name_its_own_is_taken(self):
        name = "one.narrow.example"
        self.assertEqual(curl("-k", "--resolve", f"{name}:{self.tls}:127.0.0.1", f"https://{name}:{self.tls}/name"), b"b.wild.example")

    def test_https_and_tls_share_a_port(self):
        self.assertEqual(self.ask("web.example"), b"plain")

    def test_tls_ends_here_for_a_route_that_says_so(self):
        got = curl("-k", "--http1.1", "--resolve", f"ends.example:{self.tls}:127.0.0.1",
                   f"https://ends.example:{self.tls}/bytes/{MIB}")
        self.assertEqual(got, pattern(MIB))

    def test_no_protocol_is_agreed_on_that_backends_may_not_speak(self):
        for offered in (["h2", "http/1.1"], ["mqtt"], []):
            context = ssl.create_default_context(cafile=self.folder / "web.example.pem")
            context.check_hostname = False
            if offered:
                context.set_alpn_protocols(offered)
            with self.subTest(offered=offered), socket.create_connection(("127.0.0.1", self.tls), LIMIT) as peer, \
                    context.wrap_socket(peer, server_hostname="ends.example") as stream:
                self.assertIsNone(stream.selected_alpn_protocol())
                stream.sendall(b"GET /name HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
                self.assertIn(b"200 Here", stream.recv(4096))

    def test_a_name_without_a_route_and_what_is_no_tls_are_refused(self):
        before = self.refusals("no_route")
        asked = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{self.tls}", "-servername", "c.example"],
                               stdin=subprocess.DEVNULL, capture_output=True)
        self.assertNotEqual(asked.returncode, 0)
        self.assertEqual(self.refusals("no_route"), before + 1)
        before = self.refusals("not_tls")
        with Wire(self.tls) as wire:
            wire.send(b"GET / HTTP/1.1\r\n\r\n")
            self.assertTrue(wire.at_end())
        self.assertEqual(self.refusals("not_tls"), before + 1)

    def test_tcp_passes_both_ways_and_keeps_half_closes(self):
        bytes_before = metric(self.served.gateway, "stream_bytes_total", '{direction="to-backend"}')
        sent = pattern(6 * MIB)
        with Wire(self.tcp) as wire:
            sender = threading.Thread(target=lambda: (wire.send(sent), wire.socket.shutdown(socket.SHUT_WR)))
            sender.start()
            pieces = []
            while got := wire.socket.recv(MIB):
                pieces.append(got)
            sender.join()
        self.assertEqual(hashlib.sha256(b"".join(pieces)).digest(), hashlib.sha256(sent + b"the end").digest())
        self.assertTrue(eventually(lambda: metric(self.served.gateway, "stream_bytes_total",
                                                  '{direction="to-backend"}') == bytes_before + len(sent)))

    def test_a_backend_that_refuses_is_followed_by_another(self):
        for _ in range(8):
            with Wire(self.sick) as wire:
                wire.send(b"hello")
                self.assertEqual(wire.until(b"hello"), b"hello")

    def test_a_listener_without_a_route_refuses(self):
        before = self.refusals("no_route")
        self.assertTrue(is_closed(self.none))
        self.assertEqual(self.refusals("no_route"), before + 1)

    def test_the_proxy_header_goes_to_the_backend_and_silence_ends(self):
        with Wire(self.tcp2) as wire:
            own = wire.socket.getsockname()
            header = v2(own, ("127.0.0.1", self.tcp2))
            self.assertEqual(wire.until(header[16:]), header)  # the backend echoes it
            self.assertTrue(wire.at_end())  # by streamIdle

    def test_its_routes_are_shown(self):
        page = json.loads(curl(f"http://{self.served.gateway.admin}/v1/gateway/routes"))
        shown = {listener["name"]: listener for listener in page["listeners"]}
        tcp, tls = shown[f"default/edge:{self.tcp}"], shown[f"default/edge:{self.tls}"]
        self.assertEqual((tcp["protocol"], [(one["route"], one["hosts"]) for one in tcp["routes"]]),
                         ("TCP", [("TCPRoute default/tcp", [])]))
        self.assertEqual([one["cluster"] for one in tcp["routes"][0]["rules"][0]["backends"]], ["default/told:80"])
        found = {(one["route"], host): one["rules"][0].get("tls") for one in tls["routes"] for host in one["hosts"]}
        self.assertEqual(found, {
            ("TLSRoute default/a", "a.example"): "Passthrough", ("TLSRoute default/b", "*.wild.example"): "Passthrough",
            ("TLSRoute default/ends", "ends.example"): "Terminate",
            ("TLSRoute default/narrow-own", "one.narrow.example"): "Passthrough",
            ("HTTPRoute default/web", "web.example"): None})
        self.assertEqual(shown[f"default/edge:{self.none}"]["routes"], [])

    def test_where_a_request_would_go_is_asked_of_http_alone(self):
        ask = f"http://{self.served.gateway.admin}/v1/gateway/why?method=GET&url="
        answer = curl(f"{ask}http://a.example:{self.tcp}/").decode()
        self.assertRegex(answer, "no listener has the URL's scheme and port; found: .*tcp://127.0.0.1:")
        self.assertIsNone(json.loads(curl(ask + "/none")).get("route"))
        self.assertEqual(curl(f"http://{self.served.gateway.admin}/healthz"), b"ok\n")

    def test_nothing_is_said_to_be_unserved(self):
        told = self.served.conditions()
        self.assertNotIn("TLSRoute is not served", told)
        self.assertNotIn("stays closed", told)


class StreamLogTest(unittest.TestCase):
    """Connections that are passed on have a line in access logs at their end, as Envoy's and HAProxy's have."""

    def setUp(self):
        self.folder = folder_of(self)
        self.log = LogFile(self.folder / "access.log")
        self.told = Told()
        self.addCleanup(self.told.close)

    def serve(self, log, *listeners_and_more):
        served = Followed({"all.yaml": "---\n".join((CLASS, *listeners_and_more, service("told", of(self.told))))},
                          arguments=("--access-log", log))
        self.addCleanup(served.close)
        return served

    def test_a_line_says_what_happened(self):
        port, sick, none = free_port(), free_port(), free_port()
        dead = free_port()
        served = self.serve(f"json:{self.log.path}",
                            gateway(tcp_listener(port), tcp_listener(sick, "sick"), tcp_listener(none, "none")),
                            attached(route("tcp", to("told"), kind="TCPRoute"), "tcp"),
                            attached(route("sick", to("sick"), kind="TCPRoute"), "sick"),
                            service("sick", ("127.0.0.1", dead)))
        with Wire(port) as wire:
            wire.send(b"hello")
            wire.socket.shutdown(socket.SHUT_WR)
            self.assertEqual(wire.until(b"the end"), b"hellothe end")
            client = wire.socket.getsockname()
            self.assertTrue(wire.at_end())
        (row,) = self.log.await_rows(1)
        expected = {
            "method": None, "path": None, "protocol": None, "authority": None, "response_code": 0, "response_flags": "-",
            "response_code_details": None, "bytes_received": 5, "bytes_sent": 12, "listener": f"default/edge:{port}",
            "route_name": "TCPRoute default/tcp", "upstream_cluster": "default/told:80", "upstream_attempts": 1,
            "upstream_host": f"127.0.0.1:{self.told.port}", "upstream_transport_failure_reason": None,
            "downstream_remote_address": f"127.0.0.1:{client[1]}", "downstream_local_address": f"127.0.0.1:{port}"}
        self.assertEqual({name: row[name] for name in expected}, expected)
        self.assertLessEqual(row["connected_us"], row["duration_us"])
        self.assertTrue(is_closed(sick))
        row = self.log.await_rows(2)[1]
        self.assertEqual((row["response_flags"], row["response_code_details"], row["upstream_host"], row["bytes_sent"]),
                         ("UF", "connect", f"127.0.0.1:{dead}", 0))
        self.assertIn("refused", row["upstream_transport_failure_reason"].lower())
        self.assertTrue(is_closed(none))
        row = self.log.await_rows(3)[2]
        self.assertEqual((row["response_flags"], row["response_code_details"], row["route_name"], row["upstream_host"]),
                         ("NR", "no_route", None, None))
        page = curl(f"http://{served.gateway.admin}/metrics").decode()
        self.assertNotIn("fairlead_gateway_requests_total{", page)  # they are no requests

    def test_tls_is_told_by_the_name_that_was_asked_for(self):
        port = free_port()
        self.serve(f"json:{self.log.path}",
                   gateway(tls_listener(port, "pass", "*.example"), tls_listener(port, "end", "ends.example", "Terminate", "web")),
                   secret("web", *make_certificate(self.folder, "ends.example")),
                   attached(route("a", to("told"), hostnames=["a.example"], kind="TLSRoute"), "pass"),
                   attached(route("ends", to("told"), hostnames=["ends.example"], kind="TLSRoute"), "end"))
        context = ssl.create_default_context(cafile=self.folder / "crt.pem")
        with socket.create_connection(("127.0.0.1", port), LIMIT) as peer, \
                context.wrap_socket(peer, server_hostname="ends.example") as stream:
            stream.sendall(b"hello")
            self.assertEqual(stream.recv(5), b"hello")
        row = self.log.await_rows(1)[0]
        self.assertEqual((row["requested_server_name"], row["route_name"], row["bytes_received"]),
                         ("ends.example", "TLSRoute default/ends", 5))
        for number, name in ((2, "a.example"), (3, "other.example")):
            subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", name],
                           stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=LIMIT)
            row = self.log.await_rows(number)[-1]
            self.assertEqual(row["requested_server_name"], name)
        self.assertEqual((row["response_flags"], row["route_name"]), ("NR", None))

    def test_other_formats_have_it_where_it_can_be_said(self):
        port = free_port()
        self.serve(f"common:{self.log.path}", gateway(tcp_listener(port)),
                   attached(route("tcp", to("told"), kind="TCPRoute"), "tcp"))
        with Wire(port) as wire:
            wire.send(b"hello")
            self.assertEqual(wire.until(b"hello"), b"hello")
        self.assertRegex(self.log.await_lines(1)[0], r'^127\.0\.0\.1 - - \[[^]]+\] "- - -" 0 \d+$')


class StreamChangeTest(unittest.TestCase):
    def test_connections_stay_while_their_route_goes_elsewhere(self):
        one, two = Told(b"one."), Told(b"two.")
        for each in (one, two):
            self.addCleanup(each.close)
        port = free_port()
        served = Followed({"all.yaml": "---\n".join((CLASS, gateway(tcp_listener(port)), service("one", of(one)),
                                                     service("two", of(two)))),
                           "route.yaml": route("tcp", to("one"), kind="TCPRoute")})
        self.addCleanup(served.close)
        with Wire(port) as wire:
            wire.until(b"one.")
            before = served.status()["changes"]
            served.write("route.yaml", route("tcp", to(("one", 0), ("two", 1)), kind="TCPRoute"))
            served.await_changes(before)
            with Wire(port) as other:
                other.until(b"two.")
            wire.send(b"still")
            wire.until(b"still")


if __name__ == "__main__":
    unittest.main(verbosity=2)
