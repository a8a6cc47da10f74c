// SPDX-License-Identifier: Apache-2.0
#pragma once

// What all objects share: kinds, names, labels and selectors, as in Kubernetes' meta/v1.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fairlead/base/name.hpp"

namespace fairlead::model {

/// Sorted by key; few entries, so a vector serves better than a map.
using Labels = std::vector<std::pair<std::string, std::string>>;

/// The value of a label, or nothing.
[[nodiscard]] const std::string* find_label(const Labels& labels, std::string_view key);

enum class Kind : std::uint8_t {
  kNamespace,
  kNode,
  kPod,
  kService,
  kEndpointSlice,
  kDestinationRule,
  kNetworkPolicy,
  kAuthorizationPolicy,
  kGatewayClass,
  kGateway,
  kListenerSet,
  kHttpRoute,
  kGrpcRoute,
  kTlsRoute,
  kTcpRoute,
  kUdpRoute,
  kReferenceGrant,
  kBackendTlsPolicy,
  kSecret,
  kConfigMap,
  kBackendPolicy,
  kClientPolicy,
  kRequestPolicy,
  kConsumer,
  kRequestAuthentication,
};
inline constexpr std::size_t kKindCount = static_cast<std::size_t>(Kind::kRequestAuthentication) + 1;
[[nodiscard]] std::string_view kind_name(Kind kind);

struct Metadata {
  Name name;
  Name ns;  ///< empty for cluster-scoped kinds
  Labels labels;
  Labels annotations;  ///< only those of fairlead.io/ and service.kubernetes.io/: the rest would only cost memory
  std::int64_t created = 0;     ///< creationTimestamp, seconds since 1970; 0: not given, which counts as the oldest
  std::int64_t generation = 1;  ///< what status names as observedGeneration
};

enum class SelectorOperator : std::uint8_t { kIn, kNotIn, kExists, kDoesNotExist };

struct SelectorRequirement {
  std::string key;
  SelectorOperator op = SelectorOperator::kIn;
  std::vector<std::string> values;
};

/// A LabelSelector; empty selects everything.
struct Selector {
  Labels match_labels;
  std::vector<SelectorRequirement> match_expressions;

  [[nodiscard]] bool matches(const Labels& labels) const;
};

}  // namespace fairlead::model
