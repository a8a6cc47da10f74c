// SPDX-License-Identifier: Apache-2.0
#include "fairlead/upstream/client_pools.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "fairlead/upstream/random.hpp"
#include "unit/upstream/doubles.hpp"

namespace fairlead::upstream {
namespace {

using test::Request;

ClientEnds ends(std::uint16_t port) {
  return {.client = {*Address::parse("192.0.2.7"), port}, .server = {*Address::parse("192.0.2.1"), 80}};
}

class ClientPoolsTest : public testing::Test {
 protected:
  void SetUp() override { spec.pool.proxy_protocol = 2; }
  /// Made at the first use, with what `spec` says then.
  ClientPools& pools() {
    if (!pools_) {
      apply();
      pools_.emplace(context, backend, endpoint);
    }
    return *pools_;
  }
  void apply() {
    context.spec = std::make_shared<const ClusterSpec>(spec);
    backend.breakers.set_limits(spec.backend_breakers);
  }
  void TearDown() override {
    pools_.reset();
    clock.end_turn();
    test::expect_nothing_left(factory, context.breakers, backend.breakers);
  }
  ToldClient& client(std::uint16_t port) {
    auto& place = clients[port];
    if (place == nullptr) place = std::make_unique<ToldClient>(port, ends(port));
    return *place;
  }
  /// A request that has its stream, be it on a new connection.
  void begin(Request& request, Pool& pool) {
    ASSERT_TRUE(request.ask(pool));
    if (request.stream == nullptr) factory.open().back()->become_ready();
    ASSERT_NE(request.stream, nullptr);
  }
  void serve(std::uint16_t port) {
    auto& request = requests.emplace_back();
    begin(request, pools().of(client(port)));
    request.stream->finish();
  }

  test::FakeFactory factory;
  test::ManualClock clock;
  ClusterSpec spec;
  SharedClusters all{1};
  ClusterContext context{clock, factory, all.cluster("c"), 0};
  BackendContext backend{context.shared->backend({}), 0};
  EndpointSpec endpoint = test::endpoint("10.0.0.1");
  std::deque<Request> requests;
  std::optional<ClientPools> pools_;
  std::map<std::uint16_t, std::unique_ptr<ToldClient>> clients;
};

TEST_F(ClientPoolsTest, AConnectionServesTheClientThatItBeganWithAlone) {
  for (int round = 0; round < 3; ++round)
    for (const auto port : std::vector<std::uint16_t>{11, 22}) serve(port);
  EXPECT_EQ(factory.told, (std::vector<std::uint16_t>{11, 22}));
  EXPECT_EQ(context.counters.pool_hits, 4u);
  EXPECT_EQ(pools().clients(), 2u);
  Request own;
  begin(own, pools().shared());
  EXPECT_EQ(factory.told.back(), 0) << "what no client asked for names none";
  own.stream->finish();
}

TEST_F(ClientPoolsTest, WithoutAHeaderAllShare) {
  spec.pool.proxy_protocol = 0;
  serve(11);
  serve(22);
  EXPECT_EQ(context.counters.connects, 1u);
  EXPECT_EQ(pools().clients(), 0u);
}

TEST_F(ClientPoolsTest, WhatAClientLeftIdleClosesWithIt) {
  serve(11);
  Request busy;
  begin(busy, pools().of(client(11)));
  serve(11);
  EXPECT_EQ(factory.open().size(), 2u);
  clients.clear();
  EXPECT_EQ(factory.open().size(), 1u) << "a request under way goes on";
  busy.stream->finish();
  EXPECT_TRUE(pools().empty());
  EXPECT_EQ(pools().clients(), 0u);
}

TEST_F(ClientPoolsTest, WhoWaitsIsServedAfterItsClientHasGone) {
  Request waiting;
  ASSERT_TRUE(waiting.ask(pools().of(client(11))));
  clients.clear();
  factory.open()[0]->become_ready();
  ASSERT_NE(waiting.stream, nullptr) << "it may be a mirror";
  waiting.stream->finish();
  EXPECT_TRUE(pools().empty());
}

TEST_F(ClientPoolsTest, AClientWithoutConnectionsIsForgotten) {
  spec.pool.idle_timeout = milliseconds(1000);
  serve(11);
  EXPECT_EQ(pools().clients(), 1u);
  clock.pass(1000);
  EXPECT_EQ(pools().clients(), 0u);
  {
    Request waiting;
    ASSERT_TRUE(waiting.ask(pools().of(client(11))));
    factory.open()[0]->fail();
    EXPECT_EQ(waiting.failure, PoolFailure::kConnect);
  }
  EXPECT_EQ(pools().clients(), 0u);
  serve(11);
  EXPECT_EQ(pools().clients(), 1u);
}

TEST_F(ClientPoolsTest, KeepsAtMostItsGreatestCountOfIdleOfAllClients) {
  spec.pool.max_idle = 3;
  for (const auto port : std::vector<std::uint16_t>{1, 2, 3, 1, 4, 5}) serve(port);
  EXPECT_EQ(pools().idle(), 3u);
  EXPECT_EQ(context.counters.closed_full, 2u);
  EXPECT_EQ(pools().clients(), 3u);
  const auto before = context.counters.connects;
  serve(1);
  EXPECT_EQ(context.counters.connects, before) << "it was used later than 2 and 3";
}

TEST_F(ClientPoolsTest, WhatOthersLeftIdleGivesWayWhereNoConnectionIsAllowed) {
  spec.backend_breakers.max_connections = 2;
  serve(1);
  Request busy;
  begin(busy, pools().of(client(2)));
  serve(3);
  EXPECT_EQ(factory.told, (std::vector<std::uint16_t>{1, 2, 3}));
  EXPECT_EQ(factory.open().size(), 2u);
  Request also;
  begin(also, pools().of(client(3)));
  Request late;
  EXPECT_FALSE(late.ask(pools().of(client(4))));
  EXPECT_EQ(late.failure, PoolFailure::kConnections);
  also.stream->finish();
  busy.stream->finish();
}

TEST_F(ClientPoolsTest, AnotherHeaderEndsWhatStands) {
  serve(1);
  Request own;
  begin(own, pools().shared());
  own.stream->finish();
  spec.pool.proxy_protocol = 0;
  apply();
  pools().on_spec();
  EXPECT_TRUE(pools().empty());
  serve(1);
  EXPECT_EQ(factory.told.back(), 0);
}

TEST_F(ClientPoolsTest, DrainingEndsAllOfThem) {
  spec.pool.min_idle = 2;
  pools().warm_up();
  EXPECT_TRUE(factory.open().empty()) << "nobody knows whose they would be";
  serve(1);
  Request waiting;
  ASSERT_TRUE(waiting.ask(pools().of(client(2))));
  Request busy;
  begin(busy, pools().of(client(3)));
  pools().drain();
  EXPECT_EQ(waiting.failure, PoolFailure::kDraining);
  EXPECT_EQ(pools().clients(), 1u);
  Request late;
  EXPECT_FALSE(late.ask(pools().of(client(1))));
  pools().undrain();
  busy.stream->finish();
  begin(late, pools().of(client(3)));
  EXPECT_TRUE(late.stream->reused_connection());
  late.stream->finish();
}

TEST_F(ClientPoolsTest, HoldsItsLimitsUnderARandomLife) {
  spec.backend_breakers = {.max_connections = 9, .max_pending = 6};
  spec.pool.max_idle = 4;
  spec.pool.connect_timeout = milliseconds(50);
  spec.pool.idle_timeout = milliseconds(100);
  Random random(2026);
  for (int step = 0; step < 40'000; ++step) {
    const auto open = factory.open();
    auto* session = open.empty() ? nullptr : open[random.below(static_cast<std::uint32_t>(open.size()))];
    const auto port = static_cast<std::uint16_t>(1 + random.below(8));
    switch (random.below(7)) {
      case 0:
      case 1: requests.emplace_back().ask(pools().of(client(port))); break;
      case 2:
        if (session != nullptr && !session->ready()) session->become_ready();
        break;
      case 3:
        if (session != nullptr && session->streams() > 0) session->stream().finish();
        break;
      case 4:
        if (session != nullptr) session->ready() ? session->peer_closes() : session->fail();
        break;
      case 5: clients.erase(port); break;
      default: clock.pass(random.below(40));
    }
    clock.end_turn();
    ASSERT_LE(pools().idle(), 4u);
    ASSERT_LE(factory.open().size(), 9u);
    ASSERT_EQ(backend.breakers.count(Breaker::kConnections), factory.open().size()) << "step " << step;
    ASSERT_LE(pools().clients(), factory.open().size() + backend.breakers.count(Breaker::kPending));
  }
  clients.clear();
  for (auto* session : factory.open()) session->peer_closes();
  EXPECT_TRUE(pools().empty());
}

}  // namespace
}  // namespace fairlead::upstream
