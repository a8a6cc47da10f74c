// SPDX-License-Identifier: Apache-2.0
#include "agent/kernel/capabilities.hpp"

#include <sys/capability.h>
#include <sys/prctl.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <type_traits>

namespace fairlead::kernel {
namespace {

struct CapabilityDeleter {
  void operator()(std::remove_pointer_t<cap_t>* set) const { cap_free(set); }
};
using CapabilitySet = std::unique_ptr<std::remove_pointer_t<cap_t>, CapabilityDeleter>;

bool has(const CapabilitySet& set, cap_value_t value) {
  cap_flag_value_t flag = CAP_CLEAR;
  return cap_get_flag(set.get(), value, CAP_EFFECTIVE, &flag) == 0 && flag == CAP_SET;
}

std::vector<cap_value_t> kept_values() {
  std::vector<cap_value_t> values;
  for (const auto& kept : kept_capabilities()) {
    cap_value_t value = 0;
    if (cap_from_name(kept.name, &value) == 0) values.push_back(value);
  }
  return values;
}

}  // namespace

const std::vector<KeptCapability>& kept_capabilities() {
  static const std::vector<KeptCapability> kKept = {
      {"cap_bpf", "maps are made anew when tables grow"},
      {"cap_net_admin", "programs are attached to cgroups and to the namespaces of new pods; sockets are ended by netlink"},
      {"cap_perfmon", "iterators and the redirection's tracing programs are attached when they are needed"},
      {"cap_sys_admin", "setns into pods' network namespaces; links and maps are opened by their numbers"},
      {"cap_sys_ptrace", "/proc/PID/ns/net of pods"},
      {"cap_dac_read_search", "configuration files and /proc of other users"},
  };
  return kKept;
}

Result<> require_capabilities() {
  const CapabilitySet now(cap_get_proc());
  if (!now) return fail(system_error("asking for this process's capabilities", errno));
  if (has(now, CAP_SYS_ADMIN) && has(now, CAP_NET_ADMIN)) return {};  // sys_admin stands for bpf and perfmon
  std::string missing;
  for (const cap_value_t value : {CAP_NET_ADMIN, CAP_BPF, CAP_PERFMON, CAP_SYS_ADMIN})
    if (!has(now, value)) {
      char* name = cap_to_name(value);
      missing += std::string(missing.empty() ? "" : ", ") + name;
      cap_free(name);
    }
  return fail("found no " + missing + ", expected these capabilities: run as root or give them in the unit or pod");
}

Result<> drop_capabilities() {
  const CapabilitySet now(cap_get_proc());
  const CapabilitySet next(cap_init());
  if (!now || !next) return fail(system_error("asking for this process's capabilities", errno));
  const auto keep = kept_values();
  if (has(now, CAP_SETPCAP))
    for (cap_value_t value = 0; value < cap_max_bits(); ++value)
      if (std::find(keep.begin(), keep.end(), value) == keep.end() && cap_drop_bound(value) != 0 && errno != EINVAL)
        return fail(system_error("dropping a capability from the bounding set", errno));
  for (const cap_value_t value : keep) {
    if (!has(now, value)) continue;
    for (const cap_flag_t flag : {CAP_PERMITTED, CAP_EFFECTIVE})
      if (cap_set_flag(next.get(), flag, 1, &value, CAP_SET) != 0)
        return fail(system_error("choosing capabilities", errno));
  }
  if (cap_set_proc(next.get()) != 0) return fail(system_error("dropping capabilities", errno));
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return fail(system_error("no_new_privs", errno));
  return {};
}

}  // namespace fairlead::kernel
