// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace fairlead::upstream {

/// Smooth weighted round robin: each entry is due once every 1/weight of virtual time, first after half of that, and
/// the entry that is due first is next (earliest deadline first). In each window of sum(weights) picks every entry has
/// its weight's count, spread out: weights 5, 1, 1 give 0 0 0 1 2 0 0. Equal weights: a plain turn, O(1); else O(log
/// n), where the form that adds all weights to all entries at each pick takes O(n). Owner: a balancer. Thread: its
/// worker's.
class RoundRobin {
 public:
  RoundRobin() = default;
  /// `start`: picks that are passed over, so that many workers do not begin with the same entry.
  explicit RoundRobin(std::span<const std::uint32_t> weights, std::uint32_t start = 0);

  [[nodiscard]] bool empty() const { return count_ == 0; }
  std::uint32_t next();

 private:
  struct Due {
    std::uint64_t when;  // virtual time
    std::uint64_t stride;
    std::uint32_t index;
    [[nodiscard]] bool before(const Due& other) const {
      return when != other.when ? when < other.when : index < other.index;
    }
  };
  void sink(std::size_t at);
  void rebase();

  std::vector<Due> heap_;  // empty where all weights are equal
  std::vector<std::uint32_t> turn_;  // entries with weight, in order, where all weights are equal
  std::uint32_t count_ = 0;
  std::uint32_t cursor_ = 0;
};

}  // namespace fairlead::upstream
