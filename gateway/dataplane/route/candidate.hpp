// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "conditions.hpp"

namespace fairlead::route {

/// One match of one rule, in the tables of a host.
struct Candidate {
  const RouteMatch* spec = nullptr;
  const Route* route = nullptr;
  std::uint16_t rule = 0;
  std::uint16_t match = 0;
  bool conditional = false;  ///< asks for more than host and path

  [[nodiscard]] bool met(const Request& request) const {
    return !conditional || first_unmet(*spec, route->grpc, request).condition == Condition::kNone;
  }
};

/// The field of precedence in which two candidates differ first, most important first.
enum class Precedence : std::uint8_t {
  kHost,
  kAsked,
  kPath,
  kPathLength,
  kMethod,
  kHeaders,
  kQueries,
  kAge,
  kName,
  kOrder
};

struct Order {
  int sign = 0;  ///< below 0: the first of the two comes first
  Precedence by = Precedence::kOrder;
};

/// Compares candidates of one host.
[[nodiscard]] Order compare(const Candidate& a, const Candidate& b);

/// Finds the candidates of one path by a header or parameter that each of them needs, where there are many of them.
/// Owner: a HostRouter. Thread: any.
class KeyIndex {
 public:
  static constexpr std::size_t kLeast = 8;      ///< candidates that are tried one after the other instead
  static constexpr std::size_t kMaxNames = 16;  ///< different names; candidates with others are tried in order

  explicit KeyIndex(std::span<const Candidate> candidates);

  /// The first of the candidates (those that it was made from) that `request` meets; -1: none.
  [[nodiscard]] std::int64_t find(std::span<const Candidate> candidates, const Request& request) const;
  [[nodiscard]] std::size_t bytes() const;

 private:
  static constexpr std::uint32_t kEnd = 0xffffffff;
  struct Name {
    std::string_view text;
    bool query = false;
  };
  struct Slot {
    std::uint64_t hash = 0;
    std::uint32_t head = kEnd;  // first of a chain in next_
  };
  [[nodiscard]] std::uint32_t head(std::size_t name, std::string_view value) const;
  [[nodiscard]] int name_of(const Candidate& candidate, std::string_view& value);
  Slot& slot(std::uint64_t hash);

  std::vector<Name> names_;
  std::vector<Slot> slots_;           // a power of two
  std::vector<std::uint32_t> next_;   // chains in ascending order; one more chain for candidates without a key
  std::uint32_t rest_ = kEnd;
};

}  // namespace fairlead::route
