// SPDX-License-Identifier: Apache-2.0
#pragma once

// Whole bodies in Brotli (RFC 7932) and Zstandard (RFC 8878), for what has to read them.

#include <string>
#include <string_view>

#include "fairlead/change/gzip.hpp"

namespace fairlead::filter {

/// Appends what `packed` holds: one stream.
[[nodiscard]] change::Expanded expand_brotli(std::string_view packed, const change::ExpandLimits& limits,
                                             std::string& out);
/// One or more frames, with windows of at most 8 MiB (RFC 9659).
[[nodiscard]] change::Expanded expand_zstd(std::string_view packed, const change::ExpandLimits& limits,
                                           std::string& out);

/// Append one stream, one frame; false where memory is short.
[[nodiscard]] bool brotli(std::string_view text, std::string& out);
[[nodiscard]] bool zstd(std::string_view text, std::string& out);

}  // namespace fairlead::filter
