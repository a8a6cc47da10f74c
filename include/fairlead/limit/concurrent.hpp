// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "fairlead/limit/table.hpp"

namespace fairlead::limit {

/// How many are under way for each key. Its memory is bounded by what is under way: a key goes with its last one, and
/// none is ever forgotten before. Owner: filters of the policy, and requests under way. Thread: any.
class Concurrent {
 public:
  Concurrent() : table_(1, 0) {}
  /// Takes a place where fewer than `most` are taken. hash: keyed_hash().
  [[nodiscard]] bool enter(std::uint64_t hash, std::uint64_t most);
  /// Once for each enter() that said true.
  void leave(std::uint64_t hash);
  [[nodiscard]] std::uint64_t count(std::uint64_t hash);

 private:
  Table table_;
};

}  // namespace fairlead::limit
