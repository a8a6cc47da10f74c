# SPDX-License-Identifier: Apache-2.0
"""Where logs of requests go: an HTTP server that keeps what it gets, and a UDP socket that does."""
import http.server
import json
import socket
import threading


class LogServer:
    """requests: (method, path, {field: value}, parsed body). answers: statuses of the next ones, then 200."""

    def __init__(self, answers=()):
        self.requests, self.answers = [], list(answers)
        self.lock = threading.Lock()
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def take(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                with server.lock:
                    status = server.answers.pop(0) if server.answers else 200
                    fields = {name.lower(): value for name, value in self.headers.items()}
                    server.requests.append((self.command, self.path, fields, json.loads(body)))
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            do_POST = do_PUT = do_PATCH = take

            def log_message(self, *unused):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_port
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


class DatagramServer:
    """datagrams: what came, as text."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.datagrams = []
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while data := self.socket.recv(65536):
            self.datagrams.append(data.decode())

    def close(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", self.port))
        self.thread.join()
        self.socket.close()
