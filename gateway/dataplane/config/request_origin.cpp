// SPDX-License-Identifier: Apache-2.0
#include "fairlead/model/request_origin.hpp"

#include "fairlead/route/cors.hpp"
#include "gateway/dataplane/config/json_value.hpp"
#include "gateway/dataplane/config/request_sections.hpp"

namespace fairlead::config {

void read_correlation(Reader& reader, View at, model::Correlation& out) {
  read_mapping(reader, at,
               required("header", "a header's name", [&](View v) { read_free_header_name(reader, v, out.header); }),
               field("generator",
                     [&](View v) {
                       if (const auto found = reader.one_of(v, {"UUID", "Counter", "Tracker"}))
                         out.generator = static_cast<model::Correlation::Generator>(*found);
                     }),
               bool_field(reader, "echo", out.echo));
}

void read_cross_origin(Reader& reader, View at, model::CrossOrigin& out) {
  const auto texts = [&](std::string_view name, std::vector<std::string>& into, bool (*good)(std::string_view),
                         const char* expected) {
    return field(name, [&reader, &into, good, expected](View v) {
      into.clear();
      read_list(reader, v, 1, 64, into,
                [&](View item, std::string& one) { read_text(reader, item, one, 1, 1024, good, expected); });
    });
  };
  read_mapping(reader, at,
               field("origins",
                     [&](View v) {
                       out.origins.clear();
                       read_list(reader, v, 1, 256, out.origins, [&](View item, std::string& one) {
                         read_text(reader, item, one, 1, 1024);
                         if (!one.empty() && one != "*" && !route::is_plain_origin(one)) check_regex(reader, item);
                       });
                     }),
               texts("methods", out.methods, is_token, "a method such as GET"),
               texts("headers", out.headers, is_token, "a header's name"),
               texts("exposedHeaders", out.exposed_headers, is_token, "a header's name"),
               bool_field(reader, "credentials", out.credentials),
               bool_field(reader, "privateNetwork", out.private_network),
               field("preflights",
                     [&](View v) {
                       if (const auto found = reader.one_of(v, {"Answer", "Pass"})) out.passes_preflights = *found == 1;
                     }),
               bool_field(reader, "withoutOrigin", out.tells_all),
               field("maxAge", [&](View v) { read_number(reader, v, 0, 0x7fffffff, out.max_age.emplace()); }));
}

}  // namespace fairlead::config
