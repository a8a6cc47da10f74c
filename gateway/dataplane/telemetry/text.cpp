// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/telemetry/text.hpp"

#include <arpa/inet.h>

#include <array>
#include <cstring>

namespace fairlead::telemetry::text {
namespace {

constexpr std::uint64_t kOnes = 0x0101010101010101;
constexpr std::uint64_t kHighs = 0x8080808080808080;
constexpr std::string_view kDigits = "0123456789abcdef";

constexpr std::uint64_t has_zero(std::uint64_t word) { return (word - kOnes) & ~word & kHighs; }

/// Non-zero where one of eight bytes is not printable ASCII, or a quote or backslash. May be wrong in one direction
/// only: a byte behind a suspicious one may look suspicious too.
constexpr std::uint64_t suspicious(std::uint64_t word) {
  const auto below_space = (word - kOnes * 0x20) & ~word & kHighs;
  return below_space | has_zero(word ^ (kOnes * '"')) | has_zero(word ^ (kOnes * '\\')) |
         has_zero(word ^ (kOnes * 0x7f)) | (word & kHighs);
}

constexpr bool is_plain(unsigned char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; }

/// Length of the UTF-8 character that `at` begins with, and the character; 0 where it is none (RFC 3629, 4).
std::size_t decode(const unsigned char* at, std::size_t left, std::uint32_t& character) {
  const auto first = at[0];
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || left < length) return 0;
  character = first & (0xffU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((at[i] & 0xc0) != 0x80) return 0;
    character = (character << 6) | (at[i] & 0x3fU);
  }
  constexpr std::array<std::uint32_t, 5> kLeast{0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = character >= 0xd800 && character <= 0xdfff;
  return character < kLeast[length] || surrogate || character > 0x10ffff ? 0 : length;
}

/// C1 controls, line and paragraph separators, and what changes the direction of writing: could forge what a terminal
/// shows.
constexpr bool deceives(std::uint32_t c) {
  return c < 0xa0 || (c >= 0x200e && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) ||
         c == 0x061c || c == 0xfeff;
}

std::size_t unicode_escape(char* out, std::uint32_t character) {
  out[0] = '\\';
  out[1] = 'u';
  for (int i = 0; i < 4; ++i) out[2 + i] = kDigits[(character >> (12 - 4 * i)) & 15];
  return 6;
}

/// One byte or character that is not plain; how much of the value it took goes to `taken`.
std::size_t json_escape(char* out, const unsigned char* at, std::size_t left, std::size_t& taken) {
  taken = 1;
  const auto byte = at[0];
  constexpr std::string_view kNamed = "\"\"\\\\\nn\rr\tt\bb\ff";
  for (std::size_t i = 0; i < kNamed.size(); i += 2) {
    if (static_cast<char>(byte) != kNamed[i]) continue;
    out[0] = '\\';
    out[1] = kNamed[i + 1];
    return 2;
  }
  if (byte < 0x80) return unicode_escape(out, byte);
  std::uint32_t character = 0;
  const auto length = decode(at, left, character);
  if (length == 0) return unicode_escape(out, 0xfffd);
  taken = length;
  if (deceives(character)) return unicode_escape(out, character);
  std::memcpy(out, at, length);
  return length;
}

/// A character as it is, or U+FFFD.
std::size_t utf8_or_replacement(char* out, const unsigned char* at, std::size_t left, std::size_t& taken) {
  std::uint32_t character = 0;
  const auto length = *at < 0x80 ? 1 : decode(at, left, character);
  taken = length == 0 ? 1 : length;
  std::memcpy(out, length == 0 ? "\xef\xbf\xbd" : reinterpret_cast<const char*>(at), length == 0 ? 3 : length);
  return length == 0 ? 3 : length;
}

std::size_t hex_escape(char* out, unsigned char byte) {
  out[0] = '\\';
  out[1] = 'x';
  out[2] = "0123456789ABCDEF"[byte >> 4];
  out[3] = "0123456789ABCDEF"[byte & 15];
  return 4;
}

}  // namespace

char* put(char* out, const Address& address) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(&address.raw());
  if (!address.is_v4()) {
    if (inet_ntop(AF_INET6, bytes, out, INET6_ADDRSTRLEN) == nullptr) return out;
    return out + std::strlen(out);
  }
  for (int i = 12; i < 16; ++i) {
    if (i != 12) *out++ = '.';
    const unsigned value = bytes[i];
    if (value >= 100) *out++ = static_cast<char>('0' + value / 100);
    if (value >= 10) *out++ = static_cast<char>('0' + value / 10 % 10);
    *out++ = static_cast<char>('0' + value % 10);
  }
  return out;
}

char* put(char* out, const net::Endpoint& endpoint) {
  const bool brackets = !endpoint.address.is_v4();
  if (brackets) *out++ = '[';
  out = put(out, endpoint.address);
  if (brackets) *out++ = ']';
  *out++ = ':';
  return put(out, std::uint64_t{endpoint.port});
}

char* put_escaped(char* out, std::string_view value, Escape escape, std::size_t limit) {
  const auto* at = reinterpret_cast<const unsigned char*>(value.data());
  const auto* const end = at + value.size();
  char* const stop = out + limit;
  if (escape == Escape::kPlain) return put(out, value.substr(0, limit));
  while (at != end) {
    while (end - at >= 8 && stop - out >= 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, at, 8);
      if (suspicious(word) != 0) break;
      std::memcpy(out, at, 8);
      at += 8;
      out += 8;
    }
    // At most eight bytes one by one, then words again.
    for (int i = 0; i < 8 && at != end; ++i) {
      char one[8];
      std::size_t taken = 1;
      std::size_t size = 1;
      if (is_plain(*at)) one[0] = static_cast<char>(*at);
      else if (escape == Escape::kHex) size = hex_escape(one, *at);
      else if (escape == Escape::kUtf8) size = utf8_or_replacement(one, at, static_cast<std::size_t>(end - at), taken);
      else size = json_escape(one, at, static_cast<std::size_t>(end - at), taken);
      if (static_cast<std::size_t>(stop - out) < size) return out;
      std::memcpy(out, one, size);
      out += size;
      at += taken;
    }
  }
  return out;
}

}  // namespace fairlead::telemetry::text
