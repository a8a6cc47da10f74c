// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/datapath/services.hpp"
#include "agent/kernel/map.hpp"
#include "agent/kernel/replaced.hpp"
#include "fairlead/base/result.hpp"

namespace fairlead::datapath {

/// Takes over from replaced maps what belongs to no one socket: session affinity, the peers of unconnected UDP sockets,
/// who asked whom, and what is known of backends. Rows are found again by addresses, as their numbers mean nothing
/// here. Owner: the agent, while it starts. Thread: main.
class Inheritance {
 public:
  using MapOf = std::function<Result<Fd>(const std::string& name)>;

  /// old: the maps of one agent; ours: gives our map of a name. services: with the configuration in the tables.
  static Result<Inheritance> open(const kernel::MapSet& old, const MapOf& ours, const Services& services);

  /// Rows that are ours already stay: they are newer. May be called again, for what came in between. Gives how many
  /// there were.
  Result<std::size_t> take_rows();
  /// Adds what was counted of services and backends; once, when nobody counts there any more.
  void add_totals();

  /// What cannot be taken over, as its map has another layout: "session affinity", ...
  [[nodiscard]] const std::vector<std::string>& missing() const { return missing_; }
  /// Our number of an old service; nothing: it is gone.
  [[nodiscard]] std::optional<std::uint32_t> service(std::uint32_t old_id) const;

  /// A row of our fl_backends, with its generation.
  struct Place {
    std::uint32_t row = 0;
    std::uint32_t generation = 0;
  };
  /// Ours of an old row; nothing: it is gone.
  [[nodiscard]] std::optional<Place> backend(std::uint32_t old_row, std::uint32_t old_generation) const;

 private:
  /// A map of both agents.
  struct Both {
    Fd old, ours;
  };
  explicit Inheritance(const Services& services) : services_(services) {}
  [[nodiscard]] static std::optional<Both> both(const kernel::MapSet& old, const MapOf& ours, const char* name);
  Result<> match_services(const Both& frontends);
  Result<> match_backends(const Both& backends);
  Result<std::size_t> take_affinity() const;
  Result<std::size_t> take_udp_peers() const;
  Result<std::size_t> take_asked() const;
  void take_states();
  void take_ejection(std::uint32_t old_row, const Place& place);

  const Services& services_;
  std::vector<std::string> missing_;
  std::unordered_map<std::uint32_t, std::uint32_t> service_ids_;  // old -> ours
  std::unordered_map<std::uint32_t, Place> backend_rows_;  // old row -> ours
  std::unordered_map<std::uint32_t, std::uint32_t> generations_;  // of old rows
  std::unordered_map<std::uint32_t, std::uint64_t> ejected_until_;  // by old row, as it was taken
  std::unordered_map<std::uint32_t, std::uint32_t> state_rows_;  // of services, old -> ours
  std::optional<Both> affinity_, udp_peers_, asked_;
  std::optional<kernel::Array<fl_backend_state>> old_backends_;
  std::optional<kernel::Array<fl_service_state>> old_services_;
};

}  // namespace fairlead::datapath
