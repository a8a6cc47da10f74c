// SPDX-License-Identifier: Apache-2.0
// What users have: objects as kubectl prints them, the recipes of documentations, manifests of charts. For each file of
// manifests/ the file of that name with .expected says what is understood of it and what is remarked.
#include <gmock/gmock.h>

#include <sstream>

#include "unit/config/describe.hpp"
#include "unit/config/directory_fixture.hpp"

namespace fairlead::config {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> manifests() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(FL_MANIFESTS))
    if (entry.path().extension() != ".expected") names.push_back(entry.path().filename().string());
  std::ranges::sort(names);
  return names;
}

class ManifestTest : public DirectoryTest, public testing::WithParamInterface<std::string> {
 protected:
  static std::string whole(const fs::path& path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
  }
  std::string understood() {
    std::string out;
    for (const auto& change : last_.changes)
      if (change.object != nullptr) out += change.key.text() + describe(*change.object) + "\n";
    for (const auto& diagnostic : last_.diagnostics) out += diagnostic.text().substr(root_.string().size() + 1) + "\n";
    return out;
  }
};

TEST_P(ManifestTest, IsUnderstood) {
  const fs::path path = fs::path(FL_MANIFESTS) / GetParam();
  fs::copy_file(path, root_ / GetParam());
  load();
  EXPECT_EQ(understood(), whole(path.string() + ".expected"));
}

INSTANTIATE_TEST_SUITE_P(All, ManifestTest, testing::ValuesIn(manifests()), [](const auto& each) {
  std::string name;
  for (const char c : each.param)
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) name += c;
  return name;
});

}  // namespace
}  // namespace fairlead::config
