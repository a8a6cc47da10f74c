// SPDX-License-Identifier: Apache-2.0
// What one dump has that another has not.
#include <algorithm>

#include "gateway/admin_json.hpp"

namespace fairlead::gateway {
namespace {

void compare(const Json& before, const Json& after, const std::string& where, Json& out);

void say(const char* change, const std::string& where, const Json& before, const Json& after, Json& out) {
  Json one{{"change", change}, {"what", where}};
  if (!before.is_null()) one["before"] = before;
  if (!after.is_null()) one["after"] = after;
  out.push_back(std::move(one));
}

void compare_objects(const Json& before, const Json& after, const std::string& where, Json& out) {
  const std::string joint = where.empty() ? "" : " / ";
  for (const auto& [key, value] : before.items()) {
    if (!after.contains(key)) say("removed", where + joint + key, value, {}, out);
    else compare(value, after[key], where + joint + key, out);
  }
  for (const auto& [key, value] : after.items())
    if (!before.contains(key)) say("added", where + joint + key, {}, value, out);
}

void compare_arrays(const Json& before, const Json& after, const std::string& where, Json& out) {
  for (std::size_t i = 0; i < std::max(before.size(), after.size()); ++i) {
    const auto place = where + "[" + std::to_string(i) + "]";
    if (i >= after.size()) say("removed", place, before[i], {}, out);
    else if (i >= before.size()) say("added", place, {}, after[i], out);
    else compare(before[i], after[i], place, out);
  }
}

void compare(const Json& before, const Json& after, const std::string& where, Json& out) {
  if (before == after) return;
  if (before.is_object() && after.is_object()) return compare_objects(before, after, where, out);
  if (before.is_array() && after.is_array()) return compare_arrays(before, after, where, out);
  say("changed", where, before, after, out);
}

}  // namespace

Json differences(const Json& before, const Json& after) {
  Json out = Json::array();
  compare(before, after, "", out);
  return out;
}

}  // namespace fairlead::gateway
