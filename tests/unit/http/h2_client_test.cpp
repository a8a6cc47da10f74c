// SPDX-License-Identifier: Apache-2.0
// A client session with its server by hand, and with a server session of ours.
#include "unit/http/h2_world.hpp"

namespace fairlead::http {
namespace {

using namespace frames;

RequestHead a_get() {
  RequestHead head;
  head.method_text = "GET";
  head.scheme = "http";
  head.authority = "a.example";
  head.target = "/";
  return head;
}

RequestHead a_post(Body body = Body::kStream) {
  auto head = a_get();
  head.method = Method::kPost;
  head.method_text = "POST";
  head.body = body;
  return head;
}

/// Both ends are ours.
struct BothWorld : World {
  ServerSide server;
  ClientSide client;
  H2Counters client_counters;
  std::unique_ptr<H2ServerSession> server_session;
  std::unique_ptr<H2ClientSession> session;

  void open() {
    auto [stream, fd] = pair();
    auto other = net::TcpStream::accepted(*reactor, std::move(fd), net::Endpoint{}, net::Endpoint{});
    ASSERT_TRUE(other);
    auto made_server = H2ServerSession::create(context(), std::move(stream), server);
    auto made_client = H2ClientSession::create({*reactor, pool, limits, client_counters}, std::move(*other), client);
    ASSERT_TRUE(made_server && made_client);
    server_session = std::move(*made_server);
    session = std::move(*made_client);
    server_session->start({});
    ASSERT_TRUE(until([&] { return client.ready && session->accepts_extended_connect(); }));
  }
};

TEST(H2Client, CarriesRequestsAndResponsesBothWays) {
  BothWorld world;
  world.server.answer = [](ServerNote& note, bool) {
    ResponseHead early;
    early.status = 103;
    early.fields = {{"link", "</x>"}};
    note.stream->send_informational(early);
    note.body_then = [&note](std::string_view, bool end) {
      if (!end) return;
      ResponseHead head;
      head.status = 201;
      head.fields = {{"x-len", "7"}};
      note.stream->send_head(head, false);
      note.stream->send_body(note.message.body, false);
      note.stream->send_trailers({{"grpc-status", "0"}});
    };
  };
  world.open();
  ClientNote note;
  auto* stream = world.session->open(note);
  ASSERT_NE(stream, nullptr);
  EXPECT_FALSE(stream->reused_connection());
  auto head = a_post();
  head.accepts_trailers = true;
  head.fields = {{"x-a", "b"}};
  stream->send_head(head, false);
  stream->send_body("request", false);
  stream->send_trailers({{"x-sum", "1"}});
  ASSERT_TRUE(world.until([&] { return note.message.done; }));
  EXPECT_EQ(note.message.response.status, 201);
  EXPECT_EQ(note.message.response.body, Body::kStream);
  EXPECT_EQ(note.message.body, "request");
  EXPECT_EQ(note.message.field("x-len"), "7");
  ASSERT_EQ(note.message.informational.size(), 1U);
  EXPECT_EQ(note.message.informational[0].status, 103);
  ASSERT_EQ(note.message.trailers.size(), 1U);
  EXPECT_EQ(note.message.trailers[0].second, "0");
  const auto& got = world.server.notes.at(0)->message;
  EXPECT_TRUE(got.done);
  EXPECT_TRUE(got.request.accepts_trailers);
  EXPECT_EQ(got.field("x-a"), "b");
  ASSERT_EQ(got.trailers.size(), 1U);
  ClientNote second;
  EXPECT_TRUE(world.session->open(second)->reused_connection());
}

TEST(H2Client, CarriesLongBodiesBothWaysWithBoundedMemory) {
  BothWorld world;
  world.server.answer = [](ServerNote& note, bool) {
    note.stream->send_head({}, false);
    note.body_then = [&note](std::string_view data, bool end) {
      note.message.body.clear();
      if (!note.stream->send_body(data, end)) note.stream->pause();
    };
    note.writable_then = [&note] { note.stream->resume(); };
  };
  world.open();
  ClientNote note;
  auto* stream = world.session->open(note);
  stream->send_head(a_post(), false);
  constexpr std::size_t kAll = 20 << 20;
  std::size_t sent = 0, received = 0;
  std::uint64_t sum_sent = 0, sum_received = 0;
  std::string piece(50'000, '\0');
  const auto sum = [](std::string_view data) {
    std::uint64_t all = 0;
    for (const char c : data) all += static_cast<unsigned char>(c);
    return all;
  };
  note.writable_then = [&] {
    while (sent < kAll) {
      for (std::size_t i = 0; i < piece.size(); i += 97) piece[i] = static_cast<char>(sent + i);
      sum_sent += sum(piece);
      sent += piece.size();
      if (!stream->send_body(piece, sent >= kAll)) return;
    }
  };
  note.body_then = [&](std::string_view data, bool) {
    sum_received += sum(data);
    received += data.size();
    note.message.body.clear();
  };
  note.writable_then();
  std::size_t most = 0;
  ASSERT_TRUE(world.until([&] {
    most = std::max(most, world.server_session->memory() + world.session->memory());
    return note.message.done;
  }));
  EXPECT_EQ(received, sent);
  EXPECT_EQ(sum_received, sum_sent);
  EXPECT_LT(most, 2U << 20);
  EXPECT_EQ(world.budget.used(), 0U);
}

TEST(H2Client, CarriesTunnelsOfExtendedConnect) {
  BothWorld world;
  world.server.answer = [](ServerNote& note, bool) {
    ResponseHead head;
    head.body = Body::kTunnel;
    note.stream->send_head(head, false);
    note.body_then = [&note](std::string_view data, bool end) { note.stream->send_body(data, end); };
  };
  world.open();
  ClientNote note;
  auto* stream = world.session->open(note);
  auto head = a_get();
  head.body = Body::kTunnel;
  head.protocol = "websocket";
  stream->send_head(head, false);
  stream->send_body("hello", false);
  ASSERT_TRUE(world.until([&] { return note.message.body == "hello"; }));
  EXPECT_EQ(note.message.response.status, 200);
  EXPECT_EQ(note.message.response.body, Body::kTunnel);
  EXPECT_EQ(world.server.notes.at(0)->message.request.protocol, "websocket");
  stream->send_body({}, true);
  ASSERT_TRUE(world.until([&] { return note.message.done && world.server.notes[0]->message.done; }));
}

TEST(H2Client, AServerThatDrainsFailsNoRequest) {
  BothWorld world;
  world.server.answer = small_answer;
  world.open();
  std::vector<std::unique_ptr<ClientNote>> notes;
  int opened = 0;
  ASSERT_TRUE(world.until([&] {
    if (auto& note = *notes.emplace_back(std::make_unique<ClientNote>()); auto* stream = world.session->open(note)) {
      stream->send_head(a_get(), true);
      if (++opened == 20) world.server_session->drain();
    } else {
      notes.pop_back();
    }
    return world.client.closed;
  }));
  EXPECT_TRUE(world.client.draining);
  EXPECT_GE(opened, 20);
  for (const auto& note : notes) EXPECT_TRUE(note->message.done);
  ASSERT_TRUE(world.until([&] { return world.server.closed; }));
}

TEST(H2Client, ClosesWhenItDrains) {
  BothWorld world;
  world.server.answer = small_answer;
  world.open();
  ClientNote note;
  world.session->open(note)->send_head(a_get(), true);
  world.session->drain();
  EXPECT_EQ(world.session->capacity(), 0U);
  ASSERT_TRUE(world.until([&] { return world.client.closed && world.server.closed; }));
  EXPECT_TRUE(note.message.done);
}

// By hand

struct Answer {
  const char* what;
  std::string bytes;  // for stream 1
  bool done;
  Reset why;
  std::uint32_t code = kProtocolError;  // of our RST_STREAM, where we reset
};

const List kOk = {{":status", "200"}};

TEST(H2Client, JudgesResponses) {
  const std::vector<Answer> answers = {
      {"no body", headers(1, kOk, true), true, {}},
      {"a body", headers(1, {{":status", "200"}, {"content-length", "2"}}, false) + data(1, "ok", true), true, {}},
      {"trailers-only",
       headers(1, {{":status", "200"}, {"content-type", "application/grpc"}, {"grpc-status", "12"}}, true),
       true,
       {}},
      {"trailing metadata of any name",
       headers(1, kOk, false) + headers(1, {{"grpc-status", "0"}, {"retry-after", "5"}, {"authorization", "a"}}, true),
       true,
       {}},
      {"trailers of the connection", headers(1, kOk, false) + headers(1, {{"content-length", "5"}}, true), true, {}},
      {"pseudo-header fields in trailers", headers(1, kOk, false) + headers(1, {{":status", "200"}}, true), false,
       Reset::kProtocol},
      {"1xx", headers(1, {{":status", "100"}}, false) + headers(1, kOk, true), true, {}},
      {"304 with a length", headers(1, {{":status", "304"}, {"content-length", "9"}}, true), true, {}},
      {"complete, then RST_STREAM NO_ERROR", headers(1, kOk, true) + frames::reset(1, kNoError), true, {}},
      {"no :status", headers(1, {{"a", "b"}}, true), false, Reset::kProtocol},
      {"bad :status", headers(1, {{":status", "20"}}, true), false, Reset::kProtocol},
      {":status 101", headers(1, {{":status", "101"}}, false), false, Reset::kProtocol},
      {"a request's pseudo-header field", headers(1, {{":status", "200"}, {":path", "/"}}, true), false,
       Reset::kProtocol},
      {"upper case", headers(1, {{":status", "200"}, {"A", "b"}}, true), false, Reset::kProtocol},
      {"connection", headers(1, {{":status", "200"}, {"connection", "close"}}, true), false, Reset::kProtocol},
      {"CR LF in a value", headers(1, {{":status", "200"}, {"a", "b\r\nc: d"}}, true), false, Reset::kProtocol},
      {"1xx that ends", headers(1, {{":status", "100"}}, true), false, Reset::kProtocol},
      {"too many 1xx", times(17, headers(1, {{":status", "103"}}, false)), false, Reset::kProtocol},
      {"less than Content-Length",
       headers(1, {{":status", "200"}, {"content-length", "3"}}, false) + data(1, "ok", true), false, Reset::kProtocol},
      {"more than Content-Length",
       headers(1, {{":status", "200"}, {"content-length", "1"}}, false) + data(1, "ok", false), false,
       Reset::kProtocol},
      {"a length without a body", headers(1, {{":status", "200"}, {"content-length", "1"}}, true), false,
       Reset::kProtocol},
      {"204 with a body", headers(1, {{":status", "204"}}, false) + data(1, "x", true), false, Reset::kProtocol},
      {"DATA before the head", data(1, "x", false), false, Reset::kProtocol},
      {"a third head", headers(1, kOk, false) + headers(1, kOk, false), false, Reset::kProtocol},
      {"a head beyond its limit", headers(1, with(kOk, {{"a", std::string_view("x")}}), false), false, Reset::kTooLarge,
       kCancel},
      {"RST_STREAM REFUSED_STREAM", frames::reset(1, kRefusedStream), false, Reset::kRefused},
      {"RST_STREAM CANCEL", frames::reset(1, kCancel), false, Reset::kReset},
      {"RST_STREAM in the body", headers(1, kOk, false) + data(1, "x", false) + frames::reset(1, kInternalError), false,
       Reset::kReset},
      {"GOAWAY that leaves it out", goaway(0, kNoError), false, Reset::kRefused},
      {"garbage", "HTTP/1.1 400 Bad Request\r\n\r\n", false, Reset::kProtocol},
  };
  for (const auto& is : answers) {
    SCOPED_TRACE(is.what);
    ClientWorld world;
    if (is.why == Reset::kTooLarge && !is.done) world.limits.header_list = 60;
    world.open();
    ClientNote note;
    world.session->open(note)->send_head(a_get(), true);
    ASSERT_TRUE(world.wait(kHeaders, 1));
    world.peer.send(is.bytes);
    ASSERT_TRUE(world.until([&] { return world.peer.move() && note.message.over(); }));
    EXPECT_EQ(note.message.done, is.done);
    if (!is.done) {
      EXPECT_EQ(note.message.why, is.why);
    }
    EXPECT_TRUE(world.session->idle());
  }
}

TEST(H2Client, AnswerToHeadHasALengthAndNoBody) {
  ClientWorld world;
  world.open();
  ClientNote note;
  auto head = a_get();
  head.method = Method::kHead;
  head.method_text = "HEAD";
  world.session->open(note)->send_head(head, true);
  ASSERT_TRUE(world.wait(kHeaders, 1));
  world.peer.send(headers(1, {{":status", "200"}, {"content-length", "70"}}, true));
  ASSERT_TRUE(world.until([&] { return note.message.done; }));
  EXPECT_EQ(note.message.response.body, Body::kNone);
  EXPECT_TRUE(note.message.response.has_length);
  EXPECT_EQ(note.message.response.content_length, 70U);
}

TEST(H2Client, CapacityIsTheSmallerOfBothLimitsAndGrows) {
  ClientWorld world;
  world.limits.streams = 5;
  world.open(settings({{3, 2}}));
  EXPECT_EQ(world.session->capacity(), 2U);
  ClientNote notes[3];
  world.session->open(notes[0])->send_head(a_get(), true);
  world.session->open(notes[1])->send_head(a_get(), true);
  EXPECT_EQ(world.session->capacity(), 0U);
  EXPECT_EQ(world.session->open(notes[2]), nullptr);
  const int before = world.owner.capacity;
  ASSERT_TRUE(world.wait(kHeaders, 3));
  world.peer.send(headers(1, kOk, true));
  ASSERT_TRUE(world.until([&] { return world.owner.capacity > before; }));
  EXPECT_EQ(world.session->capacity(), 1U);
  world.peer.send(settings({{3, 100}}));
  ASSERT_TRUE(world.until([&] { return world.session->capacity() == 4; }));
}

TEST(H2Client, GoawayLetsEarlierStreamsEndAndRefusesTheRest) {
  ClientWorld world;
  world.open();
  ClientNote notes[3];
  world.session->open(notes[0])->send_head(a_get(), true);
  world.session->open(notes[1])->send_head(a_get(), true);
  ASSERT_NE(world.session->open(notes[2]), nullptr);  // opened, but nothing of it sent
  ASSERT_TRUE(world.wait(kHeaders, 3));
  world.peer.send(goaway(1, kNoError));
  ASSERT_TRUE(world.until([&] { return notes[1].message.over() && notes[2].message.over(); }));
  EXPECT_EQ(notes[1].message.why, Reset::kRefused);
  EXPECT_EQ(notes[2].message.why, Reset::kRefused);
  EXPECT_TRUE(world.owner.draining);
  EXPECT_EQ(world.session->capacity(), 0U);
  EXPECT_EQ(world.counters.goaways, 1U);
  world.peer.send(headers(1, kOk, true));
  ASSERT_TRUE(world.until([&] { return notes[0].message.over(); }));
  EXPECT_TRUE(notes[0].message.done);
  ASSERT_TRUE(world.until([&] { return world.peer.move() && world.peer.ended; }));
}

TEST(H2Client, RefusesAProtocolThatTheBackendDoesNotTake) {
  ClientWorld world;
  world.open();
  EXPECT_FALSE(world.session->accepts_extended_connect());
  ClientNote note;
  auto head = a_get();
  head.body = Body::kTunnel;
  head.protocol = "websocket";
  world.session->open(note)->send_head(head, false);
  EXPECT_FALSE(note.message.over());  // never from within the call
  ASSERT_TRUE(world.until([&] { return note.message.over(); }));
  EXPECT_EQ(note.message.why, Reset::kRefused);
}

TEST(H2Client, ATunnelWaitsForTheSettingsThatAllowIt) {
  for (const bool allowed : {true, false}) {
    ClientWorld world;
    auto [stream, fd] = world.pair();
    world.peer.fd = std::move(fd);
    auto made = H2ClientSession::create(world.context(), std::move(stream), world.owner);
    ASSERT_TRUE(made);
    world.session = std::move(*made);
    world.peer.preface = kH2Preface.size();
    ASSERT_TRUE(world.until([&] { return world.peer.move() && world.owner.ready; }));
    ClientNote note;
    auto head = a_get();
    head.body = Body::kTunnel;
    head.protocol = "websocket";
    auto* tunnel = world.session->open(note);
    tunnel->send_head(head, false);
    tunnel->send_body("early", false);
    world.peer.send(allowed ? frames::settings({{8, 1}}) : frames::settings());
    if (allowed) {
      ASSERT_TRUE(world.wait(frames::kHeaders, 1));
      ASSERT_TRUE(world.wait(frames::kData, 1));
    } else {
      ASSERT_TRUE(world.until([&] { return world.peer.move() && note.message.over(); }));
      EXPECT_EQ(note.message.why, Reset::kRefused);
    }
  }
}

TEST(H2Client, AnswerBeforeTheRequestIsWholeEndsWell) {
  ClientWorld world;
  world.open();
  ClientNote note;
  auto* stream = world.session->open(note);
  stream->send_head(a_post(), false);
  stream->send_body("part", false);
  ASSERT_TRUE(world.wait(kData, 1));
  world.peer.send(headers(1, {{":status", "413"}}, true) + frames::reset(1, kNoError));
  ASSERT_TRUE(world.until([&] { return note.message.over(); }));
  EXPECT_TRUE(note.message.done);
  EXPECT_EQ(note.message.response.status, 413);
}

// The other direction of the floods: a backend may not make us work without end either.
TEST(H2Client, ABackendThatFloodsLosesItsConnection) {
  ClientWorld world;
  world.open();
  ClientNote note;
  world.session->open(note)->send_head(a_get(), true);
  ASSERT_TRUE(world.wait(kHeaders, 1));
  ASSERT_TRUE(world.until([&] {
    world.peer.send(times(20, ping()));
    return world.peer.move() && world.peer.find(kGoaway, 0) != nullptr;
  }));
  EXPECT_EQ(world.peer.find(kGoaway, 0)->code(), kEnhanceYourCalm);
  EXPECT_EQ(world.counters.floods[static_cast<std::size_t>(H2Flood::kPing)], 1U);
  ASSERT_TRUE(world.until([&] { return note.message.over(); }));
}

TEST(H2Client, ResetsOfABackendAreBounded) {
  ClientWorld world;
  world.limits.budgets[static_cast<std::size_t>(H2Flood::kReset)] = {10, 0};
  world.open();
  std::vector<std::unique_ptr<ClientNote>> notes;
  std::uint32_t id = 1;
  ASSERT_TRUE(world.until([&] {
    auto& note = *notes.emplace_back(std::make_unique<ClientNote>());
    if (auto* stream = world.session->open(note)) {
      stream->send_head(a_get(), true);
      world.peer.send(frames::reset(id, kRefusedStream));
      id += 2;
    }
    return world.peer.move() && world.peer.find(kGoaway, 0) != nullptr;
  }));
  EXPECT_EQ(world.counters.floods[static_cast<std::size_t>(H2Flood::kReset)], 1U);
}

TEST(H2Client, SaysWhyTheConnectionEnded) {
  ClientWorld world;
  world.open();
  ClientNote note;
  world.session->open(note)->send_head(a_get(), true);
  ASSERT_TRUE(world.wait(kHeaders, 1));
  world.peer.fd.reset();
  ASSERT_TRUE(world.until([&] { return world.owner.closed; }));
  EXPECT_EQ(note.message.why, Reset::kClosed);
  EXPECT_EQ(world.owner.closed_why, "closed by the peer");
}

}  // namespace
}  // namespace fairlead::http
