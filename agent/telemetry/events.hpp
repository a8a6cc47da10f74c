// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "agent/telemetry/names.hpp"
#include "fairlead/abi/flow.h"
#include "fairlead/base/fd.hpp"
#include "fairlead/base/result.hpp"
#include "fairlead/event/loop.hpp"

struct ring_buffer;

namespace fairlead::telemetry {

/// What one follower has not read yet; bounded, so that a slow reader loses lines instead of filling the memory.
/// Owner: shared by Events and the follower's thread. Thread: any.
class Follower {
 public:
  /// False: there was no room, the line is lost.
  bool put(const std::string& line);
  /// Waits up to a second for lines; they come with newlines.
  [[nodiscard]] std::string take();

 private:
  static constexpr std::size_t kMostBytes = std::size_t{4} << 20;
  std::mutex mutex_;
  std::condition_variable more_;
  std::string lines_;
};

/// Reads fl_events: keeps the last ones, writes the flow log, feeds followers.
/// Owner: Telemetry. Thread: the agent's main thread, but for follow() and unfollow().
class Events {
 public:
  static Result<std::unique_ptr<Events>> open(const Fd& map, Names& names, event::Loop& loop);
  ~Events();

  /// Appends JSON lines to the file from now on.
  Result<> log_to(const std::string& path);
  /// After the file was moved away (logrotate).
  Result<> reopen_log();
  /// Called when the first follower comes (true) and the last one goes (false).
  void on_followed(std::function<void(bool)> callback) { followed_ = std::move(callback); }

  [[nodiscard]] std::shared_ptr<Follower> follow();
  void unfollow(const std::shared_ptr<Follower>& follower);
  /// The last events as lines of JSON, oldest first.
  [[nodiscard]] std::vector<std::string> recent(std::size_t most);
  /// Reads what waits in the ring.
  void drain();
  /// Lines that a slow follower or a full disk did not take.
  [[nodiscard]] std::uint64_t lost_lines() const { return lost_lines_; }
  [[nodiscard]] std::uint64_t seen() const { return seen_; }

 private:
  Events(Names& names, event::Loop& loop) : names_(names), loop_(loop) {}
  static int take(void* self, void* data, std::size_t size);
  void take_event(const fl_event& event);
  void write_log();
  void update_followed();

  Names& names_;
  event::Loop& loop_;
  ring_buffer* ring_ = nullptr;
  std::deque<fl_event> recent_;
  std::function<void(bool)> followed_;
  std::vector<std::shared_ptr<Follower>> followers_;
  std::string log_path_;
  Fd log_;
  std::string log_lines_;
  std::int64_t wall_offset_ = 0;
  std::uint64_t lost_lines_ = 0;
  std::uint64_t seen_ = 0;
};

}  // namespace fairlead::telemetry
