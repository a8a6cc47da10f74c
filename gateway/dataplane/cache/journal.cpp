// SPDX-License-Identifier: Apache-2.0
#include "fairlead/cache/journal.hpp"

#include <algorithm>

namespace fairlead::cache {
namespace {

bool concerns(std::string_view item, std::string_view url, std::span<const std::string_view> tags) {
  const auto text = item.substr(1);
  switch (static_cast<PurgeKind>(item.front())) {
    case PurgeKind::kUrl: return url == text;
    case PurgeKind::kPrefix: return url.starts_with(text);
    case PurgeKind::kTag: return std::ranges::find(tags, text) != tags.end();
  }
  return true;  // of a later version, which knows more
}

void apply_to(Store& store, std::string_view item) {
  const auto text = item.substr(1);
  switch (static_cast<PurgeKind>(item.front())) {
    case PurgeKind::kUrl: store.purge_url(text); return;
    case PurgeKind::kPrefix: store.purge_prefix(text); return;
    case PurgeKind::kTag: store.purge_tag(text); return;
  }
  store.purge_prefix({});
}

}  // namespace

void Journal::add(const std::shared_ptr<Store>& store) {
  const std::scoped_lock lock(mutex_);
  std::erase_if(stores_, [](const auto& one) { return one.expired(); });
  const auto same = [&](const auto& one) { return !one.owner_before(store) && !store.owner_before(one); };
  if (std::ranges::none_of(stores_, same)) stores_.push_back(store);
}

std::vector<std::shared_ptr<Store>> Journal::standing() const {
  std::vector<std::shared_ptr<Store>> out;
  for (const auto& one : stores_)
    if (auto store = one.lock()) out.push_back(std::move(store));
  return out;
}

void Journal::set_wake(std::function<void()> wake) {
  const std::scoped_lock lock(mutex_);
  wake_ = std::move(wake);
}

void Journal::publish(PurgeKind kind, std::string_view text) {
  if (kind == PurgeKind::kUrl && text.size() > kMostText) kind = PurgeKind::kPrefix;
  std::string item(1, static_cast<char>(kind));
  item += text.substr(0, kMostText);
  const std::scoped_lock lock(mutex_);
  if (std::ranges::find(waiting_, item) == waiting_.end()) {
    if (waiting_.size() >= kMostWaiting) {
      waiting_.clear();
      item.assign(1, static_cast<char>(PurgeKind::kPrefix));
    }
    waiting_.push_back(std::move(item));
  }
  if (wake_) wake_();
}

std::vector<std::string> Journal::waiting(std::size_t most) const {
  const std::scoped_lock lock(mutex_);
  return {waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(std::min(most, waiting_.size()))};
}

std::size_t Journal::waiting_count() const {
  const std::scoped_lock lock(mutex_);
  return waiting_.size();
}

void Journal::written(const std::vector<std::string>& items, const JournalMark& end) {
  const std::scoped_lock lock(mutex_);
  // By what they are: one that purges everything may have taken their place.
  for (const auto& item : items) std::erase(waiting_, item);
  if (end.journal != read_to_.journal) return;
  for (const auto& item : items) note(item, end.purge);
}

JournalMark Journal::read_to() const {
  const std::scoped_lock lock(mutex_);
  return read_to_;
}

/// What stands in memory stays: where Redis has lost what it had, gateways go on with theirs.
void Journal::begin_anew(std::uint64_t journal) {
  read_to_ = {.journal = journal, .purge = 0};
  floor_ = 0;
  whole_ = false;
  urls_.clear();
  tags_.clear();
  prefixes_.clear();
}

void Journal::note(std::string_view item, std::uint64_t number) {
  const auto text = item.substr(1);
  const auto set = [&](Numbers& numbers) {
    auto& last = numbers.try_emplace(std::string(text), 0).first->second;
    last = std::max(last, number);
  };
  switch (static_cast<PurgeKind>(item.front())) {
    case PurgeKind::kUrl: return set(urls_);
    case PurgeKind::kTag: return set(tags_);
    case PurgeKind::kPrefix: break;
  }
  const auto known = item.front() == static_cast<char>(PurgeKind::kPrefix) ? text : std::string_view();
  const auto found = std::ranges::find(prefixes_, known, [](const auto& one) { return std::string_view(one.first); });
  if (found == prefixes_.end()) prefixes_.emplace_back(known, number);
  else found->second = std::max(found->second, number);
}

void Journal::forget_below(std::uint64_t floor) {
  if (floor <= floor_) return;
  floor_ = floor;
  const auto is_old = [&](const auto& one) { return one.second <= floor; };
  std::erase_if(urls_, is_old);
  std::erase_if(tags_, is_old);
  std::erase_if(prefixes_, is_old);
}

void Journal::apply(const JournalPage& page, std::int64_t now_ms) {
  std::vector<std::shared_ptr<Store>> stores;
  bool missed = false;
  {
    const std::scoped_lock lock(mutex_);
    if (page.end.journal != read_to_.journal) begin_anew(page.end.journal);
    missed = whole_ && page.floor > read_to_.purge;
    for (const auto& item : page.items) {
      if (item.text.empty()) continue;
      note(item.text, item.number);
      read_to_.purge = std::max(read_to_.purge, item.number);
    }
    forget_below(page.floor);
    if (page.last) {
      read_to_.purge = std::max(read_to_.purge, page.end.purge);
      whole_ = true;
      read_ms_ = now_ms;
    }
    if (!page.items.empty() || missed) stores = standing();
  }
  for (const auto& store : stores) {
    if (missed) store->purge_prefix({});
    else
      for (const auto& item : page.items)
        if (!item.text.empty()) apply_to(*store, item.text);
  }
}

std::optional<JournalMark> Journal::mark(std::int64_t now_ms) const {
  const std::scoped_lock lock(mutex_);
  if (!whole_ || now_ms - read_ms_ > kMostLag) return std::nullopt;
  return read_to_;
}

bool Journal::purged(const JournalMark& since, std::string_view url, std::span<const std::string_view> tags) const {
  const std::scoped_lock lock(mutex_);
  if (since.journal != read_to_.journal || since.purge < floor_) return true;
  const auto later = [&](const Numbers& numbers, std::string_view text) {
    const auto found = numbers.find(text);
    return found != numbers.end() && found->second > since.purge;
  };
  return later(urls_, url) || std::ranges::any_of(tags, [&](std::string_view tag) { return later(tags_, tag); }) ||
         std::ranges::any_of(prefixes_,
                             [&](const auto& one) { return one.second > since.purge && url.starts_with(one.first); }) ||
         std::ranges::any_of(waiting_, [&](const auto& item) { return concerns(item, url, tags); });
}

}  // namespace fairlead::cache
