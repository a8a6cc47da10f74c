// SPDX-License-Identifier: Apache-2.0
#include "support/agent_process.hpp"

#include <stdexcept>

#include "support/command.hpp"

namespace fairlead::test {
namespace {

ProcessOptions command_line(const AgentOptions& options) {
  ProcessOptions process{.argv = {built_program("fairlead-agent")}, .netns = options.netns};
  const auto add = [&](const char* option, const std::string& value) {
    if (value.empty()) return;
    process.argv.emplace_back(option);
    process.argv.push_back(value);
  };
  add("--config", options.config);
  add("--cgroup", options.cgroup);
  add("--pin-dir", options.pin_dir);
  add("--socket", options.socket);
  add("--node", options.node);
  add("--run-dir", options.run_dir);
  add("--metrics", options.metrics.empty() ? "off" : options.metrics);
  process.argv.insert(process.argv.end(), options.more.begin(), options.more.end());
  return process;
}

}  // namespace

std::string built_program(const std::string& name) { return std::string(FAIRLEAD_BIN_DIR) + "/" + name; }

AgentProcess::AgentProcess(const AgentOptions& options) : socket_(options.socket), process_(command_line(options)) {}

void AgentProcess::wait_ready(std::chrono::milliseconds limit) {
  if (!process_.wait_for("ready\n", limit))
    throw std::runtime_error("fairlead-agent did not say ready:\n" + process_.output());
}

std::string AgentProcess::ctl(const std::vector<std::string>& words) const {
  std::vector<std::string> argv{built_program("fairctl"), "--socket", socket_};
  argv.insert(argv.end(), words.begin(), words.end());
  return run(argv);
}

}  // namespace fairlead::test
