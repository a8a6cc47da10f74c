// SPDX-License-Identifier: Apache-2.0
// Two pods of one node, event-driven programs: 64 B ping-pong and a bulk stream, redirected against plain TCP, in
// interleaved rounds. Needs root.
#include <bpf/bpf.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <thread>
#include <vector>

#include "agent/kernel/pins.hpp"
#include "bench/figures.hpp"
#include "fairlead/abi/settings.h"
#include "live/redirect/pair.hpp"
#include "support/agent_process.hpp"
#include "support/cgroup.hpp"
#include "support/pin_dir.hpp"
#include "support/test_node.hpp"

namespace {

using namespace fairlead;
using Clock = std::chrono::steady_clock;

constexpr int kRounds = 5;
constexpr int kWarm = 2000;
constexpr int kRoundTrips = 20'000;
constexpr auto kStream = std::chrono::milliseconds(700);

double cpu_us() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto us = [](const timeval& t) { return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_usec); };
  return us(usage.ru_utime) + us(usage.ru_stime);
}

/// All of `size` bytes, by poll and read as event loops do.
bool read_all(const Fd& fd, char* data, std::size_t size) {
  for (std::size_t have = 0; have < size;) {
    if (!test::ready(fd, POLLIN, 5000)) return false;
    const auto length = ::recv(fd.get(), data + have, size - have, 0);
    if (length <= 0) return false;
    have += static_cast<std::size_t>(length);
  }
  return true;
}

struct PingPong {
  double p50_us;
  double cpu_us;
};

PingPong ping_pong(const test::Pair& pair) {
  char data[64] = {};
  std::thread server([&] {
    char echo[64];
    for (int i = 0; i < kWarm + kRoundTrips; ++i)
      if (!read_all(pair.server, echo, sizeof echo) || ::send(pair.server.get(), echo, sizeof echo, MSG_NOSIGNAL) < 0)
        return;
  });
  std::vector<double> times;
  double cpu = 0;
  for (int i = 0; i < kWarm + kRoundTrips; ++i) {
    if (i == kWarm) cpu = cpu_us();
    const auto start = Clock::now();
    if (::send(pair.client.get(), data, sizeof data, MSG_NOSIGNAL) < 0 || !read_all(pair.client, data, sizeof data))
      break;
    if (i >= kWarm) times.push_back(std::chrono::duration<double, std::micro>(Clock::now() - start).count());
    if (i == 100) std::this_thread::sleep_for(std::chrono::milliseconds(50));  // the agent adds both ends meanwhile
  }
  cpu = cpu_us() - cpu;
  server.join();
  return {bench::median(times), cpu / kRoundTrips};
}

/// GB/s of 64 KiB writes.
double stream(const test::Pair& pair) {
  std::uint64_t received = 0;
  std::thread server([&] {
    std::vector<char> data(256 * 1024);
    while (test::ready(pair.server, POLLIN, 5000)) {
      const auto length = ::recv(pair.server.get(), data.data(), data.size(), 0);
      if (length <= 0) return;
      received += static_cast<std::uint64_t>(length);
    }
  });
  const std::vector<char> data(64 * 1024);
  const auto start = Clock::now();
  while (Clock::now() - start < kStream)
    if (::send(pair.client.get(), data.data(), data.size(), MSG_NOSIGNAL) < 0) test::ready(pair.client, POLLOUT, 1000);
  ::shutdown(pair.client.get(), SHUT_WR);
  server.join();
  return static_cast<double>(received) / std::chrono::duration<double>(Clock::now() - start).count() / 1e9;
}

/// Both pods' ends. The listener stands in one, the client in the other.
test::Pair connect_pods(const test::Netns& client, const test::Netns& server, const std::string& address) {
  test::Pair pair;
  Fd listener;
  std::uint16_t port = 0;
  server.in([&] {
    const test::SocketAddress own(address, 0);
    listener.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    test::require(::bind(listener.get(), own.get(), own.length) == 0 && ::listen(listener.get(), 1) == 0, "listening");
    sockaddr_in where{};
    socklen_t length = sizeof where;
    ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&where), &length);
    port = ntohs(where.sin_port);
  });
  pair.client = std::move(test::connect_tcp(address, port, &client).socket);
  pair.server.reset(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  for (const auto* fd : {&pair.client, &pair.server}) {
    const int on = 1;
    ::setsockopt(fd->get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::fcntl(fd->get(), F_SETFL, O_NONBLOCK);
  }
  return pair;
}

void set_mode(const std::string& pin_dir, fl_redirect_mode mode) {
  const Fd map = kernel::PinDirectory::at(pin_dir).open("fl_settings");
  fl_settings row{};
  const std::uint32_t zero = 0;
  bpf_map_lookup_elem(map.get(), &zero, &row);
  row.redirect = mode;
  bpf_map_update_elem(map.get(), &zero, &row, BPF_ANY);
}

void measure(bench::Figures& figures, const test::Netns& client, const test::Netns& server,
             const std::string& pin_dir) {
  std::vector<double> p50[2], cpu[2], rate[2];
  for (int round = 0; round < kRounds; ++round)
    for (const bool on : {false, true}) {
      set_mode(pin_dir, on ? FL_REDIRECT_ALL : FL_REDIRECT_OFF);
      const auto seen = ping_pong(connect_pods(client, server, "10.244.0.3"));
      p50[on].push_back(seen.p50_us);
      cpu[on].push_back(seen.cpu_us);
      rate[on].push_back(stream(connect_pods(client, server, "10.244.0.3")));
    }
  const auto compare = [&](const std::string& what, const std::vector<double>(&values)[2], const char* unit,
                           double goal, bench::Goal kind) {
    const double tcp = bench::median(values[0]), redirected = bench::median(values[1]);
    figures.add(what + ", TCP", tcp, unit);
    figures.add(what + ", redirected", redirected, unit);
    figures.add(what + ", redirected to TCP", redirected / tcp, "", goal, kind);
  };
  compare("64 B ping-pong, p50", p50, "us", 0.70, bench::Goal::kAtMost);
  compare("64 B ping-pong, CPU a round trip", cpu, "us", 0.70, bench::Goal::kAtMost);
  compare("bulk, 64 KiB writes", rate, "GB/s", 0.95, bench::Goal::kAtLeast);
}

}  // namespace

int main(int count, char** arguments) {
  const test::TempCgroup cgroup("bench");
  const test::PinDir pins;
  test::TestNode node;
  const auto& client = node.add_pod("client", {"10.244.0.2"});
  const auto& server = node.add_pod("server", {"10.244.0.3"});
  const auto folder = std::filesystem::temp_directory_path() / test::unique_name("bench");
  std::filesystem::create_directories(folder / "config");
  test::AgentProcess agent({.config = folder / "config",
                            .cgroup = cgroup.path(),
                            .pin_dir = pins.path(),
                            .socket = folder / "agent.sock",
                            .run_dir = folder / "run",
                            .metrics = "127.0.0.1:0",
                            .netns = node.netns().path(),
                            .more = {"--redirect", "all", "--redirect-programs", "redirect_bench"}});
  agent.wait_ready();
  cgroup.enter();
  bench::Figures figures(count > 1 && std::string_view(arguments[1]) == "--json");
  measure(figures, client, server, pins.path());
  std::filesystem::remove_all(folder);
  return 0;
}
