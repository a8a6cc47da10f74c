// SPDX-License-Identifier: Apache-2.0
#include "agent/succession.hpp"

#include <bpf/bpf.h>
#include <spdlog/spdlog.h>

#include <cerrno>
#include <set>
#include <unordered_map>

#include "agent/datapath/recount.hpp"
#include "agent/kernel/layout.hpp"
#include "agent/telemetry/counters.hpp"
#include "fairlead/abi/policy.h"

namespace fairlead::agent {
namespace {

/// Runs a program that adds something to our maps.
template <class Context>
Result<> add_by(int program, Context context) {
  LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = &context, .ctx_size_in = sizeof context);
  if (program < 0) return fail("this kernel did not take it", ENOTSUP);
  if (const int error = bpf_prog_test_run_opts(program, &options); error != 0)
    return fail(system_error("running it", -error));
  return {};
}

Result<kernel::HashMap<fl_addr, fl_workload>> workloads_of(const Fd& map) {
  FL_TRY(Fd copy, kernel::duplicate(map.get()));
  return kernel::HashMap<fl_addr, fl_workload>::from_fd(std::move(copy));
}

using Numbers = std::unordered_map<std::uint32_t, std::uint32_t>;

/// Numbers of workloads, old to ours, by their addresses.
Result<Numbers> match_workloads(const Fd& old, const Fd& ours) {
  FL_TRY(const auto known, workloads_of(ours));
  FL_TRY(const auto before, workloads_of(old));
  FL_TRY(const auto rows, before.dump());
  Numbers numbers;
  for (const auto& [address, row] : rows) {
    FL_TRY(const auto found, known.find(address));
    if (found) numbers.try_emplace(row.workload_id, found->workload_id);
  }
  return numbers;
}

/// Writes the one row of an array.
Result<> put_row(const Fd& map, std::uint32_t value) {
  const std::uint32_t zero = 0;
  if (bpf_map_update_elem(map.get(), &zero, &value, BPF_ANY) != 0) return fail(system_error("writing a map", errno));
  return {};
}

/// Of a workload that is gone the number stays: it is nobody's.
void renumber(std::uint32_t& workload, const Numbers& numbers) {
  if (const auto found = numbers.find(workload); found != numbers.end()) workload = found->second;
}

}  // namespace

Succession::Succession(const kernel::Datapath& datapath, const datapath::Services& services)
    : datapath_(datapath), services_(services) {}

Result<> Succession::open() {
  FL_TRY(const auto old, datapath_.replaced_maps("fl_socks"));
  if (old.empty()) return {};
  FL_TRY(carry_, datapath::Carry::open(datapath_.loaded(), old));
  return {};
}

Result<> Succession::carry_and_count() {
  FL_TRY(const auto sockets, carry_->run(services_));
  // Counters first stand still (the programs that write them are not in force yet), so that no connection that closes
  // right after the change finds a zero to be taken from.
  FL_TRY(auto recount, datapath::Recount::open(datapath_.loaded()));
  FL_TRY(const auto counted, recount.run(services_.tables()));
  spdlog::debug("{} connections in the maps that are replaced, {} counters", sockets, counted.corrected);
  return {};
}

Result<> Succession::open_estates() {
  old_ = datapath_.replaced_agents();
  for (const auto& maps : old_) {
    FL_TRY(auto inheritance,
           datapath::Inheritance::open(
               maps, [&](const std::string& name) { return datapath_.map_in_force(name); }, services_));
    inheritances_.push_back(std::move(inheritance));
  }
  report_missing();
  return {};
}

Result<> Succession::take_rows() {
  for (std::size_t i = 0; i < inheritances_.size(); ++i) {
    FL_TRY(const auto rows, inheritances_[i].take_rows());
    spdlog::debug("{} rows of affinity and of datagrams in the maps that are replaced", rows);
  }
  return {};
}

/// Programs of ours that receive find in there what programs of the old one that send write meanwhile.
Result<> Succession::show_udp_peers(const kernel::MapSet& old) const {
  const auto peers = old.find("fl_udp_peers");
  FL_TRY(const Fd ours, datapath_.map("fl_udp_peers"));
  if (peers == old.end() || !kernel::same_rows(peers->second.get(), ours.get())) return {};
  FL_TRY(const Fd before, datapath_.map("fl_udp_before"));
  FL_CHECK(put_row(before, static_cast<std::uint32_t>(peers->second.get())));
  return list_udp_held(old);
}

/// What sockets of the old one hold is in its fl_udp_peers afterwards, and stays there.
Result<> Succession::list_udp_held(const kernel::MapSet& old) const {
  const auto held = old.find("fl_udp_held");
  const auto rows = old.find("fl_udp_rows");
  if (held == old.end() || rows == old.end()) return {};  // before ABI 10 all of it is there anyway
  FL_TRY(const Fd ours, datapath_.map("fl_udp_held"));
  if (!kernel::same_rows(held->second.get(), ours.get())) {
    spdlog::warn("not carried over, as the maps of the agent before have another layout: backends of UDP sockets");
    return {};
  }
  // First, so that nothing is held behind the walk's back.
  FL_CHECK(put_row(rows->second, 1));
  FL_TRY(const auto walk, kernel::Walk::open(datapath_.loaded(), "fl_carry_held", "fl_udp_held", held->second));
  return walk.run([](auto) {});
}

Result<> Succession::hide_udp_peers() const {
  FL_TRY(const Fd before, datapath_.map("fl_udp_before"));
  const std::uint32_t zero = 0;
  if (bpf_map_delete_elem(before.get(), &zero) != 0 && errno != ENOENT)
    return fail(system_error("emptying fl_udp_before", errno));
  return {};
}

Result<std::size_t> Succession::add_series(const kernel::MapSet& old, const datapath::Inheritance& inheritance) const {
  const auto pairs = old.find("fl_pairs");
  const auto workloads = old.find("fl_workloads");
  if (pairs == old.end() || workloads == old.end()) return 0U;
  FL_TRY(const Fd ours, datapath_.map("fl_pairs"));
  FL_TRY(const Fd our_workloads, datapath_.map_in_force("fl_workloads"));
  if (!kernel::same_rows(pairs->second.get(), ours.get()) ||
      !kernel::same_rows(workloads->second.get(), our_workloads.get())) {
    spdlog::warn("not carried over, as the maps of the agent before have another layout: series");
    return 0U;
  }
  FL_TRY(const auto numbers, match_workloads(workloads->second, our_workloads));
  FL_TRY(Fd copy, kernel::duplicate(pairs->second.get()));
  FL_TRY(const auto reader, telemetry::Pairs::open(std::move(copy)));
  FL_TRY(const auto rows, reader.read());
  std::size_t added = 0;
  for (const auto& row : rows) {
    fl_carried_pair carried{.key = row.key, .stats = row.stats};
    renumber(carried.key.source_workload, numbers);
    renumber(carried.key.destination_workload, numbers);
    if (carried.key.service_id != 0) {
      const auto service = inheritance.service(carried.key.service_id);
      if (!service) continue;  // the number may be another's now
      carried.key.service_id = *service;
    }
    FL_CHECK(add_by(datapath_.program("fl_carry_pair"), carried));
    ++added;
  }
  return added;
}

Result<> Succession::add_backend_series(const kernel::MapSet& old, const datapath::Inheritance& inheritance) const {
  const auto rows = old.find("fl_be_stats");
  if (rows == old.end()) return {};  // before ABI 9
  FL_TRY(const Fd ours, datapath_.map("fl_be_stats"));
  if (!kernel::same_rows(rows->second.get(), ours.get())) {
    spdlog::warn("not carried over, as the maps of the agent before have another layout: series of endpoints");
    return {};
  }
  FL_TRY(Fd copy, kernel::duplicate(rows->second.get()));
  FL_TRY(const auto reader, telemetry::BackendRows::open(std::move(copy)));
  FL_TRY(const auto sums, reader.read());
  for (const auto& [key, stats] : sums) {
    const auto place = inheritance.backend(key.backend_id, key.generation);
    if (!place) continue;
    FL_CHECK(
        add_by(datapath_.program("fl_carry_backend"),
               fl_carried_backend{.key = {.backend_id = place->row, .generation = place->generation}, .stats = stats}));
  }
  return {};
}

Result<> Succession::add_counters(const kernel::MapSet& old) const {
  const auto counters = old.find("fl_counters");
  FL_TRY(const Fd ours, datapath_.map("fl_counters"));
  if (counters == old.end() || !kernel::same_rows(counters->second.get(), ours.get())) return {};
  FL_TRY(Fd copy, kernel::duplicate(counters->second.get()));
  FL_TRY(const auto reader, telemetry::Counters::open(std::move(copy)));
  FL_TRY(const auto sums, reader.read());
  for (std::uint32_t counter = 0; counter < sums.size(); ++counter)
    if (sums[counter] != 0)
      FL_CHECK(add_by(datapath_.program("fl_carry_count"),
                      fl_carried_count{.counter = counter, .pad = 0, .value = sums[counter]}));
  return {};
}

void Succession::report_missing() const {
  std::set<std::string> missing;
  for (const auto& inheritance : inheritances_)
    missing.insert(inheritance.missing().begin(), inheritance.missing().end());
  for (const auto& what : missing)
    spdlog::warn("not carried over, as the maps of the agent before have another layout: {}", what);
}

void Succession::prepare() {
  if (datapath_.adopted()) {
    // Of an agent that was about to replace these maps, and did not come to it.
    if (const auto rows = datapath_.map("fl_udp_rows"); rows) (void)put_row(*rows, 0);
    return;
  }
  auto done = open();
  if (done && carry_) done = carry_and_count();
  if (!done) {
    spdlog::warn("connections of the agent before are not carried over: {}", done.error().message);
    carry_.reset();
  }
  done = open_estates();
  if (done && !old_.empty()) done = show_udp_peers(old_.front());
  if (done) done = take_rows();
  if (!done) spdlog::warn("affinity and ejections of the agent before are not carried over: {}", done.error().message);
}

void Succession::complete() {
  if (carry_)
    if (const auto done = carry_and_count(); !done)
      spdlog::warn("the last connections of the agent before are not carried over: {}", done.error().message);
  carry_.reset();
  if (old_.empty()) return;
  auto done = take_rows();
  std::size_t series = 0;
  for (std::size_t i = 0; done && i < inheritances_.size(); ++i) {
    inheritances_[i].add_totals();
    const auto added = add_series(old_[i], inheritances_[i]);
    if (added) series += *added;
    done = added ? add_backend_series(old_[i], inheritances_[i]) : Result<>(fail(added.error()));
    if (done) done = add_counters(old_[i]);
  }
  if (const auto hidden = hide_udp_peers(); !hidden && done) done = fail(hidden.error());
  if (!done) spdlog::warn("counts of the agent before are not carried over: {}", done.error().message);
  else spdlog::info("carried over what the agent before knew, {} series among it", series);
  inheritances_.clear();
  old_.clear();
}

}  // namespace fairlead::agent
