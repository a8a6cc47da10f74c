// SPDX-License-Identifier: Apache-2.0
// The settings file, and each setting's value.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "agent/settings.hpp"
#include "fuzz/input_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fairlead::agent;
  static fairlead::fuzz::InputFile file(".yaml");
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  Settings settings;
  const auto kinds = setting_kinds();
  if (data[0] < kinds.size()) {
    const auto taken = take_setting(settings, "here", kinds[data[0]].name, text);
    if (!taken && taken.error().message.find("expected") == std::string::npos) std::abort();
  } else {
    const auto read = read_settings(settings, file.write(text));
    if (!read && read.error().message.empty()) std::abort();
  }
  if (settings.node_port_low == 0 || settings.max_series == 0) return 0;  // of a refused value, which nobody uses
  return 0;
}
