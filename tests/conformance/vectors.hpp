// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

namespace fairlead::test {

/// What came of a suite's cases so far; those that came out otherwise are printed.
class Tally {
 public:
  void count(bool as_expected, std::string_view name, std::string_view found = {});
  void leave_out() { ++left_out_; }  ///< about what is not served
  /// Prints the sum; whether nothing failed.
  [[nodiscard]] bool finish() const;

 private:
  std::size_t passed_ = 0, failed_ = 0, left_out_ = 0;
};

inline std::string file_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void run_wycheproof(const std::filesystem::path& checkout, Tally& tally);
void run_structured_fields(const std::filesystem::path& checkout, Tally& tally);
void run_json(const std::filesystem::path& checkout, Tally& tally);
void run_yaml(const std::filesystem::path& checkout, Tally& tally);
void run_json_schema(const std::filesystem::path& checkout, Tally& tally);

}  // namespace fairlead::test
