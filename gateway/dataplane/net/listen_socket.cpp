// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "fairlead/net/listener.hpp"

namespace fairlead::net {
namespace {

bool set(int fd, int level, int name, int value) { return setsockopt(fd, level, name, &value, sizeof value) == 0; }

std::string path_of(const SocketAddress& at) { return at.text().substr(std::strlen("unix:")); }

/// Removes the file of a socket that nobody listens on; what is in use, or no socket, stays, and bind says so.
void remove_stale(const SocketAddress& at) {
  const std::string path = path_of(at);
  struct stat found{};
  if (path[0] == '@' || ::lstat(path.c_str(), &found) != 0 || !S_ISSOCK(found.st_mode)) return;
  const Fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (::connect(probe.get(), at.get(), at.length()) != 0 && errno == ECONNREFUSED) ::unlink(path.c_str());
}

Result<> set_options(int fd, const SocketAddress& at, const ListenOptions& options) {
  if (at.is_unix()) return {};
  set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (options.reuse_port && !set(fd, SOL_SOCKET, SO_REUSEPORT, 1)) return fail(system_error("SO_REUSEPORT", errno));
  if (at.family() == AF_INET6) set(fd, IPPROTO_IPV6, IPV6_V6ONLY, options.v6_only || !at.is_wildcard() ? 1 : 0);
  set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  if (options.defer_accept_s > 0) set(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, options.defer_accept_s);
  return {};
}

}  // namespace

Result<Fd> open_listener(const SocketAddress& at, const ListenOptions& options) {
  Fd fd(::socket(at.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd && errno == EAFNOSUPPORT && at.family() == AF_INET6 && at.is_wildcard() && !options.v6_only)
    return open_listener(SocketAddress(Endpoint{Address::from_v4(0), at.endpoint().port}), options);
  if (!fd) return fail(system_error("socket for " + at.text(), errno));
  FL_CHECK(set_options(fd.get(), at, options));
  if (at.is_unix()) remove_stale(at);
  if (::bind(fd.get(), at.get(), at.length()) != 0) return fail(system_error("bind to " + at.text(), errno));
  if (at.is_unix() && options.unix_mode != 0 && ::chmod(path_of(at).c_str(), options.unix_mode) != 0)
    return fail(system_error("chmod of " + at.text(), errno));
  if (::listen(fd.get(), options.backlog) != 0) return fail(system_error("listen on " + at.text(), errno));
  return fd;
}

Result<Fd> open_datagram(const SocketAddress& at) {
  Fd fd(::socket(at.family(), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd && errno == EAFNOSUPPORT && at.family() == AF_INET6 && at.is_wildcard())
    return open_datagram(SocketAddress(Endpoint{Address::from_v4(0), at.endpoint().port}));
  if (!fd) return fail(system_error("socket for " + at.text(), errno));
  if (!set(fd.get(), SOL_SOCKET, SO_REUSEPORT, 1)) return fail(system_error("SO_REUSEPORT", errno));
  if (at.family() == AF_INET6) set(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, at.is_wildcard() ? 0 : 1);
  if (::bind(fd.get(), at.get(), at.length()) != 0) return fail(system_error("bind to " + at.text(), errno));
  return fd;
}

std::vector<ListenOptions> listen_options(std::span<const SocketAddress> addresses, const ListenOptions& common) {
  std::vector<ListenOptions> made(addresses.size(), common);
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    if (addresses[i].family() != AF_INET6 || !addresses[i].is_wildcard()) continue;
    for (const SocketAddress& other : addresses)
      if (other.family() == AF_INET && other.is_wildcard() && other.endpoint().port == addresses[i].endpoint().port)
        made[i].v6_only = true;
  }
  return made;
}

Result<SocketAddress> local_address(int fd) {
  SocketAddress found;
  if (::getsockname(fd, found.get_mutable(), found.length_mutable()) != 0)
    return fail(system_error("getsockname", errno));
  return found;
}

namespace {

/// Where an inherited socket is bound; fails unless it is of that type, and listens where `listens`.
Result<SocketAddress> inherited_address(int fd, int type, bool listens, std::string_view expected) {
  int is_type = 0, is_listening = 0;
  socklen_t length = sizeof is_type;
  if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &is_type, &length) != 0)
    return fail(system_error("inherited socket", errno));
  length = sizeof is_listening;
  ::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &length);
  FL_TRY(const SocketAddress at, local_address(fd));
  if (is_type != type || (is_listening != 0) != listens)
    return fail("inherited socket " + at.text() + ": found another, expected " + std::string(expected));
  if (::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK) != 0 || ::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
    return fail(system_error("inherited socket " + at.text(), errno));
  return at;
}

}  // namespace

Result<SocketAddress> adopt_listener(int fd) {
  FL_TRY(const SocketAddress at, inherited_address(fd, SOCK_STREAM, true, "one that listens"));
  if (!at.is_unix()) set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  return at;
}

Result<SocketAddress> adopt_datagram(int fd) { return inherited_address(fd, SOCK_DGRAM, false, "one of UDP"); }

std::uint64_t socket_cookie(int fd) {
  std::uint64_t cookie = 0;
  socklen_t length = sizeof cookie;
  return ::getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &length) == 0 ? cookie : 0;
}

}  // namespace fairlead::net
