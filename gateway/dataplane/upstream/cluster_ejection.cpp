// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "fairlead/upstream/cluster.hpp"

namespace fairlead::upstream {

namespace {

constexpr std::uint64_t kSweepMs = 1000;  // how often removed backends are looked at

}  // namespace

bool Cluster::update_availability(Backend& backend) {
  const bool available = !backend.removed_ && backend.endpoint_.ready && !backend.endpoint_.draining &&
                         backend.healthy() && !backend.ejection_.ejected();
  if (available == backend.available_) return false;
  backend.available_ = available;
  if (available) backend.since_ms_ = context_.clock.now_ms();
  return true;
}

void Cluster::on_health(Backend& backend, HealthChange change) {
  auto failing = backend.failing_checks_;
  std::erase(failing, change.target);
  if (!change.healthy) failing.push_back(change.target);
  set_failing(backend, std::move(failing));
}

void Cluster::set_failing(Backend& backend, std::vector<TargetId> failing) {
  const bool before = backend.healthy();
  backend.failing_checks_ = std::move(failing);
  if (backend.healthy() == before) return;
  ++(before ? context_.counters.became_unhealthy : context_.counters.became_healthy);
  if (update_availability(backend)) levels_.on_availability(backend);
}

void Cluster::eject(Backend& backend, EjectionCause cause) {
  if (cause != EjectionCause::kTold && !ejector_->allows(ejected(), static_cast<std::uint32_t>(backends_.size()))) {
    ++context_.counters.ejections_suppressed;
    return;
  }
  ejector_->eject(backend.ejection_, context_.clock.now_ms(), worker_.random);
  ejected_.push_back(&backend);
  ++context_.counters.ejections;
  ++backend.counters_.ejections;
  if (update_availability(backend)) levels_.on_availability(backend);
  wake_at(backend.ejection_.until_ms);
  if (worker_.events != nullptr && cause != EjectionCause::kTold) worker_.events->on_ejected(*this, backend, cause);
}

void Cluster::eject_as_told(Backend& backend) {
  if (ejector_ && !backend.removed_ && !backend.ejection_.ejected()) eject(backend, EjectionCause::kTold);
}

void Cluster::on_timer() {
  const auto now = context_.clock.now_ms();
  return_ejected(now);
  if (ejector_ && now - judged_ms_ >= static_cast<std::uint64_t>(ejector_->spec().interval.count())) judge(now);
  sweep();
  for (const auto* backend : ejected_) wake_at(backend->ejection_.until_ms);
  if (!leaving_.empty()) wake_at(now + kSweepMs);
}

void Cluster::return_ejected(std::uint64_t now) {
  std::vector<Backend*> returned;
  std::erase_if(ejected_, [&](Backend* backend) {
    if (!ejector_->release(backend->ejection_, now)) return false;
    returned.push_back(backend);
    return true;
  });
  for (auto* backend : returned) {
    ++context_.counters.ejection_returns;
    if (update_availability(*backend)) levels_.on_availability(*backend);
    if (worker_.events != nullptr) worker_.events->on_returned(*this, *backend);
  }
}

void Cluster::judge(std::uint64_t now) {
  judged_ms_ = now;
  std::vector<Backend*> backends;
  std::vector<EjectionState*> states;
  bool busy = false;
  for (auto& [key, backend] : backends_) {
    backends.push_back(backend.get());
    states.push_back(&backend->ejection_);
    busy = busy || backend->ejection_.requests > 0 || backend->ejection_.times > 0;
  }
  for (const auto& verdict : ejector_->judge(states))
    if (!backends[verdict.index]->ejection_.ejected()) eject(*backends[verdict.index], verdict.cause);
  // Without traffic nothing has to be judged: the next outcome sets the timer again.
  if (busy) wake_at(now + static_cast<std::uint64_t>(ejector_->spec().interval.count()));
}

void Cluster::sweep() {
  std::erase_if(leaving_, [&](std::unique_ptr<Backend>& backend) {
    if (backend->active_ > 0 || !backend->pools_.empty()) return false;
    context_.clock.retire(std::move(backend));
    return true;
  });
}

void Cluster::wake_at(std::uint64_t when) {
  if (!armed() || deadline_ms() > when) context_.clock.timers().arm(*this, when);
}

}  // namespace fairlead::upstream
