// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>

#include "gateway/dataplane/config/parse.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  fairlead::config::parse_text(text, (data[0] & 1) != 0);
  return 0;
}
