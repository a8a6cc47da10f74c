// SPDX-License-Identifier: Apache-2.0
#include "gateway/kong_metrics.hpp"

#include <map>
#include <string>
#include <utility>

namespace fairlead::gateway {
namespace {

using metrics::Labels;
using metrics::Type;
using telemetry::ResponseFlag;

constexpr std::string_view kVersion = "3.9.0";  // of Kong: what its dashboards are made for
constexpr double kLeastMs = 1;                  // Kong counts in milliseconds

/// What a route and its service are called in Kong's file, by the route's name in series.
using Names = std::map<std::string, std::pair<std::string, std::string>, std::less<>>;

std::string annotation(const model::ObjectPtr& object, std::string_view key) {
  const auto* found =
      std::visit([&](const auto& one) { return model::find_label(one.metadata.annotations, key); }, *object);
  return found == nullptr ? std::string() : *found;
}

std::string families_of(const model::Cluster& objects) {
  for (const auto& [key, object] : objects.objects(model::Kind::kGateway))
    if (auto said = annotation(object, "fairlead.io/kong-metrics"); !said.empty()) return "," + said + ",";
  return {};
}

Names names_of(const model::Cluster& objects) {
  Names out;
  for (const auto& [key, object] : objects.objects(model::Kind::kHttpRoute))
    if (auto route = annotation(object, "fairlead.io/kong-route"); !route.empty())
      out[key.text()] = {std::move(route), annotation(object, "fairlead.io/kong-service")};
  return out;
}

/// Who has answered: the service, a plugin, or the gateway as something failed.
std::string source_of(const telemetry::ResponseFlags& flags, const std::string& cluster) {
  if (flags.empty()) return cluster.empty() ? "exit" : "service";
  for (const auto flag : {ResponseFlag::kPolicyDenied, ResponseFlag::kRateLimited, ResponseFlag::kTooLarge,
                          ResponseFlag::kUnauthorizedExternal, ResponseFlag::kFaultInjected})
    if (flags.has(flag)) return "exit";
  return "error";
}

class Writer {
 public:
  Writer(metrics::Page& page, Names names) : page_(page), names_(std::move(names)) {}

  void add(const telemetry::SeriesTotals& total, const std::string& families) {
    const auto found = names_.find(total.labels.route);
    const auto& [route, service] = found == names_.end() ? none_ : found->second;
    const Labels place{{"service", service}, {"route", route}};
    const auto shows = [&](const char* family) { return families.find(family) != std::string::npos; };
    if (shows(",status,")) add_statuses(total, place);
    if (shows(",bandwidth,")) {
      add_bytes(place, "ingress", total.request_bytes);
      add_bytes(place, "egress", total.response_bytes);
    }
    if (!shows(",latency,")) return;
    add_latency("kong_request_latency_ms", "total latency of requests", place, total.whole);
    add_latency("kong_upstream_latency_ms", "latency of upstreams", place, total.backend);
    add_latency("kong_kong_latency_ms", "latency added by the gateway", place, total.own);
  }

 private:
  void add_statuses(const telemetry::SeriesTotals& total, const Labels& place) {
    auto& family = page_.family("kong_http_requests", Type::kCounter, "HTTP status codes by service and route");
    for (const auto& outcome : total.outcomes) {
      auto labels = place;
      labels.emplace_back("code", outcome.status == 0 ? "499" : std::to_string(outcome.status));
      labels.emplace_back("source", source_of(outcome.flags, total.labels.cluster));
      labels.emplace_back("workspace", "default");
      labels.emplace_back("consumer", "");
      family.add(metrics::label_text(labels), outcome.requests);
    }
  }
  /// A gauge, as Kong's counter has no _total in its name.
  void add_bytes(Labels labels, const char* direction, std::uint64_t bytes) {
    labels.emplace_back("direction", direction);
    labels.emplace_back("workspace", "default");
    labels.emplace_back("consumer", "");
    page_.family("kong_bandwidth_bytes", Type::kGauge, "bytes by service and route")
        .add(metrics::label_text(labels), static_cast<double>(bytes));
  }
  void add_latency(const char* name, const char* help, Labels labels, const telemetry::DurationTotals& total) {
    labels.emplace_back("workspace", "default");
    std::vector<double> bounds;
    std::vector<std::uint64_t> counts;
    std::uint64_t merged = 0;
    for (std::size_t i = 0; i < telemetry::kDurationBoundsMs.size(); ++i) {
      merged += total.counts[i];
      if (telemetry::kDurationBoundsMs[i] < kLeastMs) continue;
      bounds.push_back(telemetry::kDurationBoundsMs[i]);
      counts.push_back(std::exchange(merged, 0));
    }
    counts.push_back(total.counts.back());
    page_.family(name, Type::kHistogram, help).add_histogram(metrics::label_text(labels), bounds, counts, total.sum_ms);
  }

  metrics::Page& page_;
  const Names names_;
  const std::pair<std::string, std::string> none_;
};

void add_node(metrics::Page& page, const proxy::Counters& counters) {
  const auto state = [&](const char* name, std::uint64_t value) {
    page.family("kong_nginx_connections_total", Type::kGauge, "connections of clients by state")
        .add(metrics::label_text({{"subsystem", "http"}, {"state", name}}), static_cast<double>(value));
  };
  state("active", counters.open_connections);
  state("accepted", counters.connections);
  state("handled", counters.connections);
  state("total", counters.requests);
  page.family("kong_nginx_requests_total", Type::kGauge, "requests of clients")
      .add(metrics::label_text({{"subsystem", "http"}}), static_cast<double>(counters.requests));
  page.family("kong_datastore_reachable", Type::kGauge, "1: the configuration is a file").add("", 1.0);
  page.family("kong_node_info", Type::kGauge, "the release of Kong that names and labels are those of")
      .add(metrics::label_text({{"version", std::string(kVersion)}}), 1.0);
}

}  // namespace

void add_kong_metrics(metrics::Page& page, const model::Cluster& objects, const telemetry::Meter& meter,
                      const proxy::Counters& counters) {
  const auto families = families_of(objects);
  if (families.empty()) return;
  add_node(page, counters);
  Writer writer(page, names_of(objects));
  for (const auto& total : meter.totals()) writer.add(total, families);
}

}  // namespace fairlead::gateway
