// SPDX-License-Identifier: Apache-2.0
#include "fairlead/upstream/shared.hpp"

#include "fairlead/upstream/cluster_set.hpp"

namespace fairlead::upstream {

namespace {

void add_alone(std::atomic<std::uint64_t>& sum, std::uint64_t more) {
  sum.store(sum.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
}

}  // namespace

void Tally::add(const Outcome& outcome) {
  if (!outcome.counts()) return;
  add_alone(requests, 1);
  if (outcome.error()) add_alone(failures, 1);
  add_alone(latency_ns, outcome.latency_ns);
}

Tally& SharedBackend::tally(std::uint32_t worker) {
  std::call_once(once_, [this] {
    tallies_ = std::vector<Tally>(workers_);
    has_tallies_.store(true, std::memory_order_release);
  });
  return tallies_[worker];
}

SharedBackend::Sums SharedBackend::sums() const {
  Sums sums;
  if (!has_tallies_.load(std::memory_order_acquire)) return sums;
  for (const auto& tally : tallies_) {
    sums.requests += tally.requests.load(std::memory_order_relaxed);
    sums.failures += tally.failures.load(std::memory_order_relaxed);
    sums.latency_ns += tally.latency_ns.load(std::memory_order_relaxed);
  }
  return sums;
}

void SharedBackend::gather() {
  const auto now = sums();
  ejection.requests = static_cast<std::uint32_t>(now.requests - past_.requests);
  ejection.failures = static_cast<std::uint32_t>(now.failures - past_.failures);
  ejection.latency_ns = now.latency_ns - past_.latency_ns;
}

void SharedBackend::begin_interval() { past_ = sums(); }

SharedCluster::SharedCluster(SharedClusters& all, std::string name, std::uint32_t workers)
    : breakers(workers), all_(all), name_(std::move(name)), workers_(workers), wanting_by_(workers) {}

std::shared_ptr<SharedBackend> SharedCluster::backend(const EndpointKey& key) {
  return backends_.find(key, [&] { return std::make_shared<SharedBackend>(workers_); });
}

void SharedCluster::want(std::uint32_t worker, int change) {
  wanting_by_[worker].fetch_add(static_cast<std::uint32_t>(change));
  wanting_.fetch_add(static_cast<std::uint32_t>(change));
}

void SharedCluster::tell_room() {
  if (wanting_.load() == 0) return;
  for (std::uint32_t worker = 0; worker < workers_; ++worker)
    if (wanting_by_[worker].load() != 0) tell_room(worker);
}

void SharedCluster::tell_room(std::uint32_t worker) {
  all_.tell(worker, [name = name_](ClusterSet& set) { set.apply_room(name); });
}

void SharedCluster::tell_others(std::uint32_t worker, const SharedClusters::Message& message) {
  for (std::uint32_t other = 0; other < workers_; ++other)
    if (other != worker) all_.tell(other, message);
}

void SharedCluster::tell_wanted(std::uint32_t worker, const EndpointKey& backend) {
  tell_others(worker, [name = name_, backend](ClusterSet& set) { set.apply_wanted(name, backend); });
}

void SharedCluster::tell_ejected(std::uint32_t worker, const EndpointKey& backend) {
  tell_others(worker, [name = name_, backend](ClusterSet& set) { set.apply_ejection(name, backend); });
}

std::shared_ptr<SharedCluster> SharedClusters::cluster(const std::string& name) {
  return clusters_.find(name, [&] { return std::make_shared<SharedCluster>(*this, name, workers_); });
}

void SharedClusters::join(std::uint32_t worker, Sink sink) {
  const std::scoped_lock lock(mutex_);
  sinks_[worker] = std::move(sink);
}

void SharedClusters::tell(std::uint32_t worker, const Message& message) {
  const std::scoped_lock lock(mutex_);
  if (sinks_[worker]) sinks_[worker](message);
}

}  // namespace fairlead::upstream
