// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "gateway/dataplane/config/kinds.hpp"

namespace fairlead::config {
namespace {

constexpr std::uint32_t kDefaultAffinitySeconds = 10800;  // Kubernetes' default, three hours
constexpr std::uint32_t kMostAffinitySeconds = 86400;

bool is_ignored_field(std::string_view key) {
  constexpr std::array<std::string_view, 7> kIgnored{"allocateLoadBalancerNodePorts",
                                                     "healthCheckNodePort",
                                                     "ipFamilies",
                                                     "ipFamilyPolicy",
                                                     "loadBalancerClass",
                                                     "clusterIP" /* the first of clusterIPs */,
                                                     "sessionAffinityConfig" /* read with sessionAffinity */};
  return std::ranges::find(kIgnored, key) != kIgnored.end();
}

model::AppProtocol app_protocol_of(std::string_view value) {
  using enum model::AppProtocol;
  constexpr std::pair<std::string_view, model::AppProtocol> kNames[] = {{"http", kHttp},
                                                                        {"https", kHttps},
                                                                        {"kubernetes.io/h2c", kH2c},
                                                                        {"kubernetes.io/ws", kWs},
                                                                        {"kubernetes.io/wss", kWss},
                                                                        {"grpc", kGrpc},
                                                                        {"tcp", kTcp}};
  const auto* found = std::ranges::find(kNames, value, [](const auto& entry) { return entry.first; });
  return found == std::end(kNames) ? kNone : found->second;
}

/// Reads one port; false where it is left out.
bool read_port_entry(Reader& reader, View at, model::ServicePort& out) {
  bool served = true;
  reader.fields(at, [&](View field) {
    const auto key = field.key();
    if (key == "name") {
      reader.read(field, out.name);
      if (field.is_string() && !is_dns_label(out.name))
        reader.error(field, "a port's name: lower-case letters, digits and '-'");
    } else if (key == "port") {
      reader.read_port(field, out.port);
    } else if (key == "nodePort") {
      if (const auto value = reader.number(field, 0, 65535)) out.node_port = static_cast<std::uint16_t>(*value);
    } else if (key == "protocol") {
      const auto protocol = read_protocol(reader, field);
      if (protocol) out.protocol = *protocol;
      served = protocol.has_value();
    } else if (key == "targetPort") {
      const bool zero = !field.is_string() && field.text() == "0";  // as not given, as in Kubernetes
      if (!zero) out.target = read_int_or_name(reader, field);
    } else if (key == "appProtocol") {
      std::string value;
      reader.read(field, value);
      out.app_protocol = app_protocol_of(value);
    } else {
      reader.unknown(field);
    }
  });
  if (!at.is_mapping()) {
    if (at.is_null()) reader.error(at, "a mapping");
    return false;
  }
  if (!at.find("port")) reader.missing(at, "port", "a number from 1 to 65535");
  if (out.target.number == 0 && out.target.name.empty()) out.target.number = out.port;
  return served;
}

void check_port(Reader& reader, View at, const model::ServicePort& port,
                const std::vector<model::ServicePort>& earlier) {
  const bool taken = std::ranges::any_of(
      earlier, [&](const auto& other) { return other.port == port.port && other.protocol == port.protocol; });
  if (taken && port.port != 0) reader.error(at.find("port"), "each port and protocol once in a service");
  const bool named_twice = std::ranges::any_of(earlier, [&](const auto& other) { return other.name == port.name; });
  if (named_twice && !port.name.empty()) reader.error(at.find("name"), "a name that no other port of the service has");
}

void read_ports(Reader& reader, View at, std::vector<model::ServicePort>& out) {
  std::size_t count = 0;
  reader.items(at, [&](View) { ++count; });
  out.reserve(count);
  if (!at.is_sequence()) return;
  for (auto item = at.first(); item; item = item.next()) {
    model::ServicePort port;
    if (!read_port_entry(reader, item, port)) continue;
    check_port(reader, item, port, out);
    if (count > 1 && port.name.empty()) reader.missing(item, "name", "a name, as the service has several ports");
    out.push_back(std::move(port));
  }
}

/// None is a port of every address, which is what NodePorts have.
std::optional<Address> read_service_address(Reader& reader, View at) {
  auto address = reader.address(at);
  if (!address || !address->is_unspecified()) return address;
  reader.error(at, "an address that can be reached");
  return std::nullopt;
}

void read_external_addresses(Reader& reader, View at, std::vector<Address>& out) {
  reader.items(at, [&](View item) {
    const auto address = reader.address(item);
    if (!address || !is_reachable(reader, item, *address)) return;
    if (address->is_loopback()) return reader.error(item, "an address outside of the loopback range");
    out.push_back(*address);
  });
  out.shrink_to_fit();
}

void take_cluster_ip(Reader& reader, View at, std::vector<Address>& out) {
  const auto address = read_service_address(reader, at);
  if (!address) return;
  const auto same_family = [&](const Address& other) { return other.is_v4() == address->is_v4(); };
  if (std::ranges::any_of(out, same_family)) return reader.error(at, "one address of each family, two at most");
  out.push_back(*address);
}

void read_cluster_ips(Reader& reader, View spec, model::Service& out) {
  const auto list = spec.find("clusterIPs");
  const auto single = spec.find("clusterIP");
  const auto take = [&](View at) {
    if (at.is_string() && at.text() == "None") {
      out.headless = true;
    } else if (at.is_string() && at.text().empty()) {
      return;  // not allocated yet
    } else {
      take_cluster_ip(reader, at, out.cluster_ips);
    }
  };
  if (list) reader.items(list, take);
  if (!single) return;
  if (!list) return take(single);
  const bool agrees = !list.is_sequence() || !list.first() || list.first().text() == single.text();
  if (!agrees) reader.error(single, "the first of spec.clusterIPs");
}

void read_affinity(Reader& reader, View spec, model::Service& out) {
  const auto at = spec.find("sessionAffinity");
  const auto seconds = spec.find("sessionAffinityConfig").find("clientIP").find("timeoutSeconds");
  std::optional<std::uint64_t> given;
  if (seconds) given = reader.number(seconds, 1, kMostAffinitySeconds);
  if (!at) return;
  const auto found = reader.one_of(at, {"None", "ClientIP"});
  if (found && *found == 1) out.affinity_seconds = static_cast<std::uint32_t>(given.value_or(kDefaultAffinitySeconds));
}

void read_distribution(Reader& reader, View at, model::Service& out) {
  // PreferClose is the older name of PreferSameZone.
  const auto found = reader.one_of(at, {"PreferClose", "PreferSameZone", "PreferSameNode"});
  if (!found) return;
  out.distribution =
      *found == 2 ? model::TrafficDistribution::kPreferSameNode : model::TrafficDistribution::kPreferSameZone;
}

void read_spec_field(Reader& reader, View field, model::Service& out) {
  const auto key = field.key();
  if (key == "ports") {
    read_ports(reader, field, out.ports);
  } else if (key == "externalIPs") {
    read_external_addresses(reader, field, out.external_ips);
  } else if (key == "selector") {
    out.selector = read_labels(reader, field);
  } else if (key == "type") {
    const auto type = reader.one_of(field, {"ClusterIP", "NodePort", "LoadBalancer", "ExternalName"});
    out.external_name = type && *type == 3;
  } else if (key == "internalTrafficPolicy") {
    const auto policy = reader.one_of(field, {"Cluster", "Local"});
    out.internal_local = policy && *policy == 1;
  } else if (key == "externalTrafficPolicy") {
    const auto policy = reader.one_of(field, {"Cluster", "Local"});
    out.external_local = policy && *policy == 1;
  } else if (key == "publishNotReadyAddresses") {
    reader.read(field, out.publish_not_ready);
  } else if (key == "trafficDistribution") {
    read_distribution(reader, field, out);
  } else if (key == "loadBalancerSourceRanges") {
    reader.not_served(field);
  } else if (key != "clusterIPs" && key != "sessionAffinity" && key != "externalName" && key != "loadBalancerIP" &&
             !is_ignored_field(key)) {
    reader.unknown(field);
  }
}

void read_external_name(Reader& reader, View spec, model::Service& out) {
  const auto at = spec.find("externalName");
  if (!out.external_name) return;
  if (!at) return reader.missing(spec, "externalName", "a host name, as the type is ExternalName");
  std::string host;
  reader.read(at, host);
  if (host.ends_with('.')) host.pop_back();
  out.external_host = host;
  if (at.is_string() && !is_dns_subdomain(host))
    reader.error(at, "a host name of lower-case letters, digits, '-' and '.', at most 253 characters");
}

void read_load_balancer(Reader& reader, View status, model::Service& out) {
  reader.items(status.find("loadBalancer").find("ingress"), [&](View entry) {
    const auto ip = entry.find("ip");
    const auto mode = entry.find("ipMode");
    const auto proxied = mode ? reader.one_of(mode, {"VIP", "Proxy"}) : std::nullopt;
    if (!ip || (proxied && *proxied == 1)) return;  // Proxy: the load balancer itself is to be reached
    if (const auto address = read_service_address(reader, ip)) out.load_balancer_ips.push_back(*address);
  });
}

/// A manifest that no API server has seen: addresses are given there.
void warn_of_no_address(Reader& reader, View spec, const model::Service& service) {
  const bool reached = !service.cluster_ips.empty() || !service.external_ips.empty() ||
                       !service.load_balancer_ips.empty() || service.headless || service.external_name;
  if (!reached && !reader.failed())
    reader.warn(spec,
                "no address (clusterIPs, externalIPs, a load balancer's): nothing is balanced until one is given");
}

}  // namespace

model::Service read_service(Reader& reader, View root, bool serves_addresses) {
  model::Service out;
  out.metadata = read_metadata(reader, root, true);
  const auto spec = root.find("spec");
  if (!spec) {
    reader.missing(root, "spec", "a mapping");
    return out;
  }
  reader.fields(spec, [&](View field) { read_spec_field(reader, field, out); });
  read_cluster_ips(reader, spec, out);
  read_affinity(reader, spec, out);
  if (!serves_addresses) read_external_name(reader, spec, out);
  read_load_balancer(reader, root.find("status"), out);
  if (!spec.find("ports") && !out.external_name && !out.headless && spec.is_mapping())
    reader.missing(spec, "ports", "at least one port");
  if (serves_addresses) warn_of_no_address(reader, spec, out);
  return out;
}

}  // namespace fairlead::config
