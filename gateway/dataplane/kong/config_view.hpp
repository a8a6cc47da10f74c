// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <charconv>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/dataplane/kong/entities.hpp"

namespace fairlead::kong {

/// A plugin's config, field by field: what nobody has asked for by the end is unknown. A null counts as not given.
/// Owner: a conversion. Thread: its.
class ConfigView {
 public:
  ConfigView(Notes& notes, const Plugin& plugin) : notes_(notes), at_(plugin.config), from_(plugin.at) {}
  ConfigView(Notes& notes, View at, View from) : notes_(notes), at_(at), from_(from) {}

  [[nodiscard]] View at() const { return at_ ? at_ : from_; }
  View find(std::string_view name) {
    asked_.push_back(name);
    return at_.find(name);
  }
  std::string text(std::string_view name, std::string otherwise = {}) {
    const auto value = find(name);
    if (!value) return otherwise;
    if (value.is_mapping() || value.is_sequence()) return notes_.error(value, "a text"), otherwise;
    return std::string(value.text());
  }
  bool flag(std::string_view name, bool otherwise) {
    if (const auto value = find(name)) notes_.reader().read(value, otherwise);
    return otherwise;
  }
  std::uint64_t number(std::string_view name, std::uint64_t otherwise, std::uint64_t low, std::uint64_t high) {
    const auto value = find(name);
    if (!value) return otherwise;
    return notes_.reader().number(value, low, high).value_or(otherwise);
  }
  std::vector<std::string> texts(std::string_view name, std::vector<std::string> otherwise = {}) {
    const auto value = find(name);
    if (!value) return otherwise;
    std::vector<std::string> out;
    notes_.reader().items(value, [&](View item) {
      if (item.is_mapping() || item.is_sequence()) notes_.error(item, "a text");
      else out.emplace_back(item.text());
    });
    return out;
  }
  /// Served only with this value, its default; "": only where it is not given, or empty.
  void only(std::string_view name, std::string_view value, const std::string& expected = {}) {
    const auto found = find(name);
    if (!found || (found.is_sequence() && !found.first()) || (found.is_mapping() && !found.first())) return;
    if (!found.is_sequence() && !found.is_mapping() && found.text() == value) return;
    notes_.unserved(found, !expected.empty() ? expected : value.empty() ? "nothing here" : std::string(value));
  }
  /// Not all fields are asked for, as one of them has ended it.
  void give_up() { gave_up_ = true; }
  void ignore(std::string_view name) { asked_.push_back(name); }
  /// Once all fields were asked for.
  void finish(std::string_view plugin) {
    if (gave_up_ || !at_ || !at_.is_mapping()) return;
    for (auto child = at_.first(); child; child = child.next()) {
      bool known = child.is_null();
      for (const auto name : asked_) known = known || name == child.key();
      if (!known) notes_.reader().unknown_field(child, "a field of " + std::string(plugin));
    }
  }

 private:
  Notes& notes_;
  View at_, from_;
  std::vector<std::string_view> asked_;
  bool gave_up_ = false;
};

}  // namespace fairlead::kong
