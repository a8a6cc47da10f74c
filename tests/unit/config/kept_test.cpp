// SPDX-License-Identifier: Apache-2.0
// What was in force before a restart stays in force after it.
#include "unit/config/directory_fixture.hpp"

namespace fairlead::config {
namespace {

namespace fs = std::filesystem;

class KeptTest : public DirectoryTest {
 protected:
  std::string address(const std::string& name) {
    const auto* found = get<model::Service>(Kind::kService, "default", name);
    return found == nullptr || found->cluster_ips.empty() ? "" : found->cluster_ips.front().text();
  }
  bool complains_of(const std::string& words) const {
    return std::ranges::any_of(last_.diagnostics,
                               [&](const auto& one) { return one.text().find(words) != std::string::npos; });
  }
  void change() {
    changed();
    keep();
  }
};

TEST_F(KeptTest, ARefusedObjectKeepsItsLastGoodVersion) {
  write("a.yaml", service("web", "10.0.0.1") + service("api", "10.0.0.2"));
  start();
  write("a.yaml", service("web", "10.0.0.3", "http") + service("api", "10.0.0.4"));
  change();
  EXPECT_EQ(address("web"), "10.0.0.1");
  for (int round = 0; round < 2; ++round) {
    start();
    EXPECT_EQ(address("web"), "10.0.0.1");
    EXPECT_EQ(address("api"), "10.0.0.4");
    EXPECT_TRUE(complains_of("Service default/web"));
  }
  write("a.yaml", service("web", "10.0.0.5"));
  change();
  EXPECT_EQ(address("web"), "10.0.0.5");
  start();
  EXPECT_EQ(address("web"), "10.0.0.5");
  EXPECT_EQ(address("api"), "");
}

TEST_F(KeptTest, SoItIsWhereItWasBrokenWhileNobodyLooked) {
  write("a.yaml", service("web", "10.0.0.1") + service("api", "10.0.0.2"));
  start();
  write("a.yaml", service("web", "10.0.0.3", "http"));
  start();
  EXPECT_EQ(address("web"), "10.0.0.1");
  EXPECT_EQ(address("api"), "");  // it was removed
}

TEST_F(KeptTest, WhatAnUnreadableDocumentHeldStays) {
  write("a.yaml", service("web", "10.0.0.1") + service("api", "10.0.0.2"));
  start();
  write("a.yaml", "<<<<<<< HEAD\n" + service("web", "10.0.0.1").substr(4) + service("api", "10.0.0.4"));
  change();
  for (int round = 0; round < 2; ++round) {
    start();
    EXPECT_EQ(address("web"), "10.0.0.1");
    EXPECT_EQ(address("api"), "10.0.0.4");
  }
  fs::remove(root_ / "a.yaml");
  write("b.yaml", service("other", "10.0.0.9"));
  start();
  EXPECT_EQ(address("web"), "");
}

// The others change meanwhile, one after the other is refused: each stays at its own last good version.
TEST_F(KeptTest, EachObjectKeepsItsOwn) {
  write("a.yaml", service("web", "10.0.0.1") + service("api", "10.0.0.2"));
  start();
  write("a.yaml", service("web", "10.0.0.1", "http") + service("api", "10.0.0.2"));
  change();
  write("a.yaml", service("web", "10.0.0.1", "http") + service("api", "10.0.0.3"));
  change();
  write("a.yaml", service("web", "10.0.0.1", "http") + service("api", "10.0.0.3", "http"));
  change();
  start();
  EXPECT_EQ(address("web"), "10.0.0.1");
  EXPECT_EQ(address("api"), "10.0.0.3");
  write("a.yaml", service("web", "10.0.0.6") + service("api", "10.0.0.3", "http"));
  change();
  write("a.yaml", service("web", "10.0.0.6", "http") + service("api", "10.0.0.3", "http"));
  start();
  EXPECT_EQ(address("web"), "10.0.0.6");
  EXPECT_EQ(address("api"), "10.0.0.3");
}

// One that was good never goes with a permanent refusal beside it, and one that was removed does not come back.
TEST_F(KeptTest, ARemovedObjectDoesNotComeBack) {
  write("a.yaml", service("never", "10.0.0.1", "http") + service("web", "10.0.0.2") + service("api", "10.0.0.3"));
  start();
  write("a.yaml",
        service("never", "10.0.0.1", "http") + service("web", "10.0.0.2", "http") + service("api", "10.0.0.3"));
  change();
  write("a.yaml", service("never", "10.0.0.1", "http") + service("api", "10.0.0.3", "http"));
  change();
  write("a.yaml", "<<<<<<<\n" + service("api", "10.0.0.3", "http"));
  start();
  EXPECT_EQ(address("web"), "");
  EXPECT_EQ(address("api"), "10.0.0.3");
}

TEST_F(KeptTest, ItemsOfListsAreKeptToo) {
  const auto item = [](const std::string& name, const std::string& ip, const std::string& port) {
    return "- metadata: {name: " + name + "}\n  spec:\n    clusterIP: " + ip + "\n    ports:\n    - port: " + port +
           "\n";
  };
  const auto json = [](const std::string& name, const std::string& ip, const std::string& port) {
    return R"({"apiVersion": "v1", "kind": "Service", "metadata": {"name": ")" + name +
           R"("}, "spec": {"clusterIP": ")" + ip + R"(", "ports": [{"port": )" + port + "}]}}";
  };
  const std::string head = "apiVersion: v1\nkind: ServiceList\nitems:\n";
  const std::string json_head = R"({"apiVersion": "v1", "kind": "List", "items": [)";
  const auto write_both = [&](const std::string& port) {
    write("a.yaml", head + item("web", "10.0.0.1", "80") + item("api", "10.0.0.2", port));
    write("b.json", json_head + json("jweb", "10.0.1.1", "80") + ",\n" + json("japi", "10.0.1.2", port) + "]}\n");
  };
  write_both("80");
  start();
  ASSERT_EQ(address("api"), "10.0.0.2");
  ASSERT_EQ(address("japi"), "10.0.1.2");
  write_both("\"x\"");
  change();
  start();
  for (const auto& [name, ip] :
       {std::pair("web", "10.0.0.1"), {"api", "10.0.0.2"}, {"jweb", "10.0.1.1"}, {"japi", "10.0.1.2"}})
    EXPECT_EQ(address(name), ip);
}

// Too many to be held one by one: the copy of the file stays.
TEST_F(KeptTest, ATruncatedFileLosesNothing) {
  std::string all = R"({"apiVersion": "v1", "kind": "List", "items": [)";
  for (int i = 0; i < 100; ++i)
    all += std::string(i == 0 ? "" : ",") + R"({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s)" +
           std::to_string(i) + R"("}, "spec": {"clusterIP": "10.0.0.)" + std::to_string(i + 1) +
           R"(", "ports": [{"port": 80}]}})";
  write("a.json", all + "]}");
  start();
  ASSERT_EQ(address("s99"), "10.0.0.100");
  write("a.json", all.substr(0, all.size() / 10));
  change();
  for (int round = 0; round < 2; ++round) {
    start();
    EXPECT_EQ(address("s0"), "10.0.0.1");
    EXPECT_EQ(address("s99"), "10.0.0.100");
  }
}

TEST_F(KeptTest, AFileThatCannotBeReadKeepsItsObjects) {
  write("a.yaml", service("web", "10.0.0.1"));
  start();
  fs::remove(root_ / "a.yaml");
  fs::create_symlink("nowhere", root_ / "a.yaml");
  start();
  EXPECT_EQ(address("web"), "10.0.0.1");
  EXPECT_TRUE(complains_of("cannot be read"));
}

TEST_F(KeptTest, AnEmptyDirectoryAtTheStartTakesNothing) {
  write("a.yaml", service("web", "10.0.0.1"));
  start();
  fs::remove(root_ / "a.yaml");
  for (int round = 0; round < 2; ++round) {
    start();
    EXPECT_EQ(address("web"), "10.0.0.1");
    EXPECT_TRUE(complains_of("holds no file at the start"));
  }
  write("b.yaml", service("api", "10.0.0.2"));
  change();
  EXPECT_EQ(address("web"), "");
  EXPECT_EQ(address("api"), "10.0.0.2");
  EXPECT_TRUE(last_.diagnostics.empty());
  start();
  EXPECT_EQ(address("web"), "");
  fs::remove(root_ / "b.yaml");  // while somebody looks
  change();
  EXPECT_EQ(address("api"), "");
  start();
  EXPECT_EQ(address("api"), "");
}

// Another reading came before the first was kept.
TEST_F(KeptTest, AnOlderCopyIsBetterThanNone) {
  write("a.yaml", service("web", "10.0.0.1"));
  start();
  write("a.yaml", service("web", "10.0.0.1") + service("api", "10.0.0.2"));
  changed();
  write("a.yaml", service("web", "10.0.0.1", "http") + service("api", "10.0.0.2"));
  change();
  start();
  EXPECT_EQ(address("web"), "10.0.0.1");
}

}  // namespace
}  // namespace fairlead::config
