// SPDX-License-Identifier: Apache-2.0
#include "fairlead/event/loop.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>

namespace fairlead::event {

Result<std::unique_ptr<Loop>> Loop::create() {
  Fd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return fail(system_error("epoll_create1", errno));
  Fd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake) return fail(system_error("eventfd", errno));
  auto loop = std::unique_ptr<Loop>(new Loop(std::move(epoll), std::move(wake)));
  FL_CHECK(loop->watch(loop->wake_.get(), EPOLLIN, [raw = loop.get()](std::uint32_t) { raw->run_posted(); }));
  return loop;
}

Loop::Loop(Fd epoll, Fd wake) : epoll_(std::move(epoll)), wake_(std::move(wake)) {}

Result<> Loop::watch(int fd, std::uint32_t epoll_events, FdCallback callback) {
  epoll_event event{};
  event.events = epoll_events;
  event.data.fd = fd;
  const int operation = watched_.contains(fd) ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  if (epoll_ctl(epoll_.get(), operation, fd, &event) != 0) return fail(system_error("epoll_ctl", errno));
  watched_[fd] = std::make_shared<FdCallback>(std::move(callback));
  return {};
}

void Loop::unwatch(int fd) {
  if (watched_.erase(fd) > 0) epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

Loop::TimerId Loop::after(Clock::duration delay, Callback callback) {
  const TimerId id = next_timer_++;
  timers_.emplace(Clock::now() + delay, Timer{id, Clock::duration::zero(), std::move(callback)});
  return id;
}

Loop::TimerId Loop::every(Clock::duration period, Callback callback) {
  const TimerId id = next_timer_++;
  timers_.emplace(Clock::now() + period, Timer{id, period, std::move(callback)});
  return id;
}

void Loop::cancel(TimerId id) {
  const auto found = std::ranges::find_if(timers_, [id](const auto& entry) { return entry.second.id == id; });
  if (found != timers_.end()) timers_.erase(found);
}

void Loop::post(Callback callback) {
  {
    const std::scoped_lock lock(posted_mutex_);
    posted_.push_back(std::move(callback));
  }
  const std::uint64_t one = 1;
  // Fails only when the counter is full, and then the loop is awake already.
  [[maybe_unused]] const auto written = ::write(wake_.get(), &one, sizeof one);
}

void Loop::stop() {
  post([this] { stopping_ = true; });
}

int Loop::next_timeout_ms() const {
  if (timers_.empty()) return -1;
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(timers_.begin()->first - Clock::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(wait, 0, std::numeric_limits<int>::max()));
}

void Loop::run_timers() {
  const auto now = Clock::now();
  while (!timers_.empty() && timers_.begin()->first <= now) {
    Timer timer = std::move(timers_.begin()->second);
    timers_.erase(timers_.begin());
    if (timer.period == Clock::duration::zero()) {
      timer.callback();
      continue;
    }
    // Put back before the call, so that the callback may cancel it.
    Callback callback = timer.callback;
    timers_.emplace(now + timer.period, std::move(timer));
    callback();
  }
}

void Loop::run_posted() {
  std::uint64_t count = 0;
  [[maybe_unused]] const auto got = ::read(wake_.get(), &count, sizeof count);
  std::vector<Callback> posted;
  {
    const std::scoped_lock lock(posted_mutex_);
    posted.swap(posted_);
  }
  for (auto& callback : posted) callback();
}

void Loop::run() {
  std::array<epoll_event, 64> events{};
  stopping_ = false;
  while (!stopping_) {
    const int count = epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), next_timeout_ms());
    for (int i = 0; i < count; ++i) {
      const auto& event = events[static_cast<std::size_t>(i)];
      const auto found = watched_.find(event.data.fd);
      if (found == watched_.end()) continue;  // unwatched by a callback before
      const auto callback = found->second;
      (*callback)(event.events);
    }
    run_timers();
  }
}

}  // namespace fairlead::event
