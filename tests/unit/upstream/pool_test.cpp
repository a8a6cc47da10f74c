// SPDX-License-Identifier: Apache-2.0
#include "fairlead/upstream/pool.hpp"

#include <gtest/gtest.h>

#include "fairlead/upstream/random.hpp"
#include "unit/upstream/doubles.hpp"

namespace fairlead::upstream {
namespace {

using test::FakeSession;
using test::Request;

class PoolTest : public testing::Test {
 protected:
  /// The pool is made at the first use, with what `spec` and `backend` say then.
  Pool& pool() {
    if (!pool_) {
      context.spec = std::make_shared<const ClusterSpec>(spec);
      context.breakers.set_limits(spec.breakers);
      backend.breakers.set_limits(spec.backend_breakers);
      pool_ = std::make_unique<Pool>(context, backend, endpoint);
    }
    return *pool_;
  }
  void TearDown() override {
    pool_.reset();
    clock.end_turn();
    test::expect_nothing_left(factory, context.breakers, backend.breakers);
  }
  /// A request that has its stream, on a connection that was just made.
  void begin(Request& request) {
    ASSERT_TRUE(request.ask(pool()));
    if (request.stream != nullptr) return;
    ASSERT_FALSE(factory.open().empty());
    ASSERT_FALSE(factory.open().back()->ready());
    factory.open().back()->become_ready();
    ASSERT_NE(request.stream, nullptr);
  }

  test::FakeFactory factory;
  test::ManualClock clock;
  ClusterSpec spec;
  SharedClusters all{1};
  ClusterContext context{clock, factory, all.cluster("c"), 0};
  BackendContext backend{context.shared->backend({}), 0};
  EndpointSpec endpoint = test::endpoint("10.0.0.1");
  std::unique_ptr<Pool> pool_;
};

TEST_F(PoolTest, ConnectsOnceAndReuses) {
  Request first;
  ASSERT_TRUE(first.ask(pool()));
  EXPECT_EQ(first.stream, nullptr);
  EXPECT_EQ(pool().pending(), 1u);
  EXPECT_EQ(pool().connecting(), 1u);
  factory.open()[0]->become_ready();
  ASSERT_NE(first.stream, nullptr);
  EXPECT_FALSE(first.stream->reused_connection());
  first.stream->finish();
  EXPECT_EQ(pool().idle(), 1u);
  Request second;
  ASSERT_TRUE(second.ask(pool()));
  ASSERT_NE(second.stream, nullptr) << "at once";
  EXPECT_TRUE(second.stream->reused_connection());
  EXPECT_EQ(context.counters.connects, 1u);
  EXPECT_EQ(context.counters.pool_hits, 1u);
  EXPECT_EQ(context.counters.pool_waits, 1u);
  second.stream->finish();
}

TEST_F(PoolTest, TheLatestUsedIsFirstSoThatOthersTimeOut) {
  spec.pool.idle_timeout = milliseconds(1000);
  Request one, two, three;
  begin(one);
  begin(two);
  auto sessions = factory.open();
  one.stream->finish();
  clock.pass(600);
  two.stream->finish();
  begin(three);
  EXPECT_EQ(sessions[1]->streams(), 1u) << "LIFO";
  clock.pass(399);
  EXPECT_EQ(pool().sessions(), 2u);
  clock.pass(1);
  EXPECT_EQ(pool().sessions(), 1u);
  EXPECT_EQ(context.counters.idle_timeouts, 1u);
  three.stream->finish();
  clock.pass(999);
  EXPECT_EQ(pool().idle(), 1u) << "its time began anew";
  clock.pass(1);
  EXPECT_TRUE(pool().empty());
  EXPECT_EQ(clock.timers().armed(), 0u);
}

TEST_F(PoolTest, AConnectionThatClosesWhileIdleIsNeverUsed) {
  Request first, second;
  begin(first);
  auto* session = factory.open()[0];
  first.stream->finish();
  session->peer_closes();
  EXPECT_TRUE(pool().empty());
  EXPECT_EQ(context.counters.closed_idle, 1u);
  begin(second);
  EXPECT_FALSE(second.stream->reused_connection());
  EXPECT_EQ(context.counters.connects, 2u);
  second.stream->finish();
}

TEST_F(PoolTest, ACloseUnderARequestIsItsOwnAffair) {
  Request request;
  begin(request);
  factory.open()[0]->peer_closes();
  EXPECT_EQ(request.handler.resets, 1);
  EXPECT_TRUE(pool().empty());
  EXPECT_EQ(context.counters.closed_idle, 0u);
  EXPECT_EQ(context.counters.connect_failures, 0u);
}

TEST_F(PoolTest, AConnectionThatAnnouncesItsEndGetsNoMoreRequests) {
  Request first, second;
  begin(first);
  auto* session = factory.open()[0];
  session->announces_end();
  EXPECT_FALSE(session->closed()) << "its request goes on";
  begin(second);
  EXPECT_EQ(pool().sessions(), 2u);
  first.stream->finish();
  EXPECT_TRUE(session->closed());
  EXPECT_EQ(pool().sessions(), 1u);
  second.stream->finish();
}

TEST_F(PoolTest, ManyRequestsShareOneHttp2Connection) {
  spec.pool.protocol = Protocol::kHttp2;
  spec.pool.max_concurrent_streams = 10;
  std::vector<Request> requests(12);
  for (auto& request : requests) ASSERT_TRUE(request.ask(pool()));
  EXPECT_EQ(factory.open().size(), 2u) << "10 fit the first";
  factory.open()[0]->become_ready(10);
  EXPECT_EQ(factory.open()[0]->streams(), 10u);
  factory.open()[1]->become_ready(10);
  EXPECT_EQ(factory.open()[1]->streams(), 2u);
  for (auto& request : requests) ASSERT_NE(request.stream, nullptr);
  for (auto& request : requests) request.stream->finish();
  EXPECT_EQ(pool().idle(), 2u);
}

TEST_F(PoolTest, AnUnknownProtocolIsLearnedFromTheFirstConnection) {
  spec.pool.protocol = Protocol::kAuto;
  std::vector<Request> requests(3);
  for (auto& request : requests) ASSERT_TRUE(request.ask(pool()));
  ASSERT_EQ(factory.open().size(), 1u);
  factory.open()[0]->become_ready(1);  // HTTP/1
  EXPECT_EQ(factory.open().size(), 3u) << "one for each that still waits";
  factory.open()[1]->become_ready(1);
  factory.open()[2]->become_ready(1);
  for (auto& request : requests) request.stream->finish();
}

TEST_F(PoolTest, AFailedConnectFailsWhomItWasFor) {
  std::vector<Request> requests(3);
  for (auto& request : requests) ASSERT_TRUE(request.ask(pool()));
  auto sessions = factory.open();
  sessions[0]->become_ready();
  ASSERT_NE(requests[0].stream, nullptr);
  sessions[1]->fail();
  EXPECT_EQ(requests[1].failure, PoolFailure::kConnect);
  EXPECT_FALSE(requests[2].failure) << "another is under way";
  sessions[2]->fail();
  EXPECT_EQ(requests[2].failure, PoolFailure::kConnect);
  EXPECT_EQ(context.counters.connect_failures, 2u);
  requests[0].stream->finish();
}

TEST_F(PoolTest, AConnectThatFailsAtOnceIsSaidAtOnce) {
  factory.refuses = true;
  Request request;
  EXPECT_FALSE(request.ask(pool()));
  EXPECT_EQ(request.failure, PoolFailure::kConnect);
  EXPECT_EQ(pool().pending(), 0u);
}

TEST_F(PoolTest, ConnectsAndWaitsTimeOut) {
  spec.pool.connect_timeout = milliseconds(200);
  spec.pool.pending_timeout = milliseconds(300);
  spec.backend_breakers.max_connections = 1;
  Request first, second, third;
  ASSERT_TRUE(first.ask(pool()));
  clock.pass(199);
  EXPECT_FALSE(first.failure);
  clock.pass(1);
  EXPECT_EQ(first.failure, PoolFailure::kConnectTimeout);
  EXPECT_EQ(context.counters.connect_timeouts, 1u);
  begin(second);
  ASSERT_TRUE(third.ask(pool()));  // no second connection is allowed
  clock.pass(299);
  EXPECT_FALSE(third.failure);
  clock.pass(1);
  EXPECT_EQ(third.failure, PoolFailure::kPendingTimeout);
  EXPECT_EQ(context.counters.pending_timeouts, 1u);
  second.stream->finish();
}

TEST_F(PoolTest, BreakersRefuseWithTheirReasons) {
  spec.breakers = {.max_connections = 1, .max_pending = 1};
  Request first, second, third;
  begin(first);
  ASSERT_TRUE(second.ask(pool()));
  EXPECT_FALSE(third.ask(pool()));
  EXPECT_EQ(third.failure, PoolFailure::kPending);
  EXPECT_EQ(context.counters.overflow_pending, 1u);
  EXPECT_EQ(context.counters.overflow_connections, 1u) << "the second would have liked one";
  first.stream->finish();
  ASSERT_NE(second.stream, nullptr) << "the connection that became free";
  EXPECT_TRUE(second.stream->reused_connection());
  second.stream->finish();
  // With the cluster's connections all elsewhere there is nothing to wait for.
  Pool other(context, backend, endpoint);
  EXPECT_FALSE(third.ask(other));
  EXPECT_EQ(third.failure, PoolFailure::kConnections);
}

TEST_F(PoolTest, NobodyIsOvertaken) {
  spec.backend_breakers.max_connections = 1;
  Request first, second, third;
  begin(first);
  ASSERT_TRUE(second.ask(pool()));
  ASSERT_TRUE(third.ask(pool()));
  first.stream->finish();
  ASSERT_NE(second.stream, nullptr);
  EXPECT_EQ(third.stream, nullptr);
  second.stream->finish();
  ASSERT_NE(third.stream, nullptr);
  third.stream->finish();
}

TEST_F(PoolTest, ARequestMayGiveUpWaiting) {
  Request first;
  {
    Request second;
    ASSERT_TRUE(first.ask(pool()));
    ASSERT_TRUE(second.ask(pool()));
    pool().cancel(first);
    pool().cancel(first);  // twice does nothing
    EXPECT_EQ(pool().pending(), 1u);
  }  // destroyed while it waits
  EXPECT_EQ(pool().pending(), 0u);
  factory.open()[0]->become_ready();
  EXPECT_EQ(first.stream, nullptr);
  EXPECT_EQ(pool().idle(), 1u) << "the connection serves the next";
}

TEST_F(PoolTest, ConnectionsWearOut) {
  spec.pool.max_requests_per_connection = 2;
  spec.pool.max_connection_age = milliseconds(5000);
  Request first, second, third, fourth;
  begin(first);
  first.stream->finish();
  begin(second);
  EXPECT_TRUE(second.stream->reused_connection());
  second.stream->finish();
  EXPECT_TRUE(pool().empty()) << "two requests are its life";
  begin(third);
  third.stream->finish();
  clock.pass(5000);
  begin(fourth);
  EXPECT_FALSE(fourth.stream->reused_connection());
  EXPECT_EQ(context.counters.closed_used_up, 2u);
  fourth.stream->finish();
}

TEST_F(PoolTest, KeepsAtMostItsGreatestCountOfIdle) {
  spec.pool.max_idle = 2;
  std::vector<Request> requests(5);
  for (auto& request : requests) begin(request);
  for (auto& request : requests) request.stream->finish();
  EXPECT_EQ(pool().idle(), 2u);
  EXPECT_EQ(pool().sessions(), 2u);
  EXPECT_EQ(context.counters.closed_full, 3u);
}

TEST_F(PoolTest, WarmsUp) {
  spec.pool.min_idle = 3;
  pool().warm_up();
  pool().warm_up();
  EXPECT_EQ(factory.open().size(), 3u);
  for (auto* session : factory.open()) session->become_ready();
  EXPECT_EQ(pool().idle(), 3u);
  pool().warm_up();
  EXPECT_EQ(factory.open().size(), 3u);
}

TEST_F(PoolTest, DrainingEndsWhatIsIdleAndLetsTheRestFinish) {
  spec.backend_breakers.max_connections = 2;
  Request busy, idle, waiting, late;
  begin(busy);
  begin(idle);
  Request blocked;
  ASSERT_TRUE(blocked.ask(pool()));
  pool().drain();
  EXPECT_EQ(blocked.failure, PoolFailure::kDraining) << "it may go elsewhere";
  EXPECT_FALSE(late.ask(pool()));
  EXPECT_EQ(late.failure, PoolFailure::kDraining);
  idle.stream->finish();
  EXPECT_EQ(pool().sessions(), 1u);
  busy.stream->finish();
  EXPECT_TRUE(pool().empty());
  pool().undrain();
  begin(late);
  late.stream->finish();
}

TEST_F(PoolTest, TheEndServesThoseWhoWaitAlready) {
  spec.backend_breakers.max_connections = 2;
  Request busy, first, second, late;
  begin(busy);
  ASSERT_TRUE(first.ask(pool()));   // for a connection of its own
  ASSERT_TRUE(second.ask(pool()));  // for whichever is free first
  pool().end();
  EXPECT_FALSE(late.ask(pool()));
  EXPECT_EQ(late.failure, PoolFailure::kDraining);
  busy.stream->finish();
  ASSERT_NE(first.stream, nullptr);
  factory.open().back()->become_ready();
  ASSERT_NE(second.stream, nullptr);
  first.stream->finish();
  EXPECT_EQ(pool().sessions(), 1u) << "nobody waits any more";
  second.stream->finish();
  EXPECT_TRUE(pool().empty());
  pool().undrain();
  begin(late);
  late.stream->finish();
}

TEST_F(PoolTest, HoldsItsLimitsUnderARandomLife) {
  spec.breakers = {.max_connections = 6, .max_pending = 5};
  spec.backend_breakers = {.max_connections = 4, .max_pending = 8};
  spec.pool = {.connect_timeout = milliseconds(50),
               .idle_timeout = milliseconds(100),
               .pending_timeout = milliseconds(70),
               .max_idle = 3,
               .max_requests_per_connection = 7};
  std::deque<std::unique_ptr<Request>> requests;
  std::vector<std::unique_ptr<Request>> served;  // their handlers are those of streams
  const auto drop = [&] {
    if (requests.front()->stream != nullptr) served.push_back(std::move(requests.front()));
    requests.pop_front();
  };
  Random random(2024);
  for (int step = 0; step < 60'000; ++step) {
    const auto open = factory.open();
    auto* session = open.empty() ? nullptr : open[random.below(static_cast<std::uint32_t>(open.size()))];
    switch (random.below(8)) {
      case 0:
      case 1:
        requests.push_back(std::make_unique<Request>());
        requests.back()->ask(pool());
        break;
      case 2:
        if (session != nullptr && !session->ready()) session->become_ready(random.below(4) == 0 ? 3 : 1);
        break;
      case 3:
        if (session != nullptr && session->streams() > 0) session->stream().finish();
        break;
      case 4:
        if (session != nullptr && random.below(4) == 0) session->ready() ? session->peer_closes() : session->fail();
        break;
      case 5:
        if (session != nullptr && session->ready() && random.below(8) == 0) session->announces_end();
        break;
      case 6:
        if (!requests.empty() && random.below(4) == 0) drop();
        break;
      default: clock.pass(random.below(20));
    }
    if (requests.size() > 40) drop();
    ASSERT_LE(pool().sessions(), 4u);
    ASSERT_LE(pool().pending(), 5u);
    ASSERT_LE(pool().idle(), 3u);
    ASSERT_LE(pool().idle() + pool().connecting(), pool().sessions());
    ASSERT_EQ(context.breakers.count(Breaker::kConnections), pool().sessions());
    ASSERT_EQ(context.breakers.count(Breaker::kPending), pool().pending());
    ASSERT_EQ(factory.open().size(), pool().sessions()) << "step " << step;
  }
  pool_.reset();
  EXPECT_GT(context.counters.pool_hits, 500u);
  EXPECT_GT(context.counters.connects, 500u);
}

}  // namespace
}  // namespace fairlead::upstream
