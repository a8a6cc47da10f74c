// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "fairlead/limit/rule.hpp"
#include "fairlead/limit/table.hpp"

namespace fairlead::limit {

/// How a limit of Redis is leased. What is leased has been counted there before, so that all gateways together never
/// pass more than the limit. It is used later than it was counted, by `time_us` at most, for which the rule allows:
/// a bucket holds back what comes in that time, a sliding window is longer by it, a fixed one's leases end with it.
struct LeaseTerms {
  Rule rule;                  ///< counted in Redis
  std::uint64_t share = 0;    ///< of a lease, at most; 0: the limit is too small, each request asks
  std::int64_t time_us = 0;   ///< a lease's, at most
};
/// percent: the share, of what the rule allows at once. A lease lasts `most_us`, and a quarter of the time in which all
/// of the limit comes back, at most.
[[nodiscard]] LeaseTerms lease_terms(const Rule& rule, unsigned percent, std::int64_t most_us);

/// What this process holds of one limit, for all of its keys and workers: of a key at most one share, and what the
/// request that asked for it has left. Times are CLOCK_BOOTTIME's, which goes on while the machine sleeps.
/// Owner: filters of the policy, and the desks that give back. Thread: any.
class Leases {
 public:
  explicit Leases(std::size_t most_keys) : table_(kWords, most_keys) {}

  enum class Found : std::uint8_t {
    kTaken,  ///< no need to ask
    kRefused,  ///< the same: Redis has just refused as much
    kLease,  ///< ask, for a lease too; answered() or failed() follows, or `patience_us` passes
    kAsk,  ///< ask for the request alone, as somebody has asked for a lease
  };
  struct Taken {
    Found found = Found::kAsk;
    std::int64_t until_us = 0;  ///< kTaken: the lease's end, by which it is known
    std::uint64_t remaining = 0;  ///< kTaken: after it; kRefused: as Redis said
    std::int64_t reset_us = 0;  ///< until all of the limit is there again
    std::int64_t retry_us = 0;  ///< kRefused: as Level's
  };
  [[nodiscard]] Taken take(std::uint64_t hash, std::uint64_t cost, std::int64_t now_us, std::int64_t patience_us);
  /// What take() gave is not needed. Lost where that lease is over.
  void put_back(std::uint64_t hash, std::uint64_t cost, std::int64_t until_us);

  struct Lease {
    std::uint64_t count = 0;
    std::int64_t until_us = 0;
    std::int64_t window = 0;  ///< window_number()
  };
  /// A lease has come. free, reset_us: what Redis said of the rest. The one before is returned where it is over and
  /// something of it is left, which the caller gives back.
  [[nodiscard]] Lease grant(std::uint64_t hash, const Lease& lease, std::uint64_t free, std::int64_t reset_us,
                            std::int64_t now_us);
  /// Redis has refused a request of that cost, which take() repeats until it would be met, for `most_us` at most: what
  /// others give back meanwhile is not known here.
  void refused(std::uint64_t hash, std::uint64_t cost, const Level& level, std::int64_t most_us, std::int64_t now_us);
  /// No lease has come: the next request may ask for one.
  void failed(std::uint64_t hash);
  /// Ends the lease known by `until_us`; what was left of it, which the caller gives back.
  [[nodiscard]] std::uint64_t end(std::uint64_t hash, std::int64_t until_us);

 private:
  // left, its end, window, what was free beside it, when all is there again, when another may ask; a cost that was
  // refused, until when that is repeated, when it would be met (-1: never)
  enum Word : std::uint8_t {
    kLeft,
    kUntil,
    kWindow,
    kFree,
    kReset,
    kAskAgain,
    kRefusedCost,
    kRefusedUntil,
    kRetry,
    kWords
  };
  std::span<std::uint64_t> cell_of(Table::Shard& shard, std::uint64_t hash, std::int64_t now_us);

  Table table_;
};

}  // namespace fairlead::limit
