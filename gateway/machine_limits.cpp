// SPDX-License-Identifier: Apache-2.0
#include "gateway/machine_limits.hpp"

#include <sys/resource.h>

#include "fairlead/event/worker.hpp"

namespace fairlead::gateway {

std::uint64_t raise_file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  const rlimit raised{.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
  if (limit.rlim_cur < limit.rlim_max && ::setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  return limit.rlim_cur;
}

std::uint64_t buffer_limit(std::uint64_t wanted) { return wanted != 0 ? wanted : event::usable_memory() / 4; }

}  // namespace fairlead::gateway
