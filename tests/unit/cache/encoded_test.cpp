// SPDX-License-Identifier: Apache-2.0
#include "fairlead/cache/encoded.hpp"

#include <gtest/gtest.h>
#include <xxhash.h>

#include <string>

namespace fairlead::cache {
namespace {

constexpr Moment kWritten{.monotonic = 50'000, .wall = 1'700'000'000'000};
const std::vector<std::string> kEncodedTags = {"surrogate-key"};
constexpr std::size_t kMost = 100'000;

std::shared_ptr<Entry> entry(const http::Fields& fields, std::string body = "body") {
  auto out = std::make_shared<Entry>();
  out->assign(fields, kEncodedTags, kWritten.wall / 1000);
  out->born = kWritten.monotonic - 7000;
  out->lifetime = 60'000;
  out->stale_while_revalidate = 1000;
  out->stale_if_error = 2000;
  out->validate_stale = true;
  out->status = 404;
  out->body = std::make_shared<const std::string>(std::move(body));
  return out;
}

const http::Fields kFields = {{"etag", "\"v1\""}, {"vary", "Accept, A"}, {"surrogate-key", "red blue"}, {"x", ""}};

Stamp stamp() {
  Stamp out{.digest = {}, .journal = 1'700'000'000'000'000, .purge = 9};
  out.digest[31] = 7;
  return out;
}

std::string good() { return encode(*entry(kFields), stamp(), kWritten, kMost); }

/// With a checksum that fits what was changed.
std::string summed(std::string text) {
  const auto sum = XXH3_64bits(text.data() + 12, text.size() - 12);
  for (std::size_t i = 0; i < 8; ++i) text[4 + i] = static_cast<char>(sum >> (8 * i));
  return text;
}

TEST(Encoded, IsReadAsItWasWritten) {
  Stamp seen;
  const auto read = decode(good(), kEncodedTags, kWritten, seen);
  ASSERT_NE(read, nullptr);
  EXPECT_EQ(seen.digest, stamp().digest);
  EXPECT_EQ(seen.journal, stamp().journal);
  EXPECT_EQ(seen.purge, 9U);
  EXPECT_EQ(read->status, 404);
  EXPECT_EQ(*read->body, "body");
  EXPECT_EQ(read->age(kWritten.monotonic), 7000);
  EXPECT_EQ(read->lifetime, 60'000);
  EXPECT_EQ(read->stale_while_revalidate, 1000);
  EXPECT_EQ(read->stale_if_error, 2000);
  EXPECT_TRUE(read->validate_stale && !read->validate_always);
  EXPECT_EQ(read->validators.etag, "\"v1\"");
  EXPECT_EQ(read->vary, (std::vector<std::string_view>{"a", "accept"}));
  EXPECT_EQ(read->tags, (std::vector<std::string_view>{"red", "blue"}));
  EXPECT_TRUE(read->vary_values.empty());
  ASSERT_NE(http::find(read->fields, "x"), nullptr);
}

TEST(Encoded, AgesByTheWallsClockAndIsNeverYoungerThanNew) {
  Stamp seen;
  const auto text = good();
  const auto age_at = [&](std::int64_t later) {
    const Moment now{.monotonic = 5, .wall = kWritten.wall + later};
    const auto read = decode(text, kEncodedTags, now, seen);
    return read == nullptr ? -1 : read->age(now.monotonic);
  };
  EXPECT_EQ(age_at(0), 7000);
  EXPECT_EQ(age_at(20'000), 27'000);
  EXPECT_EQ(age_at(-5000), 2000);
  EXPECT_EQ(age_at(-60'000), 0) << "a clock that is behind";
  EXPECT_EQ(age_at(-kMostAhead - 8000), -1) << "too far behind to be believed";
}

TEST(Encoded, HasBounds) {
  EXPECT_TRUE(encode(*entry(kFields, std::string(2000, 'b')), stamp(), kWritten, 2000).empty());
  EXPECT_FALSE(encode(*entry(kFields, std::string(2000, 'b')), stamp(), kWritten, 3000).empty());
  EXPECT_TRUE(encode(*entry({{"x", std::string(65'536, 'b')}}), stamp(), kWritten, kMostEncoded).empty());
  EXPECT_TRUE(encode(*entry({{"set-cookie", "a=b"}}), stamp(), kWritten, kMost).empty());
  const http::Fields many(600, http::Field{"x", "y"});
  EXPECT_TRUE(encode(*entry(many), stamp(), kWritten, kMost).empty());
}

/// Where the parts of good() begin.
constexpr std::size_t kDigestAt = 12, kBornAt = kDigestAt + 32 + 16, kLifetimeAt = kBornAt + 8,
                      kStatusAt = kLifetimeAt + 24, kFlagsAt = kStatusAt + 2, kCountAt = kFlagsAt + 1,
                      kFirstAt = kCountAt + 2;

struct BadEncoding {
  const char* what;
  std::string text;
};

std::string changed(std::size_t at, std::string_view bytes) {
  auto out = good();
  out.replace(at, bytes.size(), bytes);
  return summed(out);
}

std::string with_field(std::string_view name, std::string_view value) {
  return encode(*entry({{name, value}}), stamp(), kWritten, kMost);
}

/// As somebody would write it who has our checksum.
std::string forged(std::string_view name, std::string_view value) {
  auto out = with_field(std::string(name.size(), 'n'), std::string(value.size(), 'v'));
  out.replace(kFirstAt + 2, name.size(), name);
  out.replace(kFirstAt + 2 + name.size() + 2, value.size(), value);
  return summed(out);
}

TEST(Encoded, WhatIsNoneIsRefused) {
  using namespace std::string_view_literals;
  const auto text = good();
  auto flipped = text;
  flipped[text.size() - 1] ^= 1;
  auto version = text;
  version[3] = 2;
  const BadEncoding all[] = {
      {"nothing", ""},
      {"other text", "hello"},
      {"the magic alone", "FLC\x01"},
      {"another magic", "XLC" + text.substr(3)},
      {"another version", version},
      {"one bit of the body", flipped},
      {"a byte more", summed(text + "x")},
      {"a byte less", summed(text.substr(0, text.size() - 1))},
      {"born in a year", changed(kBornAt, "\0\0\0\0\0\x02\0\0"sv)},
      {"born before all", changed(kBornAt, "\xff\xff\xff\xff\xff\xff\xff\xff"sv)},
      {"a lifetime beyond all", changed(kLifetimeAt, "\xff\xff\xff\xff\xff\xff\xff\x7f"sv)},
      {"status 0", changed(kStatusAt, "\0\0"sv)},
      {"status 100", changed(kStatusAt, "\x64\0"sv)},
      {"status 206", changed(kStatusAt, "\xce\0"sv)},
      {"status 304", changed(kStatusAt, "\x30\x01"sv)},
      {"status 600", changed(kStatusAt, "\x58\x02"sv)},
      {"a flag that is none", changed(kFlagsAt, "\x04"sv)},
      {"more fields than there are", changed(kCountAt, "\xff\x01"sv)},
      {"too many fields", changed(kCountAt, "\xff\xff"sv)},
      {"fewer fields than there are", changed(kCountAt, "\x01\0"sv)},
      {"a name of no length", changed(kFirstAt, "\0\0"sv)},
      {"a name beyond the end", changed(kFirstAt, "\xff\xff"sv)},
      {"an upper-case name", forged("X-a", "b")},
      {"a name with a colon", forged(":status", "200")},
      {"a name with a space", forged("a b", "c")},
      {"a value with a line's end", forged("x", "a\r\nset-cookie: b=c")},
      {"a value with a zero", forged("x", "a\0b"sv)},
      {"a length", forged("content-length", "3")},
      {"chunks", forged("transfer-encoding", "chunked")},
      {"a connection's field", forged("connection", "close")},
      {"an upgrade", forged("upgrade", "h2c")},
      {"a cookie", forged("set-cookie", "a=b")},
      {"private", forged("cache-control", "private")},
      {"no-store", forged("cache-control", "no-store")},
      {"varies by all", forged("vary", "*")},
      {"too long", std::string(kMostEncoded + 1, 'x')},
  };
  for (const auto& bad : all) {
    Stamp seen;
    EXPECT_EQ(decode(bad.text, kEncodedTags, kWritten, seen), nullptr) << bad.what;
  }
  for (std::size_t cut = 0; cut < text.size(); ++cut) {
    Stamp seen;
    EXPECT_EQ(decode(text.substr(0, cut), kEncodedTags, kWritten, seen), nullptr) << cut;
    if (cut < 12) continue;
    EXPECT_EQ(decode(summed(text.substr(0, cut)), kEncodedTags, kWritten, seen), nullptr) << cut;
  }
  Stamp seen;
  EXPECT_NE(decode(forged("x-a", "b"), kEncodedTags, kWritten, seen), nullptr) << "what is forged well is read";
}

}  // namespace
}  // namespace fairlead::cache
