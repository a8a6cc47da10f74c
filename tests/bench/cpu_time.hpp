// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ctime>

namespace fairlead::bench {

/// CPU time of this thread in nanoseconds, since others may use the machine.
inline double cpu_ns() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

/// What `work` takes of it.
double nanoseconds_of(auto&& work) {
  const auto start = cpu_ns();
  work();
  return cpu_ns() - start;
}

}  // namespace fairlead::bench
