// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace fairlead::upstream {

/// What a worker has counted for one cluster. Plain integers that only grow; those of workers are summed.
/// Owner: a cluster. Thread: its worker's.
struct ClusterCounters {
  std::uint64_t requests = 0;              ///< tries that were admitted, retries included
  std::uint64_t responses = 0;             ///< tries that ended with a response's head
  std::uint64_t failures = 0;              ///< tries that ended without, for whatever reason
  std::uint64_t retries = 0;
  std::uint64_t retries_over_budget = 0;
  std::uint64_t picks = 0;
  std::uint64_t picks_persistent = 0;      ///< by the client's reference
  std::uint64_t persistence_lost = 0;      ///< the reference's backend was gone or unavailable
  std::uint64_t picks_panic = 0;           ///< with health ignored
  std::uint64_t picks_tried = 0;           ///< only backends already tried were left
  std::uint64_t no_endpoints = 0;          ///< refused: there is no backend
  std::uint64_t none_available = 0;        ///< refused: all are unhealthy, and panic is off
  std::uint64_t all_limited = 0;           ///< refused: breakers of all backends are open
  std::uint64_t overflow_connections = 0;  ///< refused by the breaker of this name
  std::uint64_t overflow_pending = 0;
  std::uint64_t overflow_requests = 0;
  std::uint64_t overflow_retries = 0;
  std::uint64_t ejections = 0;
  std::uint64_t ejections_suppressed = 0;  ///< by the greatest share
  std::uint64_t ejection_returns = 0;
  std::uint64_t became_healthy = 0;        ///< by active checks
  std::uint64_t became_unhealthy = 0;
  std::uint64_t pool_hits = 0;             ///< streams on a connection that stood
  std::uint64_t pool_waits = 0;            ///< requests that had to wait for a connection
  std::uint64_t pending_timeouts = 0;
  std::uint64_t connects = 0;              ///< begun
  std::uint64_t connect_failures = 0;
  std::uint64_t connect_timeouts = 0;
  std::uint64_t closed_idle = 0;           ///< by the peer, while no request was on it
  std::uint64_t idle_timeouts = 0;
  std::uint64_t closed_full = 0;           ///< idle beyond the greatest count of idle connections
  std::uint64_t closed_for_others = 0;     ///< given up at a limit of connections, for another worker
  std::uint64_t closed_used_up = 0;        ///< its greatest count of requests or age was reached
  std::uint64_t dns_answers = 0;
  std::uint64_t dns_failures = 0;          ///< no answer
  std::uint64_t dns_negative = 0;          ///< the name does not exist or has no address

  ClusterCounters& operator+=(const ClusterCounters& other);
};

struct CounterName {
  std::string_view name;
  std::uint64_t ClusterCounters::* member;
};

#define FL_COUNTER(name) \
  CounterName { #name, &ClusterCounters::name }
/// Every counter by name, for who shows or sums them.
inline constexpr std::array kClusterCounters = {
    FL_COUNTER(requests),
    FL_COUNTER(responses),
    FL_COUNTER(failures),
    FL_COUNTER(retries),
    FL_COUNTER(retries_over_budget),
    FL_COUNTER(picks),
    FL_COUNTER(picks_persistent),
    FL_COUNTER(persistence_lost),
    FL_COUNTER(picks_panic),
    FL_COUNTER(picks_tried),
    FL_COUNTER(no_endpoints),
    FL_COUNTER(none_available),
    FL_COUNTER(all_limited),
    FL_COUNTER(overflow_connections),
    FL_COUNTER(overflow_pending),
    FL_COUNTER(overflow_requests),
    FL_COUNTER(overflow_retries),
    FL_COUNTER(ejections),
    FL_COUNTER(ejections_suppressed),
    FL_COUNTER(ejection_returns),
    FL_COUNTER(became_healthy),
    FL_COUNTER(became_unhealthy),
    FL_COUNTER(pool_hits),
    FL_COUNTER(pool_waits),
    FL_COUNTER(pending_timeouts),
    FL_COUNTER(connects),
    FL_COUNTER(connect_failures),
    FL_COUNTER(connect_timeouts),
    FL_COUNTER(closed_idle),
    FL_COUNTER(idle_timeouts),
    FL_COUNTER(closed_full),
    FL_COUNTER(closed_for_others),
    FL_COUNTER(closed_used_up),
    FL_COUNTER(dns_answers),
    FL_COUNTER(dns_failures),
    FL_COUNTER(dns_negative),
};
#undef FL_COUNTER
static_assert(kClusterCounters.size() * sizeof(std::uint64_t) == sizeof(ClusterCounters), "a counter has no name");

inline ClusterCounters& ClusterCounters::operator+=(const ClusterCounters& other) {
  for (const auto& [name, member] : kClusterCounters) this->*member += other.*member;
  return *this;
}

}  // namespace fairlead::upstream
