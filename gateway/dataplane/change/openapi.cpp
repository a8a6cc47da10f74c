// SPDX-License-Identifier: Apache-2.0
#include "fairlead/change/openapi.hpp"

#include <algorithm>

#include "fairlead/base/ascii.hpp"
#include "gateway/dataplane/change/openapi_parts.hpp"
#include "gateway/dataplane/change/utf8.hpp"

namespace fairlead::change {
namespace {

constexpr SchemaSet::Index kNone = 0xffffffff;

/// plus: '+' is a space, as in queries.
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

/// Values hold no slash and something else. The shortest that fits is taken, but for the last one.
bool fits(const ApiPath& path, std::string_view text, std::vector<std::string>& values) {
  values.clear();
  if (!text.starts_with(path.literals.front())) return false;
  text.remove_prefix(path.literals.front().size());
  for (std::size_t i = 0; i < path.names.size(); ++i) {
    const auto& literal = path.literals[i + 1];
    const bool last = i + 1 == path.names.size();
    std::size_t length = 0;
    if (last) {
      if (!text.ends_with(literal)) return false;
      length = text.size() - literal.size();
    } else {
      length = text.find(literal, 1);
    }
    if (length == 0 || length == std::string_view::npos || length > text.size()) return false;
    const auto value = text.substr(0, length);
    if (value.find('/') != std::string_view::npos) return false;
    values.push_back(decoded(value, false));
    text.remove_prefix(length + literal.size());
  }
  return text.empty();
}

/// The value of a text by the types that are allowed.
Json::Id value_of(Json& json, const std::string& text, std::uint8_t types) {
  constexpr std::uint8_t kNull = 1, kBoolean = 2, kNumbers = 4 | 8;
  if ((types & kNumbers) != 0 && is_json_number(text)) return json.make(JsonKind::kNumber, json.keep(text));
  if ((types & kBoolean) != 0 && (text == "true" || text == "false"))
    return json.make(text == "true" ? JsonKind::kTrue : JsonKind::kFalse);
  if ((types & kNull) != 0 && text.empty()) return json.make(JsonKind::kNull);
  return json.make(JsonKind::kString, json.keep(text));
}

std::vector<std::string> between_commas(std::string_view text) {
  std::vector<std::string> out;
  for (;;) {
    const auto comma = text.find(',');
    out.emplace_back(text.substr(0, comma));
    if (comma == std::string_view::npos) return out;
    text.remove_prefix(comma + 1);
  }
}

/// All texts that a parameter has, decoded.
std::vector<std::string> texts_of(const Parameter& parameter, const ApiRequest& request,
                                  const std::vector<std::string>& values) {
  std::vector<std::string> out;
  const auto pairs = [&](std::string_view text, char between, bool plus) {
    while (!text.empty()) {
      auto pair = text.substr(0, text.find(between));
      text.remove_prefix(std::min(text.size(), pair.size() + 1));
      while (pair.starts_with(' ')) pair.remove_prefix(1);
      const auto equals = std::min(pair.find('='), pair.size());
      if (decoded(pair.substr(0, equals), plus) != parameter.name) continue;
      out.push_back(decoded(pair.substr(std::min(equals + 1, pair.size())), plus));
    }
  };
  switch (parameter.place) {
    case ParameterPlace::kPath:
      if (parameter.position < values.size()) out.push_back(values[parameter.position]);
      break;
    case ParameterPlace::kQuery: pairs(request.query, '&', true); break;
    case ParameterPlace::kHeader:
      for (const auto& [name, value] : request.headers)
        if (name == parameter.name) out.emplace_back(value);
      break;
    case ParameterPlace::kCookie:
      for (const auto& [name, value] : request.headers)
        if (name == "cookie") pairs(value, ';', false);
      break;
  }
  return out;
}

std::string_view media_type(std::string_view content_type) {
  auto out = content_type.substr(0, content_type.find(';'));
  while (out.ends_with(' ') || out.ends_with('\t')) out.remove_suffix(1);
  return out;
}

bool same_type(std::string_view pattern, std::string_view type) {
  const auto equal = [](std::string_view a, std::string_view b) {
    return std::ranges::equal(a, b, [](char x, char y) { return x == (y >= 'A' && y <= 'Z' ? y + ('a' - 'A') : y); });
  };
  if (pattern == "*/*") return true;
  if (pattern.ends_with("/*")) {
    pattern.remove_suffix(1);
    return type.size() > pattern.size() && equal(pattern, type.substr(0, pattern.size()));
  }
  return equal(pattern, type);
}

const MediaType* body_of(const std::vector<MediaType>& bodies, std::string_view content_type) {
  const auto type = media_type(content_type);
  const MediaType* best = nullptr;
  for (const auto& one : bodies) {
    if (!same_type(one.type, type)) continue;
    const bool wild = one.type.ends_with('*');
    if (!wild) return &one;
    if (best == nullptr || one.type.size() > best->type.size()) best = &one;
  }
  return best;
}

/// The status itself goes before its class, and both before what is said of all others.
const ApiResponse* response_of(const OpenApi::Operation& operation, std::uint16_t status) {
  const auto exact = std::to_string(status);
  for (const auto& wanted : {exact, exact.substr(0, 1) + "XX", std::string("default")})
    for (const auto& one : operation.responses)
      if (one.status == wanted) return &one;
  return nullptr;
}

void add_problem(SchemaReport& report, std::string where, std::string what) {
  if (report.problems.size() < report.most) report.problems.push_back({std::move(where), std::move(what)});
  else report.more = true;
}

std::string place_name(const Parameter& parameter) {
  constexpr std::string_view kPlaces[] = {"path.", "query.", "header.", "cookie."};
  return std::string(kPlaces[static_cast<std::size_t>(parameter.place)]) + parameter.name;
}

/// The value of all of a parameter's texts; nothing: by content, and no JSON.
bool build(const Parameter& parameter, const SchemaSet& schemas, std::vector<std::string>& texts, Json& json) {
  constexpr std::uint8_t kArray = 32;
  if (parameter.json) return json.parse(texts.front());
  const auto types = schemas.types(parameter.schema);
  if ((types & kArray) == 0) {
    json.set_root(value_of(json, texts.front(), types));
    return true;
  }
  const auto array = json.make(JsonKind::kArray);
  json.set_root(array);
  const bool split =
      !parameter.explode || parameter.place == ParameterPlace::kPath || parameter.place == ParameterPlace::kHeader;
  for (const auto& text : texts)
    for (const auto& one : split ? between_commas(text) : std::vector<std::string>{text})
      json.push(array, value_of(json, one, schemas.item_types(parameter.schema)));
  return true;
}

}  // namespace

ApiMatch OpenApi::match(const ApiRequest& request, const Operation*& operation, std::vector<std::string>& values,
                        std::string& allowed) const {
  bool path_found = false;
  for (const auto& path : parts_->paths) {
    if (!fits(path, request.path, values)) continue;
    path_found = true;
    const Operation* found = nullptr;
    for (const auto& one : path.operations) {
      if (one.method == request.method) found = &one;
      allowed.append(allowed.empty() ? "" : ", ").append(one.method);
    }
    if (found != nullptr) {
      operation = found;
      return ApiMatch::kFound;
    }
    break;  // OpenAPI 3.1, 4.8.8: the concrete path is the one that is meant
  }
  return path_found ? ApiMatch::kNoMethod : ApiMatch::kNoPath;
}

bool OpenApi::check_parameters(const Operation& operation, const ApiRequest& request,
                               const std::vector<std::string>& values, SchemaReport& report) const {
  bool good = true;
  for (const auto& parameter : operation.parameters) {
    auto texts = texts_of(parameter, request, values);
    const auto refuse = [&](const std::string& where, std::string what) {
      good = false;
      add_problem(report, place_name(parameter) + where, std::move(what));
    };
    if (texts.empty()) {
      if (parameter.required) refuse({}, "is missing");
      continue;
    }
    if (parameter.schema == kNone) continue;
    if (!std::ranges::all_of(texts, valid_utf8)) {
      refuse({}, "expected UTF-8");
      continue;
    }
    Json json;
    if (!build(parameter, *parts_->schemas, texts, json)) {
      refuse({}, "expected JSON");
      continue;
    }
    if (json.kind(json.root()) != JsonKind::kArray && texts.size() > 1) {
      refuse({}, "expected it once");
      continue;
    }
    SchemaReport own{.most = report.most};
    if (parts_->schemas->validate(parameter.schema, json, json.root(), &own)) continue;
    for (auto& problem : own.problems) refuse(problem.where, std::move(problem.what));
    good = false;
  }
  return good;
}

bool OpenApi::requires_body(const Operation& operation) { return operation.body_required; }
bool OpenApi::takes_body(const Operation& operation) { return operation.has_body; }

OpenApi::BodyKind OpenApi::body_kind(const Operation& operation, std::string_view content_type) {
  const auto* body = body_of(operation.bodies, content_type);
  if (body == nullptr) return BodyKind::kUnknown;
  return body->schema == kNone ? BodyKind::kAny : BodyKind::kJson;
}

bool OpenApi::check_body(const Operation& operation, std::string_view content_type, const Json& body,
                         SchemaReport& report) const {
  const auto* type = body_of(operation.bodies, content_type);
  if (type == nullptr || type->schema == kNone) return true;
  return parts_->schemas->validate(type->schema, body, body.root(), &report, SchemaUse::kRequest);
}

OpenApi::BodyKind OpenApi::response_kind(const Operation& operation, std::uint16_t status,
                                         std::string_view content_type) {
  const auto* response = response_of(operation, status);
  if (response == nullptr) return BodyKind::kUnknown;
  if (response->bodies.empty()) return BodyKind::kAny;
  const auto* body = body_of(response->bodies, content_type);
  if (body == nullptr) return BodyKind::kUnknown;
  return body->schema == kNone ? BodyKind::kAny : BodyKind::kJson;
}

bool OpenApi::check_response(const Operation& operation, std::uint16_t status, std::string_view content_type,
                             const Json& body, SchemaReport& report) const {
  const auto* response = response_of(operation, status);
  const auto* type = response == nullptr ? nullptr : body_of(response->bodies, content_type);
  if (type == nullptr || type->schema == kNone) return true;
  return parts_->schemas->validate(type->schema, body, body.root(), &report, SchemaUse::kResponse);
}

}  // namespace fairlead::change
