// SPDX-License-Identifier: Apache-2.0
#pragma once

// RequestPolicy and Consumer of fairlead.io/v1alpha1: what becomes of requests on their way, and who sends them. Each
// section is one filter (filter/chain.hpp has their order); its nouns stand in a header of its own.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fairlead/model/gateway_route_parts.hpp"
#include "fairlead/model/metadata.hpp"

namespace fairlead::model {

/// One value of a Secret in the same namespace.
struct SecretKey {
  std::string name{};  ///< empty: none
  std::string key{};
};

struct Correlation;     // request_origin.hpp
struct CrossOrigin;     // request_origin.hpp
struct AddressRules;    // request_access.hpp
struct UserAgentRules;  // request_access.hpp
struct RequestSize;     // request_access.hpp
struct Authentication;  // request_auth.hpp
struct AccessRules;     // request_access.hpp
struct Canary;          // request_canary.hpp
struct RateLimits;      // request_limits.hpp
struct ResponseLimits;  // request_limits.hpp
struct Concurrency;     // request_limits.hpp
struct Fault;           // request_change.hpp
struct Validation;      // request_change.hpp
struct Compression;     // request_cache.hpp
struct Transform;       // request_change.hpp
struct FixedAnswer;     // request_change.hpp
struct ResponseCache;   // request_cache.hpp
struct Aggregate;       // request_aggregate.hpp

/// Null: the section is not given. Immutable; the same object as long as the policy's text is the same.
struct RequestSettings {
  bool refused = false;  ///< stands for a policy with errors: who meets one of its sections gets 500
  std::shared_ptr<const AddressRules> addresses;
  std::shared_ptr<const UserAgentRules> user_agents;
  std::shared_ptr<const RequestSize> request_size;
  std::shared_ptr<const Authentication> authentication;
  std::shared_ptr<const AccessRules> access;
  std::shared_ptr<const ExternalAuth> external_auth;
  std::shared_ptr<const Canary> canary;  ///< only where all targets are HTTPRoutes and GRPCRoutes
  std::shared_ptr<const RateLimits> rate_limits;
  std::shared_ptr<const ResponseLimits> response_limits;
  std::shared_ptr<const Concurrency> concurrency;
  std::shared_ptr<const Fault> fault;
  std::shared_ptr<const Validation> validation;
  std::shared_ptr<const Compression> compression;
  std::shared_ptr<const Transform> transform;
  std::shared_ptr<const FixedAnswer> answer;
  std::shared_ptr<const ResponseCache> cache;
  std::shared_ptr<const Aggregate> aggregate;
  std::shared_ptr<const Correlation> correlation;
  std::shared_ptr<const CrossOrigin> cross_origin;
};

struct RequestPolicy {
  Metadata metadata;
  /// Gateways and ListenerSets (sectionName: a listener), HTTPRoutes and GRPCRoutes (a rule), Services (a port),
  /// Consumers.
  std::vector<PolicyTarget> targets;
  /// Whose requests it is for, sorted; empty: everybody's. Sections behind `authentication` only.
  std::vector<std::string> consumers{};
  std::shared_ptr<const RequestSettings> settings;  ///< never null
};

struct ConsumerSettings;  // request_auth.hpp

/// Who may call, with credentials; metadata.name is the user's name.
struct Consumer {
  Metadata metadata;
  std::shared_ptr<const ConsumerSettings> settings;  ///< never null
};

}  // namespace fairlead::model
