// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace fairlead::change {

/// Bytes of the character at the beginning of `text` (not empty); 0: no valid UTF-8 (RFC 3629: no surrogates, no
/// longer form than needed).
[[nodiscard]] std::size_t utf8_length(std::string_view text);
[[nodiscard]] bool valid_utf8(std::string_view text);
/// Characters of a valid text.
[[nodiscard]] std::size_t utf8_count(std::string_view text);
void append_utf8(std::uint32_t point, std::string& out);

}  // namespace fairlead::change
