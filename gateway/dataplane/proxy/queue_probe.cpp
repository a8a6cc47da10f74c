// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/proxy/queue_probe.hpp"

#include <sys/eventfd.h>

#include <utility>

namespace fairlead::proxy {
namespace {

constexpr std::uint64_t kEveryMs = 10;

}  // namespace

QueueProbe::QueueProbe(event::Reactor& reactor, std::uint64_t limit_ms) : reactor_(reactor), limit_ms_(limit_ms) {
  if (limit_ms == 0) return;
  fd_.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (fd_ && !reactor_.add(fd_.get(), *this)) fd_.reset();
}

QueueProbe::~QueueProbe() {
  if (fd_) reactor_.remove(fd_.get(), *this);
}

bool QueueProbe::over() {
  if (fd_ && !out_ && reactor_.now_ms() >= next_ms_) mark();
  return shedding_;
}

void QueueProbe::mark() {
  // Edge-triggered: each write is an event, so that nobody has to read.
  out_ = eventfd_write(fd_.get(), 1) == 0;
  marked_ns_ = reactor_.now_ns();
}

void QueueProbe::on_io(std::uint32_t) {
  if (!std::exchange(out_, false)) return;
  const bool waited = reactor_.now_ns() - marked_ns_ > limit_ms_ * 1'000'000;
  shedding_ = std::exchange(waited_, waited) && waited;
  next_ms_ = reactor_.now_ms() + kEveryMs;
  if (waited) mark();  // without a request too: nobody else would tell that it is over
}

}  // namespace fairlead::proxy
