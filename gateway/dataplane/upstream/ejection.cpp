// SPDX-License-Identifier: Apache-2.0
#include "fairlead/upstream/ejection.hpp"

#include <algorithm>
#include <cmath>

namespace fairlead::upstream {

namespace {

using Run = std::atomic<std::uint32_t>;

/// Counts one more of a run of failures; true where the run has reached its limit, and begins anew: for one only of
/// those who count at the same time.
bool reached(Run& run, std::uint32_t limit) {
  if (limit == 0) return false;
  auto before = run.load();
  while (!run.compare_exchange_weak(before, before + 1 < limit ? before + 1 : 0)) continue;
  return before + 1 >= limit;
}

/// Of a backend that does well nothing is written, so that workers do not take its cache line from each other.
void end(Run& run) {
  if (run.load() != 0) run.store(0);
}

double mean_latency(const EjectionState& state) {
  return static_cast<double>(state.latency_ns) / std::max(state.requests, 1u);
}

}  // namespace

bool Ejector::fails(const Outcome& outcome) const {
  if (outcome.local() || spec_.failure_statuses.empty()) return outcome.error();
  return std::ranges::find(spec_.failure_statuses, outcome.status) != spec_.failure_statuses.end();
}

std::optional<EjectionCause> Ejector::observe(EjectionState& state, const Outcome& outcome) const {
  if (!outcome.counts()) return std::nullopt;
  if (outcome.local()) {
    if (reached(state.consecutive_local, spec_.consecutive_local_failures)) return EjectionCause::kLocalFailures;
    if (spec_.split_local_failures) return std::nullopt;
  } else {
    end(state.consecutive_local);
  }
  if (!fails(outcome)) {
    if (outcome.error()) return std::nullopt;  // no success either
    end(state.consecutive_5xx);
    end(state.consecutive_gateway);
    return std::nullopt;
  }
  const bool gateway = outcome.gateway_error() || outcome.local();
  if (!gateway) end(state.consecutive_gateway);
  if (gateway && reached(state.consecutive_gateway, spec_.consecutive_gateway_errors))
    return EjectionCause::kGatewayErrors;
  if (reached(state.consecutive_5xx, spec_.consecutive_5xx)) return EjectionCause::kConsecutive5xx;
  return std::nullopt;
}

bool Ejector::allows(std::uint32_t ejected, std::uint32_t total) const {
  if (spec_.max_percent == 0 || ejected >= total) return false;
  if (ejected == 0) return total > 1 || spec_.max_percent == 100;
  return std::uint64_t{100} * (ejected + 1) <= std::uint64_t{spec_.max_percent} * total;
}

void Ejector::eject(EjectionState& state, std::uint64_t now_ms, Random& random) const {
  ++state.times;
  const auto time =
      std::min<std::int64_t>(spec_.base_time.count() * state.times, std::max(spec_.max_time, spec_.base_time).count());
  const auto jitter =
      spec_.max_jitter.count() > 0
          ? random.below(static_cast<std::uint32_t>(std::min<std::int64_t>(spec_.max_jitter.count(), 1u << 30)))
          : 0u;
  state.until_ms = now_ms + static_cast<std::uint64_t>(std::max<std::int64_t>(time, 1)) + jitter;
}

bool Ejector::release(EjectionState& state, std::uint64_t now_ms) const {
  if (!state.ejected() || now_ms < state.until_ms) return false;
  state.until_ms = 0;
  state.returned_ms = now_ms;
  for (auto* run : {&state.consecutive_5xx, &state.consecutive_gateway, &state.consecutive_local}) end(*run);
  state.requests = state.failures = 0;
  state.latency_ns = 0;
  return true;
}

std::vector<Ejector::Verdict> Ejector::judge(std::span<EjectionState* const> states) const {
  std::vector<Verdict> verdicts;
  if (spec_.success_rate_deviations > 0) judge_success_rate(states, verdicts);
  if (spec_.failure_percent > 0) judge_failure_percent(states, verdicts);
  if (spec_.latency_percent > 0) judge_latency(states, verdicts);
  const auto rate = [&](const Verdict& verdict) {
    const auto& state = *states[verdict.index];
    return static_cast<double>(state.failures) / std::max(state.requests, 1u);
  };
  std::ranges::stable_sort(verdicts, [&](const auto& a, const auto& b) { return rate(a) > rate(b); });
  for (auto* state : states) {
    // An interval in which it was not left out makes its next ejection shorter.
    if (!state->ejected() && state->times > 0) --state->times;
    state->requests = state->failures = 0;
    state->latency_ns = 0;
  }
  return verdicts;
}

void Ejector::judge_success_rate(std::span<EjectionState* const> states, std::vector<Verdict>& out) const {
  std::vector<std::pair<std::uint32_t, double>> rates;  // index, successes of 1
  double sum = 0;
  for (std::uint32_t i = 0; i < states.size(); ++i) {
    const auto& state = *states[i];
    if (state.ejected() || state.requests < std::max(spec_.success_rate_requests, 1u)) continue;
    rates.emplace_back(i, 1.0 - static_cast<double>(state.failures) / state.requests);
    sum += rates.back().second;
  }
  if (rates.size() < std::max(spec_.success_rate_hosts, 1u)) return;
  const auto count = static_cast<double>(rates.size());
  double squares = 0;
  for (const auto& [index, rate] : rates) squares += (rate - sum / count) * (rate - sum / count);
  const auto least = sum / count - std::sqrt(squares / count) * spec_.success_rate_deviations / 1000.0;
  for (const auto& [index, rate] : rates)
    if (rate < least) out.push_back({index, EjectionCause::kSuccessRate});
}

void Ejector::judge_failure_percent(std::span<EjectionState* const> states, std::vector<Verdict>& out) const {
  const auto enough = [&](const EjectionState* state) {
    return !state->ejected() && state->requests >= std::max(spec_.failure_percent_requests, 1u);
  };
  if (std::ranges::count_if(states, enough) < static_cast<std::ptrdiff_t>(spec_.failure_percent_hosts)) return;
  for (std::uint32_t i = 0; i < states.size(); ++i)
    if (enough(states[i]) &&
        std::uint64_t{100} * states[i]->failures >= std::uint64_t{spec_.failure_percent} * states[i]->requests)
      out.push_back({i, EjectionCause::kFailurePercent});
}

void Ejector::judge_latency(std::span<EjectionState* const> states, std::vector<Verdict>& out) const {
  std::vector<std::pair<double, std::uint32_t>> means;
  for (std::uint32_t i = 0; i < states.size(); ++i)
    if (!states[i]->ejected() && states[i]->requests >= std::max(spec_.latency_requests, 1u))
      means.emplace_back(mean_latency(*states[i]), i);
  if (means.size() < 3) return;  // of two, either might be the outlier
  std::ranges::sort(means);
  const auto limit = means[(means.size() - 1) / 2].first * spec_.latency_percent / 100.0;
  for (const auto& [mean, index] : means)
    if (mean > limit) out.push_back({index, EjectionCause::kLatency});
}

}  // namespace fairlead::upstream
