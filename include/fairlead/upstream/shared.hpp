// SPDX-License-Identifier: Apache-2.0
#pragma once

// What workers know of clusters and backends together. A worker finds it by name when it applies a change, and keeps it
// for as long as its own cluster or backend lives: so a cluster that is removed and comes back while requests of it are
// under way still counts them.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "fairlead/upstream/breaker.hpp"
#include "fairlead/upstream/ejection.hpp"
#include "fairlead/upstream/endpoint_key.hpp"

namespace fairlead::upstream {

class ClusterSet;

/// What one worker has seen of a backend since the start; it alone writes.
struct alignas(64) Tally {
  std::atomic<std::uint64_t> requests{0};
  std::atomic<std::uint64_t> failures{0};
  std::atomic<std::uint64_t> latency_ns{0};
  void add(const Outcome& outcome);
};

/// Owner: the Backends of all workers. Thread: any for what is atomic; for the rest, who holds the lock of the cluster.
class SharedBackend {
 public:
  explicit SharedBackend(std::uint32_t workers) : breakers(workers), workers_(workers) {}

  SharedBreakers breakers;
  EjectionState ejection;
  std::atomic<std::uint32_t> connections{0};
  std::atomic<std::uint32_t> wanting{0};  ///< pools with requests that wait, at a limit of connections
  std::atomic<std::uint32_t> starving{0};  ///< of these, without a connection of their own to wait for
  bool forgotten = false;  ///< removed while ejected: the cluster does not count it

  /// Where outcomes of a worker are counted for statistics; made when first asked for. Any thread.
  [[nodiscard]] Tally& tally(std::uint32_t worker);
  /// Brings what workers have seen since begin_interval() into `ejection`.
  void gather();
  void begin_interval();

 private:
  struct Sums {
    std::uint64_t requests = 0, failures = 0, latency_ns = 0;
  };
  [[nodiscard]] Sums sums() const;

  std::uint32_t workers_;
  std::once_flag once_;
  std::vector<Tally> tallies_;  // by worker
  std::atomic<bool> has_tallies_{false};
  Sums past_;  // at the start of the interval
};

/// Shared objects by key, for as long as somebody holds them. Finding costs a lock, and now and then a look at all.
/// Owner: any. Thread: any.
template <class Key, class Object, class Hash>
class SharedTable {
 public:
  template <class Make>
  [[nodiscard]] std::shared_ptr<Object> find(const Key& key, Make&& make) {
    const std::scoped_lock lock(mutex_);
    auto& place = objects_[key];
    if (auto found = place.lock()) return found;
    std::shared_ptr<Object> made = make();
    place = made;
    if (objects_.size() > limit_) {
      std::erase_if(objects_, [](const auto& entry) { return entry.second.expired(); });
      limit_ = 2 * objects_.size() + 16;
    }
    return made;
  }

 private:
  std::mutex mutex_;
  std::unordered_map<Key, std::weak_ptr<Object>, Hash> objects_;
  std::size_t limit_ = 16;
};

class SharedClusters;

/// Owner: the Clusters of all workers. Thread: any.
class SharedCluster {
 public:
  SharedCluster(SharedClusters& all, std::string name, std::uint32_t workers);

  SharedBreakers breakers;
  std::mutex ejecting;  ///< the lock of the cluster: for who ejects, takes back or judges
  std::uint32_t ejected = 0;  ///< under it, as the next
  std::uint64_t judged_ms = 0;  ///< when the interval of the statistics began; 0: never

  [[nodiscard]] std::uint32_t workers() const { return workers_; }
  [[nodiscard]] std::shared_ptr<SharedBackend> backend(const EndpointKey& key);

  /// A pool of this worker wants a connection that a limit forbids (1), or does so no more (-1).
  void want(std::uint32_t worker, int change);
  /// A connection more is allowed: to those who want one.
  void tell_room();
  void tell_room(std::uint32_t worker);
  /// To the others: a pool to this backend wants a connection that they hold.
  void tell_wanted(std::uint32_t worker, const EndpointKey& backend);
  /// To the others: it was ejected.
  void tell_ejected(std::uint32_t worker, const EndpointKey& backend);

 private:
  void tell_others(std::uint32_t worker, const std::function<void(ClusterSet&)>& message);

  SharedClusters& all_;
  std::string name_;
  std::uint32_t workers_;
  std::atomic<std::uint32_t> wanting_{0};
  std::vector<std::atomic<std::uint32_t>> wanting_by_;  // worker
  SharedTable<EndpointKey, SharedBackend, EndpointKeyHash> backends_;
};

/// Owner: the composition root, and each worker. Thread: any.
class SharedClusters {
 public:
  using Message = std::function<void(ClusterSet&)>;
  /// Has the message handled on the worker's thread.
  using Sink = std::function<void(Message)>;

  explicit SharedClusters(std::uint32_t workers) : workers_(workers), sinks_(workers) {}

  [[nodiscard]] std::uint32_t workers() const { return workers_; }
  [[nodiscard]] std::shared_ptr<SharedCluster> cluster(const std::string& name);
  /// Where a worker's messages go; null: nowhere any more.
  void join(std::uint32_t worker, Sink sink);
  void tell(std::uint32_t worker, const Message& message);

 private:
  std::uint32_t workers_;
  SharedTable<std::string, SharedCluster, std::hash<std::string>> clusters_;
  std::mutex mutex_;
  std::vector<Sink> sinks_;  // by worker; under mutex_
};

}  // namespace fairlead::upstream
