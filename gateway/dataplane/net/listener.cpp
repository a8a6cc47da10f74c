// SPDX-License-Identifier: Apache-2.0
#include "fairlead/net/listener.hpp"

#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>

namespace fairlead::net {
namespace {

constexpr int kAcceptFlags = SOCK_NONBLOCK | SOCK_CLOEXEC;

/// accept(2) wants a descriptor before it looks whether somebody is there.
bool somebody_waits(int fd) {
  pollfd at{.fd = fd, .events = POLLIN, .revents = 0};
  return ::poll(&at, 1, 0) == 1;
}

Fd open_reserve() { return Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

}  // namespace

bool is_exhaustion(int error) { return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM; }

Result<std::unique_ptr<Listener>> Listener::create(event::Reactor& reactor, Fd fd, AcceptHandler& handler) {
  FL_TRY(const SocketAddress local, local_address(fd.get()));
  auto listener = std::unique_ptr<Listener>(new Listener(reactor, std::move(fd), handler));
  listener->local_ = local;
  listener->local_endpoint_ = local.endpoint();
  listener->ask_local_ = local.is_wildcard();
  FL_CHECK(reactor.add_level(listener->fd_.get(), *listener));
  listener->watched_ = true;
  return listener;
}

Listener::Listener(event::Reactor& reactor, Fd fd, AcceptHandler& handler)
    : reactor_(reactor), handler_(handler), fd_(std::move(fd)), reserve_(open_reserve()) {}

Listener::~Listener() {
  if (destroyed_ != nullptr) *destroyed_ = true;
  watch(false);
}

void Listener::watch(bool on) {
  if (on == watched_) return;
  if (!on) {
    reactor_.remove(fd_.get(), *this);
    watched_ = false;
    return;
  }
  watched_ = reactor_.add_level(fd_.get(), *this).has_value();
  // Out of memory for the registration: the same rest as for descriptors.
  if (!watched_) reactor_.timers().arm(*this, reactor_.now_ms() + kRestMs);
}

void Listener::pause() {
  paused_ = true;
  watch(false);
}

void Listener::resume() {
  paused_ = false;
  if (!armed()) watch(true);
}

void Listener::on_timer() {
  if (!reserve_) reserve_ = open_reserve();
  if (!paused_) watch(true);
}

void Listener::on_io(std::uint32_t) {
  bool destroyed = false;
  destroyed_ = &destroyed;
  const int batch = batch_;
  int count = 0;
  while (count < batch && watched_) {
    const bool more = accept_one();
    if (destroyed) return;
    if (!more) break;
    ++count;
  }
  batch_ = count == batch ? std::min(batch * 2, kMostPerTurn) : 1;
  destroyed_ = nullptr;
}

ListenerCounts& ListenerCounts::operator+=(const ListenerCounts& other) {
  accepted += other.accepted;
  aborted += other.aborted;
  exhausted += other.exhausted;
  shed += other.shed;
  return *this;
}

void Listener::drain() {
  bool destroyed = false;
  destroyed_ = &destroyed;
  bool more = true;
  while (more) {
    more = accept_one();
    if (destroyed) return;
  }
  destroyed_ = nullptr;
}

/// False: nothing is waiting, or accepting rests.
bool Listener::accept_one() {
  SocketAddress peer;
  const auto take = [&] { return ::accept4(fd_.get(), peer.get_mutable(), peer.length_mutable(), kAcceptFlags); };
  Fd fd(take());
  if (!fd && is_exhaustion(errno)) {
    const int error = errno;
    if (!somebody_waits(fd_.get())) return false;
    if (handler_.make_room(error)) {
      fd.reset(take());
    } else {
      errno = error;
    }
  }
  if (fd) {
    ++counts_.accepted;
    Endpoint local = local_endpoint_;
    if (ask_local_)
      if (const auto asked = local_address(fd.get())) local = asked->endpoint();
    handler_.on_accept(std::move(fd), peer.endpoint(), local);
    return true;
  }
  const int error = errno;
  if (error == EAGAIN) return false;
  if (is_exhaustion(error)) {
    shed();
    return false;
  }
  // accept(2): errors of the network that wait on the new socket are shown here, and the next may be good.
  ++counts_.aborted;
  return true;
}

/// One descriptor was held back: with it each of those who wait is taken and closed at once.
void Listener::shed() {
  ++counts_.exhausted;
  const auto before = counts_.shed;
  const linger reset{.l_onoff = 1, .l_linger = 0};
  for (int i = 0; i < kMostPerTurn && reserve_; ++i) {
    reserve_.reset();
    Fd fd(::accept4(fd_.get(), nullptr, nullptr, kAcceptFlags));
    const bool taken = static_cast<bool>(fd);
    if (taken) {
      ++counts_.shed;
      setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
      fd.reset();
    }
    reserve_ = open_reserve();  // another thread may have taken it: then on_timer tries again
    if (!taken) break;
  }
  watch(false);
  reactor_.timers().arm(*this, reactor_.now_ms() + kRestMs);
  handler_.on_shed(counts_.shed - before);
}

}  // namespace fairlead::net
