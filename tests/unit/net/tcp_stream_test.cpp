// SPDX-License-Identifier: Apache-2.0
#include "fairlead/net/tcp_stream.hpp"

#include <gtest/gtest.h>
#include <netinet/tcp.h>

#include "world.hpp"

namespace fairlead::net {
namespace {

class TcpStreamTest : public ::testing::Test {
 protected:
  std::unique_ptr<event::Reactor> reactor_ = make_reactor();
};

TEST_F(TcpStreamTest, ConnectsAndSaysSoOnce) {
  const Fd listener = listening("127.0.0.1:0");
  auto made = TcpStream::connect(*reactor_, *local_address(listener.get()));
  ASSERT_TRUE(made);
  auto& stream = **made;
  Recorder handler;
  stream.set_handler(&handler);
  EXPECT_TRUE(stream.connecting());
  EXPECT_EQ(write_text(stream, "x").status, IoStatus::kAgain);
  ASSERT_TRUE(run_until(*reactor_, [&] { return handler.writable > 0; }));
  EXPECT_FALSE(stream.connecting());
  EXPECT_EQ(stream.peer.port, local_address(listener.get())->endpoint().port);
  EXPECT_EQ(write_text(stream, "hello").bytes, 5U);
  Fd peer(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  send_text(peer, "back");
  ASSERT_TRUE(run_until(*reactor_, [&] { return handler.readable > 0; }));
  EXPECT_EQ(handler.writable, 1);
  int no_delay = 0;
  socklen_t length = sizeof no_delay;
  getsockopt(stream.fd(), IPPROTO_TCP, TCP_NODELAY, &no_delay, &length);
  EXPECT_NE(no_delay, 0);
  stream.close(false);
  EXPECT_EQ(receive_all(peer), "hello" + std::string("errno ") + std::to_string(ECONNRESET));  // "back" was unread
}

TEST_F(TcpStreamTest, TellsThatNobodyListens) {
  Fd listener = listening("127.0.0.1:0");
  const SocketAddress at = *local_address(listener.get());
  listener.reset();
  auto made = TcpStream::connect(*reactor_, at);
  ASSERT_TRUE(made);
  Recorder handler;
  (*made)->set_handler(&handler);
  ASSERT_TRUE(run_until(*reactor_, [&] { return handler.failed != 0; }));
  EXPECT_EQ(handler.failed, ECONNREFUSED);
  EXPECT_EQ(handler.readable + handler.writable, 0);
  char data[1];
  EXPECT_EQ((*made)->read(data).error, ECONNREFUSED);
  EXPECT_EQ(write_text(**made, "x").error, ECONNREFUSED);
}

TEST_F(TcpStreamTest, AnErrorAtOnceIsAnError) {
  const auto none = TcpStream::connect(*reactor_, address("unix:/nonexistent/socket"));
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, ENOENT);
  const Fd listener = listening("127.0.0.1:0");
  const auto source = TcpStream::connect(*reactor_, *local_address(listener.get()),
                                         {.source = Endpoint{*Address::parse("192.0.2.1"), 0}, .keep_alive = {}});
  ASSERT_FALSE(source);
  EXPECT_EQ(source.error().code, EADDRNOTAVAIL);
}

int option(int fd, int level, int name) {
  int value = -1;
  socklen_t length = sizeof value;
  getsockopt(fd, level, name, &value, &length);
  return value;
}

TEST_F(TcpStreamTest, ConnectsFromASource) {
  const Fd listener = listening("127.0.0.1:0");
  auto made = TcpStream::connect(*reactor_, *local_address(listener.get()),
                                 {.source = Endpoint{*Address::parse("127.0.0.2"), 0},
                                  .keep_alive = {.idle_s = 30, .interval_s = 5, .probes = 2}});
  ASSERT_TRUE(made);
  ASSERT_TRUE(wait_for(listener.get(), POLLIN));
  SocketAddress peer;
  const Fd fd(::accept4(listener.get(), peer.get_mutable(), peer.length_mutable(), SOCK_CLOEXEC));
  EXPECT_EQ(peer.endpoint().address, *Address::parse("127.0.0.2"));
  EXPECT_EQ(option((*made)->fd(), SOL_SOCKET, SO_KEEPALIVE), 1);
  EXPECT_EQ(option((*made)->fd(), IPPROTO_TCP, TCP_KEEPIDLE), 30);
  EXPECT_EQ(option((*made)->fd(), IPPROTO_TCP, TCP_KEEPINTVL), 5);
  EXPECT_EQ(option((*made)->fd(), IPPROTO_TCP, TCP_KEEPCNT), 2);
  EXPECT_EQ(option((*made)->fd(), IPPROTO_TCP, TCP_USER_TIMEOUT), 0) << "it would end who does not read";
}

TEST_F(TcpStreamTest, WhatAListenerAcceptsInheritsKeepAlive) {
  const Fd listener = listening("127.0.0.1:0");
  for (const bool on : {true, false}) {
    set_keep_alive(listener.get(), {.idle_s = on ? 30U : 0U});
    const auto made = TcpStream::connect(*reactor_, *local_address(listener.get()));
    ASSERT_TRUE(made);
    ASSERT_TRUE(wait_for(listener.get(), POLLIN));
    const Fd fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    EXPECT_EQ(option(fd.get(), SOL_SOCKET, SO_KEEPALIVE), on ? 1 : 0);
    EXPECT_EQ(option(fd.get(), IPPROTO_TCP, TCP_USER_TIMEOUT), 0);
    EXPECT_EQ(option(fd.get(), IPPROTO_TCP, TCP_KEEPIDLE), 30);
  }
}

TEST_F(TcpStreamTest, AShortReadIsTheLastUntilMoreComes) {
  Connection pair(*reactor_);
  IoResult last;
  for (int i = 1; i <= 3; ++i) {
    send_text(pair.peer, "data");
    ASSERT_TRUE(run_until(*reactor_, [&] { return pair.handler.readable == i; }));
    char data[100];
    EXPECT_EQ(pair.stream->read(data).bytes, 4U);
    // Without a system call: the kernel has more by now, which the next edge says.
    send_text(pair.peer, "more");
    EXPECT_EQ(pair.stream->may_read().status, IoStatus::kAgain);
    EXPECT_EQ(pair.stream->read(data).status, IoStatus::kAgain);
    const int before = pair.handler.readable;
    ASSERT_TRUE(run_until(*reactor_, [&] { return pair.handler.readable > before; }));
    EXPECT_EQ(read_all(*pair.stream, last), "more");
    EXPECT_EQ(last.status, IoStatus::kAgain);
    pair.handler.readable = i;
  }
  EXPECT_EQ(pair.handler.writable, 0);
}

TEST_F(TcpStreamTest, AFullReadIsFollowedByAnother) {
  Connection pair(*reactor_);
  send_text(pair.peer, std::string(1000, 'x'));
  ASSERT_TRUE(run_until(*reactor_, [&] { return pair.handler.readable == 1; }));
  IoResult last;
  EXPECT_EQ(read_all(*pair.stream, last).size(), 1000U);  // by 100
  EXPECT_EQ(last.status, IoStatus::kAgain);
  send_text(pair.peer, "y");
  ASSERT_TRUE(run_until(*reactor_, [&] { return pair.handler.readable == 2; }));
}

TEST_F(TcpStreamTest, AnEndBehindDataIsSeenWithoutAnotherEdge) {
  for (const char* at : {"127.0.0.1:0", "unix:@fairlead-net-test-end"}) {
    Connection pair(*reactor_, at);
    send_text(pair.peer, "last");
    ::shutdown(pair.peer.get(), SHUT_WR);
    ASSERT_TRUE(wait_for(pair.stream->fd(), POLLRDHUP));
    ASSERT_TRUE(run_until(*reactor_, [&] { return pair.handler.readable == 1; }));
    IoResult last;
    EXPECT_EQ(read_all(*pair.stream, last), "last");
    EXPECT_EQ(last.status, IoStatus::kEnd);
    EXPECT_EQ(pair.stream->read(std::span<char>()).status, IoStatus::kEnd);
    // The other direction goes on.
    EXPECT_EQ(write_text(*pair.stream, "answer").bytes, 6U);
    pair.stream->shutdown_write();
    EXPECT_EQ(write_text(*pair.stream, "x").error, EPIPE);
    EXPECT_EQ(receive_all(pair.peer), "answer");
    turn(*reactor_);
    EXPECT_EQ(pair.handler.readable, 1);  // both directions have ended, which is no news
    EXPECT_EQ(pair.handler.failed, 0);
  }
}

TEST_F(TcpStreamTest, AnEndAfterAShortReadIsAnotherEdge) {
  Connection pair(*reactor_);
  send_text(pair.peer, "last");
  ASSERT_TRUE(run_until(*reactor_, [&] { return pair.handler.readable == 1; }));
  char data[100];
  EXPECT_EQ(pair.stream->read(data).bytes, 4U);
  pair.peer.reset();
  ASSERT_TRUE(run_until(*reactor_, [&] { return pair.handler.readable == 2; }));
  EXPECT_EQ(pair.stream->read(data).status, IoStatus::kEnd);
}

TEST_F(TcpStreamTest, AResetIsTold) {
  Connection pair(*reactor_);
  turn(*reactor_);
  close_with_reset(pair.peer);
  ASSERT_TRUE(run_until(*reactor_, [&] { return pair.handler.failed != 0; }));
  EXPECT_EQ(pair.handler.failed, ECONNRESET);
  EXPECT_EQ(pair.handler.readable, 0);
}

TEST_F(TcpStreamTest, WhatCameBeforeAResetIsStillRead) {
  Connection pair(*reactor_);
  send_text(pair.peer, "data");
  ASSERT_TRUE(run_until(*reactor_, [&] { return pair.handler.readable == 1; }));  // who does not read: paused
  close_with_reset(pair.peer);
  ASSERT_TRUE(run_until(*reactor_, [&] { return pair.handler.readable == 2; }));
  EXPECT_EQ(pair.handler.failed, 0);
  IoResult last;
  EXPECT_EQ(read_all(*pair.stream, last), "data");
  EXPECT_EQ(last.status, IoStatus::kError);
  EXPECT_EQ(last.error, ECONNRESET);
  turn(*reactor_);
  EXPECT_EQ(pair.handler.failed, 0);  // told already
}

TEST_F(TcpStreamTest, AResetThatAWriteHasMetIsNoEnd) {
  Connection pair(*reactor_);
  send_text(pair.peer, "data");
  ASSERT_TRUE(run_until(*reactor_, [&] { return pair.handler.readable == 1; }));
  close_with_reset(pair.peer);
  ASSERT_TRUE(wait_for(pair.stream->fd(), POLLERR));
  EXPECT_EQ(write_text(*pair.stream, "x").status, IoStatus::kError);
  IoResult last;
  char data[4];
  EXPECT_EQ(pair.stream->read(data).bytes, 4U);
  ASSERT_TRUE(run_until(*reactor_, [&] { return pair.handler.readable == 2 || pair.handler.failed != 0; }));
  EXPECT_EQ(read_all(*pair.stream, last), "");
  EXPECT_EQ(last.status, IoStatus::kError);
}

TEST_F(TcpStreamTest, AFullKernelIsToldByTheWriteAndAgainWhenItIsNot) {
  Connection pair(*reactor_);
  turn(*reactor_);
  const std::string block(1 << 20, 'x');
  std::size_t sent = 0;
  IoResult result;
  while ((result = write_text(*pair.stream, block)).status == IoStatus::kOk) {
    sent += result.bytes;
    if (result.bytes < block.size()) {
      EXPECT_EQ(pair.stream->may_write().status, IoStatus::kAgain);
    }
  }
  EXPECT_EQ(result.status, IoStatus::kAgain);
  EXPECT_EQ(pair.handler.writable, 0);
  std::string data(1 << 16, ' ');
  std::size_t got = 0;
  ASSERT_TRUE(run_until(*reactor_, [&] {
    const auto part = ::recv(pair.peer.get(), data.data(), data.size(), MSG_DONTWAIT);
    if (part > 0) got += static_cast<std::size_t>(part);
    return pair.handler.writable > 0;
  }));
  EXPECT_EQ(write_text(*pair.stream, "end").bytes, 3U);
  pair.stream->close(false);
  EXPECT_EQ(got + receive_all(pair.peer).size(), sent + 3);
}

TEST_F(TcpStreamTest, MayBeDestroyedByItsHandler) {
  {
    Connection pair(*reactor_);
    send_text(pair.peer, "data");
    pair.handler.then = [&] { pair.stream.reset(); };
    ASSERT_TRUE(run_until(*reactor_, [&] { return !pair.stream; }));
    EXPECT_EQ(pair.handler.readable, 1);
  }
  {
    Connection pair(*reactor_);
    close_with_reset(pair.peer);
    pair.handler.then = [&] { pair.stream.reset(); };
    ASSERT_TRUE(run_until(*reactor_, [&] { return !pair.stream; }));
    EXPECT_EQ(pair.handler.failed, ECONNRESET);
  }
  {
    const Fd listener = listening("127.0.0.1:0");
    auto stream = std::move(*TcpStream::connect(*reactor_, *local_address(listener.get())));
    Recorder handler;
    stream->set_handler(&handler);
    Fd peer(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    send_text(peer, "data");  // one event says both, that it is established and that there is something to read
    ASSERT_TRUE(wait_for(stream->fd(), POLLIN));
    handler.then = [&] { stream.reset(); };
    ASSERT_TRUE(run_until(*reactor_, [&] { return !stream; }));
    EXPECT_EQ(handler.writable, 1);
    EXPECT_EQ(handler.readable, 0);
  }
}

TEST_F(TcpStreamTest, MayBeClosedByItsHandler) {
  const Fd listener = listening("127.0.0.1:0");
  auto stream = std::move(*TcpStream::connect(*reactor_, *local_address(listener.get())));
  Recorder handler;
  stream->set_handler(&handler);
  Fd peer(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  send_text(peer, "data");
  ASSERT_TRUE(wait_for(stream->fd(), POLLIN));
  handler.then = [&] { stream->close(true); };
  ASSERT_TRUE(run_until(*reactor_, [&] { return handler.writable == 1; }));
  turn(*reactor_);
  EXPECT_EQ(handler.readable, 0);
  EXPECT_EQ(stream->fd(), -1);
  char data[1];
  EXPECT_EQ(stream->read(data).status, IoStatus::kError);
  EXPECT_EQ(receive_all(peer), "errno " + std::to_string(ECONNRESET));
}

TEST_F(TcpStreamTest, ReadsAUnixSocketUntilItIsEmpty) {
  Connection pair(*reactor_, "unix:@fairlead-net-test-unix");
  send_text(pair.peer, "ab");
  ASSERT_TRUE(run_until(*reactor_, [&] { return pair.handler.readable == 1; }));
  char data[100];
  EXPECT_EQ(pair.stream->read(data).bytes, 2U);
  EXPECT_EQ(pair.stream->may_read().status, IoStatus::kOk);
  EXPECT_EQ(pair.stream->read(data).status, IoStatus::kAgain);
}

TEST_F(TcpStreamTest, AnIdleOneIsSmall) { EXPECT_LE(sizeof(TcpStream), 128U); }

}  // namespace
}  // namespace fairlead::net
