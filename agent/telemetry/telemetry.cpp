// SPDX-License-Identifier: Apache-2.0
#include "agent/telemetry/telemetry.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "agent/telemetry/flow.hpp"

namespace fairlead::telemetry {
namespace {

using namespace std::chrono_literals;

/// A sweep is not older than this, nor do sweeps take more than one part of so many of the agent's time.
constexpr std::uint64_t kSweepPeriodNs = 1'000'000'000;
constexpr std::uint64_t kSweepShare = 20;

}  // namespace

Result<std::unique_ptr<Telemetry>> Telemetry::open(Options options, kernel::Datapath& datapath,
                                                   const datapath::Services& services, const policy::Policies& policies,
                                                   const model::Cluster& cluster, event::Loop& loop) {
  std::unique_ptr<Telemetry> self(
      new Telemetry(std::move(options), datapath, services, policies, Names(policies, services, cluster)));
  FL_TRY(auto counters, datapath.map("fl_counters"));
  FL_TRY(self->counters_, Counters::open(std::move(counters)));
  FL_TRY(auto pairs, datapath.map("fl_pairs"));
  FL_TRY(self->pairs_, Pairs::open(std::move(pairs)));
  FL_TRY(auto backends, datapath.map("fl_be_stats"));
  FL_TRY(self->backends_, BackendRows::open(std::move(backends)));
  FL_TRY(const auto events, datapath.map("fl_events"));
  FL_TRY(self->events_, Events::open(events, self->names_, loop));
  self->events_->on_followed([&datapath](bool followed) { datapath.settings().open_events = followed; });
  datapath.settings().open_events = 0;
  if (!self->options_.flow_log.empty()) FL_CHECK(self->events_->log_to(self->options_.flow_log));
  FL_TRY(self->account_, kernel::Walk::open_if_taken(datapath.loaded(), "fl_account", "fl_socks"));
  const auto period = std::clamp<event::Loop::Clock::duration>(self->options_.keep_series / 10, 1s, 60s);
  loop.every(period, [raw = self.get()] {
    raw->retire();
    raw->retire_backends();
  });
  self->follow_udp();
  return self;
}

bool Telemetry::counts_udp() const {
  const auto& settings = datapath_.settings();
  return (settings.metrics != 0 || settings.events != 0) && services_.any_of_protocol(FL_UDP);
}

/// Where that fails all else goes on.
void Telemetry::follow_udp() {
  if (const auto followed = udp_bytes_.follow(counts_udp()); !followed)
    spdlog::error("counting the bytes of UDP: {}", followed.error().message);
}

void Telemetry::invalidate(const model::ChangeSet& changes) {
  names_.invalidate(changes);
  follow_udp();
}

void Telemetry::retire() {
  const auto series = pairs_.read();
  if (!series) {
    spdlog::error("{}", series.error().message);
    return;
  }
  const auto due =
      retiring_.due(*series, [&](const fl_pair_key& key) { return names_.is_gone(key); }, Retiring::Clock::now());
  if (const auto removed = pairs_.remove(due); !removed) spdlog::error("{}", removed.error().message);
  retired_ += due.size();
  names_.forget(*series);
}

/// Those of endpoints that are gone are not on the page: a connection that closes late makes its row anew, for a while.
void Telemetry::retire_backends() {
  const auto sums = backends_.read();
  if (!sums) {
    spdlog::error("{}", sums.error().message);
    return;
  }
  std::vector<fl_backend_key> gone;
  for (const auto& [key, stats] : *sums) {
    const auto backend = services_.backend(key.backend_id);
    if (!backend || backend->row.generation != key.generation || (backend->row.flags & FL_BACKEND_GONE) != 0)
      gone.push_back(key);
  }
  if (const auto removed = backends_.remove(gone); !removed) spdlog::error("{}", removed.error().message);
}

void Telemetry::sweep() {
  const auto now = monotonic_ns();
  if (!account_ || now - swept_ns_ < std::min(kSweepPeriodNs, kSweepShare * sweep_took_ns_)) return;
  if (const auto swept = account_->run([](std::span<const std::byte>) {}); !swept)
    spdlog::warn("counting the bytes of living connections: {}", swept.error().message);
  swept_ns_ = monotonic_ns();
  sweep_took_ns_ = swept_ns_ - now;
}

Result<std::vector<Pair>> Telemetry::pairs() {
  sweep();
  return pairs_.read();
}

Result<BackendSums> Telemetry::backends() {
  sweep();
  return backends_.read();
}

Result<std::string> Telemetry::page(metrics::Format format) {
  metrics::Page page;
  FL_TRY(const auto series, pairs());
  FL_TRY(const auto sums, backends());
  FL_TRY(const auto counts, counters());
  FL_TRY(const auto fills, maps());
  add_pairs(page, series, names_, options_.cluster_domain);
  add_counters(page, counts);
  add_services(page, services_, sums, monotonic_ns());
  add_maps(page, fills);
  page.family("fairlead_series_capacity", metrics::Type::kGauge, "rows that fit fl_pairs (max-series)")
      .add("", static_cast<double>(series_capacity()));
  page.family("fairlead_policy_write_failures", metrics::Type::kCounter, kUnwrittenPolicies)
      .add("", policies_.failures());
  const auto& unwritten = policies_.unwritten();
  page.family("fairlead_closed_workloads", metrics::Type::kGauge,
              "addresses that are closed since their policies could not be written")
      .add("", static_cast<double>(unwritten ? unwritten->closed : 0));
  page.family("fairlead_retired_series", metrics::Type::kCounter,
              "series that were removed: an end or the service was gone, and nothing was added for keep-series")
      .add("", retired_);
  page.family("fairlead_lost_flow_lines", metrics::Type::kCounter, kLostLines).add("", events_->lost_lines());
  page.family("fairlead_build", metrics::Type::kInfo, "version of the agent")
      .add(metrics::label_text({{"version", FAIRLEAD_VERSION}}), 1.0);
  return page.print(format);
}

}  // namespace fairlead::telemetry
