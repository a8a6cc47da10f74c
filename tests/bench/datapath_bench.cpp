// SPDX-License-Identifier: Apache-2.0
// The kernel part of configuration: from objects in memory to rows in the kernel. Needs root.
#include <algorithm>
#include <chrono>
#include <cstdio>

#include "agent/datapath/services.hpp"
#include "live/datapath/cluster.hpp"

namespace {

using namespace fairlead;

double milliseconds_of(auto&& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::ranges::nth_element(values, values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2));
  return values[values.size() / 2];
}

bool measure(std::uint32_t count, int rounds) {
  std::vector<double> fill, change;
  for (int round = 0; round < rounds; ++round) {
    auto maps = test::Maps::load();
    if (!maps) return std::fprintf(stderr, "%s\n", maps.error().message.c_str()), false;
    auto services = test::open_services(**maps);
    if (!services) return std::fprintf(stderr, "%s\n", services.error().message.c_str()), false;
    model::Cluster cluster;
    bool good = true;
    const auto apply = [&](const model::ChangeSet& changes) {
      cluster.apply(changes);
      return milliseconds_of([&] { good = good && (*services)->apply(cluster, changes).has_value(); });
    };
    fill.push_back(apply(test::many_services(count, 3)));
    for (std::uint32_t i = 1; i <= 50; ++i) change.push_back(apply({test::slice_change(i, 3, 1)}));
    if (!good) return std::fprintf(stderr, "apply failed\n"), false;
  }
  std::printf("%u services x 3 endpoints: %.1f ms; one endpoint changed: %.3f ms\n", count, median(fill), median(change));
  return true;
}

}  // namespace

int main() { return measure(10'000, 5) && measure(60'000, 3) ? 0 : 1; }
