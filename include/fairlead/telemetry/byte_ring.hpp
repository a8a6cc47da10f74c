// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>

namespace fairlead::telemetry {

/// Bytes from one thread to another without a lock. What is pushed is seen whole or not at all; where there is no room
/// it is refused and counted: the producer never waits. Owner: shared by both. Thread: push() one, peek() and consume()
/// one other; the counters any.
class ByteRing {
 public:
  /// Rounded up to a power of two.
  explicit ByteRing(std::size_t capacity)
      : capacity_(std::bit_ceil(std::max<std::size_t>(capacity, 64))),
        bytes_(std::make_unique_for_overwrite<char[]>(capacity_)) {}
  ByteRing(const ByteRing&) = delete;
  ByteRing& operator=(const ByteRing&) = delete;

  bool push(std::string_view record) {
    const auto head = head_.load(std::memory_order_relaxed);
    if (capacity_ - (head - known_tail_) < record.size()) {
      known_tail_ = tail_.load(std::memory_order_acquire);
      if (capacity_ - (head - known_tail_) < record.size()) {
        dropped_.store(dropped_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        return false;
      }
    }
    const auto at = head & (capacity_ - 1);
    const auto first = std::min(record.size(), capacity_ - at);
    std::memcpy(bytes_.get() + at, record.data(), first);
    std::memcpy(bytes_.get(), record.data() + first, record.size() - first);
    head_.store(head + record.size(), std::memory_order_release);
    pushed_.store(pushed_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    return true;
  }
  /// What waits, up to the end of the memory: a second call after consume() may give the rest.
  [[nodiscard]] std::string_view peek() const {
    const auto tail = tail_.load(std::memory_order_relaxed);
    const auto size = head_.load(std::memory_order_acquire) - tail;
    const auto at = tail & (capacity_ - 1);
    return {bytes_.get() + at, std::min(size, capacity_ - at)};
  }
  void consume(std::size_t bytes) {
    tail_.store(tail_.load(std::memory_order_relaxed) + bytes, std::memory_order_release);
  }

  [[nodiscard]] std::size_t consumed() const { return tail_.load(std::memory_order_relaxed); }  ///< bytes, ever

  [[nodiscard]] std::size_t waiting() const {
    const auto tail = tail_.load(std::memory_order_acquire);
    return head_.load(std::memory_order_acquire) - tail;
  }
  [[nodiscard]] std::size_t capacity() const { return capacity_; }
  [[nodiscard]] std::uint64_t pushed() const { return pushed_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

 private:
  const std::size_t capacity_;
  const std::unique_ptr<char[]> bytes_;
  // The producer's line, then the consumer's.
  alignas(64) std::atomic<std::size_t> head_{0};
  std::size_t known_tail_ = 0;  // the producer's memory of tail_, so that it seldom reads the other's line
  std::atomic<std::uint64_t> pushed_{0};
  std::atomic<std::uint64_t> dropped_{0};
  alignas(64) std::atomic<std::size_t> tail_{0};
};

}  // namespace fairlead::telemetry
