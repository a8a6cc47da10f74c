// SPDX-License-Identifier: Apache-2.0
// What an agent of another version takes over from the maps that it replaces.
#include <bpf/bpf.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <set>
#include <stop_token>
#include <thread>

#include "agent/telemetry/counters.hpp"
#include "live/lifecycle/agent_fixture.hpp"
#include "live/lifecycle/service_yaml.hpp"
#include "support/netns.hpp"
#include "support/server.hpp"
#include "support/wait.hpp"

namespace fairlead {
namespace {

using namespace std::chrono_literals;
using test::TestServer;

constexpr std::uint16_t kServicePort = 80;

class SuccessionTest : public test::AgentTest {
 protected:
  SuccessionTest() {
    for (const auto& address : backends_) {
      netns_.ip({"address", "add", address + "/32", "dev", "lo"});
      for (const auto protocol : {TestServer::Protocol::kTcp, TestServer::Protocol::kUdp}) {
        const std::uint16_t port = servers_.empty() ? 0 : servers_.front()->port();
        servers_.push_back(std::make_unique<TestServer>(protocol, address, address, &netns_, port));
      }
    }
    cgroup_.enter();
  }
  static std::string address(int number) { return "10.96.0." + std::to_string(10 + number); }
  /// Services of that protocol and number, each with all backends.
  void configure(const std::string& protocol, int services, const std::string& spec = "") const {
    std::string text;
    for (int i = 0; i < services; ++i) {
      auto one = test::ServiceYaml{.name = "web-" + std::to_string(i),
                                   .address = address(i),
                                   .port = kServicePort,
                                   .protocol = protocol,
                                   .target_port = servers_.front()->port(),
                                   .endpoints = backends_}
                     .text();
      one.insert(one.find("spec:\n") + 6, spec);
      text += one + "---\n";
    }
    write("web.yaml", text);
  }
  /// An agent of another version in place of this one.
  void replace(std::unique_ptr<test::Process>& agent) const {
    agent->stop();
    auto words = command();
    words.front() = FAIRLEAD_NEXT_AGENT;
    agent = std::make_unique<test::Process>(test::ProcessOptions{.argv = words});
    ASSERT_TRUE(agent->wait_for("ready\n", 5min)) << agent->output();
    ASSERT_NE(agent->output().find("replacing the state"), std::string::npos) << agent->output();
    EXPECT_EQ(agent->output().find("not carried over"), std::string::npos) << agent->output();
  }
  fl_service service_row(int number) const {
    return look_up<fl_service>("fl_services", service_id(address(number), kServicePort, FL_TCP));
  }
  /// The row of the backend of the service of that number.
  std::uint32_t backend_row(int number, const std::string& address) const {
    const auto service = service_row(number);
    for (std::uint32_t i = 0; i < service.levels[0].count; ++i) {
      const auto row = look_up<fl_slot>("fl_slots", service.levels[0].first + i).backend_id;
      if (Address(look_up<fl_backend>("fl_backends", row).addr).text() == address) return row;
    }
    ADD_FAILURE() << address << " is no backend";
    return 0;
  }

  const std::vector<std::string> backends_{"10.244.0.2", "10.244.0.3", "10.244.0.4", "10.244.0.5"};
  test::Netns netns_{"succession"};
  std::vector<std::unique_ptr<TestServer>> servers_;
};

TEST_F(SuccessionTest, SessionAffinityStays) {
  constexpr int kServices = 8;
  configure("TCP", kServices, "  sessionAffinity: ClientIP\n");
  auto agent = start();
  std::vector<std::string> given;
  for (int i = 0; i < kServices; ++i) given.push_back(test::ask_tcp(address(i), kServicePort, &netns_));
  ASSERT_NO_FATAL_FAILURE(replace(agent));
  for (int i = 0; i < kServices; ++i)
    EXPECT_EQ(test::ask_tcp(address(i), kServicePort, &netns_), given[static_cast<std::size_t>(i)]);
}

/// Asks by unconnected sockets and wants each answer from the address that was asked, by the backend that answered
/// first. Owner: the test. Thread: one; run() may be called on one of its own.
class Asker {
 public:
  Asker(const test::Netns& netns, const std::string& address) : where_(address, kServicePort) {
    netns.in([&] {
      for (auto* socket : {&kept_, &passing_}) *socket = make();
    });
  }
  void ask_kept() { ask(kept_, true); }
  /// New sockets too, a few: they fill the table, which forgets the longest unused.
  void ask_both() {
    ask_kept();
    if (asked_ % 8 != 0) return;
    passing_ = make();
    ask(passing_, false);
  }
  [[nodiscard]] int asked() const { return asked_; }
  [[nodiscard]] const std::vector<std::string>& complaints() const { return complaints_; }
  static Fd make() {
    Fd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const timeval limit{.tv_sec = 20, .tv_usec = 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return fd;
  }

 private:
  void ask(const Fd& fd, bool kept) {
    char text[64] = {};
    sockaddr_storage from{};
    socklen_t length = sizeof from;
    ::sendto(fd.get(), "?", 1, 0, where_.get(), where_.length);
    if (::recvfrom(fd.get(), text, sizeof text - 1, 0, reinterpret_cast<sockaddr*>(&from), &length) < 0)
      complaints_.push_back(std::string("no answer: ") + std::strerror(errno));
    else if (length != where_.length || std::memcmp(&from, where_.get(), length) != 0)
      complaints_.emplace_back("answered by another address than was asked");
    else if (kept && !first_.empty() && first_ != text) complaints_.push_back(first_ + " before, now " + text);
    if (kept && first_.empty()) first_ = text;
    ++asked_;
  }

  test::SocketAddress where_;
  Fd kept_, passing_;
  std::string first_;
  std::atomic<int> asked_{0};
  std::vector<std::string> complaints_;
};

TEST_F(SuccessionTest, UnconnectedSocketsAreAnsweredByWhatTheyAsked) {
  constexpr int kServices = 4;
  configure("UDP", kServices);
  auto agent = start();
  std::vector<std::unique_ptr<Asker>> askers;
  for (int i = 0; i < 2 * kServices; ++i) {
    askers.push_back(std::make_unique<Asker>(netns_, address(i % kServices)));
    askers.back()->ask_kept();
  }
  std::vector<std::jthread> threads;
  for (std::size_t i = kServices; i < askers.size(); ++i)
    threads.emplace_back([&, i](const std::stop_token& stop) {
      netns_.in([&] {
        for (; !stop.stop_requested(); std::this_thread::sleep_for(10ms)) askers[i]->ask_both();  // a rate, not a wait
      });
    });
  ASSERT_NO_FATAL_FAILURE(replace(agent));
  const int seen = askers.back()->asked();
  EXPECT_TRUE(test::eventually([&] { return askers.back()->asked() > seen + 20; }));
  threads.clear();
  for (const auto& asker : askers) {
    asker->ask_kept();
    EXPECT_THAT(asker->complaints(), ::testing::IsEmpty());
  }
  const std::uint32_t zero = 0;
  std::uint32_t id = 0;
  EXPECT_NE(bpf_map_lookup_elem(pin("fl_udp_before").get(), &zero, &id), 0) << "the old map is still held";
}

TEST_F(SuccessionTest, WhatIsEjectedStaysOut) {
  configure("TCP", 1);
  auto agent = start();
  write("rule.yaml",
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: web-0, namespace: default}\n"
        "spec: {host: web-0.default.svc.cluster.local, trafficPolicy: {outlierDetection: "
        "{consecutive5xxErrors: 3, maxEjectionPercent: 50}}}\n");
  EXPECT_TRUE(test::eventually([&] { return (service_row(0).flags & FL_SERVICE_OUTLIER) != 0; }));
  const auto& out = backends_[1];
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const std::uint64_t until = (static_cast<std::uint64_t>(now.tv_sec) + 3600) * 1'000'000'000 | 1;
  auto row = backend_row(0, out);
  auto state = look_up<fl_backend_state>("fl_be_state", row);
  state.ejected_until_ns = until;
  state.ejections = 3;
  ASSERT_EQ(bpf_map_update_elem(pin("fl_be_state").get(), &row, &state, BPF_EXIST), 0);
  // Others come first in the file now, so that the numbers of services and rows are others.
  write("first.yaml", test::ServiceYaml{.name = "first",
                                        .address = "10.97.0.1",
                                        .port = kServicePort,
                                        .protocol = "TCP",
                                        .target_port = 1,
                                        .endpoints = {"10.98.0.1", "10.98.0.2"}}
                          .text());
  ASSERT_NO_FATAL_FAILURE(replace(agent));
  state = look_up<fl_backend_state>("fl_be_state", backend_row(0, out));
  EXPECT_EQ(state.ejected_until_ns, until);
  EXPECT_EQ(state.ejections, 3U);
  EXPECT_EQ(look_up<fl_service_state>("fl_svc_state", service_row(0).state_index).ejected, 1U);
  std::set<std::string> given;
  for (int i = 0; i < 50; ++i) given.insert(test::ask_tcp(address(0), kServicePort, &netns_));
  EXPECT_THAT(given, ::testing::Not(::testing::Contains(out)));
}

TEST_F(SuccessionTest, SeriesCountersAndTotalsGoOn) {
  constexpr int kServices = 3;
  configure("TCP", kServices);
  auto agent = start();
  const auto opened = [&](int number) {
    const auto reader = telemetry::Pairs::open(pin("fl_pairs"));
    const auto rows = reader->read();
    std::uint64_t sum = 0;
    for (const auto& row : *rows)
      if (row.key.service_id == service_id(address(number), kServicePort, FL_TCP)) sum += row.stats.opened;
    return sum;
  };
  const auto connects = [&] { return telemetry::Counters::open(pin("fl_counters"))->read()->at(FL_C_TRANSLATED); };
  const auto total = [&](int number) {
    std::uint64_t sum = 0;
    for (const auto& backend : backends_)
      sum += look_up<fl_backend_state>("fl_be_state", backend_row(number, backend)).total;
    return sum;
  };
  const auto closed = [&](int number) {
    const auto sums = telemetry::BackendRows::open(pin("fl_be_stats"))->read();
    std::uint64_t sum = 0;
    for (const auto& backend : backends_) {
      const auto row = backend_row(number, backend);
      const auto found =
          sums->find({.backend_id = row, .generation = look_up<fl_backend>("fl_backends", row).generation});
      if (found != sums->end()) sum += found->second.closed;
    }
    return sum;
  };
  for (int i = 0; i < kServices; ++i)
    for (int n = 0; n <= i; ++n) test::ask_tcp(address(i), kServicePort, &netns_);
  for (int i = 0; i < kServices; ++i)
    EXPECT_TRUE(test::eventually([&] { return closed(i) == static_cast<std::uint64_t>(i) + 1; })) << closed(i);
  for (int i = 0; i < kServices; ++i) EXPECT_EQ(opened(i), static_cast<std::uint64_t>(i) + 1);
  // Others come first in the file now, so that the numbers of rows are others.
  write("first.yaml", test::ServiceYaml{.name = "first",
                                        .address = "10.97.0.1",
                                        .port = kServicePort,
                                        .protocol = "TCP",
                                        .target_port = 1,
                                        .endpoints = {"10.98.0.1", "10.98.0.2"}}
                          .text());
  ASSERT_NO_FATAL_FAILURE(replace(agent));
  EXPECT_EQ(connects(), 6U);
  for (int i = 0; i < kServices; ++i) {
    EXPECT_EQ(opened(i), static_cast<std::uint64_t>(i) + 1);
    EXPECT_EQ(total(i), static_cast<std::uint64_t>(i) + 1);
    EXPECT_EQ(closed(i), static_cast<std::uint64_t>(i) + 1);
    EXPECT_EQ(look_up<fl_service_state>("fl_svc_state", service_row(i).state_index).total,
              static_cast<std::uint64_t>(i) + 1);
  }
  test::ask_tcp(address(0), kServicePort, &netns_);
  EXPECT_TRUE(test::eventually([&] { return closed(0) == 2; })) << closed(0);
  EXPECT_EQ(opened(0), 2U);
}

}  // namespace
}  // namespace fairlead
