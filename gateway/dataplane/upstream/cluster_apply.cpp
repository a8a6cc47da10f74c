// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "fairlead/upstream/cluster.hpp"

namespace fairlead::upstream {

Cluster::Cluster(const WorkerContext& worker, ClusterSpecRef spec)
    : worker_(worker),
      context_(worker.clock, worker.factory, worker.shared->cluster(spec->name), worker.worker),
      levels_(context_, worker.random),
      budget_(spec->retry_budget) {
  {
    const std::scoped_lock lock(context_.shared->ejecting);
    if (context_.shared->judged_ms == 0) context_.shared->judged_ms = context_.clock.now_ms();
  }
  apply(std::move(spec));
}

Cluster::~Cluster() = default;

void Cluster::apply(ClusterSpecRef spec) {
  const bool first = context_.spec->name.empty() && backends_.empty();
  context_.spec = std::move(spec);
  const auto& now = *context_.spec;
  if (!draining_) context_.breakers.set_limits(now.breakers);
  budget_.set_spec(now.retry_budget);
  for (auto& [key, backend] : backends_) backend->mark_ = false;
  std::vector<Backend*> order;
  order.reserve(now.endpoints.size());
  for (const auto& endpoint : now.endpoints) order.push_back(&take_over(endpoint));
  remove_unmarked();
  apply_ejection();
  for (auto* backend : order) {
    apply_to(*backend);
    // All backends of a new cluster are as young as each other: none has to start slowly.
    if (update_availability(*backend) && first) backend->since_ms_ = 0;
  }
  levels_.build(order);
  for (auto* backend : order) backend->pools_.warm_up();
  context_.shared->tell_room();  // limits may be higher
  if (!leaving_.empty()) wake_at(context_.clock.now_ms() + 1);
}

/// The backend of an endpoint: the one that is there, or was a moment ago, else a new one.
Backend& Cluster::take_over(const EndpointSpec& endpoint) {
  auto key = EndpointKey::of(endpoint);
  auto& place = backends_[key];
  if (!place) {
    const auto left =
        std::ranges::find_if(leaving_, [&](const auto& b) { return EndpointKey::of(b->endpoint_) == key; });
    if (left == leaving_.end()) {
      place = std::make_unique<Backend>(endpoint, context_);
    } else {
      place = std::move(*left);
      leaving_.erase(left);
      place->removed_ = false;
      place->pools_.undrain();
    }
  }
  auto& backend = *place;
  if (!backend.mark_) backend.endpoint_ = endpoint;  // the first of equal ones counts
  backend.weight_ = backend.endpoint_.weight;
  backend.mark_ = true;
  backend.pools_.on_spec();
  backend.context_.breakers.set_limits(spec().backend_breakers);
  return backend;
}

void Cluster::remove_unmarked() {
  for (auto at = backends_.begin(); at != backends_.end();) {
    if (at->second->mark_) {
      ++at;
      continue;
    }
    remove(*at->second);
    leaving_.push_back(std::move(at->second));
    at = backends_.erase(at);
  }
}

void Cluster::apply_ejection() {
  if (const auto& ejection = spec().ejection) {
    if (!ejector_) ejector_.emplace(*ejection);
    ejector_->set_spec(*ejection);
    return;
  }
  for (auto* backend : std::exchange(ejected_, {})) forgive(*backend);
  ejector_.reset();
}

void Cluster::remove(Backend& backend) {
  backend.removed_ = true;
  backend.available_ = false;
  if (std::exchange(backend.put_aside_, false)) std::erase(ejected_, &backend);
  count_ejected(backend, false);
  // Of a cluster that leaves as a whole, those who wait have nobody else to go to.
  draining_ ? backend.pools_.end() : backend.pools_.drain();
}

void Cluster::drain() {
  draining_ = true;
  auto none = std::make_shared<ClusterSpec>(spec());
  none->endpoints.clear();
  none->hash_tables.clear();
  apply(std::move(none));
}

}  // namespace fairlead::upstream
