// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/base/result.hpp"
#include "fairlead/tls/certificate.hpp"
#include "fairlead/tls/options.hpp"

struct ssl_st;

namespace fairlead::tls {

/// An acceptable name of a backend, as in BackendTLSPolicy's subjectAltNames.
struct SubjectAltName {
  enum class Type : std::uint8_t { kHostname, kUri };
  Type type = Type::kHostname;
  std::string value;
};

struct ClientConfig {
  /// SNI; and the name that the certificate has to have, unless there are subject_alt_names. An address is verified as
  /// one and never sent as SNI.
  std::string hostname;
  std::vector<SubjectAltName> subject_alt_names;  ///< one of them has to be in the certificate
  std::string ca_pem;  ///< trust anchors; empty: those of the system
  std::string crl_pem;
  std::shared_ptr<const Certificate> certificate;  ///< ours, where the backend asks for one
  std::vector<std::string> alpn;
  ProtocolOptions protocol;
  bool insecure_skip_verify = false;  ///< believes any certificate
  std::size_t max_sessions = 1024;  ///< kept for resumption over all backends; 0: none
  bool ktls = false;
};

/// All that connecting to backends by TLS needs. Immutable but for the sessions it keeps.
/// Owner: shared by workers. Thread: any.
class ClientContext {
 public:
  static Result<std::shared_ptr<ClientContext>> create(ClientConfig config);
  ~ClientContext();
  ClientContext(const ClientContext&) = delete;
  ClientContext& operator=(const ClientContext&) = delete;

  /// The client's end of a handshake with `backend` (any text that tells backends apart: sessions of one are never
  /// shown to another), to be freed by SSL_free before this object goes.
  [[nodiscard]] ssl_st* connect(std::string_view backend);
  /// After the handshake: OpenSSL reports new sessions by itself, but not a ticket that TLS 1.2 renewed.
  void established(ssl_st* ssl);
  [[nodiscard]] bool ktls() const;
  [[nodiscard]] std::size_t sessions() const;  ///< kept now

 private:
  struct State;
  explicit ClientContext(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace fairlead::tls
