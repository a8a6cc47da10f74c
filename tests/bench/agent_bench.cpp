// SPDX-License-Identifier: Apache-2.0
// The agent with a large configuration: from files to `ready` and what of that is the kernel's part, one endpoint
// changed until the kernel holds it, memory, CPU while nothing happens. The agent serves a cgroup and a network
// namespace of its own. Needs root. Usage: agent_bench [--json]
#include <arpa/inet.h>
#include <bpf/bpf.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "bench/cluster_text.hpp"
#include "bench/figures.hpp"
#include "fairlead/abi/service.h"
#include "fairlead/base/address.hpp"
#include "support/agent_process.hpp"
#include "support/cgroup.hpp"
#include "support/command.hpp"
#include "support/netns.hpp"
#include "support/pin_dir.hpp"

namespace {

using namespace fairlead;
using namespace std::chrono_literals;
using bench::Form;
using Clock = std::chrono::steady_clock;
namespace fs = std::filesystem;

constexpr std::uint32_t kMany = 10'000;
constexpr std::uint32_t kMost = 60'000;
constexpr int kStarts = 3;
constexpr std::uint32_t kChanges = 15;
constexpr auto kIdle = 12s;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

/// When it was about to be closed: the agent may be awake, and done, before close(2) returns.
Clock::time_point write(const fs::path& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary);
  out << text << std::flush;
  const auto closed = Clock::now();
  out.close();
  test::require(out.good(), "writing " + path.string());
  return closed;
}

/// Reads the kernel's tables as a program would.
/// Owner: main(). Thread: one.
class Tables {
 public:
  explicit Tables(const std::string& pins) {
    const auto open = [&](const char* name) { return Fd(bpf_obj_get((pins + "/" + name).c_str())); };
    frontends_ = open("fl_frontends");
    services_ = open("fl_services");
    slots_ = open("fl_slots");
    backends_ = open("fl_backends");
  }
  /// Whether connects to the service may go to the address.
  [[nodiscard]] bool leads_to(const std::string& service, const std::string& backend) const {
    const fl_frontend_key key{.addr = Address::parse(service)->raw(), .port = htons(80), .proto = FL_TCP, .pad = 0};
    const auto frontend = look_up<fl_frontend>(frontends_, key);
    const auto row = look_up<fl_service>(services_, frontend.service_id);
    const auto wanted = *Address::parse(backend);
    for (std::uint32_t i = 0; i < row.levels[0].count; ++i) {
      const auto slot = look_up<fl_slot>(slots_, row.levels[0].first + i);
      if (Address(look_up<fl_backend>(backends_, slot.backend_id).addr) == wanted) return true;
    }
    return false;
  }

 private:
  template <class Value, class Key>
  static Value look_up(const Fd& map, const Key& key) {
    Value value{};
    if (bpf_map_lookup_elem(map.get(), &key, &value) != 0) value = {};
    return value;
  }
  Fd frontends_, services_, slots_, backends_;
};

/// An agent over one directory of configuration.
/// Owner: main(). Thread: one.
class Node {
 public:
  Node() : folder_(fs::temp_directory_path() / test::unique_name("bench")) { fs::create_directories(config()); }
  ~Node() {
    agent_.reset();
    fs::remove_all(folder_);
  }
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  [[nodiscard]] fs::path config() const { return folder_ / "config"; }
  /// Milliseconds to `ready`.
  double start() {
    const auto begin = Clock::now();
    agent_ = std::make_unique<test::AgentProcess>(test::AgentOptions{.config = config(),
                                                                     .cgroup = cgroup_.path(),
                                                                     .pin_dir = pins_.path(),
                                                                     .socket = folder_ / "agent.sock",
                                                                     .run_dir = folder_ / "run",
                                                                     .node = "node-0",
                                                                     .netns = netns_.path()});
    agent_->wait_ready(120s);
    return milliseconds_since(begin);
  }
  /// Ends the agent and takes everything out of the kernel, so that the next start is a first one.
  void clear() {
    agent_.reset();
    test::run(
        {test::built_program("fairlead-agent"), "uninstall", "--pin-dir", pins_.path(), "--run-dir", folder_ / "run"});
  }
  /// The number before ` ms` that follows `what` in the agent's log.
  [[nodiscard]] double logged(const std::string& what) {
    const auto output = agent_->process().output();
    const auto at = output.find(what);
    test::require(at != std::string::npos, "the agent's log says \"" + what + "\"");
    return std::stod(output.substr(at + what.size()));
  }
  [[nodiscard]] double memory_mib(const std::string& field) {
    std::ifstream in("/proc/" + std::to_string(agent_->process().pid()) + "/status");
    for (std::string line; std::getline(in, line);)
      if (line.starts_with(field)) return std::stod(line.substr(field.size() + 1)) / 1024;
    throw std::runtime_error("no " + field + " of the agent");
  }
  /// Seconds of CPU that all its threads took so far.
  [[nodiscard]] double cpu_seconds() {
    clockid_t clock{};
    timespec used{};
    test::require(clock_getcpuclockid(agent_->process().pid(), &clock) == 0 && clock_gettime(clock, &used) == 0,
                  "reading the agent's CPU time");
    return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) / 1e9;
  }
  /// Milliseconds from the close of the file until connects to the service may go to the new endpoint; worst and
  /// median over the turns.
  std::pair<double, double> change(const fs::path& file, std::uint32_t service, const auto& text) {
    const Tables tables(pins_.path());
    std::vector<double> times;
    for (std::uint32_t i = 0; i < kChanges; ++i) {
      const auto closed = write(file, text(++turn_));
      const auto endpoint = bench::endpoint_address(service, 0, turn_);
      while (!tables.leads_to(bench::service_address(service), endpoint))
        test::require(milliseconds_since(closed) < 30'000, "the kernel holds the changed endpoint");
      times.push_back(milliseconds_since(closed));
      std::this_thread::sleep_for(50ms);  // what follows a change is over
    }
    return {bench::median(times), *std::ranges::max_element(times)};
  }

 private:
  fs::path folder_;
  test::Netns netns_{"bench"};
  test::TempCgroup cgroup_{"bench"};
  test::PinDir pins_;
  std::unique_ptr<test::AgentProcess> agent_;
  std::uint32_t turn_ = 0;
};

void starts(Node& node, bench::Figures& figures, const std::string& name, double goal) {
  std::vector<double> ready, read, kernel;
  for (int i = 0; i < kStarts; ++i) {
    node.clear();
    ready.push_back(node.start());
    read.push_back(node.logged("read in "));
    kernel.push_back(node.logged("in the kernel after "));
  }
  figures.add(name + ": files to ready", bench::median(ready), "ms", goal);
  figures.add(name + ": of that reading files", bench::median(read), "ms");
  figures.add(name + ": of that the kernel part", bench::median(kernel), "ms", name.starts_with("10 000") ? 100 : -1);
}

void idle(Node& node, bench::Figures& figures) {
  std::this_thread::sleep_for(3s);  // second looks after the last change
  const double before = node.cpu_seconds();
  const auto begin = Clock::now();
  std::this_thread::sleep_for(kIdle);
  figures.add("10 000 services: the agent's CPU, idle", (node.cpu_seconds() - before) * 1e5 / milliseconds_since(begin),
              "%", 0.1);
  figures.add("10 000 services: memory", node.memory_mib("VmRSS:"), "MiB", 60);
  figures.add("10 000 services: of that neither files nor kernel tables", node.memory_mib("RssAnon:"), "MiB");
}

void many(bench::Figures& figures) {
  Node node;
  const auto file = node.config() / "all.yaml";
  write(file, bench::cluster_text(kMany, Form::kDocuments));
  starts(node, figures, "10 000 services x 3 endpoints in one file", 2000);
  idle(node, figures);
  const auto [in_one, worst] = node.change(
      file, kMany / 2, [](std::uint32_t turn) { return bench::cluster_text(kMany, Form::kDocuments, turn); });
  figures.add("one endpoint changed, all in one file: closed to kernel", in_one, "ms", 10);
  figures.add("the same, worst of 15", worst, "ms");
  figures.add("10 000 services: memory after these changes", node.memory_mib("VmRSS:"), "MiB", 60);
}

void many_files(bench::Figures& figures) {
  Node node;
  for (std::uint32_t i = 0; i < kMany; ++i) {
    write(node.config() / ("service-" + std::to_string(i) + ".yaml"), bench::service_text(i));
    write(node.config() / ("slice-" + std::to_string(i) + ".yaml"), bench::slice_text(i));
  }
  starts(node, figures, "10 000 services x 3 endpoints in 20 000 files", 2000);
  const auto [median, worst] = node.change(node.config() / "slice-5000.yaml", 5000,
                                           [](std::uint32_t turn) { return bench::slice_text(5000, turn); });
  figures.add("one endpoint changed, files of their own: closed to kernel", median, "ms", 10);
  figures.add("the same, worst of 15", worst, "ms");
}

void most(bench::Figures& figures) {
  Node node;
  write(node.config() / "all.yaml", bench::cluster_text(kMost, Form::kDocuments));
  starts(node, figures, "60 000 services x 3 endpoints in one file", 10'000);
  figures.add("60 000 services: memory", node.memory_mib("VmRSS:"), "MiB", 300);
  figures.add("60 000 services: peak memory", node.memory_mib("VmHWM:"), "MiB", 300);
}

}  // namespace

int main(int count, char** arguments) {
  try {
    bench::Figures figures(count > 1 && std::string_view(arguments[1]) == "--json");
    many(figures);
    many_files(figures);
    most(figures);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "agent_bench: %s\n", error.what());
    return 1;
  }
}
