// SPDX-License-Identifier: Apache-2.0
#include "fairlead/limit/key.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace fairlead::limit {
namespace {

/// The vectors of the authors' vectors.h: secret 00 01 .. 0f, data of 0, 1, 2, 8 and 15 bytes 00 01 ...
TEST(Keys, HashAsTheAuthorsOfSipHash) {
  std::string data;
  for (char c = 0; c < 15; ++c) data += c;
  const auto hash = [&](std::size_t size) {
    return siphash24({0x0706050403020100, 0x0f0e0d0c0b0a0908}, std::string_view(data).substr(0, size));
  };
  EXPECT_EQ(hash(0), 0x726fdb47dd0e0e31);
  EXPECT_EQ(hash(1), 0x74f839c593dc67fd);
  EXPECT_EQ(hash(2), 0x0d6c8009d9a94f5a);
  EXPECT_EQ(hash(8), 0x93f5f5799a932462);
  EXPECT_EQ(hash(15), 0xa129ca6149be45e5);
}

TEST(Keys, TellListsOfPartsApart) {
  std::set<std::string> seen;
  const auto add = [&](std::initializer_list<std::pair<char, std::string_view>> parts) {
    KeyText text;
    for (const auto& [kind, value] : parts) text.add(kind, value);
    return seen.emplace(text.text()).second;
  };
  const std::string padded("a\0\0\0\0b", 6);
  EXPECT_TRUE(add({{'h', "ab"}, {'h', "c"}}));
  EXPECT_TRUE(add({{'h', "a"}, {'h', "bc"}}));
  EXPECT_TRUE(add({{'h', "abc"}}));
  EXPECT_TRUE(add({{'h', "abhc"}}));  // as the first, if parts were only put together
  EXPECT_TRUE(add({{'c', "abc"}}));
  EXPECT_TRUE(add({{'h', ""}, {'h', "abc"}}));
  EXPECT_TRUE(add({{'h', padded}}));
  const std::string large(KeyText::kRoom, 'x');
  EXPECT_TRUE(add({{'h', large}}));
  EXPECT_TRUE(add({{'h', large + "y"}}));
  EXPECT_TRUE(add({{'h', large}, {'h', "y"}}));
  EXPECT_FALSE(add({{'h', large}, {'h', "y"}})) << "the same parts are the same key";
}

TEST(Keys, MaskAddresses) {
  const auto text = [](const char* address, unsigned v4, unsigned v6) {
    return masked(*Address::parse(address), v4, v6).text();
  };
  EXPECT_EQ(text("192.0.2.129", 32, 64), "192.0.2.129");
  EXPECT_EQ(text("192.0.2.129", 25, 64), "192.0.2.128");
  EXPECT_EQ(text("192.0.2.129", 24, 64), "192.0.2.0");
  EXPECT_EQ(text("192.0.2.129", 0, 64), "0.0.0.0");
  EXPECT_EQ(text("2001:db8:1:2:3:4:5:6", 32, 64), "2001:db8:1:2::");
  EXPECT_EQ(text("2001:db8:1:2:3:4:5:6", 32, 128), "2001:db8:1:2:3:4:5:6");
  EXPECT_EQ(text("2001:db8:1:ff:3:4:5:6", 32, 57), "2001:db8:1:80::");
}

TEST(Keys, AreSharedWithoutTheirText) {
  std::string out, other;
  shared_key("alice", out);
  EXPECT_EQ(out, "2bd806c97f0e00af1a1fc3328fa763a9");  // sha256sum
  shared_key("alicf", other);
  EXPECT_NE(out, other);
}

}  // namespace
}  // namespace fairlead::limit
