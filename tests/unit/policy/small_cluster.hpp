// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "agent/policy/decide.hpp"
#include "gateway/dataplane/config/parse.hpp"

namespace fairlead::test {

/// Two namespaces, four pods, two nodes; policies as text. Names stand for addresses: web, web6, db, job, api, n1, n2.
class SmallCluster {
 public:
  using Compiler = policy::Compiler;
  using Delta = policy::Delta;
  using Question = policy::Question;

  explicit SmallCluster(bool default_closed = false, const model::Mesh& mesh = {})
      : compiler_({.node_name = "n1", .mesh = mesh, .default_closed = default_closed}) {
    apply(R"(
{apiVersion: v1, kind: Namespace, metadata: {name: default, labels: {env: prod}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: other, labels: {env: test, team: a}}}
---
{apiVersion: v1, kind: Node, metadata: {name: n1}, status: {addresses: [{type: InternalIP, address: 192.0.2.1}]}}
---
{apiVersion: v1, kind: Node, metadata: {name: n2}, status: {addresses: [{type: InternalIP, address: 192.0.2.2}]}}
)");
    apply(pod("default", "web", "10.0.0.1", "{app: web}", "[{name: http, containerPort: 8080}]", "2001:db8::1"));
    apply(pod("default", "db", "10.0.0.2", "{app: db, tier: data}", "[{name: pg, containerPort: 5432}]"));
    apply(pod("other", "job", "10.0.1.1", "{app: job}", "[]"));
    apply(pod("other", "api", "10.0.1.2", "{app: api}", "[{name: http, containerPort: 9090}]"));
    compiler_.set_host_addresses({*Address::parse("192.0.2.1"), *Address::parse("10.0.0.254")});
    compiler_.compile();
    compiler_.done();
  }

  static std::string pod(const std::string& ns, const std::string& name, const std::string& address,
                         const std::string& labels, const std::string& ports, const std::string& second = {}) {
    return "{apiVersion: v1, kind: Pod, metadata: {name: " + name + ", namespace: " + ns + ", labels: " + labels +
           "}, spec: {nodeName: n1, serviceAccountName: " + name +
           ", containers: [{name: c, image: i, ports: " + ports + "}]}, status: {phase: Running, podIPs: [{ip: '" +
           address + "'}" + (second.empty() ? "" : ", {ip: '" + second + "'}") + "]}}\n";
  }
  static std::string network_policy(const std::string& spec, const std::string& name = "np",
                                    const std::string& ns = "default") {
    return "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: " + name + ", namespace: " + ns +
           "}, spec: " + spec + "}\n";
  }
  static std::string authorization_policy(const std::string& spec, const std::string& name = "ap",
                                          const std::string& ns = "default") {
    return "{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: " + name +
           ", namespace: " + ns + "}, spec: " + spec + "}\n";
  }

  /// Documents parted by lines of "---"; refused ones give what stands for them.
  Delta apply(const std::string& text) {
    model::ChangeSet changes;
    for (std::size_t begin = 0; begin < text.size();) {
      auto end = text.find("\n---\n", begin);
      if (end == std::string::npos) end = text.size();
      for (auto& parsed : config::parse_text(std::string_view(text).substr(begin, end - begin), false).objects)
        changes.push_back({parsed.key, parsed.object != nullptr ? parsed.object : parsed.stand_in});
      begin = end + 5;
    }
    EXPECT_FALSE(changes.empty()) << text;
    compiler_.change(changes);
    return compile();
  }
  Delta remove(const model::ObjectKey& key) {
    compiler_.change({{key, nullptr}});
    return compile();
  }
  Delta compile() {
    Delta delta = compiler_.compile();
    compiler_.done();
    return delta;
  }

  static Address address(const std::string& name) {
    static const std::map<std::string, std::string> kNames = {
        {"web", "10.0.0.1"}, {"web6", "2001:db8::1"}, {"db", "10.0.0.2"}, {"job", "10.0.1.1"},
        {"api", "10.0.1.2"}, {"n1", "192.0.2.1"},     {"n2", "192.0.2.2"}};
    const auto found = kNames.find(name);
    return *Address::parse(found == kNames.end() ? name : found->second);
  }
  /// "job > db:5432", "job > db:53/udp"; "job >> db:80": asked by the server's side. Gives "allow" or "deny", what
  /// decided, and whether it is audited.
  [[nodiscard]] std::string ask(const std::string& question) const {
    const auto arrow = question.find(" >"), colon = question.rfind(':'), slash = question.find("/udp");
    const bool server = question.compare(arrow, 3, " >>") == 0;
    const auto to = arrow + (server ? 4 : 3);
    const Question asked{.source = address(question.substr(0, arrow)),
                         .destination = address(question.substr(to, colon - to)),
                         .port = static_cast<std::uint16_t>(std::stoi(question.substr(colon + 1))),
                         .proto = slash == std::string::npos ? std::uint8_t{FL_TCP} : std::uint8_t{FL_UDP},
                         .server = server};
    const auto decision = decide(compiler_, asked);
    std::string result = decision.allowed ? "allow" : decision.reason == FL_R_POLICY_MISSING ? "closed" : "deny";
    if (decision.policy_id != 0) result += " by " + compiler_.rule_name(decision.policy_id);
    return result + (decision.audit ? " (audited)" : "");
  }
  [[nodiscard]] const Compiler& compiler() const { return compiler_; }

 private:
  Compiler compiler_;
};

}  // namespace fairlead::test
