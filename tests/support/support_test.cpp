// SPDX-License-Identifier: Apache-2.0
// The helpers do what the other suites rely on.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "support/cgroup.hpp"
#include "support/command.hpp"
#include "support/pin_dir.hpp"
#include "support/process.hpp"
#include "support/server.hpp"
#include "support/test_node.hpp"
#include "support/wait.hpp"

namespace fairlead::test {
namespace {

std::string contents(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

TEST(TempCgroup, HoldsProcessesAndVanishes) {
  std::string path;
  {
    const TempCgroup cgroup;
    path = cgroup.path();
    Process sleeper({.argv = {"sleep", "60"}, .cgroup = cgroup.child("inner")});
    EXPECT_TRUE(
        eventually([&] { return contents(path + "/inner/cgroup.procs") == std::to_string(sleeper.pid()) + "\n"; }));
    cgroup.enter();
    EXPECT_EQ(contents(path + "/cgroup.procs"), std::to_string(getpid()) + "\n");
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(PinDir, IsInBpffsAndVanishes) {
  std::string path;
  {
    const PinDir pins;
    path = pins.path();
    EXPECT_TRUE(std::filesystem::is_directory(path));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(Process, GivesStatusOutputAndSignals) {
  EXPECT_EQ(try_run({"sh", "-c", "echo out; echo err >&2; exit 3"}).status, 3);
  EXPECT_EQ(run({"printf", "%s", "words stay whole"}), "words stay whole");
  EXPECT_THROW(run({"false"}), std::runtime_error);
  EXPECT_EQ(try_run({"/nonexistent"}).status, 127);
  Process shell({.argv = {"sh", "-c", "echo ready; exec sleep 60"}});
  EXPECT_TRUE(shell.wait_for("ready\n"));
  EXPECT_EQ(shell.stop(), 128 + SIGTERM);
  EXPECT_FALSE(shell.wait_for("never"));
}

TEST(TestNode, PodsReachEachOtherAndTheNodeInBothFamilies) {
  TestNode node;
  const Netns& server = node.add_pod("server", {"10.244.0.2", "2001:db8:1::2"});
  const Netns& client = node.add_pod("client", {"10.244.0.3", "2001:db8:1::3"});
  const TestServer tcp4(TestServer::Protocol::kTcp, "10.244.0.2", "four", &server);
  const TestServer tcp6(TestServer::Protocol::kTcp, "2001:db8:1::2", "six", &server);
  const TestServer udp6(TestServer::Protocol::kUdp, "2001:db8:1::2", "udp", &server);
  const TestServer host(TestServer::Protocol::kTcp, TestNode::address_v4(), "host", &node.netns());
  EXPECT_EQ(ask_tcp("10.244.0.2", tcp4.port(), &client), "four");
  EXPECT_EQ(ask_tcp("2001:db8:1::2", tcp6.port(), &client), "six");
  EXPECT_EQ(ask_udp("2001:db8:1::2", udp6.port(), &client), "udp");
  EXPECT_EQ(ask_tcp(TestNode::address_v4(), host.port(), &client), "host");
  EXPECT_EQ(ask_tcp("10.244.0.2", tcp4.port(), &node.netns()), "four");
  EXPECT_EQ(tcp4.hits(), 2);
  EXPECT_EQ(ask_tcp("10.244.0.3", tcp4.port(), &server), "errno Connection refused");
}

TEST(TestServer, EchoesAndKeepsConnectionsApart) {
  const TestServer server(TestServer::Protocol::kTcp, "127.0.0.1", "echo");
  const Connected first = connect_tcp("127.0.0.1", server.port());
  const Connected second = connect_tcp("127.0.0.1", server.port());
  EXPECT_EQ(read_line(second.socket), "echo");
  EXPECT_EQ(read_line(first.socket), "echo");
  ASSERT_EQ(write(first.socket.get(), "one\n", 4), 4);
  ASSERT_EQ(write(second.socket.get(), "two\n", 4), 4);
  EXPECT_EQ(read_line(second.socket), "two");
  EXPECT_EQ(read_line(first.socket), "one");
  EXPECT_EQ(server.hits(), 2);
}

}  // namespace
}  // namespace fairlead::test
