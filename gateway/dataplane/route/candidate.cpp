// SPDX-License-Identifier: Apache-2.0
#include "candidate.hpp"

#include <algorithm>
#include <array>
#include <bit>

#include "hash.hpp"

namespace fairlead::route {
namespace {

/// More comes first.
int more(std::size_t a, std::size_t b) { return a == b ? 0 : a > b ? -1 : 1; }
int less(auto a, auto b) { return a == b ? 0 : a < b ? -1 : 1; }

}  // namespace

Order compare(const Candidate& a, const Candidate& b) {
  const auto &x = *a.spec, &y = *b.spec;
  if (const int sign = less(x.rank, y.rank)) return {sign, Precedence::kPath};
  if (const int sign = more(x.depth, y.depth); sign && x.rank == Rank::kRegex) return {sign, Precedence::kPath};
  if (const int sign = more(x.path.size(), y.path.size())) return {sign, Precedence::kPathLength};
  if (const int sign = more(x.method.empty() ? 0 : 1, y.method.empty() ? 0 : 1)) return {sign, Precedence::kMethod};
  if (const int sign = more(x.headers.size(), y.headers.size())) return {sign, Precedence::kHeaders};
  if (const int sign = more(x.queries.size(), y.queries.size())) return {sign, Precedence::kQueries};
  if (a.route != b.route) {
    if (const int sign = less(a.route->created, b.route->created)) return {sign, Precedence::kAge};
    if (const int sign = a.route->key.compare(b.route->key)) return {sign, Precedence::kName};
  }
  if (const int sign = less(a.rule, b.rule)) return {sign, Precedence::kOrder};
  return {less(a.match, b.match), Precedence::kOrder};
}

KeyIndex::KeyIndex(std::span<const Candidate> candidates) : next_(candidates.size(), kEnd) {
  slots_.resize(std::bit_ceil(candidates.size() * 2));
  // From the last to the first, so that chains ascend.
  for (std::size_t i = candidates.size(); i-- > 0;) {
    std::string_view value;
    const int name = name_of(candidates[i], value);
    auto& head = name < 0 ? rest_ : slot(hash_text(value, kSeed + static_cast<std::uint64_t>(name))).head;
    next_[i] = head;
    head = static_cast<std::uint32_t>(i);
  }
}

/// The key of a candidate: its first exact header, else its first exact parameter; -1: it has none.
int KeyIndex::name_of(const Candidate& candidate, std::string_view& value) {
  const auto exact = [](const FieldMatch& field) { return field.compare == Compare::kExact; };
  const auto& headers = candidate.spec->headers;
  const auto& queries = candidate.spec->queries;
  auto found = std::ranges::find_if(headers, exact);
  const bool query = found == headers.end();
  if (query) found = std::ranges::find_if(queries, exact);
  if (query && found == queries.end()) return -1;
  value = found->value;
  const auto known =
      std::ranges::find_if(names_, [&](const Name& name) { return name.query == query && name.text == found->name; });
  if (known != names_.end()) return static_cast<int>(known - names_.begin());
  if (names_.size() == kMaxNames) return -1;
  names_.push_back({found->name, query});
  return static_cast<int>(names_.size() - 1);
}

KeyIndex::Slot& KeyIndex::slot(std::uint64_t hash) {
  for (auto at = hash;; ++at) {
    auto& slot = slots_[at & (slots_.size() - 1)];
    if (slot.head == kEnd) slot.hash = hash;
    if (slot.hash == hash) return slot;
  }
}

std::uint32_t KeyIndex::head(std::size_t name, std::string_view value) const {
  const auto hash = hash_text(value, kSeed + name);
  for (auto at = hash;; ++at) {
    const auto& slot = slots_[at & (slots_.size() - 1)];
    if (slot.head == kEnd || slot.hash == hash) return slot.head;
  }
}

std::int64_t KeyIndex::find(std::span<const Candidate> candidates, const Request& request) const {
  std::array<std::uint32_t, kMaxNames + 1> chains;
  std::size_t count = 0;
  if (rest_ != kEnd) chains[count++] = rest_;
  for (std::size_t i = 0; i < names_.size(); ++i) {
    const auto& name = names_[i];
    const auto value = name.query ? query_value(request.query, name.text) : field_value(request, name.text);
    if (!value) continue;
    if (const auto first = head(i, *value); first != kEnd) chains[count++] = first;
  }
  while (count > 0) {
    const auto first = std::min_element(chains.begin(), chains.begin() + static_cast<std::ptrdiff_t>(count));
    if (candidates[*first].met(request)) return *first;
    *first = next_[*first];
    if (*first == kEnd) *first = chains[--count];
  }
  return -1;
}

std::size_t KeyIndex::bytes() const {
  return sizeof *this + names_.capacity() * sizeof(Name) + slots_.capacity() * sizeof(Slot) +
         next_.capacity() * sizeof(std::uint32_t);
}

}  // namespace fairlead::route
