// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/model/request_auth.hpp"
#include "gateway/dataplane/config/fields.hpp"
#include "gateway/dataplane/config/request_sections.hpp"

// What the methods of authentication have in common.
namespace fairlead::config {

void read_introspection(Reader& reader, View at, model::IntrospectionMethod& out);
void read_login(Reader& reader, View at, model::LoginMethod& out);

/// A path and query on a server.
void read_server_path(Reader& reader, View at, std::string& out);
void read_claim_headers(Reader& reader, View at, std::vector<model::ClaimHeader>& out);

inline auto texts_field(Reader& reader, std::string_view name, std::vector<std::string>& out, std::size_t most) {
  return field(name, [&reader, &out, most](View v) {
    out.clear();
    read_list(reader, v, 0, most, out, [&](View item, std::string& one) { read_text(reader, item, one, 1, 1024); });
  });
}
/// Names of header fields; those by which gateway and backends talk are no place for credentials of clients.
inline auto headers_field(Reader& reader, std::string_view name, std::vector<std::string>& out) {
  return field(name, [&](View v) {
    out.clear();
    read_list(reader, v, 0, 16, out, [&](View item, std::string& one) { read_header_name(reader, item, one); });
  });
}

inline bool is_cookie_name(std::string_view text) { return is_token(text); }
inline bool is_parameter(std::string_view text) {
  return std::ranges::all_of(
      text, [](char c) { return c > ' ' && c <= '~' && c != '&' && c != '=' && c != '#' && c != '%' && c != '+'; });
}

inline auto places_fields(Reader& reader, model::CredentialPlaces& out) {
  return [&reader, &out](View at, const auto&... more) {
    read_mapping(reader, at, headers_field(reader, "headers", out.headers),
                 field("query",
                       [&](View v) {
                         out.query.clear();
                         read_list(reader, v, 0, 16, out.query, [&](View item, std::string& one) {
                           read_text(reader, item, one, 1, 256, is_parameter,
                                     "a parameter's name: visible ASCII without & = # % +");
                         });
                       }),
                 field("cookies",
                       [&](View v) {
                         out.cookies.clear();
                         read_list(reader, v, 0, 16, out.cookies, [&](View item, std::string& one) {
                           read_text(reader, item, one, 1, 256, is_cookie_name, "a cookie's name");
                         });
                       }),
                 more...);
    // A method that reads bodies, too, may look at nothing else.
    if (at.is_mapping() && out.headers.empty() && out.query.empty() && out.cookies.empty() && !at.find("body"))
      reader.error(at, "at least one of headers, query, cookies");
  };
}

}  // namespace fairlead::config
