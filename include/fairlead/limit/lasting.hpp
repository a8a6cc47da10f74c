// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/base/result.hpp"
#include "fairlead/limit/local.hpp"

namespace fairlead::limit {

/// Fixed windows of a minute or more: what they have counted is worth a file.
[[nodiscard]] bool lasts(const Rule& rule);

/// The counts of this process that outlive it: as a text for a file, and from one. Keys are in it as hashes, with the
/// secret that they were made by. What a file has of limits that are not there (yet) is kept until its window ends.
/// Owner: the process. Thread: any.
class LastingCounts {
 public:
  static LastingCounts& of_process();

  /// From now on a file is written: what keep() gets is remembered.
  void enable();
  [[nodiscard]] bool enabled() const;
  /// Counts of that name, made just now; what a file had of them goes on. Nothing happens where the rule does not last.
  void keep(const std::string& name, const Rule& rule, const std::shared_ptr<Counts>& counts, std::int64_t now_us);
  /// Each shard's lock is held for the copying of a few cells.
  [[nodiscard]] std::string encode(std::int64_t now_us);
  /// Adds what encode() gave, in this process or another. All or nothing: an error says what is wrong with the text.
  /// It has to have this process' secret, or adopt_secret() came before.
  Result<> load(std::string_view text, std::int64_t now_us);
  /// Takes a text's secret. Before the first hash is made: at the start of the process.
  static Result<> adopt_secret(std::string_view text);
  [[nodiscard]] std::size_t limits() const;  ///< that are kept, for status

 private:
  struct Cell {
    std::uint64_t hash = 0;
    std::uint64_t count = 0;
  };
  struct Section {
    std::int64_t window = 0;
    std::int64_t until_us = 0;  ///< the window's end
    std::vector<Cell> cells;
  };
  struct Kept {
    Rule rule;
    std::weak_ptr<Counts> counts;
  };
  using Sections = std::map<std::string, Section, std::less<>>;
  static Result<Sections> decode(std::string_view text);
  static void add(const Section& section, const Rule& rule, Counts& counts, std::int64_t now_us);
  static Section section_of(const Rule& rule, Counts& counts, std::int64_t now_us);

  mutable std::mutex mutex_;
  bool enabled_ = false;
  std::map<std::string, Kept> kept_;
  Sections waiting_;  // of a file, for limits that are not there
};

}  // namespace fairlead::limit
