// SPDX-License-Identifier: Apache-2.0
#pragma once

// What is counted of the L7 engine. A series of requests is (listener, route, rule, backend cluster), registered when
// its first request ends; within it each worker keeps a cell for each outcome (status, gRPC status, flags). A request
// adds to one cell of its worker: plain additions of integers that only that worker writes and that the scraper reads.
// What filters count beside stands in sets of counters (counter_set.hpp), which are registered with the configuration.

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "fairlead/metrics/exposition.hpp"
#include "fairlead/telemetry/counter_set.hpp"
#include "fairlead/telemetry/latency_histogram.hpp"
#include "fairlead/telemetry/record.hpp"

namespace fairlead::telemetry {

/// One end of an edge in Istio's metrics; what is not known is "unknown".
struct IstioWorkload {
  std::string workload = "unknown";
  std::string workload_namespace = "unknown";
  std::string canonical_service = "unknown";
  std::string canonical_revision = "latest";
  std::string principal = "unknown";
  std::string app = "unknown";
  std::string version = "unknown";
  std::string cluster = "Kubernetes";
};

struct IstioLabels {
  bool reporter_is_source = true;  ///< else the destination reports
  IstioWorkload source;
  IstioWorkload destination;
  std::string service = "unknown";  ///< host: "web.default.svc.cluster.local"
  std::string service_name = "unknown";
  std::string service_namespace = "unknown";
};

struct SeriesLabels {
  std::string listener;
  std::string route;  ///< empty: none matched
  std::string rule;
  std::string cluster;  ///< empty: no backend was chosen
  std::shared_ptr<const IstioLabels> istio;  ///< null: none
};

using SeriesId = std::uint32_t;
using ListenerId = std::uint32_t;

enum class ListenerCounter : std::uint8_t {
  kConnectionsOpened,
  kConnectionsClosed,
  kConnectionsShed,  ///< closed at once or while idle, for want of descriptors or memory
  kHandshakesFailed,
  kHandshakesTimedOut,
  kRequestsBegun,
  kRequestsEnded,
  kMalformed,  ///< requests refused before they became streams
};
inline constexpr std::size_t kListenerCounters = 8;

struct MeterLimits {
  std::uint32_t series = 65536;  ///< distinct SeriesLabels; others share the overflow series
  std::uint32_t cells = 65536;  ///< outcomes, of each worker
  std::uint32_t cells_of_series = 32;  ///< outcomes of one series, of each worker: a backend cannot make any number
  std::uint32_t counters = 524288;  ///< of filters; those beyond are not shown
};

/// Upper edges of the histograms of durations (ms) and sizes (bytes); one bucket more is for what is beyond.
inline constexpr std::array<double, 22> kDurationBoundsMs{0.1,   0.25,  0.5,    1,      2.5,     5,      10,   25,
                                                          50,    100,   250,    500,    1000,    2500,   5000, 10000,
                                                          30000, 60000, 300000, 600000, 1800000, 3600000};
inline constexpr std::array<double, 12> kSizeBounds{256,     1024,    4096,     16384,    65536,     262144,
                                                    1048576, 4194304, 16777216, 67108864, 268435456, 1073741824};

class Meter;

/// The counters of one worker. Owner: a Meter. Thread: the worker's; the scraper reads.
class WorkerMeter {
 public:
  ~WorkerMeter();
  WorkerMeter(const WorkerMeter&) = delete;
  WorkerMeter& operator=(const WorkerMeter&) = delete;

  void count(ListenerId listener, ListenerCounter counter, std::uint64_t by = 1);
  /// Once for each request, at its end.
  void finish(SeriesId series, const RequestRecord& record);
  /// Of a set of counters, by the set's number and the place in it.
  void add(CounterId counter, std::uint64_t by = 1);
  /// Of this worker, over all listeners.
  [[nodiscard]] std::uint64_t total(ListenerCounter counter) const;

 private:
  friend class Meter;
  struct Cell;
  struct Slot;
  struct Split;
  template <class Row>
  class Table;
  struct ListenerRow;
  struct Tables;

  explicit WorkerMeter(const MeterLimits& limits);
  Cell* find_or_make(SeriesId series, std::uint64_t key);
  Cell* make(Slot& slot, std::uint64_t key);
  void add_split(SeriesId series, const RequestTimes& times);

  MeterLimits limits_;
  std::unique_ptr<Tables> tables_;
  std::atomic<std::uint32_t> cells_{0};
  std::atomic<std::uint64_t> overflowed_{0};
  LatencyHistogram latency_;
};

/// Durations of requests, by kDurationBoundsMs.
struct DurationTotals {
  std::array<std::uint64_t, kDurationBoundsMs.size() + 1> counts{};
  double sum_ms = 0;
};

/// All that a series has counted, over all workers: for metrics by other names.
struct SeriesTotals {
  struct Outcome {
    std::uint16_t status = 0;  ///< 0: several, beyond the limit
    ResponseFlags flags;
    std::uint64_t requests = 0;
  };
  SeriesLabels labels;
  std::vector<Outcome> outcomes;
  std::uint64_t request_bytes = 0, response_bytes = 0;
  DurationTotals whole;    ///< as the client sees it
  DurationTotals backend;  ///< from asking the backend to its answer's head; where records have such times
  DurationTotals own;      ///< of the same requests until the answer's head: the rest
};

/// A row of a status page.
struct SeriesSummary {
  SeriesLabels labels;
  std::uint64_t requests = 0;
  std::uint64_t errors = 0;  ///< status >= 500, or none
  double p50_ms = 0;  ///< from the buckets, interpolated
  double p99_ms = 0;
};

/// All that is counted, over all workers. Owner: the daemon. Thread: any; a lock is held for no longer than a look-up
/// by name takes, so that a worker may register what it meets for the first time.
class Meter {
 public:
  explicit Meter(const MeterLimits& limits = {});
  ~Meter();

  /// For one more worker; lives as long as the meter.
  WorkerMeter& add_worker();

  /// Equal labels have one id. Beyond the limit: the overflow series.
  SeriesId series(const SeriesLabels& labels);
  ListenerId listener(const std::string& name);
  /// The number of the set's first counter. The same family, owner and part have one set, which outlives policies.
  CounterId counters(const CounterFamily& family, const CounterOwner& owner, const CounterPart& part = {});

  /// fairlead_gateway_* and, where workloads are known, istio_*.
  void add_to(metrics::Page& page) const;
  [[nodiscard]] std::vector<SeriesSummary> summaries() const;
  /// Of series that have counted something.
  [[nodiscard]] std::vector<SeriesTotals> totals() const;
  /// Of sets that have counted something, by owner; views are good as long as the meter.
  [[nodiscard]] std::vector<CounterSetValues> counter_sets() const;

  /// The series that stands for those beyond the limit.
  static constexpr SeriesId kOverflow = 0;

 private:
  struct Names;
  struct View;
  /// What there is now; it stays where it is.
  [[nodiscard]] View view() const;
  static void add_listeners(metrics::Page& page, const View& view);
  static void add_series(metrics::Page& page, const View& view);
  void add_counter_sets(metrics::Page& page) const;

  MeterLimits limits_;
  mutable std::mutex mutex_;  // of names and the list of workers
  std::unique_ptr<Names> names_;
  std::vector<std::unique_ptr<WorkerMeter>> workers_;
  std::uint64_t refused_series_ = 0;
  std::uint64_t refused_counters_ = 0;  // sets
};

}  // namespace fairlead::telemetry
