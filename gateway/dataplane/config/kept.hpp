// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "gateway/dataplane/config/file.hpp"

namespace fairlead::config {

/// Where a piece stands in its file, and of a list's item the head of its list.
struct Place {
  std::uint64_t at = 0;
  std::uint32_t length = 0;
  PieceForm form = PieceForm::kDocument;
  std::uint64_t head_at = 0;
  std::uint32_t head_length = 0;

  /// The place behind this piece, for the one that follows.
  [[nodiscard]] Place next(const Span& span) const;
};

/// What was in force, as text, for the next start: a copy of each file as it was last read, and of each object that is
/// refused now its last good text. See docs/decisions/0004.
/// Owner: Directory. Thread: its.
class Kept {
 public:
  /// Makes the directory, which nobody else may read.
  static Result<Kept> open(const std::string& directory);

  /// Where the copy of a file is, be there one or not.
  [[nodiscard]] std::string copy_of(const std::string& path) const;
  /// Files at or below root (as it is given) that have a copy.
  [[nodiscard]] std::vector<std::string> paths_below(const std::string& root) const;
  /// Takes the object's text from the file's copy, in which it stands as last good. False: it does not stand there.
  bool hold(const std::string& path, const std::string& object, const Place& place, const KindTable& kinds) const;
  [[nodiscard]] bool holds(const std::string& path, const std::string& object) const;
  /// All last good objects that are held for the file.
  [[nodiscard]] std::vector<ParsedObject> held(const std::string& path, const KindTable& kinds) const;
  /// Copies the file, which says what its pieces tell, and forgets what is held for it beside `held`. Where it says
  /// something else by now, or a held object has no text yet, the older copy stays.
  Result<> store(const File& file, const std::set<std::string>& held, Window& window, const KindTable& kinds) const;
  void drop(const std::string& path) const;
  /// Drops what belongs to none of these files.
  void drop_others(const std::set<std::string>& paths) const;

 private:
  explicit Kept(std::string directory) : directory_(std::move(directory)) {}
  [[nodiscard]] std::string held_of(const std::string& path) const;
  [[nodiscard]] std::string held_file(const std::string& path, const std::string& object) const;

  std::string directory_;
};

}  // namespace fairlead::config
