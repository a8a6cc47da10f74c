// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "fairlead/model/consumer.hpp"
#include "fairlead/model/objects.hpp"

namespace fairlead::model {

/// Names one object. A RefusedPolicy goes by the kind of the policy that it stands for.
struct ObjectKey {
  Kind kind;
  Name ns;
  Name name;

  auto operator<=>(const ObjectKey&) const = default;
  [[nodiscard]] std::string text() const;  ///< "Service default/web"
};

using ObjectPtr = std::shared_ptr<const Object>;

/// object empty: it is gone.
struct Change {
  ObjectKey key;
  ObjectPtr object;
  ObjectPtr before{};  ///< what stood in its place; Cluster::apply notes it
};

using ChangeSet = std::vector<Change>;
using ConsumerChanges = std::vector<ConsumerChange>;

/// All objects that are in force, by kind and name; of Consumers, which may be millions, only who they are. A change
/// set is applied whole. Owner: the daemon. Thread: its main thread.
class Cluster {
 public:
  using Slices = std::vector<std::shared_ptr<const EndpointSlice>>;

  void apply(ChangeSet& changes);
  void apply(const ConsumerChanges& changes);

  [[nodiscard]] ObjectPtr find(const ObjectKey& key) const;
  [[nodiscard]] bool has_consumer(std::string_view ns, std::string_view name) const;
  /// All objects of a kind, sorted by namespace and name.
  [[nodiscard]] const std::map<ObjectKey, ObjectPtr>& objects(Kind kind) const;
  /// The slices of a service, sorted by name; until the next apply().
  [[nodiscard]] const Slices& slices(const std::string& ns, const std::string& service) const;

 private:
  void remove_slice(const EndpointSlice& slice);

  std::map<Kind, std::map<ObjectKey, ObjectPtr>> objects_;
  std::map<std::pair<std::string, std::string>, Slices> slices_;  // by service
  PackedConsumers consumers_;
};

}  // namespace fairlead::model
