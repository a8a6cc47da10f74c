// SPDX-License-Identifier: Apache-2.0
// Services, upstreams and targets as Services, EndpointSlices and policies.
#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <tuple>

#include "fairlead/base/address.hpp"
#include "gateway/dataplane/config/fields.hpp"
#include "gateway/dataplane/kong/parts.hpp"

namespace fairlead::kong {
namespace {

struct Endpoint {
  std::string host;
  std::uint16_t port = 0;
  std::uint32_t weight = 100;

  [[nodiscard]] const char* type() const {
    const auto address = Address::parse(host);
    return !address ? "FQDN" : address->is_v4() ? "IPv4" : "IPv6";
  }
};

std::string milliseconds(std::uint64_t value) {
  if (value % 1000 != 0) return std::to_string(value / 1000) + "s" + std::to_string(value % 1000) + "ms";
  return std::to_string(value / 1000) + "s";
}

std::string authority(const std::string& host, std::uint16_t port, bool tls) {
  const auto bracketed = host.find(':') != std::string::npos ? "[" + host + "]" : host;
  return port == (tls ? 443 : 80) ? bracketed : bracketed + ":" + std::to_string(port);
}

/// What is hashed where a request has nothing of hash_on.
void add_fallback(Notes& notes, const Upstream& upstream, Json& settings) {
  const auto& fallback = upstream.hash_fallback;
  const auto by = [&](const char* type, const std::string& name, const char* field) {
    if (name.empty()) return notes.reader().missing(upstream.at, field, "a name, by hash_fallback");
    settings["fallback"] = type;
    settings["fallbackName"] = name;
  };
  if (fallback == "ip") settings["fallback"] = "SourceIP";
  else if (fallback == "path") settings["fallback"] = "Path";
  else if (fallback == "header") by("Header", upstream.fallback_header, "hash_fallback_header");
  else if (fallback == "query_arg") by("QueryParam", upstream.fallback_query, "hash_fallback_query_arg");
  else if (fallback == "consumer") by("Header", "x-consumer-id", "");
  else if (fallback != "none")
    notes.unserved(upstream.at.find("hash_fallback"), "none, consumer, ip, header, path or query_arg");
}

/// What makes a balancer of an upstream.
Json balancer(Notes& notes, const Upstream& upstream) {
  const auto& hash = upstream.hash_on;
  if (hash != "none" || upstream.algorithm == "consistent-hashing") {
    Json table = {{"type", "ConsistentHash"}};
    auto& settings = table["consistentHash"];
    if (hash == "ip") settings = {{"type", "SourceIP"}};
    else if (hash == "header") settings = {{"type", "Header"}, {"header", upstream.hash_header}};
    else if (hash == "query_arg") settings = {{"type", "QueryParam"}, {"queryParam", upstream.hash_query}};
    else if (hash == "consumer") settings = {{"type", "Header"}, {"header", "x-consumer-id"}};  // as filters set it
    else if (hash == "cookie") settings = {{"type", "Cookie"}, {"cookie", upstream.hash_cookie}};
    else if (hash == "path") settings = {{"type", "Path"}};
    else if (hash == "none") return {{"type", "RoundRobin"}};
    else {
      notes.unserved(upstream.at.find("hash_on"), "none, consumer, ip, header, cookie, path or query_arg");
      return {{"type", "RoundRobin"}};
    }
    add_fallback(notes, upstream, settings);
    return table;
  }
  if (upstream.algorithm == "least-connections") return {{"type", "LeastRequest"}};
  if (upstream.algorithm == "latency") return {{"type", "PeakEWMA"}};
  return {{"type", "RoundRobin"}};
}

/// The smallest but 0; 0 where all are.
template <class Number>
Number least(std::initializer_list<Number> numbers) {
  Number out = 0;
  for (const auto one : numbers)
    if (one != 0 && (out == 0 || one < out)) out = one;
  return out;
}

/// Where one of the two intervals is 0, which is never, the other stands for both.
/// A probe verifies what requests verify.
void check_verification(Notes& notes, const ActiveCheck& check, const Service& service) {
  if (!check.verifies_at) return;
  bool verifies = false;
  notes.reader().read(check.verifies_at, verifies);
  if (check.type == "https" && verifies != service.tls_verify)
    notes.unserved(check.verifies_at, "the same as the service's tls_verify, by which probes verify, too");
}

std::optional<Json> active_check(Notes& notes, const ActiveCheck& check, bool tls) {
  const auto interval = least({check.healthy_interval, check.unhealthy_interval});
  const bool tcp = check.type == "tcp" || is_grpc(check.type);  // for which Kong does no more than connect
  const auto fails = least({check.tcp_failures, check.timeouts, tcp ? 0 : check.http_failures});
  if (interval == 0 || fails == 0) return std::nullopt;
  if (!tcp && check.type != (tls ? "https" : "http")) {
    notes.unserved(check.at.find("type") ? check.at.find("type") : check.at,
                   tls ? "https or tcp, by the service's protocol" : "http or tcp");
    return std::nullopt;
  }
  if (check.timeout <= 0) {
    notes.unserved(check.at, "timeout above 0");
    return std::nullopt;
  }
  const auto span = [](double seconds) { return milliseconds(static_cast<std::uint64_t>(seconds * 1000)); };
  Json out = {{"type", tcp ? "TCP" : "HTTP"},
              {"interval", span(check.healthy_interval > 0 ? check.healthy_interval : interval)},
              {"unhealthyInterval", span(check.unhealthy_interval > 0 ? check.unhealthy_interval : interval)},
              {"timeout", span(check.timeout)},
              {"unhealthyThresholds", {{"connect", check.tcp_failures}, {"timeout", check.timeouts}}},
              {"healthyThreshold", std::max(check.successes, 1u)}};
  if (tcp) return out;
  out["unhealthyThresholds"]["answer"] = check.http_failures;
  const auto ranges = [](const std::vector<std::uint32_t>& statuses) {
    Json list = Json::array();
    for (const auto status : statuses) list.push_back({{"start", status}, {"end", status}});
    return list;
  };
  out["http"] = {{"path", check.path},
                 {"expectedStatuses", ranges(check.healthy_statuses)},
                 {"failureStatuses", ranges(check.unhealthy_statuses)}};
  return out;
}

std::optional<Json> passive_check(const PassiveCheck& check) {
  const auto lost = least({check.tcp_failures, check.timeouts});
  if (lost == 0 && check.http_failures == 0) return std::nullopt;
  return Json{{"consecutive5xxErrors", check.http_failures},
              {"failureStatuses", check.http_statuses},
              {"consecutiveLocalOriginFailures", lost},
              {"maxEjectionPercent", 100}};
}

void add_backend_policy(const Service& service, const std::string& name, Json balancer_settings, Json health,
                        bool host_of_backend, Output& out) {
  const Json none = {
      {"maxConnections", 0}, {"maxPendingRequests", 0}, {"maxParallelRequests", 0}, {"maxParallelRetries", 0}};
  Json spec = {{"targetRefs", list_of({{"group", ""}, {"kind", "Service"}, {"name", name}})},
               {"loadBalancer", std::move(balancer_settings)},
               {"timeouts",
                {{"connect", milliseconds(service.connect_ms)},
                 {"streamIdle", milliseconds(service.read_ms)}}},  // which is what users wait for
               {"circuitBreaker", none}};
  spec["retry"] = {{"attempts", std::min<std::uint32_t>(service.retries, 100)}};
  if (service.retries > 0) spec["retry"]["retryOn"] = Json::array({"connect-failure", "refused-stream", "reset"});
  spec["retryBudget"] = {{"percent", 100}};
  if (!health.is_null()) {
    health["panicThreshold"] = 0;
    spec["healthCheck"] = std::move(health);
  }
  if (host_of_backend) spec["hostHeader"] = "Backend";
  out.add(service.at, "fairlead.io/v1alpha1", "BackendPolicy", name, {{"spec", std::move(spec)}});
}

void add_tls_policy(Notes& notes, const File& file, const Service& service, const std::string& name,
                    const std::string& host, const std::string& client, Output& out) {
  const bool named = config::is_hostname(host, false) && !Address::parse(host);
  if (service.tls_verify && !named)
    return notes.error(service.at.find("host") ? service.at.find("host") : service.at,
                       "a host name, which certificates are verified for");
  Json validation = {{"hostname", named ? host : "backend.invalid"}};
  std::string authorities;
  for (const auto& id : service.ca_certificates) {
    const auto found = std::ranges::find(file.authorities, id, &Certificate::id);
    if (found == file.authorities.end()) notes.error(service.at.find("ca_certificates"), "ids of ca_certificates");
    else authorities += found->cert + "\n";
  }
  if (authorities.empty()) {
    validation["wellKnownCACertificates"] = "System";
  } else {
    validation["caCertificateRefs"] = list_of({{"group", ""}, {"kind", "ConfigMap"}, {"name", name + "-ca"}});
    out.add(service.at, "v1", "ConfigMap", name + "-ca", {{"data", {{"ca.crt", authorities}}}});
  }
  Json spec = {{"targetRefs", list_of({{"group", ""}, {"kind", "Service"}, {"name", name}})},
               {"validation", validation}};
  if (!service.tls_verify) spec["options"]["fairlead.io/insecure-skip-verify"] = "true";
  if (!client.empty()) spec["options"]["fairlead.io/client-certificate"] = client;
  out.add(service.at, "gateway.networking.k8s.io/v1", "BackendTLSPolicy", name, {{"spec", std::move(spec)}});
}

/// Endpoints of one type, port and weight share a slice.
void add_slices(View from, const std::string& name, const std::vector<Endpoint>& endpoints, Output& out) {
  using Key = std::tuple<std::string, std::uint16_t, std::uint32_t>;
  std::vector<std::pair<Key, Json>> slices;
  const bool weighted = std::ranges::any_of(endpoints, [&](auto& one) { return one.weight != endpoints[0].weight; });
  for (const auto& endpoint : endpoints) {
    const Key key{endpoint.type(), endpoint.port, endpoint.weight};
    auto found = std::ranges::find(slices, key, &std::pair<Key, Json>::first);
    if (found == slices.end()) found = slices.insert(slices.end(), {key, Json::array()});
    found->second.push_back({{"addresses", list_of(endpoint.host)}});
  }
  std::size_t number = 0;
  for (auto& [key, list] : slices) {
    const auto& [type, port, weight] = key;
    Output one;
    one.add(from, "discovery.k8s.io/v1", "EndpointSlice", name + "-" + std::to_string(number++),
            {{"addressType", type},
             {"ports", list_of({{"name", "http"}, {"port", port}})},
             {"endpoints", std::move(list)}});
    auto& metadata = one.objects[0].object["metadata"];
    metadata["labels"] = {{"kubernetes.io/service-name", name}};
    if (weighted) metadata["annotations"]["fairlead.io/weight"] = std::to_string(weight);
    out.objects.push_back(std::move(one.objects[0]));
  }
}

/// Of an upstream's targets those that take requests.
std::vector<Endpoint> targets_of(Notes& notes, const File& file, std::size_t upstream) {
  std::vector<Endpoint> out;
  for (const auto& target : file.targets) {
    if (target.upstream != upstream || target.weight == 0) continue;
    const auto host = config::lower(target.host);
    out.push_back({host == "localhost" ? "127.0.0.1" : host, target.port, target.weight});
    if (!Address::parse(out.back().host) && !config::is_hostname(host, false))
      notes.error(target.at.find("target"), "an IP address or a host name, and a port");
  }
  return out;
}

/// Whether routes of the service leave Host to it, all of them or none; where they differ, what is not served is named.
bool leaves_host(Notes& notes, const File& file, const Service& service, const Upstream& upstream) {
  std::size_t routes = 0, leave = 0;
  for (const auto& route : file.routes) {
    if (!route.service || &file.services[*route.service] != &service) continue;
    ++routes;
    if (!route.preserve_host) ++leave;
  }
  if (leave != 0 && leave != routes)
    notes.unserved(upstream.at,
                   "host_header, or the same preserve_host in all routes, as each target has its own name");
  return leave != 0;
}

}  // namespace

Backend convert_service(Notes& notes, const File& file, const Service& service, const ServiceName& named, Output& out) {
  const auto& name = named.name;
  const bool grpc = is_grpc(service.protocol), tls = service.protocol == (grpc ? "grpcs" : "https");
  const auto upstream = std::ranges::find(file.upstreams, service.host, &Upstream::name);
  const bool balanced = upstream != file.upstreams.end();
  std::vector<Endpoint> endpoints;
  Json settings = {{"type", "RoundRobin"}};
  Json health;
  Backend backend{.service = name, .port = service.port, .host = {}, .session = {}, .session_path = {}};
  auto tls_name = service.host;
  bool own_names = false, checked = false;
  if (balanced) {
    endpoints = targets_of(notes, file, static_cast<std::size_t>(upstream - file.upstreams.begin()));
    settings = balancer(notes, *upstream);
    if (upstream->hash_on == "cookie") {
      backend.session = upstream->hash_cookie;
      backend.session_path = upstream->cookie_path;
    }
    check_verification(notes, upstream->active, service);
    if (auto check = active_check(notes, upstream->active, tls)) health["active"] = std::move(*check);
    if (auto check = passive_check(upstream->passive)) health["passive"] = std::move(*check);
    checked = !health.is_null();
    if (upstream->threshold > 0) health["minimumAvailable"] = upstream->threshold;
    if (!upstream->host_header.empty()) {
      backend.host = tls_name = upstream->host_header;
    } else if (endpoints.size() > 1) {
      own_names = leaves_host(notes, file, service, *upstream);
    } else {
      const auto& only = endpoints.empty() ? Endpoint{service.host, service.port} : endpoints[0];
      backend.host = authority(only.host, only.port, tls);
    }
  } else {
    const auto host = service.host == "localhost" ? "127.0.0.1" : config::lower(service.host);
    endpoints.push_back({host, service.port});
    backend.host = authority(service.host, service.port, tls);
    if (!Address::parse(host) && !config::is_hostname(host, false))
      notes.error(service.at.find("host") ? service.at.find("host") : service.at, "an IP address or a host name");
  }
  Json spec;
  const bool external = endpoints.size() == 1 && !Address::parse(endpoints[0].host);
  if (external) backend.port = endpoints[0].port;
  Json port = {{"name", "http"}, {"port", backend.port}};
  if (grpc) port["appProtocol"] = "grpc";
  spec["ports"] = list_of(std::move(port));
  if (external) {
    spec["type"] = "ExternalName";
    spec["externalName"] = endpoints[0].host;
  }
  Json object = {{"spec", std::move(spec)}};
  if (balanced && named.tells_health)
    object["annotations"]["fairlead.io/kong-upstream"] = upstream->name + (checked ? "" : " unchecked");
  out.add(service.at, "v1", "Service", name, std::move(object));
  if (!external) add_slices(balanced ? upstream->at : service.at, name, endpoints, out);
  add_backend_policy(service, name, std::move(settings), std::move(health), own_names, out);
  const auto client = service.client || !balanced ? service.client : upstream->client;
  if (service.client && !tls) notes.error(service.client_at, "no client_certificate, as the protocol has no TLS");
  if (tls) add_tls_policy(notes, file, service, name, tls_name, client ? file.certificates[*client].object : "", out);
  return backend;
}

}  // namespace fairlead::kong
