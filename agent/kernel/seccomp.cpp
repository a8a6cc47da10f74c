// SPDX-License-Identifier: Apache-2.0
#include "agent/kernel/seccomp.hpp"

#include "fairlead/confine/confine.hpp"

namespace fairlead::kernel {

bool confines() { return confine::confines(); }

Result<> confine() {
  static constexpr const char* kDatapath[] = {"bpf"};
  return confine::restrict_system_calls(
      {.program = "fairlead-agent", .calls = kDatapath, .enters_network_namespaces = true});
}

}  // namespace fairlead::kernel
