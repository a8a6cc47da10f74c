// SPDX-License-Identifier: Apache-2.0
// Walks find every socket of every network namespace once, whichever form of them the kernel takes.
#include "agent/kernel/walk.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <set>

#include "agent/datapath/sockets.hpp"
#include "agent/kernel/skeleton.hpp"
#include "support/cgroup.hpp"
#include "support/netns.hpp"
#include "support/pin_dir.hpp"
#include "support/server.hpp"

namespace fairlead {
namespace {

constexpr const char* kAddress = "10.244.0.2";

std::uint64_t cookie_of(const Fd& socket) {
  std::uint64_t cookie = 0;
  socklen_t length = sizeof cookie;
  ::getsockopt(socket.get(), SOL_SOCKET, SO_COOKIE, &cookie, &length);
  return cookie;
}

/// A namespace with an address of its own.
class Home : public test::Netns {
 public:
  explicit Home(const char* name) : Netns(name) { ip({"address", "add", std::string(kAddress) + "/32", "dev", "lo"}); }
};

/// A namespace with a server of each protocol, outside of the cgroup.
struct Place {
  explicit Place(const char* name) : netns(name) {}

  Home netns;
  test::TestServer tcp{test::TestServer::Protocol::kTcp, kAddress, "tcp", &netns};
  test::TestServer udp{test::TestServer::Protocol::kUdp, kAddress, "udp", &netns};
};

/// Whether walks are made to go by namespace.
class WalkTest : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    auto loaded = kernel::Datapath::load(
        {.cgroup = cgroup_.path(), .pin_dir = pin_dir_.path(), .sizes = {}, .walk_by_namespace = GetParam()});
    ASSERT_TRUE(loaded) << loaded.error().message;
    datapath_ = std::move(*loaded);
    datapath_->settings().policy = 1;  // UDP sockets to no service are remembered for it alone
    ASSERT_TRUE(datapath_->attach());
    cgroup_.enter();
  }
  void connect(const Place& place, int type) {
    Fd& socket = sockets_.emplace_back();
    const test::SocketAddress where(kAddress, type == SOCK_STREAM ? place.tcp.port() : place.udp.port());
    place.netns.in([&] {
      socket.reset(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
      EXPECT_EQ(::connect(socket.get(), where.get(), where.length), 0);
    });
  }
  std::multiset<std::uint64_t> cookies() const {
    std::multiset<std::uint64_t> cookies;
    for (const auto& socket : sockets_) cookies.insert(cookie_of(socket));
    return cookies;
  }
  /// Clients' ends in a list of all.
  static std::multiset<std::uint64_t> clients(const std::vector<fl_swept>& rows) {
    std::multiset<std::uint64_t> cookies;
    for (const auto& row : rows)
      if ((row.flags & FL_SOCK_CLIENT) != 0) cookies.insert(row.socket_cookie);
    return cookies;
  }

  Place here_{"walk-one"}, there_{"walk-two"};
  test::TempCgroup cgroup_{"walk"};
  test::PinDir pin_dir_;
  std::unique_ptr<kernel::Datapath> datapath_;
  std::vector<Fd> sockets_;
};

TEST_P(WalkTest, FindsEachSocketOfEachNamespaceOnce) {
  for (const auto* place : {&here_, &there_})
    for (const int type : {SOCK_STREAM, SOCK_DGRAM, SOCK_STREAM}) connect(*place, type);
  const auto sockets = datapath::Sockets::open(datapath_->loaded());
  ASSERT_TRUE(sockets) << sockets.error().message;
  const auto rows = sockets->list();
  ASSERT_TRUE(rows) << rows.error().message;
  EXPECT_EQ(clients(*rows), cookies());
  sockets_.erase(sockets_.begin());
  const auto fewer = sockets->list();
  ASSERT_TRUE(fewer) << fewer.error().message;
  EXPECT_EQ(clients(*fewer), cookies());
}

TEST_P(WalkTest, GoesOverTheStorageThatItWasGiven) {
  connect(here_, SOCK_STREAM);
  const test::TempCgroup cgroup("walk-other");
  const test::PinDir pin_dir;
  const auto other = kernel::Datapath::load(
      {.cgroup = cgroup.path(), .pin_dir = pin_dir.path(), .sizes = {}, .walk_by_namespace = GetParam()});
  ASSERT_TRUE(other) << other.error().message;
  const auto list = [](const Result<kernel::Walk>& walk) {
    EXPECT_TRUE(walk) << walk.error().message;
    const auto rows = datapath::swept_rows(*walk);
    EXPECT_TRUE(rows) << rows.error().message;
    return clients(*rows);
  };
  const auto loaded = (*other)->loaded();
  const auto theirs = datapath_->map("fl_socks");
  const auto of_theirs = kernel::Walk::open(loaded, "fl_sweep_list", "fl_socks", *theirs);
  const auto of_its_own = kernel::Walk::open(loaded, "fl_sweep_list", "fl_socks");
  EXPECT_EQ(list(of_theirs), cookies());
  EXPECT_TRUE(list(of_its_own).empty());
  EXPECT_EQ(list(of_theirs), cookies());
}

INSTANTIATE_TEST_SUITE_P(Forms, WalkTest, ::testing::Bool(),
                         [](const auto& form) { return form.param ? "ByNamespace" : "AsTheKernelTakesThem"; });

}  // namespace
}  // namespace fairlead
