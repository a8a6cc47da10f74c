// SPDX-License-Identifier: Apache-2.0
#include "fairlead/tls/certificate.hpp"

#include <algorithm>
#include <cstdio>

#include "fairlead/base/file.hpp"
#include "identity_names.hpp"
#include "openssl.hpp"
#include "pem.hpp"

namespace fairlead::tls {
namespace {

constexpr int kMinRsaBits = 2048;
constexpr std::size_t kMaxChain = 10;
constexpr std::size_t kMostFileBytes = 16 << 20;

std::string curve_of(EVP_PKEY* key) {
  char curve[64] = {};
  std::size_t length = 0;
  if (EVP_PKEY_get_group_name(key, curve, sizeof curve, &length) != 1) return "an unknown curve";
  return {curve, length};
}

Result<KeyType> check_key(EVP_PKEY* key) {
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA: {
      const int bits = EVP_PKEY_get_bits(key);
      if (bits < kMinRsaBits) {
        return fail("weak key: found RSA with " + std::to_string(bits) + " bits, expected at least " +
                    std::to_string(kMinRsaBits));
      }
      return KeyType::kRsa;
    }
    case EVP_PKEY_EC: {
      const auto curve = curve_of(key);
      if (curve == "prime256v1" || curve == "secp384r1" || curve == "secp521r1") return KeyType::kEcdsa;
      return fail("weak or unusual key: found EC on " + curve + ", expected P-256, P-384 or P-521");
    }
    case EVP_PKEY_ED25519: return KeyType::kEd25519;
    default: return fail("key of a kind that TLS certificates have not, expected ECDSA, RSA or Ed25519");
  }
}

Result<> check_dates(const X509* certificate, bool accept_expired) {
  if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0) {
    return fail("not valid before " + time_text(X509_get0_notBefore(certificate)));
  }
  if (!accept_expired && X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0) {
    return fail("expired at " + time_text(X509_get0_notAfter(certificate)));
  }
  return {};
}

Result<> check_signature_algorithm(X509* certificate) {
  if (X509_NAME_cmp(X509_get_subject_name(certificate), X509_get_issuer_name(certificate)) == 0)
    return {};  // not looked at
  int digest = NID_undef;
  if (X509_get_signature_info(certificate, &digest, nullptr, nullptr, nullptr) != 1) return {};
  if (digest != NID_md5 && digest != NID_sha1) return {};
  return fail(std::string("weak signature: found ") + OBJ_nid2sn(digest) + ", expected SHA-256 or better");
}

Result<> check_chain(const std::vector<X509Ptr>& chain) {
  if (chain.size() > kMaxChain)
    return fail("found a chain of " + std::to_string(chain.size()) + ", expected at most 10");
  for (const auto& certificate : chain) FL_CHECK(check_signature_algorithm(certificate.get()));
  return {};
}

// Where a certificate is not issued by the one behind it. Clients are to cope with others in between and with any order
// (RFC 8446 section 4.4.2); old ones, of TLS 1.2, need not.
std::string disorder_of(const std::vector<X509Ptr>& chain) {
  for (std::size_t i = 0; i + 1 < chain.size(); ++i)
    if (X509_check_issued(chain[i + 1].get(), chain[i].get()) != X509_V_OK)
      return "chain out of order: certificate " + std::to_string(i + 1) + " (" + subject_text(chain[i].get()) +
             ") is not issued by the one behind it (" + subject_text(chain[i + 1].get()) + ")";
  return {};
}

// Until when `der` may be stapled: RFC 6960 section 4.2.2.1. A response without nextUpdate is good for an hour.
Result<std::time_t> check_ocsp(const std::string& der, X509* leaf) {
  const auto* data = reinterpret_cast<const unsigned char*>(der.data());
  const std::unique_ptr<OCSP_RESPONSE, Deleter<OCSP_RESPONSE_free>> response(
      d2i_OCSP_RESPONSE(nullptr, &data, static_cast<long>(der.size())));
  if (!response) return fail("OCSP response: unreadable DER: " + take_openssl_error());
  if (OCSP_response_status(response.get()) != OCSP_RESPONSE_STATUS_SUCCESSFUL) {
    return fail("OCSP response: found status " + std::to_string(OCSP_response_status(response.get())) +
                ", expected successful");
  }
  const std::unique_ptr<OCSP_BASICRESP, Deleter<OCSP_BASICRESP_free>> basic(OCSP_response_get1_basic(response.get()));
  if (!basic) return fail("OCSP response: not a basic response");
  for (int i = 0; i < OCSP_resp_count(basic.get()); ++i) {
    OCSP_SINGLERESP* single = OCSP_resp_get0(basic.get(), i);
    ASN1_INTEGER* serial = nullptr;
    OCSP_id_get0_info(nullptr, nullptr, nullptr, &serial, const_cast<OCSP_CERTID*>(OCSP_SINGLERESP_get0_id(single)));
    if (serial == nullptr || ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(leaf)) != 0) continue;
    ASN1_GENERALIZEDTIME* next = nullptr;
    const int status = OCSP_single_get0_status(single, nullptr, nullptr, nullptr, &next);
    if (status != V_OCSP_CERTSTATUS_GOOD)
      return fail(std::string("OCSP response: found status ") + OCSP_cert_status_str(status) + ", expected good");
    return next == nullptr ? std::time(nullptr) + 3600 : to_time(next);
  }
  return fail("OCSP response: is for another certificate");
}

Result<std::string> read_part(const std::string& path) {
  auto text = read_file(path, kMostFileBytes);
  if (!text) return fail(std::move(text.error()).in("reading " + path));
  return text;
}

}  // namespace

Certificate::~Certificate() {
  X509_free(leaf_);
  EVP_PKEY_free(key_);
  sk_X509_pop_free(chain_, X509_free);
}

std::string Certificate::ocsp_problem(std::time_t now) const {
  auto problem = ocsp_error_;
  if (problem.empty() && !ocsp_der_.empty() && now >= ocsp_until_) problem = "OCSP response: its time is over";
  return problem.empty() ? problem : "certificate " + name_ + ": " + problem + "; nothing is stapled";
}

std::string Certificate::chain_problem() const {
  return chain_error_.empty() ? std::string()
                              : "certificate " + name_ + ": " + chain_error_ +
                                    "; it is sent as it is, and some clients "
                                    "may refuse it";
}

Result<> check_authorities(std::string_view pem) {
  FL_CHECK(parse_certificates(pem));
  return {};
}

Result<std::shared_ptr<const Certificate>> Certificate::load(const CertificateSource& source) {
  const auto named = [&](Error error) { return fail(std::move(error).in("certificate " + source.name)); };
  auto chain = parse_certificates(source.chain_pem);
  if (!chain) return named(std::move(chain.error()));
  auto key = parse_private_key(source.key_pem);
  if (!key) return named(std::move(key.error()).in("private key"));
  X509* leaf = chain->front().get();
  if (auto good = check_dates(leaf, source.accept_expired); !good) return named(std::move(good.error()));
  auto type = check_key(key->get());
  if (!type) return named(std::move(type.error()));
  if (X509_check_private_key(leaf, key->get()) != 1) {
    ERR_clear_error();
    return named(Error{"the private key does not match the certificate (" + subject_text(leaf) + ")"});
  }
  if (auto good = check_chain(*chain); !good) return named(std::move(good.error()));

  std::shared_ptr<Certificate> made(new Certificate);
  if (!source.ocsp_der.empty()) {
    auto until = check_ocsp(source.ocsp_der, leaf);
    if (until) made->ocsp_until_ = *until, made->ocsp_der_ = source.ocsp_der;
    else made->ocsp_error_ = std::move(until.error().message);
  }
  made->chain_error_ = disorder_of(*chain);
  made->name_ = source.name;
  made->dns_names_ = server_names_of(leaf);
  made->key_type_ = *type;
  made->chain_ = sk_X509_new_null();
  for (std::size_t i = 1; i < chain->size(); ++i) sk_X509_push(made->chain_, (*chain)[i].release());
  made->leaf_ = chain->front().release();
  made->key_ = key->release();
  return made;
}

Result<std::shared_ptr<const Certificate>> Certificate::load_files(const std::string& chain_path,
                                                                   const std::string& key_path,
                                                                   const std::string& ocsp_path) {
  CertificateSource source;
  source.name = chain_path;
  FL_TRY(source.chain_pem, read_part(chain_path));
  FL_TRY(source.key_pem, read_part(key_path));
  if (!ocsp_path.empty()) {
    FL_TRY(source.ocsp_der, read_part(ocsp_path));
  }
  auto loaded = load(source);
  OPENSSL_cleanse(source.key_pem.data(), source.key_pem.size());
  return loaded;
}

}  // namespace fairlead::tls
