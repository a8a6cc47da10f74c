// SPDX-License-Identifier: Apache-2.0
#pragma once

// Writers into memory that is known to suffice: each says how much it may need. All return the end of what they wrote.

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string_view>

#include "fairlead/net/stream.hpp"

namespace fairlead::telemetry::text {

/// Its line feeds. By memchr, as lines are long: std::count looks at one byte after the other.
[[nodiscard]] inline std::size_t lines_in(std::string_view bytes) {
  std::size_t lines = 0;
  for (auto feed = bytes.find('\n'); feed != std::string_view::npos; feed = bytes.find('\n', feed + 1)) ++lines;
  return lines;
}

inline char* put(char* out, std::string_view plain) {
  return std::ranges::copy(plain, out).out;  // memcpy takes no null, which an empty text may be
}

inline constexpr std::size_t kMaxNumber = 20;
inline char* put(char* out, std::uint64_t value) { return std::to_chars(out, out + kMaxNumber, value).ptr; }
inline char* put(char* out, std::int64_t value) { return std::to_chars(out, out + kMaxNumber, value).ptr; }

/// `digits` decimal digits, zeros in front.
inline char* put_padded(char* out, std::uint64_t value, int digits) {
  for (int at = digits - 1; at >= 0; --at, value /= 10) out[at] = static_cast<char>('0' + value % 10);
  return out + digits;
}

inline constexpr std::size_t kMaxAddress = 64;  ///< an IPv6 address in brackets with its port
/// "10.0.0.1" or "2001:db8::1".
char* put(char* out, const Address& address);
/// "10.0.0.1:80" or "[2001:db8::1]:80".
char* put(char* out, const net::Endpoint& endpoint);

enum class Escape : std::uint8_t {
  kPlain,  ///< as it is: for texts of ours
  kJson,   ///< RFC 8259; what is no UTF-8 becomes U+FFFD; controls, line and direction characters become \uXXXX
  kUtf8,   ///< as it is, but what is no UTF-8 becomes U+FFFD: for protobuf
  kHex,    ///< quotes, backslashes, controls and everything beyond ASCII become \xXX, as in nginx
};

/// Not more than `limit` bytes, never half an escape or character.
char* put_escaped(char* out, std::string_view value, Escape escape, std::size_t limit);

}  // namespace fairlead::telemetry::text
