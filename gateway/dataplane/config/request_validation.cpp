// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "fairlead/change/openapi.hpp"
#include "fairlead/model/request_change.hpp"
#include "gateway/dataplane/config/json_value.hpp"
#include "gateway/dataplane/config/request_sections.hpp"

namespace fairlead::config {
namespace {

/// A mapping in YAML, or a text that holds JSON or YAML.
void read_document(Reader& reader, View at, std::string& out) {
  constexpr std::size_t kMost = 4 * 1024 * 1024;
  if (!at.is_string()) return append_json_value(reader, at, false, out);
  if (at.text().size() > kMost) return reader.error(at, "at most 4 MiB");
  TreeReader text(at.text(), false);
  Tree tree;
  if (text.next(tree) != TreeReader::Outcome::kDocument || tree.empty())
    return reader.error(at, "YAML or JSON; " + (text.error().message.empty() ? "it is empty" : text.error().message));
  append_json_value(reader, View(tree, Tree::root()), false, out);
}

void read_schema(Reader& reader, View at, std::string& out) {
  read_document(reader, at, out);
  if (reader.failed()) return;
  change::Json document;
  if (!document.parse(out, {.depth = 128, .nodes = 1'000'000}))
    return reader.error(at, "a JSON Schema; " + std::string(document.error().what));
  change::SchemaSet schemas(document, change::SchemaDialect::kBySchema);
  if (const auto made = schemas.add(document.root()); !made) reader.error(at, "a JSON Schema; " + made.error().message);
}

void read_openapi(Reader& reader, View at, model::Validation& out) {
  View document;
  read_mapping(
      reader, at,
      field("document",
            [&](View v) {
              document = v;
              read_document(reader, v, out.openapi);
            }),
      field("configMap",
            [&](View v) {
              out.openapi_key = "openapi.json";
              read_mapping(reader, v,
                           required("name", "a ConfigMap of the policy's namespace",
                                    [&](View n) { read_object_name(reader, n, out.openapi_config_map); }),
                           field("key", [&](View n) { read_text(reader, n, out.openapi_key, 1, 253); }));
            }),
      field("basePath",
            [&](View v) {
              const auto good = [](std::string_view text) {
                return text.starts_with('/') && !text.ends_with('/') && text.find('{') == std::string_view::npos;
              };
              read_text(reader, v, out.base_path, 2, 1024, good, "a path such as /api/v1, without / at its end");
            }),
      field("responses",
            [&](View v) {
              if (const auto found = reader.one_of(v, {"Ignore", "Warn"})) out.warn_of_responses = *found == 1;
            }),
      field("unknownPath", [&](View v) {
        if (const auto found = reader.one_of(v, {"Refuse", "Pass"})) out.pass_unknown = *found == 1;
      }));
  if (at.is_mapping() && !document && !at.find("configMap"))
    reader.missing(at, "document", "an OpenAPI document, or a configMap");
  if (document && at.find("configMap")) reader.error(document, "document or configMap, not both");
  if (!document || reader.failed()) return;
  std::vector<std::string> remarks;
  if (const auto made = change::OpenApi::compile(out.openapi, remarks, out.warn_of_responses); !made)
    reader.error(document, "an OpenAPI document; " + made.error().message);
  for (auto& remark : remarks) reader.warn(document, std::move(remark));
}

void read_body(Reader& reader, View at, model::Validation& out) {
  read_mapping(reader, at, required("schema", "a JSON Schema", [&](View v) { read_schema(reader, v, out.schema); }),
               field("contentTypes",
                     [&](View v) {
                       out.content_types.clear();
                       const auto good = [](std::string_view text) {
                         return is_header_value(text) && text.find('/') != std::string_view::npos &&
                                text.find(';') == std::string_view::npos;
                       };
                       read_list(reader, v, 1, 16, out.content_types, [&](View item, std::string& one) {
                         if (read_text(reader, item, one, 3, 128, good, "a type such as application/json"))
                           one = lower(one);
                       });
                     }),
               field("required", [&](View v) { reader.read(v, out.body_required); }));
}

}  // namespace

void read_validation(Reader& reader, View at, model::Validation& out) {
  constexpr std::uint64_t kMostBody = 64 * 1024 * 1024;
  read_mapping(reader, at, field("body", [&](View v) { read_body(reader, v, out); }),
               field("openapi", [&](View v) { read_openapi(reader, v, out); }),
               field("maxBodyBytes", [&](View v) { read_number(reader, v, 1, kMostBody, out.max_body_bytes); }),
               field("maxDepth", [&](View v) { read_number(reader, v, 1, 256, out.max_depth); }),
               field("maxProblems", [&](View v) { read_number(reader, v, 1, 100, out.max_problems); }));
  if (at.is_mapping() && !at.find("body") && !at.find("openapi")) reader.missing(at, "body", "a body, or openapi");
}

}  // namespace fairlead::config
