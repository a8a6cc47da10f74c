// SPDX-License-Identifier: Apache-2.0
// Probes and pools over real sockets and the real sessions.
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <thread>
#include <tuple>

#include "fairlead/upstream/cluster_set.hpp"
#include "fairlead/upstream/connector.hpp"
#include "fairlead/upstream/probers.hpp"
#include "unit/upstream/live_server.hpp"

namespace fairlead::upstream {
namespace {

using test::LiveServer;

/// Takes one connection, keeps its first bytes, and closes it.
/// Owner: a test. Thread: the test's; it reads on one of its own.
class FirstBytes {
 public:
  explicit FirstBytes(std::size_t count) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(listen(fd_.get(), 1), 0);
    socklen_t length = sizeof address;
    getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
    thread_ = std::jthread([this, count] {
      const Fd peer(accept(fd_.get(), nullptr, nullptr));
      received_.resize(count);
      const auto got = recv(peer.get(), received_.data(), count, MSG_WAITALL);
      received_.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    });
  }
  [[nodiscard]] net::Endpoint endpoint() const { return {*Address::parse("127.0.0.1"), port_}; }
  [[nodiscard]] const std::string& received() {
    thread_.join();
    return received_;
  }

 private:
  Fd fd_;
  std::uint16_t port_ = 0;
  std::string received_;
  std::jthread thread_;
};

class LiveTest : public testing::Test, public ProbeListener {
 protected:
  void on_probe(ProbeEnd end, std::string_view why) override {
    result = (end == ProbeEnd::kSuccess ? "+" : "-") + std::string(why);
    loop.reactor->stop();
  }
  std::string probe(const net::Endpoint& at, const HealthCheckSpec& check) {
    EndpointSpec endpoint;
    endpoint.address = at;
    auto started = prober.start(endpoint, check, nullptr, *this);
    if (!started) return "!" + started.error().message;
    loop.reactor->run();
    return result;
  }
  static LiveServer::Answer status(std::uint16_t code) {
    return [code](const http::RequestHead&, http::ServerStream& stream) {
      http::ResponseHead head;
      head.status = code;
      stream.send_head(head, true);
    };
  }
  static LiveServer::Answer grpc(std::string body, std::string code) {
    return [=](const http::RequestHead& request, http::ServerStream& stream) {
      EXPECT_EQ(request.target, "/grpc.health.v1.Health/Check");
      http::ResponseHead head;
      head.body = http::Body::kStream;
      head.fields.push_back({"content-type", "application/grpc"});
      stream.send_head(head, false);
      if (!body.empty()) stream.send_body(body, false);
      stream.send_trailers({{"grpc-status", code}});
    };
  }

  test::Loop loop;
  Connector factory{*loop.reactor, loop.pool, loop.h1};
  NetworkProber prober{*loop.reactor, factory};
  std::string result;
};

TEST_F(LiveTest, HttpIsJudgedByItsStatus) {
  struct Row {
    std::uint16_t status;
    std::vector<StatusRange> expected;
    std::string result;
  };
  for (const auto& row : {Row{200, {}, "+status 200"}, Row{204, {}, "+status 204"}, Row{302, {}, "-status 302"},
                          Row{503, {}, "-status 503"}, Row{404, {{200, 299}, {404, 404}}, "+status 404"}}) {
    LiveServer server(loop, false, status(row.status));
    EXPECT_EQ(probe(server.endpoint(), {.expected = row.expected}), row.result);
  }
}

TEST_F(LiveTest, HttpAsksWhatTheCheckSays) {
  std::string asked;
  LiveServer server(loop, false, [&](const http::RequestHead& head, http::ServerStream& stream) {
    asked = std::string(head.method_text) + " " + std::string(head.target) + " " + std::string(head.authority);
    status(200)(head, stream);
  });
  EXPECT_EQ(probe(server.endpoint(), {.path = "/ready?deep=1", .method = "HEAD", .host = "shop.example"}),
            "+status 200");
  EXPECT_EQ(asked, "HEAD /ready?deep=1 shop.example");
}

TEST_F(LiveTest, GrpcIsHealthyWhereItSaysServing) {
  const std::string serving("\0\0\0\0\2\x08\x01", 7);
  const std::string not_serving("\0\0\0\0\2\x08\x02", 7);
  struct Row {
    std::string body, code, result;
  };
  for (const auto& row : {Row{serving, "0", "+"}, Row{not_serving, "0", "-not serving"}, Row{"", "0", "-not serving"},
                          Row{"", "12", "-grpc-status 12"}, Row{serving, "14", "-grpc-status 14"}}) {
    LiveServer server(loop, true, grpc(row.body, row.code));
    EXPECT_EQ(probe(server.endpoint(), {.kind = Check::kGrpc, .grpc_service = "shop"}), row.result);
  }
}

TEST_F(LiveTest, WhoIsNotThereFails) {
  net::Endpoint nobody;
  {
    LiveServer server(loop, false, nullptr);
    nobody = server.endpoint();
  }
  for (const auto kind : {Check::kHttp, Check::kGrpc, Check::kTcp})
    EXPECT_NE(probe(nobody, {.kind = kind}).front(), '+') << static_cast<int>(kind);  // at once, or by the reactor
}

TEST_F(LiveTest, WhoClosesAtOnceFailsButForAPlainConnect) {
  LiveServer server(loop, false, nullptr);
  EXPECT_EQ(probe(server.endpoint(), {}).substr(0, 1), "-");
  EXPECT_EQ(probe(server.endpoint(), {.kind = Check::kTcp, .expect = "OK"}).substr(0, 1), "-");
  EXPECT_EQ(probe(server.endpoint(), {.kind = Check::kTcp}), "+");
}

TEST_F(LiveTest, TcpSendsAndExpects) {
  LiveServer server(loop, false, status(200));
  const std::string ask = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
  EXPECT_EQ(probe(server.endpoint(), {.kind = Check::kTcp, .send = ask, .expect = "200"}), "+");
  EXPECT_EQ(probe(server.endpoint(), {.kind = Check::kTcp, .send = ask, .expect = "pong"}),
            "-closed before the expected bytes");
}

TEST_F(LiveTest, WhatNeedsTlsIsNeverSentWithout) {
  LiveServer server(loop, false, status(200));
  EXPECT_EQ(probe(server.endpoint(), {.tls = true}).substr(0, 1), "!");
  EXPECT_EQ(probe(server.endpoint(), {.kind = Check::kTcp, .tls = true}).substr(0, 1), "!");
  EXPECT_EQ(server.accepted(), 0);
}

TEST_F(LiveTest, ChecksSayThatTheyAreNobodysClient) {
  for (const auto version : {std::uint8_t{1}, std::uint8_t{2}}) {
    const std::string header = version == 1 ? "PROXY UNKNOWN\r\n" : std::string("\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", 16);
    for (const auto kind : {Check::kHttp, Check::kGrpc, Check::kTcp}) {
      FirstBytes server(header.size());
      std::ignore = probe(server.endpoint(), {.kind = kind, .proxy_protocol = version});
      EXPECT_EQ(server.received(), header);
    }
  }
}

/// One request through pick, pool and session.
struct Request final : PoolWaiter, http::ClientHandler {
  Request(event::Reactor& its_reactor, Cluster& its_cluster) : reactor(its_reactor), cluster(its_cluster) {}
  void start() {
    backend = cluster.pick({}).backend;
    ASSERT_NE(backend, nullptr);
    ASSERT_FALSE(cluster.admit(*backend, false));
    const auto got = backend->pool().acquire(*this, *this);
    if (got.stream != nullptr) on_stream(*got.stream);
    if (got.refused) on_pool_failure(*got.refused, "");
  }
  void on_stream(http::ClientStream& stream) override {
    reused = stream.reused_connection();
    http::RequestHead head;
    head.method_text = "GET";
    head.scheme = "http";
    head.authority = "a";
    head.target = "/";
    stream.send_head(head, true);
  }
  void on_pool_failure(PoolFailure why, std::string_view) override { end(0, std::string(pool_failure_name(why))); }
  void on_informational(http::ResponseHead&) override {}
  void on_head(http::ResponseHead& head, bool) override { status = head.status; }
  void on_body(std::string_view, bool) override {}
  void on_trailers(http::Fields&) override {}
  void on_writable() override {}
  void on_reset(http::Reset why) override { end(0, "reset " + std::to_string(static_cast<int>(why))); }
  void on_done() override { end(status, "done"); }
  void end(std::uint16_t code, std::string how) {
    outcome = std::move(how);
    cluster.observe(*backend, {.failure = code == 0 ? Failure::kConnect : Failure::kNone, .status = code});
    cluster.finish(*backend, false);
    reactor.stop();
  }
  event::Reactor& reactor;
  Cluster& cluster;
  Backend* backend = nullptr;
  std::uint16_t status = 0;
  bool reused = false;
  std::string outcome;
};

TEST_F(LiveTest, RequestsReuseAConnectionAndLeaveADeadBackend) {
  for (const bool http2 : {false, true}) {
    SCOPED_TRACE(http2);
    ReactorClock clock(*loop.reactor);
    Random random(3);
    ClusterSet set({.clock = clock, .factory = factory, .random = random});
    LiveServer server(loop, http2, status(204));
    net::Endpoint nobody;
    {
      LiveServer gone(loop, http2, nullptr);
      nobody = gone.endpoint();
    }
    ClusterSpec spec;
    spec.name = "live";
    spec.pool.protocol = http2 ? Protocol::kHttp2 : Protocol::kHttp1;
    spec.balancing.policy = Balancing::kRoundRobin;
    spec.ejection = EjectionSpec{.consecutive_local_failures = 2, .max_percent = 50};
    spec.endpoints.resize(2);
    spec.endpoints[0].address = server.endpoint();
    spec.endpoints[1].address = nobody;
    set.apply({.updated = {std::make_shared<const ClusterSpec>(spec)}});
    auto& cluster = *set.find("live");
    int failed = 0;
    int reused = 0;
    for (int i = 0; i < 20; ++i) {
      Request request(*loop.reactor, cluster);
      loop.reactor->post([&] { request.start(); });
      loop.reactor->run();
      if (request.outcome == "connect-failure") {
        ++failed;
        continue;
      }
      EXPECT_EQ(request.outcome, "done");
      EXPECT_EQ(request.status, 204);
      reused += request.reused;
    }
    EXPECT_EQ(failed, 2) << "then it is ejected";
    EXPECT_EQ(server.accepted(), 1) << "one connection serves all";
    EXPECT_EQ(reused, 17);
    EXPECT_EQ(cluster.counters().pool_hits, 17u);
    EXPECT_EQ(cluster.counters().ejections, 1u);
    EXPECT_EQ(cluster.counters().connect_failures, 2u);
  }
}

}  // namespace
}  // namespace fairlead::upstream
