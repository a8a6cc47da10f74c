// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/filter/redis_store.hpp"

#include <algorithm>

#include "fairlead/limit/key.hpp"
#include "fairlead/upstream/dns_resolver.hpp"
#include "gateway/dataplane/filter/secrets.hpp"

namespace fairlead::filter {
namespace {

/// Names by a resolver of the worker's own.
class WorkerNames final : public limit::Names {
 public:
  explicit WorkerNames(std::unique_ptr<upstream::DnsResolver> resolver) : resolver_(std::move(resolver)) {}

  std::unique_ptr<limit::NameQuery> look_up(const std::string& name, Found found) override {
    auto query = std::make_unique<Query>(std::move(found));
    query->under_way = resolver_->resolve(name, *query);
    return query;
  }

 private:
  struct Query final : limit::NameQuery, upstream::DnsListener {
    explicit Query(Found then) : found(std::move(then)) {}
    void on_answer(const upstream::DnsAnswer& answer) override {
      const auto then = std::move(found);
      then(answer.addresses.empty() ? std::nullopt : std::optional(answer.addresses.front()));
    }
    Found found;
    std::unique_ptr<upstream::DnsQuery> under_way;
  };
  std::unique_ptr<upstream::DnsResolver> resolver_;
};

struct WorkerRedis final : Local {
  WorkerRedis(event::Reactor& reactor, const std::shared_ptr<const limit::RedisConfig>& config,
              std::unique_ptr<limit::Names> names)
      : client(reactor, config, std::move(names)),
        desk(reactor, client, config->timeout.count() * 1000),
        places(reactor, client) {}
  limit::RedisClient client;
  limit::LeaseDesk desk;
  limit::SharedPlaces places;
};

bool is_name(const std::string& address) {
  const auto where = limit::split_host_port(address);
  return where && !Address::parse(where->host);
}

/// False: a fault is noted. Empty where nothing is given.
bool read_secret(const model::SecretSource& from, Context& context, std::string& out) {
  auto text = secret_line(from, context);
  if (!text) return context.faults.push_back(std::move(text.error().message)), false;
  out = std::move(*text);
  return true;
}

/// What TLS takes, as PEM.
struct TlsTexts {
  std::string ca, certificate, key;
  bool read(const model::RedisTls& from, Context& context) {
    return read_secret(from.ca, context, ca) && read_secret(from.certificate, context, certificate) &&
           read_secret(from.key, context, key);
  }
};

std::shared_ptr<tls::ClientContext> make_tls(const model::RedisSettings& settings, const TlsTexts& pem,
                                             Context& context) {
  const auto fault = [&](const std::string& text) {
    context.faults.push_back("TLS to Redis: " + text);
    return nullptr;
  };
  tls::ClientConfig config;
  config.hostname = settings.tls.hostname;
  if (config.hostname.empty() && !settings.addresses.empty())
    config.hostname = limit::split_host_port(settings.addresses.front())->host;
  config.ca_pem = pem.ca;
  config.insecure_skip_verify = !settings.tls.verifies;
  if (!pem.certificate.empty()) {
    auto ours = tls::Certificate::load({.name = "client certificate",
                                        .chain_pem = pem.certificate,
                                        .key_pem = pem.key,
                                        .ocsp_der = {},
                                        .accept_expired = true});
    if (!ours) return fault(ours.error().message);
    config.certificate = std::move(*ours);
  }
  auto made = tls::ClientContext::create(std::move(config));
  return made ? std::move(*made) : fault(made.error().message);
}

/// By all that makes connections differ: policies that mean the same Redis share them, and a change of the
/// configuration leaves them alone.
std::string store_name(const limit::RedisConfig& config, const model::RedisSettings& settings, const TlsTexts& pem,
                       const std::string& ns) {
  std::string all;
  const auto add = [&](std::string_view text) { all.append(text).append(1, '\0'); };
  for (const auto& address : config.addresses) add(address);
  if (config.places != nullptr) {  // that may be granted to the policies of one namespace alone
    add(config.name);
    add(ns);
  }
  add(config.sentinel_master);
  add(config.sentinel_username);
  add(config.sentinel_password);
  add(config.cluster ? "cluster" : "");
  add(config.username);
  add(config.password);
  add(std::to_string(config.database));
  add(std::to_string(config.timeout.count()));
  for (const auto script : config.scripts) add(script);
  if (config.tls) {
    add("tls");
    add(settings.tls.hostname);
    add(settings.tls.verifies ? "" : "any");
    for (const auto* text : {&pem.ca, &pem.certificate, &pem.key}) add(*text);
  }
  std::string digest;
  limit::shared_key(all, digest);
  return "redis/" + digest;
}

WorkerRedis& worker_redis(Request& request, const std::shared_ptr<const limit::RedisConfig>& config) {
  return request.local<WorkerRedis>(config, [&] {
    return std::make_unique<WorkerRedis>(request.reactor(), config, make_redis_names(request.reactor(), *config));
  });
}

}  // namespace

std::unique_ptr<limit::Names> make_redis_names(event::Reactor& reactor, const limit::RedisConfig& config) {
  const bool fixed = config.places == nullptr && !config.cluster;
  if (fixed && std::ranges::none_of(config.addresses, is_name)) return nullptr;
  auto resolver = upstream::DnsResolver::create(reactor, {});
  return resolver ? std::make_unique<WorkerNames>(std::move(*resolver)) : nullptr;
}

std::shared_ptr<const limit::RedisConfig> make_redis_config(const model::RedisSettings& settings, Context& context,
                                                            std::span<const std::string_view> scripts) {
  limit::RedisConfig config;
  config.scripts = scripts;
  config.addresses = settings.addresses;
  if (const auto& backend = settings.backend) {
    config.name = (backend->ref.ns.empty() ? context.ns : backend->ref.ns.text()) + "/" + backend->ref.name + ":" +
                  std::to_string(backend->port);
    config.places = context.redis_places(*backend);
  }
  if (!settings.sentinel_master.empty()) config.name = "sentinel " + settings.sentinel_master;
  else if (config.places == nullptr) config.name = settings.addresses.front();
  config.sentinel_master = settings.sentinel_master;
  config.cluster = settings.cluster;
  config.username = settings.username;
  config.database = settings.database;
  config.timeout = settings.timeout;
  config.sentinel_username = settings.sentinel_username;
  // Of whoever asks that Redis, so that they go on where a password changes.
  const std::string use = scripts.data() == limit::limit_scripts().data() ? "limits" : "cache";
  config.totals = context.stores.get<limit::RedisTotals>("redis-totals/" + use + " " + config.name, [&] {
    return std::make_shared<limit::RedisTotals>(config.name, use);
  });
  if (!read_secret(settings.password, context, config.password)) return nullptr;
  if (!read_secret(settings.sentinel_password, context, config.sentinel_password)) return nullptr;
  TlsTexts pem;
  if (settings.tls.enabled) {
    if (!pem.read(settings.tls, context)) return nullptr;
    config.tls = make_tls(settings, pem, context);
    if (config.tls == nullptr) return nullptr;
  }
  return context.stores.get<limit::RedisConfig>(store_name(config, settings, pem, context.ns), [&] {
    return std::make_shared<limit::RedisConfig>(std::move(config));
  });
}

limit::RedisClient& redis_client(Request& request, const std::shared_ptr<const limit::RedisConfig>& config) {
  return worker_redis(request, config).client;
}

limit::SharedPlaces& shared_places(Request& request, const std::shared_ptr<const limit::RedisConfig>& config) {
  return worker_redis(request, config).places;
}

limit::LeaseDesk& lease_desk(Request& request, const std::shared_ptr<const limit::RedisConfig>& config) {
  return worker_redis(request, config).desk;
}

}  // namespace fairlead::filter
