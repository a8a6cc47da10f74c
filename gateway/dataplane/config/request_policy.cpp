// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <memory>

#include "fairlead/model/request_access.hpp"
#include "fairlead/model/request_aggregate.hpp"
#include "fairlead/model/request_auth.hpp"
#include "fairlead/model/request_cache.hpp"
#include "fairlead/model/request_canary.hpp"
#include "fairlead/model/request_change.hpp"
#include "fairlead/model/request_limits.hpp"
#include "fairlead/model/request_origin.hpp"
#include "gateway/dataplane/config/gateway_kinds.hpp"
#include "gateway/dataplane/config/gateway_references.hpp"
#include "gateway/dataplane/config/request_sections.hpp"

namespace fairlead::config {
namespace {

template <class Section>
auto section(Reader& reader, std::string_view name, std::shared_ptr<const Section>& out,
             void (*read)(Reader&, View, Section&)) {
  return field(name, [&reader, &out, read](View v) {
    auto made = std::make_shared<Section>();
    read(reader, v, *made);
    out = std::move(made);
  });
}

bool takes_requests(const model::RefKindName& kind) {
  using enum model::RefKind;
  constexpr model::RefKind kGood[] = {kGateway, kListenerSet, kHttpRoute, kGrpcRoute, kService};
  return std::ranges::find(kGood, kind.kind) != std::end(kGood) || kind.other == "fairlead.io/Consumer";
}

/// Another backend is chosen where there is a rule that has backends.
void check_canary(Reader& reader, View at, const std::vector<model::PolicyTarget>& targets) {
  using enum model::RefKind;
  for (const auto& target : targets)
    if (target.kind.kind != kHttpRoute && target.kind.kind != kGrpcRoute)
      return reader.error(at, "canary only in policies whose targetRefs are HTTPRoutes and GRPCRoutes");
}

/// Who calls is known behind authentication only, and a canary is chosen for all.
void check_consumers(Reader& reader, View spec, const std::vector<model::PolicyTarget>& targets) {
  for (const char* section :
       {"correlation", "crossOrigin", "addresses", "userAgents", "requestSize", "authentication", "canary"})
    if (const auto at = spec.find(section)) reader.error(at, "this section only in policies without consumers");
  for (const auto& target : targets)
    if (target.kind.other == "fairlead.io/Consumer")
      return reader.error(spec.find("consumers"), "consumers, or Consumers as targetRefs");
}

// More than Gateway API's 16, as what one policy is attached to may count together (rateLimits).
constexpr std::size_t kMostRequestTargets = 1024;

}  // namespace

model::RequestPolicy read_request_policy(Reader& reader, View root) {
  model::RequestPolicy out;
  out.metadata = read_metadata(reader, root, true);
  auto settings = std::make_shared<model::RequestSettings>();
  auto& s = *settings;
  read_spec(reader, root, [&](View spec) {
    read_mapping(reader, spec,
                 required("targetRefs", "at least one Gateway, route, Service or Consumer",
                          [&](View v) {
                            read_targets(reader, v, out.targets, takes_requests,
                                         "Gateway, ListenerSet, HTTPRoute or GRPCRoute of group "
                                         "gateway.networking.k8s.io, Service of group \"\", or Consumer of group "
                                         "fairlead.io",
                                         kMostRequestTargets);
                          }),
                 names_field(reader, "consumers", out.consumers),
                 section(reader, "correlation", s.correlation, read_correlation),
                 section(reader, "crossOrigin", s.cross_origin, read_cross_origin),
                 section(reader, "addresses", s.addresses, read_addresses),
                 section(reader, "userAgents", s.user_agents, read_user_agents),
                 section(reader, "requestSize", s.request_size, read_request_size),
                 section(reader, "authentication", s.authentication, read_authentication),
                 section(reader, "access", s.access, read_access),
                 section(reader, "externalAuth", s.external_auth, read_external_auth),
                 section(reader, "canary", s.canary, read_canary),
                 section(reader, "rateLimits", s.rate_limits, read_rate_limits),
                 section(reader, "responseLimits", s.response_limits, read_response_limits),
                 section(reader, "concurrency", s.concurrency, read_concurrency),
                 section(reader, "fault", s.fault, read_fault),
                 section(reader, "validation", s.validation, read_validation),
                 section(reader, "compression", s.compression, read_compression),
                 section(reader, "transform", s.transform, read_transform),
                 section(reader, "answer", s.answer, read_fixed_answer), section(reader, "cache", s.cache, read_cache),
                 section(reader, "aggregate", s.aggregate, read_aggregate));
    if (!out.consumers.empty()) check_consumers(reader, spec, out.targets);
    if (s.canary != nullptr) check_canary(reader, spec.find("canary"), out.targets);
  });
  out.settings = std::move(settings);
  return out;
}

}  // namespace fairlead::config
