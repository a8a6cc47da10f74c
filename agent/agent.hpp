// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "agent/settings.hpp"
#include "fairlead/base/result.hpp"

namespace fairlead::agent {

/// The node daemon: owns every part and joins them; no logic of its own beyond their order.
/// Owner: main(). Thread: main.
class Agent {
 public:
  /// Takes the lock, loads the kernel half, puts the configuration into it and the programs in force.
  static Result<std::unique_ptr<Agent>> start(Settings settings);
  ~Agent();

  /// Until SIGTERM or SIGINT. The programs stay in place.
  void run();

 private:
  struct Parts;
  explicit Agent(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace fairlead::agent
