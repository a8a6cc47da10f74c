// SPDX-License-Identifier: Apache-2.0
#include "live/lifecycle/load.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "support/command.hpp"
#include "support/server.hpp"
#include "support/wait.hpp"

namespace fairlead::test {
namespace {

constexpr int kPatienceMs = 30'000;  // an emulated kernel is slow; a lost byte never comes
constexpr std::size_t kComplaints = 20;

std::string received(int fd) {
  pollfd ready{.fd = fd, .events = POLLIN, .revents = 0};
  if (::poll(&ready, 1, kPatienceMs) != 1) return "nothing";
  char text[128] = {};
  const auto length = ::recv(fd, text, sizeof text - 1, 0);
  return length < 0 ? std::string("errno ") + std::strerror(errno)
                    : std::string(text, static_cast<std::size_t>(length));
}

}  // namespace

Load::Load(const Netns& netns, std::string service, std::uint16_t port, std::size_t kept_each)
    : netns_(netns), service_(std::move(service)), port_(port) {
  netns_.in([&] {
    while (tcp_.size() < kept_each) tcp_.push_back(connect(false));
    while (udp_.size() < kept_each) udp_.push_back(connect(true));
  });
  threads_.emplace_back([this] { netns_.in([this] { come_and_go(); }); });
  threads_.emplace_back([this] { netns_.in([this] { come_and_go(); }); });
  threads_.emplace_back([this] { ask_kept(); });
}

Load::~Load() { stop(); }

void Load::stop() {
  stop_ = true;
  for (auto& thread : threads_) thread.join();
  if (!threads_.empty()) {
    stop_ = false;
    for (const auto& fd : tcp_) ask(fd.get(), false, asked_++);
    for (const auto& fd : udp_) ask(fd.get(), true, asked_++);
  }
  threads_.clear();
}

void Load::complain(const std::string& what) {
  const std::lock_guard lock(mutex_);
  if (complaints_.size() < kComplaints) complaints_.push_back(what + " (connect " + std::to_string(connects_) + ")");
}

std::vector<std::string> Load::complaints() {
  const std::lock_guard lock(mutex_);
  return complaints_;
}

Fd Load::connect(bool udp) {
  const SocketAddress where(service_, port_);
  Fd fd(::socket(where.family(), (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0));
  const timeval limit{.tv_sec = kPatienceMs / 1000, .tv_usec = 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (::connect(fd.get(), where.get(), where.length) != 0) {
    complain(std::string(udp ? "UDP" : "TCP") + " connect: " + std::strerror(errno));
    return {};
  }
  if (!udp) {
    if (const auto greeting = received(fd.get()); !greeting.ends_with('\n')) complain("greeting: " + greeting);
  }
  return fd;
}

bool Load::names_service(int fd) const {
  sockaddr_storage name{};
  socklen_t length = sizeof name;
  const SocketAddress where(service_, port_);
  return ::getpeername(fd, reinterpret_cast<sockaddr*>(&name), &length) == 0 && length == where.length &&
         std::memcmp(&name, where.get(), length) == 0;
}

/// The address that was asked for, whatever stands behind it.
bool Load::sees_service(int fd) {
  const auto patience = std::chrono::milliseconds(replaced_ ? kPatienceMs : 0);
  if (eventually([&] { return names_service(fd); }, patience)) return true;
  complain("getpeername does not say the service");
  return false;
}

/// Sends a text and expects it back, behind the server's name with UDP.
bool Load::ask(int fd, bool udp, int number) {
  const std::string text = "question " + std::to_string(number) + "\n";
  if (::send(fd, text.data(), text.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(text.size())) {
    complain(std::string("send: ") + std::strerror(errno));
    return false;
  }
  const auto answer = received(fd);
  if (!sees_service(fd)) return false;
  if (udp ? answer.ends_with(" " + text) : answer == text) return true;
  complain(std::string(udp ? "UDP" : "TCP") + " answer to " + text + ": " + answer);
  return false;
}

/// FAIRLEAD_LOAD_PAUSE_MS between connections: a load that leaves an emulated processor to the agent as well.
void Load::come_and_go() {
  const char* text = std::getenv("FAIRLEAD_LOAD_PAUSE_MS");
  const std::chrono::milliseconds pause(text == nullptr ? 0 : std::atoi(text));
  for (int i = 0; !stop_; ++i) {
    const bool udp = i % 4 == 3;
    const Fd fd = connect(udp);
    if (fd) ask(fd.get(), udp, i);
    ++connects_;
    std::this_thread::sleep_for(pause);
  }
}

void Load::ask_kept() {
  for (std::size_t i = 0; !stop_; ++i) {
    const auto& kept = i % 2 == 0 ? tcp_ : udp_;
    ask(kept[i / 2 % kept.size()].get(), i % 2 == 1, asked_++);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));  // a rate, not a wait
  }
}

}  // namespace fairlead::test
