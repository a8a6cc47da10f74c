// SPDX-License-Identifier: Apache-2.0
#pragma once

// Hashes of texts and of the elements of paths. Tables are made from configuration, so a client that finds collisions
// gains nothing but a comparison.

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "fairlead/route/table.hpp"

namespace fairlead::route {

static_assert(std::endian::native == std::endian::little);

inline constexpr std::uint64_t kSeed = 0x9e3779b97f4a7c15;

/// The folded product of two words.
[[nodiscard]] inline std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

/// Up to eight bytes, zeros behind them.
[[nodiscard]] inline std::uint64_t load_tail(const char* at, std::size_t bytes) {
  std::uint64_t word = 0;
  if (bytes >= 8) {
    std::memcpy(&word, at, 8);
  } else if (bytes >= 4) {
    std::uint32_t low, high;
    std::memcpy(&low, at, 4);
    std::memcpy(&high, at + bytes - 4, 4);
    word = low | (static_cast<std::uint64_t>(high) << ((bytes - 4) * 8));
  } else if (bytes > 0) {
    const auto octet = [at](std::size_t i) { return std::uint64_t{static_cast<unsigned char>(at[i])}; };
    word = octet(0) | (octet(bytes / 2) << (bytes / 2 * 8)) | (octet(bytes - 1) << ((bytes - 1) * 8));
  }
  return word;
}

/// One chunk of a text: `length` of its bytes, 0 to 8.
[[nodiscard]] inline std::uint64_t hash_chunk(std::uint64_t hash, std::uint64_t chunk, std::size_t length) {
  return mix(hash ^ chunk, kSeed + 2 * length);
}

[[nodiscard]] inline std::uint64_t hash_text(std::string_view text, std::uint64_t seed = kSeed) {
  while (text.size() >= 8) {
    seed = hash_chunk(seed, load_tail(text.data(), 8), 8);
    text.remove_prefix(8);
  }
  return hash_chunk(seed, load_tail(text.data(), text.size()), text.size());
}

/// Hashes of a path up to the end of each of its elements: what a path is found by among prefixes, and whole.
struct PathKeys {
  std::uint64_t hash[kMaxPrefixDepth + 1];  ///< [0]: of no element
  std::uint32_t end[kMaxPrefixDepth + 1];   ///< bytes up to the end of the element
  std::size_t depth = 0;                    ///< elements that were kept, at most kMaxPrefixDepth
  std::size_t elements = 0;                 ///< all: as many as there are slashes
  std::uint64_t whole = 0;
  std::string_view path;

  /// `text`: begins with '/'.
  explicit PathKeys(std::string_view text) : path(text) {
    std::uint64_t state = kSeed;
    hash[0] = state;
    end[0] = 0;
    for (std::size_t at = 1;;) {
      const std::size_t length = std::min<std::size_t>(8, text.size() - at);
      std::uint64_t chunk = load_tail(text.data() + at, length);
      const std::uint64_t differs = chunk ^ 0x2f2f2f2f2f2f2f2f;
      const std::uint64_t zeros = (differs - 0x0101010101010101) & ~differs & 0x8080808080808080;
      const std::size_t slash = zeros == 0 ? 8 : static_cast<std::size_t>(std::countr_zero(zeros)) / 8;
      if (slash >= length && length == 8) {
        state = hash_chunk(state, chunk, 8);
        at += 8;
        continue;
      }
      const std::size_t used = std::min(slash, length);
      chunk &= (std::uint64_t{1} << (used * 8)) - 1;
      state = hash_chunk(state, chunk, used);
      at += used;
      ++elements;
      if (elements <= kMaxPrefixDepth) {
        hash[elements] = state;
        end[elements] = static_cast<std::uint32_t>(at);
        depth = elements;
      }
      if (at == text.size()) break;
      ++at;
    }
    whole = state;
  }
};

}  // namespace fairlead::route
