// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "fairlead/base/fd.hpp"

namespace fairlead::test {

/// A network namespace with its loopback up, removed at the end.
/// Owner: the test. Thread: one; in() may be called by several.
class Netns {
 public:
  explicit Netns(const std::string& name = "ns");
  ~Netns();
  Netns(const Netns&) = delete;
  Netns& operator=(const Netns&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }  ///< as `ip netns` knows it
  [[nodiscard]] std::string path() const { return "/run/netns/" + name_; }

  /// Calls work() on a thread of its own inside the namespace and waits; sockets made there stay in the namespace.
  void in(const std::function<void()>& work) const;
  /// `ip -n NAME words...`; throws where it fails.
  void ip(const std::vector<std::string>& words) const;
  /// Writes /proc/sys/<key with dots as slashes> inside the namespace.
  void sysctl(const std::string& key, const std::string& value) const;

 private:
  std::string name_;
};

}  // namespace fairlead::test
