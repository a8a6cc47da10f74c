// SPDX-License-Identifier: Apache-2.0
// A server session and its client by hand: mapping of heads, flow control, order of ends, draining, time limits.
#include "unit/http/h2_world.hpp"

namespace fairlead::http {
namespace {

using namespace frames;

const List kPost = {{":method", "POST"}, {":scheme", "http"}, {":path", "/p"}, {":authority", "a.example"}};

TEST(H2Server, MapsARequestToTheNeutralHead) {
  ServerWorld world;
  world.owner.answer = small_answer;
  world.open();
  world.peer.send(headers(1,
                          {{":method", "POST"},
                           {":scheme", "https"},
                           {":path", "/a?b=c"},
                           {":authority", "a.example:8080"},
                           {"cookie", "a=1"},
                           {"x-one", "1"},
                           {"cookie", "b=2"},
                           {"te", "trailers"},
                           {"content-length", "4"},
                           {"expect", "100-continue"},
                           {"cookie", "c=3"},
                           {"host", "a.example:8080"},
                           {"x-empty", ""}},
                          false) +
                  data(1, "bo", false) + data(1, "dy", false) + headers(1, {{"x-sum", "7"}}, true));
  ASSERT_TRUE(world.until([&] { return world.owner.notes.size() == 1 && world.owner.notes[0]->message.done; }));
  const auto& got = world.owner.notes[0]->message;
  EXPECT_EQ(got.request.method, Method::kPost);
  EXPECT_EQ(got.request.method_text, "POST");
  EXPECT_EQ(got.request.version, Version::kHttp2);
  EXPECT_EQ(got.request.scheme, "http");
  EXPECT_EQ(got.request.target, "/a?b=c");
  EXPECT_EQ(got.request.authority, "a.example:8080");
  EXPECT_EQ(got.request.body, Body::kLength);
  EXPECT_EQ(got.request.content_length, 4U);
  EXPECT_TRUE(got.request.expects_continue);
  EXPECT_TRUE(got.request.accepts_trailers);
  const std::vector<std::pair<std::string, std::string>> fields = {
      {"cookie", "a=1; b=2; c=3"}, {"x-one", "1"}, {"x-empty", ""}};
  EXPECT_EQ(got.fields, fields);
  EXPECT_EQ(got.body, "body");
  const std::vector<std::pair<std::string, std::string>> trailers = {{"x-sum", "7"}};
  EXPECT_EQ(got.trailers, trailers);
}

TEST(H2Server, MapsHostBodiesAndTunnels) {
  ServerWorld world;
  world.limits.allow_connect = true;
  world.open();
  world.peer.send(headers(1, {{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {"host", "h.example"}}, true) +
                  headers(3, kPost, false) +
                  headers(5,
                          {{":method", "OPTIONS"},
                           {":scheme", "http"},
                           {":path", "*"},
                           {":authority", "a"},
                           {"host", "A"}},  // the same host
                          true) +
                  headers(7, {{":method", "CONNECT"}, {":authority", "c.example:443"}}, false) +
                  headers(9,
                          {{":method", "CONNECT"},
                           {":protocol", "websocket"},
                           {":scheme", "http"},
                           {":path", "/ws"},
                           {":authority", "w"}},
                          false));
  ASSERT_TRUE(world.until([&] { return world.owner.notes.size() == 5; }));
  const auto& notes = world.owner.notes;
  EXPECT_EQ(notes[0]->message.request.authority, "h.example");
  EXPECT_EQ(notes[0]->message.request.body, Body::kNone);
  EXPECT_TRUE(notes[0]->message.ended);
  EXPECT_EQ(notes[1]->message.request.body, Body::kStream);
  EXPECT_EQ(notes[2]->message.request.target, "*");
  EXPECT_EQ(notes[3]->message.request.body, Body::kTunnel);
  EXPECT_EQ(notes[3]->message.request.authority, "c.example:443");
  EXPECT_EQ(notes[3]->message.request.target, "");
  EXPECT_EQ(notes[4]->message.request.body, Body::kTunnel);
  EXPECT_EQ(notes[4]->message.request.protocol, "websocket");
  EXPECT_EQ(notes[4]->message.request.target, "/ws");
  // Accepted with 200 (static table 8), bytes both ways.
  ResponseHead accepted;
  accepted.body = Body::kTunnel;
  notes[4]->stream->send_head(accepted, false);
  notes[4]->stream->send_body("frame", false);
  world.peer.send(data(9, "there", false));
  ASSERT_TRUE(world.wait(kData, 9));
  EXPECT_EQ(world.peer.find(kHeaders, 9)->payload[0], '\x88');
  EXPECT_EQ(world.peer.find(kData, 9)->payload, "frame");
  ASSERT_TRUE(world.until([&] { return notes[4]->message.body == "there"; }));
}

TEST(H2Server, SaysItsSettings) {
  ServerWorld world;
  world.open();
  ASSERT_TRUE(world.wait(kSettings, 0, kAck));
  std::map<std::uint32_t, std::uint32_t> said;
  const auto& payload = world.peer.got.at(0).payload;
  ASSERT_EQ(world.peer.got[0].type, kSettings);
  for (std::size_t at = 0; at + 6 <= payload.size(); at += 6)
    said[static_cast<unsigned char>(payload[at + 1])] = world.peer.got[0].word(at + 2);
  EXPECT_EQ(said[3], world.limits.streams);
  EXPECT_EQ(said[4], world.limits.stream_window);
  EXPECT_EQ(said[6], world.limits.header_list);
  EXPECT_EQ(said[8], 1U);
  ASSERT_TRUE(world.wait(kWindowUpdate, 0));
  EXPECT_EQ(world.peer.find(kWindowUpdate, 0)->word(0), world.limits.connection_window - 65535);
}

TEST(H2Server, AnswersOfATurnLeaveTogetherAndHoldNoChunkAfterwards) {
  ServerWorld world;
  world.owner.answer = small_answer;
  world.open();
  ASSERT_TRUE(world.wait(kSettings, 0, kAck));
  std::string all;
  for (std::uint32_t i = 0; i < 100; ++i) all += headers(2 * i + 1, get(), true);
  world.peer.send(all);
  ASSERT_TRUE(world.until([&] { return world.peer.move() && world.peer.count(kData) == 100; }));
  EXPECT_EQ(world.pool.in_use(), 0U);
  EXPECT_EQ(world.session->streams(), 0U);
  EXPECT_TRUE(world.session->idle());
  for (const auto& note : world.owner.notes) EXPECT_TRUE(note->message.done);
  EXPECT_LT(world.session->memory(), 40U << 10);
}

TEST(H2Server, APausedReceiverHoldsThePeerBackByItsWindow) {
  ServerWorld world;
  world.limits.stream_window = 65535;
  world.open();
  world.owner.answer = [](ServerNote& note, bool) { note.stream->pause(); };
  world.peer.send(headers(1, kPost, false));
  for (int i = 0; i < 4; ++i) world.peer.send(data(1, std::string(16000, 'a'), false));
  ASSERT_TRUE(
      world.until([&] { return world.owner.notes.size() == 1 && world.owner.notes[0]->message.body.size() == 64000; }));
  net::turn(*world.reactor);
  world.peer.move();
  EXPECT_EQ(world.peer.find(kWindowUpdate, 1), nullptr);
  world.owner.notes[0]->stream->resume();
  ASSERT_TRUE(world.wait(kWindowUpdate, 1));
  EXPECT_EQ(world.peer.find(kWindowUpdate, 1)->word(0), 64000U);
  world.peer.send(data(1, "end", true));
  ASSERT_TRUE(world.until([&] { return world.owner.notes[0]->message.ended; }));
}

TEST(H2Server, KeepsToThePeersWindowsAndSaysWhenToGoOn) {
  ServerWorld world;
  world.open(settings({{4, 1000}}));
  world.peer.send(headers(1, get(), true));
  ASSERT_TRUE(world.until([&] { return world.owner.notes.size() == 1; }));
  auto& note = *world.owner.notes[0];
  note.stream->send_head({}, false);
  EXPECT_TRUE(note.stream->send_body(std::string(20'000, 'a'), false));
  EXPECT_FALSE(note.stream->send_body(std::string(20'000, 'b'), true));
  ASSERT_TRUE(world.until([&] { return world.peer.move() && world.peer.data_bytes(1) == 1000; }));
  EXPECT_EQ(note.message.writable, 0);
  world.peer.send(window_update(1, 30'000));
  ASSERT_TRUE(world.until([&] { return world.peer.move() && world.peer.data_bytes(1) == 31'000; }));
  EXPECT_EQ(note.message.writable, 1);
  EXPECT_FALSE(note.message.done);
  world.peer.send(window_update(1, 30'000));
  ASSERT_TRUE(world.wait(kData, 1, kEndStream));
  ASSERT_TRUE(world.until([&] { return note.message.done; }));
  EXPECT_EQ(world.peer.data_bytes(1), 40'000U);
  EXPECT_EQ(world.budget.used(), 0U);
}

TEST(H2Server, IsFairBetweenStreams) {
  ServerWorld world;
  world.open(settings({{4, 1 << 20}}));
  world.peer.send(headers(1, get(), true) + headers(3, get(), true));
  ASSERT_TRUE(world.until([&] { return world.owner.notes.size() == 2; }));
  const std::string large(100'000, 'x');
  for (auto& note : world.owner.notes) {
    note->stream->send_head({}, false);
    note->stream->send_body(large, true);  // the connection's window holds both back after 65535 bytes
  }
  ASSERT_TRUE(world.until([&] { return world.peer.move() && world.peer.data_bytes(1) == 65535; }));
  world.peer.send(window_update(0, 60'000));
  ASSERT_TRUE(
      world.until([&] { return world.peer.move() && world.peer.data_bytes(1) + world.peer.data_bytes(3) == 125'535; }));
  EXPECT_GE(world.peer.data_bytes(3), 27'000U);
  EXPECT_GE(world.peer.data_bytes(1), 65'535U + 27'000);
}

TEST(H2Server, SendsInformationalHeadsAndTrailers) {
  ServerWorld world;
  world.open();
  world.peer.send(headers(1, get(), true));
  ASSERT_TRUE(world.until([&] { return world.owner.notes.size() == 1; }));
  auto& note = *world.owner.notes[0];
  ResponseHead early;
  early.status = 103;
  early.fields = {{"link", "</a>"}};
  note.stream->send_informational(early);
  note.stream->send_head({}, false);
  note.stream->send_body("body", false);
  note.stream->send_trailers({{"grpc-status", "0"}});
  ASSERT_TRUE(world.wait(kHeaders, 1, kEndStream));
  std::string order;
  for (const auto& frame : world.peer.got)
    if (frame.id == 1) order += frame.type == kData ? 'd' : 'h';
  EXPECT_EQ(order, "hhdh");
  ASSERT_TRUE(world.until([&] { return note.message.done; }));
}

TEST(H2Server, TrailersWaitBehindTheBody) {
  ServerWorld world;
  world.open(settings({{4, 3}}));
  world.peer.send(headers(1, get(), true));
  ASSERT_TRUE(world.until([&] { return world.owner.notes.size() == 1; }));
  auto& note = *world.owner.notes[0];
  note.stream->send_head({}, false);
  note.stream->send_body("abcdef", false);
  note.stream->send_trailers({{"a", "b"}});
  ASSERT_TRUE(world.wait(kData, 1));
  EXPECT_EQ(world.peer.find(kHeaders, 1, kEndStream), nullptr);
  world.peer.send(window_update(1, 3));
  ASSERT_TRUE(world.wait(kHeaders, 1, kEndStream));
  EXPECT_EQ(world.peer.data_bytes(1), 6U);
}

TEST(H2Server, ResetsWithACodeAndIsSilentAfterwards) {
  const std::vector<std::pair<Reset, std::uint32_t>> cases = {{Reset::kRefused, kRefusedStream},
                                                              {Reset::kCancelled, kCancel},
                                                              {Reset::kInternal, kInternalError},
                                                              {Reset::kClosed, kInternalError},
                                                              {Reset::kProtocol, kProtocolError}};
  for (const auto& [why, code] : cases) {
    ServerWorld world;
    world.open();
    world.owner.answer = [why](ServerNote& note, bool) { note.stream->reset(why); };
    world.peer.send(headers(1, kPost, false) + data(1, "ignored", true));
    ASSERT_TRUE(world.wait(kRstStream, 1));
    EXPECT_EQ(world.peer.find(kRstStream, 1)->code(), code);
    EXPECT_EQ(world.owner.notes[0]->message.body, "");
    EXPECT_FALSE(world.owner.notes[0]->message.over());
    EXPECT_TRUE(world.until([&] { return world.session->idle(); }));
  }
}

TEST(H2Server, AResetOfAnAnsweredRequestIsNoError) {
  ServerWorld world;
  world.open();
  world.peer.send(headers(1, kPost, false));
  ASSERT_TRUE(world.until([&] { return world.owner.notes.size() == 1; }));
  small_answer(*world.owner.notes[0], false);
  world.owner.notes[0]->stream->reset(Reset::kCancelled);
  ASSERT_TRUE(world.wait(kRstStream, 1));
  EXPECT_EQ(world.peer.find(kRstStream, 1)->code(), kNoError);
  EXPECT_EQ(world.peer.data_bytes(1), 2U);
}

// RFC 9113 8.1. It waits for a while, as clients lose answers that come together with RST_STREAM.
TEST(H2Server, WantsNothingMoreOfARequestThatIsAnswered) {
  ServerWorld world;
  world.limits.timeouts.linger = 50;
  world.owner.answer = small_answer;
  world.open();
  world.peer.send(headers(1, kPost, false));
  ASSERT_TRUE(world.until([&] { return world.peer.move() && world.peer.data_bytes(1) == 2; }));
  EXPECT_EQ(world.peer.find(kRstStream, 1), nullptr);
  ASSERT_TRUE(world.wait(kRstStream, 1));
  EXPECT_EQ(world.peer.find(kRstStream, 1)->code(), kNoError);
  ASSERT_TRUE(world.until([&] { return world.session->idle(); }));
  EXPECT_TRUE(world.owner.notes[0]->message.done);
  EXPECT_EQ(world.counters.malformed, 0U);
}

TEST(H2Server, ReadsTheRestOfAnAnsweredRequestToALimit) {
  ServerWorld world;
  world.limits.timeouts.linger = 600'000;
  world.limits.stream_window = world.limits.connection_window = 4 << 20;
  world.owner.answer = small_answer;
  world.open();
  ASSERT_TRUE(world.wait(kSettings, 0, kAck));
  world.peer.send(frame(kSettings, kAck, 0, "") + headers(1, kPost, false) + headers(3, kPost, false));
  world.peer.send(data(3, "the rest", true));
  std::string much;
  for (int i = 0; i < 80; ++i) much += data(1, std::string(16384, 'x'), false);
  world.peer.send(much);
  ASSERT_TRUE(world.wait(kRstStream, 1));
  EXPECT_EQ(world.peer.find(kRstStream, 1)->code(), kNoError);
  ASSERT_TRUE(world.until([&] { return world.session->idle(); }));
  EXPECT_EQ(world.peer.find(kRstStream, 3), nullptr);
  for (const auto& note : world.owner.notes) EXPECT_TRUE(note->message.done);
}

TEST(H2Server, TellsHandlersWhatThePeerResetsAndWhenItGoes) {
  ServerWorld world;
  world.open();
  world.peer.send(headers(1, get(), true) + headers(3, get(), true));
  ASSERT_TRUE(world.until([&] { return world.owner.notes.size() == 2; }));
  world.peer.send(frames::reset(1, kCancel));
  ASSERT_TRUE(world.until([&] { return world.owner.notes[0]->message.reset; }));
  EXPECT_EQ(world.owner.notes[0]->message.why, Reset::kReset);
  EXPECT_FALSE(world.owner.notes[1]->message.over());
  world.peer.fd.reset();
  ASSERT_TRUE(world.until([&] { return world.owner.closed; }));
  EXPECT_TRUE(world.owner.notes[1]->message.reset);
  EXPECT_EQ(world.counters.open, 0U);
}

TEST(H2Server, RefusesAStreamThatTheOwnerDoesNotWant) {
  ServerWorld world;
  world.owner.refuse = true;
  world.open();
  world.peer.send(headers(1, kPost, false) + data(1, "x", true));
  ASSERT_TRUE(world.wait(kRstStream, 1));
  EXPECT_EQ(world.peer.find(kRstStream, 1)->code(), kRefusedStream);
  EXPECT_EQ(world.counters.refused_streams, 1U);
}

TEST(H2Server, RefusesStreamsBeyondItsLimit) {
  ServerWorld world;
  world.limits.streams = 2;
  world.open();
  ASSERT_TRUE(world.wait(kSettings, 0, kAck));
  // Not acknowledged yet, so that it is refused rather than an error (RFC 9113 5.1.2).
  world.peer.send(headers(1, get(), true) + headers(3, get(), true) + headers(5, get(), true));
  ASSERT_TRUE(world.wait(kRstStream, 5));
  EXPECT_EQ(world.peer.find(kRstStream, 5)->code(), kRefusedStream);
  EXPECT_EQ(world.owner.notes.size(), 2U);
}

TEST(H2Server, DrainsInTwoStepsAndServesWhatIsOnItsWay) {
  ServerWorld world;
  world.limits.drain_ms = 60'000;
  world.open();
  world.peer.send(headers(1, get(), true));
  ASSERT_TRUE(world.until([&] { return world.owner.notes.size() == 1; }));
  world.session->drain();
  ASSERT_TRUE(world.wait(kPing, 0));
  EXPECT_EQ(world.peer.find(kGoaway, 0)->word(0), 0x7fffffffU);
  EXPECT_EQ(world.peer.find(kGoaway, 0)->code(), kNoError);
  world.owner.answer = small_answer;
  world.peer.send(headers(3, get(), true));  // sent before the GOAWAY was seen
  ASSERT_TRUE(world.wait(kData, 3, kEndStream));
  world.peer.send(ping(world.peer.find(kPing, 0)->payload, true));
  ASSERT_TRUE(world.until([&] { return world.peer.move() && world.peer.count(kGoaway) == 2; }));
  EXPECT_EQ(world.peer.got.back().word(0), 3U);
  EXPECT_FALSE(world.peer.ended);
  small_answer(*world.owner.notes[0], true);
  EXPECT_TRUE(world.wait_end());
  EXPECT_NE(world.peer.find(kData, 1, kEndStream), nullptr);
  EXPECT_TRUE(world.owner.notes[0]->message.done);
  world.peer.fd.reset();
  EXPECT_TRUE(world.until([&] { return world.owner.closed; }));
}

TEST(H2Server, AnIdleConnectionDrainsAndEndsByTheClockToo) {
  ServerWorld world;
  world.limits.timeouts.idle = 20;
  world.limits.drain_ms = 20;
  world.limits.timeouts.linger = 20;
  world.open();
  ASSERT_TRUE(world.until([&] { return world.peer.move() && world.peer.count(kGoaway) == 2; }));
  ASSERT_TRUE(world.until([&] { return world.owner.closed; }));  // though the peer never closes
  EXPECT_EQ(world.counters.timeouts, 0U);
}

struct TimeCase {
  const char* what;
  std::function<void(H2Limits&)> set;
  std::string bytes;
  std::uint32_t code;
};

TEST(H2Server, EndsConnectionsThatTakeTooLong) {
  const std::vector<TimeCase> cases = {
      {"no SETTINGS", [](H2Limits& limits) { limits.settings_ms = 20; }, "", kSettingsTimeout},
      {"half a field section", [](H2Limits& limits) { limits.timeouts.head = 20; },
       settings() + frame(kHeaders, kEndStream, 1, block(get())), kEnhanceYourCalm},
  };
  for (const auto& is : cases) {
    SCOPED_TRACE(is.what);
    ServerWorld world;
    is.set(world.limits);
    world.limits.timeouts.linger = 20;
    world.open(is.bytes);
    ASSERT_TRUE(world.wait(kGoaway, 0));
    EXPECT_EQ(world.peer.find(kGoaway, 0)->code(), is.code);
    EXPECT_EQ(world.counters.timeouts, 1U);
    EXPECT_TRUE(world.until([&] { return world.owner.closed; }));
  }
}

TEST(H2Server, PingsAQuietPeerAndClosesWhereItDoesNotAnswer) {
  ServerWorld world;
  world.limits.ping_every_ms = 20;
  world.limits.ping_answer_ms = 60'000;
  world.open();
  world.peer.send(headers(1, get(), true));
  ASSERT_TRUE(world.wait(kPing, 0));
  world.peer.send(ping(world.peer.find(kPing, 0)->payload, true));
  ASSERT_TRUE(world.until([&] { return world.peer.move() && world.peer.count(kPing) == 2; }));
  world.limits.ping_answer_ms = 20;
  world.peer.send(ping(world.peer.find(kPing, 0)->payload, true));
  ASSERT_TRUE(world.until([&] { return world.owner.closed; }));
  EXPECT_EQ(world.owner.notes[0]->message.why, Reset::kTimeout);
}

TEST(H2Server, ClosesFromWithinAHandler) {
  ServerWorld world;
  world.open();
  world.owner.answer = [&](ServerNote&, bool) { world.session->close(); };
  world.peer.send(headers(1, get(), true) + headers(3, get(), true));
  ASSERT_TRUE(world.until([&] { return world.owner.closed; }));
  for (const auto& note : world.owner.notes) EXPECT_TRUE(note->message.reset);
}

}  // namespace
}  // namespace fairlead::http
