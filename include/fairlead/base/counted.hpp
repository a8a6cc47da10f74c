// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

namespace fairlead {

/// An object that counts its users itself: a pointer to it takes 8 bytes, and the count 4. Thread: any.
class Counted {
 public:
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  void acquire() const { uses_.fetch_add(1, std::memory_order_relaxed); }
  /// Whether that was the last.
  [[nodiscard]] bool release() const { return uses_.fetch_sub(1, std::memory_order_acq_rel) == 1; }
  [[nodiscard]] bool is_sole() const { return uses_.load(std::memory_order_acquire) == 1; }

 protected:
  Counted() = default;
  ~Counted() = default;

 private:
  mutable std::atomic<std::uint32_t> uses_{0};
};

/// Owns a share of a Counted.
template <class T, class Delete = std::default_delete<const T>>
class CountedPtr {
 public:
  CountedPtr() = default;
  // NOLINTNEXTLINE(google-explicit-constructor): as smart pointers do
  CountedPtr(std::nullptr_t) {}
  explicit CountedPtr(const T* of) : of_(of) {
    if (of_ != nullptr) of_->acquire();
  }
  CountedPtr(const CountedPtr& other) : CountedPtr(other.of_) {}
  CountedPtr(CountedPtr&& other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
  CountedPtr& operator=(CountedPtr other) noexcept {
    std::swap(of_, other.of_);
    return *this;
  }
  ~CountedPtr() {
    if (of_ != nullptr && of_->release()) Delete{}(of_);
  }

  [[nodiscard]] const T* get() const { return of_; }
  const T& operator*() const { return *of_; }
  const T* operator->() const { return of_; }
  explicit operator bool() const { return of_ != nullptr; }
  bool operator==(const CountedPtr&) const = default;

 private:
  const T* of_ = nullptr;
};

}  // namespace fairlead
