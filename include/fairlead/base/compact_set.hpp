// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace fairlead {

/// Pointers by the key of what they point to, in one table that is 60 to 75 % full: 8 bytes for each and a third or two
/// more. Hash{}(*pointer) spreads keys over all 64 bits. Owner: whoever has it. Thread: its.
template <class Pointer, class Hash>
class CompactSet {
 public:
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t bytes() const { return slots_.capacity() * sizeof(Pointer); }

  /// The pointer for which same(*pointer), among those of that hash; null: there is none. Good until the next change.
  template <class Same>
  [[nodiscard]] Pointer* find(std::size_t hash, Same&& same) {
    if (slots_.empty()) return nullptr;
    for (auto at = place_of(hash); slots_[at] != nullptr; at = next(at))
      if (same(*slots_[at])) return &slots_[at];
    return nullptr;
  }
  template <class Same>
  [[nodiscard]] const Pointer* find(std::size_t hash, Same&& same) const {
    return const_cast<CompactSet*>(this)->find(hash, std::forward<Same>(same));
  }
  /// One that is not there.
  void insert(Pointer added) {
    if ((size_ + 1) * 4 > slots_.size() * 3) grow();
    put(std::move(added));
    ++size_;
  }
  /// What find() gave. Those behind it close up, so that no lookup ends too early.
  void erase(Pointer* found) {
    auto hole = static_cast<std::size_t>(found - slots_.data());
    slots_[hole] = nullptr;
    --size_;
    for (auto at = next(hole); slots_[at] != nullptr; at = next(at)) {
      const auto home = place_of(Hash{}(*slots_[at]));
      const bool stays = hole <= at ? home > hole && home <= at : home > hole || home <= at;
      if (stays) continue;
      slots_[hole] = std::exchange(slots_[at], nullptr);
      hole = at;
    }
  }

 private:
  [[nodiscard]] std::size_t next(std::size_t at) const { return at + 1 == slots_.size() ? 0 : at + 1; }
  [[nodiscard]] std::size_t place_of(std::size_t hash) const {
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::size_t>(static_cast<Wide>(hash) * slots_.size() >> 64);
  }
  void put(Pointer added) {
    auto at = place_of(Hash{}(*added));
    while (slots_[at] != nullptr) at = next(at);
    slots_[at] = std::move(added);
  }
  void grow() {
    auto before = std::exchange(slots_, std::vector<Pointer>(size_ * 5 / 3 + 4));
    for (auto& one : before)
      if (one != nullptr) put(std::move(one));
  }

  std::vector<Pointer> slots_;
  std::size_t size_ = 0;
};

}  // namespace fairlead
