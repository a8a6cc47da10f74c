// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "fairlead/config/diagnostic.hpp"
#include "fairlead/model/cluster.hpp"

namespace fairlead::config {

struct Document;
struct File;

/// Who gives which object, and which of them is in force: a good object before one held over from a refused document,
/// then by path and place.
/// Owner: Directory. Thread: its.
class Claims {
 public:
  struct Given;
  struct Entry {
    model::ObjectPtr in_force;
    const Given* sole = nullptr;  ///< who gives it; where several do, they stand in contested_
    std::uint32_t uses = 0;  ///< by all that name it, refused or not
    bool touched = false;
  };
  using Node = std::pair<const model::ObjectKey, Entry>;
  /// One object that a document gives.
  struct Given {
    Node* node = nullptr;
    model::ObjectPtr object;  ///< none: refused, and there is no good version
    const Document* document = nullptr;
    bool held = false;  ///< not as written now: the last good version, or what closes a refused policy's workloads
  };

  [[nodiscard]] Node* node_of(const model::ObjectKey& key) { return &*entries_.try_emplace(key).first; }
  /// given stays where it is until it is removed.
  void add(const Given& given);
  void remove(const Given& given);
  /// Files that give what others give too: their documents are to be numbered before settle().
  [[nodiscard]] std::vector<File*> contested_files() const;
  /// Decides anew what is touched or contested; gives what changed and names what is defined twice.
  void settle(model::ChangeSet& changes, Diagnostics& diagnostics);

 private:
  struct Hash {
    std::size_t operator()(const model::ObjectKey& key) const noexcept;
  };
  void touch(Node& node);
  [[nodiscard]] const Given* winner(const Node& node, Diagnostics& diagnostics);

  std::unordered_map<model::ObjectKey, Entry, Hash> entries_;
  std::unordered_map<Node*, std::vector<const Given*>> contested_;
  std::vector<Node*> touched_;
};

/// What one piece of a file gave.
struct Document {
  File* file = nullptr;
  std::vector<Claims::Given> gives;
  std::unique_ptr<Diagnostics> diagnostics;  ///< lines count from the start of the document
  std::uint32_t order = 0;                   ///< in its file; true only after number()
  std::uint32_t lines_before = 0;            ///< the same
  bool unreadable = false;
  bool stale = false;  ///< a file of which it takes a value changed: to be parsed again, though its text is as it was
};

}  // namespace fairlead::config
