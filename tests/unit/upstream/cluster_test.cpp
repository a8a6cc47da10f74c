// SPDX-License-Identifier: Apache-2.0
// Clusters and their set: picks by every policy, health, ejection, changes, counts.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "fairlead/upstream/cluster_set.hpp"
#include "fairlead/upstream/hash.hpp"
#include "unit/upstream/doubles.hpp"

namespace fairlead::upstream {
namespace {

using test::endpoint;

constexpr Balancing kPolicies[] = {Balancing::kRoundRobin, Balancing::kRandom,   Balancing::kLeastRequest,
                                   Balancing::kPeakEwma,   Balancing::kRingHash, Balancing::kMaglev};

class ClusterTest : public testing::Test, public ClusterEvents {
 protected:
  void on_ejected(const Cluster&, const Backend& backend, EjectionCause cause) override {
    ejected.emplace_back(backend.name(), cause);
  }
  void on_returned(const Cluster&, const Backend& backend) override { returned.push_back(backend.name()); }

  Cluster& add(ClusterSpec spec) {
    spec.name = "c";
    set.apply({.updated = {std::make_shared<const ClusterSpec>(std::move(spec))}});
    return *set.find("c");
  }
  static ClusterSpec of(std::size_t count, Balancing policy = Balancing::kLeastRequest) {
    ClusterSpec spec;
    spec.balancing.policy = policy;
    for (std::size_t i = 1; i <= count; ++i) spec.endpoints.push_back(endpoint("10.0.0." + std::to_string(i)));
    return spec;
  }
  Backend& backend(const std::string& address) {
    return *set.find("c")->find(net::Endpoint{*Address::parse(address), 80});
  }
  /// Picks with keys that differ; by name.
  std::map<std::string, int> spread(Cluster& cluster, int picks) {
    std::map<std::string, int> counts;
    for (int i = 0; i < picks; ++i) {
      const auto pick = cluster.pick({.hash = hash64(std::to_string(i)), .has_hash = true});
      ++counts[pick.backend != nullptr ? pick.backend->name() : std::string(pick_reason_name(pick.reason))];
    }
    return counts;
  }
  void fail_at(Cluster& cluster, Backend& at, int times, Outcome outcome = {.failure = Failure::kConnect}) {
    for (int i = 0; i < times; ++i) {
      ASSERT_FALSE(cluster.admit(at, false));
      cluster.observe(at, outcome);
      cluster.finish(at, false);
    }
  }

  test::FakeFactory factory;
  test::ManualClock clock;
  Random random{12345};
  std::vector<std::pair<std::string, EjectionCause>> ejected;
  std::vector<std::string> returned;
  ClusterSet set{{.clock = clock, .factory = factory, .random = random, .events = this}};
};

TEST_F(ClusterTest, EveryPolicySpreadsOverAllAndSkipsWhatIsOut) {
  for (const auto policy : kPolicies) {
    SCOPED_TRACE(static_cast<int>(policy));
    auto spec = of(5, policy);
    spec.endpoints[1].ready = false;
    spec.endpoints[2].draining = true;
    spec.endpoints[3].weight = 0;
    auto& cluster = add(spec);
    EXPECT_EQ(cluster.available(), 3u);
    const auto counts = spread(cluster, 4000);
    EXPECT_EQ(counts.size(), 2u);
    EXPECT_GT(counts.at("10.0.0.1:80"), 1200);
    EXPECT_GT(counts.at("10.0.0.5:80"), 1200);
  }
}

TEST_F(ClusterTest, WeightsHoldForEveryPolicy) {
  for (const auto policy : kPolicies) {
    SCOPED_TRACE(static_cast<int>(policy));
    auto spec = of(3, policy);
    spec.endpoints[0].weight = 1;
    spec.endpoints[1].weight = 2;
    spec.endpoints[2].weight = 5;
    auto& cluster = add(spec);
    std::vector<double> counts(3);
    for (int i = 0; i < 16'000; ++i) {
      auto* picked = cluster.pick({.hash = hash64(std::to_string(i)), .has_hash = true}).backend;
      ++counts[static_cast<std::size_t>(picked->name()[7] - '1')];
      // Least request and EWMA hold weights by what is under way.
      if (policy == Balancing::kLeastRequest || policy == Balancing::kPeakEwma) {
        ASSERT_FALSE(cluster.admit(*picked, false));
      }
    }
    EXPECT_NEAR(counts[0], 2000, 350);
    EXPECT_NEAR(counts[1], 4000, 500);
    EXPECT_NEAR(counts[2], 10000, 700);
    cluster.for_each([&](Backend& b) {
      while (b.active() > 0) cluster.finish(b, false);
    });
    set.apply({.removed = {"c"}});
    clock.pass(2000);
  }
}

TEST_F(ClusterTest, TriedBackendsAreAvoidedWhileThereAreOthers) {
  for (const auto policy : kPolicies) {
    SCOPED_TRACE(static_cast<int>(policy));
    auto& cluster = add(of(3, policy));
    const Backend* tried[] = {&backend("10.0.0.1"), &backend("10.0.0.3"), &backend("10.0.0.2")};
    for (int i = 0; i < 200; ++i) {
      const PickRequest request{
          .hash = hash64(std::to_string(i)), .has_hash = true, .tried = std::span(tried).first(2)};
      const auto pick = cluster.pick(request);
      ASSERT_EQ(pick.backend->name(), "10.0.0.2:80");
      ASSERT_EQ(pick.reason, PickReason::kBalanced);
      const auto last = cluster.pick({.hash = request.hash, .has_hash = true, .tried = tried});
      ASSERT_NE(last.backend, nullptr);
      ASSERT_EQ(last.reason, PickReason::kOnlyTried);
    }
  }
}

TEST_F(ClusterTest, AKeyKeepsItsBackendThroughTheTroublesOfOthers) {
  for (const auto policy : {Balancing::kRingHash, Balancing::kMaglev}) {
    SCOPED_TRACE(static_cast<int>(policy));
    auto spec = of(10, policy);
    spec.checks.emplace_back();
    auto& cluster = add(spec);
    std::map<std::uint64_t, Backend*> before;
    for (std::uint64_t key = 0; key < 3000; ++key)
      before[key] = cluster.pick({.hash = rehash(key, 1), .has_hash = true}).backend;
    const auto id = target_id(backend("10.0.0.4").endpoint(), spec.checks[0]);
    set.apply_health(std::vector<HealthChange>{{id, false}});
    for (const auto& [key, old] : before) {
      auto* now = cluster.pick({.hash = rehash(key, 1), .has_hash = true}).backend;
      ASSERT_NE(now, &backend("10.0.0.4"));
      if (old != &backend("10.0.0.4")) {
        ASSERT_EQ(now, old);
      }
    }
    set.apply_health(std::vector<HealthChange>{{id, true}});
    for (const auto& [key, old] : before)
      ASSERT_EQ(cluster.pick({.hash = rehash(key, 1), .has_hash = true}).backend, old);
  }
}

TEST_F(ClusterTest, AHotKeyIsHeldToItsShareWhereAskedFor) {
  auto spec = of(4, Balancing::kRingHash);
  spec.balancing.hash_balance_percent = 125;
  auto& cluster = add(spec);
  for (int i = 0; i < 400; ++i) {
    auto* picked = cluster.pick({.hash = 42, .has_hash = true}).backend;
    ASSERT_FALSE(cluster.admit(*picked, false));
  }
  cluster.for_each([](const Backend& b) { EXPECT_LE(b.active(), 126u) << b.name(); });
}

TEST_F(ClusterTest, FailoverGoesByLevelsAndZones) {
  ClusterSpec spec = of(6);
  spec.locality.mode = LocalityMode::kFailover;
  spec.locality.own = {"eu", "a"};
  const char* zones[][2] = {{"eu", "a"}, {"eu", "a"}, {"eu", "b"}, {"eu", "b"}, {"us", "a"}, {"us", "a"}};
  for (std::size_t i = 0; i < 6; ++i) spec.endpoints[i].locality = {zones[i][0], zones[i][1]};
  auto& cluster = add(spec);
  auto counts = spread(cluster, 1000);
  EXPECT_EQ(counts["10.0.0.1:80"] + counts["10.0.0.2:80"], 1000) << "own zone";
  spec.endpoints[0].ready = false;  // half of the zone: 70 % stay
  add(spec);
  counts = spread(cluster, 10'000);
  EXPECT_NEAR(counts["10.0.0.2:80"], 7000, 250);
  EXPECT_NEAR(counts["10.0.0.3:80"] + counts["10.0.0.4:80"], 3000, 250);
  spec.endpoints[1].ready = spec.endpoints[2].ready = spec.endpoints[3].ready = false;
  add(spec);
  counts = spread(cluster, 1000);
  EXPECT_EQ(counts["10.0.0.5:80"] + counts["10.0.0.6:80"], 1000) << "another region";
}

TEST_F(ClusterTest, LocalitiesGetTheirWeights) {
  auto spec = of(4, Balancing::kRoundRobin);
  spec.locality.mode = LocalityMode::kWeighted;
  spec.locality.weights = {{{"eu", "a"}, 80}, {{"eu", "b"}, 20}};
  for (std::size_t i = 0; i < 4; ++i) spec.endpoints[i].locality = {"eu", i < 2 ? "a" : i == 2 ? "b" : "c"};
  auto& cluster = add(spec);
  const auto counts = spread(cluster, 10'000);
  EXPECT_EQ(counts.count("10.0.0.4:80"), 0u) << "its zone has no row";
  EXPECT_NEAR(counts.at("10.0.0.1:80"), 4000, 250);
  EXPECT_NEAR(counts.at("10.0.0.2:80"), 4000, 250);
  EXPECT_NEAR(counts.at("10.0.0.3:80"), 2000, 250);
}

TEST_F(ClusterTest, PanicIgnoresHealthAndZeroForbidsIt) {
  for (const auto policy : kPolicies) {
    SCOPED_TRACE(static_cast<int>(policy));
    auto spec = of(4, policy);
    for (auto& e : spec.endpoints) e.ready = false;
    auto& cluster = add(spec);
    const auto counts = spread(cluster, 1000);
    EXPECT_EQ(counts.size(), 4u);
    EXPECT_EQ(cluster.pick({}).reason, PickReason::kPanic);
    spec.locality.panic_percent = 0;
    add(spec);
    EXPECT_EQ(cluster.pick({}).reason, PickReason::kNoneAvailable);
    EXPECT_EQ(cluster.pick({}).backend, nullptr);
  }
  EXPECT_EQ(add(of(0)).pick({}).reason, PickReason::kNoEndpoints);
}

TEST_F(ClusterTest, LessThanTheLeastWeightServesNobody) {
  auto spec = of(3, Balancing::kRoundRobin);
  spec.locality.panic_percent = 0;
  spec.endpoints[0].weight = 50;
  spec.endpoints[1].weight = spec.endpoints[2].weight = 25;
  spec.endpoints[0].ready = false;
  for (const auto& [least, served] : {std::pair(0u, true), std::pair(50u, true), std::pair(51u, false)}) {
    SCOPED_TRACE(least);
    spec.locality.least_available = least;
    auto& cluster = add(spec);
    EXPECT_EQ(cluster.pick({}).reason, served ? PickReason::kBalanced : PickReason::kNoneAvailable);
    const net::Endpoint wanted{*Address::parse("10.0.0.2"), 80};
    EXPECT_EQ(cluster.pick_persistent(wanted, {}).backend != nullptr, served) << "of sessions, too";
  }
}

TEST_F(ClusterTest, SlowStartFavoursTheOld) {
  for (const auto policy : {Balancing::kRandom, Balancing::kRoundRobin}) {
    SCOPED_TRACE(static_cast<int>(policy));
    auto spec = of(2, policy);
    spec.slow_start.window = milliseconds(10'000);
    auto& cluster = add(spec);
    auto counts = spread(cluster, 1000);
    EXPECT_NEAR(counts["10.0.0.1:80"], 500, 80) << "all are new: none is slow";
    spec.endpoints.push_back(endpoint("10.0.0.9"));
    add(spec);
    clock.pass(1000);
    counts = spread(cluster, 10'000);
    EXPECT_NEAR(counts["10.0.0.9:80"], 10'000 * 0.1 / 2.1, 150);  // a tenth of the others' weight
    clock.pass(4000);
    counts = spread(cluster, 10'000);
    EXPECT_NEAR(counts["10.0.0.9:80"], 10'000 * 0.5 / 2.5, 250);
    clock.pass(5000);
    counts = spread(cluster, 9000);
    EXPECT_NEAR(counts["10.0.0.9:80"], 3000, 250);
    set.apply({.removed = {"c"}});
    clock.pass(2000);
  }
}

TEST_F(ClusterTest, APersistentSessionStaysThroughDrainingButNotThroughFailure) {
  auto spec = of(3);
  spec.ejection.emplace();
  auto& cluster = add(spec);
  const net::Endpoint wanted{*Address::parse("10.0.0.2"), 80};
  for (int i = 0; i < 50; ++i) {
    const auto pick = cluster.pick_persistent(wanted, {});
    ASSERT_EQ(pick.backend->name(), "10.0.0.2:80");
    ASSERT_EQ(pick.reason, PickReason::kPersistent);
  }
  spec.endpoints[1].draining = true;
  add(spec);
  EXPECT_EQ(cluster.pick_persistent(wanted, {}).reason, PickReason::kPersistent);
  fail_at(cluster, backend("10.0.0.2"), 5);
  EXPECT_EQ(cluster.pick_persistent(wanted, {}).reason, PickReason::kBalanced);
  spec.endpoints.erase(spec.endpoints.begin() + 1);
  add(spec);
  EXPECT_NE(cluster.pick_persistent(wanted, {}).backend, nullptr);
  EXPECT_EQ(cluster.counters().persistence_lost, 2u);
  EXPECT_EQ(cluster.counters().picks_persistent, 51u);
}

TEST_F(ClusterTest, EjectsAndTakesBack) {
  auto spec = of(4);
  spec.ejection = EjectionSpec{.base_time = milliseconds(1000), .max_percent = 50};
  auto& cluster = add(spec);
  fail_at(cluster, backend("10.0.0.3"), 4);
  EXPECT_TRUE(ejected.empty());
  fail_at(cluster, backend("10.0.0.3"), 1);
  ASSERT_EQ(ejected.size(), 1u);
  EXPECT_EQ(ejected[0], (std::pair{std::string("10.0.0.3:80"), EjectionCause::kLocalFailures}));
  EXPECT_EQ(spread(cluster, 1000).count("10.0.0.3:80"), 0u);
  EXPECT_EQ(cluster.ejected(), 1u);
  clock.pass(999);
  EXPECT_TRUE(returned.empty());
  clock.pass(1);
  EXPECT_EQ(returned, std::vector<std::string>{"10.0.0.3:80"});
  EXPECT_GT(spread(cluster, 1000).at("10.0.0.3:80"), 100);
  // Half of four at once, and no more.
  for (const char* address : {"10.0.0.1", "10.0.0.2", "10.0.0.4"})
    fail_at(cluster, backend(address), 5, {.status = 500});
  EXPECT_EQ(cluster.ejected(), 2u);
  EXPECT_EQ(cluster.counters().ejections_suppressed, 1u);
  EXPECT_EQ(cluster.counters().ejections, 3u);
  clock.pass(10'000);
  EXPECT_EQ(cluster.ejected(), 0u);
  EXPECT_EQ(cluster.counters().ejection_returns, 3u);
}

TEST_F(ClusterTest, StatisticsAreJudgedAtTheEndOfAnInterval) {
  auto spec = of(6);
  spec.ejection =
      EjectionSpec{.consecutive_5xx = 0, .interval = milliseconds(5000), .failure_percent = 40, .max_percent = 50};
  auto& cluster = add(spec);
  cluster.for_each([&](Backend& b) {
    const bool bad = b.name() == "10.0.0.6:80";
    for (int i = 0; i < 100; ++i)
      fail_at(cluster, b, 1, {.status = static_cast<std::uint16_t>(bad && i % 2 == 0 ? 500 : 200)});
  });
  clock.pass(4999);
  EXPECT_TRUE(ejected.empty());
  clock.pass(1);
  ASSERT_EQ(ejected.size(), 1u);
  EXPECT_EQ(ejected[0], (std::pair{std::string("10.0.0.6:80"), EjectionCause::kFailurePercent}));
  for (int i = 0; i < 100; ++i) clock.pass(5000);
  EXPECT_EQ(clock.timers().armed(), 0u) << "without traffic nothing ticks";
}

TEST_F(ClusterTest, BreakersAndBudgetRefuse) {
  auto spec = of(1);
  spec.breakers.max_requests = 3;
  spec.breakers.max_retries = 2;
  spec.retry_budget = {.percent = 0, .least_concurrency = 1};
  auto& cluster = add(spec);
  auto& b = backend("10.0.0.1");
  EXPECT_FALSE(cluster.admit(b, false));
  EXPECT_FALSE(cluster.admit(b, true));
  EXPECT_EQ(cluster.admit(b, true), Refusal::kBudget);
  EXPECT_FALSE(cluster.admit(b, false));
  EXPECT_EQ(cluster.admit(b, false), Refusal::kRequests);
  cluster.finish(b, true);
  EXPECT_FALSE(cluster.admit(b, true)) << "the budget has room again";
  cluster.finish(b, true);
  cluster.finish(b, false);
  cluster.finish(b, false);
  EXPECT_EQ(cluster.active(), 0u);
  EXPECT_EQ(cluster.counters().overflow_requests, 1u);
  EXPECT_EQ(cluster.counters().retries_over_budget, 1u);
  EXPECT_EQ(cluster.counters().retries, 2u);
  EXPECT_EQ(cluster.counters().requests, 4u);
}

TEST_F(ClusterTest, BackendsAtTheirLimitAreSkippedThenRefused) {
  auto spec = of(3);
  spec.backend_breakers.max_requests = 2;
  auto& cluster = add(spec);
  for (int i = 0; i < 6; ++i) {
    const auto pick = cluster.pick({});
    ASSERT_NE(pick.backend, nullptr) << i;
    ASSERT_FALSE(cluster.admit(*pick.backend, false)) << i;
  }
  EXPECT_EQ(cluster.pick({}).reason, PickReason::kAllLimited);
  EXPECT_EQ(cluster.counters().all_limited, 1u);
}

TEST_F(ClusterTest, AChangeKeepsWhatItDoesNotConcern) {
  auto spec = of(3);
  spec.ejection.emplace();
  auto& cluster = add(spec);
  auto* kept = &backend("10.0.0.1");
  auto* gone = &backend("10.0.0.2");
  fail_at(cluster, *kept, 5);
  test::Request on_kept, on_gone;
  ASSERT_FALSE(cluster.admit(*gone, false));
  ASSERT_TRUE(on_kept.ask(kept->pool()));
  ASSERT_TRUE(on_gone.ask(gone->pool()));
  for (auto* session : factory.open()) session->become_ready();
  on_kept.stream->finish();
  spec.endpoints.erase(spec.endpoints.begin() + 1);
  spec.endpoints[0].weight = 7;
  add(spec);
  clock.pass(5000);
  EXPECT_EQ(&backend("10.0.0.1"), kept);
  EXPECT_TRUE(kept->ejection().ejected());
  EXPECT_EQ(kept->pool().idle(), 1u);
  EXPECT_EQ(kept->counters().requests, 5u);
  EXPECT_EQ(gone->active(), 1u) << "its request goes on";
  EXPECT_EQ(spread(cluster, 100).count("10.0.0.2:80"), 0u);
  on_gone.stream->finish();
  cluster.observe(*gone, {.status = 200});
  cluster.finish(*gone, false);
  clock.pass(1000);
  EXPECT_EQ(factory.open().size(), 1u) << "the removed one's connection is closed";
  EXPECT_EQ(cluster.active(), 0u);
}

TEST_F(ClusterTest, ABackendThatComesBackAtOnceIsTheSame) {
  auto spec = of(2);
  auto& cluster = add(spec);
  auto* first = &backend("10.0.0.1");
  ASSERT_FALSE(cluster.admit(*first, false));
  const auto all = spec.endpoints;
  spec.endpoints.erase(spec.endpoints.begin());
  add(spec);
  spec.endpoints = all;
  add(spec);
  EXPECT_EQ(&backend("10.0.0.1"), first);
  EXPECT_EQ(first->active(), 1u);
  EXPECT_TRUE(first->available());
  cluster.finish(*first, false);
}

TEST_F(ClusterTest, TheSameEndpointTwiceCountsOnce) {
  for (const auto policy : kPolicies) {
    auto spec = of(2, policy);
    spec.endpoints.push_back(spec.endpoints[0]);
    auto& cluster = add(spec);
    EXPECT_EQ(cluster.available(), 2u);
    EXPECT_EQ(spread(cluster, 500).size(), 2u);
  }
}

TEST_F(ClusterTest, ARemovedClusterEndsWithItsLastRequest) {
  auto& cluster = add(of(1));
  auto& b = backend("10.0.0.1");
  ASSERT_FALSE(cluster.admit(b, false));
  set.apply({.removed = {"c", "never-there"}});
  EXPECT_EQ(set.find("c"), nullptr);
  clock.pass(5000);
  set.sweep();
  EXPECT_EQ(set.leaving(), 1u);
  cluster.observe(b, {.status = 200});
  cluster.finish(b, false);
  clock.pass(1000);
  set.sweep();
  EXPECT_EQ(set.leaving(), 0u);
  EXPECT_EQ(set.past_counters().requests, 1u);
  EXPECT_EQ(set.past_counters().responses, 1u);
}

TEST_F(ClusterTest, HealthReachesEveryClusterThatUsesTheTargetAndThoseThatComeLater) {
  auto spec = of(2);
  spec.checks.emplace_back();
  const auto id = target_id(spec.endpoints[0], spec.checks[0]);
  auto& cluster = add(spec);
  set.apply_health(std::vector<HealthChange>{{id, false}, {id, false}});
  EXPECT_EQ(cluster.available(), 1u);
  EXPECT_EQ(cluster.counters().became_unhealthy, 1u);
  spec.name = "later";
  set.apply({.updated = {std::make_shared<const ClusterSpec>(spec)}});
  EXPECT_EQ(set.find("later")->available(), 1u);
  set.apply_health(std::vector<HealthChange>{{id, true}});
  EXPECT_EQ(cluster.available(), 2u);
  EXPECT_EQ(set.find("later")->available(), 2u);
  set.apply_health(std::make_shared<const std::vector<TargetId>>(std::vector{id}));
  EXPECT_EQ(cluster.available(), 1u);
  spec.name = "c";
  spec.checks.clear();  // nobody checks: nothing is known against it
  add(spec);
  EXPECT_EQ(cluster.available(), 2u);
}

TEST_F(ClusterTest, CountersAreSummedByName) {
  ClusterCounters one{.requests = 1, .dns_negative = 5};
  const ClusterCounters two{.requests = 2, .connects = 3};
  one += two;
  EXPECT_EQ(one.requests, 3u);
  EXPECT_EQ(one.connects, 3u);
  EXPECT_EQ(one.dns_negative, 5u);
}

TEST_F(ClusterTest, AvailabilityIsNeverMiscountedUnderARandomLife) {
  Random dice(77);
  for (const auto policy : kPolicies) {
    SCOPED_TRACE(static_cast<int>(policy));
    auto spec = of(12, policy);
    spec.checks.emplace_back();
    spec.ejection = EjectionSpec{.interval = milliseconds(500),
                                 .failure_percent = 80,
                                 .failure_percent_requests = 5,
                                 .base_time = milliseconds(300),
                                 .max_percent = 40};
    auto& cluster = add(spec);
    std::vector<std::pair<Backend*, bool>> running;
    for (int step = 0; step < 4000; ++step) {
      switch (dice.below(6)) {
        case 0: {
          auto changed = spec;
          std::erase_if(changed.endpoints, [&](auto&) { return dice.below(4) == 0; });
          for (auto& e : changed.endpoints) {
            e.weight = dice.below(4);
            e.ready = dice.below(5) != 0;
          }
          if (dice.below(5) == 0) add(changed);
          break;
        }
        case 1:
          set.apply_health(std::vector<HealthChange>{
              {target_id(spec.endpoints[dice.below(12)], spec.checks[0]), dice.below(2) == 0}});
          break;
        case 2: clock.pass(dice.below(200)); break;
        case 3:
          if (!running.empty()) {
            const auto [b, retry] = running.front();
            running.erase(running.begin());
            cluster.observe(*b, {.status = static_cast<std::uint16_t>(dice.below(2) == 0 ? 503 : 200)});
            cluster.finish(*b, retry);
          }
          break;
        default:
          if (auto* b = cluster.pick({}).backend; b != nullptr) {
            ASSERT_FALSE(b->removed());
            const bool retry = dice.below(4) == 0;
            if (!cluster.admit(*b, retry)) running.emplace_back(b, retry);
          }
      }
      std::uint32_t available = 0;
      std::uint32_t out = 0;
      std::uint32_t active = 0;
      cluster.for_each([&](const Backend& b) {
        available += b.available();
        out += b.ejection().ejected();
        active += b.active();
      });
      ASSERT_EQ(cluster.available(), available) << "step " << step;
      ASSERT_EQ(cluster.ejected(), out) << "step " << step;
      ASSERT_EQ(cluster.active(), running.size());
      ASSERT_LE(active, running.size());
    }
    for (const auto& [b, retry] : running) cluster.finish(*b, retry);
    EXPECT_EQ(cluster.active(), 0u);
    EXPECT_EQ(cluster.retry_budget().active_retries(), 0u);
    set.apply({.removed = {"c"}});
    clock.pass(5000);
    set.sweep();
  }
}

}  // namespace
}  // namespace fairlead::upstream
