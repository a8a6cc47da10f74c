// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "fairlead/base/fd.hpp"
#include "fairlead/event/reactor.hpp"

namespace fairlead::proxy {

/// How long what comes to this worker waits for its turn. A mark is put behind all that is ready, at most once in 10 ms
/// and only while there are requests; the kernel reports descriptors in the order in which they became ready, so the
/// mark comes back once all of that has been handled. Two marks in a row that waited for longer than the limit are a
/// queue that stands, not a burst: requests are to be shed until one comes back sooner.
/// Owner: a Worker. Thread: its own.
class QueueProbe final : private event::IoHandler {
 public:
  /// limit_ms 0: never. Without a descriptor for it, never either.
  QueueProbe(event::Reactor& reactor, std::uint64_t limit_ms);
  ~QueueProbe();
  QueueProbe(const QueueProbe&) = delete;
  QueueProbe& operator=(const QueueProbe&) = delete;

  /// At a request; true: it is to be shed.
  [[nodiscard]] bool over();

 private:
  void on_io(std::uint32_t events) override;
  void mark();

  event::Reactor& reactor_;
  std::uint64_t limit_ms_;
  Fd fd_;
  std::uint64_t marked_ns_ = 0;
  std::uint64_t next_ms_ = 0;  // when the next mark is due
  bool out_ = false;  // a mark is on its way
  bool waited_ = false;  // the last one for too long
  bool shedding_ = false;
};

}  // namespace fairlead::proxy
