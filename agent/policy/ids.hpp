// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>
#include <utility>

namespace fairlead::policy {

/// Numbers for names, made from the names themselves: after a restart, or on another node, the same name has the same
/// number, so that rows of an earlier agent keep their meaning. Of two names with the same hash the later one gets the
/// next free number (two such names that come in another order after a restart are rewritten, no more).
/// Owner: Policies. Thread: its.
class HashedIds {
 public:
  /// remembered: so many names are known by their number for a while after nobody has them any more.
  explicit HashedIds(std::uint32_t first, std::size_t remembered = 0) : first_(first), remembered_(remembered) {}

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
    former_.erase(id);
    return id;
  }
  /// True if that was the last one who had it.
  bool give_back(std::uint32_t id) {
    const auto name = by_id_.find(id);
    if (name == by_id_.end()) return false;
    const auto found = by_name_.find(name->second);
    if (--found->second.users != 0) return false;
    by_name_.erase(found);
    remember(id, std::move(name->second));
    by_id_.erase(name);
    return true;
  }
  /// Null: nobody has it.
  [[nodiscard]] const std::string* name(std::uint32_t id) const {
    const auto found = by_id_.find(id);
    return found == by_id_.end() ? nullptr : &found->second;
  }
  /// The name that had the number last, where nobody has it. Null: not remembered.
  [[nodiscard]] const std::string* former(std::uint32_t id) const {
    const auto found = former_.find(id);
    return found == former_.end() ? nullptr : &found->second.name;
  }

 private:
  struct Former {
    std::string name;
    std::uint64_t turn;
  };
  void remember(std::uint32_t id, std::string name) {
    if (remembered_ == 0) return;
    former_[id] = {.name = std::move(name), .turn = ++turn_};
    order_.emplace_back(id, turn_);
    for (; order_.size() > remembered_; order_.pop_front()) {
      const auto oldest = former_.find(order_.front().first);
      if (oldest != former_.end() && oldest->second.turn == order_.front().second) former_.erase(oldest);
    }
  }

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
  std::size_t remembered_;
  std::uint64_t turn_ = 0;
  std::unordered_map<std::uint32_t, Former> former_;
  std::deque<std::pair<std::uint32_t, std::uint64_t>> order_;  // of former_, and of what was taken again
  std::unordered_map<std::string, Taken> by_name_;
  std::unordered_map<std::uint32_t, std::string> by_id_;
};

}  // namespace fairlead::policy
