// SPDX-License-Identifier: Apache-2.0
#include "fairlead/tls/client_context.hpp"

#include <algorithm>

#include "context.hpp"
#include "fairlead/base/address.hpp"
#include "identity_names.hpp"
#include "session_store.hpp"

namespace fairlead::tls {

struct ClientContext::State {
  explicit State(ClientConfig given) : config(std::move(given)), store(config.max_sessions) {}

  ClientConfig config;
  std::string alpn;
  bool is_address = false;  // config.hostname is one
  SslCtxPtr context;
  SessionStore store;

  [[nodiscard]] bool has_name(X509* certificate) const {
    return std::ranges::any_of(config.subject_alt_names, [&](const SubjectAltName& name) {
      if (name.type == SubjectAltName::Type::kUri) {
        const auto uris = alternative_names(certificate, GEN_URI);
        return std::ranges::find(uris, name.value) != uris.end();
      }
      return X509_check_host(certificate, name.value.data(), name.value.size(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS,
                             nullptr) == 1;
    });
  }

  // Called for each certificate of a chain, the leaf last; `good` is OpenSSL's verdict.
  static int verify(int good, X509_STORE_CTX* chain) {
    if (good == 0 || X509_STORE_CTX_get_error_depth(chain) != 0) return good;
    const auto* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx()));
    const auto* self = static_cast<State*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
    if (self->has_name(X509_STORE_CTX_get_current_cert(chain))) return 1;
    X509_STORE_CTX_set_error(chain, X509_V_ERR_HOSTNAME_MISMATCH);
    return 0;
  }

  static void free_backend(void*, void* backend, CRYPTO_EX_DATA*, int, long, void*) {
    delete static_cast<std::string*>(backend);
  }
  // Where an SSL keeps the name of its backend.
  static int backend_index() {
    static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, free_backend);
    return index;
  }

  static int keep_session(SSL* ssl, SSL_SESSION* session) {
    auto* self = static_cast<State*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
    const auto* backend = static_cast<std::string*>(SSL_get_ex_data(ssl, backend_index()));
    if (backend == nullptr || SSL_SESSION_is_resumable(session) != 1) return 0;
    self->store.put(*backend, SessionPtr(session));
    return 1;  // it is ours now
  }

  Result<> set_up_trust() {
    if (config.insecure_skip_verify) {
      SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);
      return {};
    }
    if (config.hostname.empty() && config.subject_alt_names.empty()) {
      return fail("found neither a hostname nor subjectAltNames to verify, expected one of them");
    }
    if (config.ca_pem.empty()) {
      if (SSL_CTX_set_default_verify_paths(context.get()) != 1)
        return fail("CA certificates of the system: unreadable");
    } else {
      FL_CHECK(add_trust(context.get(), config.ca_pem, config.crl_pem));
    }
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, config.subject_alt_names.empty() ? nullptr : verify);
    return {};
  }

  Result<> set_up() {
    FL_TRY(context, make_context(TLS_client_method(), config.protocol, config.ktls));
    SSL_CTX_set_app_data(context.get(), this);
    is_address = Address::parse(config.hostname).has_value();
    FL_CHECK(set_up_trust());
    FL_TRY(alpn, alpn_list(config.alpn));
    if (!alpn.empty()) {  // 0: set; it differs from the other functions
      SSL_CTX_set_alpn_protos(context.get(), reinterpret_cast<const unsigned char*>(alpn.data()),
                              static_cast<unsigned>(alpn.size()));
    }
    if (const auto& own = config.certificate) {
      if (SSL_CTX_use_cert_and_key(context.get(), own->leaf(), own->key(), own->chain(), 1) != 1) {
        return fail("client certificate " + own->name() + ": " + take_openssl_error());
      }
    }
    if (config.max_sessions == 0) return {};
    SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context.get(), keep_session);
    return {};
  }

  bool set_names(SSL* ssl) const {
    if (config.hostname.empty()) return true;
    // The macro SSL_set_tlsext_host_name, without its C cast.
    char* name = const_cast<char*>(config.hostname.c_str());
    if (!is_address && SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name) != 1) return false;
    if (config.insecure_skip_verify || !config.subject_alt_names.empty()) return true;
    if (is_address) return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), config.hostname.c_str()) == 1;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, config.hostname.c_str()) == 1;
  }
};

ClientContext::ClientContext(std::unique_ptr<State> state) : state_(std::move(state)) {}
ClientContext::~ClientContext() = default;

Result<std::shared_ptr<ClientContext>> ClientContext::create(ClientConfig config) {
  auto state = std::make_unique<State>(std::move(config));
  if (auto set = state->set_up(); !set) return fail(std::move(set.error()).in("TLS to a backend"));
  return std::shared_ptr<ClientContext>(new ClientContext(std::move(state)));
}

ssl_st* ClientContext::connect(std::string_view backend) {
  SslPtr ssl(SSL_new(state_->context.get()));
  if (!ssl || !state_->set_names(ssl.get())) return nullptr;
  SSL_set_connect_state(ssl.get());
  if (state_->config.max_sessions != 0) {
    auto name = std::make_unique<std::string>(backend);
    if (const auto session = state_->store.take(*name)) SSL_set_session(ssl.get(), session.get());
    if (SSL_set_ex_data(ssl.get(), State::backend_index(), name.get()) == 1) (void)name.release();
  }
  return ssl.release();
}

void ClientContext::established(ssl_st* ssl) {
  if (SSL_version(ssl) >= TLS1_3_VERSION || SSL_session_reused(ssl) != 1) return;
  const auto* backend = static_cast<std::string*>(SSL_get_ex_data(ssl, State::backend_index()));
  if (backend != nullptr) state_->store.put(*backend, SessionPtr(SSL_get1_session(ssl)));
}

bool ClientContext::ktls() const { return state_->config.ktls; }
std::size_t ClientContext::sessions() const { return state_->store.size(); }

}  // namespace fairlead::tls
