// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "agent/kernel/pins.hpp"
#include "fairlead/abi/service.h"
#include "fairlead/abi/settings.h"
#include "fairlead/base/address.hpp"
#include "support/agent_process.hpp"
#include "support/cgroup.hpp"
#include "support/command.hpp"
#include "support/pin_dir.hpp"
#include "support/process.hpp"

namespace fairlead::test {

/// The real binary with a configuration, a cgroup and pins of its own.
class AgentTest : public ::testing::Test {
 protected:
  AgentTest() : folder_(std::filesystem::temp_directory_path() / unique_name("lifecycle")) {
    std::filesystem::create_directories(folder_ / "config");
  }
  ~AgentTest() override { std::filesystem::remove_all(folder_); }

  std::vector<std::string> command(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words{built_program("fairlead-agent"),
                                   "--config",
                                   folder_ / "config",
                                   "--cgroup",
                                   cgroup_.path(),
                                   "--pin-dir",
                                   pins_.path(),
                                   "--run-dir",
                                   folder_ / "run",
                                   "--socket",
                                   folder_ / "agent.sock",
                                   "--metrics",
                                   "127.0.0.1:0"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  std::unique_ptr<Process> start(const std::vector<std::string>& more = {}) const {
    auto agent = std::make_unique<Process>(ProcessOptions{.argv = command(more)});
    // Under emulation the verifier takes its time.
    EXPECT_TRUE(agent->wait_for("ready\n", std::chrono::minutes(2))) << agent->output();
    return agent;
  }
  /// Puts a file into the configuration in one step, as kubectl and editors do.
  void write(const std::string& name, const std::string& content) const {
    std::ofstream(folder_ / "passing") << content;
    std::filesystem::rename(folder_ / "passing", folder_ / "config" / name);
  }
  Fd pin(const std::string& name) const { return kernel::PinDirectory::at(pins_.path()).open(name); }
  std::uint32_t map_id(const std::string& name) const {
    bpf_map_info info{};
    std::uint32_t length = sizeof info;
    const Fd fd = pin(name);
    return fd && bpf_obj_get_info_by_fd(fd.get(), &info, &length) == 0 ? info.id : 0;
  }
  fl_settings settings() const {
    fl_settings row{};
    const std::uint32_t zero = 0;
    bpf_map_lookup_elem(pin("fl_settings").get(), &zero, &row);
    return row;
  }

  /// A row of a pinned map; zeros and a failure where it is not there.
  template <class Value, class Key>
  Value look_up(const char* map, const Key& key) const {
    Value value{};
    EXPECT_EQ(bpf_map_lookup_elem(pin(map).get(), &key, &value), 0) << map;
    return value;
  }
  /// The service of an address, as the kernel finds it.
  std::uint32_t service_id(const std::string& address, std::uint16_t port, std::uint8_t proto) const {
    fl_frontend_key key{};
    key.addr = Address::parse(address)->raw();
    key.port = htons(port);
    key.proto = proto;
    return look_up<fl_frontend>("fl_frontends", key).service_id;
  }

  std::filesystem::path folder_;
  TempCgroup cgroup_{"lifecycle"};
  PinDir pins_;
};

}  // namespace fairlead::test
