// SPDX-License-Identifier: Apache-2.0
#include "fairlead/model/cluster.hpp"

#include <algorithm>

namespace fairlead::model {
namespace {

const EndpointSlice* as_slice(const ObjectPtr& object) {
  return object ? std::get_if<EndpointSlice>(object.get()) : nullptr;
}

const std::string& name_of(const std::shared_ptr<const EndpointSlice>& slice) { return slice->metadata.name; }

}  // namespace

std::string ObjectKey::text() const {
  std::string out(kind_name(kind));
  out += ' ';
  if (!ns.empty()) out.append(ns).append("/");
  return out += name;
}

void Cluster::apply(ChangeSet& changes) {
  for (auto& [key, object, before] : changes) {
    auto& of_kind = objects_[key.kind];
    const auto old = of_kind.find(key);
    before = old == of_kind.end() ? nullptr : old->second;
    if (const auto* slice = as_slice(before)) remove_slice(*slice);
    if (const auto* slice = as_slice(object)) {
      auto& group = slices_[{key.ns, slice->service}];
      group.emplace(std::ranges::lower_bound(group, key.name.text(), {}, name_of), object, slice);
    }
    if (!object) {
      if (old != of_kind.end()) of_kind.erase(old);
    } else if (old != of_kind.end()) {
      old->second = object;
    } else {
      of_kind.emplace(key, object);
    }
  }
}

void Cluster::apply(const ConsumerChanges& changes) {
  for (const auto& [consumer, gone] : changes) {
    const auto& ns = consumer->ns();
    const auto name = consumer->name();
    auto* standing =
        consumers_.find(consumer_hash(ns, name), [&](const auto& one) { return one.name() == name && one.ns() == ns; });
    if (standing != nullptr && gone) consumers_.erase(standing);
    else if (standing != nullptr) *standing = consumer;
    else if (!gone) consumers_.insert(consumer);
  }
}

bool Cluster::has_consumer(std::string_view ns, std::string_view name) const {
  return consumers_.find(consumer_hash(ns, name),
                         [&](const auto& one) { return one.name() == name && one.ns() == ns; }) != nullptr;
}

ObjectPtr Cluster::find(const ObjectKey& key) const {
  const auto& of_kind = objects(key.kind);
  const auto found = of_kind.find(key);
  return found == of_kind.end() ? nullptr : found->second;
}

const std::map<ObjectKey, ObjectPtr>& Cluster::objects(Kind kind) const {
  static const std::map<ObjectKey, ObjectPtr> kNone;
  const auto found = objects_.find(kind);
  return found == objects_.end() ? kNone : found->second;
}

void Cluster::remove_slice(const EndpointSlice& slice) {
  const auto group = slices_.find({slice.metadata.ns, slice.service});
  if (group == slices_.end()) return;
  std::erase_if(group->second, [&](const auto& other) { return other.get() == &slice; });
  if (group->second.empty()) slices_.erase(group);
}

const Cluster::Slices& Cluster::slices(const std::string& ns, const std::string& service) const {
  static const Slices kNone;
  const auto found = slices_.find({ns, service});
  return found == slices_.end() ? kNone : found->second;
}

}  // namespace fairlead::model
