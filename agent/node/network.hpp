// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>

#include "fairlead/base/address.hpp"
#include "fairlead/base/fd.hpp"
#include "fairlead/base/result.hpp"

namespace fairlead::node {

/// The addresses of this thread's network namespace, without those of loopback.
Result<std::set<Address>> own_addresses();

/// Whether a device joins this thread's network namespace with the other one, as the veth pair of a pod does. To be
/// asked after own_addresses(), as the kernel numbers its neighbours while it lists devices.
Result<bool> is_neighbour(int netns);

/// Tells that something changed in the network of the node: an address, a route, a device (a pod's network comes and
/// goes by these), or a named network namespace.
/// Owner: the agent. Thread: main.
class NetworkWatch {
 public:
  /// Watches the namespace of the calling thread, and the folders in which namespaces are named.
  static Result<NetworkWatch> open();

  [[nodiscard]] int netlink() const { return netlink_.get(); }
  [[nodiscard]] int inotify() const { return inotify_.get(); }
  /// Takes what is there; what it says is not looked at, as the state itself is read next.
  void drain();

 private:
  void watch_folders() const;
  Fd netlink_, inotify_;
};

}  // namespace fairlead::node
