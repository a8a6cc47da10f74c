// SPDX-License-Identifier: Apache-2.0
#include "fairlead/limit/redis_counters.hpp"

#include <algorithm>

namespace fairlead::limit {
namespace {

constexpr auto kAdd = [](std::uint64_t& to, std::uint64_t from) { to += from; };

}  // namespace

RedisNumbers& RedisNumbers::operator+=(const RedisNumbers& other) {
  each_count(other, kAdd);
  connections += other.connections;
  failing += other.failing;
  nowhere += other.nowhere;
  clients += other.clients;
  fallback += other.fallback;
  if (!other.failure.empty()) failure = other.failure;
  if (!other.refusal.empty()) refusal = other.refusal;
  return *this;
}

void RedisTotals::add(const RedisCounters& client) {
  const std::scoped_lock lock(mutex_);
  clients_.push_back(&client);
}

void RedisTotals::remove(const RedisCounters& client) {
  const std::scoped_lock lock(mutex_);
  std::erase(clients_, &client);
  gone_.each_count(client, kAdd);
}

void RedisTotals::note_failure(std::string why) {
  const std::scoped_lock lock(mutex_);
  failure_ = std::move(why);
}

void RedisTotals::note_refusal(std::string error) {
  const std::scoped_lock lock(mutex_);
  refusal_ = std::move(error);
}

RedisNumbers RedisTotals::sum() const {
  const std::scoped_lock lock(mutex_);
  auto out = gone_;
  out.failure = failure_;
  out.refusal = refusal_;
  out.clients = clients_.size();
  for (const auto* client : clients_) {
    out.each_count(*client, kAdd);
    out.connections += client->connections;
    out.failing += client->failing;
    out.nowhere += client->nowhere;
    out.fallback += client->failing + client->nowhere > 0 ? 1U : 0U;
  }
  return out;
}

}  // namespace fairlead::limit
