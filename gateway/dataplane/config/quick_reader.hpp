// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "gateway/dataplane/config/tree.hpp"

namespace fairlead::config {

/// Reads a text of one document in the form that tools print and people write: blocks and one-line flow collections of
/// one-line scalars in printable ASCII; of JSON all but \u. Several times faster than libfyaml, and without its
/// allocations.
///
/// Returns whether the tree holds the document, exactly as libfyaml would have left it. If not, the text has something
/// else (anchors, tags, block scalars, several documents, an error) and nothing is said of it: libfyaml reads it then.
/// quick_fuzz compares the two.
[[nodiscard]] bool read_quick(std::string_view text, bool json, Tree& tree);

}  // namespace fairlead::config
