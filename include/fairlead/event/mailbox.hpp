// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/eventfd.h>

#include <cerrno>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "fairlead/base/fd.hpp"
#include "fairlead/base/result.hpp"

namespace fairlead::event {

/// Messages of one type from any number of threads to one, in the order in which they were sent. The descriptor is
/// readable while there are any, for a Reactor (add_level), a Loop or a poll; many messages cost one wake-up.
/// Owner: the receiver, outliving all senders. Thread: send() any, the rest the receiver's.
template <class Message>
class Mailbox {
 public:
  static Result<std::unique_ptr<Mailbox>> create() {
    Fd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!wake) return fail(system_error("eventfd", errno));
    return std::unique_ptr<Mailbox>(new Mailbox(std::move(wake)));
  }

  void send(Message message) {
    bool first = false;
    {
      const std::scoped_lock lock(mutex_);
      first = messages_.empty();
      messages_.push_back(std::move(message));
    }
    if (!first) return;  // whoever sent the first has woken the receiver
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(wake_.get(), &one, sizeof one);
  }

  /// Calls handle(Message) for each that is there. A message that is sent meanwhile is left for the next call.
  template <class Handle>
  void receive(Handle&& handle) {
    std::uint64_t count = 0;
    [[maybe_unused]] const auto got = ::read(wake_.get(), &count, sizeof count);
    std::vector<Message> taken;
    {
      const std::scoped_lock lock(mutex_);
      taken.swap(messages_);
    }
    for (Message& message : taken) handle(std::move(message));
  }

  [[nodiscard]] int fd() const { return wake_.get(); }

 private:
  explicit Mailbox(Fd wake) : wake_(std::move(wake)) {}

  Fd wake_;
  std::mutex mutex_;
  std::vector<Message> messages_;  // under mutex_
};

}  // namespace fairlead::event
