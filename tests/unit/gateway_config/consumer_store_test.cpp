// SPDX-License-Identifier: Apache-2.0
// Consumers in the directory: pieces of files without a Document of their own, as long as nothing is to be said of
// them.
#include <map>

#include "fairlead/auth/digest.hpp"
#include "unit/config/directory_fixture.hpp"

namespace fairlead::config {
namespace {

std::string consumer(const std::string& name, const std::string& key) {
  return "---\napiVersion: fairlead.io/v1alpha1\nkind: Consumer\nmetadata: {name: " + name +
         "}\nspec: {credentials: [{apiKey: {key: " + key + "}}]}\n";
}

class ConsumerStore : public DirectoryTest {
 protected:
  void load() {
    auto opened = Directory::open(root_, gateway_kinds());
    ASSERT_TRUE(opened) << opened.error().message;
    directory_ = std::move(*opened);
    note(directory_->load());
  }
  void changed() {
    pollfd waiting{.fd = directory_->fd(), .events = POLLIN, .revents = 0};
    ASSERT_EQ(poll(&waiting, 1, 5000), 1);
    note(directory_->changed());
  }
  void note(Result<Update> update) {
    ASSERT_TRUE(update) << update.error().message;
    for (const auto& [one, gone] : update->consumers) {
      if (gone) consumers_.erase(std::string(one->name()));
      else consumers_[std::string(one->name())] = one;
      EXPECT_EQ(one->ns(), "default");
    }
    take(std::move(update));
    for (const auto& [name, one] : consumers_) EXPECT_TRUE(cluster_.has_consumer("default", name));
  }
  /// Whose key is in force.
  std::string holder(std::string_view key) {
    for (const auto& [name, one] : consumers_)
      for (const auto& credential : one->credentials())
        if (credential.lookup == auth::sha256(key)) return name;
    return {};
  }

  std::map<std::string, model::PackedConsumerPtr> consumers_;
};

TEST_F(ConsumerStore, ComeChangeAndGo) {
  write("a.yaml", consumer("ann", "k1") + consumer("bob", "k2"));
  load();
  EXPECT_EQ(last_.consumers.size(), 2U);
  EXPECT_EQ(last_.documents, 2U);
  EXPECT_EQ(holder("k1"), "ann");
  write("a.yaml", consumer("ann", "k1") + consumer("bob", "k3"));
  changed();
  EXPECT_EQ(last_.consumers.size(), 1U);
  EXPECT_EQ(last_.documents_parsed, 1U);
  EXPECT_EQ(holder("k2"), "");
  EXPECT_EQ(holder("k3"), "bob");
  write("a.yaml", consumer("bob", "k3"));
  changed();
  ASSERT_EQ(last_.consumers.size(), 1U);
  EXPECT_TRUE(last_.consumers[0].gone);
  EXPECT_FALSE(cluster_.has_consumer("default", "ann"));
  EXPECT_TRUE(cluster_.has_consumer("default", "bob"));
  EXPECT_FALSE(cluster_.has_consumer("other", "bob"));
  EXPECT_EQ(last_.documents, 1U);
}

TEST_F(ConsumerStore, TheSecondOfTwoIsNamedAndTakesOver) {
  write("b.yaml", consumer("ann", "k1") + consumer("bob", "k2"));
  load();
  write("a.yaml", consumer("eve", "k0") + consumer("bob", "k9"));
  changed();
  EXPECT_EQ(holder("k9"), "bob") << "by the order of paths";
  ASSERT_EQ(last_.diagnostics.size(), 1U);
  EXPECT_EQ(last_.diagnostics[0].file, root_ / "b.yaml");
  EXPECT_EQ(last_.diagnostics[0].line, 6U);
  EXPECT_EQ(last_.diagnostics[0].object, "Consumer default/bob");
  EXPECT_NE(last_.diagnostics[0].expected.find("a.yaml:6"), std::string::npos);
  write("c.yaml", consumer("bob", "k4"));
  changed();
  EXPECT_EQ(last_.diagnostics.size(), 2U);
  EXPECT_TRUE(last_.consumers.empty());
  write("a.yaml", consumer("eve", "k0"));
  changed();
  EXPECT_EQ(holder("k2"), "bob");
  EXPECT_EQ(last_.diagnostics.size(), 1U);
  write("b.yaml", consumer("ann", "k1"));
  changed();
  EXPECT_EQ(holder("k4"), "bob");
  EXPECT_TRUE(last_.diagnostics.empty());
  write("c.yaml", consumer("carl", "k5"));
  changed();
  EXPECT_EQ(consumers_.size(), 3U);
}

TEST_F(ConsumerStore, TwoOfOneFile) {
  write("a.yaml", consumer("ann", "k1") + consumer("ann", "k2") + consumer("bob", "k3"));
  load();
  EXPECT_EQ(holder("k1"), "ann");
  ASSERT_EQ(last_.diagnostics.size(), 1U);
  EXPECT_EQ(last_.diagnostics[0].line, 6U);
  write("a.yaml", consumer("ann", "k2") + consumer("bob", "k3"));
  changed();
  EXPECT_EQ(holder("k2"), "ann");
  EXPECT_EQ(last_.documents_parsed, 0U);
  EXPECT_TRUE(last_.diagnostics.empty());
}

/// Both come and go at once, before anybody has asked which counts.
TEST_F(ConsumerStore, ChangesOverlay) {
  write("a.yaml", consumer("ann", "k1"));
  write("b.yaml", consumer("bob", "k2"));
  load();
  write("a.yaml", consumer("bob", "k3"));
  write("b.yaml", consumer("ann", "k4"));
  changed();
  EXPECT_TRUE(last_.diagnostics.empty());
  EXPECT_EQ(holder("k3"), "bob");
  EXPECT_EQ(holder("k4"), "ann");
  EXPECT_EQ(last_.consumers.size(), 2U);
}

TEST_F(ConsumerStore, ARefusedOneKeepsItsLastGoodState) {
  write("a.yaml", consumer("ann", "k1") + consumer("bob", "k2"));
  load();
  write("a.yaml", consumer("ann", "k1") + consumer("bob", "[k3]"));
  changed();
  EXPECT_EQ(holder("k2"), "bob");
  EXPECT_TRUE(last_.consumers.empty());
  ASSERT_EQ(last_.diagnostics.size(), 1U);
  EXPECT_EQ(last_.diagnostics[0].object, "Consumer default/bob");
  EXPECT_EQ(last_.diagnostics[0].field, "spec.credentials[0].apiKey.key");
  EXPECT_EQ(last_.diagnostics[0].line, 10U);
  write("a.yaml", consumer("ann", "k1") + "---\n{{{\n");  // which object that is, is not known
  changed();
  EXPECT_EQ(holder("k2"), "bob");
  write("a.yaml", consumer("ann", "k1") + consumer("bob", "k4"));
  changed();
  EXPECT_EQ(holder("k4"), "bob");
  EXPECT_TRUE(last_.diagnostics.empty());
}

/// A name that no Consumer can have is refused like any other.
TEST_F(ConsumerStore, NamesOfAnyLength) {
  write("a.yaml", consumer(std::string(300, 'a'), "k1") + consumer(std::string(253, 'b'), "k2"));
  load();
  EXPECT_EQ(holder("k1"), "");
  EXPECT_EQ(holder("k2"), std::string(253, 'b'));
  EXPECT_EQ(last_.diagnostics.size(), 1U);
}

}  // namespace
}  // namespace fairlead::config
