// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "fairlead/model/gateway_route_parts.hpp"

namespace fairlead::model {
namespace {

struct Known {
  std::string_view group;
  std::string_view kind;
};

/// By RefKind.
constexpr std::array<Known, static_cast<std::size_t>(RefKind::kOther)> kKnown{{
    {"", "Service"},
    {"", "Secret"},
    {"", "ConfigMap"},
    {kGatewayGroup, "Gateway"},
    {kGatewayGroup, "ListenerSet"},
    {kGatewayGroup, "HTTPRoute"},
    {kGatewayGroup, "GRPCRoute"},
    {kGatewayGroup, "TLSRoute"},
    {kGatewayGroup, "TCPRoute"},
    {kGatewayGroup, "UDPRoute"},
    {kGatewayGroup, "BackendTLSPolicy"},
}};

}  // namespace

RefKindName ref_kind(std::string_view group, std::string_view kind) {
  for (std::size_t i = 0; i < kKnown.size(); ++i)
    if (kKnown[i].kind == kind && kKnown[i].group == group) return {.kind = static_cast<RefKind>(i), .other = {}};
  return {.kind = RefKind::kOther, .other = std::string(group).append("/").append(kind)};
}

std::string_view ref_group(const RefKindName& kind) {
  if (kind.kind != RefKind::kOther) return kKnown[static_cast<std::size_t>(kind.kind)].group;
  return std::string_view(kind.other).substr(0, kind.other.text().find('/'));
}

std::string_view ref_kind_name(const RefKindName& kind) {
  if (kind.kind != RefKind::kOther) return kKnown[static_cast<std::size_t>(kind.kind)].kind;
  const auto slash = kind.other.text().find('/');
  return slash == std::string::npos ? std::string_view{} : std::string_view(kind.other).substr(slash + 1);
}

}  // namespace fairlead::model
