// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "agent/kernel/pins.hpp"
#include "fairlead/base/fd.hpp"
#include "fairlead/base/result.hpp"

namespace fairlead::kernel {

/// The maps of that name which are in use by the programs of pinned links, newest first, and that which is pinned: more
/// than one where an agent died while it replaced another's.
[[nodiscard]] std::vector<Fd> maps_in_use(const PinDirectory& pins, const std::string& name);

/// The maps of one agent, by their names; tables that grow as their map in force.
using MapSet = std::map<std::string, Fd>;

/// The same by agents, the newest first: programs that share a map are of one agent.
[[nodiscard]] std::vector<MapSet> agents_in_use(const PinDirectory& pins);

/// The map in a one-element array of maps.
[[nodiscard]] Result<Fd> map_inside(int outer);

}  // namespace fairlead::kernel
