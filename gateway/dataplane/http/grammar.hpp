// SPDX-License-Identifier: Apache-2.0
#pragma once

// Character classes and small grammars of RFC 9110 and RFC 3986, shared by the codecs.

#include <array>
#include <cstdint>
#include <string_view>

namespace fairlead::http::grammar {

enum Class : std::uint8_t {
  kToken = 1,        ///< tchar, RFC 9110 5.6.2
  kContent = 2,      ///< of a field value: VCHAR, obs-text, SP, HTAB; RFC 9110 5.5
  kTarget = 4,       ///< pchar, "/" and "?" without "%", RFC 3986 3.3 and 3.4
  kLooseTarget = 8,  ///< the same and what browsers leave unencoded
  kRegName = 16,     ///< of a reg-name, without "%", RFC 3986 3.2.2
  kHex = 32,
  kDigit = 64,
};

constexpr bool among(char c, std::string_view set) { return set.find(c) != std::string_view::npos; }

constexpr std::uint8_t classes_of(unsigned char byte) {
  const char c = static_cast<char>(byte);
  const bool digit = c >= '0' && c <= '9';
  const bool alnum = digit || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  const bool reg_name = alnum || (byte != 0 && among(c, "-._~!$&'()*+,;="));
  const bool target = reg_name || (byte != 0 && among(c, ":@/?"));
  unsigned classes = 0;
  if (alnum || (byte != 0 && among(c, "!#$%&'*+-.^_`|~"))) classes |= kToken;
  if ((byte >= 0x20 && byte != 0x7f) || byte == '\t') classes |= kContent;
  if (target) classes |= kTarget;
  if (target || (byte != 0 && among(c, "\"[]^`{|}\\"))) classes |= kLooseTarget;
  if (reg_name) classes |= kRegName;
  if (digit || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')) classes |= kHex;
  if (digit) classes |= kDigit;
  return static_cast<std::uint8_t>(classes);
}

inline constexpr auto kClasses = [] {
  std::array<std::uint8_t, 256> table{};
  for (unsigned byte = 0; byte < 256; ++byte) table[byte] = classes_of(static_cast<unsigned char>(byte));
  return table;
}();

[[nodiscard]] constexpr bool is(char c, Class wanted) {
  return (kClasses[static_cast<unsigned char>(c)] & wanted) != 0;
}

[[nodiscard]] constexpr bool all(std::string_view text, Class wanted) {
  for (const char c : text) {
    if (!is(c, wanted)) return false;
  }
  return true;
}

[[nodiscard]] constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

/// `lower_case` has no upper-case letters.
[[nodiscard]] constexpr bool equals_ignoring_case(std::string_view text, std::string_view lower_case) {
  if (text.size() != lower_case.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (lower(text[i]) != lower_case[i]) return false;
  }
  return true;
}

/// Without spaces and tabs around it.
[[nodiscard]] constexpr std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// Takes the next element off a comma-separated list (RFC 9110 5.6.1); empty ones too.
[[nodiscard]] constexpr std::string_view next_element(std::string_view& list) {
  const auto comma = list.find(',');
  const auto element = trim(list.substr(0, comma));
  list = comma == std::string_view::npos ? std::string_view{} : list.substr(comma + 1);
  return element;
}

[[nodiscard]] constexpr bool is_token(std::string_view text) { return !text.empty() && all(text, kToken); }

/// "%" and two hexadecimal digits at `at`.
[[nodiscard]] constexpr bool is_triplet(std::string_view text, std::size_t at) {
  return at + 2 < text.size() && text[at] == '%' && is(text[at + 1], kHex) && is(text[at + 2], kHex);
}

/// Path and query of origin-form: only characters of `wanted` (kTarget or kLooseTarget) and whole percent triplets.
[[nodiscard]] bool is_path_and_query(std::string_view text, Class wanted = kTarget);

/// uri-host [ ":" port ] with a host that is not empty, RFC 9110 7.2 and RFC 3986 3.2.2: a reg-name, an IPv4 address or
/// an IPv6 address in brackets; a port is up to 65535 and may be empty. No user information.
[[nodiscard]] bool is_authority(std::string_view text);

/// An authority with a port that is not empty, as CONNECT needs.
[[nodiscard]] bool is_host_and_port(std::string_view text);

/// A field that may not stand in a request's trailer section: framing, routing, modifiers, authentication, content
/// handling; RFC 9110 6.5.1. Lower case. Nor is it written into one of HTTP/1.
[[nodiscard]] bool is_forbidden_trailer(std::string_view name);

/// A field of the connection or of the framing: of a response's trailer section it is taken off. The rest may be
/// anybody's: in gRPC a server's trailing metadata stand there, whatever they are called. Lower case.
[[nodiscard]] bool is_hop_trailer(std::string_view name);

}  // namespace fairlead::http::grammar
