// SPDX-License-Identifier: Apache-2.0
#include "fairlead/filter/chain.hpp"

#include "fairlead/filter/request.hpp"

namespace fairlead::filter {

std::string_view slot_name(Slot slot) {
  switch (slot) {
    case Slot::kCorrelation: return "correlation";
    case Slot::kCrossOrigin: return "crossOrigin";
    case Slot::kAddresses: return "addresses";
    case Slot::kUserAgents: return "userAgents";
    case Slot::kRequestSize: return "requestSize";
    case Slot::kIstioGatewayCustom: return "istioGatewayCustom";
    case Slot::kIstioServiceCustom: return "istioServiceCustom";
    case Slot::kIstioGateway: return "istioGateway";
    case Slot::kIstioService: return "istioService";
    case Slot::kAuthentication: return "authentication";
    case Slot::kAccess: return "access";
    case Slot::kExternalAuth: return "externalAuth";
    case Slot::kCanary: return "canary";
    case Slot::kRateLimits: return "rateLimits";
    case Slot::kResponseLimits: return "responseLimits";
    case Slot::kConcurrency: return "concurrency";
    case Slot::kFault: return "fault";
    case Slot::kValidation: return "validation";
    case Slot::kCompression: return "compression";
    case Slot::kTransform: return "transform";
    case Slot::kAnswer: return "answer";
    case Slot::kCache: return "cache";
    case Slot::kAggregate: return "aggregate";
  }
  return "?";
}

const Chain* overlay_of(const Chain& chain, const Identity& identity) {
  if (chain.overlay == nullptr || identity.consumer == nullptr) return nullptr;
  const auto found =
      chain.overlay->chains.find(std::string(identity.consumer_ns).append("/").append(identity.consumer->name()));
  return found == chain.overlay->chains.end() ? nullptr : found->second.get();
}

const telemetry::CounterFamily& outcome_counters() {
  static constexpr std::string_view kNames[kOutcomes] = {"passed", "answered", "refused",
                                                         "failed", "replaced", "abandoned"};
  static constexpr telemetry::CounterFamily kFamily{"fairlead_gateway_filter_requests",
                                                    "requests at a section of a policy, by what became of them there",
                                                    "outcome", kNames};
  return kFamily;
}

}  // namespace fairlead::filter
