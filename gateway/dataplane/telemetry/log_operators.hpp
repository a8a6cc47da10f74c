// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "fairlead/telemetry/log_format.hpp"

namespace fairlead::telemetry {

enum class LogFormat::Operator : std::uint8_t {
  kLiteral,
  kTime,
  kTimeFraction,
  kTimeSeconds,
  kRequestField,
  kResponseField,
  kTrailer,
  kMethod,
  kTarget,
  kPath,
  kAuthority,
  kScheme,
  kRequestId,
  kServiceTime,
  kElapsed,
  kProtocol,
  kUpstreamProtocol,
  kResponseCode,
  kDetails,
  kFlags,
  kFlagsLong,
  kGrpcStatus,
  kGrpcStatusNumber,
  kBytesReceived,
  kBytesSent,
  kRequestHeadBytes,
  kResponseHeadBytes,
  kUpstreamHost,
  kUpstreamAddress,
  kUpstreamPort,
  kUpstreamLocal,
  kUpstreamCluster,
  kAttempts,
  kFailure,
  kClient,
  kClientAddress,
  kClientPort,
  kPeer,
  kPeerAddress,
  kLocal,
  kLocalAddress,
  kLocalPort,
  kServerName,
  kTlsVersion,
  kTlsCipher,
  kPeerIdentity,
  kAlpn,
  kConnectionId,
  kListener,
  kRoute,
  kRule,
  kConsumer,
  kCredential,
  kTraceId,
  kSpanId,
  kHostname,
};

/// What stands in the parentheses of an operator.
enum class Argument : std::uint8_t { kNone, kField, kTime, kElapsed };

struct OperatorRow {
  std::string_view name;
  LogFormat::Operator kind;
  Argument argument = Argument::kNone;
};

[[nodiscard]] const OperatorRow* find_operator(std::string_view name);

/// The points that %COMMON_DURATION(a:b:unit)% may name, and those of the operators with fixed ones.
enum class Point : std::uint8_t { kStart, kHead, kRoute, kRequestEnd, kConnected, kFirstByte, kResponseEnd, kEnd };
[[nodiscard]] std::uint64_t at(const RequestTimes& times, Point point);

/// What an operator found.
struct LogValue {
  enum class Kind : std::uint8_t {
    kNone,
    kPlain,
    kClientText,
    kTarget,
    kNumber,
    kEndpoint,
    kAddress,
    kFlags,
    kFlagsLong
  };
  Kind kind = Kind::kNone;
  std::string_view text{};
  std::int64_t number = 0;
  const net::Endpoint* endpoint = nullptr;
};
[[nodiscard]] LogValue evaluate(const LogFormat::Piece& piece, const RequestRecord& record);

}  // namespace fairlead::telemetry
