// SPDX-License-Identifier: Apache-2.0
// The schemas of our policies against their readers: the same fields, and each default is taken.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <tuple>

#include "unit/gateway_config/gateway_fixture.hpp"

namespace fairlead::config {
namespace {

using Json = nlohmann::ordered_json;

struct Policy {
  std::string kind;
  std::size_t fields = 0;    ///< seen
  std::size_t defaults = 0;  ///< compared

  [[nodiscard]] ParsedText parse(const std::string& spec) const {
    return parse_text("apiVersion: fairlead.io/v1alpha1\nkind: " + kind + "\nmetadata: {name: p}\nspec: " + spec + "\n",
                      false, gateway_kinds());
  }

  /// The reader's list of known fields is the schema's.
  void check_names(const Json& schema, const std::vector<std::string>& path) {
    std::string known;
    for (const auto& [name, unused] : schema.at("properties").items()) known += (known.empty() ? "" : ", ") + name;
    const auto parsed = parse(nested(path, R"({"zzz": 1})"));
    std::string found;
    for (const auto& remark : parsed.diagnostics)
      if (remark.found == "an unknown field" && remark.field.ends_with("zzz")) found = remark.expected;
    auto sorted = [](std::string list) {
      std::vector<std::string> names;
      for (std::size_t from = 0; from < list.size();) {
        const auto end = std::min(list.find(", ", from), list.size());
        names.push_back(list.substr(from, end - from));
        from = end + 2;
      }
      std::ranges::sort(names);
      return names;
    };
    ASSERT_TRUE(found.starts_with("one of ")) << kind << " " << (path.empty() ? "spec" : path.back()) << ": " << found;
    EXPECT_EQ(sorted(found.substr(7)), sorted(known)) << kind << " " << (path.empty() ? "spec" : path.back());
  }

  /// What the reader makes of a field that is there; nothing where its siblings are required.
  [[nodiscard]] model::ObjectPtr object(const std::vector<std::string>& path, const Json& value) const {
    Json spec = Json::object();
    spec[Json::json_pointer("/" + joined(path))] = value;
    const bool backend = kind == "BackendPolicy";
    spec["targetRefs"] = Json::array({{{"group", backend ? "" : "gateway.networking.k8s.io"},
                                       {"kind", backend ? "Service" : "Gateway"},
                                       {"name", "a"}}});
    auto parsed = parse(spec.dump());
    return parsed.objects.empty() ? nullptr : parsed.objects.front().object;
  }

  static std::string joined(const std::vector<std::string>& path) {
    std::string out;
    for (const auto& key : path) out += (out.empty() ? "" : "/") + key;
    return out;
  }

  /// A field that says its default changes nothing.
  void check_default(const Json& value, const std::vector<std::string>& path) {
    if (path.size() < 2 || std::ranges::any_of(path, [](const auto& key) { return key.ends_with("[]"); })) return;
    const auto without = object({path.begin(), path.end() - 1}, Json::object());
    const auto with = object(path, value);
    if (without == nullptr || with == nullptr) return;
    ++defaults;
    EXPECT_TRUE(same_settings(*without, *with)) << kind << " " << joined(path) << ": " << value;
  }

  static bool same_settings(const model::Object& a, const model::Object& b) {
    if (const auto* policy = std::get_if<model::BackendPolicy>(&a))
      return *policy->settings == *std::get<model::BackendPolicy>(b).settings;
    const auto parts = [](const model::Object& object) {
      const auto& s = *std::get<model::ClientPolicy>(object).settings;
      return std::tie(s.limits, s.timeouts, s.forwarded, s.http2, s.tls, s.access_log, s.tcp_keepalive);
    };
    return parts(a) == parts(b);
  }

  /// A default, and each word of an enumeration, is no error of its own field.
  void check_value(const Json& one, const std::vector<std::string>& path) {
    ++fields;
    std::vector<Json> values;
    if (one.contains("default")) values.push_back(one["default"]);
    if (one.contains("enum")) values.insert(values.end(), one["enum"].begin(), one["enum"].end());
    if (one.contains("minimum")) values.push_back(one["minimum"]);
    auto name = std::string("spec");
    for (const auto& key : path) name += "." + (key.ends_with("[]") ? key.substr(0, key.size() - 2) + "[0]" : key);
    if (one.contains("default")) check_default(one["default"], path);
    for (const auto& value : values)
      for (const auto& remark : parse(nested(path, value.dump())).diagnostics)
        EXPECT_NE(remark.field, name) << remark.text();
    if (!one.contains("minimum") || one["minimum"] == 0) return;
    bool refused = false;
    for (const auto& remark : parse(nested(path, std::to_string(one["minimum"].get<long>() - 1))).diagnostics)
      refused = refused || remark.field == name;
    EXPECT_TRUE(refused) << name << " below its minimum";
  }

  void walk(const Json& schema, const std::vector<std::string>& path) {
    check_names(schema, path);
    for (const auto& [name, one] : schema.at("properties").items()) {
      auto below = path;
      const bool objects = one.value("type", "") == "array" && one["items"].value("type", "") == "object";
      below.push_back(name + (objects ? "[]" : ""));
      if (one.value("type", "") == "object") walk(one, below);
      else if (objects) walk(one["items"], below);
      else check_value(one, below);
    }
  }
};

TEST(PolicySchema, HasTheFieldsAndDefaultsOfTheReader) {
  for (const auto& [kind, file] :
       {std::pair("BackendPolicy", "backend-policy"), std::pair("ClientPolicy", "client-policy")}) {
    std::ifstream in(std::string(FL_REFERENCE "/") + file + ".schema.json");
    const auto schema = Json::parse(in);
    Policy policy{kind};
    policy.walk(schema.at("properties").at("spec"), {});
    EXPECT_GT(policy.fields, 30U) << kind;
    EXPECT_GT(policy.defaults, 20U) << kind;
  }
}

}  // namespace
}  // namespace fairlead::config
