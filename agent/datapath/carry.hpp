// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <vector>

#include "agent/datapath/services.hpp"
#include "agent/kernel/iterator.hpp"
#include "agent/kernel/map.hpp"
#include "fairlead/abi/flow.h"
#include "fairlead/base/result.hpp"

namespace fairlead::datapath {

/// Brings the sockets of replaced maps into ours: their peers' names, counts, and ends stay what they were.
/// Owner: the agent, while it starts. Thread: main.
class Carry {
 public:
  /// old_socks: maps fl_socks with rows of our layout; carried: our fl_carried.
  static Result<Carry> open(const std::function<int(const char* name)>& program_of, std::vector<Fd> old_socks,
                            Fd carried);

  /// One walk. services: with the configuration in the tables. Gives how many sockets the old maps know.
  Result<std::size_t> run(const Services& services);

 private:
  explicit Carry(kernel::HashMap<fl_carried_key, fl_carried> carried) : carried_(std::move(carried)) {}

  std::vector<Fd> maps_;
  std::vector<kernel::Iterator> list_, carry_;
  kernel::HashMap<fl_carried_key, fl_carried> carried_;
};

}  // namespace fairlead::datapath
