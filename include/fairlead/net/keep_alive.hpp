// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace fairlead::net {

/// TCP keep-alive: how long a silent peer may be gone before its connection ends with ETIMEDOUT: idle_s + interval_s *
/// probes. Where sent data waits for it, that is by the kernel's retransmissions (tcp_retries2). Who is there and does
/// not read may stay.
struct KeepAlive {
  std::uint32_t idle_s = 60;  ///< seconds of silence before the first probe; 0: the kernel never asks
  std::uint32_t interval_s = 15;
  std::uint32_t probes = 4;  ///< unanswered
  bool operator==(const KeepAlive&) const = default;
};

/// Of a TCP socket; what a listening one accepts inherits it. A kernel that refuses leaves the socket as it was.
void set_keep_alive(int fd, const KeepAlive& keep_alive);

}  // namespace fairlead::net
