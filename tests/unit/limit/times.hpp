// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace fairlead::limit {

// In microseconds, as all times of limits.
inline constexpr std::int64_t kSecond = 1'000'000;
inline constexpr std::int64_t kNow = 1'790'000'000'123'456;  // 2026-09-21

}  // namespace fairlead::limit
