// SPDX-License-Identifier: Apache-2.0
// Listeners, routes and clusters of a snapshot as JSON.
#include <algorithm>
#include <set>

#include "gateway/admin_json.hpp"
#include "gateway/dataplane/route/host_router.hpp"

namespace fairlead::gateway {
namespace {

using proxy::WeightedBackend;

const char* path_kind_name(route::PathKind kind) {
  switch (kind) {
    case route::PathKind::kExact: return "Exact";
    case route::PathKind::kPrefix: return "PathPrefix";
    case route::PathKind::kRegex: return "RegularExpression";
    case route::PathKind::kGrpcMethod: return "Method";
  }
  return "";
}

Json field_matches(const std::vector<route::FieldMatch>& matches) {
  Json out = Json::array();
  for (const auto& match : matches)
    out.push_back({{"name", match.name},
                   {"type", match.compare == route::Compare::kRegex ? "RegularExpression" : "Exact"},
                   {"value", shown_value(match.name, match.value)}});
  return out;
}

const char* balancing_name(upstream::Balancing policy) {
  switch (policy) {
    case upstream::Balancing::kRoundRobin: return "round robin";
    case upstream::Balancing::kRandom: return "random";
    case upstream::Balancing::kLeastRequest: return "least request";
    case upstream::Balancing::kPeakEwma: return "peak EWMA";
    case upstream::Balancing::kRingHash: return "ring hash";
    case upstream::Balancing::kMaglev: return "Maglev";
  }
  return "";
}

const char* protocol_name(upstream::Protocol protocol) {
  switch (protocol) {
    case upstream::Protocol::kHttp1: return "HTTP/1.1";
    case upstream::Protocol::kHttp2: return "HTTP/2";
    case upstream::Protocol::kAuto: return "by ALPN";
  }
  return "";
}

Json breakers_json(const upstream::BreakerSpec& spec) {
  return {{"connections", spec.max_connections},
          {"pending", spec.max_pending},
          {"requests", spec.max_requests},
          {"retries", spec.max_retries}};
}

Json endpoints_json(const upstream::ClusterSpec& cluster) {
  Json out = Json::object();
  for (const auto& endpoint : cluster.endpoints) {
    auto& one = out[net::SocketAddress(endpoint.address).text()];
    one = {{"weight", endpoint.weight}, {"ready", endpoint.ready}, {"draining", endpoint.draining}};
    if (!endpoint.hostname.empty()) one["hostname"] = endpoint.hostname;
    if (!endpoint.locality.zone.empty()) one["zone"] = endpoint.locality.zone;
  }
  return out;
}

Json cluster_json(const upstream::ClusterSpec& cluster) {
  Json out{{"endpoints", endpoints_json(cluster)},
           {"protocol", protocol_name(cluster.pool.protocol)},
           {"tls", cluster.tls != nullptr},
           {"balancing", balancing_name(cluster.balancing.policy)},
           {"breakers", breakers_json(cluster.breakers)},
           {"backendBreakers", breakers_json(cluster.backend_breakers)}};
  if (!cluster.sni.empty()) out["sni"] = cluster.sni;
  Json names = Json::array();
  for (const auto& dns : cluster.dns) names.push_back(dns.name + ":" + std::to_string(dns.port));
  if (!names.empty()) out["names"] = std::move(names);
  const auto& pool = cluster.pool;
  out["pool"] = {{"connectTimeoutMs", pool.connect_timeout.count()},
                 {"idleTimeoutMs", pool.idle_timeout.count()},
                 {"maxIdle", pool.max_idle},
                 {"maxRequestsPerConnection", pool.max_requests_per_connection}};
  const auto& retry = cluster.retry;
  out["retry"] = {{"attempts", retry.attempts}, {"on", retry.on}, {"perTryTimeoutMs", retry.per_try_timeout.count()}};
  if (cluster.ejection)
    out["ejection"] = {{"consecutive5xx", cluster.ejection->consecutive_5xx},
                       {"consecutiveLocalFailures", cluster.ejection->consecutive_local_failures},
                       {"maxPercent", cluster.ejection->max_percent}};
  Json checks = Json::array();
  for (const auto& check : cluster.checks)
    checks.push_back({{"path", check.path}, {"intervalMs", check.interval.count()}});
  if (!checks.empty()) out["checks"] = std::move(checks);
  return out;
}

Json route_json(const route::Route& route, const proxy::Snapshot& snapshot) {
  const auto& action = *static_cast<const proxy::RouteAction*>(route.data.get());
  Json rules = Json::array();
  for (std::size_t i = 0; i < route.rules.size(); ++i) {
    Json matches = Json::array();
    for (const auto& match : route.rules[i].matches) matches.push_back(match_json(match, route.grpc));
    Json rule{{"matches", std::move(matches)}};
    if (i < action.rules.size()) add_action(action.rules[i], snapshot, rule);
    rules.push_back(std::move(rule));
  }
  return {{"route", action.name}, {"hosts", route.hosts}, {"rules", std::move(rules)}};
}

}  // namespace

Json match_json(const route::RouteMatch& match, bool grpc) {
  Json out{{"path", {{"type", path_kind_name(match.path_kind)}, {"value", match.path}}}};
  if (grpc && match.grpc) out["grpc"] = {{"service", match.grpc->service}, {"method", match.grpc->method}};
  if (!match.method.empty()) out["method"] = match.method;
  if (!match.headers.empty()) out["headers"] = field_matches(match.headers);
  if (!match.queries.empty()) out["query"] = field_matches(match.queries);
  return out;
}

void add_action(const proxy::RuleAction& action, const proxy::Snapshot& snapshot, Json& into) {
  into["filters"] = filters_json(action.filters);
  Json backends = Json::array();
  const auto cluster_of = [&](const WeightedBackend& backend) {
    const bool known = backend.cluster < snapshot.clusters.size() && snapshot.clusters[backend.cluster] != nullptr;
    return known ? Json(snapshot.clusters[backend.cluster]->name) : Json();
  };
  for (const auto& backend : action.backends) {
    Json one{{"cluster", cluster_of(backend)}, {"weight", backend.weight}};
    if (one["cluster"].is_null()) one["invalid"] = "its share of the requests gets 500";
    if (backend.filters != nullptr) one["filters"] = filters_json(backend.filters);
    backends.push_back(std::move(one));
  }
  into["backends"] = std::move(backends);
  if (action.extras->canary != nullptr) into["canary"] = cluster_of(*action.extras->canary);
  if (action.extras->request_timeout.count() > 0) into["requestTimeoutMs"] = action.extras->request_timeout.count();
  if (action.extras->backend_timeout.count() > 0) into["backendTimeoutMs"] = action.extras->backend_timeout.count();
}

Json listener_json(const proxy::ListenerSpec& listener) {
  Json addresses = Json::array();
  for (const auto& address : listener.addresses) addresses.push_back(address.text());
  return {{"name", listener.name},
          {"protocol", listener.kind == proxy::ListenerKind::kHttps ? "HTTPS" : "HTTP"},
          {"addresses", std::move(addresses)}};
}

Json routes_of(const proxy::ListenerSpec& listener, const proxy::Snapshot& snapshot) {
  std::set<const route::Route*> seen;
  std::vector<Json> routes;
  if (listener.router != nullptr)
    for (const auto& host : listener.router->host_routers())
      for (const auto& route : host->routes())
        if (route->data != nullptr && seen.insert(route.get()).second) routes.push_back(route_json(*route, snapshot));
  const auto key = [](const Json& route) { return route["route"].get<std::string>() + " " + dump(route["hosts"]); };
  std::ranges::sort(routes, {}, key);
  return routes;
}

Json routes_json(const proxy::Snapshot& snapshot) {
  Json listeners = Json::array();
  for (const auto& listener : snapshot.listeners) {
    auto& one = listeners.emplace_back(listener_json(*listener));
    one["routes"] = routes_of(*listener, snapshot);
  }
  return {{"listeners", std::move(listeners)}};
}

Json dump_json(const proxy::Snapshot& snapshot) {
  Json listeners = Json::object();
  Json routes = Json::object();
  Json clusters = Json::object();
  for (const auto& listener : snapshot.listeners) {
    auto one = listener_json(*listener);
    one.erase("name");
    const auto& limits = *listener->limits;
    one["limits"] = {{"target", limits.h1.head.target},          {"fieldsBytes", limits.h1.head.fields_bytes},
                     {"fields", limits.h1.head.fields},          {"headTimeoutMs", limits.h1.timeouts.head},
                     {"idleTimeoutMs", limits.h1.timeouts.idle}, {"streams", limits.h2.streams}};
    listeners[listener->name] = std::move(one);
    auto& here = routes[listener->name] = Json::object();
    for (auto& route : routes_of(*listener, snapshot)) {
      const auto name = route["route"].get<std::string>();
      route.erase("route");
      here[name].push_back(std::move(route));
    }
  }
  for (const auto& cluster : snapshot.clusters)
    if (cluster != nullptr) clusters[cluster->name] = cluster_json(*cluster);
  return {{"listeners", std::move(listeners)}, {"routes", std::move(routes)}, {"clusters", std::move(clusters)}};
}

}  // namespace fairlead::gateway
