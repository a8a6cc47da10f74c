// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <map>

#include "fairlead/auth/directory_store.hpp"
#include "fairlead/auth/password.hpp"
#include "fairlead/model/request_auth.hpp"

namespace fairlead::auth {
namespace {

using Kind = model::ConsumerCredential::Kind;

model::ConsumerCredential api_key(std::string_view key, std::string name = "") {
  model::ConsumerCredential out;
  out.sha256 = sha256(key);
  if (!name.empty()) out.text = std::make_shared<model::CredentialText>(model::CredentialText{.name = std::move(name)});
  return out;
}

ConsumerPtr consumer(std::string name, std::vector<model::ConsumerCredential> credentials, std::string ns = "default") {
  auto settings = std::make_shared<model::ConsumerSettings>();
  settings->custom_id = "id-" + name;
  settings->groups = {"gold"};
  settings->credentials = std::move(credentials);
  model::Consumer out;
  out.metadata.name = std::move(name);
  out.metadata.ns = std::move(ns);
  out.settings = std::move(settings);
  return model::pack(out);
}

/// A store and the Secrets that it sees.
struct DirectoryWorld {
  DirectoryStore store;
  std::map<std::string, model::Secret> secrets;

  void update(const std::vector<ConsumerPtr>& changed, const std::vector<DirectoryStore::Name>& removed = {},
              const std::vector<DirectoryStore::Name>& changed_secrets = {}) {
    store.update(changed, removed, changed_secrets, [&](const std::string& ns, const std::string& name) {
      const auto found = secrets.find(ns + "/" + name);
      return found == secrets.end() ? nullptr : &found->second;
    });
  }
  std::string who(std::string_view key, const std::string& ns = "default") {
    const auto directory = store.directories(ns)->current();
    const auto* found = directory->find(CredentialKind::kApiKey, sha256(key));
    return found == nullptr ? "" : credential_name(*found);
  }
};

TEST(Directory, FindsAKeyInItsNamespaceOnly) {
  DirectoryWorld world;
  world.update({consumer("alice", {api_key("k1"), api_key("k2", "phone")}), consumer("bob", {api_key("k3")}, "other")});
  EXPECT_EQ(world.who("k1"), "alice/apikey-1");
  EXPECT_EQ(world.who("k2"), "alice/phone");
  EXPECT_EQ(world.who("k3"), "");
  EXPECT_EQ(world.who("k3", "other"), "bob/apikey-1");
  EXPECT_EQ(world.who(""), "");
  const auto directory = world.store.directories("default")->current();
  const auto* found = &directory->find(CredentialKind::kApiKey, sha256("k1"))->consumer();
  EXPECT_EQ(found, directory->consumer("alice"));
  EXPECT_EQ(found->custom_id(), "id-alice");
  EXPECT_EQ(std::vector<std::string>(found->groups().begin(), found->groups().end()), std::vector<std::string>{"gold"});
  EXPECT_EQ(directory->consumer("bob"), nullptr);
  EXPECT_EQ(directory->find(CredentialKind::kBasic, sha256("k1")), nullptr);
}

TEST(Directory, FollowsChangesAndKeepsWhatReadersHold) {
  DirectoryWorld world;
  world.update({consumer("alice", {api_key("k1")}), consumer("bob", {api_key("k2")})});
  const auto before = world.store.directories("default")->current();
  world.update({consumer("alice", {api_key("k9")})}, {{"default", "bob"}});
  EXPECT_EQ(world.who("k1"), "");
  EXPECT_EQ(world.who("k2"), "");
  EXPECT_EQ(world.who("k9"), "alice/apikey-1");
  EXPECT_NE(before->find(CredentialKind::kApiKey, sha256("k2")), nullptr);
  EXPECT_EQ(before->find(CredentialKind::kApiKey, sha256("k2"))->consumer().name(), "bob");
  EXPECT_EQ(before->size(), 2U);
  EXPECT_EQ(world.store.directories("default")->current()->size(), 1U);
}

TEST(Directory, GivesAKeyOfTwoToTheFirstUntilItGoes) {
  DirectoryWorld world;
  world.update({consumer("alice", {api_key("same")})});
  world.update({consumer("bob", {api_key("same"), api_key("own")})});
  EXPECT_EQ(world.who("same"), "alice/apikey-1");
  EXPECT_EQ(world.who("own"), "bob/apikey-2");
  ASSERT_EQ(world.store.faults().size(), 1U);
  EXPECT_EQ(world.store.faults()[0].consumer.second, "bob");
  EXPECT_NE(world.store.faults()[0].text.find("alice"), std::string::npos);
  world.update({}, {{"default", "alice"}});
  EXPECT_EQ(world.who("same"), "bob/apikey-1");
  EXPECT_TRUE(world.store.faults().empty());
}

TEST(Directory, FollowsSecrets) {
  DirectoryWorld world;
  model::ConsumerCredential credential;
  credential.text =
      std::make_shared<model::CredentialText>(model::CredentialText{.secret = model::SecretKey{"keys", "alice"}});
  world.update({consumer("alice", {credential})});
  EXPECT_EQ(world.who("k1"), "");
  ASSERT_EQ(world.store.faults().size(), 1U);
  EXPECT_NE(world.store.faults()[0].text.find("no Secret default/keys"), std::string::npos);
  world.secrets["default/keys"].data = {{"alice", "k1\n"}};
  world.update({}, {}, {{"default", "keys"}, {"default", "unrelated"}});
  EXPECT_EQ(world.who("k1"), "alice/apikey-1");
  EXPECT_TRUE(world.store.faults().empty());
  world.secrets["default/keys"].data = {{"alice", "k2"}};
  world.update({}, {}, {{"default", "keys"}});
  EXPECT_EQ(world.who("k1"), "");
  EXPECT_EQ(world.who("k2"), "alice/apikey-1");
  world.update({}, {{"default", "alice"}}, {{"default", "keys"}});
  EXPECT_EQ(world.who("k2"), "");
}

TEST(Directory, HoldsOtherCredentialsById) {
  DirectoryWorld world;
  model::ConsumerCredential basic{.kind = Kind::kBasic};
  basic.text =
      std::make_shared<model::CredentialText>(model::CredentialText{.id = "al", .material = hash_password("secret")});
  model::ConsumerCredential jwt{.kind = Kind::kJwt};
  jwt.text = std::make_shared<model::CredentialText>(
      model::CredentialText{.id = "iss", .algorithm = "HS256", .material = "0123456789abcdef0123456789abcdef"});
  model::ConsumerCredential bad{.kind = Kind::kJwt};
  bad.text = std::make_shared<model::CredentialText>(
      model::CredentialText{.id = "other", .algorithm = "RS256", .material = "no key"});
  world.update({consumer("alice", {basic, jwt, bad})});
  const auto directory = world.store.directories("default")->current();
  const auto* found = directory->find(CredentialKind::kBasic, lookup_of("al"));
  ASSERT_NE(found, nullptr);
  EXPECT_TRUE(check_password("secret", details_of(*found)->material));
  EXPECT_FALSE(check_password("Secret", details_of(*found)->material));
  found = directory->find(CredentialKind::kJwt, lookup_of("iss"));
  ASSERT_NE(found, nullptr);
  EXPECT_TRUE(details_of(*found)->key->allows(Algorithm::kHs256));
  EXPECT_FALSE(details_of(*found)->key->allows(Algorithm::kHs512));
  EXPECT_EQ(directory->find(CredentialKind::kJwt, lookup_of("other")), nullptr);
  EXPECT_EQ(world.store.faults().size(), 1U);
}

TEST(Directory, CallsConsumersByNameAndThenByUsername) {
  const auto with_username = [](std::string name, std::string username) {
    auto settings = std::make_shared<model::ConsumerSettings>();
    settings->username = std::move(username);
    model::Consumer out;
    out.metadata.name = std::move(name);
    out.metadata.ns = "default";
    out.settings = std::move(settings);
    return model::pack(out);
  };
  DirectoryWorld world;
  const auto who = [&](std::string_view text) {
    const auto* found = world.store.directories("default")->current()->called(text);
    return found == nullptr ? "" : std::string(found->name());
  };
  world.update({with_username("one", "spiffe://td/one"), with_username("two", "alice"), consumer("alice", {}),
                with_username("three", "both"), with_username("four", "both")});
  EXPECT_EQ(who("one"), "one");
  EXPECT_EQ(who("spiffe://td/one"), "one");
  EXPECT_EQ(who("alice"), "alice");  // a name goes before a username
  EXPECT_EQ(who("both"), "");        // nobody knows which
  EXPECT_EQ(who(""), "");
  world.update({with_username("one", "spiffe://td/other")}, {{"default", "four"}, {"default", "alice"}});
  EXPECT_EQ(who("spiffe://td/one"), "");
  EXPECT_EQ(who("spiffe://td/other"), "one");
  EXPECT_EQ(who("both"), "three");
  EXPECT_EQ(who("alice"), "two");
  world.update({with_username("two", "")});
  EXPECT_EQ(who("alice"), "");
  EXPECT_EQ(who("two"), "two");
}

TEST(Directory, HoldsManyAndLosesNone) {
  DirectoryWorld world;
  std::vector<ConsumerPtr> all;
  for (int i = 0; i < 20000; ++i)
    all.push_back(consumer("c" + std::to_string(i), {api_key("key-" + std::to_string(i))}));
  world.update(all);
  std::vector<DirectoryStore::Name> removed;
  for (int i = 0; i < 20000; i += 3) removed.emplace_back("default", "c" + std::to_string(i));
  world.update({}, removed);
  const auto directory = world.store.directories("default")->current();
  for (int i = 0; i < 20000; ++i) {
    const auto* found = directory->find(CredentialKind::kApiKey, sha256("key-" + std::to_string(i)));
    ASSERT_EQ(found != nullptr, i % 3 != 0) << i;
    if (found != nullptr) {
      ASSERT_EQ(found->consumer().name(), "c" + std::to_string(i));
    }
  }
  EXPECT_EQ(directory->size(), 20000U - removed.size());
}

}  // namespace
}  // namespace fairlead::auth
