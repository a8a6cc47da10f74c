// SPDX-License-Identifier: Apache-2.0
#include "h1_rows.hpp"
#include "h1_world.hpp"

namespace fairlead::http {
namespace {

using test::no_reset;
using test::World;

/// Notes what a backend answered.
struct Answer final : ClientHandler {
  void on_informational(ResponseHead& head) override { informational += std::to_string(head.status) + " "; }
  void on_head(ResponseHead& head, bool end) override {
    status = head.status;
    body_kind = head.body;
    fields = test::text_of(head.fields);
    ended = end;
    if (at_head) at_head();
  }
  void on_body(std::string_view data, bool end) override {
    body += data;
    ended = end;
  }
  void on_trailers(Fields& all) override {
    trailers = test::text_of(all);
    ended = true;
  }
  void on_writable() override { ++writable; }
  void on_reset(Reset why) override {
    EXPECT_FALSE(over());
    reset = why;
  }
  void on_done() override {
    EXPECT_FALSE(over());
    done = true;
  }
  [[nodiscard]] bool over() const { return done || reset != no_reset(); }

  std::function<void()> at_head;
  std::string informational, fields, body, trailers;
  int status = 0;
  int writable = 0;
  Body body_kind = Body::kNone;
  bool ended = false;
  bool done = false;
  Reset reset = no_reset();
};

RequestHead get(std::string_view target = "/a") {
  RequestHead head;
  head.method_text = "GET";
  head.authority = "h";
  head.target = target;
  return head;
}

RequestHead post(Body body, std::uint64_t length = 0) {
  RequestHead head = get();
  head.method = Method::kPost;
  head.method_text = "POST";
  head.body = body;
  head.content_length = length;
  return head;
}

class H1ClientTest : public ::testing::Test, public ClientSessionOwner {
 protected:
  void on_ready() override { ready_ = true; }
  void on_capacity() override { ++capacity_; }
  void on_draining() override { draining_ = true; }
  void on_closed(int, std::string_view why) override {
    EXPECT_FALSE(closed_);
    closed_ = true;
    why_ = why;
  }
  void start() {
    session_ = make_h1_client_session(world_.take_stream(), *world_.context, world_.limits, *this, false);
    stream_ = session_->open(answer_);
    ASSERT_NE(stream_, nullptr);
  }
  /// A GET, and what the backend sends for it.
  void ask(std::string_view response) {
    start();
    stream_->send_head(get(), true);
    ASSERT_TRUE(until_sent("\r\n\r\n"));
    world_.send(response);
  }
  bool until_sent(std::string_view text) {
    return world_.run_until([&] { return world_.received.find(text) != std::string::npos; });
  }
  bool until_over() {
    return world_.run_until([&] { return answer_.over(); });
  }

  World world_;
  Answer answer_;
  std::unique_ptr<ClientSession> session_;
  ClientStream* stream_ = nullptr;
  bool ready_ = false;
  bool draining_ = false;
  bool closed_ = false;
  int capacity_ = 0;
  std::string why_;
};

TEST_F(H1ClientTest, AWholeRequestAndItsAnswerCostOneWriteAndOneRead) {
  ask("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nServer: x\r\n\r\nhello");
  ASSERT_TRUE(until_over());
  EXPECT_EQ(world_.received, "GET /a HTTP/1.1\r\nhost: h\r\n\r\n");
  EXPECT_EQ(answer_.status, 200);
  EXPECT_EQ(answer_.body, "hello");
  EXPECT_EQ(answer_.fields, "server=x|");
  EXPECT_TRUE(answer_.done);
  EXPECT_EQ(world_.stream->writes, 1);
  EXPECT_EQ(world_.stream->reads, 1);
  ASSERT_TRUE(world_.run_until([&] { return capacity_ == 1; }));
  EXPECT_EQ(session_->capacity(), 1U);
  EXPECT_TRUE(session_->idle());
  EXPECT_EQ(world_.pool.in_use(), 0U);
  EXPECT_FALSE(stream_->reused_connection());
  Answer second;
  stream_ = session_->open(second);
  ASSERT_NE(stream_, nullptr);
  EXPECT_TRUE(stream_->reused_connection());
  stream_->send_head(get("/b"), true);
  ASSERT_TRUE(until_sent("GET /b "));
  world_.send("HTTP/1.1 204 No Content\r\n\r\n");
  ASSERT_TRUE(world_.run_until([&] { return second.done; }));
  EXPECT_EQ(second.status, 204);
}

TEST_F(H1ClientTest, AnAnswerMayBeCutAnywhere) {
  const std::string text =
      "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n";
  for (std::size_t cut = 1; cut < text.size(); ++cut) {
    World world;
    Answer answer;
    auto session = make_h1_client_session(world.take_stream(), *world.context, world.limits, *this, false);
    auto* stream = session->open(answer);
    stream->send_head(get(), true);
    ASSERT_TRUE(world.run_until([&] { return !world.received.empty(); }));
    world.send(text.substr(0, cut));
    world.turn();
    world.send(text.substr(cut));
    ASSERT_TRUE(world.run_until([&] { return answer.over(); })) << cut;
    EXPECT_TRUE(answer.done);
    EXPECT_EQ(answer.informational, "103 ");
    EXPECT_EQ(answer.body, "hello");
    EXPECT_EQ(answer.trailers, "x-t=1|");
  }
}

TEST_F(H1ClientTest, ALyingBackendIsAProtocolError) {
  for (const auto& row : rows::responses()) {
    World world;
    Answer answer;
    closed_ = false;
    auto session = make_h1_client_session(world.take_stream(), *world.context, world.limits, *this, false);
    auto* stream = session->open(answer);
    stream->send_head(get(), true);
    ASSERT_TRUE(world.run_until([&] { return !world.received.empty(); }));
    world.send(row.bytes + "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    ASSERT_TRUE(world.run_until([&] { return answer.over() && closed_; })) << row.name;
    EXPECT_EQ(answer.reset, Reset::kProtocol) << row.name;
    EXPECT_EQ(answer.status, 0) << row.name;
    EXPECT_EQ(why_, refusal_text(row.why)) << row.name;
    EXPECT_EQ(world.context->counts.refused.at(static_cast<std::size_t>(row.why)), 1U) << row.name;
    EXPECT_EQ(session->capacity(), 0U);
  }
}

TEST_F(H1ClientTest, TrailersOfTheConnectionAreLeftOut) {
  World world;
  Answer answer;
  auto session = make_h1_client_session(world.take_stream(), *world.context, world.limits, *this, false);
  session->open(answer)->send_head(get(), true);
  ASSERT_TRUE(world.run_until([&] { return !world.received.empty(); }));
  world.send(
      "HTTP/1.2 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nContent-Length: 9\r\nRetry-After: 5\r\n"
      "Connection: close\r\nTransfer-Encoding: chunked\r\nX-T: 1\r\n\r\n");
  ASSERT_TRUE(world.run_until([&] { return answer.over(); }));
  EXPECT_TRUE(answer.done);
  EXPECT_EQ(answer.body, "ok");
  EXPECT_EQ(answer.trailers, "retry-after=5|x-t=1|");
  EXPECT_EQ(session->capacity(), 1U);  // the connection goes on
}

TEST_F(H1ClientTest, BadChunksEndTheAnswer) {
  for (const auto& row : rows::chunked_bodies()) {
    if (row.why == H1Refusal::kTrailerForbidden) continue;  // left out: the next test
    World world;
    Answer answer;
    closed_ = false;
    auto session = make_h1_client_session(world.take_stream(), *world.context, world.limits, *this, false);
    session->open(answer)->send_head(get(), true);
    ASSERT_TRUE(world.run_until([&] { return !world.received.empty(); }));
    world.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + row.bytes);
    ASSERT_TRUE(world.run_until([&] { return answer.over(); })) << row.name;
    EXPECT_EQ(answer.reset, Reset::kProtocol) << row.name;
    EXPECT_FALSE(answer.ended) << row.name;
  }
}

TEST_F(H1ClientTest, BodiesGoOutAsTheyAreAnnounced) {
  start();
  stream_->send_head(post(Body::kLength, 5), false);
  stream_->send_body("he", false);
  stream_->send_body("llo", true);
  ASSERT_TRUE(until_sent("hello"));
  EXPECT_EQ(world_.received, "POST /a HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\nhello");
  world_.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  ASSERT_TRUE(until_over());
  world_.received.clear();
  Answer second;
  stream_ = session_->open(second);
  ASSERT_NE(stream_, nullptr);
  stream_->send_head(post(Body::kStream), false);
  stream_->send_body("hello", false);
  stream_->send_trailers({{"x-t", "1"}});
  ASSERT_TRUE(until_sent("x-t: 1\r\n\r\n"));
  EXPECT_EQ(world_.received,
            "POST /a HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-t: 1\r\n\r\n");
  world_.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  ASSERT_TRUE(world_.run_until([&] { return second.done; }));
  world_.received.clear();
  Answer third;
  stream_ = session_->open(third);
  stream_->send_head(post(Body::kNone), true);
  ASSERT_TRUE(until_sent("\r\n\r\n"));
  EXPECT_EQ(world_.received, "POST /a HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n\r\n");
}

TEST_F(H1ClientTest, AnAnswerMayEndWithTheConnection) {
  ask("HTTP/1.0 200 OK\r\n\r\nhel");
  ASSERT_TRUE(world_.run_until([&] { return answer_.body == "hel"; }));
  EXPECT_FALSE(answer_.ended);
  world_.send("lo");
  world_.end_peer();
  ASSERT_TRUE(until_over());
  EXPECT_TRUE(answer_.done);
  EXPECT_TRUE(answer_.ended);
  EXPECT_EQ(answer_.body, "hello");
  ASSERT_TRUE(world_.run_until([&] { return closed_; }));
  EXPECT_TRUE(draining_);
  EXPECT_EQ(capacity_, 0);
}

TEST_F(H1ClientTest, ATruncatedAnswerIsNotWhole) {
  ask("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhel");
  world_.end_peer();
  ASSERT_TRUE(until_over());
  EXPECT_EQ(answer_.reset, Reset::kClosed);
  EXPECT_FALSE(answer_.ended);
  EXPECT_EQ(world_.context->counts.truncated, 1U);
}

TEST_F(H1ClientTest, TruncatedChunksAreNotWhole) {
  ask("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
  world_.end_peer();
  ASSERT_TRUE(until_over());
  EXPECT_EQ(answer_.reset, Reset::kClosed);
}

TEST_F(H1ClientTest, ConnectionCloseIsNotUsedAgain) {
  ask("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi");
  ASSERT_TRUE(until_over());
  EXPECT_TRUE(answer_.done);
  EXPECT_EQ(session_->capacity(), 0U);
  ASSERT_TRUE(world_.run_until([&] { return closed_ && world_.ended; }));
}

TEST_F(H1ClientTest, MoreThanWasAskedClosesTheConnection) {
  ask("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
  ASSERT_TRUE(world_.run_until([&] { return closed_; }));
  EXPECT_EQ(answer_.body, "hi");
  EXPECT_TRUE(answer_.done);
  EXPECT_EQ(session_->open(answer_), nullptr);
}

TEST_F(H1ClientTest, ABackendThatSpeaksFirstIsClosed) {
  session_ = make_h1_client_session(world_.take_stream(), *world_.context, world_.limits, *this, false);
  world_.turn();
  world_.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
  ASSERT_TRUE(world_.run_until([&] { return closed_; }));
  EXPECT_EQ(world_.context->counts.unsolicited, 1U);
}

TEST_F(H1ClientTest, AnIdleConnectionThatClosesIsGoneAtOnce) {
  session_ = make_h1_client_session(world_.take_stream(), *world_.context, world_.limits, *this, false);
  world_.turn();
  EXPECT_EQ(session_->capacity(), 1U);
  world_.end_peer();
  ASSERT_TRUE(world_.run_until([&] { return closed_; }));
  EXPECT_EQ(session_->capacity(), 0U);
}

TEST_F(H1ClientTest, ACloseBeforeAnyAnswerIsToldApart) {
  start();
  stream_->send_head(get(), true);
  ASSERT_TRUE(until_sent("\r\n\r\n"));
  world_.peer.reset();
  ASSERT_TRUE(until_over());
  EXPECT_EQ(answer_.reset, Reset::kClosed);
}

TEST_F(H1ClientTest, ARequestOfWhichNothingLeftWasRefused) {
  start();
  world_.peer.reset();
  stream_->send_head(get(), true);
  ASSERT_TRUE(until_over());
  EXPECT_EQ(answer_.reset, Reset::kRefused);
  EXPECT_FALSE(stream_->beyond_refusal());
}

TEST_F(H1ClientTest, ABodyThatFindsNobodyWasRefusedWhatLeftWasNot) {
  start();
  stream_->send_head(post(Body::kLength, 200'000), false);
  EXPECT_FALSE(stream_->beyond_refusal());
  stream_->send_body(std::string(100'000, 'x'), false);
  EXPECT_TRUE(stream_->beyond_refusal());
  World gone;
  gone.peer.reset();
  Answer answer;
  auto session = make_h1_client_session(gone.take_stream(), *gone.context, gone.limits, *this, false);
  auto* stream = session->open(answer);
  stream->send_head(post(Body::kLength, 200'000), false);
  stream->send_body(std::string(100'000, 'x'), false);
  EXPECT_FALSE(stream->beyond_refusal());
  ASSERT_TRUE(gone.run_until([&] { return answer.over(); }));
  EXPECT_EQ(answer.reset, Reset::kRefused);
}

TEST_F(H1ClientTest, AnEarlyAnswerEndsTheRequest) {
  start();
  stream_->send_head(post(Body::kLength, 10'000'000), false);
  stream_->send_body(std::string(100'000, 'x'), false);
  world_.reading = false;
  world_.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig");
  ASSERT_TRUE(until_over());
  EXPECT_TRUE(answer_.done);
  EXPECT_EQ(answer_.status, 413);
  EXPECT_EQ(answer_.body, "big");
  ASSERT_TRUE(world_.run_until([&] { return closed_; }));
  EXPECT_EQ(world_.pool.in_use(), 0U);
}

TEST_F(H1ClientTest, HeadHasALengthAndNoBody) {
  start();
  RequestHead head = get();
  head.method = Method::kHead;
  head.method_text = "HEAD";
  stream_->send_head(head, true);
  ASSERT_TRUE(until_sent("\r\n\r\n"));
  world_.send("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n");
  ASSERT_TRUE(until_over());
  EXPECT_TRUE(answer_.done);
  EXPECT_TRUE(answer_.ended);
  EXPECT_EQ(session_->capacity(), 1U);
}

TEST_F(H1ClientTest, ContinueIsAskedForAndPassedOn) {
  start();
  RequestHead head = post(Body::kLength, 2);
  head.expects_continue = true;
  stream_->send_head(head, false);
  ASSERT_TRUE(until_sent("expect: 100-continue\r\n"));
  world_.send("HTTP/1.1 100 Continue\r\n\r\n");
  ASSERT_TRUE(world_.run_until([&] { return answer_.informational == "100 "; }));
  stream_->send_body("ok", true);
  ASSERT_TRUE(until_sent("\r\n\r\nok"));
}

TEST_F(H1ClientTest, EndlessInformationalAnswersAreRefused) {
  ask(rows::repeat("HTTP/1.1 102 Processing\r\n\r\n", 17));
  ASSERT_TRUE(until_over());
  EXPECT_EQ(answer_.reset, Reset::kProtocol);
  EXPECT_EQ(world_.context->counts.refused.at(static_cast<std::size_t>(H1Refusal::kTooManyInformational)), 1U);
}

/// What a backend computes of the key that we sent: RFC 6455's example would be another key.
std::string key_in(const std::string& request) {
  const std::string name = "sec-websocket-key: ";
  return request.substr(request.find(name) + name.size(), 24);
}

TEST_F(H1ClientTest, AWebSocketOfHttp2IsAnUpgradeHere) {
  start();
  RequestHead head = get("/chat");
  head.method = Method::kConnect;
  head.method_text = "CONNECT";
  head.protocol = "websocket";
  head.body = Body::kTunnel;
  head.fields = {{"sec-websocket-version", "13"}};
  stream_->send_head(head, false);
  ASSERT_TRUE(until_sent("\r\n\r\n"));
  const auto key = key_in(world_.received);
  EXPECT_EQ(world_.received, "GET /chat HTTP/1.1\r\nhost: h\r\nsec-websocket-version: 13\r\nsec-websocket-key: " + key +
                                 "\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n");
  EXPECT_TRUE(key.ends_with("=="));
  world_.send(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
      "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
  ASSERT_TRUE(until_over());
  EXPECT_EQ(answer_.reset, Reset::kProtocol);
  EXPECT_EQ(world_.context->counts.refused.at(static_cast<std::size_t>(H1Refusal::kNotAccepted)), 1U);
}

TEST_F(H1ClientTest, SoIsAnyOtherProtocolOfHttp2) {
  start();
  RequestHead head = get("/x");
  head.method = Method::kConnect;
  head.method_text = "CONNECT";
  head.protocol = "x-proto";
  head.body = Body::kTunnel;
  stream_->send_head(head, false);
  ASSERT_TRUE(until_sent("\r\n\r\n"));
  EXPECT_EQ(world_.received, "GET /x HTTP/1.1\r\nhost: h\r\nupgrade: x-proto\r\nconnection: upgrade\r\n\r\n");
}

TEST_F(H1ClientTest, AnAcceptedUpgradeIsATunnelBothWays) {
  start();
  RequestHead head = get("/x");
  head.protocol = "x-proto";
  head.body = Body::kTunnel;
  stream_->send_head(head, false);
  ASSERT_TRUE(until_sent("upgrade: x-proto\r\nconnection: upgrade\r\n\r\n"));
  world_.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: X-Proto\r\nConnection: upgrade\r\n\r\nfirst");
  ASSERT_TRUE(world_.run_until([&] { return answer_.body == "first"; }));
  EXPECT_EQ(answer_.status, 200);
  EXPECT_EQ(answer_.body_kind, Body::kTunnel);
  stream_->send_body("out", false);
  ASSERT_TRUE(until_sent("\r\n\r\nout"));
  stream_->send_body({}, true);
  ASSERT_TRUE(world_.run_until([&] { return world_.ended; }));
  EXPECT_FALSE(answer_.over());
  world_.send("last");
  world_.end_peer();
  ASSERT_TRUE(until_over());
  EXPECT_TRUE(answer_.done);
  EXPECT_EQ(answer_.body, "firstlast");
}

TEST_F(H1ClientTest, ARefusedUpgradeIsAnAnswerAsAnyOther) {
  start();
  RequestHead head = get("/x");
  head.protocol = "websocket";
  head.body = Body::kTunnel;
  stream_->send_head(head, false);
  ASSERT_TRUE(until_sent("\r\n\r\n"));
  world_.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
  ASSERT_TRUE(until_over());
  EXPECT_TRUE(answer_.done);
  EXPECT_EQ(answer_.status, 403);
  EXPECT_EQ(answer_.body, "no");
  EXPECT_EQ(session_->capacity(), 1U);
}

TEST_F(H1ClientTest, TimeOutsAreTold) {
  world_.limits.timeouts.body = 20;
  ask("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhel");
  ASSERT_TRUE(until_over());
  EXPECT_EQ(answer_.reset, Reset::kTimeout);
  ASSERT_TRUE(world_.run_until([&] { return closed_; }));
}

TEST_F(H1ClientTest, AnIdleConnectionIsClosedAfterAWhile) {
  world_.limits.timeouts.idle = 20;
  session_ = make_h1_client_session(world_.take_stream(), *world_.context, world_.limits, *this, false);
  ASSERT_TRUE(world_.run_until([&] { return closed_; }));
  EXPECT_EQ(world_.context->counts.idle_timeouts, 1U);
}

TEST_F(H1ClientTest, APausedAnswerHoldsTheBackendBack) {
  answer_.at_head = [this] { stream_->pause(); };
  ask("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
  ASSERT_TRUE(world_.run_until([&] { return answer_.status == 200; }));
  const std::string body(1'000'000, 'b');
  std::size_t sent = 0;
  for (;;) {
    const auto put = ::send(world_.peer.get(), body.data(), body.size() - sent, MSG_NOSIGNAL);
    if (put <= 0) break;
    sent += static_cast<std::size_t>(put);
    world_.turn();
  }
  ASSERT_LT(sent, body.size());
  EXPECT_EQ(answer_.body, "");
  stream_->resume();
  world_.send(body.substr(sent));
  ASSERT_TRUE(until_over());
  EXPECT_EQ(answer_.body, body);
}

TEST_F(H1ClientTest, GivingUpClosesTheConnection) {
  ask("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhel");
  ASSERT_TRUE(world_.run_until([&] { return answer_.body == "hel"; }));
  stream_->reset(Reset::kCancelled);
  ASSERT_TRUE(world_.run_until([&] { return closed_ && world_.ended; }));
  EXPECT_FALSE(answer_.over());
}

TEST_F(H1ClientTest, AConnectionThatIsRefusedIsTold) {
  // A port that was just closed: nobody listens there.
  Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  ASSERT_EQ(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &length), 0);
  const auto at = net::SocketAddress::parse("127.0.0.1:" + std::to_string(ntohs(address.sin_port)));
  ASSERT_TRUE(at);
  auto good = net::TcpStream::connect(*world_.reactor, *at);
  ASSERT_TRUE(good);
  session_ = make_h1_client_session(std::move(*good), *world_.context, world_.limits, *this, true);
  EXPECT_EQ(session_->capacity(), 0U);
  ASSERT_TRUE(world_.run_until([&] { return ready_; }));
  EXPECT_EQ(session_->capacity(), 1U);
  session_->close();
  ASSERT_TRUE(world_.run_until([&] { return closed_; }));
  listener.reset();
  closed_ = ready_ = false;
  auto bad = net::TcpStream::connect(*world_.reactor, *at);
  ASSERT_TRUE(bad);
  session_ = make_h1_client_session(std::move(*bad), *world_.context, world_.limits, *this, true);
  ASSERT_TRUE(world_.run_until([&] { return closed_; }));
  EXPECT_FALSE(ready_);
}

}  // namespace
}  // namespace fairlead::http
