// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "fairlead/http/h1_session.hpp"
#include "fairlead/net/tcp_stream.hpp"

namespace fairlead::http::test {

inline constexpr std::uint64_t kLimitMs = 20'000;  ///< a test waits no longer

/// Counts the calls that would be system calls, and passes them on.
struct CountingStream final : net::Stream, private net::StreamHandler {
  explicit CountingStream(std::unique_ptr<net::Stream> below) : stream(std::move(below)) { stream->set_handler(this); }
  net::IoResult read(std::span<char> into) override {
    const auto result = stream->read(into);
    if (result.status != net::IoStatus::kAgain) ++reads;
    return result;
  }
  net::IoResult write(std::span<const iovec> from) override {
    ++writes;
    return stream->write(from);
  }
  void shutdown_write() override { stream->shutdown_write(); }
  void close(bool reset) override { stream->close(reset); }
  [[nodiscard]] int fd() const override { return stream->fd(); }
  [[nodiscard]] bool is_raw() const override { return stream->is_raw(); }
  [[nodiscard]] bool takes_raw() const override { return stream->takes_raw(); }
  void on_readable() override {
    if (handler_ != nullptr) handler_->on_readable();
  }
  void on_writable() override {
    if (handler_ != nullptr) handler_->on_writable();
  }
  void on_failed(int error, std::string_view what) override {
    if (handler_ != nullptr) handler_->on_failed(error, what);
  }

  std::unique_ptr<net::Stream> stream;
  int reads = 0;
  int writes = 0;
};

/// A worker, and one connection: a stream of ours and the peer's socket.
class World {
 public:
  World() {
    auto made = event::Reactor::create();
    EXPECT_TRUE(made);
    reactor = std::move(*made);
    context = std::make_unique<H1Context>(*reactor, pool);
    connect();
  }
  ~World() {
    turn();
    EXPECT_EQ(reactor->counts().overruns, 0U);  // deferred work that defers itself never lets the reactor sleep
  }

  /// A fresh pair: `stream` for a session, `peer` for the test.
  void connect() {
    int fds[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    peer.reset(fds[1]);
    auto made = net::TcpStream::accepted(*reactor, Fd(fds[0]), {}, {});
    ASSERT_TRUE(made);
    auto counting = std::make_unique<CountingStream>(std::move(*made));
    stream = counting.get();
    unused = std::move(counting);
    received.clear();
    ended = false;
  }
  std::unique_ptr<net::Stream> take_stream() { return std::move(unused); }

  /// Turns the reactor, and reads what the peer gets, until condition() is true.
  bool run_until(const std::function<bool()>& condition) {
    const auto end = reactor->now_ns() / 1'000'000 + kLimitMs;
    std::function<void()> check = [&] {
      read_peer();
      if (condition() || reactor->now_ns() / 1'000'000 > end) {
        reactor->stop();
      } else {
        reactor->post(check);
      }
    };
    reactor->post(check);
    reactor->run();
    return condition();
  }
  void turn() {
    int left = 4;
    run_until([&] { return left-- == 0; });
  }

  void send(std::string_view text) {
    while (!text.empty()) {
      const auto put = ::send(peer.get(), text.data(), text.size(), MSG_NOSIGNAL);
      if (put > 0) text.remove_prefix(static_cast<std::size_t>(put));
      if (put < 0 && errno != EAGAIN) return;
      if (put < 0) turn();
    }
  }
  /// All at once, piece by piece, each read before the next.
  void send_slowly(std::string_view text, std::size_t piece) {
    for (std::size_t at = 0; at < text.size(); at += piece) {
      send(text.substr(at, piece));
      turn();
    }
  }
  void end_peer() { ::shutdown(peer.get(), SHUT_WR); }

  void read_peer() {
    char data[65536];
    while (reading && peer && !ended) {
      const auto got = ::recv(peer.get(), data, sizeof data, 0);
      if (got > 0) received.append(data, static_cast<std::size_t>(got));
      if (got == 0 || (got < 0 && errno != EAGAIN)) ended = true;
      if (got <= 0) return;
    }
  }

  std::unique_ptr<event::Reactor> reactor;
  net::MemoryBudget budget;
  net::ChunkPool pool{budget};
  H1Limits limits;
  std::unique_ptr<H1Context> context;
  CountingStream* stream = nullptr;
  std::unique_ptr<net::Stream> unused;
  Fd peer;
  std::string received;
  bool ended = false;    // the peer has met our end
  bool reading = true;   // the peer does
};

inline std::string text_of(const Fields& fields) {
  std::string text;
  for (const auto& field : fields) text.append(field.name).append("=").append(field.value).append("|");
  return text;
}

inline Reset no_reset() { return static_cast<Reset>(255); }

/// Notes what a client sent, and answers as it is told.
struct Exchange final : ServerHandler {
  void on_head(RequestHead& head, bool end) override {
    method = head.method_text;
    target = head.target;
    authority = head.authority;
    protocol = head.protocol;
    fields = text_of(head.fields);
    body_kind = head.body;
    expects_continue = head.expects_continue;
    ended = end;
    if (at_head) at_head(*this);
    if (end && at_end) at_end(*this);
  }
  void on_body(std::string_view data, bool end) override {
    body += data;
    ended = end;
    if (at_body) at_body(*this);
    if (end && at_end) at_end(*this);
  }
  void on_trailers(Fields& all) override {
    trailers = text_of(all);
    ended = true;
    if (at_end) at_end(*this);
  }
  void on_writable() override {
    if (at_writable) at_writable(*this);
  }
  void on_reset(Reset why) override {
    EXPECT_FALSE(over());
    reset = why;
  }
  void on_done() override {
    EXPECT_FALSE(over());
    done = true;
  }
  [[nodiscard]] bool over() const { return done || reset != no_reset(); }

  void answer(std::uint16_t status, std::string_view text) {
    ResponseHead head;
    head.status = status;
    head.body = Body::kLength;
    head.content_length = text.size();
    stream->send_head(head, text.empty());
    if (!text.empty()) stream->send_body(text, true);
  }

  ServerStream* stream = nullptr;
  std::string method, target, authority, protocol, fields, body, trailers;
  Body body_kind = Body::kNone;
  bool expects_continue = false;
  bool ended = false;
  bool done = false;
  Reset reset = no_reset();
  std::function<void(Exchange&)> at_head, at_body, at_end, at_writable;
};

/// A server's session on the world's stream; the script is given to each exchange.
struct Server final : ServerSessionOwner, H1PrefaceOwner {
  explicit Server(World& its_world) : world(its_world) {}
  ~Server() { session.reset(); }
  void start() { session = make_h1_server_session(world.take_stream(), *world.context, world.limits, *this, this); }

  ServerHandler* on_stream(ServerStream& stream) override {
    if (refusing) return nullptr;
    exchanges.push_back(std::make_unique<Exchange>(script));
    exchanges.back()->stream = &stream;
    return exchanges.back().get();
  }
  void on_refused(const Refusal& refusal) override {
    refused = refusal.status;
    reason = refusal.why;
  }
  void on_closed() override {
    EXPECT_FALSE(closed);
    closed = true;
  }
  void on_preface(std::unique_ptr<net::Stream> its_stream, std::string_view bytes) override {
    handed_over = std::move(its_stream);
    preface = bytes;
  }

  World& world;
  std::unique_ptr<ServerSession> session;
  std::vector<std::unique_ptr<Exchange>> exchanges;
  Exchange script;
  bool refusing = false;
  bool closed = false;
  int refused = 0;
  std::string reason, preface;
  std::unique_ptr<net::Stream> handed_over;
};

}  // namespace fairlead::http::test
