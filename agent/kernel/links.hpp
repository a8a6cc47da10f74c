// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "agent/kernel/pins.hpp"
#include "fairlead/base/fd.hpp"
#include "fairlead/base/result.hpp"

namespace fairlead::kernel {

/// The cgroup that programs are attached to.
struct Cgroup {
  Fd fd;
  std::uint64_t id = 0;
  std::string path;
  bool root = false;            ///< of the hierarchy as this process sees it
  bool root_namespace = false;  ///< whether what it sees is the whole hierarchy
};

/// path empty: the root of the cgroup2 mount, wherever that is.
Result<Cgroup> open_cgroup(const std::string& path);

/// Refuses a cgroup to which another agent's programs are attached: both would balance and count what is in it.
/// Programs of others, and agents of cgroups above or below, are legal.
Result<> require_free(const Cgroup& cgroup, const PinDirectory& pins);

struct Attachment {
  std::string program;
  int program_fd;
  int attach_type;  ///< enum bpf_attach_type
};

/// Pins a link of the program to the cgroup as link_<program>. A link pinned there before is given the new program in
/// one step; one that leads elsewhere (other cgroup, cgroup removed) is replaced, the new one first.
Result<> attach_pinned(const PinDirectory& pins, const Cgroup& cgroup, const Attachment& what);

/// The same for a tracing program. Its link cannot be given another program: what is pinned stays where it runs the
/// same code on the same maps (same_maps), as two at once would count twice; else it is ended first.
Result<> attach_tracing_pinned(const PinDirectory& pins, const Attachment& what, bool same_maps);

[[nodiscard]] std::string link_name(const std::string& program);
/// Whether a pin has a name as an agent of any version gives it; others in the directory are not ours to remove.
[[nodiscard]] bool is_own_pin(const std::string& name);

/// Detaches for good, whoever else holds the link, and removes the pin.
Result<> detach_pinned(const PinDirectory& pins, const std::string& program);

/// Removes every link, program and map of ours in the directory, and the directory; fails where something else is in
/// it. Sockets keep working: balanced ones go on to the backend they have.
Result<> uninstall(const std::string& pin_dir);

}  // namespace fairlead::kernel
