# SPDX-License-Identifier: Apache-2.0
"""An HTTP/1.1 backend that keeps every byte it was sent and answers as the path asks.

/echo         the request's body, with its framing told in x-framing (length or chunked)
/head         the request's head as it came, as text/plain
/bytes/N      N bytes with a Content-Length      /chunked/N   N bytes in chunks of 1000, with a trailer x-sum
/status/N     an empty answer of status N        /early       103 first, then 200
/events/N     N server-sent events, the next one only when the control connection says so (see Backend.release)
/hang         no answer, until the connection closes
/short        a Content-Length of 100 and 10 bytes, then a close
/garbage      no HTTP at all                     /reset       RST instead of an answer
/drop-reused  closes instead of answering any but the first request of a connection
/name         the backend's name
"""
import hashlib
import socket
import struct
import threading

from support import Wire


class Backend:
    def __init__(self, name="backend", address="127.0.0.1", context=None, port=0):
        self.name, self.context = name, context
        self.received = []      # (path, head bytes, body bytes) of whole requests
        self.raw = []           # every byte of every connection
        self.connections = 0
        self.certified = []     # the common name in the client's certificate, by handshake; None: no certificate
        self.lock = threading.Lock()
        self.released = threading.Semaphore(0)
        self.open = set()
        self.answer = None      # instead of the paths below, where a test says so: answer(conversation, method, path, ...)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.listener = socket.create_server((address, port), family=family, backlog=512)
        self.address = address
        self.port = self.listener.getsockname()[1]
        self.running = True
        threading.Thread(target=self.accept, daemon=True).start()

    @property
    def url(self):
        return f"http://{self.address}:{self.port}"

    def close(self):
        self.running = False
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        with self.lock:
            standing = list(self.open)
        for peer in standing:
            try:
                peer.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def release(self):
        """The next event of /events may go."""
        self.released.release()

    def requests(self, path=None):
        with self.lock:
            return [row for row in self.received if path is None or row[0] == path]

    def accept(self):
        while self.running:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(peer,), daemon=True).start()

    def serve(self, peer):
        with self.lock:
            self.connections += 1
            self.open.add(peer)
        try:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.context is not None:
                peer = self.context.wrap_socket(peer, server_side=True)
                subject = dict(pair for (pair,) in (peer.getpeercert() or {}).get("subject", ()))
                with self.lock:
                    self.certified.append(subject.get("commonName"))
            Conversation(self, peer).run()
        except (OSError, EOFError, ValueError):  # what is no HTTP/1 too
            pass
        finally:
            with self.lock:
                self.open.discard(peer)
            peer.close()


class Conversation:
    """One connection."""

    def __init__(self, backend, peer):
        self.backend, self.peer, self.buffer, self.served = backend, peer, b"", 0

    def more(self):
        got = self.peer.recv(65536)
        if not got:
            raise EOFError
        with self.backend.lock:
            self.backend.raw.append(got)
        self.buffer += got

    def take(self, count):
        while len(self.buffer) < count:
            self.more()
        out, self.buffer = self.buffer[:count], self.buffer[count:]
        return out

    def take_line(self):
        while b"\r\n" not in self.buffer:
            self.more()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def take_body(self, fields):
        if fields.get("transfer-encoding", "").lower() == "chunked":
            body = b""
            while size := int(self.take_line().split(b";")[0], 16):
                body += self.take(size)
                self.take(2)
            while self.take_line():
                pass
            return body, "chunked"
        if "content-length" in fields:
            return self.take(int(fields["content-length"])), "length"
        return b"", "none"

    def run(self):
        while True:
            while b"\r\n\r\n" not in self.buffer:
                self.more()
            head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
            lines = head.decode("latin-1").split("\r\n")
            method, path, _ = lines[0].split(" ", 2)
            fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
            if fields.get("expect") == "100-continue":
                self.peer.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            body, framing = self.take_body(fields)
            with self.backend.lock:
                self.backend.received.append((path, head, body))
            answer = self.backend.answer or Conversation.answer
            answer(self, method, path.split("?")[0], head, body, framing)
            self.served += 1
            if fields.get("connection", "").lower() == "close":
                return

    def send(self, status, body=b"", fields=(), method="GET"):
        lines = [f"HTTP/1.1 {status} Here"] + [f"{name}: {value}" for name, value in fields]
        lines.append(f"content-length: {len(body)}")
        lines.append(f"x-backend: {self.backend.name}")
        self.peer.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + (b"" if method == "HEAD" else body))

    def answer(self, method, path, head, body, framing):
        word, _, rest = path[1:].partition("/")
        if word == "echo":
            self.send(200, body, [("x-framing", framing), ("x-sum", hashlib.sha256(body).hexdigest())])
        elif word == "head":
            self.send(200, head, [("content-type", "text/plain")])
        elif word == "bytes":
            self.send(200, pattern(int(rest)), method=method)
        elif word == "chunked":
            self.chunked(int(rest))
        elif word == "status":
            self.send(int(rest))
        elif word == "early":
            self.peer.sendall(b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n")
            self.send(200, b"late")
        elif word == "events":
            self.events(int(rest))
        elif word == "hang":
            self.more()
        elif word == "short":
            self.peer.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n0123456789")
            raise EOFError
        elif word == "garbage":
            self.peer.sendall(b"\x00\x01\x02 this is no HTTP\r\n\r\n")
            raise EOFError
        elif word == "reset":
            self.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise EOFError
        elif word == "drop-reused" and self.served > 0:
            raise EOFError
        else:
            self.send(200, self.backend.name.encode())

    def chunked(self, size):
        self.peer.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n")
        data = pattern(size)
        for at in range(0, size, 1000):
            piece = data[at:at + 1000]
            self.peer.sendall(b"%x\r\n" % len(piece) + piece + b"\r\n")
        self.peer.sendall(b"0\r\nx-sum: " + hashlib.sha256(data).hexdigest().encode() + b"\r\n\r\n")

    def events(self, count):
        self.peer.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        for number in range(count):
            self.backend.released.acquire()
            event = b"data: %d\n\n" % number
            self.peer.sendall(b"%x\r\n" % len(event) + event + b"\r\n")
        self.peer.sendall(b"0\r\n\r\n")


def says(status, *fields, body=b""):
    """For Backend.answer: this, to every request."""
    def answer(conversation, *_):
        lines = [f"HTTP/1.1 {status} x", f"content-length: {len(body)}", *fields]
        conversation.peer.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        return True
    return answer


def holds():
    """For Backend.answer, which never does; with what tells that a request has come, and that its caller has gone."""
    arrived, ended = threading.Event(), threading.Event()

    def answer(conversation, *_):
        arrived.set()
        try:
            conversation.more()
        finally:
            ended.set()
    return answer, arrived, ended


def pattern(size):
    """Bytes in which a gap or a repetition shows."""
    block = b"".join(struct.pack(">I", number) for number in range(size // 4 + 1))
    return block[:size]


class RawBackend:
    """Listens, and has each connection spoken by `talk(wire)`."""

    def __init__(self, talk):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.talk = talk
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        threads = []
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                break
            threads.append(threading.Thread(target=self.speak, args=(peer,)))
            threads[-1].start()
        for thread in threads:
            thread.join()

    def speak(self, peer):
        with Wire.of(peer) as wire:
            try:
                self.talk(wire)
            except (OSError, EOFError):
                pass

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()
