// SPDX-License-Identifier: Apache-2.0
// What a service adds to a connect and to the first datagram of an unconnected socket, by the number of services, every
// feature on; beside iptables and nftables rules for the same services. Everything is compared with a node that has
// nothing of ours: neither client nor server of the direct connect is seen by a program.
//
// A socket belongs to the cgroup and the network namespace that it was made in. So sockets of all ways are made first
// and then used in turns, one of each way after the other, by one thread that is client and server: what else the
// machine does meets all ways alike. The rules have turns of their own: a list of thousands pushes everything out of
// the caches. The figure is the median over the rounds of the median difference to the direct
// connect just before. Services are drawn at random from 100 that are spread over all, each of which was asked before;
// what one costs that nobody asked before is printed too. Needs root.
// Usage: connect_bench [--json] [--profile] [SERVICES...]
#include <optional>
#include <random>

#include "bench/figures.hpp"
#include "bench/profile.hpp"
#include "bench/rules.hpp"
#include "bench/turns.hpp"
#include "live/policy/policy_node.hpp"

namespace {

using namespace fairlead;
using bench::Kind;
using bench::Target;
using bench::Way;

constexpr int kRounds = 15;
constexpr int kConnects = 80;
constexpr std::uint32_t kDrawn = 100;
constexpr std::uint32_t kColdStep = 7;
constexpr const char* kServer = "10.244.0.4";  // a pod of the configuration
constexpr const char* kPlain = "10.244.0.9";  // a pod that the agent knows nothing of

/// The pods and their servers.
/// Owner: main(). Thread: one.
class Bench {
 public:
  Bench(bench::Figures& figures, bool profile) : figures_(figures), profile_(profile) {
    // Redirection is on for pods that opted in: this one has, so that all others are asked whether they have.
    node_.write("opted-in",
                "apiVersion: v1\nkind: Pod\nmetadata: {name: opted-in, namespace: default, annotations: "
                "{fairlead.io/redirect: 'true'}}\nspec: {nodeName: n1, containers: [{name: main, image: x}]}\n"
                "status: {phase: Running, podIP: 10.244.0.77}\n");
  }
  void measure(std::uint32_t count) {
    node_.write("services", bench::services_text(count, kServer, pod_tcp_.port(), pod_udp_.port()));
    node_.start_agent();
    test::require(node_.settings().redirect == FL_REDIRECT_OPTED_IN, "redirection is off");
    const auto label = std::to_string(count) + " services: ";
    tcp(count, label + "TCP connect ");
    udp(count, label + "UDP first exchange ");
  }

 private:
  Target to(const char* address, std::uint16_t port) {
    return [=] { return test::SocketAddress(address, port); };
  }
  Target to_services(std::uint32_t count) {
    return [this, count] {
      const std::uint32_t of = std::min(count, kDrawn);
      return test::SocketAddress(bench::service_address(1 + static_cast<std::uint32_t>(dice_()) % of * (count / of)),
                                 bench::kServicePort);
    };
  }
  /// Another one each time, as long as there are any.
  Target to_new_services(std::uint32_t count) {
    return [this, count] {
      next_ += count > kColdStep * kRounds * kConnects ? kColdStep : 1;
      return test::SocketAddress(bench::service_address(1 + next_ % count), bench::kServicePort);
    };
  }
  /// Asks each service that will be drawn.
  void warm(std::uint32_t count, const test::Netns& ns, const bench::Server& server) {
    const std::uint32_t of = std::min(count, kDrawn);
    ns.in([&] {
      for (std::uint32_t i = 0; i < of; ++i) {
        const Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        const test::SocketAddress where(bench::service_address(1 + i * (count / of)), bench::kServicePort);
        test::require(connect(fd.get(), where.get(), where.length) == 0, "connect");
      }
    });
    server.serve();
  }
  std::vector<Fd> sockets(const Way& way, int type) { return bench::sockets(node_, way, type, kConnects); }
  void compare(std::vector<Way>& ways, Kind kind) {
    bench::take_turns(ways, kind, kRounds, kConnects,
                      [&](const Way& way) { return sockets(way, kind == Kind::kConnect ? SOCK_STREAM : SOCK_DGRAM); });
  }
  /// By rules of the same number, where the kernel and the tools have it.
  void rules(std::uint32_t count, const std::string& label) {
    const auto add = [&](const char* name, const test::Netns& ns, const std::optional<std::string>& lacking) {
      if (lacking) return figures_.lack(label + name, *lacking);
      std::vector<Way> ways{{"direct", &free_, false, &plain_tcp_, to(kPlain, plain_tcp_.port())},
                            {name, &ns, false, &plain_tcp_, to_services(count)}};
      compare(ways, Kind::kConnect);
      figures_.add(label + name + ", added", bench::median(ways[1].added), "us");
    };
    add("by iptables rules", iptables_,
        bench::load_rules(iptables_, {"iptables-legacy-restore"},
                          bench::iptables_text(count, kPlain, plain_tcp_.port())));
    add("by an nftables map", nftables_,
        bench::load_rules(nftables_, {"nft", "-f"}, bench::nftables_text(count, kPlain, plain_tcp_.port())));
  }
  void tcp(std::uint32_t count, const std::string& label) {
    std::vector<Way> ways{{"direct", &free_, false, &plain_tcp_, to(kPlain, plain_tcp_.port())},
                          {"service", &client_, true, &pod_tcp_, to_services(count)},
                          {"pod", &client_, true, &pod_tcp_, to(kServer, pod_tcp_.port())},
                          {"plain", &client_, true, &plain_tcp_, to(kPlain, plain_tcp_.port())}};
    warm(count, client_, pod_tcp_);
    if (profile_) return print_profile(ways[1]);
    if (count >= kRounds * kConnects)
      ways.push_back({"through a service for the first time", &client_, true, &pod_tcp_, to_new_services(count)});
    compare(ways, Kind::kConnect);
    figures_.add(label + "direct, p50", bench::median(ways[0].added), "us");
    figures_.add(label + "through a service, p50 added", bench::median(ways[1].added), "us", 2);
    figures_.add(label + "to a pod by its own address, added", bench::median(ways[2].added), "us");
    figures_.add(label + "to elsewhere, added", bench::median(ways[3].added), "us");
    for (std::size_t i = 4; i < ways.size(); ++i)
      figures_.add(label + ways[i].name + ", added", bench::median(ways[i].added), "us");
    rules(count, label);
  }
  void udp(std::uint32_t count, const std::string& label) {
    std::vector<Way> ways{{"direct", &free_, false, &plain_udp_, to(kPlain, plain_udp_.port())},
                          {"service", &client_, true, &pod_udp_, to_services(count)}};
    if (profile_) return print_profile(ways[1]);
    compare(ways, Kind::kExchange);
    figures_.add(label + "direct, p50", bench::median(ways[0].added), "us");
    figures_.add(label + "through a service, p50 added", bench::median(ways[1].added), "us", 2);
  }
  void print_profile(const Way& way) {
    const bool tcp = way.server == &pod_tcp_;
    const bench::Profile programs(node_.pins());
    std::fprintf(figures_.aside(), "  each %s through a service, its end included:\n", tcp ? "connect" : "exchange");
    for (int round = 0; round < kRounds; ++round) {
      const auto clients = sockets(way, tcp ? SOCK_STREAM : SOCK_DGRAM);
      for (const Fd& client : clients) bench::go(way, client, tcp ? Kind::kConnect : Kind::kExchange);
      if (tcp) way.server->serve();
    }
    programs.print(figures_.aside(), kRounds * kConnects);
  }

  bench::Figures& figures_;
  bool profile_;
  test::PolicyNode node_;
  const test::Netns& client_ = node_.add_pod("client", "10.244.0.2");
  const test::Netns& pod_ = node_.add_pod("server", kServer);
  const test::Netns& free_ = node_.add_pod("free", "10.244.0.6", false);
  const test::Netns& iptables_ = node_.add_pod("iptables", "10.244.0.7", false);
  const test::Netns& nftables_ = node_.add_pod("nftables", "10.244.0.8", false);
  const test::Netns& plain_ = node_.add_pod("plain", kPlain, false);
  bench::Server pod_tcp_{pod_, kServer, SOCK_STREAM}, pod_udp_{pod_, kServer, SOCK_DGRAM};
  bench::Server plain_tcp_ = node_.outside([this] { return bench::Server(plain_, kPlain, SOCK_STREAM); });
  bench::Server plain_udp_ = node_.outside([this] { return bench::Server(plain_, kPlain, SOCK_DGRAM); });
  std::mt19937 dice_{1};
  std::uint32_t next_ = 0;
};

}  // namespace

int main(int count, char** arguments) {
  bool json = false, profile = false;
  std::vector<std::uint32_t> sizes;
  for (int i = 1; i < count; ++i) {
    const std::string word = arguments[i];
    json |= word == "--json";
    profile |= word == "--profile";
    if (!word.starts_with("-")) sizes.push_back(static_cast<std::uint32_t>(std::stoul(word)));
  }
  if (sizes.empty()) sizes = {10, 1'000, 10'000, 60'000};
  try {
    bench::Figures figures(json);
    Bench bench(figures, profile);
    for (const auto size : sizes) bench.measure(size);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "connect_bench: %s\n", error.what());
    return 1;
  }
}
