// SPDX-License-Identifier: Apache-2.0
#include "agent/telemetry/page.hpp"

#include <arpa/inet.h>

#include "fairlead/base/address.hpp"

namespace fairlead::telemetry {
namespace {

using metrics::label_text;
using metrics::Type;

std::array<double, FL_LATENCY_BUCKETS - 1> latency_bounds() {
  std::array<double, FL_LATENCY_BUCKETS - 1> bounds{};
  double edge = 16 / kMicros;
  for (auto& bound : bounds) {
    bound = edge;
    edge *= 2;
  }
  return bounds;
}

const char* reporter_name(std::uint8_t reporter) { return reporter == FL_REPORTER_SOURCE ? "source" : "destination"; }
const char* proto_name(std::uint8_t proto) { return proto == FL_UDP ? "udp" : "tcp"; }

metrics::Labels own_labels(const fl_pair_key& key, const PairNames& names) {
  metrics::Labels labels = {
      {"reporter", reporter_name(key.reporter)}, {"source", names.source.text()},
      {"destination", names.destination.text()}, {"service", names.has_service ? names.service.text() : ""},
      {"port", std::to_string(names.port)},      {"protocol", proto_name(key.proto)}};
  const Address address(key.source_addr);
  if (!address.is_unspecified()) labels.emplace_back("source_address", address.text());
  return labels;
}

void add_istio(metrics::Page& page, const Pair& pair, const std::string& labels) {
  const auto& stats = pair.stats;
  page.family("istio_tcp_connections_opened", Type::kCounter, "TCP connections opened")
      .add(labels, std::uint64_t{stats.opened});
  page.family("istio_tcp_connections_closed", Type::kCounter, "TCP connections closed")
      .add(labels, std::uint64_t{stats.closed});
  // Istio counts from the server's side: "received" is what the client sent (istio#32399), and Kiali relies on it.
  page.family("istio_tcp_received_bytes", Type::kCounter, "bytes from client to server")
      .add(labels, std::uint64_t{stats.sent_bytes});
  page.family("istio_tcp_sent_bytes", Type::kCounter, "bytes from server to client")
      .add(labels, std::uint64_t{stats.received_bytes});
}

void add_failures(metrics::Page& page, const Pair& pair, metrics::Labels labels) {
  labels.emplace_back("reason", "");
  for (std::uint32_t reason = 1; reason < FL_REASONS; ++reason) {
    if (pair.stats.failed[reason] == 0) continue;
    labels.back().second = reason_name(reason);
    page.family("fairlead_connections_failed", Type::kCounter,
                "connections that did not begin or ended badly, by reason")
        .add(label_text(labels), std::uint64_t{pair.stats.failed[reason]});
  }
}

void add_own(metrics::Page& page, const Pair& pair, const metrics::Labels& names) {
  static const auto kBounds = latency_bounds();
  const auto& stats = pair.stats;
  const auto labels = label_text(names);
  const auto count = [&](const char* name, const char* help, std::uint64_t value) {
    page.family(name, Type::kCounter, help).add(labels, value);
  };
  count("fairlead_connections_opened", "connections established; UDP: sockets given a backend", stats.opened);
  count("fairlead_connections_closed", "connections closed", stats.closed);
  count("fairlead_request_bytes", "bytes from client to server", stats.sent_bytes);
  count("fairlead_response_bytes", "bytes from server to client", stats.received_bytes);
  count("fairlead_connection_redirected_bytes", "bytes that went from socket to socket, both ways",
        stats.redirected_bytes);
  count("fairlead_retransmissions", "TCP segments sent again by the reporting side", stats.retransmissions);
  if (stats.srtt_samples != 0)
    page.family("fairlead_rtt_seconds", Type::kSummary, "smoothed round trip times, sampled at sweeps and at close")
        .add_summary(labels, stats.srtt_samples, static_cast<double>(stats.srtt_us_sum) / kMicros);
  if (pair.key.reporter == FL_REPORTER_SOURCE && pair.key.proto == FL_TCP) {
    const std::vector<std::uint64_t> counts(std::begin(stats.connect_us), std::end(stats.connect_us));
    page.family("fairlead_connect_duration_seconds", Type::kHistogram, "time from connect() to established")
        .add_histogram(labels, kBounds, counts, static_cast<double>(stats.connect_us_sum) / kMicros);
  }
  add_failures(page, pair, names);
}

bool is_overflow(const fl_pair_key& key) { return key.proto == 0; }

}  // namespace

PairNames names_of(const fl_pair_key& key, Names& names) {
  PairNames found;
  found.source = names.workload(key.source_workload);
  found.destination = names.workload(key.destination_workload);
  const auto* service = key.reporter == FL_REPORTER_DESTINATION
                            ? names.service_at(key.destination_workload, key.port, key.proto)
                            : names.service(key.service_id);
  if (service != nullptr) {
    found.has_service = true;
    found.service = *service;
  }
  // A NodePort is one of the ways to the service's port; the server's side knows its own port only.
  found.port = service != nullptr && key.reporter == FL_REPORTER_SOURCE ? service->port : ntohs(key.port);
  return found;
}

std::string istio_labels(const fl_pair_key& key, const PairNames& names, const std::string& domain) {
  const auto& [source, destination, has_service, service, unused] = names;
  const std::string unknown = "unknown";
  const auto of_node = [&](const std::string& ns) { return ns.empty() ? unknown : ns; };  // which is in no namespace
  return label_text({
      {"reporter", reporter_name(key.reporter)},
      {"source_workload", source.name},
      {"source_workload_namespace", of_node(source.ns)},
      {"source_canonical_service", source.canonical_service},
      {"source_canonical_revision", source.canonical_revision},
      {"source_principal", unknown},
      {"source_app", source.app},
      {"source_version", source.version},
      {"source_cluster", "Kubernetes"},
      {"destination_service", has_service ? service.host(domain) : unknown},
      {"destination_service_name", has_service ? service.name : unknown},
      {"destination_service_namespace", has_service ? service.ns : of_node(destination.ns)},
      {"destination_workload", destination.name},
      {"destination_workload_namespace", of_node(destination.ns)},
      {"destination_canonical_service", destination.canonical_service},
      {"destination_canonical_revision", destination.canonical_revision},
      {"destination_principal", unknown},
      {"destination_app", destination.app},
      {"destination_version", destination.version},
      {"destination_cluster", "Kubernetes"},
      {"request_protocol", "tcp"},
      {"response_flags", "-"},
      {"connection_security_policy", key.reporter == FL_REPORTER_SOURCE ? "unknown" : "none"},
  });
}

void add_pairs(metrics::Page& page, std::span<const Pair> pairs, Names& names, const std::string& domain) {
  for (const auto& pair : pairs) {
    if (is_overflow(pair.key)) {
      const auto labels = label_text({{"direction", "request"}});
      page.family("fairlead_overflow_connections", Type::kCounter,
                  "connections of all series beyond the cap (max-series)")
          .add("", std::uint64_t{pair.stats.opened});
      page.family("fairlead_overflow_bytes", Type::kCounter, "bytes of all series beyond the cap")
          .add(labels, std::uint64_t{pair.stats.sent_bytes});
      page.family("fairlead_overflow_bytes", Type::kCounter, "")
          .add(label_text({{"direction", "response"}}), std::uint64_t{pair.stats.received_bytes});
      continue;
    }
    const auto found = names_of(pair.key, names);
    if (pair.key.proto == FL_TCP && (pair.stats.opened != 0 || pair.stats.closed != 0))
      add_istio(page, pair, istio_labels(pair.key, found, domain));
    add_own(page, pair, own_labels(pair.key, found));
  }
  page.family("fairlead_series", Type::kGauge, "rows of fl_pairs in use").add("", static_cast<double>(pairs.size()));
}

void add_counters(metrics::Page& page, std::span<const std::uint64_t> counters) {
  for (const auto& kind : counter_kinds()) {
    const auto labels = kind.label == nullptr ? std::string() : label_text({{kind.label, kind.value}});
    page.family(kind.metric, Type::kCounter, kind.help).add(labels, std::uint64_t{counters[kind.index]});
  }
}

}  // namespace fairlead::telemetry
