// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/base/result.hpp"

struct x509_st;
struct evp_pkey_st;
struct stack_st_X509;

namespace fairlead::tls {

enum class KeyType : std::uint8_t { kEcdsa, kRsa, kEd25519 };
inline constexpr std::size_t kKeyTypes = 3;

struct CertificateSource {
  std::string name;       ///< how messages call it: "Secret shop/shop-tls", a path
  std::string chain_pem;  ///< the leaf first, then intermediates, best in order
  std::string key_pem;    ///< PKCS#8, SEC 1 or PKCS#1, not encrypted
  std::string ocsp_der;   ///< an OCSP response to staple (RFC 6066 section 8), or empty
  bool accept_expired = false;  ///< for a certificate that was in force when it expired: worse than none it is not
};

/// Whether `pem` is what peers' certificates can be verified by: certificates, at least one, each readable. The error
/// says what it is instead, not where it stands. Thread: any.
[[nodiscard]] Result<> check_authorities(std::string_view pem);

/// A certificate chain with its private key, parsed and checked: the key belongs to the leaf, dates are good, keys are
/// not weak (RSA from 2048 bits; P-256, P-384, P-521; Ed25519), no signature uses MD5 or SHA-1. An OCSP response that
/// cannot be stapled is left out, and no reason to refuse the certificate; neither is a chain in disorder.
/// Immutable; a renewed certificate is another object.
/// Owner: shared by contexts. Thread: any.
class Certificate {
 public:
  static Result<std::shared_ptr<const Certificate>> load(const CertificateSource& source);
  /// `ocsp_path` may be empty.
  static Result<std::shared_ptr<const Certificate>> load_files(const std::string& chain_path,
                                                               const std::string& key_path,
                                                               const std::string& ocsp_path = {});
  ~Certificate();
  Certificate(const Certificate&) = delete;
  Certificate& operator=(const Certificate&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }
  /// DNS names of the SAN, lower case; the common name where there is no SAN.
  [[nodiscard]] const std::vector<std::string>& dns_names() const { return dns_names_; }
  [[nodiscard]] KeyType key_type() const { return key_type_; }
  /// The OCSP response to staple at `now`; empty where there is none or its time is over.
  [[nodiscard]] std::string_view ocsp(std::time_t now) const {
    return now < ocsp_until_ ? ocsp_der_ : std::string_view();
  }
  /// Why the OCSP response that was given is not stapled, or will be no longer after `now`; empty: it is, or none was.
  [[nodiscard]] std::string ocsp_problem(std::time_t now) const;
  /// What clients may find wrong with the chain's order; empty: nothing.
  [[nodiscard]] std::string chain_problem() const;

  /// OpenSSL's views, for the contexts.
  [[nodiscard]] x509_st* leaf() const { return leaf_; }
  [[nodiscard]] evp_pkey_st* key() const { return key_; }
  [[nodiscard]] stack_st_X509* chain() const { return chain_; }

 private:
  Certificate() = default;

  std::string name_;
  std::vector<std::string> dns_names_;
  std::string ocsp_der_;
  std::string ocsp_error_;
  std::string chain_error_;
  std::time_t ocsp_until_ = 0;
  x509_st* leaf_ = nullptr;
  evp_pkey_st* key_ = nullptr;
  stack_st_X509* chain_ = nullptr;  // without the leaf
  KeyType key_type_ = KeyType::kEcdsa;
};

}  // namespace fairlead::tls
