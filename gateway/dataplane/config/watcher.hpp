// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "fairlead/base/fd.hpp"
#include "fairlead/base/result.hpp"
#include "gateway/dataplane/config/settling.hpp"
#include "gateway/dataplane/config/ways.hpp"

struct inotify_event;

namespace fairlead::config {

/// By its name: not hidden, and ending in .yaml, .yml or .json.
[[nodiscard]] bool is_config_name(std::string_view name);

/// Which inode a path leads to: a link that is turned elsewhere leads to another.
struct Inode {
  std::uint64_t device = 0;
  std::uint64_t number = 0;
  bool operator==(const Inode&) const = default;
  /// Links followed; zeros where there is nothing.
  [[nodiscard]] static Inode of(const std::string& path);
};

/// What stands in a directory of configuration: its files and those of its direct subdirectories.
struct Listing {
  bool gone = false;  ///< nothing is there at all
  std::vector<std::string> files;                ///< sorted
  std::map<std::string, Inode> links;            ///< files that are symbolic links
  std::map<std::string, Inode> directories;      ///< those that are watched, the root among them
};

/// What inotify told since the last time.
struct Seen {
  std::set<std::string> written;      ///< complete files: closed by a writer, moved or linked into place, or removed
  std::set<std::string> touched;      ///< rights changed: worth a look where they could not be read
  std::set<std::string> directories;  ///< made or moved into place: all in them is new
  std::set<std::string> followed;     ///< files beside the configuration that may hold something else now
  bool list = false;                  ///< names of directories or links changed
  bool all = false;                   ///< events were lost: nothing is certain
  Urgency urgency = Urgency::kNone;   ///< how soon it may be read

  void merge(Seen&& later);
};

/// Follows a directory, or one file, with inotify. A file that is being written is not named before its writer closes
/// it. The targets of links are watched as inodes of their own, wherever they are.
/// Owner: Directory. Thread: its.
class Watcher {
 public:
  static Result<Watcher> open(std::string path);

  [[nodiscard]] int fd() const { return notify_.get(); }
  [[nodiscard]] const std::string& path() const { return path_; }
  /// The directory, or that of the one file; absolute.
  [[nodiscard]] std::string folder() const;
  /// Lists and watches what it lists; each directory is watched before it is read, so that nothing falls in between.
  [[nodiscard]] Result<Listing> list();
  /// Follows a file beside the configuration, an absolute path; it need not be there. To be called before it is read,
  /// and again after it was named, as its way may lead elsewhere then.
  void follow(const std::string& file) { release(ways_.follow(notify_.get(), file)); }
  void forget(const std::string& file) { release(ways_.forget(file)); }
  /// Takes all events that are there; never waits.
  [[nodiscard]] Seen take();

 private:
  /// What a watch descriptor stands for: one inode may be reached by several paths.
  enum class Role : std::uint8_t { kDirectory, kTarget, kParent };
  struct Place {
    Role role = Role::kDirectory;
    std::vector<std::string> paths;
  };
  using Places = std::unordered_map<int, Place>;

  [[nodiscard]] Result<> list_directory(const std::string& directory, bool nested, Listing& listing, Places& places);
  [[nodiscard]] Result<> watch(const std::string& path, std::uint32_t mask, Role role, Places& places);
  void watch_parent(Places& places);
  void release(const std::vector<int>& watches);
  void note(const inotify_event& event, std::string_view name, Seen& seen);
  void note_places(const inotify_event& event, std::string_view name, Seen& seen);
  void note_name(const inotify_event& event, const std::string& path, std::string_view name, Seen& seen);

  std::string path_;
  bool single_ = false;  // path_ is a file
  Fd notify_;
  Places places_;
  Ways ways_;
  std::set<std::string> indirect_;  // directories and links by which files are reached, as last listed
};

}  // namespace fairlead::config
