// SPDX-License-Identifier: Apache-2.0
#include "fairlead/base/address.hpp"

#include <gtest/gtest.h>

namespace fairlead {
namespace {

TEST(Address, ParsesBothFamiliesAndPrintsThemBack) {
  for (const char* text : {"10.0.0.1", "2001:db8::1", "::1", "255.255.255.255"}) {
    const auto address = Address::parse(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->text(), text);
  }
  EXPECT_EQ(Address::parse("::ffff:10.0.0.1"), Address::parse("10.0.0.1"));
}

TEST(Address, RefusesWhatIsNoAddress) {
  for (const char* text : {"", "10.0.0", "10.0.0.256", "fe80::1%eth0", "[::1]", "10.0.0.1:80", "::g"})
    EXPECT_FALSE(Address::parse(text)) << text;
}

TEST(Cidr, HoldsWhatItCovers) {
  const auto block = Cidr::parse("10.1.0.0/16");
  ASSERT_TRUE(block);
  EXPECT_TRUE(block->contains(*Address::parse("10.1.255.255")));
  EXPECT_FALSE(block->contains(*Address::parse("10.2.0.0")));
  EXPECT_FALSE(block->contains(*Address::parse("2001:db8::1")));
  EXPECT_TRUE(block->contains(*Cidr::parse("10.1.2.0/24")));
  EXPECT_FALSE(block->contains(*Cidr::parse("10.0.0.0/8")));
  EXPECT_EQ(block->text(), "10.1.0.0/16");
  EXPECT_TRUE(Cidr::parse("0.0.0.0/0")->contains(*Address::parse("8.8.8.8")));
}

TEST(Cidr, FamiliesAreApart) {
  const auto six = *Cidr::parse("::/0");
  EXPECT_TRUE(six.contains(*Address::parse("2001:db8::1")));
  EXPECT_TRUE(six.contains(*Address::parse("::1")));
  EXPECT_FALSE(six.contains(*Address::parse("192.0.2.1")));
  EXPECT_FALSE(six.contains(*Cidr::parse("192.0.2.0/24")));
  EXPECT_FALSE(Cidr::parse("0.0.0.0/0")->contains(*Address::parse("::1")));
}

TEST(Cidr, LeavesBitsBehindThePrefixOut) {
  EXPECT_EQ(Cidr::parse("10.1.2.3/8")->text(), "10.0.0.0/8");
  EXPECT_EQ(Cidr::parse("10.1.255.3/15"), Cidr::parse("10.0.0.0/15"));
  EXPECT_EQ(Cidr::parse("2001:db8:ffff::1/33")->text(), "2001:db8:8000::/33");
  EXPECT_EQ(Cidr::parse("10.1.2.3")->text(), "10.1.2.3/32");
}

TEST(Cidr, RefusesBadPrefixes) {
  for (const char* text : {"10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/x", "/8"})
    EXPECT_FALSE(Cidr::parse(text)) << text;
}

TEST(Address, RefusesWhatFollowsAZeroByte) {
  EXPECT_FALSE(Address::parse(std::string_view("::\0001", 4)));
  EXPECT_FALSE(Cidr::parse(std::string_view("10.0.0.0\0x/8", 12)));
}

}  // namespace
}  // namespace fairlead
