// SPDX-License-Identifier: Apache-2.0
// What a Consumer takes on the heap, by counting: there may be millions.
#include <fstream>

#include "fairlead/auth/directory_store.hpp"
#include "unit/config/directory_fixture.hpp"
#include "unit/gateway_config/heap_bytes.hpp"

namespace fairlead::config {
namespace {

constexpr std::size_t kConsumers = 10'000;

const model::Secret* no_secret(const std::string& /*ns*/, const std::string& /*name*/) { return nullptr; }

/// Consumers in the configuration, and with who looks them up.
struct ConsumerWorld {
  std::unique_ptr<Directory> directory;
  model::Cluster cluster;
  auth::DirectoryStore store;

  void take(Result<Update> update) {
    ASSERT_TRUE(update && update->diagnostics.empty());
    cluster.apply(update->consumers);
    std::vector<auth::ConsumerPtr> changed;
    std::vector<auth::DirectoryStore::Name> removed;
    for (const auto& [consumer, gone] : update->consumers) {
      if (gone) removed.emplace_back(consumer->ns(), consumer->name());
      else changed.push_back(consumer);
    }
    store.update(changed, removed, {}, no_secret);
  }
  [[nodiscard]] std::size_t size() { return store.directories("default")->current()->size(); }
};

class ConsumerMemory : public DirectoryTest {
 protected:
  /// `more` of spec.
  void write_consumers(std::size_t count, const std::string& more = "") const {
    std::ofstream out(root_ / "all.yaml");
    for (std::size_t i = 0; i < count; ++i) {
      auto digest = std::to_string(i);
      digest.insert(0, 64 - digest.size(), 'a');
      out << "---\napiVersion: fairlead.io/v1alpha1\nkind: Consumer\nmetadata: {name: c" << i
          << "}\nspec: {credentials: [{apiKey: {keySha256: " << digest << "}}]" << more << "}\n";
    }
  }
  void load(ConsumerWorld& world) const {
    auto opened = Directory::open(root_, gateway_kinds());
    ASSERT_TRUE(opened);
    world.directory = std::move(*opened);
    world.take(world.directory->load());
  }
  std::size_t heap_of(std::size_t count, const std::string& more) const {
    write_consumers(count, more);
    const auto before = heap_bytes;
    ConsumerWorld world;
    load(world);
    EXPECT_EQ(world.size(), count);
    return heap_bytes - before;
  }
  double heap_of_each(const std::string& more = "") const {
    return static_cast<double>(heap_of(kConsumers, more) - heap_of(1, more)) / kConsumers;
  }
};

/// 32 of its piece of the file, 32 and 13 of who claims its name, 80 of itself, 13 of its being there, 8 and 21 of its
/// name and key in the directory, whose thousand shards take some more while they are small.
TEST_F(ConsumerMemory, OfOneWithAKey) {
  const auto each = heap_of_each();
  EXPECT_LE(each, 225);
  EXPECT_GT(each, 100) << "counted at all";
}

/// customId makes it as much longer; groups are shared by all that have the same.
TEST_F(ConsumerMemory, OfOneWithGroups) {
  EXPECT_LE(heap_of_each(", groups: [gold, silver], customId: \"0123456789\""), 225 + 16);
}

TEST_F(ConsumerMemory, GoesBackWhenTheyGo) {
  write_consumers(kConsumers);
  ConsumerWorld world;
  load(world);
  const auto before = heap_bytes;
  write_consumers(1);
  world.take(world.directory->load());
  EXPECT_EQ(world.size(), 1U);
  EXPECT_GE(before - heap_bytes, 150 * kConsumers);
}

}  // namespace
}  // namespace fairlead::config
