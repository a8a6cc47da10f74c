// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "fairlead/tls/certificate.hpp"
#include "gateway/dataplane/tls/openssl.hpp"

namespace fairlead::tls {

enum class TestKey { kP256, kRsa2048, kRsa1024, kP224, kEd25519 };

/// What to issue.
struct Wanted {
  std::string common_name = "test";
  std::string names{};  ///< subjectAltName in OpenSSL's notation: "DNS:a.example,URI:spiffe://x"; empty: none
  TestKey key = TestKey::kP256;
  long from_s = -3600;  ///< from now
  long until_s = 86400;
  bool ca = false;
  bool sha1 = false;
};

struct Issued {
  X509Ptr certificate;
  KeyPtr key;
  [[nodiscard]] std::string pem() const;
  [[nodiscard]] std::string key_pem() const;
};

/// A certificate authority of a test's own, made by OpenSSL's functions.
class Authority {
 public:
  explicit Authority(const std::string& name = "test root", const Authority* parent = nullptr);

  [[nodiscard]] Issued issue(const Wanted& wanted) const;
  /// Loaded, with `chain` behind the leaf.
  [[nodiscard]] std::shared_ptr<const Certificate> load(const Wanted& wanted, const std::string& chain = {}) const;
  [[nodiscard]] const std::string& pem() const { return pem_; }
  [[nodiscard]] std::string crl(const std::vector<const X509*>& revoked) const;
  [[nodiscard]] std::string ocsp(const Issued& of, long until_s) const;  ///< DER: good

 private:
  Issued self_;
  std::string pem_;
};

KeyPtr make_key(TestKey kind);

}  // namespace fairlead::tls
