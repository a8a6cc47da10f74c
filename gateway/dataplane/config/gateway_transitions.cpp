// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/config/gateway_transitions.hpp"

#include <algorithm>
#include <array>
#include <ctime>
#include <functional>

namespace fairlead::config {

std::uint32_t Transitions::id_of(std::string_view place, std::string_view type) {
  const std::hash<std::string_view> hash;
  return static_cast<std::uint32_t>(hash(place) * 31 + hash(type));
}

void Transitions::note(const model::ObjectKey& key, const All* before, const All& after, std::int64_t now) {
  const auto known = objects_.find(key);
  if (known == objects_.end() && before != nullptr && *before == after) return;
  std::vector<Entry> old;
  if (known != objects_.end()) {
    old = std::move(known->second);
  } else if (before != nullptr) {
    for (const auto& seen : *before) old.push_back({seen, start_});
  }
  auto& entries = objects_[key];
  entries.clear();
  for (const auto& seen : after) {
    const auto same = std::ranges::find(old, seen, &Entry::seen);
    entries.push_back({seen, same == old.end() ? now : same->since});
  }
}

std::int64_t Transitions::since(const model::ObjectKey& key, std::uint32_t id) const {
  const auto object = objects_.find(key);
  if (object == objects_.end()) return start_;
  for (const auto& entry : object->second)
    if (entry.seen.id == id) return entry.since;
  return start_;
}

std::string time_text(std::int64_t seconds) {
  const auto when = static_cast<std::time_t>(seconds);
  std::tm parts{};
  ::gmtime_r(&when, &parts);
  std::array<char, 32> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

}  // namespace fairlead::config
