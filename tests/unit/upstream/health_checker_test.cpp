// SPDX-License-Identifier: Apache-2.0
#include "fairlead/upstream/health_checker.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "unit/upstream/doubles.hpp"

namespace fairlead::upstream {
namespace {

using test::endpoint;

/// Probes that end when the test says so.
class FakeProber final : public Prober {
 public:
  struct Entry final : Probe {
    Entry(FakeProber& its_prober, std::string where, ProbeListener& who)
        : prober(its_prober), address(std::move(where)), listener(who) {
      prober.running.push_back(this);
    }
    ~Entry() override { std::erase(prober.running, this); }
    FakeProber& prober;
    std::string address;
    ProbeListener& listener;
  };
  Result<std::unique_ptr<Probe>> start(const EndpointSpec& at, const HealthCheckSpec&,
                                       const std::shared_ptr<const void>&, ProbeListener& listener) override {
    ++started[at.address.address.text()];
    if (refuses) return fail("connect: no route");
    return std::make_unique<Entry>(*this, at.address.address.text(), listener);
  }
  void answer(const std::string& address, ProbeEnd end) {
    const auto found = std::ranges::find(running, address, &Entry::address);
    ASSERT_NE(found, running.end()) << "nobody probes " << address;
    (*found)->listener.on_probe(end, end == ProbeEnd::kSuccess ? "" : "status 503");
  }
  void answer(const std::string& address, bool success) {
    answer(address, success ? ProbeEnd::kSuccess : ProbeEnd::kAnswer);
  }
  std::vector<Entry*> running;
  std::map<std::string, int> started;
  bool refuses = false;
};

class HealthCheckerTest : public testing::Test, public HealthListener {
 protected:
  void on_health(HealthChange change, std::string_view why) override {
    changes.push_back((change.healthy ? "+" : "-") + std::string(why));
  }

  static ClusterSpec of(const std::string& name, std::initializer_list<const char*> addresses) {
    ClusterSpec spec;
    spec.name = name;
    for (const auto* address : addresses) spec.endpoints.push_back(endpoint(address));
    spec.checks.push_back({.interval = milliseconds(1000),
                           .no_traffic_interval = milliseconds(5000),
                           .timeout = milliseconds(300),
                           .jitter_percent = 0,
                           .healthy_threshold = 2,
                           .unhealthy_threshold = 3});
    return spec;
  }
  void answer(bool success) {
    prober.answer("10.0.0.1", success);
    clock.end_turn();
  }

  FakeProber prober;
  test::ManualClock clock;
  std::vector<std::string> changes;
  HealthChecker checker{clock, prober, *this, 1};
};

TEST_F(HealthCheckerTest, TheFirstAnswerCountsAloneThenThresholdsHold) {
  checker.apply(of("a", {"10.0.0.1"}));
  ASSERT_EQ(prober.running.size(), 1u) << "at once";
  answer(false);
  EXPECT_EQ(changes, std::vector<std::string>{"-status 503"});
  clock.pass(999);
  EXPECT_TRUE(prober.running.empty());
  clock.pass(1);
  answer(true);
  EXPECT_EQ(changes.size(), 1u) << "one success is not enough";
  clock.pass(1000);
  answer(true);
  EXPECT_EQ(changes, (std::vector<std::string>{"-status 503", "+"}));
  for (int i = 0; i < 2; ++i) {
    clock.pass(1000);
    answer(false);
  }
  clock.pass(1000);
  answer(true);  // ends the run
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(changes.size(), 2u);
    clock.pass(1000);
    answer(false);
  }
  EXPECT_EQ(changes.back(), "-status 503");
  EXPECT_EQ(checker.snapshot()->size(), 1u);
  EXPECT_EQ(checker.counters().became_unhealthy, 2u);
  EXPECT_EQ(checker.counters().became_healthy, 1u);
}

TEST_F(HealthCheckerTest, AProbeTimesOutAndMayFailAtOnce) {
  checker.apply(of("a", {"10.0.0.1"}));
  clock.pass(299);
  EXPECT_TRUE(changes.empty());
  clock.pass(1);
  EXPECT_EQ(changes, std::vector<std::string>{"-timed out"});
  EXPECT_TRUE(prober.running.empty()) << "given up";
  EXPECT_EQ(checker.counters().timeouts, 1u);
  EXPECT_EQ(checker.probing(), 0u);
  prober.refuses = true;
  clock.pass(1000);
  EXPECT_EQ(checker.counters().failures, 2u);
}

TEST_F(HealthCheckerTest, KindsOfFailureMayCountApart) {
  using enum ProbeEnd;
  auto spec = of("a", {"10.0.0.1"});
  spec.checks[0].unhealthy_interval = milliseconds(100);
  spec.checks[0].unhealthy_thresholds = {2, 0, 3};  // connects, time-outs, answers
  checker.apply(spec);
  const auto end = [&](ProbeEnd how) {
    prober.answer("10.0.0.1", how);
    clock.end_turn();
    clock.pass(1000);
  };
  end(kSuccess);
  for (const auto how :
       {kConnect, kTimeout, kTimeout, kTimeout, kAnswer, kAnswer, kSuccess, kConnect, kAnswer, kAnswer}) {
    end(how);
    EXPECT_TRUE(changes.empty());
  }
  prober.answer("10.0.0.1", kAnswer);
  clock.end_turn();
  EXPECT_EQ(changes, std::vector<std::string>{"-status 503"}) << "the third without a success between";
  clock.pass(99);
  EXPECT_TRUE(prober.running.empty());
  clock.pass(1);
  prober.answer("10.0.0.1", kSuccess);
  clock.end_turn();
  clock.pass(100);
  EXPECT_EQ(prober.running.size(), 1u) << "it is not healthy yet";
  prober.answer("10.0.0.1", kSuccess);
  clock.end_turn();
  EXPECT_EQ(changes.size(), 2u);
  clock.pass(999);
  EXPECT_TRUE(prober.running.empty());
}

TEST_F(HealthCheckerTest, AnAnswerThatSaysNothingChangesNothing) {
  using enum ProbeEnd;
  auto spec = of("a", {"10.0.0.1"});
  spec.checks[0].unhealthy_thresholds = {0, 0, 2};
  checker.apply(spec);
  for (const auto how : {kUnclear, kUnclear, kSuccess, kAnswer, kUnclear}) {
    prober.answer("10.0.0.1", how);
    clock.end_turn();
    EXPECT_TRUE(changes.empty());
    clock.pass(1000);
  }
  prober.answer("10.0.0.1", kAnswer);
  clock.end_turn();
  EXPECT_EQ(changes.size(), 1u) << "the second failure, with none of both between";
}

TEST_F(HealthCheckerTest, TheFirstFailureCountsWhereItsKindDoes) {
  auto spec = of("a", {"10.0.0.1"});
  spec.checks[0].unhealthy_thresholds = {2, 0, 3};
  checker.apply(spec);
  prober.answer("10.0.0.1", ProbeEnd::kTimeout);
  clock.end_turn();
  EXPECT_TRUE(changes.empty());
}

TEST_F(HealthCheckerTest, ATargetIsProbedOnceHoweverManyUseIt) {
  checker.apply(of("a", {"10.0.0.1", "10.0.0.2"}));
  checker.apply(of("b", {"10.0.0.1"}));
  auto other = of("c", {"10.0.0.1"});
  other.checks[0].path = "/other";
  checker.apply(other);
  EXPECT_EQ(checker.targets(), 3u);
  EXPECT_EQ(prober.started["10.0.0.1"], 2) << "the second path is another question";
  checker.remove("a");
  clock.end_turn();
  EXPECT_EQ(checker.targets(), 2u);
  checker.remove("b");
  checker.remove("c");
  checker.remove("never there");
  clock.end_turn();
  EXPECT_EQ(checker.targets(), 0u);
  EXPECT_TRUE(prober.running.empty());
  EXPECT_EQ(checker.probing(), 0u);
  EXPECT_EQ(clock.timers().armed(), 0u);
}

TEST_F(HealthCheckerTest, AChangeKeepsTheStateOfWhatStays) {
  checker.apply(of("a", {"10.0.0.1"}));
  answer(false);
  checker.apply(of("a", {"10.0.0.1", "10.0.0.2"}));
  EXPECT_EQ(prober.started["10.0.0.1"], 1);
  EXPECT_EQ(checker.snapshot()->size(), 1u);
  checker.apply(of("a", {"10.0.0.2"}));
  clock.end_turn();
  EXPECT_EQ(changes.back(), "+no longer checked");
  EXPECT_TRUE(checker.snapshot()->empty());
}

TEST_F(HealthCheckerTest, WithoutTrafficItAsksLessOften) {
  checker.apply(of("a", {"10.0.0.1"}));
  checker.apply(of("b", {"10.0.0.1"}));
  checker.set_traffic("a", false);
  answer(true);
  clock.pass(1000);
  EXPECT_EQ(prober.started["10.0.0.1"], 2) << "the other cluster has traffic";
  checker.set_traffic("b", false);
  answer(true);
  clock.pass(4999);
  EXPECT_EQ(prober.started["10.0.0.1"], 2);
  clock.pass(1);
  EXPECT_EQ(prober.started["10.0.0.1"], 3);
  checker.set_traffic("a", true);
  answer(true);
  clock.pass(1000);
  EXPECT_EQ(prober.started["10.0.0.1"], 4);
}

TEST_F(HealthCheckerTest, ProbesUnderWayAreLimited) {
  ClusterSpec spec = of("a", {});
  for (int i = 0; i < 600; ++i)
    spec.endpoints.push_back(endpoint("10.1." + std::to_string(i / 200) + "." + std::to_string(i % 200)));
  checker.apply(spec);
  EXPECT_EQ(prober.running.size(), HealthChecker::kMaxProbes);
  for (int i = 0; i < 600; ++i) {
    ASSERT_FALSE(prober.running.empty());
    prober.running.front()->listener.on_probe(ProbeEnd::kSuccess, "");
    clock.end_turn();
    ASSERT_LE(prober.running.size(), HealthChecker::kMaxProbes);
  }
  EXPECT_EQ(checker.counters().successes, 600u);
  EXPECT_TRUE(prober.running.empty());
}

TEST_F(HealthCheckerTest, JitterSpreadsProbes) {
  ClusterSpec spec = of("a", {});
  spec.checks[0].jitter_percent = 50;
  for (int i = 0; i < 100; ++i) spec.endpoints.push_back(endpoint("10.1.0." + std::to_string(i)));
  checker.apply(spec);
  while (!prober.running.empty()) {
    prober.running.front()->listener.on_probe(ProbeEnd::kSuccess, "");
    clock.end_turn();
  }
  clock.pass(999);
  EXPECT_EQ(checker.counters().probes, 100u);
  clock.pass(250);
  EXPECT_NEAR(static_cast<double>(checker.counters().probes), 150, 25);
  clock.pass(252);
  EXPECT_EQ(checker.counters().probes, 200u);
}

TEST_F(HealthCheckerTest, SaysWhatIsKnownOfEachBackend) {
  auto spec = of("a", {"10.0.0.1"});
  spec.checks[0].port = 8081;
  checker.apply(spec);
  spec.name = "b";
  checker.apply(spec);
  EXPECT_EQ(checker.targets(), 1u) << "probed once";
  ASSERT_EQ(checker.states().size(), 2u) << "and told of both";
  EXPECT_FALSE(checker.states()[0].asked);
  answer(false);
  for (const auto& state : checker.states()) {
    EXPECT_EQ(state.backend, "10.0.0.1:8081");
    EXPECT_TRUE(state.asked);
    EXPECT_FALSE(state.healthy);
    EXPECT_EQ(state.why, "status 503");
  }
  EXPECT_EQ(checker.failing(), 1u);
}

}  // namespace
}  // namespace fairlead::upstream
