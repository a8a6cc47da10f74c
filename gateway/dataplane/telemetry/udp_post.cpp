// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/telemetry/udp_post.hpp"

#include <netdb.h>
#include <sys/socket.h>

#include <ctime>

namespace fairlead::telemetry {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kGoodFor = 60 * kSecond, kBadFor = kSecond;

std::int64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * kSecond + now.tv_nsec;
}

/// A socket that is connected to the first address that takes it.
Fd connect_to(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  Fd out;
  if (::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) return out;
  // What is called localhost is ::1 first, and those who listen are at 127.0.0.1 as a rule.
  for (const int family : {AF_INET, AF_INET6})
    for (const auto* one = found; one != nullptr && !out; one = one->ai_next) {
      if (one->ai_family != family) continue;
      Fd made(::socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
      if (made && ::connect(made.get(), one->ai_addr, one->ai_addrlen) == 0) out = std::move(made);
    }
  ::freeaddrinfo(found);
  return out;
}

}  // namespace

bool UdpPost::ready() {
  const auto now = now_ns();
  if (now < resolve_at_ns_) return static_cast<bool>(fd_);
  if (auto made = connect_to(host_, port_)) fd_ = std::move(made);
  resolve_at_ns_ = now + (fd_ ? kGoodFor : kBadFor);
  return static_cast<bool>(fd_);
}

bool UdpPost::send(std::string_view datagram) {
  return ::send(fd_.get(), datagram.data(), datagram.size(), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

}  // namespace fairlead::telemetry
