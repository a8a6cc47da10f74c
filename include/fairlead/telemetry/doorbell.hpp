// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>

#include "fairlead/base/fd.hpp"
#include "fairlead/base/result.hpp"

namespace fairlead::telemetry {

inline constexpr int kIdleMs = 1000;  ///< to sleep with nothing to do: a lost ring costs no more

/// Wakes a thread that waits for rings to fill. Ringing costs a load while the other is awake; a system call only where
/// it sleeps. A ring in the instant before it falls asleep may go unheard, so sleep() has a limit. Owner: shared by
/// all. Thread: ring() any, sleep() one.
class Doorbell {
 public:
  static Result<Doorbell> create();
  Doorbell(Doorbell&& other) noexcept : event_(std::move(other.event_)) {}

  void ring() {
    if (asleep_.load(std::memory_order_relaxed) && asleep_.exchange(false, std::memory_order_acq_rel)) signal();
  }
  /// Whether it sleeps or not.
  void signal();
  /// Until signal() (or ring(), with `hears_rings`), or `limit_ms` have passed.
  void sleep(int limit_ms, bool hears_rings);

 private:
  explicit Doorbell(Fd event) : event_(std::move(event)) {}
  Fd event_;
  std::atomic<bool> asleep_{false};
};

}  // namespace fairlead::telemetry
