// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "fairlead/config/gateway_state.hpp"

namespace fairlead::gateway {

/// Whether a listener of the port that is more special than that of host name `own` has the name. `hostnames`: of all
/// listeners of the port; empty: every name.
inline bool is_anothers(const std::vector<std::string>& hostnames, const std::string& own, const std::string& name) {
  return std::ranges::any_of(hostnames, [&](const auto& other) {
    return !other.empty() && other != own && config::hostname_covers(own, other) &&
           config::hostname_covers(other, name);
  });
}

}  // namespace fairlead::gateway
