// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace fairlead::gateway {

struct MachineLimits {
  std::uint64_t files = 0;   ///< open at a time
  std::uint64_t memory = 0;  ///< bytes of buffers
};

/// Raises the limit of open files as far as the process may (RLIMIT_NOFILE, from soft to hard), and says what it is
/// then. Thread: main, before there are others.
std::uint64_t raise_file_limit();

/// Bytes of buffers that the gateway may fill before it sheds load: what the command line says, else a quarter of the
/// memory that it may have, as the kernel's buffers of slow clients take more than ours. Thread: any.
[[nodiscard]] std::uint64_t buffer_limit(std::uint64_t wanted);

}  // namespace fairlead::gateway
