// SPDX-License-Identifier: Apache-2.0
#include <unordered_map>

#include "fairlead/telemetry/meter.hpp"
#include "gateway/dataplane/telemetry/meter_cells.hpp"
#include "gateway/dataplane/telemetry/meter_names.hpp"

namespace fairlead::telemetry {
namespace {

using metrics::Labels;
using metrics::Type;

constexpr double kNsPerMs = 1e6;
constexpr double kMsPerSecond = 1000;
// Istio's own set of bounds lacks these.
constexpr std::array<double, 3> kNotInIstio{0.1, 0.25, 2.5};

using Durations = std::array<std::uint64_t, kDurationBoundsMs.size() + 1>;
using Sizes = std::array<std::uint64_t, kSizeBounds.size() + 1>;

/// One outcome of one series, over all workers.
struct Sum {
  std::uint64_t requests = 0;
  std::uint64_t duration_ns = 0;
  std::uint64_t request_bytes = 0;
  std::uint64_t response_bytes = 0;
  Durations durations{};
  Sizes request_sizes{};
  Sizes response_sizes{};
};

void add(std::span<std::uint64_t> sum, std::span<const OwnCounter> counters) {
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += counters[i].get();
}

template <class Cell>
void add(Sum& sum, const Cell& cell) {
  Durations durations{};
  add(durations, cell.durations);
  for (std::size_t i = 0; i < durations.size(); ++i) {
    sum.durations[i] += durations[i];
    sum.requests += durations[i];  // so that counts and buckets agree, whenever they are read
  }
  sum.duration_ns += cell.duration_ns.get();
  sum.request_bytes += cell.request_bytes.get();
  sum.response_bytes += cell.response_bytes.get();
  add(sum.request_sizes, cell.request_sizes);
  add(sum.response_sizes, cell.response_sizes);
}

std::string flags_text(ResponseFlags flags) {
  char text[ResponseFlags::kMaxText];
  return {text, flags.write(text)};
}

std::string code_class(std::uint16_t status) { return status == 0 ? "0" : std::to_string(status / 100) + "xx"; }

struct OutcomeTexts {
  std::string code = "other";
  std::string code_class = "other";
  std::string flags = "other";
  std::string grpc_status;
  std::string protocol = "http";
  bool mutual_tls = false;
};

OutcomeTexts texts_of(std::uint64_t key) {
  OutcomeTexts texts;
  if (key == OutcomeKey::kOther) return texts;
  const auto outcome = OutcomeKey::unpacked(key);
  texts.code = std::to_string(outcome.status);
  texts.code_class = code_class(outcome.status);
  texts.flags = flags_text(outcome.flags);
  if (outcome.grpc_status != kNoGrpcStatus) texts.grpc_status = std::to_string(outcome.grpc_status);
  if (outcome.grpc) texts.protocol = "grpc";
  texts.mutual_tls = outcome.mutual_tls;
  return texts;
}

void add_own(metrics::Page& page, const SeriesLabels& series, const OutcomeTexts& outcome, const Sum& sum) {
  const Labels place = {
      {"listener", series.listener}, {"route", series.route}, {"rule", series.rule}, {"backend", series.cluster}};
  auto labels = place;
  labels.emplace_back("code", outcome.code);
  labels.emplace_back("grpc_status", outcome.grpc_status);
  labels.emplace_back("flags", outcome.flags);
  page.family("fairlead_gateway_requests", Type::kCounter, "requests by outcome; code 0: no response was sent")
      .add(metrics::label_text(labels), sum.requests);
  page.family("fairlead_gateway_request_bytes", Type::kCounter, "bytes of requests received, heads and bodies")
      .add(metrics::label_text(place), sum.request_bytes);
  page.family("fairlead_gateway_response_bytes", Type::kCounter, "bytes of responses sent, heads and bodies")
      .add(metrics::label_text(place), sum.response_bytes);
  auto classed = place;
  classed.emplace_back("code_class", outcome.code_class);
  std::array<double, kDurationBoundsMs.size()> seconds{};
  for (std::size_t i = 0; i < seconds.size(); ++i) seconds[i] = kDurationBoundsMs[i] / kMsPerSecond;
  page.family("fairlead_gateway_request_duration_seconds", Type::kHistogram,
              "time from the first byte of a request to the last of its response")
      .add_histogram(metrics::label_text(classed), seconds, sum.durations,
                     static_cast<double>(sum.duration_ns) / kNsPerMs / kMsPerSecond);
}

void add_workload(Labels& labels, bool source, const IstioWorkload& workload) {
  const auto add = [&](std::string_view of_source, std::string_view of_destination, const std::string& value) {
    labels.emplace_back(source ? of_source : of_destination, value);
  };
  add("source_workload", "destination_workload", workload.workload);
  add("source_workload_namespace", "destination_workload_namespace", workload.workload_namespace);
  add("source_canonical_service", "destination_canonical_service", workload.canonical_service);
  add("source_canonical_revision", "destination_canonical_revision", workload.canonical_revision);
  add("source_principal", "destination_principal", workload.principal);
  add("source_app", "destination_app", workload.app);
  add("source_version", "destination_version", workload.version);
  add("source_cluster", "destination_cluster", workload.cluster);
}

std::string istio_labels(const IstioLabels& istio, const OutcomeTexts& outcome) {
  Labels labels = {{"reporter", istio.reporter_is_source ? "source" : "destination"}};
  add_workload(labels, true, istio.source);
  add_workload(labels, false, istio.destination);
  labels.emplace_back("destination_service", istio.service);
  labels.emplace_back("destination_service_name", istio.service_name);
  labels.emplace_back("destination_service_namespace", istio.service_namespace);
  labels.emplace_back("request_protocol", outcome.protocol);
  labels.emplace_back("response_code", outcome.code);
  labels.emplace_back("grpc_response_status", outcome.grpc_status);
  labels.emplace_back("response_flags", outcome.flags);
  // Only the destination sees how the client came; as in Istio the source says "unknown".
  const auto* policy = istio.reporter_is_source ? "unknown" : outcome.mutual_tls ? "mutual_tls" : "none";
  labels.emplace_back("connection_security_policy", policy);
  return metrics::label_text(labels);
}

void add_istio(metrics::Page& page, const IstioLabels& istio, const OutcomeTexts& outcome, const Sum& sum) {
  const auto labels = istio_labels(istio, outcome);
  std::vector<double> bounds;
  std::vector<std::uint64_t> counts;
  std::uint64_t merged = 0;
  for (std::size_t i = 0; i < kDurationBoundsMs.size(); ++i) {
    merged += sum.durations[i];
    if (std::ranges::find(kNotInIstio, kDurationBoundsMs[i]) != kNotInIstio.end()) continue;
    bounds.push_back(kDurationBoundsMs[i]);
    counts.push_back(std::exchange(merged, 0));
  }
  counts.push_back(merged + sum.durations.back());
  page.family("istio_requests", Type::kCounter, "requests").add(labels, sum.requests);
  page.family("istio_request_duration_milliseconds", Type::kHistogram, "duration of requests")
      .add_histogram(labels, bounds, counts, static_cast<double>(sum.duration_ns) / kNsPerMs);
  page.family("istio_request_bytes", Type::kHistogram, "bytes of requests, heads and bodies")
      .add_histogram(labels, kSizeBounds, sum.request_sizes, static_cast<double>(sum.request_bytes));
  page.family("istio_response_bytes", Type::kHistogram, "bytes of responses, heads and bodies")
      .add_histogram(labels, kSizeBounds, sum.response_sizes, static_cast<double>(sum.response_bytes));
}

/// Milliseconds, linear within the bucket.
double interpolated(const Durations& counts, double q) {
  std::uint64_t all = 0;
  for (const auto count : counts) all += count;
  if (all == 0) return 0;
  const double rank = q * static_cast<double>(all);
  double below = 0;
  for (std::size_t i = 0; i < kDurationBoundsMs.size(); ++i) {
    const auto here = static_cast<double>(counts[i]);
    const double lower = i == 0 ? 0 : kDurationBoundsMs[i - 1];
    if (below + here >= rank && here > 0) return lower + (kDurationBoundsMs[i] - lower) * (rank - below) / here;
    below += here;
  }
  return kDurationBoundsMs.back();
}

struct CounterName {
  const char* family;
  const char* help;
};
// In the order of the enums.
constexpr std::array<CounterName, kListenerCounters> kListenerNames{{
    {"fairlead_gateway_connections", "connections of clients that were accepted"},
    {"fairlead_gateway_connections_closed", "connections of clients that ended"},
    {"fairlead_gateway_connections_shed",
     "connections of clients closed at once or while idle, for want of descriptors or memory"},
    {"fairlead_gateway_tls_failures", "TLS handshakes of clients that failed"},
    {"fairlead_gateway_tls_timeouts", "TLS handshakes of clients that took too long"},
    {"fairlead_gateway_requests_begun", "requests whose head was received"},
    {"fairlead_gateway_requests_ended", "requests that ended, however"},
    {"fairlead_gateway_refused_requests", "malformed requests, answered before they were routed"},
}};

template <class Counter>
constexpr std::size_t index(Counter counter) {
  return static_cast<std::size_t>(counter);
}

/// Begun or opened less ended: both are read without a lock, so an instant may show more ends than beginnings.
double active(std::uint64_t begun, std::uint64_t ended) {
  return begun > ended ? static_cast<double>(begun - ended) : 0;
}

template <std::size_t N>
void add_counters(metrics::Page& page, const std::array<CounterName, N>& names, const std::string& labels,
                  const std::array<std::uint64_t, N>& sums) {
  for (std::size_t i = 0; i < N; ++i) page.family(names[i].family, Type::kCounter, names[i].help).add(labels, sums[i]);
}

void append(std::string& key, const std::string& part) {
  key.append(std::to_string(part.size())).append(":").append(part);
}

}  // namespace

std::string key_of(const SeriesLabels& labels) {
  std::string key;
  for (const auto* part : {&labels.listener, &labels.route, &labels.rule, &labels.cluster}) append(key, *part);
  if (!labels.istio) return key;
  const auto& istio = *labels.istio;
  key += istio.reporter_is_source ? 's' : 'd';
  for (const auto* end : {&istio.source, &istio.destination})
    for (const auto* part : {&end->workload, &end->workload_namespace, &end->canonical_service,
                             &end->canonical_revision, &end->principal, &end->app, &end->version, &end->cluster})
      append(key, *part);
  for (const auto* part : {&istio.service, &istio.service_name, &istio.service_namespace}) append(key, *part);
  return key;
}

void Meter::add_listeners(metrics::Page& page, const View& view) {
  for (std::size_t id = 0; id < view.listeners.size(); ++id) {
    std::array<std::uint64_t, kListenerCounters> sums{};
    for (const auto* worker : view.workers)
      if (const auto* row = worker->tables_->listeners.at(id)) add(sums, row->counters);
    const auto labels = metrics::label_text({{"listener", *view.listeners[id]}});
    add_counters(page, kListenerNames, labels, sums);
    const auto of = [&](ListenerCounter counter) { return sums[index(counter)]; };
    page.family("fairlead_gateway_active_requests", Type::kGauge, "requests under way")
        .add(labels, active(of(ListenerCounter::kRequestsBegun), of(ListenerCounter::kRequestsEnded)));
    page.family("fairlead_gateway_open_connections", Type::kGauge, "connections of clients that stand")
        .add(labels, active(of(ListenerCounter::kConnectionsOpened), of(ListenerCounter::kConnectionsClosed)));
  }
}

void Meter::add_series(metrics::Page& page, const View& view) {
  std::array<std::uint64_t, kResponseFlags> by_flag{};
  for (std::size_t id = 0; id < view.series.size(); ++id) {
    std::unordered_map<std::uint64_t, Sum> sums;
    for (const auto* worker : view.workers) {
      const auto* slot = worker->tables_->series.at(id);
      if (slot == nullptr) continue;
      for (auto* cell = slot->first.load(std::memory_order_acquire); cell != nullptr;
           cell = cell->next.load(std::memory_order_acquire))
        add(sums[cell->key], *cell);
    }
    for (const auto& [key, sum] : sums) {
      const auto outcome = texts_of(key);
      add_own(page, *view.series[id], outcome, sum);
      if (view.series[id]->istio) add_istio(page, *view.series[id]->istio, outcome, sum);
      if (key == OutcomeKey::kOther) continue;
      const auto flags = OutcomeKey::unpacked(key).flags;
      for (std::size_t i = 0; i < kResponseFlags; ++i)
        if (flags.has(static_cast<ResponseFlag>(i))) by_flag[i] += sum.requests;
    }
  }
  auto& flags = page.family("fairlead_gateway_response_flags", Type::kCounter,
                            "requests by why their answer was not simply a backend's");
  for (std::size_t i = 0; i < kResponseFlags; ++i) {
    const auto& flag = info(static_cast<ResponseFlag>(i));
    flags.add(metrics::label_text({{"flag", std::string(flag.short_name)}, {"reason", std::string(flag.long_name)}}),
              by_flag[i]);
  }
}

std::vector<CounterSetValues> Meter::counter_sets() const {
  std::vector<const Names::CounterSet*> sets;
  std::vector<const WorkerMeter*> workers;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& set : names_->counter_sets) sets.push_back(&set);
    for (const auto& worker : workers_) workers.push_back(worker.get());
  }
  std::ranges::stable_sort(sets, {}, [](const auto* set) -> const CounterOwner& { return set->owner; });
  std::vector<CounterSetValues> out;
  for (const auto* set : sets) {
    CounterSetValues one{.family = &set->family, .owner = &set->owner, .part = &set->part, .values = {}};
    for (std::size_t i = 0; i < set->family.values.size(); ++i) {
      std::uint64_t sum = 0;
      for (const auto* worker : workers)
        if (const auto* row = worker->tables_->counters.at(set->first + i)) sum += row->get();
      if (sum > 0) one.values.push_back({set->family.values[i], sum});
    }
    if (!one.values.empty()) out.push_back(std::move(one));
  }
  return out;
}

void Meter::add_counter_sets(metrics::Page& page) const {
  for (const auto& set : counter_sets()) {
    auto& family = page.family(set.family->name, Type::kCounter, set.family->help);
    for (const auto& [value, count] : set.values) {
      Labels labels{{"policy", set.owner->policy}, {"section", set.owner->section}};
      if (!set.part->first.empty()) labels.push_back(*set.part);
      labels.emplace_back(set.family->label, std::string(value));
      family.add(metrics::label_text(labels), count);
    }
  }
}

void Meter::add_to(metrics::Page& page) const {
  const auto seen = view();
  add_listeners(page, seen);
  add_series(page, seen);
  add_counter_sets(page);
  std::uint64_t overflowed = 0;
  std::uint64_t cells = 0;
  for (const auto* worker : seen.workers) {
    overflowed += worker->overflowed_.load(std::memory_order_relaxed);
    cells += worker->cells_.load(std::memory_order_relaxed);
  }
  page.family("fairlead_gateway_series_overflowed", Type::kCounter,
              "requests counted under \"other\": too many outcomes")
      .add("", overflowed);
  page.family("fairlead_gateway_series_refused", Type::kCounter, "times that a series was not registered: too many")
      .add("", seen.refused_series);
  page.family("fairlead_gateway_counters_refused", Type::kCounter,
              "times that a section's counters were not registered: too many")
      .add("", seen.refused_counters);
  page.family("fairlead_gateway_series", Type::kGauge, "outcomes with counters, of all workers")
      .add("", static_cast<double>(cells));
}

std::vector<SeriesTotals> Meter::totals() const {
  const auto add_durations = [](DurationTotals& total, std::span<const OwnCounter> counts, const OwnCounter& ns) {
    add(total.counts, counts);
    total.sum_ms += static_cast<double>(ns.get()) / kNsPerMs;
  };
  std::vector<SeriesTotals> result;
  const auto seen = view();
  for (std::size_t id = 0; id < seen.series.size(); ++id) {
    SeriesTotals total;
    for (const auto* worker : seen.workers) {
      const auto* slot = worker->tables_->series.at(id);
      if (slot == nullptr) continue;
      for (auto* cell = slot->first.load(std::memory_order_acquire); cell != nullptr;
           cell = cell->next.load(std::memory_order_acquire)) {
        SeriesTotals::Outcome outcome;
        if (cell->key != OutcomeKey::kOther) {
          const auto key = OutcomeKey::unpacked(cell->key);
          outcome.status = key.status;
          outcome.flags = key.flags;
        }
        for (const auto& count : cell->durations) outcome.requests += count.get();
        total.outcomes.push_back(outcome);
        total.request_bytes += cell->request_bytes.get();
        total.response_bytes += cell->response_bytes.get();
        add_durations(total.whole, cell->durations, cell->duration_ns);
      }
      if (const auto* split = slot->split.load(std::memory_order_acquire)) {
        add_durations(total.backend, split->backend, split->backend_ns);
        add_durations(total.own, split->own, split->own_ns);
      }
    }
    if (total.outcomes.empty()) continue;
    total.labels = *seen.series[id];
    result.push_back(std::move(total));
  }
  return result;
}

std::vector<SeriesSummary> Meter::summaries() const {
  std::vector<SeriesSummary> result;
  const auto seen = view();
  for (std::size_t id = 0; id < seen.series.size(); ++id) {
    SeriesSummary summary;
    Sum all;
    for (const auto* worker : seen.workers) {
      const auto* slot = worker->tables_->series.at(id);
      if (slot == nullptr) continue;
      for (auto* cell = slot->first.load(std::memory_order_acquire); cell != nullptr;
           cell = cell->next.load(std::memory_order_acquire)) {
        const auto before = all.requests;
        add(all, *cell);
        const auto status = OutcomeKey::unpacked(cell->key).status;
        if (cell->key != OutcomeKey::kOther && (status == 0 || status >= 500)) summary.errors += all.requests - before;
      }
    }
    if (all.requests == 0) continue;
    summary.labels = *seen.series[id];
    summary.requests = all.requests;
    summary.p50_ms = interpolated(all.durations, 0.5);
    summary.p99_ms = interpolated(all.durations, 0.99);
    result.push_back(std::move(summary));
  }
  return result;
}

}  // namespace fairlead::telemetry
