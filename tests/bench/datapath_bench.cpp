// SPDX-License-Identifier: Apache-2.0
// The kernel part of configuration: from objects in memory to rows in the kernel. Needs root.
#include <chrono>
#include <cstdio>

#include "agent/datapath/services.hpp"
#include "bench/figures.hpp"
#include "live/datapath/cluster.hpp"

namespace {

using namespace fairlead;

double milliseconds_of(auto&& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

bool measure(bench::Figures& figures, std::uint32_t count, int rounds) {
  std::vector<double> fill, change;
  for (int round = 0; round < rounds; ++round) {
    auto maps = test::Maps::load();
    if (!maps) return std::fprintf(stderr, "%s\n", maps.error().message.c_str()), false;
    auto services = test::open_services(**maps);
    if (!services) return std::fprintf(stderr, "%s\n", services.error().message.c_str()), false;
    model::Cluster cluster;
    bool good = true;
    const auto apply = [&](model::ChangeSet changes) {
      cluster.apply(changes);
      return milliseconds_of([&] { good = good && (*services)->apply(cluster, changes).has_value(); });
    };
    fill.push_back(apply(test::many_services(count, 3)));
    for (std::uint32_t i = 1; i <= 50; ++i) change.push_back(apply({test::slice_change(i, 3, 1)}));
    if (!good) return std::fprintf(stderr, "apply failed\n"), false;
  }
  const auto label = std::to_string(count) + " services x 3 endpoints: ";
  figures.add(label + "to the kernel's tables", bench::median(fill), "ms", count == 10'000 ? 100 : -1);
  figures.add(label + "one endpoint changed", bench::median(change), "ms");
  return true;
}

}  // namespace

int main(int count, char** arguments) {
  bench::Figures figures(count > 1 && std::string_view(arguments[1]) == "--json");
  return measure(figures, 10'000, 5) && measure(figures, 60'000, 3) ? 0 : 1;
}
