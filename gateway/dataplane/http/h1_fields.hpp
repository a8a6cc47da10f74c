// SPDX-License-Identifier: Apache-2.0
#pragma once

// Field sections of HTTP/1: their lines, and the fields that a connection or the framing needs.

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include "fairlead/http/h1_parser.hpp"
#include "gateway/dataplane/http/grammar.hpp"
#include "gateway/dataplane/http/h1_scan.hpp"

namespace fairlead::http::h1 {

inline constexpr std::size_t kUsualFields = 32;  ///< of a head, for which room is made at once

static_assert(kH1Slack >= kScanSlack);

/// What vectors are used; a test sets it.
extern const ScanKernels* scan;

enum class Known : std::uint8_t {
  kOther,
  kHost,
  kContentLength,
  kTransferEncoding,
  kConnection,
  kDropped,  ///< of the connection, and without a meaning here
  kTe,
  kUpgrade,
  kExpect,
};

[[nodiscard]] inline Known known_of(std::string_view name) {
  switch (name.size()) {
    case 2: return name == "te" ? Known::kTe : Known::kOther;
    case 4: return name == "host" ? Known::kHost : Known::kOther;
    case 6: return name == "expect" ? Known::kExpect : Known::kOther;
    case 7: return name == "upgrade" ? Known::kUpgrade : Known::kOther;
    case 10:
      if (name == "connection") return Known::kConnection;
      return name == "keep-alive" ? Known::kDropped : Known::kOther;
    case 14:
      if (name == "content-length") return Known::kContentLength;
      return name == "http2-settings" ? Known::kDropped : Known::kOther;
    case 16: return name == "proxy-connection" ? Known::kDropped : Known::kOther;
    case 17: return name == "transfer-encoding" ? Known::kTransferEncoding : Known::kOther;
    default: return Known::kOther;
  }
}

/// What a section says of framing and connection.
struct Framing {
  bool has_length = false;
  bool has_coding = false;
  bool close = false;
  bool keep_alive = false;
  bool names_upgrade = false;
  std::uint64_t length = 0;
  std::string_view upgrade;

  H1Refusal take_length(std::string_view value);
  /// Transfer-Encoding: chunked, once and nothing else (RFC 9112 6.1, 6.3).
  H1Refusal take_coding(std::string_view value);
  H1Refusal take_connection(std::string_view value, std::vector<std::string_view>& named);
};

/// Removes the fields that Connection has named.
void remove_named(Fields& fields, const std::vector<std::string_view>& named);

/// Takes a field off; its value.
[[nodiscard]] std::string_view take_off(Fields& fields, std::string_view name);

/// Why a line that ends wrongly, or whose name does, is refused.
[[nodiscard]] inline H1Refusal refusal_at(char found) {
  return grammar::is(found, grammar::kContent) ? H1Refusal::kFieldName : H1Refusal::kLineEnd;
}

/// Whether white space may stand between a name and its colon: never in requests, and taken off responses (RFC
/// 9112 5.1).
enum class Names : std::uint8_t { kStrict, kSpaced };

/// One line at `at`, which begins neither with CR nor with white space. kDone: `at` is behind it.
template <Names names = Names::kStrict>
H1Step parse_line(char*& at, char* end, Field& field, H1Refusal& refusal) {
  FieldScan line = scan->field(at, end);
  char* colon = line.colon;
  if constexpr (names == Names::kSpaced) {
    if (colon != at) colon = skip_white(colon, end);
    if (colon != end && colon != line.colon) line.value = skip_white(colon + 1, end);
  }
  if (colon == end) return H1Step::kMore;
  if (*colon != ':' || colon == at) {
    refusal = refusal_at(*colon);
    return H1Step::kRefused;
  }
  char* value_end = line.value_end;
  if (value_end == end) return H1Step::kMore;
  if (*value_end == '\r' && value_end + 1 == end) return H1Step::kMore;
  if (*value_end != '\r' || value_end[1] != '\n') {
    refusal = H1Refusal::kLineEnd;
    return H1Step::kRefused;
  }
  field.name = {at, static_cast<std::size_t>(line.colon - at)};
  at = value_end + 2;
  while (value_end > line.value && (value_end[-1] == ' ' || value_end[-1] == '\t')) --value_end;
  field.value = {line.value, static_cast<std::size_t>(value_end - line.value)};
  return H1Step::kDone;
}

/// The lines from `at` to the empty one. take(field) gives a refusal or kNone. Never looks beyond limits.fields_bytes,
/// so that a section that is too long is refused for that, however it came.
template <Names names = Names::kStrict, class Take>
H1Step parse_section(char*& at, char* end, const HeadLimits& limits, H1Refusal& refusal, Take take) {
  const auto refuse = [&](H1Refusal why) {
    refusal = why;
    return H1Step::kRefused;
  };
  const bool at_limit = static_cast<std::size_t>(end - at) >= limits.fields_bytes;
  if (at_limit) end = at + limits.fields_bytes;
  const auto more = [&] { return at_limit ? refuse(H1Refusal::kFieldsTooLarge) : H1Step::kMore; };
  for (std::uint32_t count = 0;; ++count) {
    if (at == end) return more();
    if (*at == '\r') {
      if (at + 1 == end) return more();
      if (at[1] != '\n') return refuse(H1Refusal::kLineEnd);
      at += 2;
      return H1Step::kDone;
    }
    if (*at == ' ' || *at == '\t') return refuse(H1Refusal::kFolded);
    if (count == limits.fields) return refuse(H1Refusal::kTooManyFields);
    Field field;
    if (const auto step = parse_line<names>(at, end, field, refusal); step != H1Step::kDone) {
      return step == H1Step::kMore ? more() : step;
    }
    if (const auto why = take(field); why != H1Refusal::kNone) return refuse(why);
  }
}

/// "HTTP/1." and a digit at `at`, which moves behind it.
H1Step parse_version(const char*& at, const char* end, Version& version, H1Refusal& refusal);

/// The trailer section of a response, which is half sent by then: fields that may not stand there are left out
/// (RFC 9110 6.5.1), where those of a request are refused.
H1Step parse_response_trailers(H1Trailers& trailers, std::span<char> bytes, const H1Limits& limits);

}  // namespace fairlead::http::h1
