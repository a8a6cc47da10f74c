// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/config/claims.hpp"

#include <algorithm>
#include <tuple>

#include "gateway/dataplane/config/file.hpp"

namespace fairlead::config {
namespace {

auto place_of(const Claims::Given& given) {
  const auto& document = *given.document;
  return std::tuple<const std::string&, std::uint32_t, std::ptrdiff_t>(document.file->path, document.order,
                                                                       &given - document.gives.data());
}

}  // namespace

std::size_t Claims::Hash::operator()(const model::ObjectKey& key) const noexcept {
  const std::hash<std::string> hash;
  return (hash(key.name) * 31 + hash(key.ns)) * 31 + static_cast<std::size_t>(key.kind);
}

void Claims::touch(Node& node) {
  if (std::exchange(node.second.touched, true)) return;
  touched_.push_back(&node);
}

void Claims::add(const Given& given) {
  Entry& entry = given.node->second;
  ++entry.uses;
  touch(*given.node);
  if (given.object == nullptr) return;
  if (const auto several = contested_.find(given.node); several != contested_.end()) {
    several->second.push_back(&given);
  } else if (entry.sole != nullptr) {
    contested_[given.node] = {entry.sole, &given};
    entry.sole = nullptr;
  } else {
    entry.sole = &given;
  }
}

void Claims::remove(const Given& given) {
  --given.node->second.uses;
  touch(*given.node);
  if (given.node->second.sole == &given) given.node->second.sole = nullptr;
  const auto several = contested_.find(given.node);
  if (several == contested_.end()) return;
  std::erase(several->second, &given);
  if (several->second.size() > 1) return;
  given.node->second.sole = several->second.front();
  contested_.erase(several);
}

std::vector<File*> Claims::contested_files() const {
  std::vector<File*> files;
  for (const auto& [unused, claims] : contested_)
    for (const auto* given : claims) files.push_back(given->document->file);
  std::ranges::sort(files);
  const auto twice = std::ranges::unique(files);
  files.erase(twice.begin(), twice.end());
  return files;
}

const Claims::Given* Claims::winner(const Node& node, Diagnostics& diagnostics) {
  const auto several = contested_.find(const_cast<Node*>(&node));
  if (several == contested_.end()) return node.second.sole;
  auto& claims = several->second;
  std::ranges::sort(claims, [](const Given* a, const Given* b) {
    return a->held != b->held ? b->held : place_of(*a) < place_of(*b);
  });
  const auto& first = *claims.front();
  for (const auto* given : claims) {
    if (given == &first || given->held) continue;
    diagnostics.push_back(Diagnostic{.severity = Severity::kError,
                                     .file = given->document->file->path,
                                     .line = given->document->lines_before + 1,
                                     .column = 1,
                                     .object = node.first.text(),
                                     .field = {},
                                     .found = "a second definition",
                                     .expected = "one only: the first is in " + first.document->file->path + ":" +
                                                 std::to_string(first.document->lines_before + 1)});
  }
  return &first;
}

void Claims::settle(model::ChangeSet& changes, Diagnostics& diagnostics) {
  for (const auto& [node, unused] : contested_) touch(*node);
  for (Node* node : touched_) {
    node->second.touched = false;
    const Given* given = winner(*node, diagnostics);
    const auto object = given == nullptr ? nullptr : given->object;
    if (node->second.in_force != object) changes.push_back({node->first, object});
    node->second.in_force = object;
    if (node->second.uses == 0) entries_.erase(model::ObjectKey(node->first));
  }
  touched_.clear();
  // What goes first, so that its addresses are free for what comes.
  std::ranges::sort(changes, [](const auto& a, const auto& b) {
    return (a.object != nullptr) != (b.object != nullptr) ? a.object == nullptr : a.key < b.key;
  });
}

}  // namespace fairlead::config
