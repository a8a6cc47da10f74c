// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/config/json_value.hpp"

#include <algorithm>

#include "fairlead/route/rewrite.hpp"

namespace fairlead::config {
namespace {

void append_scalar(Reader& reader, View at, bool templates, std::string& out) {
  const auto text = at.text();
  if (at.is_string() || !at.node().plain) {
    if (templates) {
      out += change::json_template_of(text);
      return;
    }
    out += '"';
    change::append_json_escaped(text, out);
    out += '"';
    return;
  }
  if (change::is_json_number(text)) {
    out += text;
    return;
  }
  const auto word = lower(text);
  if (word == "true" || word == "false") out += word;
  else reader.error(at, "a number as JSON writes it, or a string in quotes");
}

}  // namespace

void append_json_value(Reader& reader, View at, bool templates, std::string& out) {  // NOLINT(misc-no-recursion)
  if (at.is_null()) {
    out += "null";
    return;
  }
  const bool mapping = at.is_mapping();
  if (!mapping && !at.is_sequence()) return append_scalar(reader, at, templates, out);
  out += mapping ? '{' : '[';
  bool first = true;
  for (auto child = at.first(); child; child = child.next()) {
    if (!first) out += ',';
    first = false;
    if (mapping) {
      out += '"';
      change::append_json_escaped(child.key(), out);
      out += "\":";
    }
    append_json_value(reader, child, templates, out);
  }
  out += mapping ? '}' : ']';
}

void read_json_template(Reader& reader, View at, std::string& out) {
  out.clear();
  append_json_value(reader, at, true, out);
  if (reader.failed()) return;
  if (const auto made = change::Template::compile(out, change::Place::kJson); !made)
    reader.error(at, "a value with templates; " + made.error().message);
}

void read_template(Reader& reader, View at, change::Place place, std::string& out) {
  read_text(reader, at, out, 0, change::Template::kMostText);
  if (!at.is_string()) return;
  if (const auto made = change::Template::compile(out, place); !made)
    reader.error(at, "a template; " + made.error().message);
}

void read_json_path(Reader& reader, View at, std::string& out) {
  read_text(
      reader, at, out, 0, 1024, [](std::string_view text) { return change::parse_json_path(text).has_value(); },
      "a place in JSON such as a.b[0] or /a/b/0");
}

void refuse_source(Reader& reader, View at, const std::string& text, change::Source source, std::string_view why) {
  for (const auto place : {change::Place::kText, change::Place::kJson}) {
    const auto made = change::Template::compile(text, place);
    if (!made) continue;
    if (made->uses(source)) reader.error(at, std::string(why));
    return;
  }
}

void read_free_header_name(Reader& reader, View at, std::string& out) {
  read_header_name(reader, at, out);
  if (route::is_protected_field(out)) reader.error(at, "a header that frames no message and belongs to no connection");
}

void read_named_templates(Reader& reader, View at, bool headers,
                          std::vector<std::pair<std::string, std::string>>& out) {
  constexpr std::size_t kMost = 32;
  read_list(reader, at, 0, kMost, out, [&](View item, std::pair<std::string, std::string>& one) {
    read_mapping(reader, item,
                 required("name", "a name",
                          [&](View v) {
                            if (headers) read_free_header_name(reader, v, one.first);
                            else read_text(reader, v, one.first, 1, 256);
                          }),
                 required("value", "a template", [&](View v) {
                   read_template(reader, v, headers ? change::Place::kHeader : change::Place::kQuery, one.second);
                 }));
  });
}

void read_method(Reader& reader, View at, std::string& out) {
  const auto good = [](std::string_view text) { return is_token(text) && text != "CONNECT"; };
  read_text(reader, at, out, 1, 32, good, "a method such as GET, and not CONNECT");
}

}  // namespace fairlead::config
