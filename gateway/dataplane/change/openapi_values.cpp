// SPDX-License-Identifier: Apache-2.0
// What texts of requests stand for, by the types that OpenAPI gives them.
#include <algorithm>
#include <optional>
#include <utility>

#include "fairlead/base/ascii.hpp"
#include "gateway/dataplane/change/openapi_parts.hpp"

namespace fairlead::change {
namespace {

constexpr std::size_t kMostMembers = 1000;  // of an object that is made of texts: each is looked for among the others

bool allows(std::uint8_t types, std::uint8_t type) { return types == 0 || (types & type) != 0; }

/// The value of a text by the types that are told of it.
Json::Id value_of(Json& json, const std::string& text, std::uint8_t types) {
  if ((types & ValueTypes::kNumbers) != 0 && is_json_number(text)) return json.make(JsonKind::kNumber, json.keep(text));
  if ((types & ValueTypes::kBoolean) != 0 && (text == "true" || text == "false"))
    return json.make(text == "true" ? JsonKind::kTrue : JsonKind::kFalse);
  if ((types & ValueTypes::kNull) != 0 && text.empty()) return json.make(JsonKind::kNull);
  return json.make(JsonKind::kString, json.keep(text));
}

std::vector<std::string> parts_of(std::string_view text, char between) {
  std::vector<std::string> out;
  for (;;) {
    const auto end = text.find(between);
    out.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return out;
    text.remove_prefix(end + 1);
  }
}

bool is_form(const Parameter& parameter) {
  return parameter.place == ParameterPlace::kQuery || parameter.place == ParameterPlace::kCookie;
}

TextPairs all_pairs(const ApiRequest& request, ParameterPlace place) {
  if (place == ParameterPlace::kQuery) return pairs_of(request.query, '&', true);
  TextPairs out;
  for (const auto& [name, value] : request.headers)
    if (name == "cookie") std::ranges::move(pairs_of(value, ';', false), std::back_inserter(out));
  return out;
}

/// What stands between the items of a text. Versions of OpenAPI differ on style label without explode: by commas, or
/// where there are none by dots.
char separator(const Parameter& parameter, std::string_view text) {
  const bool dots = parameter.lead == '.' && text.find(',') == std::string_view::npos;
  return dots ? '.' : parameter.between;
}

/// The items of a text. Those of headers may have blanks about them (RFC 9110 section 5.6.1).
std::vector<std::string> items_of(const Parameter& parameter, std::string_view text) {
  auto out = parts_of(text, separator(parameter, text));
  if (parameter.place != ParameterPlace::kHeader) return out;
  for (auto& item : out) {
    const auto begin = item.find_first_not_of(" \t");
    item = begin == std::string::npos ? std::string() : item.substr(begin, item.find_last_not_of(" \t") - begin + 1);
  }
  return out;
}

/// ".blue.black" and ";color=blue;color=black" without what leads: "blue.black", "blue;black". An object's ";R=1;G=2"
/// is "R=1;G=2". Nothing: it is not in that style.
std::optional<std::string> without_lead(const Parameter& parameter, std::string_view text) {
  if (parameter.lead == 0) return std::string(text);
  if (!text.starts_with(parameter.lead)) return std::nullopt;
  text.remove_prefix(1);
  if (parameter.lead == '.') return std::string(text);
  std::string out;
  const char* between = "";
  for (const auto& part : parameter.explode ? parts_of(text, ';') : std::vector<std::string>{std::string(text)}) {
    const auto equals = std::min(part.find('='), part.size());
    const bool own = std::string_view(part).substr(0, equals) == parameter.name;
    if (!own && (!parameter.explode || !parameter.may_be(ValueTypes::kObject))) return std::nullopt;
    out += std::exchange(between, ";");
    out += own ? std::string_view(part).substr(std::min(equals + 1, part.size())) : std::string_view(part);
  }
  return out;
}

/// "a,1,b,2", or "a=1,b=2".
TextPairs members_in(const Parameter& parameter, std::string_view text) {
  TextPairs out;
  const auto parts = items_of(parameter, text);
  for (std::size_t i = 0; i < parts.size(); i += parameter.explode ? 1 : 2) {
    const auto& part = parts[i];
    const auto equals = parameter.explode ? std::min(part.find('='), part.size()) : part.size();
    auto value = parameter.explode      ? part.substr(std::min(equals + 1, part.size()))
                 : i + 1 < parts.size() ? parts[i + 1]
                                        : std::string();
    out.emplace_back(part.substr(0, equals), std::move(value));
  }
  return out;
}

Json array_of(const Parameter& parameter, const std::vector<std::string>& texts) {
  Json json;
  const auto array = json.make(JsonKind::kArray);
  json.set_root(array);
  const bool split = !parameter.explode || !is_form(parameter);
  for (const auto& text : texts)
    for (const auto& one : split ? items_of(parameter, text) : std::vector<std::string>{text})
      json.push(array, value_of(json, one, parameter.types.items));
  return json;
}

}  // namespace

std::string decoded(std::string_view text, bool plus) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int high = text[i] == '%' && i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
    const int low = high >= 0 ? hex_value(text[i + 2]) : -1;
    if (low >= 0) {
      out.push_back(static_cast<char>(high * 16 + low));
      i += 2;
    } else {
      out.push_back(plus && text[i] == '+' ? ' ' : text[i]);
    }
  }
  return out;
}

TextPairs pairs_of(std::string_view text, char between, bool plus) {
  TextPairs out;
  while (!text.empty()) {
    auto pair = text.substr(0, text.find(between));
    text.remove_prefix(std::min(text.size(), pair.size() + 1));
    while (pair.starts_with(' ') || pair.starts_with('\t')) pair.remove_prefix(1);
    if (pair.empty()) continue;
    const auto equals = std::min(pair.find('='), pair.size());
    out.emplace_back(decoded(pair.substr(0, equals), plus),
                     decoded(pair.substr(std::min(equals + 1, pair.size())), plus));
  }
  return out;
}

std::vector<std::string> texts_of(const Parameter& parameter, const ApiRequest& request,
                                  const std::vector<std::string>& values) {
  std::vector<std::string> out;
  switch (parameter.place) {
    case ParameterPlace::kPath:
      if (parameter.position < values.size())
        if (auto text = without_lead(parameter, values[parameter.position])) out.push_back(std::move(*text));
      break;
    case ParameterPlace::kQuery:
    case ParameterPlace::kCookie:
      for (auto& [name, value] : all_pairs(request, parameter.place))
        if (name == parameter.name) out.push_back(std::move(value));
      break;
    case ParameterPlace::kHeader:
      for (const auto& [name, value] : request.headers)
        if (name == parameter.name) out.emplace_back(value);
      break;
  }
  return out;
}

TextPairs members_of(const Parameter& parameter, const ApiRequest& request, const std::vector<std::string>& texts) {
  if (!parameter.deep && !parameter.spread())
    return texts.size() == 1 ? members_in(parameter, texts.front()) : TextPairs{};
  auto out = all_pairs(request, parameter.place);
  if (parameter.spread()) {
    std::erase_if(out, [&](const auto& pair) { return !parameter.members.contains(pair.first); });
    return out;
  }
  const auto before = parameter.name + "[";
  std::erase_if(out, [&](const auto& pair) { return !pair.first.starts_with(before) || !pair.first.ends_with(']'); });
  for (auto& [name, value] : out) name = name.substr(before.size(), name.size() - before.size() - 1);
  return out;
}

bool build_object(const TextPairs& members, const MemberTypes& types, Json& out) {
  const auto object = out.make(JsonKind::kObject);
  out.set_root(object);
  std::map<std::string_view, Json::Id> made;
  for (const auto& [name, text] : members) {
    const auto found = types.find(name);
    const auto own = found == types.end() ? ValueTypes{} : found->second;
    const auto standing = made.find(name);
    const bool list = (own.own & ValueTypes::kArray) != 0;
    const auto value = value_of(out, text, list ? own.items : own.own);
    if (standing != made.end()) {
      auto& at = standing->second;
      if (out.kind(at) != JsonKind::kArray) {
        const auto array = out.make(JsonKind::kArray);
        out.push(array, out.make(out.kind(at), out.node(at).text));
        out.put(object, out.keep(name), array);
        at = array;
      }
      out.push(at, value);
      continue;
    }
    if (made.size() == kMostMembers) return false;
    auto placed = value;
    if (list) {
      placed = out.make(JsonKind::kArray);
      out.push(placed, value);
    }
    out.put(object, out.keep(name), placed);
    made.emplace(name, placed);
  }
  return true;
}

std::vector<Json> values_of(const Parameter& parameter, const std::vector<std::string>& texts,
                            const TextPairs& members) {
  std::vector<Json> out;
  const auto types = parameter.types.own;
  if (parameter.may_be(ValueTypes::kObject) && (!members.empty() || (parameter.spread() && texts.empty())))
    if (Json json; build_object(members, parameter.members, json)) out.push_back(std::move(json));
  if (parameter.may_be(ValueTypes::kArray) && !texts.empty()) out.push_back(array_of(parameter, texts));
  if (texts.size() != 1) return out;
  const auto& text = texts.front();
  const auto add = [&](JsonKind kind, std::string_view of = {}) {
    auto& json = out.emplace_back();
    json.set_root(json.make(kind, of));
  };
  if (allows(types, ValueTypes::kNumbers) && is_json_number(text)) add(JsonKind::kNumber, text);
  if (allows(types, ValueTypes::kBoolean) && (text == "true" || text == "false"))
    add(text == "true" ? JsonKind::kTrue : JsonKind::kFalse);
  if (allows(types, ValueTypes::kNull) && text.empty()) add(JsonKind::kNull);
  if (allows(types, ValueTypes::kString) || out.empty()) add(JsonKind::kString, text);
  return out;
}

}  // namespace fairlead::change
