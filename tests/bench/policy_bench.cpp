// SPDX-License-Identifier: Apache-2.0
// What 10 000 rules add to a connect. Two clients and two servers, one pair without policies, the other under 5 000
// rules by address and 5 000 by port on either side; connects of both are interleaved. Needs root.
#include <cstdio>

#include "bench/figures.hpp"
#include "bench/turns.hpp"
#include "live/policy/policy_node.hpp"

namespace {

using namespace fairlead;

constexpr int kRules = 10'000;
constexpr int kRounds = 15;
constexpr int kConnects = 200;

std::string rules(const char* peers, std::uint16_t port) {
  std::string text;
  for (int i = 0; i < kRules / 2; ++i)
    text += std::string("  - {") + peers + ": [{ipBlock: {cidr: 198.18." + std::to_string(i / 250) + "." +
            std::to_string(i % 250) + "/32}}]}\n";
  for (int i = 0; i < kRules / 2 - 1; ++i)
    text += "  - {ports: [{port: " + std::to_string(1 + 2 * i) + "}, {port: " + std::to_string(1 + 2 * i) +
            ", protocol: UDP}]}\n";
  return text + "  - {ports: [{port: " + std::to_string(port) + "}, {port: " + std::to_string(port) +
         ", protocol: UDP}]}\n";
}

std::string policy(const std::string& name, const std::string& app, const char* type, const char* field,
                   const std::string& text) {
  return "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: " + name +
         ", namespace: default}\nspec:\n  podSelector: " + "{matchLabels: {app: " + app + "}}\n  policyTypes: [" +
         type + "]\n  " + field + ":\n" + text;
}

/// Owner: main(). Thread: one.
struct Bench {
  bench::Figures& figures;
  test::PolicyNode node;
  const test::Netns& free = node.add_pod("free", "10.244.0.2");
  const test::Netns& ruled = node.add_pod("ruled", "10.244.0.3");
  const test::Netns& open = node.add_pod("open", "10.244.0.4");
  const test::Netns& strict = node.add_pod("strict", "10.244.0.5");

  void compare(const std::string& name, int type, const bench::Server& to_open, const bench::Server& to_strict) {
    const auto target = [](const char* address, std::uint16_t port) {
      return [=] { return test::SocketAddress(address, port); };
    };
    std::vector<bench::Way> ways{{"no policies", &free, true, &to_open, target("10.244.0.4", to_open.port())},
                                 {"rules", &ruled, true, &to_strict, target("10.244.0.5", to_strict.port())}};
    bench::take_turns(ways, bench::Kind::kConnect, kRounds, kConnects,
                      [&](const bench::Way& way) { return bench::sockets(node, way, type, kConnects); });
    figures.add(name + " connect without policies, p50", bench::median(ways[0].added), "us");
    figures.add(name + " connect with 10 000 rules on either side, added", bench::median(ways[1].added), "us", 0.5);
  }
  void run() {
    const bench::Server open_tcp(open, "10.244.0.4", SOCK_STREAM), strict_tcp(strict, "10.244.0.5", SOCK_STREAM);
    const bench::Server open_udp(open, "10.244.0.4", SOCK_DGRAM);
    node.write("egress", policy("egress", "ruled", "Egress", "egress", rules("to", strict_tcp.port())));
    node.write("ingress", policy("ingress", "strict", "Ingress", "ingress", rules("from", strict_tcp.port())));
    const auto start = bench::Clock::now();
    node.start_agent();
    figures.add("agent ready with 2 policies of 10 000 rules", bench::microseconds_since(start) / 1000, "ms");
    compare("TCP", SOCK_STREAM, open_tcp, strict_tcp);
    // The same port as TCP's is allowed for UDP; connect sends nothing.
    compare("UDP", SOCK_DGRAM, open_udp, strict_tcp);
  }
};

}  // namespace

int main(int count, char** arguments) {
  try {
    bench::Figures figures(count > 1 && std::string_view(arguments[1]) == "--json");
    Bench{.figures = figures, .node = {}}.run();
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "policy_bench: %s\n", error.what());
    return 1;
  }
}
