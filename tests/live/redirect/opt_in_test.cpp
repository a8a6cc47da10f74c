// SPDX-License-Identifier: Apache-2.0
// The annotation fairlead.io/redirect on pods and namespaces, also while connections stand.
#include <gtest/gtest.h>
#include <sys/un.h>

#include <sstream>

#include "fairlead/abi/policy.h"
#include "live/redirect/fixture.hpp"

namespace fairlead {
namespace {

using std::chrono::seconds;

/// Two pods of namespace "shop", both with addresses in one network namespace.
class OptInTest : public test::RedirectTest {
 protected:
  OptInTest() {
    for (const char* address : {kClient, kServer})
      netns_.ip({"addr", "add", std::string(address) + "/32", "dev", "lo"});
    write_namespace("");
    write_pod("client", kClient, "");
    write_pod("server", kServer, "");
  }
  static std::string annotated(const std::string& value) {
    return value.empty() ? "" : ", annotations: {fairlead.io/redirect: \"" + value + "\"}";
  }
  void write_namespace(const std::string& value) const {
    write("namespace.yaml", "{apiVersion: v1, kind: Namespace, metadata: {name: shop" + annotated(value) + "}}\n");
  }
  void write_pod(const std::string& name, const std::string& address, const std::string& value) const {
    write(name + ".yaml", "{apiVersion: v1, kind: Pod, metadata: {name: " + name + ", namespace: shop" +
                              annotated(value) + "}, spec: {nodeName: n1, containers: [{name: c, image: i}]}, " +
                              "status: {phase: Running, podIP: " + address + "}}\n");
  }
  std::unique_ptr<test::Process> start_opted_in() const {
    return start({"--node", "n1", "--redirect-programs", own_name()});
  }
  test::Pair connect() const { return connect_pair(kClient, kServer); }
  bool opted_in(const std::string& address) const {
    return (look_up<fl_workload>("fl_workloads", Address::parse(address)->raw()).flags & FL_WORKLOAD_REDIRECT) != 0;
  }
  bool eventually_opted_in(const std::string& address, bool wanted) const {
    return test::eventually([&] { return opted_in(address) == wanted; }, seconds(60));
  }
  bool eventually_mode(fl_redirect_mode mode) const {
    return test::eventually([&] { return settings().redirect == static_cast<std::uint32_t>(mode); }, seconds(60));
  }
  void expect_plain(const test::Pair& pair) const {
    const auto before = counter(FL_C_REDIRECT_MESSAGES);
    for (int i = 0; i < 60; ++i) ASSERT_TRUE(test::ping(pair));
    EXPECT_EQ(counter(FL_C_REDIRECT_MESSAGES), before);
  }

  std::string metrics() const {
    const Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un to{.sun_family = AF_UNIX, .sun_path = {}};
    (folder_ / "agent.sock").string().copy(to.sun_path, sizeof to.sun_path - 1);
    test::require(::connect(socket.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) == 0, "connecting to the agent");
    const std::string request = "GET /metrics HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n";
    test::put(socket, request);
    return test::take(socket, 10'000'000);
  }
  /// Of all series of the clients' side.
  static std::uint64_t sum_of(const std::string& page, const std::string& name) {
    std::uint64_t sum = 0;
    std::istringstream lines(page);
    for (std::string line; std::getline(lines, line);)
      if (line.starts_with(name + "{") && line.find("reporter=\"source\"") != std::string::npos)
        sum += static_cast<std::uint64_t>(std::stod(line.substr(line.rfind(' '))));
    return sum;
  }

  static constexpr const char* kClient = "10.77.0.1";
  static constexpr const char* kServer = "10.77.0.2";
};

TEST_F(OptInTest, BothPodsHaveToOptIn) {
  write_pod("client", kClient, "true");
  write_pod("server", kServer, "false");
  const auto agent = start_opted_in();
  EXPECT_EQ(settings().redirect, static_cast<std::uint32_t>(FL_REDIRECT_OPTED_IN));
  const auto early = connect();
  expect_plain(early);
  write_pod("server", kServer, "true");
  ASSERT_TRUE(eventually_opted_in(kServer, true));
  EXPECT_TRUE(warm_up(connect()));
  expect_plain(early);  // whose ends the agent has looked at by now, had they been paired
}

TEST_F(OptInTest, ANamespaceOptsInItsPodsAndAPodOptsOut) {
  const auto agent = start_opted_in();
  EXPECT_EQ(settings().redirect, static_cast<std::uint32_t>(FL_REDIRECT_OFF)) << "nobody wants it: not even attached";
  expect_plain(connect());
  write_namespace("true");
  ASSERT_TRUE(eventually_opted_in(kClient, true));
  ASSERT_TRUE(eventually_mode(FL_REDIRECT_OPTED_IN));
  EXPECT_TRUE(warm_up(connect()));
  write_pod("client", kClient, "false");
  ASSERT_TRUE(eventually_opted_in(kClient, false));
  expect_plain(connect());
}

TEST_F(OptInTest, AStandingConnectionFollowsItsPodOut) {
  write_namespace("true");
  const auto agent = start_opted_in();
  const auto pair = connect();
  ASSERT_TRUE(warm_up(pair));
  ASSERT_TRUE(test::put(pair.client, "in flight"));
  write_pod("client", kClient, "false");
  ASSERT_TRUE(test::eventually([&] { return counter(FL_C_REDIRECT_EXCL_OPTED_OUT) == 1; }, seconds(60)));
  EXPECT_EQ(test::take(pair.server, 9), "in flight");
  EXPECT_TRUE(test::eventually([&] { return counter(FL_C_REDIRECT_LEFT) == 2; }, seconds(60)));
  expect_plain(pair);
}

TEST_F(OptInTest, TheLastOneToOptOutSwitchesItOff) {
  write_namespace("true");
  const auto agent = start_opted_in();
  const auto pair = connect();
  ASSERT_TRUE(warm_up(pair));
  ASSERT_TRUE(test::put(pair.client, "in flight"));
  write_namespace("");
  ASSERT_TRUE(eventually_mode(FL_REDIRECT_OFF));
  EXPECT_TRUE(test::eventually([&] { return !pin("link_fl_redir_option"); }));
  EXPECT_EQ(test::take(pair.server, 9), "in flight");
  EXPECT_TRUE(test::eventually([&] { return counter(FL_C_REDIRECT_LEFT) == 2; }, seconds(60)));
  expect_plain(pair);
  write_namespace("true");
  ASSERT_TRUE(eventually_mode(FL_REDIRECT_OPTED_IN));
  EXPECT_TRUE(warm_up(connect()));
}

TEST_F(OptInTest, AScrapeKnowsWhatWasRedirectedUntilThen) {
  write_namespace("true");
  const auto agent = start_opted_in();
  auto pair = connect();
  ASSERT_TRUE(warm_up(pair));
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(test::ping(pair));
  const auto bytes = counter(FL_C_REDIRECT_BYTES);
  auto page = metrics();
  // Where the kernel does not take fl_account, bytes are counted at the close only.
  if (agent->output().find("does not take fl_account") != std::string::npos) {
    EXPECT_EQ(sum_of(page, "fairlead_connection_redirected_bytes_total"), 0U);
    pair = {};
    ASSERT_TRUE(
        test::eventually([&] { return sum_of(page = metrics(), "fairlead_connection_redirected_bytes_total") != 0; }));
  }
  EXPECT_EQ(sum_of(page, "fairlead_connection_redirected_bytes_total"), bytes) << agent->output() << page;
  EXPECT_GE(sum_of(page, "fairlead_request_bytes_total"), bytes / 2);
}

}  // namespace
}  // namespace fairlead
