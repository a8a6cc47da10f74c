// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/telemetry/log_operators.hpp"

#include <algorithm>
#include <array>

#include "gateway/dataplane/telemetry/grpc_status.hpp"
#include "gateway/dataplane/telemetry/protocol.hpp"
#include "gateway/dataplane/telemetry/redact.hpp"

namespace fairlead::telemetry {
namespace {

using Op = LogFormat::Operator;
using Kind = LogValue::Kind;

constexpr std::array kOperators{
    OperatorRow{"START_TIME", Op::kTime, Argument::kTime},
    OperatorRow{"REQ", Op::kRequestField, Argument::kField},
    OperatorRow{"RESP", Op::kResponseField, Argument::kField},
    OperatorRow{"TRAILER", Op::kTrailer, Argument::kField},
    OperatorRow{"COMMON_DURATION", Op::kElapsed, Argument::kElapsed},
    OperatorRow{"DURATION", Op::kElapsed},
    OperatorRow{"REQUEST_DURATION", Op::kElapsed},
    OperatorRow{"RESPONSE_DURATION", Op::kElapsed},
    OperatorRow{"RESPONSE_TX_DURATION", Op::kElapsed},
    OperatorRow{"PROTOCOL", Op::kProtocol},
    OperatorRow{"UPSTREAM_PROTOCOL", Op::kUpstreamProtocol},
    OperatorRow{"RESPONSE_CODE", Op::kResponseCode},
    OperatorRow{"RESPONSE_CODE_DETAILS", Op::kDetails},
    OperatorRow{"RESPONSE_FLAGS", Op::kFlags},
    OperatorRow{"RESPONSE_FLAGS_LONG", Op::kFlagsLong},
    OperatorRow{"GRPC_STATUS", Op::kGrpcStatus},
    OperatorRow{"GRPC_STATUS_NUMBER", Op::kGrpcStatusNumber},
    OperatorRow{"BYTES_RECEIVED", Op::kBytesReceived},
    OperatorRow{"BYTES_SENT", Op::kBytesSent},
    OperatorRow{"REQUEST_HEADERS_BYTES", Op::kRequestHeadBytes},
    OperatorRow{"RESPONSE_HEADERS_BYTES", Op::kResponseHeadBytes},
    OperatorRow{"UPSTREAM_HOST", Op::kUpstreamHost},
    OperatorRow{"UPSTREAM_REMOTE_ADDRESS", Op::kUpstreamHost},
    OperatorRow{"UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", Op::kUpstreamAddress},
    OperatorRow{"UPSTREAM_REMOTE_PORT", Op::kUpstreamPort},
    OperatorRow{"UPSTREAM_LOCAL_ADDRESS", Op::kUpstreamLocal},
    OperatorRow{"UPSTREAM_CLUSTER", Op::kUpstreamCluster},
    OperatorRow{"UPSTREAM_CLUSTER_RAW", Op::kUpstreamCluster},
    OperatorRow{"UPSTREAM_REQUEST_ATTEMPT_COUNT", Op::kAttempts},
    OperatorRow{"UPSTREAM_TRANSPORT_FAILURE_REASON", Op::kFailure},
    OperatorRow{"DOWNSTREAM_REMOTE_ADDRESS", Op::kClient},
    OperatorRow{"DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", Op::kClientAddress},
    OperatorRow{"DOWNSTREAM_REMOTE_PORT", Op::kClientPort},
    OperatorRow{"DOWNSTREAM_DIRECT_REMOTE_ADDRESS", Op::kPeer},
    OperatorRow{"DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT", Op::kPeerAddress},
    OperatorRow{"DOWNSTREAM_LOCAL_ADDRESS", Op::kLocal},
    OperatorRow{"DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT", Op::kLocalAddress},
    OperatorRow{"DOWNSTREAM_LOCAL_PORT", Op::kLocalPort},
    OperatorRow{"REQUESTED_SERVER_NAME", Op::kServerName},
    OperatorRow{"DOWNSTREAM_TLS_VERSION", Op::kTlsVersion},
    OperatorRow{"DOWNSTREAM_TLS_CIPHER", Op::kTlsCipher},
    OperatorRow{"DOWNSTREAM_PEER_URI_SAN", Op::kPeerIdentity},
    OperatorRow{"DOWNSTREAM_PEER_IDENTITY", Op::kPeerIdentity},
    OperatorRow{"DOWNSTREAM_ALPN", Op::kAlpn},
    OperatorRow{"CONNECTION_ID", Op::kConnectionId},
    OperatorRow{"LISTENER_NAME", Op::kListener},
    OperatorRow{"ROUTE_NAME", Op::kRoute},
    OperatorRow{"RULE_NAME", Op::kRule},
    OperatorRow{"PATH_NORMALIZED", Op::kPath},
    OperatorRow{"CONSUMER_NAME", Op::kConsumer},
    OperatorRow{"CREDENTIAL_ID", Op::kCredential},
    OperatorRow{"TRACE_ID", Op::kTraceId},
    OperatorRow{"SPAN_ID", Op::kSpanId},
    OperatorRow{"HOSTNAME", Op::kHostname},
};

LogValue plain(std::string_view text) {
  return text.empty() ? LogValue{} : LogValue{.kind = Kind::kPlain, .text = text};
}
LogValue from_client(std::string_view text, Kind kind = Kind::kClientText) {
  return text.empty() ? LogValue{} : LogValue{.kind = kind, .text = text};
}
LogValue number(std::uint64_t value) { return {.kind = Kind::kNumber, .number = static_cast<std::int64_t>(value)}; }
LogValue endpoint(const net::Endpoint& value, Kind kind, bool known = true) {
  return known ? LogValue{.kind = kind, .endpoint = &value} : LogValue{};
}

LogValue field(const http::Fields* fields, const LogFormat::Piece& piece) {
  if (fields == nullptr) return {};
  const auto* found = http::find(*fields, piece.text);
  if (found == nullptr && !piece.alternative.empty()) found = http::find(*fields, piece.alternative);
  if (found == nullptr) return {};
  if (piece.redacted || secret_field(found->name)) return plain("[redacted]");
  const bool is_url = found->name == "referer" || found->name == "location";
  return from_client(found->value, is_url ? Kind::kTarget : Kind::kClientText);
}

LogValue elapsed(const RequestTimes& times, const LogFormat::Piece& piece) {
  const auto found = between(at(times, static_cast<Point>(piece.number)), at(times, static_cast<Point>(piece.second)));
  constexpr std::uint64_t kMillisecond = 1'000'000;
  const auto unit = piece.text == "ns" ? 1 : piece.text == "us" ? kMillisecond / 1000 : kMillisecond;
  return found.known ? number(found.ns / unit) : LogValue{};
}

LogValue tls_text(const RequestRecord& record, std::string_view net::TlsFacts::* member) {
  return record.tls == nullptr ? LogValue{} : from_client(record.tls->*member);
}

LogValue of_backend(Op kind, const RequestRecord& record) {
  const bool known = record.has_backend;
  switch (kind) {
    case Op::kUpstreamHost: return endpoint(record.backend, Kind::kEndpoint, known);
    case Op::kUpstreamAddress: return endpoint(record.backend, Kind::kAddress, known);
    case Op::kUpstreamPort: return known ? number(record.backend.port) : LogValue{};
    case Op::kUpstreamLocal:
      return endpoint(record.backend_local, Kind::kEndpoint, known && record.backend_local.port != 0);
    case Op::kUpstreamProtocol:
      return known && !record.stream ? plain(protocol_name(record.backend_version)) : LogValue{};
    case Op::kUpstreamCluster: return from_client(record.cluster);
    case Op::kAttempts: return number(record.attempts);
    default: return from_client(record.failure);
  }
}

LogValue of_connection(Op kind, const RequestRecord& record) {
  switch (kind) {
    case Op::kClient: return endpoint(record.client, Kind::kEndpoint);
    case Op::kClientAddress: return endpoint(record.client, Kind::kAddress);
    case Op::kClientPort: return number(record.client.port);
    case Op::kPeer: return endpoint(record.peer, Kind::kEndpoint);
    case Op::kPeerAddress: return endpoint(record.peer, Kind::kAddress);
    case Op::kLocal: return endpoint(record.local, Kind::kEndpoint);
    case Op::kLocalAddress: return endpoint(record.local, Kind::kAddress);
    case Op::kLocalPort: return number(record.local.port);
    case Op::kServerName: return tls_text(record, &net::TlsFacts::server_name);
    case Op::kTlsVersion: return tls_text(record, &net::TlsFacts::version);
    case Op::kTlsCipher: return tls_text(record, &net::TlsFacts::cipher);
    case Op::kAlpn: return tls_text(record, &net::TlsFacts::alpn);
    case Op::kPeerIdentity:
      return record.tls != nullptr && record.tls->peer_verified ? from_client(record.tls->peer_identity) : LogValue{};
    default: return number(record.connection_id);
  }
}

LogValue grpc(Op kind, const RequestRecord& record) {
  if (record.grpc_status == kNoGrpcStatus) return {};
  const auto name = grpc_status_name(record.grpc_status);
  if (kind == Op::kGrpcStatusNumber || name.empty()) return number(static_cast<std::uint64_t>(record.grpc_status));
  return plain(name);
}

}  // namespace

const OperatorRow* find_operator(std::string_view name) {
  const auto* found = std::ranges::find(kOperators, name, &OperatorRow::name);
  return found == kOperators.end() ? nullptr : found;
}

std::uint64_t at(const RequestTimes& times, Point point) {
  switch (point) {
    case Point::kStart: return times.start;
    case Point::kHead: return times.head;
    case Point::kRoute: return times.route;
    case Point::kRequestEnd: return times.request_end;
    case Point::kConnected: return times.connected;
    case Point::kFirstByte: return times.first_byte;
    case Point::kResponseEnd: return times.response_end;
    case Point::kEnd: return times.end;
  }
  return 0;
}

LogValue evaluate(const LogFormat::Piece& piece, const RequestRecord& record) {
  switch (piece.kind) {
    case Op::kRequestField: return field(record.request, piece);
    case Op::kResponseField: return field(record.response, piece);
    case Op::kTrailer: return field(record.trailers, piece);
    case Op::kMethod: return from_client(record.method);
    case Op::kTarget: return from_client(record.target, Kind::kTarget);
    case Op::kPath: return from_client(record.path);
    case Op::kAuthority: return from_client(record.authority);
    case Op::kScheme: return from_client(record.scheme);
    case Op::kRequestId: return from_client(record.request_id);
    case Op::kServiceTime:
    case Op::kElapsed: return elapsed(record.times, piece);
    case Op::kProtocol: return record.stream ? LogValue{} : plain(protocol_name(record.version));
    case Op::kResponseCode: return number(record.status);
    case Op::kDetails: return from_client(record.details);
    case Op::kFlags: return {.kind = Kind::kFlags};
    case Op::kFlagsLong: return {.kind = Kind::kFlagsLong};
    case Op::kGrpcStatus:
    case Op::kGrpcStatusNumber: return grpc(piece.kind, record);
    case Op::kBytesReceived: return number(record.bytes.request_body);
    case Op::kBytesSent: return number(record.bytes.response_body);
    case Op::kRequestHeadBytes: return number(record.bytes.request_head);
    case Op::kResponseHeadBytes: return number(record.bytes.response_head);
    case Op::kUpstreamHost:
    case Op::kUpstreamAddress:
    case Op::kUpstreamPort:
    case Op::kUpstreamLocal:
    case Op::kUpstreamProtocol:
    case Op::kUpstreamCluster:
    case Op::kAttempts:
    case Op::kFailure: return of_backend(piece.kind, record);
    case Op::kListener: return from_client(record.listener);
    case Op::kRoute: return from_client(record.route);
    case Op::kRule: return from_client(record.rule);
    case Op::kConsumer: return from_client(record.consumer);
    case Op::kCredential: return from_client(record.credential);
    case Op::kHostname: return from_client(piece.text);
    default: return of_connection(piece.kind, record);
  }
}

}  // namespace fairlead::telemetry
