// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

struct fy_event;
struct fy_parser;
struct fy_diag;

namespace fairlead::config {

/// One YAML or JSON document as a flat table of nodes. Texts point into the parsed input where they stand there as
/// written, so the input, and the reader, must outlive the tree.
/// Owner: a parse. Thread: any, one at a time.
class Tree {
 public:
  using Id = std::uint32_t;
  static constexpr Id kNone = 0xffffffff;
  enum class Type : std::uint8_t { kNull, kScalar, kMapping, kSequence };

  struct Node {
    Type type = Type::kNull;
    bool plain = false;         ///< a scalar without quotes
    bool secret = false;        ///< no error shows its text
    bool merge = false;         ///< the value of a merge key (<<); gone once its mapping is complete
    std::uint32_t line = 0;     ///< from 1, within the input
    std::uint32_t column = 0;   ///< from 1
    Id parent = kNone;
    Id first = kNone;           ///< child
    Id next = kNone;            ///< sibling
    std::string_view key;       ///< of a mapping's child
    std::string_view text;
  };

  void clear();
  [[nodiscard]] const Node& node(Id id) const { return nodes_[id]; }
  [[nodiscard]] bool empty() const { return nodes_.empty(); }
  [[nodiscard]] static Id root() { return 0; }
  Id append(const Node& node);
  Node& edit(Id id) { return nodes_[id]; }
  std::string_view keep(std::string_view text) { return texts_.emplace_back(text); }

 private:
  std::vector<Node> nodes_;
  std::deque<std::string> texts_;
};

/// What made a document unreadable.
struct SyntaxError {
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  std::string message;
  bool unknown_anchor = false;  ///< it may stand in text before this one
};

/// Turns text into trees, one document after another. Trees must not outlive it.
/// Owner: a parse. Thread: any, one at a time.
class TreeReader {
 public:
  /// quick: whether what the quick reader understands is left to it.
  TreeReader(std::string_view text, bool json, bool quick = true) : text_(text), json_(json), quick_(quick) {}
  ~TreeReader();
  TreeReader(const TreeReader&) = delete;
  TreeReader& operator=(const TreeReader&) = delete;

  enum class Outcome : std::uint8_t { kDocument, kEnd, kError };
  /// On kError the tree holds what was read up to the error and error() says what is wrong; nothing follows.
  Outcome next(Tree& tree);
  [[nodiscard]] const SyntaxError& error() const { return error_; }

 private:
  struct Open {
    Tree::Id id;
    Tree::Id last = Tree::kNone;  // child
    std::uint32_t children = 0;
    std::string_view anchor;
    bool merges = false;          // has a merge key
  };

  void start();
  Outcome next_event(Tree& tree);
  bool take(fy_event* event, Tree& tree);
  bool take_key(fy_event* event, Tree& tree);
  bool take_alias(fy_event* event, Tree& tree);
  bool attach(Tree& tree, Tree::Node node, Tree::Id& id);
  bool open(fy_event* event, Tree& tree, Tree::Type type);
  bool close(Tree& tree);
  bool check_keys(const Tree& tree, const Open& mapping);
  bool merge(Tree& tree, Tree::Id mapping);
  bool merge_from(Tree& tree, Tree::Id mapping, Tree::Id from, Tree::Id& last);
  bool holds(const Tree& tree, Tree::Id mapping, std::string_view key);
  bool refuse(std::uint32_t line, std::uint32_t column, std::string message);
  Tree::Node node_of(fy_event* event, Tree::Type type);
  std::string_view text_of(fy_event* event, Tree& tree) const;
  std::string_view anchor_of(fy_event* event, Tree& tree) const;
  void take_diagnostics();
  void refuse_encoding();
  void refuse_directive();
  void plain_json();

  std::string changed_;  // the text, where it cannot be parsed as it stands
  std::string_view text_;
  bool json_;
  bool quick_;
  bool begun_ = false;
  fy_diag* diag_ = nullptr;
  fy_parser* parser_ = nullptr;
  std::vector<Open> open_;
  std::map<std::string_view, Tree::Id> anchors_;
  std::string_view key_;  // read, its value not yet
  std::uint32_t last_line_ = 1;  // of what was read last
  std::uint32_t last_column_ = 1;
  std::uint32_t key_line_ = 0;
  std::uint32_t key_column_ = 0;
  bool have_key_ = false;
  bool merge_key_ = false;      // key_ is <<
  std::uint32_t compared_ = 0;  // keys, for merging into this document
  SyntaxError error_;
};

}  // namespace fairlead::config
