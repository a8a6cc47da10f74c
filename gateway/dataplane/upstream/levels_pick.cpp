// SPDX-License-Identifier: Apache-2.0
// The hot path: from a request to a backend.
#include <algorithm>
#include <limits>

#include "fairlead/upstream/hash.hpp"
#include "fairlead/upstream/levels.hpp"
#include "fairlead/upstream/power_of_two.hpp"
#include "fairlead/upstream/slow_start.hpp"

namespace fairlead::upstream {

namespace {

// Draws before all are looked at: with half of a set unusable, that is needed once in 65 536 picks.
constexpr int kDraws = 16;

}  // namespace

Backend* Levels::pick(const PickRequest& request, bool use_tried, bool& panic) {
  if (levels_.empty() || !enough_) return nullptr;
  const auto chosen = choose_level();
  if (chosen >= levels_.size()) return nullptr;
  for (std::size_t turn = 0; turn < levels_.size(); ++turn) {
    // The chosen one, then the others, nearest first, as far as they have anything.
    const auto at = turn == 0 ? chosen : turn - 1 < chosen ? turn - 1 : turn;
    panic = loads_[at].panic;
    if (auto* backend = pick_in(levels_[at], {request, use_tried, panic})) return backend;
  }
  panic = false;
  return nullptr;
}

std::size_t Levels::choose_level() {
  if (whole_ < levels_.size()) return whole_;
  auto draw = random_.below(100);
  for (std::size_t i = 0; i < loads_.size(); ++i) {
    if (draw < loads_[i].percent) return i;
    draw -= loads_[i].percent;
  }
  return levels_.size();  // no level has load
}

Backend* Levels::pick_in(Level& level, const Asked& asked) {
  if (level.health.available == 0 && !asked.panic) return nullptr;
  if (level.table) return pick_by_hash(level, asked);
  auto& group = level.groups.size() == 1 ? level.groups.front() : choose_group(level);
  if (auto* backend = pick_in_group(group, asked)) return backend;
  if (level.groups.size() == 1) return nullptr;
  return scan(level.members, asked, random_.below(static_cast<std::uint32_t>(level.members.size())));
}

Levels::Group& Levels::choose_group(Level& level) {
  auto draw = hash_fold(random_.next(), random_.next()) % level.weight;
  std::size_t at = 0;
  while (draw >= level.weights[at]) draw -= level.weights[at++];
  return level.groups[at];
}

Backend* Levels::pick_by_hash(Level& level, const Asked& asked) {
  if (level.table->empty()) return nullptr;
  const auto hash = asked.request.has_hash ? asked.request.hash : random_.next();
  HashTable::Walk walk(*level.table, hash);
  for (int draw = 0; draw < kDraws; ++draw, walk.advance()) {
    auto* backend = level.members[walk.entry()];
    if (usable(*backend, asked) && !over_balance(level, *backend)) return backend;
  }
  return scan(level.members, asked, static_cast<std::uint32_t>(rehash(hash, 0) % level.members.size()));
}

Backend* Levels::pick_in_group(Group& group, const Asked& asked) {
  if (group.stale) refresh(group, asked.panic);
  if (group.set.empty()) return nullptr;
  const auto now_ns = context_.spec->balancing.policy == Balancing::kPeakEwma ? context_.clock.now_ns() : 0;
  for (int draw = 0; draw < kDraws; ++draw) {
    auto* backend = candidate(group, asked, now_ns);
    if (usable(*backend, asked) && !starts_slowly(*backend)) return backend;
  }
  return scan(group.set, asked, random_.below(static_cast<std::uint32_t>(group.set.size())));
}

Backend* Levels::candidate(Group& group, const Asked& asked, std::uint64_t now_ns) {
  const auto draw = [&] { return group.set[group.alias.draw(random_)]; };
  switch (context_.spec->balancing.policy) {
    case Balancing::kRoundRobin: return group.set[group.turn.next()];
    case Balancing::kLeastRequest:
    case Balancing::kPeakEwma:
      return power_of_two(draw, [&](const Backend* backend) {
        return usable(*backend, asked) ? cost(*backend, now_ns) : std::numeric_limits<double>::infinity();
      });
    case Balancing::kRandom:
    case Balancing::kRingHash:
    case Balancing::kMaglev: break;
  }
  return draw();
}

double Levels::cost(const Backend& backend, std::uint64_t now_ns) const {
  const auto& spec = context_.spec->balancing;
  if (spec.policy == Balancing::kLeastRequest) return least_request_cost(backend.active_, backend.weight_);
  const auto decay = static_cast<double>(spec.ewma_decay.count()) * 1e6;
  const auto initial = static_cast<double>(spec.ewma_default.count()) * 1e6;
  return backend.ewma_.cost(backend.active_, now_ns, decay, initial) / backend.weight_;
}

bool Levels::usable(const Backend& backend, const Asked& asked) const {
  if (!backend.available_ && !(asked.panic && !backend.removed_ && !backend.endpoint_.draining)) return false;
  if (backend.weight_ == 0 || !backend.context_.breakers.allows(Breaker::kRequests)) return false;
  return asked.use_tried || std::ranges::find(asked.request.tried, &backend) == asked.request.tried.end();
}

/// A young backend is passed over in proportion to what it lacks of its weight.
bool Levels::starts_slowly(const Backend& backend) {
  const auto& spec = context_.spec->slow_start;
  if (spec.window.count() == 0) return false;
  const auto now = context_.clock.now_ms();
  const auto age = now > backend.since_ms_ ? now - backend.since_ms_ : 0;
  if (age >= static_cast<std::uint64_t>(spec.window.count())) return false;
  return random_.unit() >= slow_start_factor(spec, age);
}

/// Consistent hashing with bounded loads (Mirrokni et al.): more than its share of what is under way.
bool Levels::over_balance(const Level& level, const Backend& backend) const {
  const auto percent = context_.spec->balancing.hash_balance_percent;
  if (percent == 0) return false;
  const auto under_way = std::uint64_t{context_.breakers.count(Breaker::kRequests)} + 1;
  const auto backends = std::uint64_t{std::max(level.health.available, 1u)};
  const auto parts = 100 * backends;
  return backend.active_ >= (under_way * std::max(percent, 100u) + parts - 1) / parts;
}

Backend* Levels::scan(std::span<Backend* const> members, const Asked& asked, std::uint32_t start) const {
  for (std::size_t i = 0; i < members.size(); ++i) {
    auto* backend = members[(start + i) % members.size()];
    if (usable(*backend, asked)) return backend;
  }
  return nullptr;
}

}  // namespace fairlead::upstream
