// SPDX-License-Identifier: Apache-2.0
#include "fairlead/route/forwarded.hpp"

#include <gtest/gtest.h>

#include <string>

#include "fairlead/route/trailers.hpp"

namespace fairlead::route {
namespace {

using enum ClientField;

net::Endpoint at(std::string_view address, std::uint16_t port = 1000) { return {*Address::parse(address), port}; }

ForwardedOptions hops(std::uint32_t count, ClientField field = kXForwardedFor) { return {field, count, {}, false}; }
ForwardedOptions blocks(std::initializer_list<std::string_view> texts, ClientField field = kXForwardedFor) {
  ForwardedOptions options{field, 0, {}, false};
  for (const auto text : texts) options.trusted.push_back(*Cidr::parse(text));
  return options;
}

TEST(Forwarded, ClientIsFoundThroughTrustedHopsOnly) {
  using enum ForwardedError;
  std::string many = "9.9.9.9";
  for (int i = 0; i < 64; ++i) many += ", 10.0.0.2";
  struct {
    ForwardedOptions options;
    http::Fields fields;
    std::string_view client;
    ForwardedError error = kNone;
  } const rows[] = {
      {hops(0), {}, "10.0.0.1"},
      {hops(0), {{"x-forwarded-for", "1.1.1.1"}}, "10.0.0.1", kUntrusted},
      {hops(1), {{"x-forwarded-for", "6.6.6.6, 1.1.1.1"}}, "1.1.1.1"},
      {hops(2), {{"x-forwarded-for", "6.6.6.6, 1.1.1.1 ,2.2.2.2"}}, "1.1.1.1"},
      {hops(2), {{"x-forwarded-for", "6.6.6.6, 1.1.1.1"}, {"x-forwarded-for", "2.2.2.2"}}, "1.1.1.1"},
      {hops(2), {{"x-forwarded-for", "1.1.1.1"}}, "10.0.0.1", kTooFew},
      {hops(1), {}, "10.0.0.1", kTooFew},
      {hops(1), {{"x-forwarded-for", "1.1.1.1, unknown"}}, "10.0.0.1", kSyntax},
      {hops(1), {{"x-forwarded-for", "1.1.1.1:5000"}}, "1.1.1.1"},
      {hops(1), {{"x-forwarded-for", "[2001:db8::1]:5000"}}, "2001:db8::1"},
      {hops(1), {{"x-forwarded-for", "2001:db8::1"}}, "2001:db8::1"},
      {hops(1), {{"x-forwarded-for", ", ,1.1.1.1,"}}, "1.1.1.1"},
      {hops(1), {{"x-forwarded-for", many}}, "10.0.0.1", kTooMany},
      {hops(1), {{"forwarded", "for=6.6.6.6"}, {"x-forwarded-for", "1.1.1.1"}}, "1.1.1.1"},
      {blocks({"10.0.0.0/8"}), {{"x-forwarded-for", "6.6.6.6, 1.1.1.1, 10.0.0.3"}}, "1.1.1.1"},
      {blocks({"10.0.0.0/8"}), {{"x-forwarded-for", "10.0.0.4, 10.0.0.3"}}, "10.0.0.4"},
      {blocks({"10.0.0.0/8"}), {{"x-forwarded-for", "1.1.1.1, junk, 10.0.0.3"}}, "10.0.0.3", kSyntax},
      {blocks({"10.0.0.0/8"}), {}, "10.0.0.1"},
      {blocks({"11.0.0.0/8"}), {{"x-forwarded-for", "1.1.1.1"}}, "10.0.0.1", kUntrusted},
      {hops(1, kForwarded), {{"forwarded", "for=6.6.6.6, for=1.1.1.1;proto=https;by=2.2.2.2"}}, "1.1.1.1"},
      {hops(1, kForwarded), {{"forwarded", "For=\"[2001:db8:cafe::17]:4711\""}}, "2001:db8:cafe::17"},  // RFC 7239 4
      {hops(1, kForwarded), {{"forwarded", "for=\"_gazonk\""}}, "10.0.0.1", kSyntax},
      {hops(1, kForwarded), {{"forwarded", "proto=http"}}, "10.0.0.1", kSyntax},
      {hops(1, kForwarded), {{"forwarded", "for=1.1.1.1, for=\"2.2.2.2"}}, "10.0.0.1", kSyntax},
      {hops(1, kForwarded), {{"x-forwarded-for", "1.1.1.1"}}, "10.0.0.1", kTooFew},
      {hops(1, kXRealIp), {{"x-real-ip", "1.1.1.1"}}, "1.1.1.1"},
      {hops(1, kXRealIp), {{"x-real-ip", "1.1.1.1"}, {"x-real-ip", "2.2.2.2"}}, "10.0.0.1", kSyntax},
      {hops(1, kXRealIp), {{"x-real-ip", "x"}}, "10.0.0.1", kSyntax},
      {hops(0, kXRealIp), {{"x-real-ip", "1.1.1.1"}}, "10.0.0.1", kUntrusted},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.fields.empty() ? std::string() : std::string(row.fields[0].value));
    const auto client = find_client(at("10.0.0.1"), row.fields, row.options);
    EXPECT_EQ(client.address.text(), row.client);
    EXPECT_EQ(client.error, row.error);
    EXPECT_EQ(client.from_field, row.client != "10.0.0.1");
  }
}

// RFC 7239 section 4.
TEST(Forwarded, ElementsFollowTheGrammar) {
  struct {
    std::string_view text;
    bool good;
    std::string_view node, host, proto;
  } const rows[] = {
      {"for=192.0.2.60;proto=http;by=203.0.113.43", true, "192.0.2.60", "", "http"},
      {"For=\"[2001:db8::17]:47011\"", true, "[2001:db8::17]:47011", "", ""},
      {"for=\"_gazonk\"", true, "_gazonk", "", ""},
      {"FOR=a;HOST=b.example;PROTO=https", true, "a", "b.example", "https"},
      {"for=a;;host=b", true, "a", "b", ""},
      {"for=a;ext=\"x\\\"y;,\"", true, "a", "", ""},
      {", ,for=a", true, "a", "", ""},
      {"", true, "", "", ""},
      {"for=a;for=b", false, "", "", ""},
      {"for = a", false, "", "", ""},
      {"for=", false, "", "", ""},
      {"for", false, "", "", ""},
      {"=a", false, "", "", ""},
      {"for=a b", false, "", "", ""},
      {"for=[::1]", false, "", "", ""},  // must be quoted
      {"for=1.1.1.1:80", false, "", "", ""},
      {"for=\"a", false, "", "", ""},
      {"for=\"a\\", false, "", "", ""},
      {"for=\"a\x01\"", false, "", "", ""},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.text);
    auto text = row.text;
    ForwardedElement element;
    ASSERT_EQ(next_forwarded(text, element), row.good);
    if (!row.good) continue;
    EXPECT_EQ(element.node_for, row.node);
    EXPECT_EQ(element.host, row.host);
    EXPECT_EQ(element.proto, row.proto);
    EXPECT_TRUE(text.empty());
  }
}

TEST(Forwarded, NodesAreParsed) {
  struct {
    std::string_view text;
    bool good;
    std::uint16_t port = 0;
  } const rows[] = {{"1.2.3.4", true},
                    {"1.2.3.4:80", true, 80},
                    {"[::1]", true},
                    {"[::1]:80", true, 80},
                    {"::1", true},
                    {"", false},
                    {"unknown", false},
                    {"_x", false},
                    {"1.2.3.4:", false},
                    {"1.2.3.4:x", false},
                    {"1.2.3.4:65536", false},
                    {"[::1", false},
                    {"[::1]80", false},
                    {"[::1]:", false},
                    {"[1.2.3.4]", false},
                    {"1.2.3", false},
                    {"1.2.3.4:_x", false}};
  for (const auto& row : rows) {
    const auto node = parse_node(row.text, true);
    ASSERT_EQ(node.has_value(), row.good) << row.text;
    if (node) {
      EXPECT_EQ(node->port, row.port) << row.text;
    }
  }
  EXPECT_FALSE(parse_node("::1", false));
  EXPECT_FALSE(parse_node({}, true));
}

std::string told(const ForwardedOptions& options, http::Fields fields, std::string_view peer = "10.0.0.1") {
  Arena arena;
  http::RequestHead head;
  head.scheme = "https";
  head.authority = "a.com";
  head.fields = std::move(fields);
  const auto client = find_client(at(peer), head.fields, options);
  set_forwarded(client, at(peer), at("10.0.0.9", 443), options, head, arena);
  std::ranges::sort(head.fields, {}, &http::Field::name);
  std::string text;
  for (const auto& [name, value] : head.fields) text.append(name).append(": ").append(value).append("\n");
  return text;
}

TEST(Forwarded, BackendsAreToldWhatMayBeBelieved) {
  const http::Fields sent{{"forwarded", "for=6.6.6.6"},     {"x-forwarded-for", "1.1.1.1"},
                          {"x-forwarded-host", "evil.com"}, {"x-forwarded-proto", "http"},
                          {"x-forwarded-port", "1"},        {"x-real-ip", "6.6.6.6"},
                          {"x-forwarded-for", "2.2.2.2"}};
  EXPECT_EQ(told(hops(0), sent),
            "x-forwarded-for: 10.0.0.1\nx-forwarded-host: a.com\nx-forwarded-port: 443\nx-forwarded-proto: https\n"
            "x-real-ip: 10.0.0.1\n");
  EXPECT_EQ(told(hops(1), sent),
            "forwarded: for=6.6.6.6\nx-forwarded-for: 1.1.1.1, 2.2.2.2, 10.0.0.1\nx-forwarded-host: evil.com\n"
            "x-forwarded-port: 1\nx-forwarded-proto: http\nx-real-ip: 2.2.2.2\n");
  // What a backend of CGI's kind could not tell from ours.
  const http::Fields twins{{"x_forwarded_for", "6.6.6.6"},
                           {"x-forwarded_proto", "http"},
                           {"x_forwarded-client_cert", "evil"},
                           {"x_real-ip", "6.6.6.6"},
                           {"x_request_id", "evil"},
                           {"x_real_ips", "kept"},
                           {"x_mine", "kept"}};
  for (const auto count : {0U, 1U})
    EXPECT_EQ(told(hops(count), twins),
              "x-forwarded-for: 10.0.0.1\nx-forwarded-host: a.com\nx-forwarded-port: 443\nx-forwarded-proto: https\n"
              "x-real-ip: 10.0.0.1\nx_mine: kept\nx_real_ips: kept\n");
  auto options = hops(0);
  options.send_forwarded = true;
  EXPECT_EQ(told(options, {{"forwarded", "for=6.6.6.6"}}, "::1"),
            "forwarded: for=\"[::1]\";host=\"a.com\";proto=https\nx-forwarded-for: ::1\nx-forwarded-host: a.com\n"
            "x-forwarded-port: 443\nx-forwarded-proto: https\nx-real-ip: ::1\n");
}

TEST(Forwarded, NothingOfItStandsInTrailers) {
  http::Fields trailers{{"x-forwarded-for", "6.6.6.6"}, {"x-sum", "1"},       {"x-forwarded-client-cert", "evil"},
                        {"forwarded", "for=1.1.1.1"},   {"x_real_ip", "a"},   {"x-real-ip", "6.6.6.6"},
                        {"x-request-id", "evil"},       {"x-forwards", "ok"}, {"grpc-status", "0"}};
  drop_forwarded(trailers);
  std::string left;
  for (const auto& field : trailers) left.append(field.name).append(" ");
  EXPECT_EQ(left, "x-sum x-forwards grpc-status ");
}

}  // namespace
}  // namespace fairlead::route
