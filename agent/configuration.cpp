// SPDX-License-Identifier: Apache-2.0
#include "agent/configuration.hpp"

#include <spdlog/spdlog.h>
#include <sys/epoll.h>

#include <algorithm>
#include <cstdio>
#include <set>

namespace fairlead::agent {
namespace {

std::size_t refusals(const config::Diagnostics& diagnostics) {
  return static_cast<std::size_t>(std::count_if(diagnostics.begin(), diagnostics.end(), [](const auto& diagnostic) {
    return diagnostic.severity == config::Severity::kError;
  }));
}

/// Only what was not said before: a standing error is not repeated at every change of another file.
void log_new(const config::Diagnostics& before, const config::Diagnostics& now) {
  std::set<std::string> known;
  for (const auto& diagnostic : before) known.insert(diagnostic.text());
  for (const auto& diagnostic : now) {
    const auto text = diagnostic.text();
    if (known.contains(text)) continue;
    diagnostic.severity == config::Severity::kError ? spdlog::error("{}", text) : spdlog::warn("{}", text);
  }
}

}  // namespace

Configuration::Configuration(std::unique_ptr<config::Directory> directory, datapath::Services services)
    : directory_(std::move(directory)), services_(std::move(services)) {}

Result<std::unique_ptr<Configuration>> Configuration::open(const std::string& path, const std::string& node_name,
                                                           const std::string& pin_dir, const kernel::Datapath& datapath) {
  FL_TRY(auto directory, config::Directory::open(path));
  FL_TRY(auto tables, datapath::ServiceTables::open([&](const std::string& name) { return datapath.map(name); }, pin_dir));
  datapath::ServicesOptions options;
  options.node_name = node_name;
  for (const char* loopback : {"127.0.0.1", "::1"}) options.node_addresses.push_back(*Address::parse(loopback));
  std::unique_ptr<Configuration> self(
      new Configuration(std::move(directory), datapath::Services(std::move(tables), std::move(options))));
  if (datapath.adopted()) FL_CHECK(self->services_.adopt());
  return self;
}

Result<> Configuration::load() {
  FL_TRY(auto update, directory_->load());
  return take(std::move(update));
}

Result<> Configuration::follow(event::Loop& loop) {
  return loop.watch(directory_->fd(), EPOLLIN, [this](std::uint32_t) { reread(); });
}

void Configuration::reread() {
  auto update = directory_->changed();
  if (!update) {
    spdlog::error("reading the configuration: {}; what was in force stays", update.error().message);
    return;
  }
  if (const auto taken = take(std::move(*update)); !taken)
    spdlog::error("writing the configuration to the kernel: {}", taken.error().message);
}

Result<> Configuration::take(config::Update update) {
  log_new(diagnostics_, update.diagnostics);
  diagnostics_ = std::move(update.diagnostics);
  cluster_.apply(update.changes);
  // An empty first update is applied too: it removes what an earlier agent left in the tables.
  FL_TRY(const auto applied, services_.apply(cluster_, update.changes));
  for (const auto& warning : applied.warnings) spdlog::warn("{}", warning);
  spdlog::debug("{} objects changed, {} services, {} rows written, {} deleted", update.changes.size(),
                applied.services_changed, applied.rows_written, applied.rows_deleted);
  if (applied_) applied_(update.changes, applied);
  return {};
}

Result<std::size_t> check_configuration(const std::string& path) {
  FL_TRY(const auto directory, config::Directory::open(path));
  FL_TRY(const auto update, directory->load());
  for (const auto& diagnostic : update.diagnostics) std::printf("%s\n", diagnostic.text().c_str());
  const auto refused = refusals(update.diagnostics);
  std::printf("%s: %llu documents in %llu files, %zu refused\n", path.c_str(),
              static_cast<unsigned long long>(update.documents), static_cast<unsigned long long>(update.files), refused);
  return refused;
}

}  // namespace fairlead::agent
