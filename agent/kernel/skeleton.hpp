// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/kernel/links.hpp"
#include "agent/kernel/pins.hpp"
#include "agent/kernel/probe.hpp"
#include "agent/kernel/replaced.hpp"
#include "agent/kernel/walk.hpp"
#include "fairlead/abi/settings.h"
#include "fairlead/base/fd.hpp"
#include "fairlead/base/result.hpp"

namespace fairlead::kernel {

struct DatapathOptions {
  std::string cgroup;   ///< empty: root of the cgroup2 mount
  std::string pin_dir;
  std::vector<std::pair<std::string, std::uint32_t>> sizes;  ///< map -> entries, for maps that are made anew
  bool walk_by_namespace = false;  ///< as if the kernel let no program walk over socket storages: for tests
};

/// The kernel half: programs and maps. load() changes nothing that runs; the caller then fills the tables, and attach()
/// puts the programs in force, replacing those of an earlier agent link by link.
/// Owner: the agent. Thread: main.
class Datapath {
 public:
  static Result<std::unique_ptr<Datapath>> load(const DatapathOptions& options);
  ~Datapath();

  /// Attaches what belongs to the cgroup at all times, pins maps and links, removes pins that are not ours any more.
  Result<> attach();
  /// For programs that are attached only while they are needed (fl_guard and such).
  Result<> attach_program(const std::string& program);
  /// The same for tracing programs, which belong to no cgroup.
  Result<> attach_tracing(const std::string& program);
  Result<> detach_program(const std::string& program);

  /// Maps of an earlier agent are in use: their contents are to be adopted.
  [[nodiscard]] bool adopted() const { return adopted_; }
  /// Why they are not, for the log; empty on a first start.
  [[nodiscard]] const std::string& replaced_because() const { return replaced_because_; }
  /// A descriptor of the caller's own.
  [[nodiscard]] Result<Fd> map(const std::string& name) const;
  /// Where another agent's state is being replaced: its maps of this name, newest first, as far as their values have
  /// our layout. Before attach(), which lets them go.
  [[nodiscard]] Result<std::vector<Fd>> replaced_maps(const std::string& name) const;
  /// All of them by agents, the newest first, whatever their layout.
  [[nodiscard]] std::vector<MapSet> replaced_agents() const;
  /// The map in force under a name of the tables that grow; any other as map() has it.
  [[nodiscard]] Result<Fd> map_in_force(const std::string& name) const;
  /// The program's descriptor; -1 where this kernel did not take it or it does not exist.
  [[nodiscard]] int program(const std::string& name) const;
  /// The two above, for what walks over sockets. Not to outlive this.
  [[nodiscard]] Loaded loaded() const;
  [[nodiscard]] const std::vector<Feature>& features() const { return features_; }
  /// Why walks over sockets go by namespace (bpf/lib/walk.h); empty: they do not.
  [[nodiscard]] std::string walks_by_namespace() const;
  /// Whether nothing is lost without the program, as another form of the same walk does its work: all forms but one are
  /// left out.
  [[nodiscard]] bool is_replaceable(const std::string& program) const;
  [[nodiscard]] const PinDirectory& pins() const { return pins_; }
  [[nodiscard]] const Cgroup& cgroup() const { return cgroup_; }
  /// Row 0 of fl_settings, shared with the running programs.
  [[nodiscard]] fl_settings& settings() { return *settings_; }
  [[nodiscard]] const fl_settings& settings() const { return *settings_; }

 private:
  struct Skeleton;
  Datapath(PinDirectory pins, Cgroup cgroup);
  Result<> open(const DatapathOptions& options);
  /// Finds the optional programs, and those of them that need not be tried.
  void foresee(bool walk_by_namespace);
  [[nodiscard]] const Feature* feature(const std::string& name) const;
  [[nodiscard]] bool is_walk_of_protocol(const std::string& program) const;
  Result<bool> adopt_maps();
  /// False: the kernel did not take an optional program, which is now known as lacking: to be tried without it.
  Result<bool> load_programs();
  Result<> map_settings();
  Result<> pin_maps();
  Result<> remove_strangers();

  PinDirectory pins_;
  Cgroup cgroup_;
  std::unique_ptr<Skeleton> skeleton_;
  std::vector<Feature> features_;
  std::vector<std::string> attached_;
  bool adopted_ = false;
  std::string replaced_because_;
  fl_settings* settings_ = nullptr;
};

}  // namespace fairlead::kernel
