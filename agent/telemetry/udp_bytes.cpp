// SPDX-License-Identifier: Apache-2.0
#include "agent/telemetry/udp_bytes.hpp"

#include <algorithm>

namespace fairlead::telemetry {
namespace {

const std::vector<std::string> kFunctions = {"fl_udp_sent4", "fl_udp_sent6", "fl_udp_got4", "fl_udp_got6"};
const std::vector<std::string> kTracepoints = {"fl_udp_sent", "fl_udp_got"};

}  // namespace

UdpBytes::UdpBytes(kernel::Datapath& datapath) : datapath_(datapath), programs_(usable(datapath)) {}

std::vector<std::string> UdpBytes::usable(const kernel::Datapath& datapath) {
  for (const auto* kind : {&kFunctions, &kTracepoints})
    if (std::ranges::all_of(*kind, [&](const auto& name) { return datapath.program(name) >= 0; })) return *kind;
  return {};
}

Result<> UdpBytes::follow(bool wanted) {
  if (known_ && wanted == attached_) return {};
  for (const auto* kind : {&kFunctions, &kTracepoints})
    for (const auto& name : *kind)
      if (!wanted || std::ranges::find(programs_, name) == programs_.end()) FL_CHECK(datapath_.detach_program(name));
  if (wanted)
    for (const auto& name : programs_) FL_CHECK(datapath_.attach_tracing(name));
  attached_ = wanted;
  known_ = true;
  return {};
}

}  // namespace fairlead::telemetry
