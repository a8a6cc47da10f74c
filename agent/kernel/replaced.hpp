// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
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

/// Whether the values of two maps are the same struct: members of the same names, places and sizes. False where either
/// has no BTF.
[[nodiscard]] bool same_values(int map, int other);
/// The same for keys and values; such that are no structs are compared by their size.
[[nodiscard]] bool same_rows(int map, int other);

/// Sets a 32-bit member of row 0, found by the map's BTF: for maps whose layout may be another version's.
Result<> write_member(int map, const std::string& member, std::uint32_t value);

}  // namespace fairlead::kernel
