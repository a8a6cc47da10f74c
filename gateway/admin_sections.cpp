// SPDX-License-Identifier: Apache-2.0
// What the sections of policies have counted, and what they hold.
#include <map>

#include "gateway/admin_json.hpp"

namespace fairlead::gateway {
namespace {

Json values_json(const telemetry::CounterSetValues& set) {
  Json out = Json::object();
  for (const auto& one : set.values) out[std::string(one.value)] = one.count;
  return out;
}

void add_counts(const telemetry::CounterSetValues& set, Json& section) {
  if (set.family->name == std::string_view(filter::outcome_counters().name)) {
    section["requests"] = values_json(set);
    return;
  }
  Json row{{"name", set.family->name}, {"by", set.family->label}};
  if (!set.part->first.empty()) row["of"] = {{std::string(set.part->first), set.part->second}};
  row["values"] = values_json(set);
  section["counts"].push_back(std::move(row));
}

}  // namespace

Json sections_json(const std::vector<FilterPlan::Section>& sections,
                   const std::vector<telemetry::CounterSetValues>& counts) {
  std::map<telemetry::CounterOwner, Json> all;
  const auto of = [&](const telemetry::CounterOwner& owner) -> Json& {
    auto& section = all[owner];
    if (section.is_null())
      section = {{"policy", owner.policy},
                 {"section", owner.section},
                 {"requests", Json::object()},
                 {"counts", Json::array()},
                 {"holds", Json::object()}};
    return section;
  };
  for (const auto& section : sections)
    for (auto& into = of(section.owner); const auto& one : section.held) into["holds"][one.family] = one.value;
  for (const auto& set : counts) add_counts(set, of(*set.owner));
  Json out = Json::array();
  for (auto& [owner, section] : all) out.push_back(std::move(section));
  return {{"sections", std::move(out)}};
}

}  // namespace fairlead::gateway
