// SPDX-License-Identifier: Apache-2.0
// What may happen to files and directories while they are followed.
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit/config/directory_fixture.hpp"

namespace fairlead::config {
namespace {

namespace fs = std::filesystem;

class WatchTest : public DirectoryTest {
 protected:
  std::string ip_of(const std::string& name) {
    const auto* found = get<model::Service>(Kind::kService, "default", name);
    return found == nullptr ? "none" : found->cluster_ips[0].text();
  }
};

TEST_F(WatchTest, SameSizeWithinOneTick) {
  write("a.yaml", service("one", "10.0.0.1"));
  load();
  for (const auto* ip : {"10.0.0.2", "10.0.0.3", "10.0.0.4"}) {
    std::ofstream(root_ / "a.yaml") << service("one", ip);
    changed();
    EXPECT_EQ(ip_of("one"), ip);
  }
}

TEST_F(WatchTest, ManyFilesAreOneUpdateAndOnlyTheyAreParsed) {
  for (int i = 0; i < 600; ++i) write("f" + std::to_string(i) + ".yaml", service("s" + std::to_string(i), "10.0.0.1"));
  load();
  for (int i = 0; i < 500; ++i) write("f" + std::to_string(i) + ".yaml", service("s" + std::to_string(i), "10.0.0.2"));
  changed();
  EXPECT_EQ(last_.changes.size(), 500U);
  EXPECT_EQ(last_.documents_parsed, 500U);
}

// An editor that truncates and writes: nothing is taken from the half before it closes, even if others change
// meanwhile.
TEST_F(WatchTest, HalfWrittenFileWaitsForItsWriter) {
  write("a.yaml", service("one", "10.0.0.1") + service("two", "10.0.0.2"));
  load();
  std::ofstream writer(root_ / "a.yaml");
  writer << service("one", "10.0.0.9") << std::flush;
  write("b.yaml", service("three", "10.0.0.3"));
  changed();
  EXPECT_EQ(ip_of("two"), "10.0.0.2");
  EXPECT_EQ(ip_of("one"), "10.0.0.1");
  EXPECT_EQ(ip_of("three"), "10.0.0.3");
  writer << service("two", "10.0.0.8");
  writer.close();
  changed();
  EXPECT_EQ(ip_of("one"), "10.0.0.9");
  EXPECT_EQ(ip_of("two"), "10.0.0.8");
}

TEST_F(WatchTest, DirectoryRemovedAndBack) {
  write("a.yaml", service("one", "10.0.0.1"));
  load();
  const auto away = root_.string() + "-away";
  fs::rename(root_, away);
  changed();
  EXPECT_EQ(ip_of("one"), "10.0.0.1");
  ASSERT_EQ(last_.diagnostics.size(), 1U);
  EXPECT_NE(last_.diagnostics[0].text().find("is gone"), std::string::npos);
  fs::create_directory(root_);
  write("a.yaml", service("one", "10.0.0.2"));
  changed();
  EXPECT_EQ(ip_of("one"), "10.0.0.2");
  EXPECT_TRUE(last_.diagnostics.empty());
  write("a.yaml", service("one", "10.0.0.3"));
  changed();
  EXPECT_EQ(ip_of("one"), "10.0.0.3");
  fs::remove_all(away);
}

TEST_F(WatchTest, SubdirectoryComesWithItsFilesAndGoes) {
  write("a.yaml", service("one", "10.0.0.1"));
  load();
  fs::create_directory(root_ / ".new");
  std::ofstream(root_ / ".new" / "b.yaml") << service("two", "10.0.0.2");
  fs::rename(root_ / ".new", root_ / "sub");
  changed();
  EXPECT_EQ(ip_of("two"), "10.0.0.2");
  std::ofstream(root_ / "sub" / "b.yaml") << service("two", "10.0.0.3");
  changed();
  EXPECT_EQ(ip_of("two"), "10.0.0.3");
  fs::remove_all(root_ / "sub");
  changed();
  EXPECT_EQ(ip_of("two"), "none");
}

TEST_F(WatchTest, TargetOfALinkChangesElsewhere) {
  const auto elsewhere = root_.string() + "-elsewhere.yaml";
  std::ofstream(elsewhere) << service("one", "10.0.0.1");
  fs::create_symlink(elsewhere, root_ / "a.yaml");
  load();
  std::ofstream(elsewhere) << service("one", "10.0.0.2");
  changed();
  EXPECT_EQ(ip_of("one"), "10.0.0.2");
  fs::remove(elsewhere);
}

// As a user without rights, on this thread only; root reads everything.
TEST_F(WatchTest, PermissionLostAndGivenBack) {
  ASSERT_EQ(geteuid(), 0U) << "as root, so that rights can be taken away";
  write("a.yaml", service("one", "10.0.0.1"));
  fs::permissions(root_, fs::perms::all);
  load();
  fs::permissions(root_ / "a.yaml", fs::perms::none);
  write("b.yaml", service("two", "10.0.0.2"));
  fs::rename(root_ / "a.yaml", root_ / ".a");
  fs::rename(root_ / ".a", root_ / "a.yaml");
  setfsuid(65534);
  changed();
  setfsuid(0);
  EXPECT_EQ(ip_of("one"), "10.0.0.1");
  EXPECT_EQ(ip_of("two"), "10.0.0.2");
  ASSERT_EQ(last_.diagnostics.size(), 1U);
  EXPECT_NE(last_.diagnostics[0].text().find("cannot be read"), std::string::npos);
  fs::permissions(root_ / "a.yaml", fs::perms::owner_read);
  changed();
  EXPECT_TRUE(last_.diagnostics.empty());
}

TEST_F(WatchTest, LostEventsMeanThatAllIsReadAgain) {
  write("a.yaml", service("one", "10.0.0.1"));
  load();
  int most = 0;
  std::ifstream("/proc/sys/fs/inotify/max_queued_events") >> most;
  ASSERT_GT(most, 0);
  for (int i = 0; i <= most / 3 + 100; ++i) {  // three events each; equal ones in a row would be merged
    ::chmod((root_ / "a.yaml").c_str(), 0600);
    ::mkdir((root_ / ".x").c_str(), 0700);
    ::rmdir((root_ / ".x").c_str());
  }
  write("a.yaml", service("one", "10.0.0.2"));
  write("b.yaml", service("two", "10.0.0.3"));
  changed();
  EXPECT_EQ(ip_of("one"), "10.0.0.2");
  EXPECT_EQ(ip_of("two"), "10.0.0.3");
}

}  // namespace
}  // namespace fairlead::config
