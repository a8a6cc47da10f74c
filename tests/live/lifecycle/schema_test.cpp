// SPDX-License-Identifier: Apache-2.0
// The schema in docs/reference and the agent speak of the same settings.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "agent/settings.hpp"

namespace fairlead::agent {
namespace {

TEST(SettingsSchema, NamesWhatTheAgentTakesWithTheSameDefaults) {
  std::ifstream file(FAIRLEAD_SETTINGS_SCHEMA);
  const auto properties = nlohmann::json::parse(file).at("properties");
  std::set<std::string> in_schema;
  for (const auto& [name, property] : properties.items()) in_schema.insert(name);
  std::set<std::string> taken;
  for (const auto& kind : setting_kinds()) taken.insert(kind.name);
  EXPECT_EQ(in_schema, taken);
}

TEST(SettingsSchema, ValuesItListsAreTaken) {
  std::ifstream file(FAIRLEAD_SETTINGS_SCHEMA);
  const auto schema = nlohmann::json::parse(file);
  for (const auto& [name, property] : schema.at("properties").items()) {
    Settings settings;
    if (property.contains("default")) {
      const auto& value = property.at("default");
      const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
      EXPECT_TRUE(take_setting(settings, "schema", name, text)) << name << " " << text;
    }
    for (const auto& value : property.value("enum", nlohmann::json::array())) {
      const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
      EXPECT_TRUE(take_setting(settings, "schema", name, text)) << name << " " << text;
    }
  }
}

}  // namespace
}  // namespace fairlead::agent
