// SPDX-License-Identifier: Apache-2.0
#include "fairlead/net/keep_alive.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <climits>

namespace fairlead::net {
namespace {

void set(int fd, int level, int name, std::uint64_t value) {
  const int number = static_cast<int>(std::min<std::uint64_t>(value, INT_MAX));
  setsockopt(fd, level, name, &number, sizeof number);
}

}  // namespace

void set_keep_alive(int fd, const KeepAlive& keep_alive) {
  const bool on = keep_alive.idle_s != 0;
  set(fd, SOL_SOCKET, SO_KEEPALIVE, on ? 1 : 0);
  // Probes are sent only while nothing waits for an acknowledgement: without this limit that takes a quarter of an
  // hour.
  const auto gone_ms = (keep_alive.idle_s + std::uint64_t{keep_alive.interval_s} * keep_alive.probes) * 1000;
  set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, on ? gone_ms : 0);
  if (!on) return;
  set(fd, IPPROTO_TCP, TCP_KEEPIDLE, keep_alive.idle_s);
  set(fd, IPPROTO_TCP, TCP_KEEPINTVL, keep_alive.interval_s);
  set(fd, IPPROTO_TCP, TCP_KEEPCNT, keep_alive.probes);
}

}  // namespace fairlead::net
