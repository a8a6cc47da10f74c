// SPDX-License-Identifier: Apache-2.0
// What telemetry costs a request of the L7 engine: counters, a line of the JSON log, a span; and how often it
// allocates.
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string_view>

#include "bench/cpu_time.hpp"
#include "bench/figures.hpp"
#include "fairlead/telemetry/access_log.hpp"
#include "fairlead/telemetry/meter.hpp"
#include "fairlead/telemetry/otlp.hpp"
#include "fairlead/telemetry/trace_context.hpp"
#include "unit/telemetry_l7/sample.hpp"

namespace {

std::atomic<std::uint64_t> allocations{0};

}  // namespace

void* operator new(std::size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* memory = std::malloc(size)) return memory;
  std::abort();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace {

using namespace fairlead::telemetry;
namespace bench = fairlead::bench;

constexpr int kRounds = 15;
constexpr int kRequests = 100'000;

/// Nanoseconds of `work` for one request, the median of rounds.
double cost(auto&& work) {
  std::vector<double> rounds;
  for (int round = 0; round <= kRounds; ++round) {
    const auto start = bench::cpu_ns();
    for (int i = 0; i < kRequests; ++i) work(i);
    if (round != 0) rounds.push_back((bench::cpu_ns() - start) / kRequests);
  }
  return bench::median(rounds);
}

/// Requests that differ in what differs in real life, at 20 000 a second.
void vary(RequestRecord& record, int i) {
  record.start_unix_ns += 50'000;
  record.times.end = record.times.start + 300'000 + static_cast<std::uint64_t>(i % 1000) * 1000;
  record.bytes.response_body = static_cast<std::uint64_t>(i % 3000);
  record.client.port = static_cast<std::uint16_t>(i);
  record.status = i % 50 == 0 ? 404 : 200;
}

}  // namespace

int main(int argc, char** argv) {
  bench::Figures figures(argc > 1 && std::strcmp(argv[1], "--json") == 0);
  test::Sample sample;
  auto& record = sample.record;
  Meter meter;
  auto& worker = meter.add_worker();
  SeriesId series = 0;
  for (int i = 0; i < 100; ++i)
    series =
        meter.series({.listener = "web", .route = "r" + std::to_string(i), .rule = "0", .cluster = "b", .istio = {}});
  auto writer = std::move(*LogWriter::create());
  LogTarget target;
  target.kind = LogTarget::Kind::kFile;
  target.path = "/dev/null";
  const auto output = *writer->open(target);
  const auto open_log = [&](LogFormat format) {
    return std::make_unique<WorkerLog>(
        std::make_shared<const AccessLog>(AccessLog{.format = std::move(format), .filter = {}, .output = output}),
        *writer);
  };
  const auto json = open_log(LogFormat::json());
  const auto combined = open_log(LogFormat::combined());
  std::vector<char> span(kMaxSpanBytes);
  IdGenerator ids;

  const auto before = allocations.load();
  figures.add("telemetry: filling in the record", cost([&](int i) { vary(record, i); }), "ns");
  figures.add("telemetry: counters", cost([&](int i) {
                vary(record, i);
                worker.finish(series, record);
              }),
              "ns");
  figures.add("telemetry: a line of the combined log", cost([&](int i) {
                vary(record, i);
                combined->log(record);
              }),
              "ns");
  figures.add("telemetry: a line of the JSON log", cost([&](int i) {
                vary(record, i);
                json->log(record);
              }),
              "ns");
  figures.add("telemetry: counters and a line of the JSON log", cost([&](int i) {
                vary(record, i);
                worker.finish(series, record);
                json->log(record);
              }),
              "ns", 300);
  figures.add("telemetry: encoding the spans of a request", cost([&](int i) {
                vary(record, i);
                encode_server_span(record, span.data());
                encode_client_span(record, span.data());
              }),
              "ns");
  figures.add("telemetry: a trace begun", cost([&](int) { record.trace = begin_trace({}, {.fraction = 0.1}, ids); }),
              "ns");
  // The log thread allocates a little in each of its passes, some 200 a second; 11 million requests were made.
  const double each = static_cast<double>(allocations.load() - before) / (7.0 * (kRounds + 1) * kRequests);
  figures.add("telemetry: allocations for each request", each, "", 0.001);
  const auto counts = writer->counts();
  figures.add("telemetry: lines dropped of those made",
              100.0 * static_cast<double>(counts[0].dropped[0]) /
                  static_cast<double>(counts[0].dropped[0] + counts[0].lines + 1),
              "%");
  return 0;
}
