// SPDX-License-Identifier: Apache-2.0
// Listeners, routes and clusters of a snapshot as JSON.
#include <algorithm>
#include <map>
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

Json retry_json(const upstream::RetrySpec& retry) {
  Json out{{"attempts", retry.attempts}, {"on", retry.on}, {"perTryTimeoutMs", retry.per_try_timeout.count()}};
  if (!retry.status_codes.empty()) out["codes"] = retry.status_codes;
  out["backOffMs"] = {retry.backoff_base.count(), retry.backoff_max.count(), retry.backoff_least.count()};
  return out;
}

Json ejection_json(const upstream::EjectionSpec& ejection) {
  Json out{{"consecutive5xx", ejection.consecutive_5xx},
           {"consecutiveGatewayErrors", ejection.consecutive_gateway_errors},
           {"consecutiveLocalFailures", ejection.consecutive_local_failures},
           {"failurePercent", ejection.failure_percent},
           {"latencyPercent", ejection.latency_percent},
           {"intervalMs", ejection.interval.count()},
           {"baseTimeMs", ejection.base_time.count()},
           {"maxTimeMs", ejection.max_time.count()},
           {"maxPercent", ejection.max_percent}};
  if (!ejection.failure_statuses.empty()) out["failureStatuses"] = ejection.failure_statuses;
  return out;
}

/// What few clusters have.
void add_rest(const upstream::ClusterSpec& cluster, Json& into) {
  const auto add_time = [&](const char* name, upstream::milliseconds time) {
    if (time.count() > 0) into[name] = time.count();
  };
  add_time("requestTimeoutMs", cluster.timeouts.request);
  add_time("streamIdleMs", cluster.timeouts.idle);
  add_time("slowStartMs", cluster.slow_start.window);
  add_time("hedgeAfterMs", cluster.hedge.delay);
  into["panicPercent"] = cluster.locality.panic_percent;
  if (cluster.locality.least_available > 0) into["minimumAvailablePercent"] = cluster.locality.least_available;
  if (cluster.locality.mode != upstream::LocalityMode::kNone) into["ownZone"] = cluster.locality.own.zone;
  if (!cluster.balancing.hash_name.empty()) into["hashes"] = cluster.balancing.hash_name;
  if (cluster.host_of_backend) into["hostHeader"] = "Backend";
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
  if (pool.min_idle > 0) out["pool"]["minIdle"] = pool.min_idle;
  if (pool.max_connection_age.count() > 0) out["pool"]["maxConnectionAgeMs"] = pool.max_connection_age.count();
  if (pool.proxy_protocol > 0) out["pool"]["proxyProtocol"] = pool.proxy_protocol;
  out["retry"] = retry_json(cluster.retry);
  const auto& budget = cluster.retry_budget;
  out["retryBudget"] = {{"percent", budget.percent}, {"minRetryConcurrency", budget.least_concurrency}};
  if (cluster.ejection) out["ejection"] = ejection_json(*cluster.ejection);
  Json checks = Json::array();
  for (const auto& check : cluster.checks)
    checks.push_back({{"path", check.path},
                      {"intervalMs", check.interval.count()},
                      {"timeoutMs", check.timeout.count()},
                      {"healthyThreshold", check.healthy_threshold},
                      {"unhealthyThreshold", check.unhealthy_threshold}});
  if (!checks.empty()) out["checks"] = std::move(checks);
  add_rest(cluster, out);
  return out;
}

/// Whose sections there are, not what they say, which may be secret.
Json chain_json(const filter::Chain& chain) {
  Json out = Json::object();
  for (std::size_t i = 0; i < filter::kSlots; ++i)
    if (chain.filters[i] != nullptr)
      out[std::string(filter::slot_name(static_cast<filter::Slot>(i)))] = chain.origins[i];
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
  Json out{{"route", action.name}, {"hosts", route.hosts}, {"rules", std::move(rules)}};
  if (action.chain != nullptr) out["sections"] = chain_json(*action.chain);
  return out;
}

/// What passes by without being read: a route for each that has names here, by its action.
void add_stream_routes(const proxy::StreamTable& streams, const proxy::Snapshot& snapshot, std::vector<Json>& routes) {
  std::map<std::uint32_t, Json> found;
  for (const auto& [name, stream] : streams.names) {
    const auto& action = stream.action;
    if (action.name.empty()) continue;  // HTTP, or no route
    auto& route = found[action.id];
    if (route.is_null()) {
      Json rule{{"matches", Json::array()}};
      add_action(action, snapshot, rule);
      for (auto& backend : rule["backends"])
        if (backend.contains("invalid")) backend["invalid"] = "its share of the connections is closed";
      if (streams.by_name)
        rule["tls"] = stream.kind == proxy::StreamRoute::Kind::kTerminate ? "Terminate" : "Passthrough";
      route = {{"route", std::string_view(action.name)}, {"hosts", Json::array()}, {"rules", Json::array({rule})}};
    }
    if (!name.empty()) route["hosts"].push_back(name);
  }
  for (auto& [id, route] : found) routes.push_back(std::move(route));
}

const char* protocol_name(const proxy::ListenerSpec& listener) {
  switch (listener.kind) {
    case proxy::ListenerKind::kHttp: return "HTTP";
    case proxy::ListenerKind::kHttps: return "HTTPS";
    case proxy::ListenerKind::kStream: return listener.streams->by_name ? "TLS" : "TCP";
    case proxy::ListenerKind::kDatagram: return "UDP";
  }
  return "";
}

Json session_json(const upstream::PersistenceSpec& session) {
  const bool cookie = session.kind == upstream::Persistence::kCookie;
  Json out{{"type", cookie ? "Cookie" : "Header"}, {"name", session.name}};
  if (cookie) out["path"] = session.path;
  if (session.permanent) out["permanent"] = true;
  if (session.absolute_timeout.count() > 0) out["absoluteTimeoutMs"] = session.absolute_timeout.count();
  return out;
}

Json limits_json(const proxy::ClientLimits& limits) {
  Json out{{"target", limits.h1.head.target},
           {"fieldsBytes", limits.h1.head.fields_bytes},
           {"fields", limits.h1.head.fields},
           {"headTimeoutMs", limits.h1.timeouts.head},
           {"idleTimeoutMs", limits.h1.timeouts.idle},
           {"bodyTimeoutMs", limits.h1.timeouts.body},
           {"writeTimeoutMs", limits.h1.timeouts.write},
           {"tlsHandshakeMs", limits.tls_handshake.count()},
           {"requestTimeoutMs", limits.request.count()},
           {"connectionMs", limits.connection.count()},
           {"requests", limits.h1.requests},
           {"bodyBytes", limits.body_bytes},
           {"connections", limits.connections},
           {"streams", limits.h2.streams},
           {"streamWindow", limits.h2.stream_window},
           {"connectionWindow", limits.h2.connection_window},
           {"allowConnect", limits.h1.allow_connect},
           {"looseTargets", limits.h1.loose_targets},
           {"mergeSlashes", limits.paths.merge_slashes},
           {"upgrades", limits.h1.upgrades.names},
           {"proxyProtocol", limits.proxy_protocol}};
  const auto& forwarded = limits.forwarded;
  Json trusted = Json::array();
  for (const auto& one : forwarded.trusted) trusted.push_back(one.text());
  out["forwarded"] = {{"trustedHops", forwarded.trusted_hops},
                      {"trusted", std::move(trusted)},
                      {"sendForwarded", forwarded.send_forwarded},
                      {"keepRequestId", limits.keep_request_id},
                      {"forwardIdentity", limits.forward_identity}};
  return out;
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
    if (backend.chain != nullptr) one["sections"] = chain_json(*backend.chain);
    backends.push_back(std::move(one));
  }
  into["backends"] = std::move(backends);
  if (action.extras->canary != nullptr) into["canary"] = cluster_of(*action.extras->canary);
  if (const auto* retry = action.extras->retry.get()) into["retry"] = retry_json(*retry);
  if (const auto* session = action.extras->session.get()) into["session"] = session_json(session->spec);
  if (action.chain != nullptr) into["sections"] = chain_json(*action.chain);
  if (action.extras->request_timeout.count() > 0) into["requestTimeoutMs"] = action.extras->request_timeout.count();
  if (action.extras->backend_timeout.count() > 0) into["backendTimeoutMs"] = action.extras->backend_timeout.count();
}

Json listener_json(const proxy::ListenerSpec& listener) {
  Json addresses = Json::array();
  for (const auto& address : listener.addresses) addresses.push_back(address.text());
  return {{"name", listener.name}, {"protocol", protocol_name(listener)}, {"addresses", std::move(addresses)}};
}

Json routes_of(const proxy::ListenerSpec& listener, const proxy::Snapshot& snapshot) {
  std::set<const route::Route*> seen;
  std::vector<Json> routes;
  if (listener.router != nullptr)
    for (const auto& host : listener.router->host_routers())
      for (const auto& route : host->routes())
        if (route->data != nullptr && seen.insert(route.get()).second) routes.push_back(route_json(*route, snapshot));
  if (listener.streams != nullptr) add_stream_routes(*listener.streams, snapshot, routes);
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
    one["limits"] = limits_json(*listener->limits);
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
