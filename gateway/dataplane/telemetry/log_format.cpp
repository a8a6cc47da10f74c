// SPDX-License-Identifier: Apache-2.0
#include "fairlead/telemetry/log_format.hpp"

#include <algorithm>
#include <array>
#include <ctime>

#include "gateway/dataplane/telemetry/log_operators.hpp"
#include "gateway/dataplane/telemetry/redact.hpp"

namespace fairlead::telemetry {
namespace {

using Op = LogFormat::Operator;
using Place = LogFormat::Place;
using Piece = LogFormat::Piece;
using Kind = LogValue::Kind;

constexpr std::int64_t kSecond = 1'000'000'000;

// Istio's default JSON access log, in its order (by name); then what it lacks. Times begin with the request.
constexpr std::array kDefaultJson{
    JsonField{"authority", "%REQ(:AUTHORITY)%"},
    JsonField{"bytes_received", "%BYTES_RECEIVED%"},
    JsonField{"bytes_sent", "%BYTES_SENT%"},
    JsonField{"downstream_local_address", "%DOWNSTREAM_LOCAL_ADDRESS%"},
    JsonField{"downstream_remote_address", "%DOWNSTREAM_REMOTE_ADDRESS%"},
    JsonField{"duration", "%DURATION%"},
    JsonField{"method", "%REQ(:METHOD)%"},
    JsonField{"path", "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"},
    JsonField{"protocol", "%PROTOCOL%"},
    JsonField{"request_id", "%REQ(X-REQUEST-ID)%"},
    JsonField{"requested_server_name", "%REQUESTED_SERVER_NAME%"},
    JsonField{"response_code", "%RESPONSE_CODE%"},
    JsonField{"response_code_details", "%RESPONSE_CODE_DETAILS%"},
    JsonField{"response_flags", "%RESPONSE_FLAGS%"},
    JsonField{"route_name", "%ROUTE_NAME%"},
    JsonField{"start_time", "%START_TIME%"},
    JsonField{"upstream_cluster", "%UPSTREAM_CLUSTER%"},
    JsonField{"upstream_host", "%UPSTREAM_HOST%"},
    JsonField{"upstream_local_address", "%UPSTREAM_LOCAL_ADDRESS%"},
    JsonField{"upstream_service_time", "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%"},
    JsonField{"upstream_transport_failure_reason", "%UPSTREAM_TRANSPORT_FAILURE_REASON%"},
    JsonField{"user_agent", "%REQ(USER-AGENT)%"},
    JsonField{"x_forwarded_for", "%REQ(X-FORWARDED-FOR)%"},
    JsonField{"listener", "%LISTENER_NAME%"},
    JsonField{"rule", "%RULE_NAME%"},
    JsonField{"upstream_attempts", "%UPSTREAM_REQUEST_ATTEMPT_COUNT%"},
    JsonField{"connected_us", "%COMMON_DURATION(DS_RX_BEG:US_CX_END:us)%"},
    JsonField{"first_byte_us", "%COMMON_DURATION(DS_RX_BEG:US_RX_BEG:us)%"},
    JsonField{"duration_us", "%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%"},
    JsonField{"trace_id", "%TRACE_ID%"},
    JsonField{"consumer", "%CONSUMER_NAME%"},
    JsonField{"credential", "%CREDENTIAL_ID%"},
};

constexpr std::string_view kCommon =
    "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% - %CONSUMER_NAME% [%START_TIME(%d/%b/%Y:%H:%M:%S +0000)%] "
    "\"%REQ(:METHOD)% %REQ(:PATH)% %PROTOCOL%\" %RESPONSE_CODE% %BYTES_SENT%";
constexpr std::string_view kCombined =
    "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% - %CONSUMER_NAME% [%START_TIME(%d/%b/%Y:%H:%M:%S +0000)%] "
    "\"%REQ(:METHOD)% %REQ(:PATH)% %PROTOCOL%\" %RESPONSE_CODE% %BYTES_SENT% \"%REQ(REFERER)%\" \"%REQ(USER-AGENT)%\"";

std::int64_t seconds_of(std::int64_t unix_ns) { return unix_ns / kSecond - (unix_ns % kSecond < 0 ? 1 : 0); }

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
void refresh(TimeCache& cache, std::int64_t second, const std::string& format) {
  const std::time_t moment = second;
  std::tm utc{};
  gmtime_r(&moment, &utc);
  cache.size = static_cast<std::uint8_t>(std::strftime(cache.text.data(), cache.text.size(), format.c_str(), &utc));
  cache.second = second;
}
#pragma GCC diagnostic pop

/// Pieces of a time; quotes and backslashes of a strftime format cannot end a JSON string as they are escaped here.
char* put_time(char* out, const Piece& piece, std::int64_t unix_ns, std::span<TimeCache> times) {
  const auto second = seconds_of(unix_ns);
  if (piece.kind == Op::kTimeSeconds) return text::put(out, second);
  if (piece.kind == Op::kTimeFraction) {
    auto fraction = static_cast<std::uint64_t>(unix_ns - second * kSecond);
    for (int digits = 9; digits > piece.number; --digits) fraction /= 10;
    return text::put_padded(out, fraction, piece.number);
  }
  auto& cache = times[piece.number];
  if (cache.second != second) refresh(cache, second, piece.text);
  const std::string_view formatted(cache.text.data(), cache.size);
  return piece.place == Place::kText ? text::put(out, formatted)
                                     : text::put_escaped(out, formatted, text::Escape::kJson, piece.limit);
}

char* put_text(char* out, const Piece& piece, const LogValue& value) {
  const auto escape = piece.place == Place::kText ? text::Escape::kHex : text::Escape::kJson;
  const auto source = piece.cut != 0 ? value.text.substr(0, piece.cut) : value.text;
  switch (value.kind) {
    case Kind::kTarget: {
      // Redacted before it is cut, or half a secret's name would hide it: so the cut is one of output.
      const auto limit = piece.cut != 0 ? std::min(piece.cut, piece.limit) : piece.limit;
      return put_target(out, value.text, escape, limit);
    }
    case Kind::kClientText: return text::put_escaped(out, source, escape, piece.limit);
    default: return text::put(out, source.substr(0, piece.limit));
  }
}

char* put_quoted(char* out, const Piece& piece, const RequestRecord& record, const LogValue& value) {
  switch (value.kind) {
    case Kind::kEndpoint: return text::put(out, *value.endpoint);
    case Kind::kAddress: return text::put(out, value.endpoint->address);
    case Kind::kFlags: return record.flags.write(out, false);
    case Kind::kFlagsLong: return record.flags.write(out, true);
    default: return put_text(out, piece, value);
  }
}

char* put_id(char* out, const Piece& piece, const TraceFacts& trace) {
  const bool value = piece.place == Place::kJsonValue;
  if (!trace.trace) return text::put(out, value ? "null" : "-");
  if (value) *out++ = '"';
  out = piece.kind == Op::kTraceId ? write_hex(out, trace.trace) : write_hex(out, trace.span);
  if (value) *out++ = '"';
  return out;
}

char* put_piece(char* out, const Piece& piece, const RequestRecord& record, std::span<TimeCache> times) {
  switch (piece.kind) {
    case Op::kLiteral: return text::put(out, piece.text);
    case Op::kTime:
    case Op::kTimeFraction:
    case Op::kTimeSeconds: return put_time(out, piece, record.start_unix_ns, times);
    case Op::kTraceId:
    case Op::kSpanId: return put_id(out, piece, record.trace);
    default: break;
  }
  const auto value = evaluate(piece, record);
  if (value.kind == Kind::kNumber) return text::put(out, value.number);
  const bool json_value = piece.place == Place::kJsonValue;
  if (value.kind == Kind::kNone) return text::put(out, json_value ? "null" : "-");
  if (!json_value) return put_quoted(out, piece, record, value);
  *out++ = '"';
  out = put_quoted(out, piece, record, value);
  *out++ = '"';
  return out;
}

}  // namespace

// Compiled from constants of ours: they cannot fail, as the tests show.
LogFormat LogFormat::json() { return *from_json(kDefaultJson); }
LogFormat LogFormat::common() { return *from_template(kCommon); }
LogFormat LogFormat::combined() { return *from_template(kCombined); }

LogFormat LogFormat::of(std::shared_ptr<const RecordWriter> writer) {
  LogFormat format;
  format.max_line_ = writer->max_bytes();
  format.writer_ = std::move(writer);
  return format;
}

bool LogFormat::shows_response() const {
  if (writer_ != nullptr) return writer_->shows_response();
  return std::ranges::any_of(pieces_, [](const auto& piece) {
    return piece.kind == Operator::kResponseField || piece.kind == Operator::kTrailer;
  });
}

char* LogFormat::write(const RequestRecord& record, char* out, std::span<TimeCache> times) const {
  if (writer_ != nullptr) return writer_->write(record, out);
  for (const auto& piece : pieces_) out = put_piece(out, piece, record, times);
  *out++ = '\n';
  return out;
}

}  // namespace fairlead::telemetry
