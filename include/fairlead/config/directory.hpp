// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "fairlead/base/result.hpp"
#include "fairlead/config/diagnostic.hpp"
#include "fairlead/config/pace.hpp"
#include "fairlead/model/cluster.hpp"

namespace fairlead::config {

/// The kinds that a program reads, with their readers; objects of others are passed over with a remark.
struct KindTable;
/// What fairlead-agent serves.
[[nodiscard]] const KindTable& agent_kinds();
/// What fairlead-gateway serves; in fairlead::gateway_config, so that the agent does not carry it.
[[nodiscard]] const KindTable& gateway_kinds();

/// What reading the directory gave.
struct Update {
  model::ChangeSet changes;  ///< against what was given before; empty where nothing changed
  model::ConsumerChanges consumers{};  ///< the same, of Consumers; sorted by namespace and name
  Diagnostics diagnostics;   ///< all that stand now, not only the new ones; sorted by file and line
  std::uint64_t files = 0;
  std::uint64_t documents = 0;         ///< items of Lists count each
  std::uint64_t documents_parsed = 0;  ///< the rest was unchanged and not parsed again
};

/// A directory (or one file) of YAML and JSON, followed by inotify. Documents are the unit: a file is cut at its `---`
/// lines and a List into its items, and what is known byte for byte is not parsed again. A refused document keeps the
/// last good objects that it gave; a file that vanished takes its objects with it, a directory that vanished does not.
/// An object that two documents give belongs to the first by path order; the other is refused.
/// Owner: the daemon. Thread: main.
class Directory {
 public:
  /// Objects of kinds not in `kinds` are passed over with a remark. Fails only where the path cannot be read at all.
  /// `kept`: a directory for what keep() writes, empty for none. What an earlier run kept there are then last good
  /// objects, too; and where no file at all is in the path at the start, they are in force until there is one.
  static Result<std::unique_ptr<Directory>> open(std::string path, const KindTable& kinds = agent_kinds(),
                                                 Pace pace = {}, const std::string& kept = {});
  ~Directory();

  /// Reads everything, whatever inotify told; first call.
  Result<Update> load();

  /// To watch for EPOLLIN, level-triggered; then call follow().
  [[nodiscard]] int fd() const;
  /// Takes what inotify told, and reads it once the change is over, by `pace`; nothing as long as it is not.
  Result<std::optional<Update>> follow();
  /// Reads the files that inotify named: those that their writers closed, and those moved or linked into place, also by
  /// the swap of a link on their way (ConfigMap mounts). All that was done before the call is one update.
  Result<Update> changed();

  /// Keeps what was read, as it is in force now, for the next run: of at most so many files. True: there are more.
  /// Not for objects that take values from other files.
  Result<bool> keep(std::size_t most);

 private:
  struct State;
  explicit Directory(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace fairlead::config
