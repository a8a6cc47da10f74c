// SPDX-License-Identifier: Apache-2.0
#include "fairlead/tls/client_hello.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "gateway/dataplane/tls/openssl.hpp"
#include "link.hpp"
#include "support/process.hpp"

namespace fairlead::tls {
namespace {

std::string big(std::size_t value, int width) {
  std::string text;
  while (width-- > 0) text += static_cast<char>(value >> (8 * width) & 0xff);
  return text;
}
std::string vector(const std::string& body, int width) { return big(body.size(), width) + body; }
std::string extension(int type, const std::string& body) {
  return big(static_cast<std::size_t>(type), 2) + vector(body, 2);
}
std::string record(const std::string& body) { return "\x16\x03\x01" + vector(body, 2); }

std::string server_name(const std::string& name) {
  return extension(0, vector(std::string(1, '\0') + vector(name, 2), 2));
}
std::string alpn(const std::string& name) { return extension(16, vector(vector(name, 1), 2)); }

/// The handshake message, with what is in the extensions.
std::string message(const std::string& extensions, const std::string& suites = "\x13\x01") {
  const std::string body = "\x03\x03" + std::string(32, 'r') + vector("", 1) + vector(suites, 2) +
                           vector(std::string(1, '\0'), 1) + vector(extensions, 2);
  return "\x01" + vector(body, 3);
}

Peek peek(const std::string& bytes, ClientHello& hello) {
  return peek_client_hello({bytes.data(), bytes.size()}, hello);
}

// What a real client sends: its first flight, taken off a connection.
std::string hello_of(const std::vector<std::string>& arguments) {
  const Fd listener = net::listening("127.0.0.1:0");
  const auto at = net::local_address(listener.get());
  std::vector<std::string> argv{"openssl", "s_client", "-connect", at->text()};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  test::Process client({.argv = argv});
  EXPECT_TRUE(net::wait_for(listener.get(), POLLIN));
  const Fd fd(::accept(listener.get(), nullptr, nullptr));
  std::string bytes(16384, '\0');
  const auto got = ::recv(fd.get(), bytes.data(), bytes.size(), 0);
  EXPECT_GT(got, 0);
  bytes.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  return bytes;
}

TEST(ClientHelloTest, ReadsWhatOpensslSends) {
  const auto bytes = hello_of({"-servername", "Shop.Example.COM", "-alpn", "h2,http/1.1"});
  ClientHello hello;
  ASSERT_EQ(peek(bytes, hello), Peek::kFound);
  EXPECT_EQ(hello.server_name, "shop.example.com");
  EXPECT_EQ(hello.version, 0x0304);
  EXPECT_TRUE(hello.offers("h2") && hello.offers("http/1.1"));
  EXPECT_FALSE(hello.offers("http") || hello.offers("h3"));
  EXPECT_FALSE(hello.has_early_data);

  ASSERT_EQ(peek(hello_of({"-noservername", "-tls1_2"}), hello), Peek::kFound);
  EXPECT_FALSE(hello.has_sni);
  EXPECT_EQ(hello.version, 0x0303);
  EXPECT_EQ(hello.alpn, "");
}

TEST(ClientHelloTest, WantsMoreOfEveryBeginning) {
  const auto bytes = record(message(server_name("a.example") + alpn("h2")));
  ClientHello hello;
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(peek(bytes.substr(0, size), hello), Peek::kNeedMore) << size;
  }
  EXPECT_EQ(peek(bytes, hello), Peek::kFound);
  EXPECT_EQ(peek(bytes + "what follows", hello), Peek::kFound);
}

TEST(ClientHelloTest, JoinsMessagesOverRecords) {
  const auto whole = message(server_name("a.example") + extension(21, std::string(3000, '\0')) + alpn("h2"));
  for (const std::size_t part : {std::size_t{60}, std::size_t{100}, std::size_t{1500}, whole.size() - 1}) {
    std::string bytes;
    for (std::size_t at = 0; at < whole.size(); at += part) bytes += record(whole.substr(at, part));
    ClientHello hello;
    EXPECT_EQ(peek(bytes.substr(0, bytes.size() - 1), hello), Peek::kNeedMore);
    ASSERT_EQ(peek(bytes, hello), Peek::kFound) << part;
    EXPECT_EQ(hello.server_name, "a.example");
    EXPECT_TRUE(hello.offers("h2"));
  }
}

TEST(ClientHelloTest, Table) {
  const auto small = message(server_name("a.example"));
  std::string tiny;
  for (const char byte : small) tiny += record(std::string(1, byte));
  const std::string retyped = record(small.substr(0, 20)) + "\x17\x03\x03" + vector(small.substr(20), 2);
  struct Case {
    const char* name;
    std::string bytes;
    Peek result;
  };
  const Case cases[] = {
      {"nothing", "", Peek::kNeedMore},
      {"http", "GET / HTTP/1.1\r\n", Peek::kNotTls},
      {"SSL 2 hello", std::string("\x80\x2e\x01\x03\x01", 5), Peek::kNotTls},
      {"another major version", std::string("\x16\x04\x00\x00\x10\x01", 6), Peek::kNotTls},
      {"empty record", std::string("\x16\x03\x01\x00\x00", 5), Peek::kUnexpected},
      {"empty record amid", record(small.substr(0, 20)) + record(""), Peek::kUnexpected},
      {"record too long", std::string("\x16\x03\x01\x40\x01", 5), Peek::kOverflow},
      {"record too long amid", record(small.substr(0, 20)) + std::string("\x16\x03\x01\x40\x01", 5), Peek::kOverflow},
      {"a ServerHello", record("\x02" + small.substr(1)), Peek::kUnexpected},
      {"message too long", record(std::string("\x01\x00\x80\x00", 4)), Peek::kTooLarge},
      {"records too small", tiny, Peek::kTooLarge},
      {"other record amid", retyped, Peek::kUnexpected},
      {"no cipher suites", record(message("", "")), Peek::kMalformed},
      {"odd cipher suites", record(message("", "\x13")), Peek::kMalformed},
      {"extension beyond its end", record(message(std::string("\x00\x00\x00\x09", 4))), Peek::kMalformed},
      {"two names", record(message(server_name("a.example") + server_name("b.example"))), Peek::kMalformed},
      {"empty name", record(message(server_name(""))), Peek::kMalformed},
      {"NUL in name", record(message(server_name(std::string("a\0b", 3)))), Peek::kMalformed},
      {"space in name", record(message(server_name("a b"))), Peek::kMalformed},
      {"dot at the end", record(message(server_name("a.example."))), Peek::kMalformed},
      {"name too long", record(message(server_name(std::string(256, 'a')))), Peek::kMalformed},
      {"longest name", record(message(server_name(std::string(255, 'a')))), Peek::kFound},
      {"empty protocol", record(message(alpn(""))), Peek::kMalformed},
      {"no extensions", record(message("")), Peek::kFound},
      {"unknown extension", record(message(extension(0x1a1a, "x"))), Peek::kFound},
  };
  for (const auto& one : cases) {
    ClientHello hello;
    EXPECT_EQ(peek(one.bytes, hello), one.result) << one.name;
  }
}

TEST(ClientHelloTest, KnowsVersionsAndEarlyData) {
  ClientHello hello;
  const auto versions = extension(43, vector("\x5a\x5a\x03\x03\x03\x04", 1));
  ASSERT_EQ(peek(record(message(versions + extension(42, ""))), hello), Peek::kFound);
  EXPECT_EQ(hello.version, 0x0304);
  EXPECT_TRUE(hello.has_early_data);
}

}  // namespace
}  // namespace fairlead::tls
