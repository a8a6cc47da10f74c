// SPDX-License-Identifier: Apache-2.0
#include "gateway/cluster_plan.hpp"

#include <algorithm>

#include "fairlead/tls/ktls.hpp"
#include "fairlead/upstream/levels.hpp"
#include "gateway/backend_settings.hpp"

namespace fairlead::gateway {
namespace {

bool same_tls(const std::optional<config::BackendTls>& a, const std::optional<config::BackendTls>& b) {
  if (!a || !b) return !a && !b;
  const auto same_name = [](const auto& x, const auto& y) { return x.type == y.type && x.value == y.value; };
  return a->hostname == b->hostname && std::ranges::equal(a->alt_names, b->alt_names, same_name) &&
         a->system_ca == b->system_ca && a->ca_pem == b->ca_pem && a->verifies == b->verifies &&
         a->broken == b->broken && a->client == b->client && a->client_secret == b->client_secret;
}

using upstream::Protocol;

/// What the policy says is shown to its backends, else what the Gateway says.
Result<ClusterPlan::Credential> shown_to(const config::BackendTls& to, const ClusterPlan::Credential& of_gateway) {
  if (to.client_secret.empty()) return of_gateway;
  if (to.client == nullptr) return fail("Secret " + to.policy.ns + "/" + to.client_secret + " is not there");
  const auto text = [&](std::string_view key) {
    const auto* found = model::find_label(to.client->data, key);
    return found != nullptr ? *found : std::string();
  };
  return tls::Certificate::load({.name = "Secret " + to.policy.ns + "/" + to.client_secret,
                                 .chain_pem = text("tls.crt"),
                                 .key_pem = text("tls.key"),
                                 .ocsp_der = {}});
}

Result<std::shared_ptr<tls::ClientContext>> make_context(const config::BackendTls& from, Protocol protocol,
                                                         const ClusterPlan::Credential& credential) {
  if (from.broken) return fail("its CA certificates cannot be resolved");
  tls::ClientConfig config;
  config.hostname = from.hostname;
  FL_TRY(config.certificate, shown_to(from, credential));
  config.ktls = tls::ktls().available;
  config.insecure_skip_verify = !from.verifies;
  for (const auto& name : from.alt_names)
    config.subject_alt_names.push_back({name.type == model::SubjectAltName::Type::kUri
                                            ? tls::SubjectAltName::Type::kUri
                                            : tls::SubjectAltName::Type::kHostname,
                                        name.value});
  for (const auto& pem : from.ca_pem) config.ca_pem += pem + "\n";
  if (protocol != Protocol::kHttp1) config.alpn.emplace_back("h2");
  if (protocol != Protocol::kHttp2) config.alpn.emplace_back("http/1.1");
  return tls::ClientContext::create(std::move(config));
}

/// The policy's word first, then the Service's, then what the routes are of. A port that says https and has TLS speaks
/// what ALPN agrees on.
Protocol protocol_of(const config::BackendCluster& backend, bool grpc) {
  using Said = model::BackendSettings::Protocol;
  const auto asked = backend.settings != nullptr ? backend.settings->protocol : Said::kAuto;
  if (asked != Said::kAuto) return asked == Said::kHttp2 ? Protocol::kHttp2 : Protocol::kHttp1;
  switch (backend.app_protocol) {
    case model::AppProtocol::kH2c:
    case model::AppProtocol::kGrpc: return Protocol::kHttp2;
    case model::AppProtocol::kHttps:
      if (grpc) return Protocol::kHttp2;
      return backend.tls ? Protocol::kAuto : Protocol::kHttp1;
    case model::AppProtocol::kNone: return grpc ? Protocol::kHttp2 : Protocol::kHttp1;
    default: return Protocol::kHttp1;
  }
}

}  // namespace

std::uint32_t ClusterPlan::number_of(const std::string& name) {
  const auto [at, fresh] = numbers_.try_emplace(name, 0);
  if (!fresh) return at->second;
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint32_t>(entries_.size()));
    entries_.emplace_back();
    specs_.emplace_back();
  }
  at->second = free_.back();
  free_.pop_back();
  entries_[at->second].name = name;
  return at->second;
}

std::uint32_t ClusterPlan::acquire(const config::BackendClusterPtr& backend, bool grpc, const Credential& credential) {
  const auto protocol = protocol_of(*backend, grpc);
  const auto shown = backend->tls && backend->tls->client_secret.empty() ? credential : nullptr;
  auto name = backend->name();
  if (protocol != protocol_of(*backend, false)) name += "/grpc";
  if (shown != nullptr) name += " as " + shown->name();
  const auto number = number_of(name);
  auto& entry = entries_[number];
  ++entry.uses;
  if (entry.from != backend || entry.credential != shown) plan(number, backend, protocol, shown);
  return number;
}

void ClusterPlan::release(std::uint32_t number) {
  if (--entries_[number].uses == 0) changed_.insert(number);
}

void ClusterPlan::plan_tls(Entry& entry, const config::BackendCluster& backend, Protocol protocol,
                           const Credential& credential, Remarks::Texts& texts) {
  // A context that stays keeps its sessions.
  if (entry.from != nullptr && entry.protocol == protocol && !entry.broken && entry.credential == credential &&
      same_tls(entry.from->tls, backend.tls))
    return;
  entry.tls.reset();
  entry.broken = false;
  if (!backend.tls) return;
  auto context = make_context(*backend.tls, protocol, credential);
  if (context) {
    entry.tls = std::move(*context);
    return;
  }
  entry.broken = true;
  texts.push_back(backend.tls->policy.text() + ": " + context.error().message + ": requests get 500");
}

void ClusterPlan::plan(std::uint32_t number, const config::BackendClusterPtr& backend, Protocol protocol,
                       const Credential& credential) {
  auto& entry = entries_[number];
  auto spec = std::make_shared<upstream::ClusterSpec>();
  spec->name = entry.name;
  // Beyond what is certain not to have been processed: one that met a keep-alive time-out, where a repetition is
  // harmless.
  spec->retry.attempts = 2;
  for (const auto& endpoint : backend->endpoints)
    spec->endpoints.push_back({.address = {endpoint.address, endpoint.port},
                               .locality = {.region = {}, .zone = endpoint.zone},
                               .weight = endpoint.weight,
                               .ready = endpoint.ready || endpoint.terminating,  // which serves, or it is left out
                               .draining = endpoint.terminating});
  Remarks::Texts texts;
  // Absolute, as the CNAME is that Kubernetes makes of it: no search domains.
  for (const auto& name : backend->names)
    spec->dns.push_back({.name = name.name + ".", .port = name.port, .weight = name.weight});
  if (backend->settings != nullptr) take_settings(*backend->settings, zone_, *spec, texts);
  spec->pool.protocol = protocol;
  plan_tls(entry, *backend, protocol, credential, texts);
  spec->tls = entry.tls;
  for (auto& check : spec->checks) {
    check.tls = spec->tls != nullptr && check.kind != upstream::Check::kTcp;  // of TCP the connect says enough
    check.http2 = protocol == Protocol::kHttp2 && spec->tls == nullptr && check.kind == upstream::Check::kHttp;
  }
  spec->hash_tables = upstream::build_hash_tables(*spec);
  entry.from = backend;
  entry.credential = credential;
  entry.protocol = protocol;
  specs_[number] = std::move(spec);
  changed_.insert(number);
  remarks_.set("backend " + entry.name, std::move(texts));
}

upstream::ClusterChanges ClusterPlan::take_changes() {
  upstream::ClusterChanges out;
  for (const auto number : std::exchange(changed_, {})) {
    auto& entry = entries_[number];
    if (entry.uses > 0) {
      out.updated.push_back(specs_[number]);
      continue;
    }
    remarks_.forget("backend " + entry.name);
    out.removed.push_back(entry.name);
    numbers_.erase(entry.name);
    entry = {};
    specs_[number].reset();
    free_.push_back(number);
  }
  return out;
}

}  // namespace fairlead::gateway
