// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "fairlead/cache/store.hpp"

namespace fairlead::cache {

enum class PurgeKind : char { kUrl = 'u', kPrefix = 'p', kTag = 't' };

/// A place in a journal: what was asked for with it knew of the purges up to there.
struct JournalMark {
  std::uint64_t journal = 0;  ///< which one; a new one begins where Redis has lost the old
  std::uint64_t purge = 0;
};

/// A part of the journal, as it was read.
struct JournalPage {
  struct Item {
    std::uint64_t number = 0;
    std::string_view text;  ///< the kind's letter, then the URL, prefix or tag
  };
  JournalMark end;          ///< of the whole journal
  std::uint64_t floor = 0;  ///< purges up to here are not in it any more
  std::vector<Item> items;  ///< by number, beginning after mark()
  bool last = false;        ///< nothing follows
};

/// The purges that gateways tell each other where they share a store, in the order of their numbers: applied to the
/// memory of this gateway, and asked of each response that comes from the shared store, so that nobody has to look for
/// what a purge concerns there. What was purged here counts at once, and waits to be written.
/// Owner: filters, by shared_ptr. Thread: any; no function waits for anything but the others.
class Journal {
 public:
  static constexpr std::int64_t kMostLag = 5000;      ///< ms since it was read; then nobody knows what was purged
  static constexpr std::size_t kMostWaiting = 1024;   ///< purges to be written; beyond, everything is purged
  static constexpr std::size_t kMostText = 8000;      ///< bytes; of a longer URL all that begin so are purged

  void add(const std::shared_ptr<Store>& store);
  /// Called, on the thread of whoever purges, when there is something to be written.
  void set_wake(std::function<void()> wake);

  /// Before the stores of this gateway are purged.
  void publish(PurgeKind kind, std::string_view text);
  /// The first that wait to be written, `most` at most.
  [[nodiscard]] std::vector<std::string> waiting(std::size_t most) const;
  [[nodiscard]] std::size_t waiting_count() const;
  /// These are in the journal now, whose end is `end`.
  void written(const std::vector<std::string>& items, const JournalMark& end);

  /// Where to read on.
  [[nodiscard]] JournalMark read_to() const;
  /// Applies what was read, also to the stores. now_ms: CLOCK_MONOTONIC.
  void apply(const JournalPage& page, std::int64_t now_ms);

  /// Nothing: it was not read to its end lately, so nothing from the shared store may be served.
  [[nodiscard]] std::optional<JournalMark> mark(std::int64_t now_ms) const;
  /// Whether a response that was asked for at `since` was purged after that, or may have been.
  [[nodiscard]] bool purged(const JournalMark& since, std::string_view url,
                            std::span<const std::string_view> tags) const;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  using Numbers = std::unordered_map<std::string, std::uint64_t, Hash, std::equal_to<>>;

  void begin_anew(std::uint64_t journal);
  void note(std::string_view item, std::uint64_t number);
  void forget_below(std::uint64_t floor);
  [[nodiscard]] std::vector<std::shared_ptr<Store>> standing() const;

  mutable std::mutex mutex_;
  std::vector<std::weak_ptr<Store>> stores_;
  std::function<void()> wake_;
  std::deque<std::string> waiting_;
  JournalMark read_to_;
  std::uint64_t floor_ = 0;
  std::int64_t read_ms_ = 0;
  bool whole_ = false;  // read to its end at least once
  Numbers urls_;
  Numbers tags_;
  std::vector<std::pair<std::string, std::uint64_t>> prefixes_;
};

}  // namespace fairlead::cache
