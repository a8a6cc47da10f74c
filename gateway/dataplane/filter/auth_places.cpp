// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/filter/auth_places.hpp"

#include <algorithm>
#include <charconv>

#include "fairlead/telemetry/secret_names.hpp"

namespace fairlead::filter {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

void take(PlaceValue& out, std::string_view name, std::string_view text) {
  out.twice = out.twice || (out.present && out.text != text);
  out.again = out.again || (out.present && out.name == name);
  if (!out.present) out.text = text;
  if (!out.present) out.name = name;
  out.present = true;
}

/// Calls f(name, value, whole) for each part of "a=b&c=d" or "a=b; c=d".
template <class F>
void for_each_pair(std::string_view text, char separator, F&& f) {
  while (!text.empty()) {
    const auto end = std::min(text.find(separator), text.size());
    auto part = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    while (part.starts_with(' ') || part.starts_with('\t')) part.remove_prefix(1);
    const auto equals = std::min(part.find('='), part.size());
    f(part.substr(0, equals), part.substr(std::min(equals + 1, part.size())), part);
  }
}

/// application/x-www-form-urlencoded; a '%' that begins no triplet stands for itself.
std::string_view decoded(std::string_view text, Arena& arena) {
  if (text.find_first_of("%+") == std::string_view::npos) return text;
  char* out = arena.allocate(text.size());
  std::size_t length = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    const auto* at = text.data() + i + 1;
    const bool triplet = text[i] == '%' && text.size() - i > 2 && std::from_chars(at, at + 2, value, 16).ptr == at + 2;
    if (triplet) i += 2;
    out[length++] = triplet ? static_cast<char>(value) : text[i] == '+' ? ' ' : text[i];
  }
  return {out, length};
}

bool has(const std::vector<std::string>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

/// `text` without the pairs of these names, in the arena.
std::string_view without(std::string_view text, char separator, std::string_view joiner,
                         const std::vector<std::string>& names, Arena& arena) {
  char* out = arena.allocate(text.size() + 1);
  std::size_t length = 0;
  for_each_pair(text, separator, [&](std::string_view name, std::string_view, std::string_view whole) {
    if (has(names, separator == '&' ? decoded(name, arena) : name) || (whole.empty() && separator == ';')) return;
    const auto put = [&](std::string_view part) { length += part.copy(out + length, part.size()); };
    if (length > 0 && length + joiner.size() + whole.size() <= text.size()) put(joiner);
    else if (length > 0) put(joiner.substr(0, 1));
    put(whole);
  });
  return {out, length};
}

}  // namespace

bool same_header(std::string_view field, std::string_view name) {
  return std::ranges::equal(field, name, [](char a, char b) { return a == b || (a == '_' && b == '-'); });
}

PlaceValue find_credential(Request& request, const model::CredentialPlaces& places) {
  PlaceValue out;
  const auto& fields = request.head().fields;
  if (!places.headers.empty())
    for (const auto& field : fields)
      if (has(places.headers, field.name)) take(out, field.name, field.value);
  if (!places.query.empty() && !out.present)
    for_each_pair(request.target().query, '&', [&](std::string_view name, std::string_view value, std::string_view) {
      name = decoded(name, request.arena());
      if (has(places.query, name)) take(out, name, decoded(value, request.arena()));
    });
  if (!places.cookies.empty() && !out.present)
    for (const auto& field : fields)
      if (field.name == "cookie")
        for_each_pair(field.value, ';', [&](std::string_view name, std::string_view value, std::string_view) {
          if (has(places.cookies, name)) take(out, name, value);
        });
  return out;
}

void keep_secret(const model::CredentialPlaces& places) {
  telemetry::add_secret_fields(places.headers);
  telemetry::add_secret_parameters(places.query);
}

void remove_credential(Request& request, const model::CredentialPlaces& places) {
  auto& fields = request.head().fields;
  if (!places.headers.empty())
    std::erase_if(fields, [&](const auto& field) { return has(places.headers, field.name); });
  auto& target = request.target();
  if (!places.query.empty() && target.has_query) {
    target.query = without(target.query, '&', "&", places.query, request.arena());
    target.has_query = !target.query.empty();
  }
  if (places.cookies.empty()) return;
  for (auto& field : fields)
    if (field.name == "cookie") field.value = without(field.value, ';', "; ", places.cookies, request.arena());
  std::erase_if(fields, [](const auto& field) { return field.name == "cookie" && field.value.empty(); });
}

std::optional<std::string_view> behind_scheme(std::string_view value, std::string_view scheme) {
  if (value.size() <= scheme.size() || value[scheme.size()] != ' ') return std::nullopt;
  if (!std::ranges::equal(value.substr(0, scheme.size()), scheme, {}, lower, lower)) return std::nullopt;
  value.remove_prefix(scheme.size());
  while (value.starts_with(' ')) value.remove_prefix(1);
  return value;
}

PlaceValue authorization(Request& request, std::string_view name) {
  PlaceValue out;
  for (const auto& field : request.head().fields) {
    if (field.name != name) continue;
    out.twice = out.present;
    out.present = true;
    out.text = field.value;
  }
  return out;
}

void remove_authorization(Request& request, std::string_view scheme, std::string_view name) {
  std::erase_if(request.head().fields,
                [&](const auto& field) { return field.name == name && behind_scheme(field.value, scheme); });
}

void remove_authorizations(Request& request, std::string_view scheme) {
  for (const auto name : kAuthorizationFields) remove_authorization(request, scheme, name);
}

BearerPlaces::BearerPlaces(const model::CredentialPlaces& places) : others_(places) {
  in_authorization_ = std::erase(others_.headers, "authorization") > 0;
  ways_[0].headers = others_.headers;
  ways_[1].query = others_.query;
  ways_[2].cookies = others_.cookies;
}

PlaceValue BearerPlaces::find(Request& request) const {
  PlaceValue out;
  if (in_authorization_) {
    const auto value = authorization(request);
    const auto bearer = value.present ? behind_scheme(value.text, "bearer") : std::nullopt;
    if (bearer) out = {.text = *bearer, .present = true, .twice = value.twice};
  }
  // RFC 6750 section 2: in one way each. The same token in several is one.
  for (const auto& places : ways_) {
    auto found = find_credential(request, places);
    if (const auto bearer = behind_scheme(found.text, "bearer")) found.text = *bearer;
    if (!found.present || found.text.empty()) continue;
    out.twice = out.twice || found.twice || (out.present && out.text != found.text);
    if (!out.present) out.text = found.text;
    out.present = true;
  }
  return out;
}

void BearerPlaces::remove(Request& request) const {
  if (in_authorization_) remove_authorization(request, "bearer");
  remove_credential(request, others_);
}

std::vector<std::string_view> cookie_names(Request& request, std::string_view prefix) {
  std::vector<std::string_view> out;
  for (const auto& field : request.head().fields)
    if (field.name == "cookie")
      for_each_pair(field.value, ';', [&](std::string_view name, std::string_view, std::string_view) {
        if (name.starts_with(prefix)) out.push_back(name);
      });
  return out;
}

}  // namespace fairlead::filter
