// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "fairlead/base/result.hpp"
#include "fairlead/event/timer_wheel.hpp"

namespace fairlead::event {

/// What a reactor calls when a descriptor is ready. One handler for one descriptor.
class IoHandler {
 public:
  /// `events`: EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLHUP, EPOLLERR.
  virtual void on_io(std::uint32_t events) = 0;

 protected:
  ~IoHandler() = default;
};

/// What a reactor keeps of deferred work.
class DeferredNode {
 public:
  [[nodiscard]] bool deferred() const { return place_ != 0; }

 private:
  friend class Reactor;
  std::uint32_t place_ = 0;  // in a queue of the reactor, from 1; 0: in none
  bool next_turn_ = false;   // in the queue of the next turn
};

/// Work put off to the end of a turn: a session flushes once, whatever was added to its output during the turn.
class Deferred : public DeferredNode {
 public:
  virtual void on_turn_end() = 0;

 protected:
  ~Deferred() = default;
};

/// Something whose deletion waits for the end of a turn, as callers of the object may still be on the stack.
class Retired {
 public:
  virtual ~Retired() = default;
};

/// What a reactor has done since it was made; read on its thread.
struct ReactorCounts {
  std::uint64_t turns = 0;
  std::uint64_t events = 0;
  std::uint64_t posted = 0;
  std::uint64_t overruns = 0;  ///< turns that left deferred work to the next one, since it kept putting itself off
};

/// The event loop of one worker: edge-triggered descriptors, a timer wheel, deferred work, functions from other
/// threads. A descriptor is registered once for its life (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET), so that a request
/// costs no epoll_ctl; who handles it reads and writes until the kernel says EAGAIN. A turn: events, timers, posted
/// functions, deferred work, then what was retired is destroyed. Owner: a Worker. Thread: that which calls run(); only
/// post() and stop() may be called by others.
class Reactor {
 public:
  static constexpr std::size_t kEventsPerTurn = 64;  ///< what was put off waits for so many handlers at most
  static constexpr int kDeferRounds = 16;  ///< how often deferred work may cause deferred work in one turn

  static Result<std::unique_ptr<Reactor>> create();
  ~Reactor();
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;

  /// Does not own fd.
  Result<> add(int fd, IoHandler& handler);
  /// Level-triggered and for reading only: listeners, mailboxes. Of several reactors that share fd few wake
  /// (EPOLLEXCLUSIVE).
  Result<> add_level(int fd, IoHandler& handler);
  /// Before fd is closed. Events of this turn that are still to come for `handler` are dropped.
  void remove(int fd, IoHandler& handler);

  TimerWheel& timers() { return timers_; }
  /// CLOCK_MONOTONIC in milliseconds, read once a turn.
  [[nodiscard]] std::uint64_t now_ms() const { return now_ms_; }
  [[nodiscard]] std::uint64_t now_ns() const;  ///< read at the call

  /// At the end of this turn, once; also from within on_turn_end().
  void defer(Deferred& work);
  /// At the end of the next turn, which does not wait for events: for work that lets others have their turn.
  void defer_to_next_turn(Deferred& work);
  void forget(Deferred& work);  ///< before it is destroyed
  void retire(std::unique_ptr<Retired> object);

  /// Runs callback on the reactor's thread; any thread may call. Destroyed without a call where the reactor never runs
  /// again.
  void post(std::function<void()> callback);

  /// Until stop(), also where that came before; what was posted before it has run then.
  void run();
  void stop();

  [[nodiscard]] const ReactorCounts& counts() const;

 private:
  struct State;
  explicit Reactor(std::unique_ptr<State> state);
  void turn();
  void begin_turn();
  void run_posted();
  void end_turn();
  void destroy_retired();

  std::unique_ptr<State> state_;
  TimerWheel timers_;
  std::uint64_t now_ms_ = 0;
};

}  // namespace fairlead::event
