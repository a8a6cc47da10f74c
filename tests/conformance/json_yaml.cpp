// SPDX-License-Identifier: Apache-2.0
#include "fairlead/auth/json.hpp"
#include "fairlead/change/json.hpp"
#include "gateway/dataplane/config/quick_reader.hpp"
#include "support/trees.hpp"
#include "vectors.hpp"

namespace fairlead::test {
namespace {

using config::Tree;
using config::TreeReader;
using Outcome = TreeReader::Outcome;

/// Whether the configuration's reader takes the text, and why not.
struct Taken {
  bool good = false;
  std::string why;
};
Taken take(std::string_view text, bool json, bool quick) {
  TreeReader reader(text, json, quick);
  Tree tree;
  auto outcome = Outcome::kDocument;
  while (outcome == Outcome::kDocument) outcome = reader.next(tree);
  return {outcome == Outcome::kEnd, reader.error().message};
}

/// What the quick reader takes is what libfyaml reads, and who reads first changes nothing. Empty: so it is.
std::string readers_differ(std::string_view text, bool json) {
  if (take(text, json, true).good != take(text, json, false).good) return "the readers do not take the same";
  Tree quick, tree;
  if (!config::read_quick(text, json, quick)) return "";
  TreeReader thorough(text, json, false);
  if (thorough.next(tree) != Outcome::kDocument) return "only the quick reader takes it";
  return difference(quick, Tree::root(), tree, Tree::root()).value_or("");
}

}  // namespace

void run_json(const std::filesystem::path& checkout, Tally& tally) {
  for (const auto& file : std::filesystem::directory_iterator(checkout / "test_parsing")) {
    const auto name = file.path().filename().string();
    const auto text = file_text(file.path());
    change::Json document;
    const bool change_takes = document.parse(text), auth_takes = auth::Json::parse(text).has_value();
    const bool config_takes = take(text, true, true).good;
    const auto differs = readers_differ(text, true);
    tally.count(differs.empty(), name, differs);
    if (name[0] == 'i') {  // as one likes, but both alike
      tally.count(change_takes == auth_takes, name,
                  change_takes ? "only change::Json takes it" : "only auth::Json takes it");
      continue;
    }
    const bool good = name[0] == 'y';
    tally.count(change_takes == good, name, good ? "change::Json refuses it" : "change::Json takes it");
    tally.count(auth_takes == good, name, good ? "auth::Json refuses it" : "auth::Json takes it");
    tally.count(config_takes == good, name,
                good ? "the configuration's reader refuses it" : "the configuration's reader takes it");
  }
}

void run_yaml(const std::filesystem::path& checkout, Tally& tally) {
  for (const auto& file : std::filesystem::recursive_directory_iterator(checkout)) {
    if (file.path().filename() != "in.yaml") continue;
    const auto name = std::filesystem::relative(file.path().parent_path(), checkout).string();
    const auto text = file_text(file.path());
    const auto differs = readers_differ(text, false);
    tally.count(differs.empty(), name, differs);
    const bool good = !std::filesystem::exists(file.path().parent_path() / "error");
    const auto taken = take(text, false, true);
    tally.count(taken.good == good, name, good ? taken.why : "taken");
  }
}

}  // namespace fairlead::test
