// SPDX-License-Identifier: Apache-2.0
#include "fairlead/model/cluster.hpp"

namespace fairlead::model {
namespace {

const EndpointSlice* as_slice(const ObjectPtr& object) {
  return object ? std::get_if<EndpointSlice>(object.get()) : nullptr;
}

}  // namespace

std::string ObjectKey::text() const {
  std::string out(kind_name(kind));
  out += ' ';
  if (!ns.empty()) out.append(ns).append("/");
  return out += name;
}

void Cluster::apply(const ChangeSet& changes) {
  for (const auto& [key, object] : changes) {
    auto& of_kind = objects_[key.kind];
    const auto old = of_kind.find(key);
    if (const auto* slice = old == of_kind.end() ? nullptr : as_slice(old->second)) {
      const auto group = slices_.find({key.ns, slice->service});
      if (group != slices_.end() && group->second.erase(key.name) > 0 && group->second.empty()) slices_.erase(group);
    }
    if (const auto* slice = as_slice(object))
      slices_[{key.ns, slice->service}][key.name] = std::shared_ptr<const EndpointSlice>(object, slice);
    if (!object) {
      if (old != of_kind.end()) of_kind.erase(old);
    } else if (old != of_kind.end()) {
      old->second = object;
    } else {
      of_kind.emplace(key, object);
    }
  }
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

std::vector<std::shared_ptr<const EndpointSlice>> Cluster::slices(const std::string& ns,
                                                                  const std::string& service) const {
  std::vector<std::shared_ptr<const EndpointSlice>> out;
  if (const auto found = slices_.find({ns, service}); found != slices_.end())
    for (const auto& [name, slice] : found->second) out.push_back(slice);
  return out;
}

}  // namespace fairlead::model
