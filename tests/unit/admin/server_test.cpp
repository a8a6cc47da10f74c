// SPDX-License-Identifier: Apache-2.0
#include "fairlead/admin/server.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <stdexcept>
#include <thread>

#include "fairlead/admin/client.hpp"

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

TEST_F(AdminServer, ItsSocketIsOfItsUserAlone) {
  struct stat found{};
  ASSERT_EQ(::stat(path().c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777U, 0600U);
}

}  // namespace
}  // namespace fairlead::admin
