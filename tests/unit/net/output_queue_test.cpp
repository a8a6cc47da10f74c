// SPDX-License-Identifier: Apache-2.0
#include "fairlead/net/output_queue.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <thread>

#include "world.hpp"

namespace fairlead::net {
namespace {

/// Takes as many bytes as it is told, then answers kAgain or an error.
struct Sink final : Stream {
  IoResult read(std::span<char>) override { return {IoStatus::kAgain, 0, 0}; }
  IoResult write(std::span<const iovec> from) override {
    ++calls;
    pieces = from.size();
    if (error != 0) return {IoStatus::kError, 0, error};
    if (room == 0) return {IoStatus::kAgain, 0, 0};
    std::size_t taken = 0;
    for (const iovec& piece : from) {
      const auto part = std::min(piece.iov_len, room);
      got.append(static_cast<const char*>(piece.iov_base), part);
      room -= part;
      taken += part;
    }
    return {IoStatus::kOk, taken, 0};
  }
  void shutdown_write() override {}
  void close(bool) override {}
  [[nodiscard]] int fd() const override { return -1; }
  [[nodiscard]] bool is_raw() const override { return true; }
  [[nodiscard]] bool takes_raw() const override { return true; }

  std::string got;
  std::size_t room = SIZE_MAX;
  std::size_t pieces = 0;
  int calls = 0;
  int error = 0;
};

std::string text_of(std::size_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::string text(size, ' ');
  for (char& byte : text) byte = static_cast<char>(random());
  return text;
}

class OutputQueueTest : public ::testing::Test {
 protected:
  MemoryBudget budget_{100'000};
  ChunkPool pool_{budget_};
  Sink sink_;
};

TEST_F(OutputQueueTest, SmallPiecesLeaveByOneWrite) {
  OutputQueue queue(pool_);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(queue.send(sink_, "0123456789").status, IoStatus::kOk);
  EXPECT_EQ(sink_.calls, 0);
  EXPECT_EQ(queue.size(), 100U);
  EXPECT_EQ(pool_.in_use(), 1U);
  EXPECT_EQ(budget_.used(), Chunk::kSize);
  EXPECT_EQ(queue.flush(sink_).bytes, 100U);
  EXPECT_EQ(sink_.calls, 1);
  EXPECT_EQ(sink_.got.size(), 100U);
  EXPECT_EQ(pool_.in_use(), 0U);
  EXPECT_EQ(budget_.used(), 0U);
  EXPECT_EQ(budget_.peak(), Chunk::kSize);
  EXPECT_EQ(queue.flush(sink_).status, IoStatus::kOk);
  EXPECT_EQ(sink_.calls, 1);
}

TEST_F(OutputQueueTest, ALargePieceGoesBehindWhatWaitsInTheSameWriteUncopied) {
  OutputQueue queue(pool_);
  queue.append("head");
  const std::string body = text_of(OutputQueue::kLarge, 1);
  EXPECT_EQ(queue.send(sink_, body).bytes, 4 + body.size());
  EXPECT_EQ(sink_.calls, 1);
  EXPECT_EQ(sink_.pieces, 2U);
  EXPECT_EQ(sink_.got, "head" + body);
  EXPECT_EQ(budget_.peak(), Chunk::kSize);
}

TEST_F(OutputQueueTest, OnlyTheRestIsKept) {
  const std::string body = text_of(50'000, 2);
  for (const std::size_t room : {0UL, 1UL, 4UL, 5UL, 30'000UL, 50'003UL, 50'004UL}) {
    OutputQueue queue(pool_);
    Sink sink;
    sink.room = room;
    queue.append("head");
    const IoResult result = queue.send(sink, body);
    EXPECT_EQ(result.status, room < 50'004 ? IoStatus::kAgain : IoStatus::kOk) << room;
    EXPECT_EQ(result.bytes, room);
    EXPECT_EQ(queue.size(), 50'004 - room);
    sink.room = SIZE_MAX;
    EXPECT_EQ(queue.flush(sink).status, IoStatus::kOk);
    EXPECT_EQ(sink.got, "head" + body) << room;
    EXPECT_EQ(pool_.in_use(), 0U);
  }
}

TEST_F(OutputQueueTest, AnErrorKeepsNothingNewAndIsHandedOn) {
  OutputQueue queue(pool_);
  sink_.error = ECONNRESET;
  queue.append("head");
  EXPECT_EQ(queue.send(sink_, text_of(10'000, 3)).error, ECONNRESET);
  EXPECT_EQ(queue.size(), 4U);
  queue.clear();
  EXPECT_EQ(budget_.used(), 0U);
}

TEST_F(OutputQueueTest, SaysWhenToStopAndWhenToGoOn) {
  OutputQueue queue(pool_, {.high = 1000, .low = 100});
  queue.append(std::string(1000, 'x'));
  EXPECT_FALSE(queue.above_high());
  queue.append("x");
  EXPECT_TRUE(queue.above_high());
  sink_.room = 900;
  queue.flush(sink_);
  EXPECT_FALSE(queue.below_low());
  sink_.room = 1;
  queue.flush(sink_);
  EXPECT_TRUE(queue.below_low());
}

TEST_F(OutputQueueTest, ReservesRoomInPlace) {
  OutputQueue queue(pool_);
  queue.append(std::string(OutputQueue::kMostReserved - 5, 'a'));
  char* room = queue.reserve(10);  // no room for it behind: another chunk
  std::memcpy(room, "0123456789", 10);
  queue.commit(10);
  room = queue.reserve(10);
  std::memcpy(room, "xyz", 3);
  queue.commit(3);
  EXPECT_EQ(pool_.in_use(), 2U);
  EXPECT_EQ(queue.flush(sink_).status, IoStatus::kOk);
  EXPECT_TRUE(sink_.got.ends_with("a0123456789xyz"));
  EXPECT_NE(queue.reserve(1), nullptr);
  queue.commit(0);
  EXPECT_EQ(pool_.in_use(), 0U);
}

TEST_F(OutputQueueTest, TheBudgetSaysWhenItIsExceeded) {
  OutputQueue queue(pool_);
  queue.append(std::string(6 * Chunk::kSize, 'x'));
  EXPECT_TRUE(budget_.over());
  queue.flush(sink_);
  EXPECT_FALSE(budget_.over());
}

/// Against a kernel whose buffers are small and a reader that takes its time: writes end anywhere in a gather.
TEST_F(OutputQueueTest, EveryByteArrivesInOrderWhateverTheKernelTakes) {
  const auto reactor = make_reactor();
  Connection pair(*reactor);
  const int small = 4096;
  setsockopt(pair.stream->fd(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
  turn(*reactor);
  std::string received;
  std::thread reader([&] { received = receive_all(pair.peer); });
  OutputQueue queue(pool_, {.high = 200'000, .low = 50'000});
  std::mt19937 random(4);
  std::string sent;
  bool waits = false;
  int held = 0;
  const auto note = [&](const IoResult& result) {
    ASSERT_NE(result.status, IoStatus::kError);
    waits = result.status == IoStatus::kAgain;
    held += waits ? 1 : 0;
  };
  pair.handler.then = [&] { note(queue.flush(*pair.stream)); };
  ASSERT_TRUE(run_until(*reactor, [&] {
    while (sent.size() < 8'000'000 && !queue.above_high()) {
      const std::string piece =
          text_of(1 + random() % (random() % 4 == 0 ? 60'000 : 3000), static_cast<unsigned>(random()));
      sent += piece;
      if (waits) queue.append(piece);
      else note(queue.send(*pair.stream, piece));
    }
    if (!waits) note(queue.flush(*pair.stream));
    return sent.size() >= 8'000'000 && queue.empty();
  }));
  pair.stream->shutdown_write();
  reader.join();
  EXPECT_GT(held, 10);
  EXPECT_TRUE(received == sent);
  EXPECT_EQ(budget_.used(), 0U);
  EXPECT_LE(budget_.peak(), 300'000U);
}

TEST(ChunkPool, KeepsSomeAndGivesTheRestBack) {
  MemoryBudget budget;
  ChunkPool pool(budget);
  std::vector<Chunk*> taken;
  for (std::size_t i = 0; i < ChunkPool::kKept + 10; ++i) taken.push_back(pool.take());
  EXPECT_EQ(budget.used(), taken.size() * Chunk::kSize);
  Chunk* last = taken.back();
  last->end = 7;
  for (Chunk* chunk : taken) pool.give(chunk);
  EXPECT_EQ(budget.used(), 0U);
  EXPECT_EQ(pool.in_use(), 0U);
  Chunk* again = pool.take();
  EXPECT_EQ(again->size(), 0U);
  EXPECT_EQ(again->next, nullptr);
  pool.give(again);
  EXPECT_EQ(pool.scratch().size(), ChunkPool::kScratch);
}

}  // namespace
}  // namespace fairlead::net
