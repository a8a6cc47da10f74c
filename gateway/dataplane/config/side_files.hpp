// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "fairlead/base/result.hpp"

namespace fairlead::config {

class Watcher;
struct Document;
struct Seen;

/// Files of which objects take values, such as credentials: read when an object is, and followed for as long as some
/// document names them. What they held is not kept, only a print of it.
/// Owner: Directory. Thread: its.
class SideFiles {
 public:
  static constexpr std::size_t kMostBytes = std::size_t{512} << 10;
  /// Begins what is expected of a file, in all that is noted of one.
  static constexpr std::string_view kExpected = "a file ";
  /// A file that was read, and what it came to.
  struct Use {
    std::string path;
    std::uint64_t print = 0;
  };

  explicit SideFiles(Watcher& watcher) : watcher_(watcher) {}

  /// What the file holds without one line end behind it. A path that is not absolute begins at the configuration's
  /// directory. An error says what was found instead: "a directory".
  [[nodiscard]] Result<std::string> read(std::string_view path);
  /// What was read since the last call.
  [[nodiscard]] std::vector<Use> take_uses() { return std::exchange(uses_, {}); }

  void add(Document& document, std::vector<Use> uses);
  void remove(Document& document);
  /// Documents with a file that holds something else now, of the files that inotify told of.
  [[nodiscard]] std::set<Document*> changed(const Seen& seen);
  /// Ends the following of files that no document names any more.
  void settle();

 private:
  Watcher& watcher_;
  std::vector<Use> uses_;
  std::set<std::string> looked_;  // since settle()
  std::map<std::string, std::map<Document*, std::uint64_t>> users_;
  std::unordered_map<Document*, std::vector<std::string>> named_;
};

}  // namespace fairlead::config
