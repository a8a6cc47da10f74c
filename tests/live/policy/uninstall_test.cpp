// SPDX-License-Identifier: Apache-2.0
// An uninstall takes the programs out of the pods' namespaces too.
#include <fcntl.h>
#include <gtest/gtest.h>

#include "live/policy/policy_node.hpp"
#include "support/agent_process.hpp"

namespace fairlead {
namespace {

using test::kServer;

/// How many sk_lookup programs a network namespace has.
std::uint32_t lookups_in(const test::Netns& netns) {
  const Fd ns(::open(netns.path().c_str(), O_RDONLY | O_CLOEXEC));
  std::uint32_t ids[8] = {};
  std::uint32_t count = 8, flags = 0;
  EXPECT_EQ(bpf_prog_query(ns.get(), BPF_SK_LOOKUP, 0, &flags, ids, &count), 0);
  return count;
}

TEST(PolicyUninstall, LeavesNoProgramInPodsNamespaces) {
  test::PolicyNode node;
  const auto& pod = node.add_pod("server", kServer);
  const auto& client = node.add_pod("client", "10.244.0.2");
  const test::TestServer server(test::TestServer::Protocol::kTcp, kServer, "server", &pod);
  node.write("nobody", test::network_policy("nobody", "{podSelector: {matchLabels: {app: server}}}"));
  node.start_agent();
  EXPECT_TRUE(test::eventually([&] { return lookups_in(pod) == 1; })) << node.agent().output();
  node.agent().stop();
  EXPECT_EQ(lookups_in(pod), 1U);
  EXPECT_EQ(test::ask_tcp(kServer, server.port(), &client), "errno Permission denied");
  const auto done = test::try_run({test::built_program("fairlead-agent"), "uninstall", "--pin-dir", node.pins(),
                                   "--run-dir", node.folder() + "/run", "--socket", node.folder() + "/agent.sock"});
  EXPECT_EQ(done.status, 0) << done.output;
  EXPECT_EQ(lookups_in(pod), 0U);
  EXPECT_EQ(test::ask_tcp(kServer, server.port(), &client), "server");
}

}  // namespace
}  // namespace fairlead
