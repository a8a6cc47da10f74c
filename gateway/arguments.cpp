// SPDX-License-Identifier: Apache-2.0
#include "gateway/arguments.hpp"

#include <charconv>
#include <optional>
#include <string_view>

#include "fairlead/base/address.hpp"

namespace fairlead::gateway {
namespace {

constexpr std::uint16_t kHttpPort = 80;
constexpr std::uint16_t kHttpsPort = 443;

std::optional<std::uint16_t> port_of(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return port;
}

/// "host:port", "[v6]:port", "host", "[v6]"; port: what stands behind the colon, nothing without one.
struct HostPort {
  std::string_view host;
  std::optional<std::string_view> port;
};

std::optional<HostPort> split(std::string_view text) {
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    const auto rest = text.substr(end + 1);
    if (!rest.empty() && rest[0] != ':') return std::nullopt;
    return HostPort{text.substr(1, end - 1), rest.empty() ? std::nullopt : std::optional(rest.substr(1))};
  }
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) return HostPort{text, std::nullopt};
  if (text.find(':', colon + 1) != std::string_view::npos) return std::nullopt;  // IPv6 needs brackets
  return HostPort{text.substr(0, colon), text.substr(colon + 1)};
}

std::unexpected<Error> refuse(std::string_view option, const std::string& found, std::string_view expected) {
  return fail(std::string(option) + ": found \"" + found + "\", expected " + std::string(expected));
}

}  // namespace

Result<ListenArgument> ListenArgument::parse(const std::string& text) {
  constexpr std::string_view kExpected = ":PORT, ADDRESS:PORT or [IPV6]:PORT";
  const auto parts = split(text);
  if (!parts || !parts->port) return refuse("--listen", text, kExpected);
  const auto port = port_of(*parts->port);
  if (!port) return refuse("--listen", text, kExpected);
  ListenArgument out;
  out.port = *port;
  if (!parts->host.empty()) {
    if (!Address::parse(parts->host)) return refuse("--listen", text, "an IP address before the port");
    out.address = parts->host;
  }
  return out;
}

Result<TargetArgument> TargetArgument::parse(const std::string& text) {
  constexpr std::string_view kExpected = "http://HOST[:PORT], https://HOST[:PORT] or h2c://HOST[:PORT], without a path";
  const auto scheme_end = text.find("://");
  if (scheme_end == std::string::npos) return refuse("--to", text, kExpected);
  const auto scheme = std::string_view(text).substr(0, scheme_end);
  TargetArgument out;
  if (scheme == "https") {
    out.tls = true;
  } else if (scheme == "h2c") {
    out.http2 = true;
  } else if (scheme != "http") {
    return refuse("--to", text, kExpected);
  }
  auto rest = std::string_view(text).substr(scheme_end + 3);
  if (rest.ends_with('/')) rest.remove_suffix(1);
  if (rest.find_first_of("/?#@ ") != std::string_view::npos) return refuse("--to", text, kExpected);
  const auto parts = split(rest);
  if (!parts || parts->host.empty()) return refuse("--to", text, kExpected);
  out.port = out.tls ? kHttpsPort : kHttpPort;
  if (parts->port) {
    const auto port = port_of(*parts->port);
    if (!port || *port == 0) return refuse("--to", text, "a port from 1 to 65535");
    out.port = *port;
  }
  out.host = parts->host;
  out.is_name = !Address::parse(out.host);
  return out;
}

}  // namespace fairlead::gateway
