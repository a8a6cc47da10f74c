// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

namespace fairlead::policy {

/// Numbers for names, made from the names themselves: after a restart, or on another node, the same name has the same
/// number, so that rows of an earlier agent keep their meaning. Of two names with the same hash the later one gets the
/// next free number (two such names that come in another order after a restart are rewritten, no more).
/// Owner: Policies. Thread: its.
class HashedIds {
 public:
  explicit HashedIds(std::uint32_t first) : first_(first) {}

  /// The number, taken once more.
  std::uint32_t take(const std::string& name) {
    const auto found = by_name_.find(name);
    if (found != by_name_.end()) {
      ++found->second.users;
      return found->second.id;
    }
    std::uint32_t id = hash(name);
    while (id < first_ || by_id_.contains(id)) ++id;
    by_name_[name] = {id, 1};
    by_id_[id] = name;
    return id;
  }
  /// True if that was the last one who had it.
  bool give_back(std::uint32_t id) {
    const auto name = by_id_.find(id);
    if (name == by_id_.end()) return false;
    const auto found = by_name_.find(name->second);
    if (--found->second.users != 0) return false;
    by_name_.erase(found);
    by_id_.erase(name);
    return true;
  }
  /// Null: nobody has it.
  [[nodiscard]] const std::string* name(std::uint32_t id) const {
    const auto found = by_id_.find(id);
    return found == by_id_.end() ? nullptr : &found->second;
  }

 private:
  struct Taken {
    std::uint32_t id;
    std::size_t users;
  };
  static std::uint32_t hash(const std::string& name) {  // FNV-1a, folded
    std::uint64_t value = 14695981039346656037ULL;
    for (const char byte : name) value = (value ^ static_cast<unsigned char>(byte)) * 1099511628211ULL;
    return static_cast<std::uint32_t>(value ^ (value >> 32));
  }

  std::uint32_t first_;
  std::unordered_map<std::string, Taken> by_name_;
  std::unordered_map<std::uint32_t, std::string> by_id_;
};

}  // namespace fairlead::policy
