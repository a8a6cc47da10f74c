// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <chrono>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "fairlead/base/fd.hpp"

namespace fairlead::test {

/// What to start, and where.
struct ProcessOptions {
  std::vector<std::string> argv{};  ///< argv[0] is looked up in PATH
  std::string cgroup{};           ///< path; empty: the caller's
  std::string netns{};            ///< path as Netns::path(); empty: the caller's
  std::string directory{};        ///< empty: the caller's
};

/// A child process whose output is read along. It is killed and reaped at the end, and dies with the thread
/// that started it (so not inside Netns::in: give `netns`).
/// Owner: the test. Thread: one.
class Process {
 public:
  explicit Process(const ProcessOptions& options);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] bool running();
  /// What it wrote so far to stdout and stderr.
  [[nodiscard]] std::string output();
  /// Waits until the output holds text; false if it ends or the limit passes before.
  [[nodiscard]] bool wait_for(const std::string& text, std::chrono::milliseconds limit = std::chrono::seconds(120));
  void signal(int number) const;
  /// Waits for its end. Exit status, or 128 + signal.
  int wait();
  /// SIGTERM and wait(); SIGKILL if it takes longer than the limit.
  int stop(std::chrono::milliseconds limit = std::chrono::seconds(10));

 private:
  [[noreturn]] static void become(const ProcessOptions& options, pid_t parent, int output);
  void read_output();
  bool reap(int flags);

  pid_t pid_ = -1;
  bool reaped_ = false;
  int status_ = 0;
  Fd pipe_;
  std::mutex output_mutex_;
  std::string output_;
  std::thread reader_;
};

}  // namespace fairlead::test
