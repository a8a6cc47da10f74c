// SPDX-License-Identifier: Apache-2.0
// Which types a schema allows, as far as it says without a value.
#include <algorithm>

#include "gateway/dataplane/change/schema_parts.hpp"

namespace fairlead::change {
namespace {

constexpr std::uint8_t kAllTypes = 127;

std::uint8_t type_of_kind(JsonKind kind) {
  constexpr std::uint8_t kTypes[] = {ValueTypes::kNull,    ValueTypes::kBoolean, ValueTypes::kBoolean,
                                     ValueTypes::kNumbers, ValueTypes::kString,  ValueTypes::kArray,
                                     ValueTypes::kObject};
  return kTypes[static_cast<std::size_t>(kind)];
}

/// Looks at what holds for one value: a schema, and those that it is made of.
class TypeFinder {
 public:
  explicit TypeFinder(const SchemaSet::Parts& parts) : parts_(parts) {}

  /// kAllTypes: any, also where it takes too long to find out.
  std::uint8_t mask(SchemaSet::Index schema) {  // NOLINT(misc-no-recursion): the path is bounded
    if (++steps_ > kMostSteps || std::ranges::find(path_, schema) != path_.end()) return kAllTypes;
    path_.push_back(schema);
    const auto& node = parts_.nodes[schema];
    std::uint8_t out = node.types == 0 ? kAllTypes : node.types;
    if ((out & ValueTypes::kNumber) != 0) out |= ValueTypes::kNumbers;
    if (node.has_const) out &= type_of_kind(parts_.document->kind(node.constant));
    if (node.has_choices) out &= of_choices(node);
    if (node.ref != kNoSchema) out &= mask(node.ref);
    for (const auto one : node.all_of) out &= mask(one);
    for (const auto* all : {&node.any_of, &node.one_of}) out &= any(*all);
    path_.pop_back();
    return static_cast<std::uint8_t>(node.nullable ? out | ValueTypes::kNull : out);
  }

  /// Calls f(node) for the schema and those that it is made of.
  template <class F>
  void each(SchemaSet::Index schema, F&& f) {  // NOLINT(misc-no-recursion): the same
    if (++steps_ > kMostSteps || std::ranges::find(path_, schema) != path_.end()) return;
    path_.push_back(schema);
    const auto& node = parts_.nodes[schema];
    f(node);
    if (node.ref != kNoSchema) each(node.ref, f);
    for (const auto* all : {&node.all_of, &node.any_of, &node.one_of})
      for (const auto one : *all) each(one, f);
    path_.pop_back();
  }

 private:
  static constexpr std::size_t kMostSteps = 10'000;

  std::uint8_t any(const std::vector<SchemaSet::Index>& all) {  // NOLINT(misc-no-recursion): the same
    if (all.empty()) return kAllTypes;
    std::uint8_t out = 0;
    for (const auto one : all) out |= mask(one);
    return out;
  }
  std::uint8_t of_choices(const SchemaNode& node) const {
    std::uint8_t out = 0;
    for (const auto choice : node.choices) out |= type_of_kind(parts_.document->kind(choice));
    return out;
  }

  const SchemaSet::Parts& parts_;
  std::vector<SchemaSet::Index> path_;
  std::size_t steps_ = 0;
};

std::uint8_t as_told(std::uint8_t mask) { return mask == kAllTypes ? std::uint8_t{0} : mask; }

}  // namespace

ValueTypes SchemaSet::types(Index schema) const {
  std::uint8_t items = 0;
  TypeFinder(*parts_).each(schema, [&](const SchemaNode& node) {
    if (node.items != kNoSchema) items |= TypeFinder(*parts_).mask(node.items);
  });
  return {.own = as_told(TypeFinder(*parts_).mask(schema)), .items = as_told(items)};
}

std::map<std::string, ValueTypes, std::less<>> SchemaSet::member_types(Index schema) const {
  std::map<std::string, ValueTypes, std::less<>> out;
  TypeFinder(*parts_).each(schema, [&](const SchemaNode& node) {
    for (const auto& [name, member] : node.properties) {
      const auto made = types(member);
      const auto [at, fresh] = out.emplace(name, made);
      if (fresh) continue;
      // It is said twice, of alternatives mostly.
      at->second.own = at->second.own == 0 || made.own == 0 ? std::uint8_t{0} : at->second.own | made.own;
      at->second.items |= made.items;
    }
  });
  return out;
}

}  // namespace fairlead::change
