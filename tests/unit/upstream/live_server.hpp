// SPDX-License-Identifier: Apache-2.0
#pragma once

// A backend on loopback within the test's own reactor: HTTP/1, HTTP/2, or bytes as they are.

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "fairlead/event/reactor.hpp"
#include "fairlead/http/h1_session.hpp"
#include "fairlead/http/h2.hpp"
#include "fairlead/net/tcp_stream.hpp"

namespace fairlead::upstream::test {

/// What all sessions of a test share.
/// Owner: a test. Thread: one.
struct Loop {
  Loop() : reactor(*event::Reactor::create()), h1(*reactor, pool), h2{*reactor, pool, h2_limits, h2_counters} {}
  std::unique_ptr<event::Reactor> reactor;
  net::MemoryBudget budget;
  net::ChunkPool pool{budget};
  http::H1Context h1;
  http::H1Limits h1_limits;
  http::H2Limits h2_limits;
  http::H2Counters h2_counters;
  http::H2Context h2;
};

/// Owner: a test. Thread: one.
class LiveServer final : private event::IoHandler {
 public:
  using Answer = std::function<void(const http::RequestHead&, http::ServerStream&)>;

  LiveServer(Loop& loop, bool http2, Answer answer) : loop_(loop), http2_(http2), answer_(std::move(answer)) {
    fd_.reset(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(listen(fd_.get(), 16), 0);
    socklen_t length = sizeof address;
    getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
    EXPECT_TRUE(loop_.reactor->add_level(fd_.get(), *this));
  }
  ~LiveServer() { stop(); }
  void stop() {
    if (fd_) loop_.reactor->remove(fd_.get(), *this);
    fd_.reset();
  }
  [[nodiscard]] net::Endpoint endpoint() const { return {*Address::parse("127.0.0.1"), port_}; }
  [[nodiscard]] int accepted() const { return accepted_; }

 private:
  struct Exchange final : http::ServerHandler {
    Exchange(LiveServer& its_server, http::ServerStream& its_stream) : server(its_server), stream(its_stream) {}
    void on_head(http::RequestHead& got, bool end) override {
      head = got;
      keep(head, arena);
      if (end) server.answer_(head, stream);
    }
    void on_body(std::string_view, bool end) override {
      if (end) server.answer_(head, stream);
    }
    void on_trailers(http::Fields&) override {}
    void on_writable() override {}
    void on_reset(http::Reset) override {}
    void on_done() override {}
    LiveServer& server;
    http::ServerStream& stream;
    Arena arena;
    http::RequestHead head;
  };
  struct Connection final : http::ServerSessionOwner {
    explicit Connection(LiveServer& its_server) : server(its_server) {}
    http::ServerHandler* on_stream(http::ServerStream& stream) override {
      exchanges.push_back(std::make_unique<Exchange>(server, stream));
      return exchanges.back().get();
    }
    void on_refused(const http::Refusal&) override {}
    void on_closed() override {}
    LiveServer& server;
    std::vector<std::unique_ptr<Exchange>> exchanges;
    std::unique_ptr<http::ServerSession> session;
  };

  void on_io(std::uint32_t) override {
    Fd fd(accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd) return;
    ++accepted_;
    if (!answer_) return;  // accepts and closes
    auto stream = net::TcpStream::accepted(*loop_.reactor, std::move(fd), {}, endpoint());
    auto& connection = *connections_.emplace_back(std::make_unique<Connection>(*this));
    if (http2_) {
      auto session = http::H2ServerSession::create(loop_.h2, std::move(*stream), connection);
      auto* raw = session->get();
      connection.session = std::move(*session);
      raw->start({});
    } else {
      connection.session = http::make_h1_server_session(std::move(*stream), loop_.h1, loop_.h1_limits, connection);
    }
  }

  Loop& loop_;
  bool http2_;
  Answer answer_;
  Fd fd_;
  std::uint16_t port_ = 0;
  int accepted_ = 0;
  std::vector<std::unique_ptr<Connection>> connections_;
};

}  // namespace fairlead::upstream::test
