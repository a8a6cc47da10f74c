// SPDX-License-Identifier: Apache-2.0
// Values of objects in files of their own: what is read, followed and refused.
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fairlead/auth/digest.hpp"
#include "fairlead/auth/password.hpp"
#include "fairlead/model/request_auth.hpp"
#include "unit/config/directory_fixture.hpp"

namespace fairlead::config {
namespace {

namespace fs = std::filesystem;

std::string consumer(const std::string& name, const std::string& credential) {
  return "---\napiVersion: fairlead.io/v1alpha1\nkind: Consumer\nmetadata: {name: " + name +
         "}\nspec:\n  credentials:\n  - " + credential + "\n";
}
std::string keyed(const std::string& name, const std::string& file) {
  return consumer(name, "apiKey: {file: " + file + "}");
}

/// A configuration beside a folder with values.
class SideFilesTest : public DirectoryTest {
 protected:
  void SetUp() override {
    DirectoryTest::SetUp();
    side_ = root_.string() + "-side";
    fs::create_directory(side_);
  }
  void TearDown() override {
    fs::remove_all(side_);
    DirectoryTest::TearDown();
  }
  void load() {
    auto opened = Directory::open(root_, gateway_kinds());
    ASSERT_TRUE(opened) << opened.error().message;
    directory_ = std::move(*opened);
    take(directory_->load());
  }
  /// In place, as `echo` does.
  void put(const fs::path& path, const std::string& text) const { std::ofstream(path, std::ios::binary) << text; }
  void replace(const fs::path& path, const std::string& text) const {
    put(path.string() + ".new", text);
    fs::rename(path.string() + ".new", path);
  }
  const model::ConsumerCredential* credential(const std::string& name) {
    const auto* found = get<model::Consumer>(Kind::kConsumer, "default", name);
    return found == nullptr || found->settings->credentials.empty() ? nullptr : &found->settings->credentials[0];
  }
  bool has_key(const std::string& name, std::string_view key) {
    const auto* found = credential(name);
    return found != nullptr && found->sha256 == auth::sha256(key);
  }
  /// Of the one remark that stands.
  std::string remark() const { return last_.diagnostics.size() == 1 ? last_.diagnostics[0].text() : "none or several"; }
  bool is_quiet() const {
    pollfd waiting{.fd = directory_->fd(), .events = POLLIN, .revents = 0};
    return poll(&waiting, 1, 0) == 0;
  }

  fs::path side_;
};

TEST_F(SideFilesTest, HoldEachKindOfCredential) {
  put(root_ / "key", "k1\n");
  put(side_ / "hash", "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e\r\n");
  put(side_ / "password", "secret");
  put(side_ / "mac", "0123456789abcdef0123456789abcdef\n\n");
  const std::string pem =
      "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=\n-----END PUBLIC "
      "KEY-----\n";
  put(side_ / "pem", pem);
  const auto in = [&](const char* name) { return (side_ / name).string(); };
  write("a.yaml", keyed("key", "key") + consumer("hash", "basic: {file: " + in("hash") + "}") +
                      consumer("password", "basic: {username: p, file: " + in("password") + "}") +
                      consumer("mac", "hmac: {file: " + in("mac") + "}") +
                      consumer("jwt", "jwt: {file: " + in("mac") + "}") +
                      consumer("eddsa", "jwt: {algorithm: EdDSA, file: " + in("pem") + "}") +
                      consumer("signed", "signature: {file: " + in("pem") + "}") +
                      consumer("sealed", "signature: {file: " + in("mac") + "}"));
  load();
  for (const auto& one : last_.diagnostics) ADD_FAILURE() << one.text();
  EXPECT_TRUE(has_key("key", "k1"));
  EXPECT_EQ(credential("key")->text, nullptr);
  EXPECT_EQ(credential("hash")->text->material, "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e");
  EXPECT_EQ(credential("password")->text->material.find("secret"), std::string::npos);
  EXPECT_TRUE(auth::check_password("secret", credential("password")->text->material));
  EXPECT_EQ(credential("mac")->text->material, "0123456789abcdef0123456789abcdef\n");
  EXPECT_FALSE(credential("jwt")->text->is_public_key);
  EXPECT_TRUE(credential("eddsa")->text->is_public_key);
  EXPECT_TRUE(credential("signed")->text->is_public_key);
  EXPECT_EQ(credential("signed")->text->material, pem.substr(0, pem.size() - 1));
  EXPECT_FALSE(credential("sealed")->text->is_public_key);
}

TEST_F(SideFilesTest, AreFollowedInPlaceAndReplaced) {
  put(side_ / "one", "k1");
  put(side_ / "two", "k2");
  write("a.yaml", keyed("alice", side_ / "one") + keyed("bob", side_ / "two") + keyed("carol", side_ / "one"));
  load();
  put(side_ / "one", "k3");
  changed();
  EXPECT_TRUE(has_key("alice", "k3"));
  EXPECT_TRUE(has_key("carol", "k3"));
  EXPECT_TRUE(has_key("bob", "k2"));
  EXPECT_EQ(last_.documents_parsed, 2U);
  EXPECT_EQ(last_.changes.size(), 2U);
  replace(side_ / "one", "k4");
  changed();
  EXPECT_TRUE(has_key("alice", "k4"));
  put(side_ / "one", "k5");  // the new file is followed as the old one was
  changed();
  EXPECT_TRUE(has_key("alice", "k5"));
  put(side_ / "one", "k5\n");
  changed();
  EXPECT_TRUE(last_.changes.empty());
}

// As Secrets are mounted: each name is a link through one that is swapped.
TEST_F(SideFilesTest, AreFollowedThroughSwappedLinks) {
  const auto fill = [&](const std::string& name, const std::string& key) {
    fs::create_directory(side_ / name);
    put(side_ / name / "key", key);
  };
  fill("..1", "k1");
  fs::create_directory_symlink("..1", side_ / "..data");
  fs::create_symlink("..data/key", side_ / "key");
  fs::create_symlink(side_, side_.string() + "-link");
  write("a.yaml", keyed("alice", side_.string() + "-link/../" + side_.filename().string() + "/key"));
  load();
  EXPECT_TRUE(has_key("alice", "k1"));
  for (const auto* next : {"2", "3"}) {
    fill(std::string("..") + next, std::string("k") + next);
    fs::create_directory_symlink(std::string("..") + next, side_ / "..data_tmp");
    fs::rename(side_ / "..data_tmp", side_ / "..data");
    changed();
    EXPECT_TRUE(has_key("alice", std::string("k") + next));
  }
  fs::remove(side_.string() + "-link");
}

TEST_F(SideFilesTest, AreFollowedWhereAFolderOnTheWayIsReplaced) {
  fs::create_directories(side_ / "a" / "b");
  put(side_ / "a" / "b" / "key", "k1");
  write("a.yaml", keyed("alice", side_ / "a" / "b" / "key"));
  load();
  fs::create_directories(side_ / "other" / "b");
  put(side_ / "other" / "b" / "key", "k2");
  EXPECT_TRUE(is_quiet());
  fs::rename(side_ / "a", side_ / "old");
  fs::rename(side_ / "other", side_ / "a");
  changed();
  EXPECT_TRUE(has_key("alice", "k2"));
}

TEST_F(SideFilesTest, WakeNobodyForTheirNeighbours) {
  put(side_ / "key", "k1");
  write("a.yaml", keyed("alice", side_ / "key"));
  load();
  put(side_ / "other", "x");
  fs::rename(side_ / "other", side_ / "another");
  fs::remove(side_ / "another");
  EXPECT_TRUE(is_quiet());
  write("a.yaml", consumer("alice", "apiKey: {key: k2}"));
  changed();
  changed();  // the kernel says that the watches went
  put(side_ / "key", "k3");  // nobody names it any more
  EXPECT_TRUE(is_quiet());
}

TEST_F(SideFilesTest, MayComeLaterAndGo) {
  const auto path = side_ / "new" / "key";
  write("a.yaml", keyed("alice", path));
  load();
  EXPECT_EQ(credential("alice"), nullptr);
  EXPECT_EQ(last_.diagnostics[0].line, 7U);
  EXPECT_NE(remark().find("Consumer default/alice: spec.credentials[0].apiKey.file: found \"" + path.string() +
                          "\": No such file or directory, expected a file that can be read and holds 1 to 4096 bytes"),
            std::string::npos)
      << remark();
  fs::create_directory(side_ / "new");
  changed();
  {
    std::ofstream writer(path);
    writer << "half" << std::flush;
    changed();
    EXPECT_EQ(last_.documents_parsed, 0U);  // it waits for the writer
    EXPECT_EQ(credential("alice"), nullptr);
    writer << "-key";
  }
  changed();
  EXPECT_TRUE(has_key("alice", "half-key"));
  EXPECT_TRUE(last_.diagnostics.empty());
  fs::remove(path);
  changed();
  EXPECT_TRUE(has_key("alice", "half-key"));
  EXPECT_NE(remark().find("No such file"), std::string::npos);
  replace(path, "k2");
  changed();
  EXPECT_TRUE(has_key("alice", "k2"));
  EXPECT_TRUE(last_.diagnostics.empty());
}

// What is refused leaves the last good state, and shows nothing of what it holds.
TEST_F(SideFilesTest, AreRefusedWhereTheyCannotServe) {
  const auto path = side_ / "key";
  put(path, "good");
  write("a.yaml", keyed("alice", path));
  load();
  const auto refused = [&](const char* found) {
    changed();
    EXPECT_NE(remark().find(found), std::string::npos) << found << " in " << remark();
    EXPECT_EQ(remark().find("hunter2"), std::string::npos);
    EXPECT_TRUE(has_key("alice", "good"));
  };
  replace(path, "\n");
  refused("nothing in it");
  replace(path, std::string(4097, 'x'));
  refused("more than 4096 bytes");
  replace(path, std::string(1 << 20, 'x'));
  refused("more than 65536 bytes");
  replace(path, "hunter2\n\n");
  refused("found a value (not shown), expected a key without blanks and line ends around it");
  fs::remove(path);
  refused("No such file");
  fs::create_directory(path);
  refused("a directory");
  fs::remove(path);
  refused("No such file");
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  refused("what is no regular file");
  fs::remove(path);
  fs::create_symlink("key", path);
  refused("symbolic links");
}

// As a user without rights, on this thread only; root reads everything.
TEST_F(SideFilesTest, RightsLostAndGivenBack) {
  ASSERT_EQ(geteuid(), 0U) << "as root, so that rights can be taken away";
  const auto path = side_ / "key";
  put(path, "k1");
  fs::permissions(root_, fs::perms::all);
  fs::permissions(side_, fs::perms::all);
  write("a.yaml", keyed("alice", path));
  load();
  put(path, "k2");
  fs::permissions(path, fs::perms::none);
  setfsuid(65534);
  changed();
  setfsuid(0);
  EXPECT_TRUE(has_key("alice", "k1"));
  EXPECT_NE(remark().find("Permission denied"), std::string::npos) << remark();
  fs::permissions(path, fs::perms::others_read);
  changed();
  EXPECT_TRUE(has_key("alice", "k2"));
}

TEST_F(SideFilesTest, AreSeenAfterLostEventsAndBySighup) {
  put(side_ / "key", "k1");
  write("a.yaml", keyed("alice", side_ / "key"));
  load();
  put(side_ / "key", "k2");
  take(directory_->load());
  EXPECT_TRUE(has_key("alice", "k2"));
  EXPECT_EQ(last_.documents_parsed, 1U);
}

TEST_F(SideFilesTest, AreOneOfTheSources) {
  put(root_ / "key", "k1");
  for (const auto* credential :
       {"apiKey: {key: k1, file: key}", "basic: {password: p, file: key}", "jwt: {secret: s, file: key}",
        "hmac: {secretRef: {name: s, key: k}, file: key}", "signature: {secret: s, file: key}"}) {
    write("a.yaml", consumer("alice", credential));
    load();
    EXPECT_NE(remark().find("expected exactly one of "), std::string::npos) << remark();
  }
  for (const auto* credential : {"jwt: {algorithm: RS256, file: key}", "signature: {algorithm: ed25519, file: key}"}) {
    write("a.yaml", consumer("alice", credential));
    load();
    EXPECT_NE(remark().find(".file: found a value (not shown), expected a"), std::string::npos) << remark();
  }
  write("a.yaml", consumer("alice", "apiKey: {file: 7}"));
  load();
  EXPECT_NE(remark().find("expected the path of a file"), std::string::npos) << remark();
}

}  // namespace
}  // namespace fairlead::config
