// SPDX-License-Identifier: Apache-2.0
#include "fairlead/telemetry/doorbell.hpp"

#include <poll.h>
#include <sys/eventfd.h>

#include <cerrno>
#include <cstdint>

namespace fairlead::telemetry {

Result<Doorbell> Doorbell::create() {
  Fd event(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event) return fail(system_error("eventfd", errno));
  return Doorbell(std::move(event));
}

void Doorbell::signal() {
  const std::uint64_t one = 1;
  // Full means that it rings already.
  [[maybe_unused]] const auto written = ::write(event_.get(), &one, sizeof one);
}

void Doorbell::sleep(int limit_ms, bool hears_rings) {
  asleep_.store(hears_rings, std::memory_order_release);
  pollfd waiting{.fd = event_.get(), .events = POLLIN, .revents = 0};
  ::poll(&waiting, 1, limit_ms);
  asleep_.store(false, std::memory_order_relaxed);
  std::uint64_t rung = 0;
  [[maybe_unused]] const auto got = ::read(event_.get(), &rung, sizeof rung);
}

}  // namespace fairlead::telemetry
