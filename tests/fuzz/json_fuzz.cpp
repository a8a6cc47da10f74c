// SPDX-License-Identifier: Apache-2.0
// JSON bodies, changes of them and schemas. Input: a document, a zero byte, a path or another document.
#include <cstdlib>
#include <string>

#include "fairlead/change/openapi.hpp"
#include "fairlead/change/schema.hpp"

namespace {

using namespace fairlead::change;

void require(bool holds) {
  if (!holds) std::abort();
}

/// What is written is read as the same.
void check_written(const Json& json) {
  std::string once, twice;
  json.write(json.root(), once);
  Json again;
  require(again.parse(once, {.depth = 200}));
  again.write(again.root(), twice);
  require(once == twice);
  require(json_equal(json, json.root(), again, again.root()));
}

void change(Json& json, const JsonPath& path) {
  for (const auto how : {JsonEdit::kAdd, JsonEdit::kReplace, JsonEdit::kAppend, JsonEdit::kSet}) {
    static_cast<void>(edit(json, path, how, json.make(JsonKind::kNumber, "1")));
    check_written(json);
  }
  static_cast<void>(rename(json, path, *parse_json_path("x.y")));
  check_written(json);
  static_cast<void>(remove(json, *parse_json_path("x")));
  check_written(json);
}

void validate(const Json& schema, const Json& instance) {
  SchemaSet set(schema, SchemaDialect::kBySchema);
  const auto index = set.add(schema.root());
  SchemaReport report;
  if (index) require(set.validate(*index, instance, instance.root(), &report) || !report.problems.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const auto text = all.substr(0, all.find('\0'));
  const auto other = all.substr(std::min(all.size(), text.size() + 1));
  Json json, second;
  if (!json.parse(text)) return 0;
  check_written(json);
  if (second.parse(other)) validate(json, second);
  std::vector<std::string> remarks;
  static_cast<void>(OpenApi::compile(std::string(text), remarks));
  if (const auto path = parse_json_path(other)) change(json, *path);
  return 0;
}
