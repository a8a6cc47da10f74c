// SPDX-License-Identifier: Apache-2.0
#include "fairlead/event/timer_wheel.hpp"

#include <algorithm>
#include <bit>
#include <limits>

namespace fairlead::event {
namespace {

constexpr unsigned kBits = 8;  // of a level

void make_empty(TimerLink& head) { head.next = head.previous = &head; }
bool is_empty(const TimerLink& head) { return head.next == &head; }

void append(TimerLink& head, TimerLink& link) {
  link.previous = head.previous;
  link.next = &head;
  head.previous->next = &link;
  head.previous = &link;
}

/// Moves all of `from` behind `to`.
void splice(TimerLink& to, TimerLink& from) {
  if (is_empty(from)) return;
  from.next->previous = to.previous;
  to.previous->next = from.next;
  from.previous->next = &to;
  to.previous = from.previous;
  make_empty(from);
}

}  // namespace

TimerNode::~TimerNode() {
  if (armed()) wheel_->cancel(*this);
}

int TimerWheel::Occupied::first() const {
  for (std::size_t i = 0; i < words.size(); ++i)
    if (words[i] != 0) return static_cast<int>(i * 64) + std::countr_zero(words[i]);
  return -1;
}

TimerWheel::TimerWheel() {
  for (auto& head : slots_) make_empty(head);
  make_empty(far_);
  make_empty(due_);
}

TimerWheel::~TimerWheel() {
  for (auto& head : slots_) splice(due_, head);
  splice(due_, far_);
  while (!is_empty(due_)) {
    TimerLink* link = due_.next;
    due_.next = link->next;
    *link = {};
  }
}

void TimerWheel::arm(Timer& timer, std::uint64_t deadline_ms) {
  if (timer.armed()) timer.wheel_->cancel(timer);
  timer.wheel_ = this;
  timer.deadline_ms_ = std::max(deadline_ms, floor_ + 1);
  ++armed_;
  place(timer);
}

void TimerWheel::place(TimerNode& timer) {
  const std::uint64_t deadline_ms = timer.deadline_ms_;
  // The highest bit in which it differs from now says how far away it is, and so the level.
  const auto level = static_cast<unsigned>(std::bit_width(deadline_ms ^ current_) - 1) / kBits;
  if (level >= kLevels) {
    timer.slot_ = kNoSlot;
    append(far_, timer);
    return;
  }
  const auto index = static_cast<unsigned>(deadline_ms >> (level * kBits)) % kSlots;
  timer.slot_ = static_cast<std::uint16_t>(level * kSlots + index);
  occupied_[level].words[index / 64] |= std::uint64_t{1} << (index % 64);
  append(slots_[timer.slot_], timer);
}

void TimerWheel::unlink(TimerNode& timer) {
  timer.previous->next = timer.next;
  timer.next->previous = timer.previous;
  timer.next = timer.previous = nullptr;
  if (timer.slot_ == kNoSlot || !is_empty(slots_[timer.slot_])) return;
  const unsigned index = timer.slot_ % kSlots;
  occupied_[timer.slot_ / kSlots].words[index / 64] &= ~(std::uint64_t{1} << (index % 64));
}

void TimerWheel::cancel(TimerNode& timer) {
  if (!timer.armed()) return;
  if (timer.wheel_ != this) return timer.wheel_->cancel(timer);
  unlink(timer);
  --armed_;
}

TimerWheel::Next TimerWheel::next() const {
  for (unsigned level = 0; level < kLevels; ++level) {
    const int index = occupied_[level].first();
    if (index < 0) continue;
    const unsigned shift = level * kBits;
    const std::uint64_t above = current_ >> (shift + kBits) << (shift + kBits);
    return {.tick = above | static_cast<std::uint64_t>(index) << shift,
            .list = &slots_[level * kSlots + static_cast<unsigned>(index)]};
  }
  if (!is_empty(far_)) return {.tick = ((current_ >> (kLevels * kBits)) + 1) << (kLevels * kBits), .list = &far_};
  return {};
}

/// What is due goes to the due list, the rest to finer slots.
void TimerWheel::take(TimerLink& list) {
  TimerLink taken;
  make_empty(taken);
  splice(taken, list);
  if (&list != &far_) {
    const auto slot = static_cast<unsigned>(&list - slots_.data());
    occupied_[slot / kSlots].words[slot % kSlots / 64] &= ~(std::uint64_t{1} << (slot % 64));
  }
  while (!is_empty(taken)) {
    auto& timer = static_cast<TimerNode&>(*taken.next);
    taken.next = timer.next;
    timer.next->previous = &taken;
    if (timer.deadline_ms_ <= current_) {
      timer.slot_ = kNoSlot;
      append(due_, timer);
    } else {
      place(timer);
    }
  }
}

void TimerWheel::fire_due() {
  while (!is_empty(due_)) {
    auto& timer = static_cast<Timer&>(*due_.next);
    unlink(timer);
    --armed_;
    timer.on_timer();
  }
}

void TimerWheel::advance(std::uint64_t now_ms) {
  if (now_ms <= current_) return;
  floor_ = now_ms;
  for (Next step = next(); step.list != nullptr && step.tick <= now_ms; step = next()) {
    current_ = step.tick;
    take(*step.list);
    fire_due();
  }
  current_ = now_ms;
}

int TimerWheel::wait_ms(std::uint64_t now_ms) const {
  const Next step = next();
  if (step.list == nullptr) return -1;
  if (step.tick <= now_ms) return 0;
  return static_cast<int>(std::min<std::uint64_t>(step.tick - now_ms, std::numeric_limits<int>::max()));
}

}  // namespace fairlead::event
