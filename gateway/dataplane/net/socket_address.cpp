// SPDX-License-Identifier: Apache-2.0
#include "fairlead/net/socket_address.hpp"

#include <arpa/inet.h>

#include <charconv>
#include <cstddef>
#include <cstring>
#include <optional>

namespace fairlead::net {
namespace {

constexpr std::string_view kUnix = "unix:";

std::optional<std::uint16_t> port_of(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return port;
}

}  // namespace

SocketAddress::SocketAddress(const Endpoint& endpoint) {
  const fl_addr& from = endpoint.address.raw();
  if (endpoint.address.is_v4()) {
    raw_.v4.sin_family = AF_INET;
    raw_.v4.sin_port = htons(endpoint.port);
    std::memcpy(&raw_.v4.sin_addr, reinterpret_cast<const char*>(&from) + 12, 4);
    length_ = sizeof raw_.v4;
  } else {
    raw_.v6.sin6_family = AF_INET6;
    raw_.v6.sin6_port = htons(endpoint.port);
    std::memcpy(&raw_.v6.sin6_addr, &from, 16);
    length_ = sizeof raw_.v6;
  }
}

Result<SocketAddress> SocketAddress::unix_path(std::string_view path) {
  SocketAddress made;
  auto& local = made.raw_.local;
  if (path.empty() || path.size() >= sizeof local.sun_path)
    return fail("unix socket: a path of " + std::to_string(path.size()) + " bytes, expected 1 to " +
                std::to_string(sizeof local.sun_path - 1));
  local.sun_family = AF_UNIX;
  std::memcpy(local.sun_path, path.data(), path.size());
  if (path[0] == '@') local.sun_path[0] = '\0';
  made.length_ = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (path[0] == '@' ? 0 : 1));
  return made;
}

Result<SocketAddress> SocketAddress::parse(std::string_view text) {
  if (text.starts_with(kUnix)) return unix_path(text.substr(kUnix.size()));
  const auto colon = text.rfind(':');
  const auto bad = [&] {
    return fail("address '" + std::string(text) + "': expected ADDRESS:PORT, [IPV6]:PORT, :PORT or unix:PATH");
  };
  if (colon == std::string_view::npos) return bad();
  const auto port = port_of(text.substr(colon + 1));
  auto host = text.substr(0, colon);
  if (!port) return bad();
  if (host.empty()) host = "[::]";
  const bool brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (brackets) host = host.substr(1, host.size() - 2);
  const auto address = Address::parse(host);
  if (!address || brackets != (host.find(':') != std::string_view::npos)) return bad();
  return SocketAddress(Endpoint{*address, *port});
}

bool SocketAddress::is_wildcard() const {
  return (family() == AF_INET && raw_.v4.sin_addr.s_addr == INADDR_ANY) ||
         (family() == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&raw_.v6.sin6_addr));
}

Endpoint SocketAddress::endpoint() const {
  if (family() == AF_INET) return {Address::from_v4(raw_.v4.sin_addr.s_addr), ntohs(raw_.v4.sin_port)};
  if (family() != AF_INET6) return {};
  fl_addr raw{};
  static_assert(sizeof raw == sizeof raw_.v6.sin6_addr);
  std::memcpy(&raw, &raw_.v6.sin6_addr, sizeof raw);
  return {Address(raw), ntohs(raw_.v6.sin6_port)};
}

std::string SocketAddress::text() const {
  if (is_unix()) {
    const auto size = length_ - static_cast<socklen_t>(offsetof(sockaddr_un, sun_path));
    std::string path(raw_.local.sun_path, size);
    if (path.empty()) return std::string(kUnix);
    if (path[0] == '\0') path[0] = '@';
    else path.resize(std::strlen(path.c_str()));
    return std::string(kUnix) + path;
  }
  const Endpoint at = endpoint();
  const std::string address = at.address.text();
  const bool brackets = address.find(':') != std::string::npos;
  return (brackets ? "[" + address + "]" : address) + ":" + std::to_string(at.port);
}

bool operator==(const SocketAddress& a, const SocketAddress& b) {
  if (a.family() != b.family()) return false;
  if (a.is_unix()) return a.length_ == b.length_ && std::memcmp(a.get(), b.get(), a.length_) == 0;
  const Endpoint left = a.endpoint();
  const Endpoint right = b.endpoint();
  return left.address == right.address && left.port == right.port;
}

}  // namespace fairlead::net
