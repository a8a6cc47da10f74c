// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "support/agent_process.hpp"

namespace fairlead::test {

using Labels = std::map<std::string, std::string>;

/// The sum of the samples of that name that have these labels among theirs; -1: there is none.
double sample(const AgentProcess& agent, const std::string& name, const Labels& labels = {});

/// Waits until the sample is that, for living connections are looked at once a second; else says what it is.
testing::AssertionResult comes_to(const AgentProcess& agent, const std::string& name, const Labels& labels,
                                  double expected);

}  // namespace fairlead::test
