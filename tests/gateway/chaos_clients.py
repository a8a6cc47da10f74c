# SPDX-License-Identifier: Apache-2.0
"""Clients of chaos.py by protocol, and the servers of those that need one of their own, which nobody kills."""
import asyncio
import concurrent.futures
import http.client
import ssl
import subprocess
import threading
import time

import grpc
import websockets

from support import LIMIT

BODY = "x" * 300


class Client(threading.Thread):
    """Asks without a pause until it is told to stop; keeps what failed, with the time that the request took."""
    what = "HTTP/1.1"
    method = "GET"
    secure = False

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port = port
        self.done, self.failures = 0, []
        self.stopping = threading.Event()

    def run(self):
        while not self.stopping.is_set():
            began = time.monotonic()
            try:
                self.ask(began)
            except (OSError, http.client.HTTPException, grpc.RpcError, subprocess.SubprocessError,
                    websockets.exceptions.WebSocketException, asyncio.TimeoutError) as failed:
                self.fail(began, repr(failed))
                self.forget()
        self.forget()

    def ask(self, began):
        """One request or more, each counted in done; raises what fails."""
        raise NotImplementedError

    def forget(self):
        """Closes what is kept."""

    def fail(self, began, what):
        self.failures.append((began, time.monotonic(), what))

    def stop(self):
        self.stopping.set()
        self.join()


class Http1(Client):
    def __init__(self, port, secure=False, kept=True, method="GET"):
        super().__init__(port)
        self.secure, self.kept, self.method = secure, kept, method
        self.what = f"HTTP/1.1 {'kept' if kept else 'new'}"
        self.connection = None

    def connect(self):
        if not self.secure:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=LIMIT)
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=LIMIT, context=context)

    def ask(self, began):
        self.connection = self.connection or self.connect()
        self.connection.request(self.method, "/", body="y" * 100 if self.method == "POST" else None)
        answer = self.connection.getresponse()
        body = answer.read().decode()
        if answer.status != 200 or body != BODY:
            self.fail(began, f"{answer.status} {body[:100]!r}")
        self.done += 1
        if answer.will_close or not self.kept:
            self.forget()

    def forget(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None


class Http2(Client):
    """curl: with TLS many requests on a connection, some of them at a time; by prior knowledge one, as curl 7.88 breaks
    such a connection at its second."""
    what = "HTTP/2"

    def __init__(self, port, secure=False):
        super().__init__(port)
        self.secure, self.count = secure, 40 if secure else 1

    def ask(self, began):
        way = ("--http2", "-k", "--parallel", "--parallel-max", "4") if self.secure else ("--http2-prior-knowledge",)
        done = subprocess.run(["curl", "-sS", "--max-time", str(LIMIT), *way, "-w",
                               "%{http_code} %{http_version} %{size_download}\n", "-o", "/dev/null",
                               f"{'https' if self.secure else 'http'}://127.0.0.1:{self.port}/[1-{self.count}]"],
                              capture_output=True, text=True, check=False, timeout=2 * LIMIT)
        answers = done.stdout.splitlines()
        good = f"200 2 {len(BODY)}"
        if answers.count(good) != self.count:
            self.fail(began, f"{[line for line in answers if line != good][:3]} of curl: {done.stderr[-200:]!r}")
        self.done += self.count


class Calls(Client):
    """Unary calls of gRPC on one channel."""
    what = "gRPC"

    def __init__(self, port):
        super().__init__(port)
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        self.call = self.channel.unary_unary("/chaos.Echo/Say")

    def ask(self, began):
        said = str(self.done).encode()
        answer = self.call(said, timeout=LIMIT, wait_for_ready=True)
        if answer != said:
            self.fail(began, f"{answer!r} for {said!r}")
        self.done += 1

    def stop(self):
        super().stop()
        self.channel.close()


class WebSockets(Client):
    """Conversations that last for a second, each message of which comes back."""
    what = "WebSocket"

    def ask(self, began):
        asyncio.run(self.talk(began))

    async def talk(self, began):
        async with websockets.connect(f"ws://127.0.0.1:{self.port}/chat", open_timeout=LIMIT, close_timeout=LIMIT) as peer:
            while time.monotonic() < began + 1 and not self.stopping.is_set():
                said = f"message {self.done}"
                await peer.send(said)
                heard = await asyncio.wait_for(peer.recv(), LIMIT)
                if heard != said:
                    self.fail(began, f"{heard!r} for {said!r}")
                self.done += 1


class CallServer:
    """gRPC; says again what it hears."""

    def __init__(self):
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
        say = grpc.unary_unary_rpc_method_handler(lambda request, context: request)
        self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("chaos.Echo", {"Say": say}),))
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()

    def close(self):
        self.server.stop(None).wait()


class WebSocketServer(threading.Thread):
    """The same by WebSocket."""

    def __init__(self):
        super().__init__(daemon=True)
        self.loop, self.listens, self.port = asyncio.new_event_loop(), threading.Event(), 0
        self.start()
        self.listens.wait()

    def run(self):
        self.loop.run_until_complete(self.serve())

    async def serve(self):
        async def echo(connection):
            async for message in connection:
                await connection.send(message)
        self.ending = asyncio.Event()
        async with websockets.serve(echo, "127.0.0.1", 0) as server:
            self.port = server.sockets[0].getsockname()[1]
            self.listens.set()
            await self.ending.wait()

    def close(self):
        self.loop.call_soon_threadsafe(self.ending.set)
        self.join()
        self.loop.close()
