// SPDX-License-Identifier: Apache-2.0
// What metrics and flows cost: CPU time of connects through a service and of a 64 byte ping-pong, between pods, with
// series and events switched on and off in turns while everything runs. One thread is client and server, and what the
// kernel does for either end is done in it. The agent reads events later, in turns that are not theirs: its CPU time is
// taken over the whole run, less what it needs when nothing happens, and laid on the connects that were told of. Then
// the same ping-pong with and without the programs that count UDP's bytes, which see TCP too where the kernel traces no
// functions. Needs root. Usage: telemetry_bench [--json]
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <functional>
#include <thread>

#include "bench/figures.hpp"
#include "live/policy/policy_node.hpp"

namespace {

using namespace fairlead;
using namespace std::chrono_literals;

constexpr int kRounds = 150;
constexpr int kSwitches = 40;
constexpr int kConnects = 50;
constexpr int kMessages = 250;
constexpr std::size_t kBytes = 64;
constexpr const char* kServer = "10.244.0.4";
constexpr const char* kService = "10.96.0.1";
constexpr std::uint16_t kPort = 80;

std::string service(std::uint16_t target) {
  return "apiVersion: v1\nkind: Service\nmetadata: {name: s, namespace: default}\nspec: {clusterIP: 10.96.0.1, ports: "
         "[{name: t, port: 80}]}\n"
         "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: s-1, namespace: default, labels: "
         "{kubernetes.io/service-name: s}}\naddressType: IPv4\nports: [{name: t, port: " +
         std::to_string(target) + "}]\nendpoints: [{addresses: [10.244.0.4]}]\n";
}

double seconds_of(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

/// CPU seconds of this thread.
double cost(const std::function<void()>& work) {
  const double before = seconds_of(CLOCK_THREAD_CPUTIME_ID);
  work();
  return seconds_of(CLOCK_THREAD_CPUTIME_ID) - before;
}

void pass(const Fd& from, const Fd& to) {
  char message[kBytes] = {};
  test::require(send(from.get(), message, sizeof message, 0) == kBytes, "send");
  test::require(recv(to.get(), message, sizeof message, MSG_WAITALL) == kBytes, "recv");
}

/// Owner: main(). Thread: one.
class Bench {
 public:
  explicit Bench(bench::Figures& figures) : figures_(figures) {
    pod_.in([&] { listener_.reset(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)); });
    const test::SocketAddress where(kServer, 0);
    test::require(bind(listener_.get(), where.get(), where.length) == 0 && listen(listener_.get(), 16) == 0, "listen");
    sockaddr_in bound{};
    socklen_t length = sizeof bound;
    getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&bound), &length);
    node_.write("service", service(ntohs(bound.sin_port)));
    node_.start_agent();
    settings_.reset(bpf_obj_get((node_.pins() + "/fl_settings").c_str()));
    test::require(clock_getcpuclockid(node_.agent().pid(), &agent_clock_) == 0, "the agent's clock");
  }
  void run() {
    const double idle = agent_idle();
    compare("connect, request, response, close", kConnects, idle, [&] {
      for (int i = 0; i < kConnects; ++i) exchange(opened());
    });
    const auto pair = opened();
    const auto ping_pong = [&] {
      for (int i = 0; i < kMessages; ++i) exchange(pair);
    };
    compare("64 B ping-pong", kMessages, idle, ping_pong);
    compare_udp(ping_pong);
  }

 private:
  struct Ends {
    Fd client, server;
  };
  [[nodiscard]] Ends opened() const {
    Ends ends;
    const test::SocketAddress where(kService, kPort);
    const int on = 1;
    client_.in([&] { ends.client.reset(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)); });
    test::require(connect(ends.client.get(), where.get(), where.length) == 0, "connect");
    ends.server.reset(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    for (const Fd* end : {&ends.client, &ends.server}) setsockopt(end->get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return ends;
  }
  static void exchange(const Ends& ends) {
    pass(ends.client, ends.server);
    pass(ends.server, ends.client);
  }
  void turn(bool on) const {
    auto row = node_.settings();
    row.metrics = row.events = on;
    const std::uint32_t zero = 0;
    test::require(bpf_map_update_elem(settings_.get(), &zero, &row, BPF_ANY) == 0, "writing fl_settings");
  }
  /// CPU seconds a second.
  [[nodiscard]] double agent_idle() const {
    const double before = seconds_of(agent_clock_);
    std::this_thread::sleep_for(3s);
    return (seconds_of(agent_clock_) - before) / 3;
  }
  void compare(const std::string& name, int steps, double idle, const std::function<void()>& work) {
    const double agent = seconds_of(agent_clock_), begin = seconds_of(CLOCK_MONOTONIC);
    std::vector<double> off, ratios;
    for (int round = 0; round < kRounds; ++round) {
      turn(round % 2 == 0);
      const double first = cost(work);
      turn(round % 2 != 0);
      const double second = cost(work);
      off.push_back(round % 2 == 0 ? second : first);
      ratios.push_back(round % 2 == 0 ? first / second : second / first);
    }
    turn(true);
    std::this_thread::sleep_for(2s);  // what is left in the ring is read too
    const double reading = seconds_of(agent_clock_) - agent - idle * (seconds_of(CLOCK_MONOTONIC) - begin);
    const double kernel = (bench::median(ratios) - 1) * 100;
    const double told = std::max(0.0, reading / kRounds) / bench::median(off) * 100;
    figures_.add(name + ": CPU without metrics and flows", bench::median(off) * 1e6 / steps, "us");
    figures_.add(name + ": added by them in the kernel", kernel, "%");
    figures_.add(name + ": added by them, the agent included", kernel + told, "%", 5);
  }

  /// A service with a UDP port comes or goes, and with it the programs.
  void count_udp(bool on) const {
    node_.write("udp", on ? "apiVersion: v1\nkind: Service\nmetadata: {name: u, namespace: default}\nspec: {clusterIP: "
                            "10.96.0.2, ports: [{name: u, port: 53, protocol: UDP}]}\n"
                          : "");
    const bool done = test::eventually([&] {
      const std::filesystem::directory_iterator pins(node_.pins());
      return on == std::any_of(begin(pins), end(pins), [](const auto& pin) {
               return pin.path().filename().string().starts_with("link_fl_udp_");
             });
    });
    test::require(done, "switching the programs that count UDP's bytes");
    std::this_thread::sleep_for(20ms);  // the last of them is attached, and the agent is done with the change
  }
  void compare_udp(const std::function<void()>& ping_pong) {
    std::vector<double> ratios;
    for (int round = 0; round < kSwitches; ++round) {
      double costs[2] = {};
      for (const bool on : {round % 2 == 0, round % 2 != 0}) {
        count_udp(on);
        costs[on] = cost(ping_pong);
      }
      ratios.push_back(costs[1] / costs[0]);
    }
    figures_.add("64 B ping-pong: added while UDP's bytes are counted", (bench::median(ratios) - 1) * 100, "%", 5);
  }

  bench::Figures& figures_;
  test::PolicyNode node_;
  const test::Netns& client_ = node_.add_pod("client", "10.244.0.2");
  const test::Netns& pod_ = node_.add_pod("server", kServer);
  Fd listener_, settings_;
  clockid_t agent_clock_{};
};

}  // namespace

int main(int count, char** arguments) {
  try {
    bench::Figures figures(count > 1 && std::string_view(arguments[1]) == "--json");
    Bench(figures).run();
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "telemetry_bench: %s\n", error.what());
    return 1;
  }
}
