// SPDX-License-Identifier: Apache-2.0
#include "fairlead/cache/registry.hpp"

namespace fairlead::cache {

Registry& Registry::of_process() {
  static Registry registry;
  return registry;
}

void Registry::add(const std::shared_ptr<Store>& store) {
  const std::scoped_lock lock(mutex_);
  std::erase_if(stores_, [](const auto& one) { return one.expired(); });
  stores_.push_back(store);
}

void Registry::add(const std::shared_ptr<Journal>& journal) {
  const std::scoped_lock lock(mutex_);
  std::erase_if(journals_, [](const auto& one) { return one.expired(); });
  journals_.push_back(journal);
}

void Registry::publish(PurgeKind kind, std::string_view text) {
  std::vector<std::shared_ptr<Journal>> journals;
  {
    const std::scoped_lock lock(mutex_);
    for (const auto& one : journals_)
      if (auto journal = one.lock()) journals.push_back(std::move(journal));
  }
  for (const auto& journal : journals) journal->publish(kind, text);
}

std::vector<std::shared_ptr<Store>> Registry::standing() {
  const std::scoped_lock lock(mutex_);
  std::vector<std::shared_ptr<Store>> out;
  for (const auto& one : stores_)
    if (auto store = one.lock()) out.push_back(std::move(store));
  return out;
}

std::size_t Registry::purge_url(std::string_view url) {
  publish(PurgeKind::kUrl, url);
  std::size_t count = 0;
  for (const auto& store : standing()) count += store->purge_url(url);
  return count;
}

std::size_t Registry::purge_prefix(std::string_view prefix) {
  publish(PurgeKind::kPrefix, prefix);
  std::size_t count = 0;
  for (const auto& store : standing()) count += store->purge_prefix(prefix);
  return count;
}

std::size_t Registry::purge_tag(std::string_view tag) {
  publish(PurgeKind::kTag, tag);
  std::size_t count = 0;
  for (const auto& store : standing()) count += store->purge_tag(tag);
  return count;
}

}  // namespace fairlead::cache
