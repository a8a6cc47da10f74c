// SPDX-License-Identifier: Apache-2.0
#include "agent/admin/target.hpp"

#include <algorithm>
#include <charconv>

namespace fairlead::admin {
namespace {

constexpr std::size_t kShown = 100;  // characters of what was found

/// Names of Kubernetes, and of their namespace before a slash.
bool is_name(const std::string& text) {
  return std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '/';
  });
}

std::string unreadable(const std::string& text, const char* hint) {
  return "found " + text.substr(0, kShown) +
         ", expected ADDRESS:PORT such as 10.96.0.10:80 or [2001:db8::1]:80, or SERVICE:PORT" + hint;
}

}  // namespace

Result<TargetText> read_target(const std::string& text) {
  const auto colon = text.rfind(':');
  std::string host = text.substr(0, colon == std::string::npos ? 0 : colon);
  TargetText target;
  const char* end = text.data() + text.size();
  if (host.empty() || std::from_chars(text.data() + colon + 1, end, target.port).ptr != end || target.port == 0)
    return fail(unreadable(text, ""));
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  // Without brackets 2001:db8::1:80 would be an address as well as an address with a port.
  else if (host.find(':') != std::string::npos) return fail(unreadable(text, "; IPv6 addresses stand in brackets"));
  target.address = Address::parse(host);
  if (!target.address && (bracketed || !is_name(host))) return fail(unreadable(text, ""));
  target.name = std::move(host);
  return target;
}

std::string target_text(const Address& address, std::uint16_t port) {
  return (address.is_v4() ? address.text() : "[" + address.text() + "]") + ":" + std::to_string(port);
}

}  // namespace fairlead::admin
