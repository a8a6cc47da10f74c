// SPDX-License-Identifier: Apache-2.0
#include "pem.hpp"

#include <cstring>
#include <ctime>

namespace fairlead::tls {
namespace {

struct Block {
  char* name = nullptr;
  char* header = nullptr;
  unsigned char* data = nullptr;
  long size = 0;

  Block() = default;
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;
  ~Block() {
    OPENSSL_free(name);
    OPENSSL_free(header);
    if (data != nullptr) OPENSSL_clear_free(data, static_cast<std::size_t>(size));
  }
  bool read(BIO* from) { return PEM_read_bio(from, &name, &header, &data, &size) == 1; }
  [[nodiscard]] std::string_view type() const { return name; }
};

// True where the queue's error says that no further block follows; that is how a list ends.
bool ended() {
  const unsigned long code = ERR_peek_last_error();
  const bool end = ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
  if (end) ERR_clear_error();
  return end;
}

template <class Ptr, class Parse>
Result<std::vector<Ptr>> parse_blocks(std::string_view pem, std::string_view what, Parse parse) {
  std::vector<Ptr> found;
  const auto bio = memory_bio(pem);
  ERR_clear_error();
  for (;;) {
    Block block;
    if (!block.read(bio.get())) {
      if (!ended()) return fail("unreadable PEM: " + take_openssl_error());
      break;
    }
    if (block.type() != what && block.type() != "TRUSTED CERTIFICATE") continue;
    const unsigned char* data = block.data;
    Ptr object(parse(&data, block.size));
    if (!object) {
      return fail("block " + std::to_string(found.size() + 1) + " is no " + std::string(what) + ": " +
                  take_openssl_error());
    }
    found.push_back(std::move(object));
  }
  if (found.empty()) return fail("found no PEM block \"BEGIN " + std::string(what) + "\"");
  return found;
}

// The general decoder of OpenSSL 3.0 takes 0.6 ms for a key, this way 20 us: with a thousand certificates it shows. The
// functions are deprecated in 3.0, not their formats.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
EVP_PKEY* adopt(EC_KEY* key) {
  if (key == nullptr) return nullptr;
  KeyPtr result(EVP_PKEY_new());
  if (!result || EVP_PKEY_assign_EC_KEY(result.get(), key) != 1) {
    EC_KEY_free(key);
    return nullptr;
  }
  return result.release();
}

EVP_PKEY* parse_sec1(const unsigned char* data, long size, int curve) {
  EC_KEY* key = curve == NID_undef ? nullptr : EC_KEY_new_by_curve_name(curve);
  if (curve != NID_undef && key == nullptr) return nullptr;
  EC_KEY* filled = d2i_ECPrivateKey(key == nullptr ? nullptr : &key, &data, size);
  if (filled == nullptr) EC_KEY_free(key);
  return adopt(filled);
}

EVP_PKEY* parse_pkcs1(const unsigned char* data, long size) {
  RSA* key = d2i_RSAPrivateKey(nullptr, &data, size);
  KeyPtr result(EVP_PKEY_new());
  if (key == nullptr || !result || EVP_PKEY_assign_RSA(result.get(), key) != 1) {
    RSA_free(key);
    return nullptr;
  }
  return result.release();
}
#pragma GCC diagnostic pop

// PKCS#8: an algorithm, and the key in its own format within.
EVP_PKEY* parse_pkcs8(const unsigned char* data, long size) {
  const std::unique_ptr<PKCS8_PRIV_KEY_INFO, Deleter<PKCS8_PRIV_KEY_INFO_free>> info(
      d2i_PKCS8_PRIV_KEY_INFO(nullptr, &data, size));
  if (!info) return nullptr;
  const unsigned char* inner = nullptr;
  int inner_size = 0;
  const X509_ALGOR* algorithm = nullptr;
  if (PKCS8_pkey_get0(nullptr, &inner, &inner_size, &algorithm, info.get()) != 1) return nullptr;
  const ASN1_OBJECT* object = nullptr;
  int parameter_type = 0;
  const void* parameter = nullptr;
  X509_ALGOR_get0(&object, &parameter_type, &parameter, algorithm);
  const int type = OBJ_obj2nid(object);
  if (type == EVP_PKEY_RSA) return parse_pkcs1(inner, inner_size);
  if (type == EVP_PKEY_EC && parameter_type == V_ASN1_OBJECT) {
    return parse_sec1(inner, inner_size, OBJ_obj2nid(static_cast<const ASN1_OBJECT*>(parameter)));
  }
  return EVP_PKCS82PKEY(info.get());
}

}  // namespace

Result<std::vector<X509Ptr>> parse_certificates(std::string_view pem) {
  return parse_blocks<X509Ptr>(pem, "CERTIFICATE",
                               [](const unsigned char** data, long size) { return d2i_X509(nullptr, data, size); });
}

Result<std::vector<CrlPtr>> parse_crls(std::string_view pem) {
  return parse_blocks<CrlPtr>(pem, "X509 CRL",
                              [](const unsigned char** data, long size) { return d2i_X509_CRL(nullptr, data, size); });
}

Result<KeyPtr> parse_private_key(std::string_view pem) {
  const auto bio = memory_bio(pem);
  ERR_clear_error();
  for (;;) {
    Block block;
    if (!block.read(bio.get())) {
      if (!ended()) return fail("unreadable PEM: " + take_openssl_error());
      return fail("found no PEM block with a private key");
    }
    const auto type = block.type();
    if (type == "ENCRYPTED PRIVATE KEY" ||
        (block.header != nullptr && std::strstr(block.header, "ENCRYPTED") != nullptr)) {
      return fail("found an encrypted private key, expected one without a passphrase");
    }
    if (!type.ends_with("PRIVATE KEY")) continue;
    KeyPtr key(type == "PRIVATE KEY"      ? parse_pkcs8(block.data, block.size)
               : type == "EC PRIVATE KEY" ? parse_sec1(block.data, block.size, NID_undef)
                                          : parse_pkcs1(block.data, block.size));
    if (!key) return fail("unreadable private key: " + take_openssl_error());
    return key;
  }
}

std::time_t to_time(const ASN1_TIME* time) {
  std::tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return 0;
  return timegm(&parts);
}

std::string time_text(const ASN1_TIME* time) {
  std::tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return "an unreadable time";
  char text[32];
  const auto length = std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &parts);
  return {text, length};
}

}  // namespace fairlead::tls
