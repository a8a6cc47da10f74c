// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace fairlead::upstream {

/// The high half of a 128-bit product folded into the low half.
[[nodiscard]] inline std::uint64_t hash_fold(std::uint64_t a, std::uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

/// The hash of the consistent policies. Part of the product's behaviour: workers, instances and releases have to agree
/// on it, or sessions move; a test pins its values. Little-endian reads. Not keyed: not for tables that a peer fills.
[[nodiscard]] inline std::uint64_t hash64(std::string_view text, std::uint64_t seed = 0) {
  constexpr std::uint64_t kA = 0xa0761d6478bd642f;
  constexpr std::uint64_t kB = 0xe7037ed1a0b428db;
  auto hash = hash_fold(seed ^ kA, text.size() ^ kB);
  while (!text.empty()) {
    std::uint64_t word = 0;
    const auto length = text.size() < sizeof word ? text.size() : sizeof word;
    std::memcpy(&word, text.data(), length);
    hash = hash_fold(hash ^ word ^ kA, kB);
    text.remove_prefix(length);
  }
  return hash_fold(hash ^ kB, kA ^ 0x589965cc75374cc3);
}

/// Another hash of the same key: for the n-th choice.
[[nodiscard]] inline std::uint64_t rehash(std::uint64_t hash, std::uint64_t n) {
  return hash_fold(hash ^ (n * 0x9e3779b97f4a7c15), 0xe7037ed1a0b428db);
}

}  // namespace fairlead::upstream
