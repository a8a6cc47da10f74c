// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fairlead/http/h2.hpp"
#include "fairlead/net/tcp_stream.hpp"
#include "unit/http/h2_frames.hpp"
#include "unit/net/world.hpp"

namespace fairlead::http {

struct Message {
  RequestHead request;
  ResponseHead response;
  std::vector<ResponseHead> informational;
  std::string body;
  std::vector<std::pair<std::string, std::string>> fields;
  std::vector<std::pair<std::string, std::string>> trailers;
  Arena arena;
  bool has_head = false;
  bool ended = false;
  bool done = false;
  bool reset = false;
  Reset why = Reset::kInternal;
  int writable = 0;

  [[nodiscard]] std::string_view field(std::string_view name) const {
    for (const auto& [key, value] : fields)
      if (key == name) return value;
    return "(none)";
  }
  [[nodiscard]] bool over() const { return done || reset; }
};

inline std::vector<std::pair<std::string, std::string>> copied(const Fields& fields) {
  std::vector<std::pair<std::string, std::string>> all;
  for (const auto& field : fields) all.emplace_back(field.name, field.value);
  return all;
}

/// Notes what it is told, of either side; what a test wants done it says with the functions.
template <class Interface, class Head>
class Noting : public Interface {
 public:
  Message message;
  std::function<void(bool end)> head_then;
  std::function<void(std::string_view data, bool end)> body_then;
  std::function<void()> writable_then, over_then;

  void note(RequestHead& head) { keep(message.request = head, message.arena); }
  void note(ResponseHead& head) { keep(message.response = head, message.arena); }
  void on_head(Head& head, bool end) override {
    EXPECT_FALSE(message.has_head || message.over());
    message.has_head = true;
    message.ended = end;
    message.fields = copied(head.fields);
    note(head);
    if (head_then) head_then(end);
  }
  void on_body(std::string_view data, bool end) override {
    EXPECT_TRUE(message.has_head && !message.ended && !message.over());
    message.body += data;
    message.ended = end;
    if (body_then) body_then(data, end);
  }
  void on_trailers(Fields& trailers) override {
    EXPECT_TRUE(message.has_head && !message.ended && !message.over());
    message.ended = true;
    message.trailers = copied(trailers);
    if (body_then) body_then({}, true);
  }
  void on_writable() override {
    EXPECT_FALSE(message.over());
    ++message.writable;
    if (writable_then) writable_then();
  }
  void on_reset(Reset why) override {
    EXPECT_FALSE(message.over());
    message.reset = true;
    message.why = why;
    if (over_then) over_then();
  }
  void on_done() override {
    EXPECT_FALSE(message.over());
    message.done = true;
    if (over_then) over_then();
  }

 protected:
  ~Noting() = default;
};

struct ServerNote final : Noting<ServerHandler, RequestHead> {
  ServerStream* stream = nullptr;
};

struct ClientNote final : Noting<ClientHandler, ResponseHead> {
  void on_informational(ResponseHead& head) override { keep(message.informational.emplace_back(head), message.arena); }
};

/// Answers each request by `answer`, where a test gives one, once its head is there.
struct ServerSide final : ServerSessionOwner {
  ServerHandler* on_stream(ServerStream& stream) override {
    if (refuse) return nullptr;
    auto& note = *notes.emplace_back(std::make_unique<ServerNote>());
    note.stream = &stream;
    note.head_then = [this, &note](bool end) {
      if (answer) answer(note, end);
    };
    return &note;
  }
  void on_refused(const Refusal& refusal) override { refused.emplace_back(refusal.status, refusal.why); }
  void on_closed() override { closed = true; }

  std::vector<std::unique_ptr<ServerNote>> notes;
  std::vector<std::pair<std::uint16_t, std::string>> refused;
  std::function<void(ServerNote&, bool end)> answer;
  bool refuse = false;
  bool closed = false;
};

struct ClientSide final : ClientSessionOwner {
  void on_ready() override { ready = true; }
  void on_capacity() override { ++capacity; }
  void on_draining() override { draining = true; }
  void on_closed(int error, std::string_view why) override {
    closed = true;
    closed_error = error;
    closed_why = why;
  }
  bool ready = false, draining = false, closed = false;
  int capacity = 0;
  int closed_error = 0;
  std::string closed_why;
};

inline void small_answer(ServerNote& note, bool) {
  ResponseHead head;
  head.body = Body::kLength;
  head.content_length = 2;
  note.stream->send_head(head, false);
  note.stream->send_body("ok", true);
}

/// A reactor, what sessions share, and the raw end of a connection.
struct World {
  // A reactor whose deferred work defers itself never sleeps: an idle connection would cost a core.
  ~World() { EXPECT_EQ(reactor->counts().overruns, 0U); }

  std::unique_ptr<event::Reactor> reactor = net::make_reactor();
  net::MemoryBudget budget;
  net::ChunkPool pool{budget};
  H2Limits limits;
  H2Counters counters;

  std::pair<std::unique_ptr<net::TcpStream>, Fd> pair() {
    int fds[2] = {-1, -1};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    auto made = net::TcpStream::accepted(*reactor, Fd(fds[0]), net::Endpoint{}, net::Endpoint{});
    EXPECT_TRUE(made);
    return {std::move(*made), Fd(fds[1])};
  }
  H2Context context() { return {*reactor, pool, limits, counters}; }
  bool until(const std::function<bool()>& condition) { return net::run_until(*reactor, condition); }
};

/// The other end of a session, by hand.
struct Peer {
  Fd fd;
  std::string unsent, unread;
  std::vector<frames::Frame> got;
  bool ended = false;
  std::size_t preface = 0;  // bytes that come before frames

  void send(std::string_view bytes) {
    unsent += bytes;
    move();
  }
  /// Moves what the kernel takes and has; true for use in conditions.
  bool move() {
    while (!unsent.empty()) {
      const auto sent = ::send(fd.get(), unsent.data(), unsent.size(), MSG_NOSIGNAL);
      if (sent <= 0) break;
      unsent.erase(0, static_cast<std::size_t>(sent));
    }
    char bytes[4096];
    for (;;) {
      const auto count = ::recv(fd.get(), bytes, sizeof bytes, 0);
      if (count > 0) unread.append(bytes, static_cast<std::size_t>(count));
      else {
        ended |= count == 0 || errno != EAGAIN;
        break;
      }
    }
    if (preface != 0 && unread.size() >= preface) unread.erase(0, std::exchange(preface, 0));
    if (preface == 0)
      for (auto& frame : frames::parse(unread)) got.push_back(std::move(frame));
    return true;
  }
  [[nodiscard]] const frames::Frame* find(std::uint8_t type, std::uint32_t id, std::uint8_t flags = 0) const {
    for (const auto& frame : got)
      if (frame.type == type && frame.id == id && (frame.flags & flags) == flags) return &frame;
    return nullptr;
  }
  [[nodiscard]] std::size_t count(std::uint8_t type) const {
    std::size_t all = 0;
    for (const auto& frame : got) all += frame.type == type;
    return all;
  }
  [[nodiscard]] std::size_t data_bytes(std::uint32_t id) const {
    std::size_t all = 0;
    for (const auto& frame : got)
      if (frame.type == frames::kData && frame.id == id) all += frame.payload.size();
    return all;
  }
};

/// A server session and its client by hand.
struct ServerWorld : World {
  ServerSide owner;
  Peer peer;
  std::unique_ptr<H2ServerSession> session;

  /// After limits are set.
  void open(std::string_view first = frames::settings()) {
    auto [stream, fd] = pair();
    peer.fd = std::move(fd);
    auto made = H2ServerSession::create(context(), std::move(stream), owner);
    ASSERT_TRUE(made);
    session = std::move(*made);
    session->start(kH2Preface.substr(0, 10));
    peer.send(std::string(kH2Preface.substr(10)) + std::string(first));
  }
  bool wait(std::uint8_t type, std::uint32_t id, std::uint8_t flags = 0) {
    return until([&] { return peer.move() && peer.find(type, id, flags) != nullptr; });
  }
  bool wait_end() {
    return until([&] { return peer.move() && peer.ended; });
  }
};

/// A client session and its server by hand.
struct ClientWorld : World {
  ClientSide owner;
  Peer peer;
  std::unique_ptr<H2ClientSession> session;

  void open(std::string_view first = frames::settings()) {
    auto [stream, fd] = pair();
    peer.fd = std::move(fd);
    auto made = H2ClientSession::create(context(), std::move(stream), owner);
    ASSERT_TRUE(made);
    session = std::move(*made);
    peer.send(first);
    peer.preface = kH2Preface.size();
    // Ours, and the acknowledgement of the peer's: it has been seen.
    ASSERT_TRUE(until([&] { return peer.move() && owner.ready && peer.count(frames::kSettings) == 2; }));
    peer.got.clear();
  }
  bool wait(std::uint8_t type, std::uint32_t id, std::uint8_t flags = 0) {
    return until([&] { return peer.move() && peer.find(type, id, flags) != nullptr; });
  }
};

}  // namespace fairlead::http
