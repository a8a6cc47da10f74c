// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/filter/body_fields.hpp"

#include <algorithm>

#include "fairlead/base/ascii.hpp"
#include "fairlead/change/template.hpp"
#include "fairlead/route/query.hpp"

namespace fairlead::filter {
namespace {

using change::Json;
using change::JsonKind;

/// The value of a parameter of a field: boundary of `multipart/form-data; boundary="x"`.
std::string parameter_of(std::string_view value, std::string_view name) {
  bool quoted = false;
  for (std::size_t at = 0; at < value.size(); ++at) {
    if (value[at] == '"') quoted = !quoted;
    if (quoted && value[at] == '\\') ++at;
    if (quoted || value[at] != ';') continue;
    auto part = value.substr(at + 1);
    while (part.starts_with(' ') || part.starts_with('\t')) part.remove_prefix(1);
    if (part.size() <= name.size() || lower_ascii(part.substr(0, name.size())) != name || part[name.size()] != '=')
      continue;
    part.remove_prefix(name.size() + 1);
    if (part.starts_with('"')) return std::string(part.substr(1, part.find('"', 1) - 1));
    return std::string(part.substr(0, part.find_first_of("; \t")));
  }
  return {};
}

/// The header field of a part; empty: none.
std::string_view field_of(std::string_view head, std::string_view name) {
  while (!head.empty()) {
    const auto line = head.substr(0, head.find("\r\n"));
    head.remove_prefix(std::min(head.size(), line.size() + 2));
    const auto colon = line.find(':');
    if (colon != std::string_view::npos && lower_ascii(line.substr(0, colon)) == name) return line.substr(colon + 1);
  }
  return {};
}

/// Two parts: what stands before the empty line, and behind it.
std::pair<std::string_view, std::string_view> split_part(std::string_view part) {
  if (part.starts_with("\r\n")) return {{}, part.substr(2)};
  const auto end = part.find("\r\n\r\n");
  if (end == std::string_view::npos) return {part, {}};
  return {part.substr(0, end), part.substr(end + 4)};
}

/// What cannot end a quoted name.
std::string quoted(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (c == '"') out += "%22";
    else if (c != '\r' && c != '\n') out += c;
  }
  return out;
}

}  // namespace

BodyFields::Kind BodyFields::kind_of(const http::Fields& fields) {
  const auto* type = http::find(fields, "content-type");
  if (type == nullptr) return Kind::kNone;
  const auto text = lower_ascii(type->value);
  if (text.find("application/json") != std::string::npos) return Kind::kJson;
  if (text.find("multipart/form-data") != std::string::npos) return Kind::kMultipart;
  return text.find("application/x-www-form-urlencoded") != std::string::npos ? Kind::kForm : Kind::kNone;
}

BodyFields::BodyFields(const http::Fields& fields, std::string_view body) : kind_(kind_of(fields)) {
  switch (kind_) {
    case Kind::kJson:
      good_ =
          json_.parse(body.empty() ? std::string_view("{}") : body) && json_.kind(json_.root()) == JsonKind::kObject;
      break;
    case Kind::kForm: read_form(body); break;
    case Kind::kMultipart:
      boundary_ = parameter_of(http::find(fields, "content-type")->value, "boundary");
      good_ = !boundary_.empty();
      if (good_) read_parts(body);
      break;
    case Kind::kNone: good_ = false;
  }
}

void BodyFields::read_form(std::string_view body) {
  while (!body.empty()) {
    const auto text = body.substr(0, body.find('&'));
    body.remove_prefix(std::min(body.size(), text.size() + 1));
    if (text.empty()) continue;
    auto& pair = pairs_.emplace_back(Pair{.name = {}, .text = text, .value = {}});
    route::decode_query(text.substr(0, text.find('=')), pair.name);
  }
}

/// RFC 2046 section 5.1.1; what stands before the first boundary and behind the last says nothing.
void BodyFields::read_parts(std::string_view body) {
  const auto mark = "--" + boundary_;
  auto at = body.find(mark);
  while (at != std::string_view::npos) {
    auto rest = body.substr(at + mark.size());
    if (rest.starts_with("--")) return;
    rest.remove_prefix(std::min(rest.size(), rest.find("\r\n") == std::string_view::npos ? rest.size() : 2));
    const auto end = rest.find("\r\n" + mark);
    if (end == std::string_view::npos) return;
    auto& pair = pairs_.emplace_back(Pair{.name = {}, .text = rest.substr(0, end), .value = {}});
    pair.name = parameter_of(field_of(split_part(pair.text).first, "content-disposition"), "name");
    at = static_cast<std::size_t>(rest.data() - body.data()) + end + 2;
  }
}

bool BodyFields::has(std::string_view name) const {
  if (kind_ == Kind::kJson) return good_ && json_.member(json_.root(), name) != Json::kNone;
  return std::ranges::any_of(pairs_, [&](const Pair& pair) { return pair.name == name; });
}

std::string BodyFields::value_of(const Pair& pair) const {
  if (pair.text.empty()) return pair.value;
  if (kind_ == Kind::kMultipart) return std::string(split_part(pair.text).second);
  std::string out;
  const auto equals = std::min(pair.text.find('='), pair.text.size());
  route::decode_query(pair.text.substr(std::min(equals + 1, pair.text.size())), out);
  return out;
}

std::optional<std::string> BodyFields::value(std::string_view name) const {
  if (!good_) return std::nullopt;
  if (kind_ != Kind::kJson) {
    const auto found = std::ranges::find(pairs_, name, &Pair::name);
    return found == pairs_.end() ? std::nullopt : std::optional(value_of(*found));
  }
  const auto id = json_.member(json_.root(), name);
  if (id == Json::kNone) return std::nullopt;
  const auto& node = json_.node(id);
  if (node.kind != JsonKind::kString && node.kind != JsonKind::kNumber) return std::nullopt;
  return std::string(node.text);
}

bool BodyFields::several(std::string_view name) const {
  if (!good_) return false;
  if (kind_ != Kind::kJson) return std::ranges::count(pairs_, name, &Pair::name) > 1;
  const auto id = json_.member(json_.root(), name);
  return id != Json::kNone && json_.node(id).kind == JsonKind::kArray;
}

bool BodyFields::remove(std::string_view name) {
  if (!good_) return false;
  if (kind_ != Kind::kJson) return std::erase_if(pairs_, [&](const Pair& pair) { return pair.name == name; }) > 0;
  const auto id = json_.member(json_.root(), name);
  if (id == Json::kNone) return false;
  json_.unlink(json_.root(), id);
  return true;
}

bool BodyFields::rename(std::string_view from, std::string_view to) {
  if (!has(from) || from == to) return false;
  if (kind_ == Kind::kJson) {
    const auto id = json_.member(json_.root(), from);
    const auto copy = json_.copy(json_, id);
    json_.unlink(json_.root(), id);
    json_.put(json_.root(), json_.keep(to), copy);
    return true;
  }
  std::erase_if(pairs_, [&](const Pair& pair) { return pair.name == to; });
  for (auto& pair : pairs_) {
    if (pair.name != from) continue;
    pair.value = value_of(pair);
    pair.text = {};
    pair.name = to;
  }
  return true;
}

void BodyFields::set(std::string_view name, std::string_view value) {
  if (!good_) return;
  if (kind_ == Kind::kJson) {
    const auto made = json_.make(JsonKind::kString, json_.keep(value));
    return json_.put(json_.root(), json_.keep(name), made);
  }
  const auto first = std::ranges::find(pairs_, name, &Pair::name);
  if (first == pairs_.end()) {
    pairs_.push_back({std::string(name), {}, std::string(value)});
    return;
  }
  *first = {std::string(name), {}, std::string(value)};
  const auto behind = std::ranges::remove(std::ranges::next(first), pairs_.end(), name, &Pair::name);
  pairs_.erase(behind.begin(), behind.end());
}

void BodyFields::append(std::string_view name, std::string_view value) {
  if (!good_) return;
  if (kind_ != Kind::kJson) {
    pairs_.push_back({std::string(name), {}, std::string(value)});
    return;
  }
  const auto root = json_.root();
  const auto there = json_.member(root, name);
  const auto made = json_.make(JsonKind::kString, json_.keep(value));
  if (there != Json::kNone && json_.kind(there) == JsonKind::kArray) return json_.push(there, made);
  const auto list = json_.make(JsonKind::kArray);
  // A string becomes the first item; what is of another kind goes, as in Kong's plugin.
  if (there != Json::kNone && json_.kind(there) == JsonKind::kString) json_.push(list, json_.copy(json_, there));
  json_.push(list, made);
  json_.put(root, json_.keep(name), list);
}

std::string BodyFields::text() const {
  std::string out;
  if (kind_ == Kind::kJson) {
    json_.write(json_.root(), out);
    return out;
  }
  for (const auto& pair : pairs_) {
    if (kind_ == Kind::kForm) {
      if (!out.empty()) out += '&';
      if (!pair.text.empty()) {
        out += pair.text;
        continue;
      }
      change::append_percent_encoded(pair.name, out);
      out += '=';
      change::append_percent_encoded(pair.value, out);
      continue;
    }
    out.append("--").append(boundary_).append("\r\n");
    if (!pair.text.empty()) out += pair.text;
    else
      out.append("Content-Disposition: form-data; name=\"")
          .append(quoted(pair.name))
          .append("\"\r\n\r\n")
          .append(pair.value);
    out += "\r\n";
  }
  if (kind_ == Kind::kMultipart) out.append("--").append(boundary_).append("--\r\n");
  return out;
}

}  // namespace fairlead::filter
