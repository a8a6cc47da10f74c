// SPDX-License-Identifier: Apache-2.0
// What a running agent cannot do any more, and that it can still do its work.
#include "agent/kernel/seccomp.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <thread>

#include "fairlead/abi/service.h"
#include "live/lifecycle/agent_fixture.hpp"
#include "live/lifecycle/service_yaml.hpp"
#include "support/netns.hpp"
#include "support/server.hpp"
#include "support/wait.hpp"

namespace fairlead {
namespace {

using test::TestServer;
using ::testing::ExitedWithCode;
using ::testing::HasSubstr;
using ::testing::Not;

/// Ends the process with 0 where work() is true behind the filter.
template <class Work>
[[noreturn]] void confined(const Work& work) {
  if (!kernel::confine()) _exit(2);
  _exit(work() ? 0 : 1);
}

bool refused(long result) { return result == -1 && errno == ENOSYS; }

std::string refusal(long number) { return "refused system call +" + std::to_string(number) + ", "; }

TEST(SeccompDeathTest, WhatIsNotListedIsRefusedAndNamed) {
  if (!kernel::confines()) return;
  EXPECT_EXIT(confined([] { return refused(::syscall(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0)); }), ExitedWithCode(0),
              refusal(SYS_ptrace));
  EXPECT_EXIT(confined([] { return refused(::execl("/bin/true", "true", nullptr)); }), ExitedWithCode(0),
              refusal(SYS_execve));
  EXPECT_EXIT(confined([] { return refused(::fork()); }), ExitedWithCode(0), refusal(SYS_clone));
  EXPECT_EXIT(confined([] { return refused(::unshare(CLONE_NEWNET)); }), ExitedWithCode(0), refusal(SYS_unshare));
  EXPECT_EXIT(confined([] { return refused(::setns(0, CLONE_NEWNS)); }), ExitedWithCode(0), refusal(SYS_setns));
}

TEST(SeccompDeathTest, ThreadsAndNetworkNamespacesAreNot) {
  EXPECT_EXIT(confined([] {
                bool ran = false;
                std::thread([&] { ran = true; }).join();
                const Fd own(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
                return ran && ::setns(own.get(), CLONE_NEWNET) == 0;
              }),
              ExitedWithCode(0), "");
}

class ConfinedAgentTest : public test::AgentTest {
 protected:
  std::string many_services(int count) const {
    std::string text;
    for (int i = 0; i < count; ++i)
      text += test::ServiceYaml{.name = "web-" + std::to_string(i),
                                .address = "10.96." + std::to_string(i / 250) + "." + std::to_string(1 + i % 250),
                                .port = 80,
                                .protocol = "TCP",
                                .target_port = 8080,
                                .endpoints = {"10.98.0.1", "10.98.0.2"}}
                  .text() +
              "---\n";
    return text;
  }
};

TEST_F(ConfinedAgentTest, TheAgentIsConfined) {
  const auto agent = start();
  std::ifstream status("/proc/" + std::to_string(agent->pid()) + "/status");
  std::string mode;
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("Seccomp:")) mode = line;
  EXPECT_EQ(mode, kernel::confines() ? "Seccomp:\t2" : "Seccomp:\t0");
}

TEST_F(ConfinedAgentTest, EverythingWorksOn) {
  constexpr const char* kBackend = "10.244.0.2";
  constexpr const char* kService = "10.97.0.1";
  test::Netns netns("confined");
  netns.ip({"address", "add", std::string(kBackend) + "/32", "dev", "lo"});
  cgroup_.enter();
  const TestServer server(TestServer::Protocol::kTcp, kBackend, "server", &netns);
  test::ServiceYaml service{.name = "live",
                            .address = kService,
                            .port = 80,
                            .protocol = "TCP",
                            .target_port = server.port(),
                            .endpoints = {kBackend}};
  write("live.yaml", service.text());
  for (const bool adopted : {false, true}) {
    const auto agent = start({"--end-tcp", "on"});
    EXPECT_EQ(agent->output().find("adopted the state") != std::string::npos, adopted);
    const auto before = map_id("fl_services");
    write("many.yaml", many_services(adopted ? 2'000 : 500));  // tables grow: new maps are made, pinned and put in
    EXPECT_TRUE(test::eventually([&] { return map_id("fl_services") != before; })) << agent->output();
    agent->signal(SIGHUP);
    EXPECT_EQ(test::ask_tcp(kService, 80, &netns), "server");
    const auto client = test::connect_tcp(kService, 80, &netns);
    service.endpoints.clear();
    write("live.yaml", service.text());  // its namespace is entered, and the socket ended
    EXPECT_TRUE(test::eventually([&] { return agent->output().find("ended 1 sockets") != std::string::npos; }))
        << agent->output();
    service.endpoints = {kBackend};
    write("live.yaml", service.text());
    EXPECT_TRUE(test::eventually([&] { return test::ask_tcp(kService, 80, &netns) == "server"; }));
    EXPECT_EQ(agent->stop(), 0);
    EXPECT_THAT(agent->output(), Not(HasSubstr("refused system call")));
  }
}

}  // namespace
}  // namespace fairlead
