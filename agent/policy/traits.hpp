// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "fairlead/base/address.hpp"
#include "fairlead/model/objects.hpp"

namespace fairlead::policy {

/// Name, number, protocol of a container port.
using PortName = std::tuple<std::string, std::uint16_t, std::uint8_t>;

/// All that a policy can tell of a peer. Peers with the same traits share an identity.
struct Traits {
  bool pod = false;  ///< else an address that belongs to no pod, of which only the block is known
  std::string ns;
  std::string service_account;
  model::Labels labels;
  std::vector<PortName> ports;  ///< named ones; egress rules may go by them
  std::optional<Cidr> block;    ///< the narrowest block named by any policy that holds the address

  auto operator<=>(const Traits&) const = default;
};

}  // namespace fairlead::policy
