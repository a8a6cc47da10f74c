// SPDX-License-Identifier: Apache-2.0
#include "agent/datapath/sizes.hpp"

#include <algorithm>

namespace fairlead::datapath {
namespace {

constexpr std::size_t kLeast = 16;  // as bpf/lib/maps.h declares them; row 0 of arrays is never used

struct Rows {
  std::size_t services = 0, frontends = 0, backends = 0, addresses = 0, nodes = 0;
};

void count(const model::Service& service, Rows& rows) {
  if (service.headless || service.external_name) return;
  std::size_t addresses = 0;
  bool v4 = false, v6 = false;
  for (const auto* list : {&service.cluster_ips, &service.external_ips, &service.load_balancer_ips}) {
    addresses += list->size();
    for (const auto& address : *list) (address.is_v4() ? v4 : v6) = true;
  }
  for (const auto& port : service.ports) {
    rows.services += ((v4 ? 1U : 0U) + (v6 ? 1U : 0U)) * (service.internal_local ? 2U : 1U);
    rows.frontends += addresses + (port.node_port != 0 ? 2U : 0U);
  }
}

void count(const model::Object& object, Rows& rows) {
  if (const auto* service = std::get_if<model::Service>(&object)) count(*service, rows);
  if (const auto* slice = std::get_if<model::EndpointSlice>(&object))
    rows.backends += slice->endpoints.size() * slice->ports.size();
  if (const auto* pod = std::get_if<model::Pod>(&object)) rows.addresses += pod->addresses.size();
  if (const auto* node = std::get_if<model::Node>(&object)) {
    rows.addresses += node->addresses.size();
    rows.nodes += node->addresses.size();
  }
}

}  // namespace

std::vector<std::pair<std::string, std::uint32_t>> table_sizes(const model::ChangeSet& objects) {
  Rows rows;
  for (const auto& change : objects)
    if (change.object != nullptr) count(*change.object, rows);
  std::vector<std::pair<std::string, std::uint32_t>> sizes;
  const auto add = [&](const char* map, std::size_t entries) {
    const auto size = entries + entries / 8 + kLeast;  // an eighth more, for what comes next
    sizes.emplace_back(map, static_cast<std::uint32_t>(std::min(size, std::size_t{1} << 31)));
  };
  add("fl_services", rows.services);
  add("fl_svc_state", rows.services);
  add("fl_frontends", rows.frontends);
  add("fl_backends", rows.backends);
  add("fl_be_state", rows.backends);
  add("fl_slots", rows.backends);
  add("fl_workloads", rows.addresses);
  add("fl_node_addrs", rows.nodes);
  return sizes;
}

}  // namespace fairlead::datapath
