// SPDX-License-Identifier: Apache-2.0
#include "fairlead/upstream/dns_resolver.hpp"

#include <ares.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <map>
#include <utility>

namespace fairlead::upstream {
namespace {

constexpr int kTimeoutMs = 2000;  // of the first try of a server; the second has twice that
constexpr int kTries = 2;
constexpr int kMostReads = 64;  // of one socket for one event, so that a flood does not hold the thread

struct Freed {
  void operator()(ares_addrinfo* info) const { ares_freeaddrinfo(info); }
};

/// c-ares wants its initialisation once, before threads use it; the first resolver is made by the one that will.
Result<> begin_library() {
  static const int status = ares_library_init(ARES_LIB_INIT_ALL);
  if (status != ARES_SUCCESS) return fail(std::string("DNS: ") + ares_strerror(status));
  return {};
}

DnsAnswer answer_of(int status, const ares_addrinfo* info) {
  DnsAnswer out;
  if (status == ARES_ENOTFOUND || status == ARES_ENODATA || status == ARES_ENONAME) out.status = DnsStatus::kNegative;
  if (status != ARES_SUCCESS || info == nullptr) return out;
  auto ttl = std::numeric_limits<int>::max();
  for (const auto* cname = info->cnames; cname != nullptr; cname = cname->next) ttl = std::min(ttl, cname->ttl);
  for (const auto* node = info->nodes; node != nullptr; node = node->ai_next) {
    ttl = std::min(ttl, node->ai_ttl);
    if (node->ai_family == AF_INET) {
      sockaddr_in in{};
      std::memcpy(&in, node->ai_addr, sizeof in);
      out.addresses.push_back(Address::from_v4(in.sin_addr.s_addr));
    } else if (node->ai_family == AF_INET6) {
      sockaddr_in6 in6{};
      fl_addr raw;
      static_assert(sizeof raw == sizeof in6.sin6_addr);
      std::memcpy(&in6, node->ai_addr, sizeof in6);
      std::memcpy(&raw, &in6.sin6_addr, sizeof raw);
      out.addresses.emplace_back(raw);
    }
  }
  out.status = out.addresses.empty() ? DnsStatus::kNegative : DnsStatus::kAnswer;
  out.ttl_s = out.addresses.empty() ? 0 : static_cast<std::uint32_t>(std::max(ttl, 0));
  return out;
}

}  // namespace

struct DnsResolver::State final : private event::Timer {
  explicit State(event::Reactor& its_reactor) : reactor(its_reactor) {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    if (channel != nullptr) ares_destroy(channel);  // ends questions and closes sockets, which tells us
    for (auto& [fd, socket] : sockets_) reactor.remove(fd, *socket);
  }

  Result<> open(const std::string& servers) {
    FL_CHECK(begin_library());
    ares_options options{};
    options.timeout = kTimeoutMs;
    options.tries = kTries;
    options.sock_state_cb = [](void* self, ares_socket_t fd, int readable, int writable) {
      static_cast<State*>(self)->on_socket(fd, readable != 0 || writable != 0);
    };
    options.sock_state_cb_data = this;
    const int status =
        ares_init_options(&channel, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
    if (status != ARES_SUCCESS) return fail(std::string("DNS: ") + ares_strerror(status));
    if (!servers.empty() && ares_set_servers_ports_csv(channel, servers.c_str()) != ARES_SUCCESS)
      return fail("--dns: found \"" + servers + "\", expected ADDRESS, ADDRESS:PORT or [IPV6]:PORT, with commas");
    return {};
  }

  /// Time-outs are c-ares' own.
  void arm() {
    timeval wait{};
    if (ares_timeout(channel, nullptr, &wait) == nullptr) return reactor.timers().cancel(*this);
    const auto ms = static_cast<std::uint64_t>(wait.tv_sec) * 1000 + static_cast<std::uint64_t>(wait.tv_usec) / 1000;
    reactor.timers().arm(*this, reactor.now_ms() + ms + 1);
  }

  event::Reactor& reactor;
  ares_channel channel = nullptr;

 private:
  struct Socket final : event::IoHandler, event::Retired {
    Socket(State& its_state, int its_fd) : state(its_state), fd(its_fd) {}
    void on_io(std::uint32_t events) override { state.on_ready(fd, events); }
    State& state;
    int fd;
  };

  void on_timer() override {
    ares_process_fd(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    arm();
  }

  /// c-ares has opened a socket, waits for something else on it, or is about to close it.
  void on_socket(int fd, bool open) {
    const auto found = sockets_.find(fd);
    if (open && found == sockets_.end()) {
      auto socket = std::make_unique<Socket>(*this, fd);
      if (reactor.add(fd, *socket)) sockets_.emplace(fd, std::move(socket));  // else its question times out
    } else if (!open && found != sockets_.end()) {
      reactor.remove(fd, *found->second);
      reactor.retire(std::move(found->second));  // it may be on the stack
      sockets_.erase(found);
    }
  }

  /// The reactor tells edges; c-ares may take less than all that is there.
  void on_ready(int fd, std::uint32_t events) {
    const bool readable = (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    const bool writable = (events & EPOLLOUT) != 0;
    ares_process_fd(channel, readable ? fd : ARES_SOCKET_BAD, writable ? fd : ARES_SOCKET_BAD);
    for (int reads = 0; reads < kMostReads && sockets_.contains(fd); ++reads) {
      pollfd more{.fd = fd, .events = POLLIN, .revents = 0};
      if (::poll(&more, 1, 0) <= 0) break;
      ares_process_fd(channel, fd, ARES_SOCKET_BAD);
    }
    arm();
  }

  std::map<int, std::unique_ptr<Socket>> sockets_;
};

namespace {

/// What c-ares calls back; it outlives the query where that was given up.
struct Question {
  DnsListener* listener = nullptr;  // null: given up
};

class Query final : public DnsQuery {
 public:
  explicit Query(std::shared_ptr<Question> question) : question_(std::move(question)) {}
  ~Query() override { question_->listener = nullptr; }

 private:
  std::shared_ptr<Question> question_;
};

void on_answer(void* given, int status, int /*timeouts*/, ares_addrinfo* result) {
  const std::unique_ptr<ares_addrinfo, Freed> info(result);
  const std::unique_ptr<std::pair<std::shared_ptr<Question>, event::Reactor*>> held(
      static_cast<std::pair<std::shared_ptr<Question>, event::Reactor*>*>(given));
  auto& [question, reactor] = *held;
  if (question->listener == nullptr || status == ARES_EDESTRUCTION) return;
  // Never within resolve(), where c-ares answers from /etc/hosts at once.
  reactor->post([asked = question, answer = answer_of(status, info.get())] {
    if (auto* listener = std::exchange(asked->listener, nullptr)) listener->on_answer(answer);
  });
}

}  // namespace

DnsResolver::DnsResolver(std::unique_ptr<State> state) : state_(std::move(state)) {}
DnsResolver::~DnsResolver() = default;

Result<std::unique_ptr<DnsResolver>> DnsResolver::create(event::Reactor& reactor, const std::string& servers) {
  auto state = std::make_unique<State>(reactor);
  FL_CHECK(state->open(servers));
  return std::unique_ptr<DnsResolver>(new DnsResolver(std::move(state)));
}

std::unique_ptr<DnsQuery> DnsResolver::resolve(const std::string& name, DnsListener& listener) {
  auto question = std::make_shared<Question>();
  question->listener = &listener;
  ares_addrinfo_hints hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = ARES_AI_NOSORT;  // sorting connects a socket to each address
  ares_getaddrinfo(state_->channel, name.c_str(), nullptr, &hints, on_answer,
                   new std::pair<std::shared_ptr<Question>, event::Reactor*>(question, &state_->reactor));
  state_->arm();
  return std::make_unique<Query>(std::move(question));
}

}  // namespace fairlead::upstream
