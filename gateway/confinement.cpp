// SPDX-License-Identifier: Apache-2.0
#include "gateway/confinement.hpp"

#include "fairlead/confine/confine.hpp"

namespace fairlead::gateway {

Result<> confine() {
  static constexpr const char* kKept[] = {"cap_net_bind_service"};
  static constexpr const char* kCalls[] = {"splice"};  // long bodies
  FL_CHECK(confine::drop_capabilities(kKept));
  return confine::restrict_system_calls({.program = "fairlead-gateway", .calls = kCalls});
}

}  // namespace fairlead::gateway
