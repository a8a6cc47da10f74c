// SPDX-License-Identifier: Apache-2.0
#include "authority.hpp"

#include <gtest/gtest.h>
#include <openssl/rand.h>

#include <atomic>

namespace fairlead::tls {
namespace {

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(size)};
}

void add_extension(X509* to, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context{};
  X509V3_set_ctx(&context, issuer, to, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  ASSERT_NE(extension, nullptr) << value;
  X509_add_ext(to, extension, -1);
  X509_EXTENSION_free(extension);
}

X509Ptr begin(const Wanted& wanted, EVP_PKEY* key) {
  static std::atomic<long> serial = 1000;
  X509Ptr made(X509_new());
  X509_set_version(made.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(made.get()), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), wanted.from_s);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), wanted.until_s);
  X509_set_pubkey(made.get(), key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(made.get()), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(wanted.common_name.c_str()), -1, -1, 0);
  return made;
}

}  // namespace

// RSA keys take long to make, and no test minds whose they are.
KeyPtr make_key(TestKey kind) {
  static const KeyPtr rsa2048(EVP_RSA_gen(2048));
  static const KeyPtr rsa1024(EVP_RSA_gen(1024));
  EVP_PKEY* key = nullptr;
  switch (kind) {
    case TestKey::kP256: key = EVP_EC_gen("P-256"); break;
    case TestKey::kP224: key = EVP_EC_gen("P-224"); break;
    case TestKey::kEd25519: key = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"); break;
    case TestKey::kRsa2048: EVP_PKEY_up_ref(key = rsa2048.get()); break;
    case TestKey::kRsa1024: EVP_PKEY_up_ref(key = rsa1024.get()); break;
  }
  return KeyPtr(key);
}

std::string Issued::pem() const {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), certificate.get());
  return text_of(bio.get());
}

std::string Issued::key_pem() const {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  return text_of(bio.get());
}

Authority::Authority(const std::string& name, const Authority* parent) {
  const Wanted wanted{.common_name = name, .ca = true};
  if (parent != nullptr) {
    self_ = parent->issue(wanted);
  } else {
    self_.key = make_key(TestKey::kP256);
    self_.certificate = begin(wanted, self_.key.get());
    X509* made = self_.certificate.get();
    X509_set_issuer_name(made, X509_get_subject_name(made));
    add_extension(made, made, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(made, made, NID_subject_key_identifier, "hash");
    X509_sign(made, self_.key.get(), EVP_sha256());
  }
  pem_ = self_.pem();
}

Issued Authority::issue(const Wanted& wanted) const {
  Issued issued;
  issued.key = make_key(wanted.key);
  issued.certificate = begin(wanted, issued.key.get());
  X509* made = issued.certificate.get();
  X509_set_issuer_name(made, X509_get_subject_name(self_.certificate.get()));
  if (wanted.ca) {
    add_extension(made, self_.certificate.get(), NID_basic_constraints, "critical,CA:TRUE");
    add_extension(made, self_.certificate.get(), NID_subject_key_identifier, "hash");
  }
  if (!wanted.names.empty()) add_extension(made, self_.certificate.get(), NID_subject_alt_name, wanted.names);
  X509_sign(made, self_.key.get(), wanted.sha1 ? EVP_sha1() : EVP_sha256());
  return issued;
}

std::shared_ptr<const Certificate> Authority::load(const Wanted& wanted, const std::string& chain) const {
  const auto issued = issue(wanted);
  CertificateSource source;
  source.name = wanted.common_name;
  source.chain_pem = issued.pem() + chain;
  source.key_pem = issued.key_pem();
  auto loaded = Certificate::load(source);
  EXPECT_TRUE(loaded) << (loaded ? "" : loaded.error().message);
  return loaded ? *loaded : nullptr;
}

std::string Authority::crl(const std::vector<const X509*>& revoked) const {
  const CrlPtr list(X509_CRL_new());
  X509_CRL_set_version(list.get(), 1);
  X509_CRL_set_issuer_name(list.get(), X509_get_subject_name(self_.certificate.get()));
  const std::unique_ptr<ASN1_TIME, Deleter<ASN1_TIME_free>> now(X509_gmtime_adj(nullptr, -60));
  const std::unique_ptr<ASN1_TIME, Deleter<ASN1_TIME_free>> next(X509_gmtime_adj(nullptr, 3600));
  X509_CRL_set1_lastUpdate(list.get(), now.get());
  X509_CRL_set1_nextUpdate(list.get(), next.get());
  for (const X509* certificate : revoked) {
    X509_REVOKED* entry = X509_REVOKED_new();
    X509_REVOKED_set_serialNumber(entry, const_cast<ASN1_INTEGER*>(X509_get0_serialNumber(certificate)));
    X509_REVOKED_set_revocationDate(entry, now.get());
    X509_CRL_add0_revoked(list.get(), entry);
  }
  X509_CRL_sign(list.get(), self_.key.get(), EVP_sha256());
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509_CRL(bio.get(), list.get());
  return text_of(bio.get());
}

std::string Authority::ocsp(const Issued& of, long until_s) const {
  const std::unique_ptr<OCSP_BASICRESP, Deleter<OCSP_BASICRESP_free>> basic(OCSP_BASICRESP_new());
  const std::unique_ptr<ASN1_TIME, Deleter<ASN1_TIME_free>> now(X509_gmtime_adj(nullptr, -60));
  const std::unique_ptr<ASN1_TIME, Deleter<ASN1_TIME_free>> next(X509_gmtime_adj(nullptr, until_s));
  OCSP_CERTID* id = OCSP_cert_to_id(EVP_sha1(), of.certificate.get(), self_.certificate.get());
  OCSP_basic_add1_status(basic.get(), id, V_OCSP_CERTSTATUS_GOOD, 0, nullptr, now.get(), next.get());
  OCSP_CERTID_free(id);
  OCSP_basic_sign(basic.get(), self_.certificate.get(), self_.key.get(), EVP_sha256(), nullptr, 0);
  const std::unique_ptr<OCSP_RESPONSE, Deleter<OCSP_RESPONSE_free>> response(
      OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic.get()));
  unsigned char* der = nullptr;
  const int size = i2d_OCSP_RESPONSE(response.get(), &der);
  std::string text(reinterpret_cast<char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return text;
}

}  // namespace fairlead::tls
