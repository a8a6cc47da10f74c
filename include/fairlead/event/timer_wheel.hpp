// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace fairlead::event {

class TimerWheel;

/// A place in a circular list; an empty list's head points to itself.
struct TimerLink {
  TimerLink* next = nullptr;
  TimerLink* previous = nullptr;
};

/// What a wheel keeps of a timer.
class TimerNode : public TimerLink {
 public:
  [[nodiscard]] bool armed() const { return next != nullptr; }
  [[nodiscard]] std::uint64_t deadline_ms() const { return deadline_ms_; }  ///< of the last arm()

 protected:
  ~TimerNode();

 private:
  friend class TimerWheel;
  std::uint64_t deadline_ms_ = 0;
  TimerWheel* wheel_ = nullptr;  // where armed
  std::uint16_t slot_ = 0;       // where armed: level * 256 + index, kNoSlot in other lists
};

/// One time-out; part of the object that it is for, so that arming and cancelling allocate nothing. Destroying it
/// cancels it. Owner: the object. Thread: its wheel's.
class Timer : public TimerNode {
 public:
  Timer() = default;
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  /// Not armed any more when it is called: it may arm itself again, and destroy this and any other timer.
  virtual void on_timer() = 0;

 protected:
  ~Timer() = default;
};

/// A hierarchical timer wheel with slots of 1 ms, 256 ms, 65 s and 4.6 h, and a list of what is further than 49 days
/// away: arming, re-arming and cancelling take constant time, and so does a clock that jumps over empty slots. A
/// time-out never comes early. What is armed for a time that has passed comes at the next advance(), never within the
/// one under way, so that a timer that arms itself for now does not hold the thread. Owner: a Reactor. Thread: the
/// reactor's.
class TimerWheel {
 public:
  TimerWheel();
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;
  ~TimerWheel();  ///< timers that are still armed are cancelled

  /// Moves the timer where it is armed already.
  void arm(Timer& timer, std::uint64_t deadline_ms);
  void cancel(TimerNode& timer);
  /// Calls on_timer() of whatever is due at `now_ms`, in order of deadlines; a time before the last one counts as that
  /// one.
  void advance(std::uint64_t now_ms);
  /// Milliseconds from `now_ms` until something may be due; -1: nothing is armed. May be early for a far time-out (it
  /// then moves to a finer slot), at most four times for each.
  [[nodiscard]] int wait_ms(std::uint64_t now_ms) const;
  [[nodiscard]] std::size_t armed() const { return armed_; }

 private:
  static constexpr unsigned kLevels = 4;
  static constexpr unsigned kSlots = 256;
  static constexpr std::uint16_t kNoSlot = kLevels * kSlots;

  /// The slots of one level that are in use.
  struct Occupied {
    std::array<std::uint64_t, kSlots / 64> words{};
    [[nodiscard]] int first() const;  // -1: none
  };
  /// A slot and the first millisecond that it stands for.
  struct Next {
    std::uint64_t tick = 0;
    TimerLink* list = nullptr;
  };

  void place(TimerNode& timer);
  void unlink(TimerNode& timer);
  [[nodiscard]] Next next() const;
  void take(TimerLink& list);
  void fire_due();

  // A slot holds what shares all higher bits with current_, so its index is above that of current_ at its level, and
  // what is found first at the lowest level in use comes first.
  std::uint64_t current_ = 0;  // ms; all before it, and it, have come
  std::uint64_t floor_ = 0;  // ms; the end of the advance() under way, else current_
  std::size_t armed_ = 0;
  std::array<Occupied, kLevels> occupied_;
  mutable std::array<TimerLink, kLevels * kSlots> slots_;
  mutable TimerLink far_;
  TimerLink due_;
};

}  // namespace fairlead::event
