# SPDX-License-Identifier: Apache-2.0
"""A real gRPC server of Envoy's external authorization, with the messages it needs described here by their numbers."""
import concurrent.futures

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

STRING, UINT32, INT64, INT32, BOOL, MESSAGE = 9, 13, 3, 5, 8, 11

# name -> [(field, number, type, message or None, repeated)]
MESSAGES = {
    "Entry": [("key", 1, STRING, None, False), ("value", 2, STRING, None, False)],
    "SocketAddress": [("address", 2, STRING, None, False), ("port", 3, UINT32, None, False)],
    "Address": [("socket", 1, MESSAGE, "SocketAddress", False)],
    "Peer": [("address", 1, MESSAGE, "Address", False), ("principal", 4, STRING, None, False)],
    "Http": [("id", 1, STRING, None, False), ("method", 2, STRING, None, False), ("headers", 3, MESSAGE, "Entry", True),
             ("path", 4, STRING, None, False), ("host", 5, STRING, None, False), ("scheme", 6, STRING, None, False),
             ("size", 9, INT64, None, False), ("protocol", 10, STRING, None, False), ("body", 11, STRING, None, False)],
    "Asked": [("http", 2, MESSAGE, "Http", False)],
    "Attributes": [("source", 1, MESSAGE, "Peer", False), ("request", 4, MESSAGE, "Asked", False)],
    "CheckRequest": [("attributes", 1, MESSAGE, "Attributes", False)],
    "Flag": [("value", 1, BOOL, None, False)],
    "HeaderOption": [("header", 1, MESSAGE, "Entry", False), ("append", 2, MESSAGE, "Flag", False)],
    "HttpStatus": [("code", 1, INT32, None, False)],
    "Denied": [("status", 1, MESSAGE, "HttpStatus", False), ("headers", 2, MESSAGE, "HeaderOption", True),
               ("body", 3, STRING, None, False)],
    "Leave": [("headers", 2, MESSAGE, "HeaderOption", True), ("remove", 5, STRING, None, True),
              ("response_headers", 6, MESSAGE, "HeaderOption", True)],
    "Status": [("code", 1, INT32, None, False), ("message", 2, STRING, None, False)],
    "CheckResponse": [("status", 1, MESSAGE, "Status", False), ("denied", 2, MESSAGE, "Denied", False),
                      ("ok", 3, MESSAGE, "Leave", False)],
}


def make_types():
    file = descriptor_pb2.FileDescriptorProto(name="check.proto", package="check", syntax="proto3")
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind, of, repeated in fields:
            message.field.add(name=field, number=number, type=kind, label=3 if repeated else 1,
                              type_name=f".check.{of}" if of else None)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    factory = message_factory.MessageFactory(pool)
    return {name: factory.GetPrototype(pool.FindMessageTypeByName(f"check.{name}")) for name in MESSAGES}


TYPES = make_types()


class Authorization(grpc.GenericRpcHandler):
    """decide(Http message) -> CheckResponse; what was asked stands in `asked`."""

    def __init__(self, decide):
        self.decide, self.asked = decide, []
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(8))
        self.server.add_generic_rpc_handlers((self,))
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.address = "127.0.0.1"
        self.server.start()

    def service(self, details):
        if details.method != "/envoy.service.auth.v3.Authorization/Check":
            return None
        return grpc.unary_unary_rpc_method_handler(self.check, request_deserializer=TYPES["CheckRequest"].FromString,
                                                   response_serializer=lambda message: message.SerializeToString())

    def check(self, request, unused):
        asked = request.attributes
        self.asked.append(asked)
        return self.decide(asked.request.http)

    def close(self):
        self.server.stop(0).wait()


def allowed(headers=(), remove=(), response_headers=()):
    out = TYPES["CheckResponse"]()
    out.status.code = 0
    for name, value, append in headers:
        option = out.ok.headers.add()
        option.header.key, option.header.value, option.append.value = name, value, append
    out.ok.remove.extend(remove)
    for name, value in response_headers:
        option = out.ok.response_headers.add()
        option.header.key, option.header.value = name, value
    return out


def denied(status, body="", headers=()):
    out = TYPES["CheckResponse"]()
    out.status.code = 7
    out.denied.status.code, out.denied.body = status, body
    for name, value in headers:
        option = out.denied.headers.add()
        option.header.key, option.header.value = name, value
    return out
