// SPDX-License-Identifier: Apache-2.0
#include "fairlead/route/authority.hpp"

#include <algorithm>
#include <array>

#include "fairlead/base/address.hpp"
#include "fairlead/base/ascii.hpp"

namespace fairlead::route {
namespace {

constexpr std::size_t kMaxHost = 255;

enum Class : std::uint8_t { kBad, kPlain, kUpper, kDot, kAt };

constexpr std::array<Class, 256> kClasses = [] {
  std::array<Class, 256> classes{};
  for (std::size_t c = '0'; c <= '9'; ++c) classes[c] = kPlain;
  for (std::size_t c = 'a'; c <= 'z'; ++c) classes[c] = kPlain;
  for (std::size_t c = 'A'; c <= 'Z'; ++c) classes[c] = kUpper;
  for (const char c : std::string_view("-_~!$&'()*+,;=")) classes[static_cast<unsigned char>(c)] = kPlain;
  classes['.'] = kDot;
  classes['@'] = kAt;
  return classes;
}();

std::string_view lower_case(std::string_view text, Arena& arena) {
  char* at = arena.allocate(text.size());
  std::ranges::transform(text, at, [](char c) { return lower_ascii(c); });
  return {at, text.size()};
}

AuthorityError parse_port(std::string_view digits, std::uint16_t& port) {
  unsigned value = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return AuthorityError::kPort;
    value = value * 10 + static_cast<unsigned>(c - '0');
    if (value > 65535) return AuthorityError::kPort;
  }
  if (value == 0 && !digits.empty()) return AuthorityError::kPort;
  port = static_cast<std::uint16_t>(value);
  return AuthorityError::kNone;
}

AuthorityError parse_ipv6(std::string_view text, Arena& arena, Authority& result, std::string_view& rest) {
  const auto end = text.find(']');
  if (end == std::string_view::npos) return AuthorityError::kAddress;
  auto host = text.substr(1, end - 1);
  if (host.find(':') == std::string_view::npos || !Address::parse(host)) return AuthorityError::kAddress;
  if (std::ranges::any_of(host, [](char c) { return c >= 'A' && c <= 'Z'; })) host = lower_case(host, arena);
  result.host = host;
  result.kind = HostKind::kIpv6;
  rest = text.substr(end + 1);
  return rest.empty() || rest.front() == ':' ? AuthorityError::kNone : AuthorityError::kAddress;
}

AuthorityError parse_name(std::string_view text, Arena& arena, Authority& result, std::string_view& rest) {
  std::size_t length = 0;
  bool upper = false;
  bool label_open = false;
  for (; length < text.size() && text[length] != ':'; ++length) {
    switch (kClasses[static_cast<unsigned char>(text[length])]) {
      case kBad: return AuthorityError::kCharacter;
      case kAt: return AuthorityError::kUserinfo;
      case kUpper: upper = true; [[fallthrough]];
      case kPlain: label_open = true; break;
      case kDot:
        if (!label_open) return AuthorityError::kLabel;
        label_open = false;
        break;
    }
  }
  rest = text.substr(length);
  if (rest.find('@') != std::string_view::npos) return AuthorityError::kUserinfo;
  if (length == 0) return AuthorityError::kEmpty;
  auto host = text.substr(0, length - (text[length - 1] == '.' ? 1 : 0));
  if (host.size() > kMaxHost) return AuthorityError::kTooLong;
  if (upper) host = lower_case(host, arena);
  result.host = host;
  const bool address = host.back() >= '0' && host.back() <= '9' && Address::parse(host).has_value();
  result.kind = address ? HostKind::kIpv4 : HostKind::kName;
  return AuthorityError::kNone;
}

bool is_label(std::string_view label) {
  const auto alphanumeric = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !label.empty() && label.size() <= 63 && alphanumeric(label.front()) && alphanumeric(label.back()) &&
         std::ranges::all_of(label, [&](char c) { return alphanumeric(c) || c == '-'; });
}

}  // namespace

std::string_view name_of(AuthorityError error) {
  switch (error) {
    case AuthorityError::kNone: return "none";
    case AuthorityError::kEmpty: return "empty";
    case AuthorityError::kTooLong: return "too_long";
    case AuthorityError::kUserinfo: return "userinfo";
    case AuthorityError::kCharacter: return "invalid_character";
    case AuthorityError::kLabel: return "empty_label";
    case AuthorityError::kAddress: return "invalid_address";
    case AuthorityError::kPort: return "invalid_port";
  }
  return "";
}

AuthorityError parse_authority(std::string_view text, Arena& arena, Authority& result) {
  result = {};
  if (text.empty()) return AuthorityError::kEmpty;
  std::string_view rest;
  const auto error =
      text.front() == '[' ? parse_ipv6(text, arena, result, rest) : parse_name(text, arena, result, rest);
  if (error != AuthorityError::kNone || rest.empty()) return error;
  return parse_port(rest.substr(1), result.port);
}

bool host_matches(std::string_view pattern, std::string_view host) {
  if (pattern.empty()) return true;
  if (!pattern.starts_with("*.")) return pattern == host;
  return host.size() > pattern.size() - 1 && host.ends_with(pattern.substr(1));
}

std::optional<std::string_view> host_intersection(std::string_view a, std::string_view b) {
  const auto covers = [](std::string_view general, std::string_view special) {
    if (general.empty() || general == special) return true;
    // Below a wildcard there are narrower wildcards as well as names: both end with its suffix.
    return general.starts_with("*.") && special.size() >= general.size() && special.ends_with(general.substr(1));
  };
  if (covers(a, b)) return b;
  if (covers(b, a)) return a;
  return std::nullopt;
}

bool is_hostname(std::string_view pattern, bool wildcard_allowed) {
  if (wildcard_allowed && pattern.starts_with("*.")) pattern.remove_prefix(2);
  if (pattern.empty() || pattern.size() > 253 || Address::parse(pattern)) return false;
  for (;;) {
    const auto dot = pattern.find('.');
    if (!is_label(pattern.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    pattern.remove_prefix(dot + 1);
  }
}

}  // namespace fairlead::route
