// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "agent/datapath/services.hpp"
#include "agent/kernel/skeleton.hpp"
#include "agent/policy/policies.hpp"
#include "agent/telemetry/telemetry.hpp"
#include "fairlead/config/diagnostic.hpp"
#include "fairlead/model/cluster.hpp"

namespace fairlead::admin {

using Json = nlohmann::ordered_json;

/// Something of the agent that may be off, and why.
struct FeatureState {
  std::string name;
  bool on = false;
  std::string detail;
};

/// A program that this kernel does not take.
struct Lack {
  std::string program;
  std::string instead;  ///< what happens without it
  std::string reason;
};

/// What the views look at; all of it belongs to the agent and outlives them.
struct Sources {
  kernel::Datapath& datapath;
  const datapath::Services& services;
  const policy::Policies& policies;
  const model::Cluster& cluster;
  telemetry::Telemetry& telemetry;
  std::function<const config::Diagnostics&()> diagnostics;
  std::function<std::vector<FeatureState>()> features;
  std::function<std::vector<Lack>()> lacks;
  std::string node;
  std::string config;
  std::string pin_dir;
};

// The answers of the admin socket. Called on the agent's main thread.
[[nodiscard]] Json status_view(const Sources& sources, std::uint64_t started_ns);
[[nodiscard]] Json services_view(const Sources& sources);
[[nodiscard]] Result<Json> backends_view(const Sources& sources);
[[nodiscard]] Json workloads_view(const Sources& sources);
[[nodiscard]] Json policy_view(const Sources& sources);
[[nodiscard]] Result<Json> maps_view(const Sources& sources);
/// Sums since the start, one element for each caller, called one and service.
[[nodiscard]] Result<Json> pairs_view(const Sources& sources);

/// from: name or "namespace/name" of a workload or pod, or an address; empty: the node itself.
[[nodiscard]] Result<Json> why_view(const Sources& sources, const std::string& from, const std::string& target,
                                    const std::string& protocol);

}  // namespace fairlead::admin
