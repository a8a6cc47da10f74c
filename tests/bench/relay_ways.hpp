// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <coroutine>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fairlead/base/arena.hpp"
#include "fairlead/event/reactor.hpp"
#include "fairlead/net/listener.hpp"
#include "fairlead/net/tcp_stream.hpp"
#include "fairlead/net/tunnel.hpp"

/// The same relay written in several ways on the engine's reactor and streams. Ends of connections end the process: the
/// benchmark keeps them open.
namespace fairlead::bench {

/// What all relays of one process share.
struct Site {
  std::unique_ptr<event::Reactor> reactor;
  net::MemoryBudget budget;
  net::ChunkPool chunks{budget};
  net::PipePool pipes;
  net::SocketAddress backend;
};

/// What a request's head costs to keep, beside the relaying itself.
enum class Keep { kNothing, kArena, kHeap };

inline constexpr std::array<std::pair<std::string_view, std::string_view>, 10> kFields{{
    {"host", "service.example.com"},
    {"user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0)"},
    {"accept", "text/html,application/xhtml+xml"},
    {"accept-language", "en-US,en;q=0.5"},
    {"accept-encoding", "gzip, deflate, br"},
    {"cookie", "session=0123456789abcdef0123456789abcdef"},
    {"x-request-id", "4bf92f3577b34da6a3ce929d0e0e4736"},
    {"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
    {"x-forwarded-for", "192.0.2.60"},
    {"x-forwarded-proto", "https"},
}};

/// Keeps a head of ten fields as an exchange would: in an arena that is reset, or each text and the exchange in the
/// heap.
class Keeper {
 public:
  explicit Keeper(Keep how) : how_(how) {}
  void request() {
    if (how_ == Keep::kArena) {
      fields_.clear();
      arena_.reset();
      for (const auto& [name, value] : kFields) fields_.emplace_back(arena_.copy(name), arena_.copy(value));
    } else if (how_ == Keep::kHeap) {
      exchange_ = std::make_unique<Exchange>();
      for (const auto& [name, value] : kFields) exchange_->fields.emplace_back(name, value);
    }
  }

 private:
  struct Exchange {
    std::vector<std::pair<std::string, std::string>> fields;
  };
  Keep how_;
  Arena arena_;
  std::vector<std::pair<std::string_view, std::string_view>> fields_;
  std::unique_ptr<Exchange> exchange_;
};

/// Reads, and writes to the other end at once; the rest waits in a queue.
class Machine final : public net::StreamHandler {
 public:
  Machine(Site& site, std::unique_ptr<net::TcpStream> own, Keep keep)
      : site_(site), stream_(std::move(own)), queue_(site.chunks), keeper_(keep) {
    stream_->set_handler(this);
  }
  void join(Machine& other) { other_ = &other; }
  void on_readable() override {
    while (other_->queue_.empty()) {
      const auto into = site_.chunks.scratch();
      const auto got = stream_->read(into);
      if (got.status == net::IoStatus::kAgain) return;
      if (got.status != net::IoStatus::kOk) std::_Exit(0);
      keeper_.request();
      other_->put({into.data(), got.bytes});
    }
  }
  void on_writable() override {
    if (!queue_.empty()) queue_.flush(*stream_);
    if (queue_.empty() && other_ != nullptr) other_->on_readable();
  }
  void on_failed(int, std::string_view) override { std::_Exit(0); }

 private:
  void put(std::string_view data) {
    const iovec piece{const_cast<char*>(data.data()), data.size()};
    const auto done = stream_->write({&piece, 1});
    if (done.bytes < data.size()) queue_.append(data.substr(done.bytes));
  }
  Site& site_;
  std::unique_ptr<net::TcpStream> stream_;
  net::OutputQueue queue_;
  Machine* other_ = nullptr;
  Keeper keeper_;
};

/// A coroutine that ends with the process.
struct Detached {
  struct promise_type {
    Detached get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::abort(); }
  };
};

/// A coroutine that another one waits for: starts when it is awaited, and resumes its caller when it ends.
template <class Value>
class Task {
 public:
  struct promise_type {
    std::coroutine_handle<> caller;
    Value value{};
    Task get_return_object() { return Task(std::coroutine_handle<promise_type>::from_promise(*this)); }
    std::suspend_always initial_suspend() noexcept { return {}; }
    struct Final {
      bool await_ready() noexcept { return false; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> self) noexcept {
        return self.promise().caller;
      }
      void await_resume() noexcept {}
    };
    Final final_suspend() noexcept { return {}; }
    void return_value(Value result) { value = std::move(result); }
    void unhandled_exception() { std::abort(); }
  };
  explicit Task(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  ~Task() {
    if (handle_) handle_.destroy();
  }
  bool await_ready() { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> caller) {
    handle_.promise().caller = caller;
    return handle_;
  }
  Value await_resume() { return std::move(handle_.promise().value); }

 private:
  std::coroutine_handle<promise_type> handle_;
};

/// A stream that coroutines wait for.
struct Awaited final : net::StreamHandler {
  struct Wait {
    std::coroutine_handle<>& place;
    bool await_ready() { return false; }
    void await_suspend(std::coroutine_handle<> self) { place = self; }
    void await_resume() {}
  };
  explicit Awaited(std::unique_ptr<net::TcpStream> own) : stream(std::move(own)) { stream->set_handler(this); }
  void on_readable() override { wake(reader); }
  void on_writable() override { wake(writer); }
  void on_failed(int, std::string_view) override { std::_Exit(0); }
  static void wake(std::coroutine_handle<>& place) {
    if (place) std::exchange(place, {}).resume();
  }
  Wait readable() { return {reader}; }
  Wait writable() { return {writer}; }

  std::unique_ptr<net::TcpStream> stream;
  std::coroutine_handle<> reader;
  std::coroutine_handle<> writer;
};

inline Task<net::IoResult> read_some(Awaited& from, std::span<char> into) {
  for (;;) {
    const auto got = from.stream->read(into);
    if (got.status != net::IoStatus::kAgain) co_return got;
    co_await from.readable();
  }
}

inline Task<bool> write_all(Site& site, Awaited& to, std::string_view data) {
  const iovec piece{const_cast<char*>(data.data()), data.size()};
  const auto done = to.stream->write({&piece, 1});
  if (done.bytes == data.size()) co_return true;
  net::OutputQueue queue(site.chunks);
  queue.append(data.substr(done.bytes));
  while (queue.flush(*to.stream).status == net::IoStatus::kAgain) co_await to.writable();
  co_return true;
}

/// One direction, with a coroutine for each read and write, as one would write a protocol.
inline Detached pump_nested(Site& site, Awaited& from, Awaited& to) {
  for (;;) {
    const auto into = site.chunks.scratch();
    const auto got = co_await read_some(from, into);
    if (got.status != net::IoStatus::kOk) std::_Exit(0);
    co_await write_all(site, to, {into.data(), got.bytes});
  }
}

/// The same in one coroutine.
inline Detached pump_flat(Site& site, Awaited& from, Awaited& to) {
  for (;;) {
    const auto into = site.chunks.scratch();
    auto got = from.stream->read(into);
    for (; got.status == net::IoStatus::kAgain; got = from.stream->read(into)) co_await from.readable();
    if (got.status != net::IoStatus::kOk) std::_Exit(0);
    const iovec piece{into.data(), got.bytes};
    const auto done = to.stream->write({&piece, 1});
    if (done.bytes == got.bytes) continue;
    net::OutputQueue queue(site.chunks);
    queue.append({into.data() + done.bytes, got.bytes - done.bytes});
    while (queue.flush(*to.stream).status == net::IoStatus::kAgain) co_await to.writable();
  }
}

/// One direction by splice alone, whatever the size.
class Spliced final : public net::StreamHandler {
 public:
  Spliced(std::unique_ptr<net::TcpStream> own, std::size_t capacity) : stream_(std::move(own)) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_NONBLOCK | O_CLOEXEC) != 0) std::_Exit(1);
    pipe_ = {Fd(ends[0]), Fd(ends[1]), capacity, 0};
    ::fcntl(ends[1], F_SETPIPE_SZ, static_cast<int>(capacity));
    stream_->set_handler(this);
  }
  void join(Spliced& other) { other_ = &other; }
  void on_readable() override {
    for (;;) {
      const auto got = stream_->read_into_pipe(pipe_.write.get(), pipe_.capacity, pipe_.held == 0);
      if (got.status == net::IoStatus::kEnd || got.status == net::IoStatus::kError) std::_Exit(0);
      const bool had = pipe_.held > 0;
      pipe_.held += got.bytes;
      while (pipe_.held > 0) {
        const auto put = other_->stream_->write_from_pipe(pipe_.read.get(), pipe_.held);
        if (put.status != net::IoStatus::kOk) return;
        pipe_.held -= put.bytes;
      }
      if (got.status == net::IoStatus::kAgain && !had) return;
    }
  }
  void on_writable() override {
    if (other_ != nullptr) other_->on_readable();
  }
  void on_failed(int, std::string_view) override { std::_Exit(0); }

 private:
  std::unique_ptr<net::TcpStream> stream_;
  net::Pipe pipe_;
  Spliced* other_ = nullptr;
};

/// Accepts, connects to the backend, and hands both to `make`.
template <class Make>
class Front final : public net::AcceptHandler {
 public:
  Front(Site& site, Make make) : site_(site), make_(std::move(make)) {}
  void on_accept(Fd fd, const net::Endpoint& peer, const net::Endpoint& local) override {
    auto client = net::TcpStream::accepted(*site_.reactor, std::move(fd), peer, local);
    auto backend = net::TcpStream::connect(*site_.reactor, site_.backend);
    if (!client || !backend) std::_Exit(1);
    make_(std::move(*client), std::move(*backend));
  }
  bool make_room(int) override { std::_Exit(1); }
  void on_shed(std::uint64_t) override {}

 private:
  Site& site_;
  Make make_;
};

/// Serves `listener` for ever. What is made is never destroyed.
template <class Make>
[[noreturn]] void serve(Fd listener, const net::SocketAddress& backend, Make make) {
  auto* site = new Site;
  site->reactor = std::move(*event::Reactor::create());
  site->backend = backend;
  auto with_site = [site, make](auto client, auto server) { make(*site, std::move(client), std::move(server)); };
  Front<decltype(with_site)> front(*site, with_site);
  const auto accepting = net::Listener::create(*site->reactor, std::move(listener), front);
  if (!accepting) std::_Exit(1);
  site->reactor->run();
  std::_Exit(0);
}

using StreamPtr = std::unique_ptr<net::TcpStream>;

struct IgnoredEnd final : net::TunnelOwner {
  void on_tunnel_end(const net::TunnelEnd&) override { std::_Exit(0); }
};

[[noreturn]] inline void serve_machines(Fd listener, const net::SocketAddress& backend, Keep keep = Keep::kNothing) {
  serve(std::move(listener), backend, [keep](Site& site, StreamPtr client, StreamPtr server) {
    auto* one = new Machine(site, std::move(client), keep);
    auto* other = new Machine(site, std::move(server), Keep::kNothing);
    one->join(*other);
    other->join(*one);
  });
}

[[noreturn]] inline void serve_coroutines(Fd listener, const net::SocketAddress& backend, bool nested) {
  serve(std::move(listener), backend, [nested](Site& site, StreamPtr client, StreamPtr server) {
    auto* one = new Awaited(std::move(client));
    auto* other = new Awaited(std::move(server));
    const auto pump = nested ? pump_nested : pump_flat;
    pump(site, *one, *other);
    pump(site, *other, *one);
  });
}

[[noreturn]] inline void serve_tunnels(Fd listener, const net::SocketAddress& backend) {
  serve(std::move(listener), backend, [](Site& site, StreamPtr client, StreamPtr server) {
    static IgnoredEnd owner;
    auto* tunnel = new net::Tunnel(*site.reactor, site.chunks, site.pipes, *client, *server, owner);
    static_cast<void>(client.release());
    static_cast<void>(server.release());
    tunnel->start();
  });
}

[[noreturn]] inline void serve_spliced(Fd listener, const net::SocketAddress& backend, std::size_t capacity) {
  serve(std::move(listener), backend, [capacity](Site&, StreamPtr client, StreamPtr server) {
    auto* one = new Spliced(std::move(client), capacity);
    auto* other = new Spliced(std::move(server), capacity);
    one->join(*other);
    other->join(*one);
  });
}

}  // namespace fairlead::bench
