// SPDX-License-Identifier: Apache-2.0
// YAML 1.1's merge key, which kubectl follows: `<<: *base` gives a mapping the fields of another that it lacks.
#include "gateway/dataplane/config/tree.hpp"

namespace fairlead::config {
namespace {

constexpr std::uint32_t kMostCompared = 4'000'000;  // keys, in a document: milliseconds

}  // namespace

bool TreeReader::holds(const Tree& tree, Tree::Id mapping, std::string_view key) {
  for (auto id = tree.node(mapping).first; id != Tree::kNone; id = tree.node(id).next) {
    ++compared_;
    if (tree.node(id).key == key && !tree.node(id).merge) return true;
  }
  return false;
}

/// Copies the fields of `from` that `mapping` lacks behind `last`; what they hold is shared, as with an alias.
bool TreeReader::merge_from(Tree& tree, Tree::Id mapping, Tree::Id from, Tree::Id& last) {
  const auto at = tree.node(from);
  if (at.type != Tree::Type::kMapping)
    return refuse(at.line, at.column, "the merge key << takes a mapping or a list of mappings");
  for (auto id = at.first; id != Tree::kNone; id = tree.node(id).next) {
    if (holds(tree, mapping, tree.node(id).key)) continue;
    Tree::Node copy = tree.node(id);
    copy.parent = mapping;
    copy.next = Tree::kNone;
    const auto added = tree.append(copy);
    tree.edit(last).next = added;
    last = added;
    if (compared_ > kMostCompared) return refuse(at.line, at.column, "merge keys (<<) that give too many fields");
  }
  return compared_ <= kMostCompared || refuse(at.line, at.column, "merge keys (<<) that give too many fields");
}

bool TreeReader::merge(Tree& tree, Tree::Id mapping) {
  Tree::Id last = mapping;
  std::vector<Tree::Id> merged;
  for (auto id = tree.node(mapping).first; id != Tree::kNone; id = tree.node(id).next) {
    last = id;
    if (tree.node(id).merge) merged.push_back(id);
  }
  for (const auto id : merged) {
    const auto node = tree.node(id);
    if (node.type == Tree::Type::kNull) continue;
    if (node.type != Tree::Type::kSequence) {
      if (!merge_from(tree, mapping, id, last)) return false;
      continue;
    }
    for (auto from = node.first; from != Tree::kNone; from = tree.node(from).next)
      if (!merge_from(tree, mapping, from, last)) return false;
  }
  // The merge keys themselves are no fields.
  Tree::Id before = Tree::kNone;
  for (auto id = tree.node(mapping).first; id != Tree::kNone; id = tree.node(id).next) {
    if (!tree.node(id).merge) before = id;
    else (before == Tree::kNone ? tree.edit(mapping).first : tree.edit(before).next) = tree.node(id).next;
  }
  return true;
}

}  // namespace fairlead::config
