// SPDX-License-Identifier: Apache-2.0
// Values of objects in files of their own: what is read, followed and refused.
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

#include <map>

#include "fairlead/auth/digest.hpp"
#include "fairlead/auth/password.hpp"
#include "fairlead/model/client_logs.hpp"
#include "fairlead/model/request_auth.hpp"
#include "fairlead/model/request_limits.hpp"
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
  void take(Result<Update> update) {
    ASSERT_TRUE(update) << update.error().message;
    for (const auto& [consumer, gone] : update->consumers) {
      if (gone) consumers_.erase(std::string(consumer->name()));
      else consumers_[std::string(consumer->name())] = consumer;
    }
    DirectoryTest::take(std::move(update));
  }
  void changed() {
    pollfd waiting{.fd = directory_->fd(), .events = POLLIN, .revents = 0};
    ASSERT_EQ(poll(&waiting, 1, 5000), 1);
    take(directory_->changed());
  }
  /// In place, as `echo` does.
  void put(const fs::path& path, const std::string& text) const { std::ofstream(path, std::ios::binary) << text; }
  void replace(const fs::path& path, const std::string& text) const {
    put(path.string() + ".new", text);
    fs::rename(path.string() + ".new", path);
  }
  /// Of the one credential; null: there is none, or it is a key's digest alone.
  const model::CredentialText* text(const std::string& name) {
    const auto found = consumers_.find(name);
    if (found == consumers_.end() || found->second->more() == nullptr) return nullptr;
    return found->second->more()->settings->credentials.at(0).text.get();
  }
  bool has_key(const std::string& name, std::string_view key) {
    const auto found = consumers_.find(name);
    return found != consumers_.end() && found->second->credentials().size() == 1 &&
           found->second->credentials()[0].lookup == auth::sha256(key);
  }
  /// Of the one remark that stands.
  std::string remark() const { return last_.diagnostics.size() == 1 ? last_.diagnostics[0].text() : "none or several"; }
  bool is_quiet() const {
    pollfd waiting{.fd = directory_->fd(), .events = POLLIN, .revents = 0};
    return poll(&waiting, 1, 0) == 0;
  }

  fs::path side_;
  std::map<std::string, model::PackedConsumerPtr> consumers_;  // in force, by name
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
  EXPECT_EQ(text("key"), nullptr);
  EXPECT_EQ(text("hash")->material, "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e");
  EXPECT_EQ(text("password")->material.find("secret"), std::string::npos);
  EXPECT_TRUE(auth::check_password("secret", text("password")->material));
  EXPECT_EQ(text("mac")->material, "0123456789abcdef0123456789abcdef\n");
  EXPECT_FALSE(text("jwt")->is_public_key);
  EXPECT_TRUE(text("eddsa")->is_public_key);
  EXPECT_TRUE(text("signed")->is_public_key);
  EXPECT_EQ(text("signed")->material, pem.substr(0, pem.size() - 1));
  EXPECT_FALSE(text("sealed")->is_public_key);
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
  EXPECT_EQ(last_.consumers.size(), 2U);
  replace(side_ / "one", "k4");
  changed();
  EXPECT_TRUE(has_key("alice", "k4"));
  put(side_ / "one", "k5");  // the new file is followed as the old one was
  changed();
  EXPECT_TRUE(has_key("alice", "k5"));
  put(side_ / "one", "k5\n");
  changed();
  EXPECT_TRUE(last_.consumers.empty());
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
  EXPECT_FALSE(consumers_.contains("alice"));
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
    EXPECT_FALSE(consumers_.contains("alice"));
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
  refused("more than 524288 bytes");
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

std::string side_policy(const std::string& sections) {
  return "---\napiVersion: fairlead.io/v1alpha1\nkind: RequestPolicy\nmetadata: {name: p}\nspec:\n"
         "  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: g}]\n  " +
         sections + "\n";
}
std::string side_methods(const std::string& all) { return side_policy("authentication: {methods: {" + all + "}}"); }
std::string side_redis(const std::string& fields) {
  return side_policy("rateLimits: {limits: [{name: a, requests: 1, per: Day}], store: Redis, redis: {" + fields + "}}");
}
constexpr const char* kSideLogin = "login: {issuer: https://i.example, backendRef: {name: s, port: 80}, client: {id: c";
constexpr const char* kSideAsk = "introspection: {backendRef: {name: s, port: 80}, path: /i, client: {id: c";

TEST_F(SideFilesTest, HoldSecretsOfClientsAndKeysOfCookies) {
  put(root_ / "client", "of-client\n");
  put(root_ / "cookies", std::string(32, 'k') + "\r\n");
  put(root_ / "jwks", R"({"keys": [{"kty": "oct", "k": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}]})"
                      "\n");
  write("a.yaml", side_methods(std::string(kSideAsk) + ", file: client}}, " + kSideLogin +
                               ", file: client}, cookies: {keys: [{file: cookies}, {name: s, key: k}]}}, "
                               "jwt: {issuers: [{issuer: i, jwksFile: jwks}]}"));
  load();
  for (const auto& one : last_.diagnostics) ADD_FAILURE() << one.text();
  const auto of = [&] { return get<model::RequestPolicy>(Kind::kRequestPolicy, "default", "p")->settings; };
  const auto before = of();
  EXPECT_EQ(before->authentication->introspection->client.secret, "of-client");
  EXPECT_EQ(before->authentication->login->client.secret, "of-client");
  EXPECT_EQ(before->authentication->login->cookie_keys[0].held, std::string(32, 'k'));
  EXPECT_EQ(before->authentication->login->cookie_keys[1].name, "s");
  EXPECT_TRUE(before->authentication->jwt->issuers[0].jwks.starts_with("{\"keys\""));

  const auto refused = [&](const char* file, const std::string& text, const char* found) {
    replace(root_ / file, text);
    changed();
    EXPECT_NE(remark().find(found), std::string::npos) << found << " in " << remark();
    EXPECT_EQ(remark().find("hunter2"), std::string::npos) << remark();
    EXPECT_EQ(of(), before) << "the last good state stays";
  };
  refused("cookies", "hunter2", "cookies.keys[0].file: found \"cookies\", expected a file with at least 32 bytes");
  replace(root_ / "cookies", std::string(33, 'n'));
  changed();
  EXPECT_EQ(of()->authentication->login->cookie_keys[0].held, std::string(33, 'n'));
  replace(root_ / "cookies", std::string(32, 'k'));
  changed();
  const auto again = of();
  for (const auto* text : {"hunter2", R"({"keys": [{"kty": "oct", "k": "hunter2"}]})"}) {
    replace(root_ / "jwks", text);
    changed();
    EXPECT_NE(remark().find("jwksFile: found \"jwks\", expected a file with a JWK Set"), std::string::npos) << remark();
    EXPECT_EQ(remark().find("hunter2"), std::string::npos) << remark();
    EXPECT_EQ(of(), again);
  }
}

// Without the policy everybody would be let in.
TEST_F(SideFilesTest, LeaveAPolicyInForceThatHasNoGoodVersion) {
  write("a.yaml", side_methods("jwt: {issuers: [{issuer: i, jwksFile: jwks}]}"));
  load();
  const auto of = [&] { return get<model::RequestPolicy>(Kind::kRequestPolicy, "default", "p"); };
  ASSERT_NE(of(), nullptr);
  EXPECT_TRUE(of()->settings->authentication->jwt->issuers[0].jwks.empty());
  EXPECT_NE(remark().find("No such file"), std::string::npos) << remark();
  put(root_ / "jwks", R"({"keys": [{"kty": "oct", "k": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}]})");
  changed();
  EXPECT_FALSE(of()->settings->authentication->jwt->issuers[0].jwks.empty());
  write("b.yaml", "---\n" + side_methods("jwt: {issuers: [{issuer: i, jwksFile: none}], hideCredential: true}"));
  fs::remove(root_ / "a.yaml");
  changed();
  ASSERT_NE(of(), nullptr);
  EXPECT_TRUE(of()->settings->refused) << "what else is wrong closes what it names";
  EXPECT_EQ(of()->settings->authentication, nullptr);
}

TEST_F(SideFilesTest, HoldWhoWeAreToRedis) {
  for (const auto* name : {"user", "password", "sentinel-user", "sentinel-password"}) put(root_ / name, name);
  write("a.yaml", side_redis("usernameFile: user, passwordFile: password, sentinel: {master: m, addresses: [\"a:1\"], "
                             "usernameFile: sentinel-user, passwordFile: sentinel-password}"));
  load();
  for (const auto& one : last_.diagnostics) ADD_FAILURE() << one.text();
  const auto of = [&] {
    return get<model::RequestPolicy>(Kind::kRequestPolicy, "default", "p")->settings->rate_limits->redis;
  };
  EXPECT_EQ(of()->username, "user");
  EXPECT_EQ(of()->password.held, "password");
  EXPECT_EQ(of()->sentinel_username, "sentinel-user");
  EXPECT_EQ(of()->sentinel_password.held, "sentinel-password");
  replace(root_ / "password", "next");
  changed();
  EXPECT_EQ(of()->password.held, "next");
  for (const auto* tls : {"caFile: user", "certificateFile: user, keyFile: password"}) {
    write("a.yaml", side_redis(std::string("addresses: [\"a:1\"], tls: {") + tls + "}"));
    changed();
    EXPECT_NE(remark().find("File: found \"user\", expected a "), std::string::npos) << remark();
    EXPECT_EQ(of()->password.held, "next");
  }
}

TEST_F(SideFilesTest, HoldHeadersOfLogs) {
  put(root_ / "token", "Bearer of-log\n");
  write("a.yaml",
        "apiVersion: fairlead.io/v1alpha1\nkind: ClientPolicy\nmetadata: {name: p}\nspec:\n"
        "  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: g}]\n"
        "  logs: [{name: l, http: {url: \"http://a/\", headers: [{name: authorization, file: token}]}}]\n");
  load();
  for (const auto& one : last_.diagnostics) ADD_FAILURE() << one.text();
  const auto value = [&] {
    return get<model::ClientPolicy>(Kind::kClientPolicy, "default", "p")->settings->logs[0].http->headers[0].second;
  };
  EXPECT_EQ(value(), "Bearer of-log");
  replace(root_ / "token", "hunter2\nhunter2");
  changed();
  EXPECT_NE(remark().find("headers[0].file: found \"token\", expected a file with a header's value"), std::string::npos)
      << remark();
  EXPECT_EQ(value(), "Bearer of-log");
}

TEST_F(SideFilesTest, OfPoliciesAreOneOfTheSources) {
  put(root_ / "key", std::string(40, 'k'));
  const std::string ask(kSideAsk), login(kSideLogin);
  for (const auto& text :
       {side_methods(ask + ", secret: s, file: key}}"),
        side_methods(ask + ", secretRef: {name: s, key: k}, file: key}}"),
        side_methods(login + "}, cookies: {keys: [{name: s, key: k, file: key}]}}"),
        side_methods("jwt: {issuers: [{issuer: i, jwksFile: key, jwksSecretRef: {name: s, key: k}}]}"),
        side_redis("addresses: [\"a:1\"], username: u, usernameFile: key, passwordFile: key"),
        side_redis("addresses: [\"a:1\"], passwordSecretRef: {name: s}, passwordFile: key"),
        side_redis("addresses: [\"a:1\"], tls: {caSecretRef: {name: s}, caFile: key}"),
        side_redis(
            "addresses: [\"a:1\"], tls: {certificateSecretRef: {name: s}, certificateFile: key, keyFile: key}")}) {
    write("a.yaml", text);
    load();
    bool told = false;
    for (const auto& one : last_.diagnostics) told |= one.expected.find(" one of ") != std::string::npos;
    EXPECT_TRUE(told) << text;
  }
}

}  // namespace
}  // namespace fairlead::config
