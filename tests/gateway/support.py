# SPDX-License-Identifier: Apache-2.0
"""A real fairlead-gateway in a folder of its own, and small clients."""
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("FAIRLEAD_GATEWAY", str(ROOT / "build/bin/fairlead-gateway"))
FAIRCTL = os.environ.get("FAIRLEAD_FAIRCTL", str(ROOT / "build/bin/fairctl"))
JUMP_CLOCK = os.environ.get("FAIRLEAD_JUMP_CLOCK", str(ROOT / "build/tests/support/libjump_clock.so"))
LIMIT = 90  # seconds; of waiting for what has to come


def eventually(condition, limit=LIMIT):
    """The first true answer of condition(); else its last one."""
    end = time.monotonic() + limit
    while True:
        answer = condition()
        if answer or time.monotonic() > end:
            return answer
        time.sleep(0.01)


class WallClock:
    """Of programs that are started with its environment: ahead of the machine's by what jump() said last."""

    def __init__(self, folder, ahead=0):
        self.path = folder / "ahead"
        self.environment = {"LD_PRELOAD": JUMP_CLOCK, "JUMP_CLOCK": str(self.path)}
        self.jump(ahead)

    def jump(self, seconds):
        """The same bytes in the same place: the programs have the file mapped."""
        with open(self.path, "r+b" if self.path.exists() else "wb") as file:
            file.write(struct.pack("q", seconds * 1_000_000))


class Gateway:
    """Starts the program, behind the words `before`, and waits until it serves."""

    def __init__(self, *arguments, workers=1, ready=True, socket_path=None, environment=None, before=()):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="fl-gateway-"))
        self.socket = socket_path or self.folder / "gateway.sock"
        self.lines, self.errors = [], []
        self.process = subprocess.Popen(
            [*before, PROGRAM, *map(str, arguments), "--workers", str(workers), "--socket", str(self.socket),
             "--admin", "127.0.0.1:0"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})})
        self.readers = [threading.Thread(target=self.read, args=(self.process.stdout, self.lines), daemon=True),
                        threading.Thread(target=self.read, args=(self.process.stderr, self.errors), daemon=True)]
        for reader in self.readers:
            reader.start()
        if ready and not eventually(lambda: "ready" in self.lines or self.process.poll() is not None):
            self.close()
            raise AssertionError("not ready: " + "\n".join(self.errors))
        if ready and self.process.poll() is not None:
            raise AssertionError(f"ended with {self.process.returncode}: " + "\n".join(self.errors))

    @staticmethod
    def read(stream, into):
        for line in stream:
            into.append(line.rstrip("\n"))

    @property
    def ports(self):
        """Ports of the listeners, in the order of their lines."""
        found = [re.match(r"listening on \S+:(\d+)", line) for line in self.lines]
        return [int(match.group(1)) for match in found if match]

    @property
    def port(self):
        return self.ports[0]

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def admin(self):
        found = [re.match(r"admin on (\S+)", line) for line in self.lines]
        return next(match.group(1) for match in found if match)

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, limit=LIMIT):
        return self.process.wait(limit)

    def close(self):
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
            try:
                self.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for reader in self.readers:
            reader.join()
        self.process.stdout.close()
        self.process.stderr.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        refused = [line for line in self.errors if "refused system call" in line]
        assert not refused, refused


def curl(*arguments, **options):
    """Standard output of curl as bytes; its status in the exception where it fails."""
    return subprocess.run(["curl", "-sS", "--max-time", str(LIMIT), *map(str, arguments)], capture_output=True, check=True,
                          **options).stdout


def curl_status(*arguments):
    return curl("-o", "/dev/null", "-w", "%{http_code}", *arguments).decode()


def raw(port, data, address="127.0.0.1", shut=False):
    """All that comes back for these bytes until the connection closes."""
    with socket.create_connection((address, port), LIMIT) as peer:
        peer.settimeout(LIMIT)
        peer.sendall(data)
        if shut:
            peer.shutdown(socket.SHUT_WR)
        out = b""
        try:
            while got := peer.recv(65536):
                out += got
        except ConnectionResetError:
            pass
        return out


class Wire:
    """A connection that is spoken by hand."""

    def __init__(self, port, address="127.0.0.1", source=None):
        self.socket = socket.create_connection((address, port), LIMIT, (source, 0) if source else None)
        self.socket.settimeout(LIMIT)
        self.buffer = b""

    @classmethod
    def of(cls, accepted):
        """A connection that is there already."""
        wire = cls.__new__(cls)
        wire.socket, wire.buffer = accepted, b""
        wire.socket.settimeout(LIMIT)
        return wire

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def until(self, mark):
        """What came up to and with the mark."""
        while mark not in self.buffer:
            got = self.socket.recv(65536)
            if not got:
                raise EOFError(self.buffer)
            self.buffer += got
        end = self.buffer.index(mark) + len(mark)
        out, self.buffer = self.buffer[:end], self.buffer[end:]
        return out

    def take(self, count):
        """That many bytes."""
        while len(self.buffer) < count:
            got = self.socket.recv(65536)
            if not got:
                raise EOFError(self.buffer)
            self.buffer += got
        out, self.buffer = self.buffer[:count], self.buffer[count:]
        return out

    def answer(self):
        """(status, head, body) of one response with a Content-Length."""
        head = self.until(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        body = self.take(int(length.group(1)) if length else 0)
        return int(head.split(b" ")[1]), head, body

    def at_end(self):
        """Waits; true where the connection is closed."""
        try:
            return self.buffer == b"" and self.socket.recv(1) == b""
        except ConnectionResetError:
            return True
