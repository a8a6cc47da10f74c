// SPDX-License-Identifier: Apache-2.0
#include "fairlead/net/splice.hpp"

#include <gtest/gtest.h>
#include <sys/ioctl.h>

#include <csignal>
#include <optional>
#include <random>
#include <thread>

#include "fairlead/net/tunnel.hpp"
#include "world.hpp"

namespace fairlead::net {
namespace {

std::string random_text(std::size_t size) {
  std::mt19937_64 random(size);
  std::string text(size, ' ');
  for (char& byte : text) byte = static_cast<char>(random());
  return text;
}

void send_all(const Fd& fd, std::string_view text) {
  while (!text.empty()) {
    const auto put = ::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL);
    ASSERT_GT(put, 0);
    text.remove_prefix(static_cast<std::size_t>(put));
  }
}

struct Owner final : TunnelOwner {
  void on_tunnel_end(const TunnelEnd& how) override {
    end = how;
    if (then) then();
  }
  std::optional<TunnelEnd> end;
  std::function<void()> then;
};

class SpliceTest : public ::testing::Test {
 protected:
  SpliceTest() {
    ::signal(SIGPIPE, SIG_IGN);  // splice has no MSG_NOSIGNAL
  }
  /// Of one direction, until it rests in something that is no waiting.
  Flow run(Splice& splice) {
    Flow now = splice.run();
    from_.handler.then = to_.handler.then = [&] { now = splice.run(); };
    run_until(*reactor_, [&] {
      if (now == Flow::kYield) now = splice.run();
      return now != Flow::kWaitsToRead && now != Flow::kWaitsToWrite && now != Flow::kYield;
    });
    return now;
  }

  std::unique_ptr<event::Reactor> reactor_ = make_reactor();
  MemoryBudget budget_;
  ChunkPool chunks_{budget_};
  PipePool pipes_;
  Connection from_{*reactor_};
  Connection to_{*reactor_};
};

TEST_F(SpliceTest, MovesSoManyBytesAndLeavesTheRest) {
  const std::string body = random_text(20'000'000);
  std::string received(body.size(), ' ');
  std::thread sender([&] { send_all(from_.peer, body + "next"); });
  std::thread receiver(
      [&] { EXPECT_EQ(::recv(to_.peer.get(), received.data(), received.size(), MSG_WAITALL), 20'000'000); });
  Splice splice(chunks_, pipes_, *from_.stream, *to_.stream, body.size());
  EXPECT_EQ(run(splice), Flow::kDone);
  sender.join();
  receiver.join();
  EXPECT_TRUE(received == body);
  EXPECT_EQ(splice.moved(), body.size());
  EXPECT_EQ(splice.left(), 0U);
  EXPECT_GT(splice.spliced(), body.size() / 2);
  EXPECT_EQ(budget_.used(), 0U);
  char next[10];
  IoResult got;
  ASSERT_TRUE(run_until(*reactor_, [&] { return (got = from_.stream->read(next)).status != IoStatus::kAgain; }));
  EXPECT_EQ(std::string(next, got.bytes), "next");
}

TEST_F(SpliceTest, ASourceThatEndsEarlyIsShortAndWhatCameIsHandedOn) {
  for (const std::size_t size : {5UL, 1'000'000UL}) {
    Connection from(*reactor_);
    Connection to(*reactor_);
    const std::string body = random_text(size);
    std::string received;
    std::thread receiver([&] { received = receive_all(to.peer); });
    std::thread sender([&] {
      send_all(from.peer, body);
      from.peer.reset();
    });
    Splice splice(chunks_, pipes_, *from.stream, *to.stream, size + 1);
    Flow now = splice.run();
    from.handler.then = to.handler.then = [&] { now = splice.run(); };
    ASSERT_TRUE(run_until(*reactor_, [&] { return now == Flow::kShort; }));
    EXPECT_EQ(splice.left(), 1U);
    to.stream->shutdown_write();
    sender.join();
    receiver.join();
    EXPECT_TRUE(received == body);
  }
}

TEST_F(SpliceTest, WithoutPipesItCopies) {
  PipePool none(0);
  const std::string body = random_text(3'000'000);
  std::string received(body.size(), ' ');
  std::thread sender([&] { send_all(from_.peer, body); });
  std::thread receiver(
      [&] { EXPECT_EQ(::recv(to_.peer.get(), received.data(), received.size(), MSG_WAITALL), 3'000'000); });
  Splice splice(chunks_, none, *from_.stream, *to_.stream, body.size());
  EXPECT_EQ(run(splice), Flow::kDone);
  sender.join();
  receiver.join();
  EXPECT_TRUE(received == body);
  EXPECT_EQ(splice.spliced(), 0U);
  EXPECT_GT(none.refused(), 0U);
}

TEST_F(SpliceTest, PipesAreBoundedAndThoseThatHoldSomethingAreClosed) {
  PipePool pool(2);
  auto one = pool.take();
  auto two = pool.take();
  EXPECT_EQ(pool.take(), nullptr);
  EXPECT_EQ(pool.refused(), 1U);
  EXPECT_GE(one->capacity, 64U * 1024);
  const int kept = one->read.get();
  const int closed = two->read.get();
  two->held = 1;
  pool.give(std::move(two));
  pool.give(std::move(one));
  EXPECT_EQ(::fcntl(closed, F_GETFD), -1);
  EXPECT_EQ(pool.take()->read.get(), kept);
}

TEST_F(SpliceTest, ADestinationThatDoesNotReadHoldsTheSourceBack) {
  Splice splice(chunks_, pipes_, *from_.stream, *to_.stream);
  Flow now = splice.run();
  from_.handler.then = to_.handler.then = [&] { now = splice.run(); };
  ::fcntl(from_.peer.get(), F_SETFL, O_NONBLOCK);
  const std::string block = random_text(1 << 20);
  std::string sent;
  int refused = 0;
  // Until the source's peer cannot send for some turns, though we have had every chance to read.
  ASSERT_TRUE(run_until(*reactor_, [&] {
    const auto put = ::send(from_.peer.get(), block.data(), block.size(), MSG_NOSIGNAL);
    if (put > 0) sent.append(block, 0, static_cast<std::size_t>(put));
    refused = put > 0 ? 0 : refused + 1;
    if (now == Flow::kYield) now = splice.run();
    return refused == 50;
  }));
  EXPECT_EQ(now, Flow::kWaitsToWrite);
  EXPECT_LE(budget_.peak(), 2 * ChunkPool::kScratch);
  // What is neither in the destination's kernel nor in the source's is between them: a pipe's worth at most.
  int unread = 0;
  ioctl(from_.stream->fd(), FIONREAD, &unread);
  int unsent = 0;
  ioctl(from_.peer.get(), TIOCOUTQ, &unsent);
  EXPECT_LE(sent.size() - splice.moved(), static_cast<std::size_t>(unread + unsent) + PipePool::kCapacity);
  // And all of it arrives.
  from_.peer.reset();
  std::string received;
  std::thread receiver([&] { received = receive_all(to_.peer); });
  EXPECT_EQ(run(splice), Flow::kDone);
  to_.stream->shutdown_write();
  receiver.join();
  EXPECT_TRUE(received == sent);
}

class TunnelTest : public SpliceTest {
 protected:
  Owner owner_;
  std::optional<Tunnel> tunnel_{std::in_place, *reactor_, chunks_, pipes_, *from_.stream, *to_.stream, owner_};
  bool ended() {
    return run_until(*reactor_, [&] { return owner_.end.has_value(); });
  }
};

TEST_F(TunnelTest, CopiesWhatIsSmallAndHoldsNothingIdle) {
  tunnel_->start();
  for (int i = 1; i <= 10; ++i) {
    send_text(from_.peer, "question");
    ASSERT_TRUE(run_until(*reactor_, [&] { return tunnel_->sent() == static_cast<std::size_t>(8 * i); }));
    send_text(to_.peer, "answer");
    ASSERT_TRUE(run_until(*reactor_, [&] { return tunnel_->received() == static_cast<std::size_t>(6 * i); }));
  }
  EXPECT_EQ(tunnel_->spliced(), 0U);
  EXPECT_EQ(budget_.used(), 0U);
}

TEST_F(TunnelTest, MovesMuchBothWaysAndEndsEachDirectionForItself) {
  const std::string question = random_text(15'000'000);
  const std::string answer = random_text(12'000'000);
  std::string asked;
  std::string answered;
  std::thread backend([&] {
    asked = receive_all(to_.peer);  // until the client has ended, and only then
    send_all(to_.peer, answer);
    ::shutdown(to_.peer.get(), SHUT_WR);
  });
  std::thread client([&] {
    send_all(from_.peer, question);
    ::shutdown(from_.peer.get(), SHUT_WR);
    answered = receive_all(from_.peer);
  });
  tunnel_->start();
  ASSERT_TRUE(ended());
  client.join();
  backend.join();
  EXPECT_TRUE(asked == question);
  EXPECT_TRUE(answered == answer);
  EXPECT_EQ(owner_.end->error, 0);
  EXPECT_EQ(tunnel_->sent(), question.size());
  EXPECT_EQ(tunnel_->received(), answer.size());
  EXPECT_GT(tunnel_->spliced(), question.size());
}

TEST_F(TunnelTest, BothWaysAtOnce) {
  const std::string text = random_text(10'000'000);
  std::string one;
  std::string two;
  std::vector<std::thread> threads;
  for (const auto& [fd, into] : {std::pair{&from_.peer, &one}, {&to_.peer, &two}}) {
    threads.emplace_back([&text, fd] {
      send_all(*fd, text);
      ::shutdown(fd->get(), SHUT_WR);
    });
    threads.emplace_back([fd, into] { *into = receive_all(*fd); });
  }
  tunnel_->start();
  ASSERT_TRUE(ended());
  for (auto& thread : threads) thread.join();
  EXPECT_TRUE(one == text);
  EXPECT_TRUE(two == text);
}

TEST_F(TunnelTest, SaysWhichSideFailed) {
  tunnel_->start();
  send_text(to_.peer, "x");
  ASSERT_TRUE(run_until(*reactor_, [&] { return tunnel_->received() == 1; }));
  close_with_reset(to_.peer);
  ASSERT_TRUE(ended());
  EXPECT_EQ(owner_.end->error, ECONNRESET);
  EXPECT_FALSE(owner_.end->by_client);
}

TEST_F(TunnelTest, MayBeDestroyedWhenItEnds) {
  owner_.then = [&] { tunnel_.reset(); };
  from_.peer.reset();
  to_.peer.reset();
  turn(*reactor_);
  tunnel_->start();  // ends within
  ASSERT_TRUE(owner_.end);
  EXPECT_EQ(owner_.end->error, 0);
  EXPECT_FALSE(tunnel_);
}

TEST_F(TunnelTest, WaitsForABackendThatConnects) {
  const Fd listener = listening("127.0.0.1:0");
  auto backend = std::move(*TcpStream::connect(*reactor_, *local_address(listener.get())));
  tunnel_.emplace(*reactor_, chunks_, pipes_, *from_.stream, *backend, owner_);
  send_text(from_.peer, "early");
  ::shutdown(from_.peer.get(), SHUT_WR);
  tunnel_->start();
  const Fd peer(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  ASSERT_TRUE(run_until(*reactor_, [&] { return tunnel_->sent() == 5; }));
  EXPECT_EQ(receive_all(peer), "early");
  tunnel_.reset();
}

}  // namespace
}  // namespace fairlead::net
