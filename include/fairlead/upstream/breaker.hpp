// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

#include "fairlead/upstream/cluster_spec.hpp"

namespace fairlead::upstream {

enum class Breaker : std::uint8_t { kConnections, kPending, kRequests, kRetries };
inline constexpr std::size_t kBreakers = 4;

[[nodiscard]] constexpr std::string_view breaker_name(Breaker breaker) {
  constexpr std::string_view kNames[] = {"connections", "pending", "requests", "retries"};
  return kNames[static_cast<std::size_t>(breaker)];
}

/// A worker's part of a limit over all workers: the parts add up to the limit, but each is at least 1, so a limit below
/// the count of workers can be passed by up to that count. 0 stays 0: no limit.
[[nodiscard]] constexpr std::uint32_t worker_share(std::uint32_t limit, std::uint32_t worker, std::uint32_t workers) {
  if (limit == 0 || workers <= 1) return limit;
  return std::max(1u, limit / workers + (worker < limit % workers ? 1u : 0u));
}

/// Circuit breakers of one cluster or one backend: plain counts against limits.
/// Owner: a cluster or a backend. Thread: its worker's.
class Breakers {
 public:
  Breakers() = default;
  void set_limits(const BreakerSpec& spec, std::uint32_t worker, std::uint32_t workers) {
    const std::array limits = {spec.max_connections, spec.max_pending, spec.max_requests, spec.max_retries};
    for (std::size_t i = 0; i < kBreakers; ++i) limits_[i] = worker_share(limits[i], worker, workers);
  }

  [[nodiscard]] bool allows(Breaker breaker) const {
    return limits_[at(breaker)] == 0 || counts_[at(breaker)] < limits_[at(breaker)];
  }
  void enter(Breaker breaker) { ++counts_[at(breaker)]; }
  void leave(Breaker breaker) {
    if (counts_[at(breaker)] > 0) --counts_[at(breaker)];
  }
  [[nodiscard]] std::uint32_t count(Breaker breaker) const { return counts_[at(breaker)]; }
  [[nodiscard]] std::uint32_t limit(Breaker breaker) const { return limits_[at(breaker)]; }

 private:
  static constexpr std::size_t at(Breaker breaker) { return static_cast<std::size_t>(breaker); }
  std::array<std::uint32_t, kBreakers> limits_{};
  std::array<std::uint32_t, kBreakers> counts_{};
};

}  // namespace fairlead::upstream
