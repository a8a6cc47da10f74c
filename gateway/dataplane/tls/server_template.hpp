// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <memory>
#include <string>

#include "fairlead/base/result.hpp"
#include "fairlead/tls/certificate.hpp"
#include "fairlead/tls/options.hpp"
#include "fairlead/tls/ticket_keys.hpp"
#include "openssl.hpp"

namespace fairlead::tls {

/// The certificates for one name, one of each kind of key; the handshake takes what the client supports. Certificates
/// are set on each connection (1.2 us for each) rather than on an SSL_CTX of their own (165 us and 13 KiB to make one).
struct CertificateSet {
  std::array<const Certificate*, kKeyTypes> by_type{};

  /// The first certificate of a kind stays.
  void add(const Certificate& certificate) {
    auto& place = by_type[static_cast<std::size_t>(certificate.key_type())];
    if (place == nullptr) place = &certificate;
  }
};

/// An SSL_CTX without certificates, for all names that share a policy. A connection's certificates are found through
/// SSL_get_app_data: a CertificateSet that lives until the handshake is over.
/// Owner: a ServerContext. Thread: any.
class ServerTemplate {
 public:
  static Result<std::unique_ptr<ServerTemplate>> create(const ServerPolicy& policy, std::shared_ptr<TicketKeys> tickets,
                                                        unsigned tickets_per_handshake, bool ktls);
  [[nodiscard]] SSL* accept(const CertificateSet& certificates) const;

 private:
  ServerTemplate() = default;
  Result<> set_up(const ServerPolicy& policy, unsigned tickets_per_handshake);
  Result<> set_up_clients(const ClientValidation& client);
  void set_up_tickets(unsigned tickets_per_handshake);

  static int choose_certificates(SSL* ssl, void* unused);
  static int choose_alpn(SSL* ssl, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
                         unsigned in_size, void* self);
  static int staple(SSL* ssl, void* unused);
  static int seal_ticket(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
                         int sealing);
  static SSL_TICKET_RETURN opened_ticket(SSL* ssl, SSL_SESSION* session, const unsigned char* name,
                                         std::size_t name_size, SSL_TICKET_STATUS status, void* unused);

  SslCtxPtr context_;
  std::string alpn_;  // RFC 7301's list
  std::shared_ptr<TicketKeys> tickets_;
};

}  // namespace fairlead::tls
