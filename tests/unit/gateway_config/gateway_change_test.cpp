// SPDX-License-Identifier: Apache-2.0
// Changes one by one lead to the same state as all at once.
#include <random>

#include "unit/gateway_config/gateway_fixture.hpp"

namespace fairlead::config {
namespace {

/// All that can be seen of a state, as text.
std::string describe(const World& world, const GatewayState& state) {
  std::string out;
  for (const auto& [key, listener] : state.listeners()) {
    out += key.owner.text() + " " + key.name + (listener.serving ? " serving" : " idle");
    for (const auto& [order, attached] : listener.routes) {
      out += " " + order.key.text() + "(";
      for (const auto& name : hostnames_of(listener, *attached)) out += name + " ";
      out += ")";
      if (attached != state.route(order.key)) out += "STALE";
      for (const auto& target : attached->targets) {
        out += target.cluster ? target.cluster->name() + "=" + std::to_string(target.cluster->endpoints.size()) : "-";
        out += target.cluster && target.cluster->tls ? "tls" : "";
        out += target.cluster && target.cluster->settings ? "set" : "";
      }
    }
    out += "\n";
  }
  for (const auto& [name, cluster] : state.clusters()) out += name + " ";
  for (std::size_t kind = 0; kind < model::kKindCount; ++kind)
    for (const auto& [key, object] : world.cluster.objects(static_cast<Kind>(kind)))
      out += without_times(state.status_yaml(world.cluster, key));
  return out;
}

std::string fresh(const World& world) {
  GatewayState state;
  model::ChangeSet all;
  for (std::size_t kind = 0; kind < model::kKindCount; ++kind)
    for (const auto& [key, object] : world.cluster.objects(static_cast<Kind>(kind))) all.push_back({key, object});
  state.update(world.cluster, all);
  return describe(world, state);
}

std::string service(const std::string& name, const std::string& ns, int port) {
  return "---\napiVersion: v1\nkind: Service\nmetadata: {name: " + name + ", namespace: " + ns +
         "}\nspec: {ports: [{name: p, port: " + std::to_string(port) + "}]}\n";
}
std::string slice(const std::string& name, int endpoints) {
  std::string out = "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: " + name +
                    "-1, labels: {kubernetes.io/service-name: " + name +
                    "}}\naddressType: IPv4\nports: [{name: p, port: 8080}]\nendpoints:\n";
  for (int i = 0; i <= endpoints; ++i) out += "- {addresses: [10.0.0." + std::to_string(i + 1) + "]}\n";
  return out;
}

/// One document of a small world, at random.
std::pair<model::ObjectKey, std::string> any_document(std::mt19937& random) {
  const auto pick = [&](int most) { return static_cast<int>(random() % static_cast<unsigned>(most)); };
  const auto n = std::to_string(pick(4));
  const auto backend = "rules: [{backendRefs: [{name: s" + std::to_string(pick(4)) +
                       (pick(3) == 0 ? ", namespace: other" : "") + ", port: " + std::to_string(80 + pick(2)) + "}]}]";
  const auto host = pick(2) == 0 ? std::string() : "hostnames: [h" + std::to_string(pick(3)) + ".example], ";
  const std::string target = "targetRefs: [{group: \"\", kind: Service, name: s" + n + "}], ";
  switch (pick(10)) {
    case 0: return {{Kind::kService, "default", "s" + n}, service("s" + n, "default", 80 + pick(2))};
    case 1: return {{Kind::kEndpointSlice, "default", "s" + n + "-1"}, slice("s" + n, pick(3))};
    case 2: return {{Kind::kService, "other", "s" + n}, service("s" + n, "other", 80)};
    case 3:
      return {{Kind::kGateway, "default", "g"},
              gateway("{name: a, port: 80, protocol: HTTP, hostname: \"" +
                          std::string(pick(2) == 0 ? "*.example" : "h1.example") +
                          "\"}, {name: b, port: 81, protocol: HTTP}",
                      pick(2) == 0 ? ", allowedListeners: {namespaces: {from: Same}}" : "")};
    case 4:
      return {{Kind::kListenerSet, "default", "l"},
              route("ListenerSet", "l",
                    "parentRef: {name: g}, listeners: [{name: x, port: " + std::to_string(81 + pick(2)) +
                        ", protocol: HTTP}]")};
    case 5:
      return {{Kind::kReferenceGrant, "other", "x"},
              "---\n" + kGroup +
                  "kind: ReferenceGrant\nmetadata: {name: x, namespace: other}\nspec: {from: [{group: "
                  "gateway.networking.k8s.io, kind: HTTPRoute, namespace: default}], to: [{group: \"\", kind: "
                  "Service}]}\n"};
    case 6:
      return {
          {Kind::kBackendTlsPolicy, "default", "t" + n},
          route("BackendTLSPolicy", "t" + n, target + "validation: {hostname: a, wellKnownCACertificates: System}")};
    case 7:
      return {{Kind::kBackendPolicy, "default", "b" + n},
              "---\napiVersion: fairlead.io/v1alpha1\nkind: BackendPolicy\nmetadata: {name: b" + n + "}\nspec: {" +
                  target + "timeouts: {connect: 1s}}\n"};
    case 8:
      return {{Kind::kGrpcRoute, "default", "q" + n},
              route("GRPCRoute", "q" + n, "parentRefs: [{name: g}], " + host + backend)};
    default:
      return {{Kind::kHttpRoute, "default", "r" + n},
              route("HTTPRoute", "r" + n, "parentRefs: [{name: g}, {kind: ListenerSet, name: l}], " + host + backend)};
  }
}

TEST(GatewayChange, LeadsToTheStateOfAllObjectsAtOnce) {
  std::mt19937 random(20261128);
  for (int run = 0; run < 8; ++run) {
    World world(kBasics);
    for (int step = 0; step < 60; ++step) {
      const auto [key, text] = any_document(random);
      if (random() % 4 == 0) world.remove(key);
      else world.apply(text);
      ASSERT_EQ(describe(world, world.state), fresh(world)) << "run " << run << " step " << step << "\n" << text;
    }
  }
}

TEST(GatewayChange, NamesOnlyWhatItTouched) {
  std::string all = kBasics + gateway("{name: a, port: 80, protocol: HTTP}");
  for (int i = 0; i < 5000; ++i) {
    const auto n = std::to_string(i);
    all += route(
        "HTTPRoute", "r" + n,
        "parentRefs: [{name: g}], hostnames: [h" + n + ".example], rules: [{backendRefs: [{name: web, port: 80}]}]");
  }
  World world(all);
  const auto& listener = world.compiled("a");
  EXPECT_EQ(listener.routes.size(), 5000U);
  const auto other = world.state.route({Kind::kHttpRoute, "default", "r1"});
  const auto change = world.apply(route("HTTPRoute", "r77", "parentRefs: [{name: g}], hostnames: [new.example]"));
  EXPECT_EQ(change.routes, (std::vector<model::ObjectKey>{{Kind::kHttpRoute, "default", "r77"}}));
  EXPECT_FALSE(change.listeners);
  EXPECT_TRUE(change.clusters.empty());
  EXPECT_EQ(change.routed.size(), 1U);
  EXPECT_EQ(&world.compiled("a"), &listener);
  EXPECT_EQ(listener.routes.size(), 5000U);
  EXPECT_EQ(world.state.route({Kind::kHttpRoute, "default", "r1"}), other);
}

TEST(GatewayChange, OfACertificateKeepsRoutes) {
  World world(kBasics + tls_secret("s") +
              gateway("{name: a, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: s}]}}") +
              route("HTTPRoute", "r", "parentRefs: [{name: g}], rules: [{backendRefs: [{name: web, port: 80}]}]"));
  const auto before = world.compiled("a").certificates;
  ASSERT_EQ(before.size(), 1U);
  const auto change = world.apply(tls_secret("s"));
  EXPECT_TRUE(change.listeners);
  EXPECT_TRUE(change.routed.empty());
  EXPECT_EQ(world.compiled("a").routes.size(), 1U);
  EXPECT_NE(world.compiled("a").certificates, before);
  world.remove({Kind::kSecret, "default", "s"});
  EXPECT_FALSE(world.compiled("a").serving);
  EXPECT_EQ(world.compiled("a").routes.size(), 1U);
}

}  // namespace
}  // namespace fairlead::config
