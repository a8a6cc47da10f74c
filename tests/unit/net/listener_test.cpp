// SPDX-License-Identifier: Apache-2.0
#include "fairlead/net/listener.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>

#include "world.hpp"

namespace fairlead::net {
namespace {

class ListenerTest : public ::testing::Test {
 protected:
  std::unique_ptr<Listener> listen(Fd fd) {
    auto made = Listener::create(*reactor_, std::move(fd), accepted_);
    EXPECT_TRUE(made);
    return std::move(*made);
  }
  bool eventually_accepted(std::size_t count) {
    return run_until(*reactor_, [&] { return accepted_.fds.size() >= count; });
  }

  std::unique_ptr<event::Reactor> reactor_ = make_reactor();
  Accepted accepted_;
};

std::uint16_t port_of(const Listener& listener) { return listener.local().endpoint().port; }

Fd connect_to(const char* host, std::uint16_t port, bool* failed = nullptr) {
  const SocketAddress at(Endpoint{*Address::parse(host), port});
  Fd client(::socket(at.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  const bool bad = ::connect(client.get(), at.get(), at.length()) != 0;
  if (failed != nullptr) *failed = bad;
  else EXPECT_FALSE(bad) << host;
  return client;
}

TEST_F(ListenerTest, AcceptsAndNamesBothEnds) {
  const auto listener = listen(listening("127.0.0.1:0"));
  std::vector<Fd> clients;
  for (int i = 0; i < 200; ++i) clients.push_back(connect_to("127.0.0.1", port_of(*listener)));
  ASSERT_TRUE(eventually_accepted(200));
  EXPECT_EQ(listener->counts().accepted, 200U);
  EXPECT_EQ(accepted_.locals[0].port, port_of(*listener));
  EXPECT_EQ(accepted_.peers[0].port, local_address(clients[0].get())->endpoint().port);
  EXPECT_EQ(accepted_.peers[0].address, *Address::parse("127.0.0.1"));
  EXPECT_TRUE(::fcntl(accepted_.fds[0].get(), F_GETFL) & O_NONBLOCK);
}

TEST_F(ListenerTest, AWildcardAsksForTheAddressThatWasMeant) {
  const auto listener = listen(listening(":0"));
  const Fd first = connect_to("127.0.0.3", port_of(*listener));
  const Fd second = connect_to("::1", port_of(*listener));
  ASSERT_TRUE(eventually_accepted(2));
  EXPECT_EQ(accepted_.locals[0].address, *Address::parse("127.0.0.3"));
  EXPECT_EQ(accepted_.peers[0].address, *Address::parse("127.0.0.1"));
  EXPECT_EQ(accepted_.locals[1].address, *Address::parse("::1"));
}

TEST_F(ListenerTest, SixIsAloneWhereFourIsListedToo) {
  const std::vector listed{address("[::]:80"), address("0.0.0.0:80"), address("[::]:81"), address("127.0.0.1:81")};
  const auto options = listen_options(listed, {.backlog = 7});
  EXPECT_TRUE(options[0].v6_only);
  EXPECT_FALSE(options[2].v6_only);
  EXPECT_EQ(options[3].backlog, 7);

  const auto six = listen(listening("[::]:0", {.v6_only = true}));
  bool failed = false;
  connect_to("127.0.0.1", port_of(*six), &failed);
  EXPECT_TRUE(failed);
  const auto four = listen(listening("0.0.0.0:" + std::to_string(port_of(*six))));
  const Fd client = connect_to("127.0.0.1", port_of(*six));
  EXPECT_TRUE(eventually_accepted(1));
}

TEST_F(ListenerTest, SeveralSocketsShareAPortWhereAllSaySo) {
  const auto one = listen(listening("127.0.0.1:0", {.reuse_port = true}));
  const auto text = "127.0.0.1:" + std::to_string(port_of(*one));
  const auto other = listen(listening(text, {.reuse_port = true}));
  const auto refused = open_listener(address(text));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, EADDRINUSE);
  EXPECT_TRUE(refused.error().message.starts_with("bind to " + text + ": ")) << refused.error().message;
  std::vector<Fd> clients;
  for (int i = 0; i < 100; ++i) clients.push_back(connect_to("127.0.0.1", port_of(*one)));
  ASSERT_TRUE(eventually_accepted(100));
  EXPECT_GT(one->counts().accepted, 0U);
  EXPECT_GT(other->counts().accepted, 0U);
}

TEST_F(ListenerTest, OneSocketMayServeSeveralReactors) {
  Fd fd = listening("127.0.0.1:0");
  const auto one = listen(Fd(::dup(fd.get())));
  const auto reactor = make_reactor();
  Accepted accepted;
  const auto other = Listener::create(*reactor, std::move(fd), accepted);
  ASSERT_TRUE(other);
  const Fd first = connect_to("127.0.0.1", port_of(*one));
  ASSERT_TRUE(eventually_accepted(1));
  const Fd second = connect_to("127.0.0.1", port_of(*one));
  EXPECT_TRUE(run_until(*reactor, [&] { return accepted.fds.size() == 1; }));
}

TEST_F(ListenerTest, AdoptsWhatListensAndNothingElse) {
  Fd fd(::socket(AF_INET, SOCK_STREAM, 0));
  const auto none = adopt_listener(fd.get());
  ASSERT_FALSE(none);
  EXPECT_NE(none.error().message.find("expected one that listens"), std::string::npos);
  ::listen(fd.get(), 5);
  const auto at = adopt_listener(fd.get());
  ASSERT_TRUE(at);
  EXPECT_TRUE(::fcntl(fd.get(), F_GETFL) & O_NONBLOCK);
  EXPECT_TRUE(::fcntl(fd.get(), F_GETFD) & FD_CLOEXEC);
  const auto listener = listen(std::move(fd));
  const Fd client = connect_to("127.0.0.1", at->endpoint().port);
  EXPECT_TRUE(eventually_accepted(1));
  EXPECT_FALSE(adopt_listener(-1));
  EXPECT_FALSE(adopt_listener(STDIN_FILENO));
}

TEST_F(ListenerTest, AdoptsDatagramsAndKnowsTheSocketBehindDuplicates) {
  const auto at = SocketAddress::parse("127.0.0.1:0");
  const auto fd = open_datagram(*at);
  ASSERT_TRUE(fd);
  const auto adopted = adopt_datagram(fd->get());
  ASSERT_TRUE(adopted);
  EXPECT_NE(adopted->endpoint().port, 0);
  EXPECT_FALSE(adopt_listener(fd->get()));
  EXPECT_FALSE(adopt_datagram(listening("127.0.0.1:0").get()));
  const Fd same(::dup(fd->get()));
  EXPECT_NE(socket_cookie(fd->get()), 0u);
  EXPECT_EQ(socket_cookie(fd->get()), socket_cookie(same.get()));
  EXPECT_NE(socket_cookie(fd->get()), socket_cookie(open_datagram(*at)->get()));
  EXPECT_EQ(socket_cookie(-1), 0u);
}

TEST_F(ListenerTest, PausesAndResumes) {
  const auto listener = listen(listening("127.0.0.1:0"));
  listener->pause();
  const Fd client = connect_to("127.0.0.1", port_of(*listener));
  ASSERT_TRUE(wait_for(listener->fd(), POLLIN));
  turn(*reactor_);
  EXPECT_TRUE(accepted_.fds.empty());
  listener->resume();
  EXPECT_TRUE(eventually_accepted(1));
}

TEST_F(ListenerTest, PausesWithinAnAccept) {
  const auto listener = listen(listening("127.0.0.1:0"));
  accepted_.then = [&] { listener->pause(); };
  std::vector<Fd> clients;
  for (int i = 0; i < 5; ++i) clients.push_back(connect_to("127.0.0.1", port_of(*listener)));
  for (std::size_t i = 1; i <= 5; ++i) {
    ASSERT_TRUE(eventually_accepted(i));
    turn(*reactor_);
    EXPECT_EQ(accepted_.fds.size(), i);
    listener->resume();
  }
}

TEST_F(ListenerTest, DrainsWhatHasConnected) {
  auto listener = listen(listening("127.0.0.1:0"));
  std::vector<Fd> clients;
  for (int i = 0; i < 100; ++i) clients.push_back(connect_to("127.0.0.1", port_of(*listener)));
  listener->drain();
  EXPECT_EQ(accepted_.fds.size(), 100U);
}

TEST_F(ListenerTest, MayBeDestroyedWithinAnAccept) {
  auto listener = listen(listening("127.0.0.1:0"));
  std::vector<Fd> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(connect_to("127.0.0.1", port_of(*listener)));
  accepted_.then = [&] { listener.reset(); };
  EXPECT_TRUE(eventually_accepted(1));
  turn(*reactor_);
  EXPECT_EQ(accepted_.fds.size(), 1U);
  listener = listen(listening("127.0.0.1:0"));
  clients.push_back(connect_to("127.0.0.1", port_of(*listener)));
  listener->drain();
  EXPECT_EQ(accepted_.fds.size(), 2U);
}

/// While it is there, the process can have no more of them than it has.
class NoDescriptors {
 public:
  explicit NoDescriptors(int any) : highest_(::dup(any)) {
    getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit low{.rlim_cur = static_cast<rlim_t>(highest_.get()) + 3, .rlim_max = before_.rlim_max};
    setrlimit(RLIMIT_NOFILE, &low);
    for (Fd fd(::dup(any)); fd; fd = Fd(::dup(any))) filling_.push_back(std::move(fd));
  }
  ~NoDescriptors() { end(); }
  void end() {
    setrlimit(RLIMIT_NOFILE, &before_);
    filling_.clear();
  }

 private:
  Fd highest_;
  rlimit before_{};
  std::vector<Fd> filling_;
};

TEST_F(ListenerTest, WithoutDescriptorsItTakesTheRoomThatIsMade) {
  const auto listener = listen(listening("127.0.0.1:0"));
  const Fd first = connect_to("127.0.0.1", port_of(*listener));
  ASSERT_TRUE(eventually_accepted(1));
  std::vector<Fd> clients;
  for (int i = 0; i < 100; ++i) clients.push_back(connect_to("127.0.0.1", port_of(*listener)));
  accepted_.may_close = true;
  const NoDescriptors none(first.get());
  ASSERT_TRUE(run_until(*reactor_, [&] { return listener->counts().accepted == 101; }));
  EXPECT_LE(accepted_.fds.size(), 1U);
  EXPECT_EQ(accepted_.shed, 0U);
}

TEST_F(ListenerTest, WithoutDescriptorsItTellsClientsAndGoesOnLater) {
  const auto listener = listen(listening("127.0.0.1:0"));
  // UBSan looks at a class through a pipe when it first meets one: let it meet them while there are descriptors.
  const Fd first = connect_to("127.0.0.1", port_of(*listener));
  ASSERT_TRUE(eventually_accepted(1));
  std::vector<Fd> clients;
  for (int i = 0; i < 100; ++i) clients.push_back(connect_to("127.0.0.1", port_of(*listener)));
  Fd later(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  NoDescriptors none(later.get());
  ASSERT_TRUE(run_until(*reactor_, [&] { return listener->counts().shed == 100; }));
  EXPECT_EQ(accepted_.exhausted, EMFILE);
  EXPECT_EQ(accepted_.shed, 100U);
  EXPECT_EQ(accepted_.fds.size(), 1U);
  EXPECT_EQ(listener->counts().exhausted, 2U);  // 64, a rest, 36
  for (const Fd& client : clients) EXPECT_EQ(receive_all(client), "errno " + std::to_string(ECONNRESET));
  none.end();
  ASSERT_EQ(::connect(later.get(), listener->local().get(), listener->local().length()), 0);
  EXPECT_TRUE(eventually_accepted(2));
}

TEST_F(ListenerTest, AUnixSocketReplacesTheFileOfADeadOneOnly) {
  const auto folder = std::filesystem::path(::testing::TempDir()) / ("fl-net-" + std::to_string(::getpid()));
  std::filesystem::create_directory(folder);
  const std::string text = "unix:" + (folder / "x.sock").string();
  Fd first = listening(text, {.unix_mode = 0600});
  EXPECT_EQ(std::filesystem::status(folder / "x.sock").permissions(), std::filesystem::perms(0600));
  const auto refused = open_listener(address(text));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, EADDRINUSE);
  first.reset();
  const auto listener = listen(listening(text));
  const Fd client = client_of(Fd(::dup(listener->fd())));
  ASSERT_TRUE(eventually_accepted(1));
  EXPECT_EQ(accepted_.peers[0].port, 0);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace fairlead::net
