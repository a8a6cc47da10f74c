// SPDX-License-Identifier: Apache-2.0
// Clusters on two workers: limits and ejection are those of both together. Their messages are handled when the test
// says so.
#include "fairlead/upstream/shared.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <tuple>
#include <utility>

#include "fairlead/upstream/cluster_set.hpp"
#include "unit/upstream/doubles.hpp"

namespace fairlead::upstream {
namespace {

using test::endpoint;
using test::Request;

class OneWorker final : public ClusterEvents {
 public:
  OneWorker(test::ManualClock& clock, test::FakeFactory& its_factory, std::shared_ptr<SharedClusters> shared,
            std::uint32_t number)
      : shared_(std::move(shared)),
        number_(number),
        random_(number + 1),
        factory(its_factory),
        set{{.clock = clock,
             .factory = its_factory,
             .random = random_,
             .events = this,
             .worker = number,
             .shared = shared_}} {
    shared_->join(number, [this](SharedClusters::Message message) { messages.push_back(std::move(message)); });
  }
  ~OneWorker() { shared_->join(number_, nullptr); }

  void on_ejected(const Cluster&, const Backend&, EjectionCause cause) override { ejected.push_back(cause); }
  void on_returned(const Cluster&, const Backend&) override { ++returned; }

  [[nodiscard]] Cluster& cluster() { return *set.find("c"); }
  [[nodiscard]] Backend& backend(const std::string& address) {
    return *cluster().find(net::Endpoint{*Address::parse(address), 80});
  }
  /// Handles what others have told; false: nothing was.
  bool hear() {
    if (messages.empty()) return false;
    const auto message = std::move(messages.front());
    messages.pop_front();
    message(set);
    return true;
  }
  void outcome(Backend& at, std::uint16_t status) {
    ASSERT_FALSE(cluster().admit(at, false));
    cluster().observe(at, {.status = status});
    cluster().finish(at, false);
  }

 private:
  std::shared_ptr<SharedClusters> shared_;
  std::uint32_t number_;
  Random random_;

 public:
  test::FakeFactory& factory;
  ClusterSet set;
  std::deque<SharedClusters::Message> messages;
  std::vector<EjectionCause> ejected;
  int returned = 0;
};

class SharedTest : public testing::Test {
 protected:
  void apply(const ClusterSpec& spec) {
    for (auto* worker : {&a, &b}) worker->set.apply({.updated = {std::make_shared<const ClusterSpec>(spec)}});
  }
  void remove() {
    for (auto* worker : {&a, &b}) worker->set.apply({.removed = {"c"}});
  }
  static ClusterSpec of(std::size_t count) {
    ClusterSpec spec;
    spec.name = "c";
    for (std::size_t i = 1; i <= count; ++i) spec.endpoints.push_back(endpoint("10.0.0." + std::to_string(i)));
    return spec;
  }
  /// Until nobody has told anything more.
  void hear() {
    while (a.hear() || b.hear()) continue;
  }
  std::size_t connections() { return a.factory.open().size() + b.factory.open().size(); }

  test::FakeFactory factories[2];  // the clock destroys what they have made
  test::ManualClock clock;
  std::shared_ptr<SharedClusters> shared = std::make_shared<SharedClusters>(2);
  OneWorker a{clock, factories[0], shared, 0};
  OneWorker b{clock, factories[1], shared, 1};
};

TEST_F(SharedTest, ALimitOfRequestsIsOfBothTogether) {
  auto spec = of(1);
  spec.breakers.max_requests = 10;
  apply(spec);
  std::vector<Backend*> on_a;
  for (int i = 0; i < 10; ++i) {
    const auto begun = a.cluster().begin({}, false);
    ASSERT_NE(begun.backend, nullptr) << i;
    on_a.push_back(begun.backend);
  }
  for (auto* worker : {&a, &b}) EXPECT_EQ(worker->cluster().begin({}, false).refusal, Refusal::kRequests);
  EXPECT_EQ(b.cluster().counters().overflow_requests, 1u);
  a.cluster().finish(*on_a[0], false);
  auto* const on_b = b.cluster().begin({}, false).backend;
  ASSERT_NE(on_b, nullptr);
  EXPECT_EQ(a.cluster().begin({}, false).refusal, Refusal::kRequests);
  b.cluster().finish(*on_b, false);
  for (std::size_t i = 1; i < 10; ++i) a.cluster().finish(*on_a[i], false);
}

TEST_F(SharedTest, ABackendAtItsLimitLeavesRequestsToOthers) {
  auto spec = of(2);
  spec.backend_breakers = {.max_requests = 2, .max_retries = 1};
  apply(spec);
  std::vector<std::pair<OneWorker*, Backend*>> running;
  for (auto* worker : {&a, &b, &b, &a}) {
    running.emplace_back(worker, worker->cluster().begin({}, false).backend);
    ASSERT_NE(running.back().second, nullptr);
  }
  for (auto* worker : {&a, &b}) EXPECT_EQ(worker->cluster().begin({}, false).reason, PickReason::kAllLimited);
  for (const auto& [worker, backend] : running) worker->cluster().finish(*backend, false);
  auto& first = a.backend("10.0.0.1");
  ASSERT_FALSE(a.cluster().admit(first, true));
  EXPECT_EQ(b.cluster().admit(b.backend("10.0.0.1"), true), Refusal::kRetries);
  EXPECT_FALSE(b.cluster().admit(b.backend("10.0.0.1"), false)) << "what was refused holds nothing";
  a.cluster().finish(first, true);
  b.cluster().finish(b.backend("10.0.0.1"), false);
}

TEST_F(SharedTest, CountsStayTrueThroughChanges) {
  auto spec = of(1);
  apply(spec);
  auto* const early = a.cluster().begin({}, false).backend;
  spec.breakers.max_requests = 2;
  apply(spec);
  auto* const later = b.cluster().begin({}, false).backend;
  ASSERT_NE(later, nullptr);
  EXPECT_EQ(b.cluster().begin({}, false).refusal, Refusal::kRequests) << "one came before there was a limit";
  // The cluster goes and comes back while both are under way.
  auto& old_a = a.cluster();
  auto& old_b = b.cluster();
  remove();
  apply(spec);
  EXPECT_EQ(a.cluster().begin({}, false).refusal, Refusal::kRequests);
  old_a.finish(*early, false);
  auto* const again = a.cluster().begin({}, false).backend;
  ASSERT_NE(again, nullptr);
  EXPECT_EQ(b.cluster().begin({}, false).refusal, Refusal::kRequests);
  spec.breakers.max_requests = 0;
  apply(spec);
  auto* const free = b.cluster().begin({}, false).backend;
  ASSERT_NE(free, nullptr);
  spec.breakers.max_requests = 3;
  apply(spec);
  EXPECT_EQ(a.cluster().begin({}, false).refusal, Refusal::kRequests) << "three are in";
  old_b.finish(*later, false);
  b.cluster().finish(*free, false);
  a.cluster().finish(*again, false);
  for (int i = 0; i < 3; ++i) EXPECT_NE(a.cluster().begin({}, false).backend, nullptr);
  EXPECT_EQ(b.cluster().begin({}, false).refusal, Refusal::kRequests);
  for (int i = 0; i < 3; ++i) a.cluster().finish(a.backend("10.0.0.1"), false);
}

TEST_F(SharedTest, ABackendThatComesBackStillCountsWhatIsUnderWay) {
  auto spec = of(2);
  spec.backend_breakers.max_requests = 1;
  apply(spec);
  auto& before = a.backend("10.0.0.1");
  ASSERT_FALSE(a.cluster().admit(before, false));
  auto less = spec;
  less.endpoints.erase(less.endpoints.begin());
  apply(less);
  clock.pass(2000);  // b has nothing to do with it any more
  apply(spec);
  EXPECT_EQ(b.cluster().admit(b.backend("10.0.0.1"), false), Refusal::kRequests);
  a.cluster().finish(before, false);
  EXPECT_FALSE(b.cluster().admit(b.backend("10.0.0.1"), false));
  b.cluster().finish(b.backend("10.0.0.1"), false);
}

TEST_F(SharedTest, ARunOfFailuresIsOfBothTogether) {
  auto spec = of(2);
  spec.ejection = EjectionSpec{.consecutive_5xx = 5, .base_time = milliseconds(1000), .max_percent = 50};
  apply(spec);
  const std::string bad = "10.0.0.1";
  for (int i = 0; i < 4; ++i) (i % 2 == 0 ? a : b).outcome((i % 2 == 0 ? a : b).backend(bad), 500);
  b.outcome(b.backend(bad), 200);  // and all begins anew
  for (int i = 0; i < 4; ++i) (i % 2 == 0 ? a : b).outcome((i % 2 == 0 ? a : b).backend(bad), 503);
  EXPECT_TRUE(a.backend(bad).available());
  a.outcome(a.backend(bad), 500);
  EXPECT_EQ(a.ejected, std::vector{EjectionCause::kConsecutive5xx});
  EXPECT_TRUE(b.ejected.empty()) << "it was a's decision";
  // Before b has heard of it.
  for (int i = 0; i < 50; ++i) {
    auto* const backend = b.cluster().begin({}, false).backend;
    ASSERT_EQ(backend, &b.backend("10.0.0.2"));
    b.cluster().finish(*backend, false);
  }
  EXPECT_EQ(b.cluster().ejected(), 1u);
  hear();
  EXPECT_EQ(b.cluster().ejected(), 1u) << "once";
  // Half of two at once, whoever finds the other.
  for (int i = 0; i < 5; ++i) b.outcome(b.backend("10.0.0.2"), 500);
  EXPECT_EQ(b.cluster().counters().ejections_suppressed, 1u);
  clock.pass(1000);
  EXPECT_EQ(a.cluster().ejected() + b.cluster().ejected(), 0u);
  EXPECT_EQ(a.returned + b.returned, 1);
  EXPECT_EQ(a.cluster().counters().ejections + b.cluster().counters().ejections, 1u);
  EXPECT_EQ(a.cluster().counters().ejection_returns + b.cluster().counters().ejection_returns, 1u);
  for (int i = 0; i < 5; ++i) b.outcome(b.backend("10.0.0.2"), 500);
  EXPECT_EQ(b.cluster().ejected(), 1u) << "there is room again";
  hear();
  EXPECT_FALSE(a.backend("10.0.0.2").available());
}

TEST_F(SharedTest, AnEjectionIsHeardOfByMessage) {
  auto spec = of(2);
  spec.ejection.emplace();
  apply(spec);
  for (int i = 0; i < 5; ++i) a.outcome(a.backend("10.0.0.1"), 500);
  EXPECT_TRUE(b.backend("10.0.0.1").available());
  hear();
  EXPECT_FALSE(b.backend("10.0.0.1").available());
  b.set.apply_ejection("unknown", {*Address::parse("10.0.0.1"), 80});
  b.set.apply_ejection("c", {*Address::parse("10.0.0.2"), 80});
  EXPECT_TRUE(b.backend("10.0.0.2").available()) << "it is not";
  // What is removed while it is out makes room for another, and comes back as it was.
  auto less = spec;
  less.endpoints = {endpoint("10.0.0.2"), endpoint("10.0.0.3")};
  apply(less);
  for (int i = 0; i < 5; ++i) b.outcome(b.backend("10.0.0.3"), 500);
  hear();
  EXPECT_FALSE(a.backend("10.0.0.3").available());
  spec.ejection.reset();
  apply(spec);
  for (auto* worker : {&a, &b}) EXPECT_EQ(worker->cluster().available(), 2u) << "nobody ejects any more";
  spec.ejection.emplace();
  apply(spec);
  for (int i = 0; i < 5; ++i) a.outcome(a.backend("10.0.0.1"), 500);
  EXPECT_EQ(a.cluster().ejected(), 1u);
}

TEST_F(SharedTest, StatisticsAreOfBothTogether) {
  auto spec = of(5);
  spec.ejection = EjectionSpec{.consecutive_5xx = 0,
                               .interval = milliseconds(5000),
                               .failure_percent = 40,
                               .failure_percent_requests = 100,
                               .max_percent = 50};
  apply(spec);
  for (auto* worker : {&a, &b})
    worker->cluster().for_each([&](Backend& backend) {
      const bool bad = backend.name() == "10.0.0.5:80";
      for (int i = 0; i < 50; ++i) worker->outcome(backend, bad && i % 2 == 0 ? 500 : 200);
    });
  clock.pass(5000);
  EXPECT_EQ(a.ejected.size() + b.ejected.size(), 1u);
  hear();
  for (auto* worker : {&a, &b}) EXPECT_FALSE(worker->backend("10.0.0.5").available());
  // Each interval begins anew.
  for (int i = 0; i < 99; ++i) a.outcome(a.backend("10.0.0.4"), 500);
  clock.pass(5000);
  EXPECT_EQ(a.cluster().ejected(), 1u);
  for (int i = 0; i < 100; ++i) clock.pass(5000);
  EXPECT_EQ(clock.timers().armed(), 0u) << "without traffic nothing ticks";
}

/// A connection is used by the worker that made it alone: where no more are allowed, others give up theirs.
class SharedConnectionsTest : public SharedTest {
 protected:
  void SetUp() override {
    spec.breakers.max_connections = 2;
    spec.pool.pending_timeout = milliseconds(5000);
  }
  void begin(OneWorker& worker, Request& request) {
    ASSERT_TRUE(request.ask(pool(worker)));
    hear();
    if (request.stream == nullptr) worker.factory.open().back()->become_ready();
    ASSERT_NE(request.stream, nullptr);
  }
  static Pool& pool(OneWorker& worker) { return worker.backend("10.0.0.1").pool(); }
  void TearDown() override {
    hear();
    const auto shared_backend = shared->cluster("c")->backend({*Address::parse("10.0.0.1"), 80});
    EXPECT_EQ(shared_backend->wanting, 0u);
    EXPECT_EQ(shared_backend->starving, 0u);
    EXPECT_LE(shared_backend->connections, connections());
  }

  ClusterSpec spec = of(1);
};

TEST_F(SharedConnectionsTest, WhatIsIdleElsewhereGivesWay) {
  apply(spec);
  Request first, second, third;
  begin(a, first);
  begin(a, second);
  first.stream->finish();
  second.stream->finish();
  ASSERT_EQ(pool(a).idle(), 2u);
  begin(b, third);
  EXPECT_EQ(pool(a).idle(), 1u) << "one was enough";
  EXPECT_EQ(a.cluster().counters().closed_for_others, 1u);
  EXPECT_EQ(connections(), 2u);
  third.stream->finish();
}

TEST_F(SharedConnectionsTest, WhatBecomesIdleElsewhereGivesWay) {
  apply(spec);
  Request first, second, third, fourth;
  begin(a, first);
  begin(b, second);
  ASSERT_TRUE(third.ask(pool(b)));
  hear();
  EXPECT_EQ(connections(), 2u);
  first.stream->finish();
  hear();
  ASSERT_EQ(b.factory.open().size(), 2u);
  b.factory.open()[1]->become_ready();
  ASSERT_NE(third.stream, nullptr);
  // Its own serves it, too: nobody has to give up anything then.
  ASSERT_TRUE(fourth.ask(pool(b)));
  hear();
  second.stream->finish();
  ASSERT_NE(fourth.stream, nullptr);
  third.stream->finish();
  fourth.stream->finish();
  hear();
  EXPECT_EQ(pool(b).idle(), 2u);
}

TEST_F(SharedConnectionsTest, WhoHasNoneGetsOneFromThoseWhoAreBusy) {
  apply(spec);
  std::vector<Request> on_a(6);
  Request on_b;
  for (auto& request : on_a) ASSERT_TRUE(request.ask(pool(a)));
  for (auto* session : a.factory.open()) session->become_ready();
  ASSERT_TRUE(on_b.ask(pool(b))) << "there is something to wait for";
  hear();
  EXPECT_EQ(connections(), 2u);
  on_a[0].stream->finish();
  on_a[1].stream->finish();
  hear();
  ASSERT_EQ(b.factory.open().size(), 1u);
  ASSERT_EQ(a.factory.open().size(), 1u) << "the other one stays";
  b.factory.open()[0]->become_ready();
  ASSERT_NE(on_b.stream, nullptr);
  on_b.stream->finish();
  for (auto& request : on_a) {
    hear();
    for (auto* session : a.factory.open())
      if (!session->ready()) session->become_ready();
    ASSERT_NE(request.stream, nullptr);
    if (&request > &on_a[1]) request.stream->finish();
  }
}

TEST_F(SharedConnectionsTest, TheOnlyConnectionGoesFromOneToTheOther) {
  spec.breakers.max_connections = 0;
  spec.backend_breakers.max_connections = 1;
  apply(spec);
  std::deque<Request> on_a(3), on_b(3);
  for (auto& request : on_a) ASSERT_TRUE(request.ask(pool(a)));
  for (auto& request : on_b) ASSERT_TRUE(request.ask(pool(b)));
  int served = 0;
  for (int turn = 0; turn < 100 && served < 6; ++turn) {
    hear();
    ASSERT_EQ(connections(), 1u);
    auto& worker = a.factory.open().empty() ? b : a;
    auto& session = *worker.factory.open()[0];
    if (!session.ready()) session.become_ready();
    ASSERT_EQ(session.streams(), 1u) << "served " << served;
    session.stream().finish();
    ++served;
    clock.end_turn();
  }
  EXPECT_EQ(served, 6);
}

TEST_F(SharedConnectionsTest, WhoComesTooLateAsksAgain) {
  spec.breakers.max_connections = 3;
  spec.endpoints.push_back(endpoint("10.0.0.2"));
  apply(spec);
  std::vector<Request> on_a(3);
  for (auto& request : on_a) begin(a, request);
  for (auto& request : on_a) request.stream->finish();
  Request other, late;
  ASSERT_TRUE(late.ask(pool(b)));
  ASSERT_TRUE(a.hear());
  ASSERT_EQ(pool(a).idle(), 2u) << "one was given up";
  ASSERT_TRUE(other.ask(a.backend("10.0.0.2").pool())) << "and somebody else takes it";
  hear();
  ASSERT_EQ(b.factory.open().size(), 1u);
  EXPECT_EQ(connections(), 3u);
}

TEST_F(SharedConnectionsTest, WhoGivesUpWaitingWantsNothing) {
  spec.breakers.max_connections = 1;
  apply(spec);
  Request first;
  begin(a, first);
  {
    Request waits;
    ASSERT_TRUE(waits.ask(pool(b)));
    hear();
  }
  first.stream->finish();
  hear();
  EXPECT_EQ(b.factory.open().size(), 0u);
  Request waits;
  begin(a, first);
  ASSERT_TRUE(waits.ask(pool(b)));
  clock.pass(5000);
  EXPECT_EQ(waits.failure, PoolFailure::kPendingTimeout);
  first.stream->finish();
}

TEST_F(SharedConnectionsTest, WithNoneToTheBackendAnywhereNobodyWaits) {
  spec.breakers.max_connections = 1;
  spec.endpoints.push_back(endpoint("10.0.0.2"));
  apply(spec);
  Request other, first;
  ASSERT_TRUE(other.ask(a.backend("10.0.0.2").pool()));
  EXPECT_FALSE(first.ask(pool(b)));
  EXPECT_EQ(first.failure, PoolFailure::kConnections);
  Request second;
  ASSERT_TRUE(second.ask(b.backend("10.0.0.2").pool()));
  // A limit that is raised lets in who waits.
  spec.breakers.max_connections = 2;
  apply(spec);
  hear();
  EXPECT_EQ(b.factory.open().size(), 1u);
}

TEST_F(SharedConnectionsTest, NobodyWaitsForEverInARandomLife) {
  for (const std::uint32_t limit : {1u, 2u, 3u, 5u}) {
    SCOPED_TRACE(limit);
    spec.breakers = {.max_connections = limit};
    spec.pool.pending_timeout = milliseconds(1'000'000);
    apply(spec);
    Random dice(limit);
    OneWorker* const both[] = {&a, &b};
    std::deque<std::pair<OneWorker*, Request>> requests;
    const auto finish_one = [&](OneWorker& worker) {
      const auto open = worker.factory.open();
      if (open.empty()) return;
      auto& session = *open[dice.below(static_cast<std::uint32_t>(open.size()))];
      if (!session.ready()) return session.become_ready();
      if (session.streams() > 0) session.stream().finish();
    };
    for (int step = 0; step < 20'000; ++step) {
      auto& worker = *both[dice.below(2)];
      const auto waiting = pool(a).pending() + pool(b).pending();
      switch (dice.below(5)) {
        case 0:
          if (waiting > 8) break;
          requests.emplace_back(std::piecewise_construct, std::tuple(&worker), std::tuple());
          ASSERT_TRUE(requests.back().second.ask(pool(worker)));
          break;
        case 1:
        case 2: finish_one(worker); break;
        default: worker.hear();
      }
      clock.end_turn();
      ASSERT_LE(connections(), limit);
    }
    for (int turn = 0; turn < 200 && pool(a).pending() + pool(b).pending() > 0; ++turn) {
      hear();
      for (auto* worker : both) finish_one(*worker);
    }
    EXPECT_EQ(pool(a).pending() + pool(b).pending(), 0u);
    for (const auto& [worker, request] : requests) ASSERT_NE(request.stream, nullptr);
    for (auto* worker : both)
      while (worker->factory.open().size() > pool(*worker).idle()) finish_one(*worker);
  }
}

TEST_F(SharedConnectionsTest, PendingIsOfBothTogether) {
  spec.breakers = {.max_connections = 1, .max_pending = 2};
  apply(spec);
  Request first, second, third, fourth;
  begin(a, first);
  ASSERT_TRUE(second.ask(pool(a)));
  ASSERT_TRUE(third.ask(pool(b)));
  EXPECT_FALSE(fourth.ask(pool(b)));
  EXPECT_EQ(fourth.failure, PoolFailure::kPending);
}

}  // namespace
}  // namespace fairlead::upstream
