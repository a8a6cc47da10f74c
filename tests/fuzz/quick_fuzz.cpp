// SPDX-License-Identifier: Apache-2.0
// What the quick reader of YAML and JSON takes, libfyaml reads as the same.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "gateway/dataplane/config/quick_reader.hpp"
#include "support/trees.hpp"

using fairlead::config::Tree;
using fairlead::config::TreeReader;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const bool json = (data[0] & 1) != 0;
  Tree quick;
  if (!fairlead::config::read_quick(text, json, quick)) return 0;
  TreeReader thorough(text, json, false);
  Tree tree;
  std::string wrong;
  if (thorough.next(tree) != TreeReader::Outcome::kDocument) wrong = "refused: " + thorough.error().message;
  else wrong = fairlead::test::difference(quick, Tree::root(), tree, Tree::root()).value_or("");
  Tree rest;
  if (wrong.empty() && thorough.next(rest) != TreeReader::Outcome::kEnd) wrong = "more follows";
  if (wrong.empty()) return 0;
  std::fprintf(stderr, "%s\n", wrong.c_str());
  std::abort();
}
