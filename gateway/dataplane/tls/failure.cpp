// SPDX-License-Identifier: Apache-2.0
#include "failure.hpp"

#include <array>

namespace fairlead::tls {
namespace {

constexpr std::array<std::string_view, static_cast<std::size_t>(TlsFailure::kCount)> kTexts{
    "none",           "not_tls",         "bad_hello",  "unknown_name", "no_version", "no_cipher", "no_alpn",
    "no_certificate", "bad_certificate", "peer_alert", "truncated",    "reset",      "protocol"};

TlsFailure kind_of(int reason) {
  if (reason > SSL_AD_REASON_OFFSET) return TlsFailure::kPeerAlert;
  switch (reason) {
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_NO_PROTOCOLS_AVAILABLE:
    case SSL_R_WRONG_SSL_VERSION:
    case SSL_R_UNKNOWN_PROTOCOL: return TlsFailure::kNoVersion;
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_NO_SUITABLE_GROUPS:
    case SSL_R_NO_SHARED_GROUPS:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
    case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS: return TlsFailure::kNoCipher;
    case SSL_R_NO_APPLICATION_PROTOCOL: return TlsFailure::kNoAlpn;
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: return TlsFailure::kNoCertificate;
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
    case SSL_R_EE_KEY_TOO_SMALL: return TlsFailure::kBadCertificate;
    case SSL_R_UNEXPECTED_EOF_WHILE_READING: return TlsFailure::kTruncated;
    default: return TlsFailure::kProtocol;
  }
}

}  // namespace

std::string_view text_of(TlsFailure failure) {
  const auto index = static_cast<std::size_t>(failure);
  return index < kTexts.size() ? kTexts[index] : "unknown";
}

Failure take_failure(const SSL* ssl) {
  Failure failure;
  // The first error is the cause, what follows are its consequences on the way up.
  const unsigned long code = ERR_peek_error();
  failure.kind = ERR_GET_LIB(code) == ERR_LIB_SSL ? kind_of(ERR_GET_REASON(code)) : TlsFailure::kProtocol;
  const char* reason = ERR_reason_error_string(code);
  failure.what = reason == nullptr ? "unknown error" : reason;
  if (failure.kind == TlsFailure::kBadCertificate && SSL_get_verify_result(ssl) != X509_V_OK) {
    failure.what = X509_verify_cert_error_string(SSL_get_verify_result(ssl));
  }
  ERR_clear_error();
  return failure;
}

}  // namespace fairlead::tls
