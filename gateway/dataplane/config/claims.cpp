// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/config/claims.hpp"

#include <algorithm>
#include <tuple>

#include "gateway/dataplane/config/file.hpp"

namespace fairlead::config {
namespace {

auto place_of(const Claims::Given& given) {
  const auto& document = *given.document;
  return std::tuple<const std::string&, std::uint32_t, std::ptrdiff_t>(document.file->path(), document.order,
                                                                       &given - document.gives.data());
}

}  // namespace

std::size_t Claims::Hash::operator()(const model::ObjectKey& key) const noexcept {
  return (key.name.hash() * 31 + key.ns.hash()) * 31 + static_cast<std::size_t>(key.kind);
}

Stored Claims::stored(const Node& node) {
  if (!node.is_consumer) return {.object = static_cast<const ObjectNode&>(node).object};
  return node.present ? Stored{.consumer = static_cast<const ConsumerNode&>(node).consumer} : Stored{};
}

void Claims::store(Node& node, const Stored& object) {
  if (!node.is_consumer) {
    static_cast<ObjectNode&>(node).object = object.object;
    return;
  }
  node.present = static_cast<bool>(object);
  if (node.present) static_cast<ConsumerNode&>(node).consumer = object.consumer;
}

std::string Claims::text_of(const Node& node) {
  return node.is_consumer ? static_cast<const ConsumerNode&>(node).consumer->text_key()
                          : static_cast<const ObjectNode&>(node).key->text();
}

std::unique_ptr<Claims::ConsumerNode>* Claims::find(std::string_view ns, std::string_view name) {
  return consumers_.find(model::consumer_hash(ns, name),
                         [&](const auto& node) { return node.consumer->name() == name && node.consumer->ns() == ns; });
}

Claims::Node* Claims::node_of(const model::ObjectKey& key) {
  if (key.kind == model::Kind::kConsumer) return node_of(model::PackedConsumer::make({.ns = key.ns, .name = key.name}));
  const auto [found, fresh] = objects_.try_emplace(key);
  if (fresh) found->second.key = &found->first;
  return &found->second;
}

Claims::Node* Claims::node_of(const model::PackedConsumerPtr& consumer) {
  if (const auto* found = find(consumer->ns(), consumer->name())) return found->get();
  auto made = std::make_unique<ConsumerNode>();
  made->is_consumer = true;
  made->consumer = consumer;
  auto* out = made.get();
  consumers_.insert(std::move(made));
  return out;
}

void Claims::erase(const Node& node) {
  if (!node.is_consumer) {
    objects_.erase(model::ObjectKey(*static_cast<const ObjectNode&>(node).key));
    return;
  }
  const auto& consumer = *static_cast<const ConsumerNode&>(node).consumer;
  consumers_.erase(find(consumer.ns(), consumer.name()));
}

void Claims::touch(Node& node) {
  if (std::exchange(node.touched, true)) return;
  touched_.push_back(&node);
  if (auto object = stored(node)) before_.emplace(&node, std::move(object));
}

void Claims::list(const Given& given) {
  Node& node = *given.node;
  if (const auto several = contested_.find(&node); several != contested_.end()) {
    several->second.push_back(&given);
  } else if (node.sole != nullptr) {
    contested_[&node] = {node.sole, &given};
    node.sole = nullptr;
  } else {
    node.sole = &given;
  }
}

void Claims::add(const Given& given) {
  ++given.node->uses;
  touch(*given.node);
  if (!given.object) return;
  if (given.node->plain) crowded_.insert(given.node);
  list(given);
}

void Claims::remove(const Given& given) {
  --given.node->uses;
  touch(*given.node);
  if (given.node->sole == &given) given.node->sole = nullptr;
  const auto several = contested_.find(given.node);
  if (several == contested_.end()) return;
  std::erase(several->second, &given);
  if (several->second.size() > 1) return;
  given.node->sole = several->second.front();
  contested_.erase(several);
}

void Claims::add_plain(Node& node, const Stored& object) {
  touch(node);
  ++node.uses;
  node.plain = true;
  store(node, object);
}

void Claims::remove_plain(Node& node) {
  touch(node);
  --node.uses;
  node.plain = false;
  crowded_.erase(&node);
}

void Claims::promote(const Given& given) {
  given.node->plain = false;
  crowded_.erase(given.node);
  list(given);
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

const Claims::Given* Claims::winner(Node& node, Diagnostics& diagnostics) {
  const auto several = contested_.find(&node);
  if (several == contested_.end()) return node.sole;
  auto& claims = several->second;
  std::ranges::sort(claims, [](const Given* a, const Given* b) {
    return a->held != b->held ? b->held : place_of(*a) < place_of(*b);
  });
  const auto& first = *claims.front();
  for (const auto* given : claims) {
    if (given == &first || given->held) continue;
    diagnostics.push_back(Diagnostic{.severity = Severity::kError,
                                     .file = given->document->file->path(),
                                     .line = given->document->lines_before + 1,
                                     .column = 1,
                                     .object = text_of(node),
                                     .field = {},
                                     .found = "a second definition",
                                     .expected = "one only: the first is in " + first.document->file->path() + ":" +
                                                 std::to_string(first.document->lines_before + 1)});
  }
  return &first;
}

void Claims::settle(Node& node, model::ChangeSet& changes, model::ConsumerChanges& consumers,
                    Diagnostics& diagnostics) {
  node.touched = false;
  auto before = before_.extract(&node);
  const auto old = before ? std::move(before.mapped()) : Stored{};
  auto now = stored(node);
  if (!node.plain) {
    const Given* given = winner(node, diagnostics);
    now = given == nullptr ? Stored{} : given->object;
  }
  store(node, now);
  if (old != now) {
    if (node.is_consumer) consumers.push_back({static_cast<ConsumerNode&>(node).consumer, !now});
    else changes.push_back({*static_cast<ObjectNode&>(node).key, now.object});
  }
  if (node.uses == 0) erase(node);
}

void Claims::settle(model::ChangeSet& changes, model::ConsumerChanges& consumers, Diagnostics& diagnostics) {
  for (const auto& [node, unused] : contested_) touch(*node);
  for (Node* node : touched_) settle(*node, changes, consumers, diagnostics);
  touched_ = decltype(touched_)();  // {} would keep the capacity
  before_ = decltype(before_)();
  // What goes first, so that its addresses are free for what comes.
  std::ranges::sort(changes, [](const auto& a, const auto& b) {
    return (a.object != nullptr) != (b.object != nullptr) ? a.object == nullptr : a.key < b.key;
  });
  std::ranges::sort(consumers, [](const auto& a, const auto& b) {
    const auto order = a.consumer->ns().compare(b.consumer->ns());
    return order != 0 ? order < 0 : a.consumer->name() < b.consumer->name();
  });
}

}  // namespace fairlead::config
