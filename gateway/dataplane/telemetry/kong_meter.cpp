// SPDX-License-Identifier: Apache-2.0
#include "fairlead/telemetry/kong_meter.hpp"

#include <algorithm>

#include "gateway/dataplane/telemetry/kong_facts.hpp"

namespace fairlead::telemetry {
namespace {

constexpr std::size_t kShards = 64;

/// Each thread has one, and up to kShards threads have one of their own.
std::size_t own_shard() {
  static std::atomic<std::size_t> last{0};
  thread_local const std::size_t own = last.fetch_add(1, std::memory_order_relaxed) % kShards;
  return own;
}

}  // namespace

template <std::size_t N>
void KongHistogram<N>::add(const std::array<double, N>& bounds, double ms) {
  ++counts[static_cast<std::size_t>(std::ranges::lower_bound(bounds, ms) - bounds.begin())];
  sum_ms += ms;
}

template <std::size_t N>
void KongHistogram<N>::add(const KongHistogram& other) {
  for (std::size_t i = 0; i <= N; ++i) counts[i] += other.counts[i];
  sum_ms += other.sum_ms;
}

void KongTotals::add(const KongTotals& other) {
  for (const auto& [status, requests] : other.statuses) statuses[status] += requests;
  request_bytes += other.request_bytes;
  response_bytes += other.response_bytes;
  request.add(other.request);
  upstream.add(other.upstream);
  kong.add(other.kong);
}

struct KongMeter::Shard {
  std::mutex mutex;
  std::map<KongPlace, KongTotals> places;
};

KongMeter::KongMeter() : shards_(std::make_unique<Shard[]>(kShards)) {}
KongMeter::~KongMeter() = default;

void KongMeter::count(const RequestRecord& record) {
  const auto& names = *record.kong;
  KongPlace place{.route = names.route.empty() ? names.route_id : names.route,
                  .service = names.service.empty() ? names.service_host : names.service,
                  .consumer = {}};
  if (by_consumer_.load(std::memory_order_relaxed)) place.consumer = record.consumer;
  const auto took = kong_latencies(record);
  auto& shard = shards_[own_shard()];
  const std::lock_guard lock(shard.mutex);
  auto found = shard.places.find(place);
  if (found == shard.places.end()) {
    if (shard.places.size() >= kMostPlaces) place.consumer.clear();
    found = shard.places.try_emplace(std::move(place)).first;
  }
  auto& totals = found->second;
  ++totals.statuses[{record.status == 0 ? std::uint16_t{499} : record.status, record.details == "via_upstream"}];
  totals.request_bytes += record.bytes.request_head + record.bytes.request_body;
  totals.response_bytes += record.bytes.response_head + record.bytes.response_body;
  totals.request.add(kKongUpstreamBoundsMs, static_cast<double>(took.request));
  totals.kong.add(kKongBoundsMs, static_cast<double>(took.kong));
  if (took.proxy >= 0) totals.upstream.add(kKongUpstreamBoundsMs, static_cast<double>(took.proxy));
}

std::map<KongPlace, KongTotals> KongMeter::totals() const {
  std::map<KongPlace, KongTotals> out;
  for (std::size_t i = 0; i < kShards; ++i) {
    const std::lock_guard lock(shards_[i].mutex);
    for (const auto& [place, totals] : shards_[i].places) out[place].add(totals);
  }
  return out;
}

}  // namespace fairlead::telemetry
