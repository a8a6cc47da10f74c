// SPDX-License-Identifier: Apache-2.0
#include "agent/kernel/sock_destroy.hpp"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "fairlead/base/fd.hpp"

namespace fairlead::kernel {
namespace {

struct Request {
  nlmsghdr header;
  inet_diag_req_v2 body;
};

void set_address(__be32 (&to)[4], const fl_addr& from, bool v4) {
  if (v4) to[0] = from.word[3];
  else std::memcpy(to, from.word, sizeof to);
}

Request request_for(const fl_swept& socket) {
  Request request{};
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = SOCK_DESTROY;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
  request.body.sdiag_family = socket.family;
  request.body.sdiag_protocol = socket.proto;
  request.body.idiag_states = ~0U;
  auto& id = request.body.id;
  id.idiag_sport = socket.local_port;
  id.idiag_dport = socket.remote_port;
  set_address(id.idiag_src, socket.local, socket.family == AF_INET);
  set_address(id.idiag_dst, socket.remote, socket.family == AF_INET);
  id.idiag_if = socket.interface;
  id.idiag_cookie[0] = static_cast<__u32>(socket.socket_cookie);
  id.idiag_cookie[1] = static_cast<__u32>(socket.socket_cookie >> 32);
  return request;
}

/// The errno in the kernel's answer to one request; 0: done.
Result<int> answer(int netlink) {
  alignas(nlmsghdr) char buffer[512];
  const auto length = ::recv(netlink, buffer, sizeof buffer, 0);
  if (length < 0) return fail(system_error("waiting for sock_diag's answer", errno));
  nlmsghdr header{};
  nlmsgerr body{};
  if (static_cast<std::size_t>(length) < sizeof header + sizeof body.error)
    return fail("sock_diag's answer is too short");
  std::memcpy(&header, buffer, sizeof header);
  std::memcpy(&body.error, buffer + sizeof header, sizeof body.error);
  if (header.nlmsg_type != NLMSG_ERROR) return fail("sock_diag answered something else than asked for");
  return -body.error;
}

}  // namespace

Result<std::size_t> destroy_sockets(std::span<const fl_swept> sockets) {
  const Fd netlink(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  if (!netlink) return fail(system_error("opening sock_diag", errno));
  // The kernel answers within the send; the limit is for a kernel that does not.
  const timeval limit{.tv_sec = 5, .tv_usec = 0};
  ::setsockopt(netlink.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  std::size_t ended = 0;
  for (const auto& socket : sockets) {
    const Request request = request_for(socket);
    if (::send(netlink.get(), &request, sizeof request, 0) < 0)
      return fail(system_error("asking sock_diag to end a socket", errno));
    FL_TRY(const int error, answer(netlink.get()));
    if (error == 0) ++ended;
    else if (error != ENOENT && error != ESTALE)  // gone, or its tuple belongs to another socket by now
      return fail(system_error("ending a socket by sock_diag", error));
  }
  return ended;
}

}  // namespace fairlead::kernel
