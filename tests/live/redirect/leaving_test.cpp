// SPDX-License-Identifier: Apache-2.0
// Redirection ends without the loss of a byte: for one connection, for an uninstall, and for an agent of another
// version.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <future>
#include <thread>

#include "fairlead/abi/names.h"
#include "fairlead/abi/redirect.h"
#include "live/redirect/fixture.hpp"

namespace fairlead {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::Not;

class LeavingTest : public test::RedirectTest {
 protected:
  static void exclude(const test::Pair& pair) {
    const int mark = 1;  // what it is already: the option alone excludes
    ASSERT_EQ(::setsockopt(pair.server.get(), SOL_SOCKET, SO_RCVLOWAT, &mark, sizeof mark), 0);
  }
  bool left(std::uint64_t ends) const {
    return test::eventually([&] { return counter(FL_C_REDIRECT_LEFT) == ends; }, seconds(60));
  }
  /// Redirects messages to a server that does not read them.
  std::string unread_messages(const test::Pair& pair) const {
    const auto before = counter(FL_C_REDIRECT_MESSAGES);
    std::string all;
    for (int i = 0; i < 100; ++i) {
      const std::string text = "message " + std::to_string(i) + " in flight;";
      EXPECT_TRUE(test::put(pair.client, text));
      all += text;
    }
    EXPECT_EQ(counter(FL_C_REDIRECT_MESSAGES), before + 100);
    return all;
  }
  std::vector<std::string> pin_names() const { return kernel::PinDirectory::at(pins_.path()).names(); }
  std::vector<std::string> uninstall_command() const {
    return {test::built_program("fairctl"),
            "uninstall",
            "--pin-dir",
            pins_.path(),
            "--run-dir",
            folder_ / "run",
            "--socket",
            folder_ / "agent.sock"};
  }
};

TEST_F(LeavingTest, AnExcludedConnectionLeavesAndIsPlainTcpAgain) {
  const auto agent = start_all();
  const auto pair = connect_pair();
  ASSERT_TRUE(warm_up(pair));
  exclude(pair);
  ASSERT_TRUE(left(2));
  // Outside the sockhash a blocking reader waits as it should, although another thread writes to its socket meanwhile.
  for (const auto* fd : {&pair.client, &pair.server}) ASSERT_EQ(::fcntl(fd->get(), F_SETFL, 0), 0);
  auto reader = std::async(std::launch::async, [&] { return test::take(pair.server, 5000); });
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(test::put(pair.server, "world"));
    ASSERT_EQ(test::take(pair.client, 5), "world");
    ASSERT_TRUE(test::put(pair.client, "hello"));
  }
  EXPECT_EQ(reader.get().size(), 5000U);
  const int on = 1;
  EXPECT_EQ(::setsockopt(pair.client.get(), SOL_SOCKET, SO_ZEROCOPY, &on, sizeof on), 0);
}

TEST_F(LeavingTest, AnEndStaysUntilItHasReadWhatWasRedirected) {
  const auto agent = start_all();
  const auto pair = connect_pair();
  ASSERT_TRUE(warm_up(pair));
  const auto sent = unread_messages(pair);
  exclude(pair);
  ASSERT_TRUE(left(1)) << "the client, to which nothing is on its way";
  ASSERT_TRUE(test::put(pair.client, "by TCP"));
  EXPECT_EQ(test::take(pair.server, 1000), sent.substr(0, 1000));
  EXPECT_EQ(counter(FL_C_REDIRECT_LEFT), 1U);
  EXPECT_EQ(test::take(pair.server, sent.size() - 1000 + 6), sent.substr(1000) + "by TCP");
  EXPECT_TRUE(left(2));
  EXPECT_TRUE(test::ping(pair));
}

TEST_F(LeavingTest, ASocketThatIsMadeBlockingLeaves) {
  const auto agent = start_all();
  const auto pair = connect_pair();
  ASSERT_TRUE(warm_up(pair));
  ASSERT_EQ(::fcntl(pair.server.get(), F_SETFL, 0), 0);
  EXPECT_TRUE(test::ping(pair));
  EXPECT_EQ(counter(FL_C_REDIRECT_EXCL_BLOCKING), 1U);
  EXPECT_TRUE(left(2));
}

TEST_F(LeavingTest, ZeroCopyIsRefusedWhileASocketIsInside) {
  const auto agent = start_all();
  const auto pair = connect_pair();
  ASSERT_TRUE(warm_up(pair));
  const int on = 1;
  EXPECT_EQ(::setsockopt(pair.client.get(), SOL_SOCKET, SO_ZEROCOPY, &on, sizeof on), -1);
  EXPECT_EQ(errno, EOPNOTSUPP);
  EXPECT_EQ(counter(FL_C_REDIRECT_EXCL_OPTION), 1U);
  EXPECT_TRUE(left(2));
  EXPECT_EQ(::setsockopt(pair.client.get(), SOL_SOCKET, SO_ZEROCOPY, &on, sizeof on), 0);
}

TEST_F(LeavingTest, MessagesThatOnlyTcpCanServeAreCounted) {
  const auto agent = start_all();
  const auto pair = connect_pair();
  ASSERT_TRUE(warm_up(pair));
  ASSERT_TRUE(test::put(pair.client, "!", MSG_OOB));
  EXPECT_EQ(counter(FL_C_REDIRECT_MSG_FLAGS), 1U);
  int pipe[2];
  ASSERT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
  const Fd read(pipe[0]), write(pipe[1]);
  ASSERT_EQ(::write(write.get(), "spliced", 7), 7);
  ASSERT_EQ(::splice(read.get(), nullptr, pair.client.get(), nullptr, 7, 0), 7);
  EXPECT_GE(counter(FL_C_REDIRECT_MSG_CALL), 1U);
}

TEST_F(LeavingTest, ManySmallUnreadMessagesAreBounded) {
  const auto agent = start_all();
  const auto pair = connect_pair();
  ASSERT_TRUE(warm_up(pair));
  const auto before = counter(FL_C_REDIRECT_MESSAGES);
  std::string sent;
  for (std::size_t i = 0; i < 20'000; ++i) {
    sent += static_cast<char>('a' + i % 26);
    ASSERT_TRUE(test::put(pair.client, sent.substr(i))) << i;
  }
  EXPECT_LE(counter(FL_C_REDIRECT_MESSAGES) - before, FL_REDIR_WAITING + 2U);
  EXPECT_EQ(counter(FL_C_REDIRECT_END_UNREAD), 1U);
  EXPECT_EQ(test::take(pair.server, sent.size()), sent);
}

TEST_F(LeavingTest, AnUninstallWaitsForReaders) {
  auto agent = start_all();
  const auto pair = connect_pair();
  ASSERT_TRUE(warm_up(pair));
  const auto sent = unread_messages(pair);
  agent->signal(SIGKILL);
  agent->wait();
  test::Process uninstall({.argv = uninstall_command()});
  // Redirection is off first: what is sent now goes by TCP, behind what was redirected.
  ASSERT_TRUE(test::eventually([&] { return settings().redirect == FL_REDIRECT_OFF; }));
  ASSERT_TRUE(test::put(pair.client, "by TCP"));
  EXPECT_EQ(test::take(pair.server, sent.size() + 6), sent + "by TCP");
  EXPECT_EQ(uninstall.wait(), 0);
  EXPECT_THAT(uninstall.output(), Not(HasSubstr("ends of connections")));
  EXPECT_THAT(pin_names(), ::testing::IsEmpty());
  EXPECT_TRUE(test::ping(pair));
}

TEST_F(LeavingTest, AnUninstallLosesNothingThatIsNeverReadInTime) {
  auto agent = start_all();
  const auto pair = connect_pair();
  ASSERT_TRUE(warm_up(pair));
  const auto sent = unread_messages(pair);
  agent->signal(SIGKILL);
  agent->wait();
  const auto uninstalled = test::try_run(uninstall_command());
  EXPECT_EQ(uninstalled.status, 0) << uninstalled.output;
  EXPECT_THAT(uninstalled.output, HasSubstr("1 ends of connections hold redirected bytes"));
  EXPECT_THAT(pin_names(), ::testing::IsEmpty());
  ASSERT_TRUE(test::put(pair.client, "by TCP"));
  EXPECT_EQ(test::take(pair.server, sent.size() + 6), sent + "by TCP");
  EXPECT_TRUE(test::ping(pair));
}

TEST_F(LeavingTest, AnAgentOfAnotherVersionLosesNothingThatIsUnread) {
  auto agent = start_all();
  const auto pair = connect_pair();
  ASSERT_TRUE(warm_up(pair));
  const auto sent = unread_messages(pair);
  agent->signal(SIGKILL);
  agent->wait();
  auto row = settings();
  row.abi_version = FL_ABI_VERSION + 1;
  const std::uint32_t zero = 0;
  ASSERT_EQ(bpf_map_update_elem(pin("fl_settings").get(), &zero, &row, BPF_ANY), 0);

  const auto next = start_all();
  EXPECT_THAT(next->output(), HasSubstr("replacing the state"));
  const auto retired = [&] {
    const auto names = pin_names();
    return std::ranges::any_of(names, [](const auto& name) { return name.starts_with("link_fl_redir_left_"); });
  };
  EXPECT_TRUE(retired());
  ASSERT_TRUE(test::put(pair.client, "by TCP"));
  EXPECT_EQ(test::take(pair.server, sent.size() + 6), sent + "by TCP");
  EXPECT_TRUE(test::eventually([&] { return !retired(); }, seconds(60)));
  EXPECT_TRUE(test::ping(pair));
  // Connections from now on are the new agent's.
  const auto later = connect_pair();
  EXPECT_TRUE(warm_up(later));
}

}  // namespace
}  // namespace fairlead
