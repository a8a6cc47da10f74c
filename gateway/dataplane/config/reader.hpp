// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "fairlead/base/address.hpp"
#include "fairlead/base/name.hpp"
#include "fairlead/config/diagnostic.hpp"
#include "gateway/dataplane/config/tree.hpp"

namespace fairlead::config {

class SideFiles;

/// A place in a tree; cheap to copy. Not there: false.
class View {
 public:
  View() = default;
  View(const Tree& tree, Tree::Id id) : tree_(&tree), id_(id) {}

  explicit operator bool() const { return id_ != Tree::kNone; }
  [[nodiscard]] const Tree::Node& node() const { return tree_->node(id_); }
  [[nodiscard]] std::string_view key() const { return node().key; }
  [[nodiscard]] std::string_view text() const { return node().text; }
  [[nodiscard]] bool is_null() const { return node().type == Tree::Type::kNull; }
  [[nodiscard]] bool is_mapping() const { return node().type == Tree::Type::kMapping; }
  [[nodiscard]] bool is_sequence() const { return node().type == Tree::Type::kSequence; }
  [[nodiscard]] View first() const { return {*tree_, node().first}; }
  [[nodiscard]] View next() const { return {*tree_, node().next}; }
  [[nodiscard]] View parent() const { return {*tree_, node().parent}; }
  [[nodiscard]] Tree::Id id() const { return id_; }
  /// The child of that key; nothing where this is no mapping.
  [[nodiscard]] View find(std::string_view key) const;
  /// A scalar that YAML does not take for a number, a boolean or null.
  [[nodiscard]] bool is_string() const;

 private:
  const Tree* tree_ = nullptr;
  Tree::Id id_ = Tree::kNone;
};

/// Reads values of one object out of a tree and notes what is wrong with them. A null counts as not given, as it does
/// in Kubernetes.
/// Owner: a parse. Thread: any, one at a time.
class Reader {
 public:
  /// Without `side` no value can be taken from a file.
  Reader(View root, std::string object, Diagnostics& out, SideFiles* side = nullptr)
      : root_(root), object_(std::move(object)), out_(out), side_(side) {}

  void error(View at, std::string expected);
  /// A field that should be in `at` and is not.
  void missing(View at, std::string_view field, std::string expected);
  /// A field that this mapping does not have, where that refuses the object: left out, the object would mean another.
  void unknown_field(View at, std::string known);
  /// While true, no value is shown in what is noted.
  void hide_values(bool hide) { hidden_ = hide; }
  void warn(View at, std::string remark);
  void not_served(View at) { warn(at, "understood, but not served: it has no effect"); }
  void unknown(View at) { warn(at, "unknown field: it has no effect"); }
  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] View root() const { return root_; }
  /// Within a policy, what cannot be served makes it unenforceable: unknown fields are then errors.
  void unenforceable(View at) {
    error(at, "only fields that can be enforced at L4 (the policy is refused as a whole)");
  }

  /// Calls f(child) for each child that is not null; an error where `at` is neither null nor a mapping.
  template <class F>
  void fields(View at, F&& f) {
    if (!at || at.is_null()) return;
    if (!at.is_mapping()) return error(at, "a mapping");
    for (auto child = at.first(); child; child = child.next())
      if (!child.is_null()) f(child);
  }
  template <class F>
  void items(View at, F&& f) {
    if (!at || at.is_null()) return;
    if (!at.is_sequence()) return error(at, "a list");
    for (auto child = at.first(); child; child = child.next()) f(child);
  }

  void read(View at, std::string& out);
  void read(View at, Name& out);
  /// What the file of that path holds, at most `most` bytes without one line end behind them. The path is shown in what
  /// is noted, its content never is.
  [[nodiscard]] std::optional<std::string> file(View at, std::size_t most);
  void read(View at, bool& out);
  void read_port(View at, std::uint16_t& out);
  [[nodiscard]] std::optional<std::uint64_t> number(View at, std::uint64_t low, std::uint64_t high);
  [[nodiscard]] std::optional<Address> address(View at);
  [[nodiscard]] std::optional<Cidr> cidr(View at);
  /// "1h30m", "1.5s", "100ms"; at least `least`.
  [[nodiscard]] std::optional<std::chrono::milliseconds> duration(View at, std::chrono::milliseconds least);
  /// The position of the value among `allowed`.
  [[nodiscard]] std::optional<std::size_t> one_of(View at, std::span<const std::string_view> allowed);
  [[nodiscard]] std::optional<std::size_t> one_of(View at, std::initializer_list<std::string_view> allowed) {
    return one_of(at, std::span(allowed.begin(), allowed.size()));
  }
  [[nodiscard]] std::string path(View at) const;

 private:
  void note(Severity severity, View at, std::string field, std::string found, std::string expected);
  [[nodiscard]] bool expect_string(View at);

  View root_;
  std::string object_;
  Diagnostics& out_;
  SideFiles* side_;
  bool failed_ = false;
  bool hidden_ = false;
};

}  // namespace fairlead::config
