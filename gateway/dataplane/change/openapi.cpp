// SPDX-License-Identifier: Apache-2.0
#include "fairlead/change/openapi.hpp"

#include <algorithm>

#include "gateway/dataplane/change/openapi_parts.hpp"
#include "gateway/dataplane/change/utf8.hpp"

namespace fairlead::change {
namespace {

constexpr SchemaSet::Index kNone = 0xffffffff;

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

/// Whether one of the values that the texts may stand for conforms.
bool check_values(const Parameter& parameter, const SchemaSet& schemas, const std::vector<std::string>& texts,
                  const TextPairs& members, SchemaReport& report) {
  std::vector<Json> values;
  if (parameter.json) {
    if (!values.emplace_back().parse(texts.front())) return report.problems.push_back({{}, "expected JSON"}), false;
    if (texts.size() > 1) values.clear();
  } else {
    values = values_of(parameter, texts, members);
  }
  if (values.empty()) report.problems.push_back({{}, texts.size() > 1 ? "expected it once" : "has too many members"});
  for (const auto& value : values) {
    SchemaReport own{.most = report.most};
    if (schemas.validate(parameter.schema, value, value.root(), &own)) return true;
    if (&value == values.data()) report = std::move(own);
  }
  return false;
}

bool all_utf8(const std::vector<std::string>& texts, const TextPairs& members) {
  return std::ranges::all_of(texts, valid_utf8) && std::ranges::all_of(members, [](const auto& pair) {
           return valid_utf8(pair.first) && valid_utf8(pair.second);
         });
}

bool check_all(const std::vector<Parameter>& parameters, const SchemaSet& schemas, const ApiRequest& request,
               const std::vector<std::string>& values, SchemaReport& report) {
  bool good = true;
  for (const auto& parameter : parameters) {
    const auto texts = parameter.spread() && parameter.types.own == ValueTypes::kObject
                           ? std::vector<std::string>{}
                           : texts_of(parameter, request, values);
    const auto members =
        parameter.may_be(ValueTypes::kObject) && !parameter.json ? members_of(parameter, request, texts) : TextPairs{};
    const auto refuse = [&](const std::string& where, std::string what) {
      good = false;
      add_problem(report, place_name(parameter) + where, std::move(what));
    };
    // Of an object that is nothing but its members nobody sees whether it is there: what it needs, it says itself.
    if (texts.empty() && members.empty() && !(parameter.spread() && parameter.required)) {
      if (parameter.required) refuse({}, "is missing");
      continue;
    }
    if (parameter.schema == kNone) continue;
    if (!all_utf8(texts, members)) {
      refuse({}, "expected UTF-8");
      continue;
    }
    SchemaReport own{.most = report.most};
    if (check_values(parameter, schemas, texts, members, own)) continue;
    for (auto& problem : own.problems) refuse(problem.where, std::move(problem.what));
    good = false;
  }
  return good;
}

}  // namespace

ApiMatch OpenApi::match(const ApiRequest& request, const Operation*& operation, std::vector<std::string>& values,
                        std::string& allowed) const {
  const ApiPath* first = nullptr;
  for (const auto& path : parts_->paths) {
    // The concrete path is the one that is meant (OpenAPI 3.1, 4.8.8). Documents name one of the same form again, with
    // another name for a value and other methods, though they should not: those are one.
    if (first != nullptr && path.literals != first->literals) continue;
    if (!fits(path, request.path, values)) continue;
    if (first == nullptr) first = &path;
    const Operation* found = nullptr;
    for (const auto& one : path.operations) {
      if (one.method == request.method) found = &one;
      allowed.append(allowed.empty() ? "" : ", ").append(one.method);
    }
    if (found != nullptr) {
      operation = found;
      return ApiMatch::kFound;
    }
  }
  return first != nullptr ? ApiMatch::kNoMethod : ApiMatch::kNoPath;
}

bool OpenApi::check_parameters(const Operation& operation, const ApiRequest& request,
                               const std::vector<std::string>& values, SchemaReport& report) const {
  return check_all(operation.parameters, *parts_->schemas, request, values, report);
}

bool OpenApi::check_headers(const Operation& operation, std::uint16_t status, const ApiHeaders& headers,
                            SchemaReport& report) const {
  const auto* response = response_of(operation, status);
  return response == nullptr || check_all(response->headers, *parts_->schemas,
                                          {.method = {}, .path = {}, .query = {}, .headers = headers}, {}, report);
}

bool OpenApi::requires_body(const Operation& operation) { return operation.body_required; }
bool OpenApi::takes_body(const Operation& operation) { return operation.has_body; }

OpenApi::BodyKind OpenApi::body_kind(const Operation& operation, std::string_view content_type) {
  const auto* body = body_of(operation.bodies, content_type);
  if (body == nullptr) return BodyKind::kUnknown;
  if (body->schema == kNone) return BodyKind::kAny;
  return body->form ? BodyKind::kForm : BodyKind::kJson;
}

bool OpenApi::read_form(const Operation& operation, std::string_view content_type, std::string_view text,
                        Json& out) const {
  const auto* type = body_of(operation.bodies, content_type);
  const auto fields = pairs_of(text, '&', true);
  return type != nullptr && all_utf8({}, fields) && build_object(fields, type->members, out);
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
