// SPDX-License-Identifier: Apache-2.0
#include "fairlead/tls/self_signed.hpp"

#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "gateway/dataplane/tls/openssl.hpp"

namespace fairlead::tls {
namespace {

constexpr long kSeconds = 20L * 365 * 24 * 3600;

std::string text_in(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(size)};
}

bool set_serial(X509* certificate) {
  std::uint64_t serial = 0;
  return RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial) == 1 &&
         ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1) == 1;
}

bool set_names(X509* certificate, const std::string& name) {
  auto* const subject = X509_get_subject_name(certificate);
  const auto* text = reinterpret_cast<const unsigned char*>(name.c_str());
  if (X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, text, -1, -1, 0) != 1 ||
      X509_set_issuer_name(certificate, subject) != 1)
    return false;
  X509V3_CTX context{};
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  auto* const names = X509V3_EXT_conf_nid(nullptr, &context, NID_subject_alt_name, ("DNS:" + name).c_str());
  const bool added = names != nullptr && X509_add_ext(certificate, names, -1) == 1;
  X509_EXTENSION_free(names);
  return added;
}

}  // namespace

Result<SelfSigned> make_self_signed(const std::string& name) {
  const KeyPtr key(EVP_EC_gen("P-256"));
  const X509Ptr made(X509_new());
  if (!key || !made || X509_set_version(made.get(), X509_VERSION_3) != 1 || !set_serial(made.get()) ||
      X509_gmtime_adj(X509_getm_notBefore(made.get()), -3600) == nullptr ||
      X509_gmtime_adj(X509_getm_notAfter(made.get()), kSeconds) == nullptr ||
      X509_set_pubkey(made.get(), key.get()) != 1 || !set_names(made.get(), name) ||
      X509_sign(made.get(), key.get(), EVP_sha256()) == 0)
    return fail("making a certificate for " + name + " failed");
  const BioPtr certificate(BIO_new(BIO_s_mem())), private_key(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_X509(certificate.get(), made.get()) != 1 ||
      PEM_write_bio_PrivateKey(private_key.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1)
    return fail("writing a certificate for " + name + " failed");
  return SelfSigned{text_in(certificate.get()), text_in(private_key.get())};
}

}  // namespace fairlead::tls
