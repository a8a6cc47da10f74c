// SPDX-License-Identifier: Apache-2.0
#include "fairlead/admin/server.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>

#include "fairlead/admin/client.hpp"
#include "fairlead/base/fd.hpp"

namespace fairlead::admin {
namespace {

class AdminServer : public testing::Test {
 protected:
  void SetUp() override {
    std::string made = testing::TempDir() + "admin_XXXXXX";
    ASSERT_NE(mkdtemp(made.data()), nullptr);
    folder_ = made;
    loop_ = event::Loop::create().value();
    server_ = Server::on_unix_socket(path()).value();
  }
  void TearDown() override {
    server_->stop();
    loop_->stop();
    if (thread_.joinable()) thread_.join();
    std::filesystem::remove_all(folder_);
  }
  void start() {
    server_->start();
    thread_ = std::thread([this] { loop_->run(); });
  }
  [[nodiscard]] std::string path() const { return folder_ + "/socket"; }
  [[nodiscard]] Fd connected() const {
    Fd peer(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path().copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::connect(peer.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    return peer;
  }
  /// The answer, whose head says how long it is; what came until the connection ended where it says nothing.
  static std::string ask(const Fd& peer, const std::string& question) {
    EXPECT_EQ(::send(peer.get(), question.data(), question.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(question.size()));
    constexpr std::string_view kLength = "Content-Length: ";
    std::string answer;
    char piece[4096];
    for (ssize_t got = 0; (got = ::recv(peer.get(), piece, sizeof piece, 0)) > 0;) {
      answer.append(piece, static_cast<std::size_t>(got));
      const auto head = answer.find("\r\n\r\n");
      const auto length = answer.find(kLength);
      if (head == std::string::npos || length > head) continue;
      if (answer.size() == head + 4 + std::stoul(answer.substr(length + kLength.size()))) break;
    }
    return answer;
  }

  std::string folder_;
  std::unique_ptr<event::Loop> loop_;
  std::unique_ptr<Server> server_;
  std::thread thread_;
};

TEST_F(AdminServer, OutlivesAnAnswerThatCannotBeMade) {
  server_->get("/bad", [&](const Request&) {
    return on_loop(*loop_, []() -> Response { throw std::runtime_error("no UTF-8"); });
  });
  server_->get("/good", [&](const Request&) { return on_loop(*loop_, [] { return Response{.body = "good"}; }); });
  start();
  const Client client(path());
  EXPECT_FALSE(client.get("/bad"));
  EXPECT_EQ(client.get("/good"), "good") << "the loop goes on";
}

// What follows on a connection is a request of its own, whatever came with one that is not taken.
TEST_F(AdminServer, AMethodThatIsNotTakenLeavesTheConnectionInOrder) {
  server_->get("/page", [](const Request&) { return Response{.body = "the page"}; });
  start();
  const Fd peer = connected();
  const std::string body(20000, 'x');  // more than the server reads with the head
  for (const auto& refused : {"POST /page HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n" + body,
                              "PUT /page HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n" + body,
                              std::string("DELETE /page HTTP/1.1\r\nHost: a\r\n\r\n")}) {
    const auto answer = ask(peer, refused);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 405 ")) << answer;
    EXPECT_NE(answer.find("\r\nAllow: GET, HEAD\r\n"), std::string::npos) << answer;
  }
  EXPECT_TRUE(ask(peer, "GET /page HTTP/1.1\r\nHost: a\r\n\r\n").ends_with("the page"));
}

TEST_F(AdminServer, TakesNoBodyThatItCannotBound) {
  server_->post("/page", [](const Request&) { return Response{.body = "taken"}; });
  start();
  const std::string head = "POST /page HTTP/1.1\r\nHost: a\r\n";
  EXPECT_TRUE(ask(connected(), head + "Content-Length: 1\r\n\r\nx").ends_with("taken"));
  EXPECT_TRUE(ask(connected(), head + "Content-Length: 70000\r\n\r\n" + std::string(70000, 'x')).contains(" 413 "));
  EXPECT_TRUE(ask(connected(), head + "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n").contains(" 411 "));
}

TEST_F(AdminServer, ItsSocketIsOfItsUserAlone) {
  struct stat found{};
  ASSERT_EQ(::stat(path().c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777U, 0600U);
}

}  // namespace
}  // namespace fairlead::admin
