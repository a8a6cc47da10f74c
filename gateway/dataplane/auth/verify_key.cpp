// SPDX-License-Identifier: Apache-2.0
#include "fairlead/auth/verify_key.hpp"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <array>
#include <atomic>

#include "fairlead/auth/digest.hpp"

namespace fairlead::auth {
namespace {

enum class Family : std::uint8_t { kHmac, kRsa, kRsaPss, kEc, kEdwards };

struct AlgorithmInfo {
  std::string_view name;
  Family family;
  const char* hash;       ///< null: the algorithm's own
  std::size_t part = 0;   ///< ECDSA: bytes of R, and of S
  const char* group = "";  ///< ECDSA: OpenSSL's name of the curve
};
constexpr AlgorithmInfo kAlgorithms[] = {
    {"HS256", Family::kHmac, "SHA256"},
    {"HS384", Family::kHmac, "SHA384"},
    {"HS512", Family::kHmac, "SHA512"},
    {"RS256", Family::kRsa, "SHA256"},
    {"RS384", Family::kRsa, "SHA384"},
    {"RS512", Family::kRsa, "SHA512"},
    {"PS256", Family::kRsaPss, "SHA256"},
    {"PS384", Family::kRsaPss, "SHA384"},
    {"PS512", Family::kRsaPss, "SHA512"},
    {"ES256", Family::kEc, "SHA256", 32, "prime256v1"},
    {"ES384", Family::kEc, "SHA384", 48, "secp384r1"},
    {"ES512", Family::kEc, "SHA512", 66, "secp521r1"},
    {"EdDSA", Family::kEdwards, nullptr},
};
constexpr std::size_t kCount = std::size(kAlgorithms);
constexpr int kLeastRsaBits = 2048;  // RFC 7518 section 3.3
constexpr int kMostRsaBits = 8192;   // a key of the issuer's choice must not cost a second a token
constexpr std::size_t kMostEcSignature = 160;

const AlgorithmInfo& info(Algorithm algorithm) { return kAlgorithms[static_cast<std::size_t>(algorithm)]; }

const EVP_MD* hash_of(Algorithm algorithm) {
  static const auto fetched = [] {
    std::array<const EVP_MD*, kCount> out{};
    for (std::size_t i = 0; i < kCount; ++i)
      if (kAlgorithms[i].hash != nullptr) out[i] = EVP_MD_fetch(nullptr, kAlgorithms[i].hash, nullptr);
    return out;
  }();
  return fetched[static_cast<std::size_t>(algorithm)];
}

Algorithms of_family(Family family) {
  Algorithms out = 0;
  for (std::size_t i = 0; i < kCount; ++i)
    if (kAlgorithms[i].family == family) out |= 1U << i;
  return out;
}

Algorithms of_key(EVP_PKEY* key) {
  if (EVP_PKEY_is_a(key, "RSA")) return of_family(Family::kRsa) | of_family(Family::kRsaPss);
  if (EVP_PKEY_is_a(key, "RSA-PSS")) return of_family(Family::kRsaPss);
  if (EVP_PKEY_is_a(key, "ED25519") || EVP_PKEY_is_a(key, "ED448")) return of_family(Family::kEdwards);
  if (!EVP_PKEY_is_a(key, "EC")) return 0;
  std::array<char, 64> group{};
  std::size_t length = 0;
  if (EVP_PKEY_get_group_name(key, group.data(), group.size(), &length) != 1) return 0;
  for (std::size_t i = 0; i < kCount; ++i)
    if (kAlgorithms[i].family == Family::kEc && std::string_view(group.data(), length) == kAlgorithms[i].group)
      return 1U << i;
  return 0;
}

/// R and S (RFC 7518 section 3.4) as the DER that OpenSSL takes; 0: it is no such signature.
std::size_t to_der(std::string_view signature, std::size_t part, std::array<unsigned char, kMostEcSignature>& out) {
  if (signature.size() != part * 2) return 0;
  const std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)> made(ECDSA_SIG_new(), ECDSA_SIG_free);
  BIGNUM* r = BN_bin2bn(unsigned_bytes(signature), static_cast<int>(part), nullptr);
  BIGNUM* s = BN_bin2bn(unsigned_bytes(signature) + part, static_cast<int>(part), nullptr);
  if (made == nullptr || r == nullptr || s == nullptr || ECDSA_SIG_set0(made.get(), r, s) != 1) {
    BN_free(r);
    BN_free(s);
    return 0;
  }
  unsigned char* at = out.data();
  const int length = i2d_ECDSA_SIG(made.get(), nullptr);
  if (length <= 0 || static_cast<std::size_t>(length) > out.size()) return 0;
  return static_cast<std::size_t>(i2d_ECDSA_SIG(made.get(), &at));
}

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

}  // namespace

std::optional<Algorithm> algorithm_of(std::string_view name) {
  for (std::size_t i = 0; i < kCount; ++i)
    if (kAlgorithms[i].name == name) return static_cast<Algorithm>(i);
  return std::nullopt;
}

std::string_view name_of(Algorithm algorithm) { return info(algorithm).name; }

std::uint64_t next_version() {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

Result<VerifyKey> VerifyKey::from_secret(std::string_view secret, Algorithms only) {
  VerifyKey out;
  out.algorithms_ = of_family(Family::kHmac) & only;
  if (secret.empty()) return fail("the secret is empty");
  if (out.algorithms_ == 0) return fail("a secret serves HS256, HS384 and HS512 only");
  if (secret.size() > INT32_MAX) return fail("the secret is too long");
  out.secret_ = secret;
  return out;
}

Result<VerifyKey> VerifyKey::from_pem(std::string_view pem, Algorithms only) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())),
                                                      BIO_free);
  EVP_PKEY* key = nullptr;
  if (pem.find("-----BEGIN CERTIFICATE-----") != std::string_view::npos) {
    if (X509* certificate = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
      key = X509_get_pubkey(certificate);
      X509_free(certificate);
    }
  } else {
    key = PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr);
  }
  ERR_clear_error();
  if (key == nullptr) return fail("it is no public key as PEM (\"-----BEGIN PUBLIC KEY-----\")");
  return from_pkey(key, only);
}

Result<VerifyKey> VerifyKey::from_pkey(EVP_PKEY* key, Algorithms only) {
  VerifyKey out;
  out.key_ = std::shared_ptr<EVP_PKEY>(key, EVP_PKEY_free);
  const auto possible = of_key(key);
  if (possible == 0) return fail("a key of RSA, P-256, P-384, P-521, Ed25519 or Ed448 is expected");
  const bool rsa = (possible & of_family(Family::kRsaPss)) != 0;
  if (rsa && (EVP_PKEY_get_bits(key) < kLeastRsaBits || EVP_PKEY_get_bits(key) > kMostRsaBits))
    return fail("an RSA key of 2048 to 8192 bits is expected, this one has " + std::to_string(EVP_PKEY_get_bits(key)));
  out.algorithms_ = possible & only;
  if (out.algorithms_ == 0) return fail("the key is of another kind than its algorithm asks");
  return out;
}

bool VerifyKey::is_a(const char* type) const { return key_ != nullptr && EVP_PKEY_is_a(key_.get(), type) == 1; }

bool VerifyKey::verify(Algorithm algorithm, std::string_view data, std::string_view signature) const {
  if (!allows(algorithm)) return false;
  return info(algorithm).family == Family::kHmac ? verify_mac(algorithm, data, signature)
                                                 : verify_public(algorithm, data, signature);
}

bool VerifyKey::verify_mac(Algorithm algorithm, std::string_view data, std::string_view signature) const {
  std::array<unsigned char, EVP_MAX_MD_SIZE> made{};
  unsigned length = 0;
  if (HMAC(hash_of(algorithm), secret_.data(), static_cast<int>(secret_.size()), unsigned_bytes(data), data.size(),
           made.data(), &length) == nullptr)
    return false;
  return equal_constant_time({reinterpret_cast<const char*>(made.data()), length}, signature);
}

bool VerifyKey::verify_public(Algorithm algorithm, std::string_view data, std::string_view signature) const {
  const auto& about = info(algorithm);
  std::array<unsigned char, kMostEcSignature> der{};
  if (about.family == Family::kEc) {
    const auto length = to_der(signature, about.part, der);
    if (length == 0) return false;
    signature = {reinterpret_cast<const char*>(der.data()), length};
  }
  const std::unique_ptr<EVP_MD_CTX, FreeContext> context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* key_context = nullptr;
  bool good = context != nullptr &&
              EVP_DigestVerifyInit(context.get(), &key_context, hash_of(algorithm), nullptr, key_.get()) == 1;
  if (about.family == Family::kRsaPss)  // RFC 7518 section 3.5: the salt is as long as the hash
    good = good && EVP_PKEY_CTX_set_rsa_padding(key_context, RSA_PKCS1_PSS_PADDING) == 1 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(key_context, RSA_PSS_SALTLEN_DIGEST) == 1;
  good = good && EVP_DigestVerify(context.get(), unsigned_bytes(signature), signature.size(), unsigned_bytes(data),
                                  data.size()) == 1;
  if (!good) ERR_clear_error();  // TLS on this thread reads the same queue
  return good;
}

}  // namespace fairlead::auth
