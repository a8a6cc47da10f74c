// SPDX-License-Identifier: Apache-2.0
#include "fairlead/base/name.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>

#include "fairlead/base/compact_set.hpp"

namespace fairlead {

struct Name::Entry {
  Entry(std::string_view of, std::uint32_t its_hash) : hash(its_hash), text(of) {}
  mutable std::atomic<std::uint32_t> uses{1};
  std::uint32_t hash;
  std::string text;
};

struct Name::Pool {
  struct Hash {
    // The high bits choose the place.
    static std::size_t spread(std::uint32_t hash) { return std::size_t{hash} << 32; }
    std::size_t operator()(const Entry& of) const { return spread(of.hash); }
  };
  std::mutex mutex;
  CompactSet<const Entry*, Hash> entries;
};

/// Never destroyed, as names may outlive whatever is.
Name::Pool& Name::pool() {
  static auto& pool = *new Pool;
  return pool;
}

const Name::Entry* Name::entry_of(std::string_view text) {
  if (text.empty()) return nullptr;
  const auto hash = static_cast<std::uint32_t>(std::hash<std::string_view>{}(text));
  auto& [mutex, entries] = pool();
  const std::lock_guard lock(mutex);
  if (const auto* found = entries.find(Pool::Hash::spread(hash), [&](const Entry& one) { return one.text == text; })) {
    (*found)->uses.fetch_add(1, std::memory_order_relaxed);
    return *found;
  }
  const auto* made = new Entry(text, hash);
  entries.insert(made);
  return made;
}

void Name::acquire() const {
  if (entry_ != nullptr) entry_->uses.fetch_add(1, std::memory_order_relaxed);
}

/// The last use ends under the lock, so that nobody finds an entry that goes.
void Name::release() const {
  auto uses = entry_->uses.load(std::memory_order_relaxed);
  while (uses > 1)
    if (entry_->uses.compare_exchange_weak(uses, uses - 1, std::memory_order_acq_rel)) return;
  auto& [mutex, entries] = pool();
  const std::lock_guard lock(mutex);
  if (entry_->uses.fetch_sub(1, std::memory_order_acq_rel) > 1) return;
  entries.erase(entries.find(Pool::Hash{}(*entry_), [&](const Entry& one) { return &one == entry_; }));
  delete entry_;
}

const std::string& Name::text() const {
  static const std::string kEmpty;
  return entry_ == nullptr ? kEmpty : entry_->text;
}

}  // namespace fairlead
