// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include "fairlead/event/reactor.hpp"

namespace fairlead::auth {

/// An answer that another thread gives to a request, unless the request has gone by then.
/// Owner: the request's state, which cancels it as it goes, and whoever will answer. Thread: as said.
class Waiter : public std::enable_shared_from_this<Waiter> {
 public:
  using Done = std::function<void(bool)>;
  Waiter(event::Reactor& reactor, Done done) : reactor_(&reactor), done_(std::move(done)) {}

  /// Any thread. done(right) runs on the reactor's thread in a turn to come.
  void answer(bool right) {
    const std::lock_guard lock(mutex_);
    if (reactor_ != nullptr) reactor_->post([self = shared_from_this(), right] { self->call(right); });
  }
  /// The reactor's thread. Nothing is called any more.
  void cancel() {
    const std::lock_guard lock(mutex_);
    reactor_ = nullptr;
    done_ = nullptr;
  }

 private:
  void call(bool right) {
    Done done;
    {
      const std::lock_guard lock(mutex_);
      done.swap(done_);
      reactor_ = nullptr;
    }
    if (done) done(right);
  }

  std::mutex mutex_;
  event::Reactor* reactor_;  // null: who waited has gone, or was answered
  Done done_;
};

}  // namespace fairlead::auth
