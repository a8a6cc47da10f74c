// SPDX-License-Identifier: Apache-2.0
#include "gateway/publisher.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdio>
#include <utility>

namespace fairlead::gateway {

proxy::SnapshotPtr Publisher::open_sockets(const proxy::SnapshotPtr& wanted) {
  const auto before = std::exchange(failures_, {});
  unusable_.clear();
  auto usable = std::make_shared<proxy::Snapshot>(*wanted);
  for (auto& listener : usable->listeners) {
    auto addresses = listener->addresses;
    const bool udp = listener->kind == proxy::ListenerKind::kDatagram;
    std::erase_if(addresses, [&](const auto& address) {
      if (std::ranges::any_of(open_, [&](const auto& open) {
            return open.address == address && (open.kind == proxy::ListenerKind::kDatagram) == udp;
          }))
        return false;
      const auto opened = workers_.listen(address, udp);
      if (opened) return false;
      failures_.push_back(listener->name + ": " + opened.error().message);
      unusable_.emplace(address.endpoint().address, address.endpoint().port);
      if (std::ranges::find(before, failures_.back()) == before.end()) spdlog::error("{}", failures_.back());
      return true;
    });
    if (addresses.size() == listener->addresses.size()) continue;
    auto part = std::make_shared<proxy::ListenerSpec>(*listener);
    part->addresses = std::move(addresses);
    listener = std::move(part);
  }
  return failures_.empty() ? wanted : usable;
}

/// Which ports opened and closed.
void Publisher::tell(const proxy::Snapshot& now) {
  const auto before = std::exchange(open_, {});
  for (const auto& listener : now.listeners)
    for (const auto& address : listener->addresses) open_.push_back({address, listener->kind});
  const auto print = [](const char* what, const Open& open) {
    std::printf("%s on %s://%s\n", what, std::string(proxy::scheme_of(open.kind)).c_str(), open.address.text().c_str());
  };
  const auto is_in = [](const std::vector<Open>& list, const Open& one) {
    return std::ranges::any_of(
        list, [&](const auto& other) { return other.address == one.address && other.kind == one.kind; });
  };
  for (const auto& one : before)
    if (!is_in(open_, one)) print("no longer listening", one);
  for (const auto& one : open_)
    if (!is_in(before, one)) print("listening", one);
  std::fflush(stdout);
}

Result<> Publisher::publish(const proxy::Update& update) {
  wanted_ = update.snapshot;
  const auto usable = open_sockets(wanted_);
  const auto clusters = std::make_shared<const upstream::ClusterChanges>(watch_.apply(*update.clusters));
  FL_CHECK(workers_.apply({usable, clusters}));
  tell(*usable);
  return {};
}

void Publisher::retry() {
  if (failures_.empty() || wanted_ == nullptr) return;
  if (const auto done = publish({wanted_, std::make_shared<upstream::ClusterChanges>()}); !done)
    spdlog::error("{}", done.error().message);
}

}  // namespace fairlead::gateway
