// SPDX-License-Identifier: Apache-2.0
#include "fairlead/telemetry/meter.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <numeric>
#include <random>
#include <thread>

#include "sample.hpp"

namespace fairlead::telemetry {
namespace {

using test::Sample;
using ::testing::HasSubstr;
using ::testing::Not;

std::string page_of(const Meter& meter) {
  metrics::Page page;
  meter.add_to(page);
  return page.print(metrics::Format::kPrometheus);
}

SeriesLabels series_of(const std::string& route) {
  return {.listener = "web", .route = route, .rule = "0", .cluster = "b", .istio = {}};
}

TEST(Meter, RequestsAreCountedByOutcomeAndSummedOverWorkers) {
  Meter meter;
  auto& one = meter.add_worker();
  const auto id = meter.series(series_of("r"));
  auto& two = meter.add_worker();  // begun later
  EXPECT_EQ(meter.series(series_of("r")), id);
  EXPECT_NE(meter.series(series_of("s")), id);
  Sample sample;
  one.finish(id, sample.record);
  two.finish(id, sample.record);
  sample.record.status = 503;
  sample.record.flags.set(ResponseFlag::kUpstreamOverflow);
  two.finish(id, sample.record);
  const auto page = page_of(meter);
  const std::string place = "listener=\"web\",route=\"r\",rule=\"0\",backend=\"b\"";
  EXPECT_THAT(
      page, HasSubstr("fairlead_gateway_requests_total{" + place + ",code=\"200\",grpc_status=\"\",flags=\"-\"} 2\n"));
  EXPECT_THAT(
      page, HasSubstr("fairlead_gateway_requests_total{" + place + ",code=\"503\",grpc_status=\"\",flags=\"UO\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("fairlead_gateway_request_bytes_total{" + place + "} 645\n"));
  EXPECT_THAT(page, HasSubstr("fairlead_gateway_response_bytes_total{" + place + "} 660\n"));
  // 12.999999 ms
  const auto bucket = "fairlead_gateway_request_duration_seconds_bucket{" + place + ",code_class=\"2xx\",le=";
  EXPECT_THAT(page, HasSubstr(bucket + "\"0.01\"} 0\n"));
  EXPECT_THAT(page, HasSubstr(bucket + "\"0.025\"} 2\n"));
  EXPECT_THAT(page, HasSubstr(bucket + "\"+Inf\"} 2\n"));
  EXPECT_THAT(page, HasSubstr("fairlead_gateway_request_duration_seconds_count{" + place + ",code_class=\"5xx\"} 1\n"));
  EXPECT_THAT(page, Not(HasSubstr("istio_")));
}

TEST(Meter, IstiosNamesHaveItsLabels) {
  Meter meter;
  auto& worker = meter.add_worker();
  auto labels = series_of("r");
  IstioLabels istio;
  istio.reporter_is_source = false;
  istio.source.workload = "client";
  istio.destination.workload_namespace = "shop";
  istio.service = "web.shop.svc.cluster.local";
  labels.istio = std::make_shared<const IstioLabels>(istio);
  const auto id = meter.series(labels);
  EXPECT_NE(id, meter.series(series_of("r")));
  Sample sample;
  sample.record.grpc = true;
  sample.record.grpc_status = 14;
  worker.finish(id, sample.record);
  const auto page = page_of(meter);
  const std::string expected =
      "{reporter=\"destination\",source_workload=\"client\",source_workload_namespace=\"unknown\","
      "source_canonical_service=\"unknown\",source_canonical_revision=\"latest\",source_principal=\"unknown\","
      "source_app=\"unknown\",source_version=\"unknown\",source_cluster=\"Kubernetes\",destination_workload="
      "\"unknown\","
      "destination_workload_namespace=\"shop\",destination_canonical_service=\"unknown\","
      "destination_canonical_revision=\"latest\",destination_principal=\"unknown\",destination_app=\"unknown\","
      "destination_version=\"unknown\",destination_cluster=\"Kubernetes\",destination_service=\"web.shop.svc.cluster."
      "local\","
      "destination_service_name=\"unknown\",destination_service_namespace=\"unknown\",request_protocol=\"grpc\","
      "response_code=\"200\",grpc_response_status=\"14\",response_flags=\"-\",connection_security_policy=\"mutual_"
      "tls\"";
  EXPECT_THAT(page, HasSubstr("istio_requests_total" + expected + "} 1\n"));
  EXPECT_THAT(page, HasSubstr("istio_request_duration_milliseconds_bucket" + expected + ",le=\"10.0\"} 0\n"));
  EXPECT_THAT(page, HasSubstr("istio_request_duration_milliseconds_bucket" + expected + ",le=\"25.0\"} 1\n"));
  EXPECT_THAT(page, Not(HasSubstr(expected + ",le=\"2.5\"}")));  // not one of Istio's
  EXPECT_THAT(page, HasSubstr("istio_request_duration_milliseconds_sum" + expected + "} 12.999999\n"));
  EXPECT_THAT(page, HasSubstr("istio_request_bytes_sum" + expected + "} 215\n"));
  EXPECT_THAT(page, HasSubstr("istio_request_bytes_bucket" + expected + ",le=\"256.0\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("istio_response_bytes_count" + expected + "} 1\n"));
}

TEST(Meter, SizesFallIntoTheBucketOfTheirEdge) {
  Meter meter;
  auto& worker = meter.add_worker();
  auto labels = series_of("r");
  labels.istio = std::make_shared<const IstioLabels>();
  const auto id = meter.series(labels);
  Sample sample;
  std::vector<std::uint64_t> sizes{0, 1ULL << 40};
  for (const double bound : kSizeBounds) {
    sizes.push_back(static_cast<std::uint64_t>(bound));
    sizes.push_back(static_cast<std::uint64_t>(bound) + 1);
  }
  for (const auto size : sizes) {
    sample.record.bytes = {.request_head = 0, .request_body = size, .response_head = 0, .response_body = size};
    worker.finish(id, sample.record);
  }
  const auto page = page_of(meter);
  for (const double bound : kSizeBounds) {
    const auto expected = std::ranges::count_if(sizes, [&](auto size) { return static_cast<double>(size) <= bound; });
    char edge[48];
    std::snprintf(edge, sizeof edge, ",le=\"%.1f\"} %ld\n", bound, static_cast<long>(expected));
    if (bound < 1e6) {
      EXPECT_THAT(page, HasSubstr(edge)) << bound;
    }
  }
}

TEST(Meter, SeriesBeyondTheLimitShareOne) {
  Meter meter({.series = 2, .cells = 100, .cells_of_series = 100});
  auto& worker = meter.add_worker();
  EXPECT_NE(meter.series(series_of("a")), Meter::kOverflow);
  EXPECT_NE(meter.series(series_of("b")), Meter::kOverflow);
  const auto third = meter.series(series_of("c"));
  EXPECT_EQ(third, Meter::kOverflow);
  EXPECT_NE(meter.series(series_of("a")), Meter::kOverflow);
  Sample sample;
  worker.finish(third, sample.record);
  worker.finish(12345, sample.record);  // a number that was never given
  const auto page = page_of(meter);
  EXPECT_THAT(page, HasSubstr("fairlead_gateway_requests_total{listener=\"overflow\",route=\"overflow\",rule=\"\","
                              "backend=\"overflow\",code=\"200\",grpc_status=\"\",flags=\"-\"} 2\n"));
  EXPECT_THAT(page, HasSubstr("fairlead_gateway_series_refused_total 1\n"));
}

TEST(Meter, ABackendCannotMakeAnyNumberOfOutcomes) {
  Meter meter({.series = 10, .cells = 8, .cells_of_series = 4});
  auto& worker = meter.add_worker();
  const auto a = meter.series(series_of("a"));
  const auto b = meter.series(series_of("b"));
  const auto c = meter.series(series_of("c"));
  Sample sample;
  for (const auto id : {a, b, c})
    for (std::uint16_t status = 200; status < 210; ++status) {
      sample.record.status = status;
      worker.finish(id, sample.record);
    }
  const auto page = page_of(meter);
  const auto other = [](const std::string& route, int count) {
    return "route=\"" + route + "\",rule=\"0\",backend=\"b\",code=\"other\",grpc_status=\"\",flags=\"other\"} " +
           std::to_string(count) + "\n";
  };
  EXPECT_THAT(page, HasSubstr(other("a", 6)));
  // b fills what is left in all, then everything goes to the overflow series: nothing is lost.
  EXPECT_THAT(page, HasSubstr("fairlead_gateway_requests_total{listener=\"overflow\",route=\"overflow\",rule=\"\","
                              "backend=\"overflow\",code=\"other\""));
  EXPECT_THAT(page, HasSubstr("fairlead_gateway_series 9\n"));
  std::uint64_t all = 0;
  for (const auto& summary : meter.summaries()) all += summary.requests;
  EXPECT_EQ(all, 30U);
}

TEST(Meter, ListenersHaveCountersAndGauges) {
  Meter meter;
  auto& one = meter.add_worker();
  const auto listener = meter.listener("web/https");
  const auto other = meter.listener("web/http");
  EXPECT_EQ(meter.listener("web/https"), listener);
  auto& two = meter.add_worker();
  one.count(listener, ListenerCounter::kConnectionsOpened, 3);
  one.count(other, ListenerCounter::kConnectionsOpened);
  two.count(listener, ListenerCounter::kConnectionsClosed);
  one.count(listener, ListenerCounter::kRequestsBegun);
  one.count(listener + 1000, ListenerCounter::kMalformed);  // a number that was never given
  const auto page = page_of(meter);
  EXPECT_THAT(page, HasSubstr("fairlead_gateway_connections_total{listener=\"web/https\"} 3\n"));
  EXPECT_THAT(page, HasSubstr("fairlead_gateway_open_connections{listener=\"web/https\"} 2\n"));
  EXPECT_THAT(page, HasSubstr("fairlead_gateway_active_requests{listener=\"web/https\"} 1\n"));
  EXPECT_EQ(one.total(ListenerCounter::kConnectionsOpened), 4U);
  EXPECT_EQ(two.total(ListenerCounter::kConnectionsOpened), 0U);
}

constexpr std::string_view kColours[] = {"red", "green"};
constexpr CounterFamily kFamily{"fairlead_gateway_things", "things", "colour", kColours};

TEST(Meter, SetsOfCountersAreSummedOverWorkersAndStayWithTheirOwner) {
  Meter meter;
  auto& one = meter.add_worker();
  const auto things = meter.counters(kFamily, {"p", "s"});
  auto& two = meter.add_worker();  // begun later
  const auto part = meter.counters(kFamily, {"p", "s"}, {"of", "x\"y"});
  EXPECT_EQ(meter.counters(kFamily, {"p", "s"}), things);
  EXPECT_NE(part, things);
  EXPECT_NE(meter.counters(kFamily, {"p", "t"}), things);
  one.add(things + 1);
  two.add(things + 1, 4);
  two.add(part, 7);
  const auto page = page_of(meter);
  EXPECT_THAT(page, HasSubstr("fairlead_gateway_things_total{policy=\"p\",section=\"s\",colour=\"green\"} 5\n"));
  EXPECT_THAT(page,
              HasSubstr("fairlead_gateway_things_total{policy=\"p\",section=\"s\",of=\"x\\\"y\",colour=\"red\"} 7\n"));
  EXPECT_THAT(page, Not(HasSubstr("section=\"s\",colour=\"red\"")));  // 0
  EXPECT_THAT(page, Not(HasSubstr("section=\"t\"")));
}

TEST(Meter, TotalsHaveWhatBackendsTookAndTheRest) {
  Meter meter;
  auto& worker = meter.add_worker();
  const auto id = meter.series(series_of("r"));
  Sample sample;  // its backend was asked after 1 ms, and answered after 4.5 ms
  worker.finish(id, sample.record);
  sample.record.status = 503;
  sample.record.times.first_byte = 0;
  worker.finish(id, sample.record);
  const auto totals = meter.totals();
  ASSERT_EQ(totals.size(), 1U);
  const auto& total = totals[0];
  EXPECT_EQ(total.labels.route, "r");
  ASSERT_EQ(total.outcomes.size(), 2U);
  EXPECT_EQ(total.outcomes[1].status, 503);
  EXPECT_EQ(total.response_bytes, 440U);
  const auto count = [](const DurationTotals& of) { return std::accumulate(of.counts.begin(), of.counts.end(), 0U); };
  EXPECT_EQ(count(total.whole), 2U);
  EXPECT_EQ(count(total.backend), 1U);
  EXPECT_DOUBLE_EQ(total.backend.sum_ms, 4.5);
  EXPECT_DOUBLE_EQ(total.own.sum_ms, 1);
}

TEST(Meter, SetsBeyondTheLimitAreCountedNowhere) {
  Meter meter({.counters = kMostInSet + 2});
  auto& worker = meter.add_worker();
  const auto first = meter.counters(kFamily, {"p", "s"});
  const auto refused = meter.counters(kFamily, {"q", "s"});
  EXPECT_EQ(refused, 0U);
  worker.add(first);
  worker.add(refused + 1, 100);
  const auto page = page_of(meter);
  EXPECT_THAT(page, HasSubstr("fairlead_gateway_things_total{policy=\"p\",section=\"s\",colour=\"red\"} 1\n"));
  EXPECT_THAT(page, Not(HasSubstr("100\n")));
  EXPECT_THAT(page, HasSubstr("fairlead_gateway_counters_refused_total 1\n"));
}

TEST(Meter, FlagsAreSummedOverSeries) {
  Meter meter;
  auto& worker = meter.add_worker();
  Sample sample;
  sample.record.flags = {ResponseFlag::kUpstreamConnectionFailure, ResponseFlag::kUpstreamRetryLimitExceeded};
  worker.finish(meter.series(series_of("a")), sample.record);
  worker.finish(meter.series(series_of("b")), sample.record);
  const auto page = page_of(meter);
  EXPECT_THAT(page,
              HasSubstr("fairlead_gateway_response_flags_total{flag=\"UF\",reason=\"UpstreamConnectionFailure\"} 2\n"));
  EXPECT_THAT(page, HasSubstr("{flag=\"URX\",reason=\"UpstreamRetryLimitExceeded\"} 2\n"));
  EXPECT_THAT(page, HasSubstr("{flag=\"NR\",reason=\"NoRouteFound\"} 0\n"));
}

TEST(Meter, IsReadWhileWorkersCountAndMainRegisters) {
  Meter meter;
  constexpr int kWorkers = 2;
  constexpr std::uint64_t kRequests = 20000;
  std::vector<std::thread> workers;
  std::atomic<SeriesId> last{meter.series(series_of("0"))};
  for (int i = 0; i < kWorkers; ++i) {
    auto& worker = meter.add_worker();
    workers.emplace_back([&worker, &last] {
      Sample sample;
      for (std::uint64_t n = 0; n < kRequests; ++n) {
        sample.record.status = static_cast<std::uint16_t>(200 + n % 5);
        worker.finish(last.load(std::memory_order_acquire), sample.record);
      }
    });
  }
  for (int i = 1; i < 600; ++i) {
    last.store(meter.series(series_of(std::to_string(i))), std::memory_order_release);
    if (i % 100 == 0) {
      EXPECT_FALSE(page_of(meter).empty());
    }
  }
  for (auto& worker : workers) worker.join();
  std::uint64_t all = 0;
  for (const auto& summary : meter.summaries()) all += summary.requests;
  EXPECT_EQ(all, kWorkers * kRequests);
}

TEST(Meter, SummariesHaveErrorsAndQuantiles) {
  Meter meter;
  auto& worker = meter.add_worker();
  const auto id = meter.series(series_of("r"));
  Sample sample;
  for (int i = 0; i < 100; ++i) {
    sample.record.status = i < 90 ? 200 : i < 95 ? 502 : 0;
    sample.record.times.end = sample.record.times.start + (i < 90 ? 7'000'000U : 70'000'000U);
    worker.finish(id, sample.record);
  }
  const auto summaries = meter.summaries();
  ASSERT_EQ(summaries.size(), 1U);
  EXPECT_EQ(summaries[0].labels.route, "r");
  EXPECT_EQ(summaries[0].requests, 100U);
  EXPECT_EQ(summaries[0].errors, 10U);
  EXPECT_GT(summaries[0].p50_ms, 5);
  EXPECT_LE(summaries[0].p50_ms, 10);
  EXPECT_GT(summaries[0].p99_ms, 50);
  EXPECT_LE(summaries[0].p99_ms, 100);
}

TEST(LatencyHistogram, QuantilesAreWithinOneBucketOfTheTruth) {
  LatencyHistogram histogram;
  std::vector<std::uint64_t> values;
  std::mt19937_64 random(11);
  for (int i = 0; i < 20000; ++i) {
    values.push_back(1024 + (random() >> (24 + random() % 30)));
    histogram.add(values.back());
  }
  std::ranges::sort(values);
  std::vector<std::uint64_t> counts(LatencyHistogram::kBuckets);
  histogram.add_to(counts);
  for (const double q : {0.0, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const auto truth = values[static_cast<std::size_t>(q * static_cast<double>(values.size() - 1))];
    const auto found = quantile(counts, q);
    EXPECT_GT(found, truth) << q;
    EXPECT_LE(static_cast<double>(found), static_cast<double>(truth) * (1 + 1.0 / 32) + 1) << q;
  }
  EXPECT_EQ(quantile(std::vector<std::uint64_t>(LatencyHistogram::kBuckets), 0.5), 0U);
}

TEST(LatencyHistogram, BucketsMeetWithoutGap) {
  for (std::size_t bucket = 0; bucket + 1 < LatencyHistogram::kBuckets; ++bucket) {
    const auto edge = LatencyHistogram::upper_edge(bucket);
    EXPECT_EQ(LatencyHistogram::bucket_of(edge - 1), bucket);
    EXPECT_EQ(LatencyHistogram::bucket_of(edge), bucket + 1);
  }
  EXPECT_EQ(LatencyHistogram::bucket_of(~std::uint64_t{0}), LatencyHistogram::kBuckets - 1);
}

}  // namespace
}  // namespace fairlead::telemetry
