// SPDX-License-Identifier: Apache-2.0
// What a pick costs, by policy and count of endpoints; a change of health or of the spec; a breaker, on one thread and
// on two. No root, no network.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <deque>
#include <latch>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "bench/figures.hpp"
#include "fairlead/upstream/cluster_set.hpp"
#include "fairlead/upstream/hash.hpp"

namespace {

using namespace fairlead;
using namespace fairlead::upstream;
using bench::Figures;
using bench::median;

struct BenchClock final : Clock {
  [[nodiscard]] std::uint64_t now_ms() const override { return now_ns() / 1'000'000; }
  [[nodiscard]] std::uint64_t now_ns() const override {
    return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
  }
  [[nodiscard]] event::TimerWheel& timers() override { return wheel; }
  void retire(std::unique_ptr<event::Retired> object) override { object.reset(); }
  event::TimerWheel wheel;
};

struct NoFactory final : SessionFactory {
  Result<std::unique_ptr<http::ClientSession>> connect(const ClusterSpec&, const EndpointSpec&, const ClientEnds*,
                                                       http::ClientSessionOwner&) override {
    return fail("no connections here");
  }
};

struct Policy {
  const char* name;
  Balancing policy;
  bool weighted;
};

ClusterSpec cluster_of(std::uint32_t endpoints, const Policy& policy) {
  ClusterSpec spec;
  spec.name = "bench";
  spec.balancing.policy = policy.policy;
  for (std::uint32_t i = 0; i < endpoints; ++i) {
    auto& endpoint = spec.endpoints.emplace_back();
    char text[16];
    std::snprintf(text, sizeof text, "10.%u.%u.%u", i >> 16 & 255, i >> 8 & 255, i & 255);
    endpoint.address = {*Address::parse(text), 80};
    endpoint.weight = policy.weighted ? 1 + i % 7 : 1;
  }
  return spec;
}

double nanoseconds_each(std::uint32_t times, auto&& work) {
  std::vector<double> rounds;
  for (int round = 0; round < 7; ++round) {
    const auto start = std::chrono::steady_clock::now();
    for (std::uint32_t i = 0; i < times; ++i) work(i);
    rounds.push_back(std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count() /
                     times);
  }
  return median(rounds);
}

/// A try as a request makes it, with 64 under way, so that loads differ.
void measure_pick(Figures& figures, ClusterSet& set, const Policy& policy, std::uint32_t endpoints) {
  auto& cluster = *set.find("bench");
  std::deque<Backend*> running;
  const auto pick = [&](std::uint32_t i) { return cluster.pick({.hash = rehash(i, 1), .has_hash = true}).backend; };
  for (std::uint32_t i = 0; i < 64; ++i) {
    running.push_back(pick(i));
    (void)cluster.admit(*running.back(), false);
  }
  volatile std::uintptr_t sink = 0;
  const auto cost =
      nanoseconds_each(100'000, [&](std::uint32_t i) { sink = sink + reinterpret_cast<std::uintptr_t>(pick(i)); });
  const auto whole = nanoseconds_each(100'000, [&](std::uint32_t i) {
    auto* backend = pick(i);
    (void)cluster.admit(*backend, false);
    running.push_back(backend);
    cluster.observe(*running.front(), {.status = 200, .latency_ns = 1'000'000 + i % 1000});
    cluster.finish(*running.front(), false);
    running.pop_front();
  });
  for (auto* backend : running) cluster.finish(*backend, false);
  const auto name = std::string(policy.name) + ", " + std::to_string(endpoints) + " endpoints";
  figures.add("pick: " + name, cost, "ns");
  figures.add("pick, admit, observe, finish: " + name, whole, "ns");
}

void measure_changes(Figures& figures, ClusterSet& set, const Policy& policy, const ClusterSpec& spec) {
  const auto id = target_id(spec.endpoints[spec.endpoints.size() / 2], spec.checks[0]);
  bool healthy = false;
  const auto health = nanoseconds_each(1000, [&](std::uint32_t) {
    set.apply_health(std::vector<HealthChange>{{id, std::exchange(healthy, !healthy)}});
    (void)set.find("bench")->pick({});
  });
  const auto apply = nanoseconds_each(3, [&](std::uint32_t i) {
    auto changed = spec;
    changed.endpoints[0].weight = 1 + i;
    set.apply({.updated = {std::make_shared<const ClusterSpec>(std::move(changed))}});
    (void)set.find("bench")->pick({});
  });
  const auto name = std::string(policy.name) + ", " + std::to_string(spec.endpoints.size()) + " endpoints";
  figures.add("health of one changes, and a pick: " + name, health / 1000, "us");
  figures.add("a new spec, and a pick: " + name, apply / 1e6, "ms");
}

/// Nanoseconds of work(worker) on each of so many threads at the same time.
double on_threads(std::uint32_t threads, auto&& work) {
  std::vector<double> all(threads);
  std::latch ready(threads);
  {
    std::vector<std::jthread> running;
    for (std::uint32_t worker = 0; worker < threads; ++worker)
      running.emplace_back([&, worker] {
        ready.arrive_and_wait();
        all[worker] = nanoseconds_each(1'000'000, [&](std::uint32_t) { work(worker); });
      });
  }
  return median(all);
}

/// Of one worker, on cache lines of its own as in a cluster.
struct alignas(64) WorkersBreakers {
  WorkersBreakers(std::shared_ptr<SharedBreakers> shared, std::uint32_t worker) : of(std::move(shared), worker) {}
  Breakers of;
};

/// In and out, with a few in, as requests do.
void measure_breakers(Figures& figures) {
  for (const std::uint32_t limit : {0u, 1024u, 12u})
    for (const std::uint32_t threads : {1u, 2u}) {
      const auto shared = std::make_shared<SharedBreakers>(threads);
      std::deque<WorkersBreakers> breakers;
      for (std::uint32_t worker = 0; worker < threads; ++worker) {
        auto& of = breakers.emplace_back(shared, worker).of;
        of.set_limits({.max_requests = limit});
        for (int i = 0; i < 5; ++i) (void)of.try_enter(Breaker::kRequests);
      }
      const auto cost = on_threads(threads, [&](std::uint32_t worker) {
        auto& of = breakers[worker].of;
        if (of.try_enter(Breaker::kRequests)) of.leave(Breaker::kRequests);
      });
      const auto name = limit == 0 ? std::string("no limit") : "limit " + std::to_string(limit);
      figures.add("breaker, in and out: " + name + ", threads: " + std::to_string(threads), cost, "ns");
    }
  for (const std::uint32_t threads : {1u, 2u}) {
    std::atomic<std::uint32_t> count = 0;
    const auto cost = on_threads(threads, [&](std::uint32_t) {
      if (count.fetch_add(1) < 1024) count.fetch_sub(1);
    });
    figures.add("one atomic count, in and out, threads: " + std::to_string(threads), cost, "ns");
  }
}

}  // namespace

int main(int argc, char** argv) {
  Figures figures(argc > 1 && std::strcmp(argv[1], "--json") == 0);
  const Policy policies[] = {{"round robin", Balancing::kRoundRobin, false},
                             {"round robin, weights", Balancing::kRoundRobin, true},
                             {"random, weights", Balancing::kRandom, true},
                             {"least request", Balancing::kLeastRequest, false},
                             {"least request, weights", Balancing::kLeastRequest, true},
                             {"peak EWMA", Balancing::kPeakEwma, false},
                             {"ring hash", Balancing::kRingHash, false},
                             {"Maglev", Balancing::kMaglev, false}};
  for (const std::uint32_t endpoints : {10u, 1000u, 10'000u})
    for (const auto& policy : policies) {
      BenchClock clock;
      NoFactory factory;
      Random random(1);
      ClusterSet set({.clock = clock, .factory = factory, .random = random});
      auto spec = cluster_of(endpoints, policy);
      spec.checks.emplace_back();
      set.apply({.updated = {std::make_shared<const ClusterSpec>(spec)}});
      measure_pick(figures, set, policy, endpoints);
      if (endpoints == 10'000) measure_changes(figures, set, policy, spec);
    }
  measure_breakers(figures);
  return 0;
}
