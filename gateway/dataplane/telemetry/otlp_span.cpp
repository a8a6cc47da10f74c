// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "fairlead/telemetry/otlp.hpp"
#include "gateway/dataplane/telemetry/otlp_fields.hpp"
#include "gateway/dataplane/telemetry/protobuf.hpp"
#include "gateway/dataplane/telemetry/protocol.hpp"
#include "gateway/dataplane/telemetry/redact.hpp"

namespace fairlead::telemetry {
namespace {

constexpr std::size_t kMostText = 1024;  // bytes of one value

char* big_endian(char* out, std::uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) *out++ = static_cast<char>(value >> shift);
  return out;
}

/// Attributes of one span, appended as fields of it.
class SpanWriter {
 public:
  explicit SpanWriter(char* out) : out_(out) {}

  void text(std::string_view key, std::string_view value) {
    if (value.empty()) return;
    attribute(key, [&](char* out) {
      return protobuf::message(out, otlp::kAnyString, [&](char* at) { return utf8(at, value); });
    });
  }
  void query(std::string_view value) {
    if (value.empty()) return;
    attribute("url.query", [&](char* out) {
      return protobuf::message(out, otlp::kAnyString,
                               [&](char* at) { return put_query(at, value, text::Escape::kUtf8, kMostText); });
    });
  }
  /// The whole URL that the backend was asked for.
  void url(const RequestRecord& record) {
    attribute("url.full", [&](char* out) {
      return protobuf::message(out, otlp::kAnyString, [&](char* at) {
        at = text::put(at, std::string_view(record.backend_tls ? "https://" : "http://"));
        at = text::put(at, record.backend);
        return put_target(at, record.backend_target, text::Escape::kUtf8, kMostText);
      });
    });
  }
  void number(std::string_view key, std::uint64_t value) {
    attribute(key, [&](char* out) { return protobuf::number(out, otlp::kAnyInt, value); });
  }
  void address(std::string_view key, const Address& value) {
    char buffer[text::kMaxAddress];
    text(key, {buffer, static_cast<std::size_t>(text::put(buffer, value) - buffer)});
  }

  void head(const RequestRecord& record, SpanId id, SpanId parent, std::uint64_t kind, std::string_view suffix) {
    out_ = protobuf::message(out_, otlp::kSpanTraceId, [&](char* out) {
      return big_endian(big_endian(out, record.trace.trace.high), record.trace.trace.low);
    });
    out_ = protobuf::message(out_, otlp::kSpanId, [&](char* out) { return big_endian(out, id); });
    if (!record.trace.state.empty())
      out_ = protobuf::bytes(out_, otlp::kSpanState, record.trace.state.substr(0, kMostText));
    if (parent != 0)
      out_ = protobuf::message(out_, otlp::kSpanParent, [&](char* out) { return big_endian(out, parent); });
    out_ = protobuf::message(out_, otlp::kSpanName, [&](char* out) {
      out = text::put(out, known_method(record.method) ? record.method : std::string_view("HTTP"));
      return suffix.empty() ? out : utf8(text::put(out, " "), suffix);
    });
    out_ = protobuf::number(out_, otlp::kSpanKind, kind);
    // Bit 0: sampled, as in traceparent.
    out_ = protobuf::fixed32(out_, otlp::kSpanFlags, record.trace.sampled ? 1 : 0);
  }
  void times(const RequestRecord& record, std::uint64_t from, std::uint64_t to) {
    const auto start = static_cast<std::uint64_t>(record.start_unix_ns);
    out_ = protobuf::fixed64(out_, otlp::kSpanStart, start + between(record.times.start, from).ns);
    out_ = protobuf::fixed64(out_, otlp::kSpanEnd, start + between(record.times.start, std::max(from, to)).ns);
  }
  void failed(std::string_view why) {
    out_ = protobuf::message(out_, otlp::kSpanStatus, [&](char* out) {
      if (!why.empty()) out = protobuf::message(out, otlp::kStatusMessage, [&](char* at) { return utf8(at, why); });
      return protobuf::number(out, otlp::kStatusCode, otlp::kStatusError);
    });
  }

  static bool known_method(std::string_view method) {
    constexpr std::array<std::string_view, 9> kKnown{"GET",     "HEAD",    "POST",  "PUT",  "DELETE",
                                                     "CONNECT", "OPTIONS", "TRACE", "PATCH"};
    return std::ranges::find(kKnown, method) != kKnown.end();
  }
  void method(std::string_view value) {
    // Semantic conventions: a method that is not known is _OTHER, so that clients cannot make any number of values.
    text("http.request.method", known_method(value) ? value : "_OTHER");
    if (!known_method(value)) text("http.request.method_original", value);
  }
  [[nodiscard]] char* end() const { return out_; }

 private:
  static char* utf8(char* out, std::string_view value) {
    return text::put_escaped(out, value, text::Escape::kUtf8, kMostText);
  }
  template <class Value>
  void attribute(std::string_view key, Value value) {
    out_ = protobuf::message(out_, otlp::kSpanAttributes, [&](char* out) {
      return protobuf::message(protobuf::bytes(out, otlp::kKey, key), otlp::kValue, value);
    });
  }

  char* out_;
};

struct HostPort {
  std::string_view host;
  std::uint64_t port = 0;
};

HostPort split(std::string_view authority, std::string_view scheme) {
  HostPort result{.host = authority, .port = scheme == "https" ? 443U : 80U};
  const auto colon = authority.rfind(':');
  if (colon == std::string_view::npos || authority.ends_with(']')) return result;
  result.host = authority.substr(0, colon);
  std::from_chars(authority.data() + colon + 1, authority.data() + authority.size(), result.port);
  return result;
}

/// The status, or where there is none the flags.
void error_type(SpanWriter& span, const RequestRecord& record, std::uint16_t status) {
  if (status != 0) {
    char code[text::kMaxNumber];
    span.text("error.type", {code, static_cast<std::size_t>(text::put(code, std::uint64_t{status}) - code)});
  } else {
    char flags[ResponseFlags::kMaxText];
    span.text("error.type", {flags, static_cast<std::size_t>(record.flags.write(flags, true) - flags)});
  }
}

void about_rpc(SpanWriter& span, const RequestRecord& record) {
  if (!record.grpc) return;
  span.text("rpc.system", "grpc");
  if (record.grpc_status >= 0) span.number("rpc.grpc.status_code", static_cast<std::uint64_t>(record.grpc_status));
}

void about_us(SpanWriter& span, const RequestRecord& record) {
  span.text("fairlead.request_id", record.request_id);
  span.text("fairlead.listener", record.listener);
  span.text("fairlead.route", record.route);
  span.text("fairlead.backend", record.cluster);
  span.text("enduser.id", record.consumer);
  span.text("fairlead.credential", record.credential);
  if (record.flags.empty()) return;
  char flags[ResponseFlags::kMaxText];
  span.text("fairlead.response_flags", {flags, static_cast<std::size_t>(record.flags.write(flags) - flags)});
}

}  // namespace

char* encode_server_span(const RequestRecord& record, char* out) {
  return protobuf::message(out, otlp::kScopeSpans, [&](char* body) {
    SpanWriter span(body);
    span.head(record, record.trace.span, record.trace.parent, otlp::kKindServer, record.route);
    span.times(record, record.times.start, record.times.end);
    span.method(record.method);
    span.text("url.scheme", record.scheme);
    // Where the path ends; the rest goes by itself so that secrets in it are found.
    const auto query = std::min(record.target.find('?'), record.target.size());
    span.text("url.path", record.target.substr(0, query));
    if (query < record.target.size()) span.query(record.target.substr(query + 1));
    const auto server = split(record.authority, record.scheme);
    span.text("server.address", server.host);
    if (!server.host.empty()) span.number("server.port", server.port);
    if (record.status != 0) span.number("http.response.status_code", record.status);
    span.text("network.protocol.name", "http");
    span.text("network.protocol.version", protocol_version(record.version));
    span.address("client.address", record.client.address);
    span.address("network.peer.address", record.peer.address);
    span.number("network.peer.port", record.peer.port);
    if (record.request != nullptr)
      if (const auto* agent = http::find(*record.request, "user-agent")) span.text("user_agent.original", agent->value);
    span.number("http.request.body.size", record.bytes.request_body);
    span.number("http.response.body.size", record.bytes.response_body);
    about_rpc(span, record);
    about_us(span, record);
    const bool failed = record.status >= 500 || record.status == 0;
    if (failed) error_type(span, record, record.status);
    if (failed) span.failed({});
    return span.end();
  });
}

char* encode_client_span(const RequestRecord& record, char* out) {
  return protobuf::message(out, otlp::kScopeSpans, [&](char* body) {
    SpanWriter span(body);
    span.head(record, record.trace.backend_span, record.trace.span, otlp::kKindClient, {});
    const auto& times = record.times;
    span.times(record, times.route != 0 ? times.route : times.start,
               times.response_end != 0 ? times.response_end : times.end);
    span.method(record.method);
    span.address("server.address", record.backend.address);
    span.number("server.port", record.backend.port);
    span.url(record);
    span.text("network.protocol.version", protocol_version(record.backend_version));
    if (record.attempts > 1) span.number("http.request.resend_count", std::uint64_t{record.attempts} - 1);
    span.text("fairlead.backend", record.cluster);
    const bool answered = record.backend_status != 0;
    if (answered) span.number("http.response.status_code", record.backend_status);
    about_rpc(span, record);
    const bool failed = !answered || record.backend_status >= 400;
    if (failed) error_type(span, record, record.backend_status);
    if (failed) span.failed(record.failure);
    return span.end();
  });
}

}  // namespace fairlead::telemetry
