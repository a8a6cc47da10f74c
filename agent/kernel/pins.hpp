// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "fairlead/base/fd.hpp"
#include "fairlead/base/result.hpp"

namespace fairlead::kernel {

/// A directory of pins in bpffs. Pinning replaces what has the name in one step, so a name never leads nowhere.
/// Owner: Datapath. Thread: main.
class PinDirectory {
 public:
  /// Makes the directory; mounts bpffs on /sys/fs/bpf where nothing is mounted yet.
  static Result<PinDirectory> make(std::string path);
  /// Only looks; a directory that does not exist is an empty one.
  static PinDirectory at(std::string path) { return PinDirectory(std::move(path)); }

  /// Fails where something else than bpffs is there.
  [[nodiscard]] Result<> check() const;
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string path(const std::string& name) const { return path_ + "/" + name; }
  [[nodiscard]] std::vector<std::string> names() const;
  /// Nothing if there is no such pin.
  [[nodiscard]] Fd open(const std::string& name) const;
  Result<> pin(int fd, const std::string& name) const;
  Result<> remove(const std::string& name) const;
  /// Removes the directory itself, which must be empty.
  Result<> remove_directory() const;

 private:
  explicit PinDirectory(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

/// Says which agent owns a pin directory and a run directory, as long as it lives.
/// Owner: Agent, or who uninstalls. Thread: main.
struct PinLock {
  Fd directory;  ///< the pin directory itself, whatever the run directory
  Fd file;       ///< in the run directory; agents before this lock had this one only
};

/// Fails at once, naming the owner's pid, where another process holds one of them. Without `make` a pin directory that
/// is not there stays so, and is not locked.
Result<PinLock> lock_pins(const std::string& pin_dir, const std::string& run_dir, bool make);
/// Where the agent of a pin directory keeps the text of the configuration in force.
[[nodiscard]] std::string kept_path(const std::string& pin_dir, const std::string& run_dir);
/// Removes the socket of an agent that was killed; another kind of file is left, as an error.
Result<> remove_socket(const std::string& path);
/// Removes the lock's file, which the caller holds, what the agent kept, and the directory if nothing else is in it.
Result<> remove_lock(const std::string& pin_dir, const std::string& run_dir);

}  // namespace fairlead::kernel
