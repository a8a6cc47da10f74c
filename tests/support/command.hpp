// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace fairlead::test {

/// Throws std::runtime_error("what: errno's text") where !ok.
void require(bool ok, const std::string& what);

/// Exit status and all that was written to stdout and stderr.
struct Finished {
  int status = 0;
  std::string output;
};

/// Runs a command (found in PATH) to its end.
Finished try_run(const std::vector<std::string>& argv);
/// The same; throws with the output unless it exits with 0.
std::string run(const std::vector<std::string>& argv);

/// "fl-test-<pid>-<n>-<name>": names of cgroups, namespaces and pin folders, unique on the machine.
std::string unique_name(const std::string& name);

}  // namespace fairlead::test
