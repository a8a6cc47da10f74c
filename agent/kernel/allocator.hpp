// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <vector>

namespace fairlead::kernel {

using Clock = std::chrono::steady_clock;

/// Gives out runs of rows. Freed runs rest: they come back at the first wake() after their time, so that a reader that
/// still holds the old reference, or a socket of the old owner, meets the old contents.
/// Owner: whoever keeps the table. Thread: its.
class RunAllocator {
 public:
  explicit RunAllocator(std::chrono::milliseconds rest) : rest_(rest) {}

  /// Marks rows as used by what was found in the kernel. Only before the first allocate(), in ascending order; rows
  /// between the marked ones are free.
  void adopt(std::uint32_t first, std::uint32_t count) {
    if (first > end_) add_free(end_, first - end_);
    if (first + count > end_) end_ = first + count;
  }
  [[nodiscard]] std::uint32_t allocate(std::uint32_t count) {
    if (const auto fitting = free_.lower_bound(count); fitting != free_.end()) {
      const std::uint32_t size = fitting->first;
      const std::uint32_t first = fitting->second.back();
      fitting->second.pop_back();
      if (fitting->second.empty()) free_.erase(fitting);
      if (size > count) add_free(first + count, size - count);
      return first;
    }
    const std::uint32_t first = end_;
    end_ += count;
    return first;
  }
  void release(std::uint32_t first, std::uint32_t count, Clock::time_point now) {
    if (count != 0) resting_.push_back({now + rest_, first, count});
  }
  void wake(Clock::time_point now) {
    for (; !resting_.empty() && resting_.front().until <= now; resting_.pop_front())
      add_free(resting_.front().first, resting_.front().count);
  }
  [[nodiscard]] std::uint32_t end() const { return end_; }  ///< rows from here on were never used

 private:
  struct Resting {
    Clock::time_point until;
    std::uint32_t first;
    std::uint32_t count;
  };
  void add_free(std::uint32_t first, std::uint32_t count) { free_[count].push_back(first); }

  std::chrono::milliseconds rest_;
  std::uint32_t end_ = 1;  // row 0 is never used
  std::map<std::uint32_t, std::vector<std::uint32_t>> free_;  // by size
  std::deque<Resting> resting_;
};

}  // namespace fairlead::kernel
