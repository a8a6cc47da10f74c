// SPDX-License-Identifier: Apache-2.0
#include "fairlead/change/schema.hpp"

#include <algorithm>
#include <functional>

#include "gateway/dataplane/change/schema_parts.hpp"
#include "gateway/dataplane/change/utf8.hpp"

namespace fairlead::change {
namespace {

using Index = SchemaSet::Index;

std::string_view name_of(JsonKind kind) {
  switch (kind) {
    case JsonKind::kNull: return "null";
    case JsonKind::kFalse:
    case JsonKind::kTrue: return "a boolean";
    case JsonKind::kNumber: return "a number";
    case JsonKind::kString: return "a string";
    case JsonKind::kArray: return "a list";
    case JsonKind::kObject: return "a mapping";
  }
  return "?";
}

std::string names_of(std::uint8_t types) {
  constexpr std::string_view kNames[] = {"null",     "a boolean", "an integer", "a number",
                                         "a string", "a list",    "a mapping"};
  std::string out;
  for (std::size_t i = 0; i < std::size(kNames); ++i)
    if ((types >> i) & 1) out.append(out.empty() ? "" : " or ").append(kNames[i]);
  return out;
}

void append_pointer_part(std::string_view key, std::string& out) {
  out.push_back('/');
  for (const char c : key) {
    if (c == '~') out += "~0";
    else if (c == '/') out += "~1";
    else out.push_back(c);
  }
}

/// Children of which some in-place schema has taken account, by position: for unevaluatedProperties and -Items.
using Seen = std::vector<bool>;

void merge(Seen& into, const Seen& from) {
  for (std::size_t i = 0; i < from.size(); ++i)
    if (from[i]) into[i] = true;
}

/// One validation.
class Validator {  // NOLINT(misc-no-recursion): depth is bounded
 public:
  Validator(const SchemaSet::Parts& parts, const Json& instance, SchemaReport* report, SchemaUse use = SchemaUse::kAny)
      : parts_(parts), json_(instance), report_(report), use_(use) {}

  /// seen: null where nobody asks.
  bool check(Index index, Json::Id at, Seen* seen) {
    if (++steps_ > SchemaSet::kMostSteps || depth_ >= SchemaSet::kMostDepth) return exhausted();
    ++depth_;
    const auto& schema = parts_.nodes[index];
    const bool enters = scope_.empty() || scope_.back() != schema.resource;
    if (enters) scope_.push_back(schema.resource);
    const bool good = check_all(schema, at, seen);
    if (enters) scope_.pop_back();
    --depth_;
    return good;
  }

 private:
  bool exhausted() {
    exhausted_ = true;
    return false;
  }

  bool check_all(const SchemaNode& schema, Json::Id at, Seen* seen) {
    if (schema.never) return problem("nothing may stand here");
    if (schema.nullable && json_.kind(at) == JsonKind::kNull) return true;
    Seen own;
    const bool rest = schema.rest_of_members != kNoSchema || schema.rest_of_items != kNoSchema;
    if (rest && seen == nullptr) {
      own.resize(json_.count(at));
      seen = &own;
    }
    bool good = check_value(schema, at);
    const auto kind = json_.kind(at);
    if (kind == JsonKind::kNumber) good = check_number(schema, at) && good;
    if (kind == JsonKind::kString) good = check_string(schema, at) && good;
    if (kind == JsonKind::kArray) good = check_array(schema, at, seen) && good;
    if (kind == JsonKind::kObject) good = check_object(schema, at, seen) && good;
    good = check_combined(schema, at, seen) && good;
    if (rest && good) good = check_rest(schema, at, *seen);
    return good && !exhausted_;
  }

  bool check_value(const SchemaNode& schema, Json::Id at) {
    bool good = true;
    if (schema.types != 0 && (schema.types & type_of(at)) == 0)
      good = problem("expected " + names_of(schema.types) + ", found " + std::string(name_of(json_.kind(at))));
    const auto& document = *parts_.document;
    if (schema.has_const && !equal(document, schema.constant, at))
      good = problem("expected the one value that is allowed");
    if (schema.has_choices &&
        std::ranges::none_of(schema.choices, [&](Json::Id one) { return equal(document, one, at); }))
      good = problem("expected one of the " + std::to_string(schema.choices.size()) + " values that are allowed");
    return good;
  }

  [[nodiscard]] std::uint8_t type_of(Json::Id at) const {
    switch (json_.kind(at)) {
      case JsonKind::kNull: return 1;
      case JsonKind::kFalse:
      case JsonKind::kTrue: return 2;
      case JsonKind::kNumber: return is_integer(json_.node(at).text) ? 4 | 8 : 8;
      case JsonKind::kString: return 16;
      case JsonKind::kArray: return 32;
      case JsonKind::kObject: return 64;
    }
    return 0;
  }

  bool equal(const Json& document, Json::Id one, Json::Id at) {
    constexpr std::size_t kChildrenAStep = 64;
    steps_ += 1 + static_cast<std::uint32_t>(json_.count(at) / kChildrenAStep);
    return json_equal(document, one, json_, at);
  }

  bool check_number(const SchemaNode& schema, Json::Id at) {
    const auto text = json_.node(at).text;
    bool good = true;
    const auto limit = [&](std::string_view with, std::string_view what, auto&& holds) {
      if (!with.empty() && !holds(compare_numbers(text, with))) good = problem(std::string(what).append(with));
    };
    limit(schema.minimum, "expected at least ", [](int order) { return order >= 0; });
    limit(schema.maximum, "expected at most ", [](int order) { return order <= 0; });
    limit(schema.above, "expected more than ", [](int order) { return order > 0; });
    limit(schema.below, "expected less than ", [](int order) { return order < 0; });
    if (!schema.multiple_of.empty() && !is_multiple(text, schema.multiple_of))
      good = problem(std::string("expected a multiple of ").append(schema.multiple_of));
    if (schema.format == Format::kInt32 &&
        (!is_integer(text) || compare_numbers(text, "-2147483648") < 0 || compare_numbers(text, "2147483647") > 0))
      good = problem("expected an integer of 32 bits");
    if (schema.format == Format::kInt64 && (!is_integer(text) || compare_numbers(text, "-9223372036854775808") < 0 ||
                                            compare_numbers(text, "9223372036854775807") > 0))
      good = problem("expected an integer of 64 bits");
    return good;
  }

  bool check_range(const Range& range, std::uint64_t count, std::string_view unit) {
    if (range.has(count)) return true;
    const bool few = count < range.least;
    return problem((few ? "expected at least " : "expected at most ") + std::to_string(few ? range.least : range.most) +
                   std::string(unit) + ", found " + std::to_string(count));
  }

  bool check_string(const SchemaNode& schema, Json::Id at) {
    const auto text = json_.node(at).text;
    bool good = check_range(schema.length, utf8_count(text), " characters");
    if (schema.pattern != nullptr && !matches(*schema.pattern, text))
      good = problem("expected a string that matches " + schema.pattern->pattern());
    if (schema.format != Format::kNone && !has_format(schema.format, text))
      good = problem("expected a string of the format that is asked for");
    return good;
  }

  static bool matches(const re2::RE2& pattern, std::string_view text) {
    return re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), pattern);
  }

  bool check_array(const SchemaNode& schema, Json::Id at, Seen* seen) {
    std::size_t position = 0, contained = 0;
    bool good = true;
    for (auto id = json_.node(at).first; id != Json::kNone; id = json_.node(id).next, ++position) {
      const auto of = position < schema.prefix.size() ? schema.prefix[position] : schema.items;
      if (of != kNoSchema) {
        good = at_item(position, [&] { return check(of, id, nullptr); }) && good;
        if (seen != nullptr) (*seen)[position] = true;
      }
      if (schema.contains != kNoSchema && quietly([&] { return check(schema.contains, id, nullptr); })) {
        ++contained;
        if (seen != nullptr && parts_.dialect == SchemaDialect::kDraft2020) (*seen)[position] = true;
      }
      if (exhausted_) return false;
    }
    good = check_range(schema.items_count, position, " items") && good;
    if (schema.contains != kNoSchema)
      good = check_range(schema.contained, contained, " items of the kind asked for") && good;
    if (schema.unique_items && position > 1 && !all_differ(at)) good = problem("expected items that differ");
    return good;
  }

  bool check_object(const SchemaNode& schema, Json::Id at, Seen* seen) {
    std::vector<bool> present(schema.required.size());
    std::size_t position = 0;
    bool good = true;
    for (auto id = json_.node(at).first; id != Json::kNone; id = json_.node(id).next, ++position) {
      const auto key = json_.node(id).key;
      const auto required = std::ranges::lower_bound(schema.required, key);
      if (required != schema.required.end() && *required == key)
        present[static_cast<std::size_t>(required - schema.required.begin())] = true;
      bool known = false;
      good = at_member(key, [&] { return check_member(schema, id, known); }) && good;
      if (known && seen != nullptr) (*seen)[position] = true;
      if (exhausted_) return false;
    }
    for (std::size_t i = 0; i < present.size(); ++i)
      if (!present[i] && (i == 0 || schema.required[i] != schema.required[i - 1]) &&
          !is_aside(schema, schema.required[i]))
        good = problem(std::string("lacks ").append(schema.required[i]));
    return check_range(schema.members_count, position, " members") && check_dependent(schema, at, seen) && good;
  }

  /// Whether a member is for the other direction alone.
  [[nodiscard]] bool is_aside(const SchemaNode& schema, std::string_view name) const {
    constexpr int kMostRefs = 16;
    if (use_ == SchemaUse::kAny) return false;
    const auto property =
        std::ranges::lower_bound(schema.properties, name, {}, &std::pair<std::string_view, Index>::first);
    if (property == schema.properties.end() || property->first != name) return false;
    auto index = property->second;
    for (int i = 0; i < kMostRefs && index != kNoSchema; ++i) {
      const auto& node = parts_.nodes[index];
      if (use_ == SchemaUse::kRequest ? node.read_only : node.write_only) return true;
      index = node.ref;
    }
    return false;
  }

  bool check_member(const SchemaNode& schema, Json::Id id, bool& known) {
    const auto key = json_.node(id).key;
    bool good = true;
    const auto property =
        std::ranges::lower_bound(schema.properties, key, {}, &std::pair<std::string_view, Index>::first);
    if (property != schema.properties.end() && property->first == key) {
      known = true;
      good = check(property->second, id, nullptr);
    }
    for (const auto& [pattern, of] : schema.patterns) {
      if (!matches(*pattern, key)) continue;
      known = true;
      good = check(of, id, nullptr) && good;
    }
    if (schema.names != kNoSchema) good = check_name(schema.names, key) && good;
    if (known || schema.additional == kNoSchema) return good;
    known = true;
    if (parts_.nodes[schema.additional].never) return problem("no member of this name is allowed");
    return check(schema.additional, id, nullptr) && good;
  }

  bool check_name(Index names, std::string_view key) {
    Json name;
    name.set_root(name.make(JsonKind::kString, key));
    Validator other(parts_, name, nullptr);
    other.steps_ = steps_;
    other.depth_ = depth_;
    other.scope_ = scope_;
    const bool good = other.check(names, name.root(), nullptr);
    steps_ = other.steps_;
    exhausted_ = exhausted_ || other.exhausted_;
    return good || problem("a name that is not allowed");
  }

  bool check_dependent(const SchemaNode& schema, Json::Id at, Seen* seen) {
    bool good = true;
    for (const auto& [key, needed] : schema.dependent_required) {
      if (json_.member(at, key) == Json::kNone) continue;
      for (const auto name : needed)
        if (json_.member(at, name) == Json::kNone) good = problem(std::string("lacks ").append(name));
    }
    for (const auto& [key, of] : schema.dependent)
      if (json_.member(at, key) != Json::kNone) good = branch(of, at, seen) && good;
    return good;
  }

  /// A schema for the same value: what it has taken account of counts where it holds.
  bool branch(Index of, Json::Id at, Seen* seen) {
    if (seen == nullptr) return check(of, at, nullptr);
    Seen own(seen->size());
    steps_ += static_cast<std::uint32_t>(own.size() / 64);
    const bool good = check(of, at, &own);
    if (good) merge(*seen, own);
    return good;
  }

  /// A schema that is being held to the value already has no more to say of it: a base that lists what is made of it
  /// (oneOf), and these that have all of it (allOf), lead to each other in many an OpenAPI document.
  bool follow(Index ref, Json::Id at, Seen* seen) {
    for (auto one = followed_.rbegin(); one != followed_.rend() && one->second == at; ++one)
      if (one->first == ref) return true;
    followed_.emplace_back(ref, at);
    const bool good = branch(ref, at, seen);
    followed_.pop_back();
    return good;
  }

  /// Where a schema's reference leads from here: a $dynamicRef takes its anchor of the outermost resource that has one.
  [[nodiscard]] Index reference_of(const SchemaNode& schema) const {
    if (schema.dynamic < 0) return schema.ref;
    const auto& anchors = parts_.dynamic[static_cast<std::size_t>(schema.dynamic)];
    for (const auto resource : scope_)
      if (const auto found = anchors.find(resource); found != anchors.end()) return found->second;
    return schema.ref;
  }

  bool check_combined(const SchemaNode& schema, Json::Id at, Seen* seen) {
    bool good = schema.ref == kNoSchema || follow(reference_of(schema), at, seen);
    for (const auto of : schema.all_of) good = branch(of, at, seen) && good;
    if (!schema.any_of.empty() && count_branches(schema.any_of, at, seen, 1) == 0)
      good = problem("fits none of the schemas that are allowed");
    if (!schema.one_of.empty()) {
      const auto fits = count_branches(schema.one_of, at, seen, 2);
      if (fits != 1)
        good = problem(fits == 0 ? "fits none of the schemas that are allowed" : "fits more than one schema");
    }
    if (schema.none_of != kNoSchema && quietly([&] { return check(schema.none_of, at, nullptr); }) && !exhausted_)
      good = problem("is what is not allowed");
    if (schema.condition == kNoSchema) return good;
    const bool holds = quietly([&] { return branch(schema.condition, at, seen); });
    const auto next = holds ? schema.then : schema.otherwise;
    return (next == kNoSchema || branch(next, at, seen)) && good;
  }

  /// How many hold; counting ends at `enough`, unless what they take account of is asked for.
  std::size_t count_branches(const std::vector<Index>& all, Json::Id at, Seen* seen, std::size_t enough) {
    std::size_t out = 0;
    for (const auto of : all) {
      if (quietly([&] { return branch(of, at, seen); })) ++out;
      if (exhausted_ || (out >= enough && seen == nullptr)) break;
    }
    return out;
  }

  bool check_rest(const SchemaNode& schema, Json::Id at, Seen& seen) {
    const bool object = json_.kind(at) == JsonKind::kObject;
    if (!object && json_.kind(at) != JsonKind::kArray) return true;
    const auto of = object ? schema.rest_of_members : schema.rest_of_items;
    if (of == kNoSchema) return true;
    bool good = true;
    std::size_t position = 0;
    for (auto id = json_.node(at).first; id != Json::kNone; id = json_.node(id).next, ++position) {
      if (seen[position]) continue;
      const auto one = [&] { return check(of, id, nullptr); };
      good = (object ? at_member(json_.node(id).key, one) : at_item(position, one)) && good;
      seen[position] = true;
    }
    return good;
  }

  /// Sorted by a text that equal items share; within large lists no pair is compared for nothing.
  bool all_differ(Json::Id at) {
    std::vector<std::pair<std::size_t, Json::Id>> items;
    for (auto id = json_.node(at).first; id != Json::kNone; id = json_.node(id).next) items.emplace_back(hash(id), id);
    std::ranges::sort(items);
    for (std::size_t i = 1; i < items.size(); ++i)
      for (auto k = i; k > 0 && items[k - 1].first == items[i].first; --k) {
        if (++steps_ > SchemaSet::kMostSteps) return !exhausted();
        if (json_equal(json_, items[k - 1].second, json_, items[i].second)) return false;
      }
    return true;
  }

  /// Equal values have equal hashes. Numbers are the same to it: their texts may differ.
  std::size_t hash(Json::Id at) {
    ++steps_;
    const auto& node = json_.node(at);
    auto out = static_cast<std::size_t>(node.kind) * 0x9e3779b97f4a7c15U;
    if (node.kind == JsonKind::kString) out ^= std::hash<std::string_view>{}(node.text);
    if (node.kind == JsonKind::kNumber)
      out ^= std::hash<double>{}(std::strtod(std::string(node.text).c_str(), nullptr) + 0.0);
    for (auto id = node.first; id != Json::kNone; id = json_.node(id).next) {
      const auto below = hash(id);
      if (node.kind == JsonKind::kArray) out = out * 31 + below;
      else out += (below ^ std::hash<std::string_view>{}(json_.node(id).key)) * 0xff51afd7ed558ccdU;
    }
    return out;
  }

  template <class F>
  bool quietly(F&& f) {
    auto* const report = std::exchange(report_, nullptr);
    const bool good = f();
    report_ = report;
    return good;
  }
  template <class F>
  bool at_item(std::size_t position, F&& f) {
    path_.push_back({{}, position, true});
    const bool good = f();
    path_.pop_back();
    return good;
  }
  template <class F>
  bool at_member(std::string_view key, F&& f) {
    path_.push_back({key, 0, false});
    const bool good = f();
    path_.pop_back();
    return good;
  }

  /// Notes it; false.
  bool problem(std::string what) {
    if (report_ == nullptr) return false;
    if (report_->problems.size() >= report_->most) {
      report_->more = true;
      return false;
    }
    SchemaProblem out{.where = {}, .what = std::move(what)};
    for (const auto& part : path_) append_pointer_part(part.item ? std::to_string(part.position) : part.key, out.where);
    constexpr std::size_t kMostPath = 256;
    if (out.where.size() > kMostPath) out.where.resize(kMostPath);
    report_->problems.push_back(std::move(out));
    return false;
  }

  struct Part {
    std::string_view key;
    std::size_t position;
    bool item;
  };
  const SchemaSet::Parts& parts_;
  const Json& json_;
  SchemaReport* report_;
  SchemaUse use_;
  std::vector<Part> path_;
  std::vector<std::pair<Index, Json::Id>> followed_;  // $refs: schemas, and for which values
  std::vector<std::uint32_t> scope_;  // resources of the schemas that are being held to, the outermost first
  std::uint32_t steps_ = 0;
  std::uint32_t depth_ = 0;

 public:
  bool exhausted_ = false;  // of steps or depth: nothing that was found out counts
};

}  // namespace

bool SchemaSet::validate(Index schema, const Json& instance, Json::Id at, SchemaReport* report, SchemaUse use) const {
  Validator validator(*parts_, instance, report, use);
  const bool good = validator.check(schema, at, nullptr);
  if (!validator.exhausted_) return good;
  if (report != nullptr) report->problems.assign(1, {.where = {}, .what = "too much to check"});
  return false;
}

bool json_equal(const Json& a, Json::Id x, const Json& b,
                Json::Id y) {  // NOLINT(misc-no-recursion): as deep as documents
  const auto& left = a.node(x);
  const auto& right = b.node(y);
  if (left.kind != right.kind) return false;
  if (left.kind == JsonKind::kNumber) return compare_numbers(left.text, right.text) == 0;
  if (left.kind == JsonKind::kString) return left.text == right.text;
  auto i = left.first, k = right.first;
  if (left.kind == JsonKind::kArray) {
    for (; i != Json::kNone && k != Json::kNone; i = a.node(i).next, k = b.node(k).next)
      if (!json_equal(a, i, b, k)) return false;
    return i == k;
  }
  if (left.kind != JsonKind::kObject) return true;
  if (a.count(x) != b.count(y)) return false;
  const auto members = [](const Json& json, Json::Id from) {
    std::vector<std::pair<std::string_view, Json::Id>> out;
    for (; from != Json::kNone; from = json.node(from).next) out.emplace_back(json.node(from).key, from);
    std::ranges::sort(out);
    return out;
  };
  const auto these = members(a, i), those = members(b, k);
  for (std::size_t n = 0; n < these.size(); ++n)
    if (these[n].first != those[n].first || !json_equal(a, these[n].second, b, those[n].second)) return false;
  return true;
}

std::string pointer_to(const Json& document, Json::Id root, Json::Id at) {  // NOLINT(misc-no-recursion)
  if (root == at) return {};
  const bool object = document.kind(root) == JsonKind::kObject;
  std::size_t position = 0;
  for (auto id = document.node(root).first; id != Json::kNone; id = document.node(id).next, ++position) {
    // A child stands behind its parent in the table and before its next sibling: only one child can hold `at`.
    const auto next = document.node(id).next;
    if (at < id || (next != Json::kNone && at >= next)) continue;
    std::string out;
    append_pointer_part(object ? document.node(id).key : std::string_view(std::to_string(position)), out);
    return out + pointer_to(document, id, at);
  }
  return "/?";
}

}  // namespace fairlead::change
