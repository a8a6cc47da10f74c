// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/tls/records.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <string>

namespace fairlead::tls {
namespace {

using Opened = Records::Opened;

std::string from_hex(std::string_view text) {
  std::string out;
  int high = -1;
  for (const char c : text) {
    if (c == ' ' || c == '\n') continue;
    const int digit = OPENSSL_hexchar2int(static_cast<unsigned char>(c));
    if (high >= 0) out += static_cast<char>(high << 4 | digit);
    high = high >= 0 ? -1 : digit;
  }
  return out;
}

Secret secret_from(std::string_view bytes) {
  return Secret(std::span(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()));
}

/// A server's records, and the client's keys.
struct Pair {
  explicit Pair(std::uint16_t suite = 0x1301) {
    const std::size_t size = suite == 0x1302 ? 48 : 32;
    const auto client = secret_from(std::string(size, 'c')), own = secret_from(std::string(size, 's'));
    server = Records::create(suite, client, own, 3);
    sealing = RecordKey::create(RecordKey::Use::kSeal, suite, client, 0);
    opening = RecordKey::create(RecordKey::Use::kOpen, suite, own, 3);
  }

  /// `content`: with its type, and padding where it has some.
  std::string sealed(std::uint8_t type, std::string_view content) {
    std::string out(content.size() + Records::kOverhead, '\0');
    EXPECT_TRUE(sealing->seal(type, content, out.data()));
    return out;
  }
  /// What the first of `records` is for the server; what is left of them stays.
  Opened open(std::string& records, std::size_t room = 64 * 1024) {
    std::string into(room, '\0');
    std::span<char> raw(records);
    std::span<const char> data;
    const auto result = server->open(raw, into, data);
    got.assign(data.data(), data.size());
    records = std::string(raw.data(), raw.size());
    return result;
  }
  Opened open_only(std::string records) { return open(records); }
  /// What the server has sealed: content and type.
  std::string opened(std::string record) {
    std::string out(record.size() - Records::kHeader - Records::kTag, '\0');
    const std::span<const char> all(record);
    EXPECT_TRUE(opening->open(all.first(Records::kHeader), all.subspan(Records::kHeader), out.data()));
    return out;
  }

  std::unique_ptr<Records> server;
  std::optional<RecordKey> sealing;
  std::optional<RecordKey> opening;
  std::string got;
};

// RFC 8448 section 3: what client and server send each other at the end of its first handshake.
TEST(Records, AsInTheExampleHandshake) {
  const auto client =
      secret_from(from_hex("9e 40 64 6c e7 9a 7f 9d c0 5a f8 88 9b ce 65 52"
                           "87 5a fa 0b 06 df 00 87 f7 92 eb b7 c1 75 04 a5"));
  const auto server =
      secret_from(from_hex("a1 1a f9 f0 55 31 f8 56 ad 47 11 6b 45 a9 50 32"
                           "82 04 b4 f4 4b fb 6b 3a 4b 4f 1f 3f cb 63 16 43"));
  std::array<std::uint8_t, 16> key{};
  ASSERT_TRUE(client.expand("key", key));
  EXPECT_EQ(std::string(reinterpret_cast<char*>(key.data()), key.size()), from_hex("17422dda596ed5d9acd890e3c63f5051"));
  auto records = Records::create(0x1301, client, server, 1);  // one ticket was sent
  ASSERT_NE(records, nullptr);
  auto record = from_hex(
      "17 03 03 00 43 a2 3f 70 54 b6 2c 94 d0 af fa fe 82 28 ba 55 cb ef ac ea 42 f9 14 aa 66 bc ab 3f"
      "2b 98 19 a8 a5 b4 6b 39 5b d5 4a 9a 20 44 1e 2b 62 97 4e 1f 5a 62 92 a2 97 70 14 bd 1e 3d ea e6"
      "3a ee bb 21 69 49 15 e4");
  std::string expected;
  for (char c = 0; c < 50; ++c) expected += c;
  std::array<char, 100> into{};
  std::span<char> raw(record);
  std::span<const char> data;
  ASSERT_EQ(records->open(raw, into, data), Opened::kData) << records->what();
  EXPECT_EQ(std::string(data.data(), data.size()), expected);
  std::string answer(expected.size() + Records::kOverhead, '\0');
  ASSERT_TRUE(records->seal(expected, answer.data()));
  EXPECT_EQ(
      answer,
      from_hex("17 03 03 00 43 2e 93 7e 11 ef 4a c7 40 e5 38 ad 36 00 5f c4 a4 69 32 fc 32 25 d0 5f 82 aa 1b 36 e3 0e"
               "fa f9 7d 90 e6 df fc 60 2d cb 50 1a 59 a8 fc c4 9c 4b f2 e5 f0 a2 1c 00 47 c2 ab f3 32 54 0d d0 32 e1"
               "67 c2 95 5d"));
}

TEST(Records, OfAllSuites) {
  for (const auto suite : std::initializer_list<std::uint16_t>{0x1301, 0x1302, 0x1303}) {
    Pair pair(suite);
    ASSERT_NE(pair.server, nullptr) << suite;
    for (const auto* text : {"one", "", "three"}) {
      EXPECT_EQ(pair.open_only(pair.sealed(23, text)), Opened::kData);
      EXPECT_EQ(pair.got, text);
      const std::string_view data(text);
      std::string record(data.size() + Records::kOverhead, '\0');
      ASSERT_TRUE(pair.server->seal(data, record.data()));
      EXPECT_EQ(pair.opened(record), std::string(data) + '\x17');
    }
  }
  EXPECT_EQ(Records::create(0x1304, {}, {}, 0), nullptr);
  EXPECT_EQ(Records::create(0x1300, {}, {}, 0), nullptr);
  EXPECT_EQ(Records::create(0x1302, secret_from(std::string(32, 'c')), secret_from(std::string(32, 's')), 0), nullptr);
}

TEST(Records, ComeInAnyPieces) {
  Pair pair;
  auto all = pair.sealed(23, "first");
  all += pair.sealed(23, std::string(Records::kMostData, 'x'));
  std::string part, got;
  for (const char byte : all) {
    part += byte;
    if (pair.open(part, 100) == Opened::kData) got += pair.got;
    else EXPECT_LE(pair.server->lacking(), all.size());
  }
  EXPECT_TRUE(got == "first" + std::string(Records::kMostData, 'x'));
  EXPECT_TRUE(part.empty());
}

TEST(Records, WithPadding) {
  Pair pair;
  EXPECT_EQ(pair.open_only(pair.sealed(0, std::string("data\x17", 5) + std::string(200, '\0'))), Opened::kData);
  EXPECT_EQ(pair.got, "data");
  // As much as there may be: section 5.4.
  EXPECT_EQ(pair.open_only(pair.sealed(0, "data\x17" + std::string(Records::kMostData - 5, '\0'))), Opened::kData);
  EXPECT_EQ(pair.got, "data");
}

TEST(Records, KeysChangeWhereThePeerSaysSo) {
  Pair pair;
  EXPECT_EQ(pair.open_only(pair.sealed(22, std::string("\x18\0\0\1\0", 5))), Opened::kData);
  EXPECT_FALSE(pair.server->update_due());
  ASSERT_TRUE(pair.sealing->update());
  // In two records, and asking for one in return.
  EXPECT_EQ(pair.open_only(pair.sealed(22, std::string("\x18\0", 2))), Opened::kData);
  EXPECT_EQ(pair.open_only(pair.sealed(22, std::string("\0\1\1", 3))), Opened::kData);
  ASSERT_TRUE(pair.sealing->update());
  EXPECT_EQ(pair.open_only(pair.sealed(23, "by new keys")), Opened::kData);
  EXPECT_EQ(pair.got, "by new keys");
  ASSERT_TRUE(pair.server->update_due());
  EXPECT_EQ(pair.opened(pair.server->seal_update()), std::string("\x18\0\0\1\0\x16", 6));
  EXPECT_FALSE(pair.server->update_due());
  ASSERT_TRUE(pair.opening->update());
  EXPECT_EQ(pair.opened(pair.server->seal_alert(1, 0)), std::string("\1\0\x15", 3));
}

// Section 5.5: no more than 2^24.5 records by one key of AES-GCM.
TEST(Records, KeysAreRenewedByAge) {
  const auto secret = secret_from(std::string(32, 's'));
  constexpr std::uint64_t kMost = 1ULL << 24;
  auto records = Records::create(0x1301, secret, secret, kMost - 1);
  auto peer = RecordKey::create(RecordKey::Use::kOpen, 0x1301, secret, kMost - 1);
  EXPECT_FALSE(records->update_due());
  std::string record(1 + Records::kOverhead, '\0'), out(100, '\0');
  const auto open = [&](std::span<const char> all) {
    return peer->open(all.first(Records::kHeader), all.subspan(Records::kHeader), out.data());
  };
  ASSERT_TRUE(records->seal(std::string_view("a"), record.data()));
  EXPECT_TRUE(open(record));
  ASSERT_TRUE(records->update_due());
  EXPECT_TRUE(open(records->seal_update()));
  EXPECT_FALSE(records->update_due());
  ASSERT_TRUE(peer->update());
  ASSERT_TRUE(records->seal(std::string_view("b"), record.data()));
  EXPECT_TRUE(open(record));
  EXPECT_EQ(out.substr(0, 2), "b\x17");
}

TEST(Records, EndsAndWarnings) {
  Pair pair;
  EXPECT_EQ(pair.open_only(pair.sealed(21, std::string("\1\x5a", 2))), Opened::kData);  // user_canceled
  EXPECT_EQ(pair.open_only(pair.sealed(21, std::string("\1\0", 2))), Opened::kEnd);
}

struct Hostile {
  const char* name;
  std::function<std::string(Pair&)> records;  ///< the last one is refused
  std::uint8_t alert;
  bool alerted = false;
};

void PrintTo(const Hostile& one, std::ostream* out) { *out << one.name; }

class HostileRecords : public testing::TestWithParam<Hostile> {};

TEST_P(HostileRecords, AreRefused) {
  Pair pair;
  auto records = GetParam().records(pair);
  Opened result;
  do result = pair.open(records);
  while (result == Opened::kData && !records.empty());
  ASSERT_EQ(result, Opened::kFailed);
  EXPECT_EQ(pair.server->alert(), GetParam().alert) << pair.server->what();
  EXPECT_EQ(pair.server->alerted(), GetParam().alerted);
  EXPECT_FALSE(pair.server->what().empty());
}

std::string changed(std::string record, std::size_t at) {
  record[at] = static_cast<char>(record[at] ^ 1);
  return record;
}

std::string repeated(std::size_t times, const std::function<std::string()>& make) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out += make();
  return out;
}

const Hostile kHostile[] = {
    {"AlteredData", [](Pair& pair) { return changed(pair.sealed(23, "data"), 5); }, SSL_AD_BAD_RECORD_MAC},
    {"AlteredTag", [](Pair& pair) { return changed(pair.sealed(23, "data"), 25); }, SSL_AD_BAD_RECORD_MAC},
    {"AlteredVersion", [](Pair& pair) { return changed(pair.sealed(23, "data"), 2); }, SSL_AD_BAD_RECORD_MAC},
    {"Replayed",
     [](Pair& pair) {
       const auto one = pair.sealed(23, "data");
       return one + one;
     },
     SSL_AD_BAD_RECORD_MAC},
    {"LeftOut",
     [](Pair& pair) {
       pair.sealed(23, "one");
       return pair.sealed(23, "two");
     },
     SSL_AD_BAD_RECORD_MAC},
    {"InClear", [](Pair&) { return std::string("\x15\3\3\0\2\1\0", 7); }, SSL_AD_UNEXPECTED_MESSAGE},
    {"ChangeCipherSpec", [](Pair&) { return std::string("\x14\3\3\0\1\1", 6); }, SSL_AD_UNEXPECTED_MESSAGE},
    {"TooLong", [](Pair&) { return std::string("\x17\3\3\x41\1", 5); }, SSL_AD_RECORD_OVERFLOW},
    {"TooShort", [](Pair&) { return std::string("\x17\3\3\0\x10", 5); }, SSL_AD_BAD_RECORD_MAC},
    {"TooMuchData", [](Pair& pair) { return pair.sealed(23, std::string(Records::kMostData + 1, 'x')); },
     SSL_AD_RECORD_OVERFLOW},
    {"TooMuchPadding",
     [](Pair& pair) { return pair.sealed(0, "data\x17" + std::string(Records::kMostData - 4, '\0')); },
     SSL_AD_RECORD_OVERFLOW},
    {"OnlyPadding", [](Pair& pair) { return pair.sealed(0, std::string(20, '\0')); }, SSL_AD_UNEXPECTED_MESSAGE},
    {"UnknownType", [](Pair& pair) { return pair.sealed(99, "data"); }, SSL_AD_UNEXPECTED_MESSAGE},
    {"SealedChangeCipherSpec", [](Pair& pair) { return pair.sealed(20, "\1"); }, SSL_AD_UNEXPECTED_MESSAGE},
    {"ShortAlert", [](Pair& pair) { return pair.sealed(21, "\2"); }, SSL_AD_DECODE_ERROR},
    {"LongAlert", [](Pair& pair) { return pair.sealed(21, "\2\1\1"); }, SSL_AD_DECODE_ERROR},
    {"EmptyAlert", [](Pair& pair) { return pair.sealed(21, ""); }, SSL_AD_UNEXPECTED_MESSAGE},
    {"AlertOfThePeer", [](Pair& pair) { return pair.sealed(21, "\2\x14"); }, 20, true},
    {"EmptyHandshake", [](Pair& pair) { return pair.sealed(22, ""); }, SSL_AD_UNEXPECTED_MESSAGE},
    {"ClientHello", [](Pair& pair) { return pair.sealed(22, std::string("\1\0\0\1\0", 5)); },
     SSL_AD_UNEXPECTED_MESSAGE},
    {"EmptyKeyUpdate", [](Pair& pair) { return pair.sealed(22, std::string("\x18\0\0\0", 4)); }, SSL_AD_DECODE_ERROR},
    {"LongKeyUpdate", [](Pair& pair) { return pair.sealed(22, std::string("\x18\0\0\2\0\0", 6)); },
     SSL_AD_DECODE_ERROR},
    {"KeyUpdateOfNoKind", [](Pair& pair) { return pair.sealed(22, std::string("\x18\0\0\1\2", 5)); },
     SSL_AD_ILLEGAL_PARAMETER},
    {"BehindAKeyUpdate", [](Pair& pair) { return pair.sealed(22, std::string("\x18\0\0\1\0\x18", 6)); },
     SSL_AD_UNEXPECTED_MESSAGE},
    {"DataWithinAMessage",
     [](Pair& pair) {
       auto one = pair.sealed(22, "\x18");
       return one += pair.sealed(23, "data");
     },
     SSL_AD_UNEXPECTED_MESSAGE},
    {"EmptyRecords", [](Pair& pair) { return repeated(40, [&] { return pair.sealed(23, ""); }); },
     SSL_AD_UNEXPECTED_MESSAGE},
    {"KeyUpdates",
     [](Pair& pair) {
       return repeated(40, [&] {
         auto record = pair.sealed(22, std::string("\x18\0\0\1\1", 5));
         EXPECT_TRUE(pair.sealing->update());
         return record;
       });
     },
     SSL_AD_UNEXPECTED_MESSAGE},
};
INSTANTIATE_TEST_SUITE_P(Records, HostileRecords, testing::ValuesIn(kHostile),
                         [](const auto& one) { return one.param.name; });

}  // namespace
}  // namespace fairlead::tls
