# SPDX-License-Identifier: Apache-2.0
"""TLS and HTTP/2 towards clients and backends, WebSocket over both."""
import asyncio
import base64
import hashlib
import pathlib
import re
import select
import shutil
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import unittest
from concurrent import futures

import grpc
import websockets
from backend import Backend, RawBackend, pattern
from support import LIMIT, Gateway, Wire, curl


def make_certificate(folder, name="localhost"):
    """A self-signed P-256 certificate and its key."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                    "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name},IP:127.0.0.1", "-keyout", str(key), "-out",
                    str(cert)], check=True, capture_output=True)
    return cert, key


class TlsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="fl-tls-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.cert, cls.key = make_certificate(cls.folder)
        cls.backend = Backend()
        cls.addClassCleanup(cls.backend.close)
        cls.gateway = Gateway("--listen", "127.0.0.1:0", "--to", cls.backend.url, "--cert", cls.cert, "--key", cls.key)
        cls.addClassCleanup(cls.gateway.close)

    def url(self, path):
        return f"https://localhost:{self.gateway.port}{path}"

    def curl(self, *arguments, **options):
        return curl("--cacert", self.cert, "--resolve", f"localhost:{self.gateway.port}:127.0.0.1", *arguments, **options)

    def test_http1_over_tls(self):
        self.assertEqual(self.curl("--http1.1", self.url("/bytes/100000")), pattern(100000))

    def test_http2_by_alpn(self):
        got = self.curl("--http2", "-w", "%{http_version}", "-o", "/dev/null", self.url("/bytes/10"))
        self.assertEqual(got, b"2")

    def test_bodies_over_http2_come_whole(self):
        for size in (0, 1, 16384, (2 << 20) + 5):
            with self.subTest(size=size):
                self.assertEqual(self.curl("--http2", self.url(f"/bytes/{size}")), pattern(size))
                sent = pattern(size)
                self.assertEqual(self.curl("--http2", "--data-binary", "@-", self.url("/echo"), input=sent), sent)

    def test_both_versions_of_tls(self):
        for version in ("1.2", "1.3"):
            with self.subTest(version=version):
                self.assertEqual(self.curl("--tlsv" + version, "--tls-max", version, self.url("/name")), b"backend")

    def test_a_session_is_resumed(self):
        context = ssl.create_default_context(cafile=self.cert)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        session = None
        for _ in range(2):
            with socket.create_connection(("127.0.0.1", self.gateway.port), LIMIT) as plain, \
                    context.wrap_socket(plain, server_hostname="localhost", session=session) as peer:
                peer.sendall(b"GET /name HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
                while peer.recv(65536):
                    pass
                reused, session = peer.session_reused, peer.session
        self.assertTrue(reused)

    def test_what_is_no_tls_is_refused(self):
        with socket.create_connection(("127.0.0.1", self.gateway.port), LIMIT) as peer:
            peer.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            peer.settimeout(LIMIT)
            try:
                answer = peer.recv(65536)
            except ConnectionResetError:
                answer = b""
        self.assertNotIn(b"HTTP/1.1 200", answer)


class PriorKnowledgeTest(unittest.TestCase):
    def test_http2_in_and_http1_out(self):
        backend = Backend()
        self.addCleanup(backend.close)
        gateway = Gateway("--listen", "127.0.0.1:0", "--to", backend.url)
        self.addCleanup(gateway.close)
        self.assertEqual(curl("--http2-prior-knowledge", gateway.url + "/bytes/70000"), pattern(70000))
        sent = pattern(100_000)
        self.assertEqual(curl("--http2-prior-knowledge", "--data-binary", "@-", gateway.url + "/echo", input=sent), sent)

    def test_many_streams_at_once(self):
        backend = Backend()
        self.addCleanup(backend.close)
        gateway = Gateway("--listen", "127.0.0.1:0", "--to", backend.url)
        self.addCleanup(gateway.close)
        done = subprocess.run(["h2load", "-n", "2000", "-c", "4", "-m", "16", gateway.url + "/bytes/100"], capture_output=True,
                              text=True, timeout=LIMIT * 2, check=True)
        self.assertIn("2000 succeeded, 0 failed, 0 errored", done.stdout)

    def test_http2_to_the_backend(self):
        backend = Backend()
        self.addCleanup(backend.close)
        inner = Gateway("--listen", "127.0.0.1:0", "--to", backend.url)
        self.addCleanup(inner.close)
        outer = Gateway("--listen", "127.0.0.1:0", "--to", f"h2c://127.0.0.1:{inner.port}")
        self.addCleanup(outer.close)
        self.assertEqual(curl(outer.url + "/bytes/200000"), pattern(200000))
        sent = pattern(300_000)
        self.assertEqual(curl("--data-binary", "@-", outer.url + "/echo", input=sent), sent)
        self.assertEqual(curl("--http2-prior-knowledge", outer.url + "/chunked/50000"), pattern(50000))


class BackendTlsTest(unittest.TestCase):
    def test_a_backend_that_is_not_trusted_is_not_asked(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="fl-tls-"))
        self.addCleanup(shutil.rmtree, folder)
        cert, key = make_certificate(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        backend = Backend(context=context)
        self.addCleanup(backend.close)
        gateway = Gateway("--listen", "127.0.0.1:0", "--to", f"https://127.0.0.1:{backend.port}")
        self.addCleanup(gateway.close)
        self.assertEqual(curl("-o", "/dev/null", "-w", "%{http_code}", gateway.url + "/name"), b"503")
        self.assertEqual(backend.requests(), [])


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def read_frame(wire):
    """(kind, stream, payload)"""
    size, kind, _, stream = struct.unpack(">IBBI", b"\0" + wire.take(9))
    return kind, stream, wire.take(size)


class WebSocketTest(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        async def echo(connection):
            async for message in connection:
                await connection.send(message)

        self.server = await websockets.serve(echo, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]

    async def asyncTearDown(self):
        self.server.close()
        await self.server.wait_closed()

    async def talk(self, port):
        async with websockets.connect(f"ws://127.0.0.1:{port}/chat", open_timeout=LIMIT) as peer:
            for message in ("hello", "x" * 100_000, pattern(70_000)):
                await peer.send(message)
                self.assertEqual(await asyncio.wait_for(peer.recv(), LIMIT), message)

    async def test_http1_on_both_sides(self):
        gateway = Gateway("--listen", "127.0.0.1:0", "--to", f"http://127.0.0.1:{self.port}")
        self.addCleanup(gateway.close)
        await self.talk(gateway.port)

    async def test_bridged_over_http2(self):
        inner = Gateway("--listen", "127.0.0.1:0", "--to", f"http://127.0.0.1:{self.port}")
        self.addCleanup(inner.close)
        outer = Gateway("--listen", "127.0.0.1:0", "--to", f"h2c://127.0.0.1:{inner.port}")
        self.addCleanup(outer.close)
        await self.talk(outer.port)

    async def test_each_direction_ends_by_itself(self):
        """Whichever end says first that it has no more: what the other says until it ends arrives, and nobody is reset."""
        backend_ends_first, heard = False, asyncio.Queue()

        async def serve(reader, writer):
            head = await reader.readuntil(b"\r\n\r\n")
            key = re.search(rb"(?i)sec-websocket-key: (\S+)", head)[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
            accept = base64.b64encode(hashlib.sha1(key).digest())
            writer.write(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: "
                         + accept + b"\r\n\r\n")
            try:
                if backend_ends_first:
                    writer.write(b"bye")
                    writer.write_eof()
                    await heard.put(await reader.read())
                else:
                    await heard.put(await reader.read())
                    writer.write(b"bye")
                    writer.write_eof()
            except ConnectionError as error:
                await heard.put(error)
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        self.addCleanup(server.close)
        inner = Gateway("--listen", "127.0.0.1:0", "--to", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        self.addCleanup(inner.close)
        outer = Gateway("--listen", "127.0.0.1:0", "--to", f"h2c://127.0.0.1:{inner.port}")
        self.addCleanup(outer.close)
        for gateway in (inner, outer):
            for backend_ends_first in (True, False):
                with self.subTest(bridged=gateway is outer, backend_ends_first=backend_ends_first):
                    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
                    writer.write(b"GET / HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
                                 b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n")
                    await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), LIMIT)
                    if backend_ends_first:
                        self.assertEqual(await asyncio.wait_for(reader.read(), LIMIT), b"bye")
                    writer.write(b"last words")
                    writer.write_eof()
                    self.assertEqual(await asyncio.wait_for(heard.get(), LIMIT), b"last words")
                    if not backend_ends_first:
                        self.assertEqual(await asyncio.wait_for(reader.read(), LIMIT), b"bye")
                    writer.close()
                    await writer.wait_closed()

    async def test_who_does_not_switch_has_not_accepted(self):
        """In HTTP/2 any 2xx would have: a client would take the page for its tunnel."""
        backend = Backend()
        self.addCleanup(backend.close)
        gateway = Gateway("--listen", "127.0.0.1:0", "--to", backend.url)
        self.addCleanup(gateway.close)
        fields = {":method": "CONNECT", ":protocol": "websocket", ":scheme": "http", ":path": "/name", ":authority": "a",
                  "sec-websocket-version": "13"}
        section = b"".join(b"\x00" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
                           for name, value in fields.items())  # literals without indexing
        with Wire(gateway.port) as wire:
            wire.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4) + frame(1, 4, 1, section))
            while (got := read_frame(wire))[:2] != (1, 1):
                pass
            self.assertNotEqual(got[2][0], 0x88)  # :status 200 of the static table
            self.assertEqual(backend.requests("/name")[0][1].split(b" ")[0], b"GET")


def literals(fields):
    """A field section without indexing."""
    return b"".join(b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value for name, value in fields.items())


class Streams(unittest.TestCase):
    """What becomes of single streams of HTTP/2."""

    def start(self, talk):
        backend = RawBackend(talk)
        self.addCleanup(backend.close)
        gateway = Gateway("--listen", "127.0.0.1:0", "--to", f"http://127.0.0.1:{backend.port}")
        self.addCleanup(gateway.close)
        return gateway

    def client(self, gateway):
        wire = Wire(gateway.port)
        self.addCleanup(wire.socket.close)
        wire.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4))
        return wire

    @staticmethod
    def request(method=b"POST"):
        return literals({b":method": method, b":scheme": b"http", b":path": b"/a.S/M", b":authority": b"a"})

    def stream(self, wire, number):
        """Frames of a stream until its end: [(kind, payload)]"""
        out = []
        while True:
            size, kind, flags, stream = struct.unpack(">IBBI", b"\0" + wire.take(9))
            payload = wire.take(size)
            if stream != number:
                self.assertNotEqual(kind, 7, payload)
                continue
            out.append((kind, payload))
            if kind == 3 or (kind in (0, 1) and flags & 1):
                return out

    def test_an_answer_to_half_a_request_ends_its_stream(self):
        """RFC 9113 8.1: the client need not send the rest, which nobody reads."""
        def talk(wire):
            while True:
                wire.until(b"\r\n\r\n")
                wire.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        wire = self.client(self.start(talk))
        wire.send(frame(1, 4, 1, self.request()) + frame(0, 0, 1, b"a part"))
        self.assertEqual(self.stream(wire, 1)[-1], (0, b"ok"))
        self.assertEqual(self.stream(wire, 1), [(3, b"\0\0\0\0")])  # NO_ERROR
        wire.send(frame(0, 1, 1, b"on its way") + frame(1, 5, 3, self.request(b"GET")))
        self.assertEqual(self.stream(wire, 3)[-1], (0, b"ok"))

    def test_an_upload_that_was_held_back_ends_with_its_answer(self):
        """The backend has stopped reading, answers, and closes: nobody waits for the window of who uploads."""
        reads = threading.Event()

        def talk(wire):
            wire.until(b"\r\n\r\n")
            reads.wait(LIMIT)
            wire.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            while wire.socket.recv(65536):
                pass
        wire = self.client(self.start(talk))
        wire.send(frame(4, 1) + frame(1, 4, 1, self.request()))
        sent, window = 0, [65535, 65535]  # of the connection, of the stream
        kind = None
        while kind != 3:
            while min(window) >= 16384:
                wire.send(frame(0, 0, 1, bytes(16384)))
                window = [each - 16384 for each in window]
                sent += 16384
            if not select.select([wire.socket], [], [], 0.5)[0] and not wire.buffer:
                reads.set()  # it is held back
            size, kind, flags, stream = struct.unpack(">IBBI", b"\0" + wire.take(9))
            payload = wire.take(size)
            if kind == 8:
                window[1 if stream else 0] += int.from_bytes(payload, "big")
            elif kind == 4 and not flags & 1:
                settings = dict(struct.iter_unpack(">HI", payload))
                window[1] += settings[4] - 65535
        self.assertEqual(payload, b"\0\0\0\0")
        self.assertGreater(sent, 2 << 20)

    def test_trailing_metadata_may_have_any_name(self):
        """What a server of gRPC puts there must not break its answer."""
        said = (("retry-after", "5"), ("date", "x"), ("authorization", "a"), ("set-cookie", "c"), ("location", "/"))

        class Handler(grpc.GenericRpcHandler):
            def service(self, _details):
                def answer(request, context):
                    context.set_trailing_metadata(said)
                    return request
                return grpc.unary_unary_rpc_method_handler(answer)
        with futures.ThreadPoolExecutor(2) as pool:
            server = grpc.server(pool, handlers=(Handler(),))
            port = server.add_insecure_port("127.0.0.1:0")
            server.start()
            gateway = Gateway("--listen", "127.0.0.1:0", "--to", f"h2c://127.0.0.1:{port}")
            self.addCleanup(gateway.close)
            with grpc.insecure_channel(f"127.0.0.1:{gateway.port}") as channel:
                answer, call = channel.unary_unary("/a.Service/Method").with_call(b"hello", timeout=LIMIT)
            server.stop(None).wait()
        self.assertEqual((answer, [tuple(one) for one in call.trailing_metadata()]), (b"hello", list(said)))


if __name__ == "__main__":
    unittest.main(verbosity=2)
