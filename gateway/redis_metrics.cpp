// SPDX-License-Identifier: Apache-2.0
#include "gateway/redis_metrics.hpp"

#include <array>
#include <numeric>

namespace fairlead::gateway {
namespace {

using limit::RedisNumbers;
using metrics::Type;

constexpr std::size_t kMostNames = 64;  // others are one together

struct RedisFamilies {
  metrics::Page& page;

  void add(const char* name, Type type, const char* help, const std::string& labels, std::uint64_t value) const {
    auto& family = page.family(name, type, help);
    if (type == Type::kCounter) family.add(labels, value);
    else family.add(labels, static_cast<double>(value));
  }
  void counters(const std::string& labels, const RedisNumbers& n) const {
    const auto count = [&](const char* name, std::uint64_t value, const char* help) {
      add(name, Type::kCounter, help, labels, value);
    };
    count("fairlead_gateway_redis_connects", n.connects, "connections to Redis that were made");
    count("fairlead_gateway_redis_reconnects", n.reconnects, "of these: to a server that there had been one to");
    count("fairlead_gateway_redis_connections_lost", n.lost,
          "connections to Redis that were lost, and tries that failed");
    count("fairlead_gateway_redis_commands", n.asked, "questions for Redis");
    count("fairlead_gateway_redis_reloads", n.reloads, "scripts that Redis did not have any more");
    count("fairlead_gateway_redis_redirects", n.redirects, "MOVED and ASK of Redis Cluster");
    count("fairlead_gateway_redis_leases", n.leases, "shares of limits that were leased");
    count("fairlead_gateway_redis_leased_requests", n.leased, "requests that these were for");
  }
  void parts(const RedisName& of, const char* name, Type type, const char* help, const char* label,
             std::initializer_list<std::pair<const char*, std::uint64_t>> values) const {
    for (const auto& [part, value] : values)
      add(name, type, help, metrics::label_text({{"redis", of.name}, {"use", of.use}, {label, part}}), value);
  }
  void round_trips(const std::string& labels, const RedisNumbers& n) const {
    std::array<double, limit::kRoundTripBoundsUs.size()> bounds{};
    for (std::size_t i = 0; i < bounds.size(); ++i) bounds[i] = static_cast<double>(limit::kRoundTripBoundsUs[i]) / 1e6;
    page.family("fairlead_gateway_redis_round_trip_seconds", Type::kHistogram, "from a question to Redis' answer")
        .add_histogram(labels, bounds, n.round_trips, static_cast<double>(n.round_trip_us) / 1e6);
  }
};

}  // namespace

std::map<RedisName, RedisNumbers> redis_numbers(const FilterPlan& filters) {
  std::map<RedisName, RedisNumbers> out;
  for (const auto& totals : filters.redis()) {
    RedisName name{totals->name(), totals->use()};
    if (out.size() >= kMostNames && !out.contains(name)) name.name = "other";
    out[name] += totals->sum();
  }
  return out;
}

void add_redis(metrics::Page& page, const FilterPlan& filters) {
  const RedisFamilies families{page};
  for (const auto& [of, n] : redis_numbers(filters)) {
    const auto labels = metrics::label_text({{"redis", of.name}, {"use", of.use}});
    families.parts(of, "fairlead_gateway_redis_clients", Type::kGauge, "workers that ask Redis, or do without it now",
                   "mode", {{"exact", n.clients - n.fallback}, {"fallback", n.fallback}});
    families.add("fairlead_gateway_redis_connections", Type::kGauge, "connections to Redis that are ready", labels,
                 n.connections);
    families.counters(labels, n);
    families.parts(of, "fairlead_gateway_redis_failures", Type::kCounter, "questions without an answer, by why",
                   "reason", {{"timeout", n.timeouts}, {"not_connected", n.not_connected}, {"error", n.errors}});
    families.parts(of, "fairlead_gateway_redis_lease_returns", Type::kCounter,
                   "rests of leases: given back, or lost as Redis was away", "result",
                   {{"given_back", n.given_back}, {"lost", n.not_given_back}});
    families.round_trips(labels, n);
  }
}

nlohmann::json redis_json(const FilterPlan& filters) {
  auto out = nlohmann::json::array();
  for (const auto& [of, n] : redis_numbers(filters)) {
    const auto count = std::accumulate(n.round_trips.begin(), n.round_trips.end(), std::uint64_t{0});
    auto& row = out.emplace_back(nlohmann::json{{"redis", of.name},
                                                {"use", of.use},
                                                {"clients", n.clients},
                                                {"inFallback", n.fallback},
                                                {"connections", n.connections},
                                                {"reconnects", n.reconnects},
                                                {"commands", n.asked},
                                                {"answers", n.answered},
                                                {"timeouts", n.timeouts},
                                                {"notConnected", n.not_connected},
                                                {"errors", n.errors},
                                                {"leases", n.leases},
                                                {"leasedRequests", n.leased}});
    if (count > 0) row["roundTripMs"] = static_cast<double>(n.round_trip_us) / 1e3 / static_cast<double>(count);
    if (n.fallback > 0 && !n.failure.empty()) row["failure"] = n.failure;
  }
  return out;
}

}  // namespace fairlead::gateway
