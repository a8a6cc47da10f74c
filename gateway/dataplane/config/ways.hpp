// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

struct inotify_event;

namespace fairlead::config {

/// The ways to single files, wherever they are and whatever links lead to them. Each directory, link and file on a way
/// is watched as an inode; names in a directory only where something is missing or may not be watched itself, so that
/// what others write beside a file wakes nobody.
/// Owner: Watcher. Thread: its.
class Ways {
 public:
  /// Watches the way to a file, an absolute path, as it is now. What was watched for it before and is no longer on its
  /// way is given back: watches to remove where nothing else needs them.
  [[nodiscard]] std::vector<int> follow(int notify, const std::string& file);
  /// The same for a file that is followed no longer.
  [[nodiscard]] std::vector<int> forget(const std::string& file);
  [[nodiscard]] bool needs(int wd) const { return steps_.contains(wd); }
  /// Adds the files that an event is about.
  void note(const inotify_event& event, std::string_view name, std::set<std::string>& files) const;

 private:
  /// What a watch stands for on the way to `file`: an inode, or the place of a name in a directory.
  struct Step {
    std::string file;
    std::string name;  // empty: the inode itself
    std::string directory;  // of the name
    auto operator<=>(const Step&) const = default;
  };

  bool add(int notify, const std::string& path, unsigned mask, Step step);
  bool stand(int notify, const std::string& file, const std::filesystem::path& at);

  std::unordered_map<int, std::set<Step>> steps_;
  std::map<std::string, std::vector<int>> watches_;  // by file
};

}  // namespace fairlead::config
