// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "fairlead/base/fd.hpp"
#include "fairlead/base/result.hpp"

namespace fairlead::kernel {

/// The cookie of the network namespace that this thread is in.
Result<std::uint64_t> own_netns_cookie();

/// Runs work() with this thread inside the namespace and comes back. Descriptors made there stay in it.
Result<> inside_netns(int netns, const std::function<Result<>()>& work);

/// A path of every network namespace that a process is in or that has a name, each once.
[[nodiscard]] std::vector<std::string> netns_paths();

/// Finds network namespaces by the cookies that programs know them by: among those of processes and of `ip netns`.
/// Keeps paths, not descriptors, as those would keep namespaces alive.
/// Owner: the agent. Thread: main.
class NetnsFinder {
 public:
  /// ENOENT where none has this cookie (any more).
  Result<Fd> find(std::uint64_t cookie);

 private:
  Result<> scan();
  std::unordered_map<std::uint64_t, std::string> paths_;
};

}  // namespace fairlead::kernel
