// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "fairlead/upstream/clock.hpp"
#include "fairlead/upstream/health.hpp"
#include "fairlead/upstream/intrusive_list.hpp"
#include "fairlead/upstream/random.hpp"

namespace fairlead::upstream {

/// How a probe ended.
enum class ProbeEnd : std::uint8_t {
  kConnect,  ///< no connection, or it broke
  kTimeout,
  kAnswer,   ///< another answer than the one that is expected
  kSuccess,
  kUnclear,  ///< an answer that says neither
};

/// Hears how a probe ended; called once, never before start() returns.
class ProbeListener {
 public:
  /// `why`: of a failure, for people: "connect: Connection refused", "status 503".
  virtual void on_probe(ProbeEnd end, std::string_view why) = 0;

 protected:
  ~ProbeListener() = default;
};

/// A probe under way; destroying it gives it up.
class Probe {
 public:
  virtual ~Probe() = default;
};

/// Makes probes: the real one over the network, and one for tests. Time-outs are the checker's.
/// Owner: who owns the checker. Thread: the checker's.
class Prober {
 public:
  virtual Result<std::unique_ptr<Probe>> start(const EndpointSpec& endpoint, const HealthCheckSpec& check,
                                               const std::shared_ptr<const void>& tls, ProbeListener& listener) = 0;

 protected:
  ~Prober() = default;
};

/// Where changes go: to every worker, by message.
class HealthListener {
 public:
  virtual void on_health(HealthChange change, std::string_view why) = 0;

 protected:
  ~HealthListener() = default;
};

/// One probed backend of one cluster, for people.
struct TargetState {
  TargetId target = 0;
  std::string cluster;
  std::string backend;  ///< "10.0.0.1:80", the port that is probed
  Check kind = Check::kHttp;
  bool asked = false;   ///< there was an answer, or none in time
  bool healthy = true;
  std::string why;      ///< of the last answer: "status 503"; empty where there is nothing to say
};

struct CheckerCounters {
  std::uint64_t probes = 0;
  std::uint64_t successes = 0;
  std::uint64_t failures = 0;   ///< time-outs included
  std::uint64_t timeouts = 0;
  std::uint64_t became_healthy = 0;
  std::uint64_t became_unhealthy = 0;
};

/// Active checks of all clusters, in one place: a target is an endpoint and how it is probed, counted by the clusters
/// that use it, so each is probed once. A target counts as healthy until its first answer, which is asked for at once
/// and counts alone; then thresholds hold. Owner: the program, one. Thread: its clock's.
class HealthChecker {
 public:
  static constexpr std::uint32_t kMaxProbes = 256;  ///< under way at once; more wait their turn

  HealthChecker(Clock& clock, Prober& prober, HealthListener& listener, std::uint64_t seed);
  ~HealthChecker();
  HealthChecker(const HealthChecker&) = delete;
  HealthChecker& operator=(const HealthChecker&) = delete;

  /// A cluster is new or has changed; targets that stay keep their state.
  void apply(const ClusterSpec& spec);
  void remove(const std::string& cluster);
  /// A cluster without traffic is probed at its no_traffic_interval; clusters count as having some until told.
  void set_traffic(const std::string& cluster, bool traffic);

  [[nodiscard]] HealthSnapshot snapshot() const;
  /// Every cluster's targets, in no order; one that several clusters use stands there for each.
  [[nodiscard]] std::vector<TargetState> states() const;
  [[nodiscard]] std::size_t failing() const;
  [[nodiscard]] std::size_t targets() const { return targets_.size(); }
  [[nodiscard]] std::uint32_t probing() const { return probing_; }
  [[nodiscard]] const CheckerCounters& counters() const { return counters_; }

 private:
  class Target;
  struct Used {
    std::vector<TargetId> targets;
    bool traffic = true;
  };
  void add(const EndpointSpec& endpoint, const HealthCheckSpec& check, const std::shared_ptr<const void>& tls,
           Used& used);
  void release(const Used& used);
  void start_waiting();
  void report(const Target& target, std::string_view why);

  Clock& clock_;
  Prober& prober_;
  HealthListener& listener_;
  Random random_;
  std::unordered_map<TargetId, std::unique_ptr<Target>> targets_;
  std::unordered_map<std::string, Used> clusters_;
  std::unique_ptr<List<Target>> waiting_;
  std::uint32_t probing_ = 0;
  CheckerCounters counters_;
};

}  // namespace fairlead::upstream
