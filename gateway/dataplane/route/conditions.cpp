// SPDX-License-Identifier: Apache-2.0
#include "conditions.hpp"

#include <re2/re2.h>

#include <charconv>

#include "fairlead/route/query.hpp"

namespace fairlead::route {
namespace {

// Where a value must be put together; kept so that it is allocated once per thread.
thread_local std::string scratch;

std::string_view content_length(const http::RequestHead& head) {
  scratch.resize(20);
  const auto done = std::to_chars(scratch.data(), scratch.data() + scratch.size(), head.content_length);
  return {scratch.data(), static_cast<std::size_t>(done.ptr - scratch.data())};
}

bool value_met(const FieldMatch& match, std::string_view value) {
  if (match.compare == Compare::kExact) return value == match.value;
  return re2::RE2::FullMatch(re2::StringPiece(value.data(), value.size()), *match.regex);
}

bool header_met(const FieldMatch& match, const Request& request) {
  const auto value = field_value(request, match.name);
  return value && value_met(match, *value);
}

bool query_met(const FieldMatch& match, std::string_view query) {
  const auto encoded = find_query(query, match.name);
  if (!encoded) return false;
  if (match.compare == Compare::kExact) return query_equals(*encoded, match.value);
  scratch.clear();
  decode_query(*encoded, scratch);
  return value_met(match, scratch);
}

}  // namespace

bool is_grpc(const http::RequestHead& head) {
  constexpr std::string_view kType = "application/grpc";
  if (head.method != http::Method::kPost) return false;
  const auto* field = http::find(head.fields, "content-type");
  if (field == nullptr || !field->value.starts_with(kType)) return false;
  const auto rest = field->value.substr(kType.size());
  return rest.empty() || rest.front() == '+' || rest.front() == ';' || rest.front() == ' ';
}

std::optional<std::string_view> field_value(const Request& request, std::string_view name) {
  const auto& head = *request.head;
  if (name == kServerName) return request.server_name;
  if (name == kMethodName) return head.method_text;
  // Heads have members for these two (message.hpp).
  if (name == "host") return head.authority;
  if (name == "content-length")
    return head.body == http::Body::kLength ? std::optional(content_length(head)) : std::nullopt;
  const http::Field* first = nullptr;
  bool joined = false;
  for (const auto& field : head.fields) {
    if (field.name != name) continue;
    if (first == nullptr) {
      first = &field;
      continue;
    }
    if (!joined) scratch = first->value;
    joined = true;
    scratch.append(", ").append(field.value);
  }
  if (first == nullptr) return std::nullopt;
  return joined ? std::string_view(scratch) : first->value;
}

std::optional<std::string_view> query_value(std::string_view query, std::string_view name) {
  const auto encoded = find_query(query, name);
  if (!encoded) return std::nullopt;
  scratch.clear();
  decode_query(*encoded, scratch);
  return scratch;
}

bool method_met(const RouteMatch& match, const http::RequestHead& head) {
  if (match.method.empty()) return true;
  return match.method_id == head.method &&
         (match.method_id != http::Method::kOther || match.method == head.method_text);
}

Unmet first_unmet(const RouteMatch& match, bool grpc, const Request& request) {
  if (grpc && !is_grpc(*request.head)) return {Condition::kGrpc, 0};
  if (!method_met(match, *request.head)) return {Condition::kMethod, 0};
  for (std::size_t i = 0; i < match.headers.size(); ++i)
    if (!header_met(match.headers[i], request)) return {Condition::kHeader, i};
  for (std::size_t i = 0; i < match.queries.size(); ++i)
    if (!query_met(match.queries[i], request.query)) return {Condition::kQuery, i};
  return {};
}

}  // namespace fairlead::route
