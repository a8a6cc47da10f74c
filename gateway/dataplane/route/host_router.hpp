// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "candidate.hpp"
#include "hash.hpp"

namespace fairlead::route {

/// The compiled routes of one host pattern. Immutable. Those come first that ask for this host itself, then those that
/// ask for more and that the listener has narrowed to it, the longest first: each in a router of its own.
/// Owner: shared, by the routers that have the host. Thread: any.
class HostRouter {
 public:
  HostRouter(std::string_view pattern, std::vector<RoutePtr> routes);
  HostRouter(const HostRouter&) = delete;  // views point into it
  HostRouter& operator=(const HostRouter&) = delete;

  [[nodiscard]] std::string_view pattern() const { return pattern_; }  ///< empty: every host
  [[nodiscard]] const std::vector<RoutePtr>& routes() const { return routes_; }
  [[nodiscard]] std::string_view asked() const { return asked_; }  ///< what the candidates ask for
  [[nodiscard]] std::span<const Candidate> candidates() const { return candidates_; }
  [[nodiscard]] const HostRouter* wider() const { return wider_.get(); }  ///< of those that ask for more; null: none
  [[nodiscard]] const Candidate* match(const PathKeys& keys, const Request& request) const;
  [[nodiscard]] std::size_t bytes() const;

 private:
  static constexpr std::uint32_t kNoGroup = 0xffffffff;

  /// Candidates with one path, in order of precedence.
  struct Group {
    std::string_view key;
    std::uint32_t first = 0;
    std::uint32_t count = 0;
    Rank rank = Rank::kExact;
    std::int32_t index = -1;  // in indexes_
  };
  struct Slot {
    std::uint32_t tag = 0;
    std::uint32_t group = kNoGroup;
  };

  std::vector<RoutePtr> take_first();
  [[nodiscard]] static std::string_view key_of(const RouteMatch& match);
  [[nodiscard]] static std::uint64_t hash_of(const RouteMatch& match);
  [[nodiscard]] static std::uint64_t hash_for(Rank rank, std::uint64_t hash) {
    return mix(hash, kSeed ^ (std::uint64_t{static_cast<std::uint8_t>(rank)} << 56));
  }
  [[nodiscard]] static std::vector<Candidate> collect(std::span<const RoutePtr> routes);
  std::vector<std::uint32_t> make_groups(std::span<const Candidate> candidates);
  void note(const RouteMatch& match, std::uint32_t group);
  void place(std::span<const Candidate> candidates, std::span<const std::uint32_t> groups);

  [[nodiscard]] const Candidate* match_own(const PathKeys& keys, const Request& request) const;
  [[nodiscard]] const Group* find(Rank rank, std::uint64_t hash, std::string_view key) const;
  [[nodiscard]] const Candidate* try_group(const Group* group, const Request& request) const;
  [[nodiscard]] const Candidate* try_regexes(const Group* group, const Request& request) const;
  [[nodiscard]] const Candidate* by_elements(Rank rank, std::uint64_t depths, const PathKeys& keys,
                                             const Request& request) const;
  [[nodiscard]] const Candidate* by_grpc(Rank rank, const PathKeys& keys, const Request& request) const;

  std::string_view pattern_;  // of a route
  std::string_view asked_;  // of pattern_, or of a route
  std::vector<RoutePtr> routes_;
  std::unique_ptr<const HostRouter> wider_;
  std::vector<Candidate> candidates_;
  std::vector<Group> groups_;
  std::vector<Slot> slots_;  // a power of two, half full at most; empty where there is one group
  std::unique_ptr<std::vector<KeyIndex>> indexes_;  // null: none
  std::uint64_t prefix_depths_ = 0;  // bit n - 1: some prefix has n elements
  std::uint64_t regex_depths_ = 0;   // the same of the literal elements of expressions
  std::uint32_t root_ = kNoGroup;    // groups without a key
  std::uint32_t regexes_ = kNoGroup;
  std::uint32_t service_regexes_ = kNoGroup;
  std::uint32_t method_regexes_ = kNoGroup;
  bool exact_ = false;
  bool grpc_methods_ = false;
};

}  // namespace fairlead::route
