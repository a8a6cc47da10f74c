// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "agent/ctl/command.hpp"

namespace fairlead::ctl {

/// One caller, called and service: sums since the start, and rates while they were measured.
struct Edge {
  std::string source;
  std::string destination;
  std::string service;  ///< "ns/name:port", or empty
  std::string port;
  std::string protocol;
  double opened = 0, closed = 0, failed = 0, bytes = 0, redirected = 0, retransmissions = 0;
  double opened_rate = 0, failed_rate = 0, bytes_rate = 0;
  double rtt_us = 0;  ///< mean; 0: no sample
  std::map<std::string, double> reasons;

  [[nodiscard]] double open() const { return opened > closed ? opened - closed : 0; }
};

/// What the caller asked for, as people read it: the service, with "/udp" where it is UDP, or the called one's port
/// where there was none, as a workload may be called as its service is.
[[nodiscard]] std::string asked_of(const Edge& edge);

/// The larger RTT of both stays.
void add(Edge& to, const Edge& from);

/// Sums at one moment, by caller, called and service; what both ends report counts once, by the caller's report.
struct Sample {
  double time_ns = 0;
  std::map<std::string, Edge> edges;
};

[[nodiscard]] Sample sample_of(const std::string& body);
/// `now` with the rates since `before`.
[[nodiscard]] std::vector<Edge> with_rates(const Sample& before, const Sample& now);

/// Two samples `seconds` apart. code is not kDone where the agent could not be asked.
struct Measured {
  int code = kDone;
  std::vector<Edge> edges;
};
[[nodiscard]] Measured measure(const Arguments& arguments);
/// --interval; negative where it is no number of seconds, which is then said.
[[nodiscard]] double interval_of(const Arguments& arguments);

// graph.cpp draws as text, graph_picture.cpp the rest.
[[nodiscard]] std::string graph_dot(const std::vector<Edge>& edges);
[[nodiscard]] std::string graph_svg(const std::vector<Edge>& edges);
[[nodiscard]] std::string json_of(const std::vector<Edge>& edges);

}  // namespace fairlead::ctl
