// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <re2/re2.h>

#include <limits>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "fairlead/change/schema.hpp"

namespace fairlead::change {

inline constexpr SchemaSet::Index kNoSchema = 0xffffffff;

enum class Format : std::uint8_t { kNone, kDate, kDateTime, kUuid, kIpv4, kIpv6, kEmail, kInt32, kInt64 };

struct Range {
  std::uint64_t least = 0;
  std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  [[nodiscard]] bool has(std::uint64_t value) const { return value >= least && value <= most; }
};

/// One schema. Texts are views into its document.
struct SchemaNode {
  using Index = SchemaSet::Index;
  bool never = false;      // false, as a schema
  bool read_only = false, write_only = false;
  bool nullable = false;   // null conforms, whatever else is asked for
  std::uint8_t types = 0;  // SchemaSet::types
  Format format = Format::kNone;
  bool unique_items = false;
  bool has_const = false;
  Json::Id constant = Json::kNone;
  std::vector<Json::Id> choices;  // enum
  bool has_choices = false;
  std::string_view minimum, maximum, above, below, multiple_of;
  Range length, items_count, members_count, contained{1, std::numeric_limits<std::uint64_t>::max()};
  std::shared_ptr<const re2::RE2> pattern;
  std::vector<Index> prefix;
  Index items = kNoSchema, contains = kNoSchema;
  std::vector<std::pair<std::string_view, Index>> properties;  // sorted
  std::vector<std::pair<std::shared_ptr<const re2::RE2>, Index>> patterns;
  Index additional = kNoSchema, names = kNoSchema;
  std::vector<std::string_view> required;  // sorted
  std::vector<std::pair<std::string_view, std::vector<std::string_view>>> dependent_required;
  std::vector<std::pair<std::string_view, Index>> dependent;
  std::vector<Index> all_of, any_of, one_of;
  Index none_of = kNoSchema, condition = kNoSchema, then = kNoSchema, otherwise = kNoSchema;
  Index ref = kNoSchema;
  std::uint32_t resource = 0;  // SchemaSet::Parts::resources
  std::int32_t dynamic = -1;   // of a $dynamicRef that looks for its anchor: in SchemaSet::Parts::dynamic
  Index rest_of_members = kNoSchema, rest_of_items = kNoSchema;  // unevaluated*
};

struct SchemaSet::Parts {
  const Json* document = nullptr;
  SchemaDialect dialect = SchemaDialect::kBySchema;
  std::vector<SchemaNode> nodes;
  std::unordered_map<Json::Id, Index> index;  // of what is compiled
  // What $ref may name: URIs of resources and anchors; and the URI that each place with a $ref refers to.
  std::map<std::string, Json::Id, std::less<>> places;
  std::unordered_map<Json::Id, std::string> references;
  // Schema resources (2020-12, core 8.1) are numbered, the document's own is 0; what is not here is of that one.
  std::unordered_map<Json::Id, std::uint32_t> resources;
  std::uint32_t last_resource = 0;
  std::map<std::string, std::map<std::uint32_t, Json::Id>, std::less<>> dynamic_anchors;  // by name and resource
  std::vector<std::map<std::uint32_t, Index>> dynamic;  // the same, compiled, of those that a $dynamicRef looks for
};

[[nodiscard]] bool has_format(Format format, std::string_view text);

}  // namespace fairlead::change
