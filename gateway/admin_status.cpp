// SPDX-License-Identifier: Apache-2.0
// Statuses as JSON: what their YAML says.
#include <charconv>

#include "gateway/admin_json.hpp"
#include "gateway/dataplane/config/tree.hpp"

namespace fairlead::gateway {
namespace {

using config::Tree;

/// Scalars without quotes that are counts are numbers; all others are texts, as the status has no other kind.
Json scalar_json(const Tree::Node& node) {
  const auto text = node.text;
  std::uint64_t number = 0;
  if (node.plain && !text.empty()) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc{} && end == text.data() + text.size()) return number;
  }
  return std::string(text);
}

Json node_json(const Tree& tree, Tree::Id id) {
  const auto& node = tree.node(id);
  if (node.type == Tree::Type::kNull) return {};
  if (node.type == Tree::Type::kScalar) return scalar_json(node);
  const bool mapping = node.type == Tree::Type::kMapping;
  Json out = mapping ? Json::object() : Json::array();
  for (auto child = node.first; child != Tree::kNone; child = tree.node(child).next) {
    if (mapping) out[std::string(tree.node(child).key)] = node_json(tree, child);
    else out.push_back(node_json(tree, child));
  }
  return out;
}

}  // namespace

Json documents_json(const std::string& yaml) {
  Json out = Json::array();
  config::TreeReader reader(yaml, false);
  Tree tree;
  while (reader.next(tree) == config::TreeReader::Outcome::kDocument) {
    if (!tree.empty() && tree.node(Tree::root()).type == Tree::Type::kMapping)
      out.push_back(node_json(tree, Tree::root()));
    tree.clear();
  }
  return out;
}

}  // namespace fairlead::gateway
