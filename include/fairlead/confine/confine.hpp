// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "fairlead/base/result.hpp"

namespace fairlead::confine {

/// What one program needs beyond what all of ours do: files, sockets, waiting, memory and threads.
struct Needs {
  const char* program;                     ///< as it is named where a call is refused; up to 16 characters
  std::span<const char* const> calls;      ///< names of system calls
  bool enters_network_namespaces = false;  ///< setns(2), of CLONE_NEWNET only
};

/// Leaves this thread, and those that it starts, the system calls that a running program of ours makes. Any other one
/// fails with ENOSYS, as on a kernel that does not have it, and is named on stderr. `needs` is read during the call;
/// needs.program for ever. Call after drop_capabilities(), which sets no_new_privs.
/// Does nothing in builds with sanitizers, whose runtime makes calls of its own.
Result<> restrict_system_calls(const Needs& needs);

/// Whether this build confines at all.
[[nodiscard]] bool confines();

/// Gives up every capability but those of `keep` (names as in capabilities(7), small letters), for good: permitted,
/// bounding set, and no new privileges by execve. Of `keep`, only what the process has stays. Capabilities belong to
/// threads, so it is to be called before the first one is started.
Result<> drop_capabilities(std::span<const char* const> keep);

/// Whether this thread has it in effect; `name` as above. False where it cannot be asked.
[[nodiscard]] bool has_capability(const char* name);

}  // namespace fairlead::confine
