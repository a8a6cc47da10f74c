// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/base/ascii.hpp"

namespace fairlead::http {

/// How much of a head is read before it is refused, whatever the wire format.
struct HeadLimits {
  std::uint32_t target = 8192;         ///< bytes of a request target; beyond: 414
  std::uint32_t fields_bytes = 65536;  ///< bytes of a field section as sent, the empty line included; beyond: 431
  std::uint32_t fields = 128;          ///< fields in a section; beyond: 431
};

/// Milliseconds; 0: no limit.
struct Timeouts {
  std::uint32_t head = 15'000;   ///< from the first byte of a head (or from the connection's start) to its last
  std::uint32_t idle = 75'000;   ///< between two requests
  std::uint32_t body = 60'000;   ///< without a byte while a body is awaited
  std::uint32_t write = 60'000;  ///< without progress while output waits
  std::uint32_t linger = 2'000;  ///< how long a closed connection is read on, so that the peer sees our last answer
};

/// Protocols that a connection (HTTP/1's Upgrade) or a stream (HTTP/2's :protocol) may change to.
struct Upgrades {
  std::vector<std::string> names{"websocket"};  ///< in lower case
  [[nodiscard]] bool allow(std::string_view name) const {
    return std::ranges::any_of(names, [&](const std::string& one) {
      return std::ranges::equal(one, name, {}, {}, [](char c) { return lower_ascii(c); });
    });
  }
};

/// Limits and choices of HTTP/1. Every default is the strict one.
struct H1Limits {
  HeadLimits head;
  Timeouts timeouts;
  std::uint32_t chunk_line = 256;          ///< bytes of a chunk's size and extensions
  std::uint32_t chunk_extensions = 16384;  ///< bytes of extensions in a whole body
  std::uint32_t requests = 0;              ///< on a connection before it is closed; 0: any number
  std::uint32_t linger_bytes = 1 << 20;    ///< read and dropped at most while lingering
  std::uint32_t drain_ms = 2000;  ///< how long an idle connection may still ask once it drains; 0: not at all
  std::uint16_t informational = 16;  ///< 1xx responses before a final one
  bool allow_connect = false;  ///< else CONNECT gets 501
  Upgrades upgrades;  ///< Upgrade to others is ignored, as RFC 9110 7.8 permits
  bool allow_preface = false;  ///< a connection may begin with HTTP/2's preface; the owner takes over then
  bool loose_targets =
      false;  ///< targets may also have the characters that browsers leave unencoded: " [ ] ^ ` { | } and backslash
};

}  // namespace fairlead::http
