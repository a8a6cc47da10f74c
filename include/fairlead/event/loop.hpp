// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "fairlead/base/fd.hpp"
#include "fairlead/base/result.hpp"

namespace fairlead::event {

/// One thread's epoll loop: descriptors, timers, and functions posted by other threads.
/// Owner: a daemon's composition root. Thread: that which calls run(); only post() and stop() may be called by others.
class Loop {
 public:
  using Clock = std::chrono::steady_clock;
  using Callback = std::function<void()>;
  using FdCallback = std::function<void(std::uint32_t epoll_events)>;
  using TimerId = std::uint64_t;

  static Result<std::unique_ptr<Loop>> create();

  /// Calls back while `fd` is ready (level-triggered, EPOLLIN and such). The loop does not own fd.
  Result<> watch(int fd, std::uint32_t epoll_events, FdCallback callback);
  void unwatch(int fd);

  /// Once, after delay. A timer may be cancelled until it has run.
  TimerId after(Clock::duration delay, Callback callback);
  /// Every period, first after one period; missed periods are not made up for.
  TimerId every(Clock::duration period, Callback callback);
  void cancel(TimerId id);

  /// Runs callback on the loop's thread; any thread may call.
  void post(Callback callback);

  void run();
  void stop();

 private:
  struct Timer {
    TimerId id;
    Clock::duration period;  // zero: once
    Callback callback;
  };

  Loop(Fd epoll, Fd wake);
  int next_timeout_ms() const;
  void run_timers();
  void run_posted();

  Fd epoll_;
  Fd wake_;
  // shared_ptr: a callback may unwatch itself while it runs.
  std::unordered_map<int, std::shared_ptr<FdCallback>> watched_;
  std::multimap<Clock::time_point, Timer> timers_;
  TimerId next_timer_ = 1;
  std::mutex posted_mutex_;
  std::vector<Callback> posted_;
  bool stopping_ = false;
};

}  // namespace fairlead::event
