// SPDX-License-Identifier: Apache-2.0
// JWK Sets: RFC 7517, with the keys of RFC 7518 section 6 and RFC 8037 section 2.
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include "fairlead/auth/digest.hpp"
#include "fairlead/auth/json.hpp"
#include "fairlead/auth/verify_key.hpp"

namespace fairlead::auth {
namespace {

constexpr std::size_t kMostKeys = 100;
constexpr std::size_t kMostText = std::size_t{1} << 20;

std::optional<std::string> bytes(const Json& json, const Json::Node& key, std::string_view name) {
  const auto text = json.string(key, name);
  return text ? decode_base64url(*text) : std::nullopt;
}

/// A key of `type` by these parameters, or null.
EVP_PKEY* make_key(const char* type, OSSL_PARAM* parameters) {
  EVP_PKEY* out = nullptr;
  EVP_PKEY_CTX* context = EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr);
  if (context == nullptr || EVP_PKEY_fromdata_init(context) != 1 ||
      EVP_PKEY_fromdata(context, &out, EVP_PKEY_PUBLIC_KEY, parameters) != 1)
    out = nullptr;
  EVP_PKEY_CTX_free(context);
  ERR_clear_error();
  return out;
}

/// Whether the numbers are a point of the curve.
bool is_sound(EVP_PKEY* key) {
  EVP_PKEY_CTX* context = EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr);
  const bool good = context != nullptr && EVP_PKEY_public_check(context) == 1;
  EVP_PKEY_CTX_free(context);
  ERR_clear_error();
  return good;
}

Result<VerifyKey> rsa_key(const Json& json, const Json::Node& key, Algorithms only) {
  const auto n = bytes(json, key, "n");
  const auto e = bytes(json, key, "e");
  if (!n || !e || n->empty() || e->empty() || n->size() > 1024 || e->size() > 8)
    return fail("n and e as base64url are expected");
  // OpenSSL's own check looks for primes, which takes milliseconds that a worker does not have.
  const bool odd = (n->back() & 1) != 0 && (e->back() & 1) != 0;
  if (!odd || *e == "\x01" || e->front() == '\0') return fail("n and e are no key of RSA");
  BIGNUM* modulus = BN_bin2bn(unsigned_bytes(*n), static_cast<int>(n->size()), nullptr);
  BIGNUM* exponent = BN_bin2bn(unsigned_bytes(*e), static_cast<int>(e->size()), nullptr);
  OSSL_PARAM_BLD* builder = OSSL_PARAM_BLD_new();
  OSSL_PARAM* parameters = nullptr;
  if (builder != nullptr && OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus) == 1 &&
      OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, exponent) == 1)
    parameters = OSSL_PARAM_BLD_to_param(builder);
  EVP_PKEY* made = parameters == nullptr ? nullptr : make_key("RSA", parameters);
  OSSL_PARAM_free(parameters);
  OSSL_PARAM_BLD_free(builder);
  BN_free(modulus);
  BN_free(exponent);
  if (made == nullptr) return fail("n and e are no key of RSA");
  return VerifyKey::from_pkey(made, only);
}

Result<VerifyKey> ec_key(const Json& json, const Json::Node& key, Algorithms only) {
  struct Curve {
    std::string_view name;
    const char* group;
    std::size_t size;
  };
  static constexpr Curve kCurves[] = {
      {"P-256", "prime256v1", 32}, {"P-384", "secp384r1", 48}, {"P-521", "secp521r1", 66}};
  const auto crv = json.string(key, "crv");
  for (const auto& curve : kCurves) {
    if (crv != curve.name) continue;
    const auto x = bytes(json, key, "x");
    const auto y = bytes(json, key, "y");
    if (!x || !y || x->size() != curve.size || y->size() != curve.size)
      return fail("x and y as base64url, each as long as the curve asks, are expected");
    auto point = "\x04" + *x + *y;
    std::string group = curve.group;
    OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group.data(), group.size()),
                               OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()),
                               OSSL_PARAM_construct_end()};
    EVP_PKEY* made = make_key("EC", parameters);
    if (made != nullptr && is_sound(made)) return VerifyKey::from_pkey(made, only);
    EVP_PKEY_free(made);
    return fail("x and y are no point of the curve");
  }
  return fail("crv P-256, P-384 or P-521 is expected");
}

Result<VerifyKey> edwards_key(const Json& json, const Json::Node& key, Algorithms only) {
  const auto crv = json.string(key, "crv");
  const auto x = bytes(json, key, "x");
  const bool small = crv == "Ed25519";
  if (!small && crv != "Ed448") return fail("crv Ed25519 or Ed448 is expected");
  if (!x || x->size() != (small ? 32 : 57)) return fail("x as base64url, as long as the curve asks, is expected");
  EVP_PKEY* made =
      EVP_PKEY_new_raw_public_key_ex(nullptr, small ? "ED25519" : "ED448", nullptr, unsigned_bytes(*x), x->size());
  ERR_clear_error();
  if (made == nullptr) return fail("x is no key");
  return VerifyKey::from_pkey(made, only);
}

Result<VerifyKey> secret_key(const Json& json, const Json::Node& key, Algorithms only) {
  const auto k = bytes(json, key, "k");
  if (!k) return fail("k as base64url is expected");
  // RFC 7518 section 3.2: a key as long as the hash's output, or longer.
  constexpr std::pair<Algorithm, std::size_t> kLeast[] = {
      {Algorithm::kHs256, 32}, {Algorithm::kHs384, 48}, {Algorithm::kHs512, 64}};
  for (const auto& [algorithm, least] : kLeast)
    if (k->size() < least) only &= ~bit(algorithm);
  if (only == 0) return fail("the secret is shorter than its hash");
  return VerifyKey::from_secret(*k, only);
}

Result<VerifyKey> parse_jwk(const Json& json, const Json::Node& key, Algorithms only) {
  if (key.type != Json::Type::kObject) return fail("it is no object");
  if (const auto use = json.string(key, "use"); use && use != "sig") return fail("it is not for signatures (use)");
  if (const auto* alg = json.member(key, "alg")) {
    const auto known = alg->type == Json::Type::kString ? algorithm_of(alg->text) : std::nullopt;
    if (!known) return fail("its alg is not served");
    only &= bit(*known);
    if (only == 0) return fail("its alg is not among those that are wanted");
  }
  if (const auto* operations = json.member(key, "key_ops")) {
    bool verifies = false;
    if (operations->type == Json::Type::kArray)
      for (const auto* one = json.first(*operations); one != nullptr; one = json.next(*one))
        verifies = verifies || one->text == "verify";
    if (!verifies) return fail("it is not for verifying (key_ops)");
  }
  const auto kty = json.string(key, "kty");
  if (kty == "RSA") return rsa_key(json, key, only);
  if (kty == "EC") return ec_key(json, key, only);
  if (kty == "OKP") return edwards_key(json, key, only);
  if (kty == "oct") return secret_key(json, key, only);
  return fail("kty RSA, EC, OKP or oct is expected");
}

}  // namespace

Result<KeySetPtr> parse_jwks(std::string_view text, Algorithms only) {
  if (text.size() > kMostText) return fail("it is longer than 1 MiB");
  const auto json = Json::parse(text);
  if (!json || json->root().type != Json::Type::kObject) return fail("it is no JSON object");
  auto out = std::make_shared<KeySet>();
  const auto* keys = json->member(json->root(), "keys");
  if (keys != nullptr && keys->type != Json::Type::kArray) return fail("keys is no list");
  std::size_t number = 0;
  for (const auto* one = keys == nullptr ? &json->root() : json->first(*keys); one != nullptr;
       one = keys == nullptr ? nullptr : json->next(*one), ++number) {
    if (number >= kMostKeys) return fail("more than 100 keys");
    auto key = parse_jwk(*json, *one, only);
    const auto kid = json->string(*one, "kid").value_or("");
    if (key) {
      key->id = kid;
      out->keys.push_back(std::move(*key));
    } else {
      out->remarks.push_back("key " + std::to_string(number) + ": " + key.error().message);
    }
  }
  if (out->keys.empty()) return fail(out->remarks.empty() ? "it has no key" : out->remarks.front());
  out->version = next_version();
  return KeySetPtr(std::move(out));
}

}  // namespace fairlead::auth
