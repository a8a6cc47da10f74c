// SPDX-License-Identifier: Apache-2.0
#include "fairlead/telemetry/meter.hpp"

#include "gateway/dataplane/telemetry/meter_cells.hpp"
#include "gateway/dataplane/telemetry/meter_names.hpp"

namespace fairlead::telemetry {
namespace {

constexpr auto kDurationBoundsNs = [] {
  std::array<std::uint64_t, kDurationBoundsMs.size()> bounds{};
  for (std::size_t i = 0; i < bounds.size(); ++i) bounds[i] = static_cast<std::uint64_t>(kDurationBoundsMs[i] * 1e6);
  return bounds;
}();

std::size_t duration_bucket(std::uint64_t ns) {
  return static_cast<std::size_t>(std::ranges::lower_bound(kDurationBoundsNs, ns) - kDurationBoundsNs.begin());
}

/// The bounds are powers of four from 2^8: the first that is not below `bytes`.
std::size_t size_bucket(std::uint64_t bytes) {
  if (bytes <= 256) return 0;
  const auto bits = static_cast<std::size_t>(std::bit_width(bytes - 1));
  return std::min<std::size_t>((bits - 7) / 2, kSizeBounds.size());
}

}  // namespace

WorkerMeter::WorkerMeter(const MeterLimits& limits) : limits_(limits), tables_(std::make_unique<Tables>()) {}
WorkerMeter::~WorkerMeter() = default;

void WorkerMeter::count(ListenerId listener, ListenerCounter counter, std::uint64_t by) {
  if (auto* row = tables_->listeners.at(listener)) row->counters[static_cast<std::size_t>(counter)].add(by);
}

void WorkerMeter::add(CounterId counter, std::uint64_t by) {
  if (auto* row = tables_->counters.at(counter)) row->add(by);
}

std::uint64_t WorkerMeter::total(ListenerCounter counter) const {
  std::uint64_t sum = 0;
  tables_->listeners.for_each(
      [&](const ListenerRow& row) { sum += row.counters[static_cast<std::size_t>(counter)].get(); });
  return sum;
}

WorkerMeter::Cell* WorkerMeter::make(Slot& slot, std::uint64_t key) {
  auto& tables = *tables_;
  if (tables.cells.empty() || tables.used == Tables::kRun) {
    tables.cells.push_back(std::make_unique<Cell[]>(Tables::kRun));
    tables.used = 0;
  }
  auto* made = &tables.cells.back()[tables.used++];
  made->key = key;
  // Behind the others: the commonest outcome is met first and stays first.
  auto* link = &slot.first;
  while (auto* cell = link->load(std::memory_order_relaxed)) link = &cell->next;
  link->store(made, std::memory_order_release);
  ++slot.cells;
  cells_.store(cells_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  return made;
}

WorkerMeter::Cell* WorkerMeter::find_or_make(SeriesId series, std::uint64_t key) {
  auto* slot = tables_->series.at(series);
  if (slot == nullptr) slot = tables_->series.at(Meter::kOverflow);
  const auto find = [](const Slot& in, std::uint64_t wanted) {
    auto* cell = in.first.load(std::memory_order_relaxed);
    while (cell != nullptr && cell->key != wanted) cell = cell->next.load(std::memory_order_relaxed);
    return cell;
  };
  if (auto* cell = find(*slot, key)) return cell;
  const bool all_used = cells_.load(std::memory_order_relaxed) >= limits_.cells;
  if (!all_used && slot->cells < limits_.cells_of_series) return make(*slot, key);
  overflowed_.store(overflowed_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  // One cell more for all other outcomes, of this series or, where there are too many in all, of all series.
  auto& common = all_used ? *tables_->series.at(Meter::kOverflow) : *slot;
  auto* cell = find(common, OutcomeKey::kOther);
  return cell != nullptr ? cell : make(common, OutcomeKey::kOther);
}

/// Where a record says when its backend was asked.
void WorkerMeter::add_split(SeriesId series, const RequestTimes& times) {
  const auto asked = times.connected != 0 ? times.connected : times.route;
  const auto backend = between(asked, times.first_byte), before = between(times.start, asked);
  auto* slot = tables_->series.at(series);
  if (!backend.known || !before.known || slot == nullptr) return;
  auto* split = slot->split.load(std::memory_order_relaxed);
  if (split == nullptr) slot->split.store(split = new Split, std::memory_order_release);
  split->backend_ns.add(backend.ns);
  split->backend[duration_bucket(backend.ns)].add(1);
  split->own_ns.add(before.ns);
  split->own[duration_bucket(before.ns)].add(1);
}

void WorkerMeter::finish(SeriesId series, const RequestRecord& record) {
  OutcomeKey key;
  key.status = record.status;
  key.grpc = record.grpc;
  key.grpc_status = record.grpc_status >= 0 && record.grpc_status < 127 ? record.grpc_status
                                                                        : static_cast<std::int16_t>(kNoGrpcStatus);
  key.mutual_tls = record.tls != nullptr && record.tls->peer_verified;
  key.flags = record.flags;
  auto& cell = *find_or_make(series, key.packed());
  const auto took = between(record.times.start, record.times.end).ns;
  cell.duration_ns.add(took);
  cell.durations[duration_bucket(took)].add(1);
  cell.request_bytes.add(record.bytes.request_head + record.bytes.request_body);
  cell.response_bytes.add(record.bytes.response_head + record.bytes.response_body);
  cell.request_sizes[size_bucket(record.bytes.request_head + record.bytes.request_body)].add(1);
  cell.response_sizes[size_bucket(record.bytes.response_head + record.bytes.response_body)].add(1);
  latency_.add(took);
  if (record.times.first_byte != 0) add_split(series, record.times);
}

Meter::Meter(const MeterLimits& limits) : limits_(limits), names_(std::make_unique<Names>()) {
  names_->series.push_back(
      {.listener = "overflow", .route = "overflow", .rule = {}, .cluster = "overflow", .istio = {}});
}
Meter::~Meter() = default;

WorkerMeter& Meter::add_worker() {
  std::unique_ptr<WorkerMeter> worker(new WorkerMeter(limits_));
  const std::lock_guard lock(mutex_);
  worker->tables_->series.grow_to(names_->series.size());
  worker->tables_->listeners.grow_to(names_->listeners.size());
  worker->tables_->counters.grow_to(names_->next_counter);
  workers_.push_back(std::move(worker));
  return *workers_.back();
}

SeriesId Meter::series(const SeriesLabels& labels) {
  auto key = key_of(labels);
  const std::lock_guard lock(mutex_);
  if (const auto found = names_->series_ids.find(key); found != names_->series_ids.end()) return found->second;
  if (names_->series.size() > limits_.series) {
    ++refused_series_;
    return kOverflow;
  }
  const auto id = static_cast<SeriesId>(names_->series.size());
  names_->series.push_back(labels);
  names_->series_ids.emplace(std::move(key), id);
  for (const auto& worker : workers_) worker->tables_->series.grow_to(names_->series.size());
  return id;
}

ListenerId Meter::listener(const std::string& name) {
  const std::lock_guard lock(mutex_);
  const auto [found, added] = names_->listener_ids.try_emplace(name, static_cast<ListenerId>(names_->listeners.size()));
  if (added) names_->listeners.push_back(name);
  for (const auto& worker : workers_) worker->tables_->listeners.grow_to(names_->listeners.size());
  return found->second;
}

CounterId Meter::counters(const CounterFamily& family, const CounterOwner& owner, const CounterPart& part) {
  const auto key =
      metrics::label_text({{"family", family.name}, {"policy", owner.policy}, {"section", owner.section}, part});
  const std::lock_guard lock(mutex_);
  const auto [found, added] = names_->counter_ids.try_emplace(key, names_->next_counter);
  if (!added) return found->second;
  if (names_->next_counter + family.values.size() > limits_.counters) {
    names_->counter_ids.erase(found);
    ++refused_counters_;
    return 0;
  }
  names_->counter_sets.push_back({family, owner, part, names_->next_counter});
  names_->next_counter += static_cast<CounterId>(family.values.size());
  for (const auto& worker : workers_) worker->tables_->counters.grow_to(names_->next_counter);
  return found->second;
}

Meter::View Meter::view() const {
  View view;
  const std::lock_guard lock(mutex_);
  for (const auto& series : names_->series) view.series.push_back(&series);
  for (const auto& listener : names_->listeners) view.listeners.push_back(&listener);
  for (const auto& worker : workers_) view.workers.push_back(worker.get());
  view.refused_series = refused_series_;
  view.refused_counters = refused_counters_;
  return view;
}

}  // namespace fairlead::telemetry
