// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/base/result.hpp"

struct evp_pkey_st;

namespace fairlead::auth {

/// RFC 7518 section 3.1, RFC 8037. "none" is no algorithm here.
enum class Algorithm : std::uint8_t {
  kHs256,
  kHs384,
  kHs512,
  kRs256,
  kRs384,
  kRs512,
  kPs256,
  kPs384,
  kPs512,
  kEs256,
  kEs384,
  kEs512,
  kEdDsa,
};
[[nodiscard]] std::optional<Algorithm> algorithm_of(std::string_view name);  ///< "RS256"; case counts
[[nodiscard]] std::string_view name_of(Algorithm algorithm);

/// Bits of Algorithm.
using Algorithms = std::uint32_t;
[[nodiscard]] constexpr Algorithms bit(Algorithm algorithm) { return 1U << static_cast<unsigned>(algorithm); }
inline constexpr Algorithms kAllAlgorithms = (1U << 13) - 1;

/// A key that signatures are checked with. Which algorithms it may be used for follows from the key alone, never from
/// the token: no RSA key is ever an HMAC's secret. Immutable. Thread: any, several at a time.
class VerifyKey {
 public:
  /// `only`: the algorithms that are wanted of it; an error where the key allows none of them.
  static Result<VerifyKey> from_secret(std::string_view secret, Algorithms only = kAllAlgorithms);
  /// A public key (SubjectPublicKeyInfo) or a certificate. RSA of less than 2048 bits is refused.
  static Result<VerifyKey> from_pem(std::string_view pem, Algorithms only = kAllAlgorithms);
  /// Takes the key.
  static Result<VerifyKey> from_pkey(evp_pkey_st* key, Algorithms only);

  [[nodiscard]] bool allows(Algorithm algorithm) const { return (algorithms_ & bit(algorithm)) != 0; }
  [[nodiscard]] Algorithms algorithms() const { return algorithms_; }
  /// Of OpenSSL's key types: "ED25519". False for a secret.
  [[nodiscard]] bool is_a(const char* type) const;
  /// `signature`: as JOSE writes it (ECDSA: R and S behind each other).
  [[nodiscard]] bool verify(Algorithm algorithm, std::string_view data, std::string_view signature) const;

  std::string id{};  ///< kid; may be empty

 private:
  VerifyKey() = default;
  [[nodiscard]] bool verify_mac(Algorithm algorithm, std::string_view data, std::string_view signature) const;
  [[nodiscard]] bool verify_public(Algorithm algorithm, std::string_view data, std::string_view signature) const;

  Algorithms algorithms_ = 0;
  std::string secret_;
  std::shared_ptr<evp_pkey_st> key_;
};

/// The keys of an issuer. Immutable.
struct KeySet {
  std::vector<VerifyKey> keys;
  std::vector<std::string> remarks;  ///< keys that were passed over, and why
  std::uint64_t version = 0;         ///< unique in the process

  /// Those that `kid` names, and those that have no name; empty: all. Calls f(key) until it says true.
  template <class F>
  bool any(std::string_view kid, F&& f) const {
    for (const auto& key : keys)
      if ((kid.empty() || key.id.empty() || key.id == kid) && f(key)) return true;
    return false;
  }
  [[nodiscard]] bool has(std::string_view kid) const {
    return any(kid, [](const VerifyKey&) { return true; });
  }
};
using KeySetPtr = std::shared_ptr<const KeySet>;

/// A JWK Set (RFC 7517 section 5) or a single JWK: kty RSA, EC (P-256, P-384, P-521), OKP (Ed25519, Ed448), oct. Keys
/// that cannot be used here (use "enc", other curves, too short) are passed over with a remark; an error where none is
/// left. Private parts are not read.
[[nodiscard]] Result<KeySetPtr> parse_jwks(std::string_view text, Algorithms only = kAllAlgorithms);

/// A number that no other caller got; from 1.
[[nodiscard]] std::uint64_t next_version();

}  // namespace fairlead::auth
