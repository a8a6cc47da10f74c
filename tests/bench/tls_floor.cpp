// SPDX-License-Identifier: Apache-2.0
// The least that a TLS 1.3 handshake with a request can cost: a blocking loop on OpenSSL that answers 100 bytes itself
// and closes. Usage: tls_floor PORT CERTIFICATE KEY
#include <openssl/ssl.h>
#include <poll.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "bench/sockets.hpp"

namespace {

struct Free {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using SslPtr = std::unique_ptr<SSL, Free>;
using ContextPtr = std::unique_ptr<SSL_CTX, Free>;

ContextPtr floor_context(const char* certificate, const char* key) {
  ContextPtr context(SSL_CTX_new(TLS_server_method()));
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);  // tickets, as the gateway's
  SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION);
  SSL_CTX_set_ciphersuites(context.get(), "TLS_AES_128_GCM_SHA256");  // the least work
  const bool good = SSL_CTX_use_certificate_chain_file(context.get(), certificate) == 1 &&
                    SSL_CTX_use_PrivateKey_file(context.get(), key, SSL_FILETYPE_PEM) == 1;
  return good ? std::move(context) : nullptr;
}

void serve(SSL_CTX* context, const fairlead::Fd& client, const std::string& answer) {
  const SslPtr ssl(SSL_new(context));
  SSL_set_fd(ssl.get(), client.get());
  std::array<char, 4096> data;
  if (SSL_accept(ssl.get()) != 1 || SSL_read(ssl.get(), data.data(), static_cast<int>(data.size())) <= 0) return;
  SSL_write(ssl.get(), answer.data(), static_cast<int>(answer.size()));
  SSL_shutdown(ssl.get());
}

}  // namespace

int main(int argument_count, char** arguments) {
  std::signal(SIGPIPE, SIG_IGN);
  auto port = static_cast<std::uint16_t>(argument_count == 4 ? std::atoi(arguments[1]) : 0);
  const auto listener = port == 0 ? fairlead::Fd() : fairlead::bench::listen_at(port);
  const auto context = listener ? floor_context(arguments[2], arguments[3]) : nullptr;
  if (!context) {
    std::fputs("usage: tls_floor PORT CERTIFICATE KEY, on a port that is free\n", stderr);
    return 2;
  }
  const auto answer = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\nconnection: close\r\n\r\n" + std::string(100, 'x');
  for (pollfd wait{listener.get(), POLLIN, 0}; ::poll(&wait, 1, -1) > 0;) {
    const fairlead::Fd client(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (client) serve(context.get(), client, answer);
  }
  return 1;
}
