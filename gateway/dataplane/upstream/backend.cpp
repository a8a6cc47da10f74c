// SPDX-License-Identifier: Apache-2.0
#include "fairlead/upstream/backend.hpp"

namespace fairlead::upstream {

std::string endpoint_name(const net::Endpoint& endpoint) {
  const auto address = endpoint.address.text();
  return (endpoint.address.is_v4() ? address : "[" + address + "]") + ":" + std::to_string(endpoint.port);
}

Backend::Backend(EndpointSpec endpoint, ClusterContext& context)
    : weight_(endpoint.weight),
      context_(context.shared->backend(EndpointKey::of(endpoint)), context.worker),
      endpoint_(std::move(endpoint)),
      name_(endpoint_name(endpoint_.address)),
      pools_(context, context_, endpoint_) {}

}  // namespace fairlead::upstream
