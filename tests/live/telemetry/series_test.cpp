// SPDX-License-Identifier: Apache-2.0
// The life of series and the limits of what is kept: who is gone goes, what does not fit is counted.
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <iterator>

#include "live/policy/policy_node.hpp"
#include "live/telemetry/page.hpp"

namespace fairlead::test {
namespace {

using Protocol = TestServer::Protocol;

constexpr const char* kServer = "10.244.0.3";
constexpr const char* kOpened = "fairlead_connections_opened_total";

class SeriesTest : public ::testing::Test {
 protected:
  static Labels from(const std::string& pod) { return {{"source", "default/" + pod}, {"reporter", "source"}}; }
  [[nodiscard]] double shown(const std::string& name, const Labels& labels = {}) {
    return sample(node_.process(), name, labels);
  }
  /// A service without endpoints.
  static std::string empty_service() {
    return "apiVersion: v1\nkind: Service\nmetadata: {name: empty, namespace: default}\nspec: {clusterIP: 10.96.0.9, "
           "ports: [{port: 53, protocol: UDP}]}\n";
  }

  /// A service of port 80 with the server as its endpoint.
  static std::string service(const char* protocol, std::uint16_t port, const char* name, const char* address) {
    return std::string("apiVersion: v1\nkind: Service\nmetadata: {name: ") + name +
           ", namespace: default}\nspec: {clusterIP: " + address +
           ", ports: [{name: p, port: 80, protocol: " + protocol +
           "}]}\n---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: " + name +
           "-1, namespace: default, labels: {kubernetes.io/service-name: " + name +
           "}}\naddressType: IPv4\nports: [{name: p, port: " + std::to_string(port) + ", protocol: " + protocol +
           "}]\nendpoints: [{addresses: [10.244.0.3]}]\n";
  }
  void friends_only() {
    node_.write("policy", network_policy("friends",
                                         "{podSelector: {matchLabels: {app: server}}, ingress: [{from: "
                                         "[{podSelector: {matchLabels: {app: client}}}]}]}"));
  }

  PolicyNode node_;
  Netns& client_ = node_.add_pod("client", "10.244.0.2");
  Netns& server_ = node_.add_pod("server", kServer);
  Netns& other_ = node_.add_pod("other", "10.244.0.4");
};

TEST_F(SeriesTest, OfAWorkloadThatIsGoneGoAfterAWhile) {
  const TestServer tcp(Protocol::kTcp, kServer, "server", &server_);
  node_.start_agent({"--keep-series", "1"});
  for (const Netns* ns : {&client_, &other_}) ASSERT_EQ(ask_tcp(kServer, tcp.port(), ns), "server");
  EXPECT_TRUE(comes_to(node_.process(), kOpened, from("client"), 1));
  EXPECT_TRUE(comes_to(node_.process(), kOpened, from("other"), 1));
  node_.write("pod-client", "");
  EXPECT_TRUE(comes_to(node_.process(), kOpened, from("client"), -1));
  EXPECT_TRUE(comes_to(node_.process(), "fairlead_retired_series_total", {}, 2));  // of both reporters
  EXPECT_EQ(shown(kOpened, from("other")), 1);
}

TEST_F(SeriesTest, SayWhatAConnectionMovedAndHowFast) {
  const TestServer tcp(Protocol::kTcp, kServer, "server", &server_);
  node_.write("tcp", service("TCP", tcp.port(), "t", "10.96.0.1"));
  node_.start_agent();
  client_.in([&] {
    const SocketAddress where("10.96.0.1", 80);
    const Fd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(connect(client.get(), where.get(), where.length), 0);
    ASSERT_EQ(send(client.get(), "question", 8, 0), 8);
    char answer[15];  // "server", a line's end, and the question
    ASSERT_EQ(recv(client.get(), answer, sizeof answer, MSG_WAITALL), 15);
  });
  ASSERT_TRUE(comes_to(node_.process(), "fairlead_connections_closed_total", from("client"), 1));
  EXPECT_EQ(shown("fairlead_request_bytes_total", from("client")), 8);
  EXPECT_EQ(shown("fairlead_response_bytes_total", from("client")), 15);
  EXPECT_EQ(shown("fairlead_connect_duration_seconds_count", from("client")), 1);
  EXPECT_GT(shown("fairlead_connect_duration_seconds_sum", from("client")), 0);
  EXPECT_GE(shown("fairlead_rtt_seconds_count", from("client")), 1);
  EXPECT_GT(shown("fairlead_rtt_seconds_sum", from("client")), 0);
  const Labels backend = {{"service", "default/t"}, {"backend", kServer + (":" + std::to_string(tcp.port()))}};
  EXPECT_GT(shown("fairlead_backend_rtt_seconds", backend), 0);
  EXPECT_EQ(shown("fairlead_backend_retransmissions_total", backend), 0);
  EXPECT_EQ(shown("fairlead_backend_connections_closed_total", backend), 1);
  EXPECT_EQ(shown("fairlead_backend_request_bytes_total", backend), 8);
  EXPECT_EQ(shown("fairlead_backend_response_bytes_total", backend), 15);
  EXPECT_EQ(shown("fairlead_backend_redirected_bytes_total", backend), 0);
  EXPECT_EQ(shown("fairlead_backend_connect_duration_seconds_count", backend), 1);
  EXPECT_EQ(shown("fairlead_backend_connect_duration_seconds_sum", backend),
            shown("fairlead_connect_duration_seconds_sum", from("client")));
  EXPECT_EQ(shown("fairlead_backend_connections_failed_total", backend), -1) << "none failed";
}

// A NodePort is a way to the service's port, not a port that it has beside that.
TEST_F(SeriesTest, NameThePortOfTheServiceWhicheverWayItWasAsked) {
  const TestServer tcp(Protocol::kTcp, kServer, "server", &server_);
  auto text = service("TCP", tcp.port(), "t", "10.96.0.1");
  text.insert(text.find("protocol: TCP}]}"), "nodePort: 31580, ");
  node_.write("tcp", text);
  node_.write("far",
              "apiVersion: v1\nkind: Node\nmetadata: {name: far}\nstatus: {addresses: [{type: InternalIP, address: "
              "192.0.2.77}]}\n");
  node_.start_agent();
  ASSERT_EQ(ask_tcp("192.0.2.77", 31580, &client_), "server");
  ASSERT_EQ(ask_tcp("10.96.0.1", 80, &client_), "server");
  auto labels = from("client");
  labels["service"] = "default/t";
  labels["port"] = "80";
  EXPECT_TRUE(comes_to(node_.process(), kOpened, labels, 2));
  labels["port"] = "31580";
  EXPECT_EQ(shown(kOpened, labels), -1);
}

/// Buckets of the pairs are of steps of two, those of backends of steps of four.
TEST_F(SeriesTest, OfBackendsHaveEverySecondBucketOfConnectDurations) {
  constexpr int kConnects = 50;
  const TestServer tcp(Protocol::kTcp, kServer, "server", &server_);
  node_.write("tcp", service("TCP", tcp.port(), "t", "10.96.0.1"));
  node_.start_agent();
  for (int i = 0; i < kConnects; ++i) ASSERT_EQ(ask_tcp("10.96.0.1", 80, &client_), "server");
  ASSERT_TRUE(comes_to(node_.process(), "fairlead_connections_closed_total", from("client"), kConnects));
  for (const char* bound : {"3.2e-05", "0.000128", "0.000512", "0.002048", "33.554432", "+Inf"}) {
    const auto of_pair =
        shown("fairlead_connect_duration_seconds_bucket", {{"source", "default/client"}, {"le", bound}});
    EXPECT_GE(of_pair, 0) << bound;
    EXPECT_EQ(shown("fairlead_backend_connect_duration_seconds_bucket", {{"le", bound}}), of_pair) << bound;
  }
  EXPECT_EQ(shown("fairlead_backend_connect_duration_seconds_bucket", {{"le", "+Inf"}}), kConnects);
  EXPECT_EQ(shown("fairlead_backend_connect_duration_seconds_bucket", {{"le", "6.4e-05"}}), -1);
}

/// A backend that resets what it accepts, and that refuses afterwards.
TEST_F(SeriesTest, OfBackendsSayWhyConnectionsFailed) {
  Fd listener;
  sockaddr_in where{};
  server_.in([&] {
    const SocketAddress any(kServer, 0);
    listener.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    socklen_t length = sizeof where;
    ASSERT_EQ(::bind(listener.get(), any.get(), any.length), 0);
    ASSERT_EQ(::listen(listener.get(), 8), 0);
    ASSERT_EQ(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&where), &length), 0);
  });
  node_.write("tcp", service("TCP", ntohs(where.sin_port), "t", "10.96.0.1"));
  node_.start_agent();
  const auto client = connect_tcp("10.96.0.1", 80, &client_);
  ASSERT_EQ(client.error, 0);
  Fd accepted(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  ASSERT_EQ(::setsockopt(accepted.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
  accepted.reset();
  listener.reset();
  for (int i = 0; i < 2; ++i) EXPECT_EQ(ask_tcp("10.96.0.1", 80, &client_), error_of(ECONNREFUSED));
  const auto failed = [&](const char* reason) {
    return shown("fairlead_backend_connections_failed_total", {{"service", "default/t"}, {"reason", reason}});
  };
  EXPECT_EQ(failed("refused"), 2);
  EXPECT_EQ(failed("reset"), 1);
  EXPECT_EQ(shown("fairlead_backend_connections_failed_total"), 3);
  EXPECT_EQ(shown("fairlead_backend_connections_closed_total"), 1) << "the two others had not begun";
  EXPECT_EQ(shown("fairlead_backend_connect_duration_seconds_count"), 1);
}

TEST_F(SeriesTest, OfBackendsCountUdpAndLivingConnections) {
  const TestServer tcp(Protocol::kTcp, kServer, "server", &server_), udp(Protocol::kUdp, kServer, "server", &server_);
  node_.write("tcp", service("TCP", tcp.port(), "t", "10.96.0.1"));
  node_.write("udp", service("UDP", udp.port(), "u", "10.96.0.2"));
  node_.start_agent();
  client_.in([&] {
    const auto living = connect_tcp("10.96.0.1", 80);
    ASSERT_EQ(read_line(living.socket), "server");
    ASSERT_EQ(send(living.socket.get(), "question", 8, 0), 8);
    EXPECT_TRUE(comes_to(node_.process(), "fairlead_backend_request_bytes_total", {{"service", "default/t"}}, 8));
    EXPECT_EQ(shown("fairlead_backend_connections_closed_total", {{"service", "default/t"}}), 0);
    EXPECT_EQ(shown("fairlead_backend_connect_duration_seconds_count", {{"service", "default/t"}}), 1);
    const Fd datagrams(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const SocketAddress where("10.96.0.2", 80);
    ASSERT_EQ(connect(datagrams.get(), where.get(), where.length), 0);
    ASSERT_EQ(send(datagrams.get(), "q", 1, 0), 1);
    char answer[16];
    ASSERT_EQ(recv(datagrams.get(), answer, sizeof answer, 0), 8);  // "server q"
  });
  const Labels of_udp = {{"service", "default/u"}, {"protocol", "udp"}};
  EXPECT_TRUE(comes_to(node_.process(), "fairlead_backend_connections_closed_total", of_udp, 1));
  EXPECT_EQ(shown("fairlead_backend_request_bytes_total", of_udp), 1);
  EXPECT_EQ(shown("fairlead_backend_response_bytes_total", of_udp), 8);
  EXPECT_EQ(shown("fairlead_backend_connect_duration_seconds_count", of_udp), -1);
}

TEST_F(SeriesTest, OfBackendsThatAreGoneGo) {
  const Labels rows = {{"map", "fl_be_stats"}};
  const TestServer tcp(Protocol::kTcp, kServer, "server", &server_);
  node_.write("tcp", service("TCP", tcp.port(), "t", "10.96.0.1"));
  node_.start_agent({"--keep-series", "1"});
  ASSERT_EQ(ask_tcp("10.96.0.1", 80, &client_), "server");
  ASSERT_TRUE(comes_to(node_.process(), "fairlead_map_entries", rows, 1));
  node_.write("tcp", "");
  EXPECT_TRUE(comes_to(node_.process(), "fairlead_map_entries", rows, 0));
}

TEST_F(SeriesTest, OfBackendsBeyondTheCapAreCounted) {
  constexpr int kBackends = 20;
  const TestServer tcp(Protocol::kTcp, kServer, "server", &server_);
  std::string services;
  for (int i = 0; i < kBackends; ++i) {
    const auto name = "t" + std::to_string(i);
    services += service("TCP", tcp.port(), name.c_str(), ("10.96.0." + std::to_string(1 + i)).c_str()) + "---\n";
  }
  node_.write("tcp", services);
  node_.start_agent({"--max-series", "16"});
  for (int i = 0; i < kBackends; ++i) ASSERT_EQ(ask_tcp("10.96.0." + std::to_string(1 + i), 80, &client_), "server");
  EXPECT_TRUE(comes_to(node_.process(), "fairlead_backend_connections_closed_total", {}, 16));
  EXPECT_TRUE(eventually([&] { return shown("fairlead_fallbacks_total", {{"reason", "backend_series_full"}}) >= 4; }));
  EXPECT_EQ(shown("fairlead_map_entries", {{"map", "fl_be_stats"}}), 16);
  EXPECT_EQ(shown("fairlead_map_capacity", {{"map", "fl_be_stats"}}), 16);
  EXPECT_EQ(shown("fairlead_backend_connections_total"), kBackends) << "of its row in fl_be_state, which each has";
}

TEST_F(SeriesTest, OfDeniedConnectsShowNoConnection) {
  const TestServer tcp(Protocol::kTcp, kServer, "server", &server_), udp(Protocol::kUdp, kServer, "server", &server_);
  node_.write("tcp", service("TCP", tcp.port(), "t", "10.96.0.1"));
  node_.write("udp", service("UDP", udp.port(), "u", "10.96.0.2"));
  friends_only();
  node_.start_agent();
  ASSERT_EQ(ask_tcp("10.96.0.1", 80, &client_), "server");
  ASSERT_EQ(ask_udp("10.96.0.2", 80, &client_), "server");
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(ask_tcp("10.96.0.1", 80, &other_), error_of(EACCES));
    EXPECT_EQ(ask_udp("10.96.0.2", 80, &other_), error_of(EACCES));
  }
  for (const char* name : {"default/t", "default/u"}) {
    EXPECT_EQ(shown("fairlead_service_connections_total", {{"service", name}}), 1) << name;
    EXPECT_EQ(shown("fairlead_backend_connections_total", {{"service", name}}), 1) << name;
    EXPECT_EQ(shown("fairlead_connections_failed_total", {{"service", name}, {"reason", "policy"}}), 3) << name;
  }
  EXPECT_EQ(shown("fairlead_denied_total", {{"side", "client"}}), 6);
}

TEST_F(SeriesTest, KeepTheirNamesUntilThen) {
  const TestServer tcp(Protocol::kTcp, kServer, "server", &server_);
  node_.start_agent();
  ASSERT_EQ(ask_tcp(kServer, tcp.port(), &client_), "server");
  EXPECT_TRUE(comes_to(node_.process(), kOpened, from("client"), 1));
  node_.write("pod-client", "");
  ASSERT_TRUE(eventually([&] { return node_.workload("10.244.0.2").workload_id == 0; }));
  EXPECT_TRUE(comes_to(node_.process(), kOpened, from("client"), 1));
  EXPECT_EQ(shown("fairlead_retired_series_total"), 0);
}

// The caller's node, if it has an agent at all, does not tell this one.
TEST_F(SeriesTest, OfDenialsOnTheServersSideAreItsReport) {
  const TestServer tcp(Protocol::kTcp, kServer, "server", &server_);
  friends_only();
  node_.start_agent();
  for (int i = 0; i < 2; ++i)
    EXPECT_EQ(node_.outside([&] { return ask_tcp(kServer, tcp.port(), &other_); }), error_of(ECONNREFUSED));
  const Labels denied = {{"reporter", "destination"},
                         {"source", "default/other"},
                         {"destination", "default/server"},
                         {"port", std::to_string(tcp.port())}};
  EXPECT_EQ(shown(kOpened, denied), 0);
  auto by_reason = denied;
  by_reason["reason"] = "policy";
  EXPECT_EQ(shown("fairlead_connections_failed_total", by_reason), 2);
}

// A job may come, call and go between two scrapes.
TEST_F(SeriesTest, KeepTheirNamesThoughNobodyAskedWhileTheyWereThere) {
  const TestServer tcp(Protocol::kTcp, kServer, "server", &server_);
  node_.write("tcp", service("TCP", tcp.port(), "t", "10.96.0.1"));
  friends_only();
  node_.start_agent();
  ASSERT_EQ(ask_tcp("10.96.0.1", 80, &client_), "server");
  ASSERT_EQ(ask_tcp("10.96.0.1", 80, &other_), error_of(EACCES));
  for (const char* file : {"policy", "tcp", "pod-other", "pod-client"}) node_.write(file, "");
  ASSERT_TRUE(eventually([&] { return node_.workload("10.244.0.2").workload_id == 0; }));
  EXPECT_EQ(shown(kOpened, {{"reporter", "source"}, {"source", "default/client"}, {"service", "default/t"}}), 1);
  EXPECT_EQ(shown("istio_tcp_connections_opened_total",
                  {{"reporter", "source"}, {"source_canonical_service", "client"}, {"destination_service_name", "t"}}),
            1);
  const auto denied = node_.process().ctl({"flows", "--type", "deny", "-o", "json"});
  for (const char* name :
       {"\"workload\":\"other\"", "\"name\":\"t\"", "NetworkPolicy default/friends, no ingress rule"})
    EXPECT_NE(denied.find(name), std::string::npos) << name << denied;
}

TEST_F(SeriesTest, BeyondTheCapAreSummedAndCounted) {
  std::vector<std::unique_ptr<TestServer>> servers;
  node_.start_agent({"--max-series", "16"});
  for (int i = 0; i < 20; ++i) {
    servers.push_back(std::make_unique<TestServer>(Protocol::kTcp, kServer, "server", &server_));
    ASSERT_EQ(ask_tcp(kServer, servers.back()->port(), &client_), "server");
  }
  // Two ends report each connection; each port is a series of its own.
  EXPECT_TRUE(eventually(
      [&] { return shown("fairlead_connections_closed_total") + shown("fairlead_overflow_connections_total") == 40; }));
  EXPECT_EQ(shown("fairlead_series"), 16);
  EXPECT_EQ(shown("fairlead_series_capacity"), 16);
  EXPECT_EQ(shown("fairlead_overflow_connections_total"), 25);  // one row is the overflow's own
  EXPECT_GE(shown("fairlead_fallbacks_total", {{"reason", "series_full"}}), 25);
}

TEST_F(SeriesTest, EventsThatFindTheRingFullAreCountedAndLost) {
  constexpr int kEvents = 30'000;  // the ring takes 22 795 of them
  node_.write("empty", empty_service());
  const std::string log = node_.folder() + "/flows.jsonl";
  node_.start_agent({"--flow-log", log});
  node_.agent().signal(SIGSTOP);
  int refused = 0;
  client_.in([&] {
    const SocketAddress where("10.96.0.9", 53);
    const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    for (int i = 0; i < kEvents; ++i)
      refused += sendto(socket.get(), "q", 1, 0, where.get(), where.length) == -1 && errno == ECONNREFUSED;
  });
  const auto lost = node_.counter(FL_C_EVENTS_LOST);
  node_.agent().signal(SIGCONT);
  ASSERT_EQ(refused, kEvents);
  EXPECT_EQ(lost, kEvents - 22'795U);
  const auto written = [&] {
    std::ifstream lines(log);
    return static_cast<std::size_t>(std::count(std::istreambuf_iterator<char>(lines), {}, '\n'));
  };
  EXPECT_TRUE(eventually([&] { return written() == kEvents - lost; })) << written();
  EXPECT_EQ(shown("fairlead_lost_events_total"), static_cast<double>(lost));
  EXPECT_EQ(shown("fairlead_connections_failed_total", {{"service", "default/empty"}}), kEvents);
}

}  // namespace
}  // namespace fairlead::test
