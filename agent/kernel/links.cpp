// SPDX-License-Identifier: Apache-2.0
#include "agent/kernel/links.hpp"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <set>
#include <sstream>
#include <string_view>
#include <thread>

#include "agent/kernel/info.hpp"

namespace fairlead::kernel {
namespace {

constexpr const char* kLinkPrefix = "link_";
constexpr const char* kFirstProgram = "fl_connect4";
constexpr std::uint64_t kCgroupRootInode = 1;
constexpr ino_t kInitialCgroupNamespace = 0xEFFFFFFBU;  // PROC_CGROUP_INIT_INO, fixed in the kernel

Result<std::string> find_mount() {
  std::ifstream mounts("/proc/self/mounts");
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream fields(line);
    std::string device;
    std::string path;
    std::string type;
    if (fields >> device >> path >> type && type == "cgroup2") return path;
  }
  return fail(
      "no cgroup2 file system is mounted; mount it (mount -t cgroup2 none /sys/fs/cgroup) or name one by --cgroup");
}

bool in_initial_namespace() {
  struct stat info{};
  return ::stat("/proc/self/ns/cgroup", &info) == 0 && info.st_ino == kInitialCgroupNamespace;
}

/// The cgroup that a link is attached to; 0 where there is none any more.
std::uint64_t cgroup_of(int link) {
  bpf_link_info info{};
  std::uint32_t length = sizeof info;
  if (bpf_obj_get_info_by_fd(link, &info, &length) != 0 || info.type != BPF_LINK_TYPE_CGROUP) return 0;
  return info.cgroup.cgroup_id;
}

/// Of a program's code; empty where it cannot be asked.
std::string tag_of_program(int program) {
  bpf_prog_info info{};
  std::uint32_t length = sizeof info;
  if (bpf_obj_get_info_by_fd(program, &info, &length) != 0) return {};
  return {reinterpret_cast<const char*>(info.tag), sizeof info.tag};
}

std::string tag_of_link(int link) {
  bpf_link_info info{};
  std::uint32_t length = sizeof info;
  if (bpf_obj_get_info_by_fd(link, &info, &length) != 0) return {};
  const Fd program(bpf_prog_get_fd_by_id(info.prog_id));
  return program ? tag_of_program(program.get()) : std::string();
}

/// A program of another agent's at the cgroup's connects; 0 where there is none.
Result<std::uint32_t> strange_program(const Cgroup& cgroup, const PinDirectory& pins) {
  std::array<std::uint32_t, 64> ids{};  // the kernel allows no more on one cgroup
  LIBBPF_OPTS(bpf_prog_query_opts, query, .prog_ids = ids.data(), .prog_cnt = ids.size());
  if (bpf_prog_query_opts(cgroup.fd.get(), BPF_CGROUP_INET4_CONNECT, &query) != 0)
    return fail(system_error("asking which programs are attached to cgroup " + cgroup.path, errno));
  // Under a passing name, too: an agent may have been killed before it gave the name.
  std::set<std::uint32_t> ours;
  for (const auto& name : pins.names())
    if (name.starts_with(link_name(kFirstProgram)))
      if (const auto info = info_of<bpf_link_info>(pins.open(name).get())) ours.insert(info->prog_id);
  for (std::uint32_t i = 0; i < query.prog_cnt && i < ids.size(); ++i) {
    const Fd program(bpf_prog_get_fd_by_id(ids[i]));
    const auto info = program ? info_of<bpf_prog_info>(program.get()) : std::nullopt;
    if (info && !ours.contains(ids[i]) && std::string_view(info->name) == kFirstProgram) return ids[i];
  }
  return 0;
}

}  // namespace

std::string link_name(const std::string& program) { return kLinkPrefix + program; }

bool is_own_pin(const std::string& name) { return name.starts_with("fl_") || name.starts_with(link_name("fl_")); }

Result<Cgroup> open_cgroup(const std::string& path) {
  Cgroup cgroup;
  cgroup.path = path;
  if (path.empty()) {
    FL_TRY(cgroup.path, find_mount());
  }
  cgroup.fd = Fd(::open(cgroup.path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!cgroup.fd) return fail(system_error("opening cgroup " + cgroup.path, errno));
  struct statfs system{};
  if (::fstatfs(cgroup.fd.get(), &system) != 0 || static_cast<unsigned long>(system.f_type) != CGROUP2_SUPER_MAGIC)
    return fail("cgroup " + cgroup.path + ": found another file system, expected cgroup2");
  struct stat info{};
  if (::fstat(cgroup.fd.get(), &info) != 0) return fail(system_error("looking at cgroup " + cgroup.path, errno));
  cgroup.id = info.st_ino;  // kernfs: the inode number is the cgroup's id (64-bit systems, 5.5)
  cgroup.root_namespace = in_initial_namespace();
  cgroup.root = info.st_ino == kCgroupRootInode;
  return cgroup;
}

Result<> require_free(const Cgroup& cgroup, const PinDirectory& pins) {
  // What a pin held that was just removed leaves the cgroup a moment later (RCU, then a worker of the kernel).
  constexpr auto kLeaving = std::chrono::seconds(2);
  const auto end = std::chrono::steady_clock::now() + kLeaving;
  while (true) {
    FL_TRY(const auto stranger, strange_program(cgroup, pins));
    if (stranger == 0) return {};
    if (std::chrono::steady_clock::now() >= end)
      return fail("cgroup " + cgroup.path + " has the programs of another fairlead-agent (" + kFirstProgram +
                  " is program " + std::to_string(stranger) + ", not of " + pins.path() +
                  "): end that agent and uninstall it with its pin-dir, or serve another cgroup");
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

Result<> attach_pinned(const PinDirectory& pins, const Cgroup& cgroup, const Attachment& what) {
  const std::string name = link_name(what.program);
  const Fd old = pins.open(name);
  if (old && cgroup_of(old.get()) == cgroup.id) {
    if (bpf_link_update(old.get(), what.program_fd, nullptr) == 0) return {};
    // Falls through: a link of another attach type under this name, or one whose cgroup died just now.
  }
  const Fd link(
      bpf_link_create(what.program_fd, cgroup.fd.get(), static_cast<bpf_attach_type>(what.attach_type), nullptr));
  if (!link) return fail(system_error("attaching " + what.program + " to cgroup " + cgroup.path, errno));
  FL_CHECK(pins.pin(link.get(), name));
  // EINVAL: what was pinned is no link at all, and is gone with its pin.
  if (old && bpf_link_detach(old.get()) != 0 && errno != ENOLINK && errno != EINVAL)
    return fail(system_error("detaching what " + pins.path(name) + " was before", errno));
  return {};
}

Result<> attach_tracing_pinned(const PinDirectory& pins, const Attachment& what, bool same_maps) {
  const std::string name = link_name(what.program);
  Fd old = pins.open(name);
  if (old && same_maps && tag_of_link(old.get()) == tag_of_program(what.program_fd)) return {};
  old.reset();
  FL_CHECK(pins.remove(name));
  const Fd link(bpf_link_create(what.program_fd, 0, static_cast<bpf_attach_type>(what.attach_type), nullptr));
  if (!link) return fail(system_error("attaching " + what.program, errno));
  return pins.pin(link.get(), name);
}

Result<> detach_pinned(const PinDirectory& pins, const std::string& program) {
  const std::string name = link_name(program);
  // Not every link type can be detached by force; dropping the pin then ends it with its last holder.
  if (const Fd link = pins.open(name)) bpf_link_detach(link.get());
  return pins.remove(name);
}

Result<> uninstall(const std::string& pin_dir) {
  const auto pins = PinDirectory::at(pin_dir);
  FL_CHECK(pins.check());
  auto names = pins.names();
  const auto strangers = std::ranges::stable_partition(names, is_own_pin);
  const std::string stranger = strangers.empty() ? "" : strangers.front();
  names.erase(strangers.begin(), strangers.end());
  for (const auto& name : names)
    if (name.starts_with(kLinkPrefix)) {
      const std::string program = name.substr(std::string(kLinkPrefix).size());
      FL_CHECK(detach_pinned(pins, program));
    }
  for (const auto& name : names) FL_CHECK(pins.remove(name));
  if (!stranger.empty()) return fail(pins.path(stranger) + ": found what is no pin of fairlead-agent: it is left");
  return pins.remove_directory();
}

}  // namespace fairlead::kernel
