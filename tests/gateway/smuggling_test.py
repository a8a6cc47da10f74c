# SPDX-License-Identifier: Apache-2.0
"""Every row of the tables of what HTTP has to refuse (tests/unit/http/*_rows.hpp) through the program: what the client gets,
and what reached the backend."""
import json
import os
import struct
import subprocess
import unittest

from backend import Backend
from support import ROOT, Gateway, Wire, eventually, raw

ROWS = json.loads(subprocess.run([os.environ.get("FAIRLEAD_REFUSED_ROWS", str(ROOT / "build/bin/refused_rows"))],
                                 capture_output=True, check=True).stdout)
CHUNKED = b"POST /evil HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0"
GOAWAY, RST_STREAM = 7, 3


def rows(table):
    found = [row for row in ROWS if row["table"] == table]
    assert len(found) > 30, table
    return [(row["name"], bytes.fromhex(row["bytes"]), row["answer"], row["code"]) for row in found]


class SmugglingTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.backend = Backend()
        cls.gateway = Gateway("--listen", "127.0.0.1:0", "--to", cls.backend.url)

    @classmethod
    def tearDownClass(cls):
        cls.gateway.close()
        cls.backend.close()

    def setUp(self):
        self.backend.answer = None

    def heard(self):
        """Every byte of requests since the last call."""
        with self.backend.lock:
            out, self.backend.raw[:] = b"".join(self.backend.raw), []
            whole, self.backend.received[:] = list(self.backend.received), []
        return out, whole

    def serves_on(self):
        """The next request is the first and only one that a backend has as a whole, and it is what was sent."""
        with Wire(self.gateway.port) as wire:
            wire.send(b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\ngood")
            status, _, body = wire.answer()
        self.assertEqual((status, body), (200, b"good"))
        _, whole = self.heard()
        self.assertEqual([(path, body) for path, _, body in whole], [("/echo", b"good")])

    def refused(self, data, status, shut=False):
        answer = raw(self.gateway.port, data, shut=shut)
        self.assertTrue(answer.startswith(b"HTTP/1.1 %d " % status), answer[:100])
        self.assertEqual(answer.count(b"HTTP/1.1 "), 1)

    def test_heads(self):
        for name, data, status, _ in rows("requests"):
            if name == "HTTP/2 preface unasked":
                continue  # here it is asked for
            with self.subTest(name):
                self.heard()
                self.refused(data, status, shut=name in ("HTTP/0.9", "method alone"))
                self.assertEqual(self.heard(), (b"", []))
                self.serves_on()

    def test_chunked_bodies(self):
        """The head and good chunks may have gone on: never a whole request, and nothing behind it on that connection."""
        for name, data, status, _ in rows("chunked bodies"):
            with self.subTest(name):
                self.heard()
                self.refused(CHUNKED + data, status)
                self.assertTrue(eventually(lambda: len(self.backend.open) <= 1))
                sent, whole = self.heard()
                self.assertEqual(whole, [])
                self.assertLessEqual(sent.count(b" HTTP/1.1\r\n"), 1)
                self.assertFalse(sent.endswith(b"0\r\n\r\n"), sent[-100:])
                self.serves_on()

    def test_responses(self):
        """Of a backend that speaks no HTTP, or an ambiguous one, a client sees nothing."""
        for name, data, status, _ in rows("responses"):
            def answer(conversation, *_, data=data):
                conversation.peer.sendall(data)
                raise EOFError
            with self.subTest(name):
                self.backend.answer = answer
                with Wire(self.gateway.port) as wire:
                    wire.send(b"POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n")
                    self.assertEqual(wire.answer()[0], status)
                self.backend.answer = None
                self.heard()
                self.serves_on()

    def test_http2(self):
        for name, data, kind, code in rows("HTTP/2"):
            with self.subTest(name):
                self.heard()
                with Wire(self.gateway.port) as wire:
                    wire.send(PREFACE + data)
                    self.assertEqual(self.frame(wire, kind), code)
                self.assertTrue(eventually(lambda: len(self.backend.open) <= 1))
                sent, whole = self.heard()
                self.assertEqual([row for row in whole if b"content-length" in row[1]], [])
                self.assertLessEqual(sent.count(b" HTTP/1.1\r\n"), 1)
                self.serves_on()

    def frame(self, wire, wanted):
        """The error code of the first frame of that kind."""
        while True:
            size, kind, _, _ = struct.unpack(">IBBI", b"\0" + wire.take(9))
            payload = wire.take(size)
            if kind == wanted:
                return int.from_bytes(payload[4 if kind == GOAWAY else 0:][:4], "big")
            self.assertNotIn(kind, (GOAWAY, RST_STREAM))


if __name__ == "__main__":
    unittest.main(verbosity=2)
