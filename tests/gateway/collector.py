# SPDX-License-Identifier: Apache-2.0
"""A collector of OpenTelemetry: OTLP/HTTP with protobuf, read by the wire format's rules."""
import http.server
import struct
import threading


def fields(data):
    """[(number, value)] of a message: int of a varint, int of fixed32 and fixed64, bytes else."""
    out, at = [], 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        tag = varint()
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            out.append((number, varint()))
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
            out.append((number, struct.unpack_from("<Q" if wire == 1 else "<I", data, at)[0]))
            at += size
        else:
            assert wire == 2, wire
            size = varint()
            assert at + size <= len(data)
            out.append((number, data[at:at + size]))
            at += size
    return out


def first(data, number, default=b""):
    return next((value for each, value in fields(data) if each == number), default)


def attributes(pairs):
    out = {}
    for pair in pairs:
        (number, value), = fields(first(pair, 2))
        out[first(pair, 1).decode()] = value.decode() if number == 1 else value
    return out


def spans_of(request):
    """The spans of an ExportTraceServiceRequest as dictionaries."""
    out = []
    for _, resource_spans in fields(request):
        resource = attributes(value for number, value in fields(first(resource_spans, 1)) if number == 1)
        for number, scope_spans in fields(resource_spans):
            if number != 2:
                continue
            for each, span in fields(scope_spans):
                if each != 2:
                    continue
                out.append({
                    "trace": first(span, 1).hex(), "span": first(span, 2).hex(), "parent": first(span, 4).hex(),
                    "state": first(span, 3).decode(), "name": first(span, 5).decode(), "kind": first(span, 6, 0),
                    "start": first(span, 7, 0), "end": first(span, 8, 0), "error": first(first(span, 15), 3, 0) == 2,
                    "attributes": attributes(value for number, value in fields(span) if number == 9), "resource": resource})
    return out


class Collector:
    """spans: what came; requests: (path, fields of the request). hold(): the next requests wait until release()."""

    def __init__(self, status=200):
        self.spans, self.requests, self.status = [], [], status
        self.open = threading.Event()
        self.open.set()
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                collector.open.wait()
                if collector.status == 200:
                    collector.spans.extend(spans_of(body))
                collector.requests.append((self.path, dict(self.headers)))
                self.send_response(collector.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *unused):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def of(self, trace):
        return [span for span in self.spans if span["trace"] == trace]

    def close(self):
        self.open.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
