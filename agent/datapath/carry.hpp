// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "agent/datapath/services.hpp"
#include "agent/kernel/map.hpp"
#include "agent/kernel/walk.hpp"
#include "fairlead/abi/flow.h"
#include "fairlead/base/result.hpp"

namespace fairlead::datapath {

/// Brings the sockets of replaced maps into ours: their peers' names, counts, and ends stay what they were.
/// Owner: the agent, while it starts. Thread: main.
class Carry {
 public:
  /// old_socks: maps fl_socks with rows of our layout.
  static Result<Carry> open(const kernel::Loaded& loaded, const std::vector<Fd>& old_socks);

  /// One walk. services: with the configuration in the tables. Gives how many sockets the old maps know.
  Result<std::size_t> run(const Services& services);

 private:
  explicit Carry(kernel::HashMap<fl_carried_key, fl_carried> carried) : carried_(std::move(carried)) {}

  std::vector<kernel::Walk> list_, carry_;
  kernel::HashMap<fl_carried_key, fl_carried> carried_;
};

}  // namespace fairlead::datapath
