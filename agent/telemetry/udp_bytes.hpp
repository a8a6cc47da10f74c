// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "agent/kernel/skeleton.hpp"
#include "fairlead/base/result.hpp"

namespace fairlead::telemetry {

/// Switches the programs that count the bytes of UDP sockets. They are traced functions of UDP where the kernel allows
/// that, as these cost nothing to others; else tracepoints of every send and recv.
/// Owner: Telemetry. Thread: the agent's main thread.
class UdpBytes {
 public:
  explicit UdpBytes(kernel::Datapath& datapath);

  /// Attaches or detaches them; the first call also removes what an earlier agent left and this one does not want.
  Result<> follow(bool wanted);
  /// Empty: this kernel takes neither kind.
  [[nodiscard]] static std::vector<std::string> usable(const kernel::Datapath& datapath);

 private:
  kernel::Datapath& datapath_;
  std::vector<std::string> programs_;
  bool attached_ = false;
  bool known_ = false;
};

}  // namespace fairlead::telemetry
