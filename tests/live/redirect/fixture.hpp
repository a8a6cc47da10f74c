// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bpf/libbpf.h>

#include <cstdint>
#include <string>
#include <vector>

#include "fairlead/abi/metric.h"
#include "live/lifecycle/agent_fixture.hpp"
#include "live/redirect/pair.hpp"
#include "support/netns.hpp"
#include "support/wait.hpp"

namespace fairlead::test {

/// An agent that redirects in a cgroup of its own, and connections in it.
class RedirectTest : public AgentTest {
 protected:
  RedirectTest() { cgroup_.enter(); }

  /// Redirects everything, the test itself included.
  std::unique_ptr<Process> start_all() const { return start({"--redirect", "all", "--redirect-programs", own_name()}); }
  static std::string own_name() {
    std::string name;
    std::getline(std::ifstream("/proc/self/comm"), name);
    return name;
  }
  /// flags: SOCK_NONBLOCK or 0, for both ends.
  Pair connect_pair(int flags = SOCK_NONBLOCK) const {
    Pair pair;
    netns_.in([&] { pair = make_pair_here(flags); });
    return pair;
  }
  Pair connect_pair(const std::string& from, const std::string& to) const {
    Pair pair;
    netns_.in([&] { pair = make_pair_here(SOCK_NONBLOCK, from, to); });
    return pair;
  }
  /// For connections from now on, as if the agent had been started that way.
  void set_mode(fl_redirect_mode mode) const {
    auto row = settings();
    row.redirect = mode;
    const std::uint32_t zero = 0;
    bpf_map_update_elem(pin("fl_settings").get(), &zero, &row, BPF_ANY);
  }
  std::uint64_t counter(fl_counter which) const {
    std::vector<std::uint64_t> values(static_cast<std::size_t>(libbpf_num_possible_cpus()));
    bpf_map_lookup_elem(pin("fl_counters").get(), &which, values.data());
    std::uint64_t sum = 0;
    for (const auto value : values) sum += value;
    return sum;
  }
  /// Ping-pong until both directions are redirected.
  bool warm_up(const Pair& pair) const {
    return eventually([&] {
      const auto before = counter(FL_C_REDIRECT_MESSAGES);
      return ping(pair) && counter(FL_C_REDIRECT_MESSAGES) == before + 2;
    });
  }

  Netns netns_{"redirect"};
};

}  // namespace fairlead::test
