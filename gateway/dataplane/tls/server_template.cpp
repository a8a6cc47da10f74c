// SPDX-License-Identifier: Apache-2.0
#include "server_template.hpp"

#include <openssl/core_names.h>
#include <openssl/rand.h>

#include <cstring>
#include <ctime>

#include "context.hpp"
#include "pem.hpp"
#include "sealed.hpp"
#include "traffic_secrets.hpp"

namespace fairlead::tls {
namespace {

constexpr int kMaxNamedCas = 64;  // in a CertificateRequest; with more, the client has to know by itself

// Fetched once: by name it would be looked up for every ticket.
const EVP_CIPHER* ticket_cipher() {
  static const EVP_CIPHER* const cipher = EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr);
  return cipher;
}

bool set_mac_key(EVP_MAC_CTX* mac, const TicketKey& key) {
  char digest[] = "SHA256";
  auto bytes = key.hmac;
  const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, bytes.data(), bytes.size()),
                                   OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                                   OSSL_PARAM_construct_end()};
  const bool set = EVP_MAC_CTX_set_params(mac, parameters) == 1;
  OPENSSL_cleanse(bytes.data(), bytes.size());
  return set;
}

int let_in(int, X509_STORE_CTX*) { return 1; }

int verify_mode(ClientAuth mode) {
  switch (mode) {
    case ClientAuth::kNone: return SSL_VERIFY_NONE;
    case ClientAuth::kRequired: return SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    case ClientAuth::kOptional:
    case ClientAuth::kAllowInsecureFallback: return SSL_VERIFY_PEER;
  }
  return SSL_VERIFY_NONE;
}

// Sessions resume only where clients are validated alike: else one without a certificate could be carried from a name
// that wants none to a name that does, and a change of the CA or a CRL would not count for those who were here before.
std::array<unsigned char, 32> session_realm(const ClientValidation& client) {
  std::string text(1, static_cast<char>(client.mode));
  if (client.mode != ClientAuth::kNone) text.append(client.ca_pem).append(1, '\0').append(client.crl_pem);
  std::array<unsigned char, 32> realm{};
  EVP_Digest(text.data(), text.size(), realm.data(), nullptr, EVP_sha256(), nullptr);
  return realm;
}

}  // namespace

Result<std::unique_ptr<ServerTemplate>> ServerTemplate::create(const ServerPolicy& policy,
                                                               std::shared_ptr<TicketKeys> tickets,
                                                               unsigned tickets_per_handshake, bool ktls) {
  std::unique_ptr<ServerTemplate> made(new ServerTemplate);
  FL_TRY(made->context_, make_context(TLS_server_method(), policy.protocol, ktls));
  if (!ktls && TrafficSecrets::available()) SealedRecords::watch(made->context_.get());
  made->tickets_ = std::move(tickets);
  FL_CHECK(made->set_up(policy, tickets_per_handshake));
  return made;
}

Result<> ServerTemplate::set_up(const ServerPolicy& policy, unsigned tickets_per_handshake) {
  SSL_CTX* context = context_.get();
  SSL_CTX_set_app_data(context, this);
  SSL_CTX_set_cert_cb(context, choose_certificates, nullptr);
  // The macro SSL_CTX_set_tlsext_status_cb, without its C cast.
  SSL_CTX_callback_ctrl(context, SSL_CTRL_SET_TLSEXT_STATUS_REQ_CB, reinterpret_cast<void (*)()>(staple));
  FL_TRY(alpn_, alpn_list(policy.alpn));
  if (!alpn_.empty()) SSL_CTX_set_alpn_select_cb(context, choose_alpn, this);
  set_up_tickets(tickets_per_handshake);
  const auto realm = session_realm(policy.client);
  SSL_CTX_set_session_id_context(context, realm.data(), realm.size());
  return policy.client.mode == ClientAuth::kNone ? Result<>() : set_up_clients(policy.client);
}

Result<> ServerTemplate::set_up_clients(const ClientValidation& client) {
  SSL_CTX* context = context_.get();
  FL_CHECK(add_trust(context, client.ca_pem, client.crl_pem));
  SSL_CTX_set_verify(context, verify_mode(client.mode),
                     client.mode == ClientAuth::kAllowInsecureFallback ? let_in : nullptr);
  SSL_CTX_set_session_ticket_cb(context, nullptr, opened_ticket, nullptr);
  FL_TRY(const auto anchors, parse_certificates(client.ca_pem));
  if (anchors.size() > kMaxNamedCas) return {};
  STACK_OF(X509_NAME)* names = sk_X509_NAME_new_null();
  for (const auto& anchor : anchors) sk_X509_NAME_push(names, X509_NAME_dup(X509_get_subject_name(anchor.get())));
  SSL_CTX_set_client_CA_list(context, names);  // takes it
  return {};
}

void ServerTemplate::set_up_tickets(unsigned tickets_per_handshake) {
  SSL_CTX* context = context_.get();
  if (!tickets_) {
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(context, 0);
    return;
  }
  SSL_CTX_set_num_tickets(context, tickets_per_handshake);
  SSL_CTX_set_tlsext_ticket_key_evp_cb(context, seal_ticket);
  SSL_CTX_set_timeout(context, static_cast<long>(tickets_->lifetime().count()));
}

SSL* ServerTemplate::accept(const CertificateSet& certificates) const {
  SSL* ssl = SSL_new(context_.get());
  if (ssl == nullptr) return nullptr;
  SSL_set_app_data(ssl, const_cast<CertificateSet*>(&certificates));
  SSL_set_accept_state(ssl);
  return ssl;
}

// Not called where a session is resumed.
int ServerTemplate::choose_certificates(SSL* ssl, void*) {
  const auto* set = static_cast<const CertificateSet*>(SSL_get_app_data(ssl));
  for (const Certificate* certificate : set->by_type) {
    if (certificate == nullptr) continue;
    if (SSL_use_cert_and_key(ssl, certificate->leaf(), certificate->key(), certificate->chain(), 1) != 1) return 0;
  }
  return 1;
}

int ServerTemplate::choose_alpn(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
                                unsigned in_size, void* self) {
  const auto& list = static_cast<ServerTemplate*>(self)->alpn_;
  unsigned char* chosen = nullptr;
  const int result = SSL_select_next_proto(&chosen, out_size, reinterpret_cast<const unsigned char*>(list.data()),
                                           static_cast<unsigned>(list.size()), in, in_size);
  *out = chosen;
  return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;  // RFC 7301 section 3.2
}

int ServerTemplate::staple(SSL* ssl, void*) {
  const auto* set = static_cast<const CertificateSet*>(SSL_get_app_data(ssl));
  const X509* used = SSL_get_certificate(ssl);
  for (const Certificate* certificate : set->by_type) {
    if (certificate == nullptr || certificate->leaf() != used) continue;
    const auto response = certificate->ocsp(std::time(nullptr));
    if (response.empty()) break;
    void* copy = OPENSSL_memdup(response.data(), response.size());
    SSL_set_tlsext_status_ocsp_resp(ssl, static_cast<unsigned char*>(copy), static_cast<long>(response.size()));
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_NOACK;
}

// Returns 1: go on; 2: go on, and renew the ticket; 0: no such key, so a full handshake; -1: failed.
int ServerTemplate::seal_ticket(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                                EVP_MAC_CTX* mac, int sealing) {
  const auto* self = static_cast<const ServerTemplate*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  if (sealing != 0) {
    const TicketKey key = self->tickets_->current();
    if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(ticket_cipher())) != 1) return -1;
    std::memcpy(name, key.name.data(), key.name.size());
    return EVP_EncryptInit_ex2(cipher, ticket_cipher(), key.aes.data(), iv, nullptr) == 1 && set_mac_key(mac, key) ? 1
                                                                                                                   : -1;
  }
  const auto opened = self->tickets_->find(std::span<const std::uint8_t, 16>(name, 16));
  if (!opened) return 0;
  if (EVP_DecryptInit_ex2(cipher, ticket_cipher(), opened->key.aes.data(), iv, nullptr) != 1) return -1;
  if (!set_mac_key(mac, opened->key)) return -1;
  // TLS 1.3 tickets are used once (RFC 8446 appendix C.4): without a new one every second connection would be a full
  // one.
  return opened->current && SSL_version(ssl) < TLS1_3_VERSION ? 1 : 2;
}

// OpenSSL does not look at the client's certificate again when its session is resumed; it may have expired since.
SSL_TICKET_RETURN ServerTemplate::opened_ticket(SSL*, SSL_SESSION* session, const unsigned char*, std::size_t,
                                                SSL_TICKET_STATUS status, void*) {
  if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW) return SSL_TICKET_RETURN_IGNORE_RENEW;
  const X509* peer = SSL_SESSION_get0_peer(session);
  if (peer != nullptr && X509_cmp_current_time(X509_get0_notAfter(peer)) < 0) return SSL_TICKET_RETURN_IGNORE_RENEW;
  return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

}  // namespace fairlead::tls
