// SPDX-License-Identifier: Apache-2.0
// Kong's reader and converter: the first byte's lowest bit says whether what is not served is left out, the next
// whether the text is JSON. What is refused comes with a diagnostic that has a line and words; what is converted is
// YAML that the reader of objects takes apart.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "fairlead/kong/convert.hpp"
#include "gateway/dataplane/config/parse.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fairlead;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  kong::Options options;
  options.allow_partial = (data[0] & 1) != 0;
  const auto out = kong::convert(text, (data[0] & 2) != 0, "kong.yaml", options);
  std::size_t errors = 0;
  for (const auto& one : out.diagnostics) {
    if (one.text().empty() || one.line == 0) std::abort();
    errors += one.severity == config::Severity::kError ? 1U : 0U;
  }
  if (errors != out.refused || (errors > 0 && !out.yaml.empty())) std::abort();
  if (!out.yaml.empty() && config::parse_text(out.yaml, false, config::gateway_kinds()).unreadable) std::abort();
  return 0;
}
