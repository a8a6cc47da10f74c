// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace fairlead::cache {

inline constexpr std::int64_t kNow = 1'700'000'000;  // 2023-11-14

}  // namespace fairlead::cache
