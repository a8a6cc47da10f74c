// SPDX-License-Identifier: Apache-2.0
// What editors, kubelet and people do with the files of a configuration.
#include <algorithm>

#include "unit/config/directory_fixture.hpp"

namespace fairlead::config {
namespace {

namespace fs = std::filesystem;

class FilesTest : public DirectoryTest {
 protected:
  std::string ip_of(const std::string& name) {
    const auto* found = get<model::Service>(Kind::kService, "default", name);
    return found == nullptr ? "none" : found->cluster_ips[0].text();
  }
  /// Whether the last update took an object away, if only for a moment.
  bool took_away() const {
    return std::ranges::any_of(last_.changes, [](const auto& change) { return change.object == nullptr; });
  }
};

// What vim, emacs and others leave beside a file; a backup is a complete copy and would be a second definition.
TEST_F(FilesTest, SwapFilesAndBackupsAreNotRead) {
  write("a.yaml", service("one", "10.0.0.1"));
  for (const auto* name : {".a.yaml.swp", "a.yaml~", "a.yaml.bak", "#a.yaml#", "4913", "a.yaml.orig", "a.yml.tmp"})
    std::ofstream(root_ / name) << service("one", "10.0.0.9");
  load();
  EXPECT_EQ(last_.files, 1U);
  EXPECT_TRUE(last_.diagnostics.empty());
  // vim's way: the file becomes the backup, and another takes its name.
  fs::rename(root_ / "a.yaml", root_ / "a.yaml~");
  std::ofstream(root_ / "a.yaml") << service("one", "10.0.0.2");
  changed();
  EXPECT_EQ(ip_of("one"), "10.0.0.2");
  EXPECT_TRUE(last_.diagnostics.empty());
}

TEST_F(FilesTest, AnObjectThatMovesToAnotherFileIsNeverGone) {
  write("a.yaml", service("one", "10.0.0.1") + service("two", "10.0.0.2"));
  load();
  write("b.yaml", service("two", "10.0.0.2"));
  write("a.yaml", service("one", "10.0.0.1"));
  changed();
  EXPECT_FALSE(took_away());
  EXPECT_EQ(ip_of("two"), "10.0.0.2");
  EXPECT_TRUE(last_.diagnostics.empty());
  fs::rename(root_ / "b.yaml", root_ / "c.yaml");
  changed();
  EXPECT_FALSE(took_away());
  EXPECT_EQ(ip_of("two"), "10.0.0.2");
}

TEST_F(FilesTest, OneFileAfterTheOtherThatHasTheSame) {
  write("b.yaml", service("one", "10.0.0.1"));
  load();
  write("a.yaml", service("one", "10.0.0.2"));
  changed();
  ASSERT_EQ(last_.diagnostics.size(), 1U);
  const auto text = last_.diagnostics[0].text();
  EXPECT_NE(text.find((root_ / "a.yaml").string() + ":1"), std::string::npos) << text;
  EXPECT_NE(text.find((root_ / "b.yaml").string() + ":1"), std::string::npos) << text;
  // Whoever is left is in force, without a moment of nobody.
  for (const auto* name : {"a.yaml", "b.yaml"}) {
    const bool first = name[0] == 'a';
    if (!first) write("a.yaml", service("one", "10.0.0.2"));
    if (!first) changed();
    fs::remove(root_ / name);
    changed();
    EXPECT_FALSE(took_away()) << name;
    EXPECT_EQ(ip_of("one"), first ? "10.0.0.1" : "10.0.0.2");
    EXPECT_TRUE(last_.diagnostics.empty());
  }
}

// A second name for a whole file is told as a creation, and nobody closes it; a file just created is empty as yet.
TEST_F(FilesTest, AHardLinkIsReadAtOnce) {
  load();
  std::ofstream(root_ / ".whole") << service("one", "10.0.0.1");
  fs::create_hard_link(root_ / ".whole", root_ / "a.yaml");
  changed();
  EXPECT_EQ(ip_of("one"), "10.0.0.1");
  fs::remove(root_ / ".whole");
  fs::remove(root_ / "a.yaml");
  changed();
  EXPECT_EQ(ip_of("one"), "none");
}

// What one file still holds as the last good version gives way to a good version elsewhere.
TEST_F(FilesTest, ARefusedObjectGivesWayToAGoodOneOfAnotherFile) {
  write("a.yaml", service("one", "10.0.0.1"));
  load();
  write("b.yaml", service("one", "10.0.0.2"));
  changed();
  EXPECT_EQ(ip_of("one"), "10.0.0.1");
  write("a.yaml", service("one", "10.0.0.3", "http"));
  changed();
  EXPECT_EQ(ip_of("one"), "10.0.0.2");
  ASSERT_EQ(last_.diagnostics.size(), 1U);
  EXPECT_EQ(last_.diagnostics[0].field, "spec.ports[0].port");
  write("a.yaml", service("one", "10.0.0.3"));
  changed();
  EXPECT_EQ(ip_of("one"), "10.0.0.3");
}

// The address of what goes is free for what comes in the same update.
TEST_F(FilesTest, WhatGoesIsToldBeforeWhatComes) {
  write("a.yaml", service("zebra", "10.0.0.1"));
  load();
  write("a.yaml", service("antelope", "10.0.0.1"));
  changed();
  ASSERT_EQ(last_.changes.size(), 2U);
  EXPECT_EQ(last_.changes[0].key.name, "zebra");
  EXPECT_EQ(last_.changes[0].object, nullptr);
  EXPECT_EQ(last_.changes[1].key.name, "antelope");
}

// A ConfigMap in a pod: the directory of the old version goes when the link leads to the new one; keys come and go.
TEST_F(FilesTest, KubeletReplacesAConfigMap) {
  const auto version = [&](const std::string& name, const std::string& ip, const std::vector<std::string>& keys) {
    fs::create_directory(root_ / name);
    for (const auto& key : keys) std::ofstream(root_ / name / (key + ".yaml")) << service(key, ip);
    fs::create_symlink(name, root_ / "..data_tmp");
    fs::rename(root_ / "..data_tmp", root_ / "..data");
  };
  version("..2025_11_03_08", "10.0.0.1", {"one", "two"});
  for (const auto* key : {"one", "two"})
    fs::create_symlink(fs::path("..data") / (std::string(key) + ".yaml"), root_ / (std::string(key) + ".yaml"));
  load();
  EXPECT_EQ(ip_of("two"), "10.0.0.1");
  version("..2025_11_04_09", "10.0.0.2", {"one", "three"});
  fs::create_symlink("..data/three.yaml", root_ / "three.yaml");
  fs::remove(root_ / "two.yaml");
  fs::remove_all(root_ / "..2025_11_03_08");
  changed();
  EXPECT_EQ(ip_of("one"), "10.0.0.2");
  EXPECT_EQ(ip_of("two"), "none");
  EXPECT_EQ(ip_of("three"), "10.0.0.2");
  EXPECT_TRUE(last_.diagnostics.empty());
  version("..2025_11_05_10", "10.0.0.3", {"one", "three"});
  fs::remove_all(root_ / "..2025_11_04_09");
  changed();
  EXPECT_EQ(ip_of("one"), "10.0.0.3");
  EXPECT_FALSE(took_away());
}

TEST_F(FilesTest, LinksThatLeadNowhereOrInCircles) {
  write("a.yaml", service("one", "10.0.0.1"));
  fs::create_symlink("loop.yaml", root_ / "loop.yaml");
  fs::create_symlink("nowhere", root_ / "lost.yaml");
  fs::create_directory(root_ / "sub");
  fs::create_symlink("..", root_ / "sub" / "up");
  fs::create_symlink(".", root_ / "self");
  std::ofstream(root_ / "sub" / "b.yaml") << service("two", "10.0.0.2");
  load();
  EXPECT_EQ(ip_of("one"), "10.0.0.1");
  EXPECT_EQ(ip_of("two"), "10.0.0.2");
  std::string said;
  for (const auto& diagnostic : last_.diagnostics) said += diagnostic.text() + "\n";
  EXPECT_NE(said.find("loop.yaml: error: cannot be read"), std::string::npos) << said;
  EXPECT_NE(said.find("lost.yaml: error: cannot be read"), std::string::npos) << said;
}

TEST_F(FilesTest, ALargeFileIsTakenOnceItIsWhole) {
  write("a.yaml", service("one", "10.0.0.1"));
  load();
  std::ofstream writer(root_ / "large.yaml");
  for (int i = 0; i < 2000; ++i) {
    writer << service("s" + std::to_string(i), "10.0.1.1") << std::flush;
    if (i % 500 != 499) continue;
    write("a.yaml", service("one", "10.0.0." + std::to_string(i / 500 + 2)));
    changed();
    EXPECT_EQ(cluster_.objects(Kind::kService).size(), 1U);
  }
  writer.close();
  changed();
  EXPECT_EQ(cluster_.objects(Kind::kService).size(), 2001U);
}

TEST_F(FilesTest, TenThousandFilesComeChangeAndGo) {
  constexpr int kFiles = 10000;
  const auto name = [](int i) { return "f" + std::to_string(i); };
  for (int i = 0; i < kFiles; ++i) std::ofstream(root_ / (name(i) + ".yaml")) << service(name(i), "10.0.0.1");
  load();
  EXPECT_EQ(last_.files, static_cast<std::size_t>(kFiles));
  EXPECT_EQ(cluster_.objects(Kind::kService).size(), static_cast<std::size_t>(kFiles));
  write("f7.yaml", service("f7", "10.0.0.2"));
  changed();
  EXPECT_EQ(last_.documents_parsed, 1U);
  EXPECT_EQ(last_.changes.size(), 1U);
  for (int i = 0; i < kFiles; ++i) fs::remove(root_ / (name(i) + ".yaml"));
  changed();
  EXPECT_TRUE(cluster_.objects(Kind::kService).empty());
  EXPECT_EQ(last_.files, 0U);
  EXPECT_TRUE(last_.diagnostics.empty());
}

}  // namespace
}  // namespace fairlead::config
