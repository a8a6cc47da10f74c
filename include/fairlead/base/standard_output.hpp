// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cerrno>
#include <cstdio>
#include <iostream>

#include "fairlead/base/result.hpp"

namespace fairlead {

/// Whether all that was printed arrived: on a full disk, say, the last of it does not.
[[nodiscard]] inline Result<> flush_standard_output() {
  errno = 0;
  std::cout.flush();
  const int reason = errno == 0 ? EIO : errno;
  if (std::cout && std::ferror(stdout) == 0) return {};
  return fail(system_error("writing to standard output", reason));
}

}  // namespace fairlead
