// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>

#include "agent/kernel/pins.hpp"
#include "fairlead/base/address.hpp"
#include "fairlead/base/result.hpp"

namespace fairlead::node {

/// Keeps fl_sk_lookup attached in the network namespaces of pods. Links are pinned as link_fl_sk_lookup_<cookie>, so
/// that they outlive the agent; a namespace's end ends its link. No descriptor of a namespace is kept: it would keep
/// the namespace alive.
/// Owner: the agent. Thread: main.
class ServerGuards {
 public:
  /// program: fl_sk_lookup's descriptor. own_cookie: the node's own namespace, which is never guarded. neighbours_only:
  /// an agent that serves a part of the machine leaves alone what is not joined to its own namespace, whatever
  /// addresses others use there.
  ServerGuards(kernel::PinDirectory pins, int program, std::uint64_t own_cookie, bool neighbours_only);

  /// Looks through all namespaces, attaches where an address is a pod's and removes the links of those that are gone.
  /// Gives the pods' addresses that are guarded now.
  Result<std::set<Address>> refresh(const std::function<bool(const Address&)>& is_pod);

 private:
  struct Seen {
    std::uint64_t cookie = 0;
    std::set<Address> addresses;
  };
  static Result<Seen> look(int netns);
  Result<> attach(int netns, std::uint64_t cookie);
  Result<bool> adopt(const std::string& name, int netns);
  Result<> forget_others(const std::set<std::uint64_t>& found);

  kernel::PinDirectory pins_;
  int program_;
  std::uint64_t own_cookie_;
  bool neighbours_only_;
  std::set<std::uint64_t> attached_;  // by this agent, or taken over from the one before
};

}  // namespace fairlead::node
