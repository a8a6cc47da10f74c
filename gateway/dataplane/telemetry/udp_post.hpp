// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "fairlead/base/fd.hpp"

namespace fairlead::telemetry {

/// Datagrams to one server, whose name is asked for again now and then, and after a failure.
/// Owner: a LogSender. Thread: its; names are waited for.
class UdpPost {
 public:
  UdpPost(std::string host, std::uint16_t port) : host_(std::move(host)), port_(port) {}
  /// False: there is no address to send to now.
  bool ready();
  /// False: it is lost. As UDP has it, a datagram that nobody took is told with the next one.
  bool send(std::string_view datagram);

 private:
  const std::string host_;
  const std::uint16_t port_;
  Fd fd_;
  std::int64_t resolve_at_ns_ = 0;  // CLOCK_MONOTONIC
};

}  // namespace fairlead::telemetry
