// SPDX-License-Identifier: Apache-2.0
// The counts of connections are those of the sockets again, whatever happened to the programs that count.
#include "agent/datapath/recount.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>

#include <atomic>
#include <sstream>
#include <thread>

#include "agent/kernel/links.hpp"
#include "fairlead/abi/service.h"
#include "fairlead/base/address.hpp"
#include "live/lifecycle/agent_fixture.hpp"
#include "live/lifecycle/service_yaml.hpp"
#include "support/netns.hpp"
#include "support/server.hpp"
#include "support/wait.hpp"

namespace fairlead {
namespace {

using test::TestServer;

constexpr const char* kBackend = "10.244.0.2";
constexpr const char* kCountedService = "10.96.0.10";

class RecountTest : public test::AgentTest {
 protected:
  RecountTest() {
    netns_.ip({"address", "add", std::string(kBackend) + "/32", "dev", "lo"});
    cgroup_.enter();
    tcp_ = std::make_unique<TestServer>(TestServer::Protocol::kTcp, kBackend, "tcp", &netns_);
    udp_ = std::make_unique<TestServer>(TestServer::Protocol::kUdp, kBackend, "udp", &netns_);
    write("tcp.yaml", test::ServiceYaml{.name = "tcp",
                                        .address = kCountedService,
                                        .port = 80,
                                        .protocol = "TCP",
                                        .target_port = tcp_->port(),
                                        .endpoints = {kBackend}}
                          .text());
    write("udp.yaml", test::ServiceYaml{.name = "udp",
                                        .address = kCountedService,
                                        .port = 53,
                                        .protocol = "UDP",
                                        .target_port = udp_->port(),
                                        .endpoints = {kBackend}}
                          .text());
  }

  Fd connect(std::uint8_t proto) const {
    Fd fd;
    const test::SocketAddress where(kCountedService, proto == FL_TCP ? 80 : 53);
    netns_.in([&] {
      fd.reset(::socket(AF_INET, (proto == FL_TCP ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0));
      EXPECT_EQ(::connect(fd.get(), where.get(), where.length), 0);
    });
    return fd;
  }
  std::vector<Fd> connect_many(std::uint8_t proto, int count) const {
    std::vector<Fd> all;
    for (int i = 0; i < count; ++i) all.push_back(connect(proto));
    return all;
  }
  std::uint32_t service_id(std::uint8_t proto) const {
    return AgentTest::service_id(kCountedService, proto == FL_TCP ? 80 : 53, proto);
  }
  std::uint32_t state_row(std::uint8_t proto) const {
    return look_up<fl_service>("fl_services", service_id(proto)).state_index;
  }
  std::uint32_t backend_row(std::uint8_t proto) const {
    const auto service = look_up<fl_service>("fl_services", service_id(proto));
    return look_up<fl_slot>("fl_slots", service.levels[0].first).backend_id;
  }
  /// "active+pending" of the service, and of its one backend.
  std::string counts(std::uint8_t proto) const {
    const auto service = look_up<fl_service_state>("fl_svc_state", state_row(proto));
    const auto backend = look_up<fl_backend_state>("fl_be_state", backend_row(proto));
    std::ostringstream text;
    text << service.active << "+" << service.pending << " " << backend.active << "+" << backend.pending;
    return text.str();
  }
  /// The sockets that go to the backend, as `ss` sees them.
  int seen_by_ss(std::uint8_t proto) const {
    const auto port = proto == FL_TCP ? tcp_->port() : udp_->port();
    const auto lines = test::run({"ip", "netns", "exec", netns_.name(), "ss", proto == FL_TCP ? "-Htn" : "-Hun",
                                  "state", "connected", "dst", std::string(kBackend) + ":" + std::to_string(port)});
    return static_cast<int>(std::count(lines.begin(), lines.end(), '\n'));
  }
  std::string as_by_ss(std::uint8_t proto) const {
    const auto number = std::to_string(seen_by_ss(proto));
    return number + "+0 " + number + "+0";
  }
  void kill(test::Process& agent) const {
    agent.signal(SIGKILL);
    agent.wait();
  }
  void detach(const std::string& program) const {
    const auto pins = kernel::PinDirectory::at(pins_.path());
    ASSERT_TRUE(kernel::detach_pinned(pins, program));
  }

  test::Netns netns_{"recount"};
  std::unique_ptr<TestServer> tcp_, udp_;
};

TEST_F(RecountTest, ProgramsCountOnWhileNoAgentRuns) {
  auto agent = start();
  auto tcp = connect_many(FL_TCP, 5);
  auto udp = connect_many(FL_UDP, 3);
  kill(*agent);
  tcp.pop_back();
  udp.push_back(connect(FL_UDP));
  ASSERT_TRUE(test::eventually([&] { return seen_by_ss(FL_TCP) == 4; }));
  agent = start();
  EXPECT_EQ(counts(FL_TCP), "4+0 4+0");
  EXPECT_EQ(counts(FL_UDP), "4+0 4+0");
  EXPECT_EQ(agent->output().find("corrected"), std::string::npos) << agent->output();
}

TEST_F(RecountTest, WhatTheProgramsMissedIsCountedAfterARestart) {
  auto agent = start();
  auto tcp = connect_many(FL_TCP, 6);
  auto udp = connect_many(FL_UDP, 4);
  kill(*agent);
  for (const auto* program : {"fl_sock_ops", "fl_sock_release"}) detach(program);
  tcp.resize(2);                                             // closed, and nobody counted it
  for (auto& fd : connect_many(FL_TCP, 3)) tcp.push_back(std::move(fd));  // established, and nobody saw it
  udp.resize(1);
  ASSERT_TRUE(test::eventually([&] { return seen_by_ss(FL_TCP) == 5 && seen_by_ss(FL_UDP) == 1; }));
  EXPECT_EQ(counts(FL_TCP), "6+3 6+3");
  // A connect is not judged in its first second, as its programs may be under way.
  std::this_thread::sleep_for(std::chrono::milliseconds(1'100));
  agent = start();
  EXPECT_EQ(counts(FL_TCP), as_by_ss(FL_TCP)) << agent->output();
  EXPECT_EQ(counts(FL_TCP), "5+0 5+0");
  EXPECT_EQ(counts(FL_UDP), "1+0 1+0");
  EXPECT_NE(agent->output().find("corrected"), std::string::npos) << agent->output();
}

TEST_F(RecountTest, ADisconnectedOrReconnectedUdpSocketIsCountedOnce) {
  auto agent = start();
  const auto held = connect_many(FL_UDP, 3);
  const test::SocketAddress service(kCountedService, 53);
  const test::SocketAddress direct(kBackend, 9);
  ASSERT_EQ(::connect(held[0].get(), service.get(), service.length), 0);
  EXPECT_EQ(counts(FL_UDP), "3+0 3+0");
  ASSERT_EQ(::connect(held[1].get(), direct.get(), direct.length), 0);
  EXPECT_EQ(counts(FL_UDP), "2+0 2+0");
  sockaddr nobody{};
  nobody.sa_family = AF_UNSPEC;
  ASSERT_EQ(::connect(held[2].get(), &nobody, sizeof nobody), 0);  // no hook sees this
  std::this_thread::sleep_for(std::chrono::milliseconds(1'100));
  agent->stop();
  agent = start();
  EXPECT_EQ(counts(FL_UDP), "1+0 1+0") << agent->output();
}

TEST_F(RecountTest, WrongCountersAreFoundUnderLoad) {
  auto agent = start();
  const auto held = connect_many(FL_TCP, 7);
  std::atomic<bool> stop{false};
  std::atomic<int> rounds{0};
  std::thread load([&] {
    netns_.in([&] {
      for (; !stop; ++rounds) test::connect_tcp(kCountedService, 80);
    });
  });
  kill(*agent);
  auto backend = look_up<fl_backend_state>("fl_be_state", backend_row(FL_TCP));
  const auto row = backend_row(FL_TCP);
  backend.active += 50;
  backend.pending -= 3;
  bpf_map_update_elem(pin("fl_be_state").get(), &row, &backend, BPF_ANY);
  agent = start();
  const int before = rounds;
  EXPECT_TRUE(test::eventually([&] { return rounds > before + 100; }));
  stop = true;
  load.join();
  // Whatever was off by one under load is right when it is quiet.
  agent->stop();
  agent = start();
  EXPECT_TRUE(test::eventually([&] { return counts(FL_TCP) == "7+0 7+0"; })) << counts(FL_TCP) << agent->output();
}

}  // namespace
}  // namespace fairlead
