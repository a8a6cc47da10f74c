// SPDX-License-Identifier: Apache-2.0
#include "fairlead/kong/convert.hpp"

#include <algorithm>
#include <set>

#include "fairlead/base/file.hpp"
#include "gateway/dataplane/config/fields.hpp"
#include "gateway/dataplane/config/parse.hpp"
#include "gateway/dataplane/kong/conversion.hpp"

namespace fairlead::kong {
namespace {

constexpr std::size_t kMostFileBytes = 64 << 20;

/// What would refuse an object that was made is said of the entity that it was made of.
void check_objects(Notes& notes, const Output& out, std::string& yaml) {
  std::set<std::pair<config::Tree::Id, std::string>> said;
  for (const auto& made : out.objects) {
    const auto text = to_yaml(made.object);
    for (const auto& found : config::parse_text(text, false, config::gateway_kinds()).diagnostics) {
      if (found.severity != config::Severity::kError) continue;
      const auto expected = found.expected + " (in the " + made.object["kind"].get<std::string>() +
                            " made of it: " + found.field + (found.found.empty() ? "" : " is " + found.found) + ")";
      if (said.emplace(made.from.id(), expected).second) notes.error(made.from, expected);
    }
    if (!yaml.empty()) yaml += "---\n";
    yaml += text;
  }
}

/// The first document. False where there is none that can be read.
bool read_tree(config::TreeReader& reader, config::Tree& tree, config::Diagnostics& out) {
  if (reader.next(tree) != config::TreeReader::Outcome::kError) return !tree.empty();
  config::Diagnostic found;
  found.line = reader.error().line;
  found.column = reader.error().column;
  found.expected = reader.error().message;
  out.push_back(std::move(found));
  return false;
}

std::size_t errors_in(const config::Diagnostics& all) {
  return static_cast<std::size_t>(std::ranges::count(all, config::Severity::kError, &config::Diagnostic::severity));
}

}  // namespace

bool is_kong(std::string_view text, bool json) {
  if (text.find("_format_version") == std::string_view::npos) return false;
  config::TreeReader reader(text, json);
  config::Tree tree;
  if (reader.next(tree) == config::TreeReader::Outcome::kError)
    return !tree.empty() && config::View(tree, config::Tree::root()).find("_format_version");
  return !tree.empty() && static_cast<bool>(config::View(tree, config::Tree::root()).find("_format_version"));
}

Converted convert(std::string_view text, bool json, const std::string& file, const Options& options) {
  Converted out;
  config::TreeReader trees(text, json);
  config::Tree tree;
  if (read_tree(trees, tree, out.diagnostics)) {
    const config::View root(tree, config::Tree::root());
    config::Reader reader(root, "", out.diagnostics);
    Notes notes(reader, options.allow_partial);
    prepare(notes, tree);
    const auto entities = read_entities(notes, root);
    // All that is not served is named at once, wherever it shows.
    if (errors_in(out.diagnostics) == notes.unserved()) {
      Conversion conversion(notes, entities, options);
      const auto made = conversion.run(root);
      if (!reader.failed()) check_objects(notes, made, out.yaml);
      out.tracing = made.tracing;
    }
  }
  for (auto& found : out.diagnostics) found.file = file;
  out.refused = errors_in(out.diagnostics);
  std::ranges::stable_sort(out.diagnostics, {},
                           [](const config::Diagnostic& d) { return std::pair(d.line, d.column); });
  if (out.refused > 0) out.yaml.clear();
  return out;
}

Result<std::string> read_kong_file(const std::string& path) {
  auto text = read_file(path, kMostFileBytes);
  if (!text) return fail(std::move(text.error()).in("reading " + path));
  return text;
}

Result<Converted> convert_file(const std::string& path, const Options& options) {
  FL_TRY(const auto text, read_kong_file(path));
  return convert(text, path.ends_with(".json"), path, options);
}

}  // namespace fairlead::kong
