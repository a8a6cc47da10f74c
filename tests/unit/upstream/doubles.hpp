// SPDX-License-Identifier: Apache-2.0
#pragma once

// A clock whose time the test sets, and connections that do what the test says.

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "fairlead/upstream/clock.hpp"
#include "fairlead/upstream/pool.hpp"

namespace fairlead::upstream::test {

/// Owner: a test. Thread: one.
class ManualClock final : public Clock {
 public:
  ~ManualClock() { end_turn(); }
  [[nodiscard]] std::uint64_t now_ms() const override { return now_ms_; }
  [[nodiscard]] std::uint64_t now_ns() const override { return now_ms_ * 1'000'000; }
  [[nodiscard]] event::TimerWheel& timers() override { return wheel_; }
  void retire(std::unique_ptr<event::Retired> object) override { retired_.push_back(std::move(object)); }

  void end_turn() {
    while (!retired_.empty()) {
      auto object = std::move(retired_.front());
      retired_.pop_front();
    }
  }
  void pass(std::uint64_t milliseconds) {
    now_ms_ += milliseconds;
    wheel_.advance(now_ms_);
    end_turn();
  }

 private:
  std::uint64_t now_ms_ = 1'000'000;
  event::TimerWheel wheel_;
  std::deque<std::unique_ptr<event::Retired>> retired_;
};

class FakeSession;

class FakeStream final : public http::ClientStream {
 public:
  FakeStream(FakeSession& session, http::ClientHandler& handler, bool reused)
      : session_(session), handler_(handler), reused_(reused) {}
  bool send_body(std::string_view, bool) override { return true; }
  void send_trailers(const http::Fields&) override {}
  void reset(http::Reset) override { finish(); }
  void pause() override {}
  void resume() override {}
  void send_head(const http::RequestHead&, bool) override {}
  net::Stream& connection() override { throw std::logic_error("no connection here"); }
  [[nodiscard]] bool reused_connection() const override { return reused_; }
  [[nodiscard]] http::ClientHandler& handler() { return handler_; }
  /// The exchange is whole; its session has room again.
  void finish();

 private:
  FakeSession& session_;
  http::ClientHandler& handler_;
  bool reused_;
};

/// Owner: the pool. Thread: one.
class FakeSession final : public http::ClientSession {
 public:
  FakeSession(http::ClientSessionOwner& owner, std::vector<FakeSession*>& all) : owner_(owner), all_(all) {
    all_.push_back(this);
  }
  ~FakeSession() override { std::erase(all_, this); }

  [[nodiscard]] std::size_t capacity() const override {
    return ready_ && !closed_ && streams_.size() < room_ ? room_ - streams_.size() : 0;
  }
  http::ClientStream* open(http::ClientHandler& handler) override {
    EXPECT_GT(capacity(), 0u) << "opened without room";
    streams_.push_back(std::make_unique<FakeStream>(*this, handler, used_));
    used_ = true;
    return streams_.back().get();
  }
  void close() override { closed_ = true; }
  [[nodiscard]] bool idle() const override { return streams_.empty(); }

  void become_ready(std::size_t room = 1) {
    room_ = room;
    ready_ = true;
    owner_.on_ready();
  }
  void fail(int error = 111) {  // ECONNREFUSED
    closed_ = true;
    owner_.on_closed(error, "connection refused");
  }
  /// The peer closes; streams are told first, as sessions do.
  void peer_closes() {
    closed_ = true;
    for (auto& stream : std::exchange(streams_, {})) stream->handler().on_reset(http::Reset::kClosed);
    owner_.on_closed(0, "closed");
  }
  void announces_end() { owner_.on_draining(); }
  void finish(FakeStream& stream) {
    std::erase_if(streams_, [&](const auto& held) { return held.get() == &stream; });
    owner_.on_capacity();
  }
  [[nodiscard]] FakeStream& stream(std::size_t at = 0) { return *streams_.at(at); }
  [[nodiscard]] std::size_t streams() const { return streams_.size(); }
  [[nodiscard]] bool closed() const { return closed_; }
  [[nodiscard]] bool ready() const { return ready_; }

 private:
  http::ClientSessionOwner& owner_;
  std::vector<FakeSession*>& all_;
  std::vector<std::unique_ptr<FakeStream>> streams_;
  std::size_t room_ = 1;
  bool ready_ = false;
  bool closed_ = false;
  bool used_ = false;
};

inline void FakeStream::finish() { session_.finish(*this); }

/// Owner: a test. Thread: one.
class FakeFactory final : public SessionFactory {
 public:
  Result<std::unique_ptr<http::ClientSession>> connect(const ClusterSpec&, const EndpointSpec& endpoint,
                                                       const ClientEnds* client,
                                                       http::ClientSessionOwner& owner) override {
    if (refuses) return fail("no route to host", 113);
    last = endpoint.address;
    told.push_back(client != nullptr ? client->client.port : 0);
    return std::make_unique<FakeSession>(owner, sessions);
  }
  /// Those that are not closed, the oldest first.
  [[nodiscard]] std::vector<FakeSession*> open() const {
    std::vector<FakeSession*> out;
    for (auto* session : sessions)
      if (!session->closed()) out.push_back(session);
    return out;
  }

  std::vector<FakeSession*> sessions;
  net::Endpoint last{};
  std::vector<std::uint16_t> told;  // the client's port, of each connection; 0: of nobody
  bool refuses = false;
};

struct NoHandler final : http::ClientHandler {
  void on_informational(http::ResponseHead&) override {}
  void on_head(http::ResponseHead&, bool) override {}
  void on_body(std::string_view, bool) override {}
  void on_trailers(http::Fields&) override {}
  void on_writable() override {}
  void on_reset(http::Reset) override { ++resets; }
  void on_done() override {}
  int resets = 0;
};

/// A request that waits, and remembers what came.
struct Request final : PoolWaiter {
  void on_stream(http::ClientStream& got) override { stream = static_cast<FakeStream*>(&got); }
  void on_pool_failure(PoolFailure why, std::string_view) override { failure = why; }
  /// True: it has a stream at once, or waits.
  bool ask(Pool& pool) {
    const auto got = pool.acquire(*this, handler);
    stream = static_cast<FakeStream*>(got.stream);
    failure = got.refused;
    return !failure;
  }
  FakeStream* stream = nullptr;
  std::optional<PoolFailure> failure;
  NoHandler handler;
};

/// Behind pools that are gone: no connection, and no breaker counts any.
inline void expect_nothing_left(const FakeFactory& factory, const Breakers& cluster, const Breakers& backend) {
  EXPECT_TRUE(factory.sessions.empty()) << "a connection outlived its pool";
  for (const auto breaker : {Breaker::kConnections, Breaker::kPending}) {
    EXPECT_EQ(cluster.count(breaker), 0u);
    EXPECT_EQ(backend.count(breaker), 0u);
  }
}

[[nodiscard]] inline EndpointSpec endpoint(const std::string& address, std::uint32_t weight = 1,
                                           std::uint16_t port = 80) {
  EndpointSpec spec;
  spec.address = {*Address::parse(address), port};
  spec.weight = weight;
  return spec;
}

}  // namespace fairlead::upstream::test
