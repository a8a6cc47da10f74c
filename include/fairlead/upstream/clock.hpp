// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>

#include "fairlead/event/reactor.hpp"

namespace fairlead::upstream {

/// What pools, clusters and checkers take from a worker's event loop: time, timers, and deletion at the end of the
/// turn. Tests have one whose time they set.
class Clock {
 public:
  [[nodiscard]] virtual std::uint64_t now_ms() const = 0;
  [[nodiscard]] virtual std::uint64_t now_ns() const = 0;
  [[nodiscard]] virtual event::TimerWheel& timers() = 0;
  virtual void retire(std::unique_ptr<event::Retired> object) = 0;

 protected:
  ~Clock() = default;
};

/// Owner: a worker. Thread: its reactor's.
class ReactorClock final : public Clock {
 public:
  explicit ReactorClock(event::Reactor& reactor) : reactor_(reactor) {}
  [[nodiscard]] std::uint64_t now_ms() const override { return reactor_.now_ms(); }
  [[nodiscard]] std::uint64_t now_ns() const override { return reactor_.now_ns(); }
  [[nodiscard]] event::TimerWheel& timers() override { return reactor_.timers(); }
  void retire(std::unique_ptr<event::Retired> object) override { reactor_.retire(std::move(object)); }

 private:
  event::Reactor& reactor_;
};

}  // namespace fairlead::upstream
