// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <vector>

#include "fairlead/config/diagnostic.hpp"
#include "fairlead/model/cluster.hpp"

namespace fairlead::config {

struct ParsedObject {
  model::ObjectKey key;
  model::ObjectPtr object;    ///< empty: refused
  model::ObjectPtr stand_in;  ///< of a refused policy: closes its workloads where it has no good version
};

struct ParsedText {
  std::vector<ParsedObject> objects;
  Diagnostics diagnostics;  ///< lines count from the start of the text; no file
  bool unreadable = false;  ///< it broke off: which objects it held is not known
};

/// Reads one document, or several that no `---` line parts.
ParsedText parse_text(std::string_view text, bool json);

}  // namespace fairlead::config
