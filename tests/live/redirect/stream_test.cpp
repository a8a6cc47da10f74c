// SPDX-License-Identifier: Apache-2.0
// What is redirected arrives complete and in order.
#include "live/redirect/stream.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <future>

#include "live/redirect/fixture.hpp"

namespace fairlead {
namespace {

class StreamTest : public test::RedirectTest {};

TEST_F(StreamTest, APingPongLeavesTcp) {
  const auto agent = start_all();
  const auto pair = connect_pair();
  EXPECT_TRUE(warm_up(pair)) << agent->output();
  EXPECT_EQ(counter(FL_C_REDIRECT_PAIRED), 1U);
  EXPECT_EQ(counter(FL_C_REDIRECT_BEGIN), 2U);
  EXPECT_TRUE(test::ping(pair, "another"));
}

TEST_F(StreamTest, NothingIsRedirectedWithoutOptIn) {
  const auto agent = start();
  const auto pair = connect_pair();
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(test::ping(pair));
  EXPECT_EQ(counter(FL_C_REDIRECT_MESSAGES), 0U);
}

/// A number from the environment: for long runs by hand.
std::uint64_t wanted(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

/// Both ends at once; how many bytes arrived.
std::uint64_t run_stream(const test::Pair& pair, const test::StreamOptions& options) {
  auto server = std::async(std::launch::async, [&] { return run_stream_end(pair.server, options, false); });
  const auto here = run_stream_end(pair.client, options, true);
  const auto there = server.get();
  EXPECT_EQ(here.wrong, "") << "client, seed " << options.seed;
  EXPECT_EQ(there.wrong, "") << "server, seed " << options.seed;
  return here.received + there.received;
}

// FAIRLEAD_STREAM_SEEDS and FAIRLEAD_STREAM_MB make it longer; both directions count.
TEST_F(StreamTest, RandomStreamsArriveByteForByte) {
  const auto agent = start_all();
  const auto seeds = wanted("FAIRLEAD_STREAM_SEEDS", 3);
  const auto bytes = wanted("FAIRLEAD_STREAM_MB", 20) * 1000 * 1000;
  const auto first = wanted("FAIRLEAD_STREAM_FIRST", 1);
  std::uint64_t total = 0, streams = 0;
  const auto begun_again = [&] { return counter(FL_C_REDIRECT_BEGIN) > 2 * streams; };
  // A few seeds more where no direction has been led off, and back, and off again.
  for (; streams < seeds || (!begun_again() && streams < seeds + 10); ++streams) {
    const auto seed = 2 * (first + streams);
    const auto pair = connect_pair();
    ASSERT_TRUE(warm_up(pair)) << "seed " << seed;
    total += run_stream(pair, {.seed = seed, .bytes = bytes / 2, .shuts = false});
    ASSERT_FALSE(HasFailure());
    // A machine that is slow sees too little of a stream to begin again within it.
    ASSERT_TRUE(warm_up(pair)) << "again, seed " << seed;
    total += run_stream(pair, {.seed = seed + 1, .bytes = bytes / 2});
    ASSERT_FALSE(HasFailure());
  }
  std::printf(
      "%llu bytes; redirected: %llu bytes in %llu messages, begun %llu times, ended for bulk %llu, for unread %llu\n",
      static_cast<unsigned long long>(total), static_cast<unsigned long long>(counter(FL_C_REDIRECT_BYTES)),
      static_cast<unsigned long long>(counter(FL_C_REDIRECT_MESSAGES)),
      static_cast<unsigned long long>(counter(FL_C_REDIRECT_BEGIN)),
      static_cast<unsigned long long>(counter(FL_C_REDIRECT_END_BULK)),
      static_cast<unsigned long long>(counter(FL_C_REDIRECT_END_UNREAD)));
  EXPECT_TRUE(begun_again());
  EXPECT_GT(counter(FL_C_REDIRECT_END_BULK) + counter(FL_C_REDIRECT_END_UNREAD), 0U);
}

}  // namespace
}  // namespace fairlead
