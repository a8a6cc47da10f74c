// SPDX-License-Identifier: Apache-2.0
#pragma once

// Reading of mappings whose fields are all known, as the gateway's kinds have them: a field that is not known refuses
// the object, as kubectl does, since a mistyped "hostnames" would otherwise match every host.

#include <algorithm>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include "fairlead/model/policy_objects.hpp"
#include "gateway/dataplane/config/kinds.hpp"
#include "gateway/dataplane/config/reader.hpp"

namespace fairlead::config {

template <class F>
struct Field {
  std::string_view name;
  F read;
  std::string_view required;  ///< what is expected where it is missing; empty: it may be missing
};

template <class F>
Field<F> field(std::string_view name, F read) {
  return {name, std::move(read), {}};
}
template <class F>
Field<F> required(std::string_view name, std::string_view expected, F read) {
  return {name, std::move(read), expected};
}

/// Reads each field by its reader (a function of the View); notes unknown fields and what is missing.
template <class... F>
void read_mapping(Reader& reader, View at, const Field<F>&... fields) {
  if (!at.is_mapping()) return reader.error(at, "a mapping");
  std::uint32_t seen = 0;
  for (auto child = at.first(); child; child = child.next()) {
    if (child.is_null()) continue;
    std::uint32_t bit = 1;
    const auto take = [&](const auto& one) {
      const bool mine = one.name == child.key();
      if (mine) {
        seen |= bit;
        one.read(child);
      }
      bit <<= 1;
      return mine;
    };
    if ((take(fields) || ...)) continue;
    std::string known;
    ((known += known.empty() ? "" : ", ", known += fields.name), ...);
    reader.unknown_field(child, "one of " + known);
  }
  std::uint32_t bit = 1;
  const auto check = [&](const auto& one) {
    if (!one.required.empty() && (seen & bit) == 0) reader.missing(at, one.name, std::string(one.required));
    bit <<= 1;
  };
  (check(fields), ...);
}

/// The root of an object: apiVersion, kind, metadata, status are passed over, spec is given to `read`.
template <class F>
void read_spec(Reader& reader, View root, F&& read) {
  bool found = false;
  reader.fields(root, [&](View child) {
    const auto key = child.key();
    if (key == "spec") {
      found = true;
      read(child);
    } else if (key != "apiVersion" && key != "kind" && key != "metadata" && key != "status") {
      reader.unknown_field(child, "apiVersion, kind, metadata, spec or status");
    }
  });
  if (!found) reader.missing(root, "spec", "a mapping");
}

/// Calls read(item, out.emplace_back()) for each item; an error where there are fewer than least or more than most.
template <class T, class F>
void read_list(Reader& reader, View at, std::size_t least, std::size_t most, std::vector<T>& out, F&& read) {
  if (!at.is_sequence()) return reader.error(at, "a list");
  std::size_t count = 0;
  for (auto item = at.first(); item; item = item.next()) ++count;
  if (count < least) return reader.error(at, "at least " + std::to_string(least) + (least == 1 ? " item" : " items"));
  if (count > most) return reader.error(at, "at most " + std::to_string(most) + " items");
  out.reserve(count);
  for (auto item = at.first(); item; item = item.next()) read(item, out.emplace_back());
}

// Texts are read into a std::string or a Name.

/// A string of least to most bytes that `good` holds of.
template <class Text, class Good>
bool read_text(Reader& reader, View at, Text& out, std::size_t least, std::size_t most, Good&& good,
               std::string_view expected) {
  if (!at.is_string()) {
    reader.error(at, std::string(expected) + (at.node().type == Tree::Type::kScalar ? " (put it in quotes)" : ""));
    return false;
  }
  if (at.text().size() < least || at.text().size() > most || !good(at.text())) {
    reader.error(at, std::string(expected));
    return false;
  }
  out = at.text();
  return true;
}

template <class Text>
void read_text(Reader& reader, View at, Text& out, std::size_t least, std::size_t most) {
  read_text(
      reader, at, out, least, most, [](std::string_view) { return true; },
      "a string of " + std::to_string(least) + " to " + std::to_string(most) + " characters");
}

/// "web" or "a.b": a DNS subdomain, as names of listeners, rules and sections are.
template <class Text>
void read_section_name(Reader& reader, View at, Text& out) {
  read_text(reader, at, out, 1, 253, is_dns_subdomain,
            "a name of lower-case letters, digits, '-' and '.', at most 253 characters");
}
template <class Text>
void read_namespace_name(Reader& reader, View at, Text& out) {
  read_text(reader, at, out, 1, 63, is_dns_label,
            "a namespace: lower-case letters, digits and '-', at most 63 characters");
}
template <class Text>
void read_object_name(Reader& reader, View at, Text& out) {
  read_text(reader, at, out, 1, 253);
}
/// "a.example", and "*.example" where a wildcard may stand.
[[nodiscard]] bool is_hostname(std::string_view text, bool wildcard);
template <class Text>
void read_hostname(Reader& reader, View at, Text& out, bool wildcard) {
  read_text(
      reader, at, out, 1, 253, [&](std::string_view text) { return is_hostname(text, wildcard); },
      wildcard ? "a host name in lower case such as a.example or *.example"
               : "a host name in lower case such as a.example");
}
/// RFC 9110 token.
[[nodiscard]] bool is_token(std::string_view text);
[[nodiscard]] bool is_header_value(std::string_view text);
[[nodiscard]] std::string lower(std::string_view text);
/// A header's name, put in lower case.
void read_header_name(Reader& reader, View at, std::string& out);
/// GEP-2257: up to four of h, m, s, ms, each up to five digits.
[[nodiscard]] std::optional<std::chrono::milliseconds> read_duration(Reader& reader, View at);
/// A map of at most `most` options whose keys are annotation keys.
void read_options(Reader& reader, View at, std::size_t most, model::Labels& out);
/// An expression that RE2 takes.
void check_regex(Reader& reader, View at);

template <class Number>
void read_number(Reader& reader, View at, std::uint64_t least, std::uint64_t most, Number& out) {
  if (const auto value = reader.number(at, least, most)) out = static_cast<Number>(*value);
}

/// Exactly one of these fields; with `least` 0 none of them will do.
void check_one(Reader& reader, View at, std::initializer_list<std::string_view> names, std::size_t least = 1);

/// A list of which one entry has to fit; sorted, for a quick search.
inline auto names_field(Reader& reader, std::string_view name, std::vector<std::string>& out) {
  return field(name, [&reader, &out](View v) {
    read_list(reader, v, 1, 256, out, [&](View item, std::string& one) { read_text(reader, item, one, 1, 1024); });
    std::ranges::sort(out);
  });
}
/// What the file of that path holds.
inline auto file_field(Reader& reader, std::string_view name, std::string& out, std::size_t most) {
  return field(name, [&reader, &out, most](View v) {
    if (auto value = reader.file(v, most)) out = std::move(*value);
  });
}
inline auto bool_field(Reader& reader, std::string_view name, bool& out) {
  return field(name, [&](View v) { reader.read(v, out); });
}
inline auto time_field(Reader& reader, std::string_view name, std::chrono::milliseconds& out) {
  return field(name, [&](View v) {
    if (const auto value = read_duration(reader, v)) out = *value;
  });
}
/// Seconds that the kernel takes for TCP keep-alive.
void read_tcp_keepalive(Reader& reader, View at, model::TcpKeepalive& out);
void read_http2_keepalive(Reader& reader, View at, model::Http2Keepalive& out);

template <class Number>
auto number_field(Reader& reader, std::string_view name, Number& out, std::uint64_t least = 0,
                  std::uint64_t most = 0x7fffffff) {
  return field(name, [&reader, &out, least, most](View v) { read_number(reader, v, least, most, out); });
}

}  // namespace fairlead::config
