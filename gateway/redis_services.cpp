// SPDX-License-Identifier: Apache-2.0
#include "gateway/redis_services.hpp"

#include <algorithm>

namespace fairlead::gateway {
namespace {

std::string redis_service_name(const std::string& ns, const model::BackendTarget& target) {
  return (target.ref.ns.empty() ? ns : target.ref.ns.text()) + "/" + target.ref.name + ":" +
         std::to_string(target.port);
}

/// Sorted, so that all gateways name the same one first.
std::vector<std::string> addresses_of(const config::BackendCluster& backend) {
  std::vector<std::string> out;
  for (const auto& name : backend.names) out.push_back(name.name + ":" + std::to_string(name.port));
  for (const auto& endpoint : backend.endpoints) {
    if (!endpoint.ready) continue;
    const auto text = endpoint.address.text();
    out.push_back((endpoint.address.is_v4() ? text : "[" + text + "]") + ":" + std::to_string(endpoint.port));
  }
  std::ranges::sort(out);
  const auto twice = std::ranges::unique(out);
  out.erase(twice.begin(), twice.end());
  return out;
}

}  // namespace

std::shared_ptr<const limit::RedisPlaces> RedisServices::of(const std::string& ns, const model::BackendTarget& target,
                                                            const model::Cluster& objects,
                                                            config::GatewayState& state) {
  const auto name = "Redis at Service " + redis_service_name(ns, target) + " for policies of " + ns;
  auto& entry = entries_[name];
  if (entry.places == nullptr) {
    entry = {ns, target, nullptr, std::make_shared<limit::RedisPlaces>()};
    look(name, entry, objects, state);
  }
  return entry.places;
}

void RedisServices::look(const std::string& name, Entry& entry, const model::Cluster& objects,
                         config::GatewayState& state) {
  entry.from = state.redis_backend(objects, entry.ns, entry.target);
  auto addresses = entry.from != nullptr ? addresses_of(*entry.from) : std::vector<std::string>();
  Remarks::Texts texts;
  if (entry.from == nullptr)
    texts.emplace_back("there is no such Service with that port, or no ReferenceGrant for it: Redis is away");
  else if (addresses.empty()) texts.emplace_back("no endpoint is ready: Redis is away");
  entry.places->set(std::move(addresses));
  remarks_.set(name, std::move(texts));
}

void RedisServices::renew(const model::Cluster& objects, config::GatewayState& state) {
  for (auto it = entries_.begin(); it != entries_.end();) {
    auto& [name, entry] = *it;
    if (entry.places.use_count() == 1) {
      remarks_.forget(name);
      it = entries_.erase(it);
      continue;
    }
    look(name, entry, objects, state);
    ++it;
  }
}

}  // namespace fairlead::gateway
