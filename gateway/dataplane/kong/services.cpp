// SPDX-License-Identifier: Apache-2.0
// Services, upstreams and targets as Services, EndpointSlices and policies.
#include <algorithm>
#include <charconv>

#include "fairlead/base/address.hpp"
#include "gateway/dataplane/config/fields.hpp"
#include "gateway/dataplane/kong/parts.hpp"

namespace fairlead::kong {
namespace {

struct Endpoint {
  std::string host;
  std::uint16_t port = 0;
};

std::string milliseconds(std::uint64_t value) {
  if (value % 1000 != 0) return std::to_string(value / 1000) + "s" + std::to_string(value % 1000) + "ms";
  return std::to_string(value / 1000) + "s";
}

std::string authority(const std::string& host, std::uint16_t port, bool tls) {
  const auto bracketed = host.find(':') != std::string::npos ? "[" + host + "]" : host;
  return port == (tls ? 443 : 80) ? bracketed : bracketed + ":" + std::to_string(port);
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
    else if (hash == "none") return {{"type", "RoundRobin"}};
    else {
      notes.unserved(upstream.at.find("hash_on"), "none, ip, header or query_arg");
      return {{"type", "RoundRobin"}};
    }
    return table;
  }
  if (upstream.algorithm == "least-connections") return {{"type", "LeastRequest"}};
  if (upstream.algorithm == "latency") return {{"type", "PeakEWMA"}};
  return {{"type", "RoundRobin"}};
}

std::optional<Json> active_check(Notes& notes, const ActiveCheck& check) {
  if (check.healthy_interval == 0 && check.unhealthy_interval == 0) return std::nullopt;
  const bool same = check.healthy_interval == check.unhealthy_interval;
  const bool counts = check.successes > 0 && (check.http_failures > 0 || check.type == "tcp") && check.tcp_failures > 0;
  if (check.type != "http" && check.type != "tcp") {
    notes.unserved(check.at.find("type"), "http or tcp");
    return std::nullopt;
  }
  if (!same || !counts || check.timeout <= 0) {
    notes.unserved(check.at,
                   "one interval for healthy and unhealthy, and successes, tcp_failures and http_failures above 0");
    return std::nullopt;
  }
  const auto fails = check.type == "tcp" ? check.tcp_failures : check.http_failures;
  if (check.type == "http" && (check.tcp_failures != fails || (check.timeouts != 0 && check.timeouts != fails))) {
    notes.unserved(check.at.find("unhealthy"), "one number for tcp_failures, http_failures and timeouts");
    return std::nullopt;
  }
  const auto span = [](double seconds) { return milliseconds(static_cast<std::uint64_t>(seconds * 1000)); };
  Json out = {{"type", check.type == "tcp" ? "TCP" : "HTTP"},
              {"interval", span(check.healthy_interval)},
              {"timeout", span(check.timeout)},
              {"unhealthyThreshold", fails},
              {"healthyThreshold", check.successes}};
  if (check.type == "tcp") return out;
  Json statuses = Json::array();
  for (const auto status : check.healthy_statuses) statuses.push_back({{"start", status}, {"end", status}});
  out["http"] = {{"path", check.path}, {"expectedStatuses", statuses}};
  return out;
}

void add_backend_policy(const Service& service, const std::string& name, Json balancer_settings,
                        const std::optional<Json>& check, Output& out) {
  const Json none = {
      {"maxConnections", 0}, {"maxPendingRequests", 0}, {"maxParallelRequests", 0}, {"maxParallelRetries", 0}};
  Json spec = {
      {"targetRefs", list_of({{"group", ""}, {"kind", "Service"}, {"name", name}})},
      {"loadBalancer", std::move(balancer_settings)},
      {"timeouts", {{"connect", milliseconds(service.connect_ms)}, {"streamIdle", milliseconds(service.read_ms)}}},
      {"circuitBreaker", none}};
  spec["retry"] = {{"attempts", std::min<std::uint32_t>(service.retries, 100)}};
  if (service.retries > 0) spec["retry"]["retryOn"] = Json::array({"connect-failure", "refused-stream", "reset"});
  spec["retryBudget"] = {{"percent", 100}};
  if (check) spec["healthCheck"] = {{"active", *check}, {"panicThreshold", 0}};
  out.add(service.at, "fairlead.io/v1alpha1", "BackendPolicy", name, {{"spec", std::move(spec)}});
}

void add_tls_policy(Notes& notes, const File& file, const Service& service, const std::string& name,
                    const std::string& host, Output& out) {
  if (!service.tls_verify)
    notes.unserved(service.at.find("tls_verify") ? service.at.find("tls_verify") : service.at,
                   "tls_verify: true, as certificates of backends are always verified here");
  if (!config::is_hostname(host, false) || Address::parse(host))
    return notes.error(service.at.find("host") ? service.at.find("host") : service.at,
                       "a host name, which certificates are verified for");
  Json validation = {{"hostname", host}};
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
  out.add(
      service.at, "gateway.networking.k8s.io/v1", "BackendTLSPolicy", name,
      {{"spec",
        {{"targetRefs", list_of({{"group", ""}, {"kind", "Service"}, {"name", name}})}, {"validation", validation}}}});
}

/// Addresses of one family and port share a slice.
void add_slices(View from, const std::string& name, const std::vector<Endpoint>& endpoints, Output& out) {
  std::vector<std::pair<std::pair<bool, std::uint16_t>, Json>> slices;
  for (const auto& endpoint : endpoints) {
    const std::pair key{endpoint.host.find(':') != std::string::npos, endpoint.port};
    auto found = std::ranges::find(slices, key, &std::pair<std::pair<bool, std::uint16_t>, Json>::first);
    if (found == slices.end()) found = slices.insert(slices.end(), {key, Json::array()});
    found->second.push_back({{"addresses", list_of(endpoint.host)}});
  }
  std::size_t number = 0;
  for (auto& [key, list] : slices) {
    Output one;
    one.add(from, "discovery.k8s.io/v1", "EndpointSlice", name + "-" + std::to_string(number++),
            {{"addressType", key.first ? "IPv6" : "IPv4"},
             {"ports", list_of({{"name", "http"}, {"port", key.second}})},
             {"endpoints", std::move(list)}});
    one.objects[0].object["metadata"]["labels"] = {{"kubernetes.io/service-name", name}};
    out.objects.push_back(std::move(one.objects[0]));
  }
}

/// Of an upstream's targets those that take requests.
std::vector<Endpoint> targets_of(Notes& notes, const File& file, std::size_t upstream, bool& named) {
  std::vector<Endpoint> out;
  std::uint32_t weight = 0;
  for (const auto& target : file.targets) {
    if (target.upstream != upstream || target.weight == 0) continue;
    if (weight != 0 && target.weight != weight)
      notes.unserved(target.at.find("weight") ? target.at.find("weight") : target.at,
                     "the same weight for all targets of an upstream, or 0");
    if (weight == 0) weight = target.weight;
    out.push_back({target.host == "localhost" ? "127.0.0.1" : target.host, target.port});
    if (!Address::parse(out.back().host)) {
      named = true;
      if (!config::is_hostname(config::lower(target.host), false))
        notes.error(target.at.find("target"), "an IP address or a host name, and a port");
    }
  }
  if (named && out.size() > 1)
    for (const auto& target : file.targets)
      if (target.upstream == upstream && !Address::parse(target.host) && target.host != "localhost")
        notes.unserved(target.at.find("target"), "an IP address, as it is one of several targets");
  return out;
}

}  // namespace

Backend convert_service(Notes& notes, const File& file, const Service& service, const std::string& name, Output& out) {
  const bool tls = service.protocol == "https";
  const auto upstream = std::ranges::find(file.upstreams, service.host, &Upstream::name);
  const bool balanced = upstream != file.upstreams.end();
  std::vector<Endpoint> endpoints;
  bool named = false;
  Json settings = {{"type", "RoundRobin"}};
  std::optional<Json> check;
  Backend backend{.service = name, .port = service.port, .host = {}};
  auto tls_name = service.host;
  if (balanced) {
    endpoints = targets_of(notes, file, static_cast<std::size_t>(upstream - file.upstreams.begin()), named);
    settings = balancer(notes, *upstream);
    check = active_check(notes, upstream->active);
    const auto first = endpoints.empty() ? service.host : endpoints[0].host;
    const auto port = endpoints.empty() ? service.port : endpoints[0].port;
    if (!upstream->host_header.empty()) tls_name = upstream->host_header;
    backend.host = upstream->host_header.empty() ? authority(first, port, tls) : upstream->host_header;
    const bool preserved = std::ranges::all_of(file.routes, [&](const Route& route) {
      return !route.service || &file.services[*route.service] != &service || route.preserve_host;
    });
    if (upstream->host_header.empty() && endpoints.size() > 1 && !preserved)
      notes.unserved(upstream->at,
                     "host_header, or preserve_host: true in all routes, as all targets are sent one Host");
    if (endpoints.size() == 1 && named) backend.port = endpoints[0].port;
  } else {
    const auto host = service.host == "localhost" ? "127.0.0.1" : config::lower(service.host);
    endpoints.push_back({host, service.port});
    named = !Address::parse(host);
    backend.host = authority(service.host, service.port, tls);
    if (named && !config::is_hostname(host, false))
      notes.error(service.at.find("host") ? service.at.find("host") : service.at, "an IP address or a host name");
  }
  Json spec;
  spec["ports"] = list_of({{"name", "http"}, {"port", backend.port}});
  if (named && endpoints.size() == 1) {
    spec["type"] = "ExternalName";
    spec["externalName"] = endpoints[0].host;
  }
  out.add(service.at, "v1", "Service", name, {{"spec", std::move(spec)}});
  if (!(named && endpoints.size() == 1)) {
    std::erase_if(endpoints, [](const Endpoint& one) { return !Address::parse(one.host); });
    add_slices(balanced ? upstream->at : service.at, name, endpoints, out);
  }
  add_backend_policy(service, name, std::move(settings), check, out);
  if (tls) add_tls_policy(notes, file, service, name, tls_name, out);
  return backend;
}

}  // namespace fairlead::kong
