// SPDX-License-Identifier: Apache-2.0
#include "live/telemetry/page.hpp"

#include <algorithm>
#include <sstream>

#include "fairlead/admin/client.hpp"
#include "support/command.hpp"
#include "support/wait.hpp"

namespace fairlead::test {
namespace {

bool has(const std::string& line, const Labels& labels) {
  return std::ranges::all_of(labels, [&](const auto& label) {
    const std::string text = label.first + "=\"" + label.second + "\"";
    return line.find("{" + text) != std::string::npos || line.find("," + text) != std::string::npos;
  });
}

}  // namespace

double sample(const AgentProcess& agent, const std::string& name, const Labels& labels) {
  const auto page = admin::Client(agent.socket()).get("/metrics");
  require(page.has_value(), "reading /metrics");
  double sum = -1;
  std::istringstream lines(*page);
  for (std::string line; std::getline(lines, line);) {
    const auto end = line.find_first_of("{ ");
    if (line.substr(0, end) != name || !has(line, labels)) continue;
    sum = std::max(sum, 0.0) + std::stod(line.substr(line.rfind(' ') + 1));
  }
  return sum;
}

testing::AssertionResult comes_to(const AgentProcess& agent, const std::string& name, const Labels& labels,
                                  double expected) {
  double found = 0;
  if (eventually([&] { return (found = sample(agent, name, labels)) == expected; })) return testing::AssertionSuccess();
  return testing::AssertionFailure() << name << " is " << found << ", expected " << expected;
}

}  // namespace fairlead::test
