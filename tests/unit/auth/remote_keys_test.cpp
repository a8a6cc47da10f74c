// SPDX-License-Identifier: Apache-2.0
#include "fairlead/auth/remote_keys.hpp"

#include <gtest/gtest.h>

namespace fairlead::auth {
namespace {

using Need = RemoteKeys::Need;

std::string keys(std::string_view kid) {
  return "{\"keys\":[{\"kty\":\"oct\",\"kid\":\"" + std::string(kid) +
         "\",\"k\":\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\"}]}";
}

struct World {
  std::unique_ptr<event::Reactor> reactor = std::move(*event::Reactor::create());
  RemoteKeys remote{60'000, kAllAlgorithms};
  int woken = 0;

  std::shared_ptr<Waiter> waiter() {
    return std::make_shared<Waiter>(*reactor, [this](bool) { ++woken; });
  }
  Need need(std::string_view kid, std::uint64_t now) { return remote.want(kid, now, waiter()).need; }
  void turn() {
    reactor->stop();
    reactor->run();
  }
};

TEST(RemoteKeys, OneFetchesAndTheOthersWait) {
  World world;
  EXPECT_EQ(world.need("a", 1000), Need::kFetch);
  EXPECT_EQ(world.need("a", 1001), Need::kWait);
  EXPECT_EQ(world.need("b", 1002), Need::kWait);
  world.remote.fetched(keys("a"), 1010);
  world.turn();
  EXPECT_EQ(world.woken, 2);
  const auto decision = world.remote.want("a", 1011, world.waiter());
  EXPECT_EQ(decision.need, Need::kReady);
  EXPECT_TRUE(world.remote.is_current(decision.keys->version, 1012));
  EXPECT_FALSE(world.remote.is_current(decision.keys->version, 61'010));
}

TEST(RemoteKeys, AnUnknownKeyIdAsksOnceInAWhile) {
  World world;
  ASSERT_EQ(world.need("a", 1000), Need::kFetch);
  world.remote.fetched(keys("a"), 1000);
  for (std::uint64_t now = 1001; now < 11'000; now += 100) EXPECT_EQ(world.need("x", now), Need::kReady) << now;
  EXPECT_EQ(world.need("x", 11'000), Need::kFetch);
  EXPECT_EQ(world.need("a", 11'001), Need::kReady);  // known ones do not wait
  EXPECT_EQ(world.need("y", 11'001), Need::kWait);
  world.remote.fetched(keys("x"), 11'002);
  EXPECT_EQ(world.need("x", 11'003), Need::kReady);
}

TEST(RemoteKeys, OldKeysOutliveAnOutage) {
  World world;
  EXPECT_EQ(world.need("a", 1000), Need::kFetch);
  world.remote.failed("refused", 1000);
  EXPECT_EQ(world.need("a", 1001), Need::kFailed);
  EXPECT_EQ(world.remote.failure(), "refused");
  EXPECT_EQ(world.need("a", 6000), Need::kFetch);
  world.remote.fetched(keys("a"), 6000);
  EXPECT_EQ(world.remote.failure(), "");
  EXPECT_EQ(world.need("a", 66'000), Need::kFetch);  // old by now
  world.remote.fetched("<html>", 66'000);
  EXPECT_NE(world.remote.failure(), "");
  EXPECT_EQ(world.need("a", 66'001), Need::kReady);
  EXPECT_EQ(world.need("a", 71'000), Need::kFetch);
}

TEST(RemoteKeys, AFetchThatIsGivenUpGoesToAnother) {
  World world;
  ASSERT_EQ(world.need("a", 1000), Need::kFetch);
  ASSERT_EQ(world.need("a", 1001), Need::kWait);
  world.remote.given_up();
  world.turn();
  EXPECT_EQ(world.woken, 1);
  EXPECT_EQ(world.need("a", 1002), Need::kFetch);
}

}  // namespace
}  // namespace fairlead::auth
