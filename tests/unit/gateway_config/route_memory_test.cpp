// SPDX-License-Identifier: Apache-2.0
// What an HTTPRoute takes on the heap as configuration and in the router, by counting: there may be thousands.
#include <fstream>

#include "fairlead/config/gateway_state.hpp"
#include "fairlead/route/compile.hpp"
#include "fairlead/route/router.hpp"
#include "unit/config/directory_fixture.hpp"
#include "unit/gateway_config/heap_bytes.hpp"

namespace fairlead::config {
namespace {

constexpr std::size_t kRoutes = 2'000;
constexpr const char* kBase = R"(apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: fairlead}
spec: {controllerName: fairlead.io/gateway-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web}
spec: {gatewayClassName: fairlead, listeners: [{name: http, port: 8080, protocol: HTTP}]}
---
apiVersion: v1
kind: Service
metadata: {name: service}
spec: {clusterIP: 10.0.0.1, ports: [{port: 80}]}
)";

/// Routes as they stand in the directory, are compiled, and found by requests.
struct RouteWorld {
  std::unique_ptr<Directory> directory;
  model::Cluster cluster;
  GatewayState state;
  std::shared_ptr<const route::Router> router;

  void take(Result<Update> update) {
    ASSERT_TRUE(update && update->diagnostics.empty());
    cluster.apply(update->changes);
    state.update(cluster, update->changes);
    std::vector<route::RoutePtr> routes;
    for (const auto& [order, compiled] : state.listeners().begin()->second.routes)
      routes.push_back(*route::compile(std::get<model::HttpRoute>(*compiled->object), "", nullptr));
    router = route::Router::build(routes);
  }
};

class RouteMemory : public DirectoryTest {
 protected:
  void write_routes(std::size_t count) const {
    std::ofstream out(root_ / "all.yaml");
    out << kBase;
    for (std::size_t i = 0; i < count; ++i)
      out << "---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: route-" << i
          << "}\nspec: {parentRefs: [{name: web}], hostnames: [host-" << i
          << ".example.com], rules: [{matches: [{path: {value: /any/" << i
          << "}}], backendRefs: [{name: service, port: 80}]}]}\n";
  }
  void load(RouteWorld& world) const {
    auto opened = Directory::open(root_, gateway_kinds());
    ASSERT_TRUE(opened);
    world.directory = std::move(*opened);
    world.take(world.directory->load());
  }
  std::size_t heap_of(std::size_t count) const {
    write_routes(count);
    const auto before = heap_bytes;
    RouteWorld world;
    load(world);
    EXPECT_EQ(world.router->hosts(), count);
    return heap_bytes - before;
  }
};

/// A third of it is the object itself; then come the claim to its name, what it is compiled to and attached by, and the
/// router's tables of its host.
TEST_F(RouteMemory, OfOneWithAHostAPathAndABackend) {
  const auto each = static_cast<double>(heap_of(kRoutes) - heap_of(1)) / kRoutes;
  EXPECT_LE(each, 2280);
  EXPECT_GT(each, 1000) << "counted at all";
}

TEST_F(RouteMemory, GoesBackWhenTheyGo) {
  write_routes(kRoutes);
  RouteWorld world;
  load(world);
  const auto before = heap_bytes;
  write_routes(1);
  world.take(world.directory->load());
  EXPECT_EQ(world.router->hosts(), 1U);
  EXPECT_GE(before - heap_bytes, 1800 * kRoutes);
}

}  // namespace
}  // namespace fairlead::config
