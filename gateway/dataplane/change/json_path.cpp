// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>
#include <span>

#include "fairlead/change/json.hpp"
#include "gateway/dataplane/change/utf8.hpp"

namespace fairlead::change {
namespace {

constexpr std::size_t kMostSteps = 32;

std::optional<std::size_t> index_of(std::string_view text) {
  std::size_t out = 0;
  if (text.empty() || text.size() > 6 || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return out;
}

std::optional<JsonPath> parse_pointer(std::string_view text) {
  JsonPath out;
  while (!text.empty()) {
    text.remove_prefix(1);
    const auto part = text.substr(0, text.find('/'));
    text.remove_prefix(part.size());
    JsonStep step;
    for (std::size_t i = 0; i < part.size(); ++i) {
      if (part[i] != '~') {
        step.key.push_back(part[i]);
        continue;
      }
      if (++i == part.size() || (part[i] != '0' && part[i] != '1')) return std::nullopt;
      step.key.push_back(part[i] == '0' ? '~' : '/');
    }
    if (const auto index = index_of(step.key)) step.index = *index;
    else step.index = Json::kNone;
    if (out.size() == kMostSteps) return std::nullopt;
    out.push_back(std::move(step));
  }
  return out;
}

/// What stands in brackets: 0 or "name". Nothing: neither.
std::optional<JsonStep> take_bracket(std::string_view& text) {
  text.remove_prefix(1);
  if (text.starts_with('"')) {
    const auto end = text.find("\"]", 1);
    if (end == std::string_view::npos) return std::nullopt;
    JsonStep step{.key = std::string(text.substr(1, end - 1)), .index = Json::kNone, .is_index = false};
    text.remove_prefix(end + 2);
    return step;
  }
  const auto end = text.find(']');
  if (end == std::string_view::npos) return std::nullopt;
  const auto index = index_of(text.substr(0, end));
  if (!index) return std::nullopt;
  text.remove_prefix(end + 1);
  return JsonStep{.key = {}, .index = *index, .is_index = true};
}

}  // namespace

std::optional<JsonPath> parse_json_path(std::string_view text) {
  if (!valid_utf8(text)) return std::nullopt;  // its names may come to stand in documents
  if (text.starts_with('/')) return parse_pointer(text);
  JsonPath out;
  bool first = true;
  while (!text.empty()) {
    if (out.size() == kMostSteps) return std::nullopt;
    if (text.front() == '[') {
      auto step = take_bracket(text);
      if (!step) return std::nullopt;
      out.push_back(std::move(*step));
    } else {
      if (!first) {
        if (text.front() != '.') return std::nullopt;
        text.remove_prefix(1);
      }
      const auto name = text.substr(0, text.find_first_of(".["));
      if (name.empty() || name.find_first_of("]\" \t") != std::string_view::npos) return std::nullopt;
      out.push_back({.key = std::string(name), .index = Json::kNone, .is_index = false});
      text.remove_prefix(name.size());
    }
    first = false;
  }
  return out;
}

namespace {

/// A step of a pointer that is all digits goes either way.
Json::Id follow(const Json& document, Json::Id at, const JsonStep& step) {
  if (document.kind(at) == JsonKind::kArray)
    return step.index == Json::kNone ? Json::kNone : document.item(at, step.index);
  return step.is_index ? Json::kNone : document.member(at, step.key);
}

bool may_hold(const Json& document, Json::Id at, const JsonStep& step) {
  if (document.kind(at) == JsonKind::kObject) return !step.is_index;
  return document.kind(at) == JsonKind::kArray && step.index != Json::kNone && step.index == document.count(at);
}

void place(Json& document, Json::Id parent, const JsonStep& step, Json::Id value) {
  if (document.kind(parent) == JsonKind::kArray) document.push(parent, value);
  else document.put(parent, document.keep(step.key), value);
}

}  // namespace

Json::Id find(const Json& document, Json::Id from, const JsonPath& path) {
  for (const auto& step : path) {
    if (from == Json::kNone) return from;
    from = follow(document, from, step);
  }
  return from;
}

bool edit(Json& document, const JsonPath& path, JsonEdit how, Json::Id value) {
  auto parent = Json::kNone, at = document.root();
  std::size_t done = 0;
  for (; done < path.size(); ++done) {
    const auto next = follow(document, at, path[done]);
    if (next == Json::kNone) break;
    parent = at;
    at = next;
  }
  if (done < path.size()) {
    if (how == JsonEdit::kReplace || !may_hold(document, at, path[done])) return false;
    // What is made on the way can hold a first item only.
    for (auto i = done + 1; i < path.size(); ++i)
      if (path[i].is_index && path[i].index != 0) return false;
    if (how == JsonEdit::kAppend) {
      const auto array = document.make(JsonKind::kArray);
      document.push(array, value);
      value = array;
    }
    for (auto i = path.size() - 1; i > done; --i) {
      const auto made = document.make(path[i].is_index ? JsonKind::kArray : JsonKind::kObject);
      place(document, made, path[i], value);
      value = made;
    }
    place(document, at, path[done], value);
    return true;
  }
  if (how == JsonEdit::kAdd) return true;
  if (how == JsonEdit::kAppend) {
    if (document.kind(at) == JsonKind::kArray) {
      document.push(at, value);
      return true;
    }
    const auto array = document.make(JsonKind::kArray);
    document.push(array, document.copy(document, at));
    document.push(array, value);
    value = array;
  }
  if (parent == Json::kNone) document.set_root(value);
  else document.replace(parent, at, value);
  return true;
}

bool remove(Json& document, const JsonPath& path) {
  auto parent = Json::kNone, at = document.root();
  for (const auto& step : path) {
    parent = at;
    at = follow(document, at, step);
    if (at == Json::kNone) return false;
  }
  if (parent == Json::kNone) return false;
  document.unlink(parent, at);
  return true;
}

bool rename(Json& document, const JsonPath& from, const JsonPath& to) {
  const auto same = [](const JsonStep& a, const JsonStep& b) { return a.key == b.key && a.index == b.index; };
  const auto shared = std::min(from.size(), to.size());
  const bool nested = std::ranges::equal(std::span(from).first(shared), std::span(to).first(shared), same);
  const auto at = find(document, document.root(), from);
  if (at == Json::kNone || from.empty() || to.empty() || (nested && to.size() > from.size())) return false;
  if (nested && to.size() == from.size()) return true;
  // First the new place, so that nothing is lost where there is none.
  if (!edit(document, to, JsonEdit::kSet, document.copy(document, at))) return false;
  return nested || remove(document, from);  // a place above the old one has replaced it
}

}  // namespace fairlead::change
