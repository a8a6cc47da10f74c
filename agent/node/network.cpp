// SPDX-License-Identifier: Apache-2.0
#include "agent/node/network.hpp"

#include <ifaddrs.h>
#include <linux/net_namespace.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace fairlead::node {
namespace {

// containerd and CRI-O, `ip netns`; Docker. That of /run sees the others come.
constexpr const char* kFolders[] = {"/run", "/run/netns", "/run/docker/netns"};

std::optional<Address> address_of(const sockaddr* address) {
  if (address == nullptr) return std::nullopt;
  if (address->sa_family == AF_INET)
    return Address::from_v4(reinterpret_cast<const sockaddr_in*>(address)->sin_addr.s_addr);
  if (address->sa_family != AF_INET6) return std::nullopt;
  fl_addr raw{};
  std::memcpy(&raw, &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr, sizeof raw);
  return Address(raw);
}

}  // namespace

Result<std::set<Address>> own_addresses() {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return fail(system_error("asking for the addresses of a network namespace", errno));
  std::set<Address> result;
  for (const ifaddrs* each = list; each != nullptr; each = each->ifa_next) {
    const auto address = address_of(each->ifa_addr);
    if (address && !address->is_loopback()) result.insert(*address);
  }
  ::freeifaddrs(list);
  return result;
}

Result<bool> is_neighbour(int netns) {
  struct Request {
    nlmsghdr header;
    rtgenmsg message;
    std::uint8_t pad[3];
    nlattr attribute;
    std::int32_t value;
  } request{};
  request.header = {.nlmsg_len = sizeof request,
                    .nlmsg_type = RTM_GETNSID,
                    .nlmsg_flags = NLM_F_REQUEST,
                    .nlmsg_seq = 1,
                    .nlmsg_pid = 0};
  request.attribute = {.nla_len = sizeof request.attribute + sizeof request.value, .nla_type = NETNSA_FD};
  request.value = netns;
  const Fd netlink(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!netlink || ::send(netlink.get(), &request, sizeof request, 0) != static_cast<ssize_t>(sizeof request))
    return fail(system_error("asking for the number of a network namespace", errno));
  alignas(nlmsghdr) std::array<char, 1024> answer;
  const auto got = ::recv(netlink.get(), answer.data(), answer.size(), 0);
  Request reply{};
  if (got < static_cast<ssize_t>(sizeof reply))
    return fail("asking for the number of a network namespace: found a short answer", EPROTO);
  std::memcpy(&reply, answer.data(), sizeof reply);
  if (reply.header.nlmsg_type != RTM_NEWNSID || reply.attribute.nla_type != NETNSA_NSID)
    return fail("asking for the number of a network namespace: found another answer", EPROTO);
  return reply.value != NETNSA_NSID_NOT_ASSIGNED;
}

Result<NetworkWatch> NetworkWatch::open() {
  NetworkWatch watch;
  watch.netlink_ = Fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
  sockaddr_nl local{};
  local.nl_family = AF_NETLINK;
  local.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
  if (!watch.netlink_ || ::bind(watch.netlink_.get(), reinterpret_cast<const sockaddr*>(&local), sizeof local) != 0)
    return fail(system_error("listening for changes of the network", errno));
  watch.inotify_ = Fd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!watch.inotify_) return fail(system_error("inotify_init1", errno));
  watch.watch_folders();
  return watch;
}

/// Folders may come later; watching one again changes nothing.
void NetworkWatch::watch_folders() const {
  for (const char* folder : kFolders)
    ::inotify_add_watch(inotify_.get(), folder, IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_ONLYDIR);
}

void NetworkWatch::drain() {
  std::array<char, 65536> buffer;
  // ENOBUFS (messages were lost) is as good a sign as a message.
  while (::recv(netlink_.get(), buffer.data(), buffer.size(), 0) > 0 || errno == ENOBUFS) {
  }
  while (::read(inotify_.get(), buffer.data(), buffer.size()) > 0) {
  }
  watch_folders();
}

}  // namespace fairlead::node
