// SPDX-License-Identifier: Apache-2.0
#include "support/cgroup.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <vector>

#include "support/command.hpp"
#include "support/wait.hpp"

namespace fairlead::test {
namespace {

void move_to(const std::string& cgroup, pid_t pid) {
  std::ofstream procs(cgroup + "/cgroup.procs");
  procs << pid << std::flush;
  require(procs.good(), "moving process " + std::to_string(pid) + " to " + cgroup);
}

void empty_into(const std::string& cgroup, const std::string& target) {
  std::ifstream procs(cgroup + "/cgroup.procs");
  for (pid_t pid = 0; procs >> pid;) {
    std::ofstream out(target + "/cgroup.procs");
    out << pid << std::flush;  // a process that ended meanwhile need not be moved
  }
}

}  // namespace

std::string cgroup2_mount() {
  std::ifstream mounts("/proc/mounts");
  std::string device, path, type, rest;
  while (mounts >> device >> path >> type && std::getline(mounts, rest))
    if (type == "cgroup2") return path;
  throw std::runtime_error("no cgroup2 mount in /proc/mounts");
}

TempCgroup::TempCgroup(const std::string& name) : path_(cgroup2_mount() + "/" + unique_name(name)) {
  require(mkdir(path_.c_str(), 0755) == 0, "mkdir " + path_);
}

TempCgroup::~TempCgroup() {
  std::error_code ignored;
  std::vector<std::string> folders{path_};
  for (auto entry = std::filesystem::recursive_directory_iterator(path_, ignored);
       entry != std::filesystem::recursive_directory_iterator(); entry.increment(ignored))
    if (entry->is_directory(ignored)) folders.push_back(entry->path());
  // Children before parents. A dying process holds its cgroup for a moment: hence the waiting.
  std::ranges::sort(folders, {}, [](const std::string& path) { return -static_cast<long>(path.size()); });
  for (const auto& folder : folders)
    eventually([&] {
      empty_into(folder, cgroup2_mount());
      return rmdir(folder.c_str()) == 0 || errno == ENOENT;
    });
}

void TempCgroup::add(pid_t pid) const { move_to(path_, pid); }

std::string TempCgroup::child(const std::string& name) const {
  const std::string path = path_ + "/" + name;
  require(mkdir(path.c_str(), 0755) == 0 || errno == EEXIST, "mkdir " + path);
  return path;
}

}  // namespace fairlead::test
