// SPDX-License-Identifier: Apache-2.0
#include "gateway/remarks.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace fairlead::gateway {

void Remarks::set(const std::string& subject, Texts texts) {
  if (texts.empty()) return forget(subject);
  for (const auto& text : texts)
    if (told_.emplace(subject, text).second && !quiet_) spdlog::warn("{}: {}", subject, text);
  all_[subject] = std::move(texts);
}

void Remarks::settle() {
  std::erase_if(told_, [&](const auto& told) {
    const auto at = all_.find(told.first);
    return at == all_.end() || std::ranges::find(at->second, told.second) == at->second.end();
  });
}

}  // namespace fairlead::gateway
