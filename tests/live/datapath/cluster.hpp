// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "agent/datapath/services.hpp"
#include "fairlead/model/cluster.hpp"
#include "live/datapath/skeleton.hpp"

namespace fairlead::test {

inline model::Change service_change(std::uint32_t number) {
  model::Service service;
  service.metadata.ns = "default";
  service.metadata.name = "web-" + std::to_string(number);
  service.ports = {{.name = "http", .port = 80, .node_port = 0, .protocol = model::Protocol::kTcp, .target = {}}};
  service.cluster_ips = {Address::from_v4(__builtin_bswap32(0x0a600000U + number))};
  const model::ObjectKey key{model::Kind::kService, "default", service.metadata.name};
  return {key, std::make_shared<const model::Object>(std::move(service))};
}

/// `count` endpoints, the first with host number `first`.
inline model::Change slice_change(std::uint32_t number, std::uint32_t count, std::uint32_t first = 0) {
  model::EndpointSlice slice;
  slice.metadata.ns = "default";
  slice.service = "web-" + std::to_string(number);
  slice.metadata.name = slice.service + "-1";
  slice.ports = {{.name = "http", .port = 8080, .protocol = model::Protocol::kTcp}};
  for (std::uint32_t i = first; i < first + count; ++i)
    slice.endpoints.emplace_back().addresses = {Address::from_v4(__builtin_bswap32(0x0b000000U + number * 16 + i))};
  const model::ObjectKey key{model::Kind::kEndpointSlice, "default", slice.metadata.name};
  return {key, std::make_shared<const model::Object>(std::move(slice))};
}

inline model::ChangeSet many_services(std::uint32_t count, std::uint32_t endpoints) {
  model::ChangeSet changes;
  for (std::uint32_t i = 1; i <= count; ++i) {
    changes.push_back(service_change(i));
    changes.push_back(slice_change(i, endpoints));
  }
  return changes;
}

inline Result<std::unique_ptr<fairlead::datapath::Services>> open_services(const Maps& maps) {
  FL_TRY(auto tables, fairlead::datapath::ServiceTables::open(
                          [&](const std::string& name) -> Result<Fd> { return maps.fd(name); }, {}));
  return std::make_unique<fairlead::datapath::Services>(std::move(tables), fairlead::datapath::ServicesOptions{});
}

}  // namespace fairlead::test
