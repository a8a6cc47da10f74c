// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "fairlead/abi/names.h"
#include "fairlead/abi/settings.h"
#include "fairlead/base/result.hpp"
#include "fairlead/model/mesh.hpp"

namespace fairlead::agent {

/// The daemon's own settings. Each is a key of the settings file and a flag of the same name.
struct Settings {
  std::string config = "/etc/fairlead/config";
  std::string cgroup;  ///< empty: root of the cgroup2 mount
  std::string pin_dir = FL_PIN_DIR;
  std::string run_dir = "/run/fairlead";
  std::string socket = "/run/fairlead/agent.sock";
  std::string metrics = "127.0.0.1:9464";
  std::string node;  ///< empty: the host's name
  std::string flow_log;
  std::string log_level = "info";
  fl_redirect_mode redirect = FL_REDIRECT_OPTED_IN;
  std::vector<std::string> redirect_programs;  ///< command names known never to splice from a socket
  model::Mesh mesh;
  bool balance = true;
  bool policy = true;
  bool default_deny = false;
  bool series = true;
  bool flows = true;
  bool label_unknown = false;
  bool end_tcp = false;
  std::uint32_t max_series = 16384;
  std::uint32_t keep_series = 300;  ///< seconds
  std::uint16_t node_port_low = 30000;
  std::uint16_t node_port_high = 32767;
};

/// One setting: its name, what may stand there, and how it is taken.
struct SettingKind {
  const char* name;
  const char* placeholder;  ///< of the value, in the help
  const char* standard;     ///< the default, in the help
  const char* expected;     ///< in errors
  const char* help;
  bool (*take)(Settings& settings, const std::string& value);
};

/// All of them; the settings file, the flags and the schema speak of the same.
[[nodiscard]] std::span<const SettingKind> setting_kinds();

/// `where` for the error: "settings.yaml:3: redirect" or "--redirect".
Result<> take_setting(Settings& settings, const std::string& where, const std::string& name, const std::string& value);

/// One YAML mapping of names to scalars; unknown names and repeated ones are errors.
Result<> read_settings(Settings& settings, const std::string& file);

}  // namespace fairlead::agent
