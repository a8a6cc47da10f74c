// SPDX-License-Identifier: Apache-2.0
#include "fairlead/net/proxy_protocol.hpp"

#include <gtest/gtest.h>

#include <string>

namespace fairlead::net {
namespace {

using namespace std::string_literals;
using enum ProxyError;
using enum ProxyState;

std::string line(std::string_view rest) { return "PROXY " + std::string(rest); }

// proxy-protocol.txt, section 2.1.
TEST(ProxyV1, LinesAreParsedToTheLetter) {
  struct {
    std::string text;
    ProxyState state;
    ProxyError error = kNone;
    std::string_view source = {};
  } const rows[] = {
      {line("TCP4 192.168.0.1 192.168.0.11 56324 443\r\n"), kDone, kNone, "192.168.0.1"},
      {line("TCP4 192.168.0.1 192.168.0.11 56324 443\r\nGET / HTTP/1.1\r\n"), kDone, kNone, "192.168.0.1"},
      {line("TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"), kDone, kNone, "255.255.255.255"},
      {line("TCP6 2001:db8::1 ::1 0 1\r\n"), kDone, kNone, "2001:db8::1"},
      {line("TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
       kDone, kNone, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
      {line("UNKNOWN\r\n"), kDone},
      {line("UNKNOWN ffff:f...f:ffff anything at all\r\n"), kDone},
      {"", kNeedMore},
      {"P", kNeedMore},
      {line(""), kNeedMore},
      {line("TCP4 1.1.1.1 2.2.2.2 1 2\r"), kNeedMore},
      {"GET / HTTP/1.1\r\n", kInvalid, kSignature},
      {"PROXYX", kInvalid, kSignature},
      {"proxy ", kInvalid, kSignature},
      {line("UNKNOWNX\r\n"), kInvalid, kSyntax},
      {line("UNKNOWN \1\r\n"), kInvalid, kSyntax},
      {line("TCP5 1.1.1.1 2.2.2.2 1 2\r\n"), kInvalid, kSyntax},
      {line("tcp4 1.1.1.1 2.2.2.2 1 2\r\n"), kInvalid, kSyntax},
      {line("TCP4  1.1.1.1 2.2.2.2 1 2\r\n"), kInvalid, kSyntax},
      {line("TCP4 1.1.1.1 2.2.2.2 1 2 \r\n"), kInvalid, kSyntax},
      {line("TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n"), kInvalid, kSyntax},
      {line("TCP4 1.1.1.1 2.2.2.2 1\r\n"), kInvalid, kSyntax},
      {line("TCP4 1.1.1.1 2.2.2.2 01 2\r\n"), kInvalid, kSyntax},
      {line("TCP4 1.1.1.1 2.2.2.2 1 65536\r\n"), kInvalid, kSyntax},
      {line("TCP4 1.1.1.1 2.2.2.2 +1 2\r\n"), kInvalid, kSyntax},
      {line("TCP4 1.1.1 2.2.2.2 1 2\r\n"), kInvalid, kAddress},
      {line("TCP4 ::1 ::2 1 2\r\n"), kInvalid, kAddress},
      {line("TCP6 1.1.1.1 2.2.2.2 1 2\r\n"), kInvalid, kAddress},
      {line("TCP4 1.1.1.1 2.2.2.2 1 2\n"), kInvalid, kSyntax},
      {line("TCP4 1.1.1.1 2.2.2.2 1 2\rX"), kInvalid, kSyntax},
      {line("TCP4 1.1.1.1\0 2.2.2.2 1 2"s), kInvalid, kSyntax},
      {line(std::string(101, 'x')), kInvalid, kTooLong},
      {line(std::string(200, 'x')) + "\r\n", kInvalid, kTooLong},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.text);
    ProxyHeader header;
    const auto parsed = parse_proxy(row.text, {}, header);
    ASSERT_EQ(parsed.state, row.state);
    EXPECT_EQ(name_of(parsed.error), name_of(row.error));
    if (row.state == kNeedMore) {
      EXPECT_GT(parsed.need, row.text.size());
    }
    if (row.state != kDone) continue;
    EXPECT_EQ(header.length, row.text.find('\n') + 1);
    EXPECT_EQ(header.has_endpoints, !row.source.empty());
    if (!row.source.empty()) {
      EXPECT_EQ(header.source.address.text(), row.source);
    }
  }
}

std::string v2(std::uint8_t command, std::uint8_t family, std::string body) {
  std::string text("\r\n\r\n\0\r\nQUIT\n", 12);
  text += static_cast<char>(command);
  text += static_cast<char>(family);
  text += static_cast<char>(body.size() >> 8);
  text += static_cast<char>(body.size() & 255);
  return text + body;
}

const std::string kV4 = "\x0a\0\0\1\x0a\0\0\2\x1f\x90\1\xbb"s;  // 10.0.0.1:8080 to 10.0.0.2:443

// proxy-protocol.txt, section 2.2.
TEST(ProxyV2, BlocksAreParsed) {
  const std::string v6 = std::string(15, '\0') + "\1" + std::string(15, '\0') + "\2" + "\0\1\0\2"s;
  struct {
    std::string text;
    ProxyState state;
    ProxyError error = kNone;
    std::string_view source = {};
  } const rows[] = {
      {v2(0x21, 0x11, kV4), kDone, kNone, "10.0.0.1"},
      {v2(0x21, 0x12, kV4), kDone, kNone, "10.0.0.1"},
      {v2(0x21, 0x21, v6), kDone, kNone, "::1"},
      {v2(0x21, 0x11, kV4 + "\x04\0\2xx"s), kDone, kNone, "10.0.0.1"},    // NOOP
      {v2(0x21, 0x11, kV4 + "\xee\0\1x"s), kDone, kNone, "10.0.0.1"},     // not known: skipped
      {v2(0x20, 0x11, kV4), kDone},                                       // LOCAL: addresses count for nothing
      {v2(0x20, 0x77, "junk"), kDone},
      {v2(0x21, 0x00, ""), kDone},
      {v2(0x21, 0x00, "whatever"), kDone},
      {v2(0x21, 0x31, std::string(216, 'u')), kDone},
      {v2(0x21, 0x11, kV4).substr(0, 12), kNeedMore},
      {v2(0x21, 0x11, kV4).substr(0, 15), kNeedMore},
      {v2(0x21, 0x11, kV4).substr(0, 27), kNeedMore},
      {"\r\n", kNeedMore},
      {"\r\n\r\n\0\r\nQUIX"s, kInvalid, kSignature},
      {v2(0x11, 0x11, kV4), kInvalid, kVersion},
      {v2(0x22, 0x11, kV4), kInvalid, kCommand},
      {v2(0x21, 0x11, kV4).substr(0, 12) + "\x31", kInvalid, kVersion},
      {v2(0x21, 0x41, kV4), kInvalid, kFamily},
      {v2(0x21, 0x10, kV4), kInvalid, kFamily},
      {v2(0x21, 0x13, kV4), kInvalid, kFamily},
      {v2(0x21, 0x11, kV4.substr(1)), kInvalid, kLength},
      {v2(0x21, 0x21, kV4), kInvalid, kLength},
      {v2(0x21, 0x31, std::string(215, 'u')), kInvalid, kLength},
      {v2(0x21, 0x11, kV4 + "\x04\0"s), kInvalid, kTlv},
      {v2(0x21, 0x11, kV4 + "\x04\0\2x"s), kInvalid, kTlv},
      {v2(0x21, 0x11, kV4 + "\x02\0\1a\x02\0\1b"s), kInvalid, kTlv},
      {v2(0x21, 0x11, kV4 + "\x03\0\3abc"s), kInvalid, kTlv},
      {v2(0x21, 0x11, kV4 + "\x03\0\4abcd"s), kInvalid, kChecksum},
      {v2(0x21, 0x11, kV4 + "\x20\0\4abcd"s), kInvalid, kTlv},
      {v2(0x21, 0x11, kV4 + "\x05\0\x81"s + std::string(129, 'i')), kInvalid, kTlv},
      {v2(0x21, 0x11, kV4 + "\x04\x10\0"s + std::string(4096, 'n')), kInvalid, kTooLong},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(testing::PrintToString(row.text));
    ProxyHeader header;
    const auto parsed = parse_proxy(row.text + (row.state == kDone ? "rest" : ""), {}, header);
    ASSERT_EQ(parsed.state, row.state);
    EXPECT_EQ(name_of(parsed.error), name_of(row.error));
    if (row.state == kNeedMore) {
      EXPECT_GT(parsed.need, row.text.size());
    }
    if (row.state != kDone) continue;
    EXPECT_EQ(header.length, row.text.size());
    EXPECT_EQ(header.has_endpoints, !row.source.empty());
    if (!row.source.empty()) {
      EXPECT_EQ(header.source.address.text(), row.source);
    }
  }
}

TEST(ProxyV2, Crc32cIsTheOneOfRfc3720) {
  // A header whose checksum was computed by another implementation (RFC 3720 B.4 polynomial, reflected).
  ProxyHeader header;
  header.has_endpoints = true;
  header.source = {*Address::parse("10.0.0.1"), 8080};
  header.destination = {*Address::parse("10.0.0.2"), 443};
  std::string text;
  ASSERT_TRUE(write_proxy_v2(header, true, text));
  EXPECT_EQ(text, v2(0x21, 0x11, kV4 + "\x03\0\4"s + "\135\115\030\133"s));
}

TEST(ProxyV2, WhatIsWrittenIsRead) {
  ProxyHeader out;
  out.has_endpoints = true;
  out.source = {*Address::parse("2001:db8::1"), 1};
  out.destination = {*Address::parse("10.0.0.2"), 65535};
  out.alpn = "h2";
  out.authority = "a.example";
  out.unique_id = "id-1";
  out.netns = "blue";
  out.tls = ProxyTls{true, true, false, 0, "TLSv1.3", "client", "AES", "SHA256", "EC256"};
  for (const bool checksum : {false, true}) {
    std::string text;
    ASSERT_TRUE(write_proxy_v2(out, checksum, text));
    for (std::size_t i = 0; i < text.size(); ++i) {
      ProxyHeader part;
      ASSERT_EQ(parse_proxy(std::string_view(text).substr(0, i), {}, part).state, kNeedMore) << i;
    }
    ProxyHeader in;
    ASSERT_EQ(parse_proxy(text, {}, in).state, kDone);
    EXPECT_EQ(in.source.address, out.source.address);
    EXPECT_EQ(in.destination.address, out.destination.address);
    EXPECT_EQ(in.destination.port, 65535);
    EXPECT_EQ(in.alpn, "h2");
    EXPECT_EQ(in.authority, "a.example");
    EXPECT_EQ(in.unique_id, "id-1");
    EXPECT_EQ(in.netns, "blue");
    ASSERT_TRUE(in.tls);
    EXPECT_TRUE(in.tls->tls && in.tls->certificate_on_connection && !in.tls->certificate_in_session);
    EXPECT_EQ(in.tls->version, "TLSv1.3");
    EXPECT_EQ(in.tls->common_name, "client");
    EXPECT_EQ(in.tls->cipher, "AES");
    EXPECT_EQ(in.tls->signature, "SHA256");
    EXPECT_EQ(in.tls->key, "EC256");
    if (!checksum) continue;
    for (std::size_t i = 16; i < text.size(); ++i) {
      if (i == text.size() - 7) continue;  // the type of the checksum itself: with another there is none
      auto broken = text;
      broken[i] = static_cast<char>(broken[i] ^ 4);
      ASSERT_NE(parse_proxy(broken, {}, in).state, kDone) << i;
    }
  }
  std::string text;
  out.unique_id = std::string_view(text);
  const std::string long_id(129, 'x');
  out.unique_id = long_id;
  EXPECT_FALSE(write_proxy_v2(out, false, text));
  EXPECT_TRUE(text.empty());
}

TEST(ProxyV1, WhatIsWrittenIsRead) {
  ProxyHeader header;
  std::string text;
  write_proxy_v1(header, text);
  EXPECT_EQ(text, "PROXY UNKNOWN\r\n");
  header.has_endpoints = true;
  header.source = {*Address::parse("1.2.3.4"), 80};
  header.destination = {*Address::parse("5.6.7.8"), 443};
  text.clear();
  write_proxy_v1(header, text);
  EXPECT_EQ(text, "PROXY TCP4 1.2.3.4 5.6.7.8 80 443\r\n");
  header.destination = {*Address::parse("::1"), 443};
  text.clear();
  write_proxy_v1(header, text);
  EXPECT_EQ(text, "PROXY UNKNOWN\r\n");
  header.source = {*Address::parse("::2"), 80};
  text.clear();
  write_proxy_v1(header, text);
  EXPECT_EQ(text, "PROXY TCP6 ::2 ::1 80 443\r\n");
}

TEST(Proxy, VersionsMayBeForbidden) {
  ProxyHeader header;
  EXPECT_EQ(parse_proxy(line("UNKNOWN\r\n"), {.version1 = false}, header).error, kSignature);
  EXPECT_EQ(parse_proxy(v2(0x20, 0, ""), {.version2 = false}, header).error, kSignature);
  EXPECT_EQ(parse_proxy("\r", {.version2 = false}, header).error, kSignature);
}

}  // namespace
}  // namespace fairlead::net
