// SPDX-License-Identifier: Apache-2.0
#include <sched.h>

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

/// Of this process: the path behind "0::" (version 2), or of the controller "cpu" (version 1).
std::optional<std::string> cgroup_path(bool version_2) {
  std::istringstream lines(contents("/proc/self/cgroup"));
  for (std::string line; std::getline(lines, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    if (version_2 ? controllers == ",," : controllers.find(",cpu,") != std::string::npos)
      return line.substr(second + 1);
  }
  return std::nullopt;
}

/// The least quota from the process' group up to the root, each asked by quota_of(folder).
double least_quota(const std::string& root, std::string path, std::optional<double> (*quota_of)(const std::string&)) {
  double least = std::numeric_limits<double>::infinity();
  for (;;) {
    if (const auto quota = quota_of(root + path)) least = std::min(least, *quota);
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
  double quota = std::numeric_limits<double>::infinity();
  if (auto path = cgroup_path(true)) quota = least_quota(kCgroups, std::move(*path), quota_2);
  if (auto path = cgroup_path(false))
    quota = std::min(quota, least_quota(std::string(kCgroups) + "/cpu", std::move(*path), quota_1));
  const auto cpus = static_cast<double>(allowed_cpus().size());
  return static_cast<std::size_t>(std::max(1.0, std::min(cpus, std::ceil(quota))));
}

}  // namespace fairlead::event
