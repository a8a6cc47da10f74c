// SPDX-License-Identifier: Apache-2.0
// How long 1 000 sockets outlive their endpoint: from the change of the tables to the last socket's end. Needs root.
#include <arpa/inet.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "agent/datapath/services.hpp"
#include "agent/datapath/sockets.hpp"
#include "agent/kernel/skeleton.hpp"
#include "bench/figures.hpp"
#include "support/cgroup.hpp"
#include "support/netns.hpp"
#include "support/pin_dir.hpp"
#include "support/server.hpp"

namespace {

using namespace fairlead;
using test::TestServer;

constexpr std::size_t kSockets = 1'000;
constexpr int kRounds = 5;
constexpr const char* kBackend = "10.244.0.2";
constexpr const char* kService = "10.96.0.10";

model::ChangeSet service_of(std::uint16_t target, model::Protocol protocol, bool with_endpoint) {
  model::Service service;
  service.metadata.ns = "default";
  service.metadata.name = "bench";
  service.ports = {{.name = "p", .port = 80, .node_port = 0, .protocol = protocol, .target = {}}};
  service.cluster_ips = {*Address::parse(kService)};
  model::EndpointSlice slice;
  slice.metadata.ns = "default";
  slice.metadata.name = "bench-1";
  slice.service = "bench";
  slice.ports = {{.name = "p", .port = target, .protocol = protocol}};
  if (with_endpoint) slice.endpoints.emplace_back().addresses = {*Address::parse(kBackend)};
  return {
      {{model::Kind::kService, "default", "bench"}, std::make_shared<const model::Object>(std::move(service))},
      {{model::Kind::kEndpointSlice, "default", "bench-1"}, std::make_shared<const model::Object>(std::move(slice))}};
}

/// The real data path on a cgroup of its own.
struct Node {
  test::TempCgroup cgroup{"bench"};
  test::PinDir pins;
  test::Netns netns{"bench"};
  std::unique_ptr<kernel::Datapath> datapath;
  std::unique_ptr<datapath::Services> services;
  model::Cluster cluster;

  Result<> start() {
    netns.ip({"address", "add", std::string(kBackend) + "/32", "dev", "lo"});
    FL_TRY(datapath, kernel::Datapath::load({.cgroup = cgroup.path(), .pin_dir = pins.path(), .sizes = {}}));
    datapath->settings().balance = 1;
    datapath->settings().end_tcp = 1;
    FL_TRY(auto tables,
           datapath::ServiceTables::open([&](const std::string& name) { return datapath->map(name); }, pins.path()));
    services = std::make_unique<datapath::Services>(std::move(tables), datapath::ServicesOptions{});
    FL_CHECK(datapath->attach());
    cgroup.enter();
    return {};
  }
  Result<datapath::Sockets> sockets(bool by_bpf) const {
    auto loaded = datapath->loaded();
    if (!by_bpf)
      loaded.program = [all = loaded.program](const std::string& name) {
        return name.starts_with("fl_end_") ? -1 : all(name);
      };
    return datapath::Sockets::open(loaded);
  }
  Result<> apply(model::ChangeSet changes) {
    cluster.apply(changes);
    FL_CHECK(services->apply(cluster, changes));
    return {};
  }
};

std::vector<Fd> connect_all(const Node& node, int type) {
  std::vector<Fd> sockets;
  const test::SocketAddress where(kService, 80);
  node.netns.in([&] {
    while (sockets.size() < kSockets) {
      Fd& fd = sockets.emplace_back(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
      if (::connect(fd.get(), where.get(), where.length) != 0) std::perror("connect");
    }
  });
  return sockets;
}

Result<double> round(Node& node, TestServer& server, bool tcp, bool by_bpf) {
  const auto protocol = tcp ? model::Protocol::kTcp : model::Protocol::kUdp;
  FL_TRY(auto sockets, node.sockets(by_bpf));
  FL_CHECK(node.apply(service_of(server.port(), protocol, true)));
  const auto clients = connect_all(node, tcp ? SOCK_STREAM : SOCK_DGRAM);
  const auto start = std::chrono::steady_clock::now();
  FL_CHECK(node.apply(service_of(server.port(), protocol, false)));
  FL_TRY(const auto ended, sockets.end_doomed());
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
  if (ended.sockets != kSockets)
    return fail("ended " + std::to_string(ended.sockets) + " sockets, expected " + std::to_string(kSockets));
  return took.count();
}

Result<> measure(bench::Figures& figures) {
  Node node;
  FL_CHECK(node.start());
  FL_TRY(const auto probe, node.sockets(true));
  for (const bool tcp : {false, true}) {
    TestServer server(tcp ? TestServer::Protocol::kTcp : TestServer::Protocol::kUdp, kBackend, "bench", &node.netns);
    std::vector<double> by_bpf, by_netlink;
    for (int i = 0; i < kRounds; ++i) {
      FL_TRY(const double netlink, round(node, server, tcp, false));
      by_netlink.push_back(netlink);
      if (!probe.by_bpf()) continue;
      FL_TRY(const double bpf, round(node, server, tcp, true));
      by_bpf.push_back(bpf);
    }
    const auto label = std::string("1 000 ") + (tcp ? "TCP" : "UDP") + " sockets to a removed endpoint ended by ";
    if (by_bpf.empty()) figures.lack(label + "bpf_sock_destroy", "the kernel does not have it");
    else figures.add(label + "bpf_sock_destroy", bench::median(by_bpf), "ms", 20);
    figures.add(label + "netlink", bench::median(by_netlink), "ms", by_bpf.empty() ? 20 : -1);
  }
  return {};
}

}  // namespace

int main(int count, char** arguments) {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = std::min<rlim_t>(files.rlim_max, 16'384);
  setrlimit(RLIMIT_NOFILE, &files);
  bench::Figures figures(count > 1 && std::string_view(arguments[1]) == "--json");
  const auto result = measure(figures);
  if (!result) std::fprintf(stderr, "%s\n", result.error().message.c_str());
  return result ? 0 : 1;
}
