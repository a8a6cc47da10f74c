// SPDX-License-Identifier: Apache-2.0
// What is not in force as written, over changes; without a kernel.
#include <gtest/gtest.h>

#include "agent/datapath/services.hpp"

namespace fairlead::datapath {
namespace {

using Warnings = std::map<std::string, std::vector<std::string>>;

class WarningsTest : public ::testing::Test {
 protected:
  void apply(model::ChangeSet changes) {
    cluster_.apply(changes);
    const auto applied = services_.apply(cluster_, changes);
    ASSERT_TRUE(applied) << applied.error().message;
  }
  static model::Metadata metadata(const std::string& ns, const std::string& name) {
    return {.name = name, .ns = ns, .labels = {}, .annotations = {}};
  }
  static model::Change rule(const std::string& ns, const std::string& name, const std::string& host) {
    model::DestinationRule object;
    object.metadata = metadata(ns, name);
    object.host = host;
    return {{model::Kind::kDestinationRule, ns, name}, std::make_shared<const model::Object>(std::move(object))};
  }
  static model::Change service(const std::string& name) {
    model::Service object;
    object.metadata = metadata("shop", name);
    object.cluster_ips = {*Address::parse("10.96.0.1")};
    object.ports.push_back(
        {.name = "p", .port = 80, .node_port = 0, .protocol = model::Protocol::kTcp, .target = {}, .app_protocol = {}});
    return {{model::Kind::kService, "shop", name}, std::make_shared<const model::Object>(std::move(object))};
  }

  model::Cluster cluster_;
  Services services_{ServiceTables::dry(), {}};
};

TEST_F(WarningsTest, ARuleWhoseHostIsNoServiceIsNamedUntilItIsOne) {
  const std::string nobody =
      "host web.shop.svc.cluster.local is no Service that is known: the rule is in force for nobody";
  const Warnings expected = {{"DestinationRule istio-system/all", {nobody}}, {"DestinationRule shop/web", {nobody}}};
  apply({rule("shop", "web", "web"), rule("shop", "wide", "*.shop.svc.cluster.local"),
         rule("istio-system", "all", "web.shop.svc.cluster.local")});
  EXPECT_EQ(services_.warnings(), expected);
  apply({service("web")});
  EXPECT_EQ(services_.warnings(), Warnings{});
  apply({{{model::Kind::kService, "shop", "web"}, nullptr}});
  EXPECT_EQ(services_.warnings(), expected);
  apply({{{model::Kind::kDestinationRule, "istio-system", "all"}, nullptr}, rule("shop", "web", "other")});
  EXPECT_EQ(services_.warnings().size(), 1U);
}

TEST_F(WarningsTest, TwoServicesWithOneAddressAreNamed) {
  apply({service("web"), service("zeb")});
  EXPECT_EQ(services_.warnings(),
            (Warnings{{"Service shop/zeb", {"10.96.0.1:80 belongs to shop/web already: not served for this one"}}}));
  apply({{{model::Kind::kService, "shop", "web"}, nullptr}});
  EXPECT_EQ(services_.warnings(), Warnings{});
}

}  // namespace
}  // namespace fairlead::datapath
