// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace fairlead::limit {

/// Upper edges of round trips, microseconds; one bucket more is for what is beyond.
inline constexpr std::array<std::uint64_t, 13> kRoundTripBoundsUs{
    100, 250, 500, 1000, 2500, 5000, 10'000, 25'000, 50'000, 100'000, 250'000, 500'000, 1'000'000};

/// Counted on one thread, read on any.
class OwnedCount {
 public:
  void add(std::uint64_t by) { value_.store(value_.load(std::memory_order_relaxed) + by, std::memory_order_relaxed); }
  OwnedCount& operator++() { return add(1), *this; }
  OwnedCount& operator--() { return add(~std::uint64_t{0}), *this; }
  operator std::uint64_t() const { return value_.load(std::memory_order_relaxed); }  // NOLINT: it is a number

 private:
  std::atomic<std::uint64_t> value_{0};
};

/// What a client of Redis has met. N: OwnedCount, or a number for sums of several clients.
template <class N>
struct RedisCountersOf {
  N asked{};
  N answered{};
  N timeouts{};
  N not_connected{};  ///< at once, since Redis is away or silent
  N errors{};         ///< Redis said something else than an answer
  N reloads{};        ///< the script was not there any more
  N redirects{};      ///< MOVED, ASK
  N connects{};
  N reconnects{};  ///< of these: to a server that there had been a connection to
  N lost{};        ///< connections, and tries of them
  N leases{};
  N leased{};          ///< requests that leases were for
  N given_back{};      ///< leases' rests
  N not_given_back{};  ///< the same, with Redis away: they count as used
  N round_trip_us{};   ///< together
  std::array<N, kRoundTripBoundsUs.size() + 1> round_trips{};  ///< by kRoundTripBoundsUs

  // As it is now.
  N connections{};  ///< ready for questions
  N failing{};      ///< servers that are away or silent: they are not asked
  N nowhere{};      ///< 1: nobody says where Redis is

  /// Calls f(one's, the other's) for each number that goes on when a client ends.
  template <class Other, class F>
  void each_count(const RedisCountersOf<Other>& other, F&& f) {
    f(asked, other.asked), f(answered, other.answered), f(timeouts, other.timeouts);
    f(not_connected, other.not_connected), f(errors, other.errors), f(reloads, other.reloads);
    f(redirects, other.redirects), f(connects, other.connects), f(reconnects, other.reconnects), f(lost, other.lost);
    f(leases, other.leases), f(leased, other.leased), f(given_back, other.given_back);
    f(not_given_back, other.not_given_back), f(round_trip_us, other.round_trip_us);
    for (std::size_t i = 0; i < round_trips.size(); ++i) f(round_trips[i], other.round_trips[i]);
  }
};
using RedisCounters = RedisCountersOf<OwnedCount>;

struct RedisNumbers : RedisCountersOf<std::uint64_t> {
  std::uint64_t clients = 0;   ///< of workers, that ask now and then
  std::uint64_t fallback = 0;  ///< of these: those for which Redis is away
  std::string failure;         ///< why a connection, or a try of one, has failed last; empty: none has
  std::string refusal;         ///< the error that Redis has said last in place of an answer; empty: none

  RedisNumbers& operator+=(const RedisNumbers& other);
};

/// Of all clients of one Redis, those that are gone included. Thread: any.
class RedisTotals {
 public:
  RedisTotals() = default;
  RedisTotals(std::string name, std::string use) : name_(std::move(name)), use_(std::move(use)) {}

  [[nodiscard]] const std::string& name() const { return name_; }  ///< of the Redis: RedisConfig::name
  [[nodiscard]] const std::string& use() const { return use_; }    ///< "limits", "cache"
  void add(const RedisCounters& client);
  /// Before it is destroyed: what it has counted stays.
  void remove(const RedisCounters& client);
  void note_failure(std::string why);
  void note_refusal(std::string error);
  [[nodiscard]] RedisNumbers sum() const;

 private:
  const std::string name_, use_;
  mutable std::mutex mutex_;
  std::vector<const RedisCounters*> clients_;
  RedisNumbers gone_;
  std::string failure_, refusal_;
};

}  // namespace fairlead::limit
