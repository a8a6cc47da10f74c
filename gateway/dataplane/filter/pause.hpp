// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "fairlead/filter/request.hpp"

namespace fairlead::filter {

/// A request that is held for a time, and then does something. Gone with the request, however it ends.
class Pause final : public State, public event::Timer {
 public:
  Pause(Request& request, std::chrono::milliseconds time, std::function<void()> then)
      : reactor_(request.reactor()), then_(std::move(then)) {
    reactor_.timers().arm(*this, reactor_.now_ms() + static_cast<std::uint64_t>(time.count()));
  }
  ~Pause() override { reactor_.timers().cancel(*this); }
  Pause(const Pause&) = delete;
  Pause& operator=(const Pause&) = delete;

  void on_timer() override {
    const auto then = std::move(then_);  // what follows may end the request, and this with it
    then();
  }

 private:
  event::Reactor& reactor_;
  std::function<void()> then_;
};

}  // namespace fairlead::filter
