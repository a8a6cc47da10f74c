// SPDX-License-Identifier: Apache-2.0
// Agents die, come back, are upgraded and downgraded under load, and no client notices. FAIRLEAD_LIFECYCLE_SECONDS says
// for how long they die (60); the others take a part of it.
#include "live/lifecycle/load.hpp"

#include <gmock/gmock.h>
#include <signal.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <random>

#include "fairlead/abi/names.h"
#include "live/lifecycle/agent_fixture.hpp"
#include "live/lifecycle/service_yaml.hpp"
#include "support/netns.hpp"
#include "support/server.hpp"
#include "support/wait.hpp"

namespace fairlead {
namespace {

using namespace std::chrono_literals;
using test::TestServer;
using Clock = std::chrono::steady_clock;

constexpr const char* kService = "10.96.0.10";
constexpr std::uint16_t kPort = 80;

std::chrono::seconds duration() {
  const char* seconds = std::getenv("FAIRLEAD_LIFECYCLE_SECONDS");
  return std::chrono::seconds(seconds == nullptr ? 60 : std::atoi(seconds));
}
std::chrono::seconds duration_of_upgrades() { return std::min<std::chrono::seconds>(duration() / 2, 10s); }

class LoadTest : public test::AgentTest {
 protected:
  LoadTest() {
    for (const auto& address : backends_) netns_.ip({"address", "add", address + "/32", "dev", "lo"});
    cgroup_.enter();
    std::uint16_t port = 0;
    for (const auto& address : backends_) {
      servers_.push_back(
          std::make_unique<TestServer>(TestServer::Protocol::kTcp, address, "tcp" + address, &netns_, port));
      port = servers_.front()->port();
      servers_.push_back(
          std::make_unique<TestServer>(TestServer::Protocol::kUdp, address, "udp" + address, &netns_, port));
    }
    configure(0);
  }
  /// Another set of other services each round, so that an agent has rows to write whenever it dies. The one under load
  /// keeps its endpoints; their ports change places.
  void configure(std::uint32_t round) const {
    std::string text;
    for (std::uint32_t i = 0; i < 50 + round % 5 * 40; ++i) {
      const auto number = std::to_string((i + round * 7) % 250);
      text += test::ServiceYaml{.name = "other-" + number,
                                .address = "10.97.0." + number,
                                .port = 80,
                                .protocol = "TCP",
                                .target_port = 8080,
                                .endpoints = {"10.98.0." + number, "10.98.1." + number}}
                  .text() +
              "---\n";
    }
    write("others.yaml", text);
    auto endpoints = backends_;
    std::rotate(endpoints.begin(), endpoints.begin() + round % 3, endpoints.end());
    const auto port = servers_.front()->port();
    const auto service = [&](const char* name, const char* protocol) {
      return test::ServiceYaml{.name = name,
                               .address = kService,
                               .port = kPort,
                               .protocol = protocol,
                               .target_port = port,
                               .endpoints = endpoints}
          .text();
    };
    write("web.yaml", service("tcp", "TCP") + "---\n" + service("udp", "UDP"));
  }
  void expect_undisturbed(test::Load& load) const {
    load.stop();
    EXPECT_THAT(load.complaints(), ::testing::IsEmpty());
    EXPECT_GT(load.connects(), 100);
    EXPECT_GT(load.asked(), 100);
  }
  /// "active+pending" of the service under load.
  std::string counts(std::uint8_t proto) const {
    const auto service = look_up<fl_service>("fl_services", service_id(kService, kPort, proto));
    const auto state = look_up<fl_service_state>("fl_svc_state", service.state_index);
    return std::to_string(state.active) + "+" + std::to_string(state.pending);
  }
  void expect_counts_of_kept() const {
    for (const auto proto : {FL_TCP, FL_UDP})
      EXPECT_TRUE(test::eventually([&] { return counts(proto) == "10+0"; })) << proto << " " << counts(proto);
  }
  std::unique_ptr<test::Process> start_binary(const std::string& binary) const {
    auto words = command();
    words.front() = binary;
    return std::make_unique<test::Process>(test::ProcessOptions{.argv = words});
  }

  std::vector<std::string> backends_{"10.244.0.2", "10.244.0.3", "10.244.0.4"};
  test::Netns netns_{"load"};
  std::vector<std::unique_ptr<TestServer>> servers_;
};

TEST_F(LoadTest, KilledAtRandomMoments) {
  auto agent = start();
  test::Load load(netns_, kService, kPort);
  std::mt19937 random(std::random_device{}());
  const auto end = Clock::now() + duration();
  std::uint32_t kills = 0, starts = 0;
  while (Clock::now() < end) {
    // Every other one while it starts, from before its first system call on; the others at their work.
    if (kills % 2 == 1) {
      EXPECT_TRUE(agent->wait_for("ready\n", 180s)) << agent->output();
    }
    const auto lifetime = std::chrono::milliseconds(random() % 1'000);
    const auto die_at = Clock::now() + lifetime;
    configure(++kills);
    std::this_thread::sleep_until(die_at);
    const auto said = agent->output();
    if (said.find("ready\n") != std::string::npos) ++starts;
    EXPECT_EQ(said.find("replacing the state"), std::string::npos) << said;
    EXPECT_EQ(said.find("refused system call"), std::string::npos) << said;
    EXPECT_TRUE(agent->running()) << said;
    agent->signal(SIGKILL);
    agent->wait();
    agent = start_binary(command().front());
  }
  EXPECT_TRUE(agent->wait_for("ready\n", 180s)) << agent->output();
  EXPECT_NE(agent->output().find("adopted the state"), std::string::npos) << agent->output();
  expect_undisturbed(load);
  expect_counts_of_kept();
  std::cout << kills << " kills, " << starts << " after ready; " << load.connects() << " connects, " << load.asked()
            << " questions on kept connections\n";
}

TEST_F(LoadTest, UpgradedAndDowngraded) {
  const auto old_build = command().front();
  const std::string new_build = FAIRLEAD_NEXT_AGENT;
  auto agent = start();
  test::Load load(netns_, kService, kPort);
  load.expect_replacements();
  const auto end = Clock::now() + duration_of_upgrades();
  int changes = 0;
  while (Clock::now() < end || changes < 4) {
    agent->stop();
    agent = start_binary(++changes % 2 == 1 ? new_build : old_build);
    ASSERT_TRUE(agent->wait_for("ready\n", 180s)) << agent->output();
    EXPECT_NE(agent->output().find("replacing the state"), std::string::npos) << agent->output();
    EXPECT_EQ(settings().abi_version == FL_ABI_VERSION, changes % 2 == 0);
    const int seen = load.connects();
    EXPECT_TRUE(test::eventually([&] { return load.connects() > seen + 20; }));
  }
  expect_undisturbed(load);
  agent->stop();
  agent = start();  // counts anew: under load some may be off by one
  expect_counts_of_kept();
  std::cout << changes << " changes of version; " << load.connects() << " connects\n";
}

TEST_F(LoadTest, UpgradesThatDieHalfWay) {
  const auto old_build = command().front();
  const std::string new_build = FAIRLEAD_NEXT_AGENT;
  auto agent = start();
  test::Load load(netns_, kService, kPort);
  std::mt19937 random(std::random_device{}());
  load.expect_replacements();
  const auto end = Clock::now() + duration_of_upgrades();
  for (std::uint32_t round = 0; Clock::now() < end; ++round) {
    agent->signal(SIGKILL);
    agent->wait();
    agent = start_binary(round % 2 == 0 ? new_build : old_build);
    std::this_thread::sleep_for(std::chrono::milliseconds(random() % 1'000));
  }
  agent->signal(SIGKILL);
  agent->wait();
  agent = start();
  expect_undisturbed(load);
  agent->stop();
  agent = start();
  expect_counts_of_kept();
  EXPECT_EQ(settings().abi_version, static_cast<std::uint32_t>(FL_ABI_VERSION));
}

}  // namespace
}  // namespace fairlead
