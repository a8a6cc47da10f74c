// SPDX-License-Identifier: Apache-2.0
#include "agent/datapath/recount.hpp"

#include <algorithm>
#include <cstdlib>

namespace fairlead::datapath {
namespace {

// With connections coming and going at random, each walk has a fair chance to find a counter too high; so many in a
// row are an accident in one of 128 counters under load.
constexpr std::size_t kWalks = 8;

struct Counts {
  std::uint32_t active;
  std::uint32_t pending;
};

template <class State>
Counts read(const State& state) {
  return {__atomic_load_n(&state.active, __ATOMIC_RELAXED), __atomic_load_n(&state.pending, __ATOMIC_RELAXED)};
}

template <class State>
std::vector<Counts> read_all(const kernel::ArrayTable<State>& table) {
  std::vector<Counts> counts(table.size());
  for (std::uint32_t row = 0; row < table.size(); ++row) counts[row] = read(table[row]);
  return counts;
}

/// How far the counter was too high during the walk, at least; 0 where it may have been right.
std::int32_t excess(std::uint32_t before, std::uint32_t after, std::uint32_t truth) {
  // Differences, as a counter that missed a connection's begin went below zero, which wraps.
  const auto a = static_cast<std::int32_t>(before - truth);
  const auto b = static_cast<std::int32_t>(after - truth);
  if (a > 0 && b > 0) return std::min(a, b);
  if (a < 0 && b < 0) return std::max(a, b);
  return 0;
}

std::int32_t nearer_to_zero(std::int32_t a, std::int32_t b) {
  if ((a > 0) != (b > 0)) return 0;
  return std::abs(a) < std::abs(b) ? a : b;
}

}  // namespace

Result<Recount> Recount::open(const kernel::Loaded& loaded) {
  FL_TRY(auto walk, kernel::Walk::open(loaded, "fl_sweep_count", "fl_socks"));
  FL_TRY(Fd found, loaded.map("fl_recount"));
  FL_TRY(auto map, (kernel::HashMap<fl_recount_key, fl_recount>::from_fd(std::move(found))));
  return Recount(std::move(walk), std::move(map));
}

Result<Recount::Found> Recount::walk(const ServiceTables& tables) {
  const auto empty = [this]() -> Result<kernel::Rows<fl_recount_key, fl_recount>> {
    FL_TRY(auto rows, found_.dump());
    std::vector<fl_recount_key> keys;
    for (const auto& [key, unused] : rows) keys.push_back(key);
    FL_CHECK(found_.remove(keys));
    return rows;
  };
  FL_CHECK(empty());  // what an agent left that was killed in here
  FL_CHECK(walk_.run([](auto) {}));
  FL_TRY(const auto rows, empty());
  Found found;
  for (const auto& [key, value] : rows) {
    const bool service = key.kind == FL_RECOUNT_SERVICE;
    const std::uint32_t size = service ? tables.service_states.size() : tables.backend_states.size();
    if (key.row >= size) continue;
    const auto generation =
        service ? tables.service_states[key.row].generation : tables.backend_states[key.row].generation;
    if (key.generation == generation) found[{key.kind, key.row}] = value;
  }
  return found;
}

Result<Recounted> Recount::run(const ServiceTables& tables) {
  Suspects suspects;
  Recounted result;
  FL_CHECK(walk(tables));  // sockets that were counted as something else are put right by it, and so counters move
  for (; result.walks < kWalks && (result.walks == 0 || !suspects.empty()); ++result.walks) {
    const auto services = read_all(tables.service_states);
    const auto backends = read_all(tables.backend_states);
    FL_TRY(const auto found, walk(tables));
    Suspects now;
    const auto judge = [&](fl_recount_kind kind, std::uint32_t row, const Counts& before, const Counts& after) {
      const auto place = found.find({kind, row});
      const fl_recount truth = place == found.end() ? fl_recount{} : place->second;
      for (const bool pending : {false, true}) {
        const auto off = pending ? excess(before.pending, after.pending, truth.pending)
                                 : excess(before.active, after.active, truth.active);
        if (off == 0) continue;
        const Counter counter{kind, row, pending};
        if (result.walks == 0) now[counter] = off;
        else if (const auto old = suspects.find(counter);
                 old != suspects.end() && nearer_to_zero(old->second, off) != 0)
          now[counter] = nearer_to_zero(old->second, off);
      }
    };
    for (std::uint32_t row = 1; row < services.size(); ++row)
      judge(FL_RECOUNT_SERVICE, row, services[row], read(tables.service_states[row]));
    for (std::uint32_t row = 1; row < backends.size(); ++row)
      judge(FL_RECOUNT_BACKEND, row, backends[row], read(tables.backend_states[row]));
    suspects = std::move(now);
  }
  for (const auto& [counter, off] : suspects) {
    const auto correct = [&](auto& state) {
      __atomic_fetch_sub(counter.pending ? &state.pending : &state.active, static_cast<std::uint32_t>(off),
                         __ATOMIC_RELAXED);
    };
    if (counter.kind == FL_RECOUNT_SERVICE) correct(tables.service_states[counter.row]);
    else correct(tables.backend_states[counter.row]);
  }
  result.corrected = suspects.size();
  return result;
}

}  // namespace fairlead::datapath
