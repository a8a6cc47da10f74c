# SPDX-License-Identifier: Apache-2.0
"""A name server on loopback (UDP, RFC 1035) whose answers a test changes."""
import socket
import struct
import threading

A, AAAA = 1, 28


class NameServer:
    """records: name -> addresses; `silent`: questions are heard and not answered."""

    def __init__(self, ttl=1):
        self.records, self.ttl, self.silent = {}, ttl, False
        self.asked = []  # (name, type)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]
        self.running = True
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def close(self):
        self.running = False
        self.socket.sendto(b"", self.socket.getsockname())
        self.thread.join()
        self.socket.close()

    def serve(self):
        while self.running:
            data, peer = self.socket.recvfrom(4096)
            if len(data) < 17:
                continue
            name, at = [], 12
            while length := data[at]:
                name.append(data[at + 1:at + 1 + length].decode().lower())
                at += 1 + length
            kind = struct.unpack_from(">H", data, at + 1)[0]
            self.asked.append((".".join(name), kind))
            if not self.silent:
                self.socket.sendto(self.answer(data[:2], data[12:at + 5], ".".join(name), kind), peer)

    def answer(self, identity, question, name, kind):
        known = self.records.get(name)
        rows = b""
        count = 0
        for address in known or ():
            packed = socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
            if len(packed) != (16 if kind == AAAA else 4):
                continue
            rows += struct.pack(">HHHIH", 0xc00c, kind, 1, self.ttl, len(packed)) + packed
            count += 1
        code = 0 if known is not None else 3  # NXDOMAIN
        return identity + struct.pack(">HHHHH", 0x8180 | code, 1, count, 0, 0) + question + rows
