// SPDX-License-Identifier: Apache-2.0
// The agent's life, by the real binary in a cgroup and pin directory of its own.
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>

#include "fairlead/abi/names.h"
#include "fairlead/abi/service.h"
#include "fairlead/abi/settings.h"
#include "fairlead/base/address.hpp"
#include "live/lifecycle/agent_fixture.hpp"
#include "support/agent_process.hpp"
#include "support/command.hpp"
#include "support/wait.hpp"

namespace fairlead {
namespace {

namespace fs = std::filesystem;
using test::AgentTest;

TEST_F(AgentTest, ReadyMeansPinnedAndSigtermLeavesAllInPlace) {
  auto agent = start({"--redirect", "all", "--default-policy", "closed"});
  EXPECT_EQ(settings().abi_version, static_cast<std::uint32_t>(FL_ABI_VERSION));
  EXPECT_EQ(settings().redirect, static_cast<std::uint32_t>(FL_REDIRECT_ALL));
  EXPECT_EQ(settings().default_deny, 1U);
  EXPECT_NE(settings().host_netns, 0U);
  EXPECT_EQ(agent->stop(), 0);
  EXPECT_TRUE(pin("fl_settings"));
}

TEST_F(AgentTest, KilledAndStartedAgainAdoptsTheMaps) {
  auto agent = start();
  const auto socks = map_id("fl_socks");
  const auto services = map_id("fl_services");
  ASSERT_NE(socks, 0U);
  for (int round = 0; round < 3; ++round) {
    agent->signal(SIGKILL);
    agent->wait();
    agent = start();
    EXPECT_EQ(map_id("fl_socks"), socks);
    EXPECT_EQ(map_id("fl_services"), services);
    EXPECT_NE(agent->output().find("adopted the state"), std::string::npos) << agent->output();
  }
}

// What it attached before would balance by a configuration that nobody follows.
TEST_F(AgentTest, AFirstStartThatFailsLeavesNothingInForce) {
  const auto ended = test::try_run(command({"--flow-log", folder_ / "nowhere/flows"}));
  EXPECT_EQ(ended.status, 1);
  EXPECT_NE(ended.output.find("opening the flow log"), std::string::npos) << ended.output;
  EXPECT_FALSE(fs::exists(pins_.path()));
  auto agent = start();
  EXPECT_EQ(agent->stop(), 0);
  EXPECT_EQ(test::try_run(command({"--flow-log", folder_ / "nowhere/flows"})).status, 1);
  EXPECT_TRUE(pin("fl_settings"));  // an agent was there before: its state stays
}

TEST_F(AgentTest, APortOfAnotherIsNotShared) {
  const Fd other(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  ASSERT_EQ(::setsockopt(other.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on), 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  ASSERT_EQ(::bind(other.get(), reinterpret_cast<const sockaddr*>(&address), length), 0);
  ASSERT_EQ(::listen(other.get(), 1), 0);
  ASSERT_EQ(::getsockname(other.get(), reinterpret_cast<sockaddr*>(&address), &length), 0);
  const auto place = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  const auto ended = test::try_run(command({"--metrics", place}));
  EXPECT_EQ(ended.status, 1);
  EXPECT_NE(ended.output.find("listening on " + place + ": Address already in use"), std::string::npos) << ended.output;
}

TEST_F(AgentTest, TheSecondAgentSaysSoAndEnds) {
  const auto agent = start();
  const auto second = test::try_run(command());
  EXPECT_EQ(second.status, 1);
  EXPECT_NE(second.output.find("another fairlead-agent (pid " + std::to_string(agent->pid()) + ") already serves"),
            std::string::npos)
      << second.output;
}

TEST_F(AgentTest, TheSecondAgentIsRefusedWhateverItsRunDirectory) {
  const auto agent = start();
  for (const char* what : {"", "uninstall"}) {
    auto words = command({"--run-dir", folder_ / "other-run", "--socket", folder_ / "other.sock"});
    if (*what != 0) words.emplace_back(what);
    const auto second = test::try_run(words);
    EXPECT_EQ(second.status, 1);
    EXPECT_NE(second.output.find("another fairlead-agent (pid " + std::to_string(agent->pid()) + ") already serves"),
              std::string::npos)
        << second.output;
  }
  EXPECT_TRUE(pin("fl_settings"));
}

TEST_F(AgentTest, OneCgroupIsServedByOneAgent) {
  const test::PinDir others;
  const auto more = std::vector<std::string>{"--pin-dir", others.path(), "--run-dir", folder_ / "other-run"};
  start()->stop();  // its programs serve on
  const auto second = test::try_run(command(more));
  EXPECT_EQ(second.status, 1);
  EXPECT_NE(second.output.find("has the programs of another fairlead-agent"), std::string::npos) << second.output;
  EXPECT_FALSE(fs::exists(others.path()));
  EXPECT_EQ(test::try_run(command({"uninstall"})).status, 0);
  start(more)->stop();
  // As where the agent was killed while it pinned its link.
  fs::rename(others.path() + "/link_fl_connect4", others.path() + "/link_fl_connect4_next");
  start(more)->stop();
  auto uninstall = more;
  uninstall.emplace_back("uninstall");
  EXPECT_EQ(test::try_run(command(uninstall)).status, 0);
}

TEST_F(AgentTest, TornPinsAreReplacedAsAWhole) {
  for (const std::string lost : {"fl_services_of", "fl_settings", "fl_socks"}) {
    start()->stop();
    const auto before = map_id("fl_pairs");
    ASSERT_TRUE(kernel::PinDirectory::at(pins_.path()).remove(lost));
    const auto agent = start();
    EXPECT_NE(agent->output().find("torn"), std::string::npos) << agent->output();
    EXPECT_NE(map_id("fl_pairs"), before) << lost;
    EXPECT_NE(map_id(lost), 0U);
  }
}

TEST_F(AgentTest, AnotherVersionIsReplacedAsAWhole) {
  start()->stop();
  const auto before = map_id("fl_socks");
  auto row = settings();
  row.abi_version = FL_ABI_VERSION + 1;
  const std::uint32_t zero = 0;
  ASSERT_EQ(bpf_map_update_elem(pin("fl_settings").get(), &zero, &row, BPF_ANY), 0);
  const auto agent = start();
  EXPECT_NE(map_id("fl_socks"), before);
  EXPECT_EQ(settings().abi_version, static_cast<std::uint32_t>(FL_ABI_VERSION));
}

TEST_F(AgentTest, AMapOfAnotherShapeUnderOurNameIsNotAdopted) {
  start()->stop();
  const auto pins = kernel::PinDirectory::at(pins_.path());
  const Fd odd(bpf_map_create(BPF_MAP_TYPE_HASH, "odd", 4, 4, 1, nullptr));
  ASSERT_TRUE(pins.pin(odd.get(), "fl_netns"));
  const auto agent = start();
  EXPECT_NE(agent->output().find("fl_netns has another type or size"), std::string::npos) << agent->output();
}

TEST_F(AgentTest, PinsThatNobodyKnowsGo) {
  start()->stop();
  const auto pins = kernel::PinDirectory::at(pins_.path());
  const Fd odd(bpf_map_create(BPF_MAP_TYPE_HASH, "odd", 4, 4, 1, nullptr));
  ASSERT_TRUE(pins.pin(odd.get(), "fl_of_yore"));
  const auto agent = start();
  EXPECT_FALSE(pin("fl_of_yore"));
}

TEST_F(AgentTest, UninstallLeavesNothingAndIsRefusedWhileAnAgentRuns) {
  auto agent = start();
  EXPECT_EQ(test::try_run(command({"uninstall"})).status, 1);
  agent->stop();
  const auto gone = test::try_run(command({"uninstall"}));
  EXPECT_EQ(gone.status, 0) << gone.output;
  EXPECT_FALSE(fs::exists(pins_.path()));
}

TEST_F(AgentTest, RunsWithTheKeptCapabilitiesOnly) {
  const auto agent = start();
  std::ifstream status("/proc/" + std::to_string(agent->pid()) + "/status");
  std::uint64_t kept = 0;
  for (const int number : {CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON, CAP_SYS_ADMIN, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH})
    kept |= 1ULL << number;
  int seen = 0;
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("NoNewPrivs:")) {
      EXPECT_EQ(line.back(), '1');
    }
    if (!line.starts_with("CapPrm:") && !line.starts_with("CapEff:") && !line.starts_with("CapBnd:")) continue;
    EXPECT_EQ(std::stoull(line.substr(8), nullptr, 16), kept) << line;
    ++seen;
  }
  EXPECT_EQ(seen, 3);
}

TEST_F(AgentTest, WithoutCapabilitiesItSaysWhatIsMissing) {
  std::vector<std::string> words{"setpriv", "--bounding-set=-net_admin,-sys_admin", "--inh-caps=-all"};
  const auto agent = command();
  words.insert(words.end(), agent.begin(), agent.end());
  const auto ended = test::try_run(words);
  EXPECT_EQ(ended.status, 1);
  EXPECT_NE(ended.output.find("found no cap_net_admin, cap_sys_admin, expected"), std::string::npos) << ended.output;
}

TEST_F(AgentTest, SystemdIsToldWhenReady) {
  const std::string path = folder_ / "notify";
  const Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::setenv("NOTIFY_SOCKET", path.c_str(), 1), 0);
  const auto agent = start();
  ::unsetenv("NOTIFY_SOCKET");
  char text[64] = {};
  ASSERT_GT(::recv(socket.get(), text, sizeof text - 1, 0), 0);
  EXPECT_STREQ(text, "READY=1");
}

TEST_F(AgentTest, SettingsFileIsReadAndFlagsWin) {
  const std::string file = folder_ / "settings.yaml";
  std::ofstream(file) << "redirect: off\npolicy: off\nmax-series: 512\n";
  const auto agent = start({"--settings", file, "--redirect", "all"});
  EXPECT_EQ(settings().redirect, static_cast<std::uint32_t>(FL_REDIRECT_ALL));
  EXPECT_EQ(settings().policy, 0U);
}

constexpr const char* kWebService = R"(apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec:
  clusterIP: 10.96.0.10
  clusterIPs: [10.96.0.10]
  ports: [{port: 80, targetPort: 8080, protocol: TCP}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: default, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{port: 8080, protocol: TCP}]
endpoints: [{addresses: [10.0.0.1], conditions: {ready: true}}]
)";

class ConfiguredAgentTest : public AgentTest {
 protected:
  /// The service of 10.96.0.10:80 in the kernel's table; 0: none.
  std::uint32_t service_in_kernel() const {
    fl_frontend_key key{};
    key.addr = Address::parse("10.96.0.10")->raw();
    key.port = htons(80);
    key.proto = FL_TCP;
    fl_frontend value{};
    return bpf_map_lookup_elem(pin("fl_frontends").get(), &key, &value) == 0 ? value.service_id : 0;
  }
};

TEST_F(ConfiguredAgentTest, ReadyMeansInTheKernelAndChangesFollow) {
  write("web.yaml", kWebService);
  auto agent = start();
  const auto id = service_in_kernel();
  EXPECT_NE(id, 0U);
  agent->signal(SIGKILL);
  agent->wait();
  EXPECT_EQ(service_in_kernel(), id);
  agent = start();
  EXPECT_EQ(service_in_kernel(), id);
  fs::remove(folder_ / "config" / "web.yaml");
  EXPECT_TRUE(test::eventually([&] { return service_in_kernel() == 0; })) << agent->output();
  write("web.yaml", kWebService);
  EXPECT_TRUE(test::eventually([&] { return service_in_kernel() != 0; })) << agent->output();
}

TEST_F(ConfiguredAgentTest, WhatVanishedWhileTheAgentWasAwayGoes) {
  write("web.yaml", kWebService);
  start()->stop();
  ASSERT_NE(service_in_kernel(), 0U);
  fs::remove(folder_ / "config" / "web.yaml");
  write("other.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: other}\n");
  const auto agent = start();
  EXPECT_EQ(service_in_kernel(), 0U);
}

TEST_F(ConfiguredAgentTest, TheLastGoodStateOutlivesARestart) {
  const auto kept = [&] {
    return fs::exists(folder_ / "run") && test::try_run({"grep", "-rq", "10.96.0.10", folder_ / "run"}).status == 0;
  };
  write("web.yaml", kWebService);
  auto agent = start();
  const auto id = service_in_kernel();
  ASSERT_NE(id, 0U);
  ASSERT_TRUE(test::eventually(kept));
  write("web.yaml", std::string("<<<<<<< HEAD\n") + kWebService);
  ASSERT_TRUE(test::eventually([&] { return agent->output().find("web.yaml:1:1: error") != std::string::npos; }))
      << agent->output();
  agent->stop();
  for (int round = 0; round < 2; ++round) {
    agent = start();
    EXPECT_EQ(service_in_kernel(), id);
    agent->stop();
  }
  fs::remove(folder_ / "config" / "web.yaml");
  agent = start();
  EXPECT_EQ(service_in_kernel(), id);
  EXPECT_NE(agent->output().find("holds no file at the start"), std::string::npos) << agent->output();
  write("other.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: other}\n");
  EXPECT_TRUE(test::eventually([&] { return service_in_kernel() == 0; })) << agent->output();
  agent->stop();
  EXPECT_EQ(test::try_run(command({"uninstall"})).status, 0);
  EXPECT_FALSE(fs::exists(folder_ / "run"));
}

TEST_F(ConfiguredAgentTest, BadFilesDoNotHoldBackTheOthers) {
  write("web.yaml", kWebService);
  write("bad.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: bad}\nspec: {ports: [{port: http}]}\n");
  const auto agent = start();
  EXPECT_NE(service_in_kernel(), 0U);
  EXPECT_NE(agent->output().find("bad.yaml:4"), std::string::npos) << agent->output();
}

TEST_F(ConfiguredAgentTest, CheckNamesWhatIsWrongAndTouchesNoKernel) {
  write("web.yaml", kWebService);
  const auto binary = test::built_program("fairlead-agent");
  EXPECT_EQ(test::try_run({binary, "check", folder_ / "config"}).status, 0);
  write("bad.yaml", "kind: Service\napiVersion: v1\nmetadata: {name: bad}\nspec: {ports: [{port: http}]}\n");
  const auto bad = test::try_run({binary, "check", folder_ / "config"});
  EXPECT_EQ(bad.status, 1);
  EXPECT_NE(bad.output.find("bad.yaml:4"), std::string::npos) << bad.output;
  EXPECT_FALSE(pin("fl_settings"));
}

struct BadSettings {
  const char* content;
  const char* complaint;
};
void PrintTo(const BadSettings& settings, std::ostream* out) { *out << ::testing::PrintToString(settings.content); }
class BadSettingsTest : public AgentTest, public ::testing::WithParamInterface<BadSettings> {};

TEST_P(BadSettingsTest, NamesLineFoundAndExpected) {
  const std::string file = folder_ / "settings.yaml";
  std::ofstream(file) << GetParam().content;
  const auto ended = test::try_run(command({"--settings", file}));
  EXPECT_EQ(ended.status, 1);
  EXPECT_NE(ended.output.find(file + GetParam().complaint), std::string::npos) << ended.output;
}

INSTANTIATE_TEST_SUITE_P(
    Table, BadSettingsTest,
    ::testing::Values(
        BadSettings{"policy: on\nredirect: maybe\n", ":2: redirect: found \"maybe\", expected off, opted-in or all"},
        BadSettings{"colour: red\n", ":1: colour: found an unknown setting"},
        BadSettings{"policy: on\npolicy: off\n", ":2: policy: found a second time, expected once"},
        BadSettings{"policy: [on]\n", ":1: policy: found a list or mapping, expected a single value"},
        BadSettings{"- policy\n", ": found no mapping"},
        BadSettings{"policy: on\na: [\n", ":3: cannot be read as YAML: "},
        BadSettings{"max-series: 5\n", ":1: max-series: found \"5\", expected a number from 16 to 1000000"},
        BadSettings{"node-ports: 9-1\n", ":1: node-ports: found \"9-1\", expected FROM-TO"},
        BadSettings{"pin-dir: here\n", ":1: pin-dir: found \"here\", expected an absolute path"},
        BadSettings{"metrics: 127.0.0.1:99999\n",
                    ":1: metrics: found \"127.0.0.1:99999\", expected ADDRESS:PORT or off"},
        BadSettings{"metrics: nine\n", ":1: metrics: found \"nine\", expected ADDRESS:PORT or off"}));

}  // namespace
}  // namespace fairlead
