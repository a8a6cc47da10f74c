// SPDX-License-Identifier: Apache-2.0
#include "agent/kernel/replaced.hpp"

#include <bpf/bpf.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>
#include <string_view>

#include "agent/kernel/info.hpp"

namespace fairlead::kernel {
namespace {

std::vector<std::uint32_t> maps_of_program(std::uint32_t id) {
  const Fd program(bpf_prog_get_fd_by_id(id));
  if (!program) return {};
  const auto count = info_of<bpf_prog_info>(program.get());
  if (!count || count->nr_map_ids == 0) return {};
  std::vector<std::uint32_t> ids(count->nr_map_ids);
  bpf_prog_info info{};
  info.nr_map_ids = count->nr_map_ids;
  info.map_ids = reinterpret_cast<std::uint64_t>(ids.data());
  std::uint32_t length = sizeof info;
  if (bpf_obj_get_info_by_fd(program.get(), &info, &length) != 0) return {};
  ids.resize(std::min<std::size_t>(ids.size(), info.nr_map_ids));
  return ids;
}

}  // namespace

std::vector<Fd> maps_in_use(const PinDirectory& pins, const std::string& name) {
  std::map<std::uint32_t, Fd, std::greater<>> found;  // numbers only grow
  const auto take = [&](Fd map) {
    const auto info = map ? info_of<bpf_map_info>(map.get()) : std::nullopt;
    if (info && name == info->name) found.try_emplace(info->id, std::move(map));
  };
  for (const auto& pin : pins.names()) {
    if (!pin.starts_with("link_")) continue;
    const Fd link = pins.open(pin);
    const auto info = link ? info_of<bpf_link_info>(link.get()) : std::nullopt;
    if (!info) continue;
    for (const auto id : maps_of_program(info->prog_id)) take(Fd(bpf_map_get_fd_by_id(id)));
  }
  take(pins.open(name));
  std::vector<Fd> maps;
  for (auto& [id, map] : found) maps.push_back(std::move(map));
  return maps;
}

Result<Fd> map_inside(int outer) {
  const std::uint32_t zero = 0;
  std::uint32_t id = 0;
  if (bpf_map_lookup_elem(outer, &zero, &id) != 0) return fail(system_error("reading an array of maps", errno));
  Fd inner(bpf_map_get_fd_by_id(id));
  if (!inner) return fail(system_error("opening map " + std::to_string(id), errno));
  return inner;
}

namespace {

using Ids = std::set<std::uint32_t>;

/// Joins sets that have a number in common.
void join(std::vector<Ids>& sets, Ids ids) {
  for (auto each = sets.begin(); each != sets.end();) {
    const bool shared = std::ranges::any_of(*each, [&](auto id) { return ids.contains(id); });
    if (shared) ids.merge(*each);
    each = shared ? sets.erase(each) : each + 1;
  }
  sets.push_back(std::move(ids));
}

std::vector<Ids> ids_by_agent(const PinDirectory& pins) {
  std::vector<Ids> sets;
  Ids pinned;
  for (const auto& pin : pins.names()) {
    const Fd fd = pins.open(pin);
    if (!fd) continue;
    if (pin.starts_with("link_")) {
      const auto info = info_of<bpf_link_info>(fd.get());
      const auto ids = info ? maps_of_program(info->prog_id) : std::vector<std::uint32_t>();
      if (!ids.empty()) join(sets, {ids.begin(), ids.end()});
    } else if (const auto info = info_of<bpf_map_info>(fd.get());
               info && info->name[0] != '\0' && pin.starts_with(info->name)) {  // what is no map has another name there
      pinned.insert(info->id);
    }
  }
  // Pins of agents that died while they pinned may be mixed: they count where no program runs.
  if (sets.empty() && !pinned.empty()) sets.push_back(std::move(pinned));
  std::ranges::sort(sets, [](const Ids& a, const Ids& b) { return *a.rbegin() > *b.rbegin(); });
  return sets;
}

}  // namespace

std::vector<MapSet> agents_in_use(const PinDirectory& pins) {
  constexpr std::string_view kTable = "_of";
  std::vector<MapSet> agents;
  for (const auto& ids : ids_by_agent(pins)) {
    MapSet maps;
    for (const auto id : ids) {
      Fd map(bpf_map_get_fd_by_id(id));
      const auto info = map ? info_of<bpf_map_info>(map.get()) : std::nullopt;
      if (!info) continue;
      std::string name = info->name;
      if (name.ends_with(kTable)) {
        auto inner = map_inside(map.get());
        if (!inner) continue;
        maps.insert_or_assign(name.substr(0, name.size() - kTable.size()), std::move(*inner));
      } else {
        maps.try_emplace(std::move(name), std::move(map));
      }
    }
    agents.push_back(std::move(maps));
  }
  return agents;
}

}  // namespace fairlead::kernel
