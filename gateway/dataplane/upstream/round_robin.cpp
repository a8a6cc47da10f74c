// SPDX-License-Identifier: Apache-2.0
#include "fairlead/upstream/round_robin.hpp"

#include <algorithm>

namespace fairlead::upstream {

namespace {

// A weight of 1 has this stride; even, so that halves are exact, and a multiple of every weight up to 16, so that ties
// of common weights are exact too.
constexpr std::uint64_t kUnit = std::uint64_t{720720} << 24;
constexpr std::uint64_t kRebaseAt = std::uint64_t{1} << 62;

}  // namespace

RoundRobin::RoundRobin(std::span<const std::uint32_t> weights, std::uint32_t start) {
  bool equal = true;
  std::uint32_t first = 0;
  for (std::uint32_t i = 0; i < weights.size(); ++i) {
    if (weights[i] == 0) continue;
    if (first == 0) first = weights[i];
    equal = equal && weights[i] == first;
    turn_.push_back(i);
  }
  count_ = static_cast<std::uint32_t>(turn_.size());
  if (count_ == 0) return;
  if (equal) {
    cursor_ = start % count_;
    return;
  }
  for (const auto i : turn_) {
    const auto stride = kUnit / weights[i];
    heap_.push_back({.when = stride / 2, .stride = stride, .index = i});
  }
  turn_.clear();
  for (auto at = heap_.size() / 2; at-- > 0;) sink(at);
  for (std::uint32_t i = 0; i < start % count_; ++i) next();
}

std::uint32_t RoundRobin::next() {
  if (heap_.empty()) {
    const auto index = turn_[cursor_];
    cursor_ = cursor_ + 1 == count_ ? 0 : cursor_ + 1;
    return index;
  }
  auto& top = heap_.front();
  const auto index = top.index;
  top.when += top.stride;
  if (top.when >= kRebaseAt) rebase();
  sink(0);
  return index;
}

void RoundRobin::rebase() {
  auto least = heap_.front().when;
  for (const auto& due : heap_) least = std::min(least, due.when);
  for (auto& due : heap_) due.when -= least;
}

void RoundRobin::sink(std::size_t at) {
  const auto moving = heap_[at];
  for (;;) {
    auto child = 2 * at + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && heap_[child + 1].before(heap_[child])) ++child;
    if (!heap_[child].before(moving)) break;
    heap_[at] = heap_[child];
    at = child;
  }
  heap_[at] = moving;
}

}  // namespace fairlead::upstream
