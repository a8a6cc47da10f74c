// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "support/process.hpp"

namespace fairlead::test {

/// Path of a program that this build made, e.g. "fairlead-agent".
std::string built_program(const std::string& name);

/// How to start the agent; everything it touches is the test's own.
struct AgentOptions {
  std::string config{};   ///< directory
  std::string cgroup{};
  std::string pin_dir{};
  std::string socket{};   ///< path of the admin socket
  std::string run_dir{};  ///< of its lock
  std::string node{};     ///< empty: the machine's name
  std::string metrics{};  ///< "127.0.0.1:0"; empty: none
  std::string netns{};    ///< the node's namespace; empty: the caller's
  std::vector<std::string> more{};
};

/// A running fairlead-agent.
/// Owner: the test. Thread: one.
class AgentProcess {
 public:
  explicit AgentProcess(const AgentOptions& options);

  /// Waits for its line `ready`; throws with its output if that does not come.
  void wait_ready(std::chrono::milliseconds limit = std::chrono::seconds(60));
  [[nodiscard]] Process& process() { return process_; }
  /// Runs fairctl against its socket.
  [[nodiscard]] std::string ctl(const std::vector<std::string>& words) const;
  [[nodiscard]] const std::string& socket() const { return socket_; }

 private:
  std::string socket_;
  Process process_;
};

}  // namespace fairlead::test
