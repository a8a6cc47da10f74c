// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "fairlead/upstream/random.hpp"

namespace fairlead::upstream {

/// A weighted random draw in constant time (Walker's alias method as Vose builds it). Exact: in integers, no rounding.
/// Owner: a balancer. Thread: its worker's.
class AliasTable {
 public:
  AliasTable() = default;
  /// Built in O(n). Entries of weight 0 are never drawn; where all are 0, nothing is: empty().
  explicit AliasTable(std::span<const std::uint32_t> weights);

  [[nodiscard]] bool empty() const { return total_ == 0; }
  [[nodiscard]] std::uint32_t draw(Random& random) const {
    const auto column = random.below(static_cast<std::uint32_t>(columns_.size()));
    if (uniform_) return column;
    const auto& [cut, alias] = columns_[column];
    return scaled_below(random.next(), total_) < cut ? column : alias;
  }

 private:
  struct Column {
    std::uint64_t cut;    // of total_: below it the column itself is drawn
    std::uint32_t alias;  // else this
  };
  static std::uint64_t scaled_below(std::uint64_t value, std::uint64_t bound) {
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::uint64_t>((static_cast<Wide>(value) * bound) >> 64);
  }

  std::vector<Column> columns_;
  std::uint64_t total_ = 0;
  bool uniform_ = false;
};

}  // namespace fairlead::upstream
