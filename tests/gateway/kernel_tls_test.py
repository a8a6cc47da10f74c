# SPDX-License-Identifier: Apache-2.0
"""TLS whose records the kernel seals, where it can (module tls); elsewhere the same bytes, sealed by OpenSSL."""
import json
import os
import pathlib
import shutil
import socket
import ssl
import sys
import tempfile
import unittest

from backend import Backend, pattern
from objects import make_certificate
from observe import Metrics
from support import LIMIT, Gateway, curl


STATISTICS = pathlib.Path("/proc/net/tls_stat")
SIZE = 3 << 20


def sealed_by_kernel():
    """Connections whose sending direction the kernel has taken over so far."""
    if not STATISTICS.exists():
        return 0
    rows = dict(line.split() for line in STATISTICS.read_text().splitlines())
    return int(rows["TlsTxSw"]) + int(rows["TlsTxDevice"])


def exchange(port, version, *requests):
    """Bodies of the answers, on one connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    bodies = []
    with socket.create_connection(("127.0.0.1", port), LIMIT) as plain, context.wrap_socket(plain) as wire:
        for request in requests:
            wire.sendall(request)
            got = b""
            while b"\r\n\r\n" not in got:
                got += wire.recv(65536)
            head, _, body = got.partition(b"\r\n\r\n")
            length = int(next(line.split(b":")[1] for line in head.lower().split(b"\r\n") if b"content-length" in line))
            pieces, left = [body], length - len(body)
            while left > 0:
                pieces.append(wire.recv(65536))
                left -= len(pieces[-1])
            bodies.append(b"".join(pieces))
    return bodies


class KernelTlsTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="fl-kernel-tls-"))
        self.addCleanup(shutil.rmtree, self.folder)
        certificate, key = make_certificate(self.folder, "a.example")
        for name, text in (("cert.pem", certificate), ("key.pem", key)):
            (self.folder / name).write_text(text)
        self.backend = Backend()
        self.addCleanup(self.backend.close)

    def gateway(self, *more):
        made = Gateway("--listen", "127.0.0.1:0", "--to", self.backend.url, "--cert", self.folder / "cert.pem",
                       "--key", self.folder / "key.pem", *more)
        self.addCleanup(made.close)
        return made

    def status(self, gateway):
        return json.loads(curl(f"http://{gateway.admin}/v1/status"))["kernelTls"]

    def spliced(self, gateway):
        return Metrics(curl(f"http://{gateway.admin}/metrics").decode()).sum("fairlead_gateway_spliced_bytes_total")

    def test_long_bodies_are_sealed_by_the_kernel_where_it_can(self):
        gateway = self.gateway()
        status = self.status(gateway)
        if os.environ.get("FAIRLEAD_VM"):
            self.assertTrue(status["available"], status)
        self.assertEqual(status["available"], not status["why"])
        upload = pattern(100_000)
        head = b"GET /bytes/%d HTTP/1.1\r\nhost: a\r\n\r\n"
        requests = (head % SIZE, head % 10, b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % len(upload)
                    + upload, head % SIZE)
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            sealed, spliced = sealed_by_kernel(), self.spliced(gateway)
            bodies = exchange(gateway.port, version, *requests)
            self.assertEqual(bodies, [pattern(SIZE), pattern(10), upload, pattern(SIZE)])
            if status["available"]:
                self.assertGreater(sealed_by_kernel(), sealed)
                self.assertGreater(self.spliced(gateway) - spliced, SIZE)
            else:
                self.assertEqual(self.spliced(gateway), spliced)

    def test_it_can_be_left_off(self):
        gateway = self.gateway("--kernel-tls", "off")
        self.assertEqual(self.status(gateway), {"available": False, "why": "not asked for"})
        sealed = sealed_by_kernel()
        self.assertEqual(exchange(gateway.port, ssl.TLSVersion.TLSv1_3, b"GET /bytes/300000 HTTP/1.1\r\nhost: a\r\n\r\n"),
                         [pattern(300000)])
        self.assertEqual(sealed_by_kernel(), sealed)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])  # a guest gives GoogleTest's arguments, too
