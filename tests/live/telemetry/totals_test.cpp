// SPDX-License-Identifier: Apache-2.0
// What services and backends were given, against what was asked of them: refused and denied connects are no
// connections.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "live/balance/node.hpp"
#include "live/policy/probes.hpp"
#include "live/telemetry/page.hpp"
#include "support/wait.hpp"

namespace fairlead::test {
namespace {

using Protocol = TestServer::Protocol;

class TotalsTest : public BalanceTest {
 protected:
  static double total(const std::string& service) {
    return sample(node().agent(), "fairlead_service_connections_total", {{"service", "default/" + service}});
  }
  static double given(const std::string& service) {
    return sample(node().agent(), "fairlead_backend_connections_total", {{"service", "default/" + service}});
  }
};

TEST_F(TotalsTest, ARefusedConnectIsNoConnection) {
  const TestServer server(Protocol::kTcp, "127.0.0.1", "one");
  const auto address = node().put({.name = "limited-total",
                                   .endpoints = {endpoint_of(server, "127.0.0.1")},
                                   .policy = "connectionPool: {tcp: {maxConnections: 1}}"});
  const auto first = connect_tcp(address, BalancedNode::kPort);
  ASSERT_EQ(first.error, 0);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(connect_tcp(address, BalancedNode::kPort).error, ECONNREFUSED);
  EXPECT_EQ(total("limited-total"), 1);
  EXPECT_EQ(given("limited-total"), 1);
  EXPECT_EQ(sample(node().agent(), "fairlead_service_over_limit_total", {{"service", "default/limited-total"}}), 3);
}

/// As if so many rows had been added to a table.
void set_added(const Fd& counters, std::uint32_t counter, std::uint64_t rows) {
  std::vector<std::uint64_t> each(static_cast<std::size_t>(libbpf_num_possible_cpus()));
  each.front() = rows;
  ASSERT_EQ(bpf_map_update_elem(counters.get(), &counter, each.data(), BPF_ANY), 0);
}

TEST_F(TotalsTest, RowsBeyondATablesRoomHavePushedOutOthers) {
  const auto evicted = [] {
    return sample(node().agent(), "fairlead_fallbacks_total", {{"reason", "affinity_evicted"}});
  };
  set_added(node().map("fl_counters"), FL_C_AFFINITY_ADDED, 65536);
  EXPECT_EQ(evicted(), 0);
  const TestServer server(Protocol::kTcp, "127.0.0.1", "one");
  const auto address = node().put(
      {.name = "affinity-total", .endpoints = {endpoint_of(server, "127.0.0.1")}, .spec = "sessionAffinity: ClientIP"});
  for (int i = 0; i < 2; ++i) EXPECT_EQ(connect_tcp(address, BalancedNode::kPort).error, 0);
  EXPECT_EQ(evicted(), 1);  // the second found the row of the first
}

TEST_F(TotalsTest, EachTableThatPushesOutHasItsRoom) {
  const struct {
    const char* map;
    std::uint32_t counter;
    const char* reason;
  } rows[] = {{"fl_affinity", FL_C_AFFINITY_ADDED, "affinity_evicted"},
              {"fl_udp_asked", FL_C_UDP_ASKED_ADDED, "udp_asked_evicted"},
              {"fl_redir_comms", FL_C_REDIRECT_COMM_ADDED, "redirect_program_evicted"}};
  for (const auto& row : rows) {
    bpf_map_info info{};
    std::uint32_t length = sizeof info;
    ASSERT_EQ(bpf_obj_get_info_by_fd(node().map(row.map).get(), &info, &length), 0) << row.map;
    const auto evicted = [&] { return sample(node().agent(), "fairlead_fallbacks_total", {{"reason", row.reason}}); };
    set_added(node().map("fl_counters"), row.counter, info.max_entries);
    EXPECT_EQ(evicted(), 0) << row.reason;
    set_added(node().map("fl_counters"), row.counter, info.max_entries + std::uint64_t{3});
    EXPECT_EQ(evicted(), 3) << row.reason;
  }
}

TEST_F(TotalsTest, V6BackendsStandInBrackets) {
  const TestServer server(Protocol::kTcp, "::1", "six");
  const auto address = node().put({.name = "six-total", .endpoints = {endpoint_of(server, "::1")}, .v6 = true});
  ASSERT_EQ(ask_tcp(address, BalancedNode::kPort), "six");
  EXPECT_EQ(sample(node().agent(), "fairlead_backend_connections_total",
                   {{"service", "default/six-total"}, {"backend", "[::1]:" + std::to_string(server.port())}}),
            1);
}

TEST_F(TotalsTest, UnconnectedUdpIsGivenItsBackendOnce) {
  const TestServer server(Protocol::kUdp, "127.0.0.1", "dgram");
  const auto address =
      node().put({.name = "dgram-total", .endpoints = {endpoint_of(server, "127.0.0.1")}, .udp = true});
  const SocketAddress where(address, BalancedNode::kPort);
  const auto before = node().counter(FL_C_TRANSLATED);
  for (int socket = 0; socket < 2; ++socket) {
    const Fd client(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    for (int i = 0; i < 5; ++i) {
      ASSERT_EQ(sendto(client.get(), "q", 1, 0, where.get(), where.length), 1);
      EXPECT_EQ(first_word(client), "dgram");
    }
  }
  EXPECT_EQ(total("dgram-total"), 2);
  EXPECT_EQ(given("dgram-total"), 2);
  EXPECT_EQ(node().counter(FL_C_TRANSLATED), before + 2);
}

TEST_F(TotalsTest, RefusedDatagramsAreFailuresWithAFlowEach) {
  const auto address = node().put({.name = "dgram-empty", .udp = true});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ask_udp(address, BalancedNode::kPort), error_of(ECONNREFUSED));
  EXPECT_EQ(total("dgram-empty"), 0);
  const Labels failed = {{"service", "default/dgram-empty"}, {"protocol", "udp"}, {"reason", "no_backend"}};
  EXPECT_EQ(sample(node().agent(), "fairlead_connections_failed_total", failed), 3);
  EXPECT_EQ(sample(node().agent(), "fairlead_service_no_backend_total", {{"service", "default/dgram-empty"}}), 3);
  const auto flows = node().agent().ctl({"flows", "--service", "dgram-empty", "--type", "fail", "-o", "json"});
  EXPECT_EQ(std::count(flows.begin(), flows.end(), '\n'), 3) << flows;
}

}  // namespace
}  // namespace fairlead::test
