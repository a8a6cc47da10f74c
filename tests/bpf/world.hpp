// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdlib>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "agent/datapath/services.hpp"
#include "bpf/native.h"

namespace fairlead::test {

/// Questions to ask: a million, or fewer where the kernel is emulated.
inline std::uint32_t questions() { return std::getenv("FAIRLEAD_VM") != nullptr ? 50'000 : 1'000'000; }

/// Random numbers with a seed of their own, the same on every machine.
/// Owner: the test. Thread: one.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : engine_(seed) {}
  std::uint64_t word() { return engine_(); }
  std::uint32_t below(std::uint32_t bound) { return static_cast<std::uint32_t>(engine_() % bound); }
  bool percent(std::uint32_t share) { return below(100) < share; }

 private:
  std::mt19937_64 engine_;
};

/// Tables of services as no configuration would make them, in valid and in odd states: what the kernel holds and what
/// the native build reads, the same at the start.
/// Owner: the test. Thread: one; a World is the one that native_find() serves.
class World {
 public:
  static constexpr std::uint32_t kServices = 24;
  static constexpr std::uint32_t kBackends = 512;
  static constexpr std::uint32_t kSlots = 4096;
  static constexpr std::uint64_t kNow = 1'000'000'000'000;

  World(std::uint64_t seed, const fl_settings& settings);

  /// Writes everything to the kernel's tables, those of a World before this one replaced.
  [[nodiscard]] Result<> load(datapath::ServiceTables& tables) const;
  [[nodiscard]] fl_choice question();
  void* find(native_table table, const void* key);
  void store(native_table table, const void* key, const void* value);
  /// Which state differs from the kernel's; empty: none.
  [[nodiscard]] std::string difference(const datapath::ServiceTables& tables) const;

 private:
  using Bytes = std::string;
  void make_backends(std::uint32_t service);
  void make_service(std::uint32_t id);
  void make_frontends();
  fl_slot make_slot(std::uint32_t backend, std::uint32_t count);
  void make_levels(std::uint32_t id, fl_service& row, std::uint32_t first_backend, std::uint32_t backends);

  Dice dice_;
  fl_settings settings_;
  std::vector<fl_slot> slots_;
  std::vector<fl_backend> backends_;
  std::vector<fl_backend_state> backend_states_;
  std::vector<fl_service_state> service_states_;
  std::map<std::uint32_t, fl_service> services_;
  std::map<std::uint32_t, fl_maglev> maglevs_;
  std::map<Bytes, fl_frontend> frontends_;
  std::map<Bytes, std::uint32_t> nodes_;
  std::map<Bytes, fl_affinity> affinity_;
  std::vector<fl_frontend_key> asked_;
  std::uint32_t next_backend_ = 1;
  std::uint32_t next_slot_ = 0;
};

}  // namespace fairlead::test
