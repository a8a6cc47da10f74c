// SPDX-License-Identifier: Apache-2.0
// What limits cost: CPU of local ones for each request, and the rate of exact ones in Redis beside redis-benchmark's
// for the same script. Usage: limit_bench [--json]
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "bench/cpu_time.hpp"
#include "bench/figures.hpp"
#include "fairlead/limit/key.hpp"
#include "fairlead/limit/local.hpp"
#include "fairlead/limit/redis_client.hpp"
#include "fairlead/model/request_limits.hpp"
#include "unit/filter/consumers.hpp"
#include "unit/filter/fake_request.hpp"

namespace fairlead::limit {
namespace {

double wall_s() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

/// CPU nanoseconds of one call; the median of seven runs.
double each_ns(int count, const std::function<void(int)>& call) {
  std::vector<double> runs;
  for (int run = 0; run < 7; ++run) {
    const auto begin = bench::cpu_ns();
    for (int i = 0; i < count; ++i) call(i);
    runs.push_back((bench::cpu_ns() - begin) / count);
  }
  return bench::median(std::move(runs));
}

Rule rule_of(Algorithm algorithm) {
  Rule rule{.algorithm = algorithm, .requests = 1'000'000'000, .burst = 1'000'000'000, .per_us = 60'000'000};
  rule.settle();
  return rule;
}

void measure_tables(bench::Figures& figures) {
  constexpr std::int64_t kNow = 1'790'000'000'000'000;
  for (const auto& [name, algorithm] :
       {std::pair{"token bucket", Algorithm::kTokenBucket}, std::pair{"fixed window", Algorithm::kFixedWindow},
        std::pair{"sliding window", Algorithm::kSlidingWindow}}) {
    const auto rule = rule_of(algorithm);
    for (const std::uint64_t keys : {std::uint64_t{1}, std::uint64_t{1'000'000}}) {
      Counts counts(algorithm, 4 << 20);
      const auto ns = each_ns(1'000'000, [&](int i) {
        const auto key = static_cast<std::uint64_t>(i) % keys;
        std::array items{Item{.rule = &rule, .counts = &counts, .hash = (key + 1) * 0x9e3779b97f4a7c15}};
        take_all(items, kNow);
      });
      figures.add(std::string("limit: ") + name + ", " + std::to_string(keys) + " keys", ns, "ns");
      if (keys > 1)
        figures.add(std::string("limit: ") + name + ", memory for a key of 1000000",
                    static_cast<double>(counts.table().bytes()) / 1e6, "bytes");
    }
  }
}

/// Both cores at one key, and at keys of their own.
void measure_threads(bench::Figures& figures) {
  const auto rule = rule_of(Algorithm::kTokenBucket);
  for (const bool same : {true, false}) {
    Counts counts(Algorithm::kTokenBucket);
    std::array<double, 2> ns{};
    std::vector<std::thread> threads;
    for (std::size_t thread = 0; thread < ns.size(); ++thread)
      threads.emplace_back([&, thread] {
        ns[thread] = each_ns(500'000, [&](int i) {
          std::array items{
              Item{.rule = &rule, .counts = &counts, .hash = same ? 7 : (thread + 1) * 0x9e3779b97f4a7c15}};
          take_all(items, 1'790'000'000'000'000 + i);
        });
      });
    for (auto& thread : threads) thread.join();
    figures.add(same ? "limit: two threads, one key" : "limit: two threads, keys of their own", (ns[0] + ns[1]) / 2,
                "ns");
  }
}

/// The filter as a whole: key, hash, count, and the response's fields.
void measure_filter(bench::Figures& figures) {
  filter::FakeContext fake;
  auto context = fake.get();
  model::RateLimits settings;
  settings.limits.resize(1);
  settings.limits[0].name = "all";
  settings.limits[0].requests = 1'000'000'000;
  settings.limits[0].key.resize(1);
  const auto made = filter::make_rate_limits(settings, context);
  std::vector<auth::ConsumerPtr> consumers;
  for (int i = 0; i < 100'000; ++i) consumers.push_back(filter::make_consumer("consumer-" + std::to_string(i)));
  filter::FakeRequest request;
  http::ResponseHead head;
  figures.add("limit: filter, consumer's key, 100000 consumers, with RateLimit fields",
              each_ns(500'000,
                      [&](int i) {
                        request.identity().consumer =
                            consumers[static_cast<std::size_t>(i) * 7919 % consumers.size()].get();
                        made->on_request(request);
                        head.fields.clear();
                        made->on_response(request, head);
                        request.end();
                        request.arena().reset();
                      }),
              "ns", 1000);
}

// ---- Redis --------------------------------------------------------------------------------------------------------

void pin(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<unsigned>(cpu), &set);
  sched_setaffinity(0, sizeof set, &set);
}

/// A redis-server of our own, on the last core.
class Server {
 public:
  explicit Server(int port) : port_(port) {
    pid_ = fork();
    if (pid_ != 0) return;
    pin(static_cast<int>(std::thread::hardware_concurrency()) - 1);
    const auto text = std::to_string(port);
    std::freopen("/dev/null", "w", stdout);
    execlp("redis-server", "redis-server", "--port", text.c_str(), "--bind", "127.0.0.1", "--save", "", nullptr);
    _exit(127);
  }
  ~Server() {
    if (pid_ <= 0) return;
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  /// Until it answers; false: there is none.
  [[nodiscard]] bool ready() const {
    const auto ping = "redis-cli -p " + std::to_string(port_) + " PING >/dev/null 2>&1";
    for (int i = 0; i < 100; ++i) {
      if (std::system(ping.c_str()) == 0) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return false;
  }

 private:
  int port_;
  pid_t pid_;
};

constexpr int kParallel = 64;
constexpr int kAsks = 100'000;

/// 64 requests at a time through one client, as a worker has it.
class Load {
 public:
  Load(event::Reactor& reactor, const std::string& address)
      : reactor_(reactor), rule_(rule_of(Algorithm::kTokenBucket)) {
    auto config = std::make_shared<RedisConfig>();
    config->addresses = {address};
    config->timeout = std::chrono::seconds(10);
    client_ = std::make_unique<RedisClient>(reactor, config, nullptr);
    for (auto& one : asks_) {
      one.load = this;
      one.item = {.rule = &rule_, .key = "fairlead:{bench}:all"};
    }
  }
  double run() {
    const auto begin = wall_s();
    for (auto& one : asks_) one.next();
    reactor_.run();
    return kAsks / (wall_s() - begin);
  }
  std::vector<double> waits_us;
  int wrong = 0;

 private:
  struct Ask {
    struct Under final : RedisAsk {
      explicit Under(Ask& of) : RedisAsk({&of.item, 1}), owner(of) {}
      void on_answer(bool allowed) override { owner.done(allowed); }
      void on_no_answer(NoAnswer) override { owner.done(false); }
      Ask& owner;
    };
    void next() {
      under = std::make_unique<Under>(*this);
      began = load->reactor_.now_ns();
      if (!load->client_->ask(*under)) done(false);
    }
    void done(bool allowed) {
      load->wrong += allowed ? 0 : 1;
      load->waits_us.push_back(static_cast<double>(load->reactor_.now_ns() - began) / 1000);
      if (++load->asked_ >= kAsks) load->reactor_.stop();
      else if (load->asked_ + kParallel <= kAsks) load->reactor_.post([this] { next(); });
    }
    Load* load = nullptr;
    SharedItem item{};
    std::unique_ptr<Under> under;
    std::uint64_t began = 0;
  };
  event::Reactor& reactor_;
  Rule rule_;
  std::unique_ptr<RedisClient> client_;
  std::array<Ask, kParallel> asks_;
  int asked_ = 0;
};

/// redis-benchmark's requests per second for the script, by 64 connections.
double by_redis_benchmark(const std::string& port) {
  const auto rule = rule_of(Algorithm::kTokenBucket);
  std::string command = "redis-cli -p " + port + " SCRIPT LOAD '";
  for (const char c : redis_script()) command += c == '\'' ? std::string("'\\''") : std::string(1, c);
  command += "' >/dev/null";
  if (std::system(command.c_str()) != 0) return 0;
  command = "redis-benchmark -p " + port + " -c 64 -n 50000 -q EVALSHA " + redis_script_sha() +
            " 1 'fairlead:{bench}:all' T 1 " + std::to_string(rule.requests) + " " + std::to_string(rule.per_units) +
            " " + std::to_string(rule.burst * rule.per_units) + " " + std::to_string(rule.unit_us) +
            " 0 0 0 | tr '\\r' '\\n' | tail -2";
  auto* out = popen(command.c_str(), "r");
  std::string text(4096, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), out));
  pclose(out);
  const auto end = text.rfind(" requests per second");
  if (end == std::string::npos) return 0;
  const auto begin = text.rfind(' ', end - 1);
  return std::strtod(text.c_str() + begin, nullptr);
}

void measure_redis(bench::Figures& figures, int port) {
  const Server server(port);
  const auto text = std::to_string(port);
  if (!server.ready()) return figures.lack("limit: Redis", "no redis-server");
  pin(0);
  std::vector<double> ours, theirs, p99;
  for (int round = 0; round < 3; ++round) {
    auto reactor = event::Reactor::create();
    if (!reactor) return;
    Load load(**reactor, "127.0.0.1:" + text);
    ours.push_back(load.run());
    if (load.wrong > 0) figures.lack("limit: Redis", "some requests had no answer");
    std::ranges::sort(load.waits_us);
    p99.push_back(load.waits_us[load.waits_us.size() * 99 / 100]);
    theirs.push_back(by_redis_benchmark(text));
  }
  const auto rate = bench::median(ours), benchmark = bench::median(theirs);
  figures.add("limit: exact in Redis, 64 at a time", rate, "requests/s");
  figures.add("limit: redis-benchmark, the same script, 64 connections", benchmark, "requests/s");
  figures.add("limit: exact in Redis, of redis-benchmark's rate", rate / benchmark, "", 0.8, bench::Goal::kAtLeast);
  figures.add("limit: exact in Redis, p99 at that rate", bench::median(p99), "us");
}

}  // namespace
}  // namespace fairlead::limit

int main(int count, char** arguments) {
  using namespace fairlead;
  bench::Figures figures(count > 1 && std::string_view(arguments[1]) == "--json");
  limit::measure_tables(figures);
  limit::measure_threads(figures);
  limit::measure_filter(figures);
  limit::measure_redis(figures, 20000 + static_cast<int>(getpid() % 20000));
}
