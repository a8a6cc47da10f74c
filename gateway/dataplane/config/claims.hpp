// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "fairlead/config/diagnostic.hpp"
#include "fairlead/model/cluster.hpp"

namespace fairlead::config {

struct Document;
struct File;

/// An object as documents give it: a Consumer packed, others as they are. Neither: none.
struct Stored {
  model::ObjectPtr object{};
  model::PackedConsumerPtr consumer{};
  explicit operator bool() const { return object != nullptr || consumer; }
  bool operator==(const Stored&) const = default;
};

/// Who gives which object, and which of them is in force: a good object before one held over from a refused document,
/// then by path and place.
/// Owner: Directory. Thread: its.
class Claims {
 public:
  struct Given;
  /// An object that something names; stays where it is until settle() finds that nothing does any more.
  struct Node {
    const Given* sole = nullptr;  ///< who gives it; where several do, they stand in contested_
    std::uint32_t uses = 0;       ///< by all that name it, refused or not
    bool is_consumer = false;
    bool touched = false;
    bool plain = false;    ///< a piece without a Document gives what the node stores
    bool present = false;  ///< of a consumer: else it stands for its name only
  };
  /// One object that a document gives.
  struct Given {
    Node* node = nullptr;
    Stored object;  ///< none: refused, and there is no good version
    const Document* document = nullptr;
    bool held = false;  ///< not as written now: the last good version, or what closes a refused policy's workloads
  };

  [[nodiscard]] Node* node_of(const model::ObjectKey& key);
  [[nodiscard]] Node* node_of(const model::PackedConsumerPtr& consumer);
  /// What is in force, as of settle(); what a plain node gives, at once.
  [[nodiscard]] static Stored stored(const Node& node);
  [[nodiscard]] static std::string text_of(const Node& node);
  /// settle() looks at the node, and erases it where nothing names it.
  void touch(Node& node);
  /// given stays where it is until it is removed.
  void add(const Given& given);
  void remove(const Given& given);
  /// The same for what most pieces are: one good object, and nothing to say of it. Only where nothing else names it.
  void add_plain(Node& node, const Stored& object);
  void remove_plain(Node& node);
  /// Where documents give what a plain node gives too, its piece needs one as well: to be given to promote() for each
  /// before settle().
  [[nodiscard]] bool has_crowded() const { return !crowded_.empty(); }
  [[nodiscard]] bool is_crowded(const Node& node) const { return crowded_.contains(&node); }
  void promote(const Given& given);
  /// Files that give what others give too: their documents are to be numbered before settle().
  [[nodiscard]] std::vector<File*> contested_files() const;
  /// Decides anew what is touched or contested; gives what changed and names what is defined twice.
  void settle(model::ChangeSet& changes, model::ConsumerChanges& consumers, Diagnostics& diagnostics);

 private:
  struct ObjectNode : Node {
    const model::ObjectKey* key = nullptr;
    model::ObjectPtr object;
  };
  struct ConsumerNode : Node {
    model::PackedConsumerPtr consumer;  ///< never null
  };
  struct Hash {
    std::size_t operator()(const model::ObjectKey& key) const noexcept;
    std::size_t operator()(const ConsumerNode& node) const { return model::PackedConsumerHash{}(*node.consumer); }
  };
  static void store(Node& node, const Stored& object);
  void list(const Given& given);
  void erase(const Node& node);
  [[nodiscard]] std::unique_ptr<ConsumerNode>* find(std::string_view ns, std::string_view name);
  [[nodiscard]] const Given* winner(Node& node, Diagnostics& diagnostics);
  void settle(Node& node, model::ChangeSet& changes, model::ConsumerChanges& consumers, Diagnostics& diagnostics);

  std::unordered_map<model::ObjectKey, ObjectNode, Hash> objects_;
  CompactSet<std::unique_ptr<ConsumerNode>, Hash> consumers_;
  std::unordered_map<Node*, std::vector<const Given*>> contested_;
  std::unordered_set<const Node*> crowded_;
  std::vector<Node*> touched_;
  std::unordered_map<const Node*, Stored> before_;  // of touched ones what was in force, where something was
};

/// What one piece of a file gave.
struct Document {
  File* file = nullptr;
  std::vector<Claims::Given> gives;
  std::unique_ptr<Diagnostics> diagnostics;  ///< lines count from the start of the document
  std::uint32_t order = 0;  ///< in its file; true only after number()
  std::uint32_t lines_before = 0;  ///< the same
  bool unreadable = false;
  bool stale = false;  ///< a file of which it takes a value changed: to be parsed again, though its text is as it was
};

}  // namespace fairlead::config
