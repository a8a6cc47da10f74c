// SPDX-License-Identifier: Apache-2.0
#include "fairlead/upstream/persistence.hpp"

#include <gtest/gtest.h>

#include <set>

namespace fairlead::upstream {
namespace {

constexpr PersistenceKey kOne = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
constexpr PersistenceKey kTwo = {9};

net::Endpoint endpoint(const char* address, std::uint16_t port) { return {*Address::parse(address), port}; }

TEST(PersistenceTest, ReadsBackWhatItMade) {
  const SessionReferences references({kOne});
  for (const char* address : {"10.0.0.1", "2001:db8::1"}) {
    const auto text = references.make({endpoint(address, 8080), 1'700'000'000}, "shop");
    ASSERT_TRUE(text);
    EXPECT_EQ(text->size(), SessionReferences::kTextLength);
    const auto read = references.read(*text, "shop");
    ASSERT_TRUE(read);
    EXPECT_EQ(read->endpoint.address.text(), address);
    EXPECT_EQ(read->endpoint.port, 8080);
    EXPECT_EQ(read->started_s, 1'700'000'000u);
  }
}

TEST(PersistenceTest, RefusesWhateverItDidNotMake) {
  const SessionReferences references({kOne});
  const auto text = *references.make({endpoint("10.0.0.1", 80), 5}, "shop");
  EXPECT_FALSE(references.read(text, "other"));
  EXPECT_FALSE(SessionReferences({kTwo}).read(text, "shop"));
  EXPECT_FALSE(references.read("", "shop"));
  EXPECT_FALSE(references.read(text.substr(1), "shop"));
  EXPECT_FALSE(references.read(text + "A", "shop"));
  for (std::size_t i = 0; i < text.size(); ++i) {
    for (const char c : {'A', 'z', '_', '=', ' ', '\0'}) {
      auto other = text;
      if (other[i] == c) continue;
      other[i] = c;
      EXPECT_FALSE(references.read(other, "shop")) << i << " " << c;
    }
  }
}

TEST(PersistenceTest, SaysNothingToItsReader) {
  const SessionReferences references({kOne});
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(*references.make({endpoint("10.0.0.1", 80), 5}, "shop"));
  EXPECT_EQ(seen.size(), 1000u);  // the same backend looks different each time
}

TEST(PersistenceTest, KeysMayChangeWithoutASessionLost) {
  const auto text = *SessionReferences({kOne}).make({endpoint("10.0.0.1", 80), 5}, "shop");
  const SessionReferences rotated({kTwo, kOne});
  EXPECT_TRUE(rotated.read(text, "shop"));
  EXPECT_FALSE(SessionReferences({kOne}).read(*rotated.make({endpoint("10.0.0.1", 80), 5}, "shop"), "shop"));
  EXPECT_FALSE(SessionReferences({}).make({}, "shop"));
}

TEST(PersistenceTest, ASessionEndsWithItsAbsoluteTimeout) {
  const SessionReferences references({kOne});
  const PersistenceSpec spec{.absolute_timeout = milliseconds(60'000)};
  const auto text = *references.make({endpoint("10.0.0.1", 80), 1000}, "s");
  const auto state = [&](const PersistenceSpec& of, std::string_view from, std::uint64_t now) {
    return read_session(references, of, from, "s", now).state;
  };
  EXPECT_EQ(state(spec, text, 1000), SessionState::kValid);
  EXPECT_EQ(state(spec, text, 1059), SessionState::kValid);
  EXPECT_EQ(state(spec, text, 1060), SessionState::kExpired);
  EXPECT_EQ(state(spec, text, 900), SessionState::kValid);
  EXPECT_EQ(state(PersistenceSpec{}, text, 1'000'000), SessionState::kValid);
  EXPECT_EQ(state(spec, "x", 1000), SessionState::kInvalid);
  EXPECT_EQ(state(spec, "", 1000), SessionState::kNone);
}

TEST(PersistenceTest, FindsACookie) {
  struct Row {
    std::string_view field, expected;
  };
  const Row rows[] = {{"sid=1", "1"},
                      {"a=b; sid=2; c=d", "2"},
                      {"xsid=1; sid=3", "3"},
                      {"sid=\"4\"", "4"},
                      {"sid=5; sid=6", "5"},
                      {"sid =7", ""},
                      {"sid", ""},
                      {"", ""},
                      {"; ;sid=8", "8"},
                      {"SID=9", ""},
                      {"a=sid=1", ""},
                      {"sid=", ""},
                      {"a=b;\tsid=9\t; c=d", "9"}};
  for (const auto& row : rows) {
    EXPECT_EQ(find_cookie({{"cookie", row.field}}, "sid"), row.expected) << row.field;
    EXPECT_EQ(find_cookie({{"cookie", "x=y"}, {"cookie", row.field}, {"cookie", "sid=last"}}, "sid"),
              row.expected.empty() && row.field != "sid=" ? "last" : row.expected)
        << row.field;
  }
}

TEST(PersistenceTest, MakesCookiesAsTheApiSays) {
  const PersistenceSpec session{.name = "sid", .absolute_timeout = milliseconds(60'000)};
  EXPECT_EQ(session_cookie(session, "T", 100, 110, true), "sid=T; Path=/; HttpOnly; SameSite=Lax; Secure");
  const PersistenceSpec permanent{
      .name = "sid", .path = "/a", .permanent = true, .absolute_timeout = milliseconds(60'000)};
  EXPECT_EQ(session_cookie(permanent, "T", 100, 110, false), "sid=T; Path=/a; Max-Age=50; HttpOnly; SameSite=Lax");
}

}  // namespace
}  // namespace fairlead::upstream
