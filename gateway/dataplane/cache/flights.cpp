// SPDX-License-Identifier: Apache-2.0
#include "fairlead/cache/flights.hpp"

#include <algorithm>

namespace fairlead::cache {

bool Flights::join(std::uint64_t number, const std::shared_ptr<Waiter>& waiter) {
  auto& shard = shard_of(number);
  const std::scoped_lock lock(shard.mutex);
  const auto [flight, first] = shard.flights.try_emplace(number);
  if (!first && waiter != nullptr) flight->second.push_back(waiter);
  return first;
}

void Flights::leave(std::uint64_t number, const std::shared_ptr<Waiter>& waiter) {
  auto& shard = shard_of(number);
  const std::scoped_lock lock(shard.mutex);
  if (const auto flight = shard.flights.find(number); flight != shard.flights.end()) std::erase(flight->second, waiter);
}

void Flights::land(std::uint64_t number, Landing how) {
  auto& shard = shard_of(number);
  // Posted with the mutex held: whoever has left can let its reactor go.
  const std::scoped_lock lock(shard.mutex);
  const auto flight = shard.flights.find(number);
  if (flight == shard.flights.end()) return;
  for (auto& waiter : flight->second) {
    auto& reactor = *waiter->reactor;
    reactor.post([waiter = std::move(waiter), how] {
      if (waiter->owner != nullptr) waiter->owner->on_landing(how);
    });
  }
  shard.flights.erase(flight);
}

}  // namespace fairlead::cache
