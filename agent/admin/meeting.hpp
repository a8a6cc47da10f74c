// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "fairlead/base/result.hpp"
#include "fairlead/config/report.hpp"
#include "fairlead/model/mesh.hpp"

namespace fairlead::admin {

/// What shows only when objects meet: of such a remark no place in a file is known. Keys are "KIND ns/name".
[[nodiscard]] config::Diagnostics remarks_of(const std::map<std::string, std::vector<std::string>>& warnings);

/// The settings of the agent that bear upon its warnings.
struct CheckOptions {
  std::string node_name{};
  std::uint16_t node_port_low = 30000, node_port_high = 32767;
  model::Mesh mesh{};
};

/// What `check` says of a directory: what is found as it is read, and what the agent would warn of once its objects
/// meet. They are compiled as the agent does, without a kernel.
[[nodiscard]] Result<config::Checked> check(const std::string& path, CheckOptions options = {});

}  // namespace fairlead::admin
