// SPDX-License-Identifier: Apache-2.0
#include "fairlead/auth/failures.hpp"

#include <functional>

namespace fairlead::auth {

/// Who has one address of IPv6 has the 2^64 beside it.
Address Failures::key_of(const Address& source) {
  if (source.is_v4()) return source;
  auto raw = source.raw();
  raw.word[2] = raw.word[3] = 0;
  return Address(raw);
}

std::size_t Failures::place(const Address& key) { return std::hash<Address>{}(key) % kPairs * 2; }

Failures::Slot& Failures::slot_for(const Address& key, std::uint64_t now) {
  if (slots_.empty()) slots_.resize(kPairs * 2);
  auto* pair = &slots_[place(key)];
  for (std::size_t i = 0; i < 2; ++i)
    if (pair[i].source == key && pair[i].until > now) return pair[i];
  const auto weight = [&](const Slot& slot) { return slot.until > now ? slot.failures : 0; };
  auto& worse = weight(pair[0]) <= weight(pair[1]) ? pair[0] : pair[1];
  worse = {key, 0, now + window_ms_};
  return worse;
}

bool Failures::count(const Address& source, std::uint64_t now) {
  const std::lock_guard lock(mutex_);
  auto& slot = slot_for(key_of(source), now);
  if (++slot.failures < most_) return true;
  if (slot.until > blocked_until_.load(std::memory_order_relaxed))
    blocked_until_.store(slot.until, std::memory_order_release);
  return slot.failures <= most_;
}

std::uint64_t Failures::wait(const Address& source, std::uint64_t now) const {
  if (now >= blocked_until_.load(std::memory_order_acquire)) return 0;
  const auto key = key_of(source);
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < 2; ++i) {
    const auto& slot = slots_[place(key) + i];
    if (slot.source == key && slot.until > now) return slot.failures >= most_ ? slot.until - now : 0;
  }
  return 0;
}

}  // namespace fairlead::auth
