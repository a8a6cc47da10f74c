// SPDX-License-Identifier: Apache-2.0
#include "agent/ctl/answer.hpp"

#include <iostream>
#include <nlohmann/json.hpp>

#include "agent/ctl/out.hpp"
#include "fairlead/base/printable.hpp"

namespace fairlead::ctl {

using Json = nlohmann::ordered_json;

std::string text(const Json& value) { return printable(value.get<std::string>()); }

void say(const char* what, const std::string& value) {
  std::string left = what;
  left.resize(14, ' ');
  std::cout << paint(left, Colour::kDim) << printable(value) << "\n";
}

int show_answer(const Arguments& arguments, const std::string& path, void (*print)(const Json& json)) {
  const auto asked = ask(arguments, path);
  if (asked.code != kDone) return asked.code;
  const auto json = Json::parse(asked.body);
  if (arguments.json) std::cout << json.dump(2) << "\n";
  else print(json);
  return kDone;
}

}  // namespace fairlead::ctl
