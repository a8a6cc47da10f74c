// SPDX-License-Identifier: Apache-2.0
#include "gateway/cluster_metrics.hpp"

#include <array>
#include <string>
#include <string_view>

namespace fairlead::gateway {
namespace {

using metrics::Type;
using upstream::ClusterCounters;

struct Value {
  std::string_view label;  // of the family; empty: it has none
  std::uint64_t ClusterCounters::* member;
};

/// A family of counters and where its values come from.
template <std::size_t N>
struct Shown {
  const char* name;
  const char* help;
  std::string_view label;
  std::array<Value, N> values;
};

constexpr Shown<2> kTries{"fairlead_gateway_backend_tries",
                          "tries at backends that have ended, retries included",
                          "result",
                          {{{"response", &ClusterCounters::responses}, {"failure", &ClusterCounters::failures}}}};
constexpr Shown<1> kRetries{
    "fairlead_gateway_backend_retries", "tries after the first", "", {{{"", &ClusterCounters::retries}}}};
constexpr Shown<9> kRefusals{"fairlead_gateway_backend_refusals",
                             "requests and retries that no backend was asked for",
                             "reason",
                             {{{"no_endpoints", &ClusterCounters::no_endpoints},
                               {"none_available", &ClusterCounters::none_available},
                               {"all_limited", &ClusterCounters::all_limited},
                               {"connections", &ClusterCounters::overflow_connections},
                               {"pending", &ClusterCounters::overflow_pending},
                               {"pending_timeout", &ClusterCounters::pending_timeouts},
                               {"requests", &ClusterCounters::overflow_requests},
                               {"retries", &ClusterCounters::overflow_retries},
                               {"retry_budget", &ClusterCounters::retries_over_budget}}}};
constexpr Shown<4> kPicks{"fairlead_gateway_backend_picks",
                          "choices of a backend that balancing alone would not have made",
                          "how",
                          {{{"persistent", &ClusterCounters::picks_persistent},
                            {"persistence_lost", &ClusterCounters::persistence_lost},
                            {"panic", &ClusterCounters::picks_panic},
                            {"tried_before", &ClusterCounters::picks_tried}}}};
constexpr Shown<3> kEjections{"fairlead_gateway_backend_ejections",
                              "backends put aside for their failures",
                              "event",
                              {{{"ejected", &ClusterCounters::ejections},
                                {"suppressed", &ClusterCounters::ejections_suppressed},
                                {"returned", &ClusterCounters::ejection_returns}}}};
constexpr Shown<3> kConnects{"fairlead_gateway_backend_connects",
                             "connections to backends: begun, and of these what did not come to stand",
                             "result",
                             {{{"begun", &ClusterCounters::connects},
                               {"failure", &ClusterCounters::connect_failures},
                               {"timeout", &ClusterCounters::connect_timeouts}}}};
constexpr Shown<2> kPool{"fairlead_gateway_backend_pool",
                         "requests that found a connection, and that waited for one",
                         "result",
                         {{{"hit", &ClusterCounters::pool_hits}, {"wait", &ClusterCounters::pool_waits}}}};

class Writer {
 public:
  Writer(metrics::Page& page, const proxy::ClusterTotals& cluster) : page_(page), cluster_(cluster) {}

  template <std::size_t N>
  void add(const Shown<N>& shown) const {
    for (const auto& value : shown.values) {
      const auto count = cluster_.counters.*value.member;
      if (count == 0) continue;
      metrics::Labels labels{{"backend", cluster_.name}};
      if (!shown.label.empty()) labels.emplace_back(shown.label, std::string(value.label));
      page_.family(shown.name, Type::kCounter, shown.help).add(metrics::label_text(labels), count);
    }
  }

  void add_endpoints() const {
    auto& family = page_.family("fairlead_gateway_backend_endpoints", Type::kGauge, "endpoints by how they stand");
    for (std::size_t i = 0; i < proxy::kBackendStates; ++i) {
      const auto state = static_cast<proxy::BackendState>(i);
      if (cluster_.backends[i] == 0 && state != proxy::BackendState::kAvailable) continue;
      family.add(metrics::label_text({{"backend", cluster_.name}, {"state", std::string(proxy::name_of(state))}}),
                 static_cast<double>(cluster_.backends[i]));
    }
  }

 private:
  metrics::Page& page_;
  const proxy::ClusterTotals& cluster_;
};

}  // namespace

void add_clusters(metrics::Page& page, const std::vector<proxy::ClusterTotals>& clusters) {
  for (const auto& cluster : clusters) {
    const Writer writer(page, cluster);
    writer.add(kTries);
    writer.add(kRetries);
    writer.add(kRefusals);
    writer.add(kPicks);
    writer.add(kEjections);
    writer.add(kConnects);
    writer.add(kPool);
    writer.add_endpoints();
  }
}

}  // namespace fairlead::gateway
