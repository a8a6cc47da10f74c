// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "fairlead/auth/digest.hpp"

namespace fairlead::auth {

/// What was found out of tokens, by their SHA-256: a bounded table in which a newcomer takes the place of one of two.
/// Owner: a worker. Thread: its.
template <class T>
class TokenCache {
 public:
  /// `pairs`: half of what it holds.
  explicit TokenCache(std::size_t pairs = 2048) : pairs_(pairs) {}

  [[nodiscard]] std::shared_ptr<const T> find(const Digest& digest) const {
    if (slots_.empty()) return nullptr;
    const auto at = place(digest);
    for (std::size_t i = 0; i < 2; ++i)
      if (slots_[at + i].value != nullptr && slots_[at + i].digest == digest) return slots_[at + i].value;
    return nullptr;
  }
  void put(const Digest& digest, std::shared_ptr<const T> value) {
    if (slots_.empty()) slots_.resize(pairs_ * 2);
    const auto at = place(digest);
    const bool second = slots_[at].value != nullptr && slots_[at].digest != digest && (digest[2] & 1) != 0;
    slots_[at + (second ? 1 : 0)] = {digest, std::move(value)};
  }

 private:
  struct Slot {
    Digest digest{};
    std::shared_ptr<const T> value;
  };
  [[nodiscard]] std::size_t place(const Digest& digest) const {
    return (std::size_t{digest[0]} << 8 | digest[1]) % pairs_ * 2;
  }

  std::size_t pairs_;
  std::vector<Slot> slots_;
};

}  // namespace fairlead::auth
