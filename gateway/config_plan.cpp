// SPDX-License-Identifier: Apache-2.0
#include "gateway/config_plan.hpp"

#include <malloc.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "fairlead/net/interfaces.hpp"

namespace fairlead::gateway {
namespace {

using model::Kind;

constexpr std::uint64_t kManyDocuments = 10'000;

/// Whose status is told, in the order of the telling.
constexpr Kind kTold[] = {Kind::kGatewayClass,
                          Kind::kGateway,
                          Kind::kListenerSet,
                          Kind::kHttpRoute,
                          Kind::kGrpcRoute,
                          Kind::kTlsRoute,
                          Kind::kTcpRoute,
                          Kind::kUdpRoute,
                          Kind::kClientPolicy,
                          Kind::kBackendPolicy,
                          Kind::kBackendTlsPolicy,
                          Kind::kRequestPolicy,
                          Kind::kRequestAuthentication,
                          Kind::kAuthorizationPolicy};

}  // namespace

Result<std::unique_ptr<ConfigPlan>> ConfigPlan::open(const std::string& path, const std::string& zone,
                                                     std::shared_ptr<tls::TicketKeys> tickets, AccessLogs* logs,
                                                     telemetry::Meter* meter, bool quiet) {
  FL_TRY(auto directory, config::Directory::open(path, config::gateway_kinds()));
  auto tls = std::make_unique<TlsPlan>(std::move(tickets));
  return std::unique_ptr<ConfigPlan>(new ConfigPlan(std::move(directory), std::move(tls), zone, logs, meter, quiet));
}

Result<std::optional<proxy::Update>> ConfigPlan::load() { return give_back(take(directory_->load())); }

Result<std::optional<proxy::Update>> ConfigPlan::follow() {
  FL_TRY(auto read, directory_->follow());
  if (!read) return std::nullopt;
  return give_back(take(std::move(*read)));
}

/// Many documents leave the kernel's pages with gaps that the next reading may be far from.
Result<std::optional<proxy::Update>> ConfigPlan::give_back(Result<std::optional<proxy::Update>> update) {
  if (std::exchange(parsed_, 0) >= kManyDocuments) ::malloc_trim(0);
  return update;
}

/// Each for as long as it stands, once.
void ConfigPlan::log(const config::Diagnostics& diagnostics) {
  std::set<std::string> now;
  counts_.errors = counts_.warnings = 0;
  for (const auto& one : diagnostics) {
    const bool is_error = one.severity == config::Severity::kError;
    ++(is_error ? counts_.errors : counts_.warnings);
    auto text = one.text();
    if (!quiet_ && !standing_.contains(text))
      spdlog::log(is_error ? spdlog::level::err : spdlog::level::warn, "{}", text);
    now.insert(std::move(text));
  }
  standing_ = std::move(now);
}

Result<std::optional<proxy::Update>> ConfigPlan::take(Result<config::Update> read) {
  if (!read) return fail(std::move(read.error()));
  log(read->diagnostics);
  state_.set_refused(read->diagnostics);
  parsed_ = read->documents_parsed;
  counts_.files = read->files;
  counts_.documents = read->documents;
  if (read->changes.empty() && read->consumers.empty() && version_ > 0) {
    for (const auto& [subject, texts] : remarks_.all()) counts_.warnings += texts.size();
    return std::nullopt;
  }
  objects_.apply(read->changes);
  objects_.apply(read->consumers);
  const auto change = state_.update(objects_, read->changes);
  filters_.begin(objects_, state_, *read);
  listeners_.apply(objects_, state_, change);
  streams_.apply(objects_, state_, change);
  auto update = make_update(change);
  tls_->prune();
  state_.set_bad_certificates(objects_, tls_->bad());
  remarks_.settle();
  ++counts_.changes;
  counts_.listeners = update.snapshot->listeners.size();
  counts_.routes = routes_.size();
  counts_.clusters = clusters_.size();
  for (const auto& [subject, texts] : remarks_.all()) counts_.warnings += texts.size();
  if (quiet_) return update;
  spdlog::info("configuration {}: {} objects changed, {} clusters of them new or changed, {} gone; {} ports, {} routes",
               version_, read->changes.size() + read->consumers.size(), update.clusters->updated.size(),
               update.clusters->removed.size(), counts_.listeners, counts_.routes);
  return update;
}

proxy::Update ConfigPlan::make_update(const config::GatewayChange& change) {
  auto consumers = filters_.consumers(change);
  filters_.finish();
  auto changes = std::make_shared<upstream::ClusterChanges>(clusters_.take_changes());
  auto snapshot = std::make_shared<proxy::Snapshot>();
  snapshot->version = ++version_;
  snapshot->listeners = listeners_.specs();
  streams_.merge(snapshot->listeners);
  snapshot->clusters = clusters_.specs();
  snapshot->consumers = std::move(consumers);
  return {std::move(snapshot), std::move(changes)};
}

std::vector<std::string> ConfigPlan::notes() const {
  std::vector<std::string> out(standing_.begin(), standing_.end());
  for (const auto& [subject, texts] : remarks_.all())
    for (const auto& text : texts) out.push_back(subject + ": " + text);
  return out;
}

std::string ConfigPlan::status() const {
  const auto own = net::reachable_addresses();
  std::string out;
  for (const auto& note : notes()) out += "# " + note + "\n";
  for (const auto kind : kTold)
    for (const auto& [key, object] : objects_.objects(kind)) out += "---\n" + state_.status_yaml(objects_, key, own);
  return out;
}

}  // namespace fairlead::gateway
