// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "agent/datapath/desired.hpp"

namespace fairlead::datapath {

/// One endpoint with the port that serves a service port.
struct Candidate {
  Address address;
  std::uint16_t port = 0;
  const model::Endpoint* endpoint = nullptr;
  bool ready = false;     ///< or published all the same
  bool draining = false;  ///< serving and terminating
  std::uint32_t weight = 1;  ///< of its slice; 0: no new connections
};

/// What a candidate is for new connections.
struct Choice {
  std::uint32_t candidate;  ///< index
  std::uint32_t level;
  std::uint32_t weight;
};

/// The endpoints of one port and family, each address and port once, sorted.
[[nodiscard]] std::vector<Candidate> candidates_of(const model::Service& service, const model::ServicePort& port,
                                                   bool v4,
                                                   std::span<const std::shared_ptr<const model::EndpointSlice>> slices);

/// Which of them get new connections, sorted by level; levels are dense and fewer than FL_LEVELS + 1.
/// local_only: those of this node alone. policy: of the DestinationRule, or null.
[[nodiscard]] std::vector<Choice> choose(const model::Service& service, std::span<const Candidate> candidates,
                                         bool local_only, const model::TrafficPolicy* policy, const Topology& topology,
                                         std::vector<std::string>& warnings);

}  // namespace fairlead::datapath
