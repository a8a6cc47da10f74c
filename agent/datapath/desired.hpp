// SPDX-License-Identifier: Apache-2.0
#pragma once

// From the objects of a cluster to the rows of one service, as pure functions.

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "fairlead/abi/service.h"
#include "fairlead/model/objects.hpp"

namespace fairlead::datapath {

/// Where this node stands, and where zones are.
struct Topology {
  std::string node;
  std::string zone;
  std::string region;
  std::unordered_map<std::string, std::string> regions;  ///< zone -> region, from all Nodes

  bool operator==(const Topology&) const = default;
  [[nodiscard]] std::string_view region_of(const std::string& zone_name) const;
};

/// The number of a zone in fl_backend.zone and fl_settings.node_zone: a hash, so that it is the same after a restart;
/// 0 for no zone.
[[nodiscard]] std::uint32_t zone_number(std::string_view zone);

/// 0.0.0.0 or ::, where NodePorts stand in fl_frontends.
[[nodiscard]] Address any_address(bool v4);

struct Frontend {
  fl_frontend_key key;
  std::uint32_t flags;
};

/// One endpoint of one service port. `flags` as in fl_backend.
struct BackendSpec {
  Address address;
  std::uint16_t port = 0;  ///< host order
  std::uint32_t flags = 0;
  std::uint32_t zone = 0;
};

/// A port of a service in one address family: one row of fl_services; two with internalTrafficPolicy: Local, which is
/// for the service's cluster addresses alone.
struct PortSpec {
  std::string name;
  std::uint16_t port = 0;
  std::uint8_t proto = FL_TCP;
  bool v4 = true;
  bool outside = false;  ///< of those two, the row of NodePort, external and load balancer addresses
  std::vector<Frontend> frontends;
  fl_service service{};               ///< levels count from 0; state_index and generation are not set
  std::vector<BackendSpec> backends;  ///< all endpoints, sorted by address and port
  std::vector<fl_slot> slots;         ///< backend_id is an index of `backends`; the rest of a backend is not set
  std::vector<std::uint16_t> maglev;  ///< empty: another algorithm
};

struct Desired {
  std::vector<PortSpec> ports;
  std::vector<std::string> warnings;
};

/// rule: the DestinationRule of the service's host, or null.
[[nodiscard]] Desired desired_rows(const model::Service& service,
                                   std::span<const std::shared_ptr<const model::EndpointSlice>> slices,
                                   const model::DestinationRule* rule, const Topology& topology);

}  // namespace fairlead::datapath
