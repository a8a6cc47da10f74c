// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace fairlead {

/// Text of others, such as a program's name, for one line of a terminal or a log: what would steer it, the control
/// characters C0, DEL and C1 of UTF-8, is spaces.
[[nodiscard]] inline std::string printable(std::string_view text) {
  std::string out(text);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto byte = static_cast<unsigned char>(out[i]);
    const auto next = i + 1 < out.size() ? static_cast<unsigned char>(out[i + 1]) : '\0';
    const bool c1 = byte == 0xc2 && next >= 0x80 && next <= 0x9f;
    if (c1) out[i + 1] = ' ';
    if (c1 || byte < 0x20 || byte == 0x7f) out[i] = ' ';
  }
  return out;
}

}  // namespace fairlead
