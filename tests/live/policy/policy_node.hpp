// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "fairlead/abi/metric.h"
#include "fairlead/abi/policy.h"
#include "fairlead/abi/settings.h"
#include "fairlead/base/address.hpp"
#include "live/policy/probes.hpp"
#include "support/agent_process.hpp"
#include "support/cgroup.hpp"
#include "support/command.hpp"
#include "support/pin_dir.hpp"
#include "support/server.hpp"
#include "support/test_node.hpp"
#include "support/wait.hpp"

namespace fairlead::test {

/// The address of the pod that is asked, and what its clients get that may not reach it.
inline constexpr const char* kServer = "10.244.0.3";
inline constexpr const char* kDenied = "errno Permission denied";

/// A node with pods, and an agent on it that is told of them by files. The test itself is in the agent's cgroup.
/// Owner: the test. Thread: one.
class PolicyNode {
 public:
  PolicyNode() : folder_(std::filesystem::temp_directory_path() / unique_name("policy")) {
    std::filesystem::create_directories(folder_ / "config");
    write("node",
          "apiVersion: v1\nkind: Node\nmetadata: {name: n1}\nstatus: {addresses: [{type: InternalIP, address: " +
              TestNode::address_v4() + "}]}\n");
    cgroup_.enter();
  }
  ~PolicyNode() {
    agent_.reset();  // it writes into the folder
    std::filesystem::remove_all(folder_);
  }
  PolicyNode(const PolicyNode&) = delete;
  PolicyNode& operator=(const PolicyNode&) = delete;

  /// A pod's namespace, and its object unless it is to come later.
  Netns& add_pod(const std::string& name, const std::string& address, bool configured = true) {
    Netns& pod = node_.add_pod(name, {address});
    if (configured) configure_pod(name, address);
    return pod;
  }
  void configure_pod(const std::string& name, const std::string& address) {
    write("pod-" + name,
          "apiVersion: v1\nkind: Pod\nmetadata: {name: " + name + ", namespace: default, labels: {app: " + name +
              "}}\nspec: {nodeName: n1, serviceAccountName: " + name +
              ", containers: [{name: main, image: x}]}\nstatus: {phase: Running, podIP: \"" + address + "\"}\n");
  }
  /// Replaces a file of the configuration in one step; empty text removes it.
  void write(const std::string& name, const std::string& text) const {
    const auto file = folder_ / "config" / (name + ".yaml");
    if (text.empty()) {
      std::filesystem::remove(file);
      return;
    }
    std::ofstream(folder_ / "new") << text;
    std::filesystem::rename(folder_ / "new", file);
  }
  void start_agent(const std::vector<std::string>& more = {}) {
    agent_.reset();
    agent_ = std::make_unique<AgentProcess>(AgentOptions{.config = folder_ / "config",
                                                         .cgroup = cgroup_.path(),
                                                         .pin_dir = pins_.path(),
                                                         .socket = folder_ / "agent.sock",
                                                         .run_dir = folder_ / "run",
                                                         .node = "n1",
                                                         .metrics = {},
                                                         .netns = node_.netns().path(),
                                                         .more = more});
    agent_->wait_ready();
  }
  /// Calls work() with the test outside of the agent's cgroup: what it opens then is a foreign client's.
  template <class Work>
  auto outside(const Work& work) {
    outside_.add(0);
    auto result = work();
    cgroup_.add(0);
    return result;
  }
  [[nodiscard]] fl_settings settings() const {
    fl_settings row{};
    const std::uint32_t zero = 0;
    const Fd map(bpf_obj_get((pins_.path() + "/fl_settings").c_str()));
    bpf_map_lookup_elem(map.get(), &zero, &row);
    return row;
  }
  /// The kernel's row of an address; all zero: none.
  [[nodiscard]] fl_workload workload(const std::string& address) const {
    fl_workload row{};
    const auto key = Address::parse(address)->raw();
    const Fd map(bpf_obj_get((pins_.path() + "/fl_workloads").c_str()));
    bpf_map_lookup_elem(map.get(), &key, &row);
    return row;
  }
  /// A counter of fl_counters, over all CPUs.
  [[nodiscard]] std::uint64_t counter(fl_counter number) const {
    std::vector<std::uint64_t> each(static_cast<std::size_t>(libbpf_num_possible_cpus()));
    const std::uint32_t key = number;
    const Fd map(bpf_obj_get((pins_.path() + "/fl_counters").c_str()));
    bpf_map_lookup_elem(map.get(), &key, each.data());
    return std::accumulate(each.begin(), each.end(), std::uint64_t{0});
  }
  [[nodiscard]] Process& agent() { return agent_->process(); }
  [[nodiscard]] AgentProcess& process() { return *agent_; }
  [[nodiscard]] const Netns& netns() const { return node_.netns(); }
  [[nodiscard]] std::string folder() const { return folder_; }
  [[nodiscard]] const std::string& pins() const { return pins_.path(); }

 private:
  std::filesystem::path folder_;
  TestNode node_;
  TempCgroup cgroup_{"policy"}, outside_{"outside"};
  PinDir pins_;
  std::unique_ptr<AgentProcess> agent_;
};

/// One NetworkPolicy or AuthorizationPolicy in namespace default.
inline std::string network_policy(const std::string& name, const std::string& spec) {
  return "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: " + name +
         ", namespace: default}\nspec: " + spec + "\n";
}
inline std::string authorization_policy(const std::string& name, const std::string& spec) {
  return "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: " + name +
         ", namespace: default}\nspec: " + spec + "\n";
}

}  // namespace fairlead::test
