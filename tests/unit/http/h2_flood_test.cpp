// SPDX-License-Identifier: Apache-2.0
// Each kind of flood ends with GOAWAY ENHANCE_YOUR_CALM and a counter; other connections go on, memory stays bounded.
#include "unit/http/h2_world.hpp"

namespace fairlead::http {
namespace {

using namespace frames;

struct FloodCase {
  H2Flood flood;
  const char* what;
  std::function<std::string(std::uint32_t i)> bytes;  // sent again and again with i = 0, 1, ...
  std::string first = {};
};

std::uint32_t odd(std::uint32_t i) { return 2 * i + 1; }

std::vector<FloodCase> cases() {
  const std::string post = headers(1, with(get(), {{"a", "b"}}), false);
  List large = get();
  static const std::string value(30'000, 'v');
  const std::string bomb = block(with(get(), {{"a", value}, {"b", value}, {"c", value}}));
  return {
      {H2Flood::kReset, "rapid reset",
       [](std::uint32_t i) { return headers(odd(i), get(), true) + frames::reset(odd(i), kCancel); }},
      {H2Flood::kProvokedReset, "malformed requests",
       [](std::uint32_t i) { return headers(odd(i), {{"a", "b"}}, true); }},
      {H2Flood::kProvokedReset, "made you reset: a window beyond 2^31 - 1",
       [](std::uint32_t i) { return headers(odd(i), get(), true) + window_update(odd(i), 0x7fffffff); }},
      {H2Flood::kContinuation, "CONTINUATION without end",
       [](std::uint32_t i) {
         return i == 0 ? frame(kHeaders, kEndStream, 1, block(get())) : frame(kContinuation, 0, 1, field("a", "b"));
       }},
      {H2Flood::kContinuation, "CONTINUATION in many sections",
       [](std::uint32_t i) {
         return frame(kHeaders, kEndStream, odd(i), block(get())) +
                frame(kContinuation, kEndHeaders, odd(i), field("a", "b"));
       }},
      {H2Flood::kSettings, "SETTINGS", [](std::uint32_t) { return settings(); }},
      {H2Flood::kPing, "PING", [](std::uint32_t) { return ping(); }},
      {H2Flood::kEmptyFrame, "DATA without content", [](std::uint32_t) { return data(1, "", false); }, post},
      {H2Flood::kEmptyFrame, "DATA of padding alone",
       [](std::uint32_t) { return frame(kData, kPadded, 1, std::string("\x01\0", 2)); }, post},
      {H2Flood::kPriority, "PRIORITY", [](std::uint32_t) { return frame(kPriority, 0, 3, number(1, 4) + "x"); }},
      {H2Flood::kWindowUpdate, "WINDOW_UPDATE", [](std::uint32_t) { return window_update(0, 1); }},
      {H2Flood::kUnknownFrame, "an unknown type", [](std::uint32_t) { return frame(0xbb, 0, 0, "x"); }},
      {H2Flood::kHeaderBomb, "field sections beyond the limit",
       [bomb](std::uint32_t i) {
         std::string all;
         for (std::size_t at = 0; at < bomb.size(); at += 16384)
           all += frame(
               at == 0 ? kHeaders : kContinuation,
               static_cast<std::uint8_t>((at == 0 ? kEndStream : 0) | (at + 16384 >= bomb.size() ? kEndHeaders : 0)),
               odd(i), bomb.substr(at, 16384));
         return all;
       }},
      // One field of 4000 bytes put into the table, then named again and again by one byte.
      {H2Flood::kHeaderBomb, "a field section that unpacks to many times the limit",
       [](std::uint32_t i) {
         const std::string entry = "\x40" + length(1) + "a" + length(4000) + std::string(4000, 'v');
         return frame(kHeaders, kEndStream | kEndHeaders, odd(i), block(get()) + entry + std::string(4000, '\xbe'));
       }},
  };
}

TEST(H2Flood, EndsTheConnectionAndCounts) {
  for (const auto& is : cases()) {
    SCOPED_TRACE(is.what);
    ServerWorld world;
    world.owner.answer = [](ServerNote& note, bool end) {
      if (end) small_answer(note, end);
    };
    world.open(settings() + is.first);
    std::uint32_t i = 0;
    std::size_t most = 0;
    ASSERT_TRUE(world.until([&] {
      for (int n = 0; n < 20 && world.peer.unsent.size() < 100'000; ++n) world.peer.send(is.bytes(i++));
      most = std::max(most, world.session->memory());
      return world.peer.move() && world.peer.find(kGoaway, 0) != nullptr;
    }));
    EXPECT_EQ(world.peer.find(kGoaway, 0)->code(), kEnhanceYourCalm);
    for (std::size_t kind = 0; kind < kH2Floods; ++kind)
      EXPECT_EQ(world.counters.floods[kind], kind == static_cast<std::size_t>(is.flood) ? 1U : 0U) << kind;
    EXPECT_LT(most, 512U << 10);
    world.peer.fd.reset();
    EXPECT_TRUE(world.until([&] { return world.owner.closed; }));
    EXPECT_EQ(world.counters.open, 0U);
    world.session.reset();
    EXPECT_EQ(world.counters.memory, 0U);
    EXPECT_EQ(world.budget.used(), 0U);
  }
}

TEST(H2Flood, BusyConnectionsEarnTheirResetsAndPings) {
  ServerWorld world;
  world.limits.budgets[static_cast<std::size_t>(H2Flood::kReset)] = {3, 0};
  world.limits.budgets[static_cast<std::size_t>(H2Flood::kPing)] = {3, 0};
  world.owner.answer = small_answer;
  world.open();
  for (std::uint32_t i = 0; i < 50; ++i) {
    world.peer.send(headers(odd(2 * i), get(), true));
    ASSERT_TRUE(world.wait(kData, odd(2 * i), kEndStream));
    world.peer.send(headers(odd(2 * i + 1), get(), false) + frames::reset(odd(2 * i + 1), kCancel) + ping());
    ASSERT_TRUE(world.until([&] { return world.peer.move() && world.peer.count(kPing) == i + 1; }));
  }
  EXPECT_EQ(world.peer.find(kGoaway, 0), nullptr);
}

// The peer asks for much and reads nothing: what waits stays within the high-water marks.
TEST(H2Flood, ClosedWindowsHoldLittleAndTimeOut) {
  ServerWorld world;
  world.limits.timeouts.write = 30;
  const std::string piece(8 << 10, 'x');
  world.owner.answer = [&](ServerNote& note, bool) {
    note.stream->send_head({}, false);
    note.writable_then = [&] {
      while (note.stream->send_body(piece, false)) {
      }
    };
    note.writable_then();
  };
  world.open(settings({{4, 0}}));
  std::string all;
  for (std::uint32_t i = 0; i < 20; ++i) all += headers(odd(i), get(), true);
  world.peer.send(all);
  ASSERT_TRUE(world.until([&] { return world.peer.move() && world.peer.count(kHeaders) == 20; }));
  EXPECT_LE(world.session->memory(), 20 * (world.limits.stream_high_water + piece.size()) + (64U << 10));
  ASSERT_TRUE(world.until([&] { return world.peer.move() && world.peer.count(kRstStream) == 20; }));
  for (const auto& note : world.owner.notes) {
    EXPECT_TRUE(note->message.reset);
    EXPECT_EQ(note->message.why, Reset::kTimeout);
  }
  EXPECT_EQ(world.counters.timeouts, 20U);
  EXPECT_EQ(world.session->streams(), 0U);
}

TEST(H2Flood, APeerThatReadsNothingIsClosed) {
  ServerWorld world;
  world.limits.timeouts.write = 30;
  const std::string piece(64 << 10, 'x');
  world.owner.answer = [&](ServerNote& note, bool) {
    note.stream->send_head({}, false);
    note.writable_then = [&] {
      while (note.stream->send_body(piece, false)) {
      }
    };
    note.writable_then();
  };
  world.open(settings({{4, 0x7fffffff}}) + window_update(0, 0x7fff0000 - 65535));
  world.peer.send(headers(1, get(), true));
  ASSERT_TRUE(world.until([&] { return world.owner.closed; }));
  EXPECT_EQ(world.owner.notes.at(0)->message.why, Reset::kTimeout);
}

}  // namespace
}  // namespace fairlead::http
