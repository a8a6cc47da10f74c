// SPDX-License-Identifier: Apache-2.0
// The filters of Istio's policies: one for each set of them that counts together.
#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include "fairlead/base/ascii.hpp"
#include "fairlead/config/istio_mesh.hpp"
#include "gateway/filter_plan.hpp"
#include "gateway/filter_plan_parts.hpp"

namespace fairlead::gateway {
namespace {

struct Url {
  bool tls = false;
  std::string host;  ///< in lower case
  std::uint16_t port = 0;
  std::string path;
};

Result<Url> parse_url(std::string_view text) {
  Url out;
  out.tls = text.starts_with("https://");
  text.remove_prefix(out.tls ? 8 : 7);
  const auto end = std::min(text.find_first_of("/?#"), text.size());
  auto authority = text.substr(0, end);
  out.path = text.substr(end);
  out.port = out.tls ? 443 : 80;
  if (const auto colon = authority.rfind(':'); colon != std::string_view::npos) {
    const auto digits = authority.substr(colon + 1);
    const auto [at, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out.port);
    if (error != std::errc{} || at != digits.data() + digits.size())
      return fail("the URL of its keys has no valid port");
    authority = authority.substr(0, colon);
  }
  out.host = lower_ascii(authority);
  if (!out.path.starts_with('/')) out.path.insert(0, "/");
  const bool good =
      !out.host.empty() && std::ranges::all_of(out.path, [](char c) { return c > ' ' && c <= '~' && c != '#'; });
  if (!good) return fail("the URL of its keys is none of a host and a path");
  return out;
}

/// By its own name in the cluster, or by the name that it stands for.
bool is_named(const model::Service& service, const std::string& host) {
  if (service.external_name) return lower_ascii(service.external_host) == host;
  const auto name = service.metadata.name + "." + service.metadata.ns;
  return host == name || host == name + ".svc" || host == name + ".svc.cluster.local";
}

std::string mesh_config_name() {
  return std::string("ConfigMap ") + model::kIstioRootNamespace + "/" + model::kIstioMeshConfig;
}

}  // namespace

model::ObjectKey key_of(const model::Object& object) {
  if (const auto* refused = std::get_if<model::RefusedPolicy>(&object))
    return {refused->kind, refused->metadata.ns, refused->metadata.name};
  if (const auto* policy = std::get_if<model::AuthorizationPolicy>(&object))
    return {model::Kind::kAuthorizationPolicy, policy->metadata.ns, policy->metadata.name};
  if (const auto* policy = std::get_if<model::RequestPolicy>(&object))
    return {model::Kind::kRequestPolicy, policy->metadata.ns, policy->metadata.name};
  const auto& tokens = std::get<model::RequestAuthentication>(object);
  return {model::Kind::kRequestAuthentication, tokens.metadata.ns, tokens.metadata.name};
}

std::string text_of(const std::vector<model::ObjectPtr>& set) {
  std::string out;
  for (const auto& object : set) out.append(out.empty() ? "" : ", ").append(key_of(*object).text());
  return out;
}

/// Of the Service in `ns` (empty: in any) that is called so.
std::optional<FilterPlan::Server> FilterPlan::server_of(Entry& entry, const std::string& ns, const std::string& host,
                                                        std::uint16_t port, bool grpc) {
  const auto& services = objects_->objects(model::Kind::kService);
  for (auto it = services.lower_bound({model::Kind::kService, ns, ""});
       it != services.end() && (ns.empty() || it->first.ns == ns); ++it) {
    if (!is_named(std::get<model::Service>(*it->second), host)) continue;
    model::BackendTarget target;
    target.ref.name = it->first.name;
    target.port = port;
    if (const auto number = acquire(entry, it->first.ns, target, grpc)) return Server{*number, it->first.name};
  }
  return std::nullopt;
}

Result<filter::JwksServer> FilterPlan::jwks_server(Entry& entry, const std::string& ns, const std::string& uri) {
  FL_TRY(auto url, parse_url(uri));
  if (const auto server = server_of(entry, ns, url.host, url.port, false)) {
    if (url.tls && !entry.clusters.back().from->tls)
      return fail("its keys are asked for by https, and Service " + ns + "/" + server->service +
                  " has no BackendTLSPolicy");
    return filter::JwksServer{.cluster = server->cluster, .host = url.host, .path = url.path};
  }
  return fail("its keys need a Service in namespace " + ns + " that has port " + std::to_string(url.port) +
              " and is of type ExternalName with externalName " + url.host + ", or is called so in the cluster");
}

/// What the mesh's own configuration says; null where there is none.
const std::string* FilterPlan::mesh_config() const {
  const auto object = objects_->find({model::Kind::kConfigMap, model::kIstioRootNamespace, model::kIstioMeshConfig});
  const auto* map = object == nullptr ? nullptr : std::get_if<model::ConfigMap>(object.get());
  return map == nullptr ? nullptr : model::find_label(map->data, "mesh");
}

/// The set with principals of all names of the mesh's trust domain.
Result<FilterPlan::IstioSet> FilterPlan::translated(IstioSet set) const {
  const auto* mesh = mesh_config();
  if (mesh == nullptr) return set;
  for (auto& object : set) {
    const auto* policy = std::get_if<model::AuthorizationPolicy>(object.get());
    if (policy == nullptr) continue;
    FL_TRY(const auto domains, config::read_trust_domains(*mesh));
    auto own = *policy;
    config::translate_principals(domains, own);
    object = std::make_shared<const model::Object>(std::move(own));
  }
  return set;
}

/// The one provider of these policies, and its cluster.
Result<std::pair<model::ExternalAuth, std::uint32_t>> FilterPlan::provider_of(Entry& entry, const IstioSet& custom) {
  const auto& name = std::get<model::AuthorizationPolicy>(*custom.front()).provider;
  for (const auto& object : custom)
    if (std::get<model::AuthorizationPolicy>(*object).provider != name)
      return fail("action CUSTOM has providers " + name + " and " +
                  std::get<model::AuthorizationPolicy>(*object).provider + ", expected one for all");
  const auto where = mesh_config_name();
  const auto* mesh = mesh_config();
  if (mesh == nullptr) return fail("provider " + name + ": there is no " + where + " with an entry mesh");
  auto providers = config::read_extension_providers(*mesh);
  if (!providers) return fail(std::move(providers.error()).in(where));
  const auto found = std::ranges::find(*providers, name.text(), &model::ExtensionProvider::name);
  if (found == providers->end())
    return fail(where + " has no extensionProvider " + name + " of envoyExtAuthzHttp or envoyExtAuthzGrpc");
  const bool grpc = found->check.protocol == model::ExternalAuth::Protocol::kGrpc;
  const auto server = server_of(entry, found->ns, found->host, found->check.backend.port, grpc);
  if (!server)
    return fail("provider " + name + " needs a Service that is called " + found->host + " in the cluster, or of type " +
                "ExternalName with that externalName, with port " + std::to_string(found->check.backend.port));
  found->check.backend.ref.name = server->service;
  return std::pair(found->check, server->cluster);
}

filter::FilterPtr FilterPlan::make_istio_custom(Entry& entry, const IstioSet& set, filter::Context& context) {
  IstioSet custom;
  for (const auto& object : set)
    if (const auto* policy = std::get_if<model::AuthorizationPolicy>(object.get());
        policy != nullptr && policy->action == model::AuthorizationPolicy::Action::kCustom)
      custom.push_back(object);
  if (custom.empty()) return nullptr;
  auto provider = provider_of(entry, custom);
  if (!provider) {
    context.faults.push_back(provider.error().message);
    return std::make_shared<Broken>();
  }
  context.cluster = context.grpc_cluster = [cluster = provider->second](const model::BackendTarget&) {
    return std::optional(cluster);
  };
  context.section = "istioCustom";
  entry.filters.counters[kCustom] = context.counters(filter::outcome_counters());
  return filter::make_istio_custom(custom, provider->first, context);
}

void FilterPlan::make_istio(Entry& entry, const IstioSet& set) {
  std::vector<std::string> faults, texts;
  auto before = std::exchange(entry.clusters, {});
  filter::Context context{.policy = text_of(set),
                          .ns = {},
                          .stores = stores_,
                          .cluster = {},
                          .grpc_cluster = {},
                          .secret = {},
                          .config_map = {},
                          .faults = faults,
                          .remarks = texts,
                          .meter = meter_};
  context.section = "istio";
  entry.filters.counters.front() = context.counters(filter::outcome_counters());
  auto used = translated(set);
  if (!used) faults.push_back(std::move(used.error()).in(mesh_config_name()).message);
  const auto& policies = used ? *used : set;
  const filter::IstioObjects objects{
      .objects = policies,
      .jwks_server = [&](const std::string& ns, const std::string& uri) { return jwks_server(entry, ns, uri); }};
  auto made = filter::make_istio(objects, context);
  entry.faulty = made == nullptr;
  if (entry.faulty) made = std::make_shared<Broken>();
  entry.filters.all.front() = std::move(made);
  entry.filters.all[kCustom] = make_istio_custom(entry, policies, context);
  entry.faulty |= !faults.empty();
  for (const auto& fault : faults) texts.push_back(fault + ": requests get 500");
  for (const auto& named : before) clusters_.release(named.number);
  remarks_.set(text_of(set), std::move(texts));
}

const FilterPlan::Filters& FilterPlan::istio_filters(const IstioSet& set) {
  auto& entry = istio_[set];
  if (entry.object == nullptr) {
    make_istio(entry, set);
    entry.object = set.front();
  }
  return entry.filters;
}

void FilterPlan::begin_istio(const model::ChangeSet& changes) {
  const bool services = std::ranges::any_of(changes, [](const auto& change) {
    return change.key.kind == model::Kind::kService || change.key.kind == model::Kind::kBackendTlsPolicy;
  });
  const bool mesh = std::ranges::any_of(changes, [](const auto& change) {
    return change.key.kind == model::Kind::kConfigMap && change.key.ns == model::kIstioRootNamespace &&
           change.key.name == model::kIstioMeshConfig;
  });
  for (auto& [set, entry] : istio_) {
    if (mesh || (services && entry.faulty)) entry.object = nullptr;
    renew_clusters(entry);
  }
}

/// Sets of objects that have gone or changed, and those that no chain has any more.
void FilterPlan::finish_istio() {
  const auto stands = [&](const model::ObjectPtr& object) { return objects_->find(key_of(*object)) == object; };
  std::set<std::string> gone;
  for (auto it = istio_.begin(); it != istio_.end();) {
    if (it->second.filters.all.front().use_count() > 1 && std::ranges::all_of(it->first, stands)) {
      ++it;
      continue;
    }
    release(it->second);
    gone.insert(text_of(it->first));
    it = istio_.erase(it);
  }
  for (const auto& [set, entry] : istio_) gone.erase(text_of(set));  // others of the same names
  for (const auto& subject : gone) remarks_.forget(subject);
}

}  // namespace fairlead::gateway
