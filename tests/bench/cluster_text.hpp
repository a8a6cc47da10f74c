// SPDX-License-Identifier: Apache-2.0
#pragma once

// A cluster's Services and EndpointSlices as `kubectl get -o yaml` prints them.

#include <cstdint>
#include <string>

namespace fairlead::bench {

constexpr std::uint32_t kEndpoints = 3;

inline std::string service_address(std::uint32_t i) {
  return "10." + std::to_string(96 + (i >> 16)) + "." + std::to_string(i >> 8 & 255) + "." + std::to_string(i & 255);
}

/// The first endpoint of a service moves with every turn; turn 0 is where it is at first.
inline std::string endpoint_address(std::uint32_t i, std::uint32_t endpoint, std::uint32_t turn) {
  if (endpoint == 0 && turn != 0) return "10.250." + std::to_string(turn >> 8 & 255) + "." + std::to_string(turn & 255);
  return "10." + std::to_string(128 + (i >> 14)) + "." + std::to_string(i >> 6 & 255) + "." +
         std::to_string((i & 63) * 4 + endpoint);
}

inline std::string service_text(std::uint32_t i) {
  const auto name = "service-" + std::to_string(i);
  const auto ip = service_address(i);
  return "apiVersion: v1\nkind: Service\nmetadata:\n  creationTimestamp: \"2025-01-01T00:00:00Z\"\n  labels:\n    "
         "app: " +
         name + "\n  name: " + name + "\n  namespace: shop\n  resourceVersion: \"" + std::to_string(100000 + i) +
         "\"\n  uid: 6b1f2c1e-0000-4000-8000-" + std::to_string(100000000000 + i) + "\nspec:\n  clusterIP: " + ip +
         "\n  clusterIPs:\n  - " + ip +
         "\n  ports:\n  - name: http\n    port: 80\n    protocol: TCP\n    targetPort: 8080\n"
         "  selector:\n    app: " +
         name + "\n  sessionAffinity: None\n  type: ClusterIP\n";
}

inline std::string slice_text(std::uint32_t i, std::uint32_t turn = 0) {
  const auto name = "service-" + std::to_string(i);
  std::string out = "addressType: IPv4\napiVersion: discovery.k8s.io/v1\nendpoints:\n";
  for (std::uint32_t e = 0; e < kEndpoints; ++e)
    out += "- addresses:\n  - " + endpoint_address(i, e, turn) +
           "\n  conditions:\n    ready: true\n    serving: true\n    terminating: false\n"
           "  nodeName: node-" +
           std::to_string(i % 100) + "\n  zone: zone-" + std::to_string(e) + "\n";
  return out + "kind: EndpointSlice\nmetadata:\n  labels:\n    kubernetes.io/service-name: " + name +
         "\n  name: " + name + "-abcde\n  namespace: shop\nports:\n- name: http\n  port: 8080\n  protocol: TCP\n";
}

inline std::string as_item(const std::string& document) {
  std::string out = "- ";
  for (const char c : document) out.append(1, c).append(c == '\n' ? "  " : "");
  out.resize(out.size() - 2);
  return out;
}

enum class Form : std::uint8_t { kDocuments, kList };

/// All in one file; the service in the middle is the one that takes turns.
inline std::string cluster_text(std::uint32_t count, Form form, std::uint32_t turn = 0) {
  std::string out = form == Form::kList ? "apiVersion: v1\nitems:\n" : "";
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto slice = slice_text(i, i == count / 2 ? turn : 0);
    if (form == Form::kList) out += as_item(service_text(i)) + as_item(slice);
    if (form == Form::kDocuments) out += "---\n" + service_text(i) + "---\n" + slice;
  }
  return form == Form::kList ? out + "kind: List\nmetadata:\n  resourceVersion: \"\"\n" : out;
}

}  // namespace fairlead::bench
