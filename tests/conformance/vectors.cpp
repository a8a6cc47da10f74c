// SPDX-License-Identifier: Apache-2.0
// Cases that others have published, through our own readers and verifiers: scripts/conformance calls it.
#include "vectors.hpp"

#include <cstdio>
#include <exception>

namespace fairlead::test {

void Tally::count(bool as_expected, std::string_view name, std::string_view found) {
  ++(as_expected ? passed_ : failed_);
  if (as_expected) return;
  std::printf("  FAILED: %.*s%s%.*s\n", static_cast<int>(name.size()), name.data(), found.empty() ? "" : ": ",
              static_cast<int>(found.size()), found.data());
}

bool Tally::finish() const {
  std::printf("%zu passed, %zu failed, %zu left out\n", passed_, failed_, left_out_);
  return failed_ == 0 && passed_ != 0;
}

}  // namespace fairlead::test

int main(int count, char** arguments) {
  using namespace fairlead::test;
  const std::string_view suite = count == 3 ? arguments[1] : "";
  Tally tally;
  try {
    if (suite == "wycheproof") run_wycheproof(arguments[2], tally);
    else if (suite == "structured-fields") run_structured_fields(arguments[2], tally);
    else if (suite == "json") run_json(arguments[2], tally);
    else if (suite == "yaml") run_yaml(arguments[2], tally);
    else if (suite == "json-schema") run_json_schema(arguments[2], tally);
    else
      return std::fputs("usage: suite_vectors wycheproof|structured-fields|json|yaml|json-schema CHECKOUT\n", stderr),
             2;
  } catch (const std::exception& error) {  // a file of the suite is not what it was
    return std::fprintf(stderr, "%s: %s\n", arguments[2], error.what()), 2;
  }
  return tally.finish() ? 0 : 1;
}
