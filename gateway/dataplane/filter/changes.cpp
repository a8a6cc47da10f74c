// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/filter/changes.hpp"

#include <algorithm>

#include "fairlead/route/query.hpp"
#include "gateway/dataplane/filter/request_scope.hpp"

namespace fairlead::filter {
namespace {

using change::Place;
using model::ChangeKind;

constexpr std::size_t kMostValue = 8192;  // bytes of one header or parameter

/// One pair of a query, as it stands there.
struct Pair {
  std::string name;       // decoded
  std::string_view text;  // "name=value", encoded
};

std::vector<Pair> pairs_of(std::string_view query) {
  std::vector<Pair> out;
  while (!query.empty()) {
    const auto text = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), text.size() + 1));
    auto& pair = out.emplace_back(Pair{.name = {}, .text = text});
    route::decode_query(text.substr(0, text.find('=')), pair.name);
  }
  return out;
}

std::string_view pair_text(std::string_view name, std::string_view encoded, Arena& arena) {
  std::string out;
  change::append_percent_encoded(name, out);
  out.append("=").append(encoded);
  return arena.copy(out);
}

}  // namespace

FieldChanges::FieldChanges(const std::vector<model::FieldChange>& changes, Place place) {
  for (const auto& one : changes) {
    const bool rename = one.kind == ChangeKind::kRename;
    changes_.push_back({one.kind, one.name, rename ? one.value : std::string{},
                        rename ? change::Template{} : compiled(one.value, place)});
  }
}

bool FieldChanges::uses(change::Source source) const {
  return std::ranges::any_of(changes_, [source](const One& one) { return one.value.uses(source); });
}

FieldChanges::Values FieldChanges::render(change::Scope& scope) const {
  Values out(changes_.size());
  for (std::size_t i = 0; i < changes_.size(); ++i) {
    std::string text;
    if (changes_[i].kind <= ChangeKind::kRename || changes_[i].value.lacks_value(scope)) continue;
    if (changes_[i].value.render(scope, kMostValue, text) == change::RenderError::kNone) out[i] = std::move(text);
  }
  return out;
}

void FieldChanges::apply(const Values& values, http::Fields& fields, Arena& arena) const {
  for (std::size_t i = 0; i < changes_.size(); ++i) {
    const auto& one = changes_[i];
    const bool present = http::find(fields, one.name) != nullptr;
    if (one.kind == ChangeKind::kRemove) {
      std::erase_if(fields, [&](const http::Field& field) { return field.name == one.name; });
      continue;
    }
    if (one.kind == ChangeKind::kRename) {
      if (!present || one.name == one.to) continue;
      std::erase_if(fields, [&](const http::Field& field) { return field.name == one.to; });
      for (auto& field : fields)
        if (field.name == one.name) field.name = arena.copy(one.to);
      continue;
    }
    if ((one.kind == ChangeKind::kAdd && present) || (one.kind == ChangeKind::kReplace && !present)) continue;
    const auto& value = values[i];
    if (!value || value->empty()) continue;
    if (one.kind == ChangeKind::kSet || one.kind == ChangeKind::kReplace)
      std::erase_if(fields, [&](const http::Field& field) { return field.name == one.name; });
    fields.push_back({arena.copy(one.name), arena.copy(*value)});
  }
}

void FieldChanges::apply(const Values& values, route::Target& target, Arena& arena) const {
  if (changes_.empty()) return;
  auto pairs = pairs_of(target.query);
  for (std::size_t i = 0; i < changes_.size(); ++i) {
    const auto& one = changes_[i];
    const auto named = [&](const Pair& pair) { return pair.name == one.name; };
    const bool present = std::ranges::any_of(pairs, named);
    if (one.kind == ChangeKind::kRemove) {
      std::erase_if(pairs, named);
      continue;
    }
    if (one.kind == ChangeKind::kRename) {
      if (!present || one.name == one.to) continue;
      std::erase_if(pairs, [&](const Pair& pair) { return pair.name == one.to; });
      for (auto& pair : pairs) {
        if (!named(pair)) continue;
        const auto equals = std::min(pair.text.find('='), pair.text.size());
        pair.text = pair_text(one.to, pair.text.substr(std::min(equals + 1, pair.text.size())), arena);
        pair.name = one.to;
      }
      continue;
    }
    if ((one.kind == ChangeKind::kAdd && present) || (one.kind == ChangeKind::kReplace && !present)) continue;
    const auto& value = values[i];
    if (!value) continue;
    if (one.kind == ChangeKind::kSet || one.kind == ChangeKind::kReplace) std::erase_if(pairs, named);
    pairs.push_back({one.name, pair_text(one.name, *value, arena)});
  }
  std::string query;
  for (const auto& pair : pairs) query.append(query.empty() ? "" : "&").append(pair.text);
  target.query = arena.copy(query);
  target.has_query = !query.empty();
}

bool FieldChanges::apply(const Values& values, BodyFields& fields) const {
  bool changed = false;
  for (std::size_t i = 0; i < changes_.size(); ++i) {
    const auto& one = changes_[i];
    const bool present = fields.has(one.name);
    if (one.kind == ChangeKind::kRemove || one.kind == ChangeKind::kRename) {
      const bool done = one.kind == ChangeKind::kRemove ? fields.remove(one.name) : fields.rename(one.name, one.to);
      changed = changed || done;
      continue;
    }
    if ((one.kind == ChangeKind::kAdd && present) || (one.kind == ChangeKind::kReplace && !present)) continue;
    if (!values[i]) continue;
    if (one.kind == ChangeKind::kAppend) fields.append(one.name, *values[i]);
    else fields.set(one.name, *values[i]);
    changed = true;
  }
  return changed;
}

BodyChanges::BodyChanges(const model::BodyChange& changes, std::size_t most) : most_(most) {
  const auto path = [](std::string_view text) { return change::parse_json_path(text).value_or(change::JsonPath{}); };
  for (const auto& one : changes.json) {
    const bool rename = one.kind == ChangeKind::kRename;
    json_.push_back({one.kind, path(one.path), rename ? path(one.value) : change::JsonPath{},
                     one.kind > ChangeKind::kRename ? compiled(one.value, Place::kJson) : change::Template{}});
  }
  replaces_ = !changes.map.empty() || !changes.text.empty();
  if (!changes.map.empty()) whole_ = compiled(changes.map, Place::kJson);
  else if (replaces_) whole_ = compiled(changes.text, change::place_of_type(changes.content_type));
  content_type_ = !changes.content_type.empty() ? changes.content_type : replaces_ ? "application/json" : "";
}

bool BodyChanges::uses(change::Source source) const {
  return whole_.uses(source) || std::ranges::any_of(json_, [source](const One& one) { return one.value.uses(source); });
}

bool BodyChanges::apply(const One& one, std::string value, change::Json& document) {
  if (one.kind == ChangeKind::kRemove) {
    static_cast<void>(change::remove(document, one.path));  // what is not there is gone already
    return true;
  }
  if (one.kind == ChangeKind::kRename) {
    static_cast<void>(change::rename(document, one.path, one.to));
    return true;
  }
  change::Json made;
  if (!made.parse(document.keep(std::move(value)))) return false;
  constexpr change::JsonEdit kEdits[] = {change::JsonEdit::kReplace, change::JsonEdit::kSet, change::JsonEdit::kAdd,
                                         change::JsonEdit::kAppend};
  const auto how = kEdits[static_cast<int>(one.kind) - static_cast<int>(ChangeKind::kReplace)];
  static_cast<void>(change::edit(document, one.path, how, document.adopt(std::move(made))));
  return true;
}

/// All values are those that came: they are made before anything is changed.
bool BodyChanges::edit(change::Scope& scope, change::Json& document) const {
  std::vector<std::string> values(json_.size());
  for (std::size_t i = 0; i < json_.size(); ++i)
    if (json_[i].kind > ChangeKind::kRename &&
        json_[i].value.render(scope, most_, values[i]) != change::RenderError::kNone)
      return false;
  for (std::size_t i = 0; i < json_.size(); ++i)
    if (!apply(json_[i], std::move(values[i]), document)) return false;
  return true;
}

bool BodyChanges::apply(change::Scope& scope, change::Json& document, std::string& out) const {
  if (!replaces_) {
    if (!edit(scope, document)) return false;
    document.write(document.root(), out);
    return out.size() <= most_;
  }
  if (whole_.render(scope, most_, out) != change::RenderError::kNone) return false;
  if (json_.empty()) return true;
  const auto text = std::move(out);
  change::Json made;
  if (!made.parse(text) || !edit(scope, made)) return false;
  out.clear();
  made.write(made.root(), out);
  return out.size() <= most_;
}

}  // namespace fairlead::filter
