// SPDX-License-Identifier: Apache-2.0
// Unconnected UDP through services: one socket, many datagrams, each with its own target.
#include <bpf/bpf.h>
#include <sys/time.h>

#include <atomic>
#include <cerrno>
#include <map>
#include <memory>
#include <set>
#include <thread>

#include "live/balance/node.hpp"
#include "support/netns.hpp"
#include "support/process.hpp"
#include "support/wait.hpp"

namespace fairlead::test {
namespace {

using Protocol = TestServer::Protocol;

struct Answer {
  std::string text{};
  std::string from{};  ///< "address port"
  int error = 0;       ///< of sendto or recvfrom
};

/// An unconnected UDP socket.
/// Owner: the test. Thread: one.
class UdpClient {
 public:
  explicit UdpClient(int family = AF_INET) : socket_(::socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    const timeval limit{.tv_sec = 5, .tv_usec = 0};
    setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }
  [[nodiscard]] const Fd& socket() const { return socket_; }

  /// Sends "q" there; errno or 0.
  int send(const std::string& address, std::uint16_t port = BalancedNode::kPort) const {
    const SocketAddress where(address, port);
    return sendto(socket_.get(), "q", 1, 0, where.get(), where.length) == 1 ? 0 : errno;
  }
  void connect(const std::string& address) const {
    const SocketAddress where(address, BalancedNode::kPort);
    EXPECT_EQ(::connect(socket_.get(), where.get(), where.length), 0);
  }
  void disconnect() const {
    const sockaddr nobody{.sa_family = AF_UNSPEC, .sa_data = {}};
    EXPECT_EQ(::connect(socket_.get(), &nobody, sizeof nobody), 0);
  }
  Answer receive() const {
    char buffer[256] = {};
    sockaddr_storage from{};
    socklen_t length = sizeof from;
    if (recvfrom(socket_.get(), buffer, sizeof buffer - 1, 0, reinterpret_cast<sockaddr*>(&from), &length) < 0)
      return {.error = errno};
    return {.text = buffer, .from = text_of(from)};
  }
  Answer ask(const std::string& address, std::uint16_t port = BalancedNode::kPort) const {
    const int error = send(address, port);
    return error != 0 ? Answer{.error = error} : receive();
  }

 private:
  Fd socket_;
};

class UdpTest : public BalanceTest {
 protected:
  /// The rows of a socket in fl_udp_peers.
  static std::vector<fl_udp_peer_key> rows_of(std::uint64_t cookie) {
    const Fd map = node().map("fl_udp_peers");
    std::vector<fl_udp_peer_key> rows;
    fl_udp_peer_key key{};
    for (void* from = nullptr; bpf_map_get_next_key(map.get(), from, &key) == 0; from = &key)
      if (key.cookie == cookie) rows.push_back(key);
    return rows;
  }
  static std::uint64_t cookie_of(const Fd& socket) {
    std::uint64_t cookie = 0;
    socklen_t length = sizeof cookie;
    EXPECT_EQ(getsockopt(socket.get(), SOL_SOCKET, SO_COOKIE, &cookie, &length), 0);
    return cookie;
  }
  /// As if others had pushed them out.
  static void lose_rows(const Fd& socket) {
    const Fd map = node().map("fl_udp_peers");
    for (const auto& row : rows_of(cookie_of(socket))) bpf_map_delete_elem(map.get(), &row);
  }
  /// Has the programs write rows of what is held, too, as an agent that replaces this one does.
  static void list(bool on) {
    const std::uint32_t zero = 0, value = on ? 1 : 0;
    EXPECT_EQ(bpf_map_update_elem(node().map("fl_udp_rows").get(), &zero, &value, BPF_ANY), 0);
  }
  /// Services of one backend, one more than a socket can hold.
  static std::vector<std::string> too_many(const std::string& name, const TestServer& server) {
    std::vector<std::string> addresses;
    for (int i = 0; i < FL_UDP_HELD + 1; ++i) addresses.push_back(put(name + "-" + std::to_string(i), {&server}));
    return addresses;
  }
  static std::string put(const std::string& name, const std::vector<const TestServer*>& servers, bool v6 = false) {
    TestService service{.name = name, .udp = true, .v6 = v6};
    for (const auto* server : servers) service.endpoints.push_back(endpoint_of(*server, v6 ? "::1" : "127.0.0.1"));
    return node().put(service);
  }
};

TEST_F(UdpTest, AnswersComeFromTheAddressThatWasAsked) {
  const TestServer server(Protocol::kUdp, "127.0.0.1", "dns");
  const auto address = put("udp-v4", {&server});
  const UdpClient client;
  const auto answer = client.ask(address);
  EXPECT_EQ(answer.text, "dns q") << answer.error;
  EXPECT_EQ(answer.from, address + " 80");
}

TEST_F(UdpTest, V6) {
  const TestServer server(Protocol::kUdp, "::1", "dns6");
  const auto address = put("udp-v6", {&server}, true);
  const UdpClient client(AF_INET6);
  const auto answer = client.ask(address);
  EXPECT_EQ(answer.text, "dns6 q") << answer.error;
  EXPECT_EQ(answer.from, address + " 80");
}

TEST_F(UdpTest, V4Mapped) {
  const TestServer server(Protocol::kUdp, "127.0.0.1", "mapped");
  const auto address = put("udp-mapped", {&server});
  const UdpClient client(AF_INET6);
  const auto answer = client.ask("::ffff:" + address);
  EXPECT_EQ(answer.text, "mapped q") << answer.error;
  EXPECT_EQ(answer.from, "::ffff:" + address + " 80");
}

TEST_F(UdpTest, OneSocketStaysWithOneBackend) {
  const TestServer a(Protocol::kUdp, "127.0.0.1", "a"), b(Protocol::kUdp, "127.0.0.1", "b"),
      c(Protocol::kUdp, "127.0.0.1", "c");
  const auto address = put("udp-stick", {&a, &b, &c});
  std::set<std::string> all;
  for (int socket = 0; socket < 40; ++socket) {
    const UdpClient client;
    const auto first = client.ask(address).text;
    all.insert(first);
    for (int i = 0; i < 5; ++i) EXPECT_EQ(client.ask(address).text, first);
  }
  EXPECT_EQ(all.size(), 3U);
  EXPECT_EQ(node().service_state(address, true).total, 40U);  // one pick a socket
}

TEST_F(UdpTest, SeveralServicesFromOneSocket) {
  const TestServer a(Protocol::kUdp, "127.0.0.1", "a"), b(Protocol::kUdp, "127.0.0.1", "b"),
      plain(Protocol::kUdp, "127.0.0.1", "plain");
  const auto first = put("udp-one", {&a});
  const auto second = put("udp-two", {&b});
  const UdpClient client;
  // All three are asked before any is read.
  ASSERT_EQ(client.send(first), 0);
  ASSERT_EQ(client.send(second), 0);
  ASSERT_EQ(client.send("127.0.0.1", plain.port()), 0);
  std::map<std::string, std::string> answers;
  for (int i = 0; i < 3; ++i) {
    const auto answer = client.receive();
    answers[answer.text] = answer.from;
  }
  EXPECT_EQ(answers["a q"], first + " 80");
  EXPECT_EQ(answers["b q"], second + " 80");
  EXPECT_EQ(answers["plain q"], "127.0.0.1 " + std::to_string(plain.port()));
}

TEST_F(UdpTest, TwoServicesWithOneBackendAnswerInTurn) {
  const TestServer server(Protocol::kUdp, "127.0.0.1", "both");
  const auto first = put("udp-both-1", {&server});
  const auto second = put("udp-both-2", {&server});
  const UdpClient client;
  for (const auto& address : {first, second, first}) EXPECT_EQ(client.ask(address).from, address + " 80");
}

TEST_F(UdpTest, ABackendThatIsGoneIsReplaced) {
  const TestServer a(Protocol::kUdp, "127.0.0.1", "a"), b(Protocol::kUdp, "127.0.0.1", "b");
  const auto address = put("udp-gone", {&a});
  const UdpClient client;
  EXPECT_EQ(client.ask(address).text, "a q");
  put("udp-gone", {&b});
  EXPECT_EQ(client.ask(address).text, "b q");
  EXPECT_EQ(client.ask(address).from, address + " 80");
}

TEST_F(UdpTest, ADrainingBackendKeepsItsSockets) {
  const TestServer a(Protocol::kUdp, "127.0.0.1", "a"), b(Protocol::kUdp, "127.0.0.1", "b");
  TestService service{.name = "udp-drain", .endpoints = {endpoint_of(a, "127.0.0.1")}, .udp = true};
  const auto address = node().put(service);
  const UdpClient old_client;
  EXPECT_EQ(old_client.ask(address).text, "a q");
  service.endpoints = {endpoint_of(a, "127.0.0.1", "conditions: {ready: false, serving: true, terminating: true}"),
                       endpoint_of(b, "127.0.0.1")};
  node().put(service);
  EXPECT_EQ(old_client.ask(address).text, "a q");
  EXPECT_EQ(UdpClient().ask(address).text, "b q");
}

TEST_F(UdpTest, NoEndpointIsRefusedAtOnce) {
  const auto address = put("udp-empty", {});
  const auto before = node().counter(FL_C_NO_BACKEND);
  EXPECT_EQ(UdpClient().send(address), ECONNREFUSED);
  EXPECT_EQ(node().counter(FL_C_NO_BACKEND), before + 1);
}

// The kernel gives a connected socket's datagrams to the peer that connect was given; the hook sees them only where
// they name an address.
TEST_F(UdpTest, AConnectedSocketIsTranslatedOnce) {
  const TestServer a(Protocol::kUdp, "127.0.0.1", "a"), b(Protocol::kUdp, "127.0.0.1", "b"),
      c(Protocol::kUdp, "127.0.0.1", "c");
  const auto address = put("udp-connected", {&a, &b, &c});
  const SocketAddress where(address, BalancedNode::kPort);
  for (int i = 0; i < 10; ++i) {
    const UdpClient client;
    ASSERT_EQ(connect(client.socket().get(), where.get(), where.length), 0);
    ASSERT_EQ(send(client.socket().get(), "q", 1, 0), 1);
    const auto first = client.receive();
    EXPECT_EQ(first.from, address + " 80");
    const auto named = client.ask(address);
    EXPECT_EQ(named.text, first.text);
    EXPECT_EQ(named.from, address + " 80");
    EXPECT_EQ(peer_of(client.socket()), address + " 80");
  }
  EXPECT_EQ(node().service_state(address, true).total, 10U);
}

TEST_F(UdpTest, ADisconnectedSocketIsGivenABackendAnew) {
  const TestServer a(Protocol::kUdp, "127.0.0.1", "a"), b(Protocol::kUdp, "127.0.0.1", "b");
  const auto address = put("udp-disconnected", {&a});
  const UdpClient client;
  client.connect(address);
  EXPECT_EQ(client.ask(address).text, "a q");
  client.disconnect();
  put("udp-disconnected", {&b});
  const auto answer = client.ask(address);
  EXPECT_EQ(answer.text, "b q");
  EXPECT_EQ(answer.from, address + " 80");
}

TEST_F(UdpTest, AnEndedSocketIsGivenABackendAnew) {
  const TestServer a(Protocol::kUdp, "127.0.0.1", "a"), b(Protocol::kUdp, "127.0.0.1", "b");
  const auto address = put("udp-ended", {&a});
  const UdpClient client;
  client.connect(address);
  EXPECT_EQ(client.ask(address).text, "a q");
  put("udp-ended", {&b});
  EXPECT_EQ(client.receive().error, ECONNABORTED);
  const auto answer = client.ask(address);
  EXPECT_EQ(answer.text, "b q");
  EXPECT_EQ(answer.from, address + " 80");
}

TEST_F(UdpTest, AnswersToADisconnectedSocketComeFromTheAddressThatWasAskedLast) {
  const TestServer server(Protocol::kUdp, "127.0.0.1", "both");
  const auto first = put("udp-disconnected-1", {&server});
  const auto second = put("udp-disconnected-2", {&server});
  const UdpClient client;
  client.connect(first);
  EXPECT_EQ(client.ask(first).from, first + " 80");
  // Asked before, read after it.
  EXPECT_EQ(client.send(first), 0);
  char byte = 0;
  EXPECT_EQ(recv(client.socket().get(), &byte, 1, MSG_PEEK), 1);
  client.disconnect();
  EXPECT_EQ(client.receive().from, first + " 80");
  EXPECT_EQ(client.ask(second).from, second + " 80");
  EXPECT_EQ(client.ask(first).from, first + " 80");
}

TEST_F(UdpTest, RowsAreWrittenWhereTheyAreWantedAndGoWithTheirSocket) {
  const TestServer server(Protocol::kUdp, "127.0.0.1", "gone");
  const auto address = put("udp-gone", {&server});
  std::uint64_t cookie = 0;
  {
    const UdpClient without, with;
    EXPECT_EQ(without.ask(address).text, "gone q");
    EXPECT_EQ(rows_of(cookie_of(without.socket())).size(), 0U);
    list(true);
    EXPECT_EQ(with.ask(address).text, "gone q");
    list(false);
    cookie = cookie_of(with.socket());
    EXPECT_EQ(rows_of(cookie).size(), 2U);
  }
  // The last reference to a socket may be given back a moment after close.
  EXPECT_TRUE(eventually([&] { return rows_of(cookie).empty(); }));
}

// As an agent lists them that replaces another.
TEST_F(UdpTest, WhatIsListedIsHeldFromThenOn) {
  const TestServer a(Protocol::kUdp, "127.0.0.1", "a"), b(Protocol::kUdp, "127.0.0.1", "b");
  const auto address = put("udp-listed", {&a, &b});
  const Fd map = node().map("fl_udp_peers");
  list(true);
  for (int i = 0; i < 8; ++i) {
    const UdpClient other, client;
    const auto given = other.ask(address).text;
    for (auto key : rows_of(cookie_of(other.socket()))) {
      fl_udp_peer row{};
      ASSERT_EQ(bpf_map_lookup_elem(map.get(), &key, &row), 0);
      key.cookie = cookie_of(client.socket());
      ASSERT_EQ(bpf_map_update_elem(map.get(), &key, &row, BPF_ANY), 0);
    }
    for (int again = 0; again < 4; ++again) {
      const auto answer = client.ask(address);
      EXPECT_EQ(answer.text, given);
      EXPECT_EQ(answer.from, address + " 80");
      lose_rows(client.socket());
    }
  }
  list(false);
}

TEST_F(UdpTest, MoreServicesThanAreHeldAreCounted) {
  const TestServer server(Protocol::kUdp, "127.0.0.1", "many");
  const auto addresses = too_many("udp-many", server);
  const UdpClient client;
  const auto before = node().counter(FL_C_UDP_PEER_UNHELD);
  for (const auto& address : addresses) {
    EXPECT_EQ(node().counter(FL_C_UDP_PEER_UNHELD), before);
    EXPECT_EQ(client.ask(address).from, address + " 80");
  }
  EXPECT_EQ(node().counter(FL_C_UDP_PEER_UNHELD), before + 1);
  // All have one backend: it answers for the one that was asked last, held or not.
  for (int i = 0; i < 20; ++i) {
    const auto& address = addresses[static_cast<std::size_t>(i * 3) % addresses.size()];
    EXPECT_EQ(client.ask(address).from, address + " 80");
  }
  EXPECT_EQ(node().counter(FL_C_UDP_PEER_UNHELD), before + 1);
}

TEST_F(UdpTest, ALostRowOfWhatIsNotHeldIsMadeAgainAndCounted) {
  const TestServer server(Protocol::kUdp, "127.0.0.1", "kept");
  const auto addresses = too_many("udp-lost", server);
  const UdpClient client;
  for (const auto& address : addresses) EXPECT_EQ(client.ask(address).text, "kept q");
  const Fd map = node().map("fl_udp_peers");
  for (const auto& row : rows_of(cookie_of(client.socket())))
    if (row.kind == FL_UDP_ANSWER) bpf_map_delete_elem(map.get(), &row);
  const auto before = node().counter(FL_C_UDP_PEER_EVICTED);
  EXPECT_EQ(client.ask(addresses.back()).from, addresses.back() + " 80");
  EXPECT_EQ(node().counter(FL_C_UDP_PEER_EVICTED), before + 1);
}

// Both are given a backend at the same moment, and neither may take the other's place in what the socket holds: that
// the kernel runs these programs under the socket's lock is what this asks of it.
TEST_F(UdpTest, ThreadsShareASocket) {
  constexpr int kThreads = 2, kSockets = 400;
  std::vector<std::unique_ptr<TestServer>> servers;
  std::vector<std::string> addresses;
  std::map<std::string, std::string> expected;
  for (int i = 0; i < kThreads; ++i) {
    const auto name = "shared" + std::to_string(i);
    servers.push_back(std::make_unique<TestServer>(Protocol::kUdp, "127.0.0.1", name));
    addresses.push_back(put("udp-" + name, {servers.back().get()}));
    expected[name + " q"] = addresses.back() + " 80";
  }
  const std::vector<UdpClient> clients(kSockets);
  std::vector<std::atomic<int>> here(kSockets);
  {
    std::vector<std::jthread> threads;
    for (const auto& address : addresses)
      threads.emplace_back([&] {
        for (std::size_t i = 0; i < kSockets; ++i) {
          for (here[i].fetch_add(1); here[i].load() < kThreads;) continue;  // at the same moment: no futex
          EXPECT_EQ(clients[i].send(address), 0);
        }
      });
  }
  for (const auto& client : clients)
    for (int i = 0; i < kThreads; ++i) {
      const auto answer = client.receive();
      ASSERT_EQ(answer.error, 0);
      EXPECT_EQ(answer.from, expected[answer.text]) << answer.text;
    }
}

TEST_F(UdpTest, DigAsksDnsmasqThroughAService) {
  // A port that was free a moment ago: dnsmasq takes none by itself, and wants it for TCP as well.
  std::uint16_t port = 0;
  std::unique_ptr<Process> dnsmasq;
  for (int tries = 0; tries < 5; ++tries) {
    port = TestServer(Protocol::kUdp, "127.0.0.1", "probe").port();
    dnsmasq = std::make_unique<Process>(ProcessOptions{
        .argv = {"dnsmasq", "--keep-in-foreground", "--no-resolv", "--no-hosts", "--user=root", "--pid-file",
                 "--bind-interfaces", "--listen-address=127.0.0.1", "--port=" + std::to_string(port),
                 "--address=/a.example.test/192.0.2.80", "--log-facility=-"}});
    if (dnsmasq->wait_for("started")) break;
  }
  ASSERT_TRUE(dnsmasq->wait_for("started")) << dnsmasq->output();
  const auto address =
      node().put({.name = "udp-dig", .endpoints = {{.address = "127.0.0.1", .port = port}}, .udp = true});
  Process dig({.argv = {"dig", "@" + address, "-p", std::to_string(BalancedNode::kPort), "+short", "+tries=1",
                        "+time=30", "a.example.test"}});
  EXPECT_EQ(dig.wait(), 0) << dig.output();
  EXPECT_EQ(dig.output(), "192.0.2.80\n");
}

}  // namespace
}  // namespace fairlead::test
