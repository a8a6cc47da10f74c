// SPDX-License-Identifier: Apache-2.0
// What the process may use of the machine, by affinity and by the limits of its cgroup.
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <limits>
#include <sstream>

#include "fairlead/event/worker.hpp"

namespace fairlead::event {
namespace {

constexpr const char* kCgroups = "/sys/fs/cgroup";

std::string contents(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::optional<double> number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end == text.data()) return std::nullopt;
  return value;
}

/// Of this process: the path behind "0::" (version 2, no controller), or of a controller of version 1.
std::optional<std::string> cgroup_path(std::string_view controller) {
  std::istringstream lines(contents("/proc/self/cgroup"));
  for (std::string line; std::getline(lines, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const bool here = controller.empty() ? controllers == ",,"
                                         : controllers.find("," + std::string(controller) + ",") != std::string::npos;
    if (here) return line.substr(second + 1);
  }
  return std::nullopt;
}

/// The least limit from the process' group up to the root, each asked by limit_of(folder).
double least_limit(const std::string& root, std::string path, std::optional<double> (*limit_of)(const std::string&)) {
  double least = std::numeric_limits<double>::infinity();
  for (;;) {
    if (const auto limit = limit_of(root + path)) least = std::min(least, *limit);
    const auto slash = path.rfind('/');
    if (path.empty() || slash == std::string::npos) return least;
    path.resize(slash);
  }
}

std::optional<double> quota_2(const std::string& folder) { return parse_cpu_max(contents(folder + "/cpu.max")); }

std::optional<double> quota_1(const std::string& folder) {
  const auto quota = number(contents(folder + "/cpu.cfs_quota_us"));
  const auto period = number(contents(folder + "/cpu.cfs_period_us"));
  if (!quota || !period || *quota <= 0 || *period <= 0) return std::nullopt;
  return *quota / *period;
}

std::optional<double> memory_2(const std::string& folder) { return number(contents(folder + "/memory.max")); }
std::optional<double> memory_1(const std::string& folder) {
  return number(contents(folder + "/memory.limit_in_bytes"));
}

/// Of a controller, in both versions.
double limit_of(std::string_view controller, std::optional<double> (*by_2)(const std::string&),
                std::optional<double> (*by_1)(const std::string&)) {
  double least = std::numeric_limits<double>::infinity();
  if (auto path = cgroup_path("")) least = least_limit(kCgroups, std::move(*path), by_2);
  if (auto path = cgroup_path(controller))
    least = std::min(least, least_limit(std::string(kCgroups) + "/" + std::string(controller), std::move(*path), by_1));
  return least;
}

}  // namespace

std::optional<double> parse_cpu_max(std::string_view text) {
  const auto space = text.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  const auto quota = number(text.substr(0, space));
  const auto period = number(text.substr(space + 1));
  if (!quota || !period || *quota <= 0 || *period <= 0) return std::nullopt;
  return *quota / *period;
}

std::vector<int> allowed_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cpus;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return {0};  // more than CPU_SETSIZE (1024) CPUs
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(static_cast<std::size_t>(cpu), &set)) cpus.push_back(cpu);
  return cpus;
}

std::size_t usable_cpus() {
  const double quota = limit_of("cpu", quota_2, quota_1);
  const auto cpus = static_cast<double>(allowed_cpus().size());
  return static_cast<std::size_t>(std::max(1.0, std::min(cpus, std::ceil(quota))));
}

std::uint64_t usable_memory() {
  const double machine = static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
  return static_cast<std::uint64_t>(std::min(machine, limit_of("memory", memory_2, memory_1)));
}

}  // namespace fairlead::event
