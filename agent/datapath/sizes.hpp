// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "fairlead/model/cluster.hpp"

namespace fairlead::datapath {

/// Entries of the growing tables with which these objects, as the first ones, need no table to grow: each growth waits
/// for a grace period of RCU (10 to 25 ms). An estimate: what is missing grows later.
[[nodiscard]] std::vector<std::pair<std::string, std::uint32_t>> table_sizes(const model::ChangeSet& objects);

}  // namespace fairlead::datapath
