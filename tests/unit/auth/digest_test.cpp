// SPDX-License-Identifier: Apache-2.0
#include "fairlead/auth/digest.hpp"

#include <gtest/gtest.h>

namespace fairlead::auth {
namespace {

TEST(Digest, IsThatOfTheStandard) {
  // FIPS 180-2, appendix B.1
  EXPECT_EQ(sha256("abc"), decode_digest("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
  EXPECT_EQ(sha256({"a", "", "bc"}), sha256("abc"));
  EXPECT_FALSE(decode_digest("ba78"));
  EXPECT_FALSE(decode_digest(std::string(63, 'a') + "g"));
}

TEST(Digest, Base64UrlHasOneTextForEachValue) {
  struct Row {
    std::string_view text;
    std::optional<std::string> bytes;
  };
  const Row rows[] = {
      {"", ""},     {"Zg", "f"},  {"Zm8", "fo"}, {"Zm9v", "foo"}, {"_-8", "\xff\xef"},
      {"Zg==", {}}, {"Zh", {}},   {"Zm9", {}},   {"Z", {}},       {"Zm9vY", {}},
      {"+/8", {}},  {"Zm 8", {}}, {"Zm8\n", {}}, {"Zm8.", {}},    {"Zm9v\xc3\xa9", {}},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(decode_base64url(row.text), row.bytes) << row.text;
    if (row.bytes) {
      EXPECT_EQ(encode_base64url(*row.bytes), row.text);
    }
  }
}

TEST(Digest, Base64IsPadded) {
  for (const auto& [text, bytes] : {std::pair{"Zg==", "f"}, {"Zm8=", "fo"}, {"Zm9v", "foo"}, {"", ""}}) {
    EXPECT_EQ(decode_base64(text), bytes);
    EXPECT_EQ(encode_base64(bytes), text);
  }
  for (const auto* bad : {"Zg", "Zg=", "Zg===", "Zh==", "Z===", "Z_==", "Zg==Zg=="})
    EXPECT_FALSE(decode_base64(bad)) << bad;
}

}  // namespace
}  // namespace fairlead::auth
