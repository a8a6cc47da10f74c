# SPDX-License-Identifier: Apache-2.0
"""One gateway takes over from another while clients ask: nothing fails, whatever the numbers of workers."""
import asyncio
import http.client
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import types
import unittest

import websockets
from backend import Backend, pattern
from objects import make_certificate
from support import LIMIT, Gateway, curl, eventually


class Client(threading.Thread):
    """Asks without a pause, on one kept connection or on one for each request, until it is told to stop. A kept
    connection that its last answer did not close has to take the next request too."""

    def __init__(self, port, kept):
        super().__init__(daemon=True)
        self.port, self.kept = port, kept
        self.done, self.closed, self.failures = 0, 0, []
        self.stopping = threading.Event()
        self.start()

    def run(self):
        connection = None
        while not self.stopping.is_set():
            try:
                connection = connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=LIMIT)
                connection.request("GET", "/bytes/300")
                answer = connection.getresponse()
                if answer.status != 200 or answer.read() != pattern(300):
                    self.failures.append(answer.status)
                self.done += 1
                if answer.will_close:
                    self.closed += 1
                if answer.will_close or not self.kept:
                    connection.close()
                    connection = None
            except OSError as failed:
                self.failures.append(repr(failed))
                connection = None
            except http.client.HTTPException as failed:
                self.failures.append(repr(failed))
                connection = None
        if connection is not None:
            connection.close()

    def stop(self):
        self.stopping.set()
        self.join()


class UpgradeTest(unittest.TestCase):
    def setUp(self):
        self.backend = Backend()
        self.addCleanup(self.backend.close)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="fl-upgrade-"))
        self.addCleanup(shutil.rmtree, self.folder)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    def gateway(self, *more, workers=1):
        made = Gateway("--listen", f"127.0.0.1:{self.port}", "--to", self.backend.url, *more, workers=workers,
                       socket_path=self.folder / "gateway.sock")
        self.addCleanup(made.close)
        return made

    def name(self):
        return curl(f"http://127.0.0.1:{self.port}/name")

    def test_nothing_fails_while_one_follows_the_other(self):
        now = self.gateway(workers=2)
        clients = [Client(self.port, kept) for kept in (True, True, False, False)]
        for workers in (1, 3, 2, 1):
            after = self.gateway("--upgrade", workers=workers)
            asked = [client.done for client in clients]
            self.assertEqual(now.wait(), 0)  # once its connections have ended
            self.assertTrue(eventually(lambda before=asked: all(
                client.done > done for client, done in zip(clients, before))))
            now = after
        for client in clients:
            client.stop()
            self.assertEqual(client.failures, [])
        self.assertGreaterEqual(clients[0].closed, 4)  # each of them told its clients

    def serial(self):
        der = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", self.port), timeout=LIMIT))
        return subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", "-serial"], input=der, capture_output=True,
                              check=True).stdout

    def write_certificate(self):
        """One and its key, each moved into its place."""
        with tempfile.TemporaryDirectory() as made:
            for name, text in zip(("site.pem", "site.key"), make_certificate(pathlib.Path(made), "site.example")):
                (self.folder / f".{name}").write_text(text)
                os.replace(self.folder / f".{name}", self.folder / name)

    def tls_gateway(self, *more):
        return self.gateway("--cert", self.folder / "site.pem", "--key", self.folder / "site.key", *more)

    def test_another_certificate_takes_its_place(self):
        self.write_certificate()
        served = self.tls_gateway()
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with context.wrap_socket(socket.create_connection(("127.0.0.1", self.port), LIMIT)) as standing:
            first = self.serial()
            self.write_certificate()
            self.assertTrue(eventually(lambda: self.serial() != first))
            second = self.serial()
            (self.folder / "site.pem").write_text("no certificate")
            served.signal(signal.SIGHUP)
            self.assertTrue(eventually(lambda: any("the certificate before stays in force" in line for line in served.errors)))
            self.assertEqual(self.serial(), second)
            self.write_certificate()
            served.signal(signal.SIGHUP)
            self.assertTrue(eventually(lambda: self.serial() not in (first, second)))
            standing.sendall(b"GET /name HTTP/1.1\r\nhost: a\r\n\r\n")
            self.assertIn(b"HTTP/1.1 200", standing.recv(1000))

    def resumed(self, session, out):
        """Whether a handshake resumes that session (a file; none: new); its ticket goes to `out`."""
        shown = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{self.port}", "-tls1_3", "-ign_eof", "-sess_out", out,
             *(["-sess_in", session] if session else [])],
            input=b"GET /name HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", capture_output=True, timeout=LIMIT,
            check=True).stdout
        return b"Reused," in shown

    def test_sessions_of_tls_go_on(self):
        self.write_certificate()
        old = self.tls_gateway()
        tickets = [self.folder / f"ticket{number}" for number in range(4)]
        self.assertFalse(self.resumed(None, tickets[0]))
        self.assertTrue(self.resumed(tickets[0], tickets[1]))
        now = self.serial()
        self.write_certificate()
        self.assertTrue(eventually(lambda: self.serial() != now))
        self.assertTrue(self.resumed(tickets[1], tickets[2]))
        self.tls_gateway("--upgrade")
        self.assertEqual(old.wait(), 0)
        self.assertTrue(self.resumed(tickets[2], tickets[3]))

    def test_what_is_under_way_ends_in_the_old_one(self):
        old = self.gateway()
        size = 32 << 20
        with socket.create_connection(("127.0.0.1", self.port), LIMIT) as slow:
            slow.sendall(f"GET /bytes/{size} HTTP/1.1\r\nhost: a\r\n\r\n".encode())
            got = slow.recv(1000)
            self.gateway("--upgrade")
            self.assertEqual(self.name(), b"backend")
            self.assertIsNone(old.process.poll())
            while len(got) < size or got.partition(b"\r\n\r\n")[2] != pattern(size):
                piece = slow.recv(1 << 20)
                self.assertTrue(piece, f"ended after {len(got)} bytes")
                got += piece
        self.assertEqual(old.wait(), 0)

    def listening(self):
        """Inodes of the sockets that listen on the port."""
        rows = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return {row[9] for row in rows if row[3] == "0A" and int(row[1].split(":")[1], 16) == self.port}

    def test_the_sockets_are_the_same_ones(self):
        """A socket that closes resets what comes in after its last accept(): so none may close."""
        old = self.gateway(workers=2)
        before = self.listening()
        self.assertEqual(len(before), 2)
        for workers, count in ((2, 2), (3, 3), (1, 3)):  # fewer workers: all sockets stay all the same
            new = self.gateway("--upgrade", workers=workers)
            self.assertEqual(old.wait(), 0)
            after = self.listening()
            self.assertEqual(len(after), count)
            self.assertLessEqual(before, after)
            old, before = new, after

    def test_a_websocket_ends_with_the_time_to_drain(self):
        async def echo(connection):
            async for message in connection:
                await connection.send(message)

        async def live():
            async with websockets.serve(echo, "127.0.0.1", 0) as server:
                self.backend = types.SimpleNamespace(url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
                old = self.gateway("--drain-seconds", 1)
                async with websockets.connect(f"ws://127.0.0.1:{self.port}/", open_timeout=LIMIT) as peer:
                    await peer.send("before")
                    self.assertEqual(await asyncio.wait_for(peer.recv(), LIMIT), "before")
                    self.gateway("--upgrade")
                    with self.assertRaises(websockets.ConnectionClosed):
                        await asyncio.wait_for(peer.recv(), LIMIT)
                async with websockets.connect(f"ws://127.0.0.1:{self.port}/", open_timeout=LIMIT) as peer:  # the new one's
                    await peer.send("after")
                    self.assertEqual(await asyncio.wait_for(peer.recv(), LIMIT), "after")
                self.assertEqual(old.wait(), 0)
                self.assertTrue(any("have not ended within 1 s" in line for line in old.errors), old.errors)

        asyncio.run(live())

    def test_connections_in_the_queue_are_answered(self):
        old = self.gateway(workers=3)
        waiting = [socket.create_connection(("127.0.0.1", self.port), LIMIT) for _ in range(50)]
        self.gateway("--upgrade", workers=1)
        for one in waiting:
            one.sendall(b"GET /name HTTP/1.0\r\n\r\n")
        for one in waiting:
            with one, one.makefile("rb") as answer:
                self.assertTrue(answer.read().endswith(b"\r\n\r\nbackend"))
        self.assertEqual(old.wait(), 0)

    def test_a_successor_that_dies_at_its_start_changes_nothing(self):
        old = self.gateway()
        for said in (b"", b"nonsense"):
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as other:
                other.connect(str(self.folder / "gateway.sock.next"))
                text, handed, _, _ = socket.recv_fds(other, 16, 1)
                socket.close(handed[0])
                self.assertEqual(text, b"socket")
                self.assertEqual(other.recv(16), b"all")
                if said:
                    other.send(said)
                    self.assertEqual(other.recv(16), b"")
            self.assertTrue(eventually(lambda: any("going on" in line for line in old.errors)))
            self.assertEqual(self.name(), b"backend")
        self.gateway("--upgrade")
        self.assertEqual(old.wait(), 0)
        self.assertEqual(self.name(), b"backend")

    def test_a_successor_that_dies_while_it_takes_over_does_not_take_the_old_one_with_it(self):
        old = self.gateway()
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as other:
            other.connect(str(self.folder / "gateway.sock.next"))
            _, handed, _, _ = socket.recv_fds(other, 16, 1)
            socket.close(handed[0])
            self.assertEqual(other.recv(16), b"all")
            other.shutdown(socket.SHUT_RD)  # what the old one says next is lost, however soon it does
            other.send(b"serving")
        self.assertTrue(eventually(lambda: any("going on, without" in line for line in old.errors)))
        self.assertEqual(self.name(), b"backend")
        self.assertIsNone(old.process.poll())

    def test_without_a_predecessor_it_starts_as_ever(self):
        first = self.gateway("--upgrade")
        self.assertEqual(self.name(), b"backend")
        self.assertTrue(any("nobody waits" in line for line in first.errors))

    def test_without_upgrade_the_socket_is_taken(self):
        self.gateway()
        second = Gateway("--listen", f"127.0.0.1:{self.port}", "--to", self.backend.url, ready=False,
                         socket_path=self.folder / "gateway.sock")
        self.addCleanup(second.close)
        self.assertEqual(second.wait(), 1)
        self.assertEqual(self.name(), b"backend")


if __name__ == "__main__":
    unittest.main()
