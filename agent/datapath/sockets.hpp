// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "agent/kernel/iterator.hpp"
#include "agent/kernel/netns.hpp"
#include "fairlead/abi/flow.h"
#include "fairlead/base/result.hpp"

namespace fairlead::datapath {

/// One walk of a program that writes struct fl_swept.
Result<std::vector<fl_swept>> swept_rows(const kernel::Iterator& iterator);

/// What a sweep ended.
struct Ended {
  std::size_t sockets = 0;     ///< ended
  std::size_t unreachable = 0; ///< doomed, but in a namespace that nobody can enter
};

/// Every socket that the programs know, in all network namespaces, and how to end one.
/// Owner: the agent. Thread: main.
class Sockets {
 public:
  /// program_of gives the descriptor of a program or -1 where this kernel did not take it; socks: the map fl_socks.
  static Result<Sockets> open(const std::function<int(const char* name)>& program_of, int socks);

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

  std::optional<kernel::Iterator> list_, doom_, end_tcp_, end_udp_;
  int count_ended_ = -1;
  kernel::NetnsFinder namespaces_;
};

}  // namespace fairlead::datapath
