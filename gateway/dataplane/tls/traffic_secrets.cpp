// SPDX-License-Identifier: Apache-2.0
#include "traffic_secrets.hpp"

#include <malloc.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "fairlead/tls/self_signed.hpp"
#include "pem.hpp"

namespace fairlead::tls {
namespace {

using Places = std::vector<std::size_t>;  // from an SSL's begin, ascending

/// The last word of a line of a key log: hexadecimal digits.
Secret secret_of(std::string_view line) {
  const auto digits = line.substr(line.rfind(' ') + 1);
  std::array<std::uint8_t, Secret::kMost> bytes{};
  const auto size = std::min(digits.size() / 2, bytes.size());
  const auto value = [&](std::size_t i) { return OPENSSL_hexchar2int(static_cast<unsigned char>(digits[i])); };
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(value(2 * i) << 4 | value(2 * i + 1));
  return Secret(std::span(bytes).first(size));
}

void note_secret(const SSL* ssl, const char* text) {
  auto* const secrets = static_cast<TrafficSecrets*>(SSL_get_app_data(ssl));
  const std::string_view line(text);
  if (line.starts_with("CLIENT_TRAFFIC_SECRET_0 ")) secrets->client = secret_of(line);
  if (line.starts_with("SERVER_TRAFFIC_SECRET_0 ")) secrets->server = secret_of(line);
}

SslCtxPtr server_context(const char* suite) {
  SslCtxPtr context(SSL_CTX_new(TLS_server_method()));
  const auto identity = make_self_signed("localhost");
  if (!context || !identity) return nullptr;
  const auto certificates = parse_certificates(identity->certificate);
  const auto key = parse_private_key(identity->key);
  if (!certificates || !key || SSL_CTX_set_ciphersuites(context.get(), suite) != 1 ||
      SSL_CTX_use_certificate(context.get(), certificates->front().get()) != 1 ||
      SSL_CTX_use_PrivateKey(context.get(), key->get()) != 1)
    return nullptr;
  SSL_CTX_set_keylog_callback(context.get(), note_secret);
  return context;
}

/// The server's end of a handshake with itself, over; null: it failed.
SslPtr shake_hands(SSL_CTX* server_side, SSL_CTX* client_side, TrafficSecrets& secrets) {
  constexpr std::size_t kRoom = 64 * 1024;
  SslPtr server(SSL_new(server_side)), client(SSL_new(client_side));
  BIO* left = nullptr;
  BIO* right = nullptr;
  if (!server || !client || BIO_new_bio_pair(&left, kRoom, &right, kRoom) != 1) return nullptr;
  SSL_set_app_data(server.get(), &secrets);
  SSL_set_bio(server.get(), left, left);
  SSL_set_bio(client.get(), right, right);
  SSL_set_accept_state(server.get());
  SSL_set_connect_state(client.get());
  SSL_do_handshake(client.get());  // its hello
  SSL_do_handshake(server.get());  // our flight
  SSL_do_handshake(client.get());  // its Finished
  return SSL_do_handshake(server.get()) == 1 ? std::move(server) : nullptr;
}

Places places_of(const Secret& secret, const SSL* ssl) {
  Places places;
  const auto bytes = secret.bytes();
  const std::string_view wanted(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::string_view memory(reinterpret_cast<const char*>(ssl), ::malloc_usable_size(const_cast<SSL*>(ssl)));
  if (wanted.empty()) return places;
  for (auto at = memory.find(wanted); at != std::string_view::npos; at = memory.find(wanted, at + 1))
    places.push_back(at);
  return places;
}

void keep_common(Places& places, const Places& others, bool first) {
  if (first) places = others;
  else std::erase_if(places, [&](auto place) { return std::ranges::find(others, place) == others.end(); });
}

struct Found {
  std::size_t client = 0;
  std::size_t server = 0;
};

/// By both lengths of secrets, so by two handshakes.
std::optional<Found> search() {
  Places client, server;
  const SslCtxPtr client_side(SSL_CTX_new(TLS_client_method()));
  bool first = true;
  for (const char* suite : {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384"}) {
    TrafficSecrets secrets;
    const auto server_side = server_context(suite);
    const auto ssl = server_side && client_side ? shake_hands(server_side.get(), client_side.get(), secrets) : nullptr;
    if (ssl == nullptr) return std::nullopt;
    keep_common(client, places_of(secrets.client, ssl.get()), first);
    keep_common(server, places_of(secrets.server, ssl.get()), first);
    first = false;
  }
  if (client.empty() || server.empty()) return std::nullopt;
  return Found{client.front(), server.front()};
}

const std::optional<Found>& found() {
  static const auto places = [] {
    auto made = search();
    ERR_clear_error();
    return made;
  }();
  return places;
}

}  // namespace

bool TrafficSecrets::available() { return found().has_value(); }

std::optional<TrafficSecrets> TrafficSecrets::of(const SSL* ssl) {
  const auto* const cipher = SSL_get_current_cipher(ssl);
  if (!found() || SSL_version(ssl) != TLS1_3_VERSION || cipher == nullptr) return std::nullopt;
  const auto size = static_cast<std::size_t>(EVP_MD_get_size(SSL_CIPHER_get_handshake_digest(cipher)));
  const auto* const memory = reinterpret_cast<const std::uint8_t*>(ssl);
  return TrafficSecrets{Secret({memory + found()->client, size}), Secret({memory + found()->server, size})};
}

}  // namespace fairlead::tls
