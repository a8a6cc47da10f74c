// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/config/ways.hpp"

#include <sys/inotify.h>
#include <sys/stat.h>

#include <system_error>
#include <utility>

namespace fairlead::config {
namespace fs = std::filesystem;
namespace {

constexpr int kMostLinks = 40;  // the kernel's own limit
constexpr std::uint32_t kOfInode = IN_DELETE_SELF | IN_MOVE_SELF | IN_DONT_FOLLOW;
/// Only of what is no directory: in one they would tell of all that is in it.
constexpr std::uint32_t kOfContent = IN_CLOSE_WRITE | IN_ATTRIB | IN_DONT_FOLLOW;
constexpr std::uint32_t kOfName =
    IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_CLOSE_WRITE | IN_ATTRIB | IN_ONLYDIR;

/// Of the name itself, links not followed; zeros where there is nothing.
struct stat stat_of(const fs::path& path) {
  struct stat found{};
  if (::lstat(path.c_str(), &found) != 0) found = {};
  return found;
}

/// The parts of a path, the last one first.
std::vector<std::string> parts_of(const fs::path& path) {
  std::vector<std::string> out;
  for (const auto& part : path.relative_path())
    if (!part.empty() && part != ".") out.push_back(part);
  return {out.rbegin(), out.rend()};
}

/// A file just made is empty as yet, and closed later; a link, a directory or a second name is whole.
bool is_whole(const inotify_event& event, const fs::path& path) {
  if ((event.mask & IN_CREATE) == 0) return true;
  const auto found = stat_of(path);
  return !S_ISREG(found.st_mode) || found.st_nlink > 1;
}

}  // namespace

bool Ways::add(int notify, const std::string& path, unsigned mask, Step step) {
  const int wd = inotify_add_watch(notify, path.c_str(), mask | IN_MASK_ADD);
  if (wd < 0) return false;
  const auto& file = step.file;
  watches_[file].push_back(wd);
  steps_[wd].insert(std::move(step));
  return true;
}

/// False where nothing is there that can be watched. What is put in the place between two looks is told by the first
/// watch.
bool Ways::stand(int notify, const std::string& file, const fs::path& at) {
  if (!add(notify, at, kOfInode, {.file = file, .name = {}, .directory = {}})) return false;
  if (!S_ISDIR(stat_of(at).st_mode)) add(notify, at, kOfContent, {.file = file, .name = {}, .directory = {}});
  return true;
}

std::vector<int> Ways::follow(int notify, const std::string& file) {
  auto before = forget(file);
  auto ahead = parts_of(file);
  fs::path at = "/";  // without links
  for (int links = 0; !ahead.empty() && links <= kMostLinks;) {
    const auto name = std::exchange(ahead.back(), {});
    ahead.pop_back();
    if (name == "..") {
      at = at.parent_path();
      continue;
    }
    const auto next = at / name;
    if (!stand(notify, file, next)) {
      add(notify, at, kOfName, {.file = file, .name = name, .directory = at});
      stand(notify, file, next);  // it may have come before the name was watched
    }
    const auto found = stat_of(next);
    if (found.st_mode == 0) break;
    if (S_ISLNK(found.st_mode)) {
      ++links;
      std::error_code error;
      const auto target = fs::read_symlink(next, error);
      if (error) break;
      if (target.is_absolute()) at = "/";
      for (auto part = parts_of(target); auto& one : part) ahead.push_back(std::move(one));
    } else {
      at = next;
    }
  }
  return before;
}

std::vector<int> Ways::forget(const std::string& file) {
  const auto found = watches_.find(file);
  if (found == watches_.end()) return {};
  auto before = std::move(found->second);
  watches_.erase(found);
  for (const int wd : before) {
    const auto steps = steps_.find(wd);
    if (steps == steps_.end()) continue;
    auto step = steps->second.lower_bound({.file = file, .name = {}, .directory = {}});
    while (step != steps->second.end() && step->file == file) step = steps->second.erase(step);
    if (steps->second.empty()) steps_.erase(steps);
  }
  return before;
}

void Ways::note(const inotify_event& event, std::string_view name, std::set<std::string>& files) const {
  const auto steps = steps_.find(event.wd);
  if (steps == steps_.end()) return;
  for (const auto& step : steps->second)
    if (step.name == name && (name.empty() || is_whole(event, fs::path(step.directory) / step.name)))
      files.insert(step.file);
}

}  // namespace fairlead::config
