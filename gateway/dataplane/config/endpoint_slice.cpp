// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <functional>
#include <string>

#include "fairlead/base/ascii.hpp"
#include "gateway/dataplane/config/kinds.hpp"

namespace fairlead::config {
namespace {

enum class AddressType : std::uint8_t { kIpv4, kIpv6, kFqdn };

/// What is the same for all endpoints of a slice.
struct SliceKind {
  AddressType type;
  bool from_pods;
};

void read_endpoint_addresses(Reader& reader, View at, SliceKind kind, model::Endpoint& out) {
  reader.items(at, [&](View item) {
    const auto address = reader.address(item);
    if (!address) return;
    const bool v4 = kind.type == AddressType::kIpv4;
    if (address->is_v4() != v4)
      return reader.error(item, v4 ? "an IPv4 address, as addressType says" : "an IPv6 address, as addressType says");
    if (!is_reachable(reader, item, *address)) return;
    if (kind.from_pods && address->is_loopback())
      reader.warn(item, "a loopback address: each client reaches its own pod or node by it");
    out.addresses.push_back(*address);
  });
  out.addresses.shrink_to_fit();
}

void read_conditions(Reader& reader, View at, model::Endpoint& out) {
  reader.fields(at, [&](View field) {
    if (field.key() == "ready") {
      reader.read(field, out.ready);
    } else if (field.key() == "serving") {
      reader.read(field, out.serving);
    } else if (field.key() == "terminating") {
      reader.read(field, out.terminating);
    } else {
      reader.unknown(field);
    }
  });
}

void read_hints(Reader& reader, View at, model::Endpoint& out) {
  model::EndpointHints hints;
  reader.fields(at, [&](View field) {
    const bool zones = field.key() == "forZones";
    if (!zones && field.key() != "forNodes") return reader.unknown(field);
    reader.items(field, [&](View item) {
      const auto name = item.find("name");
      if (!name) return reader.missing(item, "name", zones ? "a zone" : "a node");
      reader.read(name, (zones ? hints.zones : hints.nodes).emplace_back());
    });
  });
  if (!hints.zones.empty() || !hints.nodes.empty())
    out.hints = std::make_shared<const model::EndpointHints>(std::move(hints));
}

/// What stands behind the endpoint, as a number that is hardly another's within a Service.
std::uint32_t target_of(View at) {
  const auto name = at.find("name");
  if (!name || name.text().empty()) return 0;
  std::string text(name.text());
  for (const auto* part : {"namespace", "kind"})
    if (const auto field = at.find(part)) text.append("/").append(field.text());
  return static_cast<std::uint32_t>(std::hash<std::string>{}(text)) | 1;
}

void read_endpoint(Reader& reader, View at, SliceKind kind, model::Endpoint& out) {
  reader.fields(at, [&](View field) {
    const auto key = field.key();
    if (key == "addresses") {
      read_endpoint_addresses(reader, field, kind, out);
    } else if (key == "conditions") {
      read_conditions(reader, field, out);
    } else if (key == "nodeName") {
      reader.read(field, out.node);
    } else if (key == "zone") {
      reader.read(field, out.zone);
    } else if (key == "hints") {
      read_hints(reader, field, out);
    } else if (key == "targetRef") {
      out.target = target_of(field);
    } else if (key != "hostname" && key != "deprecatedTopology") {
      reader.unknown(field);
    }
  });
  if (at.is_mapping() && !at.find("addresses")) reader.missing(at, "addresses", "at least one address");
  if (at.is_null()) reader.error(at, "a mapping");
}

bool read_endpoint_port(Reader& reader, View at, model::EndpointPort& out) {
  bool served = true;
  reader.fields(at, [&](View field) {
    if (field.key() == "name") {
      reader.read(field, out.name);
    } else if (field.key() == "port") {
      reader.read_port(field, out.port);
    } else if (field.key() == "protocol") {
      const auto protocol = read_protocol(reader, field);
      if (protocol) out.protocol = *protocol;
      served = protocol.has_value();
    } else if (field.key() != "appProtocol") {
      reader.unknown(field);
    }
  });
  if (at.is_null()) reader.error(at, "a mapping");
  if (at.is_mapping() && !at.find("port")) {
    reader.warn(at, "a port without a number (all ports) is not served: left out");
    return false;
  }
  return served;
}

template <class T>
void reserve_for(View at, std::vector<T>& out) {
  std::size_t count = 0;
  if (at && at.is_sequence())
    for (auto item = at.first(); item; item = item.next()) ++count;
  out.reserve(count);
}

void read_ports(Reader& reader, View at, model::EndpointSlice& out) {
  reserve_for(at, out.ports);
  reader.items(at, [&](View item) {
    model::EndpointPort port;
    if (!read_endpoint_port(reader, item, port)) return;
    const bool twice = std::ranges::any_of(out.ports, [&](const auto& other) { return other.name == port.name; });
    if (twice) return reader.error(item, "each port name once in a slice");
    out.ports.push_back(std::move(port));
  });
}

void read_names(Reader& reader, View at, std::vector<std::string>& out) {
  reader.items(at, [&](View item) {
    model::Endpoint endpoint;
    reader.fields(item, [&](View field) {
      if (field.key() == "conditions") read_conditions(reader, field, endpoint);
    });
    reader.items(item.find("addresses"), [&](View address) {
      std::string name;
      reader.read(address, name);
      name = lower_ascii(name);
      if (!is_dns_subdomain(name)) return reader.error(address, "a host name, as addressType says");
      if (endpoint.ready && !endpoint.terminating) out.push_back(std::move(name));
    });
  });
}

void check_weight(Reader& reader, View root, const model::EndpointSlice& slice) {
  if (!model::weight_of(slice))
    reader.error(root.find("metadata").find("annotations").find("fairlead.io/weight"), "a number from 0 to 65535");
}

}  // namespace

model::EndpointSlice read_endpoint_slice(Reader& reader, View root, bool from_pods) {
  model::EndpointSlice out;
  out.metadata = read_metadata(reader, root, true);
  if (const auto* service = model::find_label(out.metadata.labels, "kubernetes.io/service-name"))
    out.service = *service;
  check_weight(reader, root, out);
  const auto type = root.find("addressType");
  if (!type) {
    reader.missing(root, "addressType", "IPv4, IPv6 or FQDN");
    return out;
  }
  const auto found = reader.one_of(type, {"IPv4", "IPv6", "FQDN"});
  read_ports(reader, root.find("ports"), out);
  if (!found) return out;
  const SliceKind kind{.type = static_cast<AddressType>(*found), .from_pods = from_pods};
  if (kind.type == AddressType::kFqdn) {
    read_names(reader, root.find("endpoints"), out.names);
    return out;
  }
  reserve_for(root.find("endpoints"), out.endpoints);
  reader.items(root.find("endpoints"),
               [&](View item) { read_endpoint(reader, item, kind, out.endpoints.emplace_back()); });
  return out;
}

}  // namespace fairlead::config
