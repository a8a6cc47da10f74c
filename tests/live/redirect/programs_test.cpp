// SPDX-License-Identifier: Apache-2.0
// Programs of others' making, with and without redirection: a Go relay, JVM and Python clients, many short connections.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "live/redirect/echo_server.hpp"
#include "live/redirect/fixture.hpp"

namespace fairlead {
namespace {

using ::testing::HasSubstr;

// Under emulation all is slower but the agent's 10 ms until it adds a connection.
const bool kEmulated = std::getenv("FAIRLEAD_VM") != nullptr;
const int kMessages = kEmulated ? 250 : 6000;  // so many that they are not over before redirection begins
const int kShort = kEmulated ? 1'000 : 10'000;

class ProgramsTest : public test::RedirectTest {
 protected:
  ProgramsTest() : server_(netns_) { std::filesystem::create_directories(folder_ / "bin"); }

  /// Redirects all but the relay, as far as the kernel leaves that to be said.
  std::unique_ptr<test::Process> start_named() const {
    return start({"--redirect", "all", "--redirect-programs", own_name() + ",go-serve,go-ask,java,python3"});
  }
  /// The Go program under the name by which the agent knows a process.
  std::vector<std::string> go(const std::string& name, const std::vector<std::string>& words) const {
    const auto link = folder_ / "bin" / name;
    if (!std::filesystem::exists(link)) std::filesystem::create_symlink(FAIRLEAD_GO_RELAY, link);
    std::vector<std::string> argv{link};
    argv.insert(argv.end(), words.begin(), words.end());
    return argv;
  }
  std::string output_of(const std::vector<std::string>& argv) const {
    test::Process process({.argv = argv, .netns = netns_.path()});
    EXPECT_EQ(process.wait(), 0);
    return process.output();
  }
  static std::string port_of(test::Process& process) {
    EXPECT_TRUE(process.wait_for("\n", std::chrono::minutes(1))) << process.output();
    const auto output = process.output();
    return output.substr(5, output.find('\n') - 5);
  }
  static std::string good() {
    int sum = 0;
    for (int i = 0; i < kMessages; ++i) sum += 1 + i * 37 % 3000;
    const auto messages = std::to_string(kMessages);
    return messages + " of " + messages + " in " + std::to_string(sum) + " bytes, then 0\n";
  }
  /// Runs the client without and with redirection: it must see the same. Gives by how much a counter rose with it.
  std::uint64_t compare(const std::vector<std::string>& client, fl_counter which) const {
    return compare(client, [&] { return counter(which); });
  }
  template <class Count>
  std::uint64_t compare(const std::vector<std::string>& client, const Count& count) const {
    set_mode(FL_REDIRECT_OFF);
    EXPECT_EQ(output_of(client), good()) << "without";
    set_mode(FL_REDIRECT_ALL);
    const auto before = count();
    EXPECT_EQ(output_of(client), good()) << "with";
    return count() - before;
  }
  std::string port() const { return std::to_string(server_.port()); }

  test::EchoServer server_;
};

TEST_F(ProgramsTest, GoClientAndServer) {
  const auto agent = start_named();
  test::Process server({.argv = go("go-serve", {"serve"}), .netns = netns_.path()});
  const auto client = go("go-ask", {"ask", port_of(server), std::to_string(kMessages)});
  EXPECT_GT(compare(client, FL_C_REDIRECT_MESSAGES), 100U);
}

TEST_F(ProgramsTest, GoRelayByIoCopy) {
  const auto agent = start_named();
  test::Process server({.argv = go("go-serve", {"serve"}), .netns = netns_.path()});
  test::Process relay({.argv = go("go-relay", {"copy", port_of(server)}), .netns = netns_.path()});
  const auto client = go("go-ask", {"ask", port_of(relay), std::to_string(kMessages)});
  // Where splice is seen the connection is excluded. Elsewhere what the relay reads by splice is never redirected, as
  // it is never seen read; what it writes by splice goes by TCP message by message, or its program was not named.
  const bool seen = (settings().redirect_unguarded & FL_REDIRECT_SPLICE_UNSEEN) == 0;
  EXPECT_GT(compare(client,
                    [&] {
                      return seen ? counter(FL_C_REDIRECT_EXCL_SPLICE)
                                  : counter(FL_C_REDIRECT_EXCL_PROGRAM) + counter(FL_C_REDIRECT_MSG_CALL);
                    }),
            0U);
}

TEST_F(ProgramsTest, JvmBlockingClient) {
  const auto agent = start_named();
  const auto client = [&](const char* timeout) {
    return std::vector<std::string>{
        FAIRLEAD_JAVA, "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-Xmx64m", "-cp", FAIRLEAD_CLASSES,
        "Ask",         port(),         std::to_string(kMessages), timeout};
  };
  EXPECT_EQ(compare(client("0"), FL_C_REDIRECT_EXCL_BLOCKING), 1U);
  EXPECT_GT(compare(client("60000"), FL_C_REDIRECT_MESSAGES), 0U) << "with a timeout its socket is non-blocking";
}

TEST_F(ProgramsTest, PythonClients) {
  const auto agent = start_named();
  const auto client = [&](const char* kind) {
    return std::vector<std::string>{"/usr/bin/python3", "-B", FAIRLEAD_ASK_PY, kind, port(), std::to_string(kMessages)};
  };
  EXPECT_EQ(compare(client("blocking"), FL_C_REDIRECT_EXCL_BLOCKING), 1U);
  EXPECT_GT(compare(client("timeout"), FL_C_REDIRECT_MESSAGES), 100U);
  EXPECT_GT(compare(client("asyncio"), FL_C_REDIRECT_MESSAGES), 100U);
}

/// One client, one message there and back after the other, each over a connection of its own or `pings` over one.
class ShortConnectionsTest : public ProgramsTest {
 protected:
  bool connect_and_ask(int pings) const {
    const test::SocketAddress to("127.0.0.1", server_.port());
    const Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(socket.get(), to.get(), to.length) != 0) return false;
    const int on = 1;
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::fcntl(socket.get(), F_SETFL, O_NONBLOCK);
    for (int i = 0; i < pings; ++i) {
      const auto text = "request " + std::to_string(i);
      if (!test::put(socket, text) || test::take(socket, text.size()) != text) return false;
    }
    ::shutdown(socket.get(), SHUT_WR);
    std::array<char, 8> rest;
    return test::ready(socket, POLLIN, 60'000) && ::recv(socket.get(), rest.data(), rest.size(), 0) == 0;
  }
  int good_of(int connections, int pings) const {
    int good = 0;
    netns_.in([&] {
      for (int i = 0; i < connections; ++i) good += connect_and_ask(pings);
    });
    return good;
  }
};

TEST_F(ShortConnectionsTest, Thousands) {
  const auto agent = start_named();
  set_mode(FL_REDIRECT_OFF);
  EXPECT_EQ(good_of(kShort, 1), kShort) << "without";
  set_mode(FL_REDIRECT_ALL);
  EXPECT_EQ(good_of(kShort, 1), kShort) << "with";
  EXPECT_EQ(counter(FL_C_REDIRECT_PAIRED), static_cast<std::uint64_t>(kShort));
}

// Long enough to join, or to be closed in the middle of joining.
TEST_F(ShortConnectionsTest, ThatJustJoin) {
  const auto agent = start_named();
  for (int pings = 16; pings < 116; pings += kEmulated ? 50 : 10) EXPECT_EQ(good_of(50, pings), 50) << pings;
  // The sockhash forgets a socket when it is closed, and the rows go with both ends.
  EXPECT_TRUE(test::eventually([&] {
    const Fd dirs = pin("fl_redir_dirs");
    std::uint64_t key = 0;
    return bpf_map_get_next_key(dirs.get(), nullptr, &key) != 0;
  }));
}

}  // namespace
}  // namespace fairlead
