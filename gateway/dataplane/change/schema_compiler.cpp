// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>

#include "gateway/dataplane/change/schema_parts.hpp"

namespace fairlead::change {
namespace {

constexpr std::size_t kMostSchemas = 20'000;

/// A URI without "." and ".." in its path (RFC 3986 section 5.2.4).
std::string without_dots(std::string uri) {
  const auto scheme = uri.find("://");
  auto end = uri.find_first_of("?#");
  auto begin = uri.find('/', scheme == std::string::npos ? 0 : scheme + 3);
  while (begin < end && begin != std::string::npos) {  // at a '/'
    const auto next = std::min(uri.find('/', begin + 1), std::min(end, uri.size()));
    const auto segment = std::string_view(uri).substr(begin + 1, next - begin - 1);
    const bool up = segment == "..", last = next == std::min(end, uri.size());
    if (segment != "." && !up) {
      begin = last ? std::string::npos : next;
      continue;
    }
    const auto before = up && begin > 0 ? uri.rfind('/', begin - 1) : begin;
    const bool kept = before == std::string::npos || (scheme != std::string::npos && before < scheme + 3);
    const auto from = kept ? begin : before;
    const auto until = last ? next - 1 : next;  // of the last segment its '/' stays
    uri.erase(last ? from + 1 : from, until - from);
    end = uri.find_first_of("?#");
    begin = last ? std::string::npos : from;
  }
  return uri;
}

std::string resolve_as_written(std::string_view base, std::string_view reference) {
  const auto bare = base.substr(0, base.find('#'));
  if (reference.empty()) return std::string(bare);
  if (reference.front() == '#') return std::string(bare).append(reference);
  const auto colon = reference.find(':');
  if (colon != std::string_view::npos && reference.find_first_of("/#?") > colon) return std::string(reference);
  const auto scheme = bare.find("://");
  const auto path = scheme == std::string_view::npos ? bare.find('/') : bare.find('/', scheme + 3);
  if (reference.front() == '/') return std::string(bare.substr(0, path)).append(reference);
  const auto slash = bare.rfind('/');
  const bool in_authority = scheme != std::string_view::npos && path == std::string_view::npos;
  if (in_authority) return std::string(bare).append("/").append(reference);
  return std::string(slash == std::string_view::npos ? std::string_view{} : bare.substr(0, slash + 1))
      .append(reference);
}

/// `reference` relative to `base` (RFC 3986 section 5.2).
std::string resolve(std::string_view base, std::string_view reference) {
  auto uri = resolve_as_written(base, reference);
  return uri.find("/.") == std::string::npos ? uri : without_dots(std::move(uri));
}

std::string decoded(std::string_view fragment) {
  std::string out;
  for (std::size_t i = 0; i < fragment.size(); ++i) {
    unsigned value = 0;
    if (fragment[i] == '%' && i + 2 < fragment.size() &&
        std::from_chars(fragment.data() + i + 1, fragment.data() + i + 3, value, 16).ptr == fragment.data() + i + 3) {
      out.push_back(static_cast<char>(value));
      i += 2;
    } else {
      out.push_back(fragment[i]);
    }
  }
  return out;
}

bool is_draft7(const Json& document) {
  const auto at = document.member(document.root(), "$schema");
  if (at == Json::kNone) return false;
  const auto text = document.node(at).text;
  return text.find("draft-07") != std::string_view::npos || text.find("draft-06") != std::string_view::npos ||
         text.find("draft-04") != std::string_view::npos;
}

/// Notes what may be referred to, and by whom. names: the members are schemas by names that somebody chose.
void scan(SchemaSet::Parts& parts, Json::Id at, std::string base, std::uint32_t resource,
          bool names) {  // NOLINT(misc-no-recursion): as deep as the document
  const auto& document = *parts.document;
  const auto& node = document.node(at);
  if (node.kind == JsonKind::kObject && !names) {
    const auto text = [&](std::string_view key) {
      const auto id = document.member(at, key);
      return id != Json::kNone && document.kind(id) == JsonKind::kString ? document.node(id).text : std::string_view{};
    };
    const auto reference = !text("$ref").empty()          ? text("$ref")
                           : !text("$dynamicRef").empty() ? text("$dynamicRef")
                                                          : text("$recursiveRef");
    const bool alone = parts.dialect == SchemaDialect::kDraft7 && !reference.empty();  // draft 7: nothing beside counts
    if (const auto id = text("$id"); !id.empty() && !alone) {
      parts.places.emplace(resolve(base, id.back() == '#' ? id.substr(0, id.size() - 1) : id), at);
      if (id.front() != '#') {
        base = resolve(base, id.substr(0, id.find('#')));
        resource = ++parts.last_resource;
      }
    }
    for (const auto* key : {"$anchor", "$dynamicAnchor"})
      if (const auto name = text(key); !name.empty()) parts.places.emplace(resolve(base, "#" + std::string(name)), at);
    if (resource != 0) parts.resources[at] = resource;
    if (const auto name = text("$dynamicAnchor"); !name.empty())
      parts.dynamic_anchors[std::string(name)].emplace(resource, at);
    if (!reference.empty()) parts.references[at] = resolve(base, reference);
  }
  for (auto child = node.first; child != Json::kNone; child = document.node(child).next) {
    const auto key = node.kind == JsonKind::kObject ? document.node(child).key : std::string_view{};
    const bool value =
        !names && (key == "enum" || key == "const" || key == "default" || key == "examples" || key == "example");
    const bool named = !names && (key == "properties" || key == "patternProperties" || key == "$defs" ||
                                  key == "definitions" || key == "dependentSchemas" || key == "dependencies");
    if (document.node(child).first != Json::kNone && !value) scan(parts, child, base, resource, named);
  }
}

}  // namespace

class SchemaCompiler {
 public:
  explicit SchemaCompiler(SchemaSet::Parts& parts) : parts_(parts), document_(*parts.document) {}

  Result<SchemaSet::Index> run(Json::Id at) {
    const auto out = index_of(at);
    std::vector<Json::Id> referring;
    while (!pending_.empty()) {
      const auto next = pending_.back();
      pending_.pop_back();
      if (parts_.nodes.size() > kMostSchemas) return fail("more than 20000 schemas");
      FL_CHECK(compile(next));
      if (parts_.nodes[parts_.index[next]].ref != kNoSchema) referring.push_back(next);
    }
    for (const auto one : referring)
      if (leads_nowhere(parts_.index[one])) return wrong(one, "a $ref that does not lead back to itself");
    return out;
  }

 private:
  using Index = SchemaSet::Index;

  std::unexpected<Error> wrong(Json::Id at, const std::string& what) const {
    auto where = pointer_to(document_, document_.root(), at);
    return fail("at " + (where.empty() ? std::string("the root") : where) + ": expected " + what);
  }

  [[nodiscard]] bool leads_nowhere(Index schema) const {
    for (std::uint32_t i = 0; i < SchemaSet::kMostDepth && schema != kNoSchema; ++i) schema = parts_.nodes[schema].ref;
    return schema != kNoSchema;
  }

  Index index_of(Json::Id at) {
    const auto [entry, fresh] = parts_.index.emplace(at, static_cast<Index>(parts_.nodes.size()));
    if (fresh) {
      parts_.nodes.emplace_back();
      pending_.push_back(at);
    }
    return entry->second;
  }

  Result<> compile(Json::Id at) {
    SchemaNode out;
    const auto kind = document_.kind(at);
    if (kind == JsonKind::kFalse) out.never = true;
    if (kind != JsonKind::kObject && kind != JsonKind::kFalse && kind != JsonKind::kTrue)
      return wrong(at, "a schema: a mapping, true or false");
    if (const auto reference = parts_.references.find(at); reference != parts_.references.end()) {
      const auto target = place_of(reference->second);
      if (target == Json::kNone) return wrong(at, "a $ref within the document, found " + reference->second);
      out.ref = index_of(target);
      if (document_.member(at, "$dynamicRef") != Json::kNone) out.dynamic = dynamic(reference->second, target);
    }
    out.resource = resource_of(at);
    const bool alone = out.ref != kNoSchema && parts_.dialect != SchemaDialect::kDraft2020;
    for (auto child = document_.node(at).first; child != Json::kNone && !alone; child = document_.node(child).next)
      FL_CHECK(keyword(out, at, child));
    std::ranges::sort(out.properties);
    std::ranges::sort(out.required);
    parts_.nodes[parts_.index[at]] = std::move(out);
    return {};
  }

  std::uint32_t resource_of(Json::Id at) const {
    const auto found = parts_.resources.find(at);
    return found == parts_.resources.end() ? 0 : found->second;
  }

  /// The anchors among which a $dynamicRef chooses when it is followed (core 8.2.3.2); -1: it is as a $ref.
  std::int32_t dynamic(const std::string& uri, Json::Id target) {
    const auto name = uri.substr(std::min(uri.find('#'), uri.size() - 1) + 1);
    const auto anchors = parts_.dynamic_anchors.find(name);
    if (anchors == parts_.dynamic_anchors.end()) return -1;
    const auto own = anchors->second.find(resource_of(target));
    if (own == anchors->second.end() || own->second != target) return -1;
    auto& compiled = parts_.dynamic.emplace_back();
    for (const auto& [resource, at] : anchors->second) compiled.emplace(resource, index_of(at));
    return static_cast<std::int32_t>(parts_.dynamic.size() - 1);
  }

  /// Where a resolved reference leads; kNone: nowhere.
  Json::Id place_of(const std::string& uri) const {
    const auto hash = std::min(uri.find('#'), uri.size());
    const auto fragment = hash < uri.size() ? decoded(std::string_view(uri).substr(hash + 1)) : std::string{};
    const auto known = parts_.places.find(uri.substr(0, hash));
    const auto root = known != parts_.places.end() ? known->second : hash == 0 ? document_.root() : Json::kNone;
    if (fragment.empty() || root == Json::kNone) return root;
    if (fragment.front() != '/') {
      const auto anchor = parts_.places.find(uri);
      return anchor == parts_.places.end() ? Json::kNone : anchor->second;
    }
    const auto path = parse_json_path(fragment);
    return path ? find(document_, root, *path) : Json::kNone;
  }

  Result<> keyword(SchemaNode& out, Json::Id at, Json::Id child) {
    const auto key = document_.node(child).key;
    for (const auto& [name, member] : kSchemas)
      if (key == name) return one(child, out.*member);
    for (const auto& [name, member] : kLists)
      if (key == name) return list(child, out.*member);
    for (const auto& [name, member] : kNumbers)
      if (key == name) return number(at, child, out, out.*member);
    for (const auto& [name, range, least] : kCounts)
      if (key == name) return count(child, least ? (out.*range).least : (out.*range).most);
    return other(out, at, child, key);
  }

  Result<> other(SchemaNode& out, Json::Id at, Json::Id child, std::string_view key) {
    if (key == "type") return types(child, out);
    if (key == "nullable") nullable(at, child, out);
    if (key == "enum") return choices(child, out);
    if (key == "const") {
      out.has_const = true;
      out.constant = child;
    }
    if (key == "readOnly") out.read_only = document_.kind(child) == JsonKind::kTrue;
    if (key == "writeOnly") out.write_only = document_.kind(child) == JsonKind::kTrue;
    if (key == "uniqueItems") out.unique_items = document_.kind(child) == JsonKind::kTrue;
    if (key == "pattern") return pattern(child, out.pattern);
    if (key == "format") format(child, out);
    if (key == "items") return items(at, child, out);
    if (key == "properties" || key == "dependentSchemas")
      return schemas(child, key == "properties" ? out.properties : out.dependent);
    if (key == "patternProperties") return patterns(child, out);
    if (key == "required" && document_.kind(child) == JsonKind::kArray) return strings(child, out.required);
    if (key == "required" && parts_.dialect != SchemaDialect::kOpenApi30) return wrong(child, "a list of names");
    if (key == "dependentRequired" || key == "dependencies") return dependencies(child, out);
    return {};
  }

  Result<> one(Json::Id at, Index& out) {
    out = index_of(at);
    return {};
  }
  Result<> list(Json::Id at, std::vector<Index>& out) {
    if (document_.kind(at) != JsonKind::kArray) return wrong(at, "a list of schemas");
    for (auto id = document_.node(at).first; id != Json::kNone; id = document_.node(id).next)
      out.push_back(index_of(id));
    return {};
  }
  Result<> schemas(Json::Id at, std::vector<std::pair<std::string_view, Index>>& out) {
    if (document_.kind(at) != JsonKind::kObject) return wrong(at, "a mapping of schemas");
    for (auto id = document_.node(at).first; id != Json::kNone; id = document_.node(id).next)
      out.emplace_back(document_.node(id).key, index_of(id));
    return {};
  }
  Result<> strings(Json::Id at, std::vector<std::string_view>& out) {
    if (document_.kind(at) != JsonKind::kArray) return wrong(at, "a list of names");
    for (auto id = document_.node(at).first; id != Json::kNone; id = document_.node(id).next) {
      if (document_.kind(id) != JsonKind::kString) return wrong(id, "a name");
      out.push_back(document_.node(id).text);
    }
    return {};
  }

  /// exclusiveMinimum and exclusiveMaximum are booleans in OpenAPI 3.0 and draft 4, and then limits by themselves.
  Result<> number(Json::Id schema, Json::Id at, SchemaNode& out, std::string_view& text) const {
    const auto kind = document_.kind(at);
    if (kind == JsonKind::kTrue || kind == JsonKind::kFalse) {
      const bool lower = &text == &out.above;
      if (!lower && &text != &out.below) return wrong(at, "a number");
      const auto limit = document_.member(schema, lower ? "minimum" : "maximum");
      if (kind == JsonKind::kTrue && limit != Json::kNone) text = document_.node(limit).text;
      return {};
    }
    if (kind != JsonKind::kNumber) return wrong(at, "a number");
    text = document_.node(at).text;
    if (&text == &out.multiple_of && compare_numbers(text, "0") <= 0) return wrong(at, "a number above 0");
    return {};
  }
  Result<> count(Json::Id at, std::uint64_t& out) const {
    const auto text = document_.node(at).text;
    if (document_.kind(at) != JsonKind::kNumber || text.starts_with('-') || !is_integer(text))
      return wrong(at, "a whole number from 0");
    const auto whole = text.substr(0, text.find('.'));
    if (whole.size() > 18 || whole.find_first_of("eE") != std::string_view::npos)
      return wrong(at, "a number of at most 18 digits");
    std::from_chars(whole.data(), whole.data() + whole.size(), out);
    return {};
  }

  Result<> type(Json::Id at, SchemaNode& out) const {
    constexpr std::string_view kNames[] = {"null", "boolean", "integer", "number", "string", "array", "object"};
    const auto* found = std::ranges::find(kNames, document_.node(at).text);
    if (document_.kind(at) != JsonKind::kString || found == std::end(kNames))
      return wrong(at, "null, boolean, integer, number, string, array or object");
    out.types |= static_cast<std::uint8_t>(1U << (found - std::begin(kNames)));
    return {};
  }
  Result<> types(Json::Id at, SchemaNode& out) const {
    if (document_.kind(at) != JsonKind::kArray) return type(at, out);
    for (auto id = document_.node(at).first; id != Json::kNone; id = document_.node(id).next) FL_CHECK(type(id, out));
    return {};
  }
  /// By OpenAPI 3.0.3 it counts beside `type` alone, and not against `enum`; those who write it beside oneOf, anyOf and
  /// enum, as most published documents do, mean that null is taken.
  void nullable(Json::Id at, Json::Id value, SchemaNode& out) const {
    if (parts_.dialect != SchemaDialect::kOpenApi30 || document_.kind(value) != JsonKind::kTrue) return;
    out.nullable = true;
    if (document_.member(at, "type") != Json::kNone) out.types |= 1;
  }

  Result<> choices(Json::Id at, SchemaNode& out) const {
    if (document_.kind(at) != JsonKind::kArray) return wrong(at, "a list of values");
    out.has_choices = true;
    for (auto id = document_.node(at).first; id != Json::kNone; id = document_.node(id).next) out.choices.push_back(id);
    return {};
  }

  Result<> compile_pattern(Json::Id at, std::string_view text, std::shared_ptr<const re2::RE2>& out) const {
    re2::RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(1 << 20);
    auto made = std::make_shared<re2::RE2>(re2::StringPiece(text.data(), text.size()), options);
    if (!made->ok()) return wrong(at, "an expression that RE2 takes, found: " + made->error());
    out = std::move(made);
    return {};
  }
  Result<> pattern(Json::Id at, std::shared_ptr<const re2::RE2>& out) const {
    if (document_.kind(at) != JsonKind::kString) return wrong(at, "a regular expression");
    return compile_pattern(at, document_.node(at).text, out);
  }
  Result<> patterns(Json::Id at, SchemaNode& out) {
    if (document_.kind(at) != JsonKind::kObject) return wrong(at, "a mapping of schemas by expressions");
    for (auto id = document_.node(at).first; id != Json::kNone; id = document_.node(id).next) {
      auto& entry = out.patterns.emplace_back(nullptr, index_of(id));
      FL_CHECK(compile_pattern(id, document_.node(id).key, entry.first));
    }
    return {};
  }

  void format(Json::Id at, SchemaNode& out) const {
    constexpr std::pair<std::string_view, Format> kNames[] = {
        {"date", Format::kDate},   {"date-time", Format::kDateTime}, {"uuid", Format::kUuid},
        {"ipv4", Format::kIpv4},   {"ipv6", Format::kIpv6},          {"email", Format::kEmail},
        {"int32", Format::kInt32}, {"int64", Format::kInt64}};
    for (const auto& [name, value] : kNames)
      if (document_.node(at).text == name) out.format = value;
  }

  /// items as a list is draft 7's way to say prefixItems, with additionalItems for the rest.
  Result<> items(Json::Id at, Json::Id child, SchemaNode& out) {
    if (document_.kind(child) != JsonKind::kArray) return one(child, out.items);
    const auto rest = document_.member(at, "additionalItems");
    if (rest != Json::kNone) out.items = index_of(rest);
    return list(child, out.prefix);
  }

  Result<> dependencies(Json::Id at, SchemaNode& out) {
    if (document_.kind(at) != JsonKind::kObject) return wrong(at, "a mapping");
    for (auto id = document_.node(at).first; id != Json::kNone; id = document_.node(id).next) {
      const auto key = document_.node(id).key;
      if (document_.kind(id) == JsonKind::kArray) {
        auto& entry = out.dependent_required.emplace_back(key, std::vector<std::string_view>{});
        FL_CHECK(strings(id, entry.second));
      } else {
        out.dependent.emplace_back(key, index_of(id));
      }
    }
    return {};
  }

  static constexpr std::pair<std::string_view, Index SchemaNode::*> kSchemas[] = {
      {"contains", &SchemaNode::contains},
      {"additionalProperties", &SchemaNode::additional},
      {"propertyNames", &SchemaNode::names},
      {"not", &SchemaNode::none_of},
      {"if", &SchemaNode::condition},
      {"then", &SchemaNode::then},
      {"else", &SchemaNode::otherwise},
      {"unevaluatedProperties", &SchemaNode::rest_of_members},
      {"unevaluatedItems", &SchemaNode::rest_of_items}};
  static constexpr std::pair<std::string_view, std::vector<Index> SchemaNode::*> kLists[] = {
      {"allOf", &SchemaNode::all_of},
      {"anyOf", &SchemaNode::any_of},
      {"oneOf", &SchemaNode::one_of},
      {"prefixItems", &SchemaNode::prefix}};
  static constexpr std::pair<std::string_view, std::string_view SchemaNode::*> kNumbers[] = {
      {"minimum", &SchemaNode::minimum},
      {"maximum", &SchemaNode::maximum},
      {"exclusiveMinimum", &SchemaNode::above},
      {"exclusiveMaximum", &SchemaNode::below},
      {"multipleOf", &SchemaNode::multiple_of}};
  struct Count {
    std::string_view name;
    Range SchemaNode::* range;
    bool least;
  };
  static constexpr Count kCounts[] = {{"minLength", &SchemaNode::length, true},
                                      {"maxLength", &SchemaNode::length, false},
                                      {"minItems", &SchemaNode::items_count, true},
                                      {"maxItems", &SchemaNode::items_count, false},
                                      {"minProperties", &SchemaNode::members_count, true},
                                      {"maxProperties", &SchemaNode::members_count, false},
                                      {"minContains", &SchemaNode::contained, true},
                                      {"maxContains", &SchemaNode::contained, false}};

  SchemaSet::Parts& parts_;
  const Json& document_;
  std::vector<Json::Id> pending_;
};

SchemaSet::SchemaSet(const Json& document, SchemaDialect dialect) : parts_(std::make_unique<Parts>()) {
  if (dialect == SchemaDialect::kBySchema)
    dialect = is_draft7(document) ? SchemaDialect::kDraft7 : SchemaDialect::kDraft2020;
  parts_->document = &document;
  parts_->dialect = dialect;
  if (!document.empty()) scan(*parts_, document.root(), {}, 0, false);
}

SchemaSet::~SchemaSet() = default;
SchemaSet::SchemaSet(SchemaSet&&) noexcept = default;
SchemaSet& SchemaSet::operator=(SchemaSet&&) noexcept = default;

Result<SchemaSet::Index> SchemaSet::add(Json::Id at) { return SchemaCompiler(*parts_).run(at); }

}  // namespace fairlead::change
