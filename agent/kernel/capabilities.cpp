// SPDX-License-Identifier: Apache-2.0
#include "agent/kernel/capabilities.hpp"

#include "fairlead/confine/confine.hpp"

namespace fairlead::kernel {
const std::vector<KeptCapability>& kept_capabilities() {
  static const std::vector<KeptCapability> kKept = {
      {"cap_bpf", "maps are made anew when tables grow"},
      {"cap_net_admin",
       "programs are attached to cgroups and to the namespaces of new pods; sockets are ended by netlink"},
      {"cap_perfmon", "iterators and the redirection's tracing programs are attached when they are needed"},
      {"cap_sys_admin", "setns into pods' network namespaces; links and maps are opened by their numbers"},
      {"cap_sys_ptrace", "/proc/PID/ns/net of pods"},
      {"cap_dac_read_search", "configuration files and /proc of other users"},
  };
  return kKept;
}

Result<> require_capabilities() {
  using confine::has_capability;
  // sys_admin stands for bpf and perfmon.
  if (has_capability("cap_sys_admin") && has_capability("cap_net_admin")) return {};
  std::string missing;
  for (const char* name : {"cap_net_admin", "cap_bpf", "cap_perfmon", "cap_sys_admin"})
    if (!has_capability(name)) missing += (missing.empty() ? "" : ", ") + std::string(name);
  return fail("found no " + missing + ", expected these capabilities: run as root or give them in the unit or pod");
}

Result<> drop_capabilities() {
  std::vector<const char*> names;
  for (const auto& kept : kept_capabilities()) names.push_back(kept.name);
  return confine::drop_capabilities(names);
}

}  // namespace fairlead::kernel
