// SPDX-License-Identifier: Apache-2.0
#include "context.hpp"

#include "pem.hpp"

namespace fairlead::tls {
namespace {

// AES-128 first: a third cheaper than AES-256 in bulk, and SHA-256 in the handshake runs on the SHA extensions.
constexpr char kSuites[] = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
constexpr char kCiphers[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr char kGroups[] = "X25519:P-256:P-384";
constexpr int kSecurityLevel = 2;  // 112 bits: RSA and DH from 2048, no SHA-1 signatures

std::string or_default(const std::string& text, const char* fallback) { return text.empty() ? fallback : text; }

Result<> apply_protocol(SSL_CTX* context, const ProtocolOptions& options) {
  if (options.min_version > options.max_version) return fail("TLS versions: the lowest is above the highest");
  SSL_CTX_set_min_proto_version(context, static_cast<int>(options.min_version));
  SSL_CTX_set_max_proto_version(context, static_cast<int>(options.max_version));
  const auto ciphers = or_default(options.ciphers, kCiphers);
  if (SSL_CTX_set_cipher_list(context, ciphers.c_str()) != 1) {
    return fail("ciphers \"" + ciphers + "\": " + take_openssl_error());
  }
  const auto suites = or_default(options.cipher_suites, kSuites);
  if (SSL_CTX_set_ciphersuites(context, suites.c_str()) != 1) {
    return fail("cipher suites \"" + suites + "\": " + take_openssl_error());
  }
  const auto groups = or_default(options.groups, kGroups);
  if (SSL_CTX_set1_groups_list(context, groups.c_str()) != 1) {
    return fail("groups \"" + groups + "\": " + take_openssl_error());
  }
  return {};
}

}  // namespace

Result<SslCtxPtr> make_context(const SSL_METHOD* method, const ProtocolOptions& options, bool ktls) {
  SslCtxPtr context(SSL_CTX_new(method));
  if (!context) return fail("making a TLS context: " + take_openssl_error());
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                         SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_security_level(context.get(), kSecurityLevel);
  // Header and body of a record by one call. With kernel TLS records come whole, and what was read ahead would be lost.
  SSL_CTX_set_read_ahead(context.get(), ktls ? 0 : 1);
  if (ktls) SSL_CTX_set_options(context.get(), SSL_OP_ENABLE_KTLS);
  FL_CHECK(apply_protocol(context.get(), options));
  return context;
}

Result<> add_trust(SSL_CTX* context, std::string_view ca_pem, std::string_view crl_pem) {
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  auto anchors = parse_certificates(ca_pem);
  if (!anchors) return fail(std::move(anchors.error()).in("CA certificates"));
  for (const auto& anchor : *anchors) X509_STORE_add_cert(store, anchor.get());
  unsigned long flags = X509_V_FLAG_PARTIAL_CHAIN;  // whatever stands in the bundle is trusted, roots or not
  if (!crl_pem.empty()) {
    auto crls = parse_crls(crl_pem);
    if (!crls) return fail(std::move(crls.error()).in("revocation lists"));
    for (const auto& crl : *crls) X509_STORE_add_crl(store, crl.get());
    flags |= X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL;
  }
  X509_STORE_set_flags(store, flags);
  return {};
}

Result<std::string> alpn_list(const std::vector<std::string>& protocols) {
  std::string list;
  for (const auto& protocol : protocols) {
    if (protocol.empty() || protocol.size() > 255) {
      return fail("ALPN: found a name of " + std::to_string(protocol.size()) + " bytes, expected 1 to 255");
    }
    list += static_cast<char>(protocol.size());
    list += protocol;
  }
  return list;
}

}  // namespace fairlead::tls
