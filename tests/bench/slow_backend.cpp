// SPDX-License-Identifier: Apache-2.0
// An HTTP/1.1 backend that answers each GET with a little JSON, MILLISECONDS after the request has come.
// Usage: slow_backend PORT MILLISECONDS
#include <sys/epoll.h>
#include <sys/prctl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>

#include "bench/sockets.hpp"

namespace fairlead::bench {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::string_view kAnswer =
    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 43\r\n\r\n"
    R"({"id":4711,"name":"a name","list":[1,2,3]}
)";

std::int64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * kSecond + now.tv_nsec;
}

class SlowBackend {
 public:
  SlowBackend(Fd listener, std::int64_t delay)
      : listener_(std::move(listener)), delay_(delay), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    watch(listener_.get());
  }

  [[noreturn]] void run() {
    std::array<epoll_event, 64> events;
    for (;;) {
      const auto now = now_ns();
      while (!owed_.empty() && owed_.front().due <= now) answer();
      timespec limit{};
      if (!owed_.empty()) limit = {(owed_.front().due - now) / kSecond, (owed_.front().due - now) % kSecond};
      const int count =
          ::epoll_pwait2(epoll_.get(), events.data(), events.size(), owed_.empty() ? nullptr : &limit, nullptr);
      for (int i = 0; i < count; ++i) receive(events[static_cast<std::size_t>(i)].data.fd);
    }
  }

 private:
  struct Owed {
    std::int64_t due;  // ns; every delay is the same, so that they stand in order
    int fd;
    std::uint64_t connection;
  };
  struct Client {
    Fd fd;
    std::uint64_t connection = 0;
    std::string got;
  };

  void watch(int fd) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event);
  }
  void answer() {
    const auto owed = owed_.front();
    owed_.pop_front();
    const auto found = clients_.find(owed.fd);
    if (found == clients_.end() || found->second.connection != owed.connection) return;
    [[maybe_unused]] const auto put = ::send(owed.fd, kAnswer.data(), kAnswer.size(), MSG_NOSIGNAL);
  }
  void receive(int fd) {
    if (fd == listener_.get()) {
      Fd taken(::accept4(fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (!taken) return;
      watch(taken.get());
      const int at = taken.get();
      clients_[at] = {std::move(taken), ++connections_, {}};
      return;
    }
    std::array<char, 4096> data;
    const auto got = ::recv(fd, data.data(), data.size(), 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
      clients_.erase(fd);
      return;
    }
    Client& client = clients_[fd];
    client.got.append(data.data(), static_cast<std::size_t>(got));
    for (std::size_t end; (end = client.got.find("\r\n\r\n")) != std::string::npos; client.got.erase(0, end + 4))
      owed_.push_back({now_ns() + delay_, fd, client.connection});
  }

  Fd listener_;
  std::int64_t delay_;  // ns
  Fd epoll_;
  std::deque<Owed> owed_;
  std::unordered_map<int, Client> clients_;
  std::uint64_t connections_ = 0;
};

}  // namespace
}  // namespace fairlead::bench

int main(int argument_count, char** arguments) {
  using namespace fairlead::bench;
  auto port = static_cast<std::uint16_t>(argument_count == 3 ? std::atoi(arguments[1]) : 0);
  fairlead::Fd listener = port == 0 ? fairlead::Fd() : listen_at(port);
  if (!listener) {
    std::fputs("usage: slow_backend PORT MILLISECONDS, on a port that is free\n", stderr);
    return 2;
  }
  prctl(PR_SET_TIMERSLACK, 1UL);  // ns
  SlowBackend(std::move(listener), static_cast<std::int64_t>(std::atof(arguments[2]) * 1e6)).run();
}
