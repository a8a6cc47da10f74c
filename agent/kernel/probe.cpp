// SPDX-License-Identifier: Apache-2.0
#include "agent/kernel/probe.hpp"

#include <bpf/libbpf.h>

#include <cstdarg>
#include <cstdio>
#include <sstream>

#include "datapath.skel.h"

namespace fairlead::kernel {
namespace {

constexpr std::size_t kKeep = 64 * 1024;
thread_local std::string kept;

int keep_line(libbpf_print_level level, const char* format, va_list arguments) {
  if (level == LIBBPF_DEBUG) return 0;
  char line[8192];
  const int length = std::vsnprintf(line, sizeof line, format, arguments);
  if (length > 0) kept.append(line);
  if (kept.size() > kKeep) kept.erase(0, kept.size() - kKeep);
  return 0;
}

bool loads_alone(const std::string& name, std::string& reason) {
  LibbpfLog log;
  datapath* skeleton = datapath::open();
  if (skeleton == nullptr) {
    reason = "the object does not open: " + log.gist();
    return false;
  }
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, skeleton->obj)
      bpf_program__set_autoload(program, bpf_program__name(program) == name);
  const bool loaded = datapath::load(skeleton) == 0;
  if (!loaded) reason = log.gist();
  datapath::destroy(skeleton);
  return loaded;
}

}  // namespace

LibbpfLog::LibbpfLog() {
  kept.clear();
  libbpf_set_print(keep_line);
}
LibbpfLog::~LibbpfLog() { libbpf_set_print(nullptr); }
const std::string& LibbpfLog::text() const { return kept; }

std::string LibbpfLog::gist() const {
  // The verifier's complaint is the line before its closing statistics ("processed N insns ...").
  std::istringstream lines(kept);
  std::string before;
  std::string found;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("processed ") && !before.empty()) found = before;
    // What libbpf says after the cause, of the object as a whole.
    const bool closing = line.starts_with("libbpf: failed to load object") || line.starts_with("libbpf: failed to load BPF skeleton");
    if (!line.empty() && !line.starts_with("--") && !closing) before = line;
  }
  return found.empty() ? before : found;
}

bool is_optional(const bpf_program* program) {
  switch (bpf_program__type(program)) {
    case BPF_PROG_TYPE_CGROUP_SOCK_ADDR:
    case BPF_PROG_TYPE_CGROUP_SOCK:
    case BPF_PROG_TYPE_SOCK_OPS:
      return false;
    default:
      return true;
  }
}

std::vector<Feature> probe_programs() {
  std::vector<Feature> features;
  datapath* skeleton = datapath::open();
  if (skeleton == nullptr) return features;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, skeleton->obj) {
    if (!is_optional(program)) continue;
    Feature feature{.name = bpf_program__name(program), .available = false, .reason = {}};
    feature.available = loads_alone(feature.name, feature.reason);
    features.push_back(std::move(feature));
  }
  datapath::destroy(skeleton);
  return features;
}

}  // namespace fairlead::kernel
