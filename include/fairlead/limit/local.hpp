// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "fairlead/limit/rule.hpp"
#include "fairlead/limit/table.hpp"

namespace fairlead::limit {

/// What one limit has counted in this process, for all of its keys.
/// Owner: filters of the policy, one after another (filter::Stores). Thread: any.
class Counts {
 public:
  static constexpr std::size_t kMostKeys = 1 << 20;

  explicit Counts(Algorithm algorithm, std::size_t most_keys = kMostKeys)
      : algorithm_(algorithm), table_(cell_words(algorithm), most_keys) {}
  [[nodiscard]] Algorithm algorithm() const { return algorithm_; }
  [[nodiscard]] Table& table() { return table_; }

 private:
  Algorithm algorithm_;
  Table table_;
};

/// One limit that a request has to pass. Each `counts` stands at most once in a request.
struct Item {
  const Rule* rule = nullptr;  ///< of the algorithm of `counts`
  Counts* counts = nullptr;
  std::uint64_t hash = 0;  ///< keyed_hash() of its key
  std::uint64_t cost = 1;
  Level level{};  ///< the answer
};
inline constexpr std::size_t kMostItems = 16;

/// Takes the cost of one that has passed before, as owe() does; its level is brought up to date. Thread: any.
void charge(Item& item, std::int64_t now_us);

/// All or nothing: takes from every limit, or, where one refuses, from none. Says whether it took. At most kMostItems.
/// Two requests never see each other half done, as the shards concerned are locked together. Thread: any.
bool take_all(std::span<Item> items, std::int64_t now_us);

}  // namespace fairlead::limit
