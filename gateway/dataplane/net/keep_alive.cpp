// SPDX-License-Identifier: Apache-2.0
#include "fairlead/net/keep_alive.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <climits>

namespace fairlead::net {
namespace {

void set(int fd, int level, int name, std::uint32_t value) {
  const int number = static_cast<int>(std::min<std::uint32_t>(value, INT_MAX));
  setsockopt(fd, level, name, &number, sizeof number);
}

}  // namespace

void set_keep_alive(int fd, const KeepAlive& keep_alive) {
  set(fd, SOL_SOCKET, SO_KEEPALIVE, keep_alive.idle_s != 0 ? 1 : 0);
  if (keep_alive.idle_s == 0) return;
  // No TCP_USER_TIMEOUT: it would also end a peer that is there and does not read for so long (net/ipv4/tcp_timer.c,
  // tcp_probe_timer).
  set(fd, IPPROTO_TCP, TCP_KEEPIDLE, keep_alive.idle_s);
  set(fd, IPPROTO_TCP, TCP_KEEPINTVL, keep_alive.interval_s);
  set(fd, IPPROTO_TCP, TCP_KEEPCNT, keep_alive.probes);
}

}  // namespace fairlead::net
