// SPDX-License-Identifier: Apache-2.0
#include "fairlead/limit/leases.hpp"

#include <algorithm>
#include <mutex>
#include <utility>

namespace fairlead::limit {
namespace {

constexpr std::int64_t kLeastTime = 10'000;  // microseconds: shorter leases are not worth their round trip

std::int64_t signed_of(std::uint64_t word) { return static_cast<std::int64_t>(word); }
std::uint64_t word_of(std::int64_t value) { return static_cast<std::uint64_t>(value); }

std::int64_t whole_us(const Rule& rule) {
  if (rule.algorithm != Algorithm::kTokenBucket) return rule.per_us;
  const auto share = static_cast<double>(rule.burst) / static_cast<double>(rule.requests);
  return static_cast<std::int64_t>(std::min(share * static_cast<double>(rule.per_us), 1e15));
}

}  // namespace

LeaseTerms lease_terms(const Rule& rule, unsigned percent, std::int64_t most_us) {
  LeaseTerms out{.rule = rule, .share = 0, .time_us = std::min(most_us, whole_us(rule) / 4)};
  if (out.time_us < kLeastTime) return out;
  if (rule.algorithm == Algorithm::kTokenBucket) {
    const auto per_us = static_cast<std::uint64_t>(rule.per_us);
    const auto comes = (rule.requests * static_cast<std::uint64_t>(out.time_us) + per_us - 1) / per_us;
    if (comes >= rule.burst) return out;
    out.rule.burst -= comes;  // in the same units, so that gateways that do not lease may count along
  } else if (rule.algorithm == Algorithm::kSlidingWindow) {
    out.rule.per_us += out.time_us;
    out.rule.settle();
  }
  out.share = out.rule.most() * percent / 100;
  if (out.share == 0) out.rule = rule;
  return out;
}

/// Empty where there is no memory.
std::span<std::uint64_t> Leases::cell_of(Table::Shard& shard, std::uint64_t hash, std::int64_t now_us) {
  const auto cell = table_.find(shard, hash);
  if (!cell.empty()) return cell;
  return table_.insert(shard, hash, kFull, [now_us](std::span<std::uint64_t> held) -> std::uint32_t {
    if (held[kLeft] > 0 && signed_of(held[kUntil]) > now_us) return 2;
    return std::max(signed_of(held[kAskAgain]), signed_of(held[kRefusedUntil])) > now_us ? 1 : 0;
  });
}

Leases::Taken Leases::take(std::uint64_t hash, std::uint64_t cost, std::int64_t now_us, std::int64_t patience_us) {
  auto& shard = table_.shard(hash);
  const std::scoped_lock lock(shard.lock);
  const auto cell = cell_of(shard, hash, now_us);
  if (cell.empty()) return {};
  const auto until = signed_of(cell[kUntil]);
  if (cell[kLeft] >= cost && until > now_us) {
    cell[kLeft] -= cost;
    return {.found = Found::kTaken,
            .until_us = until,
            .remaining = cell[kLeft] + cell[kFree],
            .reset_us = std::max<std::int64_t>(0, signed_of(cell[kReset]) - now_us)};
  }
  if (cost >= cell[kRefusedCost] && signed_of(cell[kRefusedUntil]) > now_us) {
    const auto retry = signed_of(cell[kRetry]);
    return {.found = Found::kRefused,
            .remaining = cell[kFree],
            .reset_us = std::max<std::int64_t>(0, signed_of(cell[kReset]) - now_us),
            .retry_us = retry < 0 ? -1 : retry - now_us};
  }
  if (signed_of(cell[kAskAgain]) > now_us) return {};
  cell[kAskAgain] = word_of(now_us + patience_us);
  return {.found = Found::kLease};
}

void Leases::put_back(std::uint64_t hash, std::uint64_t cost, std::int64_t until_us) {
  auto& shard = table_.shard(hash);
  const std::scoped_lock lock(shard.lock);
  const auto cell = table_.find(shard, hash);
  if (!cell.empty() && signed_of(cell[kUntil]) == until_us) cell[kLeft] += cost;
}

Leases::Lease Leases::grant(std::uint64_t hash, const Lease& lease, std::uint64_t free, std::int64_t reset_us,
                            std::int64_t now_us) {
  auto& shard = table_.shard(hash);
  const std::scoped_lock lock(shard.lock);
  const auto cell = cell_of(shard, hash, now_us);
  if (cell.empty()) return lease;
  Lease over;
  if (cell[kLeft] > 0 && signed_of(cell[kUntil]) > now_us) {  // too little for the request that asked
    cell[kLeft] += lease.count;
    cell[kUntil] = word_of(std::min(signed_of(cell[kUntil]), lease.until_us));
  } else {
    over = {.count = cell[kLeft], .until_us = signed_of(cell[kUntil]), .window = signed_of(cell[kWindow])};
    cell[kLeft] = lease.count;
    cell[kUntil] = word_of(lease.until_us);
    cell[kWindow] = word_of(lease.window);
  }
  cell[kFree] = free;
  cell[kReset] = word_of(now_us + reset_us);
  cell[kAskAgain] = 0;
  return over;
}

void Leases::refused(std::uint64_t hash, std::uint64_t cost, const Level& level, std::int64_t most_us,
                     std::int64_t now_us) {
  auto& shard = table_.shard(hash);
  const std::scoped_lock lock(shard.lock);
  const auto cell = cell_of(shard, hash, now_us);
  if (cell.empty()) return;
  const bool never = level.retry_us < 0;
  cell[kRefusedCost] = cost;
  cell[kRefusedUntil] = word_of(now_us + (never ? most_us : std::min(most_us, level.retry_us)));
  cell[kRetry] = word_of(never ? -1 : now_us + level.retry_us);
  cell[kFree] = level.remaining;
  cell[kReset] = word_of(now_us + level.reset_us);
  cell[kAskAgain] = 0;
}

void Leases::failed(std::uint64_t hash) {
  auto& shard = table_.shard(hash);
  const std::scoped_lock lock(shard.lock);
  const auto cell = table_.find(shard, hash);
  if (!cell.empty()) cell[kAskAgain] = 0;
}

std::uint64_t Leases::end(std::uint64_t hash, std::int64_t until_us) {
  auto& shard = table_.shard(hash);
  const std::scoped_lock lock(shard.lock);
  const auto cell = table_.find(shard, hash);
  if (cell.empty() || signed_of(cell[kUntil]) != until_us) return 0;
  cell[kRefusedUntil] = 0;  // what is given back may be enough
  return std::exchange(cell[kLeft], 0);
}

}  // namespace fairlead::limit
