// SPDX-License-Identifier: Apache-2.0
#include <sys/capability.h>
#include <sys/prctl.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <type_traits>
#include <vector>

#include "fairlead/confine/confine.hpp"

namespace fairlead::confine {
namespace {

struct CapabilityDeleter {
  void operator()(std::remove_pointer_t<cap_t>* set) const { cap_free(set); }
};
using CapabilitySet = std::unique_ptr<std::remove_pointer_t<cap_t>, CapabilityDeleter>;

bool has(const CapabilitySet& set, cap_value_t value) {
  cap_flag_value_t flag = CAP_CLEAR;
  return cap_get_flag(set.get(), value, CAP_EFFECTIVE, &flag) == 0 && flag == CAP_SET;
}

std::vector<cap_value_t> values_of(std::span<const char* const> names) {
  std::vector<cap_value_t> values;
  for (const char* name : names) {
    cap_value_t value = 0;
    if (cap_from_name(name, &value) == 0) values.push_back(value);  // a name that libcap does not know is not had
  }
  return values;
}

}  // namespace

bool has_capability(const char* name) {
  const CapabilitySet now(cap_get_proc());
  cap_value_t value = 0;
  return now && cap_from_name(name, &value) == 0 && has(now, value);
}

Result<> drop_capabilities(std::span<const char* const> names) {
  const CapabilitySet now(cap_get_proc());
  const CapabilitySet next(cap_init());
  if (!now || !next) return fail(system_error("asking for this process's capabilities", errno));
  const auto keep = values_of(names);
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

}  // namespace fairlead::confine
