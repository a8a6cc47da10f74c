// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a field of HTTP/2 may be, RFC 9113 8.2.

#include <nghttp2/nghttp2.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "gateway/dataplane/http/grammar.hpp"

namespace fairlead::http {

inline constexpr std::size_t kMostPseudo = 5;

[[nodiscard]] inline std::string_view text_of(nghttp2_rcbuf* buffer) {
  const nghttp2_vec bytes = nghttp2_rcbuf_get_buf(buffer);
  return {reinterpret_cast<const char*>(bytes.base), bytes.len};
}

/// A token without upper-case letters.
[[nodiscard]] constexpr bool is_field_name(std::string_view text) {
  for (const char c : text)
    if (!grammar::is(c, grammar::kToken) || (c >= 'A' && c <= 'Z')) return false;
  return !text.empty();
}

[[nodiscard]] constexpr bool is_field_value(std::string_view text) {
  if (text.empty()) return true;
  if (text.front() == ' ' || text.front() == '\t' || text.back() == ' ' || text.back() == '\t') return false;
  return grammar::all(text, grammar::kContent);
}

/// Digits alone, up to 2^63 - 1.
[[nodiscard]] constexpr bool parse_length(std::string_view text, std::uint64_t& length) {
  if (text.empty() || text.size() > 19) return false;
  std::uint64_t value = 0;
  for (const char c : text) {
    if (!grammar::is(c, grammar::kDigit)) return false;
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  length = value;
  return value <= INT64_MAX;
}

/// Fields of a connection, that HTTP/2 has no place for (RFC 9113 8.2.2); TE is looked at apart.
[[nodiscard]] constexpr bool is_connection_specific(std::string_view name) {
  switch (name.size()) {
    case 7: return name == "upgrade";
    case 10: return name == "connection" || name == "keep-alive";
    case 14: return name == "http2-settings";
    case 16: return name == "proxy-connection";
    case 17: return name == "transfer-encoding";
    default: return false;
  }
}

}  // namespace fairlead::http
