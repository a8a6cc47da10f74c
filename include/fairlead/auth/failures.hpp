// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <vector>

#include "fairlead/base/address.hpp"

namespace fairlead::auth {

/// Counts wrong credentials by who sent them, an IPv4 address or an IPv6 /64, in windows that begin with the first one.
/// The table is bounded: of many sources those with few failures are forgotten first. Times are CLOCK_MONOTONIC in
/// milliseconds. Owner: filters, by name. Thread: any; nothing is locked while nobody is over the limit.
class Failures {
 public:
  Failures(std::uint32_t most, std::uint64_t window_ms) : most_(most), window_ms_(window_ms) {}

  /// False: it is beyond what the source may get wrong, as others of its attempts have been counted meanwhile; what it
  /// was told then would be one answer too many.
  [[nodiscard]] bool count(const Address& source, std::uint64_t now);
  /// How long it still has to wait, in milliseconds; 0: it may try.
  [[nodiscard]] std::uint64_t wait(const Address& source, std::uint64_t now) const;

 private:
  static constexpr std::size_t kPairs = 4096;
  struct Slot {
    Address source;
    std::uint32_t failures = 0;
    std::uint64_t until = 0;
  };
  static Address key_of(const Address& source);
  static std::size_t place(const Address& key);
  Slot& slot_for(const Address& key, std::uint64_t now);

  const std::uint32_t most_;
  const std::uint64_t window_ms_;
  std::atomic<std::uint64_t> blocked_until_{0};  // the latest end of a window of one who is over
  mutable std::mutex mutex_;
  std::vector<Slot> slots_;
};

}  // namespace fairlead::auth
