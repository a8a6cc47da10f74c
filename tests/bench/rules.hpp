// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "support/command.hpp"
#include "support/netns.hpp"

/// The same services as objects, as iptables rules and as an nftables map.
namespace fairlead::bench {

constexpr std::uint16_t kServicePort = 80;

inline std::string service_address(std::uint32_t number) {
  return "10." + std::to_string(96 + number / 65536) + "." + std::to_string(number / 256 % 256) + "." +
         std::to_string(number % 256);
}

/// Services with a TCP and a UDP port, all of one endpoint.
inline std::string services_text(std::uint32_t count, const std::string& endpoint, std::uint16_t tcp,
                                 std::uint16_t udp) {
  std::string text;
  const auto port = [](const char* name, const char* protocol, std::uint16_t number) {
    return std::string("{name: ") + name + ", protocol: " + protocol + ", port: " + std::to_string(number) + "}";
  };
  for (std::uint32_t i = 1; i <= count; ++i) {
    const std::string name = "s" + std::to_string(i);
    text += "---\napiVersion: v1\nkind: Service\nmetadata: {name: " + name +
            ", namespace: default}\nspec: {clusterIP: " + service_address(i) + ", ports: [" +
            port("t", "TCP", kServicePort) + ", " + port("u", "UDP", kServicePort) +
            "]}\n---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: " + name +
            "-1, namespace: default, labels: {kubernetes.io/service-name: " + name + "}}\naddressType: IPv4\nports: [" +
            port("t", "TCP", tcp) + ", " + port("u", "UDP", udp) + "]\nendpoints: [{addresses: [" + endpoint + "]}]\n";
  }
  return text;
}

/// A list of rules, as few programs still write it for each service; kube-proxy's grows in the same way.
inline std::string iptables_text(std::uint32_t count, const std::string& to, std::uint16_t port) {
  std::string text = "*nat\n";
  for (std::uint32_t i = 1; i <= count; ++i)
    text += "-A OUTPUT -d " + service_address(i) + "/32 -p tcp -m tcp --dport " + std::to_string(kServicePort) +
            " -j DNAT --to-destination " + to + ":" + std::to_string(port) + "\n";
  return text + "COMMIT\n";
}

/// As kube-proxy's nftables mode does it: one map from address and port.
inline std::string nftables_text(std::uint32_t count, const std::string& to, std::uint16_t port) {
  std::string text =
      "flush ruleset\ntable ip t {\n map services {\n  type ipv4_addr . inet_service : ipv4_addr . inet_service\n  "
      "elements = {\n";
  for (std::uint32_t i = 1; i <= count; ++i)
    text += "   " + service_address(i) + " . " + std::to_string(kServicePort) + " : " + to + " . " +
            std::to_string(port) + ",\n";
  return text +
         "  }\n }\n chain out {\n  type nat hook output priority -100; policy accept;\n"
         "  dnat ip to ip daddr . tcp dport map @services\n }\n}\n";
}

/// Gives the rules to a command that reads a file; what it said where that failed.
inline std::optional<std::string> load_rules(const test::Netns& ns, const std::vector<std::string>& command,
                                             const std::string& rules) {
  const auto file = std::filesystem::temp_directory_path() / test::unique_name("rules");
  std::ofstream(file) << rules;
  std::vector<std::string> words{"ip", "netns", "exec", ns.name()};
  words.insert(words.end(), command.begin(), command.end());
  words.push_back(file);
  const auto ended = test::try_run(words);
  std::filesystem::remove(file);
  if (ended.status == 0) return std::nullopt;
  return ended.output.substr(0, ended.output.find('\n'));
}

}  // namespace fairlead::bench
