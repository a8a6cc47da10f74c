// SPDX-License-Identifier: Apache-2.0
// The way by netlink, on every kernel: where BPF ends sockets too, nothing else would run it.
#include "agent/kernel/sock_destroy.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "support/netns.hpp"
#include "support/server.hpp"

namespace fairlead {
namespace {

using test::TestServer;

void read_name(const sockaddr_storage& name, fl_addr& address, __be16& port) {
  if (name.ss_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&name);
    address = {.word = {0, 0, htonl(0xffff), v4->sin_addr.s_addr}};
    port = v4->sin_port;
  } else {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&name);
    std::memcpy(&address, &v6->sin6_addr, sizeof address);
    port = v6->sin6_port;
  }
}

/// What a sweep would say of the socket.
fl_swept swept(const Fd& fd, std::uint8_t proto) {
  fl_swept row{};
  row.proto = proto;
  sockaddr_storage name{};
  socklen_t length = sizeof name;
  ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&name), &length);
  row.family = static_cast<__u8>(name.ss_family);
  read_name(name, row.local, row.local_port);
  length = sizeof name;
  ::getpeername(fd.get(), reinterpret_cast<sockaddr*>(&name), &length);
  read_name(name, row.remote, row.remote_port);
  length = sizeof row.socket_cookie;
  ::getsockopt(fd.get(), SOL_SOCKET, SO_COOKIE, &row.socket_cookie, &length);
  return row;
}

struct Case {
  std::uint8_t proto;
  const char* server;
  const char* asked;
};

class SockDestroyTest : public ::testing::TestWithParam<Case> {
 protected:
  Fd connected() const {
    Fd fd;
    const test::SocketAddress where(GetParam().asked, server_.port());
    netns_.in([&] {
      fd.reset(::socket(where.family(), (GetParam().proto == FL_TCP ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0));
      EXPECT_EQ(::connect(fd.get(), where.get(), where.length), 0);
    });
    return fd;
  }
  std::size_t destroy(const fl_swept& socket) const {
    std::size_t ended = 0;
    netns_.in([&] {
      const auto result = kernel::destroy_sockets({&socket, 1});
      ASSERT_TRUE(result) << result.error().message;
      ended = *result;
    });
    return ended;
  }
  static int error_of(const Fd& fd) {
    int error = 0;
    socklen_t length = sizeof error;
    ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &length);
    return error;
  }

  test::Netns netns_{"destroy"};
  TestServer server_{GetParam().proto == FL_TCP ? TestServer::Protocol::kTcp : TestServer::Protocol::kUdp,
                     GetParam().server, "server", &netns_};
};

TEST_P(SockDestroyTest, EndsTheSocketThatIsNamedAndNoOther) {
  const Fd one = connected();
  const Fd other = connected();
  EXPECT_EQ(destroy(swept(one, GetParam().proto)), 1U);
  EXPECT_EQ(error_of(one), ECONNABORTED);
  EXPECT_EQ(error_of(other), 0);
}

TEST_P(SockDestroyTest, AnotherSocketOfTheSameTupleStays) {
  const Fd one = connected();
  auto row = swept(one, GetParam().proto);
  ++row.socket_cookie;
  EXPECT_EQ(destroy(row), 0U);
  EXPECT_EQ(error_of(one), 0);
}

INSTANTIATE_TEST_SUITE_P(Families, SockDestroyTest,
                         ::testing::Values(Case{FL_TCP, "127.0.0.1", "127.0.0.1"},
                                           Case{FL_TCP, "127.0.0.1", "::ffff:127.0.0.1"}, Case{FL_TCP, "::1", "::1"},
                                           Case{FL_UDP, "127.0.0.1", "127.0.0.1"},
                                           Case{FL_UDP, "127.0.0.1", "::ffff:127.0.0.1"}, Case{FL_UDP, "::1", "::1"}));

}  // namespace
}  // namespace fairlead
