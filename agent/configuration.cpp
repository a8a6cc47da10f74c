// SPDX-License-Identifier: Apache-2.0
#include "agent/configuration.hpp"

#include <arpa/inet.h>
#include <malloc.h>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>

#include <algorithm>
#include <chrono>
#include <set>

#include "agent/admin/meeting.hpp"

namespace fairlead::agent {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kRetryPolicies{5};
// An endpoint that is written where it stands is to be in the kernel within 10 ms.
constexpr config::Pace kPace{.moved = std::chrono::milliseconds{1}, .closed = std::chrono::milliseconds{3}};

double milliseconds(Clock::duration duration) { return std::chrono::duration<double, std::milli>(duration).count(); }

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

Result<FirstReading> FirstReading::of(const std::string& path, const std::string& kept) {
  const auto begin = Clock::now();
  FirstReading reading;
  FL_TRY(reading.directory, config::Directory::open(path, config::agent_kinds(), kPace, kept));
  FL_TRY(reading.update, reading.directory->load());
  reading.took = Clock::now() - begin;
  return reading;
}

Configuration::Configuration(FirstReading first, std::unique_ptr<policy::Policies> policies,
                             datapath::Services services)
    : first_(std::move(first)), policies_(std::move(policies)), services_(std::move(services)) {}

Result<std::unique_ptr<Configuration>> Configuration::open(FirstReading first, const std::string& node_name,
                                                           const std::string& pin_dir, const kernel::Datapath& datapath,
                                                           policy::PoliciesOptions policy_options) {
  const auto map_of = [&](const std::string& name) { return datapath.map(name); };
  FL_TRY(auto policy_tables, policy::PolicyTables::open(map_of, pin_dir));
  auto policies = std::make_unique<policy::Policies>(std::move(policy_tables), std::move(policy_options));
  if (datapath.adopted()) FL_CHECK(policies->adopt());
  FL_TRY(auto tables, datapath::ServiceTables::open(map_of, pin_dir));
  datapath::ServicesOptions options;
  options.node_name = node_name;
  options.mesh = policies->compiler().mesh();
  options.node_port_low = ntohs(datapath.settings().node_port_low);
  options.node_port_high = ntohs(datapath.settings().node_port_high);
  for (const char* loopback : {"127.0.0.1", "::1"}) options.node_addresses.push_back(*Address::parse(loopback));
  options.workload_of = [known = policies.get()](const Address& address) { return known->workload_id(address); };
  std::unique_ptr<Configuration> self(new Configuration(std::move(first), std::move(policies),
                                                        datapath::Services(std::move(tables), std::move(options))));
  if (datapath.adopted()) FL_CHECK(self->services_.adopt());
  return self;
}

Result<> Configuration::load() {
  const auto begin = Clock::now();
  const auto objects = first_.update.changes.size();
  FL_CHECK(take(std::exchange(first_.update, {})));
  ::malloc_trim(0);  // what libbpf and the reading of files needed: tens of megabytes
  spdlog::info("{} objects of the configuration: read in {:.1f} ms, in the kernel after {:.1f} ms", objects,
               milliseconds(first_.took), milliseconds(Clock::now() - begin));
  return {};
}

Result<> Configuration::follow(event::Loop& loop) {
  loop_ = &loop;
  if (policies_->unwritten()) retry_soon();
  keep();
  return loop.watch(first_.directory->fd(), EPOLLIN, [this](std::uint32_t) {
    auto update = first_.directory->follow();
    if (!update) use(fail(std::move(update.error())));
    else if (*update) use(std::move(**update));
  });
}

/// For the next start. A few files at a time, as at the first there may be thousands.
void Configuration::keep() {
  constexpr std::size_t kAtOnce = 64;
  if (loop_ == nullptr || std::exchange(keeping_, true)) return;
  loop_->after(Clock::duration::zero(), [this] {
    keeping_ = false;
    const auto more = first_.directory->keep(kAtOnce);
    if (!more)
      spdlog::error("keeping the configuration for the next start: {}; what is refused then has no last good version",
                    more.error().message);
    else if (*more) keep();
  });
}

void Configuration::reread() { use(first_.directory->load()); }

void Configuration::use(Result<config::Update> update) {
  if (!update) {
    spdlog::error("reading the configuration: {}; what was in force stays", update.error().message);
    return;
  }
  if (const auto taken = take(std::move(*update)); !taken)
    spdlog::error("writing the configuration to the kernel: {}", taken.error().message);
}

/// Where policies cannot be written, those whom they concern are closed, and the services of all go on; it is tried
/// again. An error is where not even that succeeded.
Result<policy::Applied> Configuration::authorize(const model::ChangeSet& changes) {
  auto authorized = policies_->apply(changes);
  if (authorized) return authorized;
  retry_soon();
  const auto& unwritten = policies_->unwritten();
  if (!unwritten || unwritten->open != 0) return authorized;
  spdlog::error("{}", authorized.error().message);
  policy::Applied closed;
  closed.verdicts_changed = closed.workloads_changed = true;
  return closed;
}

void Configuration::retry_soon() {
  if (loop_ == nullptr || retrying_) return;
  retrying_ = true;
  loop_->after(kRetryPolicies, [this] {
    retrying_ = false;
    if (const auto taken = take({.changes = {}, .diagnostics = reading_}); !taken)
      spdlog::error("writing the configuration to the kernel: {}", taken.error().message);
    else if (!policies_->unwritten()) spdlog::info("all policies are in the kernel again");
  });
}

Result<> Configuration::take(config::Update update) {
  reading_ = update.diagnostics;
  const auto before = std::exchange(diagnostics_, std::move(update.diagnostics));
  log_new(before, diagnostics_);
  cluster_.apply(update.changes);
  // An empty first update is applied too: it removes what an earlier agent left in the tables. Policies first: no
  // backend is given out whose policy is not in the kernel.
  FL_TRY(const auto authorized, authorize(update.changes));
  FL_TRY(const auto applied, services_.apply(cluster_, update.changes));
  for (const auto* warnings : {&policies_->compiler().warnings(), &services_.warnings()}) {
    const auto meeting = admin::remarks_of(*warnings);
    log_new(before, meeting);
    diagnostics_.insert(diagnostics_.end(), meeting.begin(), meeting.end());
  }
  if (const auto& unwritten = policies_->unwritten())
    diagnostics_.push_back({.severity = config::Severity::kError,
                            .file = {},
                            .line = 0,
                            .column = 0,
                            .object = "policies",
                            .field = {},
                            .found = {},
                            .expected = unwritten->reason});
  if (authorized.workloads_changed) services_.refresh_workloads();
  spdlog::debug("{} objects changed, {} services, {} rows written, {} deleted", update.changes.size(),
                applied.services_changed, applied.rows_written, applied.rows_deleted);
  if (applied_) applied_(update.changes, applied, authorized);
  keep();
  return {};
}

}  // namespace fairlead::agent
