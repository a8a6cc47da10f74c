// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <random>

#include "link.hpp"

namespace fairlead::tls {
namespace {

class StreamTest : public testing::Test {
 protected:
  std::unique_ptr<event::Reactor> reactor_ = net::make_reactor();
  Authority authority_;
  std::shared_ptr<const Certificate> certificate_ = authority_.load({.names = "DNS:a.example"});
  std::shared_ptr<const ServerContext> server_ = serve(certificate_);
  std::shared_ptr<ClientContext> client_ = trust(authority_.pem(), "a.example");
};

ServerPolicy only(TlsVersion version) {
  ServerPolicy policy;
  policy.protocol.min_version = policy.protocol.max_version = version;
  return policy;
}

std::string random_text(std::size_t size) {
  std::mt19937_64 random(size);
  std::string text(size, '\0');
  for (auto& byte : text) byte = static_cast<char>(random());
  return text;
}

TEST_F(StreamTest, AgreesAndTellsFacts) {
  for (const auto version : {TlsVersion::kTls12, TlsVersion::kTls13}) {
    auto policy = only(version);
    policy.alpn = {"h2", "http/1.1"};
    auto client = trust(authority_.pem(), "a.example", [](ClientConfig& config) { config.alpn = {"http/1.1", "h2"}; });
    Link link(*reactor_, serve(certificate_, policy), client);
    EXPECT_EQ(link.server.stream->tls(), nullptr);
    ASSERT_TRUE(link.establish()) << link.server.why << link.client.why;
    const auto* facts = link.server.stream->tls();
    ASSERT_NE(facts, nullptr);
    EXPECT_EQ(facts->version, version == TlsVersion::kTls12 ? "TLSv1.2" : "TLSv1.3");
    EXPECT_EQ(facts->cipher,
              version == TlsVersion::kTls12 ? "ECDHE-ECDSA-AES128-GCM-SHA256" : "TLS_AES_128_GCM_SHA256");
    EXPECT_EQ(facts->alpn, "h2");  // ours counts
    EXPECT_EQ(facts->server_name, "a.example");
    EXPECT_FALSE(facts->resumed);
    EXPECT_FALSE(facts->peer_verified);
    EXPECT_TRUE(link.client.stream->tls()->peer_verified);
    EXPECT_EQ(link.client.stream->tls()->alpn, "h2");
    EXPECT_TRUE(link.exchange());
    EXPECT_FALSE(link.server.stream->is_raw());
  }
}

// Reads, writes and socket buffers of odd sizes; both directions at once.
TEST_F(StreamTest, CarriesEveryByteBothWays) {
  for (const auto version : {TlsVersion::kTls12, TlsVersion::kTls13}) {
    Link link(*reactor_, serve(certificate_, only(version)), client_);
    std::mt19937 random(7);
    const auto chunk = [&random] { return std::size_t{1} + random() % (random() % 4 == 0 ? 100'000 : 700); };
    link.server.chunk = link.client.chunk = chunk;
    const int small = 4096;
    ::setsockopt(link.server.stream->fd(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    ASSERT_TRUE(link.establish());
    const auto up = random_text(1'500'000);
    const auto down = random_text(2'000'001);
    link.client.send(up);
    link.server.send(down);
    link.client.end();
    link.server.end();
    ASSERT_TRUE(link.run([&] { return link.client.ended && link.server.ended; }));
    EXPECT_TRUE(link.server.got == up);
    EXPECT_TRUE(link.client.got == down);
  }
}

// What was sealed before TCP was full is not sent twice when it is offered again, and counts as taken only then.
TEST_F(StreamTest, OffersAgainWhatTcpDidNotTake) {
  Link link(*reactor_, server_, client_);
  ASSERT_TRUE(link.establish());
  link.client.stream->set_handler(nullptr);  // reads nothing
  const std::string block(16384, 'x');
  const iovec piece{const_cast<char*>(block.data()), block.size()};
  std::size_t taken = 0;
  net::IoResult result;
  while ((result = link.server.stream->write({&piece, 1})).status == net::IoStatus::kOk) taken += result.bytes;
  EXPECT_EQ(result.status, net::IoStatus::kAgain);
  EXPECT_EQ(taken % block.size(), 0u);
  link.client.stream->set_handler(&link.client);
  link.client.on_readable();
  ASSERT_TRUE(link.run([&] { return link.client.got.size() == taken + block.size(); }));
  EXPECT_EQ(net::write_text(*link.server.stream, block.substr(0, 5)).bytes, 5u);
  EXPECT_EQ(net::write_text(*link.server.stream, block.substr(5) + "tail").bytes, block.size() - 1);
  ASSERT_TRUE(link.run([&] { return link.client.got.ends_with("tail"); }));
  EXPECT_EQ(link.client.got, std::string(taken + block.size(), 'x') + "tail");
}

TEST_F(StreamTest, EndsOneDirectionAtATime) {
  Link link(*reactor_, server_, client_);
  ASSERT_TRUE(link.establish());
  link.client.send("request");
  link.client.end();
  ASSERT_TRUE(link.run([&] { return link.server.ended; }));
  EXPECT_EQ(link.server.got, "request");
  EXPECT_FALSE(link.client.ended);
  link.server.send("answer");
  link.server.end();
  ASSERT_TRUE(link.run([&] { return link.client.ended; }));
  EXPECT_EQ(link.client.got, "answer");
  EXPECT_FALSE(link.client.read_error || link.server.read_error);
}

TEST_F(StreamTest, TellsTruncationFromAnEnd) {
  Link link(*reactor_, server_, client_);
  ASSERT_TRUE(link.establish());
  link.client.send("half");
  ASSERT_TRUE(link.run([&] { return link.server.got == "half"; }));
  ::shutdown(link.client.stream->fd(), SHUT_WR);  // FIN without close_notify
  ASSERT_TRUE(link.run([&] { return link.server.read_error; }));
  EXPECT_FALSE(link.server.ended);
  EXPECT_EQ(link.server.stream->failure(), TlsFailure::kTruncated);
}

TEST_F(StreamTest, CloseSaysCloseNotify) {
  Link link(*reactor_, server_, client_);
  ASSERT_TRUE(link.exchange());
  link.server.stream->close(false);
  ASSERT_TRUE(link.run([&] { return link.client.ended || link.client.read_error; }));
  EXPECT_TRUE(link.client.ended);
}

TEST_F(StreamTest, GivesWhatWasReadBeforeToTheHandshake) {
  Link donor(*reactor_, server_, client_);  // its client has sent a hello
  auto [ours, theirs] = make_pair();
  auto client = TlsStream::connect(stream_over(*reactor_, std::move(theirs)), client_, "b");
  End end;
  end.stream = std::move(*client);
  end.stream->set_handler(&end);
  end.stream->start();
  std::string first(600, '\0');
  const auto got = ::recv(ours.get(), first.data(), first.size(), 0);
  ASSERT_GT(got, 100);
  first.resize(static_cast<std::size_t>(got));
  End server;
  server.stream = TlsStream::accept(stream_over(*reactor_, std::move(ours)), server_, first);
  server.stream->set_handler(&server);
  server.stream->start();
  EXPECT_TRUE(net::run_until(*reactor_, [&] { return server.open && end.open; })) << server.why;
}

// Raw bytes from a client, and what they come to.
struct Raw {
  const char* name;
  std::string bytes;
  TlsFailure failure;
  std::string answer;  // an alert, or nothing
};

TEST_F(StreamTest, RefusesWhatIsNoHello) {
  const std::string huge = std::string("\x16\x03\x01\x40\x00\x01\x00\xff\xff", 9);
  const std::string bad = std::string("\x16\x03\x01\x00\x06\x01\x00\x00\x02\x03\x03", 11);
  const Raw cases[] = {
      {"http", "GET / HTTP/1.1\r\n\r\n", TlsFailure::kNotTls, ""},
      {"zeroes", std::string(64, '\0'), TlsFailure::kNotTls, ""},
      {"too large", huge, TlsFailure::kBadHello, std::string("\x15\x03\x03\x00\x02\x02\x32", 7)},
      {"contradiction", bad, TlsFailure::kBadHello, std::string("\x15\x03\x03\x00\x02\x02\x32", 7)},
      {"another message", std::string("\x16\x03\x01\x00\x04\x10\x00\x00\x00", 9), TlsFailure::kBadHello,
       std::string("\x15\x03\x03\x00\x02\x02\x0a", 7)},
      {"record too long", std::string("\x16\x03\x01\x40\x01", 5), TlsFailure::kBadHello,
       std::string("\x15\x03\x03\x00\x02\x02\x16", 7)},
      {"alert first", std::string("\x15\x03\x01\x00\x02\x02\x28", 7), TlsFailure::kNotTls, ""},
  };
  for (const auto& raw : cases) {
    SCOPED_TRACE(raw.name);
    auto [ours, theirs] = make_pair();
    End server;
    server.stream = TlsStream::accept(stream_over(*reactor_, std::move(ours)), server_);
    server.stream->set_handler(&server);
    server.stream->start();
    net::send_text(theirs, raw.bytes);
    ASSERT_TRUE(net::run_until(*reactor_, [&] { return server.failed; }));
    EXPECT_EQ(server.stream->failure(), raw.failure) << server.why;
    server.stream->close(false);
    EXPECT_EQ(net::receive_all(theirs), raw.answer);
    EXPECT_EQ(server.stream->read(std::span<char>()).status, net::IoStatus::kError);
  }
}

TEST_F(StreamTest, AStalledHandshakeWaitsAndAClosedOneFails) {
  auto [ours, theirs] = make_pair();
  End server;
  server.stream = TlsStream::accept(stream_over(*reactor_, std::move(ours)), server_);
  server.stream->set_handler(&server);
  server.stream->start();
  net::send_text(theirs, std::string_view("\x16\x03\x01\x02\x00\x01\x00", 7));
  net::turn(*reactor_);
  EXPECT_FALSE(server.open || server.failed);
  char byte = 0;
  EXPECT_EQ(server.stream->read({&byte, 1}).status, net::IoStatus::kAgain);
  EXPECT_EQ(net::write_text(*server.stream, "x").status, net::IoStatus::kAgain);
  theirs.reset();
  ASSERT_TRUE(net::run_until(*reactor_, [&] { return server.failed; }));
  EXPECT_TRUE(server.stream->failure() == TlsFailure::kTruncated || server.stream->failure() == TlsFailure::kReset);
}

TEST_F(StreamTest, NamesWhatIsNotInCommon) {
  struct Case {
    const char* name;
    std::function<void(ServerPolicy&)> server;
    std::function<void(ClientConfig&)> client;
    TlsFailure failure;
  };
  const Case cases[] = {
      {"version", [](ServerPolicy& policy) { policy = only(TlsVersion::kTls13); },
       [](ClientConfig& config) { config.protocol.max_version = TlsVersion::kTls12; }, TlsFailure::kNoVersion},
      {"cipher", [](ServerPolicy& policy) { policy.protocol.cipher_suites = "TLS_AES_256_GCM_SHA384"; },
       [](ClientConfig& config) {
         config.protocol.cipher_suites = "TLS_CHACHA20_POLY1305_SHA256";
         config.protocol.min_version = TlsVersion::kTls13;
       },
       TlsFailure::kNoCipher},
      {"group", [](ServerPolicy& policy) { policy.protocol.groups = "P-384"; },
       [](ClientConfig& config) { config.protocol.groups = "X25519"; }, TlsFailure::kNoCipher},
      {"alpn", [](ServerPolicy& policy) { policy.alpn = {"h2"}; }, [](ClientConfig& config) { config.alpn = {"smtp"}; },
       TlsFailure::kNoAlpn},
  };
  for (const auto& one : cases) {
    SCOPED_TRACE(one.name);
    ServerPolicy policy;
    one.server(policy);
    Link link(*reactor_, serve(certificate_, policy), trust(authority_.pem(), "a.example", one.client));
    EXPECT_FALSE(link.establish());
    EXPECT_EQ(link.server.stream->failure(), one.failure) << link.server.why;
    EXPECT_EQ(link.client.stream->failure(), TlsFailure::kPeerAlert) << link.client.why;
    EXPECT_FALSE(link.server.why.empty());
  }
}

TEST_F(StreamTest, AlteredRecordsAreAnError) {
  Link link(*reactor_, server_, client_);
  ASSERT_TRUE(link.exchange());
  const std::string forged(
      "\x17\x03\x03\x00\x20"
      "01234567890123456789012345678901",
      37);
  ASSERT_EQ(::send(link.client.stream->fd(), forged.data(), forged.size(), 0), static_cast<ssize_t>(forged.size()));
  ASSERT_TRUE(link.run([&] { return link.server.read_error; }));
  EXPECT_EQ(link.server.stream->failure(), TlsFailure::kProtocol);
}

// The handler may destroy the stream within any call.
struct Destroyer final : net::StreamHandler {
  void on_readable() override { stream.reset(); }
  void on_writable() override { stream.reset(); }
  void on_failed(int, std::string_view) override { stream.reset(); }
  std::unique_ptr<TlsStream> stream;
};

TEST_F(StreamTest, MayBeDestroyedByItsHandler) {
  for (const bool garbage : {false, true}) {
    auto [ours, theirs] = make_pair();
    Destroyer server;
    server.stream = TlsStream::accept(stream_over(*reactor_, std::move(ours)), server_);
    server.stream->set_handler(&server);
    server.stream->start();
    End client;
    if (garbage) {
      net::send_text(theirs, "garbage");
    } else {
      client.stream = *TlsStream::connect(stream_over(*reactor_, std::move(theirs)), client_, "b");
      client.stream->set_handler(&client);
      client.stream->start();
    }
    EXPECT_TRUE(net::run_until(*reactor_, [&] { return server.stream == nullptr; }));
  }
}

}  // namespace
}  // namespace fairlead::tls
