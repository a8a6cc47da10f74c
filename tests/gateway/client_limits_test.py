# SPDX-License-Identifier: Apache-2.0
"""What a ClientPolicy holds clients to: bodies, connections, their age, time, frames, and who they say they are."""
import base64
import ctypes
import hashlib
import json
import pathlib
import re
import select
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import unittest

from backend import Backend, RawBackend
from objects import CLASS, Followed, free_port, gateway, http, https, make_certificate, of, route, secret, service, to
from support import PROGRAM, Gateway, Wire, curl, curl_status, eventually, raw


def join(*documents):
    return "---\n".join(documents)


def client_policy(spec):
    return f"""apiVersion: fairlead.io/v1alpha1
kind: ClientPolicy
metadata: {{name: clients, namespace: default}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: edge}}]
{spec}"""


def agrees_to_websocket(conversation, method, path, head, body, framing):
    key = re.search(rb"\r\nsec-websocket-key: (\S+)", head)
    if b"\r\nupgrade: websocket" not in head:
        return conversation.send(200, b"plain")
    accept = base64.b64encode(hashlib.sha1(key[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    conversation.peer.sendall(b"HTTP/1.1 101 x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: "
                              + accept + b"\r\n\r\n")
    conversation.more()


def hear_nothing(peer):
    """Has the kernel drop all that comes for this socket, as if its machine were gone: a filter that lets nothing pass."""
    program = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0))  # BPF_RET, 0 bytes
    peer.setsockopt(socket.SOL_SOCKET, 26, struct.pack("@HP", 1, ctypes.addressof(program)))  # SO_ATTACH_FILTER


class Limits(unittest.TestCase):
    def start(self, spec, workers=1):
        self.backend = Backend()
        self.addCleanup(self.backend.close)
        self.port = free_port()
        self.followed = Followed({"all.yaml": join(CLASS, gateway(http(self.port)), route("web", to("web")),
                                               service("web", of(self.backend))),
                                  "policy.yaml": join(client_policy(spec))}, workers=workers)
        self.addCleanup(self.followed.close)

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def test_bodies(self):
        self.start("  limits: {maxBodyBytes: 1000}\n")
        for version in ("--http1.1", "--http2-prior-knowledge"):
            for size, status in ((1000, "200"), (1001, "413"), (500_000, "413")):
                for framing in ((), ("-H", "transfer-encoding: chunked")):
                    if framing and version != "--http1.1":
                        continue
                    with self.subTest(version=version, size=size, framing=framing):
                        got = subprocess.run(["curl", "-s", version, "-o", "/dev/null", "-w", "%{http_code}", *framing, "-H",
                                              "expect:", "--data-binary", "@-", self.url("/echo")], input=b"x" * size,
                                             capture_output=True, check=False)
                        self.assertEqual(got.stdout.decode(), status)
        whole = [body for _, _, body in self.backend.requests("/echo")]
        self.assertEqual({len(body) for body in whole}, {1000})

    def test_targets_of_browsers(self):
        rows = (("/head?filter[name]=a|b&x={}^`", "/head?filter[name]=a|b&x={}^`"), ("/a[1]/{b}|c", "/a%5B1%5D/%7Bb%7D%7Cc"))
        for spec, taken in (("  looseTargets: true\n", True), ("  allowConnect: false\n", False)):
            self.start(spec)
            for sent, got in rows:
                for version in ("--http1.1", "--http2-prior-knowledge"):
                    with self.subTest(taken=taken, sent=sent, version=version):
                        subprocess.run(["curl", "-sg", version, self.url(sent)], capture_output=True, check=False)
                        self.assertEqual([path for path, _, _ in self.backend.requests()][-1:] == [got], taken)
            self.assertEqual(curl_status("-g", self.url(rows[0][0])), "200" if taken else "400")

    def test_targets_of_browsers_without_a_policy(self):
        backend = Backend()
        self.addCleanup(backend.close)
        for flags, status in ((("--loose-targets",), 200), ((), 400)):
            served = Gateway("--listen", "127.0.0.1:0", "--to", backend.url, *flags)
            self.addCleanup(served.close)
            with Wire(served.port) as wire:
                wire.send(b"GET /head?ids[]=1|2 HTTP/1.1\r\nhost: a\r\n\r\n")
                got, _, body = wire.answer()
            self.assertEqual(got, status)
            self.assertIn(b"GET /head?ids[]=1|2 " if flags else b"request target", body)
        refused = subprocess.run([PROGRAM, "--config", "/dev/null", "--loose-targets"], capture_output=True, text=True, check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("looseTargets of a ClientPolicy", refused.stderr)

    def test_connections(self):
        self.start("  limits: {maxConnections: 3}\n", workers=2)
        wires = [Wire(self.port) for _ in range(3)]
        for wire in wires:
            self.addCleanup(wire.socket.close)
            wire.send(b"GET /name HTTP/1.1\r\nhost: a\r\n\r\n")
            self.assertEqual(wire.answer()[0], 200)
        try:
            with Wire(self.port) as late:
                self.assertTrue(late.at_end())
        except ConnectionResetError:
            pass  # before connect() had returned
        wires[0].socket.close()
        self.assertTrue(eventually(lambda: subprocess.run(["curl", "-s", "-o", "/dev/null", self.url("/name")],
                                                          check=False).returncode == 0))

    def test_the_age_of_connections(self):
        self.start("  timeouts: {maxConnectionDuration: 300ms}\n")
        with Wire(self.port) as wire:
            answers = 0
            while True:
                wire.send(b"GET /name HTTP/1.1\r\nhost: a\r\n\r\n")
                status, head, _ = wire.answer()
                self.assertEqual(status, 200)
                answers += 1
                if b"connection: close" in head.lower():
                    break
            self.assertTrue(wire.at_end())
        self.assertGreater(answers, 1)

    def test_requests_that_come_slowly(self):
        self.start("  timeouts: {request: 300ms}\n")
        with Wire(self.port) as wire:
            wire.send(b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nabc")
            self.assertEqual(wire.answer()[0], 408)
        self.assertEqual(curl("-d", "whole", self.url("/echo")), b"whole")

    def test_protocols_to_change_to(self):
        def shouts(conversation, method, path, head, body, framing):
            if b"\r\nupgrade: Shout/1" not in head:
                return conversation.send(200, b"plain")
            conversation.peer.sendall(b"HTTP/1.1 101 x\r\nconnection: upgrade\r\nupgrade: shout/1\r\n\r\n")
            while True:
                conversation.more()
                conversation.peer.sendall(conversation.buffer.upper())
                conversation.buffer = b""
        rows = (("  httpUpgrade: [{type: SHOUT/1}]\n", 101, 200), ("  mergeSlashes: true\n", 200, 101),
                ("  httpUpgrade: []\n", 200, 200))
        for spec, shout, websocket in rows:
            self.start(spec)
            self.backend.answer = shouts
            with self.subTest(spec=spec), Wire(self.port) as wire:
                wire.send(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: Shout/1\r\n\r\n")
                self.assertEqual(wire.answer()[0], shout)
                if shout == 101:
                    for word in (b"hello", b"x" * 100_000):
                        wire.send(word)
                        self.assertEqual(wire.take(len(word)), word.upper())
            self.backend.answer = agrees_to_websocket
            with self.subTest(spec=spec), Wire(self.port) as wire:
                wire.send(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
                          b"sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
                self.assertEqual(wire.answer()[0], websocket)

    def keep_alive(self, filter_):
        """Seconds to the next probe of the one socket that the filter of ss is good for."""
        def timer():
            shown = subprocess.run(["ss", "-Htno", "state", "established", filter_], capture_output=True, text=True,
                                   check=True).stdout
            return re.findall(r"timer:\(keepalive,([^,]*),", shown)
        found = eventually(timer)
        self.assertEqual(len(found), 1, filter_)
        return sum(float(number) * {"min": 60, "sec": 1, "ms": 0.001}[unit]
                   for number, unit in re.findall(r"([0-9.]+)(min|sec|ms)", found[0]))

    def connections(self):
        return json.loads(curl(f"http://{self.followed.gateway.admin}/v1/status"))["connections"]

    def test_peers_that_say_no_more_word(self):
        """A client, and a backend, whose kernel answers nothing from then on."""
        self.start("  tcpKeepalive: {idleTime: 1s, interval: 1s, probes: 2}\n")
        changes = self.followed.status()["changes"]
        self.followed.write("backend.yaml", "apiVersion: fairlead.io/v1alpha1\nkind: BackendPolicy\n"
                            "metadata: {name: b, namespace: default}\nspec:\n"
                            "  targetRefs: [{group: \"\", kind: Service, name: web}]\n"
                            "  tcpKeepalive: {idleTime: 1s, interval: 1s, probes: 2}\n")
        self.followed.await_changes(changes)
        with Wire(self.port) as gone, Wire(self.port) as other:
            for wire in (gone, other):
                wire.send(b"GET /events/2 HTTP/1.1\r\nhost: a\r\n\r\n")
                wire.until(b"\r\n\r\n")
            hear_nothing(gone.socket)
            self.assertTrue(eventually(lambda: self.connections() == 1))
            for peer in list(self.backend.open):
                hear_nothing(peer)
            self.assertTrue(other.at_end())  # what came from there breaks off

    def test_who_does_not_read_is_not_gone(self):
        self.start("  tcpKeepalive: {idleTime: 1s, interval: 1s, probes: 1}\n")
        size = 32 << 20
        with Wire(self.port) as wire:
            wire.send(b"GET /bytes/%d HTTP/1.1\r\nhost: a\r\n\r\n" % size)
            wire.until(b"\r\n\r\n")
            ends = select.poll()
            ends.register(wire.socket, 0)  # errors and ends alone
            self.assertEqual(ends.poll(4000), [])  # twice the limit
            self.assertEqual(len(wire.take(size)), size)

    def test_keep_alive_follows_the_policy(self):
        self.start("  tcpKeepalive: {idleTime: 20m}\n")

        def asked(wire, path):
            wire.send(f"GET {path} HTTP/1.1\r\nhost: a\r\n\r\n".encode())
            wire.until(b"\r\n\r\n")
            return self.keep_alive(f"sport = :{self.port} and dport = :{wire.socket.getsockname()[1]}")
        with Wire(self.port) as before, Wire(self.port) as after:
            self.assertGreater(asked(before, "/events/1"), 600)
            self.assertLessEqual(self.keep_alive(f"dport = :{self.backend.port}"), 60)
            changes = self.followed.status()["changes"]
            self.followed.write("policy.yaml", client_policy("  tcpKeepalive: {idleTime: 40s}\n"))
            self.followed.await_changes(changes)
            with Wire(self.port) as late:
                self.assertLessEqual(asked(late, "/name"), 40)
            self.assertGreater(asked(after, "/name"), 600)

    def test_a_client_of_http2_that_answers_no_ping_is_gone(self):
        self.start("  http2Keepalive: {interval: 1s, timeout: 1s}\n")
        ping, ack = 6, 1
        with Wire(self.port) as silent, Wire(self.port) as answers:
            for wire in (silent, answers):
                wire.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4))
            for _ in range(3):
                kind = None
                while kind != ping:
                    size, kind, _, _ = struct.unpack(">IBBI", b"\0" + answers.take(9))
                    payload = answers.take(size)
                answers.send(frame(ping, ack, 0, payload))
            self.assertTrue(eventually(lambda: self.connections() == 1))  # the third came after both limits

    def test_a_backend_of_http2_that_answers_no_ping_is_gone(self):
        """It is asked while a request waits for it, and then alone."""
        pings = []

        def talk(wire):
            wire.take(24)
            wire.send(frame(4))
            while True:
                size, kind, _, stream = struct.unpack(">IBBI", b"\0" + wire.take(9))
                wire.take(size)
                if kind == 1 and stream == 1:
                    wire.send(frame(1, 5, stream, b"\x88"))
                elif kind == 6:
                    pings.append(stream)
        self.start("  mergeSlashes: true\n")
        backend = RawBackend(talk)
        self.addCleanup(backend.close)
        changes = self.followed.status()["changes"]
        self.followed.write("backend.yaml", join(
            service("raw", ("127.0.0.1", backend.port)), route("raw", to("raw"), hostnames=["raw.example"]),
            "apiVersion: fairlead.io/v1alpha1\nkind: BackendPolicy\nmetadata: {name: raw, namespace: default}\nspec:\n"
            "  targetRefs: [{group: \"\", kind: Service, name: raw}]\n  protocol: HTTP2\n"
            "  http2Keepalive: {interval: 1s, timeout: 1s}\n"))
        self.followed.await_changes(changes)
        with Wire(self.port) as wire:
            wire.send(b"GET / HTTP/1.1\r\nhost: raw.example\r\n\r\n")
            self.assertEqual(wire.answer()[0], 200)
            ends = select.poll()
            ends.register(wire.socket, select.POLLIN)
            self.assertEqual(ends.poll(2500), [])  # more than the interval
            self.assertEqual(pings, [])
            wire.send(b"POST / HTTP/1.1\r\nhost: raw.example\r\ncontent-length: 0\r\n\r\n")
            self.assertEqual(wire.answer()[0], 504)
            self.assertEqual(pings, [0])

    def test_what_no_policy_says_is_as_without_a_policy(self):
        self.start("  mergeSlashes: true\n")
        bare = Gateway("--listen", "127.0.0.1:0", "--to", self.backend.url)
        self.addCleanup(bare.close)
        settings = []
        for port in (self.port, bare.port):
            for fields, status in ((b"x: 1\r\n" * 127, 200), (b"x: 1\r\n" * 128, 431), (b"x: " + b"a" * 60_000 + b"\r\n", 200),
                                   (b"x: " + b"a" * 70_000 + b"\r\n", 431)):
                with self.subTest(policy=port == self.port, bytes=len(fields)), Wire(port) as wire:
                    wire.send(b"GET /name HTTP/1.1\r\nhost: a\r\n" + fields + b"\r\n")
                    self.assertEqual(wire.answer()[0], status)
            with Wire(port) as wire:
                settings.append(self.settings(wire))
        self.assertEqual(settings[0], settings[1])
        self.assertEqual((settings[0][3], settings[0][4]), (128, 262144))  # streams, window

    def settings(self, wire):
        """The server's SETTINGS of HTTP/2."""
        wire.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0")
        head = wire.take(9)
        self.assertEqual(head[3], 4)
        payload = wire.take(int.from_bytes(head[:3], "big"))
        return dict(struct.iter_unpack(">HI", payload))

    def test_the_frames_of_http2(self):
        self.start("  http2: {maxFrameSize: 65536}\n")
        with Wire(self.port) as wire:
            self.assertEqual(self.settings(wire)[5], 65536)
        big = b"z" * 200_000
        self.assertEqual(curl("--http2-prior-knowledge", "--data-binary", "@-", self.url("/echo"), input=big), big)


class Identity(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="fl-identity-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.backend = Backend()
        self.addCleanup(self.backend.close)
        self.port = free_port()

    def openssl(self, *arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, cwd=self.folder)

    def client(self):
        """A CA and a client's certificate that it has signed."""
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj",
                     "/CN=clients", "-keyout", "ca.key", "-out", "ca.crt")
        self.openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=ada",
                     "-keyout", "client.key", "-out", "client.csr")
        (self.folder / "san.cnf").write_text("subjectAltName=URI:spiffe://example/ada")
        self.openssl("x509", "-req", "-in", "client.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days",
                     "30", "-extfile", "san.cnf", "-out", "client.crt")
        return (self.folder / "ca.crt").read_text()

    def test_backends_are_told_and_forgeries_are_not(self):
        certificate, key = make_certificate(self.folder, "edge.example")
        authority = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: clients, namespace: default}\ndata:\n  ca.crt: |\n" + \
            "".join(f"    {line}\n" for line in self.client().splitlines())
        policy = client_policy("  tls: {clientValidation: {forwardIdentity: true, optional: true, caCertificateRefs: "
                               "[{group: \"\", kind: ConfigMap, name: clients}]}}\n")
        followed = Followed({"all.yaml": join(CLASS, gateway(https(self.port, "web", "edge.example", "edge")),
                                          route("web", to("web")), service("web", of(self.backend)),
                                          secret("edge", certificate, key), authority, policy)})
        self.addCleanup(followed.close)
        common = ["--cacert", self.folder / "crt.pem", "--resolve", f"edge.example:{self.port}:127.0.0.1", "-H",
                  "x-forwarded-client-cert: URI=spiffe://example/root", f"https://edge.example:{self.port}/head"]
        for version in ("--http1.1", "--http2"):
            with self.subTest(version=version):
                told = curl(version, "--cert", self.folder / "client.crt", "--key", self.folder / "client.key",
                            *common).decode()
                lines = [line for line in told.split("\r\n") if line.lower().startswith("x-forwarded-client-cert")]
                self.assertEqual(len(lines), 1, told)
                self.assertRegex(lines[0], r"Hash=[0-9a-f]{64};Subject=.*ada.*;URI=spiffe://example/ada")
                without = curl(version, *common).decode().lower()
                self.assertNotIn("x-forwarded-client-cert", without)


class ForwardedTest(unittest.TestCase):
    """Which field of a trusted hop names the client, and what backends are told."""

    SAID = ("-H", "X-Forwarded-For: 192.0.2.1", "-H", "Forwarded: for=192.0.2.7;proto=https", "-H", "X-Real-IP: 192.0.2.8")

    def told(self, spec):
        backend, port = Backend(), free_port()
        self.addCleanup(backend.close)
        followed = Followed({"all.yaml": join(CLASS, gateway(http(port)), route("web", to("web")), service("web", of(backend)),
                                              client_policy(f"  forwarded: {{{spec}}}\n"))})
        self.addCleanup(followed.close)
        head = curl(*self.SAID, f"http://127.0.0.1:{port}/head").decode()
        return dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)

    def test_one_field_names_the_client(self):
        for field, client in (("X-Forwarded-For", "192.0.2.1"), ("Forwarded", "192.0.2.7"), ("X-Real-IP", "192.0.2.8")):
            with self.subTest(field=field):
                told = self.told(f"trustedCIDRs: [127.0.0.0/8], clientField: {field}")
                self.assertEqual(told["x-real-ip"], client)
                self.assertEqual(told["x-forwarded-for"], "192.0.2.1, 127.0.0.1")
                self.assertEqual(told["forwarded"], "for=192.0.2.7;proto=https")

    def test_who_is_not_trusted_names_nobody(self):
        told = self.told("trustedCIDRs: [192.0.2.0/24], clientField: Forwarded, sendForwarded: true")
        self.assertEqual((told["x-real-ip"], told["x-forwarded-for"]), ("127.0.0.1", "127.0.0.1"))
        self.assertRegex(told["forwarded"], r'^for=127\.0\.0\.1;host="127\.0\.0\.1:\d+";proto=http$')

    def test_an_element_of_our_own(self):
        told = self.told("numTrustedHops: 1, sendForwarded: true")
        self.assertRegex(told["forwarded"], r"^for=192\.0\.2\.7;proto=https, for=127\.0\.0\.1;host=.*;proto=http$")


class Proxy:
    """A backend that takes CONNECT and connects to where it is asked to."""

    def __init__(self, refuses=False):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.address, self.port = self.server.getsockname()
        self.asked, self.refuses = [], refuses
        self.thread = threading.Thread(target=self.accept)
        self.thread.start()

    def accept(self):
        while True:
            try:
                peer = self.server.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve, args=(peer,), daemon=True).start()

    def serve(self, peer):
        with peer:
            head = b""
            while b"\r\n\r\n" not in head:
                got = peer.recv(65536)
                if not got:
                    return
                head += got
            self.asked.append(head.split(b"\r\n")[0].decode())
            if self.refuses:
                peer.sendall(b"HTTP/1.1 403 no\r\ncontent-length: 2\r\n\r\nno")
                return
            host, port = self.asked[-1].split(" ")[1].rsplit(":", 1)
            with socket.create_connection((host, int(port))) as target:
                peer.sendall(b"HTTP/1.1 200 established\r\n\r\n")
                there = threading.Thread(target=self.pass_on, args=(peer, target), daemon=True)
                there.start()
                self.pass_on(target, peer)
                there.join()

    @staticmethod
    def pass_on(source, into):
        try:
            while got := source.recv(65536):
                into.sendall(got)
            into.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        self.thread.join()


class ConnectTest(unittest.TestCase):
    """CONNECT is passed on to backends of rules that ask for it, and to no other."""

    def setUp(self):
        self.site = Backend("site")
        self.addCleanup(self.site.close)
        self.proxy = Proxy()
        self.addCleanup(self.proxy.close)
        self.port = free_port()

    def start(self, *rules, policy="  allowConnect: true\n"):
        followed = Followed({"all.yaml": join(CLASS, gateway(http(self.port)), route("web", *rules), service("web", of(self.site)),
                                              service("proxy", of(self.proxy)), client_policy(policy))})
        self.addCleanup(followed.close)
        return followed

    def through(self, *more):
        """curl by the gateway as its proxy: (status of CONNECT, body)."""
        done = subprocess.run(["curl", "-s", "-p", "-x", f"http://127.0.0.1:{self.port}", "-w", "\n%{http_connect}", *more,
                               self.site.url + "/name"], capture_output=True, text=True, timeout=90, check=False)
        body, status = done.stdout.rsplit("\n", 1)
        return int(status), body

    def test_a_rule_for_the_method_passes_it_on(self):
        self.start(to("web"), to("proxy", more="matches: [{method: CONNECT}]"))
        self.assertEqual(self.through(), (200, "site"))
        self.assertEqual(self.proxy.asked, [f"CONNECT 127.0.0.1:{self.site.port} HTTP/1.1"])
        self.assertEqual(curl(f"http://127.0.0.1:{self.port}/name"), b"site")  # by the other rule

    def test_the_bytes_of_a_stream_of_http2_pass(self):
        self.start(to("proxy", more="matches: [{method: CONNECT}]"))
        with Wire(self.port) as wire:
            authority = f"127.0.0.1:{self.site.port}".encode()
            head = b"\x02\x07CONNECT\x01" + bytes([len(authority)]) + authority
            wire.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4) + frame(1, 4, 1, head))
            answers = self.frames(wire, lambda kind, payload: kind == 1)
            self.assertEqual(answers[-1][1][:1], b"\x88", answers)  # :status 200
            wire.send(frame(0, 0, 1, b"GET /name HTTP/1.1\r\nhost: a\r\n\r\n"))
            self.frames(wire, lambda kind, payload: kind == 0 and payload.endswith(b"site"))

    def frames(self, wire, last):
        """Those of streams, up to the last one."""
        out = []
        while not out or not last(*out[-1]):
            size, kind, _, stream = struct.unpack(">IBBI", b"\0" + wire.take(9))
            payload = wire.take(size)
            if stream == 1:
                self.assertNotEqual(kind, 3, payload)
                out.append((kind, payload))
        return out

    def test_rules_that_do_not_ask_for_it_have_none(self):
        self.start(to("web"))
        self.assertEqual(self.through()[0], 404)
        self.assertEqual(self.site.requests(), [])

    def test_the_host_that_is_to_be_connected_to_chooses_the_route(self):
        followed = self.start(to("proxy", more="matches: [{method: CONNECT}]"))
        followed.write("all.yaml", CLASS, gateway(http(self.port)), service("proxy", of(self.proxy)),
                       client_policy("  allowConnect: true\n"),
                       route("web", to("proxy", more="matches: [{method: CONNECT}]"), hostnames=["db.example"]))
        self.assertTrue(eventually(lambda: self.through()[0] == 404))

    def test_what_the_backend_refuses_stays_refused(self):
        self.proxy.refuses = True
        self.start(to("proxy", more="matches: [{method: CONNECT}]"))
        self.assertEqual(self.through()[0], 403)

    def test_without_allow_connect_it_is_no_method(self):
        self.start(to("proxy", more="matches: [{method: CONNECT}]"), policy="  allowConnect: false\n")
        self.assertEqual(self.through()[0], 501)
        self.assertEqual(self.proxy.asked, [])


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


class FloodTest(unittest.TestCase):
    """Each way to make work without end ends the connection, and is counted by its name."""

    HEAD = b"\x82\x86\x01\x01a\x04\x05/name"
    KINDS = {
        "ping": lambda i: frame(6, 0, 0, b"12345678"),
        "settings": lambda i: frame(4),
        "rapid_reset": lambda i: frame(1, 5, 2 * i + 1, FloodTest.HEAD) + frame(3, 0, 2 * i + 1, struct.pack(">I", 8)),
        "continuation": lambda i: frame(9, 0, 1, b"\x00\x01a\x01b") if i else frame(1, 1, 1, FloodTest.HEAD),
        "priority": lambda i: frame(2, 0, 2 * i + 1, b"\0\0\0\0\x10"),
    }

    def setUp(self):
        self.backend = Backend()
        self.addCleanup(self.backend.close)
        self.gateway = Gateway("--listen", "127.0.0.1:0", "--to", self.backend.url)
        self.addCleanup(self.gateway.close)

    def metric(self, name, **labels):
        page = curl(f"http://{self.gateway.admin}/metrics").decode()
        text = ",".join(f'{key}="{value}"' for key, value in labels.items())
        found = re.search(rf"^{name}{{{re.escape(text)}}} (\d+)$", page, re.M)
        self.assertIsNotNone(found, f"{name}{{{text}}}")
        return int(found[1])

    def flood(self, make):
        """Sends until the connection is closed; what came."""
        with Wire(self.gateway.port) as wire:
            wire.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4))
            got = b""
            try:
                for i in range(1_000_000):
                    wire.send(make(i))
                    if i % 50 == 0 and select.select([wire.socket], [], [], 0)[0]:
                        more = wire.socket.recv(65536)
                        if not more:
                            break
                        got += more
                else:
                    self.fail("never closed")
                while more := wire.socket.recv(65536):
                    got += more
            except OSError:
                pass
            return got

    def test_floods(self):
        for kind, make in self.KINDS.items():
            with self.subTest(kind=kind):
                self.flood(make)
                labels = {"peer": "client", "reason": kind}
                self.assertEqual(self.metric("fairlead_gateway_http2_floods_total", **labels), 1)
                self.assertEqual(curl(self.gateway.url + "/name"), b"backend")

    def test_a_line_in_the_log_names_who_floods(self):
        floods = 20
        for _ in range(floods):
            self.flood(self.KINDS["ping"])
        self.assertEqual(self.metric("fairlead_gateway_http2_floods_total", peer="client", reason="ping"), floods)
        told = [line for line in self.gateway.errors if "ping of HTTP/2 by 127.0.0.1" in line]
        self.assertTrue(1 <= len(told) < floods, self.gateway.errors)  # not one for each

    def test_requests_that_are_cancelled_leave_no_connections(self):
        """Of HTTP/1 each would cost one that has to be closed with it."""
        count = 400  # less than is a flood
        with Wire(self.gateway.port) as wire:
            wire.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4) +
                      b"".join(self.KINDS["rapid_reset"](i) for i in range(count)))
            wire.send(frame(1, 5, 2 * count + 1, self.HEAD))
            while True:  # its own patience is met with patience, but it is served
                size, kind, _, stream = struct.unpack(">IBBI", b"\0" + wire.take(9))
                wire.take(size)
                self.assertNotEqual(kind, 7)
                if (kind, stream) == (1, 2 * count + 1):
                    break
        begun = self.metric("fairlead_gateway_backend_connects_total", backend="to", result="begun")
        self.assertLess(begun, 50)
        self.assertEqual(curl(self.gateway.url + "/name"), b"backend")

    def test_what_http1_refuses_is_counted_by_reason(self):
        rows = [("host_missing", b"GET / HTTP/1.1\r\n\r\n"),
                ("ambiguous_length", b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n"),
                ("folded", b"GET / HTTP/1.1\r\nhost: a\r\na: b\r\n c\r\n\r\n")]
        for reason, request in rows:
            with self.subTest(reason=reason):
                raw(self.gateway.port, request)
                self.assertEqual(self.metric("fairlead_gateway_http1_refusals_total", reason=reason), 1)
        with Wire(self.gateway.port) as wire:
            wire.send(b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nabc")
        self.assertTrue(eventually(lambda: self.metric("fairlead_gateway_http1_ends_total", reason="truncated") == 1))


if __name__ == "__main__":
    unittest.main()
