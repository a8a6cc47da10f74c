// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace fairlead::filter {

/// Shares of requests are parts of this.
inline constexpr std::uint32_t kWholeShare = 1'000'000;

/// "12.5 %": for people.
[[nodiscard]] inline std::string share_text(std::uint32_t share) {
  auto text = std::to_string(static_cast<double>(share) * 100 / kWholeShare);
  text.resize(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text + " %";
}

}  // namespace fairlead::filter
