// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/config/watcher.hpp"

#include <dirent.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

namespace fairlead::config {
namespace fs = std::filesystem;
namespace {

constexpr std::uint32_t kOfDirectory = IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_CREATE |
                                       IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
constexpr std::uint32_t kOfTarget = IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF;
// Of the parent only names matter, as another program's writing there must not wake us.
constexpr std::uint32_t kOfParent = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR;

bool is_hidden(std::string_view name) { return name.starts_with('.'); }

bool is_directory(const std::string& path) {
  struct stat found{};
  return ::stat(path.c_str(), &found) == 0 && S_ISDIR(found.st_mode);
}

/// Of the name itself, links not followed.
struct stat look_at(const std::string& path) {
  struct stat found{};
  if (::lstat(path.c_str(), &found) != 0) found = {};
  return found;
}

/// Of what is new in a place at once, or by and by, or is gone and may have something in its place soon.
Urgency urgency_of(std::uint32_t mask) {
  if ((mask & IN_MOVED_TO) != 0) return Urgency::kMoved;
  return (mask & (IN_CLOSE_WRITE | IN_ATTRIB)) != 0 ? Urgency::kClosed : Urgency::kUnderWay;
}

std::string parent_of(const std::string& path) {
  const auto parent = fs::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

}  // namespace

bool is_config_name(std::string_view name) {
  return !is_hidden(name) && (name.ends_with(".yaml") || name.ends_with(".yml") || name.ends_with(".json"));
}

void Seen::merge(Seen&& later) {
  written.merge(later.written);
  touched.merge(later.touched);
  directories.merge(later.directories);
  followed.merge(later.followed);
  list |= later.list;
  all |= later.all;
  urgency = std::max(urgency, later.urgency);
}

Inode Inode::of(const std::string& path) {
  struct stat found{};
  if (::stat(path.c_str(), &found) != 0) return {};
  return {found.st_dev, found.st_ino};
}

Result<Watcher> Watcher::open(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  struct stat found{};
  if (::stat(path.c_str(), &found) != 0)
    return fail(system_error(
        "configuration " + path + ": found nothing that can be read, expected a directory or a file", errno));
  Watcher watcher;
  watcher.path_ = std::move(path);
  watcher.single_ = !S_ISDIR(found.st_mode);
  watcher.notify_ = Fd(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!watcher.notify_) return fail(system_error("inotify_init1", errno));
  return watcher;
}

Result<> Watcher::watch(const std::string& path, std::uint32_t mask, Role role, Places& places) {
  // Added to what it is watched for already, be it as part of a way.
  const int wd = inotify_add_watch(notify_.get(), path.c_str(), mask | IN_MASK_ADD);
  if (wd < 0) return fail(system_error("watching " + path, errno));
  auto& place = places[wd];
  place.role = role;
  place.paths.push_back(path);
  return {};
}

/// Where the path itself may come, go or be turned elsewhere.
void Watcher::watch_parent(Places& places) {
  const bool needed = !single_ && (!is_directory(path_) || S_ISLNK(look_at(path_).st_mode));
  if (needed) static_cast<void>(watch(parent_of(path_), kOfParent, Role::kParent, places));
}

Result<> Watcher::list_directory(const std::string& directory, bool nested, Listing& listing, Places& places) {
  FL_CHECK(watch(directory, kOfDirectory, Role::kDirectory, places));
  listing.directories[directory] = Inode::of(directory);
  DIR* stream = ::opendir(directory.c_str());
  if (stream == nullptr) return fail(system_error("reading " + directory, errno));
  std::vector<std::string> inner;
  while (const dirent* entry = ::readdir(stream)) {
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    const auto path = directory + "/" + entry->d_name;
    const auto type = entry->d_type == DT_UNKNOWN ? IFTODT(look_at(path).st_mode) : entry->d_type;
    const bool folder = type == DT_DIR || (type == DT_LNK && is_directory(path));
    if (folder || type == DT_LNK) indirect_.insert(path);
    if (folder && !nested && !is_hidden(name)) inner.push_back(path);
    if (folder || !is_config_name(name)) continue;
    listing.files.push_back(path);
    if (type == DT_LNK) listing.links[path] = Inode::of(path);
  }
  ::closedir(stream);
  for (const auto& path : inner)
    if (const auto listed = list_directory(path, true, listing, places); !listed && listed.error().code != ENOENT)
      return listed;
  return {};
}

Result<Listing> Watcher::list() {
  Listing listing;
  Places places;
  indirect_.clear();
  watch_parent(places);
  if (single_) {
    FL_CHECK(watch(parent_of(path_), kOfDirectory, Role::kDirectory, places));
    const auto mode = look_at(path_).st_mode;
    if (S_ISLNK(mode)) indirect_.insert(path_), listing.links[path_] = Inode::of(path_);
    if (mode != 0) listing.files.push_back(path_);
  } else if (!is_directory(path_)) {
    listing.gone = true;
  } else {
    FL_CHECK(list_directory(path_, false, listing, places));
  }
  // Targets last: the kernel's limit of watches then costs following a link, not the directory.
  for (const auto& [path, unused] : listing.links) static_cast<void>(watch(path, kOfTarget, Role::kTarget, places));
  for (const auto& [wd, unused] : places_)
    if (!places.contains(wd) && !ways_.needs(wd)) inotify_rm_watch(notify_.get(), wd);
  places_ = std::move(places);
  std::ranges::sort(listing.files);
  return listing;
}

void Watcher::release(const std::vector<int>& watches) {
  for (const int wd : watches)
    if (!places_.contains(wd) && !ways_.needs(wd)) inotify_rm_watch(notify_.get(), wd);
}

std::string Watcher::folder() const {
  std::error_code error;
  const auto path = fs::absolute(path_, error);
  return (single_ ? path.parent_path() : path).string();
}

void Watcher::note_name(const inotify_event& event, const std::string& path, std::string_view name, Seen& seen) {
  const bool gone = (event.mask & (IN_DELETE | IN_MOVED_FROM)) != 0;
  const bool come = (event.mask & (IN_CREATE | IN_MOVED_TO)) != 0;
  const struct stat none{};
  const struct stat found = come ? look_at(path) : none;
  const bool link = S_ISLNK(found.st_mode);
  if ((event.mask & IN_ISDIR) != 0 || (gone && indirect_.contains(path)) || link) {
    seen.list = true;
    if (come) seen.directories.insert(path);
  }
  const bool ours = single_ ? path == path_ : is_config_name(name) && (event.mask & IN_ISDIR) == 0;
  if (!ours) return;
  if ((event.mask & IN_ATTRIB) != 0) seen.touched.insert(path);
  // A file just made is empty as yet, and closed later; a second name for a file that there was is not.
  const bool complete = (event.mask & IN_CREATE) == 0 || link || found.st_nlink > 1;
  if ((event.mask & IN_ATTRIB) == 0 && complete) seen.written.insert(path);
}

void Watcher::note(const inotify_event& event, std::string_view name, Seen& seen) {
  const auto size = [&] { return seen.written.size() + seen.touched.size() + seen.followed.size(); };
  const auto before = size();
  const bool listed = std::exchange(seen.list, false);
  if ((event.mask & IN_Q_OVERFLOW) != 0) seen.all = true;
  note_places(event, name, seen);
  // Of a second file, too, as there may be a third.
  if (seen.all || (size() > before && before > 0)) seen.urgency = Urgency::kUnderWay;
  else if (seen.list || size() > before) seen.urgency = std::max(seen.urgency, urgency_of(event.mask));
  seen.list |= listed;
}

void Watcher::note_places(const inotify_event& event, std::string_view name, Seen& seen) {
  ways_.note(event, name, seen.followed);
  const auto place = places_.find(event.wd);
  if (place == places_.end()) return;
  const auto own_name = fs::path(path_).filename();
  for (const auto& path : place->second.paths) {
    if (place->second.role == Role::kTarget) {
      (event.mask & IN_CLOSE_WRITE) != 0 ? static_cast<void>(seen.written.insert(path))
                                         : static_cast<void>(seen.list = true);
    } else if (place->second.role == Role::kParent) {
      if (name == own_name) seen.list = true;
    } else if (name.empty()) {
      seen.list = true;  // of the directory itself
    } else {
      note_name(event, single_ && name == own_name ? path_ : path + "/" + std::string(name), name, seen);
    }
  }
}

Seen Watcher::take() {
  Seen seen;
  alignas(inotify_event) std::array<char, 65536> buffer;
  while (true) {
    const auto got = ::read(notify_.get(), buffer.data(), buffer.size());
    if (got <= 0) return seen;
    for (std::size_t at = 0; at < static_cast<std::size_t>(got);) {
      inotify_event event{};
      std::memcpy(&event, buffer.data() + at, sizeof event);
      const char* name = buffer.data() + at + sizeof event;
      note(event, std::string_view(name, ::strnlen(name, event.len)), seen);
      at += sizeof event + event.len;
    }
  }
}

}  // namespace fairlead::config
