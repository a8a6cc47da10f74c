// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 at a constant rate over keep-alive connections, whatever the answers take: a request whose time has come
// while no connection is free waits for one, and its latency counts from the time at which it was to be sent.
// Usage: paced_load http://ADDRESS:PORT/PATH REQUESTS_PER_SECOND SECONDS [CONNECTIONS [HOST]]
// Prints one JSON object. Latencies of the first half second are left out.
#include <sys/epoll.h>
#include <sys/prctl.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <deque>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "bench/sockets.hpp"

namespace fairlead::bench {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

std::int64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * kSecond + now.tv_nsec;
}

/// One connection with at most one request under way.
struct Peer {
  Fd fd;
  std::int64_t due = 0;  // when the request under way was to be sent; 0: none is
  std::string head;      // of the answer, until it is whole
  std::size_t left = 0;  // bytes of the body to come
  bool in_body = false;
  bool good = false;
};

struct Plan {
  std::uint16_t port = 0;
  std::string request;
  double rate = 0;  // requests per second
  double seconds = 0;
  std::size_t connections = 64;
};

class PacedLoad {
 public:
  explicit PacedLoad(Plan plan) : plan_(std::move(plan)), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    latencies_.reserve(static_cast<std::size_t>(plan_.rate * plan_.seconds) + 1);
  }

  bool run() {
    peers_.resize(plan_.connections);
    for (std::size_t i = 0; i < peers_.size(); ++i)
      if (!open(i)) return false;
    begin_ = now_ns();
    const auto total = static_cast<std::size_t>(plan_.rate * plan_.seconds);
    std::array<epoll_event, 64> events;
    while (answered_ + failed_ < total) {
      const auto now = now_ns();
      while (started_ < total && due(started_) <= now) waiting_.push_back(due(started_++));
      while (!waiting_.empty() && !free_.empty()) start();
      const auto until = started_ < total ? due(started_) : now + kGrace;
      const auto span = std::max<std::int64_t>(0, until - now_ns());
      const timespec limit{span / kSecond, span % kSecond};
      const int count = ::epoll_pwait2(epoll_.get(), events.data(), events.size(), &limit, nullptr);
      if (count == 0 && started_ == total) break;
      for (int i = 0; i < count; ++i) receive(events[static_cast<std::size_t>(i)].data.u32);
    }
    failed_ = total - answered_;
    return true;
  }

  void print() {
    std::ranges::sort(latencies_);
    const auto at = [this](double share) {
      if (latencies_.empty()) return 0.0;
      const auto index = static_cast<std::size_t>(share * static_cast<double>(latencies_.size()));
      return static_cast<double>(latencies_[std::min(index, latencies_.size() - 1)]) / 1000;
    };
    const nlohmann::ordered_json out = {{"requests", answered_ + failed_},
                                        {"failed", failed_},
                                        {"closed", closed_},
                                        {"p50_us", at(0.5)},
                                        {"p90_us", at(0.9)},
                                        {"p99_us", at(0.99)},
                                        {"p999_us", at(0.999)},
                                        {"max_us", at(1)}};
    std::printf("%s\n", out.dump().c_str());
  }

 private:
  static constexpr std::int64_t kWarm = kSecond / 2;
  static constexpr std::int64_t kGrace = 5 * kSecond;  // for the last answers

  [[nodiscard]] std::int64_t due(std::size_t number) const {
    return begin_ + static_cast<std::int64_t>(static_cast<double>(number) * static_cast<double>(kSecond) / plan_.rate);
  }

  bool open(std::size_t index) {
    Peer& peer = peers_[index];
    peer = {};
    peer.fd = connect_to(plan_.port);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u32 = static_cast<std::uint32_t>(index);
    if (!peer.fd || ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, peer.fd.get(), &event) != 0) return false;
    free_.push_back(index);
    return true;
  }

  void start() {
    const auto index = free_.front();
    free_.pop_front();
    Peer& peer = peers_[index];
    peer.due = waiting_.front();
    waiting_.pop_front();
    const auto put = ::send(peer.fd.get(), plan_.request.data(), plan_.request.size(), MSG_NOSIGNAL);
    if (put != static_cast<ssize_t>(plan_.request.size())) lost(index);
  }

  /// The connection has ended, with a request under way or without.
  void lost(std::size_t index) {
    ++closed_;
    if (peers_[index].due != 0) ++failed_;
    std::erase(free_, index);
    open(index);
  }

  void receive(std::size_t index) {
    static std::array<char, 256 * 1024> buffer;
    Peer& peer = peers_[index];
    const auto got = ::recv(peer.fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0 || peer.due == 0) return lost(index);
    if (!take(peer, {buffer.data(), static_cast<std::size_t>(got)})) return lost(index);
    if (!peer.in_body || peer.left > 0) return;
    const auto took = now_ns() - peer.due;
    if (peer.good) ++answered_;
    else ++failed_;
    if (peer.good && peer.due - begin_ >= kWarm) latencies_.push_back(took);
    peer.due = 0;
    peer.in_body = false;
    free_.push_back(index);
  }

  /// False: these bytes are no answer with a Content-Length.
  static bool take(Peer& peer, std::string_view bytes) {
    if (!peer.in_body) {
      const auto before = peer.head.size();
      peer.head.append(bytes);
      const auto end = peer.head.find("\r\n\r\n");
      if (end == std::string::npos) return peer.head.size() < 65536;
      for (char& c : peer.head) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      const auto length = std::string_view(peer.head).substr(0, end + 2).find("\r\ncontent-length:");
      if (length == std::string_view::npos) return false;
      peer.left = std::strtoull(peer.head.c_str() + length + 17, nullptr, 10);
      peer.good = peer.head.starts_with("http/1.1 2");
      peer.in_body = true;
      peer.head.clear();
      bytes.remove_prefix(end + 4 - before);
    }
    if (bytes.size() > peer.left) return false;
    peer.left -= bytes.size();
    return true;
  }

  Plan plan_;
  Fd epoll_;
  std::vector<Peer> peers_;
  std::deque<std::size_t> free_;
  std::deque<std::int64_t> waiting_;  // when those were to be sent that have no connection yet
  std::vector<std::int64_t> latencies_;
  std::int64_t begin_ = 0;
  std::size_t started_ = 0, answered_ = 0, failed_ = 0, closed_ = 0;
};

bool read_plan(int count, char** arguments, Plan& plan) {
  if (count < 4) return false;
  std::string_view url(arguments[1]);
  if (!url.starts_with("http://")) return false;
  url.remove_prefix(7);
  const auto slash = std::min(url.find('/'), url.size());
  const auto authority = url.substr(0, slash);
  const auto colon = authority.rfind(':');
  if (colon == std::string_view::npos) return false;
  std::from_chars(authority.data() + colon + 1, authority.data() + authority.size(), plan.port);
  plan.rate = std::atof(arguments[2]);
  plan.seconds = std::atof(arguments[3]);
  if (count > 4) plan.connections = std::strtoul(arguments[4], nullptr, 10);
  const std::string path(slash < url.size() ? url.substr(slash) : "/");
  plan.request =
      "GET " + path + " HTTP/1.1\r\nHost: " + (count > 5 ? arguments[5] : std::string(authority)) + "\r\n\r\n";
  return plan.port != 0 && plan.rate > 0 && plan.seconds > 0 && plan.connections > 0;
}

}  // namespace
}  // namespace fairlead::bench

int main(int argument_count, char** arguments) {
  using namespace fairlead::bench;
  Plan plan;
  if (!read_plan(argument_count, arguments, plan)) {
    std::fputs("usage: paced_load http://ADDRESS:PORT/PATH REQUESTS_PER_SECOND SECONDS [CONNECTIONS [HOST]]\n", stderr);
    return 2;
  }
  prctl(PR_SET_TIMERSLACK, 1UL);  // ns: sends are as close to their time as the kernel can wake
  PacedLoad load(std::move(plan));
  if (!load.run()) {
    std::perror("paced_load: no connection");
    return 1;
  }
  load.print();
  return 0;
}
