// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/proxy/queue_probe.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>

namespace fairlead::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::uint64_t kLimitMs = 20;

class QueueProbeTest : public testing::Test {
 protected:
  /// Turns with one request each, which take so long; until the probe says `until` of a request, or there were `most`.
  /// What it said of the last.
  bool turns(QueueProbe& probe, milliseconds busy, bool until, int most) {
    int count = 0;
    bool over = !until;
    std::function<void()> request = [&] {
      over = probe.over();
      const auto end = steady_clock::now() + busy;
      while (steady_clock::now() < end) {
      }
      if (++count == most || over == until) return reactor->stop();
      reactor->post(request);
    };
    reactor->post(request);
    reactor->run();
    return over;
  }

  std::unique_ptr<event::Reactor> reactor = *event::Reactor::create();
};

TEST_F(QueueProbeTest, AQueueThatStandsIsShedUntilItIsGone) {
  QueueProbe probe(*reactor, kLimitMs);
  EXPECT_FALSE(turns(probe, milliseconds(30), true, 2)) << "one long turn is a burst";
  EXPECT_TRUE(turns(probe, milliseconds(30), true, 50));
  EXPECT_FALSE(turns(probe, milliseconds(0), false, 100'000));
}

TEST_F(QueueProbeTest, WithoutALimitNothingIsShed) {
  QueueProbe probe(*reactor, 0);
  EXPECT_FALSE(turns(probe, milliseconds(30), true, 5));
}

}  // namespace
}  // namespace fairlead::proxy
