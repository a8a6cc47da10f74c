// SPDX-License-Identifier: Apache-2.0
#include "fairlead/model/request_change.hpp"

#include <algorithm>

#include "gateway/dataplane/config/json_value.hpp"
#include "gateway/dataplane/config/request_sections.hpp"

namespace fairlead::config {
namespace {

using model::ChangeKind;

constexpr std::size_t kMostChanges = 64;

void read_change_name(Reader& reader, View at, bool headers, std::string& out) {
  if (headers) read_free_header_name(reader, at, out);
  else read_text(reader, at, out, 1, 256);
}

/// set, add, append or replace.
auto values_field(Reader& reader, std::string_view name, ChangeKind kind, bool headers,
                  std::vector<model::FieldChange>& out) {
  return field(name, [&reader, &out, kind, headers](View v) {
    std::vector<std::pair<std::string, std::string>> all;
    read_named_templates(reader, v, headers, all);
    for (auto& [key, value] : all) out.push_back({kind, std::move(key), std::move(value)});
  });
}

void read_field_changes(Reader& reader, View at, bool headers, std::vector<model::FieldChange>& out) {
  read_mapping(reader, at, values_field(reader, "set", ChangeKind::kSet, headers, out),
               values_field(reader, "add", ChangeKind::kAdd, headers, out),
               values_field(reader, "append", ChangeKind::kAppend, headers, out),
               values_field(reader, "replace", ChangeKind::kReplace, headers, out),
               field("remove",
                     [&](View v) {
                       std::vector<std::string> names;
                       read_list(reader, v, 0, kMostChanges, names, [&](View item, std::string& one) {
                         read_change_name(reader, item, headers, one);
                         out.push_back({ChangeKind::kRemove, one, {}});
                       });
                     }),
               field("rename", [&](View v) {
                 std::vector<model::FieldChange> all;
                 read_list(reader, v, 0, kMostChanges, all, [&](View item, model::FieldChange& one) {
                   one.kind = ChangeKind::kRename;
                   read_mapping(
                       reader, item,
                       required("from", "a name", [&](View n) { read_change_name(reader, n, headers, one.name); }),
                       required("to", "a name", [&](View n) { read_change_name(reader, n, headers, one.value); }));
                 });
                 out.insert(out.end(), all.begin(), all.end());
               }));
  std::ranges::stable_sort(out, {}, &model::FieldChange::kind);
}

auto json_values_field(Reader& reader, std::string_view name, ChangeKind kind, std::vector<model::JsonChange>& out) {
  return field(name, [&reader, &out, kind](View v) {
    std::vector<model::JsonChange> all;
    read_list(reader, v, 0, kMostChanges, all, [&](View item, model::JsonChange& one) {
      one.kind = kind;
      bool given = false;
      read_mapping(reader, item,
                   required("path", "a place in JSON", [&](View n) { read_json_path(reader, n, one.path); }),
                   field("value", [&](View n) {
                     given = true;
                     read_json_template(reader, n, one.value);
                   }));
      if (!given) one.value = "null";  // a null counts as not given
    });
    out.insert(out.end(), all.begin(), all.end());
  });
}

void read_json_changes(Reader& reader, View at, model::BodyChange& out) {
  auto& json = out.json;
  read_mapping(reader, at, json_values_field(reader, "set", ChangeKind::kSet, json),
               json_values_field(reader, "add", ChangeKind::kAdd, json),
               json_values_field(reader, "append", ChangeKind::kAppend, json),
               json_values_field(reader, "replace", ChangeKind::kReplace, json),
               field("remove",
                     [&](View v) {
                       std::vector<std::string> paths;
                       read_list(reader, v, 0, kMostChanges, paths, [&](View item, std::string& one) {
                         read_json_path(reader, item, one);
                         json.push_back({ChangeKind::kRemove, one, {}});
                       });
                     }),
               field("rename",
                     [&](View v) {
                       std::vector<model::JsonChange> all;
                       read_list(reader, v, 0, kMostChanges, all, [&](View item, model::JsonChange& one) {
                         one.kind = ChangeKind::kRename;
                         read_mapping(
                             reader, item,
                             required("from", "a place in JSON", [&](View n) { read_json_path(reader, n, one.path); }),
                             required("to", "a place in JSON", [&](View n) { read_json_path(reader, n, one.value); }));
                       });
                       json.insert(json.end(), all.begin(), all.end());
                     }),
               field("map", [&](View v) { read_json_template(reader, v, out.map); }));
  std::ranges::stable_sort(json, {}, &model::JsonChange::kind);
}

template <class... More>
void read_body_change(Reader& reader, View at, model::BodyChange& out, const Field<More>&... more) {
  View text;
  read_mapping(reader, at, more..., field("json", [&](View v) { read_json_changes(reader, v, out); }),
               field("template", [&](View v) { text = v; }), field("contentType", [&](View v) {
                 read_text(reader, v, out.content_type, 3, 256, is_header_value, "a content type such as text/plain");
               }));
  if (text) read_template(reader, text, change::place_of_type(out.content_type), out.text);
  if (text && at.find("json")) reader.error(text, "json or template, not both");
  if (!text && at.find("contentType")) reader.missing(at, "template", "a template, as there is a contentType");
}

/// A request's may be a form, too.
void read_request_body(Reader& reader, View at, model::RequestTransform& out) {
  read_body_change(reader, at, out.body,
                   field("fields", [&](View v) { read_field_changes(reader, v, false, out.body_fields); }));
  if (at.is_mapping() && at.find("fields") && (at.find("json") || at.find("template")))
    reader.error(at.find("fields"), "fields, json or template, one of them");
}

void read_request(Reader& reader, View at, model::RequestTransform& out) {
  read_mapping(
      reader, at, field("method", [&](View v) { read_method(reader, v, out.method); }),
      field("path", [&](View v) { read_template(reader, v, change::Place::kPath, out.path); }),
      field("backendPath", [&](View v) { read_template(reader, v, change::Place::kWholePath, out.backend_path); }),
      field("headers", [&](View v) { read_field_changes(reader, v, true, out.headers); }),
      field("query", [&](View v) { read_field_changes(reader, v, false, out.query); }),
      field("body", [&](View v) { read_request_body(reader, v, out); }), field("onFailure", [&](View v) {
        if (const auto found = reader.one_of(v, {"Refuse", "Pass"})) out.pass = *found == 1;
      }));
  if (!out.path.empty() && !out.backend_path.empty()) reader.error(at.find("backendPath"), "path or backendPath");
}

void read_status(Reader& reader, View at, std::pair<std::uint16_t, std::uint16_t>& out) {
  read_mapping(reader, at, required("from", "a status", [&](View v) { read_number(reader, v, 200, 599, out.first); }),
               required("to", "a status", [&](View v) { read_number(reader, v, 200, 599, out.second); }));
  const auto bodiless = [](std::uint16_t status) { return status == 204 || status == 205 || status == 304; };
  if (bodiless(out.first) != bodiless(out.second))
    reader.error(at, "two statuses that both have a body, or neither (204, 205, 304)");
}

void read_response(Reader& reader, View at, model::ResponseTransform& out) {
  constexpr std::size_t kMostStatuses = 32;
  read_mapping(reader, at, field("headers", [&](View v) { read_field_changes(reader, v, true, out.headers); }),
               field("status",
                     [&](View v) {
                       read_list(reader, v, 0, kMostStatuses, out.status,
                                 [&](View item, auto& one) { read_status(reader, item, one); });
                     }),
               field("body", [&](View v) { read_body_change(reader, v, out.body); }), field("onFailure", [&](View v) {
                 if (const auto found = reader.one_of(v, {"Pass", "Fail"})) out.fail = *found == 1;
               }));
}

/// Values that are not there yet, or no more, when a message is changed.
void check_sources(Reader& reader, View at, const model::Transform& out) {
  using change::Source;
  const auto fields = [&](View part, const std::vector<model::FieldChange>& all, Source source, std::string_view why) {
    for (const auto& one : all)
      if (one.kind != ChangeKind::kRename) refuse_source(reader, part, one.value, source, why);
  };
  const auto body = [&](View part, const model::BodyChange& one, Source source, std::string_view why) {
    refuse_source(reader, part, one.text, source, why);
    if (!one.map.empty()) refuse_source(reader, part, one.map, source, why);
    for (const auto& change : one.json)
      if (change.kind > ChangeKind::kRename) refuse_source(reader, part, change.value, source, why);
  };
  const auto request = at.find("request"), response = at.find("response");
  for (const auto source :
       {Source::kStatus, Source::kResponseHeader, Source::kResponseBody, Source::kCallBody, Source::kCallStatus}) {
    constexpr auto kWhy = "values of the request: there is no response yet, and no calls";
    if (!request) break;
    fields(request, out.request.headers, source, kWhy);
    fields(request, out.request.query, source, kWhy);
    fields(request, out.request.body_fields, source, kWhy);
    refuse_source(reader, request, out.request.backend_path, source, kWhy);
    body(request, out.request.body, source, kWhy);
    refuse_source(reader, request, out.request.path, source, kWhy);
  }
  for (const auto source : {Source::kBody, Source::kCallBody, Source::kCallStatus}) {
    constexpr auto kWhy = "values of the response, or of the request's head: its body is gone, and there are no calls";
    if (!response) break;
    fields(response, out.response.headers, source, kWhy);
    body(response, out.response.body, source, kWhy);
  }
  if (response)
    fields(response, out.response.headers, Source::kResponseBody, "headers without values of the body: it comes later");
}

}  // namespace

void read_transform(Reader& reader, View at, model::Transform& out) {
  constexpr std::uint64_t kMostBody = 64 * 1024 * 1024;
  read_mapping(reader, at, field("request", [&](View v) { read_request(reader, v, out.request); }),
               field("response", [&](View v) { read_response(reader, v, out.response); }),
               field("maxBodyBytes", [&](View v) { read_number(reader, v, 1, kMostBody, out.max_body_bytes); }));
  if (at.is_mapping() && !reader.failed()) check_sources(reader, at, out);
}

}  // namespace fairlead::config
