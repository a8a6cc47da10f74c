// SPDX-License-Identifier: Apache-2.0
#include "agent/datapath/weights.hpp"

#include <algorithm>
#include <numeric>

namespace fairlead::datapath {
namespace {

constexpr std::uint32_t kAlways = 0xffffffff;

/// SplitMix64's finalizer.
std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

std::vector<std::uint32_t> reduced(std::span<const std::uint32_t> weights, std::uint32_t most) {
  std::vector<std::uint32_t> result(weights.begin(), weights.end());
  std::uint32_t divisor = 0;
  for (const auto weight : result) divisor = std::gcd(divisor, weight);
  std::uint64_t sum = 0;
  for (auto& weight : result) sum += weight /= std::max(divisor, 1U);
  if (sum <= std::max<std::size_t>(most, result.size())) return result;
  for (auto& weight : result)
    weight = std::max(1U, static_cast<std::uint32_t>((std::uint64_t{weight} * most + sum / 2) / sum));
  return result;
}

}  // namespace

std::vector<AliasColumn> alias_table(std::span<const std::uint32_t> weights) {
  const auto count = static_cast<std::uint32_t>(weights.size());
  std::vector<AliasColumn> table(count);
  const std::uint64_t sum = std::accumulate(weights.begin(), weights.end(), std::uint64_t{0});
  std::vector<std::uint64_t> share(count);  // in units in which a full column is `sum`
  std::vector<std::uint32_t> small, large;
  for (std::uint32_t i = 0; i < count; ++i) {
    table[i] = {.alias = i, .threshold = kAlways};
    share[i] = std::uint64_t{weights[i]} * count;
    (share[i] < sum ? small : large).push_back(i);
  }
  while (!small.empty() && !large.empty()) {
    const auto poor = small.back(), rich = large.back();
    small.pop_back();
    const auto part = static_cast<long double>(share[poor]) / static_cast<long double>(sum);
    table[poor] = {.alias = rich, .threshold = static_cast<std::uint32_t>(part * 4294967296.0L)};
    share[rich] -= sum - share[poor];
    if (share[rich] < sum) {
      large.pop_back();
      small.push_back(rich);
    }
  }
  return table;
}

std::vector<std::uint32_t> round_robin_sequence(std::span<const std::uint32_t> weights, std::uint32_t most) {
  const auto turns = reduced(weights, most);
  const auto sum = std::accumulate(turns.begin(), turns.end(), std::int64_t{0});
  std::vector<std::int64_t> credit(turns.size());
  std::vector<std::uint32_t> sequence;
  sequence.reserve(static_cast<std::size_t>(sum));
  if (static_cast<std::size_t>(sum) == turns.size()) {  // all equal
    sequence.resize(turns.size());
    std::iota(sequence.begin(), sequence.end(), 0U);
    return sequence;
  }
  for (std::int64_t turn = 0; turn < sum; ++turn) {
    for (std::size_t i = 0; i < turns.size(); ++i) credit[i] += turns[i];
    const auto best = std::max_element(credit.begin(), credit.end());
    *best -= sum;
    sequence.push_back(static_cast<std::uint32_t>(best - credit.begin()));
  }
  return sequence;
}

std::vector<std::uint16_t> maglev_table(std::span<const std::uint64_t> seeds, std::span<const std::uint32_t> weights,
                                        std::uint32_t size) {
  constexpr std::uint16_t kEmpty = 0xffff;
  std::vector<std::uint16_t> table(size, kEmpty);
  if (seeds.empty()) return table;
  struct Permutation {
    std::uint32_t next, skip;
    std::uint64_t credit;
  };
  std::vector<Permutation> permutations;
  for (const auto seed : seeds)
    permutations.push_back({.next = static_cast<std::uint32_t>(mix(seed) % size),
                            .skip = static_cast<std::uint32_t>(mix(~seed) % (size - 1) + 1),
                            .credit = 0});
  const std::uint64_t heaviest = std::max(1U, *std::max_element(weights.begin(), weights.end()));
  for (std::uint32_t filled = 0; filled < size;) {
    for (std::size_t i = 0; i < seeds.size() && filled < size; ++i) {
      auto& permutation = permutations[i];
      permutation.credit += weights[i];
      if (permutation.credit < heaviest) continue;  // lighter backends take fewer turns
      permutation.credit -= heaviest;
      while (table[permutation.next] != kEmpty) permutation.next = (permutation.next + permutation.skip) % size;
      table[permutation.next] = static_cast<std::uint16_t>(i);
      ++filled;
    }
  }
  return table;
}

}  // namespace fairlead::datapath
