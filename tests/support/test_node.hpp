// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "support/netns.hpp"

namespace fairlead::test {

/// A node in miniature: a namespace that stands for the host and routes, and a namespace for each pod, joined to it by
/// a veth pair (eth0 in the pod). The machine's own addresses and routes are not touched. The node itself has
/// 192.0.2.1 and 2001:db8:ff::1 on its loopback.
/// Owner: the test. Thread: one.
class TestNode {
 public:
  TestNode();

  /// Address of either family, or both; each as "10.244.0.2" or "2001:db8:1::2".
  Netns& add_pod(const std::string& name, const std::vector<std::string>& addresses);
  [[nodiscard]] const Netns& netns() const { return node_; }
  [[nodiscard]] static std::string address_v4() { return "192.0.2.1"; }
  [[nodiscard]] static std::string address_v6() { return "2001:db8:ff::1"; }

 private:
  void join(Netns& pod, const std::string& device);
  void route(Netns& pod, const std::string& device, const std::string& address);

  Netns node_;
  std::vector<std::unique_ptr<Netns>> pods_;
};

}  // namespace fairlead::test
