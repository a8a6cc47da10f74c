// SPDX-License-Identifier: Apache-2.0
#include "fairlead/route/cors.hpp"

#include <algorithm>
#include <charconv>
#include <string>
#include <vector>

#include "fairlead/base/ascii.hpp"

namespace fairlead::route {
namespace {

struct Origin {
  std::string_view scheme, host, port;
};

bool equals_in_any_case(std::string_view a, std::string_view b) {
  constexpr auto kLower = [](char c) { return lower_ascii(c); };
  return std::ranges::equal(a, b, {}, kLower, kLower);
}

Origin split(std::string_view text) {
  Origin origin;
  const auto colon = text.find("://");
  if (colon == std::string_view::npos) return origin;
  origin.scheme = text.substr(0, colon);
  text.remove_prefix(colon + 3);
  const auto bracket = text.starts_with('[') ? text.find(']') : 0;
  const auto port = text.find(':', bracket == std::string_view::npos ? 0 : bracket);
  origin.host = text.substr(0, port);
  if (port != std::string_view::npos) origin.port = text.substr(port + 1);
  if (origin.port.empty()) origin.port = origin.scheme == "https" ? "443" : origin.scheme == "http" ? "80" : "";
  return origin;
}

bool has_wildcard(const std::vector<std::string>& values) { return std::ranges::find(values, "*") != values.end(); }

std::string_view join(const std::vector<std::string>& values, Arena& arena) {
  std::size_t size = 0;
  for (const auto& value : values) size += value.size() + 2;
  char* begin = arena.allocate(size);
  char* at = begin;
  for (const auto& value : values) {
    if (value == "*") continue;
    if (at != begin) at = std::ranges::copy(std::string_view(", "), at).out;
    at = std::ranges::copy(value, at).out;
  }
  return {begin, static_cast<std::size_t>(at - begin)};
}

std::string_view value_of(const http::RequestHead& head, std::string_view name) {
  const auto* field = http::find(head.fields, name);
  return field == nullptr ? std::string_view{} : field->value;
}

/// The list as it is shown: "*" only without credentials, with them what was asked for.
std::string_view shown(const std::vector<std::string>& allowed, bool credentials, std::string_view asked,
                       Arena& arena) {
  if (!has_wildcard(allowed)) return join(allowed, arena);
  return credentials ? asked : "*";
}

/// Whether answers differ between origins, so that caches must tell them apart.
bool varies(const model::Cors& cors) { return cors.allow_credentials || !has_wildcard(cors.allow_origins); }

void allow_origin(const model::Cors& cors, std::string_view origin, http::Fields& fields) {
  fields.push_back({"access-control-allow-origin", varies(cors) ? origin : "*"});
  if (cors.allow_credentials) fields.push_back({"access-control-allow-credentials", "true"});
}

void add(http::Fields& fields, std::string_view name, std::string_view value) {
  if (!value.empty()) fields.push_back({name, value});
}

}  // namespace

bool origin_matches(std::string_view pattern, std::string_view origin) {
  if (pattern == "*") return true;
  const auto allowed = split(pattern);
  const auto asked = split(origin);
  if (allowed.scheme.empty() || asked.scheme != allowed.scheme || asked.port != allowed.port) return false;
  if (!allowed.host.starts_with('*')) return equals_in_any_case(asked.host, allowed.host);
  const auto suffix = allowed.host.substr(1);
  return asked.host.size() > suffix.size() &&
         equals_in_any_case(asked.host.substr(asked.host.size() - suffix.size()), suffix);
}

bool is_plain_origin(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == ':' ||
           c == '/' || c == '-';
  });
}

bool origin_allowed(const model::Cors& cors, std::string_view origin) {
  return std::ranges::any_of(cors.allow_origins, [&](const auto& pattern) { return origin_matches(pattern, origin); });
}

bool is_preflight(const http::RequestHead& head) {
  return head.method == http::Method::kOptions && !value_of(head, "origin").empty() &&
         !value_of(head, "access-control-request-method").empty();
}

http::ResponseHead answer_preflight(const model::Cors& cors, const http::RequestHead& head, Arena& arena) {
  http::ResponseHead answer;
  const auto origin = value_of(head, "origin");
  auto& fields = answer.fields;
  if (varies(cors)) fields.push_back({"vary", "origin"});
  if (!origin_allowed(cors, origin)) {
    answer.status = 403;
    answer.body = http::Body::kLength;
    return answer;
  }
  answer.status = 204;
  allow_origin(cors, origin, fields);
  const bool credentials = cors.allow_credentials;
  add(fields, "access-control-allow-methods",
      shown(cors.allow_methods, credentials, value_of(head, "access-control-request-method"), arena));
  add(fields, "access-control-allow-headers",
      shown(cors.allow_headers, credentials, value_of(head, "access-control-request-headers"), arena));
  // Nothing is asked for here: with credentials a "*" cannot be shown, only the names beside it.
  add(fields, "access-control-expose-headers",
      shown(cors.expose_headers, credentials, join(cors.expose_headers, arena), arena));
  char digits[16];
  const auto end = std::to_chars(digits, digits + sizeof digits, cors.max_age_seconds).ptr;
  add(fields, "access-control-max-age", arena.copy({digits, static_cast<std::size_t>(end - digits)}));
  return answer;
}

void apply_cors(const model::Cors& cors, const http::RequestHead& request, http::ResponseHead& response, Arena& arena) {
  auto& fields = response.fields;
  std::erase_if(fields, [](const http::Field& field) { return field.name.starts_with("access-control-"); });
  const http::Field vary{"vary", "origin"};  // of what comes from a cache it is there
  if (varies(cors) && std::ranges::none_of(fields, [&](const auto& field) {
        return field.name == vary.name && field.value == vary.value;
      }))
    fields.push_back(vary);
  const auto origin = value_of(request, "origin");
  if (origin.empty() || !origin_allowed(cors, origin)) return;
  allow_origin(cors, origin, fields);
  add(fields, "access-control-expose-headers",
      shown(cors.expose_headers, cors.allow_credentials, join(cors.expose_headers, arena), arena));
}

}  // namespace fairlead::route
