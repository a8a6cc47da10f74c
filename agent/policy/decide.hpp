// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "agent/policy/compiler.hpp"
#include "fairlead/abi/metric.h"

namespace fairlead::policy {

/// Who asks for what. The addresses are those of the two ends, after balancing.
struct Question {
  Address source;
  Address destination;
  std::uint16_t port = 0;
  std::uint8_t proto = FL_TCP;
  bool server = false;  ///< as the server's side decides, by addresses alone
};

struct Decision {
  bool allowed = true;
  bool audit = false;
  bool by_egress = false;  ///< denied by the source's policies
  fl_reason reason = FL_R_NONE;
  std::uint32_t policy_id = 0;
};

/// What the kernel decides with these tables: the same code (bpf/lib/verdict.h), built natively.
[[nodiscard]] Decision decide(const Compiler& compiler, const Question& question);

}  // namespace fairlead::policy
