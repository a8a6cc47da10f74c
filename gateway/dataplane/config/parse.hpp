// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/config/diagnostic.hpp"
#include "fairlead/config/directory.hpp"
#include "fairlead/model/cluster.hpp"
#include "gateway/dataplane/config/reader.hpp"

namespace fairlead::config {

struct KnownKind {
  std::string_view name;
  std::string_view group;  ///< of apiVersion, before the slash
  model::Kind kind;
  bool namespaced;
  model::Object (*read)(Reader& reader, View root);
  /// Of a policy: what closes its workloads where it was refused.
  std::optional<model::RefusedPolicy> (*stand_in)(View root, const std::string& reason) = nullptr;
};

struct KindTable {
  std::span<const KnownKind> kinds;
};

/// A reader of one kind as one of any.
template <auto kRead>
model::Object read_as(Reader& reader, View root) {
  return kRead(reader, root);
}

class SideFiles;

struct ParsedObject {
  model::ObjectKey key;
  model::ObjectPtr object;    ///< empty: refused
  model::ObjectPtr stand_in;  ///< of a refused policy: closes its workloads where it has no good version
};

/// What the items of a list are where they do not say it, as the API server leaves it out of a ServiceList and the
/// like.
struct ItemKind {
  std::string kind;     ///< empty: items have to say it
  std::string version;  ///< apiVersion
};

struct ParsedText {
  std::vector<ParsedObject> objects;
  Diagnostics diagnostics;  ///< lines count from the start of the text; no file
  bool unreadable = false;  ///< it broke off: which objects it held is not known
  bool unknown_anchor = false;  ///< ... at an alias, whose anchor may stand in the text before
  bool unknown_kind = false;  ///< ... as an item says nothing of its kind, nor does what was given of its list
};

/// Reads one document, or several that no `---` line parts. Objects of kinds not in `kinds` are passed over.
/// Without `side` no object can take a value from a file.
ParsedText parse_text(std::string_view text, bool json, const KindTable& kinds = agent_kinds(),
                      SideFiles* side = nullptr);

/// Reads one item of a List as the file has it: in YAML with its dash, in JSON with the comma before it.
ParsedText parse_item(std::string_view text, bool json, const KindTable& kinds = agent_kinds(),
                      SideFiles* side = nullptr, const ItemKind& of_list = {});

/// By the text of a list up to its first item.
ItemKind item_kind(std::string_view head, bool json);

/// Whether this is a List and no more: what is left of one whose items were cut out.
bool is_list_frame(std::string_view text, bool json);

}  // namespace fairlead::config
