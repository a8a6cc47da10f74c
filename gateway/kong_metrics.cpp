// SPDX-License-Identifier: Apache-2.0
#include "gateway/kong_metrics.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fairlead/telemetry/identifiers.hpp"

namespace fairlead::gateway {
namespace {

using metrics::Labels;
using metrics::Type;

constexpr std::string_view kVersion = "3.9.0";  // of Kong: what its dashboards are made for

const std::string* annotation(const model::ObjectPtr& object, std::string_view key) {
  return std::visit([&](const auto& one) { return model::find_label(one.metadata.annotations, key); }, *object);
}

/// ",node,status,": what a Gateway asks for; empty: nothing.
std::string families_of(const model::Cluster& objects) {
  for (const auto& [key, object] : objects.objects(model::Kind::kGateway))
    if (const auto* said = annotation(object, "fairlead.io/kong-metrics"); said != nullptr && !said->empty())
      return "," + *said + ",";
  return {};
}

bool shows(const std::string& families, std::string_view family) {
  return families.find("," + std::string(family) + ",") != std::string::npos;
}

class Writer {
 public:
  explicit Writer(metrics::Page& page) : page_(page) {}

  void add_statuses(const telemetry::KongPlace& of, const telemetry::KongTotals& totals) {
    auto& family =
        page_.family("kong_http_requests", Type::kCounter, "HTTP status codes by consumer, service and route");
    for (const auto& [status, requests] : totals.statuses)
      family.add(metrics::label_text({{"service", of.service},
                                      {"route", of.route},
                                      {"code", std::to_string(status.first)},
                                      {"source", status.second ? "service" : "kong"},
                                      {"workspace", "default"},
                                      {"consumer", of.consumer}}),
                 requests);
  }

  /// A gauge, as Kong's counter has no _total in its name.
  void add_bytes(const telemetry::KongPlace& of, const telemetry::KongTotals& totals) {
    auto& family = page_.family("kong_bandwidth_bytes", Type::kGauge, "bytes by consumer, service and route");
    for (const auto& [direction, bytes] :
         {std::pair("ingress", totals.request_bytes), std::pair("egress", totals.response_bytes)})
      family.add(metrics::label_text({{"service", of.service},
                                      {"route", of.route},
                                      {"direction", direction},
                                      {"workspace", "default"},
                                      {"consumer", of.consumer}}),
                 static_cast<double>(bytes));
  }

  void add_latencies(const std::pair<std::string, std::string>& of, const telemetry::KongTotals& totals) {
    const auto place = metrics::label_text({{"service", of.second}, {"route", of.first}, {"workspace", "default"}});
    const auto add = [&](const char* name, const char* help, const auto& bounds, const auto& histogram) {
      page_.family(name, Type::kHistogram, help).add_histogram(place, bounds, histogram.counts, histogram.sum_ms);
    };
    add("kong_request_latency_ms", "total latency of requests", telemetry::kKongUpstreamBoundsMs, totals.request);
    add("kong_upstream_latency_ms", "latency of upstreams", telemetry::kKongUpstreamBoundsMs, totals.upstream);
    add("kong_kong_latency_ms", "latency added by the gateway", telemetry::kKongBoundsMs, totals.kong);
  }

 private:
  metrics::Page& page_;
};

void add_requests(metrics::Page& page, const telemetry::KongMeter& meter, const std::string& families) {
  Writer writer(page);
  std::map<std::pair<std::string, std::string>, telemetry::KongTotals> places;  // without consumers
  for (const auto& [place, totals] : meter.totals()) {
    if (shows(families, "status")) writer.add_statuses(place, totals);
    if (shows(families, "bandwidth")) writer.add_bytes(place, totals);
    if (shows(families, "latency")) places[{place.route, place.service}].add(totals);
  }
  for (const auto& [place, totals] : places) writer.add_latencies(place, totals);
}

/// As Kong's ids: random, of this process.
const std::string& node_id() {
  static const auto id = [] {
    telemetry::IdGenerator ids;
    std::array<char, telemetry::kUuidText> text{};
    telemetry::write_uuid(text.data(), telemetry::UuidVersion::kV4, ids, 0);
    return std::string(text.data(), text.size());
  }();
  return id;
}

void add_node(metrics::Page& page, const proxy::Counters& counters) {
  const auto state = [&](const char* name, std::uint64_t value) {
    page.family("kong_nginx_connections_total", Type::kGauge, "connections of clients by state")
        .add(metrics::label_text({{"node_id", node_id()}, {"subsystem", "http"}, {"state", name}}),
             static_cast<double>(value));
  };
  state("active", counters.open_connections);
  state("accepted", counters.connections);
  state("handled", counters.connections);
  state("total", counters.requests);
  page.family("kong_nginx_requests_total", Type::kGauge, "requests of clients")
      .add(metrics::label_text({{"node_id", node_id()}, {"subsystem", "http"}}),
           static_cast<double>(counters.requests));
  page.family("kong_datastore_reachable", Type::kGauge, "1: the configuration is a file").add("", 1.0);
  page.family("kong_node_info", Type::kGauge, "the release of Kong that names and labels are those of")
      .add(metrics::label_text({{"node_id", node_id()}, {"version", std::string(kVersion)}}), 1.0);
}

/// One target of an upstream, of which each state is told: 1 for the one that it has.
void add_target(metrics::Page& page, const std::string& upstream, const std::string& target, const std::string& address,
                std::string_view has) {
  auto& family = page.family("kong_upstream_target_health", Type::kGauge,
                             "health of targets of upstreams, 1 where a target has the state");
  for (const std::string_view state : {"healthchecks_off", "healthy", "unhealthy", "dns_error"})
    family.add(metrics::label_text({{"upstream", upstream},
                                    {"target", target},
                                    {"address", address},
                                    {"state", std::string(state)},
                                    {"subsystem", "http"}}),
               state == has ? 1.0 : 0.0);
}

std::string with_port(const std::string& host, std::uint16_t port) {
  return (host.find(':') != std::string::npos ? "[" + host + "]:" : host + ":") + std::to_string(port);
}

/// The targets of a Service that stands for an upstream.
class Targets {
 public:
  Targets(metrics::Page& page, const KongBackends& backends) : page_(page), backends_(backends) {}

  /// `said`: its annotation, the upstream's name, and behind a space "unchecked" where nobody looks after targets.
  void add(const model::Service& service, const std::string& said, const model::Cluster& objects) {
    upstream_ = said.substr(0, said.find(' '));
    checked_ = upstream_.size() == said.size();
    cluster_ = service.metadata.ns + "/" + service.metadata.name + ":";
    if (service.external_name)
      for (const auto& port : service.ports) add_name(service.external_host, port.port);
    for (const auto& slice : objects.slices(service.metadata.ns, service.metadata.name))
      for (const auto& port : slice->ports) {
        for (const auto& name : slice->names) add_name(name, port.port);
        for (const auto& endpoint : slice->endpoints)
          for (const auto& address : endpoint.addresses) {
            const auto text = with_port(address.text(), port.port);
            add_target(page_, upstream_, text, text, state_of(text));
          }
      }
  }

 private:
  void add_name(const std::string& name, std::uint16_t port) {
    const auto target = with_port(name, port);
    const auto known = std::ranges::find_if(
        backends_.names, [&](const auto& one) { return one.name == name + "." || one.name == name; });
    if (known == backends_.names.end() || known->addresses.empty())
      return add_target(page_, upstream_, target, "", "dns_error");
    for (const auto& address : known->addresses) {
      const auto text = with_port(address.text(), port);
      add_target(page_, upstream_, target, text, state_of(text));
    }
  }

  [[nodiscard]] std::string_view state_of(const std::string& address) const {
    if (!checked_) return "healthchecks_off";
    for (const auto& cluster : backends_.clusters) {
      if (!cluster.name.starts_with(cluster_)) continue;
      for (const auto& backend : cluster.backends)
        if (backend.name == address && (!backend.healthy || backend.ejected)) return "unhealthy";
    }
    return "healthy";
  }

  metrics::Page& page_;
  const KongBackends& backends_;
  std::string upstream_, cluster_;
  bool checked_ = true;
};

void add_upstreams(metrics::Page& page, const model::Cluster& objects, const KongBackends& backends) {
  std::vector<std::string> done;  // several services may have one upstream
  for (const auto& [key, object] : objects.objects(model::Kind::kService)) {
    const auto* said = annotation(object, "fairlead.io/kong-upstream");
    if (said == nullptr || std::ranges::find(done, *said) != done.end()) continue;
    done.push_back(*said);
    Targets(page, backends).add(std::get<model::Service>(*object), *said, objects);
  }
}

}  // namespace

void set_kong_meter(telemetry::KongMeter& meter, const model::Cluster& objects) {
  const auto families = families_of(objects);
  const bool counts = shows(families, "status") || shows(families, "bandwidth") || shows(families, "latency");
  meter.set(counts, shows(families, "consumer"));
}

void add_kong_metrics(metrics::Page& page, const model::Cluster& objects, const telemetry::KongMeter& meter,
                      const proxy::Counters& counters, const std::function<KongBackends()>& backends) {
  const auto families = families_of(objects);
  if (families.empty()) return;
  add_node(page, counters);
  add_requests(page, meter, families);
  if (shows(families, "upstreams")) add_upstreams(page, objects, backends());
}

}  // namespace fairlead::gateway
