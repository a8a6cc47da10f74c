// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "fairlead/http/message.hpp"
#include "fairlead/net/stream.hpp"
#include "fairlead/telemetry/identifiers.hpp"
#include "fairlead/telemetry/response_flags.hpp"

namespace fairlead::telemetry {

/// When a request reached each stage: CLOCK_MONOTONIC in nanoseconds, 0 where it never did.
struct RequestTimes {
  std::uint64_t start = 0;         ///< first byte of the head
  std::uint64_t head = 0;          ///< head received
  std::uint64_t route = 0;         ///< route chosen
  std::uint64_t request_end = 0;   ///< last byte of the request received
  std::uint64_t connected = 0;     ///< the last attempt had a connection to its backend
  std::uint64_t first_byte = 0;    ///< head of the response received
  std::uint64_t response_end = 0;  ///< last byte of the response received
  std::uint64_t end = 0;           ///< last byte given to the client, or given up
};

/// Bytes on the client's side unless said; heads as they would be in HTTP/1.1.
struct RequestBytes {
  std::uint64_t request_head = 0;
  std::uint64_t request_body = 0;
  std::uint64_t response_head = 0;
  std::uint64_t response_body = 0;
};

/// The place of a request in a trace.
struct TraceFacts {
  TraceId trace;
  SpanId parent = 0;          ///< the caller's span; 0: we began the trace
  SpanId span = 0;            ///< of the request as we serve it
  SpanId backend_span = 0;    ///< of the last attempt, what its backend sees as parent
  bool sampled = false;
  bool random = false;        ///< the caller says of its trace id that it is: W3C Trace Context level 2
  bool debug = false;         ///< as TraceParent has them, passed on
  bool manual = false;
  std::string_view state;     ///< tracestate
  std::string_view datadog_tags{};
};

/// What a route and its service are in Kong's file; for logs in Kong's form. Owner: a RouteAction. Immutable.
struct KongNames {
  std::string route, route_id;                          ///< empty: it has none
  std::string service, service_host;
  std::string route_json = "{}", service_json{};  ///< both as objects on one line; empty: no service
};

inline constexpr int kNoGrpcStatus = -1;

/// Everything that one exchange says once it is finished. Views only: valid while it is handed to logs, meters and
/// spans. Owner: the exchange, which fills it in on its way. Thread: the worker's.
struct RequestRecord {
  RequestTimes times;
  std::int64_t start_unix_ns = 0;  ///< CLOCK_REALTIME at times.start

  http::Version version = http::Version::kHttp11;
  http::Version backend_version = http::Version::kHttp11;  ///< with `backend`
  std::uint16_t status = 0;                                ///< sent to the client; 0: none was
  std::int16_t grpc_status = kNoGrpcStatus;                ///< of a gRPC exchange
  bool grpc = false;
  bool stream = false;  ///< a connection that is passed on as it is, and no request: bytes are the bodies'
  std::uint16_t attempts = 0;  ///< to backends
  ResponseFlags flags;
  RequestBytes bytes;

  std::string_view method;      ///< as sent
  std::string_view scheme;
  std::string_view authority;
  std::string_view target;      ///< path and query as sent
  std::string_view path;        ///< normalised, without query, as it was matched
  std::string_view request_id;
  std::string_view details;     ///< what flags cannot say: "via_upstream", "the backend's name has no address"
  std::string_view failure;     ///< of the connection to the backend: "Connection refused"

  std::string_view listener;
  std::string_view route;       ///< "namespace/name"
  std::string_view rule;        ///< its name, or number
  std::string_view consumer;    ///< who calls, by name; empty: not known
  std::string_view credential;  ///< by what that is known: its name or id, never a secret
  std::string_view cluster;     ///< the backend's
  bool has_backend = false;     ///< backend was chosen
  bool backend_tls = false;     ///< with `backend`
  net::Endpoint backend;
  net::Endpoint backend_local;  ///< our end of the connection to it

  net::Endpoint client;         ///< as trusted hops say it
  net::Endpoint peer;           ///< who is connected
  net::Endpoint local;          ///< where it connected to
  std::uint64_t connection_id = 0;
  const net::TlsFacts* tls = nullptr;  ///< of the client's connection

  TraceFacts trace;
  const http::Fields* request = nullptr;   ///< fields as received
  const http::Fields* response = nullptr;  ///< fields as sent
  const http::Fields* trailers = nullptr;  ///< of the response

  // What only Kong's logs show, and spans what is of the backend.
  const KongNames* kong = nullptr;      ///< of the route
  std::string_view backend_target;      ///< path and query as the last backend got them
  std::string_view consumer_custom_id;
  std::int64_t request_length = -1;     ///< Content-Length, which no fields have; -1: none
  std::int64_t response_length = -1;
  std::uint16_t backend_status = 0;     ///< of the backend's response; 0: there was none
};

/// Nanoseconds from one stage to another; nothing where either was not reached.
struct Elapsed {
  std::uint64_t ns = 0;
  bool known = false;
};
[[nodiscard]] constexpr Elapsed between(std::uint64_t from, std::uint64_t to) {
  if (from == 0 || to == 0 || to < from) return {};
  return {to - from, true};
}

}  // namespace fairlead::telemetry
