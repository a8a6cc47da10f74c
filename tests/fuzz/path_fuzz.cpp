// SPDX-License-Identifier: Apache-2.0
// A target that is taken has a path that is normal: it parses to itself, without a copy, and holds nothing ambiguous.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "fairlead/route/path.hpp"
#include "fairlead/route/query.hpp"

namespace {

using namespace fairlead;
using namespace fairlead::route;

void check(bool good) {
  if (!good) std::abort();
}

void check_path(const Target& target, const PathOptions& options) {
  if (target.path == "*") return;
  check(target.path.starts_with('/'));
  for (const char c : target.path) check(c > 0x20 && c < 0x7f && c != '\\' && c != '#' && c != '?' && c != '"');
  for (const std::string_view segment : {"/./", "/../"}) check(!target.path.contains(segment));
  check(!target.path.ends_with("/.") && !target.path.ends_with("/.."));
  if (options.merge_slashes) check(!target.path.contains("//"));
  if (options.encoded_slashes != EncodedSlashes::kKeep)
    check(!target.path.contains("%2F") && !target.path.contains("%5C"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  PathOptions options;
  options.encoded_slashes = static_cast<EncodedSlashes>((data[0] & 3) % 3);
  options.backslashes = (data[0] & 4) != 0 ? Backslashes::kSlash : Backslashes::kRefuse;
  options.other_characters = (data[0] & 8) != 0 ? OtherCharacters::kEncode : OtherCharacters::kRefuse;
  options.merge_slashes = (data[0] & 16) != 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  Arena arena;
  Target target, again;
  if (parse_target(text, options, arena, target) != PathError::kNone) return 0;
  check_path(target, options);
  check(parse_target(target.path, options, arena, again) == PathError::kNone && again.path == target.path);
  if (const auto value = find_query(target.query, "a")) {
    std::string decoded;
    decode_query(*value, decoded);
    check(query_equals(*value, decoded));
  }
  return 0;
}
