// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "agent/kernel/iterator.hpp"
#include "agent/kernel/netns.hpp"
#include "agent/kernel/walk.hpp"
#include "fairlead/abi/flow.h"
#include "fairlead/base/result.hpp"

namespace fairlead::datapath {

/// One walk of a program that writes struct fl_swept.
Result<std::vector<fl_swept>> swept_rows(const kernel::Walk& walk);

/// What a sweep ended.
struct Ended {
  std::size_t sockets = 0;     ///< ended
  std::size_t unreachable = 0; ///< doomed, but in a namespace that nobody can enter
};

/// Every socket that the programs know, in all network namespaces, and how to end one.
/// Owner: the agent. Thread: main.
class Sockets {
 public:
  static Result<Sockets> open(const kernel::Loaded& loaded);

  /// All of them, as they are.
  [[nodiscard]] Result<std::vector<fl_swept>> list() const;
  /// Marks what has to end (bpf/lib/sweep.h decides: endpoint gone, policy changed) and ends it: connected UDP, and
  /// TCP where the setting says so. Unconnected UDP sockets are never touched.
  Result<Ended> end_doomed();
  /// Whether BPF ends sockets here (kernel 6.5); netlink does it otherwise.
  [[nodiscard]] bool by_bpf() const { return end_tcp_.has_value() && end_udp_.has_value(); }

 private:
  Sockets() = default;
  Result<std::size_t> end_in(int netns, std::span<const fl_swept> sockets) const;
  Result<std::size_t> end_here(std::span<const fl_swept> sockets) const;

  std::optional<kernel::Walk> list_, doom_;
  std::optional<kernel::Iterator> end_tcp_, end_udp_;
  int count_ended_ = -1;
  kernel::NetnsFinder namespaces_;
};

}  // namespace fairlead::datapath
