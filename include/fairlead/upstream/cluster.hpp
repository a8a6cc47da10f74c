// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "fairlead/upstream/backend.hpp"
#include "fairlead/upstream/health.hpp"
#include "fairlead/upstream/levels.hpp"
#include "fairlead/upstream/retry_budget.hpp"

namespace fairlead::upstream {

enum class PickReason : std::uint8_t {
  kBalanced,       ///< by the policy
  kPersistent,     ///< the client's session is there
  kPanic,          ///< too few are available: health was ignored
  kOnlyTried,      ///< every other one was tried or is out
  kNoEndpoints,    ///< none: the cluster is empty
  kNoneAvailable,  ///< none: all are out, and panic is off
  kAllLimited,     ///< none: those available are at their limits of requests
};
[[nodiscard]] std::string_view pick_reason_name(PickReason reason);

struct Pick {
  Backend* backend = nullptr;  ///< good until the turn ends, or finish() of the request that was admitted to it
  PickReason reason = PickReason::kNoEndpoints;
};

/// Why a try may not begin.
enum class Refusal : std::uint8_t { kRequests, kRetries, kBudget };
[[nodiscard]] std::string_view refusal_name(Refusal refusal);

class Cluster;

/// Hears what logs and pages want to know, of what this worker did. Called within the calls that cause it.
class ClusterEvents {
 public:
  virtual void on_ejected(const Cluster& cluster, const Backend& backend, EjectionCause cause) = 0;
  virtual void on_returned(const Cluster& cluster, const Backend& backend) = 0;

 protected:
  ~ClusterEvents() = default;
};

/// What a worker's clusters share; all of it outlives them.
struct WorkerContext {
  Clock& clock;
  SessionFactory& factory;
  Random& random;
  ClusterEvents* events = nullptr;
  std::uint32_t worker = 0;  ///< its number, from 0
  std::shared_ptr<SharedClusters> shared = std::make_shared<SharedClusters>(1);  ///< by all workers
};

/// A try that has begun, or why none has.
struct Begun {
  Backend* backend = nullptr;  ///< admitted, see Pick
  PickReason reason = PickReason::kNoEndpoints;
  std::optional<Refusal> refusal{};  ///< a backend would be there
};

/// One cluster on one worker: chooses backends, counts, ejects; limits and ejection are those of all workers together.
/// A try goes: begin(), which is pick() and admit(), the backend's pool, then observe() once its head or its failure is
/// known, and finish() when it is over.
/// Owner: a ClusterSet. Thread: its worker's.
class Cluster final : public event::Retired, private event::Timer {
 public:
  Cluster(const WorkerContext& worker, ClusterSpecRef spec);
  ~Cluster() override;

  /// Unchanged backends (EndpointKey) keep connections, ejection and counts; removed ones end with their last request.
  void apply(ClusterSpecRef spec);
  /// Every backend is removed; done() once nothing is under way.
  void drain();
  [[nodiscard]] bool done() const { return draining_ && leaving_.empty(); }

  [[nodiscard]] Pick pick(const PickRequest& request);
  /// The backend of a persistent session where it may serve, else as pick().
  [[nodiscard]] Pick pick_persistent(const net::Endpoint& wanted, const PickRequest& request);

  /// Picks and admits. Where another worker was faster to the last free place of a backend, or has put it aside, picks
  /// again.
  [[nodiscard]] Begun begin(const PickRequest& request, bool retry) { return begin_at(nullptr, request, retry); }
  [[nodiscard]] Begun begin_persistent(const net::Endpoint& wanted, const PickRequest& request, bool retry) {
    return begin_at(&wanted, request, retry);
  }
  /// Counts a try in, or says why not. `retry`: it takes part in the retry budget.
  [[nodiscard]] std::optional<Refusal> admit(Backend& backend, bool retry);
  /// Once for each try that was admitted, before finish().
  void observe(Backend& backend, const Outcome& outcome);
  void finish(Backend& backend, bool retry);

  void on_health(Backend& backend, HealthChange change);
  /// All of its targets that fail now.
  void set_failing(Backend& backend, std::vector<TargetId> failing);
  /// Puts aside what another worker has ejected.
  void follow_ejection(Backend& backend);
  /// A connection more may be allowed.
  void on_room() { Pool::on_room(context_); }

  [[nodiscard]] Backend* find(const net::Endpoint& endpoint);
  [[nodiscard]] Backend* find(const EndpointKey& key) {
    const auto found = backends_.find(key);
    return found == backends_.end() ? nullptr : found->second.get();
  }
  template <class Visitor>
  void for_each(Visitor&& visit) {
    for (auto& [key, backend] : backends_) visit(*backend);
  }

  [[nodiscard]] const ClusterSpec& spec() const { return *context_.spec; }
  [[nodiscard]] const ClusterCounters& counters() const { return context_.counters; }
  [[nodiscard]] ClusterCounters& counters() { return context_.counters; }
  [[nodiscard]] const Breakers& breakers() const { return context_.breakers; }
  [[nodiscard]] const RetryBudget& retry_budget() const { return budget_; }
  [[nodiscard]] std::uint32_t active() const { return context_.breakers.count(Breaker::kRequests); }
  [[nodiscard]] std::uint32_t available() const { return levels_.available(); }
  /// As far as this worker has heard.
  [[nodiscard]] std::uint32_t ejected() const { return static_cast<std::uint32_t>(ejected_.size()); }
  [[nodiscard]] std::span<const LevelLoad> loads() const { return levels_.loads(); }

 private:
  using Backends = std::unordered_map<EndpointKey, std::unique_ptr<Backend>, EndpointKeyHash>;

  Pick none();
  Backend& take_over(const EndpointSpec& endpoint);
  void remove_unmarked();
  void apply_ejection();
  void remove(Backend& backend);
  Begun begin_at(const net::Endpoint* wanted, const PickRequest& request, bool retry);
  std::optional<Refusal> try_admit(Backend& backend, bool retry);
  void count(Refusal refusal);
  [[nodiscard]] static SharedBackend& shared(const Backend& backend) { return *backend.context_.shared; }
  void apply_to(Backend& backend);
  void count_ejected(const Backend& backend, bool here);
  void forgive(Backend& backend);
  /// True where it has changed.
  bool update_availability(Backend& backend);
  void eject(Backend& backend, EjectionCause cause);
  void put_aside(Backend& backend);
  [[nodiscard]] bool ejected_anew(const Backend& backend) const;
  void on_timer() override;
  void return_ejected(std::uint64_t now);
  bool release(Backend& backend, std::uint64_t now);
  void judge(std::uint64_t now);
  using Outliers = std::vector<std::pair<Backend*, EjectionCause>>;
  bool judge_all(Outliers& outliers);
  void sweep();
  void wake_at(std::uint64_t when);

  WorkerContext worker_;
  ClusterContext context_;
  Levels levels_;
  RetryBudget budget_;
  std::optional<Ejector> ejector_;
  std::vector<Backend*> ejected_;
  Backends backends_;  // in the spec
  std::vector<std::unique_ptr<Backend>> leaving_;  // not any more, with requests or connections
  bool observed_ = false;  // something, since the last look at time
  bool draining_ = false;
};

}  // namespace fairlead::upstream
