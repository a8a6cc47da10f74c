// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/proxy/watch.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "gateway/dataplane/proxy/worker.hpp"

namespace fairlead::proxy {
namespace {

BackendView view_of(upstream::Backend& backend) {
  const auto& counters = backend.counters();
  return {.name = backend.name(),
          .weight = backend.endpoint().weight,
          .available = backend.available(),
          .healthy = backend.healthy(),
          .ejected = backend.ejection().ejected(),
          .draining = backend.endpoint().draining,
          .active = backend.active(),
          .requests = counters.requests,
          .responses_5xx = counters.responses_5xx,
          .failures = counters.failures,
          .ejections = counters.ejections};
}

BackendState state_of(bool ejected, bool healthy, bool draining, bool available) {
  if (ejected) return BackendState::kEjected;
  if (!healthy) return BackendState::kUnhealthy;
  if (draining) return BackendState::kDraining;
  return available ? BackendState::kAvailable : BackendState::kOut;
}

BackendState state_of(const upstream::Backend& backend) {
  return state_of(backend.ejection().ejected(), backend.healthy(), backend.endpoint().draining, backend.available());
}

/// What several workers see of one backend: counts are summed, one that is out somewhere is shown as out.
void join(BackendView& one, const BackendView& other) {
  one.available = one.available && other.available;
  one.healthy = one.healthy && other.healthy;
  one.ejected = one.ejected || other.ejected;
  one.draining = one.draining || other.draining;
  one.active += other.active;
  one.requests += other.requests;
  one.responses_5xx += other.responses_5xx;
  one.failures += other.failures;
  one.ejections += other.ejections;
}

/// Both are sorted by name.
template <class Named, class Join>
void merge(std::vector<Named>& into, std::vector<Named> from, Join&& join_two) {
  for (auto& other : from) {
    const auto at = std::ranges::lower_bound(into, other.name, {}, &Named::name);
    if (at != into.end() && at->name == other.name) join_two(*at, other);
    else into.insert(at, std::move(other));
  }
}

}  // namespace

void Watch::ended(const telemetry::RequestRecord& record, bool tunnel) {
  if (!tunnel) latency_->add(record.times.end - record.times.start);
  ++outcomes_.by_class[std::min<std::size_t>(record.status / 100, outcomes_.by_class.size() - 1)];
  if (!record.flags.empty())
    for (std::size_t i = 0; i < telemetry::kResponseFlags; ++i)
      if (record.flags.has(static_cast<telemetry::ResponseFlag>(i))) ++outcomes_.by_flag[i];
  outcomes_.request_bytes += record.bytes.request_body;
  outcomes_.response_bytes += record.bytes.response_body;
}

void Watch::failed(const Failure& failure) {
  auto& entry = (*ring_)[count_++ % kFailed];
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  entry.time_ns = static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
  entry.duration_ns = failure.duration_ns;
  entry.status = failure.status;
  entry.flags = failure.flags;
  entry.method.set(failure.method);
  entry.host.set(failure.host);
  entry.path.set(failure.path);
  entry.route.set(failure.route);
  entry.reason.set(failure.reason);
}

void Watch::show(View& view) const {
  view.outcomes = outcomes_;
  view.latencies.resize(telemetry::LatencyHistogram::kBuckets);
  latency_->add_to(view.latencies);
  for (auto number = count_ > kFailed ? count_ - kFailed : 0; number < count_; ++number) {
    const auto& entry = (*ring_)[number % kFailed];
    view.failed.push_back({.time_ns = entry.time_ns,
                           .duration_ns = entry.duration_ns,
                           .status = entry.status,
                           .flags = entry.flags,
                           .method = std::string(entry.method.view()),
                           .host = std::string(entry.host.view()),
                           .path = std::string(entry.path.view()),
                           .route = std::string(entry.route.view()),
                           .reason = std::string(entry.reason.view())});
  }
}

Outcomes& Outcomes::operator+=(const Outcomes& other) {
  for (std::size_t i = 0; i < by_class.size(); ++i) by_class[i] += other.by_class[i];
  for (std::size_t i = 0; i < by_flag.size(); ++i) by_flag[i] += other.by_flag[i];
  request_bytes += other.request_bytes;
  response_bytes += other.response_bytes;
  return *this;
}

void View::add(View other) {
  outcomes += other.outcomes;
  merge(clusters, std::move(other.clusters), [](ClusterView& one, ClusterView& two) {
    one.counters += two.counters;
    merge(one.backends, std::move(two.backends), join);
  });
  if (latencies.size() < other.latencies.size()) latencies.resize(other.latencies.size());
  for (std::size_t i = 0; i < other.latencies.size(); ++i) latencies[i] += other.latencies[i];
  failed.insert(failed.end(), std::make_move_iterator(other.failed.begin()),
                std::make_move_iterator(other.failed.end()));
  std::ranges::stable_sort(failed, {}, &FailedRequest::time_ns);
  if (failed.size() > Watch::kFailed) failed.erase(failed.begin(), failed.end() - Watch::kFailed);
}

std::string_view name_of(BackendState state) {
  constexpr std::array<std::string_view, kBackendStates> kNames{"ejected", "unhealthy", "draining", "available", "out"};
  return kNames[static_cast<std::size_t>(state)];
}

BackendState state_of(const BackendView& backend) {
  return state_of(backend.ejected, backend.healthy, backend.draining, backend.available);
}

void ClusterTotals::add(const ClusterTotals& other) {
  constexpr auto kAvailable = static_cast<std::size_t>(BackendState::kAvailable);
  counters += other.counters;
  if (other.backends[kAvailable] < backends[kAvailable]) backends = other.backends;
}

void add(std::vector<ClusterTotals>& into, std::vector<ClusterTotals> other) {
  merge(into, std::move(other), [](ClusterTotals& one, const ClusterTotals& two) { one.add(two); });
}

std::vector<ClusterTotals> Worker::clusters() {
  std::vector<ClusterTotals> out;
  if (set_ == nullptr) return out;
  set_->for_each([&](upstream::Cluster& cluster) {
    auto& totals =
        out.emplace_back(ClusterTotals{.name = cluster.spec().name, .counters = cluster.counters(), .backends = {}});
    cluster.for_each(
        [&](upstream::Backend& backend) { ++totals.backends[static_cast<std::size_t>(state_of(backend))]; });
  });
  std::ranges::sort(out, {}, &ClusterTotals::name);
  return out;
}

View Worker::view() {
  View view;
  watch_.show(view);
  if (set_ == nullptr) return view;
  set_->for_each([&](upstream::Cluster& cluster) {
    auto& shown = view.clusters.emplace_back(
        ClusterView{.name = cluster.spec().name, .counters = cluster.counters(), .backends = {}});
    cluster.for_each([&](upstream::Backend& backend) { shown.backends.push_back(view_of(backend)); });
    std::ranges::sort(shown.backends, {}, &BackendView::name);
  });
  std::ranges::sort(view.clusters, {}, &ClusterView::name);
  return view;
}

}  // namespace fairlead::proxy
