# SPDX-License-Identifier: Apache-2.0
"""More requests than a worker has time for, more connections than there are files, more to send than may be kept."""
import contextlib
import json
import os
import pathlib
import socket
import subprocess
import sys
import unittest

from backend import Backend
from objects import CLASS, Followed, free_port, gateway, http, route
from observe import LogFile, folder_of, scrape
from support import Gateway, Wire, curl, eventually

PATH = "/" + "ab" * 1000
REDIRECT = "filters: [{type: RequestRedirect, requestRedirect: {scheme: https}}]"


def slow_rules():
    """Rules whose expressions read the whole path in vain, then one that takes all."""
    def rule(number):
        matches = ", ".join(f"{{path: {{type: RegularExpression, value: \"/(a|b)*c{number}{each}\"}}}}" for each in range(8))
        return f"{{matches: [{matches}], {REDIRECT}}}"
    return [*map(rule, range(15)), f"{{{REDIRECT}}}"]


class OverloadTest(unittest.TestCase):
    def serve(self, limit_ms):
        self.port = free_port()
        self.log = LogFile(folder_of(self) / "log")
        served = Followed({"all.yaml": "---\n".join((CLASS, gateway(http(self.port)), route("slow", *slow_rules())))},
                          arguments=("--queue-limit", limit_ms, "--access-log", f"json:{self.log.path}"))
        self.addCleanup(served.close)
        return served

    def load(self):
        """As many connections as keep the worker busy for far longer than its limit, once each."""
        load = subprocess.Popen(["h2load", "--h1", "-c", "400", "-n", "4000000", f"http://127.0.0.1:{self.port}{PATH}"],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(load.wait)
        self.addCleanup(load.kill)
        return load

    def ask(self, wire):
        wire.send(f"GET {PATH} HTTP/1.1\r\nhost: a\r\n\r\n".encode())
        status, head, body = wire.answer()
        return status, head.lower(), body

    def test_requests_that_would_wait_for_too_long_are_shed(self):
        served = self.serve(10)
        with Wire(self.port) as wire:
            self.assertEqual(self.ask(wire)[0], 302)
            load = self.load()
            answer = eventually(lambda: (lambda got: got if got[0] == 503 else None)(self.ask(wire)))
            load.kill()
            load.wait()
            self.assertIsNotNone(answer)
            self.assertIn(b"\r\nretry-after: 1\r\n", answer[1])
            self.assertIn(b"wait for too long", answer[2])
            self.assertTrue(eventually(lambda: self.ask(wire)[0] == 302))
            self.assertEqual([self.ask(wire)[0] for _ in range(20)], [302] * 20)
        self.assertGreater(scrape(served.gateway).sum("fairlead_gateway_response_flags_total", flag="OM"), 0)
        shed = eventually(lambda: next((line for line in self.log.lines() if '"OM"' in line), None))
        row = json.loads(shed)
        self.assertEqual(row["response_code"], 503)
        self.assertTrue(row["response_code_details"].startswith("overloaded,_requests_wait"), row)

    def test_without_a_limit_they_wait(self):
        served = self.serve(0)
        load = self.load()
        with Wire(self.port) as wire:
            self.assertEqual([self.ask(wire)[0] for _ in range(20)], [302] * 20)
        load.kill()  # the page of metrics waits for workers only so long
        load.wait()
        self.assertEqual(scrape(served.gateway).sum("fairlead_gateway_response_flags_total", flag="OM"), 0)


PATIENT = """apiVersion: fairlead.io/v1alpha1
kind: ClientPolicy
metadata: {name: patient, namespace: default}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: edge}]
  timeouts: {idle: 0s}
"""


class ManyConnectionsTest(unittest.TestCase):
    """Clients of another process, as each end needs a descriptor."""
    CLIENTS = """
import resource, socket, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
peers = []
for _ in range(int(sys.argv[2])):
    peer = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    peers.append(peer)
    peer.sendall(b"GET / HTTP/1.1\\r\\nhost: a\\r\\n\\r\\n")
    assert peer.recv(4096).startswith(b"HTTP/1.1 302")
print("open", flush=True)
sys.stdin.read()
for peer in peers:
    peer.setblocking(False)
    try:
        sys.exit("closed: %r" % peer.recv(1))
    except BlockingIOError:
        pass
"""

    def memory(self, process):
        """Bytes of it that are its own."""
        rows = pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines()
        return 1024 * int(next(row.split()[1] for row in rows if row.startswith("RssAnon:")))

    def test_ten_thousand_idle_connections(self):
        count, port = 10_000, free_port()
        most = 1 << 16 if os.environ.get("FAIRLEAD_SANITIZE") else 4096  # bytes for each; without sanitizers it is far less
        served = Followed({"all.yaml": "---\n".join((CLASS, gateway(http(port)), route("all", f"{{{REDIRECT}}}"), PATIENT))},
                          workers=2)
        self.addCleanup(served.close)
        with Wire(port) as wire:
            ask_for_root(wire)
            before = self.memory(served.gateway.process)
            with subprocess.Popen([sys.executable, "-c", self.CLIENTS, str(port), str(count)], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True) as clients:
                self.assertEqual(clients.stdout.readline(), "open\n")
                self.assertEqual(scrape(served.gateway).sum("fairlead_gateway_open_connections"), count + 1)
                self.assertLess((self.memory(served.gateway.process) - before) / count, most)
                self.assertEqual(ask_for_root(wire), 302)
                with Wire(port) as other:
                    self.assertEqual(ask_for_root(other), 302)
                clients.stdin.close()
                self.assertEqual(clients.wait(), 0)
        self.assertTrue(eventually(lambda: scrape(served.gateway).sum("fairlead_gateway_open_connections") == 0))

    def shed(self, served):
        return scrape(served).sum("fairlead_gateway_connections_shed_total")

    def test_more_connections_than_files(self):
        backend = Backend()
        self.addCleanup(backend.close)
        served = Gateway("--listen", "127.0.0.1:0", "--to", backend.url, "--queue-limit", "0", before=("prlimit", "--nofile=64:256"))
        self.addCleanup(served.close)
        self.assertEqual(json.loads(curl(f"http://{served.admin}/v1/status"))["limits"]["files"], 256)
        with contextlib.ExitStack() as open_ones:
            idle = [open_ones.enter_context(Wire(served.port)) for _ in range(150)]
            for wire in idle:
                self.assertEqual(self.name(wire), 200)
            self.assertEqual(self.shed(served), 0)
            busy = []
            for _ in range(48):  # each takes two; of those that are idle some make room, not those that are about to ask
                fresh = [open_ones.enter_context(Wire(served.port)) for _ in range(2)]
                for wire in reversed(fresh):
                    wire.send(b"GET /events/1 HTTP/1.1\r\nhost: a\r\n\r\n")
                    self.assertIn(b"HTTP/1.1 200", wire.until(b"\r\n\r\n"))
                busy += fresh
            self.assertGreater(self.shed(served), 0)
            self.assertTrue(eventually(lambda: any("Too many open files" in line and "256 files" in line
                                                   for line in served.errors)))
            self.assertEqual(len([line for line in served.errors if "Too many open files" in line]), 1)
            before = self.shed(served)
            self.assertTrue(eventually(lambda: self.refused(served, open_ones) and self.shed(served) > before))
            for _ in range(256):  # all of them go on
                backend.release()
            for wire in busy:
                wire.until(b"0\r\n\r\n")
        self.assertTrue(eventually(lambda: self.answers(served)))

    def name(self, wire):
        wire.send(b"GET /name HTTP/1.1\r\nhost: a\r\n\r\n")
        return wire.answer()[0]

    def refused(self, served, open_ones):
        """One connection more, which stays where it is served."""
        try:
            wire = open_ones.enter_context(Wire(served.port))  # the reset may come before connect() has returned
            wire.send(b"GET /events/1 HTTP/1.1\r\nhost: a\r\n\r\n")
            return b"HTTP/1.1 200" not in wire.until(b"\r\n\r\n")
        except (OSError, EOFError):
            return True

    def answers(self, served):
        try:
            with Wire(served.port) as wire:
                return self.name(wire) == 200
        except (OSError, EOFError):
            return False


def ask_for_root(wire):
    wire.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    return wire.answer()[0]


class MemoryTest(unittest.TestCase):
    PIECE, PIECES = b"x" * 65536, 256

    def answer(self, conversation, method, path, head, body, framing):
        if path != "/large":
            return conversation.send(200, b"small")
        conversation.peer.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        for _ in range(self.PIECES):
            conversation.peer.sendall(b"%x\r\n%b\r\n" % (len(self.PIECE), self.PIECE))
        return conversation.peer.sendall(b"0\r\n\r\n")

    def rest(self, wire):
        """How many bytes of the body come until its end."""
        head = wire.until(b"\r\n\r\n")
        self.assertIn(b"HTTP/1.1 200", head)
        count, tail = wire.buffer.count(b"x"), wire.buffer
        while not tail.endswith(b"\r\n0\r\n\r\n"):
            got = wire.socket.recv(1 << 20)
            self.assertTrue(got)
            count, tail = count + got.count(b"x"), tail[-10:] + got[-10:]
        return count

    def test_buffers_beyond_their_limit(self):
        """Clients that do not read fill it: new requests are shed, what is under way goes on, and then all is as before."""
        backend = Backend()
        self.addCleanup(backend.close)
        backend.answer = self.answer
        served = Gateway("--listen", "127.0.0.1:0", "--to", backend.url, "--memory-limit", "256KiB", "--queue-limit", "0")
        self.addCleanup(served.close)
        self.assertEqual(json.loads(curl(f"http://{served.admin}/v1/status"))["limits"]["bufferBytes"], 256 << 10)
        with contextlib.ExitStack() as open_ones:
            slow = []

            def asked():
                with Wire(served.port) as other:
                    other.send(b"GET /small HTTP/1.1\r\nhost: a\r\n\r\n")
                    return other.answer()

            def shed():
                if len(slow) < 100:
                    slow.append(open_ones.enter_context(Wire(served.port)))
                    if len(slow) > 1:  # the first one's rest is read in the end, which such a window makes last for minutes
                        slow[-1].socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                    slow[-1].send(b"GET /large HTTP/1.1\r\nhost: a\r\n\r\n")
                status, head, body = asked()
                return (head.lower(), body) if status == 503 else None
            head, body = eventually(shed)
            self.assertIn(b"\r\nretry-after: 1\r\n", head)
            self.assertIn(b"overloaded, try again", body)
            self.assertGreater(scrape(served).sum("fairlead_gateway_response_flags_total", flag="OM"), 0)
            self.assertGreater(scrape(served).sum("fairlead_gateway_buffer_bytes"), 256 << 10)
            self.assertEqual(self.rest(slow[0]), len(self.PIECE) * self.PIECES)
            for wire in slow:
                wire.socket.close()
            self.assertTrue(eventually(lambda: asked()[0] == 200))
        self.assertTrue(eventually(lambda: scrape(served).sum("fairlead_gateway_buffer_bytes") < 256 << 10))


if __name__ == "__main__":
    unittest.main(verbosity=2)
