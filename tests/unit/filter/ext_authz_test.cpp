// SPDX-License-Identifier: Apache-2.0
// Answers of authorization servers, good and hostile; what is asked is seen by a real gRPC server in the gateway's
// tests.
#include "gateway/dataplane/filter/ext_authz.hpp"

#include <gtest/gtest.h>

namespace fairlead::filter {
namespace {

std::string field(std::uint32_t number, const std::string& bytes) {
  std::string out(1, static_cast<char>(number << 3 | 2));
  out.push_back(static_cast<char>(bytes.size()));
  return out + bytes;
}
std::string number(std::uint32_t field, unsigned char value) {
  return {static_cast<char>(field << 3), static_cast<char>(value)};
}
std::string framed(const std::string& message, char flag = 0) {
  return std::string{flag, 0, 0, 0, static_cast<char>(message.size())} + message;
}
std::string header(const std::string& name, const std::string& value) {
  return field(1, field(1, name) + field(2, value));
}

TEST(ExtAuthz, ReadsALeave) {
  const auto leave = field(2, header("x-a", "1") + field(2, number(1, 1))) + field(5, "x-gone") +
                     field(6, header("x-back", "2")) + field(3, "ignored");
  const auto frame = framed(field(1, number(1, 0)) + field(3, leave));
  const auto result = decode_check(frame);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->code, 0U);
  ASSERT_EQ(result->headers.size(), 1U);
  EXPECT_EQ(result->headers[0].name, "x-a");
  EXPECT_EQ(result->headers[0].value, "1");
  EXPECT_TRUE(result->headers[0].append);
  ASSERT_EQ(result->remove.size(), 1U);
  EXPECT_EQ(result->remove[0], "x-gone");
  ASSERT_EQ(result->response_headers.size(), 1U);
  EXPECT_EQ(result->response_headers[0].value, "2");
}

TEST(ExtAuthz, ReadsADenial) {
  const auto denial =
      field(1, std::string{8, static_cast<char>(0x91), 3}) + field(2, header("x-why", "no")) + field(3, "out");
  const auto frame = framed(field(1, number(1, 7)) + field(2, denial));
  const auto result = decode_check(frame);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->code, 7U);
  EXPECT_EQ(result->status, 401U);
  EXPECT_EQ(result->body, "out");
  ASSERT_EQ(result->headers.size(), 1U);
  EXPECT_FALSE(result->headers[0].append);
}

TEST(ExtAuthz, AnEmptyAnswerAllowsAsItsCodeIsZero) {
  const auto result = decode_check(framed(""));
  ASSERT_TRUE(result);
  EXPECT_EQ(result->code, 0U);
}

TEST(ExtAuthz, RefusesWhatIsNoAnswer) {
  const auto good = framed(field(1, number(1, 0)) + field(3, field(2, header("a", "b"))));
  ASSERT_TRUE(decode_check(good));
  const std::pair<const char*, std::string> cases[] = {
      {"nothing", ""},
      {"half a prefix", std::string(4, '\0')},
      {"compressed", framed(field(1, number(1, 0)), 1)},
      {"a length beyond the frame", std::string{0, 0, 0, 0, 9} + field(1, "")},
      {"a length short of the frame", std::string{0, 0, 0, 0, 1} + field(1, number(1, 0))},
      {"two frames", good + good},
      {"a field beyond the message", framed(std::string{26, 100, 1})},
      {"a nested field beyond its message", framed(field(3, std::string{18, 100, 1}))},
      {"field zero", framed(std::string{2, 0})},
      {"a group", framed(std::string{11, 12})},
      {"an endless number", framed(std::string(1, 8) + std::string(11, static_cast<char>(0x80)))},
      {"a cut fixed64", framed(std::string{9, 1, 2})},
      {"a header without a name", framed(field(3, field(2, field(1, field(2, "v")))))},
      {"a broken status", framed(field(1, std::string{10, 100}))},
  };
  for (const auto& [name, text] : cases) EXPECT_FALSE(decode_check(text)) << name;
  for (std::size_t i = 0; i + 1 < good.size(); ++i) EXPECT_FALSE(decode_check(good.substr(0, i))) << i;
}

}  // namespace
}  // namespace fairlead::filter
