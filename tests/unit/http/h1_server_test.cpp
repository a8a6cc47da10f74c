// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "h1_allocated.hpp"
#include "h1_rows.hpp"
#include "h1_world.hpp"

namespace fairlead::http {
namespace {

using test::Exchange;
using test::Server;
using test::World;

const std::string kGet = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";

class H1ServerTest : public ::testing::Test {
 protected:
  H1ServerTest() {
    // The answer says what was asked.
    server_.script.at_end = [](Exchange& exchange) {
      exchange.answer(200, exchange.method + " " + exchange.target + " " + exchange.body);
    };
  }
  void start() { server_.start(); }
  bool until_received(std::string_view text) {
    return world_.run_until([&] { return world_.received.find(text) != std::string::npos; });
  }
  bool until_closed() {
    return world_.run_until([&] { return server_.closed && (world_.ended || !world_.reading); });
  }
  std::size_t count(std::string_view text) const {
    std::size_t times = 0;
    for (auto at = world_.received.find(text); at != std::string::npos; at = world_.received.find(text, at + 1))
      ++times;
    return times;
  }
  Exchange& exchange(std::size_t index = 0) { return *server_.exchanges.at(index); }

  World world_;
  Server server_{world_};
};

/// A server that has refused closes only when the client has, or after a while: it is read on.
void expect_refused(const rows::Row& row, const std::string& bytes, std::size_t handed_on) {
  World world;
  Server server(world);
  server.script.at_end = [](Exchange& exchange) { exchange.answer(200, "wrong"); };
  server.start();
  world.send(bytes + "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(world.run_until([&] { return world.ended; })) << row.name;
  EXPECT_TRUE(world.received.starts_with("HTTP/1.1 " + std::to_string(row.status) + " ")) << row.name << world.received;
  EXPECT_NE(world.received.find("connection: close\r\n"), std::string::npos) << row.name;
  EXPECT_EQ(world.received.find("HTTP/1.1", 1), std::string::npos) << row.name;
  EXPECT_EQ(server.exchanges.size(), handed_on) << row.name;
  for (const auto& exchange : server.exchanges) EXPECT_EQ(exchange->reset, Reset::kProtocol) << row.name;
  EXPECT_EQ(server.refused, handed_on == 0 ? row.status : 0) << row.name;
  EXPECT_EQ(world.context->counts.refused.at(static_cast<std::size_t>(row.why)), 1U) << row.name;
  world.peer.reset();
  EXPECT_TRUE(world.run_until([&] { return server.closed; })) << row.name;
  EXPECT_EQ(world.pool.in_use(), 0U) << row.name;
}

TEST(H1ServerRows, NothingOfABadHeadReachesTheHandler) {
  for (const auto& row : rows::requests()) {
    if (row.name == "endless target" || row.name == "endless absolute target" || row.name == "endless name") continue;
    expect_refused(row, row.bytes, 0);
  }
}

TEST(H1ServerRows, ABadBodyEndsTheExchangeWithAnAnswer) {
  for (const auto& row : rows::chunked_bodies()) {
    expect_refused(row, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + row.bytes, 1);
  }
}

TEST_F(H1ServerTest, AWholeRequestAndItsAnswerCostOneReadAndOneWrite) {
  start();
  for (int i = 1; i <= 3; ++i) {
    world_.send(kGet);
    ASSERT_TRUE(world_.run_until([&] { return count("GET /a ") == static_cast<std::size_t>(i); }));
    EXPECT_EQ(world_.stream->writes, i);
  }
  EXPECT_EQ(world_.received.substr(0, 48), "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nGET /a HTT");
  EXPECT_TRUE(exchange(0).done);
  EXPECT_TRUE(server_.session->idle());
  EXPECT_EQ(world_.pool.in_use(), 0U);
}

TEST_F(H1ServerTest, ARequestMayComeByteByByte) {
  start();
  const std::string text =
      "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nX-Y: z\r\n\r\n"
      "5;a=b\r\nhello\r\n6\r\n world\r\n0\r\nX-T: 1\r\n\r\n";
  world_.send_slowly(text, 1);
  ASSERT_TRUE(until_received("POST /a hello world"));
  EXPECT_EQ(exchange().fields, "x-y=z|");
  EXPECT_EQ(exchange().trailers, "x-t=1|");
  EXPECT_EQ(exchange().body_kind, Body::kStream);
}

TEST_F(H1ServerTest, ARequestMayBeCutAnywhere) {
  const std::string text = "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello" + kGet;
  for (std::size_t cut = 1; cut < text.size(); ++cut) {
    World world;
    Server server(world);
    server.script.at_end = server_.script.at_end;
    server.start();
    world.send(text.substr(0, cut));
    world.turn();
    world.send(text.substr(cut));
    ASSERT_TRUE(world.run_until([&] { return server.exchanges.size() == 2 && server.exchanges[1]->done; })) << cut;
    EXPECT_EQ(server.exchanges[0]->body, "hello");
    EXPECT_NE(world.received.find("POST /a hello"), std::string::npos);
  }
}

TEST_F(H1ServerTest, PipelinedRequestsAreAnsweredInOrderOneAtATime) {
  std::vector<Exchange*> waiting;
  server_.script.at_end = [&](Exchange& exchange) { waiting.push_back(&exchange); };
  start();
  std::string all;
  for (int i = 0; i < 50; ++i) all += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: h\r\n\r\n";
  world_.send(all);
  for (std::size_t i = 0; i < 50; ++i) {
    ASSERT_TRUE(world_.run_until([&] { return waiting.size() == i + 1; }));
    world_.turn();
    ASSERT_EQ(waiting.size(), i + 1);
    EXPECT_EQ(waiting[i]->target, "/" + std::to_string(i));
    waiting[i]->answer(200, "answer " + std::to_string(i));
    ASSERT_TRUE(until_received("answer " + std::to_string(i)));
  }
  EXPECT_TRUE(world_.run_until([&] { return server_.session->idle(); }));
  EXPECT_EQ(world_.pool.in_use(), 0U);
}

TEST_F(H1ServerTest, WhatIsSentAheadIsBounded) {
  server_.script.at_end = nullptr;
  start();
  world_.send(kGet);
  ASSERT_TRUE(world_.run_until([&] { return server_.exchanges.size() == 1; }));
  const std::string more(200'000, 'x');
  std::size_t taken = 0;
  for (;;) {
    const auto put = ::send(world_.peer.get(), more.data(), more.size(), MSG_NOSIGNAL);
    if (put <= 0) break;
    taken += static_cast<std::size_t>(put);
    world_.turn();
  }
  EXPECT_LE(world_.budget.used(), 128U * 1024);
  EXPECT_GT(taken, 0U);
}

TEST_F(H1ServerTest, AnIdleConnectionTakesAtMostAKibibyte) {
  constexpr int kMany = 200;
  std::vector<std::unique_ptr<net::Stream>> streams;
  std::array<Fd, kMany> peers;
  std::vector<std::unique_ptr<Server>> servers;
  for (auto& peer : peers) {
    world_.connect();
    peer = std::move(world_.peer);
    servers.push_back(std::make_unique<Server>(world_));
    streams.push_back(world_.take_stream());
  }
  std::vector<std::unique_ptr<ServerSession>> sessions;
  sessions.reserve(kMany);
  const auto before = test::allocated();
  for (std::size_t i = 0; i < kMany; ++i) {
    sessions.push_back(make_h1_server_session(std::move(streams[i]), *world_.context, world_.limits, *servers[i]));
  }
  const auto each = (test::allocated() - before) / kMany;
  world_.turn();
  EXPECT_EQ(world_.pool.in_use(), 0U);
  EXPECT_GT(each, 100U);
  EXPECT_LE(each + sizeof(net::TcpStream), 1024U);
  RecordProperty("bytes", static_cast<int>(each + sizeof(net::TcpStream)));
  sessions.clear();
}

TEST_F(H1ServerTest, KeepsAliveAsTheClientWants) {
  struct Case {
    std::string request;
    std::string connection;  // what the answer says
    bool closes;
  };
  const Case kCases[] = {
      {"GET / HTTP/1.1\r\nHost: h\r\n\r\n", "", false},
      {"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", "connection: close\r\n", true},
      {"GET / HTTP/1.0\r\n\r\n", "connection: close\r\n", true},
      {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "connection: keep-alive\r\n", false},
  };
  for (const auto& row : kCases) {
    World world;
    Server server(world);
    server.script.at_end = server_.script.at_end;
    server.start();
    world.send(row.request);
    ASSERT_TRUE(world.run_until([&] { return world.received.find("GET / ") != std::string::npos; }));
    EXPECT_EQ(world.received, "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n" + row.connection + "\r\nGET / ");
    EXPECT_TRUE(world.run_until([&] { return server.closed == row.closes; }));
  }
}

TEST_F(H1ServerTest, StreamsAreChunkedOrEndWithTheConnection) {
  server_.script.at_end = [](Exchange& exchange) {
    ResponseHead head;
    head.body = Body::kStream;
    exchange.stream->send_head(head, false);
    exchange.stream->send_body("hello", false);
    exchange.stream->send_body(" world", true);
  };
  start();
  world_.send(kGet);
  ASSERT_TRUE(until_received("0\r\n\r\n"));
  EXPECT_EQ(world_.received,
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n");
  EXPECT_EQ(world_.stream->writes, 1);
  world_.received.clear();
  world_.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  ASSERT_TRUE(world_.run_until([&] { return world_.ended; }));
  EXPECT_EQ(world_.received, "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello world");
}

TEST_F(H1ServerTest, TrailersFollowTheLastChunk) {
  server_.script.at_end = [](Exchange& exchange) {
    ResponseHead head;
    head.body = Body::kStream;
    exchange.stream->send_head(head, false);
    exchange.stream->send_body("x", false);
    exchange.stream->send_trailers({{"grpc-status", "0"}});
  };
  start();
  world_.send(kGet);
  ASSERT_TRUE(until_received("1\r\nx\r\n0\r\ngrpc-status: 0\r\n\r\n"));
  EXPECT_TRUE(world_.run_until([&] { return exchange().done; }));
}

TEST_F(H1ServerTest, SomeAnswersHaveNoBody) {
  struct Case {
    std::string method;
    std::uint16_t status;
    std::string head;
  };
  const Case kCases[] = {{"HEAD", 200, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"},
                         {"GET", 204, "HTTP/1.1 204 No Content\r\n\r\n"},
                         {"GET", 304, "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n"}};
  for (const auto& row : kCases) {
    World world;
    Server server(world);
    server.script.at_end = [&](Exchange& exchange) {
      if (exchange.target == "/") exchange.answer(row.status, "hello");
      if (exchange.target == "/next") exchange.answer(200, "next");
    };
    server.start();
    world.send(row.method + " / HTTP/1.1\r\nHost: h\r\n\r\nGET /next HTTP/1.1\r\nHost: h\r\n\r\n");
    ASSERT_TRUE(world.run_until([&] { return world.received.ends_with("next"); })) << row.status;
    EXPECT_EQ(world.received, row.head + "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nnext");
  }
}

const std::string kExpect = "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";

TEST_F(H1ServerTest, ContinueIsSentWhenTheHandlerReads) {
  start();
  world_.send(kExpect);
  ASSERT_TRUE(until_received("HTTP/1.1 100 Continue\r\n\r\n"));
  world_.send("hello");
  ASSERT_TRUE(until_received("POST /a hello"));
  EXPECT_EQ(count("100 Continue"), 1U);
}

TEST_F(H1ServerTest, ContinueIsSentWhenTheHandlerResumes) {
  server_.script.at_head = [](Exchange& exchange) { exchange.stream->pause(); };
  start();
  world_.send(kExpect);
  ASSERT_TRUE(world_.run_until([&] { return server_.exchanges.size() == 1; }));
  world_.turn();
  EXPECT_EQ(world_.received, "");
  exchange().stream->resume();
  ASSERT_TRUE(until_received("HTTP/1.1 100 Continue\r\n\r\n"));
  world_.send("hello");
  ASSERT_TRUE(until_received("POST /a hello"));
}

TEST_F(H1ServerTest, ContinueIsNotSentBehindABodyThatIsThere) {
  start();
  world_.send(kExpect + "hello");
  ASSERT_TRUE(until_received("POST /a hello"));
  EXPECT_EQ(count("100 Continue"), 0U);
}

TEST_F(H1ServerTest, AFinalAnswerInsteadOfContinueClosesTheConnection) {
  server_.script.at_head = [](Exchange& exchange) { exchange.answer(403, "no"); };
  server_.script.at_end = nullptr;
  start();
  world_.send(kExpect);
  ASSERT_TRUE(world_.run_until([&] { return world_.ended; }));
  EXPECT_EQ(world_.received, "HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno");
  EXPECT_TRUE(exchange().done);
  world_.send("hello" + kGet);
  world_.turn();
  EXPECT_EQ(server_.exchanges.size(), 1U);
  world_.peer.reset();
  EXPECT_TRUE(world_.run_until([&] { return server_.closed; }));
}

TEST_F(H1ServerTest, InformationalAnswersPassButNotToHttp10) {
  server_.script.at_end = [](Exchange& exchange) {
    ResponseHead early;
    early.status = 103;
    early.fields = {{"link", "</s.css>"}};
    exchange.stream->send_informational(early);
    exchange.answer(200, "x");
  };
  start();
  world_.send(kGet);
  ASSERT_TRUE(until_received("\r\n\r\nx"));
  EXPECT_TRUE(world_.received.starts_with("HTTP/1.1 103 Early Hints\r\nlink: </s.css>\r\n\r\nHTTP/1.1 200 OK\r\n"));
  world_.received.clear();
  world_.send("GET / HTTP/1.0\r\n\r\n");
  ASSERT_TRUE(until_closed());
  EXPECT_EQ(count("103"), 0U);
}

const std::string kWebSocket =
    "GET /chat HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

TEST_F(H1ServerTest, AWebSocketIsATunnelBothWaysUntilBothEnd) {
  server_.script.at_head = [](Exchange& exchange) {
    ResponseHead head;
    head.body = Body::kTunnel;
    exchange.stream->send_head(head, false);
  };
  server_.script.at_end = [](Exchange& exchange) { exchange.stream->send_body("bye", true); };
  server_.script.at_body = [](Exchange& exchange) {
    if (!exchange.ended) exchange.stream->send_body("echo", false);
  };
  start();
  world_.send(kWebSocket);
  ASSERT_TRUE(until_received("\r\n\r\n"));
  // The example of RFC 6455 1.3.
  EXPECT_EQ(
      world_.received,
      "HTTP/1.1 101 Switching Protocols\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nupgrade: websocket\r\n"
      "connection: upgrade\r\n\r\n");
  EXPECT_EQ(exchange().protocol, "websocket");
  EXPECT_EQ(exchange().fields, "sec-websocket-version=13|");
  world_.send("frame");
  ASSERT_TRUE(until_received("echo"));
  world_.end_peer();
  ASSERT_TRUE(until_closed());
  EXPECT_TRUE(world_.received.ends_with("echobye"));
  EXPECT_EQ(exchange().body, "frame");
  EXPECT_TRUE(exchange().done);
}

TEST_F(H1ServerTest, ARefusedWebSocketLeavesTheConnectionAlive) {
  server_.script.at_head = [](Exchange& exchange) {
    if (!exchange.protocol.empty()) exchange.answer(403, "no");
  };
  start();
  world_.send(kWebSocket + kGet);
  ASSERT_TRUE(until_received("GET /a "));
  EXPECT_EQ(count("HTTP/1.1 403 Forbidden"), 1U);
  EXPECT_EQ(server_.exchanges.size(), 2U);
}

TEST_F(H1ServerTest, ConnectIsATunnelWhereItIsAllowed) {
  world_.limits.allow_connect = true;
  server_.script.at_head = [](Exchange& exchange) {
    ResponseHead head;
    head.body = Body::kTunnel;
    exchange.stream->send_head(head, false);
    exchange.stream->send_body("hello", false);
  };
  server_.script.at_end = nullptr;
  start();
  world_.send("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\nearly");
  ASSERT_TRUE(until_received("hello"));
  EXPECT_EQ(world_.received, "HTTP/1.1 200 OK\r\n\r\nhello");
  EXPECT_TRUE(world_.run_until([&] { return exchange().body == "early"; }));
  EXPECT_EQ(exchange().authority, "a:443");
}

TEST_F(H1ServerTest, AClientThatHasEndedItsDirectionGetsItsAnswer) {
  server_.script.at_end = nullptr;
  start();
  world_.send(kGet);
  world_.end_peer();
  ASSERT_TRUE(world_.run_until([&] { return server_.exchanges.size() == 1; }));
  world_.turn();
  exchange().answer(200, "late");
  ASSERT_TRUE(until_closed());
  EXPECT_TRUE(world_.received.ends_with("late"));
  EXPECT_TRUE(exchange().done);
}

TEST_F(H1ServerTest, AClientThatGoesIsTold) {
  server_.script.at_end = nullptr;
  start();
  world_.send("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhel");
  ASSERT_TRUE(world_.run_until([&] { return server_.exchanges.size() == 1; }));
  world_.peer.reset();
  ASSERT_TRUE(world_.run_until([&] { return server_.closed; }));
  EXPECT_EQ(exchange().reset, Reset::kClosed);
  EXPECT_EQ(world_.context->counts.truncated, 1U);
}

TEST_F(H1ServerTest, APausedBodyHoldsTheClientBackAndGoesOn) {
  server_.script.at_head = [](Exchange& exchange) { exchange.stream->pause(); };
  server_.script.at_end = [](Exchange& exchange) { exchange.answer(200, "all"); };
  start();
  const std::string body(2'000'000, 'b');
  world_.send("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2000000\r\n\r\n");
  ASSERT_TRUE(world_.run_until([&] { return server_.exchanges.size() == 1; }));
  std::size_t sent = 0;
  for (;;) {
    const auto put = ::send(world_.peer.get(), body.data(), body.size() - sent, MSG_NOSIGNAL);
    if (put <= 0) break;
    sent += static_cast<std::size_t>(put);
    world_.turn();
  }
  ASSERT_LT(sent, body.size());
  EXPECT_EQ(exchange().body, "");
  exchange().stream->resume();
  world_.send(body.substr(sent));
  ASSERT_TRUE(until_received("\r\n\r\nall"));
  EXPECT_EQ(exchange().body, body);
}

TEST_F(H1ServerTest, ASlowReaderHoldsTheSenderBack) {
  world_.reading = false;
  bool writable = false;
  server_.script.at_writable = [&](Exchange&) { writable = true; };
  server_.script.at_end = nullptr;
  start();
  world_.send(kGet);
  ASSERT_TRUE(world_.run_until([&] { return server_.exchanges.size() == 1; }));
  ResponseHead head;
  head.body = Body::kStream;
  exchange().stream->send_head(head, false);
  const std::string piece(50'000, 'p');
  int pieces = 1;
  while (exchange().stream->send_body(piece, false)) ++pieces;
  EXPECT_LT(pieces, 100);
  EXPECT_FALSE(writable);
  world_.reading = true;
  ASSERT_TRUE(world_.run_until([&] { return writable; }));
  exchange().stream->send_body({}, true);
  ASSERT_TRUE(until_received("\r\n0\r\n\r\n"));
  EXPECT_EQ(count("c350\r\n"), static_cast<std::size_t>(pieces));
}

TEST_F(H1ServerTest, DrainingEndsAfterTheAnswerUnderWay) {
  server_.script.at_end = nullptr;
  start();
  world_.send(kGet);
  ASSERT_TRUE(world_.run_until([&] { return server_.exchanges.size() == 1; }));
  server_.session->drain();
  exchange().answer(200, "last");
  ASSERT_TRUE(world_.run_until([&] { return world_.ended; }));
  EXPECT_TRUE(world_.received.ends_with("connection: close\r\n\r\nlast"));
}

TEST_F(H1ServerTest, DrainingAnswersWhatAnIdleConnectionHadOnItsWay) {
  start();
  world_.send(kGet);
  ASSERT_TRUE(until_received("GET /a "));
  ASSERT_TRUE(world_.run_until([&] { return exchange().done; }));
  world_.send(kGet);
  server_.session->drain();
  ASSERT_TRUE(until_closed());
  EXPECT_EQ(count("HTTP/1.1 200 OK"), 2U);
  EXPECT_EQ(count("connection: close"), 1U);
}

TEST_F(H1ServerTest, DrainingAfterAHeadThatKeepsTheConnectionAnswersOneMore) {
  server_.script.at_end = nullptr;
  start();
  world_.send(kGet);
  ASSERT_TRUE(world_.run_until([&] { return server_.exchanges.size() == 1; }));
  ResponseHead head;
  head.status = 200;
  head.body = Body::kLength;
  head.content_length = 4;
  exchange().stream->send_head(head, false);
  server_.session->drain();
  exchange().stream->send_body("said", true);
  ASSERT_TRUE(until_received("said"));
  EXPECT_EQ(count("connection: close"), 0U);
  world_.send(kGet);
  ASSERT_TRUE(world_.run_until([&] { return server_.exchanges.size() == 2; }));
  exchange().answer(200, "last");
  ASSERT_TRUE(world_.run_until([&] { return world_.ended; }));
  EXPECT_TRUE(world_.received.ends_with("connection: close\r\n\r\nlast"));
}

TEST_F(H1ServerTest, DrainingClosesAConnectionThatStaysIdle) {
  world_.limits.drain_ms = 20;
  start();
  world_.send(kGet);
  ASSERT_TRUE(until_received("GET /a "));
  ASSERT_TRUE(world_.run_until([&] { return exchange().done; }));
  server_.session->drain();
  ASSERT_TRUE(until_closed());
  EXPECT_EQ(world_.context->counts.idle_timeouts, 0U);
}

TEST_F(H1ServerTest, DrainingWithoutATimeClosesAnIdleConnectionAtOnce) {
  world_.limits.drain_ms = 0;
  start();
  world_.send(kGet);
  ASSERT_TRUE(until_received("GET /a "));
  ASSERT_TRUE(world_.run_until([&] { return exchange().done; }));
  server_.session->drain();
  ASSERT_TRUE(until_closed());
}

TEST_F(H1ServerTest, AHeadThatStallsGets408) {
  world_.limits.timeouts = {.head = 20, .idle = 20, .body = 20, .write = 20, .linger = 20};
  start();
  world_.send("GET / HTTP/1.1\r\nHo");
  ASSERT_TRUE(until_closed());
  EXPECT_TRUE(world_.received.starts_with("HTTP/1.1 408 Request Timeout\r\n"));
  EXPECT_EQ(server_.refused, 408);
}

TEST_F(H1ServerTest, ASilentConnectionIsClosedWithoutAnAnswer) {
  world_.limits.timeouts.head = 20;
  start();
  ASSERT_TRUE(until_closed());
  EXPECT_EQ(world_.received, "");
  EXPECT_EQ(world_.context->counts.idle_timeouts, 1U);
}

TEST_F(H1ServerTest, AnIdleConnectionIsClosedWithoutAnAnswer) {
  world_.limits.timeouts.idle = 20;
  start();
  world_.send(kGet);
  ASSERT_TRUE(until_closed());
  EXPECT_EQ(count("HTTP/1.1"), 1U);
  EXPECT_EQ(world_.context->counts.idle_timeouts, 1U);
}

TEST_F(H1ServerTest, ABodyThatStallsGets408AndItsHandlerIsTold) {
  world_.limits.timeouts.body = 20;
  world_.limits.timeouts.linger = 20;
  start();
  world_.send("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhel");
  ASSERT_TRUE(until_closed());
  EXPECT_TRUE(world_.received.starts_with("HTTP/1.1 408 "));
  EXPECT_EQ(exchange().reset, Reset::kTimeout);
}

TEST_F(H1ServerTest, WhatFollowsAnEarlyAnswerIsReadForTheNextRequest) {
  server_.script.at_head = [](Exchange& exchange) { exchange.answer(200, "early"); };
  for (const std::string framing : {"Content-Length: 9", "Transfer-Encoding: chunked"}) {
    SCOPED_TRACE(framing);
    World world;
    Server server(world);
    server.script = server_.script;
    server.start();
    world.send("POST /a HTTP/1.1\r\nHost: h\r\n" + framing + "\r\n\r\n");
    ASSERT_TRUE(world.run_until([&] { return world.received.ends_with("early"); }));
    EXPECT_EQ(world.received.find("connection: close"), std::string::npos);
    world.send((framing.front() == 'C' ? "GET /b HT" : "9\r\nGET /b HT\r\n0\r\n\r\n") + std::string(kGet));
    ASSERT_TRUE(world.run_until([&] { return server.exchanges.size() == 2; }));
    EXPECT_EQ(server.exchanges[1]->target, "/a") << "the body is no request";
    EXPECT_FALSE(server.closed);
  }
}

TEST_F(H1ServerTest, AnErrorAmidOfALongBodySaysThatTheConnectionCloses) {
  server_.script.at_head = [](Exchange& exchange) { exchange.answer(413, "too much"); };
  world_.limits.timeouts.linger = 20;
  start();
  world_.send("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000000\r\n\r\nhel");
  ASSERT_TRUE(until_closed());
  EXPECT_NE(world_.received.find("connection: close\r\n"), std::string::npos) << world_.received;
  EXPECT_TRUE(world_.received.ends_with("too much"));
}

TEST_F(H1ServerTest, ABodyThatDoesNotEndAfterAnEarlyAnswerCloses) {
  server_.script.at_head = [](Exchange& exchange) { exchange.answer(200, "early"); };
  world_.limits.timeouts.linger = 20;
  start();
  world_.send("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhel");
  ASSERT_TRUE(until_closed());
  EXPECT_EQ(server_.exchanges.size(), 1U);
}

TEST_F(H1ServerTest, AReaderThatStallsIsReset) {
  world_.limits.timeouts.write = 20;
  world_.reading = false;
  server_.script.at_end = [](Exchange& exchange) { exchange.answer(200, std::string(5'000'000, 'x')); };
  start();
  world_.send(kGet);
  ASSERT_TRUE(until_closed());
  EXPECT_EQ(exchange().reset, Reset::kTimeout);
  EXPECT_EQ(world_.context->counts.write_timeouts, 1U);
  EXPECT_EQ(world_.pool.in_use(), 0U);
}

TEST_F(H1ServerTest, ASenderThatBreaksItsWordIsCutOff) {
  struct Case {
    std::uint64_t length;
    std::string data;
  };
  for (const auto& row : {Case{3, "hello"}, Case{9, "hello"}}) {
    World world;
    Server server(world);
    server.script.at_end = [&](Exchange& exchange) {
      ResponseHead head;
      head.body = Body::kLength;
      head.content_length = row.length;
      exchange.stream->send_head(head, false);
      exchange.stream->send_body(row.data, true);
    };
    server.start();
    world.send(kGet);
    ASSERT_TRUE(world.run_until([&] { return world.ended && server.closed; }));
    EXPECT_EQ(server.exchanges[0]->reset, Reset::kInternal);
    EXPECT_EQ(world.received.find("hello"), std::string::npos);
  }
}

TEST_F(H1ServerTest, AHeadThatWouldBreakTheMessageIsNotSent) {
  server_.script.at_end = [](Exchange& exchange) {
    ResponseHead head;
    head.fields = {{"x", "a\r\nset-cookie: b"}};
    exchange.stream->send_head(head, true);
  };
  start();
  world_.send(kGet);
  ASSERT_TRUE(until_closed());
  EXPECT_EQ(world_.received, "");
  EXPECT_EQ(exchange().reset, Reset::kInternal);
  EXPECT_EQ(world_.context->counts.unwritable, 1U);
}

TEST_F(H1ServerTest, AnOwnerMayRefuseAndAHandlerMayGiveUp) {
  server_.refusing = true;
  start();
  world_.send(kGet);
  ASSERT_TRUE(world_.run_until([&] { return world_.ended; }));
  EXPECT_TRUE(world_.received.starts_with("HTTP/1.1 503 "));
  EXPECT_EQ(server_.refused, 503);
  World world;
  Server server(world);
  server.script.at_end = [](Exchange& exchange) { exchange.stream->reset(Reset::kInternal); };
  server.start();
  world.send(kGet);
  ASSERT_TRUE(world.run_until([&] { return world.ended && server.closed; }));
  EXPECT_EQ(world.received, "");
  EXPECT_FALSE(server.exchanges[0]->over());
}

TEST_F(H1ServerTest, Http2sPrefaceIsHandedOver) {
  world_.limits.allow_preface = true;
  start();
  const std::string preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nframes";
  world_.send_slowly(preface.substr(0, 10), 10);
  world_.send(preface.substr(10));
  ASSERT_TRUE(world_.run_until([&] { return server_.closed; }));
  EXPECT_EQ(server_.preface, preface);
  ASSERT_NE(server_.handed_over, nullptr);
  EXPECT_GE(server_.handed_over->fd(), 0);
  EXPECT_FALSE(world_.ended);
}

TEST_F(H1ServerTest, AConnectionServesAsManyRequestsAsItsLimit) {
  world_.limits.requests = 2;
  start();
  world_.send(kGet + kGet + kGet);
  ASSERT_TRUE(world_.run_until([&] { return world_.ended; }));
  EXPECT_EQ(count("HTTP/1.1 200 OK"), 2U);
  EXPECT_EQ(count("connection: close"), 1U);
}

/// Reads from one stream and keeps the bytes, as splice would move them.
struct Mover final : RawMover {
  void on_raw_readable() override {
    char data[1000];
    for (;;) {
      const auto result = body.stream->read(data);
      if (result.status == net::IoStatus::kEnd) return sender->raw_received(0, true);
      if (result.status != net::IoStatus::kOk) return;
      moved.append(data, result.bytes);
      body.remaining -= result.bytes;
      sender->raw_received(result.bytes, false);
      if (body.remaining == 0) return;
    }
  }
  void on_raw_writable() override { ++writable; }
  Sender* sender = nullptr;
  RawBody body;
  std::string moved;
  int writable = 0;
};

TEST_F(H1ServerTest, ALongBodyMayPassTheSessionBy) {
  Mover mover;
  server_.script.at_head = [&](Exchange& exchange) {
    auto raw = exchange.stream->take_raw(mover);
    ASSERT_TRUE(raw);
    mover.body = *raw;
    mover.sender = exchange.stream;
  };
  server_.script.at_end = [&](Exchange& exchange) {
    ResponseHead head;
    head.body = Body::kLength;
    head.content_length = 5;
    exchange.stream->send_head(head, false);
    auto* target = exchange.stream->raw_target(mover);
    ASSERT_NE(target, nullptr);
    char text[] = "hello";
    const iovec piece{text, 5};
    ASSERT_EQ(target->write({&piece, 1}).bytes, 5U);
    exchange.stream->raw_sent(5);
    exchange.stream->send_body({}, true);
  };
  start();
  world_.send("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5000\r\n\r\n");
  ASSERT_TRUE(world_.run_until([&] { return server_.exchanges.size() == 1; }));
  world_.send(std::string(5000, 'r'));
  ASSERT_TRUE(until_received("\r\n\r\nhello"));
  EXPECT_EQ(mover.moved, std::string(5000, 'r'));
  EXPECT_EQ(exchange().body, "");
  ASSERT_TRUE(world_.run_until([&] { return exchange().done; }));
  server_.script.at_head = nullptr;
  server_.script.at_end = [](Exchange& exchange) { exchange.answer(200, "next"); };
  world_.send(kGet);
  EXPECT_TRUE(until_received("next"));
}

TEST_F(H1ServerTest, ChunksAndWhatIsInABufferAreNotRaw) {
  Mover mover;
  int refused = 0;
  server_.script.at_head = [&](Exchange& exchange) { refused += exchange.stream->take_raw(mover) ? 0 : 1; };
  start();
  world_.send("POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
  ASSERT_TRUE(until_received("POST /a "));
  world_.send("POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello");
  ASSERT_TRUE(until_received("POST /b hello"));
  EXPECT_EQ(refused, 2);
}

}  // namespace
}  // namespace fairlead::http
