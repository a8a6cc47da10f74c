// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "fairlead/upstream/cluster.hpp"

namespace fairlead::upstream {

namespace {

constexpr std::uint64_t kSweepMs = 1000;  // how often removed backends are looked at

}  // namespace

bool Cluster::update_availability(Backend& backend) {
  const bool available = !backend.removed_ && backend.endpoint_.ready && !backend.endpoint_.draining &&
                         backend.healthy() && !backend.put_aside_;
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
  {
    const std::scoped_lock lock(context_.shared->ejecting);
    auto& state = shared(backend).ejection;
    if (state.ejected()) return;
    if (!ejector_->allows(context_.shared->ejected, static_cast<std::uint32_t>(backends_.size()))) {
      ++context_.counters.ejections_suppressed;
      return;
    }
    ejector_->eject(state, context_.clock.now_ms(), worker_.random);
    ++context_.shared->ejected;
  }
  ++context_.counters.ejections;
  ++backend.counters_.ejections;
  follow_ejection(backend);
  context_.shared->tell_ejected(context_.worker, EndpointKey::of(backend.endpoint_));
  if (worker_.events != nullptr) worker_.events->on_ejected(*this, backend, cause);
}

void Cluster::follow_ejection(Backend& backend) {
  if (!ejected_anew(backend)) return;
  put_aside(backend);
  if (update_availability(backend)) levels_.on_availability(backend);
}

/// As this worker has not heard yet.
bool Cluster::ejected_anew(const Backend& backend) const {
  return ejector_ && !backend.put_aside_ && !backend.removed_ && backend.ejection().ejected();
}

void Cluster::put_aside(Backend& backend) {
  backend.put_aside_ = true;
  ejected_.push_back(&backend);
  wake_at(std::max(backend.ejection().until_ms.load(), context_.clock.now_ms() + 1));
}

/// Whether an ejected backend is one of the cluster's; the same by all workers, one after the other.
void Cluster::count_ejected(const Backend& backend, bool here) {
  if (!backend.ejection().ejected()) return;
  const std::scoped_lock lock(context_.shared->ejecting);
  if (!backend.ejection().ejected() || shared(backend).forgotten != here) return;
  shared(backend).forgotten = !here;
  here ? ++context_.shared->ejected : --context_.shared->ejected;
}

/// Nobody ejects any more.
void Cluster::forgive(Backend& backend) {
  backend.put_aside_ = false;
  const std::scoped_lock lock(context_.shared->ejecting);
  auto& of_all = shared(backend);
  of_all.ejection.times = 0;
  if (of_all.ejection.until_ms.exchange(0) == 0) return;
  if (!std::exchange(of_all.forgotten, false)) --context_.shared->ejected;
}

void Cluster::apply_to(Backend& backend) {
  count_ejected(backend, true);
  if (ejected_anew(backend)) put_aside(backend);
  backend.tally_ = ejector_ && ejector_->statistics() ? &shared(backend).tally(context_.worker) : nullptr;
}

void Cluster::on_timer() {
  const auto now = context_.clock.now_ms();
  return_ejected(now);
  if (ejector_) judge(now);
  sweep();
  for (const auto* backend : ejected_) wake_at(std::max(backend->ejection().until_ms.load(), now + 1));
  if (!leaving_.empty()) wake_at(now + kSweepMs);
}

void Cluster::return_ejected(std::uint64_t now) {
  std::vector<std::pair<Backend*, bool>> returned;  // and whether by this worker, for all
  std::erase_if(ejected_, [&](Backend* backend) {
    const bool here = release(*backend, now);
    if (backend->ejection().ejected()) return false;
    returned.emplace_back(backend, here);
    return true;
  });
  for (const auto& [backend, here] : returned) {
    backend->put_aside_ = false;
    if (update_availability(*backend)) levels_.on_availability(*backend);
    if (!here) continue;
    ++context_.counters.ejection_returns;
    if (worker_.events != nullptr) worker_.events->on_returned(*this, *backend);
  }
}

bool Cluster::release(Backend& backend, std::uint64_t now) {
  const std::scoped_lock lock(context_.shared->ejecting);
  auto& of_all = shared(backend);
  if (!ejector_->release(of_all.ejection, now)) return false;
  if (!std::exchange(of_all.forgotten, false)) --context_.shared->ejected;
  of_all.begin_interval();
  return true;
}

/// By whoever is first after the interval, for all workers.
void Cluster::judge(std::uint64_t now) {
  Outliers outliers;
  bool again = std::exchange(observed_, false);
  std::uint64_t due = 0;
  {
    const std::scoped_lock lock(context_.shared->ejecting);
    auto& judged = context_.shared->judged_ms;
    const auto interval = static_cast<std::uint64_t>(ejector_->spec().interval.count());
    if (now >= judged + interval) {
      judged = now;
      again = judge_all(outliers) || again;
    }
    due = judged + interval;
  }
  for (const auto& [backend, cause] : outliers) eject(*backend, cause);
  // Without traffic nothing has to be judged: the next outcome sets the timer again.
  if (again) wake_at(due);
}

/// True: one was ejected of late, so that the end of the next interval matters.
bool Cluster::judge_all(Outliers& outliers) {
  std::vector<Backend*> backends;
  std::vector<EjectionState*> states;
  bool again = false;
  for (auto& [key, backend] : backends_) {
    auto& of_all = shared(*backend);
    of_all.gather();
    again = again || of_all.ejection.times > 0;
    backends.push_back(backend.get());
    states.push_back(&of_all.ejection);
  }
  for (const auto& verdict : ejector_->judge(states)) outliers.emplace_back(backends[verdict.index], verdict.cause);
  for (const auto* backend : backends) shared(*backend).begin_interval();
  return again;
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
