// SPDX-License-Identifier: Apache-2.0
#include "unit/config/directory_fixture.hpp"

namespace fairlead::config {
namespace {

TEST_F(DirectoryTest, ReadsYamlJsonAndLists) {
  write("a.yaml", service("one", "10.0.0.1") + service("two", "10.0.0.2"));
  write("b.json", R"({"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Node","metadata":{"name":"n1",
    "labels":{"topology.kubernetes.io/zone":"z1"}},"status":{"addresses":[{"type":"InternalIP","address":"192.0.2.1"}]}}]})");
  load();
  EXPECT_TRUE(last_.diagnostics.empty()) << last_.diagnostics[0].text();
  EXPECT_EQ(last_.changes.size(), 3U);
  ASSERT_TRUE(get<model::Service>(Kind::kService, "default", "two"));
  const auto* node = get<model::Node>(Kind::kNode, "", "n1");
  ASSERT_TRUE(node);
  EXPECT_EQ(node->zone, "z1");
}

// Two changes within one tick of the file system's clock, of the same size.
TEST_F(DirectoryTest, SeesAChangeThatTheFileTimeDoesNotShow) {
  write("a.yaml", service("one", "10.0.0.1"));
  const auto time = std::filesystem::last_write_time(root_ / "a.yaml");
  load();
  write("a.yaml", service("one", "10.0.0.2"));
  std::filesystem::last_write_time(root_ / "a.yaml", time);
  changed();
  EXPECT_EQ(get<model::Service>(Kind::kService, "default", "one")->cluster_ips[0].text(), "10.0.0.2");
}

TEST_F(DirectoryTest, ParsesOnlyTheChangedDocumentAndKeepsTheLastGood) {
  write("a.yaml", service("one", "10.0.0.1") + service("two", "10.0.0.2"));
  load();
  write("a.yaml", service("one", "10.0.0.1") + service("two", "10.0.0.3"));
  changed();
  EXPECT_EQ(last_.documents_parsed, 1U);
  ASSERT_EQ(last_.changes.size(), 1U);
  write("a.yaml", service("one", "10.0.0.1") + service("two", "10.0.0.4", "http"));
  changed();
  EXPECT_EQ(last_.changes.size(), 0U);
  ASSERT_EQ(last_.diagnostics.size(), 1U);
  EXPECT_EQ(last_.diagnostics[0].line, 16U);
  EXPECT_EQ(last_.diagnostics[0].field, "spec.ports[0].port");
  EXPECT_EQ(get<model::Service>(Kind::kService, "default", "two")->cluster_ips[0].text(), "10.0.0.3");
  write("a.yaml", service("one", "10.0.0.1") + "---\nkind: [\n");
  changed();
  EXPECT_TRUE(get<model::Service>(Kind::kService, "default", "two"));
  std::filesystem::remove(root_ / "a.yaml");
  changed();
  EXPECT_TRUE(cluster_.objects(Kind::kService).empty());
}

TEST_F(DirectoryTest, FollowsTheSwapOfALink) {
  std::filesystem::create_directory(root_ / "..v1");
  std::filesystem::create_directory(root_ / "..v2");
  std::ofstream(root_ / "..v1" / "a.yaml") << service("one", "10.0.0.1");
  std::ofstream(root_ / "..v2" / "a.yaml") << service("one", "10.0.0.2");
  std::filesystem::create_symlink("..v1", root_ / "..data");
  std::filesystem::create_symlink("..data/a.yaml", root_ / "a.yaml");
  load();
  std::filesystem::create_symlink("..v2", root_ / "..tmp");
  std::filesystem::rename(root_ / "..tmp", root_ / "..data");
  changed();
  EXPECT_EQ(get<model::Service>(Kind::kService, "default", "one")->cluster_ips[0].text(), "10.0.0.2");
}

TEST_F(DirectoryTest, FirstDefinitionWins) {
  write("a.yaml", service("one", "10.0.0.1"));
  write("b.yaml", service("one", "10.0.0.2"));
  load();
  ASSERT_EQ(last_.diagnostics.size(), 1U);
  EXPECT_EQ(last_.diagnostics[0].file, (root_ / "b.yaml").string());
  EXPECT_EQ(get<model::Service>(Kind::kService, "default", "one")->cluster_ips[0].text(), "10.0.0.1");
}

TEST_F(DirectoryTest, RefusedPolicyClosesWhatItSelects) {
  write("p.yaml",
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: p, namespace: shop}\nspec:\n"
        "  selector: {matchLabels: {app: web}}\n  rules:\n  - to: [{operation: {methods: [GET]}}]\n");
  load();
  ASSERT_EQ(last_.diagnostics.size(), 1U);
  EXPECT_EQ(last_.diagnostics[0].field, "spec.rules[0].to[0].operation.methods");
  const auto* refused = get<model::RefusedPolicy>(Kind::kAuthorizationPolicy, "shop", "p");
  ASSERT_TRUE(refused);
  EXPECT_TRUE(refused->pods.matches({{"app", "web"}}));
  EXPECT_FALSE(refused->pods.matches({{"app", "db"}}));
}

}  // namespace
}  // namespace fairlead::config
