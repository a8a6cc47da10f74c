// SPDX-License-Identifier: Apache-2.0
#include "agent/ctl/pairs.hpp"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>
#include <thread>

#include "fairlead/base/printable.hpp"

namespace fairlead::ctl {
namespace {

using Json = nlohmann::ordered_json;

Edge edge_of(const Json& pair) {
  Edge edge;
  edge.source = printable(pair.at("source").get<std::string>());
  edge.destination = printable(pair.at("destination").get<std::string>());
  edge.port = pair.at("port").dump();
  edge.protocol = pair.at("protocol").get<std::string>();
  const auto service = printable(pair.at("service").get<std::string>());
  const bool by_client = pair.at("reporter") == "source";
  if (!service.empty()) edge.service = by_client ? service + ":" + edge.port : service;
  edge.opened = pair.at("opened").get<double>();
  edge.closed = pair.at("closed").get<double>();
  edge.bytes = pair.at("request_bytes").get<double>() + pair.at("response_bytes").get<double>();
  edge.redirected = pair.at("redirected_bytes").get<double>();
  edge.retransmissions = pair.at("retransmissions").get<double>();
  const auto samples = pair.at("rtt_samples").get<double>();
  if (samples > 0) edge.rtt_us = pair.at("rtt_us_sum").get<double>() / samples;
  for (const auto& [reason, count] : pair.at("failed").items()) {
    edge.reasons[reason] = count.get<double>();
    edge.failed += count.get<double>();
  }
  return edge;
}

}  // namespace

std::string asked_of(const Edge& edge) {
  const std::string protocol = edge.protocol == "udp" ? "/udp" : "";
  return edge.service.empty() ? edge.destination + ":" + edge.port + protocol + " (no service)"
                              : edge.service + protocol;
}

void add(Edge& to, const Edge& from) {
  to.opened += from.opened;
  to.closed += from.closed;
  to.failed += from.failed;
  to.bytes += from.bytes;
  to.redirected += from.redirected;
  to.retransmissions += from.retransmissions;
  to.opened_rate += from.opened_rate;
  to.failed_rate += from.failed_rate;
  to.bytes_rate += from.bytes_rate;
  to.rtt_us = std::max(to.rtt_us, from.rtt_us);
  for (const auto& [reason, count] : from.reasons) to.reasons[reason] += count;
}

Sample sample_of(const std::string& body) {
  const auto json = Json::parse(body);
  Sample sample;
  sample.time_ns = json.at("time_ns").get<double>();
  std::map<std::string, bool> called;
  std::vector<Edge> by_servers;
  for (const auto& pair : json.at("pairs")) {
    auto edge = edge_of(pair);
    if (pair.at("reporter") != "source") {
      by_servers.push_back(std::move(edge));
      continue;
    }
    called[edge.source + "|" + edge.destination] = true;
    const auto key = edge.source + "|" + edge.service + "|" + edge.port + "|" + edge.destination + "|" + edge.protocol;
    const auto [entry, created] = sample.edges.try_emplace(key, edge);
    if (!created) add(entry->second, edge);
  }
  // Callers on other nodes are known by the server's report alone.
  for (auto& edge : by_servers) {
    if (called.contains(edge.source + "|" + edge.destination)) continue;
    const auto key =
        edge.source + "|" + edge.service + "|" + edge.port + "|" + edge.destination + "|" + edge.protocol + "|server";
    const auto [entry, created] = sample.edges.try_emplace(key, edge);
    if (!created) add(entry->second, edge);
  }
  return sample;
}

std::vector<Edge> with_rates(const Sample& before, const Sample& now) {
  std::vector<Edge> edges;
  const double seconds = (now.time_ns - before.time_ns) / 1e9;
  for (const auto& [key, edge] : now.edges) {
    edges.push_back(edge);
    if (seconds <= 0) continue;
    const auto found = before.edges.find(key);
    const Edge old = found == before.edges.end() ? Edge{} : found->second;
    auto& last = edges.back();
    last.opened_rate = std::max(0.0, edge.opened - old.opened) / seconds;
    last.failed_rate = std::max(0.0, edge.failed - old.failed) / seconds;
    last.bytes_rate = std::max(0.0, edge.bytes - old.bytes) / seconds;
  }
  return edges;
}

double interval_of(const Arguments& arguments) {
  const auto text = arguments.get("interval", "1");
  char* end = nullptr;
  const double seconds = std::strtod(text.c_str(), &end);
  if (*end == '\0' && seconds >= 0 && seconds <= 3600) return seconds;
  std::cerr << "fairctl: --interval: found " << text << ", expected seconds from 0 to 3600\n";
  return -1;
}

Measured measure(const Arguments& arguments) {
  const double seconds = interval_of(arguments);
  if (seconds < 0) return {.code = kUsage, .edges = {}};
  const auto first = ask(arguments, "/v1/pairs");
  if (first.code != kDone) return {.code = first.code, .edges = {}};
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  const auto second = ask(arguments, "/v1/pairs");
  if (second.code != kDone) return {.code = second.code, .edges = {}};
  return {.code = kDone, .edges = with_rates(sample_of(first.body), sample_of(second.body))};
}

std::string json_of(const std::vector<Edge>& edges) {
  Json list = Json::array();
  for (const auto& edge : edges)
    list.push_back({{"source", edge.source},
                    {"service", edge.service},
                    {"destination", edge.destination},
                    {"port", std::stoul(edge.port)},
                    {"protocol", edge.protocol},
                    {"opened", edge.opened},
                    {"open", edge.open()},
                    {"failed", edge.reasons},
                    {"bytes", edge.bytes},
                    {"redirected_bytes", edge.redirected},
                    {"retransmissions", edge.retransmissions},
                    {"rtt_us", edge.rtt_us},
                    {"opened_per_second", edge.opened_rate},
                    {"failed_per_second", edge.failed_rate},
                    {"bytes_per_second", edge.bytes_rate}});
  return Json{{"edges", std::move(list)}}.dump(2);
}

}  // namespace fairlead::ctl
