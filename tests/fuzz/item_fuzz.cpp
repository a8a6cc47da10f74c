// SPDX-License-Identifier: Apache-2.0
// Items of Lists and what is left of a List without them.
#include <cstddef>
#include <cstdint>

#include "gateway/dataplane/config/parse.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const bool json = (data[0] & 1) != 0;
  if ((data[0] & 2) != 0) return fairlead::config::is_list_frame(text, json) ? 0 : 0;
  fairlead::config::parse_item(text, json);
  return 0;
}
