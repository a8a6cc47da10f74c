// SPDX-License-Identifier: Apache-2.0
// A server's stream behind a handshake of TLS 1.3, towards a client that is OpenSSL's own.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <thread>

#include "gateway/dataplane/tls/traffic_secrets.hpp"
#include "link.hpp"

namespace fairlead::tls {
namespace {

class SealedTest : public testing::Test {
 protected:
  /// Runs `talk` with the client's end in a thread, and the server meanwhile, which answers as `server_.send` says.
  void run(const std::function<void(SSL*)>& talk, const std::function<void()>& meanwhile = {}) {
    auto [ours, theirs] = make_pair();
    stream_to(std::move(ours));
    ::fcntl(theirs.get(), F_SETFL, 0);  // the client's end blocks
    bool done = false;
    std::thread client([&] {
      const SslCtxPtr context(SSL_CTX_new(TLS_client_method()));
      SSL_CTX_set_ciphersuites(context.get(), suites_.c_str());
      const SslPtr ssl(SSL_new(context.get()));
      SSL_set_fd(ssl.get(), theirs.get());
      if (session_) SSL_set_session(ssl.get(), session_.get());
      EXPECT_EQ(SSL_connect(ssl.get()), 1);
      talk(ssl.get());
      theirs.reset();
      __atomic_store_n(&done, true, __ATOMIC_RELEASE);
    });
    EXPECT_TRUE(net::run_until(*reactor_, [&] {
      if (meanwhile) meanwhile();
      return __atomic_load_n(&done, __ATOMIC_ACQUIRE) && (server_.ended || server_.read_error || server_.failed);
    }));
    client.join();
  }

  void stream_to(Fd fd) {
    server_.stream = TlsStream::accept(stream_over(*reactor_, std::move(fd)), context_);
    server_.stream->set_handler(&server_);
    server_.stream->start();
  }

  static void write(SSL* ssl, std::string_view text) {
    EXPECT_EQ(SSL_write(ssl, text.data(), static_cast<int>(text.size())), static_cast<int>(text.size()));
  }
  static std::string read(SSL* ssl, std::size_t size) {
    std::string text(size, '\0');
    std::size_t filled = 0, got = 0;
    while (filled < size && SSL_read_ex(ssl, text.data() + filled, size - filled, &got) == 1) filled += got;
    text.resize(filled);
    return text;
  }

  std::unique_ptr<event::Reactor> reactor_ = net::make_reactor();
  Authority authority_;
  std::shared_ptr<const ServerContext> context_ =
      serve(authority_.load({.names = "DNS:a.example"}), {}, make_tickets());
  std::string suites_ = "TLS_AES_128_GCM_SHA256";
  SessionPtr session_;  // to be resumed
  End server_;
};

// Else all connections keep OpenSSL's SSL: everything works, and takes four times the memory.
TEST_F(SealedTest, FindsTheSecretsOfThisOpenssl) { EXPECT_TRUE(TrafficSecrets::available()); }

TEST_F(SealedTest, SpeaksAllSuites) {
  for (const auto* suite : {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}) {
    suites_ = suite;
    server_ = End();
    server_.send("at once");
    run([&](SSL* ssl) {
      EXPECT_EQ(read(ssl, 7), "at once");
      write(ssl, "question");
      SSL_shutdown(ssl);
    });
    EXPECT_EQ(server_.got, "question");
    EXPECT_TRUE(server_.ended);
  }
}

TEST_F(SealedTest, TakesRequestsThatComeWithTheHandshake) {
  run([](SSL* ssl) {
    write(ssl, "first ");
    write(ssl, "second");
    SSL_shutdown(ssl);
  });
  EXPECT_EQ(server_.got, "first second");
}

TEST_F(SealedTest, ChangesKeysWithTheClient) {
  std::size_t answered = 0;
  run(
      [](SSL* ssl) {
        for (const int kind : {SSL_KEY_UPDATE_NOT_REQUESTED, SSL_KEY_UPDATE_REQUESTED, SSL_KEY_UPDATE_REQUESTED}) {
          write(ssl, "ping");
          EXPECT_EQ(read(ssl, 4), "pong");
          EXPECT_EQ(SSL_key_update(ssl, kind), 1);
          write(ssl, "ping");
          EXPECT_EQ(read(ssl, 4), "pong");
        }
        SSL_shutdown(ssl);
      },
      [&] {
        for (; answered < server_.got.size() / 4; ++answered) server_.send("pong");
      });
  EXPECT_EQ(answered, 6u);
  EXPECT_TRUE(server_.ended);
}

TEST_F(SealedTest, TakesPaddedRecords) {
  run([](SSL* ssl) {
    SSL_set_block_padding(ssl, 1024);
    write(ssl, "padded");
    SSL_shutdown(ssl);
  });
  EXPECT_EQ(server_.got, "padded");
}

TEST_F(SealedTest, ReadsInSmallParts) {
  server_.chunk = [] { return std::size_t{7}; };
  const std::string text(40'000, 'x');
  run([&](SSL* ssl) {
    write(ssl, text);
    SSL_shutdown(ssl);
  });
  EXPECT_EQ(server_.got, text);
}

TEST_F(SealedTest, GivesTicketsThatResume) {
  for (const int resumed : {0, 1, 1}) {
    server_ = End();
    server_.send("answer");
    run([&](SSL* ssl) {
      EXPECT_EQ(SSL_session_reused(ssl), resumed);
      EXPECT_EQ(read(ssl, 6), "answer");
      SSL_shutdown(ssl);
      session_.reset(SSL_get1_session(ssl));
    });
    EXPECT_TRUE(SSL_SESSION_is_resumable(session_.get()));
  }
}

TEST_F(SealedTest, SaysWhatIsWrongToThePeer) {
  run([](SSL* ssl) {
    const std::string altered(
        "\x17\3\3\0\x14"
        "01234567890123456789",
        25);
    EXPECT_EQ(::send(SSL_get_fd(ssl), altered.data(), altered.size(), 0), static_cast<ssize_t>(altered.size()));
    EXPECT_EQ(read(ssl, 1), "");
    EXPECT_EQ(ERR_GET_REASON(ERR_peek_error()), SSL_R_SSLV3_ALERT_BAD_RECORD_MAC);
    ERR_clear_error();
  });
  EXPECT_TRUE(server_.read_error);
  EXPECT_EQ(server_.stream->failure(), TlsFailure::kProtocol);
  EXPECT_EQ(server_.stream->what(), "a record that was altered");
}

TEST_F(SealedTest, CountsAlertsOfThePeer) {
  run([](SSL* ssl) {
    // What OpenSSL gets in place of our records it answers with an alert.
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
    const std::string altered(
        "\x17\3\3\0\x14"
        "01234567890123456789",
        25);
    EXPECT_EQ(::send(ends[1], altered.data(), altered.size(), 0), static_cast<ssize_t>(altered.size()));
    SSL_set0_rbio(ssl, BIO_new_socket(ends[0], BIO_CLOSE));
    EXPECT_EQ(read(ssl, 1), "");
    ERR_clear_error();
    ::close(ends[1]);
  });
  EXPECT_EQ(server_.stream->failure(), TlsFailure::kPeerAlert);
  EXPECT_EQ(server_.stream->what(), "bad record mac");
}

}  // namespace
}  // namespace fairlead::tls
