// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "gateway/dataplane/config/kinds.hpp"

// Pod, Node and Namespace: of their many fields only those that say who is where are read; the rest is not ours.
namespace fairlead::config {
namespace {

void read_container_ports(Reader& reader, View container, model::Pod& out) {
  reader.items(container.find("ports"), [&](View at) {
    const auto name = at.find("name");
    const auto number = at.find("containerPort");
    const auto protocol = at.find("protocol");
    if (at.is_mapping() && !number) return reader.missing(at, "containerPort", "a number from 1 to 65535");
    if (!number || !name) return;  // only names are needed
    model::NamedPort port{.name = {}, .port = 0, .protocol = model::Protocol::kTcp};
    reader.read(name, port.name);
    reader.read_port(number, port.port);
    if (protocol && protocol.text() == "SCTP") return;
    if (protocol)
      if (const auto known = read_protocol(reader, protocol)) port.protocol = *known;
    out.ports.push_back(std::move(port));
  });
}

void read_pod_spec(Reader& reader, View spec, model::Pod& out) {
  if (const auto at = spec.find("nodeName")) reader.read(at, out.node);
  // The older name stands alone in manifests; Kubernetes fills in the newer one.
  for (const char* name : {"serviceAccount", "serviceAccountName"})
    if (const auto at = spec.find(name); at && !at.text().empty()) reader.read(at, out.service_account);
  if (out.service_account.empty()) out.service_account = "default";
  if (const auto at = spec.find("hostNetwork")) reader.read(at, out.host_network);
  reader.items(spec.find("containers"), [&](View container) { read_container_ports(reader, container, out); });
  // Containers that start first and keep running count as well.
  reader.items(spec.find("initContainers"), [&](View container) {
    if (const auto policy = container.find("restartPolicy"); policy && policy.text() == "Always")
      read_container_ports(reader, container, out);
  });
}

void read_pod_status(Reader& reader, View status, model::Pod& out) {
  if (const auto at = status.find("phase")) {
    const auto phase = reader.one_of(at, {"Pending", "Running", "Succeeded", "Failed", "Unknown"});
    out.finished = phase && (*phase == 2 || *phase == 3);
  }
  reader.items(status.find("podIPs"), [&](View item) {
    const auto ip = item.find("ip");
    if (!ip) return reader.missing(item, "ip", "an IPv4 or IPv6 address");
    if (const auto address = reader.address(ip)) out.addresses.push_back(*address);
  });
  const auto single = status.find("podIP");
  if (!out.addresses.empty() || !single) return;
  if (single.is_string() && single.text().empty()) return;  // not given an address yet
  if (const auto address = reader.address(single)) out.addresses.push_back(*address);
}

void read_owner(Reader& reader, View metadata, model::Pod& out) {
  reader.items(metadata.find("ownerReferences"), [&](View item) {
    const auto controller = item.find("controller");
    if (!controller || controller.text() != "true") return;
    if (const auto kind = item.find("kind")) reader.read(kind, out.owner_kind);
    if (const auto name = item.find("name")) reader.read(name, out.owner_name);
  });
}

}  // namespace

model::Namespace read_namespace(Reader& reader, View root) { return {.metadata = read_metadata(reader, root, false)}; }

model::Node read_node(Reader& reader, View root) {
  model::Node out;
  out.metadata = read_metadata(reader, root, false);
  if (const auto* zone = model::find_label(out.metadata.labels, "topology.kubernetes.io/zone")) out.zone = *zone;
  if (const auto* region = model::find_label(out.metadata.labels, "topology.kubernetes.io/region"))
    out.region = *region;
  reader.items(root.find("status").find("addresses"), [&](View item) {
    const auto type = item.find("type");
    const auto address = item.find("address");
    if (!type || !address || (type.text() != "InternalIP" && type.text() != "ExternalIP")) return;
    if (const auto parsed = reader.address(address)) out.addresses.push_back(*parsed);
  });
  const auto spec = root.find("spec");
  reader.items(spec.find("podCIDRs"), [&](View item) {
    if (const auto block = reader.cidr(item)) out.pod_cidrs.push_back(*block);
  });
  if (const auto single = spec.find("podCIDR"); single && out.pod_cidrs.empty())
    if (const auto block = reader.cidr(single)) out.pod_cidrs.push_back(*block);
  return out;
}

model::Pod read_pod(Reader& reader, View root) {
  model::Pod out;
  out.metadata = read_metadata(reader, root, true);
  read_pod_spec(reader, root.find("spec"), out);
  read_pod_status(reader, root.find("status"), out);
  read_owner(reader, root.find("metadata"), out);
  return out;
}

}  // namespace fairlead::config
