// SPDX-License-Identifier: Apache-2.0
#include "agent/admin/views.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <map>

#include "agent/telemetry/flow.hpp"

namespace fairlead::admin {
namespace {

const char* algorithm_name(std::uint8_t algorithm) {
  switch (algorithm) {
    case FL_ROUND_ROBIN: return "round-robin";
    case FL_LEAST_CONN: return "least-connections";
    case FL_MAGLEV: return "maglev";
    default: return "random";
  }
}

const char* proto_name(std::uint8_t proto) { return proto == FL_UDP ? "udp" : "tcp"; }

const char* frontend_kind(std::uint32_t flags) {
  if (flags & FL_FRONTEND_NODE_PORT) return "NodePort";
  if (flags & FL_FRONTEND_LOAD_BALANCER) return "LoadBalancer";
  if (flags & FL_FRONTEND_EXTERNAL_IP) return "ExternalIP";
  return "ClusterIP";
}

std::string with_port(const std::string& address, std::uint16_t port) {
  const bool v6 = address.find(':') != std::string::npos;
  return (v6 ? "[" + address + "]" : address) + ":" + std::to_string(port);
}

fl_service_state state_of(const Sources& sources, const fl_service& row) {
  const auto& states = sources.services.tables().service_states;
  if (row.state_index >= states.size()) return {};
  const fl_service_state state = states[row.state_index];
  return state.generation == row.generation ? state : fl_service_state{};
}

Json service_json(const Sources& sources, const datapath::ServiceInfo& service) {
  const auto state = state_of(sources, service.row);
  Json frontends = Json::array();
  for (const auto& frontend : service.frontends) {
    const bool any = frontend.flags & FL_FRONTEND_NODE_PORT;
    frontends.push_back({{"address", any ? "*:" + std::to_string(ntohs(frontend.key.port))
                                         : with_port(Address(frontend.key.addr).text(), ntohs(frontend.key.port))},
                         {"kind", frontend_kind(frontend.flags)}});
  }
  const bool local_only = (service.row.flags & FL_SERVICE_LOCAL_ONLY) != 0;
  const std::uint32_t asked = local_only ? FL_BACKEND_READY | FL_BACKEND_LOCAL : FL_BACKEND_READY;
  std::uint32_t usable = 0;
  for (const auto id : service.backends)
    if (const auto backend = sources.services.backend(id)) usable += (backend->row.flags & asked) == asked;
  return {{"namespace", service.ns},
          {"name", service.name},
          {"port_name", service.port_name},
          {"port", service.port},
          {"protocol", proto_name(service.proto)},
          {"frontends", std::move(frontends)},
          {"algorithm", algorithm_name(service.row.algorithm)},
          {"local_only", local_only},
          {"affinity_seconds", service.row.affinity_seconds},
          {"outlier_detection", (service.row.flags & FL_SERVICE_OUTLIER) != 0},
          {"max_connections", service.row.max_connections},
          {"endpoints", service.backends.size()},
          {"ready", usable},
          {"active", state.active},
          {"pending", state.pending},
          {"ejected", state.ejected},
          {"connections", state.total},
          {"no_backend", state.no_backend},
          {"over_limit", state.over_limit}};
}

const char* backend_condition(const datapath::BackendInfo& backend, std::uint64_t now_ns) {
  if (backend.row.flags & FL_BACKEND_GONE) return "gone";
  if (backend.row.flags & FL_BACKEND_TERMINATING) return "terminating";
  if (!(backend.row.flags & FL_BACKEND_READY)) return "not-ready";
  return backend.state.ejected_until_ns > now_ns ? "ejected" : "ready";
}

Json failed_json(const __u64 (&failed)[FL_REASONS]) {
  Json json = Json::object();
  for (std::uint32_t reason = 1; reason < FL_REASONS; ++reason)
    if (failed[reason] != 0) json[std::string(telemetry::reason_name(reason))] = failed[reason];
  return json;
}

/// What fl_be_stats has of it. Bucket i of connects counts those below 2^(2i+5) us, the last one all others.
void add_sums(Json& json, const fl_backend_stats& stats) {
  json["closed"] = stats.closed;
  json["failed"] = failed_json(stats.failed);
  json["request_bytes"] = stats.sent_bytes;
  json["response_bytes"] = stats.received_bytes;
  json["redirected_bytes"] = stats.redirected_bytes;
  json["connect_us_sum"] = stats.connect_us_sum;
  json["connect_us_buckets"] = Json(stats.connect_us);
}

Json backend_json(const Sources& sources, const datapath::ServiceInfo& service, const datapath::BackendInfo& backend,
                  std::uint64_t now_ns) {
  const auto& workload = sources.telemetry.names().workload(backend.row.workload_id);
  const auto& state = backend.state;
  Json json = {{"service", service.ns + "/" + service.name},
               {"port_name", service.port_name},
               {"service_port", service.port},
               {"protocol", proto_name(service.proto)},
               {"address", with_port(Address(backend.row.addr).text(), ntohs(backend.row.port))},
               {"workload", workload.text()},
               {"local", (backend.row.flags & FL_BACKEND_LOCAL) != 0},
               {"condition", backend_condition(backend, now_ns)},
               {"active", state.active},
               {"pending", state.pending},
               {"connections", state.total},
               {"connect_failures", state.connect_failures},
               {"resets", state.resets},
               {"rtt_us", state.srtt_us},
               {"ejections", state.ejections}};
  if (state.ejected_until_ns > now_ns) json["ejected_for_ms"] = (state.ejected_until_ns - now_ns) / 1'000'000;
  return json;
}

/// With internalTrafficPolicy: Local a port has two rows, and each of its endpoints as well: shown as one.
void add_backend(Json& list, std::map<std::string, std::size_t>& places, Json backend) {
  auto key = backend["service"].dump() + backend["service_port"].dump() + backend["protocol"].dump() +
             backend["address"].dump();
  const auto [place, fresh] = places.try_emplace(std::move(key), list.size());
  if (fresh) return list.push_back(std::move(backend));
  auto& first = list[place->second];
  const auto add = [](Json& to, const Json& more) {
    to = (to.is_null() ? 0 : to.get<std::uint64_t>()) + more.get<std::uint64_t>();
  };
  for (const char* sum : {"active", "pending", "connections", "connect_failures", "resets", "ejections", "closed",
                          "request_bytes", "response_bytes", "redirected_bytes", "connect_us_sum"})
    add(first[sum], backend[sum]);
  for (const auto& [reason, count] : backend["failed"].items()) add(first["failed"][reason], count);
  auto& buckets = first["connect_us_buckets"];
  for (std::size_t i = 0; i < buckets.size(); ++i) add(buckets[i], backend["connect_us_buckets"][i]);
}

/// Every counter of the kernel half, and what is lost on the way to readers.
Json counters_json(const Sources& sources) {
  Json list = Json::array();
  const auto counters = sources.telemetry.counters();
  for (const auto& kind : telemetry::counter_kinds())
    if (counters)
      list.push_back({{"name", telemetry::counter_name(kind)},
                      {"value", (*counters)[kind.index]},
                      {"what", kind.note == nullptr ? kind.help : kind.note}});
  list.push_back({{"name", "fairlead_lost_flow_lines_total"},
                  {"value", sources.telemetry.events().lost_lines()},
                  {"what", telemetry::kLostLines}});
  list.push_back({{"name", "fairlead_policy_write_failures_total"},
                  {"value", sources.policies.failures()},
                  {"what", telemetry::kUnwrittenPolicies}});
  return list;
}

Json diagnostics_json(const config::Diagnostics& diagnostics) {
  Json list = Json::array();
  for (const auto& diagnostic : diagnostics)
    list.push_back({{"severity", diagnostic.severity == config::Severity::kError ? "error" : "warning"},
                    {"file", diagnostic.file},
                    {"line", diagnostic.line},
                    {"column", diagnostic.column},
                    {"object", diagnostic.object},
                    {"field", diagnostic.field},
                    {"found", diagnostic.found},
                    {"expected", diagnostic.expected},
                    {"text", diagnostic.text()}});
  return list;
}

}  // namespace

Json status_view(const Sources& sources, std::uint64_t started_ns) {
  Json features = Json::array();
  for (const auto& feature : sources.features())
    features.push_back({{"name", feature.name}, {"on", feature.on}, {"detail", feature.detail}});
  Json programs = Json::array();
  for (const auto& lack : sources.lacks())
    programs.push_back({{"program", lack.program}, {"instead", lack.instead}, {"reason", lack.reason}});
  const auto& cgroup = sources.datapath.cgroup();
  return {{"version", FAIRLEAD_VERSION},
          {"node", sources.node},
          {"config", sources.config},
          {"pin_dir", sources.pin_dir},
          {"uptime_seconds", (telemetry::monotonic_ns() - started_ns) / 1'000'000'000},
          {"cgroup", {{"path", cgroup.path}, {"root", cgroup.root}, {"root_namespace", cgroup.root_namespace}}},
          {"adopted", sources.datapath.adopted()},
          {"features", std::move(features)},
          {"kernel_lacks", std::move(programs)},
          {"services", sources.services.services().size()},
          {"workloads", sources.policies.all().size()},
          {"diagnostics", diagnostics_json(sources.diagnostics())},
          {"counters", counters_json(sources)}};
}

Json services_view(const Sources& sources) {
  Json list = Json::array();
  auto services = sources.services.services();
  std::sort(services.begin(), services.end(), [](const auto& a, const auto& b) {
    return std::tie(a.ns, a.name, a.port, a.proto, a.id) < std::tie(b.ns, b.name, b.port, b.proto, b.id);
  });
  for (const auto& service : services) list.push_back(service_json(sources, service));
  return {{"services", std::move(list)}};
}

Result<Json> backends_view(const Sources& sources) {
  FL_TRY(const auto sums, sources.telemetry.backends());
  Json list = Json::array();
  std::map<std::string, std::size_t> places;
  const auto now = telemetry::monotonic_ns();
  auto services = sources.services.services();
  std::sort(services.begin(), services.end(), [](const auto& a, const auto& b) {
    return std::tie(a.ns, a.name, a.port, a.proto, a.id) < std::tie(b.ns, b.name, b.port, b.proto, b.id);
  });
  for (const auto& service : services)
    for (const auto id : service.backends)
      if (const auto backend = sources.services.backend(id)) {
        auto json = backend_json(sources, service, *backend, now);
        const auto sum = sums.find({.backend_id = id, .generation = backend->row.generation});
        add_sums(json, sum == sums.end() ? fl_backend_stats{} : sum->second);
        add_backend(list, places, std::move(json));
      }
  return Json{{"backends", std::move(list)}};
}

Json workloads_view(const Sources& sources) {
  Json list = Json::array();
  auto all = sources.policies.all();
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
    return std::tie(a.workload.ns, a.workload.name, a.address) < std::tie(b.workload.ns, b.workload.name, b.address);
  });
  for (const auto& info : all) {
    Json policies = Json::array();
    for (const auto& key : info.policies) policies.push_back(key.text());
    list.push_back({{"address", info.address.text()},
                    {"object", info.object.text()},
                    {"namespace", info.workload.ns},
                    {"workload", info.workload.name},
                    {"kind", info.workload.kind},
                    {"pod", info.object.kind == model::Kind::kPod ? info.object.name : ""},
                    {"service_account", info.workload.service_account},
                    {"identity", info.row.identity},
                    {"local", (info.row.flags & FL_WORKLOAD_LOCAL) != 0},
                    {"redirect", (info.row.flags & FL_WORKLOAD_REDIRECT) != 0},
                    {"guarded", (info.row.flags & FL_WORKLOAD_GUARDED) != 0},
                    {"closed", (info.row.flags & FL_WORKLOAD_CLOSED) != 0},
                    {"restricts_ingress", (info.row.flags & FL_WORKLOAD_INGRESS) != 0},
                    {"restricts_egress", (info.row.flags & FL_WORKLOAD_EGRESS) != 0},
                    {"policies", std::move(policies)}});
  }
  return {{"workloads", std::move(list)}};
}

Result<Json> maps_view(const Sources& sources) {
  FL_TRY(const auto maps, sources.telemetry.maps());
  Json list = Json::array();
  for (const auto& map : maps)
    list.push_back({{"name", map.name},
                    {"type", map.type},
                    {"entries", map.entries},
                    {"capacity", map.capacity},
                    {"bytes", map.bytes}});
  return Json{{"maps", std::move(list)}};
}

Result<Json> pairs_view(const Sources& sources) {
  FL_TRY(const auto pairs, sources.telemetry.pairs());
  Json list = Json::array();
  auto& names = sources.telemetry.names();
  for (const auto& pair : pairs) {
    if (pair.key.proto == 0) continue;  // the overflow row has no names
    const auto found = telemetry::names_of(pair.key, names);
    const auto& stats = pair.stats;
    list.push_back({{"reporter", pair.key.reporter == FL_REPORTER_SOURCE ? "source" : "destination"},
                    {"source", found.source.text()},
                    {"destination", found.destination.text()},
                    {"service", found.has_service ? found.service.text() : ""},
                    {"port", found.port},
                    {"protocol", proto_name(pair.key.proto)},
                    {"opened", stats.opened},
                    {"closed", stats.closed},
                    {"failed", failed_json(stats.failed)},
                    {"request_bytes", stats.sent_bytes},
                    {"response_bytes", stats.received_bytes},
                    {"redirected_bytes", stats.redirected_bytes},
                    {"retransmissions", stats.retransmissions},
                    {"rtt_us_sum", stats.srtt_us_sum},
                    {"rtt_samples", stats.srtt_samples},
                    {"connect_us_sum", stats.connect_us_sum}});
  }
  return Json{{"time_ns", telemetry::monotonic_ns()}, {"pairs", std::move(list)}};
}

}  // namespace fairlead::admin
