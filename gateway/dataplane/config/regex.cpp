// SPDX-License-Identifier: Apache-2.0
#include <re2/re2.h>

#include "gateway/dataplane/config/fields.hpp"

namespace fairlead::config {

void check_regex(Reader& reader, View at) {
  constexpr std::int64_t kMostMemory = std::int64_t{1} << 20;  // of a compiled expression; RE2's own default is 8 MiB
  if (!at || !at.is_string()) return;
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kMostMemory);
  const re2::RE2 compiled(re2::StringPiece(at.text().data(), at.text().size()), options);
  if (!compiled.ok()) reader.error(at, "a regular expression in RE2's syntax (" + compiled.error() + ")");
}

}  // namespace fairlead::config
