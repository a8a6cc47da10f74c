// SPDX-License-Identifier: Apache-2.0
// What a client may not send, and what it gets for it: RFC 9113, 7541 and 8441.
#include "unit/http/h2_rows.hpp"
#include "unit/http/h2_world.hpp"

namespace fairlead::http {
namespace {

using namespace frames;
using h2_rows::changed, h2_rows::ProtocolCase;

void expect_answer(const ProtocolCase& is) {
  SCOPED_TRACE(is.what);
  ServerWorld world;
  // A body that nobody takes: windows stay as they are.
  world.owner.answer = [](ServerNote& note, bool) { note.stream->pause(); };
  world.open();
  world.peer.send(is.bytes);
  const std::uint32_t id = is.answer == kGoaway ? 0 : 1;
  ASSERT_TRUE(world.wait(is.answer, id));
  EXPECT_EQ(world.peer.find(is.answer, id)->code(), is.code);
  for (const auto& note : world.owner.notes) EXPECT_FALSE(note->message.done);
  if (is.answer == kGoaway) {
    EXPECT_EQ(world.counters.protocol_errors, 1U);
    EXPECT_TRUE(world.wait_end());
    world.peer.fd.reset();
    EXPECT_TRUE(world.until([&] { return world.owner.closed; }));
    for (const auto& note : world.owner.notes) EXPECT_TRUE(note->message.reset);
    EXPECT_EQ(world.counters.open, 0U);
  } else {
    EXPECT_EQ(world.counters.malformed, 1U);
    if (world.owner.notes.empty()) {
      EXPECT_EQ(world.owner.refused.size(), 1U);
    } else {
      EXPECT_TRUE(world.owner.notes[0]->message.reset);
      EXPECT_EQ(world.owner.notes[0]->message.why, Reset::kProtocol);
    }
    // Others are served on.
    world.owner.answer = small_answer;
    world.peer.send(headers(5, get(), true));
    EXPECT_TRUE(world.wait(kData, 5, kEndStream));
  }
}

TEST(H2Protocol, AnswersMalformedRequestsWithRstStream) {
  for (const auto& is : h2_rows::malformed_requests()) expect_answer(is);
}

TEST(H2Protocol, AnswersBrokenConnectionsWithGoaway) {
  for (const auto& is : h2_rows::broken_connections()) expect_answer(is);
}

TEST(H2Protocol, AnswersDataBeyondAWindowWithRstStream) {
  ServerWorld world;
  world.owner.answer = [](ServerNote& note, bool) { note.stream->pause(); };
  world.open();
  world.peer.send(headers(1, changed(":method", "POST"), false) + times(17, data(1, std::string(16384, 'x'), false)));
  ASSERT_TRUE(world.wait(kRstStream, 1));
  EXPECT_EQ(world.peer.find(kRstStream, 1)->code(), kFlowControlError);
  EXPECT_TRUE(world.owner.notes.at(0)->message.reset);
}

TEST(H2Protocol, AnswersABadPrefaceWithGoaway) {
  ServerWorld world;
  auto [stream, fd] = world.pair();
  world.peer.fd = std::move(fd);
  auto made = H2ServerSession::create(world.context(), std::move(stream), world.owner);
  ASSERT_TRUE(made);
  world.session = std::move(*made);
  world.session->start("PRI * HTTP/2.0\r\n\r\nSM\r\n\rx");
  ASSERT_TRUE(world.wait(kGoaway, 0));
  EXPECT_EQ(world.peer.find(kGoaway, 0)->code(), kProtocolError);
  EXPECT_TRUE(world.wait_end());
}

// What is valid but beyond a limit is answered with a status, as in HTTP/1.
TEST(H2Protocol, AnswersWhatIsNotAllowedWithAStatus) {
  const std::string long_path = "/" + std::string(9000, 'a');
  const std::string large(40'000, 'v');
  List many = get();
  for (int i = 0; i < 200; ++i) many.emplace_back("x", "y");
  const std::vector<std::pair<List, std::uint16_t>> cases = {
      {changed(":path", long_path), 414},
      {with(get(), {{"a", large}, {"b", large}}), 431},
      {many, 431},
      {with(get(), {{"expect", "200-ok"}}), 417},
      {{{":method", "CONNECT"}, {":authority", "a.example:1"}}, 501},
      {{{":method", "CONNECT"},
        {":protocol", "connect-udp"},
        {":scheme", "http"},
        {":path", "/"},
        {":authority", "a.example"}},
       501},
  };
  for (const auto& [list, status] : cases) {
    SCOPED_TRACE(status);
    ServerWorld world;
    world.owner.answer = small_answer;
    world.open();
    const std::string section = block(list);
    std::string bytes;
    for (std::size_t at = 0; at < section.size(); at += 16384) {
      const bool last = at + 16384 >= section.size();
      bytes += frame(at == 0 ? kHeaders : kContinuation, last ? kEndHeaders : 0, 1, section.substr(at, 16384));
    }
    world.peer.send(bytes + data(1, "body", false));
    ASSERT_TRUE(world.wait(kHeaders, 1, kEndStream));
    ASSERT_TRUE(world.wait(kRstStream, 1));  // the rest of the request is not wanted
    EXPECT_EQ(world.peer.find(kRstStream, 1)->code(), kNoError);
    ASSERT_EQ(world.owner.refused.size(), 1U);
    EXPECT_EQ(world.owner.refused[0].first, status);
    EXPECT_EQ(world.counters.refused_heads, 1U);
    world.peer.send(headers(3, get(), true));
    EXPECT_TRUE(world.wait(kData, 3, kEndStream));
  }
}

}  // namespace
}  // namespace fairlead::http
