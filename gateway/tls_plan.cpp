// SPDX-License-Identifier: Apache-2.0
#include "gateway/tls_plan.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <ctime>
#include <utility>

#include "fairlead/tls/ktls.hpp"

namespace fairlead::gateway {
namespace {

using config::CompiledListener;

constexpr std::string_view kStaple = "tls.ocsp-staple";  // DER, beside tls.crt and tls.key

/// A ClientPolicy may ask for a certificate without insisting; what the Gateway itself asks for is not loosened by it.
tls::ClientAuth auth_of(const CompiledListener& listener, const model::Cluster& cluster) {
  if (!listener.client_validation) return tls::ClientAuth::kNone;
  if (listener.client_validation->insecure) return tls::ClientAuth::kAllowInsecureFallback;
  const auto object = cluster.find(listener.gateway);
  const auto* gateway = object ? std::get_if<model::Gateway>(object.get()) : nullptr;
  const bool by_gateway = gateway == nullptr || (gateway->tls && gateway->tls->frontend);
  const bool asks_only =
      listener.settings && listener.settings->tls.client_certificate == model::ClientTls::ClientCertificate::kRequest;
  return asks_only && !by_gateway ? tls::ClientAuth::kOptional : tls::ClientAuth::kRequired;
}

tls::TlsVersion version_of(model::ClientTls::Version version) {
  return version == model::ClientTls::Version::k12 ? tls::TlsVersion::kTls12 : tls::TlsVersion::kTls13;
}

tls::ServerPolicy policy_of(const CompiledListener& listener, const model::Cluster& cluster) {
  // What the backends of a TLSRoute speak is not known here, so that nothing is agreed on where nobody has said it.
  const bool http = listener.spec->protocol != model::ListenerProtocol::kTls;
  tls::ServerPolicy out;
  if (http) out.alpn = {"h2", "http/1.1"};
  out.client.mode = auth_of(listener, cluster);
  if (listener.client_validation)
    for (const auto& pem : listener.client_validation->ca_pem) out.client.ca_pem += pem + "\n";
  if (listener.settings == nullptr) return out;
  const auto& settings = *listener.settings;
  if (!settings.tls.alpn_protocols.empty()) out.alpn = settings.tls.alpn_protocols;
  if (http && !settings.http2.enabled) std::erase(out.alpn, "h2");
  if (http && out.alpn.empty()) out.alpn = {"http/1.1"};
  out.protocol.min_version = version_of(settings.tls.min_version);
  out.protocol.max_version = version_of(settings.tls.max_version);
  for (const auto& cipher : settings.tls.ciphers)
    out.protocol.ciphers += (out.protocol.ciphers.empty() ? "" : ":") + cipher;
  return out;
}

const std::string& value_of(const model::Secret& secret, std::string_view key) {
  static const std::string none;
  const auto* found = model::find_label(secret.data, key);
  return found != nullptr ? *found : none;
}

}  // namespace

TlsPlan::Certificate TlsPlan::load(const std::shared_ptr<const model::Secret>& secret, Remarks::Texts& texts) {
  const auto name = secret->metadata.ns + "/" + secret->metadata.name;
  auto& known = loaded_[name];
  if (known.from != secret) {
    auto made = tls::Certificate::load({.name = "Secret " + name,
                                        .chain_pem = value_of(*secret, "tls.crt"),
                                        .key_pem = value_of(*secret, "tls.key"),
                                        .ocsp_der = value_of(*secret, kStaple)});
    known.from = secret;
    known.error = made ? std::string() : std::move(made.error().message);
    if (made) known.certificate = std::move(*made);
    known.staples = known.certificate && !known.certificate->ocsp(std::time(nullptr)).empty();
  }
  if (!known.error.empty())
    texts.push_back(known.error + (known.certificate ? ": the certificate before stays in force" : ""));
  if (known.certificate)
    for (const auto& problem :
         {known.certificate->chain_problem(), known.certificate->ocsp_problem(std::time(nullptr))})
      if (!problem.empty()) texts.push_back(problem);
  return known.certificate;
}

TlsPlan::Certificate TlsPlan::credential(const CompiledListener& listener, Remarks& remarks) {
  if (listener.backend_certificate == nullptr) return nullptr;
  Remarks::Texts texts;
  auto out = load(listener.backend_certificate, texts);
  remarks.set(listener.gateway.text() + ": tls.backend.clientCertificateRef", std::move(texts));
  return out;
}

std::shared_ptr<const tls::ServerContext> TlsPlan::context(const std::vector<const CompiledListener*>& listeners,
                                                           const model::Cluster& cluster, Context& known,
                                                           Remarks::Texts& texts) {
  std::vector<Context::Server> servers;
  bool tickets = true;
  for (const auto* listener : listeners) {
    Context::Server server{.hostname = listener->spec->hostname, .certificates = {}, .policy = {}};
    for (const auto& secret : listener->certificates)
      if (auto certificate = load(secret, texts)) server.certificates.push_back(std::move(certificate));
    if (server.certificates.empty()) {
      texts.push_back("listener \"" + listener->key.name + "\" has no usable certificate and is not served");
      continue;
    }
    server.policy = policy_of(*listener, cluster);
    tickets = tickets && (listener->settings == nullptr || listener->settings->tls.session_tickets);
    servers.push_back(std::move(server));
  }
  if (servers.empty()) return known = {}, nullptr;
  if (known.context != nullptr && known.servers == servers && known.tickets == tickets) return known.context;
  tls::ServerConfig config;
  config.ktls = tls::ktls().available;
  if (tickets) config.tickets = tickets_;
  std::vector<std::shared_ptr<const tls::ServerPolicy>> policies;
  for (const auto& server : servers) {
    auto same = std::ranges::find_if(policies, [&](const auto& policy) { return *policy == server.policy; });
    if (same == policies.end())
      same = policies.insert(policies.end(), std::make_shared<const tls::ServerPolicy>(server.policy));
    tls::VirtualServer out{.names = {}, .certificates = server.certificates, .policy = *same};
    if (!server.hostname.empty()) out.names.push_back(server.hostname);
    config.servers.push_back(std::move(out));
  }
  auto made = tls::ServerContext::create(std::move(config));
  if (!made) {
    texts.push_back(made.error().message + (known.context ? ": what was served before stays in force" : ""));
    return known.context;
  }
  known = {std::move(servers), tickets, std::move(*made)};
  return known.context;
}

config::BadCertificates TlsPlan::bad() const {
  config::BadCertificates out;
  for (const auto& [name, loaded] : loaded_)
    if (!loaded.error.empty()) out.emplace(name, config::BadCertificate{loaded.error, loaded.certificate != nullptr});
  return out;
}

void TlsPlan::prune() {
  std::erase_if(loaded_, [](const auto& entry) { return entry.second.from.use_count() == 1; });
}

void TlsPlan::look_at_staples() {
  for (auto& [name, loaded] : loaded_) {
    if (!loaded.staples || !loaded.certificate->ocsp(std::time(nullptr)).empty()) continue;
    loaded.staples = false;
    spdlog::warn("{}", loaded.certificate->ocsp_problem(std::time(nullptr)));
  }
}

}  // namespace fairlead::gateway
