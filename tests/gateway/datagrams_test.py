# SPDX-License-Identifier: Apache-2.0
"""UDP routes: sessions, their backends, and what becomes of them as one gateway follows another."""
import socket
import threading
import unittest

from l4_test import Told, attached, backend_policy, connects, metric, pattern, tcp_listener
from objects import CLASS, Followed, free_port, gateway, of, route, service, to
from support import LIMIT, Gateway, Wire, eventually


class DatagramServer:
    """Answers each datagram with its name before it."""

    def __init__(self, name, address="127.0.0.1"):
        self.socket, self.name, self.clients = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), name, set()
        self.socket.bind((address, 0))
        self.address, self.port = self.socket.getsockname()
        self.running = True
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            data, client = self.socket.recvfrom(65536)
            if not self.running:
                return
            self.clients.add(client)
            self.socket.sendto(self.name + data, client)

    def close(self):
        self.running = False
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waking:
            waking.sendto(b"", (self.address, self.port))
        self.thread.join()
        self.socket.close()


class DatagramStream(threading.Thread):
    """A client that sends numbers, each once the one before has been answered, until it is told to stop."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(LIMIT)
        self.socket.connect(("127.0.0.1", port))
        self.answered, self.failures, self.stopping = 0, [], threading.Event()
        self.start()

    def run(self):
        while not self.stopping.is_set() and not self.failures:
            self.socket.send(b"%d" % self.answered)
            try:
                answer = self.socket.recv(100)
            except OSError as failed:
                self.failures.append(repr(failed))
                break
            if answer[3:] != b"%d" % self.answered:
                self.failures.append(answer)
            self.answered += 1

    def stop(self):
        """What has failed."""
        self.stopping.set()
        self.join()
        self.socket.close()
        return self.failures


class DatagramTest(unittest.TestCase):
    def serve(self, rule, *servers, listeners=(), policy="", address="127.0.0.1", workers=1):
        self.port = free_port()
        made = [CLASS, gateway(f"{{name: udp, protocol: UDP, port: {self.port}}}", *listeners, address=address),
                route("udp", rule, kind="UDPRoute")]
        for server in servers:
            self.addCleanup(server.close)
            made.append(service(server.name.decode(), of(server)).replace("port: 80}", "port: 80, protocol: UDP}")
                        .replace(f"port: {server.port}}}", f"port: {server.port}, protocol: UDP}}"))
        if policy:
            made.append(backend_policy(servers[0].name.decode(), policy))
        self.served = Followed({"all.yaml": "---\n".join(made)}, workers=workers)
        self.addCleanup(self.served.close)

    def client(self, address="127.0.0.1"):
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(client.close)
        client.settimeout(LIMIT)
        client.connect((address, self.port))
        return client

    def ask(self, client, data):
        client.send(data)
        return client.recv(65536)

    def test_datagrams_pass_both_ways_in_sessions(self):
        server = DatagramServer(b"one")
        self.serve(to("one"), server)
        clients = [self.client() for _ in range(5)]
        for number in range(3):
            for client in clients:
                data = pattern(1 + number * 20000)
                self.assertEqual(self.ask(client, data), b"one" + data)
        self.assertEqual(len(server.clients), 5)
        self.assertEqual(metric(self.served.gateway, "datagram_sessions_total"), 5)
        for direction in ("to-backend", "to-client"):
            self.assertEqual(metric(self.served.gateway, "datagrams_total", f'{{direction="{direction}"}}'), 15)

    def test_a_session_keeps_its_backend_and_weights_count(self):
        one, two, never = DatagramServer(b"one"), DatagramServer(b"two"), DatagramServer(b"never")
        self.serve(to("one", "two", ("never", 0)), one, two, never)
        seen = set()
        for _ in range(40):
            client = self.client()
            answers = {self.ask(client, b".") for _ in range(3)}
            self.assertEqual(len(answers), 1)
            seen |= answers
        self.assertEqual(seen, {b"one.", b"two."})

    def follow(self, pool, policy=""):
        """A route to Service pool, in a file of its own."""
        self.port = free_port()
        self.served = Followed({
            "gateway.yaml": "---\n".join((CLASS, gateway(f"{{name: udp, protocol: UDP, port: {self.port}}}"))),
            "route.yaml": route("udp", to("pool"), kind="UDPRoute"), "pool.yaml": pool,
            **({"policy.yaml": backend_policy("pool", policy)} if policy else {})})
        self.addCleanup(self.served.close)

    @staticmethod
    def pool(*servers):
        text = service("pool", *map(of, servers)).replace("port: 80}", "port: 80, protocol: UDP}")
        for server in servers:
            text = text.replace(f"port: {server.port}}}", f"port: {server.port}, protocol: UDP}}")
        return text

    def test_a_session_whose_backend_is_gone_goes_on_with_another(self):
        servers = [DatagramServer(b"one"), DatagramServer(b"two")]
        for server in servers:
            self.addCleanup(server.close)
        self.follow(self.pool(*servers))
        client = self.client()
        first = self.ask(client, b".")
        other = next(server for server in servers if server.name != first[:3])
        changes = self.served.status()["changes"]
        self.served.write("pool.yaml", self.pool(other))
        changes = self.served.await_changes(changes)
        self.assertEqual({self.ask(client, b".") for _ in range(5)}, {other.name + b"."})
        self.served.remove("route.yaml")
        self.served.await_changes(changes)
        client.send(b".")
        self.assertTrue(eventually(lambda: metric(self.served.gateway, "stream_refusals_total", '{reason="no_route"}')))

    def test_a_session_whose_backend_is_ill_goes_on_with_another(self):
        addresses = ("127.0.0.1", "127.0.0.2")
        servers = [DatagramServer(name, address) for name, address in zip((b"one", b"two"), addresses)]
        port = free_port("127.0.0.1")
        checked = {server.name: socket.create_server((server.address, port)) for server in servers}
        for one in (*servers, *checked.values()):
            self.addCleanup(one.close)
        self.follow(self.pool(*servers), "  healthCheck:\n    panicThreshold: 0\n    active: {type: TCP, "
                                         f"port: {port}, interval: 50ms, unhealthyThreshold: 1}}\n")
        client = self.client()
        first = self.ask(client, b".")[:3]
        self.assertEqual({self.ask(client, b".") for _ in range(5)}, {first + b"."})
        checked[first].close()
        self.assertTrue(eventually(lambda: self.ask(client, b".")[:3] != first))

    def test_a_silent_session_ends(self):
        server = DatagramServer(b"one")
        self.serve(to("one"), server, policy="  timeouts: {streamIdle: 500ms}\n")
        client = self.client()
        self.ask(client, b"a")
        self.assertTrue(eventually(lambda: metric(self.served.gateway, "open_datagram_sessions") == 0))
        self.assertEqual(self.ask(client, b"b"), b"oneb")
        self.assertEqual(len(server.clients), 2)

    def test_the_address_that_was_asked_answers(self):
        server = DatagramServer(b"one")
        self.serve(to("one"), server, address="")
        # A connected client hears only whom it has asked.
        self.assertEqual(self.ask(self.client("127.0.0.5"), b"hello"), b"onehello")

    def next_gateway(self, workers):
        """One in place of that which serves, of so many workers."""
        old = self.served.gateway
        new = Gateway("--config", self.served.folder, "--upgrade", workers=workers, socket_path=old.socket)
        self.assertEqual(old.wait(), 0)
        self.addCleanup(old.close)  # its folder has the socket
        self.served.gateway = new

    def test_sessions_and_datagrams_pass_to_the_next_gateway(self):
        one, two = DatagramServer(b"one"), DatagramServer(b"two")
        self.serve(to("one", "two"), one, two, address="", workers=2)
        clients = [self.client(f"127.0.0.{number}") for number in range(2, 22)]
        first = [self.ask(client, b".") for client in clients]
        stream = DatagramStream(self.port)
        for workers in (2, 1):
            self.next_gateway(workers)
            before = stream.answered
            self.assertTrue(eventually(lambda before=before: stream.answered > before + 10 or stream.failures))
            self.assertEqual([self.ask(client, b".") for client in clients], first)
            # By the same sockets: backends see no other client.
            self.assertEqual(len(one.clients) + len(two.clients), len(clients) + 1)
            self.assertEqual(metric(self.served.gateway, "open_datagram_sessions"), len(clients) + 1)
        self.assertEqual(stream.stop(), [])

    def test_datagrams_go_on_where_the_successor_dies(self):
        server = DatagramServer(b"one")
        self.serve(to("one"), server)
        client = self.client()
        self.ask(client, b"a")
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as other:
            other.connect(str(self.served.gateway.socket) + ".next")
            text, handed, _, _ = socket.recv_fds(other, 2048, 1)
            socket.close(handed[0])
            self.assertEqual(text, b"datagrams")
            self.assertEqual(other.recv(2048), b"all")
            other.shutdown(socket.SHUT_RD)  # so that nothing is handed over before the end is seen
            other.send(b"serving")
        self.assertTrue(eventually(lambda: any("going on, without" in line for line in self.served.gateway.errors)))
        self.assertEqual(self.ask(client, b"b"), b"oneb")

    def test_tcp_and_udp_share_a_port_number(self):
        server, told = DatagramServer(b"one"), Told(b"tcp.")
        self.addCleanup(told.close)
        self.serve(to("one"), server)
        served = self.served
        before = served.status()["changes"]
        served.write("more.yaml", service("told", of(told)), attached(route("tcp", to("told"), kind="TCPRoute"), "tcp"))
        text = (served.folder / "all.yaml").read_text()
        served.write("all.yaml", text.replace("  - {name: udp,", f"  - {tcp_listener(self.port)}\n  - {{name: udp,"))
        served.await_changes(before)
        self.assertTrue(eventually(lambda: connects(self.port)))
        with Wire(self.port) as wire:
            wire.until(b"tcp.")
        self.assertEqual(self.ask(self.client(), b"hello"), b"onehello")


if __name__ == "__main__":
    unittest.main(verbosity=2)
