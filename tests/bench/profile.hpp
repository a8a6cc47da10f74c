// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <cstdio>
#include <filesystem>
#include <map>
#include <string>
#include <utility>

#include "fairlead/base/fd.hpp"

namespace fairlead::bench {

/// What each pinned program runs and takes between two readings, by the kernel's own statistics, which are switched on
/// while this lives. They cost two clock readings a run themselves.
/// Owner: the benchmark. Thread: one.
class Profile {
 public:
  explicit Profile(std::string pins) : pins_(std::move(pins)), enabled_(bpf_enable_stats(BPF_STATS_RUN_TIME)) {
    start_ = read();
  }
  /// Prints runs for each step and time of each run, and gives the sum for a step in microseconds.
  double print(std::FILE* to, int steps) const {
    double sum = 0;
    for (const auto& [name, now] : read()) {
      const auto before = start_.contains(name) ? start_.at(name) : Cost{};
      const auto runs = static_cast<double>(now.runs - before.runs), ns = static_cast<double>(now.ns - before.ns);
      if (runs == 0) continue;
      std::fprintf(to, "    %-16s %6.2f runs of %5.0f ns: %6.3f us\n", name.c_str(), runs / steps, ns / runs,
                   ns / steps / 1000);
      sum += ns / steps / 1000;
    }
    std::fprintf(to, "    %-16s %31.3f us\n", "all", sum);
    return sum;
  }

 private:
  struct Cost {
    std::uint64_t runs = 0, ns = 0;
  };
  [[nodiscard]] std::map<std::string, Cost> read() const {
    std::map<std::string, Cost> costs;
    for (const auto& entry : std::filesystem::directory_iterator(pins_)) {
      const auto file = entry.path().filename().string();
      if (!file.starts_with("link_")) continue;
      const Fd link(bpf_obj_get(entry.path().c_str()));
      bpf_link_info info{};
      std::uint32_t size = sizeof info;
      if (!link || bpf_obj_get_info_by_fd(link.get(), &info, &size) != 0) continue;
      const Fd program(bpf_prog_get_fd_by_id(info.prog_id));
      bpf_prog_info row{};
      size = sizeof row;
      if (program && bpf_obj_get_info_by_fd(program.get(), &row, &size) == 0)
        costs[row.name] = {.runs = row.run_cnt, .ns = row.run_time_ns};
    }
    return costs;
  }
  std::string pins_;
  Fd enabled_;
  std::map<std::string, Cost> start_;
};

}  // namespace fairlead::bench
