// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "agent/ctl/command.hpp"

namespace fairlead::ctl {

// A daemon's answer, shown.

[[nodiscard]] std::string text(const nlohmann::ordered_json& value);
/// A line of what is told in pairs: "route         default/web".
void say(const char* what, const std::string& value);
/// Asks, and prints the answer as JSON or by `print`; gives the exit code.
int show_answer(const Arguments& arguments, const std::string& path, void (*print)(const nlohmann::ordered_json& json));

}  // namespace fairlead::ctl
