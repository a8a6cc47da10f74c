// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "gateway/dataplane/config/parse.hpp"

namespace fairlead::config {

/// One object that is expected to be taken, and what was remarked.
template <class T>
struct ReadObject {
  std::shared_ptr<const T> object;
  std::vector<std::string> remarks;
};

template <class T>
ReadObject<T> read_valid(const std::string& text, bool json = false) {
  const auto parsed = parse_text(text, json);
  ReadObject<T> out;
  for (const auto& diagnostic : parsed.diagnostics) out.remarks.push_back(diagnostic.text());
  if (parsed.objects.size() != 1 || parsed.objects[0].object == nullptr) return out;
  if (const auto* found = std::get_if<T>(parsed.objects[0].object.get()))
    out.object = {parsed.objects[0].object, found};
  return out;
}

}  // namespace fairlead::config
