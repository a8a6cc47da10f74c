// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "fairlead/config/directory.hpp"

namespace fairlead::config {
using model::Kind;

inline std::string service(const std::string& name, const std::string& ip, const std::string& port = "80") {
  return "---\napiVersion: v1\nkind: Service\nmetadata: {name: " + name + "}\nspec:\n  clusterIP: " + ip +
         "\n  ports:\n  - port: " + port + "\n";
}

class DirectoryTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "fl-config-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
  }
  void TearDown() override {
    std::filesystem::remove_all(root_);
    std::filesystem::remove_all(kept_);
  }

  void write(const std::string& name, const std::string& text) const {
    const auto hidden = root_ / ("." + name);
    std::ofstream(hidden) << text;
    std::filesystem::rename(hidden, root_ / name);
  }
  void take(Result<Update> update) {
    ASSERT_TRUE(update) << update.error().message;
    cluster_.apply(update->changes);
    cluster_.apply(update->consumers);
    last_ = std::move(*update);
  }
  void load() {
    auto opened = Directory::open(root_);
    ASSERT_TRUE(opened) << opened.error().message;
    directory_ = std::move(*opened);
    take(directory_->load());
  }
  /// As a daemon that keeps what is in force does, in a life of its own.
  void start() {
    kept_ = root_.string() + "-kept";
    auto opened = Directory::open(root_, agent_kinds(), {}, kept_);
    ASSERT_TRUE(opened) << opened.error().message;
    directory_ = std::move(*opened);
    cluster_ = {};
    take(directory_->load());
    keep();
  }
  void keep() const {
    const auto more = directory_->keep(SIZE_MAX);
    ASSERT_TRUE(more) << more.error().message;
    ASSERT_FALSE(*more);
  }
  void changed() {
    pollfd waiting{.fd = directory_->fd(), .events = POLLIN, .revents = 0};
    ASSERT_EQ(poll(&waiting, 1, 5000), 1);
    take(directory_->changed());
  }
  template <class T>
  const T* get(Kind kind, const std::string& ns, const std::string& name) {
    held_ = cluster_.find({kind, ns, name});
    return held_ ? std::get_if<T>(held_.get()) : nullptr;
  }

  std::filesystem::path root_;
  std::filesystem::path kept_;
  std::unique_ptr<Directory> directory_;
  model::Cluster cluster_;
  model::ObjectPtr held_;
  Update last_;
};

}  // namespace fairlead::config
