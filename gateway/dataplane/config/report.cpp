// SPDX-License-Identifier: Apache-2.0
#include "fairlead/config/report.hpp"

#include <nlohmann/json.hpp>
#include <set>
#include <string_view>
#include <utility>

namespace fairlead::config {

Result<Checked> Checked::of(const std::string& path, const KindTable& kinds) {
  FL_TRY(const auto directory, Directory::open(path, kinds));
  Checked checked;
  FL_TRY(checked.update, directory->load());
  std::set<std::pair<std::string_view, std::string_view>> objects;
  for (const auto& found : checked.update.diagnostics) {
    if (found.severity != Severity::kError) continue;
    const bool first = found.object.empty() || objects.emplace(found.file, found.object).second;
    if (first) ++checked.refused;
  }
  return checked;
}

std::string Checked::summary(const std::string& path) const {
  return path + ": " + std::to_string(update.documents) + " documents in " + std::to_string(update.files) + " files, " +
         std::to_string(refused) + " refused";
}

std::string Checked::json() const {
  using Json = nlohmann::ordered_json;
  Json list = Json::array();
  for (const auto& found : update.diagnostics)
    list.push_back({{"severity", found.severity == Severity::kError ? "error" : "warning"},
                    {"file", found.file},
                    {"line", found.line},
                    {"column", found.column},
                    {"object", found.object},
                    {"field", found.field},
                    {"found", found.found},
                    {"expected", found.expected}});
  const Json whole{
      {"files", update.files}, {"documents", update.documents}, {"refused", refused}, {"diagnostics", std::move(list)}};
  // Values are shown as written, and may be no UTF-8.
  return whole.dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace fairlead::config
