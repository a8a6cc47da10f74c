// SPDX-License-Identifier: Apache-2.0
#include "fairlead/model/request_canary.hpp"

#include <algorithm>

#include "gateway/dataplane/config/gateway_references.hpp"
#include "gateway/dataplane/config/request_sections.hpp"

namespace fairlead::config {
namespace {

constexpr std::size_t kMostNames = 64;

/// What may stand in a cookie (RFC 6265 section 4.1.1).
bool is_cookie_value(std::string_view text) {
  return std::ranges::all_of(
      text, [](char c) { return c > ' ' && c <= '~' && c != '"' && c != ',' && c != ';' && c != '\\'; });
}

void read_cookie_name(Reader& reader, View at, std::string& out) {
  read_text(reader, at, out, 1, 128, is_token, "a cookie's name");
}

/// A list of {name, value}; without a value any will do.
auto values_field(Reader& reader, std::string_view name, bool header,
                  std::vector<std::pair<std::string, std::string>>& out) {
  return field(name, [&reader, &out, header](View v) {
    read_list(reader, v, 1, kMostNames, out, [&](View item, std::pair<std::string, std::string>& one) {
      read_mapping(reader, item,
                   required("name", "a name",
                            [&](View n) {
                              if (header) read_header_name(reader, n, one.first);
                              else read_cookie_name(reader, n, one.first);
                            }),
                   field("value", [&](View n) {
                     if (header) read_text(reader, n, one.second, 1, 4096, is_header_value, "a header's value");
                     else read_text(reader, n, one.second, 1, 4096, is_cookie_value, "a cookie's value");
                   }));
    });
  });
}

void read_who(Reader& reader, View at, model::CanaryWho& out) {
  read_mapping(reader, at, values_field(reader, "headers", true, out.headers),
               values_field(reader, "cookies", false, out.cookies), names_field(reader, "consumers", out.consumers),
               names_field(reader, "groups", out.groups));
  if (at.is_mapping() && !at.first()) reader.missing(at, "headers", "headers, cookies, consumers or groups");
}

void read_max_age(Reader& reader, View at, std::chrono::milliseconds& out) {
  const auto value = read_duration(reader, at);
  if (value && value->count() % 1000 != 0) return reader.error(at, "whole seconds");
  if (value) out = *value;
}

void read_share(Reader& reader, View at, model::CanaryShare& out) {
  using By = model::CanaryShare::By;
  View name;
  read_mapping(reader, at, required("percent", "0 to 100", [&](View v) { read_percent(reader, v, out.share); }),
               required("by", "Consumer, Cookie, ClientIP or Header",
                        [&](View v) {
                          if (const auto found = reader.one_of(v, {"Consumer", "Cookie", "ClientIP", "Header"}))
                            out.by = static_cast<By>(*found);
                        }),
               field("name", [&](View v) { name = v; }),
               field("salt", [&](View v) { read_text(reader, v, out.salt, 1, 256); }),
               field("maxAge", [&](View v) { read_max_age(reader, v, out.max_age); }));
  if (!at.is_mapping()) return;
  if (name && out.by == By::kHeader) read_header_name(reader, name, out.name);
  else if (name && out.by == By::kCookie) read_cookie_name(reader, name, out.name);
  else if (name) reader.error(name, "name only with by: Cookie or Header");
  else if (out.by == By::kHeader && at.find("by")) reader.missing(at, "name", "a header's name, by the key");
  else if (out.by == By::kCookie) out.name = "fairlead-canary";
  if (at.find("maxAge") && out.by != By::kCookie) reader.error(at.find("maxAge"), "maxAge only with by: Cookie");
}

}  // namespace

void read_canary(Reader& reader, View at, model::Canary& out) {
  read_mapping(reader, at,
               required("backendRef", "a Service", [&](View v) { read_backend_target(reader, v, out.backend); }),
               field("always", [&](View v) { read_who(reader, v, out.always); }),
               field("never", [&](View v) { read_who(reader, v, out.never); }),
               field("share", [&](View v) { read_share(reader, v, out.share); }));
  if (at.is_mapping() && !at.find("always") && !at.find("share"))
    reader.missing(at, "share", "always or share, or both");
}

}  // namespace fairlead::config
