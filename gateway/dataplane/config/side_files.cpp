// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/config/side_files.hpp"

#include <algorithm>
#include <filesystem>
#include <functional>

#include "fairlead/base/file.hpp"
#include "gateway/dataplane/config/claims.hpp"
#include "gateway/dataplane/config/watcher.hpp"

namespace fairlead::config {
namespace {

/// A line feed at its end does not count.
Result<std::string> read_value(const std::string& path) {
  FL_TRY(auto out, fairlead::read_file(path, SideFiles::kMostBytes));
  if (out.ends_with('\n')) {
    out.pop_back();
    if (out.ends_with('\r')) out.pop_back();
  }
  if (out.empty()) return fail("nothing in it");
  return out;
}

std::uint64_t print_of(const Result<std::string>& value) {
  const std::hash<std::string> hash;
  return value ? hash(*value) : ~hash(value.error().message);
}

}  // namespace

Result<std::string> SideFiles::read(std::string_view name) {
  const auto path = (std::filesystem::path(watcher_.folder()) / name).string();
  if (looked_.insert(path).second) watcher_.follow(path);
  auto value = read_value(path);
  uses_.push_back({path, print_of(value)});
  return value;
}

void SideFiles::add(Document& document, std::vector<Use> uses) {
  for (auto& use : uses) {
    users_[use.path][&document] = use.print;
    named_[&document].push_back(std::move(use.path));
  }
}

void SideFiles::remove(Document& document) {
  const auto named = named_.find(&document);
  if (named == named_.end()) return;
  for (const auto& path : named->second) {
    const auto users = users_.find(path);
    if (users == users_.end()) continue;
    users->second.erase(&document);
    if (users->second.empty()) users_.erase(users);
    looked_.insert(path);
  }
  named_.erase(named);
}

std::set<Document*> SideFiles::changed(const Seen& seen) {
  std::set<Document*> out;
  const auto look = [&](const auto& used) {
    const auto& [path, users] = used;
    watcher_.follow(path);
    const auto print = print_of(read_value(path));
    for (const auto& [document, before] : users)
      if (print != before) out.insert(document);
  };
  if (seen.all) std::ranges::for_each(users_, look);
  else
    for (const auto& path : seen.followed)
      if (const auto used = users_.find(path); used != users_.end()) look(*used);
  return out;
}

void SideFiles::settle() {
  for (const auto& path : looked_)
    if (!users_.contains(path)) watcher_.forget(path);
  looked_.clear();
}

}  // namespace fairlead::config
