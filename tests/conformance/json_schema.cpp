// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <nlohmann/json.hpp>
#include <optional>

#include "fairlead/change/schema.hpp"
#include "vectors.hpp"

namespace fairlead::test {
namespace {

using change::SchemaDialect;

struct Draft {
  const char* folder;
  SchemaDialect dialect;
};
constexpr Draft kDrafts[] = {{"draft7", SchemaDialect::kDraft7}, {"draft2020-12", SchemaDialect::kDraft2020}};

/// What is not served (docs/decisions/0027-json-schema.md): schemas elsewhere, vocabularies, scripts and long names of
/// Unicode in expressions; and `format` only notes by the letter, while here it is asked for.
bool is_left_out(const std::string& file, const std::string& schema, const std::string& test) {
  constexpr std::array kParts = {"http://localhost:1234/", R"("$ref":"https://json-schema.org/draft/2020-12/schema")",
                                 R"("$ref":"http://json-schema.org/draft-07/schema#")", R"(\\p{Letter})"};
  if (file == "vocabulary.json" || test.contains("is only an annotation by default")) return true;
  return std::ranges::any_of(kParts, [&](const char* part) { return schema.contains(part); });
}

std::optional<bool> conforms(const std::string& schema, const std::string& value, SchemaDialect dialect,
                             std::string& why) {
  change::Json document, instance;
  if (!document.parse(schema) || !instance.parse(value)) return std::nullopt;
  change::SchemaSet set(document, dialect);
  const auto index = set.add(document.root());
  if (!index) {
    why = index.error().message;
    return std::nullopt;
  }
  change::SchemaReport report;
  const bool good = set.validate(*index, instance, instance.root(), &report);
  if (!report.problems.empty()) why = report.problems[0].what;
  return good;
}

void run_file(const std::filesystem::path& path, SchemaDialect dialect, Tally& tally) {
  const auto file = path.filename().string();
  for (const auto& group : nlohmann::json::parse(file_text(path))) {
    const auto schema = group["schema"].dump();
    for (const auto& test : group["tests"]) {
      if (is_left_out(file, schema, test["description"])) {
        tally.leave_out();
        continue;
      }
      std::string why;
      const auto found = conforms(schema, test["data"].dump(), dialect, why);
      const auto name = path.parent_path().filename().string() + "/" + file + ": " +
                        group["description"].get<std::string>() + ": " + test["description"].get<std::string>();
      tally.count(found == test["valid"].get<bool>(), name, why);
    }
  }
}

}  // namespace

void run_json_schema(const std::filesystem::path& checkout, Tally& tally) {
  for (const auto& draft : kDrafts)
    for (const auto& entry : std::filesystem::directory_iterator(checkout / "tests" / draft.folder))
      if (entry.path().extension() == ".json") run_file(entry.path(), draft.dialect, tally);
}

}  // namespace fairlead::test
