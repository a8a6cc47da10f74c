// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

namespace fairlead {

/// A bump allocator for what lives as long as one exchange: allocation is an addition, everything goes at once.
/// Nothing allocated here is destroyed: only for texts and trivially destructible values.
/// Owner: whoever's lifetime it serves; pooled by workers. Thread: one.
class Arena {
 public:
  static constexpr std::size_t kFirstBlock = 2048;  ///< bytes; holds the head of a common request

  Arena() = default;
  Arena(Arena&&) = default;
  Arena& operator=(Arena&&) = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  [[nodiscard]] char* allocate(std::size_t bytes, std::size_t align = 1) {
    auto at = (used_ + align - 1) & ~(align - 1);
    if (blocks_.empty() || at + bytes > capacity_) {
      add_block(bytes);
      at = 0;
    }
    used_ = at + bytes;
    return blocks_.back().get() + at;
  }

  /// A copy that lives as long as the arena.
  [[nodiscard]] std::string_view copy(std::string_view text) {
    if (text.empty()) return {};
    char* at = allocate(text.size());
    std::memcpy(at, text.data(), text.size());
    return {at, text.size()};
  }

  /// Forgets everything; keeps the first block where it is of the common size.
  void reset() {
    if (!blocks_.empty()) blocks_.resize(1);
    if (first_capacity_ > kFirstBlock) {
      blocks_.clear();
      first_capacity_ = 0;
    }
    capacity_ = first_capacity_;
    used_ = 0;
    total_ = capacity_;
  }

  [[nodiscard]] std::size_t bytes() const { return total_; }  ///< of all blocks

 private:
  void add_block(std::size_t least) {
    capacity_ = blocks_.empty() ? kFirstBlock : capacity_ * 2;
    if (capacity_ < least) capacity_ = least;
    blocks_.push_back(std::make_unique_for_overwrite<char[]>(capacity_));
    if (blocks_.size() == 1) first_capacity_ = capacity_;
    total_ += capacity_;
  }

  std::vector<std::unique_ptr<char[]>> blocks_;
  std::size_t capacity_ = 0;  // of the last block
  std::size_t first_capacity_ = 0;
  std::size_t used_ = 0;      // of the last block
  std::size_t total_ = 0;
};

}  // namespace fairlead
