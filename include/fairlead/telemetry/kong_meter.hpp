// SPDX-License-Identifier: Apache-2.0
#pragma once

// What Kong's plugin prometheus counts of requests, by the names and the bounds that its dashboards are made for.

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fairlead/telemetry/record.hpp"

namespace fairlead::telemetry {

/// Upper edges in ms: of what the gateway adds; of upstreams, and of requests as a whole. One bucket more is beyond.
inline constexpr std::array<double, 17> kKongBoundsMs{1,  2,   5,   7,   10,  15,   20,   30,  50,
                                                      75, 100, 200, 500, 750, 1000, 3000, 6000};
inline constexpr std::array<double, 13> kKongUpstreamBoundsMs{25,   50,   80,   100,   250,   400,  700,
                                                              1000, 2000, 5000, 10000, 30000, 60000};

template <std::size_t N>
struct KongHistogram {
  std::array<std::uint64_t, N + 1> counts{};
  double sum_ms = 0;

  void add(const std::array<double, N>& bounds, double ms);
  void add(const KongHistogram& other);
};

/// All of one route, service and consumer.
struct KongTotals {
  std::map<std::pair<std::uint16_t, bool>, std::uint64_t> statuses;  ///< status, and whether the service has said it
  std::uint64_t request_bytes = 0, response_bytes = 0;
  KongHistogram<kKongUpstreamBoundsMs.size()> request, upstream;
  KongHistogram<kKongBoundsMs.size()> kong;

  void add(const KongTotals& other);
};

struct KongPlace {
  std::string route, service, consumer;  ///< as Kong's file has them; consumer is empty where it is not counted
  auto operator<=>(const KongPlace&) const = default;
};

/// Counts requests of routes from Kong's file, while that is asked for.
/// Owner: the daemon; outlives the workers. Thread: any; finish() of several threads rarely meet at a lock.
class KongMeter {
 public:
  static constexpr std::size_t kMostPlaces = 16'384;  ///< of a shard; beyond it consumers are not told apart

  KongMeter();
  ~KongMeter();
  KongMeter(const KongMeter&) = delete;
  KongMeter& operator=(const KongMeter&) = delete;

  /// From now on. What was counted stays.
  void set(bool counts, bool by_consumer) {
    by_consumer_.store(by_consumer, std::memory_order_relaxed);
    counts_.store(counts, std::memory_order_relaxed);
  }
  /// Once for each request, at its end, with all that a log in Kong's form shows.
  void finish(const RequestRecord& record) {
    if (counts_.load(std::memory_order_relaxed) && record.kong != nullptr) count(record);
  }
  [[nodiscard]] std::map<KongPlace, KongTotals> totals() const;

 private:
  struct Shard;
  void count(const RequestRecord& record);

  std::atomic<bool> counts_{false}, by_consumer_{false};
  std::unique_ptr<Shard[]> shards_;
};

}  // namespace fairlead::telemetry
