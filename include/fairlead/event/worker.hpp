// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "fairlead/base/result.hpp"
#include "fairlead/event/reactor.hpp"

namespace fairlead::event {

/// The CPUs that this process may run on (sched_getaffinity), by number.
[[nodiscard]] std::vector<int> allowed_cpus();

/// How many workers make sense: the CPUs that this process may run on, and no more than the quota of its cgroup pays
/// for (cpu.max of any level, rounded up; cpu.cfs_quota_us of version 1). At least 1.
[[nodiscard]] std::size_t usable_cpus();

/// Bytes of memory that this process may have: the machine's, and no more than its cgroup allows (memory.max of any
/// level; memory.limit_in_bytes of version 1).
[[nodiscard]] std::uint64_t usable_memory();

/// The quota that cpu.max says, in CPUs: "150000 100000" is 1.5; nothing for "max 100000" and for what is no quota.
[[nodiscard]] std::optional<double> parse_cpu_max(std::string_view text);

struct WorkerOptions {
  std::string name = "worker";  ///< of the thread, cut to 15 bytes
  std::optional<int> cpu = {};  ///< the only one that it runs on; none: wherever the kernel likes
};

/// One thread with a reactor. What it owns is made by `begin` and destroyed by `end`, both on its thread, so that
/// nothing of it is ever touched by two. Signals stay with the other threads. Owner: a daemon's composition root.
/// Thread: its owner's; post() any.
class Worker {
 public:
  /// Returns when `begin` has run; its error is handed on, `end` is not called then, and no thread is left.
  static Result<std::unique_ptr<Worker>> start(const WorkerOptions& options,
                                               std::function<Result<>(Reactor&)> begin = {},
                                               std::function<void()> end = {});
  ~Worker();  ///< stops and joins
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void post(std::function<void()> callback) { reactor_->post(std::move(callback)); }
  /// Runs callback there and waits until it has. Never from the worker itself, nor while it may wait for the caller.
  void call(const std::function<void()>& callback);

  void stop();  ///< asks it to end; what was posted before has run by then
  void join();

 private:
  explicit Worker(std::unique_ptr<Reactor> reactor) : reactor_(std::move(reactor)) {}

  std::unique_ptr<Reactor> reactor_;
  std::thread thread_;
};

}  // namespace fairlead::event
