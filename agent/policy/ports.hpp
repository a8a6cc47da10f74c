// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "fairlead/abi/policy.h"

namespace fairlead::policy {

/// Both inclusive, host byte order.
struct PortRange {
  std::uint16_t from = 0;
  std::uint16_t to = 65535;
  auto operator<=>(const PortRange&) const = default;
};

enum class Effect : std::uint8_t {
  kPermit,  ///< a NetworkPolicy rule
  kAllow,   ///< an AuthorizationPolicy of that action, and so on
  kDeny,
  kAudit,
};

/// A statement that speaks of the peer in question, with the ports it names.
struct Voice {
  Effect effect;
  std::uint32_t policy_id;
  std::span<const PortRange> ports;
};

/// Who says no where no rule says yes; policy id 0: the default of the agent's settings.
struct Defaults {
  bool isolated = false;      ///< by a NetworkPolicy for this direction
  bool allow_listed = false;  ///< by an ALLOW AuthorizationPolicy
  std::uint32_t isolated_by = 0;
  std::uint32_t allow_listed_by = 0;
};

/// One row of fl_rules with its ranges, wherever those will stand.
struct Verdict {
  std::uint16_t otherwise = FL_ALLOW;
  std::uint32_t otherwise_policy_id = 0;
  std::vector<fl_port_verdict> ports;  ///< disjoint, sorted

  friend bool operator==(const Verdict& a, const Verdict& b);
};

/// What the voices together say of each port: DENY first, then whether a NetworkPolicy permits it where one isolates,
/// then whether an ALLOW holds where there is one. Of several rules that say the
/// same, one for every port is named, else the first.
[[nodiscard]] Verdict decide_ports(std::span<const Voice> voices, const Defaults& defaults);

}  // namespace fairlead::policy
