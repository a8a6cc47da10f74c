// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <string>

namespace fairlead::test {

/// Where cgroup2 is mounted, by /proc/mounts.
std::string cgroup2_mount();

/// A cgroup below the cgroup2 mount, removed with its children at the end; processes in it go back to the root.
/// Owner: the test. Thread: one.
class TempCgroup {
 public:
  explicit TempCgroup(const std::string& name = "cgroup");
  ~TempCgroup();
  TempCgroup(const TempCgroup&) = delete;
  TempCgroup& operator=(const TempCgroup&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  /// Moves a process; sockets belong to the cgroup in which they were made. 0: the caller.
  void add(pid_t pid) const;
  /// Moves the test itself in (and back at the end).
  void enter() const { add(0); }
  /// Makes a child cgroup and gives its path.
  [[nodiscard]] std::string child(const std::string& name) const;

 private:
  std::string path_;
};

}  // namespace fairlead::test
