// SPDX-License-Identifier: Apache-2.0
#include "fairlead/auth/seal.hpp"

#include <gtest/gtest.h>

#include <set>

#include "fairlead/auth/digest.hpp"

namespace fairlead::auth {
namespace {

const std::string kOne(32, 'a'), kTwo(40, 'b');

SealKeys seal_keys(const std::vector<std::string>& secrets) { return std::move(*SealKeys::make(secrets)); }

TEST(Seal, OpensWhatItSealed) {
  const auto sealer = seal_keys({kOne});
  for (const auto* plain : {"", "x", "a text of more than one block of sixteen bytes"}) {
    const auto sealed = sealer.seal(plain, "name");
    EXPECT_EQ(sealed.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
              std::string::npos);
    EXPECT_EQ(sealer.open(sealed, "name"), plain);
  }
}

TEST(Seal, NoTwoAreTheSame) {
  const auto sealer = seal_keys({kOne});
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) seen.insert(sealer.seal("x", "name"));
  EXPECT_EQ(seen.size(), 100U);
}

TEST(Seal, EveryBitCounts) {
  const auto sealer = seal_keys({kOne});
  const auto sealed = *decode_base64url(sealer.seal("who", "name"));
  for (std::size_t i = 0; i < sealed.size() * 8; ++i) {
    auto turned = sealed;
    turned[i / 8] = static_cast<char>(turned[i / 8] ^ (1 << (i % 8)));
    EXPECT_FALSE(sealer.open(encode_base64url(turned), "name")) << i;
  }
  for (std::size_t length = 0; length < sealed.size(); ++length)
    EXPECT_FALSE(sealer.open(encode_base64url(sealed.substr(0, length)), "name")) << length;
  EXPECT_FALSE(sealer.open(encode_base64url(sealed + '\0'), "name"));
  EXPECT_FALSE(sealer.open(encode_base64url(sealed) + "=", "name"));
}

TEST(Seal, OpensInItsContextAlone) {
  const auto sealer = seal_keys({kOne});
  const auto sealed = sealer.seal("who", "name");
  for (const auto* other : {"", "nam", "name2", "Name"}) EXPECT_FALSE(sealer.open(sealed, other)) << other;
}

TEST(Seal, KeysRotate) {
  const auto older = seal_keys({kOne}), both = seal_keys({kTwo, kOne}), newer = seal_keys({kTwo});
  const auto old_text = older.seal("x", "n"), new_text = both.seal("y", "n");
  EXPECT_EQ(both.open(old_text, "n"), "x");
  EXPECT_EQ(newer.open(new_text, "n"), "y");
  EXPECT_FALSE(newer.open(old_text, "n"));
  EXPECT_FALSE(older.open(new_text, "n"));
}

TEST(Seal, RefusesShortKeysAndNone) {
  EXPECT_FALSE(SealKeys::make({}));
  EXPECT_FALSE(SealKeys::make({std::string(31, 'a')}));
  EXPECT_FALSE(SealKeys::make({kOne, ""}));
}

TEST(Seal, PacksTexts) {
  const std::string odd("\0;=\xff", 4);
  const auto packed = pack({"a", "", odd});
  const auto parts = unpack(packed, 3);
  ASSERT_TRUE(parts);
  EXPECT_EQ((*parts)[0], "a");
  EXPECT_EQ((*parts)[1], "");
  EXPECT_EQ((*parts)[2], odd);
  EXPECT_FALSE(unpack(packed, 2));
  EXPECT_FALSE(unpack(packed, 4));
  for (std::size_t length = 0; length < packed.size(); ++length)
    EXPECT_FALSE(unpack(std::string_view(packed).substr(0, length), 3)) << length;
  EXPECT_FALSE(unpack("\xff\xff\xff\xff", 1));
}

}  // namespace
}  // namespace fairlead::auth
