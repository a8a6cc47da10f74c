// SPDX-License-Identifier: Apache-2.0
#include "fairlead/cache/flights.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace fairlead::cache {
namespace {

struct Told final : WaitOwner {
  std::vector<Landing> landings;
  event::Reactor* stop = nullptr;
  void on_landing(Landing how) override {
    landings.push_back(how);
    if (stop != nullptr) stop->stop();
  }
};

std::shared_ptr<Waiter> waiter(event::Reactor& reactor, WaitOwner& owner) {
  auto out = std::make_shared<Waiter>();
  out->reactor = &reactor;
  out->owner = &owner;
  return out;
}

TEST(Flights, HaveOneLeaderAndTellTheOthers) {
  Flights flights;
  auto reactor = event::Reactor::create();
  ASSERT_TRUE(reactor);
  Told leader, one, two, left;
  auto& r = **reactor;
  ASSERT_TRUE(flights.join(7, waiter(r, leader)));
  EXPECT_FALSE(flights.join(7, waiter(r, one)));
  EXPECT_FALSE(flights.join(7, waiter(r, two)));
  EXPECT_FALSE(flights.join(7, nullptr));
  const auto leaves = waiter(r, left);
  EXPECT_FALSE(flights.join(7, leaves));
  flights.leave(7, leaves);
  EXPECT_TRUE(flights.join(8, nullptr));
  two.stop = &r;
  flights.land(7, Landing::kStored);
  r.run();
  EXPECT_TRUE(leader.landings.empty() && left.landings.empty());
  EXPECT_EQ(one.landings, std::vector{Landing::kStored});
  EXPECT_EQ(two.landings, std::vector{Landing::kStored});
  EXPECT_TRUE(flights.join(7, nullptr));
}

TEST(Flights, LandWhenTheirLeaderGoes) {
  const auto flights = std::make_shared<Flights>();
  auto reactor = event::Reactor::create();
  ASSERT_TRUE(reactor);
  Told told;
  told.stop = reactor->get();
  ASSERT_TRUE(flights->join(1, nullptr));
  ASSERT_FALSE(flights->join(1, waiter(**reactor, told)));
  std::thread other([&] { const Lead lead(flights, 1); });
  (*reactor)->run();
  other.join();
  EXPECT_EQ(told.landings, std::vector{Landing::kGone});
  ASSERT_TRUE(flights->join(2, nullptr));
  {
    Lead lead(flights, 2);
    lead.land(Landing::kStored);
    ASSERT_TRUE(flights->join(2, nullptr));  // the next one
  }
  EXPECT_FALSE(flights->join(2, nullptr));  // which the first leader's end does not land
}

}  // namespace
}  // namespace fairlead::cache
