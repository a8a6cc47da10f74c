// SPDX-License-Identifier: Apache-2.0
#pragma once

// Whole bodies in gzip (RFC 1952), for what has to read them.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace fairlead::change {

enum class Expanded : std::uint8_t { kWhole, kBroken, kTooLarge };

/// What a small body may become: more than `bytes`, or beyond 64 KiB more than `ratio` times its size, is refused
/// before it is expanded.
struct ExpandLimits {
  std::size_t bytes = 1024 * 1024;
  std::size_t ratio = 100;
};

/// The most that `size` bytes may become.
[[nodiscard]] std::size_t most_expanded(std::size_t size, const ExpandLimits& limits);

/// Appends what `packed` holds: one or more members of gzip, or zlib's format, which "deflate" is by RFC 9110. Thread:
/// any.
[[nodiscard]] Expanded expand(std::string_view packed, const ExpandLimits& limits, std::string& out);

/// Appends one member of gzip; false where memory is short.
[[nodiscard]] bool gzip(std::string_view text, std::string& out);

}  // namespace fairlead::change
