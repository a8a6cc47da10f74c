// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "agent/kernel/skeleton.hpp"
#include "agent/node/network.hpp"
#include "agent/node/server_guards.hpp"
#include "agent/policy/policies.hpp"
#include "fairlead/base/result.hpp"
#include "fairlead/event/loop.hpp"

namespace fairlead::agent {

/// Keeps the server's side of authorization in place: fl_sk_lookup in the namespaces of pods, fl_guard as long as some
/// restricted pod's namespace has not been found, and the node's own addresses, which may reach all its pods.
/// Owner: Agent. Thread: main.
class Guarding {
 public:
  static Result<std::unique_ptr<Guarding>> open(kernel::Datapath& datapath, policy::Policies& policies,
                                                const std::string& pin_dir, event::Loop& loop);

  /// Finds the pods' namespaces and does what is to be done about them.
  Result<> refresh();
  /// The same, with errors logged; for after the configuration changed.
  void look();
  /// Follows the node's network from now on.
  Result<> follow();

 private:
  Guarding(kernel::Datapath& datapath, policy::Policies& policies, node::ServerGuards guards, node::NetworkWatch watch,
           event::Loop& loop);
  void look_soon(event::Loop::Clock::duration delay);
  Result<> set_guard(bool needed);
  [[nodiscard]] Result<> tolerate(const Result<policy::Applied>& applied) const;

  kernel::Datapath& datapath_;
  policy::Policies& policies_;
  node::ServerGuards guards_;
  node::NetworkWatch watch_;
  event::Loop& loop_;
  event::Loop::TimerId timer_ = 0;
  event::Loop::Clock::time_point due_{};
  event::Loop::Clock::duration patience_;  ///< until the next look for pods that were not found
  bool guarding_ = false;
};

}  // namespace fairlead::agent
