// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "fairlead/base/result.hpp"
#include "fairlead/config/diagnostic.hpp"
#include "fairlead/model/cluster.hpp"

namespace fairlead::config {

/// What reading the directory gave.
struct Update {
  model::ChangeSet changes;  ///< against what was given before; empty where nothing changed
  Diagnostics diagnostics;   ///< all that stand now, not only the new ones; sorted by file and line
  std::uint64_t files = 0;
  std::uint64_t documents = 0;
  std::uint64_t documents_parsed = 0;  ///< the rest was unchanged and not parsed again
};

/// A directory (or one file) of YAML and JSON, followed by inotify. Documents are the unit: a file is cut at its `---`
/// lines, and a document whose bytes are known is not parsed again. A refused document keeps the last good objects
/// that it gave; a file that vanished takes its objects with it. An object that two documents give belongs to the first
/// by path order; the other is refused.
/// Owner: the daemon. Thread: main.
class Directory {
 public:
  /// Fails only where the path cannot be read at all.
  static Result<std::unique_ptr<Directory>> open(std::string path);
  ~Directory();

  /// Reads everything; first call.
  Result<Update> load();

  /// inotify descriptor to watch for EPOLLIN; then call changed().
  [[nodiscard]] int fd() const;
  /// Reads what inotify named. Cost follows the changed files. Renames in place, symlink swaps (ConfigMap mounts) and
  /// many files at once are each one update.
  Result<Update> changed();

 private:
  struct State;
  explicit Directory(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace fairlead::config
