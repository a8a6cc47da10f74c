// SPDX-License-Identifier: Apache-2.0
#pragma once

// References of Gateway API: to parents, backends, certificates, targets.

#include "fairlead/model/objects.hpp"
#include "gateway/dataplane/config/fields.hpp"

namespace fairlead::config {

/// Group and kind as they are read, each "not given" until then.
struct GroupKind {
  std::string group;
  std::string kind;

  void read_group(Reader& reader, View at);
  void read_kind(Reader& reader, View at);
  [[nodiscard]] model::RefKindName name() const { return model::ref_kind(group, kind); }
};

/// parentRefs, with the rule that several of one parent differ in sectionName or port.
void read_parents(Reader& reader, View at, std::vector<model::ParentReference>& out);
/// A ListenerSet's parentRef.
void read_parent_gateway(Reader& reader, View at, model::ParentReference& out);
/// SecretObjectReference: a Secret by default, in any namespace.
void read_secret_ref(Reader& reader, View at, model::ObjectReference& out);
/// group, kind and name are given; a namespace may be where `with_namespace`.
void read_full_ref(Reader& reader, View at, model::ObjectReference& out, bool with_namespace);
/// BackendObjectReference, without weight or filters.
void read_backend_target(Reader& reader, View at, model::BackendTarget& out);
void read_backends(Reader& reader, View at, std::vector<model::BackendReference>& out);
/// Of a weighted backend; `more` reads the fields that only some kinds have.
template <class... F>
void read_backend(Reader& reader, View at, model::BackendReference& out, const Field<F>&... more) {
  GroupKind kind{.group = {}, .kind = "Service"};
  read_mapping(reader, at, field("group", [&](View v) { kind.read_group(reader, v); }),
               field("kind", [&](View v) { kind.read_kind(reader, v); }),
               required("name", "a name", [&](View v) { read_object_name(reader, v, out.ref.name); }),
               field("namespace", [&](View v) { read_namespace_name(reader, v, out.ref.ns); }),
               field("port", [&](View v) { reader.read_port(v, out.port); }),
               field("weight", [&](View v) { read_number(reader, v, 0, 1'000'000, out.weight); }), more...);
  out.ref.kind = kind.name();
  if (out.ref.kind.kind == model::RefKind::kService && at.is_mapping() && !at.find("port"))
    reader.missing(at, "port", "a port of the Service");
}
inline constexpr std::size_t kMostTargets = 16;  // Gateway API's for policies
void read_targets(Reader& reader, View at, std::vector<model::PolicyTarget>& out, std::size_t most = kMostTargets);
/// The same; the kind of each has to be `good`.
template <class Good>
void read_targets(Reader& reader, View at, std::vector<model::PolicyTarget>& out, Good&& good,
                  std::string_view expected, std::size_t most = kMostTargets) {
  read_targets(reader, at, out, most);
  auto item = at.is_sequence() ? at.first() : View{};
  for (std::size_t i = 0; item && i < out.size(); item = item.next(), ++i)
    if (!good(out[i].kind) && item.find("kind") && item.find("group"))
      reader.error(item.find("kind"), std::string(expected));
}
void read_hostnames(Reader& reader, View at, std::size_t least, std::size_t most, std::vector<std::string>& out);
/// useDefaultGateways or defaultScope: All or None.
void read_default_scope(Reader& reader, View at, bool& out);

}  // namespace fairlead::config
