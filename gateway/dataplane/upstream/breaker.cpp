// SPDX-License-Identifier: Apache-2.0
#include "fairlead/upstream/breaker.hpp"

namespace fairlead::upstream {

namespace {

constexpr std::uint64_t kPut = std::uint64_t{1} << 32;  // counts in a slot's upper half how often a token was put in

struct Look {
  std::int64_t tokens = 0;
  std::uint64_t puts = 0;
  bool operator==(const Look&) const = default;
};

constexpr std::uint32_t tokens_of(std::uint64_t slot) { return static_cast<std::uint32_t>(slot); }

}  // namespace

void Tokens::set_limit(Breaker breaker, std::uint32_t limit) {
  const auto amount = [](std::uint32_t of) { return of == 0 ? kUnlimited : std::int64_t{of}; };
  auto& pool = pools_[static_cast<std::size_t>(breaker)];
  const auto before = pool.limit.exchange(limit);
  if (before != limit) pool.tokens.fetch_add(amount(limit) - amount(before));
}

bool Tokens::take_of(Slot& slot) {
  auto seen = slot.load();
  while (tokens_of(seen) > 0)
    if (slot.compare_exchange_weak(seen, seen - 1)) return true;
  return false;
}

bool Tokens::take_of(Pool& pool) {
  auto seen = pool.tokens.load();
  while (seen > 0)
    if (pool.tokens.compare_exchange_weak(seen, seen - 1)) return true;
  return false;
}

bool Tokens::take_of_others(std::size_t breaker) {
  for (auto& slots : slots_)
    if (take_of(slots.of[breaker])) return true;
  return false;
}

/// Two looks at the slots between which nothing was put in or taken say what was in them at the moment at which the
/// pool was read.
bool Tokens::none(std::size_t breaker) const {
  const auto look = [&] {
    Look sum;
    for (const auto& slots : slots_) {
      const auto seen = slots.of[breaker].load();
      sum.tokens += tokens_of(seen);
      sum.puts += seen / kPut;
    }
    return sum;
  };
  for (;;) {
    const auto before = look();
    const auto pool = pools_[breaker].tokens.load();
    if (before.tokens + pool > 0) return false;
    if (look() == before) return true;
  }
}

bool Tokens::any(Breaker breaker) const {
  const auto at = static_cast<std::size_t>(breaker);
  return pools_[at].tokens.load() > 0 || !none(at);
}

bool Tokens::take(Breaker breaker, std::uint32_t worker) {
  const auto at = static_cast<std::size_t>(breaker);
  auto& pool = pools_[at];
  for (;;) {
    if (!take_of(slots_[worker].of[at])) {
      if (take_of(pool)) return true;
      if (!take_of_others(at)) {
        if (none(at)) return false;
        continue;
      }
    }
    if (pool.tokens.load() >= 0) return true;
    // The limit was lowered: what lies in slots is not free before the debt is paid.
    pool.tokens.fetch_add(1);
  }
}

void Tokens::give(Breaker breaker, std::uint32_t worker) {
  const auto at = static_cast<std::size_t>(breaker);
  auto& pool = pools_[at];
  auto& slot = slots_[worker].of[at];
  if (pool.tokens.load() < kKept || tokens_of(slot.load()) >= kKept) {
    pool.tokens.fetch_add(1);
  } else {
    slot.fetch_add(kPut + 1);
  }
}

void Tokens::charge(Breaker breaker, std::uint32_t count) {
  pools_[static_cast<std::size_t>(breaker)].tokens.fetch_sub(count);
}

void Tokens::refund(Breaker breaker, std::uint32_t count) {
  pools_[static_cast<std::size_t>(breaker)].tokens.fetch_add(count);
}

Breakers::~Breakers() {
  for (std::size_t i = 0; i < kBreakers; ++i)
    if (limits_[i] != 0) tokens_->refund(static_cast<Breaker>(i), counts_[i]);
}

void Breakers::set_limits(const BreakerSpec& spec) {
  const std::array limits = {spec.max_connections, spec.max_pending, spec.max_requests, spec.max_retries};
  for (std::size_t i = 0; i < kBreakers; ++i) {
    const auto before = std::exchange(limits_[i], limits[i]);
    if (before == limits[i]) continue;
    if (!shared_) shared_ = std::make_shared<SharedBreakers>(worker_ + 1);
    const auto breaker = static_cast<Breaker>(i);
    tokens_ = &shared_->tokens();
    tokens_->set_limit(breaker, limits[i]);
    if (before == 0) tokens_->charge(breaker, counts_[i]);
    if (limits[i] == 0) tokens_->refund(breaker, counts_[i]);
  }
}

}  // namespace fairlead::upstream
