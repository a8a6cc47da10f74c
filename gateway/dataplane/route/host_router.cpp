// SPDX-License-Identifier: Apache-2.0
#include "host_router.hpp"

#include <re2/re2.h>

#include <algorithm>
#include <bit>

namespace fairlead::route {

namespace {

/// The text that one of the routes has of it, which stays as long as they do.
std::string_view kept_pattern(std::string_view pattern, std::span<const RoutePtr> routes) {
  if (pattern.empty() || routes.empty()) return {};
  const auto& hosts = routes.front()->hosts;
  return *std::ranges::find(hosts, pattern);
}

}  // namespace

HostRouter::HostRouter(std::string_view pattern, std::vector<RoutePtr> routes)
    : pattern_(kept_pattern(pattern, routes)), routes_(std::move(routes)) {
  const auto candidates = collect(take_first());
  slots_.resize(std::bit_ceil(candidates.size() * 2 + 1));
  place(candidates, make_groups(candidates));
  if (groups_.size() == 1) slots_ = std::vector<Slot>();  // {} would keep the capacity
}

/// The routes whose candidates are this router's own; the others go into that behind it.
std::vector<RoutePtr> HostRouter::take_first() {
  asked_ = pattern_;
  const auto asks_more = [&](const RoutePtr& route) { return asked_for(*route, pattern_) != asked_; };
  std::vector<RoutePtr> own, rest;
  if (std::ranges::all_of(routes_, asks_more)) {
    const auto length = [&](const RoutePtr& route) { return asked_for(*route, pattern_).size(); };
    const auto longest = std::ranges::max_element(routes_, {}, length);
    if (longest != routes_.end()) asked_ = asked_for(**longest, pattern_);
  }
  for (const auto& route : routes_) (asks_more(route) ? rest : own).push_back(route);
  if (!rest.empty()) wider_ = std::make_unique<const HostRouter>(pattern_, std::move(rest));
  return own;
}

std::vector<Candidate> HostRouter::collect(std::span<const RoutePtr> routes) {
  std::vector<Candidate> candidates;
  std::size_t count = 0;
  for (const auto& route : routes)
    for (const auto& rule : route->rules) count += rule.matches.size();
  candidates.reserve(count);
  for (const auto& route : routes)
    for (std::size_t i = 0; i < route->rules.size(); ++i)
      for (std::size_t j = 0; j < route->rules[i].matches.size(); ++j) {
        const auto& spec = route->rules[i].matches[j];
        const bool conditional = route->grpc || !spec.method.empty() || !spec.headers.empty() || !spec.queries.empty();
        candidates.push_back(
            {&spec, route.get(), static_cast<std::uint16_t>(i), static_cast<std::uint16_t>(j), conditional});
      }
  return candidates;
}

std::string_view HostRouter::key_of(const RouteMatch& match) {
  switch (match.rank) {
    case Rank::kExact:
    case Rank::kPrefix:
    case Rank::kGrpcMethod: return match.path;
    case Rank::kRegex: return match.path_regex->literal;
    default: return {};
  }
}

std::uint64_t HostRouter::hash_of(const RouteMatch& match) {
  const auto key = key_of(match);
  const auto hash = match.rank == Rank::kGrpcMethod ? hash_text(key) : key.empty() ? kSeed : PathKeys(key).whole;
  return hash_for(match.rank, hash);
}

/// Sorts candidates into groups: the answer names the group of each. Their counts are right afterwards, not their
/// places.
std::vector<std::uint32_t> HostRouter::make_groups(std::span<const Candidate> candidates) {
  std::vector<std::uint32_t> groups(candidates.size());
  const auto mask = slots_.size() - 1;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const auto& spec = *candidates[i].spec;
    const auto key = key_of(spec);
    const auto hash = hash_of(spec);
    for (auto at = hash;; ++at) {
      auto& slot = slots_[at & mask];
      const auto tag = static_cast<std::uint32_t>(hash >> 32);
      if (slot.group == kNoGroup) {
        slot = {tag, static_cast<std::uint32_t>(groups_.size())};
        groups_.push_back({.key = key, .rank = spec.rank});
        note(spec, slot.group);
      } else if (slot.tag != tag || groups_[slot.group].rank != spec.rank || groups_[slot.group].key != key) {
        continue;
      }
      ++groups_[slot.group].count;
      groups[i] = slot.group;
      break;
    }
  }
  return groups;
}

/// Remembers what kinds of group there are.
void HostRouter::note(const RouteMatch& match, std::uint32_t group) {
  switch (match.rank) {
    case Rank::kExact: exact_ = true; break;
    case Rank::kPrefix: prefix_depths_ |= std::uint64_t{1} << (match.depth - 1); break;
    case Rank::kRegex:
      if (match.depth == 0) regexes_ = group;
      else regex_depths_ |= std::uint64_t{1} << (match.depth - 1);
      break;
    case Rank::kGrpcServiceRegex: service_regexes_ = group; break;
    case Rank::kGrpcMethod: grpc_methods_ = true; break;
    case Rank::kGrpcMethodRegex: method_regexes_ = group; break;
    case Rank::kRoot: root_ = group; break;
  }
}

/// Puts the candidates of each group side by side, in order of precedence.
void HostRouter::place(std::span<const Candidate> candidates, std::span<const std::uint32_t> groups) {
  groups_.shrink_to_fit();
  std::uint32_t first = 0;
  for (auto& group : groups_) {
    group.first = first;
    first += group.count;
    group.count = 0;
  }
  candidates_.resize(candidates.size());
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    auto& group = groups_[groups[i]];
    candidates_[group.first + group.count++] = candidates[i];
  }
  for (auto& group : groups_) {
    if (group.count == 1) continue;
    const auto own = std::span(candidates_).subspan(group.first, group.count);
    std::ranges::sort(own, [](const Candidate& a, const Candidate& b) { return compare(a, b).sign < 0; });
    if (group.count <= KeyIndex::kLeast || !own.front().conditional || own.front().spec->path_regex) continue;
    if (indexes_ == nullptr) indexes_ = std::make_unique<std::vector<KeyIndex>>();
    group.index = static_cast<std::int32_t>(indexes_->size());
    indexes_->emplace_back(own);
  }
}

const HostRouter::Group* HostRouter::find(Rank rank, std::uint64_t hash, std::string_view key) const {
  const auto is_it = [&](const Group& group) { return group.rank == rank && group.key == key; };
  if (groups_.size() == 1) return is_it(groups_.front()) ? groups_.data() : nullptr;
  hash = hash_for(rank, hash);
  const auto tag = static_cast<std::uint32_t>(hash >> 32);
  const auto mask = slots_.size() - 1;
  for (auto at = hash;; ++at) {
    const auto& slot = slots_[at & mask];
    if (slot.group == kNoGroup) return nullptr;
    if (slot.tag != tag) continue;
    if (const auto& group = groups_[slot.group]; is_it(group)) return &group;
  }
}

const Candidate* HostRouter::try_group(const Group* group, const Request& request) const {
  if (group == nullptr) return nullptr;
  const auto own = std::span(candidates_).subspan(group->first, group->count);
  if (group->index >= 0) {
    const auto found = (*indexes_)[static_cast<std::size_t>(group->index)].find(own, request);
    return found < 0 ? nullptr : &own[static_cast<std::size_t>(found)];
  }
  for (const auto& candidate : own)
    if (candidate.met(request)) return &candidate;
  return nullptr;
}

const Candidate* HostRouter::try_regexes(const Group* group, const Request& request) const {
  if (group == nullptr) return nullptr;
  const re2::StringPiece path(request.path.data(), request.path.size());
  for (const auto& candidate : std::span(candidates_).subspan(group->first, group->count))
    if (re2::RE2::FullMatch(path, *candidate.spec->path_regex->regex) && candidate.met(request)) return &candidate;
  return nullptr;
}

/// From the deepest element that some key ends at to the first.
const Candidate* HostRouter::by_elements(Rank rank, std::uint64_t depths, const PathKeys& keys,
                                         const Request& request) const {
  if (keys.depth < 64) depths &= (std::uint64_t{1} << keys.depth) - 1;
  while (depths != 0) {
    const auto depth = static_cast<std::size_t>(std::bit_width(depths));
    const auto* group = find(rank, keys.hash[depth], keys.path.substr(0, keys.end[depth]));
    const auto* found = rank == Rank::kRegex ? try_regexes(group, request) : try_group(group, request);
    if (found != nullptr) return found;
    depths &= ~(std::uint64_t{1} << (depth - 1));
  }
  return nullptr;
}

const Candidate* HostRouter::by_grpc(Rank rank, const PathKeys& keys, const Request& request) const {
  if (rank == Rank::kGrpcMethod) {
    if (!grpc_methods_ || keys.elements != 2) return nullptr;
    const auto method = keys.path.substr(keys.end[1] + 1);
    return try_group(find(rank, hash_text(method), method), request);
  }
  const auto group = rank == Rank::kGrpcServiceRegex ? service_regexes_ : method_regexes_;
  return group == kNoGroup ? nullptr : try_regexes(&groups_[group], request);
}

const Candidate* HostRouter::match(const PathKeys& keys, const Request& request) const {
  for (const auto* router = this; router != nullptr; router = router->wider_.get())
    if (const auto* found = router->match_own(keys, request)) return found;
  return nullptr;
}

const Candidate* HostRouter::match_own(const PathKeys& keys, const Request& request) const {
  const Candidate* found = nullptr;
  if (exact_ && (found = try_group(find(Rank::kExact, keys.whole, keys.path), request))) return found;
  if ((found = by_elements(Rank::kRegex, regex_depths_, keys, request))) return found;
  if (regexes_ != kNoGroup && (found = try_regexes(&groups_[regexes_], request))) return found;
  if ((found = by_elements(Rank::kPrefix, prefix_depths_, keys, request))) return found;
  if ((found = by_grpc(Rank::kGrpcServiceRegex, keys, request))) return found;
  if ((found = by_grpc(Rank::kGrpcMethod, keys, request))) return found;
  if ((found = by_grpc(Rank::kGrpcMethodRegex, keys, request))) return found;
  return root_ == kNoGroup ? nullptr : try_group(&groups_[root_], request);
}

std::size_t HostRouter::bytes() const {
  std::size_t bytes = sizeof *this + routes_.capacity() * sizeof(RoutePtr) +
                      candidates_.capacity() * sizeof(Candidate) + groups_.capacity() * sizeof(Group) +
                      slots_.capacity() * sizeof(Slot);
  if (indexes_ != nullptr)
    for (const auto& index : *indexes_) bytes += index.bytes();
  return bytes + (wider_ == nullptr ? 0 : wider_->bytes());
}

}  // namespace fairlead::route
