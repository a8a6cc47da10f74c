// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <ctime>

namespace fairlead::limit {

/// Microseconds of `clock`. Thread: any.
[[nodiscard]] inline std::int64_t clock_us(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return now.tv_sec * std::int64_t{1'000'000} + now.tv_nsec / 1000;
}

[[nodiscard]] inline std::int64_t unix_us() { return clock_us(CLOCK_REALTIME); }
[[nodiscard]] inline std::int64_t boot_us() { return clock_us(CLOCK_BOOTTIME); }

}  // namespace fairlead::limit
