// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace fairlead::test {

/// What a Service of one port and its EndpointSlice are made of.
struct ServiceYaml {
  std::string name;
  std::string address;  ///< cluster IP of either family
  std::uint16_t port;
  std::string protocol;  ///< TCP or UDP
  std::uint16_t target_port;
  std::vector<std::string> endpoints;

  [[nodiscard]] std::string text() const {
    const bool v6 = address.find(':') != std::string::npos;
    std::string list;
    for (const auto& endpoint : endpoints) list += "  - {addresses: ['" + endpoint + "'], conditions: {ready: true}}\n";
    if (list.empty()) list = "  []\n";
    const std::string target = std::to_string(target_port);
    return "apiVersion: v1\nkind: Service\nmetadata: {name: " + name + ", namespace: default}\nspec:\n  clusterIP: '" +
           address + "'\n  clusterIPs: ['" + address + "']\n  ports: [{port: " + std::to_string(port) +
           ", targetPort: " + target + ", protocol: " + protocol +
           "}]\n---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: " + name +
           "-1, namespace: default, labels: {kubernetes.io/service-name: " + name +
           "}}\naddressType: " + (v6 ? "IPv6" : "IPv4") + "\nports: [{port: " + target + ", protocol: " + protocol +
           "}]\nendpoints:\n" + list;
  }
};

}  // namespace fairlead::test
