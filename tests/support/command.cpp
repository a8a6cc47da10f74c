// SPDX-License-Identifier: Apache-2.0
#include "support/command.hpp"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "support/process.hpp"

namespace fairlead::test {

void require(bool ok, const std::string& what) {
  if (!ok) throw std::runtime_error(what + ": " + std::strerror(errno));
}

Finished try_run(const std::vector<std::string>& argv) {
  Process process({.argv = argv});
  Finished finished;
  finished.status = process.wait();
  finished.output = process.output();
  return finished;
}

std::string run(const std::vector<std::string>& argv) {
  Finished finished = try_run(argv);
  if (finished.status == 0) return std::move(finished.output);
  std::string line;
  for (const auto& word : argv) line += word + " ";
  throw std::runtime_error(line + "exited with " + std::to_string(finished.status) + ": " + finished.output);
}

std::string unique_name(const std::string& name) {
  static std::atomic<int> next{0};
  return "fl-test-" + std::to_string(getpid()) + "-" + std::to_string(next++) + "-" + name;
}

}  // namespace fairlead::test
