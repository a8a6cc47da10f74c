// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "fairlead/event/reactor.hpp"
#include "fairlead/net/listener.hpp"
#include "fairlead/net/tcp_stream.hpp"

namespace fairlead::net {

inline constexpr std::uint64_t kLimitMs = 20'000;  ///< a test waits no longer

/// Turns the reactor until condition() is true; false where it never was.
inline bool run_until(event::Reactor& reactor, const std::function<bool()>& condition) {
  const auto end = reactor.now_ns() / 1'000'000 + kLimitMs;
  bool met = false;
  std::function<void()> check = [&] {
    met = condition();
    if (met || reactor.now_ms() > end) reactor.stop();
    else reactor.post(check);
  };
  reactor.post(check);
  reactor.run();
  return met;
}

/// One whole turn after what is ready now.
inline void turn(event::Reactor& reactor) {
  int left = 2;
  run_until(reactor, [&] { return left-- == 0; });
}

/// Blocks until the kernel reports one of `events`, without taking anything.
inline bool wait_for(int fd, short events) {
  pollfd waited{.fd = fd, .events = events, .revents = 0};
  return ::poll(&waited, 1, static_cast<int>(kLimitMs)) == 1;
}

/// Notes what it is told.
struct Recorder final : StreamHandler {
  void on_readable() override {
    ++readable;
    if (then) then();
  }
  void on_writable() override {
    ++writable;
    if (then) then();
  }
  void on_failed(int error, std::string_view) override {
    failed = error;
    if (then) then();
  }
  int readable = 0;
  int writable = 0;
  int failed = 0;
  std::function<void()> then;
};

struct Accepted final : AcceptHandler {
  void on_accept(Fd fd, const Endpoint& peer, const Endpoint& local) override {
    fds.push_back(std::move(fd));
    peers.push_back(peer);
    locals.push_back(local);
    if (then) then();
  }
  bool make_room(int error) override {
    exhausted = error;
    if (!may_close || fds.empty()) return false;
    fds.pop_back();
    return true;
  }
  void on_shed(std::uint64_t count) override { shed += count; }
  std::vector<Fd> fds;
  std::vector<Endpoint> peers;
  std::vector<Endpoint> locals;
  int exhausted = 0;
  std::uint64_t shed = 0;
  bool may_close = false;  // of what it has, to make room
  std::function<void()> then;
};

inline SocketAddress address(std::string_view text) {
  auto parsed = SocketAddress::parse(text);
  EXPECT_TRUE(parsed) << (parsed ? "" : parsed.error().message);
  return parsed.value_or(SocketAddress{});
}

inline Fd listening(std::string_view text, const ListenOptions& options = {}) {
  auto opened = open_listener(address(text), options);
  EXPECT_TRUE(opened) << (opened ? "" : opened.error().message);
  return opened ? std::move(*opened) : Fd{};
}

/// A blocking socket that is connected to `fd`'s address.
inline Fd client_of(const Fd& listener) {
  const auto at = local_address(listener.get());
  EXPECT_TRUE(at);
  Fd client(::socket(at->family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(client.get(), at->get(), at->length()), 0);
  return client;
}

/// A stream of ours and a blocking socket of the peer.
struct Connection {
  explicit Connection(event::Reactor& reactor, std::string_view at = "127.0.0.1:0") {
    const Fd listener = listening(at);
    peer = client_of(listener);
    EXPECT_TRUE(wait_for(listener.get(), POLLIN));
    Fd fd(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    const bool local = address(at).is_unix();
    auto made = TcpStream::accepted(reactor, std::move(fd), local ? Endpoint{} : Endpoint{{}, 1}, Endpoint{});
    EXPECT_TRUE(made);
    stream = std::move(*made);
    stream->set_handler(&handler);
  }
  Recorder handler;
  std::unique_ptr<TcpStream> stream;
  Fd peer;
};

inline std::string read_all(Stream& stream, IoResult& last) {
  std::string all;
  char data[100];
  while ((last = stream.read(data)).status == IoStatus::kOk) all.append(data, last.bytes);
  return all;
}

inline IoResult write_text(Stream& stream, std::string_view text) {
  const iovec piece{const_cast<char*>(text.data()), text.size()};
  return stream.write({&piece, 1});
}

inline void send_text(const Fd& fd, std::string_view text) {
  EXPECT_EQ(::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
}

/// What comes until the end, or an error as "errno N".
inline std::string receive_all(const Fd& fd) {
  std::string all;
  char data[4096];
  for (;;) {
    const auto got = ::recv(fd.get(), data, sizeof data, 0);
    if (got < 0) return all + "errno " + std::to_string(errno);
    if (got == 0) return all;
    all.append(data, static_cast<std::size_t>(got));
  }
}

inline void close_with_reset(Fd& fd) {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  fd.reset();
}

inline std::unique_ptr<event::Reactor> make_reactor() {
  auto reactor = event::Reactor::create();
  EXPECT_TRUE(reactor);
  return std::move(*reactor);
}

}  // namespace fairlead::net
