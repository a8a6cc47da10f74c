// SPDX-License-Identifier: Apache-2.0
// Picks and the life of a try. cluster_apply.cpp: changes; cluster_ejection.cpp: ejection and time.
#include "fairlead/upstream/cluster.hpp"

#include <algorithm>

namespace fairlead::upstream {

std::string_view pick_reason_name(PickReason reason) {
  constexpr std::string_view kNames[] = {"balanced",     "persistent",     "panic",      "only-tried",
                                         "no-endpoints", "none-available", "all-limited"};
  return kNames[static_cast<std::size_t>(reason)];
}

std::string_view refusal_name(Refusal refusal) {
  constexpr std::string_view kNames[] = {"requests-overflow", "retries-overflow", "retry-budget"};
  return kNames[static_cast<std::size_t>(refusal)];
}

Pick Cluster::pick(const PickRequest& request) {
  auto& counters = context_.counters;
  bool panic = false;
  if (auto* backend = levels_.pick(request, false, panic)) {
    ++counters.picks;
    if (panic) ++counters.picks_panic;
    return {backend, panic ? PickReason::kPanic : PickReason::kBalanced};
  }
  if (request.tried.empty()) return none();
  auto* backend = levels_.pick(request, true, panic);
  if (backend == nullptr) return none();
  ++counters.picks;
  ++counters.picks_tried;
  return {backend, PickReason::kOnlyTried};
}

Pick Cluster::none() {
  auto& counters = context_.counters;
  if (levels_.total() == 0) {
    ++counters.no_endpoints;
    return {nullptr, PickReason::kNoEndpoints};
  }
  const bool panic = std::ranges::any_of(levels_.loads(), &LevelLoad::panic);
  if ((levels_.available() == 0 && !panic) || !levels_.enough()) {
    ++counters.none_available;
    return {nullptr, PickReason::kNoneAvailable};
  }
  ++counters.all_limited;
  return {nullptr, PickReason::kAllLimited};
}

Pick Cluster::pick_persistent(const net::Endpoint& wanted, const PickRequest& request) {
  auto& counters = context_.counters;
  auto* backend = find(wanted);
  if (backend != nullptr && levels_.enough() && backend->serves_sessions() &&
      backend->context_.breakers.allows(Breaker::kRequests) &&
      std::ranges::find(request.tried, backend) == request.tried.end()) {
    ++counters.picks;
    ++counters.picks_persistent;
    return {backend, PickReason::kPersistent};
  }
  ++counters.persistence_lost;
  return pick(request);
}

Backend* Cluster::find(const net::Endpoint& endpoint) {
  if (const auto found = backends_.find({endpoint.address, endpoint.port}); found != backends_.end())
    return found->second.get();
  // With a hostname in the key; rare enough for a walk.
  for (auto& [key, backend] : backends_)
    if (key.port == endpoint.port && key.address == endpoint.address) return backend.get();
  return nullptr;
}

Begun Cluster::begin_at(const net::Endpoint* wanted, const PickRequest& request, bool retry) {
  for (;;) {
    const auto picked = wanted != nullptr ? pick_persistent(*wanted, request) : pick(request);
    if (picked.backend == nullptr) return {.reason = picked.reason};
    if (ejected_anew(*picked.backend)) {
      follow_ejection(*picked.backend);
      continue;
    }
    const auto refusal = try_admit(*picked.backend, retry);
    if (!refusal) return {.backend = picked.backend, .reason = picked.reason};
    // It was the backend's limit: others may have room, and this one will be passed over.
    if (refusal == Refusal::kRequests && context_.breakers.allows(Breaker::kRequests)) continue;
    count(*refusal);
    return {.reason = picked.reason, .refusal = refusal};
  }
}

std::optional<Refusal> Cluster::admit(Backend& backend, bool retry) {
  const auto refusal = try_admit(backend, retry);
  if (refusal) count(*refusal);
  return refusal;
}

void Cluster::count(Refusal refusal) {
  auto& counters = context_.counters;
  switch (refusal) {
    case Refusal::kRequests: ++counters.overflow_requests; return;
    case Refusal::kRetries: ++counters.overflow_retries; return;
    case Refusal::kBudget: ++counters.retries_over_budget; return;
  }
}

std::optional<Refusal> Cluster::try_admit(Backend& backend, bool retry) {
  auto& of_backend = backend.context_.breakers;
  auto& of_cluster = context_.breakers;
  if (!try_enter(of_backend, of_cluster, Breaker::kRequests)) return Refusal::kRequests;
  if (retry) {
    const bool room = try_enter(of_backend, of_cluster, Breaker::kRetries);
    if (!room || !budget_.try_retry(active() - 1, context_.clock.now_ms())) {
      leave(of_backend, of_cluster, Breaker::kRequests);
      if (room) leave(of_backend, of_cluster, Breaker::kRetries);
      return room ? Refusal::kBudget : Refusal::kRetries;
    }
    ++context_.counters.retries;
  } else {
    budget_.on_request(context_.clock.now_ms());
  }
  ++context_.counters.requests;
  ++backend.counters_.requests;
  ++backend.active_;
  return std::nullopt;
}

void Cluster::observe(Backend& backend, const Outcome& outcome) {
  ++(outcome.status != 0 ? context_.counters.responses : context_.counters.failures);
  if (outcome.status >= 500) ++backend.counters_.responses_5xx;
  if (outcome.status == 0) ++backend.counters_.failures;
  // A time-out is a latency too: at least as long as that.
  if (outcome.latency_ns > 0 && spec().balancing.policy == Balancing::kPeakEwma)
    backend.ewma_.observe(static_cast<double>(outcome.latency_ns), context_.clock.now_ns(),
                          static_cast<double>(spec().balancing.ewma_decay.count()) * 1e6);
  if (!ejector_ || backend.removed_) return;
  observed_ = observed_ || outcome.counts();
  if (backend.tally_ != nullptr) backend.tally_->add(outcome);
  if (const auto cause = ejector_->observe(shared(backend).ejection, outcome)) eject(backend, *cause);
  if (!armed()) wake_at(context_.clock.now_ms() + static_cast<std::uint64_t>(ejector_->spec().interval.count()));
}

void Cluster::finish(Backend& backend, bool retry) {
  --backend.active_;
  leave(backend.context_.breakers, context_.breakers, Breaker::kRequests);
  if (!retry) return;
  budget_.on_retry_end();
  leave(backend.context_.breakers, context_.breakers, Breaker::kRetries);
}

}  // namespace fairlead::upstream
