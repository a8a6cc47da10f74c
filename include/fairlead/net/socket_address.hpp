// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "fairlead/base/result.hpp"
#include "fairlead/net/stream.hpp"

namespace fairlead::net {

/// An address as the kernel takes it: IPv4, IPv6 or a unix socket's path ('@' first: of the abstract namespace).
/// Owner: whoever holds it. Thread: any.
class SocketAddress {
 public:
  SocketAddress() { raw_.common.sa_family = AF_UNSPEC; }
  /// IPv4 where the address is v4-mapped.
  explicit SocketAddress(const Endpoint& endpoint);
  /// Fails for a path that is empty or does not fit into a sockaddr_un (107 bytes).
  static Result<SocketAddress> unix_path(std::string_view path);
  /// "10.0.0.1:80", "[::1]:80", "unix:/run/x.sock" or "unix:@name"; ":80" is every address, dual-stack.
  static Result<SocketAddress> parse(std::string_view text);

  [[nodiscard]] int family() const { return raw_.common.sa_family; }
  [[nodiscard]] bool is_unix() const { return family() == AF_UNIX; }
  [[nodiscard]] bool is_wildcard() const;
  /// Zero for a unix socket.
  [[nodiscard]] Endpoint endpoint() const;
  [[nodiscard]] std::string text() const;  ///< what parse() takes

  [[nodiscard]] const sockaddr* get() const { return &raw_.common; }
  [[nodiscard]] socklen_t length() const { return length_; }
  /// For calls that fill an address in: get_mutable(), with *length_mutable() as capacity and result.
  [[nodiscard]] sockaddr* get_mutable() { return &raw_.common; }
  [[nodiscard]] socklen_t* length_mutable() {
    length_ = sizeof raw_;
    return &length_;
  }

  friend bool operator==(const SocketAddress& a, const SocketAddress& b);

 private:
  union {
    sockaddr common;
    sockaddr_in v4;
    sockaddr_in6 v6;
    sockaddr_un local;
  } raw_{};
  socklen_t length_ = sizeof(sa_family_t);
};

}  // namespace fairlead::net
