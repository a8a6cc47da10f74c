// SPDX-License-Identifier: Apache-2.0
#include "fairlead/net/socket_address.hpp"

#include <gtest/gtest.h>

#include <cstring>

namespace fairlead::net {
namespace {

TEST(SocketAddress, ParsesAndPrintsBack) {
  struct Case {
    const char* text;
    int family;
    bool wildcard;
    const char* printed;
  };
  for (const Case& row : {Case{"10.0.0.1:80", AF_INET, false, "10.0.0.1:80"},
                          {"0.0.0.0:65535", AF_INET, true, "0.0.0.0:65535"},
                          {"[2001:db8::1]:443", AF_INET6, false, "[2001:db8::1]:443"},
                          {"[::]:0", AF_INET6, true, "[::]:0"},
                          {":8080", AF_INET6, true, "[::]:8080"},
                          {"unix:/run/x.sock", AF_UNIX, false, "unix:/run/x.sock"},
                          {"unix:@name", AF_UNIX, false, "unix:@name"}}) {
    const auto parsed = SocketAddress::parse(row.text);
    ASSERT_TRUE(parsed) << row.text;
    EXPECT_EQ(parsed->family(), row.family) << row.text;
    EXPECT_EQ(parsed->is_wildcard(), row.wildcard) << row.text;
    EXPECT_EQ(parsed->text(), row.printed);
    EXPECT_EQ(*parsed, *SocketAddress::parse(row.printed));
  }
}

TEST(SocketAddress, RefusesWhatIsNone) {
  for (const char* text : {"", "80", "10.0.0.1", "10.0.0.1:", "10.0.0.1:65536", "10.0.0.1:-1", "10.0.0.1:8x", "::1:80",
                           "[10.0.0.1]:80", "[::1]80", "localhost:80", "unix:", "[]:80"})
    EXPECT_FALSE(SocketAddress::parse(text)) << text;
  EXPECT_TRUE(SocketAddress::unix_path(std::string(107, 'x')));
  const auto longer = SocketAddress::unix_path(std::string(108, 'x'));
  ASSERT_FALSE(longer);
  EXPECT_EQ(longer.error().message, "unix socket: a path of 108 bytes, expected 1 to 107");
}

TEST(SocketAddress, GoesToTheKernelAndBack) {
  for (const char* text : {"10.0.0.1:80", "[2001:db8::1]:443"}) {
    const SocketAddress first = *SocketAddress::parse(text);
    SocketAddress copy;
    std::memcpy(copy.get_mutable(), first.get(), first.length());
    EXPECT_EQ(*copy.length_mutable() >= first.length(), true);
    EXPECT_EQ(copy, first);
    EXPECT_EQ(SocketAddress(copy.endpoint()), first);
  }
  EXPECT_NE(*SocketAddress::parse("10.0.0.1:80"), *SocketAddress::parse("10.0.0.1:81"));
  EXPECT_NE(*SocketAddress::parse("unix:/a"), *SocketAddress::parse("unix:/b"));
}

}  // namespace
}  // namespace fairlead::net
