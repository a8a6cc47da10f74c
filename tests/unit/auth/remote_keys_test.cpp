// SPDX-License-Identifier: Apache-2.0
#include "fairlead/auth/remote_keys.hpp"

#include <gtest/gtest.h>

namespace fairlead::auth {
namespace {

using KeysNeed = RemoteKeys::Need;

std::string keys(std::string_view kid) {
  return "{\"keys\":[{\"kty\":\"oct\",\"kid\":\"" + std::string(kid) +
         "\",\"k\":\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\"}]}";
}

struct RemoteKeysWorld {
  std::unique_ptr<event::Reactor> reactor = std::move(*event::Reactor::create());
  RemoteKeys remote{60'000, kAllAlgorithms};
  int woken = 0;

  std::shared_ptr<Waiter> waiter() {
    return std::make_shared<Waiter>(*reactor, [this](bool) { ++woken; });
  }
  KeysNeed need(std::string_view kid, std::uint64_t now) { return remote.want(kid, now, waiter()).need; }
  void turn() {
    reactor->stop();
    reactor->run();
  }
};

TEST(RemoteKeys, OneFetchesAndTheOthersWait) {
  RemoteKeysWorld world;
  EXPECT_EQ(world.need("a", 1000), KeysNeed::kFetch);
  EXPECT_EQ(world.need("a", 1001), KeysNeed::kWait);
  EXPECT_EQ(world.need("b", 1002), KeysNeed::kWait);
  world.remote.fetched(keys("a"), 1010);
  world.turn();
  EXPECT_EQ(world.woken, 2);
  const auto decision = world.remote.want("a", 1011, world.waiter());
  EXPECT_EQ(decision.need, KeysNeed::kReady);
  EXPECT_TRUE(world.remote.is_current(decision.keys->version, 1012));
  EXPECT_FALSE(world.remote.is_current(decision.keys->version, 61'010));
}

TEST(RemoteKeys, AnUnknownKeyIdAsksOnceInAWhile) {
  RemoteKeysWorld world;
  ASSERT_EQ(world.need("a", 1000), KeysNeed::kFetch);
  world.remote.fetched(keys("a"), 1000);
  for (std::uint64_t now = 1001; now < 11'000; now += 100) EXPECT_EQ(world.need("x", now), KeysNeed::kReady) << now;
  EXPECT_EQ(world.need("x", 11'000), KeysNeed::kFetch);
  EXPECT_EQ(world.need("a", 11'001), KeysNeed::kReady);  // known ones do not wait
  EXPECT_EQ(world.need("y", 11'001), KeysNeed::kWait);
  world.remote.fetched(keys("x"), 11'002);
  EXPECT_EQ(world.need("x", 11'003), KeysNeed::kReady);
}

TEST(RemoteKeys, OldKeysOutliveAnOutage) {
  RemoteKeysWorld world;
  EXPECT_EQ(world.need("a", 1000), KeysNeed::kFetch);
  world.remote.failed("refused", 1000);
  EXPECT_EQ(world.need("a", 1001), KeysNeed::kFailed);
  EXPECT_EQ(world.remote.failure(), "refused");
  EXPECT_EQ(world.need("a", 6000), KeysNeed::kFetch);
  world.remote.fetched(keys("a"), 6000);
  EXPECT_EQ(world.remote.failure(), "");
  EXPECT_EQ(world.need("a", 66'000), KeysNeed::kFetch);  // old by now
  world.remote.fetched("<html>", 66'000);
  EXPECT_NE(world.remote.failure(), "");
  EXPECT_EQ(world.need("a", 66'001), KeysNeed::kReady);
  EXPECT_EQ(world.need("a", 71'000), KeysNeed::kFetch);
}

TEST(RemoteKeys, AFetchThatIsGivenUpGoesToAnother) {
  RemoteKeysWorld world;
  ASSERT_EQ(world.need("a", 1000), KeysNeed::kFetch);
  ASSERT_EQ(world.need("a", 1001), KeysNeed::kWait);
  world.remote.given_up();
  world.turn();
  EXPECT_EQ(world.woken, 1);
  EXPECT_EQ(world.need("a", 1002), KeysNeed::kFetch);
}

}  // namespace
}  // namespace fairlead::auth
