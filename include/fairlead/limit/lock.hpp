// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>

namespace fairlead::limit {

/// A lock of four bytes for sections of some tens of instructions: taken by one exchange where it is free; who finds it
/// taken looks again a few times, then sleeps, since its owner may have lost its CPU. Owner: what it guards.
class Lock {
 public:
  void lock() {
    std::uint32_t free = 0;
    if (state_.compare_exchange_strong(free, 1, std::memory_order_acquire)) return;
    wait();
  }
  void unlock() {
    if (state_.exchange(0, std::memory_order_release) == 2) state_.notify_one();
  }

 private:
  static void relax() {
#ifdef __x86_64__
    __builtin_ia32_pause();
#endif
  }
  void wait() {
    for (int i = 0; i < 100; ++i) {
      relax();
      std::uint32_t free = 0;
      if (state_.load(std::memory_order_relaxed) == 0 &&
          state_.compare_exchange_strong(free, 1, std::memory_order_acquire))
        return;
    }
    while (state_.exchange(2, std::memory_order_acquire) != 0) state_.wait(2, std::memory_order_relaxed);
  }

  std::atomic<std::uint32_t> state_{0};  // 0 free, 1 taken, 2 taken and somebody sleeps
};

}  // namespace fairlead::limit
