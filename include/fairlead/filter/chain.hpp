// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "fairlead/telemetry/counter_set.hpp"

namespace fairlead::filter {

class Filter;
using FilterPtr = std::shared_ptr<const Filter>;

/// The sections of a RequestPolicy, and what Istio's objects make, in the order in which requests meet them; responses
/// meet them from the last to the first. Each stands at most once in a chain; what has several parts (limits) is one
/// filter with a list.
enum class Slot : std::uint8_t {
  kCorrelation,     ///< names the request
  kCrossOrigin,     ///< what browsers are told, whatever becomes of the request
  kAddresses,       ///< who may not even ask: by address
  kUserAgents,      ///< the same by what it calls itself
  kRequestSize,
  kIstioGatewayCustom,  ///< AuthorizationPolicies of action CUSTOM for the Gateway
  kIstioServiceCustom,  ///< the same for the Service
  kIstioGateway,  ///< RequestAuthentication and AuthorizationPolicy for the Gateway
  kIstioService,  ///< the same for the Service: both must let a request pass
  kAuthentication,  ///< finds out who calls: consumer, claims
  kAccess,          ///< whether that one may
  kExternalAuth,
  kCanary,  ///< sends some to another backend, whose policies count then
  kRateLimits,
  kResponseLimits,  ///< by what responses have used
  kConcurrency,
  kFault,           ///< delays and errors on purpose
  kValidation,
  kCompression,     ///< of responses: behind what transforms them
  kTransform,
  kAnswer,          ///< fixed answers: mocks, maintenance
  kCache,           ///< stores what backends say, before it is transformed
  kAggregate,       ///< one answer from several backends
};
inline constexpr std::size_t kSlots = static_cast<std::size_t>(Slot::kAggregate) + 1;

/// The section's name in YAML: "rateLimits".
[[nodiscard]] std::string_view slot_name(Slot slot);

/// What became of a request at a filter; each is a counter.
enum class Outcome : std::uint8_t {
  kPassed,
  kAnswered,   ///< in the backend's place, and no failure: from a cache, by aggregation, a fixed answer
  kRefused,
  kFailed,     ///< what the filter needs has failed: a store, a backend that it calls
  kReplaced,   ///< it had passed, and its response was answered otherwise
  kAbandoned,  ///< it ended while the filter waited: the client has gone, or a time limit has passed
};
inline constexpr std::size_t kOutcomes = static_cast<std::size_t>(Outcome::kAbandoned) + 1;
/// fairlead_gateway_filter_requests: by Outcome.
[[nodiscard]] const telemetry::CounterFamily& outcome_counters();

struct Chain;
using ChainPtr = std::shared_ptr<const Chain>;

/// What is laid over a chain for requests of some consumers, once they are known.
struct ConsumerOverlay {
  std::unordered_map<std::string, ChainPtr> chains;  ///< by "namespace/name"
  std::vector<std::shared_ptr<const void>> from;  ///< the policies
};

/// The filters of one level: a listener's, a rule's, a backend's or a consumer's. Levels are laid over each other at
/// run time, slot by slot: the more special level that has one wins, so that a change of one level is a change of one
/// chain. Immutable, shared by workers.
struct Chain {
  std::array<FilterPtr, kSlots> filters;
  std::array<std::string, kSlots> origins;  ///< whose they are, for people: "RequestPolicy default/limits"
  std::array<telemetry::CounterId, kSlots> counters{};  ///< by Outcome, of each; 0: not counted
  std::uint32_t mask = 0;  ///< bits of the slots in use
  std::shared_ptr<const ConsumerOverlay> overlay{};  ///< null: all consumers are alike

  void set(Slot slot, FilterPtr filter, std::string origin, telemetry::CounterId outcomes = 0) {
    const auto index = static_cast<std::size_t>(slot);
    filters[index] = std::move(filter);
    origins[index] = std::move(origin);
    counters[index] = outcomes;
    if (filters[index] != nullptr) mask |= std::uint32_t{1} << index;
    else mask &= ~(std::uint32_t{1} << index);
  }
};

struct Identity;
/// What the chain has for that one alone; null: nothing.
[[nodiscard]] const Chain* overlay_of(const Chain& chain, const Identity& identity);

}  // namespace fairlead::filter
