// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/filter/packed.hpp"

#include <gtest/gtest.h>

namespace fairlead::filter {
namespace {

using change::Expanded;
using change::ExpandLimits;

struct Kind {
  const char* name;
  Expanded (*expand)(std::string_view, const ExpandLimits&, std::string&);
  bool (*pack)(std::string_view, std::string&);
};
constexpr Kind kKinds[] = {{"br", expand_brotli, brotli}, {"zstd", expand_zstd, zstd}};

std::string packed(const Kind& kind, std::string_view text) {
  std::string out;
  EXPECT_TRUE(kind.pack(text, out));
  return out;
}

TEST(Packed, GoesThereAndBack) {
  for (const auto& kind : kKinds)
    for (const std::string& text : {std::string(), std::string("{}"), std::string(16384, 'b'), std::string(32768, 'c'),
                                    std::string(100'000, 'a')}) {
      SCOPED_TRACE(kind.name + std::to_string(text.size()));
      std::string out = "x";
      EXPECT_EQ(kind.expand(packed(kind, text), {.bytes = 200'000, .ratio = 10000}, out), Expanded::kWhole);
      EXPECT_EQ(out, "x" + text);
    }
  std::string out;
  EXPECT_EQ(expand_zstd(packed(kKinds[1], "ab") + packed(kKinds[1], "cd"), {}, out), Expanded::kWhole);
  EXPECT_EQ(out, "abcd");
}

TEST(Packed, RefusesBombs) {
  for (const auto& kind : kKinds) {
    SCOPED_TRACE(kind.name);
    std::string out;
    const auto bomb = packed(kind, std::string(10'000'000, '\0'));
    ASSERT_LT(bomb.size(), 60'000U);
    EXPECT_EQ(kind.expand(bomb, {.bytes = 1'000'000, .ratio = 10'000'000}, out), Expanded::kTooLarge);
    EXPECT_LT(out.size(), 1'100'000U);
    out.clear();
    EXPECT_EQ(kind.expand(bomb, {.bytes = 100'000'000, .ratio = 100}, out), Expanded::kTooLarge);
    EXPECT_LT(out.size(), 200'000U);
  }
}

TEST(Packed, TellsBrokenOnes) {
  for (const auto& kind : kKinds) {
    SCOPED_TRACE(kind.name);
    const auto good = packed(kind, "{\"a\":1}");
    std::string out;
    for (std::size_t length = 0; length < good.size(); ++length)
      EXPECT_EQ(kind.expand(std::string_view(good).substr(0, length), {}, out), Expanded::kBroken) << length;
    EXPECT_EQ(kind.expand(good + "x", {}, out), Expanded::kBroken);
    EXPECT_EQ(kind.expand("{\"a\":1}", {}, out), Expanded::kBroken);
  }
}

TEST(Packed, TakesNoWindowBeyondEightMebibytes) {
  // A frame head of RFC 8878 section 3.1.1.1: magic number, descriptor without size, a window of 2 GiB; then an empty
  // last block.
  const std::string huge("\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00", 9);
  std::string out;
  EXPECT_EQ(expand_zstd(huge, {}, out), Expanded::kBroken);
  const std::string small("\x28\xb5\x2f\xfd\x00\x68\x01\x00\x00", 9);  // 8 MiB
  EXPECT_EQ(expand_zstd(small, {}, out), Expanded::kWhole);
}

}  // namespace
}  // namespace fairlead::filter
