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
      : client(reactor, config, std::move(names)), desk(reactor, client, config->timeout.count() * 1000) {}
  limit::RedisClient client;
  limit::LeaseDesk desk;
};

bool is_name(const std::string& address) {
  const auto where = limit::split_host_port(address);
  return where && !Address::parse(where->host);
}

Result<std::string> ca_of(const model::RedisSettings& settings, const Context& context) {
  return secret_value({.name = settings.tls.ca_secret, .key = "ca.crt"}, context);
}

std::shared_ptr<tls::ClientContext> make_tls(const model::RedisSettings& settings, Context& context) {
  tls::ClientConfig config;
  config.hostname = settings.tls.hostname;
  if (config.hostname.empty()) config.hostname = limit::split_host_port(settings.addresses.front())->host;
  if (!settings.tls.ca_secret.empty()) {
    auto ca = ca_of(settings, context);
    if (!ca) return context.faults.push_back(std::move(ca.error().message)), nullptr;
    config.ca_pem = std::move(*ca);
  }
  auto made = tls::ClientContext::create(std::move(config));
  if (made) return *made;
  context.faults.push_back("TLS to Redis: " + made.error().message);
  return nullptr;
}

/// By all that makes connections differ: policies that mean the same Redis share them, and a change of the
/// configuration leaves them alone.
std::string store_name(const limit::RedisConfig& config, const model::RedisSettings& settings, Context& context) {
  std::string all;
  const auto add = [&](std::string_view text) { all.append(text).append(1, '\0'); };
  for (const auto& address : config.addresses) add(address);
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
    if (!settings.tls.ca_secret.empty()) add(*ca_of(settings, context));
  }
  std::string digest;
  limit::shared_key(all, digest);
  return "redis/" + digest;
}

/// Of a Secret; false: a fault is noted.
bool read_password(const model::SecretKey& from, Context& context, std::string& out) {
  if (from.name.empty()) return true;
  auto password = secret_line(from, context);
  if (!password) return context.faults.push_back(std::move(password.error().message)), false;
  out = std::move(*password);
  return true;
}

WorkerRedis& worker_redis(Request& request, const std::shared_ptr<const limit::RedisConfig>& config) {
  return request.local<WorkerRedis>(config, [&] {
    return std::make_unique<WorkerRedis>(request.reactor(), config, make_redis_names(request.reactor(), *config));
  });
}

}  // namespace

std::unique_ptr<limit::Names> make_redis_names(event::Reactor& reactor, const limit::RedisConfig& config) {
  if (!config.cluster && std::ranges::none_of(config.addresses, is_name)) return nullptr;
  auto resolver = upstream::DnsResolver::create(reactor, {});
  return resolver ? std::make_unique<WorkerNames>(std::move(*resolver)) : nullptr;
}

std::shared_ptr<const limit::RedisConfig> make_redis_config(const model::RedisSettings& settings, Context& context,
                                                            std::span<const std::string_view> scripts) {
  limit::RedisConfig config;
  config.scripts = scripts;
  config.addresses = settings.addresses;
  config.sentinel_master = settings.sentinel_master;
  config.cluster = settings.cluster;
  config.username = settings.username;
  config.database = settings.database;
  config.timeout = settings.timeout;
  config.sentinel_username = settings.sentinel_username;
  if (!read_password(settings.password, context, config.password)) return nullptr;
  if (!read_password(settings.sentinel_password, context, config.sentinel_password)) return nullptr;
  if (settings.tls.enabled && (config.tls = make_tls(settings, context)) == nullptr) return nullptr;
  return context.stores.get<limit::RedisConfig>(
      store_name(config, settings, context), [&] { return std::make_shared<limit::RedisConfig>(std::move(config)); });
}

limit::RedisClient& redis_client(Request& request, const std::shared_ptr<const limit::RedisConfig>& config) {
  return worker_redis(request, config).client;
}

limit::LeaseDesk& lease_desk(Request& request, const std::shared_ptr<const limit::RedisConfig>& config) {
  return worker_redis(request, config).desk;
}

}  // namespace fairlead::filter
