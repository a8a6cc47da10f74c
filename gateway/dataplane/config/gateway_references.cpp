// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/config/gateway_references.hpp"

#include <algorithm>

namespace fairlead::config {
namespace {

bool is_kind_name(std::string_view text) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const auto alnum = [&](char c) { return letter(c) || (c >= '0' && c <= '9'); };
  return !text.empty() && letter(text.front()) && alnum(text.back()) &&
         std::ranges::all_of(text, [&](char c) { return alnum(c) || c == '-'; });
}

/// Several references to one parent have to differ in sectionName or port, and to give them all or not at all.
void check_parent(Reader& reader, View at, const model::ParentReference& one,
                  const std::vector<model::ParentReference>& all) {
  for (const auto& other : all) {
    if (&other == &one) return;
    if (other.kind != one.kind || other.name != one.name || other.ns != one.ns) continue;
    if (other.section.empty() != one.section.empty() || (other.port == 0) != (one.port == 0))
      return reader.error(at, "sectionName or port in each reference to the same parent");
    if (other.section == one.section && other.port == one.port)
      return reader.error(at, "a sectionName or port that no other reference to the same parent has");
  }
}

void read_parent(Reader& reader, View at, model::ParentReference& out) {
  GroupKind kind{.group = std::string(model::kGatewayGroup), .kind = "Gateway"};
  read_mapping(reader, at, field("group", [&](View v) { kind.read_group(reader, v); }),
               field("kind", [&](View v) { kind.read_kind(reader, v); }),
               required("name", "a name", [&](View v) { read_object_name(reader, v, out.name); }),
               field("namespace", [&](View v) { read_namespace_name(reader, v, out.ns); }),
               field("sectionName", [&](View v) { read_section_name(reader, v, out.section); }),
               field("port", [&](View v) { reader.read_port(v, out.port); }));
  out.kind = kind.name();
}

}  // namespace

void GroupKind::read_group(Reader& reader, View at) {
  read_text(
      reader, at, group, 0, 253, [](std::string_view text) { return text.empty() || is_dns_subdomain(text); },
      "an API group such as gateway.networking.k8s.io, or \"\" for the core group");
}

void GroupKind::read_kind(Reader& reader, View at) {
  read_text(reader, at, kind, 1, 63, is_kind_name, "a kind such as Service");
}

void read_parents(Reader& reader, View at, std::vector<model::ParentReference>& out) {
  constexpr std::size_t kMost = 32;
  read_list(reader, at, 0, kMost, out, [&](View item, model::ParentReference& one) {
    read_parent(reader, item, one);
    check_parent(reader, item, one, out);
  });
}

void read_parent_gateway(Reader& reader, View at, model::ParentReference& out) {
  GroupKind kind{.group = std::string(model::kGatewayGroup), .kind = "Gateway"};
  read_mapping(reader, at, field("group", [&](View v) { kind.read_group(reader, v); }),
               field("kind", [&](View v) { kind.read_kind(reader, v); }),
               required("name", "a name", [&](View v) { read_object_name(reader, v, out.name); }),
               field("namespace", [&](View v) { read_namespace_name(reader, v, out.ns); }));
  out.kind = kind.name();
}

void read_secret_ref(Reader& reader, View at, model::ObjectReference& out) {
  GroupKind kind{.group = {}, .kind = "Secret"};
  read_mapping(reader, at, field("group", [&](View v) { kind.read_group(reader, v); }),
               field("kind", [&](View v) { kind.read_kind(reader, v); }),
               required("name", "a name", [&](View v) { read_object_name(reader, v, out.name); }),
               field("namespace", [&](View v) { read_namespace_name(reader, v, out.ns); }));
  out.kind = kind.name();
}

void read_full_ref(Reader& reader, View at, model::ObjectReference& out, bool with_namespace) {
  GroupKind kind;
  read_mapping(reader, at,
               required("group", "an API group, \"\" for the core group", [&](View v) { kind.read_group(reader, v); }),
               required("kind", "a kind", [&](View v) { kind.read_kind(reader, v); }),
               required("name", "a name", [&](View v) { read_object_name(reader, v, out.name); }),
               field("namespace", [&](View v) {
                 if (with_namespace) read_namespace_name(reader, v, out.ns);
                 else reader.unknown_field(v, "an object of the same namespace");
               }));
  out.kind = kind.name();
}

void read_backend_target(Reader& reader, View at, model::BackendTarget& out) {
  GroupKind kind{.group = {}, .kind = "Service"};
  read_mapping(reader, at, field("group", [&](View v) { kind.read_group(reader, v); }),
               field("kind", [&](View v) { kind.read_kind(reader, v); }),
               required("name", "a name", [&](View v) { read_object_name(reader, v, out.ref.name); }),
               field("namespace", [&](View v) { read_namespace_name(reader, v, out.ref.ns); }),
               field("port", [&](View v) { reader.read_port(v, out.port); }));
  out.ref.kind = kind.name();
  if (out.ref.kind.kind == model::RefKind::kService && at.is_mapping() && !at.find("port"))
    reader.missing(at, "port", "a port of the Service");
}

void read_backends(Reader& reader, View at, std::vector<model::BackendReference>& out) {
  constexpr std::size_t kMost = 16;
  read_list(reader, at, 1, kMost, out,
            [&](View item, model::BackendReference& one) { read_backend(reader, item, one); });
}

void read_targets(Reader& reader, View at, std::vector<model::PolicyTarget>& out, std::size_t most) {
  read_list(reader, at, 1, most, out, [&](View item, model::PolicyTarget& one) {
    GroupKind kind;
    read_mapping(
        reader, item,
        required("group", "an API group, \"\" for the core group", [&](View v) { kind.read_group(reader, v); }),
        required("kind", "a kind", [&](View v) { kind.read_kind(reader, v); }),
        required("name", "a name", [&](View v) { read_object_name(reader, v, one.name); }),
        field("sectionName", [&](View v) { read_section_name(reader, v, one.section); }));
    one.kind = kind.name();
    for (const auto& other : out) {
      if (&other == &one || other.kind != one.kind || other.name != one.name) continue;
      if (other.section.empty() != one.section.empty())
        return reader.error(item, "a sectionName in each reference to the same target");
      if (other.section == one.section)
        return reader.error(item, "a sectionName that no other reference to the same target has");
    }
  });
}

void read_hostnames(Reader& reader, View at, std::size_t least, std::size_t most, std::vector<std::string>& out) {
  read_list(reader, at, least, most, out, [&](View item, std::string& one) { read_hostname(reader, item, one, true); });
}

void read_default_scope(Reader& reader, View at, bool& out) {
  if (const auto found = reader.one_of(at, {"All", "None"})) out = *found == 0;
}

}  // namespace fairlead::config
