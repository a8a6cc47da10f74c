// SPDX-License-Identifier: Apache-2.0
#include "agent/node/server_guards.hpp"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "agent/kernel/links.hpp"
#include "agent/kernel/netns.hpp"
#include "agent/node/network.hpp"

namespace fairlead::node {
namespace {

constexpr const char* kProgram = "fl_sk_lookup_";

std::string name_of(std::uint64_t cookie) { return kernel::link_name(kProgram + std::to_string(cookie)); }

}  // namespace

ServerGuards::ServerGuards(kernel::PinDirectory pins, int program, std::uint64_t own_cookie, bool neighbours_only)
    : pins_(std::move(pins)), program_(program), own_cookie_(own_cookie), neighbours_only_(neighbours_only) {}

Result<ServerGuards::Seen> ServerGuards::look(int netns) {
  Seen seen;
  FL_CHECK(kernel::inside_netns(netns, [&]() -> Result<> {
    FL_TRY(seen.cookie, kernel::own_netns_cookie());
    FL_TRY(seen.addresses, own_addresses());
    return {};
  }));
  return seen;
}

/// A link of an earlier agent in this very namespace gets the new program in one step.
Result<bool> ServerGuards::adopt(const std::string& name, int netns) {
  const Fd link = pins_.open(name);
  if (!link) return false;
  struct stat here{};
  bpf_link_info info{};
  std::uint32_t length = sizeof info;
  if (::fstat(netns, &here) != 0 || bpf_obj_get_info_by_fd(link.get(), &info, &length) != 0) return false;
  // 0: the namespace that it was in has ended.
  if (info.type != BPF_LINK_TYPE_NETNS || info.netns.netns_ino != here.st_ino) return false;
  return bpf_link_update(link.get(), program_, nullptr) == 0;
}

Result<> ServerGuards::attach(int netns, std::uint64_t cookie) {
  if (attached_.contains(cookie)) return {};
  const auto name = name_of(cookie);
  FL_TRY(const bool adopted, adopt(name, netns));
  if (!adopted) {
    const Fd link(bpf_link_create(program_, netns, BPF_SK_LOOKUP, nullptr));
    if (!link)
      return fail(
          system_error("attaching fl_sk_lookup to the network namespace with cookie " + std::to_string(cookie), errno));
    FL_CHECK(pins_.pin(link.get(), name));
  }
  attached_.insert(cookie);
  return {};
}

Result<> ServerGuards::forget_others(const std::set<std::uint64_t>& found) {
  std::erase_if(attached_, [&](auto cookie) { return !found.contains(cookie); });
  for (const auto& name : pins_.names()) {
    if (!name.starts_with(kernel::link_name(kProgram))) continue;
    const bool wanted = std::ranges::any_of(attached_, [&](auto cookie) { return name == name_of(cookie); });
    if (wanted) continue;
    // Detached first: a namespace that lives on without a pod of ours is not ours to judge.
    if (const Fd link = pins_.open(name)) bpf_link_detach(link.get());
    FL_CHECK(pins_.remove(name));
  }
  return {};
}

Result<std::set<Address>> ServerGuards::refresh(const std::function<bool(const Address&)>& is_pod) {
  std::set<Address> guarded;
  std::set<std::uint64_t> found;
  std::optional<Error> failed;
  for (const auto& path : kernel::netns_paths()) {
    const Fd netns(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!netns || (neighbours_only_ && !is_neighbour(netns.get()).value_or(false))) continue;
    const auto seen = look(netns.get());
    if (!seen || seen->cookie == own_cookie_) continue;  // a mount point whose namespace is not there (yet)
    const bool pod = std::ranges::any_of(seen->addresses, is_pod);
    if (!pod) continue;
    if (auto attached = attach(netns.get(), seen->cookie); !attached) {
      failed = std::move(attached.error());
      continue;  // not guarded: fl_guard decides for it
    }
    found.insert(seen->cookie);
    std::ranges::copy_if(seen->addresses, std::inserter(guarded, guarded.end()), is_pod);
  }
  FL_CHECK(forget_others(found));
  if (failed) return fail(std::move(*failed));
  return guarded;
}

}  // namespace fairlead::node
