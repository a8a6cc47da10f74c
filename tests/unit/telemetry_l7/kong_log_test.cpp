// SPDX-License-Identifier: Apache-2.0
// Records in Kong's words: lines of JSON, and metrics.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "fairlead/telemetry/access_log.hpp"
#include "fairlead/telemetry/log_format.hpp"
#include "fairlead/telemetry/statsd.hpp"
#include "sample.hpp"

namespace fairlead::telemetry {
namespace {

using test::line;
using test::Sample;
using Json = nlohmann::json;
using Metric = model::ClientLogMetric;

TEST(KongLog, IsOneObjectWhateverTheRequestHolds) {
  std::mt19937 random(4711);
  const auto format = LogFormat::kong();
  KongNames names;
  names.route_json = Json{{"name", std::string(7000, 'r')}}.dump();
  names.service_json = Json{{"name", std::string(7000, 's')}}.dump();
  for (int round = 0; round < 60; ++round) {
    Sample sample;
    std::vector<std::string> texts;
    const auto text = [&](std::size_t most) -> std::string_view {
      std::string made(random() % most, '\0');
      const bool hostile = random() % 2 == 0;  // characters whose escapes are the longest
      for (auto& c : made) c = hostile ? static_cast<char>(random() % 32) : static_cast<char>(random());
      return texts.emplace_back(std::move(made));
    };
    texts.reserve(1000);
    auto& record = sample.record;
    http::Fields fields;
    for (auto count = random() % 300; count > 0; --count)
      fields.push_back({random() % 3 == 0 ? std::string_view("same") : text(600), text(6000)});
    record.request = record.response = &fields;
    record.method = text(1000);
    record.authority = text(5000);
    record.request_id = text(1000);
    record.consumer = text(5000);
    record.consumer_custom_id = text(5000);
    record.credential = text(9000);
    record.target = text(20000);
    std::string query = "/?";
    for (auto count = random() % 300; count > 0; --count)
      query += "a" + std::to_string(random() % 9) +
               "=%0"
               "1&b&";
    if (random() % 2 == 0) record.target = query;
    record.backend_target = record.target;
    record.kong = &names;
    const auto written = line(format, record);
    ASSERT_LE(written.size(), format.max_line());
    ASSERT_EQ(written.find('\n'), written.size() - 1);
    ASSERT_TRUE(Json::accept(written)) << written;
  }
}

TEST(KongLog, WhatNeverHappenedIsTold) {
  const auto said = Json::parse(line(LogFormat::kong(), RequestRecord{}));
  EXPECT_EQ(said["upstream_status"], "");
  EXPECT_EQ(said["latencies"]["proxy"], -1);
  EXPECT_EQ(said["request"]["querystring"], Json::object());
  EXPECT_EQ(said["source"], "kong");
  EXPECT_FALSE(said.contains("route"));
}

TEST(KongLog, MetricsAreBounded) {
  model::ClientLogStatsd log;
  log.metrics.resize(2);
  log.metrics[0].tags.assign(64, std::string(255, 't'));
  log.metrics[1].name = Metric::Name::kStatusCountPerUserPerRoute;
  log.prefix = std::string(255, 'p');
  Sample sample;
  const std::string consumer(3000, ':'), route(3000, '.');
  KongNames names;
  names.route = names.service = route;
  names.service_json = "{}";
  sample.record.kong = &names;
  sample.record.consumer = sample.record.consumer_custom_id = consumer;
  for (const auto style : {model::ClientLogStatsd::Style::kStatsd, model::ClientLogStatsd::Style::kDatadog}) {
    log.style = style;
    const auto format = statsd_format(log);
    const auto written = line(format, sample.record);
    EXPECT_LE(written.size(), format.max_line());
    EXPECT_EQ(std::ranges::count(written, '\n'), 2);
  }
  log.statuses = {{500, 599}};
  EXPECT_EQ(line(statsd_format(log), sample.record), "");
}

TEST(KongLog, RoutesAreChosen) {
  LogFilter filter;
  EXPECT_TRUE(covers(filter, "HTTPRoute default/a"));
  filter.except = std::make_shared<const RouteNames>(RouteNames{"HTTPRoute default/a"});
  EXPECT_FALSE(covers(filter, "HTTPRoute default/a"));
  EXPECT_TRUE(covers(filter, ""));
  filter.routes = std::make_shared<const RouteNames>(RouteNames{"HTTPRoute default/b"});
  EXPECT_TRUE(covers(filter, "HTTPRoute default/b"));
  EXPECT_FALSE(covers(filter, ""));
}

}  // namespace
}  // namespace fairlead::telemetry
