// SPDX-License-Identifier: Apache-2.0
// What moves: counters, latencies, backends, requests that failed.
#include <algorithm>
#include <array>

#include "fairlead/telemetry/latency_histogram.hpp"
#include "gateway/admin_json.hpp"

namespace fairlead::gateway {
namespace {

using telemetry::LatencyHistogram;

/// Everything that is measured of requests as a whole, from where it is measured today.
struct Measured {
  const std::vector<std::uint64_t>& latencies;  // by LatencyHistogram's buckets
};

Measured measured(const proxy::View& view) { return {view.latencies}; }

/// Counts by doublings of a microsecond: [{"to": least duration beyond it, in microseconds, "count"}], from the first
/// that has some to the last.
Json histogram_json(const std::vector<std::uint64_t>& counts) {
  constexpr std::size_t kOctaves = LatencyHistogram::kHighest - LatencyHistogram::kLowest + 2;
  std::array<std::uint64_t, kOctaves> octaves{};
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const auto octave = i == 0 ? 0 : std::min<std::size_t>(1 + ((i - 1) >> LatencyHistogram::kSubBits), kOctaves - 1);
    octaves[octave] += counts[i];
  }
  Json out = Json::array();
  for (std::size_t i = 0; i < kOctaves; ++i)
    out.push_back({{"toUs", static_cast<double>(std::uint64_t{1} << (LatencyHistogram::kLowest + i)) / 1000},
                   {"count", octaves[i]}});
  return out;
}

Json latency_json(const std::vector<std::uint64_t>& counts) {
  const auto us = [&](double q) { return static_cast<double>(telemetry::quantile(counts, q)) / 1000; };
  return {{"p50Us", us(0.5)}, {"p90Us", us(0.9)}, {"p99Us", us(0.99)}, {"buckets", histogram_json(counts)}};
}

Json counters_json(const proxy::Counters& counters, const proxy::Outcomes& outcomes) {
  Json classes = Json::object();
  for (std::size_t i = 0; i < outcomes.by_class.size(); ++i)
    classes[i == 0 ? "none" : std::to_string(i) + "xx"] = outcomes.by_class[i];
  Json flags = Json::object();
  for (std::size_t i = 0; i < telemetry::kResponseFlags; ++i)
    if (outcomes.by_flag[i] != 0)
      flags[std::string(telemetry::info(static_cast<telemetry::ResponseFlag>(i)).short_name)] = outcomes.by_flag[i];
  return {{"connections", counters.connections},
          {"openConnections", counters.open_connections},
          {"requests", counters.requests},
          {"activeRequests", counters.active_requests},
          {"refusedRequests", counters.refused},
          {"requestBytes", outcomes.request_bytes},
          {"responseBytes", outcomes.response_bytes},
          {"bufferBytes", counters.buffer_bytes},
          {"byClass", std::move(classes)},
          {"byFlag", std::move(flags)}};
}

Json failed_json(const std::vector<proxy::FailedRequest>& failed) {
  Json out = Json::array();
  for (auto at = failed.rbegin(); at != failed.rend(); ++at) {
    std::array<char, telemetry::ResponseFlags::kMaxText> flags{};
    const char* end = at->flags.write(flags.data());
    out.push_back({{"timeMs", at->time_ns / 1'000'000},
                   {"tookUs", static_cast<double>(at->duration_ns) / 1000},
                   {"status", at->status},
                   {"flags", std::string(flags.data(), static_cast<std::size_t>(end - flags.data()))},
                   {"method", at->method},
                   {"host", at->host},
                   {"path", at->path},
                   {"route", at->route},
                   {"reason", at->reason}});
  }
  return out;
}

}  // namespace

Json backends_json(const proxy::View& view) {
  Json clusters = Json::array();
  for (const auto& cluster : view.clusters) {
    Json backends = Json::array();
    for (const auto& backend : cluster.backends)
      backends.push_back({{"address", backend.name},
                          {"state", std::string(proxy::name_of(proxy::state_of(backend)))},
                          {"weight", backend.weight},
                          {"active", backend.active},
                          {"requests", backend.requests},
                          {"responses5xx", backend.responses_5xx},
                          {"failures", backend.failures},
                          {"ejections", backend.ejections}});
    Json counters = Json::object();
    for (const auto& [name, member] : upstream::kClusterCounters)
      counters[std::string(name)] = cluster.counters.*member;
    clusters.push_back({{"name", cluster.name}, {"counters", std::move(counters)}, {"backends", std::move(backends)}});
  }
  return {{"clusters", std::move(clusters)}};
}

Json live_json(const proxy::Snapshot& snapshot, const proxy::Counters& counters, const proxy::View& view) {
  Json listeners = Json::array();
  for (const auto& listener : snapshot.listeners) listeners.push_back(listener_json(*listener));
  return {{"version", snapshot.version},
          {"listeners", std::move(listeners)},
          {"counters", counters_json(counters, view.outcomes)},
          {"latency", latency_json(measured(view).latencies)},
          {"clusters", std::move(backends_json(view)["clusters"])},
          {"failed", failed_json(view.failed)}};
}

}  // namespace fairlead::gateway
