// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "gateway/dataplane/config/tree.hpp"

namespace fairlead::test {

/// What two trees of one text differ in; nothing where they are the same.
inline std::optional<std::string> difference(const config::Tree& one, config::Tree::Id left, const config::Tree& other,
                                             config::Tree::Id right) {
  using config::Tree;
  const auto& a = one.node(left);
  const auto& b = other.node(right);
  const auto at = [&](const char* what) {
    return std::string(what) + " at " + std::to_string(a.line) + ":" + std::to_string(a.column) + " and " +
           std::to_string(b.line) + ":" + std::to_string(b.column) + ", \"" + std::string(a.text) + "\" and \"" +
           std::string(b.text) + "\"";
  };
  if (a.type != b.type) return at("types");
  if (a.key != b.key) return at("keys");
  if (a.text != b.text) return at("texts");
  if (a.plain != b.plain) return at("quotes");
  if (a.line != b.line || a.column != b.column) return at("places");
  auto left_child = a.first;
  auto right_child = b.first;
  while (left_child != Tree::kNone && right_child != Tree::kNone) {
    if (one.node(left_child).parent != left) return at("parents");
    if (auto found = difference(one, left_child, other, right_child)) return found;
    left_child = one.node(left_child).next;
    right_child = other.node(right_child).next;
  }
  if (left_child != right_child) return at("numbers of children");
  return std::nullopt;
}

}  // namespace fairlead::test
