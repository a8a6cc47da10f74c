// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "fairlead/upstream/cluster_spec.hpp"

namespace fairlead::upstream {

/// What makes a backend the same one through a change of its cluster, and on all workers.
struct EndpointKey {
  Address address;
  std::uint16_t port = 0;
  std::string hostname{};
  bool operator==(const EndpointKey&) const = default;

  [[nodiscard]] static EndpointKey of(const EndpointSpec& spec) {
    return {spec.address.address, spec.address.port, spec.hostname};
  }
};

struct EndpointKeyHash {
  [[nodiscard]] std::size_t operator()(const EndpointKey& key) const {
    return std::hash<Address>()(key.address) * 31 + key.port + std::hash<std::string>()(key.hostname) * 17;
  }
};

}  // namespace fairlead::upstream
